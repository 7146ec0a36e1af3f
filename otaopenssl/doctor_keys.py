"""Checks of who can get at the private keys: by the modes of their files, and by what git has of them."""

import os
import stat
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path

from otaopenssl.doctor_check import Check, Look, Subject, ok, problem, warning, worst
from otaopenssl.errors import quoted, reason
from otaopenssl.git_tree import Found, Standing, found, tracked_below
from otaopenssl.layout import KEY_NAME
from otaopenssl.shellwords import shell_joined

_NO_KEY = "there is no ca.key"
_SERVER_KEYS = ("ca.key", "server.key")
# Of devices there may be a million: what git would do with one is what it would do with each.
_ANY_DEVICE = "any-device"
_KEY_PATTERNS = ("*.key", "pkey*.pem")


def _key_mode(subject: Subject, name: str) -> Check:
    path = subject.server.ca_key_path
    try:
        return _mode(subject, name, path)
    except FileNotFoundError:
        return ok(name, _NO_KEY)


def _mode(subject: Subject, name: str, path: Path) -> Check:
    """Whether others can get at a key by its mode, or by another name of it. Raises OSError."""
    status = path.stat()
    mode = stat.S_IMODE(status.st_mode)
    hint = shell_joined(("chmod", "600", subject.named(path)))
    words = f"{quoted(subject.server.shown(path))} has mode {mode:04o}, expected 0600"
    if mode & 0o007:
        return problem(name, f"{words}: everybody on this machine can get at it", hint)
    if mode & 0o070:
        return warning(name, f"{words}: its group can get at it", hint)
    if status.st_nlink > 1:
        words = f"{quoted(subject.server.shown(path))} has {status.st_nlink} names (hard links)"
        return warning(name, f"{words}: what lies elsewhere is the same key", "find the others by 'find -samefile'")
    return ok(name, f"mode {mode:04o}")


def _key_git(subject: Subject, name: str) -> Check:
    path = subject.server.ca_key_path
    try:
        path.lstat()
    except FileNotFoundError:
        return ok(name, _NO_KEY)
    return _git(subject, name, path)


def _git(subject: Subject, name: str, path: Path) -> Check:
    """What git does with a key, which need not be there."""
    shown = subject.server.shown(path)
    try:
        standing, top, inside = found(path)
    except (OSError, ValueError) as error:
        return _untold(name, shown, path, error)
    words = f"{quoted(shown)} is {standing}"
    if standing is Standing.TRACKED:
        return problem(name, words, _taking_out(top, inside))
    if standing is Standing.UNTRACKED:
        return problem(name, words, _leaving_out(subject, top / inside))
    return ok(name, words)


def _untold(name: str, shown: str, path: Path, error: OSError | ValueError) -> Check:
    why = reason(error) if isinstance(error, OSError) else str(error)
    there = next(one for one in path.parents if os.path.isdir(one))  # noqa: PTH112 - is_dir() raises where it may not look
    git = shell_joined(("git", "-C", str(there), "status", "--ignored"))
    return warning(name, f"cannot tell whether git tracks {quoted(shown)}: {why}", f"ask git: {git}")


def _taking_out(top: Path, inside: Path) -> str:
    command = shell_joined(("git", "-C", str(top), "rm", "--cached", "--", str(inside)))
    return f"{command}, and take the key for known: it stays in the history"


def _leaving_out(subject: Subject, real: Path) -> str:
    """How to have git ignore a key, by the directory in which it really lies."""
    server_dir = Path(os.path.realpath(subject.server.server_dir))
    is_there = real.is_relative_to(server_dir)
    file = (subject.server.server_dir if is_there else real.parent) / ".gitignore"
    quoted_file = shell_joined((subject.named(file),))
    # git does not follow one that is a link.
    remove = f"rm {quoted_file}; " if file.is_symlink() else ""
    return f"{remove}echo '*' >> {quoted_file}"


def _other_keys(subject: Subject, name: str) -> Check:
    server = subject.server
    if not server.devices_dir.is_dir() and not any(os.path.lexists(server.server_dir / one) for one in _SERVER_KEYS):
        return ok(name, "there are none yet")
    checks = list(_others(subject, name))
    return worst(name, checks, "no other key is in git's reach, and none of the server's in that of others")


def _others(subject: Subject, name: str) -> Iterator[Check]:
    server = subject.server
    paths = [server.server_dir / one for one in _SERVER_KEYS]
    for path in paths:
        if path.exists():
            yield _mode(subject, name, path)
    devices = [server.devices_dir / _ANY_DEVICE / KEY_NAME]
    if server.previous_dir.is_dir():
        devices.append(server.previous_dir / _ANY_DEVICE / KEY_NAME)
    for path in (*filter(os.path.lexists, paths), *devices):
        checked = _git(subject, name, path)
        yield checked._replace(words=checked.words.replace(_ANY_DEVICE, "…"))
    try:
        yield from (_told(name, one) for one in tracked_below(server.server_dir) if _is_other_key(subject, one))
    except (OSError, ValueError) as error:
        yield _untold(name, server.shown(server.server_dir), server.server_dir / KEY_NAME, error)


def _is_other_key(subject: Subject, one: Found) -> bool:
    """Whether it is named as a key, and none that is looked at by itself."""
    server = subject.server
    known = [server.ca_key_path, *(server.server_dir / key for key in _SERVER_KEYS)]
    is_known = os.path.realpath(one.top / one.inside) in map(os.path.realpath, known)
    return not is_known and any(fnmatchcase(one.inside.name, pattern) for pattern in _KEY_PATTERNS)


def _told(name: str, one: Found) -> Check:
    return problem(name, f"{quoted(one.top / one.inside)} is {one.standing}", _taking_out(one.top, one.inside))


CHECKS: Mapping[str, Look] = {"ca-key-mode": _key_mode, "ca-key-git": _key_git, "other-keys": _other_keys}
