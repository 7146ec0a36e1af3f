"""The Merkle tree of RFC 9162, 2.1: one digest for many lines, and short proofs that a line is among them."""

import hashlib
from collections.abc import Sequence


def leaf_hash(line: bytes) -> bytes:
    """The hash of a leaf."""
    return hashlib.sha256(b"\0" + line).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of a node above two others."""
    return hashlib.sha256(b"\1" + left + right).digest()


class MerkleTree:
    """Grows line by line; holds a hash for each whole subtree alone, so that it stays small."""

    def __init__(self) -> None:
        self.size = 0
        self._subtrees: list[bytes] = []

    def add(self, line: bytes) -> None:
        """Add a leaf."""
        found = leaf_hash(line)
        ones = self.size
        while ones & 1:
            found = node_hash(self._subtrees.pop(), found)
            ones >>= 1
        self._subtrees.append(found)
        self.size += 1

    def root(self) -> str:
        """The root hash as hexadecimal; of an empty tree the hash of nothing."""
        if not self._subtrees:
            return hashlib.sha256().hexdigest()
        *others, found = self._subtrees
        for subtree in reversed(others):
            found = node_hash(subtree, found)
        return found.hex()


def inclusion_path(hashes: Sequence[bytes], index: int) -> list[bytes]:
    """The hashes beside the way from leaf ``index`` to the root, the lowest first. Source: RFC 9162, 2.1.3.1."""
    path: list[bytes] = []
    level = list(hashes)
    while len(level) > 1:
        beside = index ^ 1
        if beside < len(level):
            path.append(level[beside])
        # What has nothing beside it goes up as it is.
        pairs = [node_hash(level[at], level[at + 1]) for at in range(0, len(level) - 1, 2)]
        level = pairs + (level[-1:] if len(level) % 2 else [])
        index //= 2
    return path
