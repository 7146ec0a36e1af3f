"""What no two devices may share: serial numbers and keys. Read from the certificates themselves, all of them."""

from collections.abc import Iterable
from typing import Generic, NamedTuple, TypeVar

from otaopenssl.digest import sha256
from otaopenssl.findings import FLEET_ROOT
from otaopenssl.layout import Server
from otaopenssl.leaf import Leaf, parse_leaf
from otaopenssl.outputs import PemBlock
from otaopenssl.stock import device_names, read_leaf

_Key = TypeVar("_Key", int, str)


class Twins(NamedTuple):
    """The devices that share something, by what they share: a serial number, or the digest of a public key's DER.

    ca.crt is among them by its own name: no device may have its serial number, or its key.
    """

    serials: dict[int, tuple[str, ...]]
    keys: dict[str, tuple[str, ...]]

    def of_serial(self, serial: int, name: str) -> tuple[str, ...]:
        """The others with this serial number."""
        return tuple(other for other in self.serials.get(serial, ()) if other != name)

    def of_key(self, public_key: bytes, name: str) -> tuple[str, ...]:
        """The others with this key."""
        return tuple(other for other in self.keys.get(sha256(public_key), ()) if other != name)


def find_twins(server: Server, ca_crt: Iterable[PemBlock]) -> Twins:
    """What the devices of the server and the certificates of ca.crt share. Raises Unfit as ``device_names`` does."""
    serials: _Sharers[int] = _Sharers()
    keys: _Sharers[str] = _Sharers()
    for block in ca_crt:
        leaf = _parsed(block)
        if leaf is not None:
            keys.add(sha256(leaf.public_key), FLEET_ROOT)
            # Serial numbers are those of an issuer.
            if leaf.issuer == leaf.subject:
                serials.add(leaf.serial, FLEET_ROOT)
    for name in device_names(server):
        directory = server.devices_dir / name
        leaf = None if directory.is_symlink() else read_leaf(directory)[0]
        if leaf is not None:
            serials.add(leaf.serial, name)
            keys.add(sha256(leaf.public_key), name)
    return Twins(serials.shared, keys.shared)


class _Sharers(Generic[_Key]):
    """Who has what, and what several have."""

    def __init__(self) -> None:
        self._first: dict[_Key, str] = {}
        self.shared: dict[_Key, tuple[str, ...]] = {}

    def add(self, what: _Key, name: str) -> None:
        first: str = self._first.setdefault(what, name)
        if first != name:
            self.shared[what] = (*self.shared.get(what, (first,)), name)


def _parsed(block: PemBlock) -> Leaf | None:
    try:
        return parse_leaf(block.der or b"")
    except ValueError:
        return None
