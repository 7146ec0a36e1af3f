"""The passphrase for a file that is about to be encrypted: from a file, a descriptor, or twice from the terminal."""

import errno
import os
import re
import sys
from pathlib import Path

from otaopenssl.cli import session, terminal
from otaopenssl.durable import read_bounded
from otaopenssl.errors import BadInput, Unfit, quoted
from otaopenssl.pkcs12 import LONGEST_PASSPHRASE, check_passphrase

_HINT = "give '--passphrase-file FILE', whose first line it is, or '--passphrase-fd N'"
_PIPE_HINT = "a pipe is read by '--passphrase-fd N': 0 is standard input, and bash's 'N< <(…)' makes one"
_LARGEST_FILE = 64 * 1024


def new_passphrase(here: Path, file: str | None, descriptor: str | None) -> bytes:
    """The passphrase by the options, whose file is named from ``here``; else asked for. Raises BadInput or Unfit."""
    if file is not None:
        found = _from_file(here, file)
    elif descriptor is not None:
        found = _from_descriptor(parse_descriptor(descriptor))
    else:
        found = _asked()
    check_passphrase(found)
    return found


def parse_descriptor(value: str) -> int:
    """The file descriptor that ``--passphrase-fd`` means. Raises BadInput."""
    if not re.fullmatch(r"[0-9]{1,4}", value):
        raise BadInput(f"--passphrase-fd {quoted(value)} is no file descriptor", hint="give '--passphrase-fd N'")
    return int(value)


def _from_file(here: Path, file: str) -> bytes:
    try:
        return _first_line(read_bounded(here / file, _LARGEST_FILE))
    except (OSError, ValueError) as error:
        words = session.why_unread(error)
        is_other = isinstance(error, OSError) and error.errno in (errno.EINVAL, errno.ENXIO)
        hint = _PIPE_HINT if is_other else _HINT
        raise Unfit(f"passphrase file {quoted(file)} cannot be read: {words}", hint=hint) from error


def _from_descriptor(descriptor: int) -> bytes:
    """Its first line, and nothing behind that; of one that is too long enough to tell."""
    content = b""
    try:
        while len(content) <= LONGEST_PASSPHRASE + 1 and b"\n" not in content and (more := os.read(descriptor, 1)):
            content += more
    except OSError as error:
        raise Unfit(f"descriptor {descriptor} cannot be read: {session.why_unread(error)}", hint=_HINT) from error
    return _first_line(content)


def _first_line(content: bytes) -> bytes:
    return content.partition(b"\n")[0].removesuffix(b"\r")


def _asked() -> bytes:
    if sys.stdin is None or not sys.stdin.isatty():
        raise Unfit("there is no terminal to ask for the passphrase at", hint=_HINT)
    one = terminal.unseen("passphrase of the PKCS#12 file: ")
    if one != terminal.unseen("the same once more: "):
        raise BadInput("the two passphrases differ", hint="run the command again")
    return one
