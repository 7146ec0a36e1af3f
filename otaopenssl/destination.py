"""The far side of an installation, whatever it is: a directory on a device, or one in a mounted image.

Both are written in the same order of steps. Files get temporary names first, from which they are moved.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from otaopenssl.installed_files import ALL_NAMES, InstalledFile

REGULAR, LINK, DIRECTORY, SPECIAL = "a regular file", "a link", "a directory", "a special file"


class Entry(NamedTuple):
    """What has a name in the directory: one of the kinds above, and its mode."""

    kind: str
    mode: int


Entries = Mapping[str, Entry]


class Copies(NamedTuple):
    """A private directory: files as they are to be in ``source``, and copies of what is at the far side.

    ``there`` is for copies of what was there before, ``staged`` of what has temporary names, ``published`` of what was
    moved. Each is below ``directory``, by the name of its field.
    """

    directory: Path

    @property
    def source(self) -> Path:
        """Files as they are to be at the far side, modes included."""
        return self.directory / "source"

    @property
    def there(self) -> Path:
        """Copies of what was there before."""
        return self.directory / "there"

    @property
    def staged(self) -> Path:
        """Copies of what was written under temporary names, by those."""
        return self.directory / "staged"

    @property
    def published(self) -> Path:
        """Copies of what was moved to its names."""
        return self.directory / "published"

    def prepare(self, files: Sequence[InstalledFile]) -> None:
        """Make the directories, and in ``source`` the files."""
        for path in (self.source, self.there, self.staged, self.published):
            path.mkdir(mode=0o700)
        for file in files:
            path = self.source / file.name
            # Whatever the umask is: sftp sends the mode of the file with its name.
            path.touch(mode=0o600)
            path.chmod(file.mode)
            path.write_bytes(file.content)


class Destination(Protocol):
    """A directory that a device's files go into; ``shown`` names it in messages and results.

    Each method raises Unfit where the directory is not there, or does not let itself be read or written, and Failed
    where the connection to it fails. What is named is listed afterwards: with kind and mode, hidden names included.
    """

    shown: str

    def look(self, names: Sequence[str], copies: Copies) -> Entries:
        """What is there; what can be read of the named files is copied to ``there``."""

    def fetch(self, name: str, copies: Copies) -> None:
        """Copy one file to ``there``."""

    def stage(self, files: Sequence[InstalledFile], left: Sequence[str], copies: Copies) -> Entries:
        """Write the files of ``source`` under temporary names, and copy them from there to ``staged``.

        ``left`` are temporary names that are taken, and are removed before. A key is private from its first byte.
        """

    def publish(self, moved: Sequence[str], names: Sequence[str], copies: Copies) -> Entries:
        """Move what was staged to its names, one after the other, and copy all ``names`` to ``published``."""

    def discard(self, temporary: Sequence[str]) -> None:
        """Remove what has these temporary names, as far as that is there."""


def temporary_name(name: str) -> str:
    """The name under which a file is written before it is moved; the same at each try."""
    return f".{name}.otaopenssl"


# Which a file has for a moment, where it is tried whether a server renames at all.
TRIED_NAME = ".tried.otaopenssl"
TEMPORARY_NAMES = (*map(temporary_name, ALL_NAMES), TRIED_NAME)
