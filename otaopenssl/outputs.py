"""openssl's text → facts, for OpenSSL 1.1.1 to 4.0, without running anything.

An exit status says little (a full disk gives 0 and empty files), so every output is read again and judged here.
"""

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import NamedTuple

CERTIFICATE = "CERTIFICATE"
CSR = "CERTIFICATE REQUEST"
SEC1_KEY = "EC PRIVATE KEY"
PKCS8_KEY = "PRIVATE KEY"
RSA_KEY = "RSA PRIVATE KEY"
ENCRYPTED_KEY = "ENCRYPTED PRIVATE KEY"

CLIENT_AUTH = "TLS Web Client Authentication"

_LABEL_BY_KIND: Mapping[str, str] = {
    "ecparam | ec": SEC1_KEY,
    "pkcs8": PKCS8_KEY,
    "req -new": CSR,
    "req -new -x509": CERTIFICATE,
    "x509 -req": CERTIFICATE,
}
PUBLIC_LABELS = frozenset({CERTIFICATE, CSR, "PUBLIC KEY"})

_BLOCK = re.compile(
    rb"^-----BEGIN ([A-Z0-9 ]+)-----\r?\n((?:[^-\r\n][^\r\n]*\r?\n|\r?\n)*)-----END \1-----\r?$", re.MULTILINE
)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class PemBlock(NamedTuple):
    """One PEM block (RFC 7468): its label, its bytes, or None where they are encrypted or not base64, and its text."""

    label: str
    der: bytes | None
    text: bytes


def expected_label(kind: str, *, is_encrypted: bool) -> str | None:
    """The PEM label that the -out file of a step of this kind must carry; None where it may be any.

    ``is_encrypted`` is for pkcs8, which encrypts unless told not to.
    """
    return ENCRYPTED_KEY if kind == "pkcs8" and is_encrypted else _LABEL_BY_KIND.get(kind)


def is_public_pem(content: bytes, blocks: Sequence[PemBlock]) -> bool:
    """Whether a file is PEM blocks of public things and nothing else; words around them could be a key's."""
    is_public = bool(blocks) and all(block.label in PUBLIC_LABELS for block in blocks)
    return is_public and not without_blocks(content).strip()


def is_encrypted(pem: bytes) -> bool:
    """Whether there is a key in PEM that is encrypted in the way of before PKCS#8 (RFC 1421)."""
    return b"Proc-Type: 4,ENCRYPTED" in pem


def holds_encrypted_key(content: bytes) -> bool:
    """Whether a PEM file holds a key that is encrypted, in PKCS#8 or in the way of before."""
    return is_encrypted(content) or any(block.label == ENCRYPTED_KEY for block in pem_blocks(content))


def holds_private_key(content: bytes) -> bool:
    """Whether there is a private key in PEM in a file, of whatever kind, and however much of it."""
    return b"PRIVATE KEY-----" in content


def without_blocks(content: bytes) -> bytes:
    """What a file holds besides its PEM blocks."""
    return _BLOCK.sub(b"", content)


def pem_blocks(content: bytes) -> tuple[PemBlock, ...]:
    """The PEM blocks of a file in order; only whole lines begin or end one, and text around them is allowed."""
    return tuple(PemBlock(match[1].decode("ascii"), _decoded(match[2]), match[0]) for match in _BLOCK.finditer(content))


def is_whole_der(der: bytes | None) -> bool:
    """Whether the bytes are exactly one DER SEQUENCE (X.690), neither cut off nor followed by anything."""
    if der is None or len(der) < 2 or der[0] != 0x30:
        return False
    if der[1] < 0x80:
        return len(der) == 2 + der[1]
    count = der[1] & 0x7F
    return 1 <= count <= 4 and len(der) == 2 + count + int.from_bytes(der[2 : 2 + count], "big")


class Version(NamedTuple):
    """What ``openssl version`` says: the product (OpenSSL, LibreSSL), its numbers and the whole line."""

    product: str
    number: tuple[int, ...]
    line: str


def parse_version(text: str) -> Version | None:
    """The version that ``openssl version`` printed, or None where the text is not such a line."""
    line = text.strip().partition("\n")[0]
    match = re.match(r"(OpenSSL|LibreSSL|BoringSSL|AWS-LC)\s+(\d+(?:\.\d+){1,3})", line)
    if not match:
        return None
    # Some say OpenSSL first, and then what they really are.
    other = re.search(r"\(compatible; ([^ );]+)", line)
    return Version(other[1] if other else match[1], tuple(int(part) for part in match[2].split(".")), line)


def parse_openssl_dir(text: str) -> str:
    """Where openssl looks for openssl.cnf, as ``openssl version -d`` printed it; empty where it did not."""
    match = re.search(r'^OPENSSLDIR: "(.*)"$', text, re.MULTILINE)
    return match[1] if match else ""


class CertificateReport(NamedTuple):
    """The facts of an ``x509 -text`` report.

    Names are as the program prints them; times are aware UTC; usages are openssl's words, None where the extension is
    absent; ``is_ca`` is basicConstraints' flag, None where the extension is absent; ``key_bits`` is None where the
    algorithm has one size alone.
    """

    version: int
    serial: int
    subject: str
    issuer: str
    not_before: datetime
    not_after: datetime
    signature_algorithm: str
    key_algorithm: str
    key_bits: int | None
    key_usage: tuple[str, ...] | None
    key_usage_is_critical: bool
    extended_key_usage: tuple[str, ...] | None
    extended_key_usage_is_critical: bool
    is_ca: bool | None

    @property
    def common_names(self) -> tuple[str, ...]:
        """Each CN of the subject; device UUIDs hold no character that a name would have to escape."""
        parts = (part.partition("=") for part in re.split(r", ?| \+ ", self.subject))
        return tuple(value.strip(" ") for name, _, value in parts if name.strip(" ") == "CN")

    @property
    def forbids_clients(self) -> bool:
        """Whether a CA's extended key usage leaves out clients: OpenSSL then refuses each that it has signed."""
        return self.extended_key_usage is not None and CLIENT_AUTH not in self.extended_key_usage

    @property
    def may_sign_certificates(self) -> bool:
        """Whether OpenSSL takes the certificate for a CA (x509v3 check_ca): by its flag, else by age or key usage."""
        if self.key_usage is not None and "Certificate Sign" not in self.key_usage:
            return False
        if self.is_ca is not None:
            return self.is_ca
        return self.key_usage is not None or (self.version == 1 and self.subject == self.issuer)


def name_parts(name: str) -> tuple[str, ...]:
    """The parts of a name as ``-nameopt RFC2253`` prints it, such as ``CN=4711``, escapes left as they are."""
    # A blank that an escape was for at the end of a line is gone from it.
    return tuple(re.findall(r"(?:\\.?|[^,+\\])+", name))


def parse_certificate_report(text: str, *, is_guarded: bool = False) -> CertificateReport | None:
    """The facts of the first certificate in an ``x509 -text`` report, or None where it is not a whole report.

    A report that ``is_guarded`` has its extensions by ``-ext`` alone, so that nothing in the certificate passes for
    one; names in it are as RFC 2253 writes them.
    """
    fields, extensions = _read_report(text, 0 if is_guarded else 12)
    not_before = parse_time(fields.get("Not Before", ""))
    not_after = parse_time(fields.get("Not After", ""))
    serial = _serial(fields.get("Serial Number", ""))
    version = fields.get("Version", "").partition(" ")[0]
    if not_before is None or not_after is None or serial is None or not version.isdecimal():
        return None
    if not {"Subject", "Issuer", "Signature Algorithm"} <= fields.keys():
        return None
    key_usage, key_usage_is_critical = extensions.get("X509v3 Key Usage", (None, False))
    extended, extended_is_critical = extensions.get("X509v3 Extended Key Usage", (None, False))
    constraints, _ = extensions.get("X509v3 Basic Constraints", (None, False))
    return CertificateReport(
        version=int(version),
        serial=serial,
        subject=fields["Subject"],
        issuer=fields["Issuer"],
        not_before=not_before,
        not_after=not_after,
        signature_algorithm=_signature_algorithm(fields),
        key_algorithm=fields.get("Public Key Algorithm", ""),
        key_bits=int(bits[1]) if (bits := re.match(r"\((\d+) bit", fields.get("Public-Key", ""))) else None,
        key_usage=key_usage,
        key_usage_is_critical=key_usage_is_critical,
        extended_key_usage=extended,
        extended_key_usage_is_critical=extended_is_critical,
        is_ca=None if constraints is None else "CA:TRUE" in constraints,
    )


def is_key_of(key_report: str, certificate_report: str) -> bool:
    """Whether the public key that ``pkey -text_pub`` printed is the one in an ``x509 -text`` report.

    One program prints it by the same lines in both, which differ in indentation alone.
    """
    key, certificate = (_unindented(report) for report in (key_report, certificate_report))
    return "Public-Key:" in key and key in certificate


def is_name_match(stdout: bytes) -> bool:
    """Whether ``x509 -checkhost`` or ``-checkip`` found the name; its exit status tells it only from 3.5 on."""
    return b"does match certificate" in stdout


def parse_time(text: str) -> datetime | None:
    """The moment that openssl prints as ``Nov 24 20:44:46 2026 GMT``, as aware UTC; None where it is not one."""
    match = re.fullmatch(r"([A-Z][a-z]{2}) +(\d{1,2}) (\d\d):(\d\d):(\d\d) (\d{4}) GMT", text)
    if not match or match[1] not in _MONTHS:
        return None
    day, hour, minute, second, year = (int(part) for part in match.groups()[1:])
    try:
        return datetime(year, _MONTHS.index(match[1]) + 1, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None


def serial_hex(serial: int) -> str:
    """The serial number as openssl writes it into ca.srl: upper-case hexadecimal, two digits a byte."""
    digits = f"{serial:X}"
    return digits if len(digits) % 2 == 0 else f"0{digits}"


def _decoded(body: bytes) -> bytes | None:
    try:
        return base64.b64decode(b"".join(body.split()), validate=True)
    except binascii.Error:
        return None


def _unindented(text: str) -> str:
    """The lines of a text without their indentation, each between line ends."""
    lines = (line.strip(" ") for line in text.split("\n"))
    return "\n".join(["", *filter(None, lines), ""])


_Extensions = dict[str, tuple[tuple[str, ...], bool]]


def _read_report(text: str, extension_indent: int) -> tuple[dict[str, str], _Extensions]:
    """The fields of a report by name, and its extensions: their comma-separated values and whether they are critical.

    The first of a name counts, so that what a later extension prints cannot pass for the subject.
    """
    fields: dict[str, str] = {}
    extensions: _Extensions = {}
    # Only a newline ends a line: OpenSSL 3.5 and later print other line separators in a name as they are.
    for line, following in pairwise([*text.split("\n"), ""]):
        indent = len(line) - len(line.lstrip(" "))
        name, colon, value = line.strip(" ").partition(":")
        is_extension = indent == extension_indent and name.startswith("X509v3 ")
        if is_extension and following.startswith(" " * (extension_indent + 4)):
            values = tuple(part.strip(" ") for part in following.split(",") if part.strip(" "))
            extensions.setdefault(name, (values, value.strip(" ") == "critical"))
        elif name.endswith("Public-Key") and indent == 16:
            fields.setdefault("Public-Key", value.strip(" "))
        elif colon and 8 <= indent <= 12:
            # A serial number of more than 64 bits stands on the next line.
            is_on_next_line = name == "Serial Number" and not value.strip(" ")
            fields.setdefault(name.strip(" "), (following if is_on_next_line else value).strip(" "))
    return fields, extensions


def _signature_algorithm(fields: Mapping[str, str]) -> str:
    """The algorithm with its digest, which of RSA-PSS stands in a field of its own."""
    name = fields["Signature Algorithm"]
    return f"{name} with {fields.get('Hash Algorithm', 'sha1')}" if name == "rsassaPss" else name


def _serial(field: str) -> int | None:
    """The number of ``16 (0x10)``, ``-16 (-0x10)``, ``3f:a0:…`` or ``(Negative)3f:a0:…``."""
    decimal = re.match(r"(-?\d+) \(-?0x", field)
    digits = field.removeprefix("(Negative)").replace(":", "")
    try:
        number = int(decimal[1]) if decimal else int(digits, 16)
    except ValueError:
        return None
    return -number if field.startswith("(Negative)") else number
