"""The one thing that is read out of an ELF program: which dynamic loader it asks for. Source: elf(5)."""

import struct

_PT_INTERP = 3


def is_elf(content: bytes) -> bool:
    """Whether the file is a program for a machine, rather than a script."""
    return content.startswith(b"\x7fELF")


def interpreter(content: bytes) -> str | None:
    """The path of the dynamic loader; None of what is statically linked, no ELF file, or cut off."""
    if not is_elf(content) or len(content) < 64:
        return None
    is_wide = content[4] == 2
    order = "<" if content[5] == 1 else ">"
    offset_of_headers = struct.unpack_from(order + "Q", content, 32)[0] if is_wide else _word(order, content, 28)
    size, count = struct.unpack_from(order + "HH", content, 54 if is_wide else 42)
    try:
        for number in range(count):
            at = offset_of_headers + number * size
            if _word(order, content, at) == _PT_INTERP:
                layout, places = ("Q", (8, 32)) if is_wide else ("I", (4, 16))
                offset, length = (struct.unpack_from(order + layout, content, at + place)[0] for place in places)
                name = content[offset : offset + length].partition(b"\0")[0]
                return name.decode("utf-8", "surrogateescape") or None
    except (struct.error, OverflowError):
        return None
    return None


def _word(order: str, content: bytes, at: int) -> int:
    return int(struct.unpack_from(order + "I", content, at)[0])
