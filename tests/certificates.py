"""Certificates taken apart and put together again, byte by byte."""

from pathlib import Path

from otaopenssl.der import element, elements
from otaopenssl.outputs import pem_blocks


def der_in(path: Path) -> bytes:
    der = pem_blocks(path.read_bytes())[0].der
    assert der is not None
    return der


def encoded(tag: int, content: bytes) -> bytes:
    """One element in DER."""
    length = len(content)
    if length < 0x80:
        return bytes([tag, length]) + content
    size = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(size)]) + size + content


def changed(der: bytes, position: int, replacement: bytes) -> bytes:
    """A certificate with one field of what was signed in it exchanged, or left out."""
    body, *rest = elements(element(der).content)
    fields = [field.whole for field in elements(body.content)]
    fields[position] = replacement
    return encoded(0x30, encoded(0x30, b"".join(fields)) + b"".join(part.whole for part in rest))
