"""Checks of the fleet root CA: what it is, how long it lasts, and what gateways make of it."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from otaopenssl.device_verdicts import refusal
from otaopenssl.doctor_check import Check, Look, Subject, judged, not_tried, ok, problem, warning
from otaopenssl.durable import read_bounded
from otaopenssl.errors import Error
from otaopenssl.fleet_root import FleetRoot, untimely
from otaopenssl.key_kind import key_kind
from otaopenssl.leaf import parse_leaf
from otaopenssl.outputs import CertificateReport, pem_blocks
from otaopenssl.questions import SELF_SIGNED_CHECK
from otaopenssl.reports import unread
from otaopenssl.shellwords import literal
from otaopenssl.text_rules import CA_CERTIFICATE_WORD
from otaopenssl.texts import Procedure

# x509(1), -days: how long certificates are valid where a text does not say it.
_DEFAULT_DAYS = 30
_GUIDE_DAYS = 365
_GUIDE_KEY = "EC P-256"
# The extension's type, in DER (RFC 5280, 4.2.1.10).
_NAME_CONSTRAINTS = bytes.fromhex("0603551d1e")
# X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, and the same of the one that is local (openssl-verification-options(1)).
_WITHOUT_ROOT = (2, 20)
_TRY = "try whether your gateway takes it: otaopenssl rehearse --against URL --uuid UUID"


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


def _trust(subject: Subject, name: str) -> Check:
    """What keeps a gateway from every device, whatever the device: openssl tells it of ca.crt as its own anchor."""
    runner = subject.runner
    if _report(subject) is None or runner is None:
        return _without_report(subject, name)
    path = subject.server.ca_crt_path
    finished = runner.ask(SELF_SIGNED_CHECK, path, cwd=subject.server.project_dir)
    if not finished.is_good:
        why = refusal(finished)
        if why is None:
            raise unread(finished, subject.server.shown(path))
        words = f"openssl verifies nothing by it: error {why.error}, {why.words.strip()}"
        if why.error in _WITHOUT_ROOT:
            words = "it is not self-signed: a gateway that has it alone refuses every device"
            return warning(name, words, f"give the gateway the CAs above it as well, and {_TRY}")
        return problem(name, words, "put a fit fleet root CA in its place")
    if any(_NAME_CONSTRAINTS in (block.der or b"") for block in pem_blocks(read_bounded(path))[:1]):
        return warning(name, "it has name constraints, which may forbid the names of devices", _TRY)
    return ok(name, "openssl takes it for a root by itself")


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
    if _key_kind(read_bounded(subject.server.ca_crt_path)) == _GUIDE_KEY:
        return ok(name, f"{_GUIDE_KEY}, as the guide's")
    bits = "" if report.key_bits is None else f" of {report.key_bits} bits"
    words = f"{report.key_algorithm}{bits}, expected {_GUIDE_KEY} as the guide's"
    return warning(name, words, _TRY)


def _key_kind(content: bytes) -> str | None:
    """The kind of the key of a certificate in PEM; a curve of the same size is another."""
    blocks = pem_blocks(content)
    try:
        return key_kind(parse_leaf(blocks[0].der or b"" if blocks else b"").public_key)
    except ValueError:
        return None


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
    "fleet-root-trust": _trust,
    "fleet-root-expiry": _expiry,
    "fleet-root-key-type": _key_type,
    "fleet-root-revocation": _revocation,
}
