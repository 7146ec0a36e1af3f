"""Checks of the fleet root CA: what it is, how long it lasts, and what gateways make of it."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from otaopenssl.der import element
from otaopenssl.doctor_check import Check, Look, Subject, judged, not_tried, ok, warning
from otaopenssl.durable import read_bounded
from otaopenssl.errors import Error
from otaopenssl.fleet_root import FleetRoot, untimely
from otaopenssl.leaf import parse_leaf
from otaopenssl.outputs import CertificateReport, pem_blocks
from otaopenssl.shellwords import literal
from otaopenssl.text_rules import CA_CERTIFICATE_WORD
from otaopenssl.texts import Procedure

# x509(1), -days: how long certificates are valid where a text does not say it.
_DEFAULT_DAYS = 30
_GUIDE_DAYS = 365
# The algorithm of an EC key on P-256, in DER (RFC 5480, 2.1.1).
_P256 = bytes.fromhex("301306072a8648ce3d020106082a8648ce3d030107")


def _fleet_root_ca(subject: Subject, name: str) -> Check:
    found, errors = subject.fleet_root
    server = subject.server
    if found is None:
        return judged(name, errors, "") if errors else not_tried(name, "openssl")
    late = {error.message for error in untimely(server, found.report)}
    # When it is valid is a check of its own.
    others = [error for error in errors if error.message not in late]
    shown = server.shown(server.ca_crt_path)
    return judged(name, others, f"{shown}: {found.report.subject}; its key belongs to it, and it may sign devices")


def _expiry(subject: Subject, name: str) -> Check:
    report = _report(subject)
    if report is None:
        return _without_report(subject, name)
    end = report.not_after
    days = _days(subject.procedure)
    if end < datetime.now(UTC) + timedelta(days=days) and not untimely(subject.server, report):
        words = f"ends on {end:%Y-%m-%d}: before certificates that are issued today for {days} days"
        return warning(name, words, "plan a new fleet root CA; gateways have to trust both for a time")
    return judged(name, untimely(subject.server, report), f"ends on {end:%Y-%m-%d}")


def _days(procedure: Procedure | Error) -> int:
    """For how long the device.sh of the procedure issues; the guide's, where that cannot be told."""
    try:
        steps = () if isinstance(procedure, Error) else procedure.text("device.sh").steps
    except Error:
        steps = ()
    for step in steps:
        if step.option("-CA") == CA_CERTIFICATE_WORD:
            words = step.option("-days")
            days = "" if words is None else literal(words) or ""
            return int(days) if days.isdecimal() and len(days) < 7 else _DEFAULT_DAYS
    return _GUIDE_DAYS


def _key_type(subject: Subject, name: str) -> Check:
    report = _report(subject)
    if report is None:
        return _without_report(subject, name)
    if _is_p256(read_bounded(subject.server.ca_crt_path)):
        return ok(name, "EC P-256, as the guide's")
    bits = "" if report.key_bits is None else f" of {report.key_bits} bits"
    words = f"{report.key_algorithm}{bits}, expected EC P-256 as the guide's"
    return warning(name, words, "try whether your gateway takes it: otaopenssl rehearse --against URL --uuid UUID")


def _is_p256(content: bytes) -> bool:
    """Whether the key of a certificate in PEM is an EC key on P-256; a curve of the same size is another."""
    blocks = pem_blocks(content)
    try:
        sequence = element(parse_leaf(blocks[0].der or b"" if blocks else b"").public_key)
    except ValueError:
        return False
    return sequence.content.startswith(_P256)


def _revocation(subject: Subject, name: str) -> Check:
    """The guide's own fleet root CA may sign no list, and devices are made all the same: never more than told."""
    report = _report(subject)
    if report is None:
        return _without_report(subject, name)
    if report.key_usage is None or "CRL Sign" in report.key_usage:
        return ok(name, "may sign revocation lists")
    return ok(name, "may sign no revocation lists (no cRLSign), as the guide's: devices are blocked at the gateway")


def _report(subject: Subject) -> CertificateReport | None:
    found: FleetRoot | None = subject.fleet_root[0]
    return None if found is None else found.report


def _without_report(subject: Subject, name: str) -> Check:
    """What is said of a CA that nothing is known of: it is another check's problem."""
    return not_tried(name, "fleet-root-ca" if subject.fleet_root[1] else "openssl")


CHECKS: Mapping[str, Look] = {
    "fleet-root-ca": _fleet_root_ca,
    "fleet-root-expiry": _expiry,
    "fleet-root-key-type": _key_type,
    "fleet-root-revocation": _revocation,
}
