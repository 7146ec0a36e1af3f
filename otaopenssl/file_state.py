"""What tells one state of a file from a later one, without reading it."""

import os
import stat
from pathlib import Path
from typing import NamedTuple


class FileState(NamedTuple):
    """A file's inode, size, and times of change; a link is what it leads to."""

    device: int
    inode: int
    size: int
    modified_ns: int
    changed_ns: int


def is_roots_alone(directory: Path) -> bool:
    """Whether root alone can put files into a directory."""
    try:
        found = directory.stat()
    except OSError:
        return False
    return found.st_uid == 0 and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def is_there(path: Path) -> bool:
    """Whether anything has that name, a link that leads nowhere included.

    Raises OSError where that is not to be seen: it is not the same as no.
    """
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def state_of(path: Path) -> FileState | None:
    """The state of a file; None of one that is not there, or cannot be looked at."""
    try:
        found = os.stat(path)  # noqa: PTH116 - a fleet asks a dozen times a device
    except (OSError, ValueError):
        return None
    return FileState(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
