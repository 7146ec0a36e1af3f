"""Which files an OpenSSL configuration file brings in by ``.include``, and those in turn. Source: config(5)."""

from collections.abc import Iterator
from pathlib import Path

from otaopenssl.cnf import parse_config
from otaopenssl.durable import read_bounded
from otaopenssl.errors import BadInput
from otaopenssl.measured import read_names

_MOST_FILES = 10_000


def included(content: bytes, base: Path) -> Iterator[tuple[str, Path]]:
    """Each file that a configuration file includes, once: as the ``.include`` line names it, and where it lies.

    ``base`` is where relative names begin. Of a directory it is itself, and each file in it that openssl reads. A name
    that openssl fills in, or that is not there, is told as it stands: nothing can be read there. So is a pragma that
    makes names mean others, and that there are too many.
    """
    waiting = _names(content)
    seen: set[str] = set()
    while waiting:
        name = waiting.pop(0) if len(seen) < _MOST_FILES else f".include of more than {_MOST_FILES} files"
        path = base / name
        if name in seen:
            continue
        seen.add(name)
        yield name, path
        if len(seen) > _MOST_FILES:
            return
        if path.is_dir():
            waiting += [f"{name.rstrip('/')}/{one}" for one in read_names(path)]
            continue
        try:
            waiting += _names(read_bounded(path))
        except (OSError, ValueError):
            continue


def _names(content: bytes) -> list[str]:
    try:
        config = parse_config(content, "")
    except BadInput:
        # What openssl does not read it does not go on from.
        return []
    return [_name(name) for name in (*config.includes, *config.loaded)]


def _name(value: str) -> str:
    """The name of a file as openssl takes it from a value; one that it would make another of is told as no file's."""
    value = value.strip()
    if value[:1] in ("'", '"') and value[-1:] == value[:1]:
        value = value[1:-1]
    name = value.removeprefix("./").encode("latin-1").decode("utf-8", "surrogateescape")
    return f".include {name}" if any(character in name for character in "\\'\"$`") else name
