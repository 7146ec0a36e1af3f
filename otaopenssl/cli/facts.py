"""The facts of a certificate in words and for programs."""

from datetime import UTC, datetime, timedelta
from typing import Protocol

from otaopenssl.errors import moment
from otaopenssl.outputs import CertificateReport, serial_hex

_SECONDS_AN_HOUR = 3600


class Expiring(Protocol):
    """What is known of a certificate, by openssl's report or by its own bytes: when it ends."""

    @property
    def not_after(self) -> datetime:
        """The last second of its validity."""


def facts(report: CertificateReport) -> dict[str, object]:
    """The facts for programs: times in ISO 8601 UTC, the serial number in hexadecimal."""
    return {
        "subject": report.subject,
        "issuer": report.issuer,
        "serial": serial_hex(report.serial),
        "not_before": report.not_before.isoformat(),
        "not_after": report.not_after.isoformat(),
        "key_usage": report.key_usage,
        "extended_key_usage": report.extended_key_usage,
        "signature_algorithm": report.signature_algorithm,
    }


def rows(report: CertificateReport) -> dict[str, str]:
    """The facts for people."""
    return {
        "subject": report.subject,
        "issuer": report.issuer,
        "serial number": serial_hex(report.serial),
        "not before": moment(report.not_before),
        "not after": valid_until(report),
        "key usage": _usage(report.key_usage, report.key_usage_is_critical),
        "extended key usage": _usage(report.extended_key_usage, report.extended_key_usage_is_critical),
        "signature": report.signature_algorithm,
    }


def valid_until(certificate: Expiring, now: datetime | None = None) -> str:
    """When the certificate expires, in UTC, and how far that is from now."""
    return f"{moment(certificate.not_after)} ({time_left(certificate.not_after, now or datetime.now(UTC))})"


def time_left(not_after: datetime, now: datetime) -> str:
    """How long it is to the expiry, or since: whole days, on the last day hours."""
    left = not_after - now
    # A certificate is valid up to its notAfter, the second of it included. Source: RFC 5280, section 4.1.2.5.
    is_past = left < timedelta(0)
    long = abs(left)
    if long.days:
        words = _quantity(long.days, "day")
    else:
        hours = long.seconds // _SECONDS_AN_HOUR
        words = _quantity(hours, "hour") if hours else "less than an hour"
    return f"expired {words} ago" if is_past else f"{words} left"


def _quantity(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _usage(usage: tuple[str, ...] | None, is_critical: bool) -> str:
    if usage is None:
        return "absent"
    return ", ".join(usage) + (" (critical)" if is_critical else "")
