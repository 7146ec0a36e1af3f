"""A certificate's own facts, read without openssl, are those that openssl tells of it."""

import random
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from otaopenssl.leaf import Leaf, is_private_half, parse_leaf
from otaopenssl.outputs import pem_blocks
from tests.certificates import changed, der_in, encoded
from tests.conftest import openssl

pytestmark = pytest.mark.real

EC = ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
RSA = ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024")
LARGEST = (1 << 159) - 1
# The algorithm of the key, and the options of the certificate.
KINDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "ec": (EC, ("-subj", "/CN=device-1")),
    "p-384": (("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"), ("-subj", "/CN=device-1/O=maker")),
    "rsa": (RSA, ("-subj", "/O=maker/CN=device-1")),
    "ed25519": (("-algorithm", "ED25519"), ("-subj", "/CN=device-1")),
    "several names": (EC, ("-subj", "/CN=a/O=x/CN=b/CN=a")),
    "two in one set": (EC, ("-subj", "/CN=a+CN=b/O=x", "-multivalue-rdn")),
    "no name": (EC, ("-subj", "/O=nobody")),
    "an empty subject": (EC, ("-subj", "/")),
    "UTF-8": (EC, ("-utf8", "-subj", "/CN=Gerät №1 ★")),
    "until 2049": (EC, ("-subj", "/CN=a", "-days", str((datetime(2049, 12, 30) - datetime.now()).days))),
    "until 2050": (EC, ("-subj", "/CN=a", "-days", str((datetime(2050, 1, 10) - datetime.now()).days))),
    "until 9999": (EC, ("-subj", "/CN=a", "-days", str((datetime(9999, 12, 30) - datetime.now()).days))),
    "serial 0": (EC, ("-subj", "/CN=a", "-set_serial", "0")),
    "serial 128": (EC, ("-subj", "/CN=a", "-set_serial", "128")),
    "negative serial": (EC, ("-subj", "/CN=a", "-set_serial", "-5")),
    "largest serial": (EC, ("-subj", "/CN=a", "-set_serial", str(LARGEST))),
    "many extensions": (EC, ("-subj", "/CN=a", "-addext", "subjectAltName=DNS:x", "-addext", "keyUsage=keyAgreement")),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, real_openssl: str) -> Path:
    """A directory with a key and a certificate of each kind."""
    assert real_openssl
    directory = tmp_path_factory.mktemp("leaf")
    (directory / "least.cnf").write_text("[req]\ndistinguished_name = name\n[name]\n")
    for name, (algorithm, options) in KINDS.items():
        openssl("genpkey", *algorithm, "-out", f"{name}.key", cwd=directory)
        digest = () if name == "ed25519" else ("-sha256",)
        new = ["req", "-x509", "-new", "-key", f"{name}.key", *digest, "-config", "least.cnf"]
        # With an extension it has a version.
        openssl(*new, "-addext", "basicConstraints=CA:true", *options, "-out", f"{name}.crt", cwd=directory)
    return directory


def certificate(made: Path, kind: str) -> bytes:
    return der_in(made / f"{kind}.crt")


def told(directory: Path, file: str) -> dict[str, str]:
    """What openssl tells of a certificate, by its own names."""
    arguments = ["x509", "-in", file, "-noout", "-serial", "-startdate", "-enddate"]
    return dict(line.split("=", 1) for line in openssl(*arguments, cwd=directory).splitlines())


def moment(words: str) -> datetime:
    return datetime.strptime(words, "%b %d %H:%M:%S %Y GMT").replace(tzinfo=UTC)


def check_facts(leaf: Leaf, directory: Path, file: str) -> None:
    """Assert that all facts are those that openssl prints."""
    facts = told(directory, file)
    assert leaf.serial == int(facts["serial"], 16)
    assert leaf.not_before == moment(facts["notBefore"])
    assert leaf.not_after == moment(facts["notAfter"])
    lines = openssl(
        "x509", "-in", file, "-noout", "-subject", "-nameopt", "utf8,sep_multiline,dn_rev", cwd=directory
    ).splitlines()
    parts = [part for line in lines[1:] for part in line.strip().split(" + ")]
    common_names = tuple(part.removeprefix("CN=") for part in parts if part.startswith("CN="))
    assert sorted(leaf.common_names) == sorted(common_names)
    public_key = pem_blocks(openssl("x509", "-in", file, "-noout", "-pubkey", cwd=directory).encode())[0].der
    assert leaf.public_key == public_key


@pytest.mark.parametrize("kind", KINDS)
def test_the_facts_are_those_that_openssl_tells(made: Path, kind: str) -> None:
    """Serial number, times, common names and public key, whatever the key, the name, the year and the number."""
    leaf = parse_leaf(certificate(made, kind))
    check_facts(leaf, made, f"{kind}.crt")
    assert leaf.issuer == leaf.subject
    assert leaf.public_key.endswith(leaf.key_bits)


def test_what_the_kinds_stand_for(made: Path) -> None:
    """The certificates above really differ in what they are to differ in."""
    leaves = {kind: parse_leaf(certificate(made, kind)) for kind in KINDS}
    assert leaves["several names"].common_names == ("a", "b", "a")
    assert sorted(leaves["two in one set"].common_names) == ["a", "b"]
    assert leaves["no name"].common_names == leaves["an empty subject"].common_names == ()
    assert leaves["UTF-8"].common_names == ("Gerät №1 ★",)
    assert leaves["negative serial"].serial == -5
    assert leaves["serial 128"].serial == 128
    assert leaves["largest serial"].serial == LARGEST
    assert leaves["until 2049"].not_after.year == 2049
    assert leaves["until 2050"].not_after.year == 2050
    assert leaves["until 9999"].not_after.year == 9999
    assert b"\x17\x0d49" in certificate(made, "until 2049")
    assert b"\x18\x0f2050" in certificate(made, "until 2050")


def test_version_1(made: Path) -> None:
    """A certificate without a version is one, as openssl takes it."""
    old = changed(certificate(made, "no name"), 0, b"")
    (made / "v1.der").write_bytes(old)
    openssl("x509", "-inform", "DER", "-in", "v1.der", "-out", "v1.crt", cwd=made)
    assert "Version: 1 (0x0)" in openssl("x509", "-in", "v1.crt", "-noout", "-text", cwd=made)
    check_facts(parse_leaf(old), made, "v1.crt")
    assert parse_leaf(old) == parse_leaf(certificate(made, "no name"))


@pytest.mark.parametrize(
    ("time", "year"),
    [
        (b"\x17\x0d500101000000Z", 1950),
        (b"\x17\x0d491231235959Z", 2049),
        (b"\x17\x0d000229000000Z", 2000),
        (b"\x18\x0f20500101000000Z", 2050),
        (b"\x18\x0f19491231235959Z", 1949),
    ],
)
def test_two_digits_of_a_year(made: Path, time: bytes, year: int) -> None:
    """Two digits mean 1950 to 2049 (RFC 5280, 4.1.2.5.1)."""
    der = changed(certificate(made, "ec"), 4, encoded(0x30, time + time))
    leaf = parse_leaf(der)
    assert leaf.not_before.year == leaf.not_after.year == year
    (made / "time.der").write_bytes(der)
    openssl("x509", "-inform", "DER", "-in", "time.der", "-out", "time.crt", cwd=made)
    check_facts(leaf, made, "time.crt")


@pytest.mark.parametrize(
    "time",
    [
        b"2611250000Z",  # without seconds
        b"261125000000",  # without a zone
        b"261125000000+0100",
        b"261325000000Z",
        b"260230000000Z",
        b"261125000060Z",
        b"-61125000000Z",
        b"26112500000\xb2Z",
        b"",
        b"Z",
    ],
)
def test_times_that_are_not_der(made: Path, time: bytes) -> None:
    """No time is guessed."""
    validity = encoded(0x30, encoded(0x17, time) + encoded(0x17, b"261125000000Z"))
    with pytest.raises(ValueError, match=r"."):
        parse_leaf(changed(certificate(made, "ec"), 4, validity))


@pytest.mark.parametrize("kind", ["ec", "rsa", "UTF-8", "until 2050"])
def test_cut_off_anywhere(made: Path, kind: str) -> None:
    """A certificate that was cut off at any byte, or has a byte too many, is none."""
    der = certificate(made, kind)
    for length in range(len(der)):
        with pytest.raises(ValueError, match=r"."):
            parse_leaf(der[:length])
    with pytest.raises(ValueError, match=r"."):
        parse_leaf(der + b"\0")


@pytest.mark.parametrize("kind", ["ec", "rsa", "two in one set", "until 2050"])
def test_damaged_anywhere(made: Path, kind: str) -> None:
    """A certificate with bytes changed is read or refused; no other exception ends a run."""
    der = certificate(made, kind)
    key = der_in(made / f"{kind}.key")
    leaf = parse_leaf(der)
    chance = random.Random(kind)
    refused = 0
    for _ in range(600):
        damaged = bytearray(der)
        for _ in range(chance.randint(1, 3)):
            damaged[chance.randrange(min(len(damaged), 250))] = chance.choice(
                [0, 1, 2, 0x30, 0x80, 0xFF, chance.randrange(256)]
            )
        damaged_key = bytearray(key)
        damaged_key[chance.randrange(len(key))] = chance.randrange(256)
        try:
            parse_leaf(bytes(damaged))
        except ValueError:
            refused += 1
        try:
            is_private_half(leaf, bytes(damaged_key))
        except ValueError:
            refused += 1
    assert 0 < refused < 1200


@pytest.mark.parametrize("position", range(1, 7))
@pytest.mark.parametrize(
    "replacement", [b"", b"\x30\x00", b"\x05\x00", b"\x02\x00", b"\x30\x02\x05\x00", b"\x30\x02\x30\x00"]
)
def test_a_field_that_is_another(made: Path, position: int, replacement: bytes) -> None:
    """A field that is missing, empty or of another kind ends in ValueError, or is not looked into."""
    try:
        leaf = parse_leaf(changed(certificate(made, "ec"), position, replacement))
    except ValueError:
        return
    # The algorithm, and what is inside of the issuer; a subject may be empty, and so may a number.
    assert position in (2, 3) or replacement in (b"\x30\x00", b"\x02\x00")
    assert leaf.common_names in ((), ("device-1",))


@pytest.mark.parametrize("content", [b"", b"\x30\x00", b"\x30\x02\x30\x00", b"-----BEGIN CERTIFICATE-----", b"\0" * 99])
def test_what_is_no_certificate(content: bytes) -> None:
    """Anything else raises ValueError."""
    with pytest.raises(ValueError, match=r"."):
        parse_leaf(content)


def key_forms(directory: Path, kind: str) -> dict[str, bytes]:
    """The private key of a kind in every form that openssl writes it in."""
    forms = {"PKCS#8": ["pkcs8", "-topk8", "-nocrypt"]}
    if kind in ("ec", "p-384"):
        forms |= {"SEC 1": ["ec"], "SEC 1 without the point": ["ec", "-no_public"]}
    if kind == "rsa":
        forms["PKCS#1"] = ["pkey", "-traditional"]
    found = {}
    for form, command in forms.items():
        openssl(*command, "-in", f"{kind}.key", "-out", "form.pem", cwd=directory)
        found[form] = der_in(directory / "form.pem")
        if form == "SEC 1 without the point":
            openssl("pkcs8", "-topk8", "-nocrypt", "-in", "form.pem", "-out", "form8.pem", cwd=directory)
            found["PKCS#8 without the point"] = der_in(directory / "form8.pem")
    return found


@pytest.mark.parametrize("kind", ["ec", "p-384", "rsa", "ed25519"])
def test_a_private_key_and_its_certificate(made: Path, kind: str) -> None:
    """Every form of a key is that of its certificate; one that tells its public half is no other's."""
    own = parse_leaf(certificate(made, kind))
    others = [parse_leaf(certificate(made, other)) for other in KINDS if other != kind]
    forms = key_forms(made, kind)
    assert len(forms) == {"ec": 4, "p-384": 4, "rsa": 2, "ed25519": 1}[kind]
    for form, key in forms.items():
        assert is_private_half(own, key), form
        # Ed25519 (RFC 8410) and a key without its point tell nothing of their public half.
        tells_nothing = kind == "ed25519" or (own.key_bits not in key and kind != "rsa")
        assert tells_nothing or not any(is_private_half(other, key) for other in others), form


def test_keys_that_tell_nothing_are_few(made: Path) -> None:
    """SEC 1 and PKCS#8 as the guide makes them carry the point, so that a wrong key is found."""
    leaf = parse_leaf(certificate(made, "ec"))
    forms = key_forms(made, "ec")
    assert {form for form, key in forms.items() if leaf.key_bits in key} >= {"SEC 1", "PKCS#8"}


@pytest.mark.parametrize("first", [2, 3])
def test_a_point_in_its_short_form(made: Path, first: int) -> None:
    """A compressed point begins with 2 or 3; with 2 it is no number, as of RSA."""
    directory = made / f"short-{first}"
    directory.mkdir()
    while True:
        openssl(
            "ecparam",
            "-genkey",
            "-name",
            "prime256v1",
            "-conv_form",
            "compressed",
            "-noout",
            "-out",
            "k",
            cwd=directory,
        )
        openssl("ec", "-in", "k", "-conv_form", "compressed", "-out", "short.key", cwd=directory)
        openssl("req", "-x509", "-new", "-key", "short.key", "-subj", "/CN=a", "-out", "short.crt", cwd=directory)
        leaf = parse_leaf(der_in(directory / "short.crt"))
        if leaf.key_bits[0] == first:
            break
    assert len(leaf.key_bits) == 33
    assert is_private_half(leaf, der_in(directory / "short.key"))
    assert not is_private_half(leaf, der_in(made / "ec.key"))
    assert not is_private_half(parse_leaf(certificate(made, "ec")), der_in(directory / "short.key"))
    assert not is_private_half(parse_leaf(certificate(made, "rsa")), der_in(directory / "short.key"))


@pytest.mark.parametrize("content", [b"", b"\x30", b"\x30\x05\x02", b"no key at all", b"\x30\x80\x00\x00"])
def test_a_key_that_is_no_der(made: Path, content: bytes) -> None:
    """It raises ValueError."""
    with pytest.raises(ValueError, match=re.compile(r"elements|cut off|DER|byte")):
        is_private_half(parse_leaf(certificate(made, "ec")), content)


def test_a_key_that_looks_like_der(made: Path) -> None:
    """One of 256 keys of Ed25519 begins as a sequence does: it is another key all the same, and no error."""
    leaf = parse_leaf(certificate(made, "ed25519"))._replace(key_bits=b"0" + bytes(31))
    assert not any(is_private_half(leaf, key) for key in key_forms(made, "rsa").values())
