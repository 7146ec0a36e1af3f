"""The device gateway's root certificate: fetched by the guide's s_client line, judged, and not yet put anywhere.

Source: guide step 4.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from otaopenssl.account import Account
from otaopenssl.address import Gateway
from otaopenssl.answer import is_handshake_finished, parse_answer
from otaopenssl.chain import Certificate, Role, chain_warnings
from otaopenssl.credentials import Credentials
from otaopenssl.durable import read_bounded
from otaopenssl.errors import Failed, quoted
from otaopenssl.execution import Execution, NoAnswer
from otaopenssl.layout import GATEWAY_ROOT_NAME
from otaopenssl.runner import Flooded, Runner, TimedOut
from otaopenssl.script import Body, answering, noted, steps_of
from otaopenssl.steps import BoundStep, Text
from otaopenssl.texts import Procedure
from otaopenssl.vouching import Anchors, Examination, Trust, server_ca

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
        return procedure.text(self.text_name)

    @property
    def text_name(self) -> str:
        """The name of that text."""
        return "gateway.sh" if self.port is None else "gateway-port.sh"

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
    def advised_pins(self) -> tuple[str, ...]:
        """The certificates to pin: each root, or else the last one of the leaf's chain."""
        related = [certificate for certificate in self.chain if certificate.role is not Role.UNRELATED]
        roots = [certificate for certificate in related if certificate.role is Role.ROOT] or related[-1:]
        return tuple(dict.fromkeys(f"sha256:{root.sha256}" for root in roots))

    @property
    def advised_options(self) -> str:
        """The options that pin them."""
        return " ".join(f"--pin {pin}" for pin in self.advised_pins)


class Fetching(NamedTuple):
    """An order that is ready to be carried out: its text, and the CA of the archive, where it carries one."""

    order: GatewayOrder
    text: Text
    ca: Anchors | None

    def steps(self, places: Mapping[str, str]) -> list[BoundStep]:
        """The steps of the text, for a device of those places."""
        return [step.bind({**places, **self.order.places()}) for step in self.text.steps]


def prepared(order: GatewayOrder, procedure: Procedure, runner: Runner, cwd: Path) -> Fetching:
    """The fetching; what can be wrong with it before a gateway is asked is found out. Raises BadInput or Unfit."""
    ca = None if order.credentials is None else server_ca(order.credentials, runner, cwd)
    return Fetching(order, order.text(procedure), ca)


def fetch(
    fetching: Fetching,
    places: Mapping[str, str],
    runner: Runner,
    cwd: Path,
    examined_dir: Path,
    account: Account | None = None,
) -> Fetched:
    """What the gateway sent, once the text has run in ``cwd`` and written root.crt into its ``${device_dir}``.

    ``examined_dir`` is an empty directory of the caller's own; the steps are told to ``account``. Raises Failed where
    the gateway does not answer as it must, or nobody vouches for it who has to.
    """
    order = fetching.order
    execution = Execution(runner, cwd, fetching.text, account, order.seconds)
    address, is_proven = _asked(order, fetching.steps(places), execution)
    content = read_bounded(cwd / places["device_dir"] / GATEWAY_ROOT_NAME)
    examination = Examination(parse_answer(content), runner, examined_dir)
    is_named = examination.is_for(order.gateway)
    now = datetime.now(UTC)
    is_meant = is_named and examination.chain[0].report.not_before <= now <= examination.chain[0].report.not_after
    trust = examination.trust(order.pins, fetching.ca, address, is_proven=is_proven, is_meant=is_meant)
    found = chain_warnings(
        examination.chain,
        order.gateway.host,
        is_name_right=is_named,
        is_server=examination.is_server,
        now=now,
    )
    if order.credentials is not None and fetching.ca is None:
        found.append("credentials.zip holds no CA that could vouch for the gateway")
    found += [f"nothing but the gateway itself vouches for the {above.shown()}" for above in trust.unvouched]
    return Fetched(address, content, examination.chain, is_named, tuple(found), trust)


def _asked(order: GatewayOrder, steps: Sequence[BoundStep], execution: Execution) -> tuple[str, bool]:
    """The address that was asked, and whether the server proved to have the leaf's key: a handshake that finished."""
    address = next(address for step in steps if (address := step.value("-connect")) is not None)
    is_proven = False
    try:
        for step in steps:
            finished = execution.perform(step)
            if finished is not None and step.value("-connect") is not None:
                is_proven = finished.is_good and is_handshake_finished(finished.stderr)
    except NoAnswer as error:
        raise _failed(order, address, error.message) from error
    except TimedOut as error:
        raise _failed(order, address, f"did not answer within {order.seconds:g} seconds") from error
    except Flooded as error:
        raise _failed(order, address, "sent more than 1 MiB") from error
    return address, is_proven


def script_body(order: GatewayOrder, text: Text, places: Mapping[str, str]) -> Body:
    """What a dry-run shows of the fetching; after it root.crt is there and not empty, or the script has ended."""
    host = order.gateway.host
    body: Body = [f"export device_gateway={host}  # {noted('gateway-url')}"]
    if order.port is not None:
        body.append(f"export device_gateway_port={order.port}  # {noted('gateway-port')}")
    if order.pins or order.credentials is not None:
        body.append('echo "this script does not check who vouches for the gateway: no pin, no CA of an archive" >&2')
    return [
        *body,
        *answering(steps_of(text, {**places, **order.places()})),
        # What there is of the device, or of the staging, goes with it.
        f'[ -s "${{device_dir}}/{GATEWAY_ROOT_NAME}" ] || {{ rm -rf -- "${{device_dir}}";'
        f' echo "gateway {host} sent no certificate" >&2; exit 1; }}  # {noted("empty-root")}',
    ]


def _failed(order: GatewayOrder, address: str, what: str) -> Failed:
    named = order.gateway.named_port
    if named is not None and str(named) != address.rpartition(":")[2]:
        hint = f"the gateway's address names port {named}: try '--port {named}'"
    elif what.startswith("sent"):
        hint = "ask the gateway's operator, and look at what is sent: openssl s_client -showcerts"
    else:
        hint = "check the name, the port ('--port') and the network; '--timeout SECONDS' waits longer"
    return Failed(f"gateway {quoted(address)} {what}", hint=hint)
