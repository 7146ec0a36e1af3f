"""Where records lie, and the chain of their statements in SHA256SUMS. Source: docs/records.md."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from otaopenssl.durable import sync_file
from otaopenssl.layout import Server
from otaopenssl.statement import NO_DIGEST, STATEMENT_NAME

RECORDS_NAME = "records"
OPEN_NAME = ".open"
SUMS_NAME = "SHA256SUMS"
MOST_LINES = 10_000
RECORD_NAME = re.compile(r"[0-9]{8}T[0-9]{6}Z-([0-9a-f]{12})(?:-[0-9]+)?")
_SUM = re.compile(rf"([0-9a-f]{{64}})  ({RECORD_NAME.pattern})/{re.escape(STATEMENT_NAME)}")
# More than one line of it has.
_LAST_BYTES = 512


def records_dir(server: Server) -> Path:
    """The records of a server."""
    return server.server_dir / RECORDS_NAME


def open_dir(server: Server) -> Path:
    """What runs that are not at their end yet have beside their records."""
    return records_dir(server) / OPEN_NAME


def last_statement(server: Server) -> str:
    """The digest of the statement that was made last; zeros before the first."""
    found = _last_lines(records_dir(server) / SUMS_NAME)
    match = _SUM.fullmatch(found[-1]) if found else None
    return match[1] if match else NO_DIGEST


def append_statement(server: Server, digest: str, record: str) -> None:
    """Put a statement at the end of the chain, synced. For a caller who holds the server's lock."""
    path = records_dir(server) / SUMS_NAME
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        # A run that died may have left half a line.
        size = os.fstat(descriptor).st_size
        kept = size - len(os.pread(descriptor, _LAST_BYTES, max(0, size - _LAST_BYTES)).rpartition(b"\n")[2])
        os.ftruncate(descriptor, kept)
        os.pwrite(descriptor, f"{digest}  {record}/{STATEMENT_NAME}\n".encode("ascii"), kept)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    sync_file(path.parent)


def read_chain(server: Server) -> list[tuple[str, str]]:
    """The digests and record names of SHA256SUMS, in order. Raises OSError, and ValueError where a line is another."""
    found = []
    for line in (records_dir(server) / SUMS_NAME).read_text("ascii").splitlines():
        match = _SUM.fullmatch(line)
        if match is None:
            raise ValueError(line)
        found.append((match[1], match[2]))
    return found


def record_dirs(server: Server) -> Iterator[Path]:
    """The directories that are named as records are, in the order of their names."""
    directory = records_dir(server)
    if directory.is_dir():
        yield from (path for path in sorted(directory.iterdir()) if RECORD_NAME.fullmatch(path.name))


def _last_lines(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _LAST_BYTES))
            return file.read().decode("ascii", "replace").rpartition("\n")[0].split("\n")
    except FileNotFoundError:
        return []
