"""Files that are there whole or not at all, also after a power loss: written, synced, then named."""

import errno
import os
from pathlib import Path

from otaopenssl.errors import Error, Unfit, quoted, reason


def sync_file(path: Path) -> None:
    """Have the content of a file or the names in a directory on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_new(path: Path, content: bytes, *, mode: int = 0o666) -> None:
    """Make the file ``path`` with ``content``, synced; the caller's umask narrows ``mode``.

    Raises FileExistsError where anything is there; a failed writing leaves no file.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def replace(path: Path, content: bytes) -> None:
    """Make or replace the file ``path`` in one step; an existing file's mode is kept."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    temporary.unlink(missing_ok=True)
    write_new(temporary, content)
    try:
        if path.exists():
            temporary.chmod(path.stat().st_mode & 0o7777)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_file(path.parent)


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
