"""The devices whose place another has taken: kept whole in previous/UUID/TIME, and how the place is taken.

A new device is first put beside the old one, under a name that tells which device it is of and the digest of its
certificate; then the two are exchanged, and the old one is moved to where it is kept. So at every moment all that was
ever published is there, and what lies under that name tells the next run how far a run has come that was killed.
"""

import errno
import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from otaopenssl.durable import not_writable, sync_file
from otaopenssl.errors import Error
from otaopenssl.exchange import exchange
from otaopenssl.ids import DeviceUUID, is_accepted, parse_device_uuid
from otaopenssl.layout import CERTIFICATE_NAME, Server
from otaopenssl.locks import hidden_folder
from otaopenssl.measured import certificate_digest

# Of a name that no device has.
_BETWEEN_NAME = ".renewing"
_ENTRY = re.compile(r"([^,/]+),([0-9a-f]{64})")


def between_dir(server: Server) -> Path:
    """Where a new device lies until it has taken the place of the old one; it is there only meanwhile."""
    return server.previous_dir / _BETWEEN_NAME


def finish(server: Server) -> None:
    """Finish what runs have left that were killed while a device took the place of another. Raises Unfit."""
    if any(_left(server)):
        with hidden_folder(server.hidden_dir):
            finish_alone(server)


def finish_quietly(server: Server) -> None:
    """The same for a run that only reads: what it cannot finish it leaves to others."""
    with suppress(Error, OSError):
        finish(server)


def finish_alone(server: Server) -> None:
    """The same, for a caller who holds the server's lock: before the records of dead runs are sealed."""
    for entry, uuid, digest in list(_left(server)):
        try:
            if certificate_digest(entry / CERTIFICATE_NAME) == digest:
                # It was found fit, and written down: its run has died just before the place was taken, or, where the
                # system exchanges no names, between the two renames.
                _take(server, uuid, entry)
            else:
                _keep(server, uuid, entry)
        except OSError as error:
            raise not_writable(error, _where(server, error, entry)) from error
    _tidy(server)


def take_place(server: Server, uuid: DeviceUUID, staged: Path, digest: str, commit: Callable[[], None]) -> Path:
    """Put a staged device, which is synced, into the place of the one that is there; where that is kept from then on.

    ``digest`` is that of its certificate; ``commit`` is called before, and may still raise. For a caller who holds the
    server's lock. Raises Unfit, with nothing changed.
    """
    entry = between_dir(server) / f"{uuid},{digest}"
    try:
        _make(server, entry.parent)
        _make(server, server.previous_dir / uuid)
        commit()
        staged.rename(entry)
        try:
            sync_file(entry.parent)
            kept = _take(server, uuid, entry)
        except OSError:
            _take_back(server, uuid, entry, staged, digest)
            raise
    except OSError as error:
        raise not_writable(error, _where(server, error, server.device_path(uuid))) from error
    finally:
        _tidy(server, uuid)
    return kept or entry


def previous_devices(server: Server) -> Iterator[Path]:
    """The directories of all devices that are kept, in the order of their names."""
    for of_device in _directories(server.previous_dir):
        if is_accepted(parse_device_uuid, of_device.name):
            yield from _directories(of_device)


def unfinished(server: Server) -> int:
    """How many devices are just taking the place of others, or were when their runs died."""
    return sum(1 for _ in _left(server))


def _left(server: Server) -> Iterator[tuple[Path, DeviceUUID, str]]:
    """What lies between: its path, which device it is of, and the digest of the new one's certificate."""
    for path in _directories(between_dir(server)):
        match = _ENTRY.fullmatch(path.name)
        if match and is_accepted(parse_device_uuid, match[1]):
            yield path, parse_device_uuid(match[1]), match[2]


def _take(server: Server, uuid: DeviceUUID, entry: Path) -> Path | None:
    """Have the entry in the device's place; where the old one is kept, None where it lies in the entry still."""
    real = server.device_path(uuid)
    if os.path.lexists(real) and exchange(entry, real):
        sync_file(server.devices_dir)
        sync_file(entry.parent)
        # The device is the new one; the next run moves the old one where this one cannot.
        with suppress(OSError):
            return _keep(server, uuid, entry)
        return None
    # Killed between the two the device is missing, and the next run finds its new one in the entry.
    kept = _keep(server, uuid, real) if os.path.lexists(real) else None
    try:
        sync_file(server.devices_dir)
        entry.rename(real)
    except OSError:
        if kept is not None:
            kept.rename(real)
        raise
    sync_file(server.devices_dir)
    sync_file(entry.parent)
    return kept


def _take_back(server: Server, uuid: DeviceUUID, entry: Path, staged: Path, digest: str) -> None:
    """After a failure: have the new device staged again, where it has not taken the place."""
    if certificate_digest(entry / CERTIFICATE_NAME) == digest and os.path.lexists(server.device_path(uuid)):
        with suppress(OSError):
            entry.rename(staged)


def _keep(server: Server, uuid: DeviceUUID, old: Path) -> Path:
    """Move a device that is not used any more to where it is kept."""
    now = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    directory = server.previous_dir / uuid
    _make(server, directory)
    names = (now if number == 1 else f"{now}-{number}" for number in count(1))
    kept = next(path for name in names if not os.path.lexists(path := directory / name))
    old.rename(kept)
    sync_file(directory)
    sync_file(old.parent)
    return kept


def _make(server: Server, directory: Path) -> None:
    """Have a directory that nobody else can look into, in previous/."""
    for path in (server.previous_dir, directory):
        try:
            path.mkdir(mode=0o700)
        except FileExistsError:
            if not path.is_dir() or path.is_symlink():
                raise NotADirectoryError(errno.ENOTDIR, "no directory", str(path)) from None
        else:
            sync_file(path.parent)
        if not os.access(path, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


def _where(server: Server, error: OSError, otherwise: Path) -> str:
    """What could not be written, as commands name it: what the error names, where that is in previous/."""
    named = Path(os.fsdecode(error.filename)) if error.filename else otherwise
    return server.shown(named if named.is_relative_to(server.previous_dir) else otherwise)


def _tidy(server: Server, uuid: DeviceUUID | None = None) -> None:
    """Remove the directories that hold nothing."""
    mine = () if uuid is None else (server.previous_dir / uuid,)
    for path in (between_dir(server), *mine, server.previous_dir):
        with suppress(OSError):
            path.rmdir()


def _directories(path: Path) -> list[Path]:
    """The directories in there; none where another user alone may look, who then finishes what he has begun."""
    try:
        return sorted(one for one in path.iterdir() if one.is_dir() and not one.is_symlink())
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return []
