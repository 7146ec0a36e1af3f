"""`otaopenssl export`: what other programs find in it, and that no passphrase and no key goes astray."""

import json
import os
import pty
import shutil
import socket
import stat
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from otaopenssl.errors import BadInput
from otaopenssl.pkcs12 import LONGEST_PASSPHRASE, check_passphrase
from tests.certificates import der_in
from tests.conftest import CHECKOUT, Ran, openssl, require, run, tree, write_program
from tests.terminals import typed

UUID = "SAJWA1C78D8V38055"
SECRET = "correct horse, Büro"
PROMPTS = ("PKCS#12 file: ", "once more: ")


class Made(NamedTuple):
    """A project with one whole device."""

    directory: Path

    @property
    def device(self) -> Path:
        return self.directory / "myservername" / "devices" / UUID

    def export(self, *options: str, env: dict[str, str] | None = None) -> Ran:
        return run("export", UUID, *options, cwd=self.directory, env=env)

    def p12(self, name: str, secret: str = SECRET) -> Ran:
        """Export to NAME with a passphrase from a file."""
        (self.directory / "secret").write_text(secret + "\n")
        return self.export("--p12", name, "--passphrase-file", "secret")


@pytest.fixture
def made(project: Path) -> Made:
    """A project with one whole device, whose ca.pem is a link to a server CA."""
    (project / "myservername" / "server_ca.pem").write_text("a server CA\n")
    ran = run("device", "--uuid", UUID, "--device-id", "body-4711", cwd=project)
    assert ran.status == 0, ran.err
    return Made(project)


def read_back(made: Made, name: str, *options: str, secret: str = SECRET) -> str:
    """What openssl finds in a PKCS#12 file."""
    return openssl("pkcs12", "-in", name, "-passin", "env:P", *options, cwd=made.directory, env={"P": secret})


@pytest.mark.real
def test_p12(made: Made) -> None:
    """Every openssl finds the device's key, its certificate and the CA's in it, encrypted, under the device's name."""
    ran = made.p12("out.p12")
    assert (ran.status, ran.out) == (0, "out.p12\n"), ran.err
    assert stat.S_IMODE((made.directory / "out.p12").stat().st_mode) == 0o600
    key = openssl("pkey", "-in", str(made.device / "pkey.pem"), cwd=made.directory)
    assert key in read_back(made, "out.p12", "-nocerts", "-nodes")
    certificates = read_back(made, "out.p12", "-nokeys")
    assert certificates.count("BEGIN CERTIFICATE") == 2
    assert (made.device / "client.pem").read_text() in certificates
    assert (made.device.parent / "ca.crt").read_text() in certificates
    assert f"friendlyName: {UUID}" in certificates
    content = (made.directory / "out.p12").read_bytes()
    assert der_in(made.device / "pkey.pem") not in content
    assert der_in(made.device / "client.pem") not in content


@pytest.mark.real
def test_another_passphrase_opens_nothing(made: Made) -> None:
    """The file is protected by the passphrase that was given, to its last byte, also at the greatest length."""
    secret = "a" * LONGEST_PASSPHRASE
    assert made.p12("out.p12", secret).status == 0
    assert "BEGIN CERTIFICATE" in read_back(made, "out.p12", "-nokeys", secret=secret)
    with pytest.raises(subprocess.CalledProcessError):
        read_back(made, "out.p12", "-nokeys", secret=secret[:-1])


def test_p12_for_gnutls(made: Made) -> None:
    """Another implementation reads it as well."""
    require(shutil.which("certtool") is not None, "no certtool")
    assert made.p12("out.p12", "tiger").status == 0
    command = ["certtool", "--p12-info", "--inder", "--infile", "out.p12", "--password", "tiger"]
    said = subprocess.run(command, cwd=made.directory, capture_output=True, text=True, check=True)
    assert said.stdout.count("BEGIN CERTIFICATE") == 2
    assert said.stdout.count("BEGIN ENCRYPTED PRIVATE KEY") == 1


def test_nothing_is_overwritten(made: Made) -> None:
    """An existing file, link or directory stays as it is, and no passphrase is looked at for it."""
    (made.directory / "there").write_text("kept")
    (made.directory / "link").symlink_to("nowhere")
    (made.directory / "directory").mkdir()
    before = tree(made.directory)
    for name in ("there", "link", "directory", "absent/out.p12", f"myservername/devices/{UUID}/out.p12"):
        for options in (
            ["--p12", name, "--passphrase-file", "none"],
            ["--tar", "--out", name],
            ["--der", "--out", name],
        ):
            ran = made.export(*options)
            assert (ran.status, ran.out, len(ran.error_lines)) == (4, "", 1), ran.err
    assert tree(made.directory) == before


@pytest.mark.parametrize(
    "name",
    [
        *("approval.json", "approval.json.p7s", "otaopenssl.toml", "certs/new.cnf", "own/seal.sh", "way/x"),
        *("myservername/x.p12", "myservername/records/x", "myservername/fleet-x.ids", "other/records/x"),
    ],
)
def test_what_is_the_projects_own(made: Made, name: str) -> None:
    """Where approval, settings, configuration files, records, plans or texts are, nothing else is made."""
    shutil.copytree(made.directory / "myservername", made.directory / "other", symlinks=True)
    for server in ("myservername", "other"):
        (made.directory / server / "records").mkdir(exist_ok=True)
    (made.directory / "way").symlink_to("myservername")
    shutil.copytree(CHECKOUT / "templates/procedures/ota-connect-2019.7", made.directory / "own")
    (made.directory / "own" / "seal.sh").unlink()
    before = tree(made.directory)
    for options in (["--p12", name, "--passphrase-file", "none"], ["--der", "--out", name]):
        ran = made.export(*options, "--procedure", "own")
        assert (ran.status, "a place of the project's own files" in ran.err) == (4, True), ran.err
    assert tree(made.directory) == before


@pytest.mark.parametrize(
    ("secret", "words"),
    [
        (b"", "is empty"),
        (b"a" * (LONGEST_PASSPHRASE + 1), "more than 1023 bytes"),
        (b"ti\0ger", "has a NUL"),
        (b"caf\xe9-s3cret", "is not UTF-8"),
        (b"two\nlines", "has a NUL or an end of a line"),
    ],
)
def test_passphrases_that_mean_another(secret: bytes, words: str) -> None:
    """What openssl would cut, or programs take differently, is refused; and is in no part of the error."""
    with pytest.raises(BadInput, match=words) as raised:
        check_passphrase(secret)
    error = raised.value
    assert error.__context__ is None or error.__suppress_context__
    assert "s3cret" not in f"{error!r}{error.message}{error.hint}{error.__cause__!r}"


def test_where_a_passphrase_comes_from(made: Made) -> None:
    """The first line of a file, or of a descriptor; without either and without a terminal it is an error."""
    (made.directory / "crlf").write_bytes(b"tiger\r\nmore\n")
    assert made.export("--p12", "1.p12", "--passphrase-file", "crlf").status == 0
    assert "BEGIN" in read_back(made, "1.p12", "-nokeys", secret="tiger")
    reading, writing = os.pipe()
    # Nothing behind the line is taken, and its end need not come.
    os.write(writing, b"lion\nrest")
    command = [sys.executable, "-m", "otaopenssl", "export", UUID, "--p12", "2.p12", "--passphrase-fd", str(reading)]
    done = subprocess.run(
        command, cwd=made.directory, pass_fds=[reading], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert os.read(reading, 9) == b"rest"
    os.close(reading)
    os.close(writing)
    assert "BEGIN" in read_back(made, "2.p12", "-nokeys", secret="lion")
    before = tree(made.directory)
    (made.directory / "empty").write_bytes(b"\n")
    for options, status in (
        ([], 4),
        (["--passphrase-file", "absent"], 4),
        (["--passphrase-fd", "77"], 4),
        (["--passphrase-file", "empty"], 2),
        (["--passphrase-fd", "x"], 2),
        (["--passphrase-fd", "3", "--passphrase-file", "empty"], 2),
    ):
        ran = made.export("--p12", "3.p12", *options)
        assert (ran.status, len(ran.error_lines)) == (status, 1), ran.err
    ran = made.export("--p12", "3.p12", "--passphrase-file", "/dev/stdin")
    assert (ran.status, "--passphrase-fd N" in ran.err) == (4, True), ran.err
    (made.directory / "empty").unlink()
    assert tree(made.directory) == before


@pytest.mark.parametrize(("answers", "status"), [(["tiger", "tiger"], 0), (["tiger", "lion"], 2)])
def test_the_terminal_is_asked_twice(made: Made, answers: list[str], status: int) -> None:
    """At a terminal it is typed twice, unseen; two that differ make nothing."""
    command = [sys.executable, "-m", "otaopenssl", "export", UUID, "--p12", "out.p12"]
    lines = [f"{answer}\n".encode() for answer in answers]
    ended, seen = typed(command, made.directory, list(zip(PROMPTS, lines, strict=True)))
    assert (ended, "tiger" in seen) == (status, False)
    assert (made.directory / "out.p12").exists() == (status == 0)


@pytest.mark.parametrize("lines", [[b"\x04"], [b"tiger\n", b"\x04"], [b"caf\xe9-s3cret\n"]])
def test_what_is_typed_and_no_passphrase(made: Made, lines: list[bytes]) -> None:
    """Ctrl-D at either prompt, or what is no text, is one error that does not show it."""
    command = [sys.executable, "-m", "otaopenssl", "export", UUID, "--p12", "out.p12"]
    answers = list(zip(PROMPTS, lines, strict=False))
    ended, seen = typed(command, made.directory, answers, PYTHONIOENCODING="utf-8:strict")
    assert (ended, seen.count("otaopenssl: error: "), "s3cret" in seen) == (2, 1, False), seen
    assert not (made.directory / "out.p12").exists()


def test_the_passphrase_is_in_no_process_list(made: Made, logging_openssl: tuple[Path, Path]) -> None:
    """No argument and no variable of any process holds it, and -v does not show it."""
    program, log = logging_openssl
    (made.directory / "secret").write_text(SECRET)
    ran = made.export("--p12", "out.p12", "--passphrase-file", "secret", "-v", "--openssl", str(program))
    assert ran.status == 0, ran.err
    assert "-export" in log.read_text()
    assert SECRET not in log.read_text() + ran.err + ran.out
    assert "PRIVATE" not in ran.err + ran.out


@pytest.mark.parametrize(
    ("does", "words"),
    [
        ("openssl_() { :; }", "no whole PKCS#12 file"),
        ('openssl_() { echo "tiger in the tank" >&2; exit 1; }', "ended with exit status 1"),
        # Of another key: what was made is not what was asked for.
        ('openssl_() { cp "$OTHER" "${@: -1}"; }', "does not prove good"),
    ],
)
def test_what_openssl_makes_is_proven(made: Made, real_openssl: str, does: str, words: str) -> None:
    """An openssl that writes nothing, fails or writes another's file leaves no export."""
    assert made.p12("good.p12").status == 0
    assert run("device", "--uuid", "other", cwd=made.directory).status == 0
    exported = run("export", "other", "--p12", "other.p12", "--passphrase-file", "secret", cwd=made.directory)
    assert exported.status == 0, exported.err
    script = f"#!/bin/bash\nOTHER={made.directory}/other.p12\n{does}\n"
    script += f'[[ " $* " == *" -export "* ]] && {{ openssl_ "$@"; exit; }}\nexec -a openssl {real_openssl} "$@"\n'
    program = write_program(made.directory.parent / "openssl", script)
    before = tree(made.directory)
    ran = made.export("--p12", "bad.p12", "--passphrase-file", "secret", "--openssl", str(program))
    assert (ran.status, ran.out, len(ran.error_lines)) == (1, "", 1), ran.err
    assert words in ran.err
    assert tree(made.directory) == before


def test_another_ca(made: Made, devices: Path) -> None:
    """Where ca.crt is not the one that has signed the device nothing goes out."""
    (made.directory / "secret").write_text("tiger")
    words = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "other.key"]
    openssl(*words, "-subj", "/CN=other", "-days", "9", "-out", str(devices / "ca.crt"), cwd=made.directory)
    ran = made.export("--p12", "out.p12", "--passphrase-file", "secret")
    assert (ran.status, "openssl verify refuses" in ran.err) == (1, True), ran.err
    (devices / "ca.crt").unlink()
    ran = made.export("--p12", "out.p12", "--passphrase-file", "secret")
    assert ran.status == 4, ran.err
    assert not (made.directory / "out.p12").exists()


def test_an_encrypted_key(made: Made) -> None:
    """A key that a team's text has encrypted cannot go into PKCS#12 or DER, and nobody is asked for its passphrase."""
    (made.directory / "secret").write_text("tiger")
    own = made.directory / "own"
    shutil.copytree(CHECKOUT / "templates/procedures/ota-connect-2019.7", own)
    text = (own / "device.sh").read_text()
    (own / "device.sh").write_text(text.replace("-topk8 -nocrypt", "-topk8 -v2 aes256 -passout pass:x"))
    key = made.device / "pkey.pem"
    plain = key.read_bytes()
    openssl("pkcs8", "-topk8", "-passout", "pass:x", "-in", str(made.device / "pkey.ec.pem"), "-out", str(key), cwd=own)
    assert key.read_bytes() != plain
    for options in (["--p12", "o", "--passphrase-file", "secret"], ["--der", "--key", "--out", "o"]):
        ran = made.export(*options, "--procedure", "own")
        assert (ran.status, "is encrypted" in ran.err) == (4, True), ran.err
    assert made.export("--tar", "--out", "o", "--procedure", "own").status == 0


def test_der(made: Made) -> None:
    """The certificate in DER, to standard output or a file that anybody may read; the key to a file alone, 0600."""
    certificate = der_in(made.device / "client.pem")
    command = [sys.executable, "-m", "otaopenssl", "export", UUID, "--der"]
    for more in ([], ["--out", "-"]):
        printed = subprocess.run([*command, *more], cwd=made.directory, capture_output=True, check=True)
        assert (printed.stdout, printed.stderr) == (certificate, b"")
    ran = made.export("--der", "--out", "client.der")
    assert (ran.status, ran.out) == (0, "client.der\n")
    assert (made.directory / "client.der").read_bytes() == certificate
    openssl("x509", "-inform", "DER", "-in", "client.der", "-noout", cwd=made.directory)
    assert made.export("--der", "--key").status == 2
    assert made.export("--der", "--key", "--out", "-").status == 2
    assert made.export("--der", "--key", "--out", "key.der").status == 0
    assert (made.directory / "key.der").read_bytes() == der_in(made.device / "pkey.pem")
    modes = [stat.S_IMODE((made.directory / name).stat().st_mode) for name in ("client.der", "key.der")]
    assert modes == [0o644, 0o600]


def test_tar(made: Made, tmp_path: Path) -> None:
    """GNU tar unpacks the same names, modes and contents, ca.pem as the file that it leads to; nobody owns it."""
    ran = made.export("--tar", "--out", "device.tar")
    assert (ran.status, ran.out) == (0, "device.tar\n"), ran.err
    assert stat.S_IMODE((made.directory / "device.tar").stat().st_mode) == 0o600
    unpacked = tmp_path / "unpacked"
    unpacked.mkdir()
    archive = str(made.directory / "device.tar")
    done = subprocess.run(["tar", "-xpf", archive], cwd=unpacked, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    expected, found = tree(made.device), tree(unpacked / UUID)
    assert expected.pop("ca.pem").startswith("link ")
    assert found.pop("ca.pem").startswith("file ")
    assert found == expected
    assert (unpacked / UUID / "ca.pem").read_text() == "a server CA\n"
    assert stat.S_IMODE((unpacked / UUID).stat().st_mode) == 0o700
    listed = subprocess.run(
        ["tar", "--numeric-owner", "-tvf", archive], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert all(" 0/0 " in line for line in listed)
    assert [line.rpartition("/")[2] for line in listed[1:]] == sorted(expected | {"ca.pem": ""})


def test_two_tars_are_the_same(made: Made) -> None:
    """An export of today and one of a copy made later, elsewhere, by another umask are the same bytes."""
    assert made.export("--tar", "--out", "1.tar").status == 0
    other = made.directory.parent / "other"
    shutil.copytree(made.directory, other, symlinks=True)
    for path in (other / "myservername" / "devices" / UUID).iterdir():
        os.utime(path, (1, 1), follow_symlinks=False)
    link = other / "myservername" / "devices" / UUID / "ca.pem"
    link.unlink()
    link.symlink_to(other / "myservername" / "server_ca.pem")
    command = ["bash", "-c", f"umask 077; exec {sys.executable} -m otaopenssl export {UUID} --tar --out 2.tar"]
    subprocess.run(command, cwd=other, check=True, capture_output=True)
    assert (made.directory / "1.tar").read_bytes() == (other / "2.tar").read_bytes()


LINKS = {
    "the CA's key": ("strange", "../ca.key"),
    "a file of the system": ("strange", "/etc/passwd"),
    "a file beside it": ("strange", "client.pem"),
    "ca.pem to the CA's key": ("ca.pem", "../ca.key"),
    "ca.pem elsewhere": ("ca.pem", "../ca.crt"),
    "ca.pem to nothing": ("ca.pem", "nowhere"),
    "ca.pem to itself": ("ca.pem", "ca.pem"),
}


@pytest.mark.parametrize("kind", LINKS)
def test_a_tar_follows_no_other_link(made: Made, kind: str) -> None:
    """A link that the text does not make, or that leads elsewhere than its does, is refused by the tool's error."""
    name, target = LINKS[kind]
    (made.device / name).unlink(missing_ok=True)
    (made.device / name).symlink_to(target)
    ran = made.export("--tar", "--out", "out.tar")
    assert (ran.status, ran.out, len(ran.error_lines)) == (4, "", 1), ran.err
    assert f"{name}' is a link" in ran.err
    assert not (made.directory / "out.tar").exists()


def test_no_key_goes_out_as_the_server_ca(made: Made, devices: Path) -> None:
    """Where a private key stands in the file that ca.pem leads to, there is no archive."""
    (made.directory / "myservername" / "server_ca.pem").write_bytes((devices / "ca.key").read_bytes())
    ran = made.export("--tar", "--out", "out.tar")
    assert (ran.status, "holds a private key" in ran.err) == (4, True), ran.err
    assert not (made.directory / "out.tar").exists()


@pytest.mark.parametrize("kind", ["directory", "socket", "name", "long name", "large"])
def test_what_goes_into_no_tar(made: Made, kind: str) -> None:
    """What is no file or does not fit is told, rather than left out of the archive or waited for."""
    strange = made.device / {"name": "bad\nname", "long name": "n" * 120}.get(kind, "strange")
    if kind == "directory":
        strange.mkdir()
    elif kind == "large":
        strange.write_bytes(bytes(1024 * 1024 + 1))
    elif kind.endswith("name"):
        strange.touch()
    else:
        os.chdir(made.device)
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind("strange")
        os.chdir("/")
    ran = made.export("--tar", "--out", "out.tar")
    assert (ran.status, ran.out, len(ran.error_lines)) == (4, "", 1), ran.err
    assert "move it away from the device directory" in ran.err
    assert not (made.directory / "out.tar").exists()


def test_a_terminal_gets_no_binary(made: Made) -> None:
    """A terminal as standard output is refused."""
    outer, inner = pty.openpty()
    command = [sys.executable, "-m", "otaopenssl", "export", UUID, "--tar"]
    done = subprocess.run(
        command, cwd=made.directory, stdin=subprocess.DEVNULL, stdout=inner, stderr=subprocess.PIPE, check=False
    )
    os.close(inner)
    os.close(outer)
    assert (done.returncode, b"is a terminal" in done.stderr) == (4, True), done.stderr


def test_a_full_disk_is_told(made: Made) -> None:
    """Where standard output cannot be written, or nobody reads it, it is an error."""
    command = [sys.executable, "-m", "otaopenssl", "export", UUID, "--tar"]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command, cwd=made.directory, stdout=full, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, b"cannot be written" in done.stderr) == (4, True), done.stderr
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(command, cwd=made.directory, stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr.count(b"error: standard output cannot be written")) == (4, 1), done.stderr


def test_json(made: Made) -> None:
    """What was written where is told to programs."""
    (made.directory / "secret").write_text("tiger")
    told = json.loads(made.export("--p12", "o.p12", "--passphrase-file", "secret", "--json").out)
    assert (told["uuid"], told["device_id"], told["form"], told["file"]) == (UUID, "body-4711", "p12", "o.p12")
    assert told["size"] == (made.directory / "o.p12").stat().st_size
    assert told["has_key"] is True
    assert json.loads(made.export("--der", "--out", "o.der", "--json").out)["has_key"] is False


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--der", "--tar"],
        ["--p12", "x", "--der"],
        ["--p12", "-"],
        ["--p12", ""],
        ["--p12", "x", "--out", "y"],
        ["--tar", "--key", "--out", "y"],
        ["--tar", "--passphrase-file", "y"],
        ["--der", "--passphrase-fd", "3"],
        ["--der", "--json"],
        ["--der", "--out", "x/"],
    ],
)
def test_wrong_usage(tmp_path: Path, options: list[str]) -> None:
    """Options that mean nothing, or not together, are wrong usage."""
    ran = run("export", UUID, *options, cwd=tmp_path)
    assert (ran.status, len(ran.error_lines)) == (2, 1), ran.err
    assert run("export", "--der", cwd=tmp_path).status == 2


def test_a_device_must_be_whole(made: Made) -> None:
    """What is not there is exit 4, what is not whole exit 1."""
    absent = run("export", "absent", "--tar", "--out", "o", cwd=made.directory)
    (made.device / "client.pem").write_bytes(b"")
    broken = made.export("--tar", "--out", "o")
    assert (absent.status, broken.status) == (4, 1), absent.err + broken.err
    assert not (made.directory / "o").exists()


@pytest.mark.real
def test_dry_run(made: Made) -> None:
    """Either script makes the same PKCS#12 file but for its salt, and asks for the passphrase as the command would."""
    (made.directory / "secret").write_bytes(SECRET.encode() + b"\r\n")
    for style in ("guide", "argv"):
        name = f"{style} it's.p12"
        before = tree(made.directory)
        options = ["--p12", name, "--passphrase-file", "secret", "--dry-run", "--style", style]
        printed = made.export(*options)
        assert (printed.status, tree(made.directory)) == (0, before), printed.err
        assert SECRET not in printed.out
        done = subprocess.run(["bash"], input=printed.out, cwd="/", capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (0, f"{name}\n"), done.stderr
        assert set(tree(made.directory)) - set(before) == {name}
        assert read_back(made, name, "-nokeys").count("BEGIN CERTIFICATE") == 2
        assert stat.S_IMODE((made.directory / name).stat().st_mode) == 0o600
        document = json.loads(made.export(*options, "--json").out)
        assert document["steps"][0]["commands"][0][:3] == ["openssl", "pkcs12", "-export"]


def test_dry_run_of_the_others(made: Made, tmp_path: Path) -> None:
    """The scripts for DER and tar make the same certificate, and an archive of the same files."""
    made.export("--der", "--out", "1.der")
    for path in made.device.iterdir():
        os.utime(path, (1, 1), follow_symlinks=False)
    for options in (["--der", "--out", "2.der"], ["--tar", "--out", "2.tar"], ["--der", "--key", "--out", "2.key"]):
        printed = made.export(*options, "--dry-run")
        done = subprocess.run(["bash"], input=printed.out, cwd="/", capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert (made.directory / "1.der").read_bytes() == (made.directory / "2.der").read_bytes()
    assert (made.directory / "2.key").read_bytes() == der_in(made.device / "pkey.pem")
    made.export("--tar", "--out", "1.tar")
    for name in ("1", "2"):
        (tmp_path / name).mkdir()
        subprocess.run(["tar", "-xpf", made.directory / f"{name}.tar"], cwd=tmp_path / name, check=True)
    assert tree(tmp_path / "1") == tree(tmp_path / "2")
    times = [(tmp_path / name / UUID / "client.pem").stat().st_mtime for name in ("1", "2")]
    assert times[0] == times[1]
    (made.device / "strange").symlink_to("../ca.key")
    printed = made.export("--tar", "--dry-run")
    done = subprocess.run(["bash"], input=printed.out, cwd="/", capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, "strange" in done.stderr) == (4, "", True), done.stderr


def test_an_approval_holds(made: Made, devices: Path) -> None:
    """Where texts were approved, nothing goes out by others or beside another ca.crt, in whatever form."""
    (made.directory / "secret").write_text("tiger")
    own = made.directory / "own"
    shutil.copytree(CHECKOUT / "templates/procedures/ota-connect-2019.7", own)
    assert run("approve", "--procedure", "own", cwd=made.directory).status == 0
    options = ["--procedure", "own", "--passphrase-file", "secret"]
    assert made.export("--p12", "1.p12", *options).status == 0
    text = own / "export.sh"
    text.write_text(text.read_text().replace("AES-256", "AES-128"))
    ran = made.export("--p12", "2.p12", *options)
    assert (ran.status, "text export.sh" in ran.err) == (3, True), ran.err
    text.write_bytes((CHECKOUT / "templates/procedures/ota-connect-2019.7/export.sh").read_bytes())
    forms = [["--der"], ["--der", "--key"], ["--tar"]]
    for number, form in enumerate(forms):
        assert made.export(*form, "--out", f"good-{number}", "--procedure", "own").status == 0
        ran = made.export(*form, "--out", "bad")
        assert (ran.status, "procedure: expected own" in ran.err) == (3, True), ran.err
        assert made.export(*form, "--out", "bad", "--dry-run").status == 0
    (devices / "ca.crt").write_bytes(b"another\n")
    for form in forms:
        assert made.export(*form, "--out", "bad", "--procedure", "own").status == 3
    assert not {"2.p12", "bad"} & {path.name for path in made.directory.iterdir()}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("-passout stdin", "-passout pass:tiger"),
        ("-keypbe AES-256-CBC", "-keypbe NONE"),
        ("-macalg sha256", "-nomac"),
        ("/pkey.pem", "/pkey.ec.pem"),
        ("pkcs12 -export", "pkcs12"),
        ('-name "${DEVICE_UUID}"', '-name "${DEVICE_UUID}" -passin stdin'),
        ("-macalg sha256", "-macalg -nodes"),
        ("/ca.crt", "/ca.key"),
    ],
)
def test_what_an_export_text_may_not_say(made: Made, before: str, after: str) -> None:
    """A text that would leave the key open, take another's or ask for a passphrase is refused with its line."""
    (made.directory / "secret").write_text("tiger")
    own = made.directory / "own"
    shutil.copytree(CHECKOUT / "templates/procedures/ota-connect-2019.7", own)
    text = (own / "export.sh").read_text()
    assert before in text
    (own / "export.sh").write_text(text.replace(before, after))
    ran = made.export("--p12", "o.p12", "--passphrase-file", "secret", "--procedure", "own")
    assert (ran.status, "own/export.sh, line 4" in ran.err) == (2, True), ran.err
    assert not (made.directory / "o.p12").exists()


def test_a_device_whose_key_is_elsewhere(project: Path, tmp_path: Path) -> None:
    """A device that was signed from a CSR has no PKCS#12 and no key to hand out, but a certificate and a directory."""
    words = ["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={UUID}"]
    openssl(*words, "-keyout", str(tmp_path / "own.key"), "-out", str(tmp_path / "own.csr"), cwd=project)
    signed = run("sign", str(tmp_path / "own.csr"), "--uuid", UUID, cwd=project)
    assert signed.status == 0, signed.err
    made = Made(project)
    for ran in (made.p12("out"), made.export("--der", "--key", "--out", "out")):
        assert (ran.status, len(ran.error_lines), "has no key here" in ran.err) == (4, 1, True), ran.err
    assert not (project / "out").exists()
    assert made.export("--der", "--out", "out.der").status == 0
    assert made.export("--tar", "--out", "out.tar").status == 0
    listed = subprocess.run(["tar", "-tf", project / "out.tar"], capture_output=True, text=True, check=True).stdout
    assert "client.pem" in listed
    assert "pkey" not in listed
