"""A CSR that was made elsewhere is signed by the audited lines from the signing on, and judged before."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.certificates import encoded
from tests.conftest import CHECKOUT, Ran, openssl, plain_names, require, run, tree, write_program
from tests.csrs import KEYS, csr, csr_directory, key
from tests.servers import Pki, nginx
from tests.test_records import lines_of, records

GOOD_KINDS = ("EC P-256", "EC P-384", "RSA 2048", "Ed25519")
DEVICE_SH = CHECKOUT / "templates" / "procedures" / "ota-connect-2019.7" / "device.sh"


def sign_from_input(content: bytes, *arguments: str, cwd: Path) -> Ran:
    """``otaopenssl sign -`` with the content on standard input."""
    finished = subprocess.run(
        [sys.executable, "-m", "otaopenssl", "sign", "-", *arguments],
        cwd=cwd,
        env={"PATH": os.environ["PATH"]},
        input=content,
        capture_output=True,
        timeout=120,
        check=False,
    )
    return Ran(finished.returncode, finished.stdout.decode(), finished.stderr.decode())


def names_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def certificate(devices: Path, uuid: str, *options: str) -> str:
    """What openssl says of the device's certificate."""
    return plain_names(openssl("x509", "-in", f"{uuid}/client.pem", "-noout", *options, cwd=devices))


def procedure(directory: Path, old: str, new: str) -> Path:
    """A team's own device.sh, with one thing in it replaced."""
    directory.mkdir()
    text = DEVICE_SH.read_text()
    assert old in text
    (directory / "device.sh").write_text(text.replace(old, new))
    return directory


@pytest.mark.parametrize("form", ["PEM", pytest.param("DER", marks=pytest.mark.real)])
@pytest.mark.parametrize("kind", GOOD_KINDS)
def test_signs(project: Path, devices: Path, tmp_path: Path, kind: str, form: str) -> None:
    """The certificate is for the CSR's key; the directory holds the CSR in PEM, what was signed, and no key."""
    path = csr(tmp_path / "d1.csr", "CN=d1", kind=kind, form=form)
    ran = run("sign", str(path), "--uuid", "d1", cwd=project)
    assert (ran.status, ran.out) == (0, "./myservername/devices/d1\n"), ran.err
    assert {one.name: oct(one.stat().st_mode & 0o777) for one in (devices / "d1").iterdir()} == {
        "d1.csr": "0o644",
        "client.pem": "0o644",
        "d1.chain.pem": "0o644",
    }
    asked = openssl("req", "-in", path.name, "-inform", form, cwd=tmp_path)
    assert (devices / "d1" / "d1.csr").read_text() == asked
    public_key = openssl("req", "-in", path.name, "-inform", form, "-noout", "-pubkey", cwd=tmp_path)
    assert certificate(devices, "d1", "-pubkey") == public_key
    assert certificate(devices, "d1", "-subject") == "subject=CN=d1\n"
    assert openssl("verify", "-CAfile", "ca.crt", "-purpose", "sslclient", "d1/client.pem", cwd=devices).endswith(
        "OK\n"
    )


@pytest.mark.real
def test_only_the_lines_from_the_signing_on_run(
    project: Path, tmp_path: Path, logging_openssl: tuple[Path, Path]
) -> None:
    """Of the audited text these lines alone are carried out, to the letter; the CSR's signature is asked for before."""
    program, log = logging_openssl
    path = csr(tmp_path / "d1.csr", "CN=d1")
    ran = run("sign", str(path), "--uuid", "d1", "--openssl", str(program), cwd=project)
    assert ran.status == 0, ran.err
    commands = [line.split("\x1f")[1:] for line in log.read_text().splitlines() if line.startswith("argv")]
    made = [words for words in commands if "-out" in words]
    assert [words[:3] for words in made] == [["x509", "-req", "-days"]], commands
    assert [words[0] for words in commands if "-verify" in words] == ["req"]
    assert sum(line["step"].startswith("device.sh:") for line in lines_of(records(project)[-1])[0]["steps"]) == 4


def test_verify_and_list_tell_of_the_missing_key(project: Path, tmp_path: Path) -> None:
    """It is a warning of its own for a device that was signed, and no fault; an audit holds."""
    run("sign", str(csr(tmp_path / "d1.csr", "CN=d1")), "--uuid", "d1", cwd=project)
    ran = run("verify", "d1", "--json", cwd=project)
    assert ran.status == 0, ran.out
    assert {one["code"] for one in json.loads(ran.out)["findings"]} == {"key-elsewhere", "root-crt-missing"}
    assert run("list", cwd=project).out.splitlines()[-1].startswith("d1 ")
    assert run("audit", cwd=project).status == 0


def test_keys_that_were_lost_are_told(project: Path, devices: Path) -> None:
    """A device whose keys were made here is not taken for one that has them alone."""
    assert run("device", "--uuid", "d1", cwd=project).status == 0
    for name in ("pkey.pem", "pkey.ec.pem"):
        (devices / "d1" / name).unlink()
    ran = run("verify", "d1", "--json", cwd=project)
    assert {one["code"] for one in json.loads(ran.out)["findings"]} == {"file-missing", "root-crt-missing"}
    (project / "ids").write_text("d1\n")
    ran = run("fleet", "--ids", "ids", cwd=project)
    assert (ran.status, "'pkey.ec.pem' is missing" in ran.err) == (5, True)


def test_the_record_tells_of_the_csr(project: Path, devices: Path, tmp_path: Path) -> None:
    """By its digest; a CSR that is exchanged afterwards is found by the audit."""
    run("sign", str(csr(tmp_path / "d1.csr", "CN=d1")), "--uuid", "d1", cwd=project)
    (line,) = lines_of(records(project)[-1])
    (given,) = line["given"]
    found = openssl("dgst", "-sha256", "-r", "d1/d1.csr", cwd=devices)[:64]
    assert (given["path"], given["sha256"]) == ("d1.csr", found)
    assert [step["step"] for step in line["steps"]] == [f"device.sh:{number}" for number in (7, 9, 10, 11)]
    shutil.copy(csr(tmp_path / "other.csr", "CN=d1"), devices / "d1" / "d1.csr")
    ran = run("audit", cwd=project)
    assert (ran.status, "d1.csr is another than recorded" in ran.out + ran.err) == (1, True)


@pytest.mark.real
def test_standard_input(project: Path, devices: Path, tmp_path: Path) -> None:
    """A '-' reads the CSR, in DER as well; words around PEM and line ends of Windows do no harm."""
    for uuid, form in (("d1", "PEM"), ("d2", "DER")):
        content = csr(tmp_path / uuid, f"CN={uuid}", form=form).read_bytes()
        content = b"from the line\r\n" + content.replace(b"\n", b"\r\n") if form == "PEM" else content
        ran = sign_from_input(content, "--uuid", uuid, cwd=project)
        assert ran.status == 0, ran.err
        assert (devices / uuid / f"{uuid}.csr").read_text().startswith("-----BEGIN CERTIFICATE REQUEST-----\n")


def test_the_variables_of_the_guide(project: Path, devices: Path, tmp_path: Path) -> None:
    """DEVICE_UUID and DEVICE_ID count; without a UUID nothing is guessed from the CSR."""
    path = csr(tmp_path / "d1.csr", "CN=d1")
    ran = run("sign", str(path), cwd=project)
    assert (ran.status, ran.error_lines) == (2, ["otaopenssl: error: no device is named"])
    ran = run("sign", str(path), cwd=project, env={"DEVICE_UUID": "d1", "DEVICE_ID": "body-7"})
    assert ran.status == 0, ran.err
    assert names_in(devices / "d1") == ["body-7.chain.pem", "body-7.csr", "client.pem"]


@pytest.mark.parametrize("kind", [kind for kind in KEYS if kind not in GOOD_KINDS])
def test_other_kinds_of_keys_are_refused(project: Path, tmp_path: Path, kind: str) -> None:
    """With what was expected and what it is; nothing is there afterwards."""
    before = tree(project)
    ran = run("sign", str(csr(tmp_path / "d1.csr", "CN=d1", kind=kind)), "--uuid", "d1", cwd=project)
    assert (ran.status, len(ran.error_lines), tree(project)) == (1, 1, before)
    assert "expected EC P-256 or P-384, RSA of 2048 bits or more, or Ed25519, got " in ran.err


@pytest.mark.parametrize(
    ("names", "got"),
    [
        (["CN=d2"], "'d2'"),
        (["CN=D1"], "'D1'"),
        (["O=d1"], "none"),
        (["0.CN=d1", "1.CN=d2"], "'d1, d2'"),
        (["CN=d1\\nd1"], "'d1\\nd1'"),
    ],
)
def test_another_name_is_refused(project: Path, tmp_path: Path, names: list[str], got: str) -> None:
    """Expected and got are told, and nothing is there afterwards."""
    before = tree(project)
    ran = run("sign", str(csr(tmp_path / "x.csr", *names)), "--uuid", "d1", cwd=project)
    assert (ran.status, tree(project)) == (1, before)
    assert ran.error_lines[0].endswith(f"expected CN 'd1', got {got}")


@pytest.mark.real
def test_a_changed_csr_is_refused(project: Path, tmp_path: Path) -> None:
    """Its own signature is judged before a serial number is taken for it."""
    assert run("device", "--uuid", "first", cwd=project).status == 0
    before = tree(project)
    content = csr(tmp_path / "d2.csr", "CN=d2", form="DER").read_bytes().replace(b"d2", b"d1")
    ran = sign_from_input(content, "--uuid", "d1", cwd=project)
    assert (ran.status, tree(project)) == (1, before)
    assert ran.error_lines == [
        "otaopenssl: error: standard input: its own signature is wrong: it was changed, or another key has signed it"
    ]


def garbage(directory: Path) -> dict[str, bytes]:
    """Files that are no CSR of one device."""
    good = csr(directory / "d1.csr", "CN=d1").read_bytes()
    der = csr(directory / "d1.der", "CN=d1", form="DER").read_bytes()
    return {
        "nothing": b"",
        "text": b"not a CSR\n",
        "zeros": b"\0" * 100,
        "two": good + good,
        "cut": good[:200],
        "damaged": good.replace(b"\nM", b"\n*"),
        "cut DER": der[:-1],
        "more behind DER": der + b"x",
        "a sequence of nothing": b"0\x00",
        "deep": b"\x30\x80" * 1000,
        "a certificate": (directory / "project" / "myservername" / "devices" / "ca.crt").read_bytes(),
        "large": good + b"x" * 2_000_000,
    }


@pytest.mark.parametrize("name", [
    "nothing", "text", "zeros", "two", "cut", "damaged", "cut DER", "more behind DER", "a sequence of nothing", "deep",
    "a certificate",
])  # fmt: skip
def test_what_is_no_csr(project: Path, tmp_path: Path, name: str) -> None:
    """It is malformed input: exit 2, one error, a hint, and nothing is there afterwards."""
    before = tree(project)
    (tmp_path / "x.csr").write_bytes(garbage(tmp_path)[name])
    ran = run("sign", "../x.csr", "--uuid", "d1", cwd=project)
    assert (ran.status, len(ran.error_lines), "hint: " in ran.err, tree(project)) == (2, 1, True, before), ran.err
    assert sign_from_input(garbage(tmp_path)[name], "--uuid", "d1", cwd=project).status == 2


def test_too_much(project: Path, tmp_path: Path) -> None:
    """A file or a stream of more than 1 MiB is not read on."""
    content = garbage(tmp_path)["large"]
    (tmp_path / "x.csr").write_bytes(content)
    assert run("sign", "../x.csr", "--uuid", "d1", cwd=project).status == 4
    assert sign_from_input(content, "--uuid", "d1", cwd=project).status == 2


@pytest.mark.parametrize("form", ["PEM", "DER"])
def test_a_key_is_not_taken(project: Path, tmp_path: Path, form: str) -> None:
    """Neither in place of the CSR nor beside it; nothing of it is told or kept."""
    before = tree(project)
    made = key(tmp_path / "k.pem").read_bytes()
    if form == "DER":
        openssl("pkey", "-in", "k.pem", "-outform", "DER", "-out", "k.der", cwd=tmp_path)
        contents = [(tmp_path / "k.der").read_bytes()]
    else:
        contents = [made, csr(tmp_path / "d1.csr", "CN=d1").read_bytes() + made]
    for content in contents:
        ran = sign_from_input(content, "--uuid", "d1", cwd=project)
        assert (ran.status, ran.out, tree(project)) == (2, "", before)
        assert not any(line and line in ran.err for line in made.decode().splitlines()[1:-1])


@pytest.mark.parametrize("name", ["missing.csr", ".", "fifo", ""])
def test_what_cannot_be_read(project: Path, name: str) -> None:
    """Exit 4, one error and a hint, without waiting for a FIFO's other end."""
    os.mkfifo(project / "fifo")
    ran = run("sign", name, "--uuid", "d1", cwd=project, timeout=30)
    assert (ran.status, len(ran.error_lines), "hint: " in ran.err) == (4, 1, True), ran.err


@pytest.mark.real
def test_what_a_csr_asks_for_is_not_copied(project: Path, devices: Path, tmp_path: Path) -> None:
    """The certificate gets what client.ext says, and a warning tells what it does not get."""
    asked = "basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign\nsubjectAltName=DNS:x\nextendedKeyUsage=serverAuth"
    path = csr(tmp_path / "d1.csr", "CN=d1", asked=asked)
    ran = run("sign", str(path), "--uuid", "d1", cwd=project)
    assert ran.status == 0, ran.err
    words = f"CSR '{path}' asks for basicConstraints CA:TRUE, subjectAltName, which the certificate does not get"
    assert f"otaopenssl: warning: {words}\n" in ran.err
    text = certificate(devices, "d1", "-text")
    assert "Digital Signature" in text
    assert "TLS Web Client Authentication" in text
    assert not any(one in text for one in ("CA:TRUE", "Certificate Sign", "DNS:x", "TLS Web Server Authentication"))


def test_a_csr_that_asks_for_what_it_gets_is_not_warned_of(project: Path, tmp_path: Path) -> None:
    """That of the guide's client.cnf, and one that asks to be no CA."""
    asked = "basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=critical,clientAuth"
    ran = run("sign", str(csr(tmp_path / "d1.csr", "CN=d1", asked=asked)), "--uuid", "d1", cwd=project)
    assert (ran.status, "warning" in ran.err) == (0, False), ran.err


@pytest.mark.parametrize("names", [["O=maker", "CN=d1"], ["CN=d1", "+O=maker"]])
def test_more_than_a_cn_is_warned_of(project: Path, tmp_path: Path, names: list[str]) -> None:
    """As of a device whose client.cnf names more, wherever in the name it stands."""
    ran = run("sign", str(csr(tmp_path / "d1.csr", *names)), "--uuid", "d1", cwd=project)
    assert (ran.status, "has more than a CN" in ran.err) == (0, True)


@pytest.mark.parametrize("value", ["x/CN=victim", "cn=victim", "a\\, CN=victim", "\x1b[31m"])
def test_what_may_pass_for_another_name_is_refused(project: Path, tmp_path: Path, value: str) -> None:
    """OTA Community Edition's gateway looks for 'CN=' in the subject as one text; nor do controls get into it."""
    before = tree(project)
    ran = run("sign", str(csr(tmp_path / "d1.csr", f"O={value}", "CN=d1")), "--uuid", "d1", cwd=project)
    assert (ran.status, "which may pass for another device" in ran.err, tree(project)) == (1, True, before), ran.err


def public_rsa_csr(modulus: int, exponent: int) -> bytes:
    """A CSR of CN=d1 in DER with an RSA key of these numbers; it is not signed."""

    def integer(number: int) -> bytes:
        return encoded(0x02, number.to_bytes(number.bit_length() // 8 + 1, "big"))

    key_bits = encoded(0x03, b"\0" + encoded(0x30, integer(modulus) + integer(exponent)))
    algorithm = encoded(0x30, bytes.fromhex("06092a864886f70d0101010500"))
    name = encoded(0x30, encoded(0x31, encoded(0x30, bytes.fromhex("0603550403") + encoded(0x0C, b"d1"))))
    info = encoded(0x30, integer(0) + name + encoded(0x30, algorithm + key_bits) + b"\xa0\x00")
    signed_by = encoded(0x30, bytes.fromhex("06092a864886f70d01010b0500"))
    return encoded(0x30, info + signed_by + encoded(0x03, b"\0" * 257))


@pytest.mark.parametrize(
    ("modulus", "exponent"), [(2**2047 + 1, 1), (2**2047 + 1, 65536), (2**2047, 65537), (2**2047 + 1, 2**256 + 1)]
)
def test_rsa_keys_that_keep_no_secret_are_refused(project: Path, modulus: int, exponent: int) -> None:
    """With an exponent of 1 anybody can sign for the device; others are no RSA."""
    ran = sign_from_input(public_rsa_csr(modulus, exponent), "--uuid", "d1", cwd=project)
    assert (ran.status, "its RSA key is none that keeps a secret" in ran.err) == (1, True), ran.err
    ran = sign_from_input(public_rsa_csr(2**2047 + 1, 65537), "--uuid", "d1", cwd=project)
    assert "its RSA key" not in ran.err


def test_the_key_of_the_ca_is_refused(project: Path, devices: Path, tmp_path: Path) -> None:
    """Whoever has it needs no certificate of a device."""
    ran = run("sign", str(csr(tmp_path / "d1.csr", "CN=d1", key_path=devices / "ca.key")), "--uuid", "d1", cwd=project)
    assert (ran.status, "device 'd1' has the key of ca.crt" in ran.err) == (1, True)
    assert not (devices / "d1").exists()


def test_a_csr_that_was_moved_away_is_told_alone(project: Path, devices: Path, tmp_path: Path) -> None:
    """The record tells that the keys were never here."""
    run("sign", str(csr(tmp_path / "d1.csr", "CN=d1")), "--uuid", "d1", cwd=project)
    (devices / "d1" / "d1.csr").unlink()
    found = json.loads(run("verify", "d1", "--json", cwd=project).out)["findings"]
    assert [one["finding"] for one in found if one["code"] == "file-missing"] == ["d1.csr is missing"]


def test_what_mails_and_editors_leave_in_a_file_does_no_harm(project: Path, devices: Path, tmp_path: Path) -> None:
    """A byte order mark and blanks at the ends of lines, which openssl reads over as well."""
    content = csr(tmp_path / "d1.csr", "CN=d1").read_bytes()
    ran = sign_from_input(b"\xef\xbb\xbf" + content.replace(b"\n", b" \r\r\n"), "--uuid", "d1", cwd=project)
    assert ran.status == 0, ran.err
    assert (devices / "d1" / "d1.csr").read_bytes() == content


def test_a_text_that_would_copy_is_refused(project: Path, tmp_path: Path) -> None:
    """A CSR of a stranger is not to say what its certificate is for; a team's own may."""
    before = tree(project)
    own = procedure(tmp_path / "own", "x509 -req -days", "x509 -req -copy_extensions copy -days")
    ran = run("sign", str(csr(tmp_path / "d1.csr", "CN=d1")), "--uuid", "d1", "--procedure", str(own), cwd=project)
    assert (ran.status, tree(project)) == (2, before)
    assert "device.sh, line 7: '-copy_extensions' would give" in ran.err


def test_a_text_that_needs_the_key_is_refused(project: Path, tmp_path: Path) -> None:
    """Where a step after the signing uses a file that is not there without the keys."""
    before = tree(project)
    more = 'openssl pkey -in "${device_dir}/pkey.pem" -pubout -out "${device_dir}/pub.pem"\ncat '
    own = procedure(tmp_path / "own", "cat ", more)
    ran = run("sign", str(csr(tmp_path / "d1.csr", "CN=d1")), "--uuid", "d1", "--procedure", str(own), cwd=project)
    assert (ran.status, tree(project)) == (2, before)
    assert "device.sh, line 9: a step after the signing uses a file" in ran.err


def test_a_device_that_is_there_is_kept(project: Path, tmp_path: Path) -> None:
    """Whether it has a key or not."""
    path = csr(tmp_path / "d1.csr", "CN=d1")
    assert run("sign", str(path), "--uuid", "d1", cwd=project).status == 0
    before = tree(project)
    ran = run("sign", str(path), "--uuid", "d1", cwd=project)
    assert (ran.status, tree(project)) == (4, before)
    ran = run("device", "--uuid", "d1", cwd=project)
    assert (ran.status, tree(project)) == (4, before)


def test_the_root_of_a_gateway(project: Path, devices: Path, tmp_path: Path, pki: Pki) -> None:
    """It is fetched as for a device that is made here."""
    from tests.servers import s_server

    with s_server(pki, "leaf", "root") as port:
        arguments = ["--uuid", "d1", "--gateway", "localhost", "--port", str(port)]
        ran = run("sign", str(csr(tmp_path / "d1.csr", "CN=d1")), *arguments, cwd=project)
    assert ran.status == 0, ran.err
    assert (devices / "d1" / "root.crt").read_bytes().count(b"BEGIN") == 2


@pytest.mark.parametrize("style", ["guide", "argv"])
def test_the_dry_run_does_the_same(project: Path, devices: Path, tmp_path: Path, style: str) -> None:
    """The script, run by bash in an empty environment, makes the same tree; printing it has changed nothing."""
    before = tree(project)
    path = csr(tmp_path / "d1.csr", "CN=d1")
    arguments = ["sign", str(path), "--uuid", "d1", "--device-id", "x"]
    script = run(*arguments, "-n", "--style", style, cwd=project)
    assert (script.status, tree(project)) == (0, before)
    path.unlink()
    subprocess.run(["bash"], input=script.out, text=True, cwd="/", env={}, check=True, capture_output=True)
    (devices / "d1").rename(devices / "by-script")
    csr(path, "CN=d1", key_path=path.with_name("d1.csr.key"))
    assert run(*arguments, cwd=project).status == 0
    shapes = [{name: what.split()[:2] for name, what in tree(devices / one).items()} for one in ("by-script", "d1")]
    assert shapes[0] == shapes[1]


def test_what_is_not_approved_is_not_signed(project: Path, tmp_path: Path) -> None:
    """As for every device: nothing runs, and the refusal is recorded under the command."""
    path = csr(tmp_path / "d1.csr", "CN=d1")
    assert run("device", "--uuid", "first", cwd=project).status == 0
    assert run("approve", cwd=project).status == 0
    assert run("sign", str(path), "--uuid", "d1", cwd=project).status == 0
    with (project / "certs" / "client.ext").open("a") as file:
        file.write("# another\n")
    before = tree(project)
    ran = run("sign", str(csr(tmp_path / "d2.csr", "CN=d2")), "--uuid", "d2", cwd=project)
    assert (ran.status, tree(project)) == (3, before)
    statement: dict[str, Any] = json.loads((records(project)[-1] / "statement.json").read_bytes())
    assert statement["predicate"]["buildDefinition"]["externalParameters"]["command"] == "sign"
    assert run("audit", cwd=project).status == 0


def test_an_openssl_that_signs_another_key(project: Path, tmp_path: Path, real_openssl: str) -> None:
    """A certificate for another key than the CSR's is not published, whatever has made it."""
    other = csr(tmp_path / "other.csr", "CN=d1")
    program = write_program(
        tmp_path / "openssl",
        f'#!/bin/bash\nargs=("$@")\n[[ $1 != x509 || $2 != -req ]] || for i in "${{!args[@]}}"; do\n'
        f'[[ ${{args[i]}} != *.csr ]] || args[i]={other}\ndone\nexec -a openssl {real_openssl} "${{args[@]}}"\n',
    )
    before = tree(project)
    path = csr(tmp_path / "d1.csr", "CN=d1")
    ran = run("sign", str(path), "--uuid", "d1", "--openssl", str(program), cwd=project)
    assert (ran.status, tree(project)) == (1, before)
    assert "'d1.csr' is not the request for 'client.pem'" in ran.err


@pytest.mark.xdist_group("hsm")
def test_a_key_that_never_leaves_its_token(project: Path, devices: Path, tmp_path: Path, pki: Pki) -> None:
    """A key is made in SoftHSM, its CSR signed here, and the device is let in by nginx with the key in the token."""
    tools = ("softhsm2-util", "pkcs11-tool", "certtool", "gnutls-cli")
    module = Path("/usr/lib/softhsm/libsofthsm2.so")
    for program in tools:
        require(shutil.which(program) is not None, f"no {program} in PATH")
    require(module.exists(), f"no {module}")
    (tmp_path / "tokens").mkdir()
    (tmp_path / "softhsm2.conf").write_text(f"directories.tokendir = {tmp_path}/tokens\nobjectstore.backend = file\n")
    env = {"PATH": os.environ["PATH"], "SOFTHSM2_CONF": str(tmp_path / "softhsm2.conf"), "GNUTLS_PIN": "1234"}

    def tool(*words: str, text: str = "") -> str:
        return subprocess.run(
            words, env=env, cwd=tmp_path, input=text, text=True, check=True, capture_output=True, timeout=60
        ).stdout

    tool("softhsm2-util", "--init-token", "--free", "--label", "device", "--pin", "1234", "--so-pin", "5678")
    options = ["--module", str(module), "--login", "--pin", "1234", "--keypairgen", "--key-type", "EC:prime256v1"]
    tool("pkcs11-tool", *options, "--label", "key", "--id", "01")
    (tmp_path / "name.cfg").write_text('cn = "d1"\n')
    private, public = (f"pkcs11:token=device;object=key;type={kind}" for kind in ("private", "public"))
    provider = ["--provider", str(module)]
    making = ["--generate-request", "--template", "name.cfg", "--outfile", "d1.csr"]
    tool("certtool", *provider, *making, "--load-privkey", private, "--load-pubkey", public)
    ran = run("sign", "../d1.csr", "--uuid", "d1", cwd=project)
    assert ran.status == 0, ran.err
    (tmp_path / "chain.pem").write_bytes(pki.pem("leaf", "root"))
    with nginx(
        tmp_path / "nginx", tmp_path / "chain.pem", pki.directory / "leaf.key", devices / "ca.crt", "TLSv1.3"
    ) as port:
        connecting = ["gnutls-cli", *provider, "--insecure", "--x509keyfile", private, "--port", str(port)]
        connecting += ["--x509certfile", str(devices / "d1" / "client.pem"), "127.0.0.1"]
        answer = tool(*connecting, text="GET / HTTP/1.0\r\n\r\n")
    assert "200 OK" in answer


def test_a_fleet_of_csrs(project: Path, devices: Path, tmp_path: Path) -> None:
    """Each is signed; a second run finds them whole, and the devices can be told as a list of IDs as well."""
    uuids = [f"d{number}" for number in range(20)]
    directory = csr_directory(tmp_path / "csrs", uuids)
    openssl("req", "-in", "d3.csr", "-outform", "DER", "-out", "d3.der", cwd=directory)
    (directory / "d3.csr").unlink()
    (directory / ".hidden").touch()
    ran = run("fleet", "--csrs", str(directory), "--out", "issued.csv", cwd=project)
    assert ran.status == 0, ran.err
    assert len((project / "issued.csv").read_text().splitlines()) == 21
    assert names_in(devices / "d3") == ["client.pem", "d3.chain.pem", "d3.csr"]
    before = tree(project)
    ran = run("fleet", "--csrs", str(directory), cwd=project)
    assert (ran.status, "0 made, 20 there already" in ran.err, tree(project)) == (0, True, before)
    (project / "ids").write_text("".join(f"{uuid}\n" for uuid in uuids))
    ran = run("fleet", "--ids", "ids", cwd=project)
    assert (ran.status, "0 made, 20 there already" in ran.err) == (0, True), ran.err
    assert run("verify", "--all", cwd=project).status == 0
    assert run("audit", cwd=project).status == 0


@pytest.mark.real
def test_what_is_wrong_with_one_csr_keeps_no_other_from_being_signed(
    project: Path, devices: Path, tmp_path: Path
) -> None:
    """Each failure is told with its reason; nothing of those devices is there."""
    directory = csr_directory(tmp_path / "csrs", ["good", "name", "changed", "cut", "there"])
    run("sign", str(csr(tmp_path / "there.csr", "CN=there")), "--uuid", "there", cwd=project)
    csr(tmp_path / "other", "CN=other").rename(directory / "name.csr")
    csr(tmp_path / "weak", "CN=weak", kind="RSA 1024").rename(directory / "weak.csr")
    der = csr(tmp_path / "der", "CN=unchang", form="DER").read_bytes()
    (directory / "changed.csr").write_bytes(der.replace(b"unchang", b"changed"))
    (directory / "cut.csr").write_bytes((directory / "good.csr").read_bytes()[:200])
    ran = run("fleet", "--csrs", str(directory), cwd=project)
    assert ran.status == 5
    assert {path.name for path in devices.iterdir() if path.is_dir()} == {"good", "there"}
    for words in (
        "name: CSR 'name.csr': expected CN 'name', got 'other'",
        "weak: CSR 'weak.csr': its key is too short",
        "changed: step 'x509 -req' ended with exit status 1",
        "cut: CSR 'cut.csr' must hold one CSR, got no whole block",
        "there: device 'there' is there, with another key than CSR 'there.csr'",
    ):
        assert words in ran.err


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("notes.txt", "'notes.txt' ends with none of .csr, .pem, .der"),
        ("a b.csr", "'a b.csr' is not named after a device UUID"),
        ("d0.pem", "'d0.pem' is a second CSR of that device"),
        ("ca.crt.csr", "'ca.crt.csr' is not named after a device UUID"),
    ],
)
def test_other_files_in_the_directory(project: Path, tmp_path: Path, name: str, words: str) -> None:
    """They are told before anything is signed."""
    directory = csr_directory(tmp_path / "csrs", ["d0"])
    (directory / name).touch()
    before = tree(project)
    ran = run("fleet", "--csrs", str(directory), cwd=project)
    assert (ran.status, words in ran.err, tree(project)) == (2, True, before)


def test_many_bad_csrs_keep_no_good_one_from_being_signed(project: Path, devices: Path, tmp_path: Path) -> None:
    """However many stand before it, and how often it is tried."""
    directory = csr_directory(tmp_path / "csrs", ["z"])
    for number in range(40):
        (directory / f"a{number}.csr").write_text("bad\n")
    ran = run("fleet", "--csrs", str(directory), cwd=project)
    assert (ran.status, "40 of 41 devices failed" in ran.err, "not tried" in ran.err) == (5, True, False)
    assert (devices / "z" / "client.pem").exists()


def test_the_warnings_of_many_csrs_are_counted(project: Path, tmp_path: Path) -> None:
    """The first ones name their CSRs; how many others there were is told."""
    directory = csr_directory(tmp_path / "csrs", ["d0"])
    for number in range(12):
        csr(tmp_path / f"x{number}", f"CN=x{number}", asked="basicConstraints=CA:TRUE").rename(
            directory / f"x{number}.csr"
        )
    ran = run("fleet", "--csrs", str(directory), cwd=project)
    assert (ran.status, ran.err.count("asks for basicConstraints CA:TRUE")) == (0, 10), ran.err
    assert "otaopenssl: warning: and 2 more warnings\n" in ran.err


def test_a_device_that_was_signed_under_another_id_is_there(project: Path, tmp_path: Path) -> None:
    """Names of CSRs tell no device ID."""
    directory = csr_directory(tmp_path / "csrs", ["d1"])
    arguments = ["--uuid", "d1", "--device-id", "body-7"]
    assert run("sign", str(directory / "d1.csr"), *arguments, cwd=project).status == 0
    ran = run("fleet", "--csrs", str(directory), cwd=project)
    assert (ran.status, "1 there already" in ran.err) == (0, True), ran.err


def test_directories_that_hold_no_csrs(project: Path, tmp_path: Path) -> None:
    """One that is empty, is not there, or is a file: exit 4; with another list of devices: exit 2."""
    (tmp_path / "empty").mkdir()
    for name in ("../empty", "missing", "certs/client.cnf"):
        ran = run("fleet", "--csrs", name, cwd=project)
        assert (ran.status, len(ran.error_lines)) == (4, 1), name
    assert run("fleet", "--csrs", "../empty", "--count", "2", cwd=project).status == 2
    assert run("fleet", "--csrs", "", cwd=project).status == 2


@pytest.mark.parametrize("style", ["guide", "argv"])
def test_the_dry_run_of_a_fleet_of_csrs(project: Path, devices: Path, tmp_path: Path, style: str) -> None:
    """The script, run by bash in an empty environment, signs them all."""
    directory = csr_directory(tmp_path / "csrs", ["d1", "d2"])
    script = run("fleet", "--csrs", str(directory), "-n", "--style", style, cwd=project)
    assert script.status == 0, script.err
    shutil.rmtree(directory)
    subprocess.run(["bash"], input=script.out, text=True, cwd="/", env={}, check=True, capture_output=True)
    assert names_in(devices / "d2") == ["client.pem", "d2.chain.pem", "d2.csr"]
    assert run("verify", "d1", "d2", cwd=project).status == 0
