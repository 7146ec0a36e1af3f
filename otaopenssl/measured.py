"""A file as it was when it was read: its digest, and what notices a change without reading it again."""

from pathlib import Path
from typing import NamedTuple

from otaopenssl.digest import sha256, sha256_of_rest
from otaopenssl.durable import opened_bounded, read_bounded
from otaopenssl.file_state import FileState, state_of
from otaopenssl.outputs import pem_blocks

# A statically linked openssl has some 10 MiB.
_LARGEST = 256 * 1024 * 1024


class Measured(NamedTuple):
    """A file's path, digest and state: no digest of one that cannot be read, neither of one that is not there.

    Of a directory that is included the digest is that of the names that openssl reads in it, a line each.
    """

    path: Path
    sha256: str | None
    state: FileState | None

    @property
    def is_unchanged(self) -> bool:
        """Whether the file looks the same, by a look at the file system alone."""
        return state_of(self.path) == self.state


def measure(path: Path) -> Measured:
    """The file at ``path``, read now."""
    # Before it is read: what changes from here on is noticed.
    state = state_of(path)
    try:
        with opened_bounded(path, _LARGEST) as (descriptor, _):
            return Measured(path, sha256_of_rest(descriptor), state)
    except IsADirectoryError:
        names = "".join(f"{name}\n" for name in read_names(path))
        return Measured(path, sha256(names.encode("utf-8", "surrogateescape")), state)
    except (OSError, ValueError):
        return Measured(path, None, state)


def read_names(directory: Path) -> list[str]:
    """The files in a directory that openssl reads where a configuration file includes it. Source: config(5)."""
    try:
        return sorted(one.name for one in directory.iterdir() if _is_read(one.name) and not one.is_dir())
    except OSError:
        return []


def _is_read(name: str) -> bool:
    return any(name.lower().endswith(suffix) and len(name) > len(suffix) for suffix in (".cnf", ".conf"))


def measured(path: Path) -> tuple[Measured, bytes]:
    """The file at ``path``, read now, and what is in it."""
    state = state_of(path)
    try:
        content = read_bounded(path, _LARGEST)
    except (OSError, ValueError):
        return Measured(path, None, state), b""
    return Measured(path, sha256(content), state), content


def certificate_digest(path: Path) -> str | None:
    """The digest of the DER of a file's first certificate; None where there is none."""
    try:
        return first_certificate_digest(read_bounded(path))
    except OSError:
        return None


def first_certificate_digest(content: bytes) -> str | None:
    """The digest of the DER of the first certificate in PEM; None where there is none."""
    blocks = pem_blocks(content)
    return sha256(blocks[0].der) if blocks and blocks[0].der is not None else None
