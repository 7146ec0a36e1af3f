"""The certificates that a gateway sent, as facts: what each is, and what works today and fails later.

A device trusts every certificate of root.crt. Source: RFC 5280; measured with aktualizr: a root.crt without the root
fails when the server renews its leaf or its intermediate.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from otaopenssl.errors import BadInput, moment, quoted
from otaopenssl.outputs import CertificateReport

# At least 112 bits of strength.
_FEWEST_BITS = {"rsaEncryption": 2048, "rsassaPss": 2048, "dsaEncryption": 2048, "id-ecPublicKey": 224}
_WEAK_DIGEST = re.compile(r"(?:md[245]|sha-?1)(?![0-9])", re.IGNORECASE)


class Role(StrEnum):
    """What a certificate is in the chain of the first one that was sent."""

    LEAF = "leaf"
    INTERMEDIATE = "intermediate"
    ROOT = "root"
    UNRELATED = "unrelated"


class Certificate(NamedTuple):
    """A certificate that was sent: the digests of its DER and of its public key (SPKI), its facts, and what it is."""

    sha256: str
    key_sha256: str
    report: CertificateReport
    role: Role
    is_self_signed: bool

    def shown(self) -> str:
        """The certificate in one line."""
        return f"{self.role} {quoted(self.report.subject)} sha256:{self.sha256}"


def parse_pin(value: str) -> str:
    """The SHA-256 digest that ``sha256:…`` means, in lower-case hexadecimal.

    64 hexadecimal digits, with or without colons between them, or Base64 as HPKP (RFC 7469) and curl write it. Raises
    BadInput.
    """
    prefix, _, digest = value.partition(":")
    plain = digest.replace(":", "").lower()
    if prefix.lower() == "sha256":
        if re.fullmatch(r"[0-9a-f]{64}", plain):
            return plain
        if re.fullmatch(r"[A-Za-z0-9+/]{43}=", digest):
            return _from_base64(digest)
    raise BadInput(
        f"pin {quoted(value)} is no SHA-256 digest, expected 'sha256:' and 64 hexadecimal digits",
        hint="give the fingerprint of the gateway's root certificate as its operator tells it",
    )


def chain_warnings(
    chain: Sequence[Certificate], host: str, *, is_name_right: bool, is_server: bool, now: datetime
) -> list[str]:
    """What a device will stumble over: today, or at the next renewal. ``host`` is the name that devices connect to."""
    found = []
    leaf = chain[0]
    if leaf.is_self_signed:
        found.append("the gateway's certificate is self-signed: devices lose the gateway when it is renewed")
    elif not any(certificate.role is Role.ROOT for certificate in chain):
        found.append(
            "no self-signed root in the chain: devices lose the gateway when the leaf or an intermediate is renewed;"
            " have the gateway send its root too"
        )
    if not is_name_right:
        found.append(
            f"the leaf {quoted(leaf.report.subject)} is not for {quoted(host)}: clients that check it refuse it"
        )
    if not is_server:
        found.append(f"the leaf {quoted(leaf.report.subject)} is not one of a server: clients refuse it")
    for certificate in chain:
        found += _certificate_warnings(certificate, now)
    return found


def fewest_bits(report: CertificateReport) -> int:
    """How many bits a key of the certificate's algorithm must have at least. Source: NIST SP 800-57."""
    return _FEWEST_BITS.get(report.key_algorithm, 0)


def is_weak_digest(report: CertificateReport) -> bool:
    """Whether the certificate is signed with a digest that clients and gateways refuse."""
    return _WEAK_DIGEST.search(report.signature_algorithm) is not None


def _certificate_warnings(certificate: Certificate, now: datetime) -> list[str]:
    report = certificate.report
    what = f"the {certificate.role} {quoted(report.subject)}"
    found = []
    if certificate.role is Role.UNRELATED:
        found.append(f"{quoted(report.subject)} does not belong to the leaf's chain, and devices will trust it")
    if now > report.not_after:
        found.append(f"{what} expired on {moment(report.not_after)}")
    if now < report.not_before:
        found.append(f"{what} is not valid before {moment(report.not_before)}")
    fewest = fewest_bits(report)
    if report.key_bits is not None and report.key_bits < fewest:
        found.append(
            f"{what} has a weak key: {report.key_algorithm} of {report.key_bits} bits, expected {fewest} or more"
        )
    # A root is trusted for what it is: nobody checks its own signature.
    if is_weak_digest(report) and not certificate.is_self_signed:
        found.append(f"{what} has a weak signature: {report.signature_algorithm}")
    return found


def _from_base64(digest: str) -> str:
    import base64

    return base64.b64decode(digest).hex()
