"""A certificate's own facts, read from its DER without starting openssl (RFC 5280, 4.1).

It is for certificates that openssl has written already: nothing is judged here but their form.
"""

import re
from datetime import UTC, datetime
from typing import NamedTuple

from otaopenssl.der import BIT_STRING, INTEGER, OCTET_STRING, SEQUENCE, Element, content_of, element, elements, inside
from otaopenssl.distinguished_name import common_names
from otaopenssl.outputs import is_whole_der

_VERSION = 0xA0
_SEC1_PUBLIC_KEY = 0xA1
_UTC_TIME, _GENERALIZED_TIME = 0x17, 0x18
# RFC 5280, 4.1.2.5.1: two digits of a year mean 1950 to 2049.
_FIRST_TWO_DIGIT_YEAR = 50


class Leaf(NamedTuple):
    """What a certificate says of itself.

    ``issuer`` and ``subject`` are names in DER; ``public_key`` is the SubjectPublicKeyInfo in DER and ``key_bits`` the
    key in it, without its algorithm; times are aware UTC.
    """

    serial: int
    issuer: bytes
    subject: bytes
    common_names: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    public_key: bytes
    key_bits: bytes


def parse_leaf(der: bytes) -> Leaf:
    """The facts of the certificate in the bytes. Raises ValueError where they are no certificate in DER."""
    to_be_signed, *_ = inside(element(der), SEQUENCE)
    fields = inside(to_be_signed, SEQUENCE)
    if fields and fields[0].tag == _VERSION:
        del fields[0]
    if len(fields) < 6:
        raise ValueError("a certificate of too few fields")
    serial, _, issuer, validity, subject, public_key, *_ = fields
    not_before, not_after = (_moment(moment) for moment in inside(validity, SEQUENCE))
    return Leaf(
        serial=int.from_bytes(content_of(serial, INTEGER), "big", signed=True),
        issuer=issuer.whole,
        subject=subject.whole,
        common_names=common_names(subject),
        not_before=not_before,
        not_after=not_after,
        public_key=public_key.whole,
        key_bits=_key_bits(public_key),
    )


def is_private_half(leaf: Leaf, key: bytes) -> bool:
    """Whether a private key in DER, SEC 1, PKCS#1 or PKCS#8, is that of the certificate, as far as it tells.

    A key of an elliptic curve mostly carries its point, one of RSA its modulus and exponent; others need carry nothing.
    Raises ValueError where the bytes are not DER.
    """
    half = _public_half(element(key))
    if half is None or half == leaf.key_bits:
        return True
    if is_whole_der(leaf.key_bits):
        return half == element(leaf.key_bits).content
    first = _first_coordinate(half)
    return first is not None and first == _first_coordinate(leaf.key_bits)


def is_same_key(one: bytes, other: bytes) -> bool:
    """Whether two public keys in DER (SubjectPublicKeyInfo) are the same, however the point of a curve is written.

    Raises ValueError where they are none.
    """
    if one == other:
        return True
    bits = [_key_bits(element(key)) for key in (one, other)]
    first = _first_coordinate(bits[0])
    return bits[0] == bits[1] or (first is not None and first == _first_coordinate(bits[1]))


def _first_coordinate(point: bytes) -> bytes | None:
    """That of a point of an elliptic curve (SEC 1, 2.3.3), which may be written whole or compressed."""
    if point[:1] == b"\x04" and len(point) % 2:
        return point[1 : 1 + len(point) // 2]
    return point[1:] if point[:1] in (b"\x02", b"\x03") else None


def _key_bits(public_key: Element) -> bytes:
    _, bits, *_ = inside(public_key, SEQUENCE)
    return content_of(bits, BIT_STRING)[1:]


def _public_half(key: Element, *, is_inner: bool = False) -> bytes | None:
    """The public key's bits that a private key carries; of RSA its two numbers. One is not inside another twice."""
    fields = elements(key.content) if key.tag == SEQUENCE else []
    match [field.tag for field in fields]:
        # PKCS#8 (RFC 5958)
        case [_, kind, wrapped, *_] if (kind, wrapped) == (SEQUENCE, OCTET_STRING) and not is_inner:
            return _public_half(element(fields[2].content), is_inner=True)
        # PKCS#1 (RFC 8017)
        case [_, modulus, exponent, *_] if (modulus, exponent) == (INTEGER, INTEGER):
            return fields[1].whole + fields[2].whole
        # SEC 1 (RFC 5915)
        case [_, secret, *_] if secret == OCTET_STRING:
            found = next((field for field in fields if field.tag == _SEC1_PUBLIC_KEY), None)
            return None if found is None else content_of(element(found.content), BIT_STRING)[1:]
    return None


def _moment(time: Element) -> datetime:
    digits = time.content.decode("ascii")
    if time.tag == _UTC_TIME:
        digits = ("19" if int(digits[:2]) >= _FIRST_TWO_DIGIT_YEAR else "20") + digits
    elif time.tag != _GENERALIZED_TIME:
        raise ValueError("a time of an unknown kind")
    match = re.fullmatch(r"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z", digits, re.ASCII)
    if match is None:
        raise ValueError("a time that is not DER")
    year, month, day, hour, minute, second = (int(part) for part in match.groups())
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
