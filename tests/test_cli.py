"""The command line as its users meet it: results alone on standard output, help, JSON, the other commands."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from otaopenssl import __version__
from otaopenssl.ids import random_device_uuid
from otaopenssl.render import CONFIG_NAMES
from tests.conftest import Resign, openssl, plain_names, run, tree

COMMANDS = [
    (),
    ("root",),
    ("device",),
    ("show",),
    ("doctor",),
    ("report",),
    ("procedure",),
    ("procedure", "list"),
    ("procedure", "show"),
    ("procedure", "export"),
    ("config",),
    ("config", "render"),
    ("config", "diff"),
]


def test_version() -> None:
    """--version is one line."""
    assert run("--version", cwd=Path("/")) == (0, f"otaopenssl {__version__}\n", "")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help(command: tuple[str, ...]) -> None:
    """Every command has help; those that do something have an example to paste, which names them."""
    for option in ("--help", "-h"):
        ran = run(*command, option, cwd=Path("/"))
        assert (ran.status, ran.err) == (0, "")
        assert ran.out.startswith(f"Usage: otaopenssl {' '.join(command)}".rstrip())
    if command and command not in (("procedure",), ("config",)):
        assert f"Example:\n    otaopenssl {' '.join(command)}" in ran.out


@pytest.mark.parametrize(
    ("arguments", "saying"),
    [
        ((), "missing command"),
        (("nosuch",), "no such command 'nosuch'"),
        (("--nosuch",), "no such option '--nosuch'"),
        (("device", "--nosuch"), "no such option '--nosuch'"),
        (("device", "extra"), "extra"),
        (("device", "--uuid"), "'--uuid' requires an argument"),
        (("device", "--style", "x"), "invalid value for '--style'"),
        (("show",), "missing argument"),
        (("procedure",), "missing command"),
        (("device", "--\x1b[2J"), "no such option"),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...], saying: str) -> None:
    """typer's errors take the form of the tool's own."""
    ran = run(*arguments, cwd=Path("/"))
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith("otaopenssl: error: ")
    assert saying in ran.err
    assert re.search(r"\nhint: see 'otaopenssl.* --help'\n$", ran.err)
    assert "\x1b" not in ran.err


def test_device_prints_its_directory_alone(project: Path) -> None:
    """The only line on standard output is the guide's ${device_dir}; a random UUID is in lower case."""
    made = run("device", cwd=project)
    assert made.status == 0, made.err
    assert re.fullmatch(r"\./myservername/devices/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\n", made.out)
    assert "\n  next: " in made.err


@pytest.mark.real
def test_device_is_what_the_guide_makes(project: Path, devices: Path) -> None:
    """The files of the guide, with their modes and labels, belonging together and accepted by openssl."""
    made = run("device", "--uuid", "u1", "--device-id", "SAJWA1C78D8V38055", cwd=project)
    assert made.status == 0, made.err
    device = devices / "u1"
    assert device.stat().st_mode & 0o777 == 0o700
    assert {path.name: f"{path.stat().st_mode & 0o777:o}" for path in device.iterdir()} == {
        "pkey.ec.pem": "600",
        "pkey.pem": "600",
        "SAJWA1C78D8V38055.csr": "644",
        "client.pem": "644",
        "SAJWA1C78D8V38055.chain.pem": "644",
    }
    assert (device / "pkey.ec.pem").read_text().startswith("-----BEGIN EC PRIVATE KEY-----\n")
    assert (device / "pkey.pem").read_text().startswith("-----BEGIN PRIVATE KEY-----\n")
    chain = (device / "client.pem").read_bytes() + (devices / "ca.crt").read_bytes()
    assert (device / "SAJWA1C78D8V38055.chain.pem").read_bytes() == chain
    public_keys = {
        openssl("pkey", "-in", "pkey.ec.pem", "-pubout", cwd=device),
        openssl("pkey", "-in", "pkey.pem", "-pubout", cwd=device),
        openssl("req", "-in", "SAJWA1C78D8V38055.csr", "-noout", "-pubkey", cwd=device),
        openssl("x509", "-in", "client.pem", "-noout", "-pubkey", cwd=device),
    }
    assert len(public_keys) == 1
    for purpose in ("sslclient", "any"):
        openssl("verify", "-purpose", purpose, "-CAfile", "../ca.crt", "client.pem", cwd=device)
    assert "CN = u1\n" in openssl("x509", "-in", "client.pem", "-noout", "-subject", cwd=device).replace("CN=", "CN = ")


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o027, 0o077])
def test_modes_under_any_umask(project: Path, devices: Path, umask: int) -> None:
    """Keys and the device directory are private under every umask; public files follow it."""
    for command in (["root", "--server-name", "new"], ["device", "--uuid", "u1"]):
        arguments = [sys.executable, "-m", "otaopenssl", *command]
        subprocess.run(arguments, cwd=project, umask=umask, check=True, capture_output=True)
    public = f"{0o666 & ~umask:o}"
    modes = {path.name: f"{path.stat().st_mode & 0o777:o}" for path in (devices / "u1").iterdir()}
    assert modes == {
        "pkey.ec.pem": "600",
        "pkey.pem": "600",
        "u1.csr": public,
        "client.pem": public,
        "u1.chain.pem": public,
    }
    assert (devices / "u1").stat().st_mode & 0o777 == 0o700
    new = project / "new" / "devices"
    assert [f"{(new / name).stat().st_mode & 0o777:o}" for name in ("ca.key", "ca.crt")] == ["600", public]
    assert f"{(devices / 'ca.srl').stat().st_mode & 0o777:o}" == public
    assert f"{(project / 'certs' / 'client.cnf').stat().st_mode & 0o777:o}" == public


def test_a_new_server_directory_is_kept_out_of_repositories(project: Path) -> None:
    """What the tool makes has a .gitignore; what was there is left as it is."""
    assert (project / "myservername" / ".gitignore").read_text() == "*\n"
    (project / "mine" / "devices").mkdir(parents=True)
    assert run("root", "--server-name", "mine", cwd=project).status == 0
    assert not (project / "mine" / ".gitignore").exists()


@pytest.mark.real
def test_json(project: Path) -> None:
    """--json is one document with the facts that the words tell."""
    root = json.loads(run("root", "--if-missing", "--json", cwd=project).out)
    assert (root["certificate"], root["is_new"]) == ("./myservername/devices/ca.crt", False)
    device = json.loads(run("device", "--uuid", "u1", "--json", cwd=project).out)
    assert device["directory"] == "./myservername/devices/u1"
    assert device["files"]["pkey.pem"] == "0600"
    assert device["warnings"] == []
    shown = json.loads(run("show", "u1", "--json", cwd=project).out)
    for name in ("subject", "issuer", "serial", "not_before", "not_after", "key_usage", "extended_key_usage"):
        assert shown[name] == (plain_names(device[name]) if name in ("subject", "issuer") else device[name])
    assert device["not_after"].endswith("+00:00")
    plan = json.loads(run("device", "-n", "--json", "--uuid", "u2", cwd=project).out)
    assert [step["name"] for step in plan["steps"]][:2] == ["ecparam | ec", "pkcs8"]
    assert plan["steps"][1]["commands"][0][:3] == ["openssl", "pkcs8", "-topk8"]
    assert plan["environment"]["DEVICE_UUID"] == "u2"
    assert plan["environment"]["SSL_CERT_FILE"] == "/dev/null"
    assert plan["script"].startswith("#!/usr/bin/env bash\n")


@pytest.mark.real
def test_show(project: Path, devices: Path) -> None:
    """A device is shown by its UUID, its directory or its certificate, with openssl's own facts."""
    assert run("device", "--uuid", "u1", cwd=project).status == 0
    fingerprint = openssl("x509", "-in", "u1/client.pem", "-noout", "-fingerprint", "-sha256", cwd=devices)
    serial = openssl("x509", "-in", "u1/client.pem", "-noout", "-serial", cwd=devices).strip().removeprefix("serial=")
    for target in ("u1", "./myservername/devices/u1", "myservername/devices/u1/client.pem", str(devices / "u1")):
        shown = run("show", target, cwd=project)
        assert shown.status == 0, shown.err
        assert fingerprint.strip().partition("=")[2] in shown.out
        assert serial in shown.out
        assert "TLS Web Client Authentication (critical)" in shown.out
        assert ("pkey.pem" in shown.out) is not target.endswith("client.pem")
    printed = run("show", "u1", "--dry-run", cwd=project).out
    report = subprocess.run(["bash", "-c", printed], check=True, capture_output=True, text=True).stdout
    assert "Subject: CN" in report


@pytest.mark.real
@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("nosuch", 4),
        ("./nosuch", 4),
        ("a b", 2),
        ("a\nb", 2),
        ("", 2),
        ("./certs", 4),
        ("./certs/device_ca.cnf", 1),
        ("./myservername/devices/ca.key", 1),
    ],
)
def test_show_of_what_is_no_certificate(project: Path, target: str, status: int) -> None:
    """One error line, a hint, and never the content of a key."""
    ran = run("show", target, cwd=project)
    assert (ran.status, ran.out) == (status, "")
    assert len(ran.error_lines) == 1
    assert "\nhint: " in ran.err
    assert "PRIVATE KEY-" not in ran.err


@pytest.mark.real
def test_a_leaf_that_outlives_its_ca_is_warned_of(project: Path, devices: Path) -> None:
    """It is issued, since the guide would issue it, and said."""
    config = project / "certs" / "device_ca.cnf"
    arguments = ["req", "-new", "-x509", "-days", "100", "-key", "ca.key", "-config", str(config), "-out", "ca.crt"]
    openssl(*arguments, cwd=devices)
    made = run("device", cwd=project)
    assert made.status == 0
    assert re.search(
        r"otaopenssl: warning: the certificate is valid until [-\d]+, the fleet root CA only until", made.err
    )


@pytest.mark.real
def test_a_subject_with_more_than_a_cn_is_warned_of(project: Path) -> None:
    """OTA Community Edition's gateway would take the rest for the device's name."""
    assert run("config", "render", cwd=project).status == 0
    path = project / "certs" / "client.cnf"
    path.write_text(path.read_text().replace("[dn]\n", "[dn]\nO = Fleet\n"))
    made = run("device", "--uuid", "u1", cwd=project)
    assert made.status == 0
    assert "otaopenssl: warning: the subject 'O" in made.err


@pytest.mark.real
def test_own_config_is_used_as_it_is(project: Path) -> None:
    """A file in certs/ is the team's own: used, kept by render, shown by diff, replaced only by --force."""
    assert run("config", "diff", cwd=project) == (0, "", "")
    rendered = run("config", "render", cwd=project)
    assert rendered.status == 0
    assert sorted(path.name for path in (project / "certs").iterdir()) == sorted(CONFIG_NAMES)
    own = project / "certs" / "client.ext"
    own.write_text(own.read_text() + "subjectAltName = DNS:$ENV::DEVICE_UUID")
    before = tree(project)
    assert "client.ext     kept, it differs" in run("config", "render", cwd=project).out
    assert tree(project) == before
    diff = run("config", "diff", cwd=project)
    assert diff.status == 1
    assert "+subjectAltName = DNS:$ENV::DEVICE_UUID\n\\ No newline" in diff.out
    assert "certs/client.cnf" not in diff.out
    made = run("device", "--uuid", "u1", cwd=project)
    assert made.status == 0, made.err
    text = openssl("x509", "-in", "myservername/devices/u1/client.pem", "-noout", "-text", cwd=project)
    assert "DNS:u1" in text
    assert "client.ext     written" in run("config", "render", "--force", cwd=project).out
    assert run("config", "diff", cwd=project).status == 0


def test_options_before_and_after_the_command(project: Path, tmp_path: Path) -> None:
    """-C and --openssl stand on either side of the command; the later one counts."""
    for arguments in (
        ("-C", str(project), "device"),
        ("device", "-C", str(project)),
        ("-C", "/", "device", "-C", "project"),
    ):
        made = run(*arguments, cwd=tmp_path)
        assert made.status == 0, made.err
        assert (project / made.out.strip() / "client.pem").is_file()
    for arguments in (("--openssl", "/nonexistent", "device"), ("device", "--openssl", "/nonexistent")):
        assert run("-C", str(project), *arguments, cwd=tmp_path).status == 4


def test_the_project_directory_is_the_shells(project: Path, tmp_path: Path) -> None:
    """CWD is bash's ${PWD}: a symbolic link in it stays, where the shell says so."""
    (tmp_path / "link").symlink_to(project)
    through_link = run("device", "-v", cwd=tmp_path / "link", env={"PWD": str(tmp_path / "link")})
    assert f" -config {tmp_path}/link/certs/client.cnf " in through_link.err
    wrong = run("device", "-v", cwd=tmp_path / "link", env={"PWD": "/tmp"})
    assert f" -config {project.resolve()}/certs/client.cnf " in wrong.err


def test_procedure_list_and_show() -> None:
    """All that is audited is shown: texts with digests, departures, the environment, the tool's own questions."""
    listed = run("procedure", "list", cwd=Path("/"))
    names = "root.sh device.sh gateway.sh gateway-port.sh server.sh rehearse.sh seal.sh seal-add.sh export.sh"
    assert listed.out == f"ota-connect-2019.7  {names}\n"
    shown = run("procedure", "show", cwd=Path("/")).out
    assert shown == run("procedure", "show", "ota-connect-2019.7", cwd=Path("/")).out
    document = json.loads(run("procedure", "show", "--json", cwd=Path("/")).out)
    for name, text in document["texts"].items():
        assert text["text"].rstrip("\n") in shown
        assert f"== {name}  sha256 {text['sha256']}" in shown
    for departure in document["departures"]:
        assert f"{departure['name']}: the guide {departure['guide']}; the tool {departure['tool']}\n" in shown
    assert "\nopenssl pkey -in FILE -noout -text_pub\n" in shown
    assert "\nSSL_CERT_FILE=/dev/null\n" in shown


def test_random_uuids_differ() -> None:
    """As uuidgen's."""
    assert len({random_device_uuid() for _ in range(50)}) == 50


def test_a_link_in_the_place_of_the_ca(project: Path, devices: Path, resign: Resign) -> None:
    """A CA that lies elsewhere and is linked here is used and stays where it is."""
    elsewhere = project.parent / "safe"
    elsewhere.mkdir()
    for name in ("ca.key", "ca.crt"):
        (devices / name).rename(elsewhere / name)
        (devices / name).symlink_to(elsewhere / name)
    made = run("device", "--uuid", "u1", cwd=project)
    assert made.status == 0, made.err
    assert (devices / "ca.key").is_symlink()
