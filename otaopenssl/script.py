"""The dry-run: a bash script that does what a run would do, from the same parsed steps.

In guide style the text's lines stand as they are, under exports; in argv style every command is bound and quoted. The
frame around them (directory, environment, the test for a CA) is the same, and nothing in it is an openssl command.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from otaopenssl.departures import departure
from otaopenssl.environment import CHILD_PATH, NO_TRUST_BUNDLE, environment, environment_for
from otaopenssl.errors import quoted
from otaopenssl.ids import DeviceID, DeviceUUID
from otaopenssl.layout import Server
from otaopenssl.shellwords import Place, shell_quoted
from otaopenssl.steps import Step, Text

# How the commands are printed: the guide's own lines, or each bound and quoted.
Style = Literal["guide", "argv"]


class Line(NamedTuple):
    """A step in a script, and the values of its places; ``opening``, ``suffix`` and ``closing`` are shell around it."""

    step: Step
    places: Mapping[str, str]
    opening: str = ""
    suffix: str = ""
    closing: str = ""

    def text_in(self, style: Style) -> list[str]:
        """Its lines in that style; in the guide's own with the departures that concern it."""
        if style == "guide":
            shown = [*(f"# {note}" for note in _notes(self.step)), self.step.source]
        else:
            shown = [self.step.bind(self.places).quoted()]
        shown[-1] += self.suffix
        return [line for line in (self.opening, *shown, self.closing) if line]


# Lines of shell in the words of the guide's places, and steps among them.
Body = list[str | Line]


class Script(NamedTuple):
    """What a dry-run shows of one command of the tool.

    ``texts`` are those whose steps stand in ``body``; ``rendered`` are the configuration files that the run would make
    first; ``program`` is given where the search path of the child would find another; the lines of ``first`` stand
    before the script enters the project directory.
    """

    command: str
    server: Server
    texts: Sequence[Text]
    body: Body
    rendered: Mapping[str, bytes]
    uuid: DeviceUUID | None = None
    device_id: DeviceID | None = None
    program: str | None = None
    first: Sequence[str] = ()

    def text_in(self, style: Style) -> str:
        """The script in that style, with a newline at its end."""
        lines = [
            "#!/usr/bin/env bash",
            f"# What '{self.command}' runs: {self._text_names()}. Nothing has run.",
            "set -e -o pipefail",
            # Bash reads a group as a whole before it runs it, so that the script may also come from standard input.
            "{",
            *self.first,
            f"cd -- {shell_quoted(str(self.server.project_dir))}",
            f"exec </dev/null  # {noted('stdin-closed')}",
            "unset DEVICE_ID OPENSSL_CONF OPENSSL_MODULES OPENSSL_ENGINES LD_PRELOAD LD_LIBRARY_PATH",
            f"export PATH={CHILD_PATH} LC_ALL=C {_bundle()}",
            *server_exports(self.server),
            *device_exports(self.uuid, self.device_id),
        ]
        if self.program is not None:
            lines.append(f'openssl() {{ (exec -a openssl {shell_quoted(self.program)} "$@"); }}')
        for item in self.body:
            lines += [item] if isinstance(item, str) else item.text_in(style)
        return "\n".join([*lines, "}"]) + "\n"

    def _text_names(self) -> str:
        return ", ".join(quoted(text.file) for text in self.texts) or "no audited text"

    def document(self, style: Style) -> dict[str, object]:
        """The same for programs: the environment of its processes, their argv arrays, and the script."""
        variables = environment(self.server.name, self.uuid)
        return {
            "command": self.command,
            "texts": [text.file for text in self.texts],
            "working_directory": str(self.server.project_dir),
            "environment": {**variables, **NO_TRUST_BUNDLE},
            "config_files": {name: content.decode("utf-8") for name, content in self.rendered.items()},
            "steps": [step_document(item, variables) for item in self.body if isinstance(item, Line)],
            "script": self.text_in(style),
        }


def steps_of(text: Text, places: Mapping[str, str]) -> Body:
    """The steps of a text as lines of a script, after an empty one."""
    return ["", *(Line(step, places) for step in text.steps)]


def server_exports(server: Server) -> list[str]:
    """The guide's variables of a server (step 1), SERVER_DIR among them."""
    return [
        f"export SERVER_NAME={shell_quoted(server.name)}",
        f'export DEVICES_DIR="./${{SERVER_NAME}}/devices" CWD="${{PWD}}"  # {noted("devices-dir-typo")}',
        f'export SERVER_DIR="${{CWD}}/${{SERVER_NAME}}"  # {noted("server-dir-unset")}',
    ]


def device_exports(uuid: DeviceUUID | None, device_id: DeviceID | None) -> list[str]:
    """The guide's variables of a device (step 1)."""
    if uuid is None:
        return []
    lines = [f"export DEVICE_UUID={shell_quoted(uuid)}"]
    if device_id is not None and str(device_id) != str(uuid):
        lines.append(f"export DEVICE_ID={shell_quoted(device_id)}")
    return [*lines, *device_names()]


def device_names() -> list[str]:
    """What the guide makes of DEVICE_UUID and DEVICE_ID."""
    return ['export device_id=${DEVICE_ID:-${DEVICE_UUID}} device_dir="${DEVICES_DIR}/${DEVICE_UUID}"']


def here_documents(rendered: Mapping[str, bytes]) -> list[str]:
    """Lines that write the configuration files into certs/ where they are not there."""
    lines = ['mkdir -p "${CWD}/certs"'] if rendered else []
    for name, content in rendered.items():
        path = f'"${{CWD}}/certs/{name}"'
        lines += here_document(path, content, opening=f"[ -e {path} ] || ")
    return lines


def here_document(path: str, content: bytes, opening: str = "") -> list[str]:
    """Lines that write a text, which ends with a newline, to a path in words of shell; ``opening`` stands before."""
    body = content.decode("utf-8")
    mark = "EOF"
    while mark in body.split("\n"):
        mark += "F"
    return [f"{opening}cat > {path} <<'{mark}'", f"{body}{mark}"]


def answering(body: Body) -> Body:
    """The body with a server to answer it: with the system's trust bundle, and whatever s_client's exit status says."""
    return ["unset SSL_CERT_FILE; set +o pipefail", *body, f"export {_bundle()}; set -o pipefail"]


def noted(name: str) -> str:
    """What a comment says of a departure."""
    found = departure(name)
    return f"departure {found.name}: the tool {found.tool}"


def _bundle() -> str:
    return " ".join(f"{name}={value}" for name, value in NO_TRUST_BUNDLE.items())


def step_document(line: Line, variables: Mapping[str, str]) -> dict[str, object]:
    """A step for programs; ``variables`` are the environment of its processes, but for the trust bundle."""
    bound = line.step.bind(line.places)
    return {
        "line": bound.step.line,
        "name": bound.step.name,
        "source": bound.step.source,
        "commands": bound.commands,
        "environment": environment_for(bound.commands[0], variables),
        "redirect": bound.redirect,
        "may_fail": bound.step.may_fail,
    }


def _notes(step: Step) -> list[str]:
    """The departures that concern the step."""
    names = []
    if step.has("-CAcreateserial") and (step.option("-CA") or ("",))[0] == Place("DEVICES_DIR"):
        names.append("private-serial")
    if step.programs == ("ln",):
        names.append("no-dangling-link")
    return [noted(name) for name in names]
