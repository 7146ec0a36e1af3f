"""Whether a path is tracked, by the bytes of git's index. Source: gitformat-index(5), versions 2 to 4."""

import stat

_SIGNATURE = b"DIRC"
_HEADER_BYTES = 12
# The times, numbers and mode before an entry's object name.
_FACTS_BYTES = 40
_MODE_AT = 24
# SHA-1, which most repositories have, and SHA-256: nothing in the index tells which.
_DIGEST_BYTES = (20, 32)
_EXTENDED = 0x4000


def tracked_names(index: bytes) -> frozenset[bytes]:
    """The files in the index, by their paths from the top of the work tree; of a link git keeps no content.

    Raises ValueError where that cannot be told: of bytes that are no index, and of one whose names are partly elsewhere
    (a split index, a sparse one).
    """
    faults = []
    for digest_bytes in _DIGEST_BYTES:
        try:
            return frozenset(name for name, mode in _entries(index, digest_bytes) if stat.S_ISREG(mode))
        except (ValueError, IndexError) as error:
            faults.append(str(error))
    raise ValueError(faults[0])


def _entries(index: bytes, digest_bytes: int) -> list[tuple[bytes, int]]:
    """The paths in the index with their modes. Raises ValueError or IndexError where not all of it is in form."""
    if not index:
        raise ValueError("it is empty")
    version, count = (int.from_bytes(index[start : start + 4], "big") for start in (4, 8))
    if index[:4] != _SIGNATURE or version not in (2, 3, 4):
        raise ValueError(f"it is no index of version 2 to 4, but begins with {index[:8]!r}")
    entries: list[tuple[bytes, int]] = []
    name = b""
    place = _HEADER_BYTES
    end = len(index) - digest_bytes
    for _ in range(count):
        mode = int.from_bytes(index[place + _MODE_AT : place + _MODE_AT + 4], "big")
        name, place = _entry(index, place, digest_bytes, version, name)
        if place > end:
            raise ValueError("it is cut off")
        entries.append((name, mode))
    _check_extensions(index, place, end)
    return entries


def _entry(index: bytes, start: int, digest_bytes: int, version: int, before: bytes) -> tuple[bytes, int]:
    """The path of the entry that begins at ``start``, and where the next begins."""
    place = start + _FACTS_BYTES + digest_bytes
    flags = int.from_bytes(index[place : place + 2], "big")
    place += 4 if version > 2 and flags & _EXTENDED else 2
    kept = 0
    if version == 4:
        # It shares the beginning of the name before, whose other bytes are taken away.
        taken, place = _number(index, place)
        kept = len(before) - taken
    end = index.index(b"\0", place)
    name = before[:kept] + index[place:end]
    if kept < 0:
        raise ValueError("a name takes more away than there is")
    # Before version 4 one to eight zeros make the entry a multiple of eight bytes.
    return name, end + 1 if version == 4 else start + (end - start) // 8 * 8 + 8


def _number(index: bytes, place: int) -> tuple[int, int]:
    """A number of variable length, as packs have it, and where it ends."""
    byte = index[place]
    number = byte & 0x7F
    while byte & 0x80:
        place += 1
        byte = index[place]
        number = (number + 1 << 7) | (byte & 0x7F)
    return number, place + 1


def _check_extensions(index: bytes, place: int, end: int) -> None:
    """Raise ValueError unless extensions, and no others than one may leave out, fill the rest of the index."""
    while place < end:
        signature, size = index[place : place + 4], int.from_bytes(index[place + 4 : place + 8], "big")
        if signature[:1].islower() and signature.isalpha():
            raise ValueError(f"its extension {signature.decode('ascii')!r} keeps names elsewhere")
        place += 8 + size
    if place != end:
        raise ValueError("it is cut off")
