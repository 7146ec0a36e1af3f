"""Paths inside of a directory that is another system's root: no link in it leads outside.

A path is gone along part by part, each opened relative to the last one and never through a link; a link is read, and
what it says is gone along in the same way, absolute ones from the root.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

# As the kernel's own limit, path_resolution(7).
_MOST_LINKS = 40
_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# The last one holds a private key.
_MODE, _LAST_MODE = 0o755, 0o700


class LinkToNothing(FileNotFoundError):
    """A link on the way leads to what is not there, in the root."""


@contextmanager
def opened_inside(root: Path, path: str, *, is_making: bool = False) -> Iterator[int]:
    """A descriptor of the directory ``path``, which is absolute in ``root``, itself a directory or a link to one.

    With ``is_making`` directories that are missing are made, ``root`` included. Raises OSError, which is LinkToNothing
    where a directory is missing and a link was followed before.
    """
    if is_making:
        root.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        top = _opened(stack, os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        above = [top]
        parts = _parts(path)[::-1]
        links = 0
        while parts:
            part = parts.pop()
            if part == "..":
                # As at the top of any root.
                above = above[:-1] or [top]
                continue
            target = _link(part, above[-1])
            if target is None:
                try:
                    entered = _entered(part, above[-1], is_making=is_making, is_last=not parts)
                except FileNotFoundError as error:
                    raise LinkToNothing(error.errno, error.strerror) if links else error from None
                above.append(_opened(stack, entered))
                continue
            links += 1
            if links > _MOST_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
            if target.startswith("/"):
                above = [top]
            parts += _parts(target)[::-1]
        yield above[-1]


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]


def _link(name: str, directory: int) -> str | None:
    """What the link of that name says; None where it is something else, or nothing."""
    try:
        found = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return None
    return os.readlink(name, dir_fd=directory) if stat.S_ISLNK(found.st_mode) else None


def _entered(name: str, directory: int, *, is_making: bool, is_last: bool) -> int:
    try:
        return os.open(name, _FLAGS, dir_fd=directory)
    except FileNotFoundError:
        if not is_making:
            raise
    os.mkdir(name, 0o700, dir_fd=directory)
    made = os.open(name, _FLAGS, dir_fd=directory)
    # Whatever the umask is: others on the device have to get at what else will be there.
    os.fchmod(made, _LAST_MODE if is_last else _MODE)
    os.fsync(directory)
    return made


def _opened(stack: ExitStack, descriptor: int) -> int:
    stack.callback(os.close, descriptor)
    return descriptor
