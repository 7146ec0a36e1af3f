"""The locks between runs: one for a moment on a server's hidden folder, one as long as a run lives.

The only place for fcntl. A lock is a file's, not a name's: after it is got, the name must still mean that file, since
the run before may have removed both.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from otaopenssl.durable import not_writable
from otaopenssl.errors import Unfit, quoted, reason
from otaopenssl.interrupts import held

_LOCK_NAME = "lock"


@contextmanager
def hidden_folder(folder: Path) -> Iterator[None]:
    """Hold a server's hidden folder alone, made where it is missing and removed where nothing else is in it.

    Meant for a moment (reserving serials, making or removing a workbench, publishing): interrupting signals wait until
    the block has ended. Raises Unfit where the folder cannot be made or locked.
    """
    while True:
        with held():
            descriptor = _try_lock(folder)
            if descriptor is not None:
                try:
                    yield
                finally:
                    _leave(folder, descriptor)
                return
        _wait(folder)


def _try_lock(folder: Path) -> int | None:
    """A descriptor that holds the folder's lock, or None where another run has it or has just removed the folder."""
    try:
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        descriptor = os.open(folder / _LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if isinstance(error, FileNotFoundError) and folder.parent.is_dir():
            return None
        raise not_writable(error, str(folder)) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError as error:
        os.close(descriptor)
        raise Unfit(
            f"{quoted(folder)} cannot be locked: {reason(error)}", hint="use a file system that supports flock(2)"
        ) from error
    if not _names(folder / _LOCK_NAME, descriptor):
        os.close(descriptor)
        return None
    return descriptor


def _wait(folder: Path) -> None:
    """Wait until the run that holds the folder's lock lets it go."""
    with suppress(FileNotFoundError):
        descriptor = os.open(folder / _LOCK_NAME, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        finally:
            os.close(descriptor)


def _leave(folder: Path, descriptor: int) -> None:
    if os.listdir(folder) == [_LOCK_NAME]:  # noqa: PTH208 - names, not paths
        (folder / _LOCK_NAME).unlink()
        folder.rmdir()
    os.close(descriptor)


def take(path: Path) -> int:
    """Make the lock file ``path`` and hold it until the returned descriptor is closed or the process ends."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


def is_held(path: Path) -> bool:
    """Whether a living run holds the lock file ``path``; a file that is not there is held by nobody."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def share(directory: Path) -> int:
    """Hold a directory together with other runs that use it, until the returned descriptor is closed.

    The directory may be removed while one waits; FileNotFoundError says so.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    with suppress(OSError):  # some network file systems lock no directories; then nothing is ever taken back there
        fcntl.flock(descriptor, fcntl.LOCK_SH)
    if not _names(directory, descriptor):
        os.close(descriptor)
        raise FileNotFoundError(directory)
    return descriptor


def is_shared_with_others(descriptor: int) -> bool:
    """Whether another run holds the directory too; from a False on it is held alone."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    return False


def _names(path: Path, descriptor: int) -> bool:
    try:
        named = path.stat()
    except FileNotFoundError:
        return False
    opened = os.fstat(descriptor)
    return (named.st_dev, named.st_ino) == (opened.st_dev, opened.st_ino)
