"""A CSR that was made elsewhere: what it says and asks for (PKCS#10, RFC 2986).

Its own signature only openssl can judge.
"""

import base64
import codecs
import re
from collections.abc import Iterator
from typing import NamedTuple

from otaopenssl.der import (
    INTEGER,
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
from otaopenssl.distinguished_name import common_names, other_values
from otaopenssl.errors import BadInput
from otaopenssl.outputs import holds_private_key, pem_blocks

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
_BLANKS = re.compile(rb"[ \t\r]+$", re.MULTILINE)
_HINT = "give a CSR (PKCS#10) in PEM or DER, as 'openssl req -new' makes one"


class CertificateRequest(NamedTuple):
    """A CSR: as PEM of one block, whatever form it came in; each CN of its subject; its public key in DER.

    ``other_names`` are what its subject holds besides; ``asked`` names the extensions that it asks for and that no
    device gets.
    """

    pem: bytes
    common_names: tuple[str, ...]
    other_names: tuple[str, ...]
    public_key: bytes
    asked: tuple[str, ...]


def parse_request(content: bytes, shown: str) -> CertificateRequest:
    """The CSR in a file of PEM or DER, which holds nothing else; ``shown`` names it in messages.

    Raises BadInput where it is none. What is in it is copied into no message: it might be a key.
    """
    der = _der(content, shown)
    try:
        parts = inside(element(der), SEQUENCE)
        if parts and parts[0].tag == INTEGER:
            raise _key_inside(shown)
        info, _, _ = parts
        _, subject, public_key, *attributes = inside(info, SEQUENCE)
        elements(content_of(public_key, SEQUENCE))
        return CertificateRequest(
            _pem(der),
            common_names(subject),
            other_values(subject),
            public_key.whole,
            tuple(dict.fromkeys(_asked(attributes))),
        )
    except ValueError as error:
        raise BadInput(f"{shown} holds no CSR", hint=_HINT) from error


def _key_inside(shown: str) -> BadInput:
    words = f"{shown} holds a private key, which has no place beside a CSR"
    return BadInput(words, hint="leave the key where it was made, and give the CSR alone")


def _der(content: bytes, shown: str) -> bytes:
    if holds_private_key(content):
        raise _key_inside(shown)
    if b"-----BEGIN" not in content:
        return content
    # Mails and editors put such things there, and openssl reads over them.
    blocks = pem_blocks(_BLANKS.sub(b"", content.removeprefix(codecs.BOM_UTF8)))
    if len(blocks) != 1 or blocks[0].label not in _LABELS:
        labels = ", ".join(block.label for block in blocks) or "no whole block"
        raise BadInput(f"{shown} must hold one CSR, got {labels}", hint=_HINT)
    if blocks[0].der is None:
        raise BadInput(f"{shown} holds a CSR that is damaged, or has more than Base64 in it", hint=_HINT)
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
