"""The commands of the device gateway, and what is said of the certificates that one sent."""

import os
import re
from pathlib import Path

from otaopenssl import gateway as gateways
from otaopenssl.address import Gateway, parse_gateway, parse_port
from otaopenssl.chain import Certificate, parse_pin
from otaopenssl.cli import gating, session, terminal
from otaopenssl.cli.defaults import Defaults
from otaopenssl.cli.facts import facts, valid_until
from otaopenssl.cli.options import Asking, Place, Running
from otaopenssl.credentials import Credentials
from otaopenssl.errors import BadInput, Error, quoted, raise_all
from otaopenssl.gateway_root import DEFAULT_SECONDS, Fetched, GatewayOrder
from otaopenssl.ids import parse_device_uuid, parse_server_name
from otaopenssl.layout import Server

_LONGEST_SECONDS = 24 * 60 * 60
_WHICH_HINT = "name it by '--gateway URL|HOST' or by '--credentials ZIP'"


def url(place: Place, archive: str) -> None:
    """Print the URL in credentials.zip (guide step 3)."""
    terminal.result(Credentials(session.project_dir(place) / archive, archive).url())


def root(running: Running, asking: Asking, *, uuid: str | None, out: str | None, force: bool) -> None:
    """Fetch a gateway's root certificate and print the path of root.crt."""
    defaults = Defaults(running.place)
    running, asking = defaults.running(running), defaults.asking(asking)
    order = _order(running, asking, uuid, out, force)
    if running.dry_run:
        session.print_script(gateways.script(order, session.program_for_script(running.place)), running)
        return
    permission = gating.admitted(running, order.server, order.procedure, (order.gateway.text_name,))
    saved = gateways.save_root(order, gating.launcher(running, order.server, permission, order.uuid), permission)
    if running.json:
        saved_document = {"root_crt": saved.path, "state": saved.state, "difference": saved.difference}
        terminal.result_json({**saved_document, **document(saved.fetched)})
        return
    tell(saved.fetched)
    terminal.note(f"{saved.path}: {saved.state}")
    for line in saved.difference:
        terminal.note(f"  {line}")
    terminal.result(saved.path)


def gateway_order(asking: Asking, project_dir: Path) -> GatewayOrder | None:
    """The gateway that the options or the guide's variable name; None where they name none. Raises BadInput, Unfit."""
    problems: list[Error] = []
    gateway: Gateway | None = None
    credentials: Credentials | None = None
    text = asking.gateway
    if text is None and asking.credentials is None:
        text = os.environ.get("device_gateway") or None  # noqa: SIM112 - the guide's own name
    try:
        if asking.gateway is not None and asking.credentials is not None:
            raise BadInput("'--gateway' and '--credentials' both name a gateway", hint=_WHICH_HINT)
        if asking.credentials is not None:
            credentials = Credentials(project_dir / asking.credentials, asking.credentials)
            gateway = credentials.gateway()
        elif text is not None:
            gateway = parse_gateway(text, "gateway" if asking.gateway is not None else "variable device_gateway")
        elif given := asking.given():
            raise BadInput(f"{quoted(given[0])} needs a gateway", hint=_WHICH_HINT)
    except Error as problem:
        problems.append(problem)
    problems += session.refusals((parse_pin, pin) for pin in asking.pins)
    problems += session.refusals([(parse_port, asking.port), (parse_seconds, asking.timeout)])
    raise_all(problems)
    if gateway is None:
        return None
    return GatewayOrder(
        gateway=gateway,
        port=None if asking.port is None else parse_port(asking.port),
        seconds=DEFAULT_SECONDS if asking.timeout is None else parse_seconds(asking.timeout),
        pins=tuple(map(parse_pin, asking.pins)),
        credentials=credentials,
    )


def parse_seconds(value: str) -> float:
    """The seconds of ``--timeout``: more than 0, at most a day. Raises BadInput."""
    if not re.fullmatch(r"[0-9]{1,5}(\.[0-9]{1,6})?", value) or not 0 < float(value) <= _LONGEST_SECONDS:
        words = f"time-out {quoted(value)} must be more than 0 and at most {_LONGEST_SECONDS} seconds"
        raise BadInput(words, hint="give '--timeout SECONDS'")
    return float(value)


def required_gateway_order(asking: Asking, project_dir: Path) -> GatewayOrder:
    """The gateway that must be named. Raises BadInput where it is not, else as ``gateway_order``."""
    order = gateway_order(asking, project_dir)
    if order is None:
        raise BadInput("no gateway is named", hint=_WHICH_HINT)
    return order


def tell(fetched: Fetched) -> None:
    """Say what came back, who vouches for it, and what will go wrong with it."""
    count = len(fetched.chain)
    terminal.note(f"gateway {fetched.address} sent {count} certificate{'s' if count != 1 else ''}:")
    for certificate in fetched.chain:
        terminal.note("\n".join(_lines(certificate)))
    for warning in fetched.warnings:
        terminal.warn(warning)
    if fetched.trust.by:
        terminal.note(f"  vouched for by {' and '.join(fetched.trust.by)}")
    else:
        terminal.note("  nothing vouches for it: compare the fingerprint with what the gateway's operator tells you;")
        terminal.note(f"  '{fetched.advised_options}' has it checked from then on")


def document(fetched: Fetched) -> dict[str, object]:
    """What came back, for programs."""
    host, _, port = fetched.address.rpartition(":")
    return {
        "gateway": host,
        "port": int(port),
        "vouched_for_by": fetched.trust.by,
        "certificates": [
            {
                "role": certificate.role,
                "is_self_signed": certificate.is_self_signed,
                "sha256": certificate.sha256,
                "spki_sha256": certificate.key_sha256,
                **facts(certificate.report),
            }
            for certificate in fetched.chain
        ],
        "warnings": fetched.warnings,
    }


def _order(running: Running, asking: Asking, uuid: str | None, out: str | None, force: bool) -> gateways.RootOrder:
    """The fetching that the options and the guide's variables mean. Raises every problem of theirs at once."""
    project_dir = session.project_dir(running.place)
    server_name = session.server_name(running)
    if uuid is None and out is None:
        uuid = os.environ.get("DEVICE_UUID")
    problems = session.refusals([(parse_server_name, server_name), (parse_device_uuid, uuid)])
    if (uuid is None) == (out is None):
        words = "both '--uuid' and '--out' are given" if uuid is not None else "no place for root.crt"
        problems.append(BadInput(words, hint="give '--uuid UUID' for a device, or '--out FILE'"))
    problems += session.refusals([(session.parse_out, out)])
    try:
        gateway = required_gateway_order(asking, project_dir)
    except Error as problem:
        raise_all([*problems, problem])
        raise
    raise_all(problems)
    return gateways.RootOrder(
        server=Server(project_dir, parse_server_name(server_name)),
        procedure=session.procedure(running),
        gateway=gateway,
        uuid=None if uuid is None else parse_device_uuid(uuid),
        out=out or "",
        is_forced=force,
    )


def _lines(certificate: Certificate) -> list[str]:
    report = certificate.report
    issuer = "self-signed" if certificate.is_self_signed else f"issued by {quoted(report.issuer)}"
    return [
        f"  {certificate.role}: {quoted(report.subject)}, {issuer}",
        f"    valid {report.not_before:%Y-%m-%d %H:%M:%S} to {valid_until(report)}",
        f"    sha256:{certificate.sha256}",
    ]
