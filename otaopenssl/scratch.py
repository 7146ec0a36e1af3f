"""A private directory outside of the project for one run's own files, removed with the run.

What a run that was killed left behind is removed by the next one; never that of a living one.
"""

import os
import re
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from otaopenssl import locks
from otaopenssl.durable import not_writable
from otaopenssl.interrupts import held

_PREFIX = "otaopenssl-"
_LIFE_LOCK = ".lock"
_INNER_NAME = "run"
# As tempfile.mkdtemp makes one.
_NAME = re.compile(rf"{_PREFIX}[a-z0-9_]{{8}}")


@contextmanager
def directory() -> Iterator[Path]:
    """A new directory (0700) for the block, removed at its end whatever happens. Raises Unfit."""
    # Imported here because most commands need none.
    import tempfile

    path: Path | None = None
    life_lock: int | None = None
    try:
        with held():
            parent = Path("/tmp")  # noqa: S108 - its name in a message, until a better one is found
            try:
                parent = Path(tempfile.gettempdir())
                _sweep(parent)
                path = Path(tempfile.mkdtemp(prefix=_PREFIX))
                # Held before it has its name, so that no other run takes it for a dead one's.
                life_lock = locks.take(path / f"{_LIFE_LOCK}.new")
                (path / f"{_LIFE_LOCK}.new").rename(path / _LIFE_LOCK)
            except OSError as error:
                raise not_writable(error, str(parent)) from error
        inner = path / _INNER_NAME
        inner.mkdir(mode=0o700)
        yield inner
    finally:
        with held():
            if path is not None:
                _remove(path)
            if life_lock is not None:
                os.close(life_lock)


def _sweep(parent: Path) -> None:
    """Remove what dead runs of this user left."""
    for path in parent.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            if _is_ours(path) and not locks.is_held(path / _LIFE_LOCK):
                _remove(path)


def _is_ours(path: Path) -> bool:
    """Whether a directory has the name, owner, mode and content that a run gives its own."""
    found, lock = path.lstat(), (path / _LIFE_LOCK).lstat()
    is_private = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077
    is_lock = stat.S_ISREG(lock.st_mode) and not lock.st_size
    names = set(os.listdir(path))  # noqa: PTH208 - names, not paths
    return is_private and is_lock and names <= {_LIFE_LOCK, _INNER_NAME} and _NAME.fullmatch(path.name) is not None


def _remove(path: Path) -> None:
    """Remove a run's directory, its lock last: where that is missing, no other run dares to go on with it."""
    if (path / _INNER_NAME).exists():
        shutil.rmtree(path / _INNER_NAME)
    for name in (_LIFE_LOCK, f"{_LIFE_LOCK}.new"):
        (path / name).unlink(missing_ok=True)
    # Another run that looked before the lock was gone takes it for a dead one's, and may come first.
    with suppress(FileNotFoundError):
        path.rmdir()
