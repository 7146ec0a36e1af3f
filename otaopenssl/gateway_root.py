"""The device gateway's root certificate: fetched by the guide's s_client line, judged, and not yet put anywhere.

Source: guide step 4.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from otaopenssl.address import Gateway
from otaopenssl.answer import parse_answer
from otaopenssl.chain import Certificate, Role, warnings
from otaopenssl.credentials import Credentials
from otaopenssl.durable import read_bounded
from otaopenssl.errors import Failed, quoted
from otaopenssl.execution import Execution, NoAnswer
from otaopenssl.layout import GATEWAY_ROOT_NAME
from otaopenssl.procedure import Text
from otaopenssl.runner import Flooded, Runner, TimedOut
from otaopenssl.script import Body, answering, noted, steps_of
from otaopenssl.texts import Procedure
from otaopenssl.vouching import Examination, Trust, server_ca

DEFAULT_SECONDS = 30.0


class GatewayOrder(NamedTuple):
    """Which gateway is asked, and who has to vouch for what it sends.

    ``port`` is that of ``--port`` and chooses gateway-port.sh; without it gateway.sh runs, with the guide's port 8000.
    ``pins`` are SHA-256 digests of a certificate or its public key; ``credentials`` may carry the CA.
    """

    gateway: Gateway
    port: int | None = None
    seconds: float = DEFAULT_SECONDS
    pins: tuple[str, ...] = ()
    credentials: Credentials | None = None

    def text(self, procedure: Procedure) -> Text:
        """The audited text that fetches it. Raises BadInput or Unfit."""
        return procedure.text("gateway.sh" if self.port is None else "gateway-port.sh")

    def places(self) -> dict[str, str]:
        """The values of the places of that text, beside the server's and the device's."""
        places = {"device_gateway": str(self.gateway.host)}
        return places if self.port is None else places | {"device_gateway_port": str(self.port)}


class Fetched(NamedTuple):
    """What a gateway sent: root.crt as the guide's sed writes it, each certificate, and what to know about them.

    ``address`` is what s_client connected to, as HOST:PORT; ``is_name_right`` says that the leaf is for that host.
    """

    address: str
    content: bytes
    chain: tuple[Certificate, ...]
    is_name_right: bool
    warnings: tuple[str, ...]
    trust: Trust

    @property
    def advised_pin(self) -> str:
        """The certificate to pin: the root, or else the last one of the leaf's chain."""
        related = [certificate for certificate in self.chain if certificate.role is not Role.UNRELATED]
        root = next((certificate for certificate in related if certificate.role is Role.ROOT), related[-1])
        return f"sha256:{root.sha256}"


def fetch(
    order: GatewayOrder, text: Text, places: Mapping[str, str], runner: Runner, cwd: Path, examined_dir: Path
) -> Fetched:
    """What the gateway sent, once the text has run in ``cwd`` and written root.crt into its ``${device_dir}``.

    ``examined_dir`` is an empty directory of the caller's own. Raises Failed where the gateway does not answer as it
    must or nobody vouches for it who has to; BadInput where the archive's CA cannot be read.
    """
    ca = None if order.credentials is None else server_ca(order.credentials, runner, examined_dir)
    execution = Execution(runner, cwd, order.seconds)
    steps = [step.bind({**places, **order.places()}) for step in text.steps]
    address = next(address for step in steps if (address := step.value("-connect")) is not None)
    try:
        for step in steps:
            execution.perform(step)
    except NoAnswer as error:
        raise _failed(order, address, error.message) from error
    except TimedOut as error:
        raise _failed(order, address, f"did not answer within {order.seconds:g} seconds") from error
    except Flooded as error:
        raise _failed(order, address, "sent more than 1 MiB") from error
    content = read_bounded(cwd / places["device_dir"] / GATEWAY_ROOT_NAME)
    examination = Examination(parse_answer(content), runner, examined_dir)
    trust = examination.trust(order.pins, ca, address)
    is_name_right = examination.is_for(order.gateway)
    now = datetime.now(UTC)
    found = warnings(examination.chain, order.gateway.host, is_name_right=is_name_right, now=now)
    if trust.by:
        found += [f"{' and '.join(trust.by)} does not vouch for the {above.shown()}" for above in trust.unvouched]
    return Fetched(address, content, examination.chain, is_name_right, tuple(found), trust)


def script_body(order: GatewayOrder, text: Text, places: Mapping[str, str]) -> Body:
    """What a dry-run shows of the fetching; after it root.crt is there and not empty, or the script has ended."""
    host = order.gateway.host
    body: Body = [f"export device_gateway={host}  # {noted('gateway-url')}"]
    if order.port is not None:
        body.append(f"export device_gateway_port={order.port}  # {noted('gateway-port')}")
    if order.pins or order.credentials is not None:
        body.append("# The pins, and the CA in credentials.zip, are judged by the tool, not by this script.")
    return [
        *body,
        *answering(steps_of(text, {**places, **order.places()})),
        f'[ -s "${{device_dir}}/{GATEWAY_ROOT_NAME}" ] || {{ rm -f "${{device_dir}}/{GATEWAY_ROOT_NAME}";'
        f' echo "gateway {host} sent no certificate" >&2; exit 1; }}  # {noted("empty-root")}',
    ]


def _failed(order: GatewayOrder, address: str, what: str) -> Failed:
    named = order.gateway.named_port
    if named is not None and str(named) != address.rpartition(":")[2]:
        hint = f"the gateway's address names port {named}: try '--port {named}'"
    else:
        hint = "check the name, the port ('--port') and the network; '--timeout SECONDS' waits longer"
    return Failed(f"gateway {quoted(address)} {what}", hint=hint)
