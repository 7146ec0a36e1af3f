"""docs/verify.sh with what it should not be given, with texts of every kind, and with as many lines as a record has."""

import os
import shutil
from pathlib import Path

import pytest

from tests.conftest import openssl
from tests.line_changes import NO_LINES
from tests.record_changes import append, install
from tests.records import Bent, Json, Record, Tree
from tests.seals import Pki
from tests.verify_sh import failed, verify

OTHER_LINES = "../20261125T052401Z-000000000001/devices.jsonl"
FILES = [
    "devices.jsonl",
    "statement.json",
    "statement.json.p7s",
    "approval.json",
    "../SHA256SUMS",
    "../../proof.json",
    "../../devices/v1/client.pem",
    OTHER_LINES,
    "../20261125T052403Z-000000000003/statement.json",
]
GARBAGE = {
    "empty": b"",
    "newline": b"\n",
    "zero bytes": bytes(5000),
    "noise": bytes(range(256)) * 40,
    "a number": b"1\n",
    "null": b"null\n",
    "lists": b"[" * 5000,
    "a certificate's label": b"-----BEGIN CERTIFICATE-----\n",
}
# Replacements in device.sh that leave a text which the tool carries out.
WRITINGS = {
    "quotes": ("-days 365", """-days 3'6'"5\""""),
    "escapes": ("-nocrypt", r"-no\crypt"),
    "an escaped quote": ("-nocrypt", r"-nocrypt \' \" \\ \$x \#"),
    "an empty word": ("-text", "'' \"\" -text"),
    "a comment behind": ("-text -noout", '-text -noout # don\'t "do" $this | > (x)'),
    "no comment": ("-text", "a#b -te'#'xt"),
    "a comment that ends in a backslash": ("# Issue a", "# Issue \\\n# a"),
    "a word over two lines": ("-noout", "-no\\\nout"),
    "a continuation in quotes": ("-noout", '"-no\\\nout"'),
    "a continuation before a command": ("openssl x509 -in", "  \\\n\t\\\n openssl x509 -in"),
    "blank lines": ("# OTA", "\n \t\n# OTA"),
    "operators in quotes": ("-text", "'a | b > c || true' \"; & $DEVICE_UUID\" -text"),
    "escapes in quotes": ("-text", r""""\a \" \\ \` \$x" '\\ " $x' -text"""),
    "operators without blanks": ("genkey -name prime256v1 | openssl", "genkey -name prime256v1|openssl"),
    "a place within a word": ("-text", "x${device_id}y$DEVICE_UUID.z -text"),
    "|| true": ("-text -noout", "-text -noout||true"),
    "> file": ("-text -noout", '-text -noout >"${device_dir}"/report'),
}


@pytest.mark.parametrize("name", WRITINGS)
def test_every_writing_of_a_text(record_pki: Pki, tmp_path: Path, name: str) -> None:
    """What the tool carries out for a text is what the script finds in it."""
    ran = verify(*Tree(record_pki, tmp_path, Bent(texts=(WRITINGS[name],), at=2)).arguments())
    assert (ran.status, ran.err) == (0, ""), ran.out


def test_what_is_skipped(record_pki: Pki, tmp_path: Path) -> None:
    """A check that cannot be made is said to be skipped, with the reason."""

    def good(_: Json) -> None:
        pass

    tree = Tree(record_pki, tmp_path, Bent(is_approved=False, are_others_approved=False, proof=good))
    alone = tmp_path / "alone"
    shutil.copytree(tree.record_dir, alone)
    _, trust, proof = tree.arguments()
    ran = verify("alone", trust, cwd=tmp_path)
    assert (ran.status, ran.err, ran.out.count("skip  "), ran.out.count("ok    ")) == (0, "", 3, 5), ran.out
    NO_LINES(tree)
    ran = verify(str(tree.record_dir), trust, proof)
    assert (ran.status, ran.err, ran.out.count("skip  "), ran.out.count("ok    ")) == (0, "", 2, 4), ran.out
    digest = record_pki.digest("v0")
    assert ran.out.endswith(f"      v0 there already, serial 4F, certificate {digest}\n")


@pytest.mark.parametrize(
    ("file", "garbage"),
    # Another record that tells of nothing says nothing of this one: it is found where it is checked itself.
    [(file, one) for file in FILES for one in GARBAGE if file != OTHER_LINES or one not in ("empty", "null")],
)
def test_garbage(record_pki: Pki, tmp_path: Path, file: str, garbage: str) -> None:
    """Whatever a file holds, it is said that something is wrong, and with the proof nothing is proven."""
    tree = Tree(record_pki, tmp_path, Bent(proof=lambda _: None))
    (tree.record_dir / file).write_bytes(GARBAGE[garbage])
    ran = verify(*tree.arguments())
    assert (ran.status, ran.err) == (1, ""), ran.out
    assert failed(ran)


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("kind", ["pipe", "directory", "link to nothing"])
def test_no_file(record_pki: Pki, tmp_path: Path, file: str, kind: str) -> None:
    """What is no file is not read, nor waited for."""
    tree = Tree(record_pki, tmp_path, Bent(proof=lambda _: None))
    path = tree.record_dir / file
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    else:
        path.symlink_to("nothing")
    ran = verify(*tree.arguments())
    assert ran.status == (2 if "proof" in file else 1), ran.out


def test_links(record_pki: Pki, tmp_path: Path) -> None:
    """A link stands for what it links to: the record is found by its own name."""
    tree = Tree(record_pki, tmp_path, Bent())
    (tmp_path / "link").symlink_to(tree.record_dir)
    for name in ("statement.json", "devices.jsonl"):
        (tree.record_dir / name).rename(tmp_path / name)
        (tree.record_dir / name).symlink_to(tmp_path / name)
    ran = verify("link", tree.arguments()[1], cwd=tmp_path)
    assert (ran.status, ran.out.count("ok    ")) == (0, 8), ran.out


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["{record}"],
        ["{record}", "{trust}", "{record}/statement.json", "x"],
        ["{record}/none", "{trust}"],
        ["{record}/statement.json", "{trust}"],
        ["-", "{trust}"],
        ["{record}", "none"],
        ["{record}", ""],
        ["{record}", "{record}"],
        ["{record}", "{record}/devices.jsonl"],
        ["{record}", "-help"],
        ["{record}", "{trust}", "none"],
        ["{record}", "{trust}", "{record}"],
    ],
)
def test_bad_arguments(record_pki: Pki, tmp_path: Path, arguments: list[str]) -> None:
    """They are refused in one line."""
    tree = Tree(record_pki, tmp_path, Bent())
    record, trust = tree.arguments()
    ran = verify(*(word.format(record=record, trust=trust) for word in arguments), cwd=tmp_path / "project")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith("verify.sh: ")
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize("tool", ["jq", "openssl", "basenc", "join"])
def test_a_missing_tool(tmp_path: Path, tool: str) -> None:
    """It is named."""
    for directory in os.environ["PATH"].split(":"):
        for path in Path(directory).glob("*"):
            if path.name != tool and not (tmp_path / path.name).is_symlink():
                (tmp_path / path.name).symlink_to(path)
    ran = verify("x", "y", env={"PATH": str(tmp_path)})
    assert (ran.status, ran.err) == (2, f"verify.sh: {tool} is missing\n")


@pytest.mark.parametrize("variable", ["SSL_CERT_DIR", "SSL_CERT_FILE"])
def test_the_systems_authorities_vouch_for_no_seal(record_pki: Pki, tmp_path: Path, variable: str) -> None:
    """Only TRUST_CERT does."""
    tree = Tree(record_pki, tmp_path, Bent(sealer="foreign"))
    authorities = tmp_path / "authorities"
    authorities.mkdir()
    shutil.copy(record_pki.certificate("foreign-ca"), authorities / "ca.pem")
    openssl("rehash", str(authorities), cwd=tmp_path)
    value = authorities if variable == "SSL_CERT_DIR" else authorities / "ca.pem"
    ran = verify(*tree.arguments(), env={variable: str(value)})
    assert failed(ran) == {"seal"}, ran.out


def test_nothing_is_left_behind(record_pki: Pki, tmp_path: Path) -> None:
    """The directory for what is calculated is removed, also after a failure."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    for change in (lambda _: None, install("stray", "v1/client.pem"), append("statement.json", "x")):
        tree = Tree(record_pki, tmp_path / str(len(list(tmp_path.iterdir()))), Bent(files=change))
        verify(*tree.arguments(), env={"TMPDIR": str(temporary)})
        assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7, 8, 9, 10_000, 10_001])
def test_records_of_many_sizes(record_pki: Pki, tmp_path: Path, size: int) -> None:
    """A record has up to 10,000 lines, and the proof of each is right."""

    def many(record: Record) -> None:
        refused = record.lines[4]
        record.lines = [*record.lines[:3], *({**refused, "uuid": f"u{number}"} for number in range(size))][-size:]

    tree = Tree(record_pki, tmp_path, Bent(at=1, lines=many, proof=lambda _: None))
    shutil.rmtree(tree.server / "devices")
    ran = verify(*tree.arguments())
    assert failed(ran) == ({"statement.json"} if size > 10_000 else set()), ran.out
