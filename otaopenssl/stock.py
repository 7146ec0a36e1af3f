"""The devices of a server as they are on the disk, by name, and what their certificates say."""

import os
from datetime import datetime
from typing import NamedTuple

from otaopenssl.device_files import Naming
from otaopenssl.digest import sha256
from otaopenssl.durable import read_bounded
from otaopenssl.errors import BadInput, Unfit, quoted, reason
from otaopenssl.ids import parse_device_uuid
from otaopenssl.layout import CERTIFICATE_NAME, Server
from otaopenssl.leaf import parse_leaf
from otaopenssl.outputs import CERTIFICATE, pem_blocks

# These may be links.
_CA_NAMES = ("ca.key", "ca.crt", "ca.srl")


class Stocked(NamedTuple):
    """A device directory: its name, and what its certificate says; ``fault`` tells why that is not known.

    ``device_id`` is told by names of files, and None where none tells it; times are aware UTC; ``sha256`` is the digest
    of the certificate's DER.
    """

    uuid: str
    device_id: str | None
    serial: int | None = None
    not_before: datetime | None = None
    not_after: datetime | None = None
    sha256: str | None = None
    fault: str = ""


def device_names(server: Server) -> list[str]:
    """The names of the device directories, in order; what is not named as a device is none.

    Raises Unfit where the devices directory is not there or cannot be read.
    """
    shown = quoted(server.shown(server.devices_dir))
    try:
        with os.scandir(server.devices_dir) as entries:
            return sorted(entry.name for entry in entries if _is_device(entry))
    except FileNotFoundError:
        hint = "choose the server with '--server-name NAME', or the project with '-C DIR'"
        raise Unfit(f"there are no devices: {shown} is not there", hint=hint) from None
    except OSError as error:
        raise Unfit(f"{shown} cannot be read: {reason(error)}", hint="check its owner and mode") from error


def strangers(server: Server) -> dict[str, bool]:
    """The names of directories, and of links, among the devices that are none, in order; hidden ones left out.

    The value tells of each whether it is a link. Raises OSError.
    """
    with os.scandir(server.devices_dir) as entries:
        found = {
            entry.name: entry.is_symlink()
            for entry in entries
            if (entry.is_dir() or entry.is_symlink()) and not entry.name.startswith(".") and not _is_device(entry)
        }
    return {name: found[name] for name in sorted(found) if name not in _CA_NAMES}


def read_device(server: Server, name: str, naming: Naming) -> Stocked:
    """The device of that name, read from its files."""
    directory = server.devices_dir / name
    try:
        device_id = naming.device_id(os.listdir(directory), name)  # noqa: PTH208 - names, not paths
    except OSError as error:
        return Stocked(name, None, fault=f"its directory cannot be read: {reason(error)}")
    try:
        blocks = pem_blocks(read_bounded(directory / CERTIFICATE_NAME))
        if not blocks or blocks[0].label != CERTIFICATE or blocks[0].der is None:
            raise ValueError("no PEM certificate")
        leaf = parse_leaf(blocks[0].der)
    except FileNotFoundError:
        return Stocked(name, device_id, fault=f"{CERTIFICATE_NAME} is missing")
    except OSError as error:
        return Stocked(name, device_id, fault=f"{CERTIFICATE_NAME} cannot be read: {reason(error)}")
    except ValueError:
        return Stocked(name, device_id, fault=f"{CERTIFICATE_NAME} is no certificate")
    return Stocked(name, device_id, leaf.serial, leaf.not_before, leaf.not_after, sha256(blocks[0].der))


def _is_device(entry: "os.DirEntry[str]") -> bool:
    try:
        parse_device_uuid(entry.name)
    except BadInput:
        return False
    return entry.is_dir(follow_symlinks=False)
