"""How a file stands to the git repository that it lies in, by reading the repository's files alone."""

import os
from collections.abc import Iterable, Iterator
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from otaopenssl.durable import read_bounded
from otaopenssl.errors import quoted
from otaopenssl.git_ignore import Pattern, is_ignored, parse_patterns
from otaopenssl.git_index import tracked_names

# Some hundred thousand files have one of this size.
_LARGEST_INDEX = 64 * 1024 * 1024


class Standing(StrEnum):
    """What git would do with a file."""

    OUTSIDE = "in no git repository"
    IGNORED = "ignored by git"
    UNTRACKED = "not ignored by git"
    TRACKED = "tracked by git"


class _Repository(NamedTuple):
    """The top of a work tree, and where its index and what it shares with other work trees lie."""

    top: Path
    git_dir: Path
    common_dir: Path


class Found(NamedTuple):
    """How a file stands to git, the top of the work tree that says so, if any, and the file's path from there."""

    standing: Standing
    top: Path
    inside: Path


def found(path: Path) -> Found:
    """How a file, which need not be there, stands to the repositories around it.

    It is tracked where any of them has it in its index, by whichever of its names: a link may have been put into the
    path later. Else the repository that it lies in says what becomes of it. A person's own excludes
    (core.excludesFile) do not count: another's clone has them not. Raises ValueError or OSError where
    it cannot be told.
    """
    faults: list[ValueError] = []
    for name in _names(path):
        for repository in _repositories(name.parent):
            inside = name.relative_to(repository.top)
            try:
                if os.fsencode(inside) in _tracked(repository):
                    return Found(Standing.TRACKED, repository.top, inside)
            except ValueError as error:
                faults.append(error)
    if faults:
        raise faults[0]
    return _untracked(Path(os.path.realpath(path)))


def _untracked(real: Path) -> Found:
    """How a file stands that no repository tracks."""
    # git looks at what lies in its work tree, and follows no link out of it.
    nearest = list(islice(_repositories(real.parent), 1))
    if not nearest:
        return Found(Standing.OUTSIDE, real.parent, Path(real.name))
    repository = nearest[0]
    inside = real.relative_to(repository.top)
    excluded = parse_patterns(_content(repository.common_dir / "info" / "exclude") or b"")
    is_left_out = is_ignored(os.fsencode(inside), _ignore_files(repository, real), excluded)
    return Found(Standing.IGNORED if is_left_out else Standing.UNTRACKED, repository.top, inside)


def tracked_below(directory: Path) -> Iterator[Found]:
    """What the repositories around a directory track in it and below. Raises ValueError or OSError as ``found``."""
    for name in _names(directory):
        for repository in _repositories(name):
            begin = b"" if name == repository.top else os.fsencode(name.relative_to(repository.top)) + b"/"
            for path in sorted(_tracked(repository)):
                if path.startswith(begin):
                    yield Found(Standing.TRACKED, repository.top, Path(os.fsdecode(path)))


def _names(path: Path) -> Iterable[Path]:
    """The absolute names of a file: as it is called, and with ever more of the links on the way followed."""
    called = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow the links
    beginnings = (called, *called.parents)
    return dict.fromkeys(Path(os.path.realpath(one)) / called.relative_to(one) for one in reversed(beginnings))


def _tracked(repository: _Repository) -> frozenset[bytes]:
    """The files in the index of a repository, by their paths from the top of its work tree."""
    path = repository.git_dir / "index"
    content = _content(path, _LARGEST_INDEX)
    try:
        return frozenset() if content is None else tracked_names(content)
    except ValueError as error:
        raise ValueError(f"{quoted(path)}: {error}") from error


def _repositories(directory: Path) -> Iterator[_Repository]:
    """Those of the work trees around a directory, the nearest first.

    Raises ValueError where a .git file leads to none.
    """
    for top in (directory, *directory.parents):
        dot_git = top / ".git"
        git_dir = dot_git
        if dot_git.is_file():
            word, _, target = read_bounded(dot_git).decode("utf-8", "surrogateescape").rstrip("\r\n").partition(" ")
            git_dir = top / target
            if word != "gitdir:" or not (git_dir / "HEAD").is_file():
                raise ValueError(f"{quoted(dot_git)} leads to no repository")
        common_dir = _common_dir(git_dir)
        # What git takes for a repository: an empty directory of that name is none.
        if os.path.lexists(git_dir / "HEAD") and (common_dir / "objects").is_dir() and (common_dir / "refs").is_dir():
            yield _Repository(top, git_dir, common_dir)


def _common_dir(git_dir: Path) -> Path:
    """Where a repository keeps what its work trees share."""
    named = _content(git_dir / "commondir")
    return git_dir if named is None else git_dir / os.fsdecode(named.rstrip(b"\r\n"))


def _ignore_files(repository: _Repository, path: Path) -> dict[bytes, tuple[Pattern, ...]]:
    """The patterns of the .gitignore files from the top of the work tree down to the file's directory."""
    found = {}
    for directory in path.parents:
        if not directory.is_relative_to(repository.top):
            break
        file = directory / ".gitignore"
        # git does not follow one that is a link.
        content = None if file.is_symlink() else _content(file)
        if content is not None:
            relative = directory.relative_to(repository.top)
            found[b"" if directory == repository.top else os.fsencode(relative)] = parse_patterns(content)
    return found


def _content(path: Path, largest: int | None = None) -> bytes | None:
    """What is in a file; None where there is none. Raises OSError."""
    try:
        return read_bounded(path) if largest is None else read_bounded(path, largest)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
