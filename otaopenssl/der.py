"""DER (X.690): one element after another, read strictly, without knowing what they mean."""

from typing import NamedTuple

SEQUENCE = 0x30
SET = 0x31
INTEGER = 0x02
BIT_STRING = 0x03
OCTET_STRING = 0x04
OBJECT_IDENTIFIER = 0x06


class Element(NamedTuple):
    """One element: its tag, its content, and the whole of its bytes."""

    tag: int
    content: bytes
    whole: bytes


def elements(content: bytes) -> list[Element]:
    """The elements that the bytes hold, one after another. Raises ValueError where they are not whole elements."""
    found = []
    start = 0
    while start < len(content):
        tag, begin, end = _bounds(content, start)
        found.append(Element(tag, content[begin:end], content[start:end]))
        start = end
    return found


def element(content: bytes) -> Element:
    """The one element that the bytes are. Raises ValueError where they are anything else."""
    found = elements(content)
    if len(found) != 1:
        raise ValueError(f"{len(found)} elements, expected one")
    return found[0]


def content_of(found: Element, tag: int) -> bytes:
    """The content of an element that has that tag. Raises ValueError where it has another."""
    if found.tag != tag:
        raise ValueError(f"tag {found.tag:#04x}, expected {tag:#04x}")
    return found.content


def inside(outer: Element, tag: int) -> list[Element]:
    """The elements in an element that has that tag. Raises ValueError where it has another."""
    return elements(content_of(outer, tag))


def object_identifier(found: Element) -> str:
    """An object identifier in numbers and dots (X.690, 8.19). Raises ValueError where the element is none."""
    numbers, number = [], 0
    for byte in content_of(found, OBJECT_IDENTIFIER):
        number = number << 7 | byte & 0x7F
        if byte < 0x80:
            numbers.append(number)
            number = 0
    if not numbers:
        raise ValueError("an object identifier of nothing")
    first = min(numbers[0] // 40, 2)
    return ".".join(map(str, (first, numbers[0] - 40 * first, *numbers[1:])))


def _bounds(content: bytes, start: int) -> tuple[int, int, int]:
    """The tag of the element at ``start``, and where its content begins and ends."""
    if len(content) < start + 2:
        raise ValueError("an element is cut off")
    tag, length = content[start], content[start + 1]
    begin = start + 2
    if tag & 0x1F == 0x1F:
        raise ValueError("a tag of more than one byte")
    if length >= 0x80:
        count = length & 0x7F
        length = int.from_bytes(content[begin : begin + count], "big")
        # DER writes a length in as few bytes as it takes.
        if not 1 <= count <= 4 or length < 0x80 or length >> (8 * (count - 1)) == 0:
            raise ValueError("a length that is not DER")
        begin += count
    if len(content) < begin + length:
        raise ValueError("an element is cut off")
    return tag, begin, begin + length
