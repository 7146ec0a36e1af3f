"""Which files an OpenSSL configuration file brings in by ``.include``, and those in turn. Source: config(5)."""

from collections.abc import Iterator
from pathlib import Path

from otaopenssl.cnf import parse_config
from otaopenssl.durable import read_bounded
from otaopenssl.errors import BadInput

_MOST_FILES = 100


def included(content: bytes, base: Path) -> Iterator[tuple[str, Path]]:
    """Each file that a configuration file includes, once: as the ``.include`` line names it, and where it lies.

    ``base`` is where relative names begin. Of a directory it is each file in it that openssl reads. A name that openssl
    fills in, or that is not there, is told as it stands: nothing can be read there.
    """
    waiting = _names(content)
    seen: set[str] = set()
    while waiting and len(seen) < _MOST_FILES:
        name = waiting.pop(0)
        path = base / name
        if name in seen:
            continue
        seen.add(name)
        if path.is_dir():
            waiting += [f"{name.rstrip('/')}/{one.name}" for one in sorted(path.iterdir()) if _is_read(one)]
            continue
        yield name, path
        try:
            waiting += _names(read_bounded(path))
        except (OSError, ValueError):
            continue


def _names(content: bytes) -> list[str]:
    try:
        names = parse_config(content, "").includes
    except BadInput:
        # What openssl does not read it does not go on from.
        return []
    return [name.strip("\"'").removeprefix("./").encode("latin-1").decode("utf-8", "surrogateescape") for name in names]


def _is_read(path: Path) -> bool:
    return path.suffix in (".cnf", ".conf") and not path.is_dir()
