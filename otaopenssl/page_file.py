"""Where a page is written: whole or not at all, and over nothing but an earlier page.

Nobody means keys, records or an approval by a page, whatever is forced.
"""

import os
import stat
from pathlib import Path

from otaopenssl.durable import not_writable, opened_bounded, put
from otaopenssl.errors import Unfit, quoted, reason
from otaopenssl.layout import Server
from otaopenssl.outputs import holds_private_key
from otaopenssl.own_places import check_not_own

# Within the first bytes of every page; templates/report.html.j2 begins so.
_MARK = b'<meta name="generator" content="otaopenssl report '
_HEAD_BYTES = 1024
_LARGEST_PAGE = 64 * 1024 * 1024
_HINT = "name another file with '--out FILE'"
# PEM of any private key (RFC 7468), also where it is encrypted.


def check_place(path: Path, shown: str, server: Server, *, is_forced: bool) -> None:
    """Raise Unfit unless a page can be written to ``path``, and nothing is lost by it unless ``is_forced``.

    What may be there is an earlier page, or a file that is empty; with ``is_forced`` a file of anything but a private
    key, or a link, which is replaced itself. Never is it in a server's directory or certs/, or a file of the project.
    """
    if path.is_dir() or not path.parent.is_dir():
        raise Unfit(f"{quoted(shown)} is no place for a file", hint=_HINT)
    check_not_own(path, shown, server, hint=_HINT)
    if os.path.lexists(path):
        _check_old(path, shown, is_forced=is_forced)
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise Unfit(f"{quoted(shown)} is not writable: its directory is not", hint=_HINT)


def write_page(path: Path, shown: str, server: Server, content: bytes, *, is_forced: bool) -> None:
    """Make or replace the page at ``path`` in one step. Raises Unfit as ``check_place``, or where it fails."""
    # What was no place when the work began may be one by now, and the other way round.
    check_place(path, shown, server, is_forced=is_forced)
    try:
        put(path, content)
    except OSError as error:
        raise not_writable(error, shown) from error


def _check_old(path: Path, shown: str, *, is_forced: bool) -> None:
    """Raise Unfit where what is there may not be replaced."""
    hint = f"{_HINT}, or replace it with '--force'"
    other = Unfit(f"{quoted(shown)} is there and is no report of otaopenssl", hint=hint)
    mode = path.lstat().st_mode
    # A link is somebody's own, wherever it leads.
    if stat.S_ISLNK(mode):
        if not is_forced:
            raise other
        return
    if not stat.S_ISREG(mode):
        raise Unfit(f"{quoted(shown)} is no regular file", hint=_HINT)
    try:
        with opened_bounded(path, _LARGEST_PAGE) as (descriptor, size):
            if size == 0 or _MARK in os.read(descriptor, _HEAD_BYTES):
                return
            has_key = holds_private_key(os.pread(descriptor, size, 0))
    except OSError as error:
        raise Unfit(f"{quoted(shown)} is there and cannot be read: {reason(error)}", hint=_HINT) from error
    if has_key:
        raise Unfit(f"{quoted(shown)} holds a private key", hint=_HINT)
    if not is_forced:
        raise other
