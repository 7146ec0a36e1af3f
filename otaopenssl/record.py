"""The record of a run: lines that are chained as the run goes, and at its end a statement, sealed where that is asked.

While a run lasts, a file in records/.open is held locked and says how the run began. Where it is not held any more,
the run has died, and the next one seals what is there.
"""

import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from otaopenssl import dsse, locks
from otaopenssl.account import timestamp
from otaopenssl.digest import sha256, sha256_of_rest
from otaopenssl.durable import not_writable, opened_bounded, replace, sync_file, write_new
from otaopenssl.layout import Server
from otaopenssl.merkle import MerkleTree
from otaopenssl.records import (
    MOST_LINES,
    append_statement,
    last_statement,
    open_dir,
    records_dir,
)
from otaopenssl.runner import Runner
from otaopenssl.signing import Signer, signed
from otaopenssl.statement import (
    LINE_SCHEMA,
    LINES_NAME,
    MOST_LINES_BYTES,
    NO_DIGEST,
    SEAL_NAME,
    STATEMENT_NAME,
    Beginning,
    End,
    statement,
)
from otaopenssl.steps import Text

PART_SUFFIX = ".part"


class Seal(NamedTuple):
    """How a record is sealed: by whom, by which text, with which program."""

    signer: Signer
    text: Text
    runner: Runner


class Part:
    """What one worker writes down just before it publishes each device, so that no kill leaves one unrecorded."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._descriptor = locks.take(path)
        except OSError as error:
            raise not_writable(error, str(path)) from error

    def write(self, line: bytes) -> None:
        """Have the line on the disk. Raises Unfit."""
        left = line + b"\n"
        try:
            while left:
                left = left[os.write(self._descriptor, left) :]
            os.fdatasync(self._descriptor)
        except OSError as error:
            raise not_writable(error, str(self.path)) from error

    def close(self) -> None:
        """Let the file go; whoever has its lines in a record removes it."""
        os.close(self._descriptor)

    def remove(self) -> None:
        """Let the file go, and remove it: its lines are in a record."""
        self.path.unlink()
        self.close()


def part_path(server: Server, run_id: str) -> Path:
    """Where a worker of the run may put a part."""
    return open_dir(server) / f"{run_id}.{os.urandom(6).hex()}{PART_SUFFIX}"


def parts(server: Server, run_id: str) -> list[Path]:
    """What workers of the run have written down; its lines may not be in a record yet."""
    try:
        names = os.listdir(open_dir(server))  # noqa: PTH208 - one call of the system's; a run ends with it
    except FileNotFoundError:
        return []
    return sorted(
        open_dir(server) / name for name in names if name.startswith(f"{run_id}.") and name.endswith(PART_SUFFIX)
    )


class Lines:
    """The lines of devices.jsonl, each chained to the one before."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.tree = MerkleTree()
        self.last = NO_DIGEST

    def chained(self, facts: bytes) -> bytes:
        """The line of these facts, as the next one."""
        head = f'{{"schema":"{LINE_SCHEMA}","sequence":{self.tree.size + 1},"previous":"{self.last}",'
        line = head.encode("ascii") + facts[1:]
        self._took(line)
        return line + b"\n"

    def append(self, facts: Iterable[bytes]) -> None:
        """Have these lines on the disk. Raises OSError."""
        content = b"".join(map(self.chained, facts))
        with self._path.open("ab") as file:
            file.write(content)
            file.flush()
            os.fdatasync(file.fileno())

    def recover(self) -> list[bytes]:
        """The lines of a dead run, that which it was just writing cut off."""
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return []
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            with self._path.open("r+b") as file:
                file.truncate(len(whole))
        lines = whole.split(b"\n")[:-1]
        for line in lines:
            self._took(line)
        return lines

    def _took(self, line: bytes) -> None:
        self.last = sha256(line)
        self.tree.add(line)


class Record:
    """One record, from its beginning to its end."""

    def __init__(self, server: Server, name: str, beginning: Beginning, marker: int) -> None:
        self.name = name
        self._server = server
        self._beginning = beginning
        self._marker = marker
        self._dir = records_dir(server) / name
        self.lines = Lines(self._dir / LINES_NAME)

    @property
    def room(self) -> int:
        """How many more lines go in."""
        return MOST_LINES - self.lines.tree.size

    def close(self, seal: Seal | None, *, is_complete: bool = True, taken_over: Sequence[Path] = ()) -> None:
        """Make the statement and seal it, for a caller who holds the server's lock.

        ``taken_over`` are parts whose lines are in the record by now, and which go with it.
        """
        end = End(
            max(self._beginning.started, timestamp(datetime.now(UTC))),
            is_complete,
            _digest_of(self._dir / LINES_NAME),
            self.lines.tree.size,
            self.lines.tree.root(),
            self.lines.last,
            last_statement(self._server),
        )
        content = statement(self._beginning, end, None if seal is None else seal.signer.sha256)
        replace(self._dir / STATEMENT_NAME, content)
        if seal is not None:
            (self._dir / SEAL_NAME).unlink(missing_ok=True)
            sync_file(signed(seal.runner, seal.text, self._dir, STATEMENT_NAME, seal.signer))
            if dsse.is_installed():
                replace(self._dir / dsse.ENVELOPE_NAME, dsse.envelope(content, seal.signer))
            sync_file(self._dir)
        append_statement(self._server, sha256(content), self.name)
        self.leave(taken_over)

    def let_go(self) -> None:
        """Leave the record to the next run, as if this one had died."""
        os.close(self._marker)

    def leave(self, taken_over: Sequence[Path] = ()) -> None:
        """Let the record go, which is sealed by now, or holds nothing; before it the parts that it has taken over."""
        for part in taken_over:
            part.unlink(missing_ok=True)
        (open_dir(self._server) / self.name).unlink(missing_ok=True)
        self.let_go()
        with suppress(OSError):
            open_dir(self._server).rmdir()

    def discard(self, taken_over: Sequence[Path] = ()) -> None:
        """Remove a record that holds nothing."""
        shutil.rmtree(self._dir, ignore_errors=True)
        self.leave(taken_over)
        with suppress(OSError):
            records_dir(self._server).rmdir()


def begun(server: Server, name: str, beginning: Beginning, copies: Mapping[str, bytes]) -> Record:
    """A new record, for a caller who holds the server's lock, with ``copies`` of files beside it. Raises Unfit."""
    try:
        open_dir(server).mkdir(parents=True, exist_ok=True)
        marker = locks.take(open_dir(server) / name)
        os.write(marker, beginning.to_json())
        os.fsync(marker)
        (records_dir(server) / name).mkdir()
        for copy, content in copies.items():
            write_new(records_dir(server) / name / copy, content)
        sync_file(records_dir(server))
    except OSError as error:
        raise not_writable(error, server.shown(records_dir(server))) from error
    return Record(server, name, beginning, marker)


def _digest_of(path: Path) -> str:
    # Not held in memory: the lines of 10,000 devices are some 30 MB.
    with opened_bounded(path, MOST_LINES_BYTES) as (descriptor, _):
        return sha256_of_rest(descriptor)
