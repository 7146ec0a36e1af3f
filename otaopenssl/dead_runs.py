"""Runs that died: their records are sealed by the next one, with what their workers had written down."""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from otaopenssl import locks
from otaopenssl.approval import APPROVAL_NAME, SIGNATURES_NAME
from otaopenssl.durable import read_bounded
from otaopenssl.layout import Server
from otaopenssl.record import PART_SUFFIX, Record, Seal, begun, parts
from otaopenssl.records import is_listed, open_dir, open_records, record_dirs, records_dir, run_id_of
from otaopenssl.recovery import left_lines
from otaopenssl.statement import LINES_NAME, Beginning

# What lies in a record beside what the run has made of it.
_COPIES = (APPROVAL_NAME, SIGNATURES_NAME)


def seal_dead_runs(server: Server, seal: Seal | None) -> None:
    """Seal the records of runs that died, for a caller who holds the server's lock."""
    for path in list(open_records(server)):
        if locks.is_held(path):
            continue
        try:
            beginning = Beginning.from_json(read_bounded(path))
        except (ValueError, TypeError):
            # The run died before it had begun.
            path.unlink()
            with suppress(OSError):
                (records_dir(server) / path.name).rmdir()
            continue
        left = parts(server, beginning.run_id)
        if beginning.is_to_be_sealed and seal is None:
            # Nobody is to get rid of a seal by killing a run.
            continue
        if not any(locks.is_held(part) for part in left):
            _seal_dead(server, path.name, beginning, left, seal)
    _remove_told_parts(server)


def _remove_told_parts(server: Server) -> None:
    """Remove the parts of runs that have no open record any more, as far as their records tell all that is in them."""
    folder = open_dir(server)
    running = {run_id_of(path.name) for path in open_records(server)}
    for part in sorted(folder.glob(f"*{PART_SUFFIX}")) if folder.is_dir() else ():
        run_id = part.name.partition(".")[0]
        is_told = run_id not in running and not locks.is_held(part)
        if is_told and not left_lines(server, _told_before(server, "", run_id), [part]):
            part.unlink()
    with suppress(OSError):
        folder.rmdir()


def _seal_dead(server: Server, name: str, beginning: Beginning, written: Sequence[Path], seal: Seal | None) -> None:
    """Take over a dead run's record, and what its workers had written down of devices that it does not tell of."""
    directory = records_dir(server) / name
    marker = os.open(open_dir(server) / name, os.O_RDWR | os.O_CLOEXEC)
    record = Record(server, name, beginning, marker)
    directory.mkdir(exist_ok=True)
    told = record.lines.recover()
    left = left_lines(server, [*told, *_told_before(server, name, beginning.run_id)], written)
    if is_listed(server, name):
        # Whoever has closed it has died before it let it go. What it does not tell of goes into another record.
        if not left or _has_more(server, name, beginning.run_id):
            record.leave(() if left else written)
            return
        listed, record = record, begun(server, _next_name(server, name, beginning.run_id), beginning, {})
        listed.leave()
    while len(left) > record.room:
        full, left = left[: record.room], left[record.room :]
        record.lines.append(full)
        record.close(seal, is_complete=False)
        copies = {copy: (directory / copy).read_bytes() for copy in _COPIES if (directory / copy).is_file()}
        record = begun(server, _next_name(server, name, beginning.run_id), beginning, copies)
    record.lines.append(left)
    if not record.lines.tree.size:
        record.discard(written)
    else:
        record.close(seal, is_complete=False, taken_over=written)


def _has_more(server: Server, name: str, run_id: str) -> bool:
    """Whether another record of the run is open still."""
    return any(run_id_of(path.name) == run_id and path.name != name for path in open_records(server))


def _next_name(server: Server, name: str, run_id: str) -> str:
    """The name of one more record of the run that this one is of."""
    number = 1 + sum(f"-{run_id}" in directory.name for directory in record_dirs(server))
    return f"{name.partition('-')[0]}-{run_id}-{number}"


def _told_before(server: Server, name: str, run_id: str) -> Iterator[bytes]:
    """The lines of the run's earlier records, which were full: the run may have died before it removed a part."""
    for directory in record_dirs(server):
        path = directory / LINES_NAME
        if f"-{run_id}" in directory.name and directory.name != name and path.is_file():
            yield from path.read_bytes().split(b"\n")[:-1]
