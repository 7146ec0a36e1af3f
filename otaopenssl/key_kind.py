"""Of which kind a public key is, from its DER: those that a TLS gateway takes from a client have names here."""

from otaopenssl.der import OBJECT_IDENTIFIER, SEQUENCE, element, elements, object_identifier

_EC = bytes.fromhex("2a8648ce3d0201")
# RFC 5480; RFC 8446, 4.2.7: of the curves those that TLS 1.3 knows.
_CURVES = {
    bytes.fromhex("2a8648ce3d030107"): "EC P-256",
    bytes.fromhex("2b81040022"): "EC P-384",
    bytes.fromhex("2b81040023"): "EC P-521",
}
_ALGORITHMS = {
    bytes.fromhex("2a864886f70d010101"): "RSA",
    bytes.fromhex("2a864886f70d01010a"): "RSA-PSS",
    bytes.fromhex("2b6570"): "Ed25519",
    bytes.fromhex("2b6571"): "Ed448",
}


def key_kind(public_key: bytes) -> str | None:
    """The kind of a SubjectPublicKeyInfo in DER, such as ``EC P-256``; None of one that is none of these."""
    try:
        algorithm, *_ = elements(element(public_key).content)
        name, *parameters = elements(algorithm.content)
    except ValueError:
        return None
    if algorithm.tag != SEQUENCE or name.tag != OBJECT_IDENTIFIER:
        return None
    if name.content == _EC:
        return _CURVES.get(parameters[0].content) if parameters and parameters[0].tag == OBJECT_IDENTIFIER else None
    return _ALGORITHMS.get(name.content)


def described(public_key: bytes) -> str:
    """The kind of a public key in words, also of one that ``key_kind`` has no name for: by its object identifiers."""
    kind = key_kind(public_key)
    if kind is not None:
        return kind
    try:
        algorithm, *_ = elements(element(public_key).content)
        name, *parameters = elements(algorithm.content)
        if name.content != _EC:
            return f"a key of algorithm {object_identifier(name)}"
        if parameters and parameters[0].tag == OBJECT_IDENTIFIER:
            return f"EC on curve {object_identifier(parameters[0])}"
    except ValueError:
        return "an unknown kind of key"
    return "EC on a curve that is written out"


def rsa_numbers(public_key: bytes) -> tuple[int, int] | None:
    """The modulus and the exponent of an RSA key; None of a key that is not RSA's."""
    if key_kind(public_key) not in ("RSA", "RSA-PSS"):
        return None
    try:
        _, bits = elements(element(public_key).content)
        modulus, exponent = (int.from_bytes(one.content, "big") for one in elements(element(bits.content[1:]).content))
    except ValueError:
        return None
    return modulus, exponent
