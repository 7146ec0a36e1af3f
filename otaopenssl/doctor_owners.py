"""The check of who, besides root and whoever runs it, could replace the fleet root CA or what devices are made by."""

import grp
import os
import pwd
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from otaopenssl.approval import APPROVAL_NAME
from otaopenssl.doctor_check import Check, Look, Subject, problem, warning, worst
from otaopenssl.errors import Error, quoted
from otaopenssl.records import records_dir
from otaopenssl.shellwords import shell_joined

_ROOT = 0
_DEFAULTS_NAME = "otaopenssl.toml"


def _owners(subject: Subject, name: str) -> Check:
    """Access control lists are not read; what one lets others write shows in the bits of the group."""
    ours = set(_ours(subject))
    project_owner = subject.server.project_dir.stat().st_uid
    checks: list[Check] = []
    for path in _with_parents(ours):
        try:
            checks += _owner(subject, name, path, project_owner)
            checks += _mode(subject, name, path, is_ours=path in ours)
        except (FileNotFoundError, NotADirectoryError):
            continue
    return worst(name, checks, "root and you alone can change what devices are made by")


def _ours(subject: Subject) -> Iterator[Path]:
    """What decides what a run makes, as far as it is there, by the names that runs use, and where links lead."""
    server = subject.server
    paths = [server.project_dir, server.server_dir, server.devices_dir, records_dir(server)]
    paths += [server.ca_key_path, server.ca_crt_path, server.ca_srl_path]
    paths += [server.project_dir / one for one in (APPROVAL_NAME, _DEFAULTS_NAME)]
    directories = [server.certs_dir]
    if not isinstance(subject.procedure, Error) and not subject.procedure.is_built_in:
        directories.append(subject.procedure.directory)
    for directory in directories:
        paths += [directory, *(directory.iterdir() if directory.is_dir() else ())]
    for path in paths:
        yield from (path, Path(os.path.realpath(path)))


def _with_parents(paths: set[Path]) -> list[Path]:
    """All of them, and every directory above, from the top down."""
    return sorted({one for path in paths for one in (path, *path.parents)}, key=lambda one: (len(one.parts), one))


def _trusted() -> frozenset[int]:
    """Those who can do everything as it is: in a container, whoever owns its top may be called otherwise than root."""
    return frozenset({_ROOT, os.geteuid(), Path("/").stat().st_uid})


def _owner(subject: Subject, name: str, path: Path, project_owner: int) -> Iterator[Check]:
    """Whether another owns what is there. Raises OSError."""
    owner = path.lstat().st_uid
    if owner in _trusted():
        return
    words = f"{_shown(subject, path)} is owned by user {owner}, expected {os.geteuid()}"
    if owner == project_owner:
        # Whose the whole project is, is known to whoever works in it.
        yield warning(name, words, f"run as user {owner}, whose the project is, or have it be your own")
    else:
        yield problem(name, words, shell_joined(("chown", "-h", str(os.geteuid()), subject.named(path))))


def _mode(subject: Subject, name: str, path: Path, *, is_ours: bool) -> Iterator[Check]:
    """What the mode of a file or directory lets others do. Raises OSError."""
    found = path.lstat()
    # In a directory with the sticky bit nobody renames what is another's; what is made there is another matter.
    is_sticky = stat.S_ISDIR(found.st_mode) and not is_ours and found.st_mode & stat.S_ISVTX
    if stat.S_ISLNK(found.st_mode) or is_sticky or path.name == "ca.key":
        # The mode of ca.key is a check of its own.
        return
    what = "put other files into it" if stat.S_ISDIR(found.st_mode) else "write it"
    words = f"{_shown(subject, path)} has mode {stat.S_IMODE(found.st_mode):04o}"
    if found.st_mode & stat.S_IWOTH:
        yield problem(name, f"{words}: everybody can {what}", _hint(subject, path, "o-w"))
    elif found.st_mode & stat.S_IWGRP and not _is_without_others(found.st_gid):
        yield warning(name, f"{words}: its group can {what}", _hint(subject, path, "g-w"))


def _shown(subject: Subject, path: Path) -> str:
    return quoted(path if path == subject.server.project_dir else subject.server.shown(path))


def _hint(subject: Subject, path: Path, change: str) -> str:
    return shell_joined(("chmod", change, subject.named(path)))


def _is_without_others(group_id: int) -> bool:
    """Whether a group is root's, or the user's own of the same name, which others are seldom in."""
    if group_id == _ROOT:
        return True
    try:
        group, user = grp.getgrgid(group_id), pwd.getpwuid(os.geteuid())
    except KeyError:
        return False
    return user.pw_gid == group_id and user.pw_name == group.gr_name and set(group.gr_mem) <= {user.pw_name}


CHECKS: Mapping[str, Look] = {"owners": _owners}
