"""What a dry-run shows of a rehearsal: the same texts, in a directory of their own, the gateway in the background."""

import os
from pathlib import Path

from otaopenssl import configs
from otaopenssl import root as roots
from otaopenssl import server as servers
from otaopenssl.address import Gateway
from otaopenssl.attempt import NOT_OFFERED, REFUSING_STATUSES, Came
from otaopenssl.device import Order
from otaopenssl.device_script import script_body as device_body
from otaopenssl.gateway_root import GatewayOrder, script_body
from otaopenssl.ids import DeviceID, DeviceUUID
from otaopenssl.layout import GATEWAY_ROOT_NAME, Server
from otaopenssl.rehearsal import LOCAL_HOST, STRANGER, Rehearsal, free_port, gateway_places
from otaopenssl.script import Body, Line, Script, answering, device_exports, server_exports
from otaopenssl.shellwords import shell_quoted
from otaopenssl.steps import Text
from otaopenssl.trials import Trial, Who, gateway_step, trials_of

_REQUEST = "request=$'GET / HTTP/1.1\\r\\nHost: '\"${device_gateway}\"$'\\r\\nConnection: close\\r\\n\\r\\n'"
# What came of a connection, as the tool judges it, from what s_client printed.
_JUDGE = f"""\
judge() {{  # what was tried, what must come of it
  local came="no answer" said
  said="$(grep -av -e '^depth=' -e '^issuer=' -e '^subject=' <<<"${{answer}}")" || :
  if grep -aqE '^verify error:num=' <<<"${{said}}"; then came="not trusted"
  elif grep -aqE '^HTTP/[0-9.]+ ({"|".join(REFUSING_STATUSES)})' <<<"${{said}}"; then came=refused
  elif grep -aqE '^HTTP/[0-9.]+ [0-9]{{3}}' <<<"${{said}}"; then came=accepted
  elif grep -aqE '{NOT_OFFERED}' <<<"${{said}}"; then came="not offered"
  elif grep -aqE 'alert number [0-9]+' <<<"${{said}}"; then came=refused
  elif grep -aqE '^verify return:1$' <<<"${{said}}"; then came=refused
  fi
  echo "$1: ${{came}}"
  [ "${{came}}" = "not offered" ] || tried="${{tried}} $2"
  [ "${{came}}" = "$2" ] || [ "${{came}}" = "not offered" ] || {{ echo "$1: must be $2" >&2; exit 1; }}
}}"""


def script(rehearsal: Rehearsal, program: str | None) -> Script:
    """What ``otaopenssl rehearse`` would run, without running or writing anything."""
    return _Writer(rehearsal).script(program)


class _Writer:
    """The script of one rehearsal; it remembers the texts that it has used and the files that it has rendered."""

    def __init__(self, rehearsal: Rehearsal) -> None:
        self._rehearsal = rehearsal
        self._procedure = rehearsal.procedure
        name = f"otaopenssl-{os.urandom(8).hex()}"
        self._temporary = None if rehearsal.kept_dir else f"/tmp/{name}"  # noqa: S108 - the script makes it, or fails
        directory = rehearsal.kept_dir or Path(str(self._temporary))
        self._server = Server(directory, rehearsal.server.name)
        self._stranger = Server(directory, rehearsal.stranger_name)
        self._texts: dict[str, Text] = {}
        self._rendered: dict[str, bytes] = {}

    def script(self, program: str | None) -> Script:
        against = self._rehearsal.against
        body = self._local() if against is None else self._against(against)
        first = [f"mkdir -m 700 -- {shell_quoted(str(self._server.project_dir))}"]
        if self._temporary is not None:
            first.append(f"trap 'rm -rf -- {self._temporary}' EXIT")
        texts = list(self._texts.values())
        return Script("otaopenssl rehearse", self._server, texts, body, self._rendered, program=program, first=first)

    def _local(self) -> Body:
        port = self._rehearsal.port or free_port()
        root, server, rehearse = self._text("root.sh"), self._text("server.sh"), self._text("rehearse.sh")
        places = self._places(Who.DEVICE, LOCAL_HOST, port)
        return [
            *self._configs(),
            *roots.script_body(self._server, root, self._missing(root)),
            *servers.script_body(self._server, server, self._missing(server)),
            *server_exports(self._server),
            f"export device_gateway_port={port}",
            "",
            Line(gateway_step(rehearse), places, suffix=" >gateway.log 2>&1 &"),
            "gateway=$!",
            f"trap '{self._end()}' EXIT",
            'for i in {1..300}; do grep -q ACCEPT gateway.log && break; kill -0 "${gateway}"; sleep 0.1; done',
            "grep -q ACCEPT gateway.log; rm gateway.log",
            "",
            *self._device(self._server, self._rehearsal.uuid, GatewayOrder(Gateway(LOCAL_HOST, None), port)),
            *self._stranger_body(),
            *self._trials(LOCAL_HOST, port),
        ]

    def _against(self, gateway: Gateway) -> Body:
        real_dir = shell_quoted(str(self._rehearsal.server.device_path(self._rehearsal.uuid)))
        order = GatewayOrder(gateway, self._rehearsal.fetching_port, pins=self._rehearsal.pins)
        port = self._rehearsal.connecting_port
        fetching = script_body(order, self._gateway_text(order), self._places(Who.DEVICE, gateway.host, port))
        return [
            f'[ -d {real_dir} ] || {{ echo "no device: {self._rehearsal.uuid} is not there" >&2; exit 4; }}',
            'echo "this script does not check whether the gateway\'s certificate is for its name" >&2',
            *self._configs(),
            *device_exports(self._rehearsal.uuid, None),
            'mkdir -p "${device_dir}"',
            *fetching,
            f'for file in {real_dir}/*; do [ ! -e "${{file}}" ] || ln -sf -- "${{file}}" "${{device_dir}}/"; done',
            *self._stranger_body(),
            *self._trials(gateway.host, port),
        ]

    def _configs(self) -> list[str]:
        """The team's own configuration files, where there are some."""
        source = self._rehearsal.server.certs_dir
        return [f"cp -R -- {shell_quoted(str(source))} certs; chmod -R u+rwX certs"] if source.is_dir() else []

    def _device(self, server: Server, uuid: DeviceUUID, gateway: GatewayOrder | None) -> Body:
        text = self._text("device.sh")
        if gateway is not None:
            self._gateway_text(gateway)
        order = Order(server, uuid, DeviceID(uuid), self._procedure, gateway)
        return [*device_exports(uuid, None), *device_body(order, self._missing(text))]

    def _stranger_body(self) -> Body:
        """A device that trusts the gateway, and whose fleet root CA the gateway does not know."""
        root = self._text("root.sh")
        return [
            "",
            f'root_crt="${{device_dir}}/{GATEWAY_ROOT_NAME}"',
            *server_exports(self._stranger),
            *roots.script_body(self._stranger, root, self._missing(root)),
            *self._device(self._stranger, STRANGER, None),
            'cp -- "${root_crt}" "${device_dir}/"',
        ]

    def _trials(self, host: str, port: int) -> Body:
        exported = [f"export device_gateway={host} device_gateway_port={port}"]
        body: Body = ["", *exported, _REQUEST, *_JUDGE.splitlines()]
        last: Who | None = None
        for trial in trials_of(self._text("rehearse.sh")):
            if trial.who is not last:
                server, uuid = self._owner(trial.who)
                body += ["", *server_exports(server), *device_exports(uuid, None)]
            last = trial.who
            body += answering([_shown(trial, self._places(trial.who, host, port))])
        return [
            *body,
            "",
            f"for what in {Came.ACCEPTED} {Came.REFUSED}; do",
            '  [[ "${tried}" == *" ${what}"* ]]',
            "done",
        ]

    def _text(self, name: str) -> Text:
        text = self._procedure.text(name)
        return self._texts.setdefault(text.file, text)

    def _gateway_text(self, order: GatewayOrder) -> Text:
        text = order.text(self._procedure)
        return self._texts.setdefault(text.file, text)

    def _missing(self, text: Text) -> dict[str, bytes]:
        """The configuration files that the script has to write for the text, and has not written before."""
        missing = configs.missing(self._rehearsal.server, text)
        new = {name: content for name, content in missing.items() if name not in self._rendered}
        self._rendered |= new
        return new

    def _owner(self, who: Who) -> tuple[Server, DeviceUUID]:
        return (self._stranger, STRANGER) if who is Who.STRANGER else (self._server, self._rehearsal.uuid)

    def _places(self, who: Who, host: str, port: int) -> dict[str, str]:
        return gateway_places(*self._owner(who), host, port)

    def _end(self) -> str:
        """The end of the gateway: where a function stands for openssl, it is a child of what runs in the background."""
        ended = 'kill $(cat "/proc/${gateway}/task/${gateway}/children") "${gateway}" 2>/dev/null || :'
        return ended if self._temporary is None else f"{ended}; rm -rf -- {self._temporary}"


def _shown(trial: Trial, places: dict[str, str]) -> Line:
    """The trial, and what the script says and does about what comes of it."""
    return Line(
        trial.step,
        places,
        opening='answer="$({',
        closing=f'}} <<<"${{request}}" 2>&1 | tr -d "\\0")"\njudge "{trial.name}" "{trial.expected}"',
    )
