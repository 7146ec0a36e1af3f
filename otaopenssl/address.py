"""The device gateway's address: read from what people paste, checked once, then trusted.

The guide tells to paste the URL of autoprov.url where s_client takes a host (departure gateway-url). openssl tries any
string as a host, takes ports modulo 65536 and has no time-out, so that nothing doubtful may get as far as that.
"""

import re
from typing import NamedTuple, NewType

from otaopenssl.errors import BadInput, quoted

GatewayHost = NewType("GatewayHost", str)

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4 = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}")
# What a resolver takes for a number ends no host name (WHATWG URL, "ends in a number").
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
_LONGEST_HOST = 253
# IDNA 2003 and 2008 make different names of these (UTS 46, deviation characters).
_AMBIGUOUS = frozenset("\u00df\u1e9e\u03c2\u200c\u200d")
# '@', what IDNA's mapping makes one, and one in disguise.
_AT_SIGN = re.compile("[@\uff20\ufe6b]|%40")
_HINT = "give the URL of autoprov.url, such as 'https://gateway.example:443', a host name or an IPv4 address"


class Gateway(NamedTuple):
    """A device gateway: a host name in A-labels or an IPv4 address, and the port that its URL or address names."""

    host: GatewayHost
    named_port: int | None

    @property
    def is_address(self) -> bool:
        """Whether the host is an IPv4 address."""
        return _IPV4.fullmatch(self.host) is not None


def parse_gateway(value: str, what: str = "gateway") -> Gateway:
    """The gateway that an https URL, a host name, an IPv4 address or HOST:PORT means; ``what`` names it in messages.

    Raises BadInput for anything else; a user name and password in it is never part of the message.
    """
    _check_characters(value, what)
    matched = _SCHEME.fullmatch(value)
    if matched is None:
        if re.search(r"[/?#]", value):
            raise BadInput(f"{what} {quoted(value)} is neither a URL nor a host", hint=_HINT)
        return _authority(value, value, what)
    scheme, rest = matched.groups()
    if scheme.lower() != "https":
        raise BadInput(f"{what} begins with {quoted(scheme + '://')}, expected 'https://'", hint=_HINT)
    if "?" in rest or "#" in rest:
        # A query may hold a token.
        raise BadInput(f"{what} has more than a host, a port and a path", hint=_HINT)
    return _authority(rest.partition("/")[0], value, what)


def parse_port(value: str, whose: str = "the gateway") -> int:
    """The port that decimal digits mean; openssl would take a larger one modulo 65536. Raises BadInput."""
    if not re.fullmatch(r"[0-9]{1,5}", value) or not 1 <= int(value) <= 65535:
        raise BadInput(f"port {quoted(value)}, expected 1 to 65535", hint=f"give the port of {whose}")
    return int(value)


def is_host(text: str) -> bool:
    """Whether a text is a host name in ASCII or an IPv4 address, and nothing that a resolver takes for another."""
    labels = text.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        return _IPV4.fullmatch(text) is not None
    return len(text) <= _LONGEST_HOST and all(map(_LABEL.fullmatch, labels))


def parse_gateway_url(value: str, what: str) -> Gateway:
    """The gateway that an https URL means, and nothing but a URL. Raises BadInput as ``parse_gateway``."""
    _check_characters(value, what)
    if _SCHEME.fullmatch(value) is None:
        raise BadInput(f"{what} is {quoted(value)}, expected an https URL", hint="download credentials.zip again")
    return parse_gateway(value, what)


def _check_characters(value: str, what: str) -> None:
    if _AT_SIGN.search(value):
        raise BadInput(
            f"{what} has a user name or a password in it (not shown)", hint="leave out what stands before the '@'"
        )
    if not value:
        raise BadInput(f"{what} is empty", hint=_HINT)
    if not value.isprintable() or " " in value:
        raise BadInput(f"{what} {quoted(value)} has a space or a control character in it", hint=_HINT)


def _authority(text: str, value: str, what: str) -> Gateway:
    """The gateway of ``HOST`` or ``HOST:PORT``."""
    if "[" in text or text.count(":") > 1:
        raise BadInput(
            f"{what} {quoted(value)} is an IPv6 address or has two ports; an IPv6 address is no server name (SNI)",
            hint=_HINT,
        )
    host_text, colon, port_text = text.partition(":")
    if colon and not port_text.isdecimal():
        # It may be a password whose '@' was forgotten.
        raise BadInput(f"{what} has something else than a port after its ':', expected 1 to 65535", hint=_HINT)
    try:
        port = parse_port(port_text) if colon else None
    except BadInput as error:
        raise BadInput(f"{what} {quoted(value)}: {error.message}", hint=_HINT) from error
    return Gateway(_host(host_text, value, what), port)


def _host(text: str, value: str, what: str) -> GatewayHost:
    if not text:
        raise BadInput(f"{what} {quoted(value)} has no host", hint=_HINT)
    host = text if text.isascii() else _a_labels(text, value, what)
    labels = host.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        if not _IPV4.fullmatch(host):
            raise BadInput(f"{what} {quoted(value)}: {quoted(host)} is no IPv4 address", hint=_HINT)
    elif host.endswith("."):
        raise BadInput(f"{what} {quoted(value)} ends with a dot, which no server name (SNI) does", hint=_HINT)
    elif len(host) > _LONGEST_HOST or not all(map(_LABEL.fullmatch, labels)):
        raise BadInput(f"{what} {quoted(value)} is no host name", hint=_HINT)
    return GatewayHost(host)


def _a_labels(text: str, value: str, what: str) -> str:
    """The name in A-labels (RFC 5890)."""
    if not _AMBIGUOUS.isdisjoint(text):
        raise BadInput(
            f"{what} {quoted(value)} has a character of which the standards make different names",
            hint="give the name in A-labels: 'xn--…'",
        )
    if any(label.startswith("-") or label.endswith("-") for label in re.split("[.\u3002\uff0e\uff61]", text)):
        raise BadInput(f"{what} {quoted(value)} is no host name", hint=_HINT)
    try:
        return text.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise BadInput(f"{what} {quoted(value)} is no host name", hint=_HINT) from error
