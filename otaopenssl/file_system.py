"""Whether a file system can do what devices are published by, found by doing it once.

All of it is tried in the server's hidden folder, where runs stage, and in the directory where devices get their names.
A doctor that was killed leaves what the next one removes.
"""

import errno
import os
import shutil
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

from otaopenssl import locks
from otaopenssl.durable import sync_file, write_new
from otaopenssl.errors import Error, Unfit, reason

# A run takes what is so named in the hidden folder for a dead one's, and removes it.
_STAGED_PREFIX = "run-doctor-"
# No device can have a name that begins with a dot.
_PUBLISHED_PREFIX = ".doctor-"


def check_abilities(hidden_dir: Path, published_dir: Path, shown: str) -> list[Error]:
    """No error, or the one for what cannot be done between a hidden folder and where devices are published.

    What is tried is gone when this returns: an interrupting signal waits for that. ``shown`` names the place in the
    message. Raises Unfit where the folder cannot be made or locked, and OSError where nothing can be made in it.
    """
    # Whoever holds the folder knows that no other doctor is at work: what one has left is dead.
    with locks.hidden_folder(hidden_dir):
        _sweep(hidden_dir, published_dir)
        tried = hidden_dir / f"{_STAGED_PREFIX}{os.urandom(4).hex()}"
        tried.mkdir(mode=0o700)
        try:
            for what, trial in _TRIALS.items():
                try:
                    trial(tried, published_dir)
                except OSError as error:
                    return [_inability(shown, what, error)]
                except Error as error:
                    return [Unfit(_words(shown, what, error.message), hint=error.hint)]
        finally:
            _sweep(hidden_dir, published_dir)
    return []


def sweep(hidden_dir: Path, published_dir: Path) -> None:
    """Remove what a killed doctor has left, where there is a hidden folder. Raises Unfit where that cannot be held."""
    if hidden_dir.is_dir():
        with locks.hidden_folder(hidden_dir):
            _sweep(hidden_dir, published_dir)


def _sweep(hidden_dir: Path, published_dir: Path) -> None:
    for path in (*hidden_dir.glob(f"{_STAGED_PREFIX}*"), *published_dir.glob(f"{_PUBLISHED_PREFIX}*")):
        shutil.rmtree(path, ignore_errors=True)


def _inability(shown: str, what: str, error: OSError) -> Unfit:
    hint = "keep the project on a local file system of Linux, such as ext4 or xfs"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        hint = "free some space on it, or inodes"
    elif error.errno == errno.EACCES:
        hint = "check the owner and mode of the directories in it"
    elif error.errno == errno.EXDEV:
        hint = "have the server directory and all in it on one file system: no mount, and no overlay"
    return Unfit(_words(shown, what, reason(error)), hint=hint)


def _words(shown: str, what: str, why: str) -> str:
    return f"the file system of {shown} will not do: it cannot {what}: {why}"


def _syncs(tried: Path, _published_dir: Path) -> None:
    (tried / "file").write_bytes(b"tried")
    sync_file(tried / "file")
    sync_file(tried)


def _keeps_modes(tried: Path, _published_dir: Path) -> None:
    os.close(os.open(tried / "private", os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    for path, expected in ((tried / "private", 0o600), (tried, 0o700)):
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise OSError(0, f"expected {expected:04o}, got {mode:04o}")


def _links(tried: Path, _published_dir: Path) -> None:
    write_new(tried / "linked", b"tried")


def _links_by_name(tried: Path, _published_dir: Path) -> None:
    (tried / "link").symlink_to("linked")


def _renames(tried: Path, published_dir: Path) -> None:
    """A directory gets its name whole, where devices get theirs; one that is there and not empty keeps it."""
    for name in ("staged", "other"):
        (tried / name).mkdir()
        (tried / name / "file").write_bytes(b"")
    published = published_dir / f"{_PUBLISHED_PREFIX}{os.urandom(4).hex()}"
    (tried / "staged").rename(published)
    try:
        (tried / "other").rename(published)
    except OSError:
        return
    raise OSError(0, "one that is there was replaced")


def _locks(tried: Path, _published_dir: Path) -> None:
    with locks.directory(tried):
        return


_TRIALS: Mapping[str, Callable[[Path, Path], None]] = {
    "put a file on the disk (fsync)": _syncs,
    "keep a file private (mode 0600)": _keeps_modes,
    "link a file (hard link)": _links,
    "make a symbolic link": _links_by_name,
    "rename a directory": _renames,
    "lock (flock)": _locks,
}
