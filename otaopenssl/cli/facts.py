"""The facts of a certificate in words and for programs."""

from datetime import UTC, datetime

from otaopenssl.outputs import CertificateReport, serial_hex


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
        "not before": f"{report.not_before:%Y-%m-%d %H:%M:%S} UTC",
        "not after": valid_until(report),
        "key usage": _usage(report.key_usage, report.key_usage_is_critical),
        "extended key usage": _usage(report.extended_key_usage, report.extended_key_usage_is_critical),
        "signature": report.signature_algorithm,
    }


def valid_until(report: CertificateReport) -> str:
    """When the certificate expires, and how many days that is from now."""
    left = report.not_after - datetime.now(UTC)
    days = f"{left.days} days left" if left.days >= 0 else "expired"
    return f"{report.not_after:%Y-%m-%d %H:%M:%S} UTC ({days})"


def _usage(usage: tuple[str, ...] | None, is_critical: bool) -> str:
    if usage is None:
        return "absent"
    return ", ".join(usage) + (" (critical)" if is_critical else "")
