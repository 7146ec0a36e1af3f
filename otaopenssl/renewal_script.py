"""The dry-run of renewals: a bash script that renews devices one after another, by the same lines."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from otaopenssl import configs
from otaopenssl.device_files import links
from otaopenssl.device_script import ca_lines
from otaopenssl.environment import environment
from otaopenssl.errors import Error
from otaopenssl.ids import Identity
from otaopenssl.layout import Server
from otaopenssl.renewal_source import RenewalSource
from otaopenssl.script import Body, Line, Script, Style, device_exports, here_documents, step_document, steps_of
from otaopenssl.shellwords import shell_joined, shell_quoted, written
from otaopenssl.texts import Procedure

# A device that fails does not keep the others from being renewed. A subshell in a condition would not end at its first
# failure.
_OPENING = "set +e; (set -e"
_CLOSING = (
    ")",
    '[ $? = 0 ] || { echo "device ${DEVICE_UUID} was not renewed" >&2; failed=$((failed + 1)); }; set -e',
)
_CA_SRL_NAME = "ca.srl"


class RenewalScript(NamedTuple):
    """What a dry-run shows of renewals: each device for itself, in a small tree of its own as the tool's workbenches.

    The files that are there are looked at when it is printed; whether the new certificate is good only the run judges.
    """

    server: Server
    procedure: Procedure
    identities: Sequence[Identity]
    source: RenewalSource
    program: str | None

    def text_in(self, style: Style) -> str:
        """The script in that style, with a newline at its end. Raises an Error where its one device is not whole."""
        return self._script().text_in(style)

    def document(self, style: Style) -> dict[str, object]:
        """The same for programs: the steps of each device in its place."""
        document = self._script().document(style)
        document["steps"] = [step for identity in self.identities for step in self._steps(identity)]
        return document

    def _script(self) -> Script:
        text = self.procedure.text("device.sh")
        self.source.check(text)
        rendered = configs.missing(self.server, text)
        body: Body = [*ca_lines(), *here_documents(rendered), *self._body()]
        script = Script("otaopenssl renew", self.server, [text], body, rendered, program=self.program)
        if len(self.identities) == 1:
            return script._replace(uuid=self.identities[0].uuid, device_id=self.identities[0].device_id)
        return script

    def _body(self) -> Iterator[str | Line]:
        if len(self.identities) == 1:
            yield from self._renewed(self.identities[0])
            return
        yield "failed=0"
        for identity in self.identities:
            yield from ("", "unset DEVICE_ID", *device_exports(*identity), _OPENING)
            try:
                yield from self._renewed(identity)
            except Error as error:
                yield f"echo {shell_quoted(error.message)} >&2; exit {error.status}"
            yield from _CLOSING
        yield from ("", '[ "${failed}" = 0 ] || { echo "${failed} devices failed" >&2; exit 5; }')

    def _renewed(self, identity: Identity) -> Body:
        text = self.procedure.text("device.sh")
        places = self.server.device_places(*identity)
        given = self.source.given(text, places)
        linked = [shell_quoted(name) for name, _ in links([step.bind(places) for step in text.steps])]
        link_words = [written(word) for step in text.steps if (word := step.link_word())]
        shared = shell_joined(dict.fromkeys((*text.names_in("DEVICES_DIR"), _CA_SRL_NAME)))
        copied = [f'cp -p -- {shell_joined(given.files)} "${{work}}/${{device_dir}}/"'] if given.files else []
        return [
            "# In a tree like this one, as in the tool's workbench; what was made there, the tool verifies as well.",
            'work="$(mktemp -d "${SERVER_DIR}/.renewal.XXXXXX")"',
            "trap 'rm -rf -- \"${work}\"' EXIT",
            'mkdir -p "${work}/${DEVICES_DIR}"; mkdir -m 700 "${work}/${device_dir}"',
            f'for file in {shared}; do ln -s "${{SERVER_DIR}}/devices/${{file}}" "${{work}}/${{DEVICES_DIR}}/"; done',
            *copied,
            'cd -- "${work}"',
            *steps_of(given.text, places),
            "",
            *(f"[ -e {link} ] || rm -f {link}  # departure no-dangling-link" for link in link_words),
            'cd -- "${CWD}"',
            *_carried(linked),
            *_exchanged(),
            'echo "${device_dir}"',
        ]

    def _steps(self, identity: Identity) -> Iterator[dict[str, object]]:
        variables = environment(self.server.name, identity.uuid)
        for item in self._renewed(identity):
            if isinstance(item, Line):
                yield {"uuid": identity.uuid, **step_document(item, variables)}


def _carried(linked: Sequence[str]) -> list[str]:
    """Lines that take over what the directory holds besides: root.crt, and a team's own files.

    ``linked`` are the names of the text's links, in words of shell.
    """
    skipped = [f'  case "${{file##*/}}" in {name}) [ ! -L "${{file}}" ] || continue;; esac' for name in linked]
    return [
        'for file in "${device_dir}"/* "${device_dir}"/.[!.]* "${device_dir}"/..?*; do',
        '  new="${work}/${device_dir}/${file##*/}"',
        '  [ -e "${file}" ] || [ -L "${file}" ] || continue',
        *skipped,
        '  [ -e "${new}" ] || [ -L "${new}" ] || cp -pP -- "${file}" "${new}"',
        "done",
    ]


def _exchanged() -> list[str]:
    """Lines that put the new directory in the place of the old one, which is kept."""
    return [
        'kept="${SERVER_DIR}/previous/${DEVICE_UUID}"',
        'for file in "${SERVER_DIR}/previous" "${kept}"; do [ -d "${file}" ] || mkdir -m 700 "${file}"; done',
        'kept="${kept}/$(date -u +%Y%m%dT%H%M%SZ)"',
        'file="${kept}" number=2',
        'while [ -e "${file}" ]; do file="${kept}-${number}"; number=$((number + 1)); done',
        "# The tool exchanges the two in one step; between these two the device is not there.",
        'mv -T -- "${device_dir}" "${file}"',
        'mv -T -- "${work}/${device_dir}" "${device_dir}" || { mv -T -- "${file}" "${device_dir}"; exit 1; }',
    ]
