"""The dry-run: a bash script that does what a run would do, from the same parsed steps.

In guide style the text's lines stand as they are, under exports; in argv style every command is bound and quoted. The
frame around them (directory, environment, the test for a CA) is the same, and nothing in it is an openssl command.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from otaopenssl.departures import departure
from otaopenssl.environment import CHILD_PATH, NO_TRUST_BUNDLE, environment
from otaopenssl.errors import quoted
from otaopenssl.ids import DeviceID, DeviceUUID
from otaopenssl.layout import Server
from otaopenssl.procedure import Step, Text
from otaopenssl.shellwords import shell_quoted

# How the commands are printed: the guide's own lines, or each bound and quoted.
Style = Literal["guide", "argv"]


class Script(NamedTuple):
    """What a dry-run shows of one command of the tool.

    ``before`` and ``after`` are lines of shell in the words of the guide's places; ``rendered`` are the configuration
    files that the run would make first; ``program`` is given where the search path of the child would find another.
    """

    command: str
    server: Server
    text: Text
    places: Mapping[str, str]
    rendered: Mapping[str, bytes]
    before: Sequence[str]
    after: Sequence[str] = ()
    uuid: DeviceUUID | None = None
    device_id: DeviceID | None = None
    program: str | None = None

    def text_in(self, style: Style) -> str:
        """The script in that style, with a newline at its end."""
        lines = [
            "#!/usr/bin/env bash",
            f"# What '{self.command}' runs: {quoted(self.text.file)}. Nothing has run.",
            "set -e -o pipefail",
            # Bash reads a group as a whole before it runs it, so that the script may also come from standard input.
            "{",
            f"cd -- {shell_quoted(str(self.server.project_dir))}",
            f"exec </dev/null  # {_noted('stdin-closed')}",
            *self._exports(),
            *self.before,
            *self._here_documents(),
            "",
        ]
        for step in self.text.steps:
            if style == "guide":
                lines += [f"# {note}" for note in _notes(step)]
                lines.append(step.source)
            else:
                lines.append(step.bind(self.places).quoted())
        return "\n".join([*lines, *(["", *self.after] if self.after else []), "}"]) + "\n"

    def document(self, style: Style) -> dict[str, object]:
        """The same for programs: the environment of its processes, their argv arrays, and the script."""
        steps = [step.bind(self.places) for step in self.text.steps]
        return {
            "command": self.command,
            "text": self.text.file,
            "working_directory": str(self.server.project_dir),
            "environment": {**environment(self.server.name, self.uuid), **NO_TRUST_BUNDLE},
            "config_files": {name: content.decode("utf-8") for name, content in self.rendered.items()},
            "steps": [
                {
                    "line": bound.step.line,
                    "name": bound.step.name,
                    "source": bound.step.source,
                    "commands": bound.commands,
                    "redirect": bound.redirect,
                    "may_fail": bound.step.may_fail,
                }
                for bound in steps
            ],
            "script": self.text_in(style),
        }

    def _exports(self) -> list[str]:
        bundle = " ".join(f"{name}={value}" for name, value in NO_TRUST_BUNDLE.items())
        lines = [
            "unset DEVICE_ID OPENSSL_CONF OPENSSL_MODULES OPENSSL_ENGINES LD_PRELOAD LD_LIBRARY_PATH",
            f"export PATH={CHILD_PATH} LC_ALL=C {bundle}",
            f"export SERVER_NAME={shell_quoted(self.server.name)}",
            f'export DEVICES_DIR="./${{SERVER_NAME}}/devices" CWD="${{PWD}}"  # {_noted("devices-dir-typo")}',
            f'export SERVER_DIR="${{CWD}}/${{SERVER_NAME}}"  # {_noted("server-dir-unset")}',
        ]
        if self.uuid is not None:
            lines.append(f"export DEVICE_UUID={shell_quoted(self.uuid)}")
            if str(self.device_id) != str(self.uuid):
                lines.append(f"export DEVICE_ID={shell_quoted(str(self.device_id))}")
            lines.append('export device_id=${DEVICE_ID:-${DEVICE_UUID}} device_dir="${DEVICES_DIR}/${DEVICE_UUID}"')
        if self.program is not None:
            lines.append(f'openssl() {{ (exec -a openssl {shell_quoted(self.program)} "$@"); }}')
        return lines

    def _here_documents(self) -> list[str]:
        lines = ['mkdir -p "${CWD}/certs"'] if self.rendered else []
        for name, content in self.rendered.items():
            body = content.decode("utf-8")
            mark = "EOF"
            while mark in body.split("\n"):
                mark += "F"
            path = f'"${{CWD}}/certs/{name}"'
            lines += [f"[ -e {path} ] || cat > {path} <<'{mark}'", f"{body}{mark}"]
        return lines


def _noted(name: str) -> str:
    found = departure(name)
    return f"departure {found.name}: the tool {found.tool}"


def _notes(step: Step) -> list[str]:
    """The departures that concern the step."""
    names = []
    if step.has("-CAcreateserial"):
        names.append("private-serial")
    if step.programs == ("ln",):
        names.append("no-dangling-link")
    return [_noted(name) for name in names]
