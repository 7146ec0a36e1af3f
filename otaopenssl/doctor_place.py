"""Checks of the place to work in: directories, room, what the file system can do, and the clock."""

import os
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from otaopenssl import durable, server_directory
from otaopenssl.doctor_check import Check, Look, Subject, judged, ok, problem, warning
from otaopenssl.errors import Error, Unfit, moment, quoted
from otaopenssl.file_state import state_of
from otaopenssl.file_system import check_abilities, sweep
from otaopenssl.layout import HIDDEN_DIR_NAME, Server
from otaopenssl.outputs import parse_time
from otaopenssl.room import check_room, room

# Fewer would soon be used up.
_FEW_DEVICES = 1000
_MOST_SHOWN = 1_000_000
# Time zones, and clocks that are set by hand.
_TOLERANCE = timedelta(days=1)


def _directories(subject: Subject, name: str) -> Check:
    server = subject.server
    server_directory.check(server)
    errors = list(_unwritable(server))
    if server.devices_dir.is_dir():
        # As a device is refused.
        errors += server_directory.check_publishing(server)
    return judged(name, errors, f"{_shown(server, _nearest(server))} can be written")


def _unwritable(server: Server) -> Iterator[Error]:
    for path in (server.project_dir, server.server_dir, server.devices_dir):
        shown = "." if path == server.project_dir else server.shown(path)
        if path.is_dir():
            yield from durable.check_writable(path, shown)
        elif os.path.lexists(path):
            yield Unfit(f"{quoted(shown)} is no directory", hint="move it away")


def _space(subject: Subject, name: str) -> Check:
    server = subject.server
    nearest = _nearest(server)
    shown = server.shown(nearest)
    free = room(nearest)
    inodes = "" if free.inodes is None else f" and {free.inodes} inodes"
    many = f"more than {_MOST_SHOWN}" if free.devices > _MOST_SHOWN else f"some {free.devices}"
    words = f"{free.bytes / 1024**2:.0f} MiB{inodes} free: room for {many} devices"
    if free.devices < _FEW_DEVICES and not check_room(nearest, shown):
        return warning(name, words, "free some space before a fleet is made")
    return judged(name, check_room(nearest, shown), words)


def _file_system(subject: Subject, name: str) -> Check:
    server = subject.server
    where = server.server_dir if server.server_dir.is_dir() else server.project_dir
    if where != server.project_dir:
        # A doctor that was killed before there was a server directory.
        sweep(server.project_dir / HIDDEN_DIR_NAME, server.project_dir)
    shown = _shown(server, where)
    published_dir = server.devices_dir if server.devices_dir.is_dir() else where
    errors = check_abilities(where / HIDDEN_DIR_NAME, published_dir, shown)
    return judged(name, errors, f"the file system of {shown} renames, links, locks and syncs")


def _clock(subject: Subject, name: str) -> Check:
    """A clock is wrong for sure where something is there that its time has yet to see."""
    now = datetime.now(UTC)
    hint = "set the clock of this machine: certificates are dated by it"
    runner = subject.runner
    released = None if runner is None else _release(runner.version)
    if released is not None and now < released - _TOLERANCE:
        words = f"it is {now:%Y-%m-%d} by the clock, and openssl was released on {released:%Y-%m-%d}"
        return problem(name, words, hint)
    server = subject.server
    for path in (server.ca_key_path, server.ca_crt_path, server.ca_srl_path, Path(__file__)):
        state = state_of(path)
        if state is not None and state.modified_ns / 1e9 > (now + _TOLERANCE).timestamp():
            words = f"it is {now:%Y-%m-%d} by the clock, and {quoted(server.shown(path))} is of a later day"
            return warning(name, words, hint)
    return ok(name, moment(now))


def _release(version: str) -> datetime | None:
    """The day on which an openssl was released, by the line in which it tells its version."""
    match = re.search(r" (\d{1,2}) ([A-Z][a-z]{2}) (\d{4})\b", version)
    return parse_time(f"{match[2]} {match[1]} 00:00:00 {match[3]} GMT") if match else None


def _shown(server: Server, path: Path) -> str:
    """A directory in words that a sentence goes on from."""
    return "the project directory" if path == server.project_dir else quoted(server.shown(path))


def _nearest(server: Server) -> Path:
    """The deepest directory of those that devices are made in that is there."""
    directories = (server.devices_dir, server.server_dir)
    return next((path for path in directories if path.is_dir()), server.project_dir)


CHECKS: Mapping[str, Look] = {
    "clock": _clock,
    "directories": _directories,
    "space": _space,
    "file-system": _file_system,
}
