"""What must hold of a device certificate and of the fleet root CA, by openssl's reports of them.

The usages are those of the guide's client.ext. Source: the guide; OTA Community Edition, scripts/certs.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime

from otaopenssl.chain import fewest_bits, is_weak_digest
from otaopenssl.device_answers import Certificate, is_named
from otaopenssl.errors import moment, quoted
from otaopenssl.findings import Code, Fault
from otaopenssl.key_kind import key_kind
from otaopenssl.outputs import CLIENT_AUTH, CertificateReport

_KEY_USAGE = ("Digital Signature",)
_EXTENDED_KEY_USAGE = (CLIENT_AUTH,)
# RFC 5280, 4.1.2.2: at most 20 octets, of which the first bit is the sign.
_MOST_SERIAL_BITS = 159


def leaf_findings(
    found: Certificate, uuid: str, cas: Sequence[CertificateReport], name: str, now: datetime
) -> Iterator[Fault]:
    """What is wrong with the device certificate in the file ``name``, at the moment ``now``, by openssl's report of it.

    ``cas`` are the reports of the certificates in ca.crt. All names are as RFC 2253 writes them.
    """
    report = found.report
    if report is None:
        yield Code.CERTIFICATE_UNREADABLE, f"openssl cannot read {name}: {found.fault}"
        return
    if not is_named(report.subject, uuid):
        yield Code.CERTIFICATE_NAME, f"{name}: subject is {quoted(report.subject)}, expected 'CN={uuid}'"
    elif report.subject != f"CN={uuid}":
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
    if not 0 < report.serial < 1 << _MOST_SERIAL_BITS:
        yield Code.SERIAL_INVALID, f"{name}: its serial number is {report.serial}, expected 1 to 20 bytes, positive"
    yield from _validity(report, cas, name, now)
    yield from _strength(found, report, name)


def ca_findings(cas: Sequence[CertificateReport], now: datetime) -> Iterator[Fault]:
    """What is wrong with the certificates of ca.crt, at the moment ``now``, for whoever has to trust devices."""
    for number, report in enumerate(cas, start=1):
        which = "it" if len(cas) == 1 else f"certificate {number} in it, {quoted(report.subject)},"
        yield from ((code, f"{which} {words}") for code, words in _ca_faults(report, now))
    if not any(report.subject == report.issuer for report in cas):
        yield Code.CA_WITHOUT_ROOT, "it holds no self-signed root: a gateway that knows it alone refuses the devices"


def _ca_faults(report: CertificateReport, now: datetime) -> Iterator[Fault]:
    if not report.may_sign_certificates:
        yield Code.CA_NOT_A_CA, "is no CA certificate: nobody trusts what it has signed"
    if report.forbids_clients:
        shown = _usage(report.extended_key_usage, is_critical=report.extended_key_usage_is_critical)
        words = f"has the extended key usage {shown}, expected '{CLIENT_AUTH}' in it, or none"
        yield Code.CA_PURPOSE, f"{words}: an OpenSSL gateway refuses every device under it"
    if now >= report.not_after:
        yield Code.CA_EXPIRED, f"expired on {moment(report.not_after)}"
    if now < report.not_before:
        yield Code.CA_NOT_YET_VALID, f"is not valid before {moment(report.not_before)}"


def _validity(report: CertificateReport, cas: Sequence[CertificateReport], name: str, now: datetime) -> Iterator[Fault]:
    end = _end_above(report, cas, len(cas))
    if now < report.not_before:
        yield Code.NOT_YET_VALID, f"{name} is not valid before {moment(report.not_before)}"
    if now >= report.not_after:
        yield Code.EXPIRED, f"{name} expired on {moment(report.not_after)}"
    elif end is not None and report.not_after > end:
        until = moment(report.not_after), moment(end)
        yield Code.OUTLIVES_CA, f"{name} is valid until {until[0]}, ca.crt only until {until[1]}"


def _end_above(report: CertificateReport, cas: Sequence[CertificateReport], depth: int) -> datetime | None:
    """When the last of the chains above a certificate ends, as far as it is in ca.crt; None where nothing of one is.

    A CA may stand there more than once, as it was and renewed.
    """
    ends = []
    for ca in cas if depth else ():
        if ca.subject == report.issuer:
            above = None if ca.subject == ca.issuer else _end_above(ca, cas, depth - 1)
            ends.append(ca.not_after if above is None else min(ca.not_after, above))
    return max(ends, default=None)


def _strength(found: Certificate, report: CertificateReport, name: str) -> Iterator[Fault]:
    fewest = fewest_bits(report)
    if report.key_bits is not None and report.key_bits < fewest:
        words = f"{report.key_algorithm} of {report.key_bits} bits, expected {fewest} or more"
        yield Code.KEY_WEAK, f"{name}: its key is weak: {words}"
    elif report.key_algorithm == "id-ecPublicKey" and key_kind(found.public_key) is None:
        yield Code.KEY_TYPE, f"{name}: its key of {report.key_bits} bits is on a curve that TLS 1.3 does not know"
    if is_weak_digest(report):
        yield Code.SIGNATURE_WEAK, f"{name}: its signature is weak: {report.signature_algorithm}"


def _usage(usage: tuple[str, ...] | None, *, is_critical: bool) -> str:
    if usage is None:
        return "absent"
    return quoted(", ".join(usage)) + (" (critical)" if is_critical else " (not critical)")
