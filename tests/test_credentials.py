"""credentials.zip: its URL and its CA are read from a good archive; a bad one is refused, whatever is wrong."""

import io
import os
import random
import shutil
import socket
import subprocess
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from otaopenssl.credentials import Credentials
from otaopenssl.environment import environment
from otaopenssl.errors import BadInput, Unfit
from otaopenssl.ids import ServerName
from otaopenssl.outputs import pem_blocks
from otaopenssl.runner import Runner
from otaopenssl.vouching import server_ca
from tests.conftest import openssl, require, run, tree

# It is printed as it is written.
URL = "HTTPS://Gateway.Example:443/a%20b"
NAME = "autoprov.url"
CA_NAME = "server_ca.pem"
P12_NAME = "autoprov_credentials.p12"
# Stands in what must not be shown.
CANARY = "hunter2"
MIB = 1024 * 1024
# Where a field stands in the central directory (APPNOTE 4.3.12), and its length; readers go by it.
FIELDS = {"flags": (8, 2), "method": (10, 2), "crc": (16, 4), "packed": (20, 4), "size": (24, 4)}


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED, onto: bytes = b"") -> bytes:
    """A zip archive of the members, after those of ``onto``."""
    file = io.BytesIO(onto)
    with zipfile.ZipFile(file, "a") as archive:
        for name, content in members.items():
            # Not with the time of now, which would be another archive each time.
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return file.getvalue()


def of_url(url: str, method: int = zipfile.ZIP_STORED) -> bytes:
    return zipped({NAME: url.encode()}, method)


def lying(content: bytes, **values: int) -> bytes:
    """The archive with other values in the central directory about its last member."""
    lied = bytearray(content)
    for field, value in values.items():
        place, length = content.rindex(b"PK\1\2") + FIELDS[field][0], FIELDS[field][1]
        lied[place : place + length] = value.to_bytes(length, "little")
    return bytes(lied)


def refused(directory: Path, archive: str, *, status: int, saying: str) -> None:
    """Run ``gateway url``, which must refuse the archive and make nothing."""
    before = tree(directory)
    ran = run("gateway", "url", f"--credentials={archive}", cwd=directory, timeout=30)
    assert (ran.status, ran.out, len(ran.error_lines)) == (status, "", 1), ran.err
    assert saying in ran.err
    assert "\nhint: " in ran.err
    assert not [word for word in (CANARY, "Traceback") if word in ran.err]
    assert all(character.isprintable() or character == "\n" for character in ran.err)
    assert len(ran.err) < 1500
    assert tree(directory) == before


GOOD = of_url(URL)
ANOTHER = zipped({"a": CANARY.encode()}, zipfile.ZIP_STORED, GOOD)
MANY = {str(number): b"" for number in range(999)}

ACCEPTED: dict[str, bytes] = {
    "stored": GOOD,
    "packed": of_url(URL, zipfile.ZIP_DEFLATED),
    "the guide's name": zipped({"autoprov": URL.encode()}),
    "both names": zipped({"autoprov": b"http://", NAME: URL.encode()}),
    **{ascii(text): of_url(text) for text in (f"{URL}\n", f"{URL}\r\n", f"\n {URL}\t\n\n", f"\ufeff{URL}\r\n")},
    "other members": zipped({"a/": b"", "../b": b"\0", "/c": b"{}", "A b": b"{}"}, onto=GOOD),
    "another in another packing": zipped({"a": b"a"}, zipfile.ZIP_LZMA, onto=GOOD),
    "a comment": GOOD[:-2] + b"\5\0hello",
    "something before it": b"#!/bin/sh\n" + GOOD,
    "1000 members": zipped(MANY, onto=GOOD),
    "4 MiB": b"\0" * (4 * MIB - len(GOOD)) + GOOD,
    "a member of 16 MiB": lying(ANOTHER, size=16 * MIB, packed=MIB),
    "a megabyte of zeros": zipped({"a": b"\0" * MIB}, onto=GOOD),
}


@pytest.mark.parametrize("content", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_good_archives(tmp_path: Path, content: bytes) -> None:
    """The URL alone is printed; it takes no openssl, and nothing is made."""
    (tmp_path / "a.zip").write_bytes(content)
    ran = run("gateway", "url", "--credentials", "a.zip", cwd=tmp_path, env={"PATH": "/nonexistent"})
    assert ran == (0, URL + "\n", "")
    assert [*tree(tmp_path)] == ["a.zip"]


def test_paths(tmp_path: Path) -> None:
    """The path is relative to the project directory, wherever -C stands, or absolute; it may have spaces in it."""
    (tmp_path / "a project").mkdir()
    path = tmp_path / "a project" / "my credentials.zip"
    path.write_bytes(GOOD)
    option, command = ["-C", path.parent.name], ["gateway", "url", "--credentials"]
    for arguments in ([*option, *command, path.name], [*command, path.name, *option], [*option, *command, str(path)]):
        assert run(*arguments, cwd=tmp_path) == (0, URL + "\n", "")
    assert run(*command, path.name, cwd=path.parent) == (0, URL + "\n", "")


SECRET = f"https://user:{CANARY}@gateway.example:443"
NO_URL = f"holds no '{NAME}'"
NO_ZIP = "is no zip archive"
DAMAGED = f"is damaged ('{NAME}')"
PACKING = f"has '{NAME}' packed in a way that is not read"
PASSWORD = "has a user name or a password in it"

MALFORMED: dict[bytes, str] = {
    b"": "is empty",
    **dict.fromkeys([SECRET.encode(), GOOD[: len(GOOD) // 2], GOOD[:-1], GOOD.replace(b"K\1", b"K\0")], NO_ZIP),
    **dict.fromkeys([zipped({}), zipped({"AUTOPROV.URL": b"", "a/autoprov.url": b"", "autoprov.url/": b""})], NO_URL),
    zipped({"autoprov.urk": b""}, onto=GOOD).replace(b"urk", b"url"): f"has '{NAME}' twice",
    zipped({"aa": b"", "ab": b""}, onto=GOOD).replace(b"ab", b"aa"): "has 'aa' twice",
    zipped({"a": b"", **MANY}, onto=GOOD): "has 1001 members, at most 1000",
    lying(GOOD, flags=1): f"is encrypted ('{NAME}')",
    lying(ANOTHER, flags=1): "is encrypted ('a')",
    lying(ANOTHER, size=16 * MIB + 1, packed=MIB): f"has {16 * MIB + 1} bytes in 'a', at most",
    zipped({"a": bytes(MIB + 1)}, onto=GOOD): f"has {MIB + 1} bytes in 'a', packed into",
    **dict.fromkeys([of_url(URL, zipfile.ZIP_BZIP2), of_url(URL, zipfile.ZIP_LZMA), lying(GOOD, method=99)], PACKING),
    # No local header; another name in it.
    **dict.fromkeys([GOOD.replace(b"K\3", b"K\0"), GOOD.replace(b"autoprov.url", b"autoprov.urk", 1)], DAMAGED),
    **dict.fromkeys(
        [lying(GOOD, size=20), lying(GOOD, size=100), lying(GOOD, packed=20), lying(GOOD, size=MIB, packed=MIB)],
        DAMAGED,
    ),
    **dict.fromkeys([lying(GOOD, method=8), lying(GOOD, crc=1), GOOD.replace(b"Gateway", b"Getaway")], DAMAGED),
    zipped({NAME: f"{SECRET}ü".encode("latin1")}): "that is no text",
    **dict.fromkeys(map(of_url, ["", "\n", " \r\n \n"]), "has nothing in"),
    **dict.fromkeys(map(of_url, [f"{SECRET}\n{URL}\n", f"{URL}\u2028{URL}", f"{URL}\r{URL}"]), "has 2 lines in"),
    **dict.fromkeys(map(of_url, ["gateway.example", "gateway.example:443", "<html>", "/a"]), "expected an https URL"),
    **dict.fromkeys(map(of_url, ["http://gateway.example", "ftp://gateway.example"]), "expected 'https://'"),
    **dict.fromkeys([zipped({"autoprov": SECRET.encode()}), of_url(SECRET), of_url(SECRET[8:])], PASSWORD),
    **dict.fromkeys(map(of_url, ["http" + SECRET[5:], SECRET.replace("@", "＠"), SECRET + " \a"]), PASSWORD),
    of_url("https://gateway.example/\x1b[31m"): "control character",
    **dict.fromkeys(map(of_url, ["https://-help", "https://" + "a" * (MIB - 8)]), "is no host name"),
    of_url("https://" + "a" * (MIB - 7)): f"at most {MIB} are read",
}


@pytest.mark.parametrize(("content", "saying"), MALFORMED.items(), ids=MALFORMED.values())
def test_malformed_archives(tmp_path: Path, content: bytes, saying: str) -> None:
    """A malformed archive is one error with a hint, status 2, and nothing of what it holds is shown or written."""
    (tmp_path / "a.zip").write_bytes(content)
    refused(tmp_path, "a.zip", status=2, saying=saying)


UNREADABLE: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: None, "no such file"),
    "a directory": (Path.mkdir, "is a directory"),
    "a pipe": (os.mkfifo, "no regular file"),
    "an endless file": (lambda path: path.symlink_to("/dev/zero"), "no regular file"),
    "more than 4 MiB": (lambda path: path.write_bytes(b"\0" * (4 * MIB + 1 - len(GOOD)) + GOOD), "more than"),
}


@pytest.mark.parametrize(("make", "saying"), UNREADABLE.values(), ids=UNREADABLE.keys())
def test_archives_that_cannot_be_read(tmp_path: Path, make: Callable[[Path], object], saying: str) -> None:
    """What is no file to read is told with status 4, at once."""
    make(tmp_path / "a.zip")
    refused(tmp_path, "a.zip", status=4, saying=f"archive 'a.zip' cannot be read: {saying}")


@pytest.mark.parametrize("path", ["", "file/a.zip", "no/a.zip", "a\nb.zip", "a" * 5000, "--help", "\udcff"], ids=ascii)
def test_paths_that_lead_nowhere(tmp_path: Path, path: str) -> None:
    """A path that leads nowhere is told in printable characters."""
    (tmp_path / "file").write_bytes(GOOD)
    refused(tmp_path, path, status=4, saying="cannot be read: ")


def test_damage_of_any_kind(tmp_path: Path) -> None:
    """Whatever three hundred mutants of a good archive are, there is a value or an error of the documented kinds."""
    block = b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"
    good = zipped({CA_NAME: block, P12_NAME: b"\x30\x00" * 20}, onto=GOOD)
    chance = random.Random(20240229)
    path = tmp_path / "mutant.zip"
    answers = []
    for _ in range(300):
        mutant = bytearray(good)
        # Bytes are changed, put in or left out; seldom everything after them.
        for _ in range(chance.choice([1, 1, 2, 5])):
            at, length = chance.randrange(len(mutant) + 1), chance.choice([0, 1, 1, 1, 4, len(good)])
            mutant[at : at + length] = chance.randbytes(chance.choice([0, 1, 1, 4]))
        path.write_bytes(mutant)
        for ask in (Credentials.url, Credentials.gateway, Credentials.server_ca, Credentials.pkcs12):
            try:
                ask(Credentials(path, path.name))
                answers.append("value")
            except (BadInput, Unfit):
                answers.append("refusal")
    assert min(answers.count("value"), answers.count("refusal")) > 100


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory, real_openssl: str) -> Path:
    """A directory with the certificate of a CA (ca.crt) and of a leaf (leaf.crt), each with its key."""
    directory = tmp_path_factory.mktemp("authority")
    for name, is_ca in (("ca", "TRUE"), ("leaf", "FALSE")):
        sections = f"[req]\nprompt=no\ndistinguished_name=dn\n[dn]\nCN={name}\n[ext]\nbasicConstraints=CA:{is_ca}\n"
        (directory / "req.cnf").write_text(sections)
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", f"{name}.key", cwd=directory)
        signing = ["req", "-new", "-x509", "-config", "req.cnf", "-extensions", "ext", "-key", f"{name}.key"]
        openssl(*signing, "-out", f"{name}.crt", cwd=directory)
    return directory


def exported(directory: Path, *arguments: str, password: str = "") -> bytes:
    """The leaf, its key and what else is asked for as PKCS#12."""
    export = ["pkcs12", "-export", "-in", "leaf.crt", "-inkey", "leaf.key", "-out", "out.p12", *arguments]
    openssl(*export, "-passout", f"pass:{password}", cwd=directory)
    return (directory / "out.p12").read_bytes()


def archived_ca(directory: Path, members: dict[str, bytes]) -> list[bytes] | None:
    """The CA of an archive with these members beside the URL: each certificate's DER."""
    path = directory / "a.zip"
    path.write_bytes(zipped(members, onto=GOOD))
    runner = Runner(str(shutil.which("openssl")), environment(ServerName("s")))
    found = server_ca(Credentials(path, path.name), runner, directory)
    return None if found is None else [block.der or b"" for block in pem_blocks(found.pem)]


def der(directory: Path, *names: str) -> list[bytes]:
    return [pem_blocks((directory / name).read_bytes())[0].der or b"" for name in names]


def test_server_ca(authority: Path) -> None:
    """server_ca.pem's certificates come first, however many; a PKCS#12 beside it is not looked at."""
    ca, another = ((authority / name).read_bytes() for name in ("ca.crt", "leaf.crt"))
    crlf = ca.replace(b"\n", b"\r\n")
    assert archived_ca(authority, {CA_NAME: crlf, P12_NAME: b"garbage"}) == der(authority, "ca.crt")
    assert archived_ca(authority, {CA_NAME: b"our CAs\n" + another + ca}) == der(authority, "leaf.crt", "ca.crt")
    assert archived_ca(authority, {"a/server_ca.pem": b"", "SERVER_CA.PEM": b""}) is None


def test_pkcs12(authority: Path) -> None:
    """The CA certificate of a PKCS#12 with an empty password, never the leaf's; None where there is none."""
    assert archived_ca(authority, {P12_NAME: exported(authority, "-certfile", "ca.crt")}) == der(authority, "ca.crt")
    assert archived_ca(authority, {P12_NAME: exported(authority)}) is None


def test_pkcs12_of_old(authority: Path) -> None:
    """RC2 of 40 bits, which OpenSSL 3 calls legacy, is read as well."""
    old = ["-certpbe", "PBE-SHA1-RC2-40", "-keypbe", "PBE-SHA1-3DES", "-certfile", "ca.crt"]
    content = b""
    for legacy in ([], ["-legacy"]):
        with suppress(subprocess.CalledProcessError):
            content = exported(authority, *legacy, *old)
    require(content != b"", "this openssl makes no PKCS#12 with RC2")
    assert archived_ca(authority, {P12_NAME: content}) == der(authority, "ca.crt")


def test_malformed_server_ca(authority: Path) -> None:
    """A CA that cannot be read is malformed input: a gateway must not be taken on faith because of that."""
    ca, key = (authority / "ca.crt").read_bytes(), (authority / "ca.key").read_bytes()
    cuts = [ca[:-10], ca[: len(ca) // 2], ca[1:], ca.replace(ca.splitlines(keepends=True)[2], b"")]
    shaped = b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"
    for content in [b"", b"\n", b"garbage", *cuts, key, ca + key, ca + cuts[0], shaped, *der(authority, "ca.crt")]:
        with pytest.raises(BadInput, match=f"has a '{CA_NAME}' that is no PEM certificate"):
            archived_ca(authority, {CA_NAME: content})


def test_malformed_pkcs12(authority: Path) -> None:
    """A PKCS#12 with a password or of another kind is malformed input, too, and what to do without it is told."""
    good, locked = (exported(authority, "-certfile", "ca.crt", password=word) for word in ("", CANARY))
    cuts = [good[:-1], good[1:], good[: len(good) // 2]]
    for content in [locked, b"", b"garbage", b"\x30\x00", *cuts, (authority / "ca.crt").read_bytes(), bytes(MIB)]:
        with pytest.raises(BadInput, match=f"'{P12_NAME}' is no PKCS#12 file with an empty password") as caught:
            archived_ca(authority, {P12_NAME: content})
        assert "'--pin'" in caught.value.hint


def test_what_openssl_is_asked(tmp_path: Path, authority: Path, logging_openssl: tuple[Path, Path]) -> None:
    """It gets the PKCS#12, which is on no disk, before the gateway is connected to, which a bad one prevents."""
    program, log = logging_openssl
    good = {P12_NAME: exported(authority, "-certfile", "ca.crt")}
    bad, unused = {P12_NAME: b"garbage"}, {CA_NAME: b"garbage", **good}
    question = ["pkcs12", "-nokeys", "-cacerts", "-passin", "pass:"]
    # Bound, but nobody listens.
    with socket.socket() as refusing:
        refusing.bind(("127.0.0.1", 0))
        command = ["gateway", "root", "--credentials=a.zip", "--out=root.crt", f"--port={refusing.getsockname()[1]}"]
        for members, status, questions in ((good, 1, [question]), (bad, 2, [question]), (unused, 2, [])):
            log.write_text("")
            (tmp_path / "a.zip").write_bytes(zipped(members, onto=of_url("https://127.0.0.1")))
            names = [*tree(tmp_path)]
            ran = run(*command, "--openssl", str(program), cwd=tmp_path)
            assert (ran.status, ran.out, len(ran.error_lines)) == (status, "", 1), ran.err
            assert [*tree(tmp_path)] == names
            asked = [line.split("\x1f")[1:] for line in log.read_text().splitlines() if line.startswith("argv")]
            assert [argv for argv in asked if argv[0] == "pkcs12"] == questions
            assert ("s_client" in [argv[0] for argv in asked]) == (status == 1)
