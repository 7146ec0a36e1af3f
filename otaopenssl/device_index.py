"""The devices of a server, those that have not changed known from an index.

The index is a file in the server directory. A line of it counts only while the device's directory and certificate look
as they did when it was written, and the whole only while its digest is right; so it saves time and decides nothing.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, NamedTuple

from otaopenssl.device_files import Naming
from otaopenssl.durable import opened_bounded
from otaopenssl.file_state import FileState, state_of
from otaopenssl.layout import CERTIFICATE_NAME, Server
from otaopenssl.stock import Stocked, device_names, read_device

INDEX_NAME = ".devices.index"
_FORMAT = 1
# What was changed so shortly before it was looked at may change again at the same time of the file system's clock.
_UNSETTLED_NS = 2 * 10**9
_LARGEST = 4 * 1024**3
_LONGEST_LINE = 4096
_LINES_IN_MEMORY = 16 * 1024**2
_CHUNK = 256 * 1024


def stock(server: Server, naming: Naming) -> Iterator[Stocked]:
    """Each device directory of the server, in the order of their names; the index is renewed at the end.

    Raises Unfit where the devices directory is not there or cannot be read.
    """
    names = device_names(server)
    with SpooledTemporaryFile(_LINES_IN_MEMORY) as lines:
        index = _Index(server, naming, lines)
        for name in names:
            yield index.device(name)
        index.renew()


class _Index:
    """What the index knows, asked for in the order of names, and the lines of the next one."""

    def __init__(self, server: Server, naming: Naming, lines: IO[bytes]) -> None:
        self._server = server
        self._naming = naming
        head = json.dumps([_FORMAT, naming.patterns, sorted(naming.fixed)]).encode("ascii") + b"\n"
        self._path = server.server_dir / INDEX_NAME
        self._known = _known(self._path, head)
        self._next = next(self._known, None)
        self._is_changed = False
        self._lines = lines
        self._digest = hashlib.sha256()
        self._begun_ns = time.time_ns()
        self._write(head)

    def device(self, name: str) -> Stocked:
        """The device of that name: as the index knows it, else read."""
        while self._next is not None and self._next.name < name:
            self._next = next(self._known, None)
            self._is_changed = True
        state = _state(self._server.devices_dir / name)
        if state is None:
            return read_device(self._server, name, self._naming)
        if self._next is not None and self._next.name == name:
            known, self._next = self._next, next(self._known, None)
            if known.state == state:
                self._write(known.line)
                return known.device
            self._is_changed = True
        found = read_device(self._server, name, self._naming)
        # What cannot be read now may be readable later without looking changed, and what was changed just now may
        # change again so.
        if not found.fault and state.changed_ns < self._begun_ns - _UNSETTLED_NS:
            self._is_changed = True
            self._write(_line(found, state))
        return found

    def renew(self) -> None:
        """Put the lines in the index's place where they differ; where that cannot be written there is just none."""
        if not self._is_changed and self._next is None:
            return
        self._lines.write(self._digest.hexdigest().encode("ascii"))
        self._lines.seek(0)
        temporary = self._path.with_name(f"{INDEX_NAME}.{os.urandom(4).hex()}.new")
        with suppress(OSError):
            for left in self._path.parent.glob(f"{INDEX_NAME}.*.new"):
                left.unlink(missing_ok=True)
            try:
                with temporary.open("xb") as file:
                    while chunk := self._lines.read(_CHUNK):
                        file.write(chunk)
                temporary.replace(self._path)
            finally:
                temporary.unlink(missing_ok=True)

    def _write(self, line: bytes) -> None:
        self._digest.update(line)
        self._lines.write(line)


class _State(NamedTuple):
    """What tells one state of a device from a later one: that of its directory, and that of its certificate."""

    directory: FileState
    certificate: FileState

    @property
    def changed_ns(self) -> int:
        return max(self.directory.changed_ns, self.certificate.changed_ns)


class _Known(NamedTuple):
    """A line of the index, and what it says."""

    line: bytes
    name: str
    state: _State
    device: Stocked


def _state(directory: Path) -> _State | None:
    if directory.is_symlink():
        return None
    found, certificate = state_of(directory), state_of(directory / CERTIFICATE_NAME)
    return None if found is None or certificate is None else _State(found, certificate)


def _line(device: Stocked, state: _State) -> bytes:
    times = (int(moment.timestamp()) for moment in (device.not_before, device.not_after) if moment is not None)
    values = [device.uuid, *state, device.device_id, f"{device.serial:x}", *times, device.sha256]
    return json.dumps(values, separators=(",", ":")).encode("ascii") + b"\n"


def _parsed(line: bytes) -> _Known:
    """A line of the index. Raises ValueError, TypeError, OverflowError or RecursionError where it is none."""
    name, directory, certificate, device_id, serial, not_before, not_after, digest = json.loads(line)
    if not all(isinstance(text, str) for text in (name, device_id or "", serial, digest)):
        raise TypeError("a line of no index")
    begin, end = (datetime.fromtimestamp(moment, UTC) for moment in (not_before, not_after))
    device = Stocked(name, device_id, int(serial, 16), begin, end, digest)
    return _Known(line, name, _State(FileState(*directory), FileState(*certificate)), device)


def _known(path: Path, head: bytes) -> Iterator[_Known]:
    """The lines of an index that begins with this head and is whole; none of another."""
    try:
        with opened_bounded(path, _LARGEST) as (descriptor, size), open(os.dup(descriptor), "rb") as file:  # noqa: PTH123 - a descriptor
            if file.read(len(head)) != head or not _is_whole(file, size):
                return
            file.seek(len(head))
            while (line := file.readline(_LONGEST_LINE)).endswith(b"\n"):
                yield _parsed(line)
    except (OSError, ValueError, TypeError, OverflowError, RecursionError):
        return


def _is_whole(file: IO[bytes], size: int) -> bool:
    """Whether the digest at the end of the file is that of what stands before it."""
    file.seek(0)
    found = hashlib.sha256()
    left = size - len(found.hexdigest())
    while left > 0 and (chunk := file.read(min(left, _CHUNK))):
        found.update(chunk)
        left -= len(chunk)
    return file.read() == found.hexdigest().encode("ascii")
