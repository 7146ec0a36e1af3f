"""Where a page is written: whole or not at all, and over nothing but an earlier page."""

import os
from pathlib import Path

from otaopenssl.durable import not_writable, opened_bounded, put
from otaopenssl.errors import Unfit, quoted, reason

# Within the first bytes of every page; templates/report.html.j2 begins so.
_MARK = b'<meta name="generator" content="otaopenssl report '
_HEAD_BYTES = 1024
_LARGEST_PAGE = 64 * 1024 * 1024
_HINT = "name another file with '--out FILE'"


def check_place(path: Path, shown: str, *, is_forced: bool) -> None:
    """Raise Unfit unless a page can be written to ``path``, and nothing is lost by it unless ``is_forced``.

    What may be there is an earlier page, or a file that is empty.
    """
    if path.is_dir() or not path.parent.is_dir():
        raise Unfit(f"{quoted(shown)} is no place for a file", hint=_HINT)
    if os.path.lexists(path) and not is_forced and not _is_page(path, shown):
        hint = f"{_HINT}, or replace it with '--force'"
        raise Unfit(f"{quoted(shown)} is there and is no report of otaopenssl", hint=hint)
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise Unfit(f"{quoted(shown)} is not writable: its directory is not", hint=_HINT)


def write_page(path: Path, shown: str, content: bytes, *, is_forced: bool) -> None:
    """Make or replace the page at ``path`` in one step. Raises Unfit as ``check_place``, or where it fails."""
    # What was no place when the work began may be one by now, and the other way round.
    check_place(path, shown, is_forced=is_forced)
    try:
        put(path, content)
    except OSError as error:
        raise not_writable(error, shown) from error


def _is_page(path: Path, shown: str) -> bool:
    # A link is somebody's own, wherever it leads.
    if path.is_symlink():
        return False
    try:
        with opened_bounded(path, _LARGEST_PAGE) as (descriptor, size):
            return size == 0 or _MARK in os.read(descriptor, _HEAD_BYTES)
    except OSError as error:
        raise Unfit(f"{quoted(shown)} is there and cannot be read: {reason(error)}", hint=_HINT) from error
