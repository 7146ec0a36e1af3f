"""Whether a file system can do what devices are published by, found by doing it once."""

import os
import shutil
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

from otaopenssl import locks
from otaopenssl.durable import sync_file, write_new
from otaopenssl.errors import Error, reason
from otaopenssl.interrupts import held


def inability(directory: Path) -> str:
    """What the file system of a directory cannot do, in words; empty where it can do all that is needed.

    Everything is tried in a new directory with a hidden name, which is gone when this returns: an interrupting signal
    waits for that. Raises OSError where nothing can be made there.
    """
    tried = directory / f".doctor.{os.urandom(4).hex()}.new"
    with held():
        tried.mkdir(mode=0o700)
        try:
            for what, trial in _TRIALS.items():
                try:
                    trial(tried)
                except OSError as error:
                    return f"it cannot {what}: {reason(error)}"
                except Error as error:
                    return f"it cannot {what}: {error.message}"
        finally:
            shutil.rmtree(tried)
    return ""


def _syncs(tried: Path) -> None:
    (tried / "file").write_bytes(b"tried")
    sync_file(tried / "file")
    sync_file(tried)


def _keeps_modes(tried: Path) -> None:
    os.close(os.open(tried / "private", os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    for path, expected in ((tried / "private", 0o600), (tried, 0o700)):
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise OSError(0, f"expected {expected:04o}, got {mode:04o}")


def _links(tried: Path) -> None:
    write_new(tried / "linked", b"tried")


def _links_by_name(tried: Path) -> None:
    (tried / "link").symlink_to("linked")


def _renames(tried: Path) -> None:
    """A directory gets its name whole; one that is there and not empty keeps it."""
    for name in ("staged", "other"):
        (tried / name).mkdir()
        (tried / name / "file").write_bytes(b"")
    (tried / "staged").rename(tried / "published")
    try:
        (tried / "other").rename(tried / "published")
    except OSError:
        return
    raise OSError(0, "one that is there was replaced")


def _locks(tried: Path) -> None:
    with locks.hidden_folder(tried / "hidden"), locks.directory(tried):
        return


_TRIALS: Mapping[str, Callable[[Path], None]] = {
    "put a file on the disk (fsync)": _syncs,
    "keep a file private (mode 0600)": _keeps_modes,
    "link a file (hard link)": _links,
    "make a symbolic link": _links_by_name,
    "rename a directory": _renames,
    "lock (flock)": _locks,
}
