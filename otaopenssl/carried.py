"""What a device directory holds besides what its text makes: it goes into the directory that takes its place."""

import os
import stat
from collections.abc import Collection, Iterator
from pathlib import Path

from otaopenssl.durable import is_unfinished, read_bounded, sync_file
from otaopenssl.errors import Failed, quoted, reason

# More is no device's, and all of it is read and written while other runs wait.
_MOST_NAMES = 100


def check_carried(directory: Path, own: Collection[str]) -> None:
    """Raise Failed where the directory holds what could not be carried over, besides the names of its ``own``."""
    for entry in _others(directory, own):
        if not entry.is_symlink():
            _content(entry)


def carry_over(directory: Path, target: Path, own: Collection[str]) -> None:
    """Put each file and link that is not among the ``own`` names into the target as well, synced.

    Its mode is kept, and so is what it holds or where it leads. Raises Failed where something is neither a link nor a
    file of at most 1 MiB, and OSError.
    """
    for entry in _others(directory, own):
        path = target / entry.name
        if entry.is_symlink():
            path.symlink_to(Path(entry.path).readlink())
            continue
        content = _content(entry)
        with open(path, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(content)
            os.fchmod(file.fileno(), stat.S_IMODE(entry.stat(follow_symlinks=False).st_mode))
        sync_file(path)


def _others(directory: Path, own: Collection[str]) -> "Iterator[os.DirEntry[str]]":
    """What is not among the names, in their order; what another run is just writing is left out."""
    with os.scandir(directory) as entries:
        others = [one for one in entries if one.name not in own and not is_unfinished(one.name)]
    if len(others) > _MOST_NAMES:
        words = f"{quoted(directory.name)} holds {len(others)} files besides its own, expected {_MOST_NAMES} at most"
        raise Failed(words, hint="move what is not the device's elsewhere")
    yield from sorted(others, key=lambda one: one.name)


def _content(entry: "os.DirEntry[str]") -> bytes:
    try:
        return read_bounded(Path(entry.path))
    except OSError as error:
        words = f"{quoted(entry.name)} in its directory cannot be carried over: {reason(error)}"
        raise Failed(words, hint="move what is not the device's elsewhere") from error
