"""The command that signs a CSR which was made elsewhere."""

import sys
from pathlib import Path

from otaopenssl.certificate_request import CertificateRequest, parse_request
from otaopenssl.cli import session
from otaopenssl.cli.defaults import Defaults
from otaopenssl.cli.issuing_device import device_order, issue
from otaopenssl.cli.options import Asking, Running
from otaopenssl.durable import LARGEST_FILE, read_bounded
from otaopenssl.errors import BadInput, Unfit, quoted, raise_all
from otaopenssl.request_source import OneRequest

_STANDARD_STREAM = "-"


def sign(running: Running, asking: Asking, csr: str, *, uuid: str | None, device_id: str | None) -> None:
    """Have the CSR signed, and print the device directory."""
    defaults = Defaults(running.place)
    running, asking = defaults.running(running), defaults.asking(asking)
    uuid = session.device_uuid(uuid)
    if uuid is None:
        raise BadInput("no device is named", hint="give '--uuid UUID', which must be the CN of the CSR")
    order = device_order(running, asking, uuid, device_id)
    shown = "standard input" if csr == _STANDARD_STREAM else f"CSR {quoted(csr)}"
    source = OneRequest(_request(csr, session.project_dir(running.place), shown), shown)
    if running.dry_run:
        raise_all(source.faults(order.uuid))
    issue(running, order._replace(source=source), "sign")


def _request(csr: str, project_dir: Path, shown: str) -> CertificateRequest:
    if csr == _STANDARD_STREAM:
        if sys.stdin is None:
            raise Unfit("standard input is closed", hint="give the file of a CSR")
        content = sys.stdin.buffer.read(LARGEST_FILE + 1)
        if len(content) > LARGEST_FILE:
            raise BadInput(f"{shown} has more than {LARGEST_FILE} bytes", hint="give one CSR")
        return parse_request(content, shown)
    try:
        content = read_bounded(project_dir / csr)
    except (OSError, ValueError) as error:
        words = session.why_unread(error)
        raise Unfit(f"{shown} cannot be read: {words}", hint="give the file of a CSR, or '-'") from error
    return parse_request(content, shown)
