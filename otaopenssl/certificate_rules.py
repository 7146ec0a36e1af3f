"""What must hold of a device certificate and of the fleet root CA, by openssl's reports of them.

The usages are those of the guide's client.ext. Source: the guide; OTA Community Edition, scripts/certs.
"""

from collections.abc import Iterator
from datetime import datetime

from otaopenssl.chain import fewest_bits, is_weak_digest
from otaopenssl.errors import quoted
from otaopenssl.findings import Code
from otaopenssl.outputs import CLIENT_AUTH, CertificateReport

_KEY_USAGE = ("Digital Signature",)
_EXTENDED_KEY_USAGE = (CLIENT_AUTH,)

Fault = tuple[Code, str]


def leaf_findings(
    report: CertificateReport, uuid: str, ca: CertificateReport, name: str, now: datetime
) -> Iterator[Fault]:
    """What is wrong with the device certificate in the file ``name``, at the moment ``now``."""
    if report.common_names != (uuid,):
        yield Code.CERTIFICATE_NAME, f"{name}: subject is {quoted(report.subject)}, expected 'CN={uuid}'"
    elif "," in report.subject:
        words = "OTA Community Edition's gateway takes everything after 'CN=' as the device"
        yield Code.CERTIFICATE_SUBJECT, f"{name}: subject {quoted(report.subject)} has more than a CN; {words}"
    if report.version != 3:
        yield Code.CERTIFICATE_VERSION, f"{name}: version is {report.version}, expected 3"
    if report.is_ca:
        yield Code.CERTIFICATE_IS_CA, f"{name}: basic constraints make it a CA"
    if (report.key_usage, report.key_usage_is_critical) != (_KEY_USAGE, True):
        shown = _usage(report.key_usage, is_critical=report.key_usage_is_critical)
        yield Code.KEY_USAGE, f"{name}: key usage is {shown}, expected {_usage(_KEY_USAGE, is_critical=True)}"
    if (report.extended_key_usage, report.extended_key_usage_is_critical) != (_EXTENDED_KEY_USAGE, True):
        shown = _usage(report.extended_key_usage, is_critical=report.extended_key_usage_is_critical)
        expected = _usage(_EXTENDED_KEY_USAGE, is_critical=True)
        yield Code.EXTENDED_KEY_USAGE, f"{name}: extended key usage is {shown}, expected {expected}"
    yield from _validity(report, ca, name, now)
    yield from _strength(report, name)


def ca_findings(report: CertificateReport, now: datetime) -> Iterator[Fault]:
    """What is wrong with the fleet root CA's certificate, at the moment ``now``, for whoever has to trust devices."""
    if not report.may_sign_certificates:
        yield Code.CA_NOT_A_CA, "it is no CA certificate: nobody trusts what it has signed"
    if report.extended_key_usage is not None and CLIENT_AUTH not in report.extended_key_usage:
        shown = _usage(report.extended_key_usage, is_critical=report.extended_key_usage_is_critical)
        words = f"its extended key usage is {shown}, expected '{CLIENT_AUTH}' in it, or none"
        yield Code.CA_PURPOSE, f"{words}: an OpenSSL gateway refuses every device under it"
    if now >= report.not_after:
        yield Code.CA_EXPIRED, f"it expired on {_moment(report.not_after)}"
    if now < report.not_before:
        yield Code.CA_NOT_YET_VALID, f"it is not valid before {_moment(report.not_before)}"


def _validity(report: CertificateReport, ca: CertificateReport, name: str, now: datetime) -> Iterator[Fault]:
    if now < report.not_before:
        yield Code.NOT_YET_VALID, f"{name} is not valid before {_moment(report.not_before)}"
    if now >= report.not_after:
        yield Code.EXPIRED, f"{name} expired on {_moment(report.not_after)}"
    elif report.not_after > ca.not_after:
        until = _moment(report.not_after), _moment(ca.not_after)
        yield Code.OUTLIVES_CA, f"{name} is valid until {until[0]}, ca.crt only until {until[1]}"


def _strength(report: CertificateReport, name: str) -> Iterator[Fault]:
    fewest = fewest_bits(report)
    if report.key_bits is not None and report.key_bits < fewest:
        words = f"{report.key_algorithm} of {report.key_bits} bits, expected {fewest} or more"
        yield Code.KEY_WEAK, f"{name}: its key is weak: {words}"
    if is_weak_digest(report):
        yield Code.SIGNATURE_WEAK, f"{name}: its signature is weak: {report.signature_algorithm}"


def _usage(usage: tuple[str, ...] | None, *, is_critical: bool) -> str:
    if usage is None:
        return "absent"
    return quoted(", ".join(usage)) + (" (critical)" if is_critical else " (not critical)")


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
