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
    waited: int | None = None
    while True:
        with held():
            descriptor = _opened(folder) if waited is None else waited
            if descriptor is not None and (waited is not None or _is_locked_now(descriptor, folder)):
                waited = None
                try:
                    if _names(folder / _LOCK_NAME, descriptor):
                        yield
                        return
                finally:
                    _leave(folder, descriptor)
                continue
        if descriptor is not None:
            waited = _locked_after_waiting(descriptor)


@contextmanager
def directory(path: Path) -> Iterator[None]:
    """Hold a directory alone, against other runs that hold it in this way. Raises Unfit where it cannot be locked."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError as error:
            raise _cannot_lock(path, error) from error
        yield
    finally:
        os.close(descriptor)


def take(path: Path) -> int:
    """Make the lock file ``path`` and hold it until the returned descriptor is closed or the process ends."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


def is_held(path: Path) -> bool:
    """Whether a living run holds the lock file ``path``; a file that is not there is held by nobody."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
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


def _opened(folder: Path) -> int | None:
    """A descriptor of the folder's lock file, both made where missing; None where another run just removed them."""
    is_new = False
    try:
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            is_new = True
        return os.open(folder / _LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        if isinstance(error, FileNotFoundError) and folder.parent.is_dir() and not folder.is_symlink():
            return None
        if is_new:
            with suppress(OSError):
                folder.rmdir()
        raise not_writable(error, str(folder)) from error


def _is_locked_now(descriptor: int, folder: Path) -> bool:
    """Lock the file if no other run holds it; whether that was so."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        os.close(descriptor)
        raise _cannot_lock(folder, error) from error
    return True


def _locked_after_waiting(descriptor: int) -> int:
    """The descriptor, once the run that holds the lock has let it go."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _leave(folder: Path, descriptor: int) -> None:
    """Let the folder go; whoever is the last in it removes it, unless the next run is already there."""
    try:
        with suppress(OSError):
            if _names(folder / _LOCK_NAME, descriptor) and os.listdir(folder) == [_LOCK_NAME]:  # noqa: PTH208
                (folder / _LOCK_NAME).unlink()
                folder.rmdir()
    finally:
        os.close(descriptor)


def _names(path: Path, descriptor: int) -> bool:
    try:
        named = path.stat()
    except FileNotFoundError:
        return False
    opened = os.fstat(descriptor)
    return (named.st_dev, named.st_ino) == (opened.st_dev, opened.st_ino)


def _cannot_lock(path: Path, error: OSError) -> Unfit:
    return Unfit(f"{quoted(path)} cannot be locked: {reason(error)}", hint="use a file system that supports flock(2)")
