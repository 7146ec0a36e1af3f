"""A gateway's address: what is read from what people paste, and what gets nowhere near openssl."""

from pathlib import Path

import pytest

from otaopenssl.address import Gateway, parse_gateway, parse_gateway_url, parse_port
from otaopenssl.errors import BadInput
from tests.conftest import run, tree

PASSWORD = "hunter2"

ACCEPTED: dict[str, tuple[str, int | None]] = {
    "https://gateway.example:443": ("gateway.example", 443),
    "https://gateway.example": ("gateway.example", None),
    "https://gateway.example/": ("gateway.example", None),
    "https://gateway.example:8000/a/b:c/[d]%20e": ("gateway.example", 8000),
    "HTTPS://gateway.example:443": ("gateway.example", 443),
    "hTTpS://gateway.example": ("gateway.example", None),
    "https://192.0.2.1:8000/": ("192.0.2.1", 8000),
    "https://beef.tcpgw.prod01.advancedtelematic.com:443": ("beef.tcpgw.prod01.advancedtelematic.com", 443),
    "gateway.example": ("gateway.example", None),
    "gateway.example:8000": ("gateway.example", 8000),
    "Gateway.Example": ("Gateway.Example", None),
    "localhost": ("localhost", None),
    "a": ("a", None),
    "a.b:1": ("a.b", 1),
    "a:65535": ("a", 65535),
    "a:00443": ("a", 443),
    "1a.2b": ("1a.2b", None),
    "1.example": ("1.example", None),
    "a--b.example": ("a--b.example", None),
    "0.0.0.0": ("0.0.0.0", None),
    "255.249.199.99:8000": ("255.249.199.99", 8000),
    "127.0.0.1": ("127.0.0.1", None),
    "xn--bcher-kva.example": ("xn--bcher-kva.example", None),
    "bücher.example": ("xn--bcher-kva.example", None),
    "bu\u0308cher.example": ("xn--bcher-kva.example", None),
    "BÜCHER.example:443": ("xn--bcher-kva.example", 443),
    "https://bücher.example:443/a": ("xn--bcher-kva.example", 443),
    "bücher．example": ("xn--bcher-kva.example", None),
    "bücher。example｡org": ("xn--bcher-kva.example.org", None),
    "gateway．example": ("gateway.example", None),
    "例え.テスト": ("xn--r8jz45g.xn--zckzah", None),
    "１２７.0.0.1": ("127.0.0.1", None),
    "a" * 63: ("a" * 63, None),
    ".".join(["a" * 49] * 5) + ".ab": (".".join(["a" * 49] * 5) + ".ab", None),
    ".".join(["a" * 63] * 3) + "." + "a" * 61: (".".join(["a" * 63] * 3) + "." + "a" * 61, None),
}


@pytest.mark.parametrize(("text", "expected"), ACCEPTED.items(), ids=[ascii(text)[:40] for text in ACCEPTED])
def test_accepted_addresses(text: str, expected: tuple[str, int | None]) -> None:
    """A URL, a host name, an IPv4 address and HOST:PORT give the host in A-labels and the port that they name."""
    gateway = parse_gateway(text)
    assert gateway == expected
    assert gateway.host.isascii()
    assert len(gateway.host) <= 253


@pytest.mark.parametrize("text", ACCEPTED, ids=[ascii(text)[:40] for text in ACCEPTED])
def test_only_urls_are_urls(text: str) -> None:
    """Where a URL is asked for, the URLs mean what they mean everywhere, and the other forms are refused."""
    if "://" in text:
        assert parse_gateway_url(text, "it") == parse_gateway(text)
    else:
        with pytest.raises(BadInput, match=r"^it is .*, expected an https URL$"):
            parse_gateway_url(text, "it")


@pytest.mark.parametrize(
    ("host", "is_address"),
    [("192.0.2.1", True), ("https://192.0.2.1:1/", True), ("１２７.0.0.1", True), ("0.0.0.0", True)]
    + [(name, False) for name in ("a.example", "1.example", "192.0.2.1.example", "localhost", "bücher.example")],
)
def test_is_address(host: str, is_address: bool) -> None:
    """An IPv4 address is told from a name, since openssl compares them with other fields of a certificate."""
    assert parse_gateway(host).is_address is is_address


def test_hosts_are_idempotent() -> None:
    """A host that was read once reads as itself."""
    for host, _ in ACCEPTED.values():
        assert parse_gateway(host) == Gateway(parse_gateway(host).host, None) == (host, None)


SPACED = "has a space or a control character"
NO_HOST = "has no host"
NO_NAME = "is no host name"
NO_IPV4 = "is no IPv4 address"
NO_HTTPS = ", expected 'https://'"
PORT = ", expected 1 to 65535"
DOT = "ends with a dot"
TWO = "is an IPv6 address or has two ports"
NEITHER = "is neither a URL nor a host"
MORE = "has more than a host, a port and a path"
DEVIATION = "the standards make different names"
TOO_LONG = ".".join(["a" * 49] * 5) + ".abcd"
assert len(TOO_LONG) == 254

REFUSED: dict[str, str] = {
    "": "gateway is empty",
    **dict.fromkeys([" ", " a.example", "a.example ", "a b", "https://a.example/a b", "a.example\n", "a\nb"], SPACED),
    **dict.fromkeys(["https://a.example\r\n", "a\tb", "a\0b", "a\x1b[31mb", "a\x7f", "a\x85b", "a\u2028b"], SPACED),
    **dict.fromkeys(["a\u00a0b", "a\u3000b", "a\u00adb", "a\u200db", "\ufeffa.example", "\u202ea", "a\udcff"], SPACED),
    **dict.fromkeys(["http://a.example", "ftp://a.example", "HTTP://a", "httpss://a", "file:///a", "x://"], NO_HTTPS),
    **dict.fromkeys(["https://", "https:///a", "https://:443", ":443"], NO_HOST),
    **dict.fromkeys(["[::1]", "[::1]:443", "https://[2001:db8::1]/", "https://[2001:db8::1]:443", "[a]", "a["], TWO),
    **dict.fromkeys(["::1", "2001:db8::1", "https://2001:db8::1", "::ffff:192.0.2.1", "a:1:2", "a:443:", "::"], TWO),
    **dict.fromkeys(["a:", "https://a:", "https://a:/b", "a:0", "a:00000", "a:65536", "a:99999", "a:100000"], PORT),
    **dict.fromkeys(["a:abc", "a:+1", "a:-1", "a:1.0", "a:0x50", "a:1_0", "a:８０", "a:4٤3", "a:²", "a:000443"], PORT),
    **dict.fromkeys(["https:a", "localhost:https", "javascript:x", "https://https://a", ":"], PORT),
    **dict.fromkeys(["a.example.", "https://a.example.:443/", "bücher.example.", "bücher。", "1.2.3.4.", "."], DOT),
    **dict.fromkeys(["-a.example", "a-.example", "a.-example", "a.example-", "-", "-help", "-connect", "a.-"], NO_NAME),
    **dict.fromkeys(["a_b", "_a.example", "a..b", ".a", "a" * 64, "a" * 64 + ".b", "*.example", "a%41"], NO_NAME),
    **dict.fromkeys([TOO_LONG, ("a" * 50 + ".") * 5000 + "a", "a" * 100_000, "1.2.3.4-", "a,b"], NO_NAME),
    **dict.fromkeys(
        ["ü..b", "-ü.example", "a.ü-", "ü" * 64, "ü" * 50_000, "ü_x.example", "℀.example", "a：443", "ü／x"], NO_NAME
    ),
    **dict.fromkeys(["256.1.1.1", "1.2.3", "1.2.3.4.5", "010.0.0.1", "1.2.3.04", "0x7f.1", "2130706433"], NO_IPV4),
    **dict.fromkeys(["0x7f000001", "a.1", "a.0x1f", "1.2.3.-4.0X", "0", "https://1.2.3", "１.2.3"], NO_IPV4),
    **dict.fromkeys(["straße.example", "https://straße.example:443", "όνομας.example", "ς.gr", "STRAẞE.de"], DEVIATION),
    **dict.fromkeys(["a.example/", "a.example/b", "a.example:443/", "/etc/passwd", "//a.example", "https:/a"], NEITHER),
    **dict.fromkeys(["a?", "a?b", "a#", "a#b", "1.2.3.4/24"], NEITHER),
    **dict.fromkeys(["https://a?b", "https://a/?", "https://a/b?c=d", "https://a#b", "https://a/b#"], MORE),
    **dict.fromkeys(["a\\b", "https://a\\b", "\\\\a", "https://a\\.b/c"], NO_NAME),
    **dict.fromkeys(["$(id)", "`id`", "a;b", "a|b", "a&b", "a>b", "$HOME", "a'b", 'a"b', "{a,b}", "~", "a!"], NO_NAME),
}


@pytest.mark.parametrize(("text", "saying"), REFUSED.items(), ids=[ascii(text)[:40] for text in REFUSED])
def test_refused_addresses(text: str, saying: str) -> None:
    """Anything else is malformed input, told in one short printable line with what to give instead."""
    with pytest.raises(BadInput) as caught:
        parse_gateway(text)
    assert caught.value.status == 2
    assert saying in caught.value.message
    assert caught.value.message.startswith("gateway ")
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 1000
    assert caught.value.hint


@pytest.mark.parametrize("sign", ["@", "＠", "﹫", "%40"])
@pytest.mark.parametrize("form", ["{}gateway.example", "{}gateway.example:443", "{}a b", "{}", "{}[::1]", "{}a\n"])
@pytest.mark.parametrize("scheme", ["https://", "http://", "HTTPS://", "ftp://", ""])
def test_passwords_are_never_shown(scheme: str, form: str, sign: str) -> None:
    """A user name and a password are refused, whatever else is wrong, and nothing of them is in the message."""
    for secrets in (f"user:{PASSWORD}{sign}", f"{PASSWORD}{sign}", f"user:{PASSWORD}/?#{sign}"):
        text = scheme + form.format(secrets)
        # Where it is no URL at all, not being one is no reason to show it either.
        for parse in (parse_gateway, lambda value: parse_gateway_url(value, "gateway")):
            with pytest.raises(BadInput, match="has a user name or a password in it") as caught:
                parse(text)
            shown = f"{caught.value.message} {caught.value.hint} {caught.value.details}"
            assert PASSWORD not in shown
            assert "user:" not in shown


def test_a_password_without_its_at_sign() -> None:
    """What stands where a port belongs and is no number is not shown."""
    with pytest.raises(BadInput) as caught:
        parse_gateway(f"https://user:{PASSWORD}/x")
    assert PASSWORD not in caught.value.message


@pytest.mark.parametrize("text", ["", "0", "65536", "8_0", "१", "+1", " 80", "80 ", "1e3", "100000", "-1", "https"])
def test_refused_ports(text: str) -> None:
    """A port is decimal digits from 1 to 65535: openssl would take others modulo 65536, or look them up."""
    with pytest.raises(BadInput, match="expected 1 to 65535"):
        parse_port(text)


def test_ports() -> None:
    """The first and the last port are ports."""
    assert [parse_port(text) for text in ("1", "8000", "65535")] == [1, 8000, 65535]


def test_the_name_of_what_is_read() -> None:
    """A message begins with what the address was read from."""
    for text in ("", " ", "http://a", "a@b", "a:0", "1.2.3", "a_b", "ß", "a.", "::1", "a/b", "https://a?b"):
        with pytest.raises(BadInput, match=r"^the archive's URL "):
            parse_gateway(text, "the archive's URL")


AT_THE_COMMAND_LINE = ["", f"https://user:{PASSWORD}@a", f"user:{PASSWORD}＠a", "http://a", "-help", "a\nb", "1.2"]


@pytest.mark.parametrize("text", AT_THE_COMMAND_LINE, ids=ascii)
@pytest.mark.parametrize("is_variable", [False, True])
def test_refused_by_the_command_line(tmp_path: Path, text: str, is_variable: bool) -> None:
    """The option and the guide's variable are checked before anything is connected to or made."""
    arguments = [] if is_variable else [f"--gateway={text}"]
    # Were it tried, there would be no openssl.
    env = {"device_gateway": text} if is_variable else {}
    ran = run("gateway", "root", "--out", "root.crt", *arguments, cwd=tmp_path, env={"PATH": "/nonexistent", **env})
    assert (ran.status, ran.out, len(ran.error_lines)) == (2, "", 1), ran.err
    assert "\nhint: " in ran.err
    assert "Traceback" not in ran.err
    assert PASSWORD not in ran.err
    assert tree(tmp_path) == {}
