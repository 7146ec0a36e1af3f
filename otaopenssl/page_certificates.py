"""Certificates that a page names besides those of devices: the fleet root CA's, and those of whom an audit trusts."""

from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from otaopenssl import fleet_root
from otaopenssl.device_answers import STANDARD_INPUT, certificate_in
from otaopenssl.digest import sha256
from otaopenssl.doctor_check import Subject
from otaopenssl.durable import read_bounded
from otaopenssl.errors import Error, Failed, Unfit
from otaopenssl.leaf import parse_leaf
from otaopenssl.outputs import CERTIFICATE, pem_blocks
from otaopenssl.questions import CERTIFICATE_FACTS


class Named(NamedTuple):
    """A certificate: its subject as openssl prints it, None where that is not known, and the digest of its DER."""

    subject: str | None
    sha256: str


class CaCrt(NamedTuple):
    """What is known of ca.crt; each is None where it is not, and ``fault`` is why then."""

    subject: str | None
    sha256: str | None
    not_after: datetime | None
    fault: Error | None


def ca_crt(subject: Subject) -> CaCrt:
    """What a page tells of ca.crt: when it ends and its digest also where no openssl can be asked."""
    try:
        der = fleet_root.read_certificate(subject.server).blocks[0].der or b""
    except Unfit as error:
        return CaCrt(None, None, None, error)
    found, errors = subject.fleet_root
    if found is not None:
        return CaCrt(found.report.subject, sha256(der), found.report.not_after, None)
    fault = subject.launched if isinstance(subject.launched, Error) else next(iter(errors), None)
    try:
        not_after = parse_leaf(der).not_after
    except ValueError:
        not_after = None
    return CaCrt(None, sha256(der), not_after, fault)


def trusted(path: Path, subject: Subject) -> list[Named]:
    """The certificates of a file that ``--trust`` names; none where it has gone meanwhile, which the audit tells."""
    try:
        blocks = [block for block in pem_blocks(read_bounded(path)) if block.label == CERTIFICATE]
    except OSError:
        return []
    found = []
    for block in blocks:
        report = None
        if subject.runner is not None:
            try:
                report = certificate_in(subject.runner, block, subject.server.project_dir).report
            except Failed:
                report = None
        found.append(Named(None if report is None else report.subject, sha256(block.der or b"")))
    return found


def questions(trust: Path | None) -> list[tuple[str, ...]]:
    """What openssl would be asked of whom an audit trusts."""
    return [] if trust is None else [CERTIFICATE_FACTS.argv(file=STANDARD_INPUT)]
