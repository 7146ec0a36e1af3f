"""What no two devices may share: serial numbers and keys. Read from the certificates themselves, all of them."""

from collections.abc import Iterable
from typing import Generic, TypeVar

from otaopenssl.digest import sha256
from otaopenssl.findings import FLEET_ROOT
from otaopenssl.layout import Server
from otaopenssl.leaf import Leaf, parse_leaf
from otaopenssl.outputs import PemBlock
from otaopenssl.stock import device_names, read_leaf

# One of them is mostly who asks.
_KEPT_NAMES = 2
_Key = TypeVar("_Key")


class Twins:
    """The devices of a server, and ca.crt by its own name: which of them have a serial number, or a key."""

    def __init__(self, server: Server, ca_crt: Iterable[PemBlock]) -> None:
        self._serials: _Holders[int] = _Holders()
        self._keys: _Holders[str] = _Holders()
        for block in ca_crt:
            leaf = _parsed(block)
            if leaf is not None:
                self._keys.add(sha256(leaf.public_key), FLEET_ROOT)
                # Serial numbers are those of an issuer.
                if leaf.issuer == leaf.subject:
                    self._serials.add(leaf.serial, FLEET_ROOT)
        for name in device_names(server):
            directory = server.devices_dir / name
            leaf = None if directory.is_symlink() else read_leaf(directory)[0]
            if leaf is not None:
                self._serials.add(leaf.serial, name)
                self._keys.add(sha256(leaf.public_key), name)

    def of_serial(self, serial: int, name: str) -> str:
        """The others with this serial number, in words; empty where nobody else has it."""
        return self._serials.others(serial, name)

    def of_key(self, public_key: bytes, name: str) -> str:
        """The same of a public key (SubjectPublicKeyInfo in DER)."""
        return self._keys.others(sha256(public_key), name)


class _Holders(Generic[_Key]):
    """Who has what: the first one, and where there are more the first few of them, and how many."""

    def __init__(self) -> None:
        self._first: dict[_Key, str] = {}
        self._several: dict[_Key, tuple[tuple[str, ...], int]] = {}

    def add(self, what: _Key, name: str) -> None:
        first = self._first.setdefault(what, name)
        names, count = self._several.get(what, ((first,), 1))
        if name not in names:
            self._several[what] = ((*names, name) if len(names) < _KEPT_NAMES else names, count + 1)

    def others(self, what: _Key, name: str) -> str:
        """The first other who has it, and whether there are more; empty where nobody else has."""
        if what not in self._first:
            return ""
        names, count = self._several.get(what, ((self._first[what],), 1))
        other = next((one for one in names if one != name), "")
        return f"{other} and others" if other and count > _KEPT_NAMES else other


def _parsed(block: PemBlock) -> Leaf | None:
    try:
        return parse_leaf(block.der or b"")
    except ValueError:
        return None
