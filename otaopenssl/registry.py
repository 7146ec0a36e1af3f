"""Where a device registry is: read once from its URL, strictly, then trusted."""

import re
from ipaddress import AddressValueError, IPv6Address
from typing import NamedTuple

from otaopenssl.address import is_host, parse_port
from otaopenssl.errors import BadInput, quoted

# That of OTA Community Edition (scripts/gen-device.sh).
DEFAULT_PATH = "/api/v1/devices"
_PORTS = {"http": 80, "https": 443}
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#\\]*)([^?#]*)(.*)", re.DOTALL)
_AUTHORITY = re.compile(r"(\[[^\]]*\]|[^:\[\]]*)(?::([0-9]*))?")
# RFC 3986, 3.3
_PATH = re.compile(r"(?:/(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*)*")
_LONGEST_URL = 2000
_HINT = "give the URL of the registry, such as 'https://registry.example' or 'http://deviceregistry.ota.ce'"


class Registry(NamedTuple):
    """A device registry: an http or https URL in its parts; the host is a name, an IPv4 or (bare) IPv6 address."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def is_secure(self) -> bool:
        """Whether it is reached by TLS."""
        return self.scheme == "https"

    @property
    def authority(self) -> str:
        """Host and port as a URL has them, the port where it is another than the scheme's."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The whole URL."""
        return f"{self.scheme}://{self.authority}{self.path}"


def parse_registry(value: str) -> Registry:
    """The registry that an http or https URL means; one without a path gets ``/api/v1/devices``.

    Raises BadInput for anything else; a user name, a password and a query, which may hold a token, are in no message.
    """
    matched = _URL.fullmatch(value)
    if matched is None or not value.isprintable() or " " in value or len(value) > _LONGEST_URL:
        # Without '://' it may be anything, also a password.
        words = "the registry's URL (not shown) is none, expected 'http://' or 'https://', then a host"
        raise BadInput(words, hint=_HINT)
    scheme, authority, path, rest = matched.groups()
    if "@" in authority or "%40" in authority:
        words = "the registry's URL has a user name or a password in it (not shown)"
        raise BadInput(words, hint="leave it out; '--client-cert FILE' is for a registry that wants to know who asks")
    if rest:
        raise BadInput("the registry's URL has more than a host, a port and a path", hint=_HINT)
    if scheme.lower() not in _PORTS:
        raise BadInput(f"the registry's URL begins with {quoted(scheme)}, expected 'http' or 'https'", hint=_HINT)
    return _registry(scheme.lower(), authority, path, value)


def _registry(scheme: str, authority: str, path: str, value: str) -> Registry:
    shown = f"registry {quoted(value)}"
    if not _PATH.fullmatch(path) or {".", ".."} & set(path.split("/")):
        raise BadInput(f"{shown} has a path that is none of a URL", hint=_HINT)
    matched = _AUTHORITY.fullmatch(authority)
    if matched is None:
        raise BadInput(f"{shown} has no host and port as a URL has them", hint=_HINT)
    host, port = matched.groups()
    try:
        number = _PORTS[scheme] if port is None else parse_port(port)
    except BadInput as error:
        raise BadInput(f"{shown}: {error.message}", hint=_HINT) from error
    if host.startswith("["):
        host = _ipv6(host[1:-1], shown)
    elif not is_host(host):
        raise BadInput(f"{shown}: {quoted(host)} is neither a host name nor an IPv4 address", hint=_HINT)
    return Registry(scheme, host, number, path if path.strip("/") else DEFAULT_PATH)


def _ipv6(text: str, shown: str) -> str:
    try:
        address = IPv6Address(text)
    except AddressValueError:
        raise BadInput(f"{shown}: {quoted(text)} is no IPv6 address", hint=_HINT) from None
    if address.scope_id is not None:
        raise BadInput(f"{shown}: a zone such as '%{address.scope_id}' belongs to this machine alone", hint=_HINT)
    return str(address)
