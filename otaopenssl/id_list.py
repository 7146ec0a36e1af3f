"""Lists of devices: one UUID a line, or CSV with a header; checked as a whole before the first one is used.

Of a long list only a temporary file is kept, not an object a line.
"""

import csv
import os
from collections.abc import Iterator
from contextlib import ExitStack
from typing import IO, Self

from otaopenssl.errors import BadInput, Unfit, quoted, reason
from otaopenssl.ids import DeviceID, DeviceUUID, Identity, parse_device_id, parse_device_uuid, random_device_uuid

MOST_DEVICES = 10_000_000

_LONGEST_LINE = 4096
_CHUNK = 8 * 1024
# So many of the bad lines are shown; the others are counted.
_SHOWN_FAULTS = 20
# After so many nobody reads on.
_MOST_FAULTS = 100_000
# Bits a line in the table of hashes: so few lines share a bit by chance that looking at them again costs nothing.
_BITS_A_LINE = 64
_HINT = "give one device UUID a line, or CSV with the header 'uuid,device_id'; a line that begins with '#' is a comment"


class IDList:
    """A list of devices that was checked, for as long as its block lasts; it may be gone through more than once.

    ``quantity`` is how many there are, ``unused`` the columns of a CSV that nothing was taken from.
    """

    def __init__(self) -> None:
        # Imported here because most commands need none.
        import tempfile

        try:
            # It has no name, so that nothing is left of it whatever happens.
            self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__
        except OSError as error:
            raise _unkept(error) from error
        self.quantity = 0
        self.unused: tuple[str, ...] = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[Identity]:
        for _, identity in self.numbered():
            yield identity

    def add(self, line: int, identity: Identity) -> None:
        """Keep one device, which the list names in that line. Raises Unfit where there is no space for it."""
        try:
            self._file.write(f"{line} {identity.uuid} {identity.device_id}\n".encode("ascii"))
        except OSError as error:
            raise _unkept(error) from error
        self.quantity += 1

    def numbered(self) -> Iterator[tuple[int, Identity]]:
        """Each device with the number of its line."""
        try:
            self._file.flush()
        except OSError as error:
            raise _unkept(error) from error
        for kept in self._lines():
            line, uuid, device_id = kept.decode("ascii").split()
            yield int(line), Identity(DeviceUUID(uuid), DeviceID(device_id))

    def _lines(self) -> Iterator[bytes]:
        """What is kept, read at a place of its own, so that one reading does not disturb another."""
        place, rest = 0, b""
        while content := os.pread(self._file.fileno(), _CHUNK, place):
            place += len(content)
            *lines, rest = (rest + content).split(b"\n")
            yield from lines


def drawn_ids(quantity: int) -> IDList:
    """A list of so many random UUIDs, each also the device ID."""
    ids = IDList()
    for line in range(1, quantity + 1):
        uuid = random_device_uuid()
        ids.add(line, Identity(uuid, DeviceID(uuid)))
    return ids


def read_ids(stream: IO[bytes], shown: str) -> IDList:
    """The list in the stream; ``shown`` names it in messages.

    Raises BadInput with each bad line and each device that is there twice, or where there is none; Unfit where the
    stream cannot be read.
    """
    ids = IDList()
    with ExitStack() as on_failure:
        on_failure.push(ids)
        reading = _Reading(ids)
        try:
            reading.read(stream)
        except OSError as error:
            words = f"{shown} cannot be read: {reason(error)}"
            raise Unfit(words, hint="check what it is, its owner and mode") from error
        for line, words in _repeated(ids):
            reading.faults.add(line, words)
        reading.faults.raise_any(shown)
        if not ids.quantity:
            raise BadInput(f"{shown} names no device", hint=_HINT)
        on_failure.pop_all()
    return ids


class _Faults:
    """What is wrong with lines: the first of it, and how much there is."""

    def __init__(self) -> None:
        self._first: list[tuple[int, str]] = []
        self.quantity = 0

    def add(self, line: int, words: str) -> None:
        self.quantity += 1
        if len(self._first) < 2 * _SHOWN_FAULTS:
            self._first.append((line, words))

    def raise_any(self, shown: str) -> None:
        if self.quantity == 1:
            line, words = self._first[0]
            raise BadInput(f"{shown}, line {line}: {words}", hint=_HINT)
        if self.quantity:
            details = [f"line {line}: {words}" for line, words in sorted(self._first)[:_SHOWN_FAULTS]]
            if self.quantity > len(details):
                details.append(f"and {self.quantity - len(details)} more")
            raise BadInput(f"{shown} has {self.quantity} bad lines", hint=_HINT, details=details)


class _Reading:
    """The reading of one list, line by line; what is wrong is kept in ``faults``."""

    def __init__(self, ids: IDList) -> None:
        self.faults = _Faults()
        self._ids = ids
        # Of a CSV the place of each column, once its header was read; of a plain list nothing.
        self._columns: dict[str, int] | None = None
        self._width = 0

    def read(self, stream: IO[bytes]) -> None:
        number = 0
        while content := stream.readline(_LONGEST_LINE + 1):
            number += 1
            if len(content) > _LONGEST_LINE:
                what = "not text" if b"\0" in content else f"longer than {_LONGEST_LINE} bytes"
                self.faults.add(number, f"it is {what}")
                return
            if self.faults.quantity == _MOST_FAULTS:
                self.faults.add(number, "so many lines are bad that the rest is not read")
                return
            try:
                line = content.decode("utf-8-sig" if number == 1 else "utf-8").strip()
                if line and not line.startswith("#") and not self._take(number, line):
                    return
            except UnicodeDecodeError:
                self.faults.add(number, "it is not UTF-8 text")
            except BadInput as error:
                self.faults.add(number, error.message)

    def _take(self, number: int, line: str) -> bool:
        """Keep the device of a line, or learn the columns from it; whether to go on."""
        if self._columns is None:
            self._columns = {}
            names = [name.strip().lower() for name in _fields(line)]
            if "uuid" in names:
                return self._learn(number, names)
            if len(names) > 1 or names == ["device_id"]:
                self.faults.add(number, f"{quoted(line)} has columns, but none is named 'uuid' in a header line")
                return False
        if self._ids.quantity == MOST_DEVICES:
            self.faults.add(number, f"there are more than {MOST_DEVICES} devices")
            return False
        self._ids.add(number, self._identity(line))
        return True

    def _learn(self, number: int, names: list[str]) -> bool:
        if len(set(names)) < len(names):
            self.faults.add(number, "a column of the header stands twice")
            return False
        self._width = len(names)
        self._columns = {name: names.index(name) for name in ("uuid", "device_id") if name in names}
        self._ids.unused = tuple(name for name in names if name not in self._columns)
        return True

    def _identity(self, line: str) -> Identity:
        if not self._columns:
            uuid, device_id = line.partition("#")[0].strip(), ""
        else:
            fields = [field.strip() for field in _fields(line)]
            if len(fields) != self._width:
                words = f"{quoted(line)} has another number of fields than the header: {len(fields)}"
                raise BadInput(f"{words}, expected {self._width}", hint=_HINT)
            uuid = fields[self._columns["uuid"]]
            if uuid.lower() == "uuid":
                raise BadInput("the header stands a second time", hint=_HINT)
            device_id = fields[self._columns["device_id"]] if "device_id" in self._columns else ""
        # As in the guide's ${DEVICE_ID:-${DEVICE_UUID}}, an empty one counts as none.
        parsed = parse_device_uuid(uuid)
        return Identity(parsed, parse_device_id(device_id) if device_id else DeviceID(parsed))


def _fields(line: str) -> list[str]:
    try:
        return next(csv.reader([line], strict=True))
    except csv.Error as error:
        raise BadInput(f"{quoted(line)} is no line of a CSV: {error}", hint=_HINT) from error


def _repeated(ids: IDList) -> Iterator[tuple[int, str]]:
    """The lines that name a device of a line before, in words."""
    suspects = _shared_hashes(ids)
    if not suspects:
        return
    first: dict[DeviceUUID, int] = {}
    for line, identity in ids.numbered():
        if hash(identity.uuid) % (_BITS_A_LINE * ids.quantity) in suspects:
            before = first.setdefault(identity.uuid, line)
            if before != line:
                yield line, f"device UUID {quoted(identity.uuid)} stands in line {before} already"


def _shared_hashes(ids: IDList) -> set[int]:
    """The places in a table of bits, by hash, that more than one device has: a few by chance, and all repeated ones."""
    table = bytearray(_BITS_A_LINE // 8 * ids.quantity)
    shared = set()
    for identity in ids:
        place = hash(identity.uuid) % (_BITS_A_LINE * ids.quantity)
        byte, bit = place >> 3, 1 << (place & 7)
        if table[byte] & bit:
            shared.add(place)
        table[byte] |= bit
    return shared


def _unkept(error: OSError) -> Unfit:
    words = f"the list of devices cannot be kept in a temporary file: {reason(error)}"
    return Unfit(words, hint="free some space there, or name another directory in TMPDIR")
