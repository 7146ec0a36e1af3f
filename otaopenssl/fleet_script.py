"""The dry-run of a fleet: a bash script that makes its devices one after another, by the same lines."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from otaopenssl import configs
from otaopenssl.device import Order
from otaopenssl.device_script import ca_lines, making_body
from otaopenssl.environment import environment
from otaopenssl.fleet import FleetOrder
from otaopenssl.ids import Identity
from otaopenssl.script import Body, Line, Script, Style, device_exports, device_names, here_documents, step_document

# A device that fails leaves nothing, and does not keep the others from being made. A subshell in a condition would
# not end at its first failure.
_OPENING = (
    "set +e; (set -e",
    '[ ! -e "${device_dir}" ] || { echo "${device_dir} is there already" >&2; exit 0; }',
)
# Only once the directory is this script's own.
_OPENED = "trap '[ $? = 0 ] || rm -rf -- \"${device_dir}\"' EXIT"
_CLOSING = (
    ") 3<&-",
    '[ $? = 0 ] || { echo "device ${DEVICE_UUID} failed" >&2; failed=$((failed + 1)); }; set -e',
)
_MARK = "EOF"


class Follower(Protocol):
    """What follows each device in the script, by a shell function that is defined once."""

    def function_lines(self) -> list[str]:
        """The function."""

    def device_lines(self) -> list[str]:
        """Lines that call it for the device of the guide's variables, and count what failed."""


class FleetScript(NamedTuple):
    """What a dry-run shows of a fleet: in the guide's style a loop over the IDs, bound each device for itself.

    It judges no device that is there already; the run does.
    """

    order: FleetOrder
    program: str | None
    following: Sequence[Follower] = ()

    def text_in(self, style: Style) -> str:
        """The script in that style, with a newline at its end."""
        return self._script(style).text_in(style)

    def document(self, style: Style) -> dict[str, object]:
        """The same for programs: the steps of each device in its place."""
        document = self._script(style).document(style)
        document["steps"] = [step for identity in self.order.ids for step in self._steps(identity)]
        return document

    def _script(self, style: Style) -> Script:
        order = self.order
        text = order.procedure.text("device.sh")
        rendered = configs.missing(order.server, text)
        body: Body = [
            *ca_lines(),
            *here_documents(rendered),
            *(line for one in self.following for line in one.function_lines()),
            "failed=0",
            # What is written down of each device differs where its CSR is from elsewhere.
            *(self._loop() if style == "guide" and order.csrs is None else self._each()),
            "",
            'echo "${DEVICES_DIR}"',
            '[ "${failed}" = 0 ] || { echo "${failed} devices failed" >&2; exit 5; }',
        ]
        texts = [text] if order.gateway is None else [text, order.gateway.text(order.procedure)]
        return Script("otaopenssl fleet", order.server, texts, body, rendered, program=self.program)

    def _loop(self) -> Body:
        first = next(iter(self.order.ids))
        return [
            "while read -r -u 3 DEVICE_UUID DEVICE_ID; do",
            "export DEVICE_UUID",
            *device_names(),
            *self._made(first),
            f"done 3<<'{_MARK}'",
            *(" ".join(dict.fromkeys(identity)) for identity in self.order.ids),
            _MARK,
        ]

    def _each(self) -> Iterator[str | Line]:
        for identity in self.order.ids:
            yield ""
            yield "unset DEVICE_ID"
            yield from device_exports(*identity)
            yield from self._made(identity)

    def _made(self, identity: Identity) -> Body:
        make_directory, *others = making_body(self._device(identity))
        after = [line for one in self.following for line in one.device_lines()]
        return [*_OPENING, make_directory, _OPENED, *others, *_CLOSING, *after]

    def _device(self, identity: Identity) -> Order:
        order = self.order
        csr = None if order.csrs is None else order.csrs.checked(identity.uuid)
        return Order(order.server, identity.uuid, identity.device_id, order.procedure, order.gateway, csr)

    def _steps(self, identity: Identity) -> Iterator[dict[str, object]]:
        variables = environment(self.order.server.name, identity.uuid)
        for item in making_body(self._device(identity)):
            if isinstance(item, Line):
                yield {"uuid": identity.uuid, **step_document(item, variables)}
