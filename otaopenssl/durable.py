"""Files that are there whole or not at all, also after a power loss: written, synced, then named."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from otaopenssl.errors import Error, Unfit, quoted, reason


def sync_file(path: Path) -> None:
    """Have the content of a file or the names in a directory on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_new(path: Path, content: bytes) -> None:
    """Make the file ``path`` with ``content``, synced; it appears whole, with the mode that the caller's umask leaves.

    Raises FileExistsError where anything is there.
    """
    with _written_beside(path, content) as temporary:
        # A link, unlike a rename, fails where the name is taken.
        os.link(temporary, path)
    sync_file(path.parent)


def replace(path: Path, content: bytes) -> None:
    """Make or replace the file ``path`` in one step; an existing file's mode is kept."""
    with _written_beside(path, content) as temporary:
        if path.exists():
            temporary.chmod(path.stat().st_mode & 0o7777)
        temporary.replace(path)
    sync_file(path.parent)


@contextmanager
def _written_beside(path: Path, content: bytes) -> Iterator[Path]:
    """A synced file with ``content`` in the directory of ``path`` under a name of its own, which is gone afterwards."""
    temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}.new")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def check_writable(path: Path, shown: str) -> list[Error]:
    """No error, or the one for a directory in which nothing can be made; ``shown`` names it in the message."""
    if os.access(path, os.W_OK | os.X_OK):
        return []
    return [Unfit(f"{quoted(shown)} is not writable", hint="check its owner, mode and file system")]


def not_writable(error: OSError, what: str) -> Unfit:
    """The error for a system call that could not make or change ``what``."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Unfit(f"{quoted(what)} cannot be written: {reason(error)}", hint="free some space on its file system")
    return Unfit(f"{quoted(what)} cannot be written: {reason(error)}", hint="check its owner, mode and file system")
