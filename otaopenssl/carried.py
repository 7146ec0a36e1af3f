"""What a device directory holds besides what its text makes: it goes into the directory that takes its place."""

import os
import stat
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

from otaopenssl.durable import is_unfinished, read_bounded, sync_file
from otaopenssl.errors import Failed, quoted, reason
from otaopenssl.outputs import holds_private_key, pem_blocks

# More is no device's, and all of it is read and written while other runs wait.
_MOST_NAMES = 100


def check_carried(directory: Path, own: Collection[str], certificate: bytes, *, has_new_key: bool) -> None:
    """Raise Failed where the directory holds what could not be carried over, besides the names of its ``own``.

    That is also what would be of the old device in the new one's directory: a file with its ``certificate`` (PEM), and
    with a new key any private key. Another text has made it.
    """
    for entry in _others(directory, own):
        if entry.is_symlink():
            continue
        content = _content(directory, entry)
        is_key = has_new_key and holds_private_key(content)
        if is_key or any(block.der and block in pem_blocks(certificate) for block in pem_blocks(content)):
            what = "a private key" if is_key else "the certificate that is to be replaced"
            words = f"{quoted(entry.name)} of {quoted(directory.name)} holds {what}, which this text does not make anew"
            raise Failed(words, hint="renew it by the text that made it, or move the file elsewhere")


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
        content = _content(directory, entry)
        with open(path, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(content)
            # No program of another user's is made out of it.
            os.fchmod(file.fileno(), stat.S_IMODE(entry.stat(follow_symlinks=False).st_mode) & 0o777)
        sync_file(path)


def _others(directory: Path, own: Collection[str]) -> "Iterator[os.DirEntry[str]]":
    """What is not among the names, in their order; what another run is just writing is left out."""
    with os.scandir(directory) as entries:
        others = [one for one in entries if one.name not in own and not is_unfinished(one.name)]
    if len(others) > _MOST_NAMES:
        words = f"{quoted(directory.name)} holds {len(others)} files besides its own, expected {_MOST_NAMES} at most"
        raise Failed(words, hint="move what is not the device's elsewhere")
    yield from sorted(others, key=lambda one: one.name)


def give_owner(directory: Path, target: Path) -> None:
    """Have the target and all in it belong to whom the directory belongs, as far as this user may do that."""
    wanted = directory.stat()
    for path in (target, *target.iterdir()):
        found = path.lstat()
        if (found.st_uid, found.st_gid) != (wanted.st_uid, wanted.st_gid):
            with suppress(PermissionError):
                os.chown(path, wanted.st_uid, wanted.st_gid, follow_symlinks=False)


def _content(directory: Path, entry: "os.DirEntry[str]") -> bytes:
    try:
        return read_bounded(Path(entry.path))
    except OSError as error:
        words = f"{quoted(entry.name)} of {quoted(directory.name)} cannot be carried over: {reason(error)}"
        raise Failed(words, hint="move what is not the device's elsewhere") from error
