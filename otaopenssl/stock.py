"""The devices of a server as they are on the disk, by name, and what their certificates say."""

import os
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from otaopenssl.device_files import Naming
from otaopenssl.digest import sha256
from otaopenssl.durable import read_bounded
from otaopenssl.errors import Unfit, quoted, reason
from otaopenssl.ids import is_accepted, parse_device_uuid
from otaopenssl.layout import CERTIFICATE_NAME, Server
from otaopenssl.leaf import Leaf, parse_leaf
from otaopenssl.outputs import CERTIFICATE, pem_blocks

# A file system of its own has it.
_NO_STRANGERS = ("lost+found",)


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
    """The names of the device directories, and of links to directories or nowhere in their place, in order.

    What is not named as a device is none. Raises Unfit where the devices directory is not there or cannot be read.
    """
    return sorted(entry.name for entry in _entries(server) if is_accepted(parse_device_uuid, entry.name))


def misnamed(server: Server) -> list[str]:
    """The names of directories among the devices that no device can have, in order; hidden ones are left out.

    Raises Unfit as ``device_names`` does.
    """
    names = (entry.name for entry in _entries(server) if not entry.is_symlink() and not entry.name.startswith("."))
    return sorted(name for name in names if name not in _NO_STRANGERS and not is_accepted(parse_device_uuid, name))


def read_device(server: Server, name: str, naming: Naming) -> Stocked:
    """The device of that name, read from its files."""
    directory = server.devices_dir / name
    if directory.is_symlink():
        return Stocked(name, None, fault="it is a link, expected a directory")
    try:
        device_id = naming.device_id(os.listdir(directory), name)  # noqa: PTH208 - names, not paths
    except OSError as error:
        return Stocked(name, None, fault=f"its directory cannot be read: {reason(error)}")
    leaf, what = read_leaf(directory)
    if leaf is None:
        return Stocked(name, device_id, fault=what)
    return Stocked(name, device_id, leaf.serial, leaf.not_before, leaf.not_after, what)


def read_leaf(directory: Path) -> tuple[Leaf | None, str]:
    """The certificate in a device directory and the digest of its DER; where there is none, why."""
    try:
        blocks = pem_blocks(read_bounded(directory / CERTIFICATE_NAME))
        if not blocks or blocks[0].label != CERTIFICATE or blocks[0].der is None:
            raise ValueError("no PEM certificate")
        return parse_leaf(blocks[0].der), sha256(blocks[0].der)
    except FileNotFoundError:
        return None, f"{CERTIFICATE_NAME} is missing"
    except OSError as error:
        return None, f"{CERTIFICATE_NAME} cannot be read: {reason(error)}"
    except ValueError:
        return None, f"{CERTIFICATE_NAME} is no certificate"


def ends_of(path: Path) -> list[datetime]:
    """When the certificates in a PEM file end, of those that can be read. Raises OSError; ValueError where none can."""
    ends = []
    for block in pem_blocks(read_bounded(path)):
        with suppress(ValueError):
            ends.append(parse_leaf(block.der or b"").not_after)
    if not ends:
        raise ValueError("no certificate")
    return ends


def _entries(server: Server) -> "list[os.DirEntry[str]]":
    """The directories among the devices, and the links that are not to files."""
    shown = quoted(server.shown(server.devices_dir))
    try:
        with os.scandir(server.devices_dir) as entries:
            return [entry for entry in entries if entry.is_dir(follow_symlinks=False) or _is_link_to_no_file(entry)]
    except FileNotFoundError:
        hint = "choose the server with '--server-name NAME', or the project with '-C DIR'"
        raise Unfit(f"there are no devices: {shown} is not there", hint=hint) from None
    except OSError as error:
        raise Unfit(f"{shown} cannot be read: {reason(error)}", hint="check its owner and mode") from error


def _is_link_to_no_file(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_symlink() and not entry.is_file()
    except OSError:
        # A loop, or one that leads through a file.
        return True
