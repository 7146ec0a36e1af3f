"""How a file stands to the git repository that it lies in, by reading the repository's files alone."""

import os
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from otaopenssl.durable import read_bounded
from otaopenssl.git_ignore import Pattern, is_ignored, parse_patterns
from otaopenssl.git_index import is_tracked

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


def standing(path: Path) -> Standing:
    """How a file, which need not be there, stands to the repository that it lies in.

    A person's own excludes (core.excludesFile) do not count: another's clone has them not. Raises ValueError or OSError
    where it cannot be told.
    """
    # git looks at what lies in its work tree, and follows no link out of it.
    real = Path(os.path.realpath(path))
    repository = _repository_of(real.parent)
    if repository is None:
        return Standing.OUTSIDE
    inside = os.fsencode(real.relative_to(repository.top))
    index = _content(repository.git_dir / "index", _LARGEST_INDEX)
    if index is not None and is_tracked(index, inside):
        return Standing.TRACKED
    excluded = parse_patterns(_content(repository.common_dir / "info" / "exclude") or b"")
    return Standing.IGNORED if is_ignored(inside, _ignore_files(repository, real), excluded) else Standing.UNTRACKED


def _repository_of(directory: Path) -> _Repository | None:
    """The repository of the nearest work tree around a directory. Raises ValueError where a .git file leads to none."""
    for top in (directory, *directory.parents):
        dot_git = top / ".git"
        git_dir = dot_git
        if dot_git.is_file():
            word, _, target = read_bounded(dot_git).decode("utf-8", "surrogateescape").rstrip("\r\n").partition(" ")
            git_dir = top / target
            if word != "gitdir:" or not (git_dir / "HEAD").is_file():
                raise ValueError(f"'{dot_git}' leads to no repository")
        common_dir = _common_dir(git_dir)
        # What git takes for a repository: an empty directory of that name is none.
        if os.path.lexists(git_dir / "HEAD") and (common_dir / "objects").is_dir() and (common_dir / "refs").is_dir():
            return _Repository(top, git_dir, common_dir)
    return None


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
