"""The list of a fleet's devices as CSV, written as they finish."""

import os
import select
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from otaopenssl.durable import not_writable
from otaopenssl.errors import Unfit, quoted, reason
from otaopenssl.fleet_block import Outcome
from otaopenssl.ids import Identity
from otaopenssl.interrupts import check
from otaopenssl.layout import Server
from otaopenssl.outputs import serial_hex

_HEAD = "uuid,device_id,serial,not_after,sha256,directory\n"

_LONGEST_DEAFNESS_MS = 200
_HINT = "name another file with '--out FILE'"


class IssuedList:
    """The list of one run, a row for each device that is whole: made by this run, or there before.

    ``open_file`` opens it, unbuffered, for the first row; ``shown`` names the list in messages.
    """

    def __init__(self, open_file: Callable[[], IO[bytes]], shown: str, server: Server) -> None:
        self._open_file = open_file
        self._shown = shown
        self._server = server
        self._file: IO[bytes] | None = None

    def write(self, outcomes: Sequence[Outcome]) -> None:
        """Add a row for each of the devices that is whole. Raises Unfit."""
        rows = [_row(outcome, self._server) for outcome in outcomes if outcome.issued is not None]
        if not rows:
            return
        try:
            if self._file is None:
                self._file = self._open_file()
                rows.insert(0, _HEAD)
            _write(self._file.fileno(), "".join(rows).encode("ascii"))
        except OSError as error:
            raise not_writable(error, self._shown) from error

    def close(self) -> None:
        """Have all of it on the disk. Raises Unfit."""
        if self._file is None:
            return
        file, self._file = self._file, None
        try:
            with file, suppress(OSError):  # a pipe or a terminal has no disk
                os.fsync(file.fileno())
        except OSError as error:
            raise not_writable(error, self._shown) from error


def _write(descriptor: int, content: bytes) -> None:
    """Write it all; a reader who stands still is waited for until a signal comes. Raises Interrupted then."""
    poller = select.poll()
    poller.register(descriptor, select.POLLOUT)
    while content:
        while not poller.poll(_LONGEST_DEAFNESS_MS):
            check()
        # So much goes into a pipe that is ready without waiting (pipe(7)).
        content = content[os.write(descriptor, content[: select.PIPE_BUF]) :]


def check_place(path: Path, shown: str, ids: Iterable[Identity]) -> None:
    """Raise Unfit unless a list can be written to ``path``, and nothing is lost by it.

    A file that is there may be empty, or the list of an earlier run of which this one makes each row again.
    """
    try:
        if path.is_file():
            _check_rows(path, shown, ids)
        elif path.is_dir() or not path.parent.is_dir():
            raise Unfit(f"{quoted(shown)} is no place for a file", hint=_HINT)
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise Unfit(f"{quoted(shown)} is not writable", hint=_HINT)
    except OSError as error:
        raise Unfit(f"{quoted(shown)} cannot be read: {reason(error)}", hint=_HINT) from error


def _check_rows(path: Path, shown: str, ids: Iterable[Identity]) -> None:
    with path.open(encoding="ascii", errors="replace", newline="") as file:
        # A run that was killed may have left its last line unfinished, even the first.
        if not _HEAD.startswith(file.readline(len(_HEAD))):
            raise Unfit(f"{quoted(shown)} is there and is no list of a fleet", hint=_HINT)
        listed = {line.partition(",")[0] for line in file if line.endswith("\n")}
    if listed:
        listed.difference_update(identity.uuid for identity in ids)
    if listed:
        words = f"{quoted(shown)} is there and lists other devices, {quoted(min(listed))} among them"
        raise Unfit(words, hint=_HINT)


def _row(outcome: Outcome, server: Server) -> str:
    """The row of a device that is whole, of which no field needs quotes; the time in ISO 8601 UTC."""
    identity, issued = outcome.identity, outcome.issued
    if issued is None:
        raise ValueError("a device without a certificate")
    fields = (
        identity.uuid,
        identity.device_id,
        serial_hex(issued.serial),
        issued.not_after.isoformat(),
        issued.sha256,
        server.shown(server.device_path(identity.uuid)),
    )
    return ",".join(fields) + "\n"
