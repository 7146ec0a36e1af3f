"""A directory in a mounted image of a device, as an installation's far side. No link in the image leads outside."""

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from otaopenssl.destination import (
    DIRECTORY,
    LINK,
    REGULAR,
    SPECIAL,
    TEMPORARY_NAMES,
    Copies,
    Entries,
    Entry,
    temporary_name,
)
from otaopenssl.durable import LARGEST_FILE, not_writable
from otaopenssl.errors import Unfit, quoted, reason
from otaopenssl.inside import LinkToNothing, opened_inside
from otaopenssl.installed_files import ALL_NAMES, InstalledFile

_KINDS = {stat.S_IFREG: REGULAR, stat.S_IFLNK: LINK, stat.S_IFDIR: DIRECTORY}
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_AT_ONCE = "another install may run there at the same time: run the same command again once it has ended"


class ImageDirectory:
    """The directory ``inner`` of the image whose root is mounted at ``root``, as a ``Destination``; open for a block.

    With ``is_making`` directories that are missing are made. Raises Unfit where there is none.
    """

    def __init__(self, root: Path, inner: str, *, is_making: bool = False) -> None:
        self.shown = str(root / inner.lstrip("/"))
        self._root = root
        self._inner = inner
        self._is_making = is_making

    def look(self, names: Sequence[str], copies: Copies) -> Entries:
        """As ``Destination.look``."""
        with self._opened() as directory:
            for name in names:
                with suppress(OSError):
                    self._copy(directory, name, copies.there)
            return _entries(directory)

    def fetch(self, name: str, copies: Copies) -> None:
        """As ``Destination.fetch``."""
        with self._opened() as directory:
            self._fetch(directory, name, copies.there)

    def stage(self, files: Sequence[InstalledFile], left: Sequence[str], copies: Copies) -> Entries:
        """As ``Destination.stage``."""
        with self._opened() as directory:
            try:
                for name in left:
                    os.unlink(name, dir_fd=directory)
                for file in files:
                    _write(directory, file)
                os.fsync(directory)
            except OSError as error:
                raise self._not_written(error) from error
            for file in files:
                self._fetch(directory, temporary_name(file.name), copies.staged)
            return _entries(directory)

    def publish(self, moved: Sequence[str], names: Sequence[str], copies: Copies) -> Entries:
        """As ``Destination.publish``."""
        with self._opened() as directory:
            try:
                for name in moved:
                    os.rename(temporary_name(name), name, src_dir_fd=directory, dst_dir_fd=directory)
                    os.fsync(directory)
            except OSError as error:
                raise self._not_written(error) from error
            for name in names:
                self._fetch(directory, name, copies.published)
            return _entries(directory)

    def discard(self, temporary: Sequence[str]) -> None:
        """As ``Destination.discard``."""
        with self._opened() as directory:
            for name in temporary:
                with suppress(OSError):
                    os.unlink(name, dir_fd=directory)

    @contextmanager
    def _opened(self) -> Iterator[int]:
        shown = quoted(self.shown)
        with ExitStack() as stack:
            try:
                inside = opened_inside(self._root, self._inner, is_making=self._is_making)
                directory = stack.enter_context(inside)
            except LinkToNothing as error:
                hint = (
                    "a link on the way leads to what is not in the image: have made there what it leads to, or mend it"
                )
                raise Unfit(f"{shown} is not there", hint=hint) from error
            except FileNotFoundError as error:
                hint = f"have it made in the image first: mkdir -p {self.shown}; '--directory /' is the root itself"
                raise Unfit(f"{shown} is not there", hint=hint) from error
            except OSError as error:
                hint = "check the directories and links that lead to it, their owners and modes"
                raise Unfit(f"{shown} cannot be gone to: {reason(error)}", hint=hint) from error
            yield directory

    def _not_written(self, error: OSError) -> Unfit:
        found = not_writable(error, self.shown)
        # A temporary name was taken, or what had it is gone, since the directory was looked at.
        if isinstance(error, (FileExistsError, FileNotFoundError)):
            found.hint = _AT_ONCE
        return found

    def _fetch(self, directory: int, name: str, into: Path) -> None:
        try:
            self._copy(directory, name, into)
        except OSError as error:
            words = f"{quoted(name)} in {quoted(self.shown)} cannot be read: {reason(error)}"
            is_gone = isinstance(error, FileNotFoundError)
            raise Unfit(words, hint=_AT_ONCE if is_gone else "check its owner, kind and mode") from error

    def _copy(self, directory: int, name: str, into: Path) -> None:
        """Copy a file, whole, into a private directory. Raises OSError."""
        descriptor = os.open(name, _READ, dir_fd=directory)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(0, "it is no regular file")
            content = file.read(LARGEST_FILE + 1)
        if len(content) > LARGEST_FILE:
            raise OSError(0, f"it has more than {LARGEST_FILE} bytes")
        with os.fdopen(os.open(into / name, _NEW, 0o600), "wb") as copy:
            copy.write(content)


def _write(directory: int, file: InstalledFile) -> None:
    """Make a file under its temporary name, synced; private until it has its mode."""
    descriptor = os.open(temporary_name(file.name), _NEW, 0o600, dir_fd=directory)
    with os.fdopen(descriptor, "wb") as new:
        os.fchmod(descriptor, file.mode)
        new.write(file.content)
        new.flush()
        os.fsync(descriptor)


def _entries(directory: int) -> dict[str, Entry]:
    """What there is of the names that an installation knows."""
    found = {}
    for name in (*ALL_NAMES, *TEMPORARY_NAMES):
        with suppress(FileNotFoundError):
            mode = os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode
            found[name] = Entry(_KINDS.get(stat.S_IFMT(mode), SPECIAL), stat.S_IMODE(mode))
    return found
