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
    """A file's path, digest and state; both None of one that is not there or cannot be read."""

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
    except OSError:
        return Measured(path, None, None)


def measured(path: Path) -> tuple[Measured, bytes]:
    """The file at ``path``, read now, and what is in it."""
    state = state_of(path)
    try:
        content = read_bounded(path, _LARGEST)
    except OSError:
        return Measured(path, None, None), b""
    return Measured(path, sha256(content), state), content


def certificate_digest(path: Path) -> str | None:
    """The digest of the DER of a file's first certificate; None where there is none."""
    try:
        blocks = pem_blocks(read_bounded(path))
    except OSError:
        return None
    return sha256(blocks[0].der) if blocks and blocks[0].der is not None else None
