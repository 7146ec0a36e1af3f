"""Where records lie, and the chain of their statements in SHA256SUMS. Source: docs/records.md."""

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from otaopenssl import durable, locks
from otaopenssl.digest import sha256
from otaopenssl.durable import opened_bounded, read_bounded, sync_file
from otaopenssl.errors import Unfit, quoted, raise_all, reason
from otaopenssl.layout import Server
from otaopenssl.statement import NO_DIGEST, STATEMENT_NAME

RECORDS_NAME = "records"
OPEN_NAME = ".open"
SUMS_NAME = "SHA256SUMS"
MOST_LINES = 10_000
RECORD_NAME = re.compile(r"[0-9]{8}T[0-9]{6}Z-([0-9a-f]{12})(?:-[0-9]+)?")
_SUM = re.compile(rf"([0-9a-f]{{64}})  ({RECORD_NAME.pattern})/{re.escape(STATEMENT_NAME)}".encode("ascii"))
_MOST_BYTES = 64 * 1024 * 1024
# More than one line of it has.
_LAST_BYTES = 512


def run_id_of(name: str) -> str:
    """The id of the run that a record of this name is of."""
    match = RECORD_NAME.fullmatch(name)
    return match[1] if match else ""


def records_dir(server: Server) -> Path:
    """The records of a server."""
    return server.server_dir / RECORDS_NAME


def open_dir(server: Server) -> Path:
    """What runs that are not at their end yet have beside their records."""
    return records_dir(server) / OPEN_NAME


def check_chain(server: Server) -> None:
    """Raise Unfit where SHA256SUMS does not end as a run has left it: what comes after it could not be chained.

    So where a record cannot be put beside the others, or be chained.
    """
    _check_writable(server)
    shown = quoted(server.shown(records_dir(server) / SUMS_NAME))
    hint = "put it back from a copy; 'otaopenssl audit' tells what differs"
    dead = [path.name for path in open_records(server) if not locks.is_held(path)]
    try:
        *lines, rest = _tail(server)
    except FileNotFoundError:
        lines, rest = [], b""
    except OSError as error:
        raise Unfit(f"{shown} cannot be read: {reason(error)}", hint=hint) from error
    if not lines and not rest and not dead and any((path / STATEMENT_NAME).exists() for path in record_dirs(server)):
        raise Unfit(f"{shown} is empty or gone, and there are records", hint=hint)
    # A run that died may have left the beginning of its line.
    is_begun = any(_line(server, name).startswith(rest) for name in dead)
    if (rest and not is_begun) or (lines and not _match(lines[-1])):
        raise Unfit(f"{shown} is cut, or its last line is none", hint=hint)


def _check_writable(server: Server) -> None:
    """Raise Unfit where what a record is made of has another owner or mode than its maker can use."""
    for path in (records_dir(server), open_dir(server)):
        if path.is_dir():
            raise_all(durable.check_writable(path, server.shown(path)))
    sums = records_dir(server) / SUMS_NAME
    if sums.is_file() and os.access(sums, os.R_OK) and not os.access(sums, os.W_OK):
        raise Unfit(f"{quoted(server.shown(sums))} is not writable", hint="check its owner, mode and file system")


def open_records(server: Server) -> Iterator[Path]:
    """The files that say how runs began whose records are not sealed yet; of other files nothing is known."""
    folder = open_dir(server)
    if folder.is_dir():
        yield from (one for one in sorted(folder.iterdir()) if RECORD_NAME.fullmatch(one.name) and _is_file(one))


def is_listed(server: Server, name: str) -> bool:
    """Whether a record's statement is in the chain. Raises OSError."""
    try:
        lines = _sums(server).split(b"\n")[:-1]
    except FileNotFoundError:
        return False
    return any(match[2] == name.encode("ascii") for line in lines if (match := _match(line)))


def last_statement(server: Server) -> str:
    """The digest of the statement that was made last; zeros before the first. Raises OSError."""
    try:
        *lines, _ = _tail(server)
    except FileNotFoundError:
        return NO_DIGEST
    match = _match(lines[-1]) if lines else None
    return match[1].decode("ascii") if match else NO_DIGEST


def append_statement(server: Server, digest: str, record: str) -> None:
    """Put a statement at the end of the chain, synced. For a caller who holds the server's lock."""
    path = records_dir(server) / SUMS_NAME
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        # A run that died may have left half a line.
        size = os.fstat(descriptor).st_size
        kept = size - len(os.pread(descriptor, _LAST_BYTES, max(0, size - _LAST_BYTES)).rpartition(b"\n")[2])
        os.ftruncate(descriptor, kept)
        os.pwrite(descriptor, _sum(digest, record) + b"\n", kept)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    sync_file(path.parent)


def read_chain(server: Server) -> list[tuple[str, str]]:
    """The digests and record names of SHA256SUMS, in order. Raises OSError, and ValueError where a line is another."""
    found = []
    *lines, rest = _sums(server).split(b"\n")
    for line in lines:
        match = _match(line)
        if match is None:
            raise ValueError(quoted(line.decode("utf-8", "replace")))
        found.append((match[1].decode("ascii"), match[2].decode("ascii")))
    if rest:
        raise ValueError("it does not end with a newline")
    return found


def record_dirs(server: Server) -> Iterator[Path]:
    """The directories that are named as records are, in the order of their names."""
    directory = records_dir(server)
    if directory.is_dir():
        yield from (path for path in sorted(directory.iterdir()) if RECORD_NAME.fullmatch(path.name))


def ordered_records(server: Server) -> list[Path]:
    """The records as they were chained; by name those that are not, and all where the chain cannot be read."""
    try:
        places = {name: place for place, (_, name) in enumerate(read_chain(server))}
    except (OSError, ValueError):
        places = {}
    return sorted(record_dirs(server), key=lambda directory: (places.get(directory.name, len(places)), directory.name))


def _sums(server: Server) -> bytes:
    return read_bounded(records_dir(server) / SUMS_NAME, _MOST_BYTES)


def _tail(server: Server) -> list[bytes]:
    """The last lines of SHA256SUMS, and what stands behind the last newline. Raises OSError."""
    with opened_bounded(records_dir(server) / SUMS_NAME, _MOST_BYTES) as (descriptor, size):
        lines = os.pread(descriptor, _LAST_BYTES, max(0, size - _LAST_BYTES)).split(b"\n")
    return lines if size <= _LAST_BYTES else lines[1:]


def _line(server: Server, name: str) -> bytes:
    """The line of a record in SHA256SUMS, without its newline; nothing where there is no statement."""
    try:
        digest = sha256(read_bounded(records_dir(server) / name / STATEMENT_NAME))
    except OSError:
        return b""
    return _sum(digest, name)


def _sum(digest: str, record: str) -> bytes:
    return f"{digest}  {record}/{STATEMENT_NAME}".encode("ascii")


def _match(line: bytes) -> re.Match[bytes] | None:
    return _SUM.fullmatch(line)


def _is_file(path: Path) -> bool:
    return stat.S_ISREG(path.lstat().st_mode)
