"""What git would do with a file is told as the real git tells it, without starting it."""

import os
import random
from pathlib import Path

import pytest

from otaopenssl.git_ignore import is_ignored, parse_patterns
from otaopenssl.git_index import tracked_names
from otaopenssl.git_tree import Standing, found, tracked_below
from tests.git import Repository

KEY = "myservername/devices/ca.key"
OTHERS = ["ca.key", "x/ca.key", "x/y/ca.key", "devices/ca.key", "a b/c", "é/ca.key", "[/-", "B/a]"]


def standing(path: Path) -> Standing:
    return found(path).standing


# Lines of the .gitignore at the top; what they come to git tells.
TABLE = [
    "*",
    "ca.key",
    "/ca.key",
    "*.key",
    "devices/",
    "/devices/",
    "myservername",
    "myservername/",
    "myservername/*",
    "myservername/**",
    "myservername/devices",
    "/myservername/devices/ca.key",
    "devices/ca.key",
    "**/devices/ca.key",
    "**/ca.key",
    "myservername/**/ca.key",
    "myser*/dev?ces/[a-c]a.key",
    "myser**/ca.key",
    "m**/ca.key",
    "my[!s]ervername/",
    "my[[:lower:]]ervername/",
    "my[[:foo:]]ervername/",
    "my[serv",
    "ca\\.key",
    "ca.key\\",
    "ca.key ",
    "ca.key\t",
    "ca.key\\ ",
    "a\\ b/ ",
    "#ca.key",
    "\\#ca.key",
    "*\n!ca.key",
    "*.key\n!ca.key",
    "*\n!*/\n!ca.key",
    "devices/\n!ca.key",
    "myservername/*\n!myservername/devices/",
    "!ca.key\n*.key",
    "ca.key/",
    "\ufeffca.key",
    "*.key\r\n!x/\r",
    "  ",
    "/",
    "!",
    "?",
    "[]-a]/",
    "\\[/-",
    "é",
    "**",
    "/**",
    "*/ca.key",
    "x/**/",
    "a]",
]
PIECES = (
    *(
        "a",
        "b",
        "ab",
        "*",
        "**",
        "?",
        "/",
        "/**/",
        "**/",
        "/**",
        "[ab]",
        "[!a]",
        "[a-c]",
        "[^/]",
        "[]a]",
        "[[:alpha:]]",
    ),
    *(
        "[[:foo:]]",
        "[",
        "]",
        "\\",
        "\\ ",
        " ",
        "\t",
        "\r",
        "!",
        "#",
        "ca.key",
        ".",
        "*.key",
        "devices",
        "-",
        "[a-",
        "é",
    ),
    *("[\\]]", "[a\\-c]", "\\*", "[--0]", "[[:]", "[[:alpha:]-z]", "[a-\\c]", "[z-a]"),
)
PARTS = ["a", "b", "ab", "ca.key", "x y", "devices", "[", "a]", "-", "é"]


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "work")


@pytest.mark.parametrize("lines", TABLE, ids=repr)
def test_table(repository: Repository, lines: str) -> None:
    """Each form of pattern means to us what it means to git."""
    paths = [KEY, *OTHERS]
    for path in paths:
        repository.write(path)
    repository.write(".gitignore", lines)
    ours = {path for path in paths if standing(repository.top / path) is Standing.IGNORED}
    assert ours == repository.ignored(paths)


@pytest.mark.parametrize("seed", range(4))
def test_random_patterns(repository: Repository, seed: int) -> None:
    """Random patterns in files at random depths, and in info/exclude, come to the same as with git."""
    draw = random.Random(seed)
    for _ in range(60):
        path = "/".join(draw.choice(PARTS) for _ in range(draw.randint(1, 4)))
        top = repository.top
        if (
            not any((top / one).is_file() for one in (path, *map(str, Path(path).parents)))
            and not (top / path).exists()
        ):
            repository.write(path)
    below = [path for path in repository.top.rglob("*") if ".git" not in path.relative_to(repository.top).parts]
    files = [str(path.relative_to(repository.top)) for path in below if path.is_file()]
    directories = [repository.top, *(path for path in below if path.is_dir())]
    found = 0
    for _ in range(40):
        for directory in directories:
            (directory / ".gitignore").unlink(missing_ok=True)
            if directory == repository.top or draw.random() < 0.3:
                (directory / ".gitignore").write_text("\n".join(_line(draw, files) for _ in range(draw.randint(1, 3))))
        repository.write(".git/info/exclude", _line(draw, files))
        ours = {path for path in files if standing(repository.top / path) is Standing.IGNORED}
        assert ours == repository.ignored(files), [
            (str(one), one.read_text()) for one in repository.top.rglob(".gitignore")
        ]
        found += len(ours)
    assert 0 < found < 40 * len(files)


def _line(draw: random.Random, files: list[str]) -> str:
    if draw.random() < 0.2:
        return draw.choice(files)
    return draw.choice(["", "", "!"]) + "".join(draw.choice(PIECES) for _ in range(draw.randint(1, 6)))


def test_many_stars_take_no_time() -> None:
    """A pattern that would keep a search with backtracking busy for ever is done with at once."""
    patterns = parse_patterns(b"*a" * 200 + b"b\n" + b"**/a*/" * 200 + b"b\n")
    assert not is_ignored(b"/".join([b"a" * 200] * 20), {b"": patterns}, ())


def test_the_server_directory_of_the_tool(repository: Repository) -> None:
    """The '*' that the tool writes into a server directory keeps all of it out, the file itself included."""
    repository.write(KEY)
    assert standing(repository.top / KEY) is Standing.UNTRACKED
    repository.write("myservername/.gitignore", "*\n")
    assert standing(repository.top / KEY) is Standing.IGNORED


def test_outside(tmp_path: Path) -> None:
    """Without a repository above there is nothing to tell; an empty directory named .git is none."""
    (tmp_path / "project" / ".git").mkdir(parents=True)
    assert standing(tmp_path / "project" / KEY) is Standing.OUTSIDE


def test_an_ignore_file_that_is_a_link(repository: Repository) -> None:
    """git does not follow it, and so it ignores nothing."""
    repository.write(KEY)
    repository.write("patterns", "*\n")
    (repository.top / ".gitignore").symlink_to("patterns")
    assert repository.ignored([KEY]) == set()
    assert standing(repository.top / KEY) is Standing.UNTRACKED


def test_a_key_behind_a_link(repository: Repository, tmp_path: Path) -> None:
    """What counts is where the key lies: a link that leads out of a work tree exposes nothing; one into it does."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "ca.key").write_text("")
    (repository.top / "ca.key").symlink_to(outside / "ca.key")
    assert standing(repository.top / "ca.key") is Standing.OUTSIDE
    repository.write("real.key")
    (outside / "link.key").symlink_to(repository.top / "real.key")
    assert standing(outside / "link.key") is Standing.UNTRACKED


def test_a_link_that_was_put_in_later(repository: Repository, tmp_path: Path) -> None:
    """What the index holds under the name that now leads out of the work tree is tracked still."""
    key = repository.write(KEY)
    repository.git("add", "-f", KEY)
    (repository.top / "myservername").rename(tmp_path / "moved")
    (repository.top / "myservername").symlink_to(tmp_path / "moved")
    assert found(key) == (Standing.TRACKED, repository.top, Path(KEY))
    assert [one.inside for one in tracked_below(repository.top / "myservername")] == [Path(KEY)]
    repository.git("rm", "-q", "--cached", KEY)
    assert standing(key) is Standing.OUTSIDE
    assert list(tracked_below(repository.top / "myservername")) == []


def test_a_repository_inside_another(repository: Repository) -> None:
    """What the outer one tracked before there was an inner one is tracked still; what it ignores decides nothing."""
    key = repository.write(KEY)
    repository.git("add", "-f", KEY)
    repository.write(".gitignore", "*\n")
    inner = Repository(repository.top / "myservername")
    assert found(key) == (Standing.TRACKED, repository.top, Path(KEY))
    repository.git("rm", "-q", "--cached", KEY)
    assert found(key) == (Standing.UNTRACKED, inner.top, Path("devices/ca.key"))


def test_a_link_that_is_tracked(repository: Repository, tmp_path: Path) -> None:
    """Of a link git keeps where it leads, and not the key."""
    (tmp_path / "ca.key").write_text("")
    (repository.top / "ca.key").symlink_to(tmp_path / "ca.key")
    repository.git("add", "-f", "ca.key")
    assert standing(repository.top / "ca.key") is Standing.OUTSIDE


@pytest.mark.parametrize("options", [[], ["--object-format=sha256"]], ids=["sha1", "sha256"])
@pytest.mark.parametrize("version", ["2", "3", "4"])
def test_index_versions(tmp_path: Path, version: str, options: list[str]) -> None:
    """What is tracked is told of each version of the index, with names of every length, and of either digest."""
    repository = Repository(tmp_path / "work", *options)
    names = [f"{'d' * (length % 7)}/{'n' * length}" for length in range(1, 40)] + ["é/ü", "n" * 200, KEY]
    for name in names:
        repository.write(name.lstrip("/"))
    repository.git("add", "-f", ".")
    if version == "3":
        # What is only meant to be added makes git write that version.
        repository.write("later")
        repository.git("add", "-N", "later")
    repository.git("update-index", "--index-version", version)
    index = (repository.top / ".git" / "index").read_bytes()
    assert index[4:8] == bytes([0, 0, 0, int(version)])
    tracked = repository.tracked()
    assert len(tracked) >= len(names)
    for name in tracked:
        assert os.fsencode(name) in tracked_names(index)
        assert os.fsencode(name + "x") not in tracked_names(index)
    assert standing(repository.top / KEY) is Standing.TRACKED
    for cut in range(0, len(index), 41):
        with pytest.raises(ValueError, match=r"."):
            tracked_names(index[:cut])


def test_tracked_wins(repository: Repository) -> None:
    """A key that was added by force is tracked, whatever is ignored; once it is taken out it is not."""
    repository.write(".gitignore", "*\n")
    repository.write(KEY)
    repository.git("add", "-f", KEY)
    assert standing(repository.top / KEY) is Standing.TRACKED
    repository.git("commit", "-q", "-m", "oops")
    assert standing(repository.top / KEY) is Standing.TRACKED
    repository.git("rm", "-q", "--cached", KEY)
    assert standing(repository.top / KEY) is Standing.IGNORED


def test_a_split_index(repository: Repository) -> None:
    """Whose names lie elsewhere: it is said that it cannot be told, and not that nothing is tracked."""
    repository.write(KEY)
    repository.git("add", KEY)
    repository.git("update-index", "--split-index")
    with pytest.raises(ValueError, match="'link' keeps names elsewhere"):
        standing(repository.top / KEY)


def test_a_sparse_index(repository: Repository) -> None:
    """So with an index that holds directories in the place of their files."""
    for name in ("kept/file", KEY):
        repository.write(name)
    repository.git("add", ".")
    repository.git("commit", "-q", "-m", "all")
    repository.git("sparse-checkout", "set", "--cone", "--sparse-index", "kept")
    with pytest.raises(ValueError, match="'sdir' keeps names elsewhere"):
        standing(repository.top / KEY)


def test_another_work_tree(repository: Repository, tmp_path: Path) -> None:
    """In a linked work tree its own index counts, and the repository's info/exclude."""
    repository.write("README")
    repository.git("add", ".")
    repository.git("commit", "-q", "-m", "first")
    repository.git("worktree", "add", "-q", str(tmp_path / "linked"))
    key = tmp_path / "linked" / KEY
    key.parent.mkdir(parents=True)
    key.write_text("")
    assert standing(key) is Standing.UNTRACKED
    repository.write(".git/info/exclude", "ca.key\n")
    assert standing(key) is Standing.IGNORED
    repository.git("add", "-f", KEY, cwd=tmp_path / "linked")
    assert standing(key) is Standing.TRACKED
    assert KEY not in repository.tracked()


def test_a_submodule(repository: Repository, tmp_path: Path) -> None:
    """In a submodule its own index counts."""
    other = Repository(tmp_path / "other")
    other.write("README")
    other.git("add", ".")
    other.git("commit", "-q", "-m", "first")
    repository.git("submodule", "--quiet", "add", str(other.top), "sub")
    key = repository.write(f"sub/{KEY}")
    assert standing(key) is Standing.UNTRACKED
    repository.git("add", KEY, cwd=repository.top / "sub")
    assert standing(key) is Standing.TRACKED


@pytest.mark.parametrize("content", [b"", b"DIRC", b"garbage" * 100, b"DIRC\0\0\0\x02\xff\xff\xff\xff" + bytes(200)])
def test_garbage(repository: Repository, content: bytes) -> None:
    """Of an index that is none nothing can be told."""
    (repository.top / ".git" / "index").write_bytes(content)
    with pytest.raises(ValueError, match=r"." if content else "it is empty"):
        standing(repository.top / KEY)


def test_a_link_to_no_repository(tmp_path: Path) -> None:
    """Of a .git file that leads nowhere nothing can be told, either."""
    (tmp_path / ".git").write_text("gitdir: gone\n")
    with pytest.raises(ValueError, match="leads to no repository"):
        standing(tmp_path / KEY)
