"""A device directory as a tar archive that is the same bytes whenever and by whomever it is made.

Source: POSIX.1-1988, ustar; names in the order of their bytes, no owners, one time for all.
"""

import errno
import io
import stat
import tarfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from otaopenssl.durable import LARGEST_FILE, is_unfinished, read_bounded
from otaopenssl.errors import Failed, Unfit, quoted, reason
from otaopenssl.outputs import holds_private_key

_HINT = "move it away from the device directory"
# PEM of any private key (RFC 7468), also where it is encrypted.


def device_tar(path: Path, moment: datetime, links: Mapping[str, Path]) -> bytes:
    """The archive of the device directory ``path``: a directory of its name, and in it every file with its mode.

    ``moment`` is the time of all. ``links`` are the links that may be there, by name, and where they lead to: one goes
    in as that file, so that the archive can be unpacked anywhere. Raises Unfit where there is anything else, any other
    link for one, or a link to a private key; Failed where a file cannot be read.
    """
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        directory = _member(path.name, path, moment)
        directory.type = tarfile.DIRTYPE
        archive.addfile(directory)
        for file in sorted(path.iterdir(), key=lambda one: one.name.encode("utf-8", "surrogateescape")):
            if is_unfinished(file.name):
                continue
            content = _linked(file, links.get(file.name)) if file.is_symlink() else _content(file)
            member = _member(f"{path.name}/{file.name}", file, moment)
            member.size = len(content)
            _add(archive, member, content, file)
    return made.getvalue()


def _member(name: str, path: Path, moment: datetime) -> tarfile.TarInfo:
    """A member without owners, which a new TarInfo has none of."""
    if not name.isprintable():
        raise Unfit(f"{quoted(path)} has a name that is not printable", hint=_HINT)
    member = tarfile.TarInfo(name)
    member.mode = stat.S_IMODE(path.stat().st_mode)
    member.mtime = int(moment.timestamp())
    return member


def _add(archive: tarfile.TarFile, member: tarfile.TarInfo, content: bytes, file: Path) -> None:
    try:
        archive.addfile(member, io.BytesIO(content))
    except ValueError as error:
        # A name of more than 100 bytes, for one.
        raise Unfit(f"{quoted(file)} does not fit into an archive of ustar: {error}", hint=_HINT) from error


def _linked(file: Path, target: Path | None) -> bytes:
    """The content of what a link leads to, which is ``target``."""
    if target is None:
        raise Unfit(f"{quoted(file)} is a link that the audited text does not make", hint=_HINT)
    try:
        is_there = file.exists()
        is_right = file.resolve() == target.resolve()
    except (OSError, RuntimeError):  # it leads to itself
        is_there = is_right = False
    if not is_there:
        raise Unfit(f"{quoted(file)} is a link that leads nowhere", hint=_HINT)
    if not is_right:
        raise Unfit(f"{quoted(file)} is a link to {quoted(file.resolve())}, expected {quoted(target)}", hint=_HINT)
    content = _content(file)
    if holds_private_key(content):
        raise Unfit(f"{quoted(file)} is a link to a file that holds a private key", hint="put the right file there")
    return content


def _content(file: Path) -> bytes:
    if not file.is_file():
        raise Unfit(f"{quoted(file)} is no file, which cannot go into an archive", hint=_HINT)
    try:
        return read_bounded(file)
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise Unfit(f"{quoted(file)} has more than {LARGEST_FILE} bytes", hint=_HINT) from error
        raise Failed(f"{quoted(file)} cannot be read: {reason(error)}", hint="check its owner and mode") from error
