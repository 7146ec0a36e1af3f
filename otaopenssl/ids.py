"""Device UUIDs, device IDs and server names: checked once here, trusted everywhere else.

Each checked value is a type of its own, so that an unchecked string cannot become a path, a word of an argv or a CN.
"""

import re
import uuid
from collections.abc import Callable
from typing import NamedTuple, NewType

from otaopenssl.errors import BadInput, quoted

DeviceUUID = NewType("DeviceUUID", str)
DeviceID = NewType("DeviceID", str)
ServerName = NewType("ServerName", str)


class Identity(NamedTuple):
    """Which device: its UUID, and the ID that names its CSR and chain files."""

    uuid: DeviceUUID
    device_id: DeviceID


DEFAULT_SERVER_NAME = ServerName("myservername")

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
_SERVER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,62}")
# The fleet root's own files stand in the devices directory, beside the device directories.
_NAMES_IN_DEVICES_DIR = frozenset({"ca.key", "ca.crt", "ca.srl"})
# The config files stand in the project directory, beside the server directories.
_NAMES_IN_PROJECT_DIR = {
    "certs": "the directory of the config files",
    "approval.json": "the file of the approval",
    "approval.json.p7s": "the file of the approval's signatures",
    "otaopenssl.toml": "the file of the project's defaults",
}


def parse_device_uuid(value: str) -> DeviceUUID:
    """The value as a device UUID: the CN of the certificate and the name of the device directory.

    Any ID scheme fits: 1 to 64 of ``A-Z a-z 0-9 . _ : -``, beginning with a letter or digit (X.520 allows a CN of 64).
    Raises BadInput. Source: guide step 1.
    """
    _check_id("device UUID", value)
    if value.lower() in _NAMES_IN_DEVICES_DIR:
        raise BadInput(
            f"device UUID {quoted(value)} is the name of a file of the fleet root CA in the devices directory",
            hint="choose another device UUID",
        )
    return DeviceUUID(value)


def parse_device_id(value: str) -> DeviceID:
    """The value as a device ID, which names the CSR and chain files; the same characters as a device UUID.

    Raises BadInput. Source: guide step 1.
    """
    _check_id("device ID", value)
    return DeviceID(value)


def is_accepted(parse: Callable[[str], object], value: str) -> bool:
    """Whether one of the functions here accepts the value."""
    try:
        parse(value)
    except BadInput:
        return False
    return True


def parse_server_name(value: str) -> ServerName:
    """The value as a server name: 1 to 63 of ``A-Z a-z 0-9 . -``, beginning with a letter or digit.

    Raises BadInput. Source: guide step 1.
    """
    if not _SERVER_NAME.fullmatch(value):
        raise _malformed("server name", value, 63, "letters, digits, '.' and '-'")
    if value in _NAMES_IN_PROJECT_DIR:
        raise BadInput(
            f"server name {quoted(value)} is {_NAMES_IN_PROJECT_DIR[value]}", hint="choose another server name"
        )
    return ServerName(value)


def random_device_uuid() -> DeviceUUID:
    """A random UUID in lower case, as ``uuidgen | tr "[:upper:]" "[:lower:]"`` of guide step 1 makes one."""
    return DeviceUUID(str(uuid.uuid4()))


def _check_id(what: str, value: str) -> None:
    if not _ID.fullmatch(value):
        raise _malformed(what, value, 64, "letters, digits, '.', '_', ':' and '-'")


def _malformed(what: str, value: str, longest: int, letters: str) -> BadInput:
    if not value:
        fault = f"{what} is empty"
    elif len(value) > longest:
        fault = f"{what} {quoted(value)} has {len(value)} characters, at most {longest} are allowed"
    elif not re.match(r"[A-Za-z0-9]", value):
        fault = f"{what} {quoted(value)} must begin with a letter or a digit"
    else:
        fault = f"{what} {quoted(value)} may hold only {letters}"
    return BadInput(fault, hint=f"a {what} is 1 to {longest} characters: {letters}")
