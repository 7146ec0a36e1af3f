"""A device directory as a tar archive that is the same bytes whenever and by whomever it is made.

Source: POSIX.1-1988, ustar; names in the order of their bytes, no owners, one time for all.
"""

import io
import stat
import tarfile
from datetime import datetime
from pathlib import Path

from otaopenssl.durable import is_unfinished, read_bounded
from otaopenssl.errors import Failed, Unfit, quoted, reason

_HINT = "move it away from the device directory"


def device_tar(path: Path, moment: datetime) -> bytes:
    """The archive of the device directory ``path``: a directory of its name, and in it every file with its mode.

    ``moment`` is the time of all. A link goes in as the file that it leads to, so that the archive can be unpacked
    anywhere. Raises Unfit where there is anything else, Failed where a file cannot be read.
    """
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        directory = _member(path.name, path, moment)
        directory.type = tarfile.DIRTYPE
        archive.addfile(directory)
        for file in sorted(path.iterdir(), key=lambda one: one.name.encode("utf-8", "surrogateescape")):
            if is_unfinished(file.name):
                continue
            content = _content(file)
            member = _member(f"{path.name}/{file.name}", file, moment)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return made.getvalue()


def _member(name: str, path: Path, moment: datetime) -> tarfile.TarInfo:
    """A member without owners, which a new TarInfo has none of."""
    if not name.isprintable():
        raise Unfit(f"{quoted(path)} has a name that is not printable", hint=_HINT)
    member = tarfile.TarInfo(name)
    member.mode = stat.S_IMODE(path.stat().st_mode)
    member.mtime = int(moment.timestamp())
    return member


def _content(file: Path) -> bytes:
    if not file.is_file():
        what = "a link that leads nowhere" if file.is_symlink() and not file.exists() else "no file"
        raise Unfit(f"{quoted(file)} is {what}, which cannot go into an archive", hint=_HINT)
    try:
        return read_bounded(file)
    except OSError as error:
        raise Failed(f"{quoted(file)} cannot be read: {reason(error)}", hint="check its owner and mode") from error
