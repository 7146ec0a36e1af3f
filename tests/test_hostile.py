"""Bad input: one error line with a hint, the documented status, no traceback, and nothing left or changed."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from otaopenssl.records import RECORDS_NAME
from tests.conftest import CHECKOUT, Resign, openssl, require, run, tree, write_program

HOSTILE_IDS = {
    "slash": "a/b",
    "dots": "..",
    "dot": ".",
    "up": "../../etc",
    "option": "-out",
    "space": "a b",
    "only-space": " ",
    "single-quote": "a'b",
    "double-quote": 'a"b',
    "dollar": "a$b",
    "substitution": "$(id)",
    "backtick": "`id`",
    "semicolon": "a;b",
    "newline": "a\nb",
    "trailing-newline": "a\n",
    "tab": "a\tb",
    "escape": "a\x1b[31mb",
    "delete": "a\x7f",
    "non-ascii": "é",
    "non-ascii-digit": "1٣",
    "not-utf8": "a\udcff",
    "empty": "",
    "too-long": "a" * 65,
    "much-too-long": "a" * 100_000,
}


def refused(project: Path, *arguments: str, status: int, env: dict[str, str] | None = None, saying: str = "") -> str:
    """Run a command that must be refused with ``status`` and leave the project's tree as it was."""
    before = tree(project)
    ran = run(*arguments, cwd=project, env=env)
    assert ran.status == status, ran.err
    assert len(ran.error_lines) == 1, ran.err
    assert "Traceback" not in ran.err
    assert "\nhint: " in ran.err
    assert saying in ran.err
    assert ran.out == ""
    assert all(character.isprintable() or character == "\n" for character in ran.err)
    assert len(ran.err) < 3000
    assert tree(project) == before
    return ran.err


@pytest.mark.parametrize("value", HOSTILE_IDS.values(), ids=HOSTILE_IDS.keys())
@pytest.mark.parametrize("option", ["--uuid", "--device-id"])
def test_hostile_ids(project: Path, option: str, value: str) -> None:
    """An ID that is no ID is refused, whatever it is made of, by both commands that take it."""
    refused(project, "device", option, value, status=2)
    refused(project, "device", "--dry-run", option, value, status=2)


@pytest.mark.parametrize("value", [*HOSTILE_IDS.values(), "a_b", "a:b", "a" * 64], ids=[*HOSTILE_IDS, "_", ":", "64"])
def test_hostile_server_names(project: Path, value: str) -> None:
    """A server name has fewer letters and is one shorter."""
    refused(project, "device", "--server-name", value, status=2)
    refused(project, "root", "--server-name", value, status=2)


@pytest.mark.parametrize("variable", ["DEVICE_UUID", "SERVER_NAME"])
@pytest.mark.parametrize("value", ["a/b", "", "a\nb"])
def test_hostile_variables(project: Path, variable: str, value: str) -> None:
    """The guide's variables are checked as the options are; one that is set but empty is no name."""
    refused(project, "device", status=2, env={variable: value})


def test_an_empty_device_id_variable_counts_as_none(project: Path) -> None:
    """DEVICE_ID follows the guide's ${DEVICE_ID:-${DEVICE_UUID}}."""
    made = run("device", "--uuid", "u1", cwd=project, env={"DEVICE_ID": ""})
    assert made.status == 0
    assert (project / "myservername/devices/u1/u1.csr").is_file()


@pytest.mark.parametrize("name", ["ca.key", "ca.crt", "ca.srl", "CA.KEY"])
def test_names_that_stand_in_the_devices_directory(project: Path, name: str) -> None:
    """A device cannot take the name of a file of the fleet root CA."""
    refused(project, "device", "--uuid", name, status=2)


def test_every_malformed_value_is_told_at_once(project: Path) -> None:
    """Three faults, one error line, two more lines under it."""
    err = refused(project, "device", "--uuid", "a/b", "--device-id", "-", "--server-name", "..", status=2)
    assert [line[:2] for line in err.splitlines()[1:3]] == ["  ", "  "]


def _missing_key(devices: Path, resign: Resign) -> None:
    (devices / "ca.key").unlink()


def _missing_certificate(devices: Path, resign: Resign) -> None:
    (devices / "ca.crt").unlink()


def _missing_both(devices: Path, resign: Resign) -> None:
    (devices / "ca.key").unlink()
    (devices / "ca.crt").unlink()


def _writes(name: str, content: bytes) -> Callable[[Path, Resign], None]:
    return lambda devices, resign: void((devices / name).write_bytes(content))


def void(_value: object) -> None:
    return


def _cut(name: str) -> Callable[[Path, Resign], None]:
    return lambda devices, resign: void((devices / name).write_bytes((devices / name).read_bytes()[:120]))


def _swapped(devices: Path, resign: Resign) -> None:
    (devices / "ca.key").write_bytes((devices / "ca.crt").read_bytes())


def _directory(devices: Path, resign: Resign) -> None:
    (devices / "ca.key").unlink()
    (devices / "ca.key").mkdir()


def _pipe(devices: Path, resign: Resign) -> None:
    (devices / "ca.key").unlink()
    os.mkfifo(devices / "ca.key")


def _dangling(devices: Path, resign: Resign) -> None:
    (devices / "ca.key").unlink()
    (devices / "ca.key").symlink_to("/nonexistent/ca.key")


def _other_key(devices: Path, resign: Resign) -> None:
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "ca.key", cwd=devices)


def _encrypted(*arguments: str) -> Callable[[Path, Resign], None]:
    def encrypt(devices: Path, resign: Resign) -> None:
        openssl(*arguments, "-in", "ca.key", "-out", "encrypted", cwd=devices)
        (devices / "encrypted").rename(devices / "ca.key")

    return encrypt


def _resigned(extensions: str) -> Callable[[Path, Resign], None]:
    return lambda devices, resign: resign(extensions)


def _dated(start: str, end: str) -> Callable[[Path, Resign], None]:
    """The CA certificate again, valid at another time (openssl ca signs for any)."""

    def sign(devices: Path, resign: Resign) -> None:
        work = devices.parent.parent.parent / "dated"
        work.mkdir()
        (work / "index.txt").touch()
        (work / "ca.cnf").write_text(
            "[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\nnew_certs_dir=.\nserial=serial\ndefault_md=sha256\npolicy=p\n"
            "x509_extensions=e\n[p]\ncommonName=supplied\n[e]\nbasicConstraints=CA:TRUE\nkeyUsage=keyCertSign\n"
            "[req]\nprompt=no\ndistinguished_name=dn\n[dn]\nCN=ota-devices-CA\n"
        )
        key = str(devices / "ca.key")
        openssl("req", "-new", "-config", "ca.cnf", "-key", key, "-out", "ca.csr", cwd=work)
        dates = ["-startdate", start, "-enddate", end]
        signing = ["ca", "-batch", "-config", "ca.cnf", "-selfsign", "-keyfile", key, "-create_serial", "-notext"]
        openssl(*signing, *dates, "-in", "ca.csr", "-out", str(devices / "ca.crt"), cwd=work)

    return sign


UNFIT_CAS: dict[str, tuple[Callable[[Path, Resign], None], str]] = {
    "no CA": (_missing_both, "no fleet root CA"),
    "no key": (_missing_key, "ca.key' is missing"),
    "no certificate": (_missing_certificate, "ca.crt' is missing"),
    "empty key": (_writes("ca.key", b""), "ca.key' is empty"),
    "empty certificate": (_writes("ca.crt", b""), "ca.crt' is empty"),
    "garbage key": (_writes("ca.key", b"garbage\n"), "ca.key' is something else"),
    "garbage certificate": (_writes("ca.crt", b"\x00\xff" * 99), "ca.crt' is something else"),
    "large key": (_writes("ca.key", b"x" * 2_000_000), "more than"),
    "cut key": (_cut("ca.key"), "ca.key"),
    "cut certificate": (_cut("ca.crt"), "ca.crt"),
    "certificate as key": (_swapped, "ca.key' is a PEM file of CERTIFICATE"),
    "key is a directory": (_directory, "is a directory"),
    "key is a pipe": (_pipe, "no regular file"),
    "key is a dangling link": (_dangling, "ca.key' is missing"),
    "key of another CA": (_other_key, "not the private key of"),
    "encrypted key, PKCS#8": (_encrypted("pkcs8", "-topk8", "-passout", "pass:canary"), "is encrypted"),
    "encrypted key, SEC 1": (_encrypted("ec", "-aes256", "-passout", "pass:canary"), "is encrypted"),
    "expired": (_dated("20200101000000Z", "20210101000000Z"), "expired on 2021-01-01 00:00:00 UTC"),
    "not yet valid": (_dated("20900101000000Z", "20910101000000Z"), "not valid before 2090-01-01 00:00:00 UTC"),
    "no CA flag": (_resigned("basicConstraints = CA:FALSE\n"), "no CA certificate"),
    "may not sign": (_resigned("basicConstraints = CA:TRUE\nkeyUsage = digitalSignature\n"), "no CA certificate"),
    "neither flag nor usage": (_resigned("subjectAltName = DNS:x\n"), "no CA certificate"),
    "serverAuth only": (
        _resigned("basicConstraints = CA:TRUE\nkeyUsage = keyCertSign\nextendedKeyUsage = critical, serverAuth\n"),
        "'TLS Web Server Authentication', expected 'TLS Web Client Authentication' or none",
    ),
    "any usage": (
        _resigned("basicConstraints = CA:TRUE\nextendedKeyUsage = anyExtendedKeyUsage\n"),
        "not fit for client certificates",
    ),
}


@pytest.mark.parametrize(("spoil", "saying"), UNFIT_CAS.values(), ids=UNFIT_CAS.keys())
def test_unfit_fleet_root(
    project: Path, devices: Path, resign: Resign, spoil: Callable[[Path, Resign], None], saying: str
) -> None:
    """openssl would sign with most of these and exit 0; here no key is made."""
    spoil(devices, resign)
    err = refused(project, "device", status=4, saying=saying)
    assert "canary" not in err


FIT_CAS = {
    "no extended key usage": "basicConstraints = CA:TRUE\nkeyUsage = keyCertSign\n",
    "both usages": "basicConstraints = CA:TRUE\nextendedKeyUsage = serverAuth, clientAuth\n",
    "key usage alone": "keyUsage = critical, keyCertSign\n",
}


@pytest.mark.parametrize("extensions", FIT_CAS.values(), ids=FIT_CAS.keys())
def test_fit_fleet_root(project: Path, resign: Resign, extensions: str) -> None:
    """A CA that every OpenSSL gateway accepts is accepted here."""
    resign(extensions)
    made = run("device", "--uuid", "u1", cwd=project)
    assert made.status == 0, made.err
    devices = "myservername/devices"
    openssl("verify", "-purpose", "sslclient", "-CAfile", f"{devices}/ca.crt", f"{devices}/u1/client.pem", cwd=project)


KEY_TYPES = {
    "P-384": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
    "RSA": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
    "Ed25519": ["-algorithm", "ED25519"],
}


@pytest.mark.parametrize("arguments", KEY_TYPES.values(), ids=KEY_TYPES.keys())
def test_fleet_roots_of_other_keys(project: Path, devices: Path, resign: Resign, arguments: list[str]) -> None:
    """A fleet root CA of any key type is checked and used; two of one type are told apart."""
    openssl("genpkey", *arguments, "-out", "ca.key", cwd=devices)
    resign("basicConstraints = CA:TRUE\n")
    made = run("device", "--uuid", "u1", cwd=project)
    assert made.status == 0, made.err
    openssl("genpkey", *arguments, "-out", "ca.key", cwd=devices)
    refused(project, "device", status=4, saying="not the private key of")


def test_a_version_1_root(project: Path, devices: Path) -> None:
    """A self-signed version 1 certificate is a CA to OpenSSL, and so it is here."""
    config = project.parent / "v1.cnf"
    config.write_text("[req]\nprompt = no\ndistinguished_name = dn\n[dn]\nCN = ota-devices-CA\n")
    openssl("req", "-new", "-config", str(config), "-key", "ca.key", "-out", "ca.csr", cwd=devices)
    command = ["openssl", "x509", "-req", "-in", "ca.csr", "-signkey", "ca.key", "-days", "3000", "-out", "ca.crt"]
    subprocess.run(command, cwd=devices, check=False, capture_output=True)
    (devices / "ca.csr").unlink()
    report = openssl("x509", "-in", "ca.crt", "-noout", "-text", cwd=devices)
    require("Version: 1 " in report, "this openssl makes no version 1 certificate by 'x509 -req'")
    made = run("device", "--uuid", "u1", cwd=project)
    assert made.status == 0, made.err
    openssl("verify", "-purpose", "sslclient", "-CAfile", "ca.crt", "u1/client.pem", cwd=devices)


def test_fleet_roots_with_words_and_other_line_ends(project: Path, devices: Path) -> None:
    """Text before the certificate and other line ends are PEM all the same, and reach the chain as they are."""
    certificate = (devices / "ca.crt").read_bytes()
    for number, content in enumerate((b"our CA\n" + certificate, certificate.replace(b"\n", b"\r\n"))):
        (devices / "ca.crt").write_bytes(content)
        made = run("device", "--uuid", f"u{number}", cwd=project)
        assert made.status == 0, made.err
        chain = devices / f"u{number}" / f"u{number}.chain.pem"
        assert chain.read_bytes() == (devices / f"u{number}" / "client.pem").read_bytes() + content
        assert chain.stat().st_mode & 0o777 == 0o644


BROKEN_CONFIGS = {
    "empty cnf": ("client.cnf", ""),
    "garbage cnf": ("client.cnf", "garbage\n"),
    "binary cnf": ("client.cnf", "\x00\x01"),
    "open section": ("client.cnf", "[req\nprompt = no\n"),
    "no distinguished name": ("client.cnf", "[req]\nprompt = no\n"),
    "missing section": ("client.cnf", "[req]\nprompt = no\ndistinguished_name = dn\n"),
    "unknown name": ("client.cnf", "[req]\nprompt = no\ndistinguished_name = dn\n[dn]\nNOSUCH = x\n"),
    "missing variable": ("client.cnf", "[req]\nprompt = no\ndistinguished_name = dn\n[dn]\nCN = $ENV::NOSUCH\n"),
    "empty ext": ("client.ext", ""),
    "comment ext": ("client.ext", "# extendedKeyUsage = clientAuth\n"),
    "ext in an unused section": ("client.ext", "[ext]\nextendedKeyUsage = critical, clientAuth\n"),
    "garbage ext": ("client.ext", "\x7fELF garbage"),
    "serverAuth ext": ("client.ext", "extendedKeyUsage = serverAuth\n"),
    "misspelt usage": ("client.ext", "keyUsage = critical, digitalSignatur\nextendedKeyUsage = clientAuth\n"),
    "unknown extension": ("client.ext", "extendedKeyUsage = clientAuth\nnosuchExtension = 1\n"),
}


@pytest.mark.parametrize(("name", "content"), BROKEN_CONFIGS.values(), ids=BROKEN_CONFIGS.keys())
def test_broken_config(project: Path, name: str, content: str) -> None:
    """A broken configuration file is malformed input, whether the tool or openssl finds out; it is named."""
    assert run("config", "render", cwd=project).status == 0
    (project / "certs" / name).write_text(content)
    refused(project, "device", status=2, saying=f"certs/{name}")


def test_wrong_subject(project: Path) -> None:
    """A configuration file that gives every device one name makes no device."""
    assert run("config", "render", cwd=project).status == 0
    path = project / "certs" / "client.cnf"
    path.write_text(path.read_text().replace("$ENV::DEVICE_UUID", "the-same"))
    refused(project, "device", "--uuid", "u1", status=1, saying="expected 'CN=u1'")


@pytest.mark.parametrize("name", ["certs/client.cnf", "certs/client.ext", "myservername/devices/ca.srl"])
@pytest.mark.parametrize("kind", ["pipe", "endless", "large"])
def test_files_that_have_no_end(project: Path, name: str, kind: str) -> None:
    """A pipe, a device or a file of gigabytes is refused, neither waited for nor read."""
    path = project / name
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "endless":
        path.symlink_to("/dev/zero")
    else:
        with path.open("w") as file:
            file.truncate(3 << 30)
    before = names_in(project)
    ran = run("device", cwd=project)
    assert names_in(project) == before
    assert ran.status == 4, ran.err
    assert len(ran.error_lines) == 1
    assert ("more than 1048576 bytes" if kind == "large" else "no regular file") in ran.err


def names_in(project: Path) -> list[str]:
    """All names but those of records, whatever is behind them."""
    return sorted(str(path) for path in project.rglob("*") if RECORDS_NAME not in path.parts)


def test_an_include_of_a_configuration_file(project: Path) -> None:
    """A relative .include is found from the project directory; one that a workbench lacks is refused."""
    assert run("config", "render", cwd=project).status == 0
    (project / "certs" / "org.cnf").write_text("[dn]\nO = Fleet\n")
    path = project / "certs" / "client.cnf"
    own = path.read_text()
    path.write_text(own + ".include certs/org.cnf\n")
    made = run("device", "--uuid", "u1", cwd=project)
    assert made.status == 0, made.err
    subject = openssl("x509", "-in", "myservername/devices/u1/client.pem", "-noout", "-subject", cwd=project)
    assert "Fleet" in subject
    path.write_text(own + ".include ../org.cnf\n")
    refused(project, "device", status=2, saying="client.cnf: .include '../org.cnf' must begin with")


def test_config_that_is_a_directory(project: Path) -> None:
    """What cannot be read is named."""
    (project / "certs" / "client.ext").mkdir(parents=True)
    refused(project, "device", status=4, saying="client.ext' cannot be read: is a directory")


@pytest.mark.parametrize("kind", ["directory", "file", "link"])
def test_existing_device(project: Path, devices: Path, kind: str) -> None:
    """A device is never overwritten, nor anything that has its name."""
    path = devices / "u1"
    if kind == "directory":
        path.mkdir()
    elif kind == "file":
        path.write_text("a file")
    else:
        path.symlink_to("/nonexistent")
    refused(project, "device", "--uuid", "u1", status=4, saying="is there already")


def test_existing_root(project: Path, devices: Path) -> None:
    """A fleet root CA is never overwritten; --if-missing accepts it, but not half of one."""
    refused(project, "root", status=4, saying="is there already")
    before = tree(project)
    accepted = run("root", "--if-missing", cwd=project)
    assert (accepted.status, accepted.out) == (0, "./myservername/devices/ca.crt\n")
    assert tree(project) == before
    (devices / "ca.crt").unlink()
    refused(project, "root", "--if-missing", status=4, saying="half a fleet root CA")
    refused(project, "root", status=4, saying="half a fleet root CA")


def test_root_that_would_be_unfit(project: Path) -> None:
    """A root after the page that gives it serverAuth is not published."""
    config = project / "certs" / "device_ca.cnf"
    config.write_text(config.read_text().replace("clientAuth", "serverAuth"))
    refused(project, "root", "--server-name", "another", status=1, saying="not fit for client certificates")


@pytest.mark.parametrize("name", ["otaopenssl", "file"])
def test_a_directory_that_is_no_server_directory(project: Path, name: str) -> None:
    """A root is not put into a directory of something else."""
    (project / "otaopenssl").mkdir()
    (project / "otaopenssl" / "cli.py").touch()
    (project / "file").touch()
    refused(project, "root", "--server-name", name, status=4)


PROGRAMS = {
    "missing": None,
    "crashes": "kill -SEGV $$",
    "fails": "exit 3",
    "prints nothing": "exit 0",
    "prints garbage": "head -c 5000 /dev/urandom",
    "floods": "yes",
    "is LibreSSL": "echo LibreSSL 3.8.2",
    "is too old": "echo 'OpenSSL 1.0.2u  20 Dec 2019'",
    "is almost too old": "echo 'OpenSSL 1.1.0l  10 Sep 2019'",
}


@pytest.mark.parametrize("body", PROGRAMS.values(), ids=PROGRAMS.keys())
def test_no_usable_openssl(project: Path, tmp_path: Path, body: str | None) -> None:
    """A program that is not OpenSSL 1.1.1 or newer is refused before anything is made."""
    program = tmp_path / "bad"
    if body is not None:
        write_program(program, f"#!/bin/bash\n{body}\n")
    for command in ("device", "root"):
        refused(
            project,
            command,
            "--server-name",
            "myservername",
            "--openssl",
            str(program),
            status=4,
            saying="no usable openssl",
        )


def test_openssl_that_is_no_program(project: Path, tmp_path: Path) -> None:
    """An executable file that the system cannot start, and a PATH without openssl."""
    program = tmp_path / "bad"
    program.write_bytes(b"\x7fELF not really")
    program.chmod(0o755)
    refused(project, "device", "--openssl", str(program), status=4, saying="does not start")
    refused(project, "device", "--openssl", "", status=4, saying="no usable openssl")
    refused(project, "device", status=4, env={"PATH": str(tmp_path)}, saying="is in no directory of PATH")


def test_all_problems_are_told_at_once(project: Path, devices: Path) -> None:
    """No openssl, a cut CA, an existing device and a broken file: one error, and the status of the malformed file."""
    (devices / "u1").mkdir()
    (devices / "ca.key").write_text("garbage")
    (project / "certs" / "client.ext").write_text("")
    err = refused(project, "device", "--uuid", "u1", "--openssl", "/nonexistent", status=2)
    assert (
        err.index("no usable openssl") < err.index("ca.key") < err.index("is there already") < err.index("client.ext")
    )


MISBEHAVIOURS = {
    "crashes": ("kill -SEGV $$", "was ended by signal 11"),
    "fails": ("echo 'reason of the failure' >&2; exit 7", "exit status 7: reason of the failure"),
    "says nothing": ("exit 1", "exit status 1"),
    "makes nothing": ("exit 0", "though it ended with exit status 0"),
    "floods": ("yes; exit 1", "printed more than 1048576 bytes"),
}
STEPS = ["ecparam", "ec", "pkcs8", "req", "x509 -req"]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(("body", "saying"), MISBEHAVIOURS.values(), ids=MISBEHAVIOURS.keys())
def test_openssl_that_misbehaves_at_a_step(
    project: Path, tmp_path: Path, real_openssl: str, step: str, body: str, saying: str
) -> None:
    """Whichever step goes wrong in whichever way, no device is left, and the error is that step's."""
    if (step, body) == ("ecparam", "yes; exit 1"):
        # A flooded pipe is ec's to refuse, at its end; without an end the step's time-out would be waited for.
        saying, body = "step 'ecparam | ec'", "yes | head -c 2000000; exit 1"
    if (step, body) == ("ecparam", "exit 0"):
        saying = "step 'ecparam | ec'"
    program = write_program(
        tmp_path / "bad", f'#!/bin/bash\ncase "$*" in "{step} "*) {body};; esac\nexec {real_openssl} "$@"\n'
    )
    err = refused(project, "device", "--openssl", str(program), status=1, saying=saying)
    assert step.split()[0] in err


@pytest.mark.parametrize("output", ["pkey.ec.pem", "pkey.pem", "csr", "client.pem"])
@pytest.mark.parametrize("spoil", [": > $f", "head -c 90 $f > $f.new; mv $f.new $f", "echo garbage > $f", "rm $f"])
def test_outputs_that_are_not_what_they_must_be(
    project: Path, tmp_path: Path, real_openssl: str, output: str, spoil: str
) -> None:
    """Exit 0 with an empty, cut, strange or missing file makes no device."""
    program = write_program(
        tmp_path / "bad",
        f'#!/bin/bash\n{real_openssl} "$@" || exit\nf=; for a in "$@"; do [ "$p" = -out ] && f=$a; p=$a; done\n'
        f"case $f in *{output}) {spoil};; esac\n",
    )
    refused(project, "device", "--openssl", str(program), status=1, saying=output)


@pytest.mark.parametrize(
    ("expression", "saying"),
    [
        ("s/Subject: CN.*/Subject: CN = another/", "subject is 'CN = another', expected 'CN=u1'"),
        ("s/Issuer: CN.*/Issuer: CN = another/", "issuer is 'CN = another'"),
        ("s/TLS Web Client/TLS Web Server/", "extended key usage"),
        ("s/Digital Signature/Key Agreement/", "key usage"),
        ("s/Not After : .*/Not After : Jan  1 00:00:00 2020 GMT/", "validity"),
        ("s/..:..:..:..$/00:00:00:00/", "serial number"),
        ("d", "cannot be read"),
    ],
)
def test_reports_that_do_not_hold(
    project: Path, tmp_path: Path, real_openssl: str, expression: str, saying: str
) -> None:
    """The report of the finished certificate is judged, not only printed."""
    program = write_program(
        tmp_path / "bad",
        f'#!/bin/bash\ncase "$*" in *"-text -noout") {real_openssl} "$@" | sed \'{expression}\';; '
        f'*) exec {real_openssl} "$@";; esac\n',
    )
    refused(project, "device", "--uuid", "u1", "--openssl", str(program), status=1, saying=saying)


@pytest.mark.parametrize(
    "content", ["", "zz\n", "123\n", "words\n", "-01\n", " 01\n", "0x10\n", "7F" + "FF" * 19, "FF" * 20]
)
def test_unfit_serial_file(project: Path, devices: Path, content: str) -> None:
    """A ca.srl that cannot be gone on from is refused before a key is made."""
    (devices / "ca.srl").write_text(content)
    refused(project, "device", status=4, saying="ca.srl")


def test_no_such_directory(project: Path) -> None:
    """-C names a directory that is there."""
    for value in ("", "/nonexistent", "certs/device_ca.cnf"):
        refused(project, "-C", value, "device", status=2, saying="no directory")


def in_namespace(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a shell script that may mount, in a namespace of its own."""
    probe = subprocess.run(["unshare", "-rm", "true"], check=False, capture_output=True)
    require(probe.returncode == 0, "unshare -rm does not work here: no mount can be made for the test")
    return subprocess.run(
        ["unshare", "-rm", "bash", "-ec", script, "bash", *arguments],
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        cwd=CHECKOUT,
    )


def cli() -> str:
    return f"{sys.executable} -m otaopenssl"


@pytest.mark.parametrize("where", [".", "myservername", "myservername/devices", "certs"])
def test_unwritable_directory(project: Path, where: str) -> None:
    """A read-only directory is named before anything runs."""
    before = tree(project)
    script = f'mount --bind "$1" "$1"; mount -o remount,bind,ro "$1"; {cli()} device -C "$2"'
    ran = in_namespace(script, str(project / where), str(project))
    assert ran.returncode == 4, ran.stderr
    assert "otaopenssl: error:" in ran.stderr
    assert "is not writable" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert tree(project) == before


@pytest.mark.parametrize("blocks", range(8))
def test_full_disk(project: Path, blocks: int) -> None:
    """However few blocks are left (with none, openssl exits 0 and leaves empty files), a device is whole or absent."""
    script = f"""
mount -t tmpfs -o size=256k tmpfs "$2"
cp -a "$1/." "$2"
cd "$2"
find . | sort > /dev/shm/before.$$
head -c 1M /dev/zero > filler || true
truncate -s -{blocks * 4096} filler
status=0; {cli()} device -C "$2" --uuid u1 || status=$?
rm filler
find . | sort > /dev/shm/after.$$
diff /dev/shm/before.$$ /dev/shm/after.$$ || [ "$status" = 0 ]
rm /dev/shm/*.$$
[ "$status" != 0 ] || openssl verify -CAfile myservername/devices/ca.crt myservername/devices/u1/client.pem
exit "$status"
"""
    mount = project.parent / "mount"
    mount.mkdir()
    assert run("config", "render", cwd=project).status == 0
    ran = in_namespace(script, str(project), str(mount))
    assert ran.returncode in (0, 1, 4), ran.stderr + ran.stdout
    if ran.returncode:
        assert "u1" not in ran.stdout, ran.stdout
        assert ran.stderr.count("otaopenssl: error:") == 1, ran.stderr
    else:
        assert "client.pem: OK" in ran.stdout, ran.stdout
    assert "Traceback" not in ran.stderr
    assert blocks or ran.returncode


@pytest.mark.parametrize("argument", ["--version", "--help"])
def test_results_that_cannot_be_printed(argument: str) -> None:
    """A full standard output is an error of its own, not a silent success."""
    command, environment = [*cli().split(), argument], {"PATH": os.environ["PATH"]}
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False, env=environment)
    assert ran.returncode == 4
    error = "otaopenssl: error: standard output cannot be written: no space left on device\n"
    assert ran.stderr == error + "hint: what was made before is there all the same\n"


def test_a_certs_directory_that_leads_nowhere(project: Path) -> None:
    """A dangling link in the place of certs/ is an error, not an endless loop."""
    shutil.rmtree(project / "certs")
    (project / "certs").symlink_to("nowhere")
    ran = run("device", cwd=project, timeout=30)
    assert (ran.status, len(ran.error_lines), ran.out) == (4, 1, "")
    assert "certs" in ran.err


def test_openssl_that_crashes_over_the_ca(project: Path, tmp_path: Path, real_openssl: str) -> None:
    """A crash is called one; nobody is told to replace a good CA."""
    crash = f'#!/bin/bash\n[ "$1" = version ] || kill -SEGV $$\nexec {real_openssl} "$@"\n'
    program = write_program(tmp_path / "crashes", crash)
    err = refused(project, "device", "--openssl", str(program), status=4, saying="it was ended by signal 11")
    assert "put a fit fleet root CA" not in err


@pytest.mark.parametrize(("step", "status"), [("version", 4), ("pkcs8", 1), ("ecparam", 1)])
def test_openssl_that_hangs(project: Path, tmp_path: Path, real_openssl: str, step: str, status: int) -> None:
    """A process that does not end is ended after its time, here half a second of the minute, and nothing is left."""
    hang = f'#!/bin/bash\n[ "$1" = {step} ] && exec sleep 1000\nexec {real_openssl} "$@"\n'
    program = write_program(tmp_path / "hangs", hang)
    script = (
        "import sys\n"
        "from otaopenssl.runner import Runner\n"
        "Runner.run.__kwdefaults__['seconds'] = 0.5\n"
        "from otaopenssl.cli import run\n"
        f"sys.exit(run(['device', '--openssl', {str(program)!r}]))\n"
    )
    before = tree(project)
    ran = subprocess.run([sys.executable, "-c", script], cwd=project, check=False, capture_output=True, text=True)
    assert ran.returncode == status, ran.stderr
    assert "did not end within 0.5 seconds" in ran.stderr
    assert ran.stderr.count("otaopenssl: error:") == 1
    assert tree(project) == before
