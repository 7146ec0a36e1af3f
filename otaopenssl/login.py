"""Where to log in, and the directory there: read from what people type, checked once, then trusted.

Nothing that passes here can be taken for an option, for a pattern or for more than one word by sftp or ssh.
"""

import ipaddress
import re
from typing import NamedTuple

from otaopenssl.address import parse_port
from otaopenssl.errors import BadInput, quoted

SSH_PORT = 22

_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")
# A name in DNS, an alias of the user's own ssh configuration, or an IPv4 address.
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,252}")
_ZONE = re.compile(r"[A-Za-z0-9._-]{1,15}")
_DIRECTORY = re.compile(r"/[A-Za-z0-9._/-]*")
_LONGEST_DIRECTORY = 512
_HINT = "give '[USER@]HOST', HOST being a name, an IPv4 address or an IPv6 address"


class Login(NamedTuple):
    """A host, and the user to log in as, where that is not left to ssh; an IPv6 address stands in brackets."""

    user: str | None
    host: str

    @property
    def shown(self) -> str:
        """``[USER@]HOST``, as sftp takes it."""
        return self.host if self.user is None else f"{self.user}@{self.host}"


def parse_login(value: str) -> Login:
    """The login that ``[USER@]HOST`` means. Raises BadInput."""
    user, at, host = value.rpartition("@")
    if at and not _USER.fullmatch(user):
        raise BadInput(f"user {quoted(user)} of {quoted(value)} is no name that can be logged in as", hint=_HINT)
    return Login(user if at else None, _host(host, value))


def parse_ssh_port(value: str) -> int:
    """The port that decimal digits mean. Raises BadInput."""
    return parse_port(value, "the device's ssh server")


def parse_directory(value: str) -> str:
    """The absolute path of a directory on a device, without empty parts and ``.``; as ``/`` alone the top.

    It is of ``A-Z a-z 0-9 . _ / -``; no part of it is ``..`` or begins with a ``-``. Raises BadInput.
    """
    parts = [part for part in value.split("/") if part not in ("", ".")]
    is_plain = _DIRECTORY.fullmatch(value) is not None and len(value) <= _LONGEST_DIRECTORY
    if not is_plain or any(part == ".." or part.startswith("-") for part in parts):
        words = f"directory {quoted(value)} is no absolute path of letters, digits, '.', '_', '-' and '/'"
        raise BadInput(words, hint="give a path such as '/var/sota/import', without '..' and parts that begin with '-'")
    return "/" + "/".join(parts)


def _host(text: str, value: str) -> str:
    inner = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if inner is not text or text.count(":") > 1:
        return _ipv6(inner, value)
    if ":" in text:
        hint = "give the port by '--port PORT', and the directory by '--directory DIR'"
        raise BadInput(f"{quoted(value)} has more than a user and a host", hint=hint)
    if not _HOST.fullmatch(text):
        raise BadInput(f"{quoted(value)} names no host", hint=_HINT)
    return text


def _ipv6(text: str, value: str) -> str:
    address, percent, zone = text.partition("%")
    try:
        ipaddress.IPv6Address(address)
    except ValueError as error:
        raise BadInput(f"{quoted(value)} names no host: {quoted(address)} is no IPv6 address", hint=_HINT) from error
    if percent and not _ZONE.fullmatch(zone):
        raise BadInput(f"{quoted(value)} names no host: {quoted(zone)} is no network interface", hint=_HINT)
    return f"[{text}]"
