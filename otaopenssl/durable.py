"""Files that are there whole or not at all, also after a power loss: written, synced, then named."""

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

from otaopenssl.errors import Error, Unfit, quoted, reason

LARGEST_FILE = 1024 * 1024
_CHUNK = 64 * 1024
# Read once, while there is one thread: asking for the umask sets it for a moment.
UMASK = os.umask(0o077)
os.umask(UMASK)


def sync_file(path: Path | str) -> None:
    """Have the content of a file or the names in a directory on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_new(path: Path, *parts: bytes, more: Iterable[bytes] = (), is_private: bool = False) -> None:
    """Make the file ``path`` of the ``parts`` and what is ``more``, synced; it appears whole, its mode by the umask.

    One that ``is_private`` is 0600 from its first byte. Raises FileExistsError where anything is there.
    """
    temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}.new")
    with _written(temporary, chain(parts, more), is_private=is_private):
        # A link, unlike a rename, fails where the name is taken.
        os.link(temporary, path)
    sync_file(path.parent)


def replace(path: Path, content: bytes) -> None:
    """Make or replace the file ``path`` in one step, for a caller who holds a lock on it; its mode is kept.

    What a killed run left of its writing is written over by the next.
    """
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    with _written(temporary, [content]):
        if path.exists():
            temporary.chmod(path.stat().st_mode & 0o7777)
        temporary.replace(path)
    sync_file(path.parent)


def put(path: Path, content: bytes) -> None:
    """Make or replace the file ``path`` in one step, whoever else does the same; the last one stays, its mode is kept.

    A link is replaced, not followed. What a killed run left stays, under a name that ``is_unfinished`` knows.
    """
    temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}.new")
    with _written(temporary, [content]):
        if path.is_file() and not path.is_symlink():
            temporary.chmod(path.stat().st_mode & 0o7777)
        temporary.replace(path)
    sync_file(path.parent)


@contextmanager
def _written(temporary: Path, parts: Iterable[bytes], *, is_private: bool = False) -> Iterator[None]:
    """Have a synced file of the ``parts`` for the block; its name is gone afterwards."""
    mode = 0o600 if is_private else 0o666
    try:
        with open(temporary, "xb", opener=lambda path, flags: os.open(path, flags, mode)) as file:
            file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())
        yield
    finally:
        temporary.unlink(missing_ok=True)


def read_bounded(path: Path, largest: int = LARGEST_FILE) -> bytes:
    """The content of a regular file of at most ``largest`` bytes. Raises OSError for anything else, without waiting."""
    with opened_bounded(path, largest) as (descriptor, size):
        # By the system's own calls: a fleet reads a dozen small files a device.
        content = b""
        while len(content) <= largest and (more := os.read(descriptor, max(size + 1, _CHUNK))):
            content += more
    if len(content) > largest:
        raise _too_large(path, largest)
    return content


@contextmanager
def opened_bounded(path: Path, largest: int = LARGEST_FILE) -> Iterator[tuple[int, int]]:
    """A regular file of at most ``largest`` bytes, to read it: descriptor and size. Raises as ``read_bounded``."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)
        if stat.S_ISDIR(found.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "no regular file", str(path))
        if found.st_size > largest:
            raise _too_large(path, largest)
        yield descriptor, found.st_size
    finally:
        os.close(descriptor)


def _too_large(path: Path, largest: int) -> OSError:
    return OSError(errno.EFBIG, f"more than {largest} bytes", str(path))


def is_unfinished(name: str) -> bool:
    """Whether a file of this name is one that another run is just writing."""
    return name.startswith(".") and name.endswith(".new")


def check_writable(path: Path, shown: str) -> list[Error]:
    """No error, or the one for a directory in which nothing can be made; ``shown`` names it in the message."""
    if os.access(path, os.W_OK | os.X_OK):
        return []
    return [Unfit(f"{quoted(shown)} is not writable", hint="check its owner, mode and file system")]


def not_writable(error: OSError, what: str) -> Unfit:
    """The error for a system call that could not make or change ``what``."""
    is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    hint = "free some space on its file system" if is_full else "check its owner, mode and file system"
    return Unfit(f"{quoted(what)} cannot be written: {reason(error)}", hint=hint)
