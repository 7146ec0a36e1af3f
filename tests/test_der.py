"""DER: whole elements one after another, and nothing that is not the shortest form."""

import pytest

from otaopenssl.der import INTEGER, SEQUENCE, Element, element, elements


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", []),
        (b"\x02\x01\x05", [Element(INTEGER, b"\x05", b"\x02\x01\x05")]),
        (b"\x05\x00\x30\x00", [Element(5, b"", b"\x05\x00"), Element(SEQUENCE, b"", b"\x30\x00")]),
        (b"\x04\x7f" + bytes(127), [Element(4, bytes(127), b"\x04\x7f" + bytes(127))]),
        (b"\x04\x81\x80" + bytes(128), [Element(4, bytes(128), b"\x04\x81\x80" + bytes(128))]),
        (b"\x04\x82\x01\x00" + bytes(256), [Element(4, bytes(256), b"\x04\x82\x01\x00" + bytes(256))]),
    ],
)
def test_elements(content: bytes, found: list[Element]) -> None:
    """Each element has its tag, its content and the whole of its bytes."""
    assert elements(content) == found


@pytest.mark.parametrize(
    "content",
    [
        b"\x02",
        b"\x02\x01",
        b"\x02\x02\x05",
        b"\x30\x80\x00\x00",  # without a length
        b"\x04\x81\x7f" + bytes(127),  # longer than it has to be
        b"\x04\x82\x00\x80" + bytes(128),
        b"\x04\x85\x00\x00\x00\x00\x01a",
        b"\x04\x84\xff\xff\xff\xff",
        b"\x04\x82\x01",
        b"\x04\xff",
        b"\x1f\x01\x01\x00",  # a tag of more than one byte
    ],
)
def test_what_is_no_der(content: bytes) -> None:
    """Cut off, indefinite, or not in its shortest form."""
    with pytest.raises(ValueError, match=r"cut off|not DER|more than one byte"):
        elements(content)


@pytest.mark.parametrize("content", [b"", b"\x05\x00\x05\x00", b"\x05\x00\x05"])
def test_one_element(content: bytes) -> None:
    """One is neither none nor two, nor one and a part."""
    with pytest.raises(ValueError, match=r"elements, expected one|cut off"):
        element(content)
