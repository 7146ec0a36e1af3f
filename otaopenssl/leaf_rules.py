"""What a device certificate must say, by openssl's report of it: openssl exits 0 whatever it has signed."""

from datetime import UTC, datetime, timedelta

from otaopenssl.errors import Error, Failed, moment, quoted
from otaopenssl.ids import DeviceUUID
from otaopenssl.outputs import CLIENT_AUTH, CertificateReport, serial_hex

# Clocks of an openssl process and of this one read the same time, but not the same fraction of a second.
_CLOCK_TOLERANCE = timedelta(seconds=5)


def leaf_faults(report: CertificateReport, uuid: DeviceUUID, ca: CertificateReport, serial: int | None) -> list[Error]:
    """Each check that the device certificate does not pass; expected, then got.

    ``ca`` is the report of ca.crt, ``serial`` the number that was reserved for it, where one was.
    """
    now = datetime.now(UTC)
    usage = report.extended_key_usage
    checks = [
        (report.common_names == (uuid,), f"subject is {quoted(report.subject)}, expected 'CN={uuid}'"),
        (
            report.issuer == ca.subject,
            f"issuer is {quoted(report.issuer)}, expected the subject of ca.crt",
        ),
        (
            report.not_before - _CLOCK_TOLERANCE <= now < report.not_after,
            f"validity is {moment(report.not_before)} to {moment(report.not_after)}, which is not now",
        ),
        (report.version == 3, f"version is {report.version}, expected 3"),
        (not report.is_ca, "basic constraints make it a CA"),
        (
            report.key_usage is None or "Digital Signature" in report.key_usage,
            f"key usage is {quoted(', '.join(report.key_usage or ()))}, expected 'Digital Signature' in it",
        ),
        (
            usage is not None and CLIENT_AUTH in usage,
            f"extended key usage is {quoted(', '.join(usage)) if usage else 'absent'}, expected '{CLIENT_AUTH}'",
        ),
        (
            serial is None or report.serial == serial,
            f"serial number is {serial_hex(report.serial)}, expected {serial_hex(serial or 0)}, its reserved one",
        ),
    ]
    hint = "look at ./certs/client.cnf and ./certs/client.ext: otaopenssl config diff"
    return [Failed(f"the certificate's {words}", hint=hint) for holds, words in checks if not holds]


def leaf_warnings(report: CertificateReport, ca: CertificateReport) -> list[str]:
    """What works today and fails later with the device certificate."""
    warnings = []
    if report.not_after > ca.not_after:
        warnings.append(
            f"the certificate is valid until {report.not_after:%Y-%m-%d},"
            f" the fleet root CA only until {ca.not_after:%Y-%m-%d}: the device is refused from then on"
        )
    if report.subject.replace(" = ", "=") != f"CN={''.join(report.common_names)}":
        warnings.append(
            f"the subject {quoted(report.subject)} has more than a CN; OTA Community Edition's gateway takes"
            " everything after 'CN=' as the device"
        )
    return warnings
