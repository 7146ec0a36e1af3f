"""A team's otaopenssl.toml: what each key does, what wins over it, and every way in which it can be wrong."""

import sys

import pytest

from otaopenssl.errors import BadInput, Several
from otaopenssl.settings import Seal, Settings, parse_settings

FILE = "otaopenssl.toml"
WHOLE = """
server_name = "fleet.example"
gateway = "https://gateway.example:443"
port = 30443
openssl = "tools/openssl"
procedure = "./procedure"
jobs = 256
site = "Werk Süd, Linie 3"

[seal]
certificate = "seal/seal.crt"
key = "seal/seal.key"
passphrase_file = "/run/secrets/seal"
"""
SEAL = '[seal]\ncertificate = "c"\nkey = "k"\n'


def parse(content: bytes) -> Settings:
    return parse_settings(content, FILE, 256)


def refused(content: bytes) -> list[BadInput]:
    """Every problem of a file that is refused, each with its file and an action."""
    with pytest.raises((BadInput, Several)) as caught:
        parse(content)
    problems = [problem for problem in caught.value.problems if isinstance(problem, BadInput)]
    assert len(problems) == len(caught.value.problems)
    for problem in problems:
        assert problem.message.startswith(FILE)
        assert problem.hint
    return problems


def test_every_key() -> None:
    """Each key is taken as it stands."""
    assert parse(WHOLE.encode()) == Settings(
        server_name="fleet.example",
        gateway="https://gateway.example:443",
        port=30443,
        openssl="tools/openssl",
        procedure="./procedure",
        jobs=256,
        site="Werk Süd, Linie 3",
        seal=Seal("seal/seal.crt", "seal/seal.key", "/run/secrets/seal"),
    )


@pytest.mark.parametrize("content", [b"", b"# nothing\n", b"\xef\xbb\xbf", b"\r\n"])
def test_every_key_is_optional(content: bytes) -> None:
    """A file may say nothing."""
    assert parse(content) == Settings(None, None, None, None, None, None, None, None)


def test_a_seal_without_a_passphrase() -> None:
    """A key without a passphrase needs no file for one; a byte order mark and CRLF are read over."""
    assert parse(b"\xef\xbb\xbf" + SEAL.replace("\n", "\r\n").encode()).seal == Seal("c", "k", None)


@pytest.mark.parametrize("content", ["port = 1\njobs = 1", 'port = 65535\nsite = "' + "x" * 64 + '"', 'site = " "'])
def test_the_ends_of_what_is_accepted(content: str) -> None:
    """The least and the greatest that is taken."""
    assert parse(content.encode()) != Settings()


BAD = {
    "unknown key": ("x = 1", "otaopenssl.toml: unknown key 'x'"),
    "unknown table": ("[seals]", "otaopenssl.toml: unknown key 'seals'"),
    "key in capitals": ('Server_name = "a"', "unknown key 'Server_name'"),
    "unknown key in the seal": (f"{SEAL}x = 1", "otaopenssl.toml: unknown key 'x' in [seal]"),
    "a key that steers a terminal": ('"\\u001b[2J" = 1', "unknown key '\\x1b[2J'"),
    "number for a text": ("server_name = 1", "server_name is an integer, expected a string"),
    "text for a number": ('port = "8000"', "port is a string, expected an integer"),
    "boolean for a number": ("jobs = true", "jobs is a boolean, expected an integer"),
    "float for a number": ("port = 8000.0", "port is a float, expected an integer"),
    "date for a text": ("site = 2026-11-25", "site is a date or a time, expected a string"),
    "array for a text": ('gateway = ["a"]', "gateway is an array, expected a string"),
    "table for a text": ('procedure.name = "a"', "procedure is a table, expected a string"),
    "text for the seal": ('seal = "a"', "seal is a string, expected a table"),
    "seals": ("[[seal]]", "seal is an array, expected a table"),
    "number in the seal": ('[seal]\ncertificate = 1\nkey = "k"', "certificate in [seal] is an integer"),
    "server name": ('server_name = "a b"', "server name 'a b' may hold only"),
    "server name of the config files": ('server_name = "certs"', "server name 'certs' is the directory"),
    "no gateway": ('gateway = "http://a"', "gateway begins with 'http://', expected 'https://'"),
    "gateway with a password": ('gateway = "https://u:secret@a"', "has a user name or a password in it (not shown)"),
    "port 0": ("port = 0", "port is no number from 1 to 65535"),
    "port -1": ("port = -1", "port is no number from 1 to 65535"),
    "port 65536": ("port = 65536", "port is no number from 1 to 65535"),
    "a port without end": (f"port = 0x{'f' * 4000}", "port is no number from 1 to 65535"),
    "no openssl": ('openssl = ""', "openssl '' is no path"),
    "NUL in openssl": ('openssl = "a\\u0000"', "openssl 'a\\x00' is no path"),
    "no procedure": ('procedure = ""', "procedure '' is no name"),
    "procedure of two lines": ('procedure = "a\\nb"', "procedure 'a\\nb' is no name"),
    "jobs 0": ("jobs = 0", "jobs is no number from 1 to 256"),
    "jobs 257": ("jobs = 257", "jobs is no number from 1 to 256"),
    "no site": ('site = ""', "site '' is no label of 1 to 64 printable characters"),
    "long site": (f'site = "{"x" * 65}"', "is no label of 1 to 64 printable characters"),
    "site of two lines": ('site = """a\nb"""', "site 'a\\nb' is no label"),
    "seal without a key": ('[seal]\ncertificate = "c"', "otaopenssl.toml: no key 'key' in [seal]"),
    "seal without a certificate": ('[seal]\nkey = "k"', "otaopenssl.toml: no key 'certificate' in [seal]"),
    "seal of an empty path": ('[seal]\ncertificate = ""\nkey = "k"', "certificate in [seal] '' is no path"),
    "passphrase of no path": (f'{SEAL}passphrase_file = ""', "passphrase_file in [seal] '' is no path"),
    "malformed": ("port 8000", "otaopenssl.toml is malformed: expected '=' after a key"),
    "twice": ("port = 1\nport = 2", "otaopenssl.toml is malformed: cannot overwrite a value"),
    "deep": (f"x = {'[' * 4000}", "otaopenssl.toml is malformed: a number is too long, or arrays"),
    "key of many parts": (".".join("a" * 30000) + " = 1", "is malformed: a line has more than 4096 bytes"),
}


@pytest.mark.parametrize(("content", "saying"), BAD.values(), ids=BAD.keys())
def test_bad_files(content: str, saying: str) -> None:
    """Each fault is one problem, which names the file and the key; no secret and no control character is shown."""
    (problem,) = refused(content.encode())
    assert saying in problem.message
    assert "secret" not in problem.message
    assert problem.message.isprintable()
    assert len(problem.message) < 400


@pytest.mark.parametrize("content", [b"site = '\xff'", "site = 'a'".encode("utf-16"), b"\0"])
def test_no_text(content: bytes) -> None:
    """Bytes that are no UTF-8, or hold what no text holds."""
    (problem,) = refused(content)
    assert problem.message.startswith("otaopenssl.toml is malformed: ")


def test_an_integer_that_python_refuses() -> None:
    """Where Python takes no integer of so many digits, which is no error of TOML's, the file is refused as well."""
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(640)
    try:
        (problem,) = refused(b"port = " + b"9" * 1000)
    finally:
        sys.set_int_max_str_digits(limit)
    assert "a number is too long" in problem.message


def test_every_problem_at_once() -> None:
    """All that is wrong is told, in the order of the keys; what is unknown comes last."""
    content = 'x = 1\nport = 0\nserver_name = "a b"\njobs = "2"\n[seal]\ny = 1\n'
    told = [problem.message.removeprefix("otaopenssl.toml: ").split(", ")[0] for problem in refused(content.encode())]
    assert told == [
        "server name 'a b' may hold only letters",
        "port is no number from 1 to 65535",
        "jobs is a string",
        "no key 'certificate' in [seal]",
        "no key 'key' in [seal]",
        "unknown key 'y' in [seal]",
        "unknown key 'x'",
    ]
