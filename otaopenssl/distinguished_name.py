"""Distinguished names in DER: their attributes, without starting openssl (RFC 5280, 4.1.2.4)."""

from collections.abc import Iterator

from otaopenssl.der import OBJECT_IDENTIFIER, SEQUENCE, SET, Element, content_of, element, inside

_COMMON_NAME = bytes.fromhex("550403")
# Of the kinds of string that a name may have (X.680); the others are UTF-8 or a part of it.
_ENCODINGS = {0x14: "latin-1", 0x1C: "utf-32-be", 0x1E: "utf-16-be"}


def common_names(name: Element) -> tuple[str, ...]:
    """Each CN of a name. Raises ValueError where it is no name."""
    return tuple(value for kind, value in _attributes(name) if kind == _COMMON_NAME)


def other_values(name: Element) -> tuple[str, ...]:
    """The values of a name besides each CN. Raises ValueError where it is no name."""
    return tuple(value for kind, value in _attributes(name) if kind != _COMMON_NAME)


def compared_name(name: bytes) -> tuple[tuple[bytes, str], ...]:
    """A name in DER as it is compared: each attribute's kind and value, without regard to case, blanks and encoding.

    Source: RFC 5280, 7.1. Raises ValueError where it is no name.
    """
    return tuple((kind, " ".join(value.split()).casefold()) for kind, value in _attributes(element(name)))


def _attributes(name: Element) -> Iterator[tuple[bytes, str]]:
    for relative in inside(name, SEQUENCE):
        for pair in inside(relative, SET):
            kind, value = inside(pair, SEQUENCE)
            yield (
                content_of(kind, OBJECT_IDENTIFIER),
                value.content.decode(_ENCODINGS.get(value.tag, "utf-8"), "replace"),
            )
