"""A CSR that was made elsewhere: what it asks for, and whether that is to be signed (PKCS#10, RFC 2986).

Its own signature only openssl can judge.
"""

import base64
from collections.abc import Iterator
from typing import NamedTuple

from otaopenssl.der import (
    OBJECT_IDENTIFIER,
    OCTET_STRING,
    SEQUENCE,
    SET,
    Element,
    content_of,
    element,
    elements,
    inside,
)
from otaopenssl.distinguished_name import common_names
from otaopenssl.errors import BadInput, Error, Failed, quoted
from otaopenssl.ids import DeviceUUID
from otaopenssl.key_kind import key_kind, rsa_bits
from otaopenssl.outputs import pem_blocks

FEWEST_RSA_BITS = 2048
_LABELS = ("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST")
_ATTRIBUTES = 0xA0
# PKCS#9 (RFC 2985), and Microsoft's own of the same form.
_EXTENSION_REQUESTS = (bytes.fromhex("2a864886f70d01090e"), bytes.fromhex("2b060104018237020114"))
_BASIC_CONSTRAINTS = bytes.fromhex("551d13")
_TRUE = b"\x01\x01\xff"
# Those that client.ext gives to every device (RFC 5280, 4.2.1).
_GIVEN = (bytes.fromhex("551d0f"), bytes.fromhex("551d25"))
_NAMES = {
    bytes.fromhex("551d0e"): "subjectKeyIdentifier",
    bytes.fromhex("551d11"): "subjectAltName",
    bytes.fromhex("551d20"): "certificatePolicies",
    bytes.fromhex("551d1e"): "nameConstraints",
    bytes.fromhex("551d23"): "authorityKeyIdentifier",
}
_HINT = "give a CSR (PKCS#10) in PEM or DER, as 'openssl req -new' makes one"


class CertificateRequest(NamedTuple):
    """A CSR: as PEM of one block, whatever form it came in; each CN of its subject; its public key in DER.

    ``asked`` names the extensions that it asks for and that no device gets.
    """

    pem: bytes
    common_names: tuple[str, ...]
    public_key: bytes
    asked: tuple[str, ...]

    def warnings(self) -> list[str]:
        """What is told of it besides faults."""
        if not self.asked:
            return []
        return [f"the CSR asks for {', '.join(self.asked)}, which the certificate does not get"]


def parse_request(content: bytes, shown: str) -> CertificateRequest:
    """The CSR in a file of PEM or DER, which holds nothing else; ``shown`` names it in messages.

    Raises BadInput where it is none. What is in it is copied into no message: it might be a key.
    """
    der = _der(content, shown)
    try:
        info, _, _ = inside(element(der), SEQUENCE)
        _, subject, public_key, *attributes = inside(info, SEQUENCE)
        names = common_names(subject)
        elements(content_of(public_key, SEQUENCE))
        asked = tuple(dict.fromkeys(_asked(attributes)))
    except ValueError as error:
        raise BadInput(f"{shown} holds no CSR: {error}", hint=_HINT) from error
    return CertificateRequest(_pem(der), names, public_key.whole, asked)


def request_faults(request: CertificateRequest, uuid: DeviceUUID, shown: str) -> list[Error]:
    """Each reason why the CSR is not signed for this device; expected, then got."""
    faults: list[Error] = []
    if request.common_names != (uuid,):
        got = quoted(", ".join(request.common_names)) if request.common_names else "none"
        hint = "name the device by its CN, or have the CSR made with the device UUID as its CN"
        faults.append(Failed(f"{shown}: expected CN {quoted(uuid)}, got {got}", hint=hint))
    kind, bits = key_kind(request.public_key), rsa_bits(request.public_key)
    expected = f"EC P-256 or P-384, RSA of {FEWEST_RSA_BITS} bits or more, or Ed25519"
    hint = "have the device make a key of one of these kinds"
    if kind == "RSA" and bits is not None and bits < FEWEST_RSA_BITS:
        faults.append(Failed(f"{shown}: its key is too short: expected {expected}, got RSA of {bits} bits", hint=hint))
    elif kind not in ("EC P-256", "EC P-384", "RSA", "Ed25519") or (kind == "RSA" and bits is None):
        got = kind or "another algorithm or curve"
        faults.append(Failed(f"{shown}: its key is of another kind: expected {expected}, got {got}", hint=hint))
    return faults


def _der(content: bytes, shown: str) -> bytes:
    if b"PRIVATE KEY-----" in content:
        words = f"{shown} holds a private key, which has no place beside a CSR"
        raise BadInput(words, hint="leave the key where it was made, and give the CSR alone")
    blocks = pem_blocks(content)
    if not blocks and b"-----BEGIN" not in content:
        return content
    if len(blocks) != 1 or blocks[0].label not in _LABELS or blocks[0].der is None:
        labels = ", ".join(block.label for block in blocks) or "no whole block"
        raise BadInput(f"{shown} must hold one CSR, got {labels}", hint=_HINT)
    return blocks[0].der


def _pem(der: bytes) -> bytes:
    """The CSR as openssl writes one (RFC 7468): lines of 64 characters."""
    text = base64.b64encode(der)
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    label = _LABELS[0].encode("ascii")
    return b"\n".join([b"-----BEGIN %b-----" % label, *lines, b"-----END %b-----" % label, b""])


def _asked(attributes: list[Element]) -> Iterator[str]:
    for attribute in inside(attributes[0], _ATTRIBUTES) if attributes else ():
        kind, values = inside(attribute, SEQUENCE)
        if content_of(kind, OBJECT_IDENTIFIER) in _EXTENSION_REQUESTS:
            for value in inside(values, SET):
                for extension in inside(value, SEQUENCE):
                    yield from _named(extension)


def _named(extension: Element) -> Iterator[str]:
    """What an extension that a CSR asks for is called; nothing where the device gets it anyway, or loses nothing."""
    kind, *_, value = inside(extension, SEQUENCE)
    name = content_of(kind, OBJECT_IDENTIFIER)
    if name == _BASIC_CONSTRAINTS:
        if _TRUE in content_of(value, OCTET_STRING):
            yield "basicConstraints CA:TRUE"
    elif name not in _GIVEN:
        yield _NAMES.get(name, "another extension")
