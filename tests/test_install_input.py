"""What an installation is asked to do is judged before anything is sent: options, device, gateway, approval."""

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from otaopenssl.errors import BadInput
from otaopenssl.login import parse_directory, parse_login
from tests.conftest import CHECKOUT, Ran, openssl, run, tree
from tests.csrs import csr
from tests.faults import Device
from tests.installations import GATEWAY, URL, Fleet, check_installed
from tests.sshd import Sshd, proxy_command
from tests.test_install import device, refused, target

__all__ = ["device", "target"]


@pytest.fixture
def image(tmp_path: Path) -> Path:
    root = tmp_path / "image"
    (root / "var/sota/import").mkdir(parents=True)
    return root


@pytest.fixture
def own(fleet: Fleet, tmp_path: Path) -> Path:
    """A copy of the project, to change."""
    return Path(shutil.copytree(fleet.project, tmp_path / "project", symlinks=True))


def install(project: Path, image: Path, *more: str, uuid: str = "u1", env: dict[str, str] | None = None) -> Ran:
    return run("install", uuid, "--local", str(image), *more, cwd=project, env=env)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("device", "device"),
        ("root@device-1.example", "root@device-1.example"),
        ("10.0.0.1", "10.0.0.1"),
        ("dev_board", "dev_board"),
        ("::1", "[::1]"),
        ("root@[fe80::1%eth0]", "root@[fe80::1%eth0]"),
    ],
)
def test_logins(value: str, shown: str) -> None:
    """Names, IPv4 and IPv6 addresses are hosts; the last get brackets, so that no colon is taken for another."""
    assert parse_login(value).shown == shown


@pytest.mark.parametrize(
    "value",
    [
        "", "@", "root@", "@device", "-oProxyCommand=id", "root@-oProxyCommand=id", "-root@device", "device:22",
        "device:/etc", "root@device:/etc", "de vice", "device;id", "$(id)", "`id`", "device\n", "dev\0ice",
        "[::1", "::1]", "[device]", "[::1]:22", "1:2", ":::", "fe80::1%", "fe80::1%a b", "a@b@c d", "sftp://device",
        "gerät", "a" * 254,
        "u" * 65 + "@device", "../device", "*", "root@*",
    ],
)  # fmt: skip
def test_refused_logins(value: str) -> None:
    """Nothing that sftp or ssh could take for an option, a path, a pattern or more than one word is a login."""
    with pytest.raises(BadInput) as raised:
        parse_login(value)
    assert "\n" not in raised.value.message


@pytest.mark.parametrize(
    ("value", "path"),
    [("/", "/"), ("//var//sota/./import/", "/var/sota/import"), ("/a-b_c.D/.e", "/a-b_c.D/.e"), ("/...", "/...")],
)
def test_directories(value: str, path: str) -> None:
    """Absolute paths of plain characters are directories."""
    assert parse_directory(value) == path


@pytest.mark.parametrize(
    "value",
    [
        "", "import", "./import", "~/import", "/var/..", "/../etc", "/-rf", "/var/-x/y", "/a b", "/a;b", "/a*", "/a?",
        "/[a]", "/a\n", "/a\\b", "/a'b", '/a"b', "/$HOME", "/`id`", "/é", "/a\0", "/a#b", "/" + "a" * 512,
    ],
)  # fmt: skip
def test_refused_directories(value: str) -> None:
    """Nothing that sftp or a shell would take for a pattern, a quote or more than a word is a directory."""
    with pytest.raises(BadInput):
        parse_directory(value)


USAGES = {
    "no place": ([], ["no place to install to"]),
    "two places": (["--to", "d", "--local", "x"], ["both '--to' and '--local' are given"]),
    "several at once": (
        ["--to", "-oProxyCommand=id", "--port", "0", "--directory", "import", "--timeout", "-1"],
        ["-oProxyCommand=id", "port '0'", "directory 'import'", "time-out '-1'"],
    ),
    "a port for an image": (["--local", "x", "--port", "22"], ["'--port' is for '--to'"]),
    "a host key of an image": (["--local", "x", "--accept-new-host-key"], ["'--accept-new-host-key' is for '--to'"]),
    "no image": (["--local", ""], ["--local '' is no directory"]),
    "another client without a configuration": (["--local", "x", "--ota-ce"], ["'--ota-ce' is given without '--toml'"]),
}


@pytest.mark.parametrize("case", USAGES)
def test_wrong_usage(fleet: Fleet, case: str) -> None:
    """It is refused with all that is wrong at once, before the device is looked for."""
    options, words = USAGES[case]
    refused(run("install", "nobody", *options, *GATEWAY, cwd=fleet.project), 2, *words)


def test_the_ssh_configuration(fleet: Fleet) -> None:
    """One that is named must be there."""
    ran = run("install", "u1", "--to", "d", "--ssh-config", "missing", *GATEWAY, cwd=fleet.project)
    refused(ran, 4, "ssh configuration 'missing' cannot be read")


def test_the_device(fleet: Fleet, image: Path) -> None:
    """It is named by the argument or the guide's variable, and must be there."""
    refused(run("install", "--local", str(image), *GATEWAY, cwd=fleet.project), 2, "no device is named")
    refused(install(fleet.project, image, *GATEWAY, uuid="a b"), 2, "device UUID 'a b'")
    refused(install(fleet.project, image, *GATEWAY, uuid="u9"), 4, "no device 'u9'")
    environment = {"DEVICE_UUID": "u1"}
    ran = run("install", "--local", str(image), *GATEWAY, cwd=fleet.project, env=environment)
    assert ran.status == 0, ran.err
    check_installed(image / "var/sota/import", fleet.device("u1"))


GATEWAYS = {
    "none": ([], {}, 2, "no gateway is named"),
    "a bare host": (["--gateway", "gateway.example"], {}, 2, "gateway is 'gateway.example', expected an https URL"),
    "a host and a port": (["--gateway", "gateway.example:443"], {}, 2, "expected an https URL"),
    "plain http": (["--gateway", "http://gateway.example"], {}, 2, "expected 'https://'"),
    "no host": (["--gateway", "https://"], {}, 2, "has no host"),
    "a line's end": (["--gateway", f"{URL}\n"], {}, 2, "control character"),
    "other letters": (["--gateway", "https://gätewäy.example"], {}, 2, "other letters than ASCII"),
    "a host in the variable": ([], {"device_gateway": "gateway.example"}, 2, "variable device_gateway is 'gateway.exa"),
    "both": ([*GATEWAY, "--credentials", "x.zip"], {}, 2, "both name a gateway"),
    "no archive": (["--credentials", "x.zip"], {}, 4, "archive 'x.zip' cannot be read"),
}


@pytest.mark.parametrize("case", GATEWAYS)
def test_refused_gateways(fleet: Fleet, image: Path, case: str) -> None:
    """gateway.url needs a URL: what is none is refused with what to give, and nothing is installed."""
    options, environment, status, words = GATEWAYS[case]
    refused(install(fleet.project, image, *options, env=environment), status, words)
    assert list((image / "var/sota/import").iterdir()) == []


def test_a_password_in_a_gateway(fleet: Fleet, image: Path) -> None:
    """It is refused and not shown."""
    ran = install(fleet.project, image, "--gateway", "https://user:secret@gateway.example")
    refused(ran, 2, "user name or a password")
    assert "secret" not in ran.err


def test_where_the_gateway_is_told(own: Path, image: Path) -> None:
    """gateway.url is what credentials.zip, the guide's variable or otaopenssl.toml has, to the byte."""
    written = image / "var/sota/import" / "gateway.url"
    with zipfile.ZipFile(own / "credentials.zip", "w") as archive:
        archive.writestr("autoprov.url", "https://archive.example:443\n")
    assert install(own, image, "--credentials", "credentials.zip").status == 0
    assert written.read_bytes() == b"https://archive.example:443"
    (own / "otaopenssl.toml").write_text('gateway = "https://toml.example:8443/path"\nport = 30443\n')
    assert install(own, image).status == 0
    assert written.read_bytes() == b"https://toml.example:8443/path"
    assert install(own, image, env={"device_gateway": "https://variable.example"}).status == 0
    assert written.read_bytes() == b"https://variable.example"
    (own / "otaopenssl.toml").write_text('gateway = "toml.example"\n')
    refused(install(own, image), 2, "gateway of otaopenssl.toml is 'toml.example', expected an https URL")


def test_the_ca_of_an_archive(own: Path, image: Path, fleet: Fleet) -> None:
    """root.crt has to be of the CA that credentials.zip carries, where it carries one."""
    for uuid, status in (("u2", 1), ("u1", 0)):
        with zipfile.ZipFile(own / "credentials.zip", "w") as archive:
            archive.writestr("autoprov.url", URL)
            archive.write(fleet.device(uuid) / "root.crt", "server_ca.pem")
        ran = install(own, image, "--credentials", "credentials.zip")
        if status:
            refused(ran, 1, "root.crt' does not lead to the CA in credentials.zip", "sha256:", "gateway root --uuid u1")
            assert list((image / "var/sota/import").iterdir()) == []
        else:
            assert ran.status == 0, ran.err
            check_installed(image / "var/sota/import", own / "myservername/devices/u1")


def sign_elsewhere(device: Device) -> None:
    """A certificate under a CA of the same name."""
    config = ["-subj", "/CN=ota-devices-CA", "-days", "3000", "-keyout", "other.key", "-out", "other.crt"]
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", *config, cwd=device.devices)
    device.sign(ca="other")


DEVICES: dict[str, tuple[Callable[[Device], object], int, str]] = {
    "no key": (lambda device: device["pkey.pem"].unlink(), 1, "is not whole"),
    "no certificate": (lambda device: device["client.pem"].unlink(), 1, "is not whole: 'client.pem' is missing"),
    "half a certificate": (lambda device: device["client.pem"].write_text("-----BEGIN"), 1, "is not whole"),
    "another's key": (lambda device: device["pkey.pem"].write_bytes(
        (device.devices / "u2" / "pkey.pem").read_bytes()), 1, "is not whole"),
    "for servers": (lambda device: device.sign(extensions="extendedKeyUsage=serverAuth"), 1, "openssl verify refuses"),
    "of another CA": (sign_elsewhere, 1, "openssl verify refuses"),
    "no root.crt": (lambda device: device["root.crt"].unlink(), 4,
                    f"otaopenssl gateway root --uuid u1 --gateway {URL}"),
    "an empty root.crt": (lambda device: device["root.crt"].write_text(""), 4, "root.crt is empty"),
    "a key for root.crt": (lambda device: device["root.crt"].write_bytes(device["pkey.pem"].read_bytes()), 4,
                           "root.crt holds PRIVATE KEY, expected CERTIFICATE"),
}  # fmt: skip


@pytest.mark.parametrize("case", DEVICES)
def test_a_device_that_is_not_fit(own: Path, image: Path, tmp_path: Path, case: str) -> None:
    """Nothing of a device that is not whole, or that no gateway would accept, is installed."""
    plant, status, words = DEVICES[case]
    plant(Device(own / "myservername/devices/u1", tmp_path))
    before = tree(own)
    refused_run = install(own, image, *GATEWAY)
    assert (refused_run.status, refused_run.out) == (status, ""), refused_run.err
    assert words in refused_run.err
    assert len(refused_run.error_lines) == 1
    assert list((image / "var/sota/import").iterdir()) == []
    assert tree(own) == before


def test_a_root_that_does_not_last(own: Path, image: Path, fleet: Fleet) -> None:
    """What verify says of root.crt is a warning here."""
    root = own / "myservername/devices/u1/root.crt"
    root.write_bytes((own / "myservername/devices/u1/client.pem").read_bytes())
    ran = install(own, image, *GATEWAY)
    assert ran.status == 0, ran.err
    assert "otaopenssl: warning: root.crt holds no self-signed root" in ran.err


def test_an_encrypted_key(own: Path, image: Path) -> None:
    """A team's text may encrypt the key: it is installed as it is, and compared to the byte."""
    assert run("procedure", "export", "ota-connect-2019.7", "texts", cwd=own).status == 0
    text = own / "texts" / "device.sh"
    (own / "passphrase").write_text("secret\n")
    text.write_text(text.read_text().replace("-nocrypt", f"-passout file:{own}/passphrase").replace(
        "req -new", f"req -new -passin file:{own}/passphrase"))  # fmt: skip
    made = run("device", "--uuid", "u3", "--procedure", "texts", cwd=own)
    assert made.status == 0, made.err
    shutil.copyfile(own / "myservername/devices/u1/root.crt", own / "myservername/devices/u3/root.crt")
    for state in ("installed", "already there"):
        ran = install(own, image, *GATEWAY, "--procedure", "texts", "--json", uuid="u3")
        assert ran.status == 0, ran.err
        assert json.loads(ran.out)["state"] == state
    check_installed(image / "var/sota/import", own / "myservername/devices/u3")


def test_a_key_that_is_on_the_device_alone(own: Path, device: Sshd, target: Path, tmp_path: Path) -> None:
    """No key is installed for a device that was signed; one that is there is neither fetched nor touched."""
    assert run("sign", str(csr(tmp_path / "d1.csr", "CN=d1")), "--uuid", "d1", cwd=own).status == 0
    shutil.copyfile(own / "myservername/devices/u1/root.crt", own / "myservername/devices/d1/root.crt")
    (target / "pkey.pem").write_text("-----BEGIN PRIVATE KEY-----\nthe device's own\n-----END PRIVATE KEY-----\n")
    (target / "pkey.pem").chmod(0o400)
    before = tree(target)["pkey.pem"]
    # Whatever of it came over the connection would be counted as another file than was sent.
    device.behave(proxy_command(tmp_path / "count", "reads", "PRIVATE"))
    command = ["install", "d1", *device.options, "--directory", str(target), *GATEWAY, "--toml", "--json"]
    for state in ("installed", "already there"):
        ran = run(*command, cwd=own)
        assert ran.status == 0, ran.err
        told = json.loads(ran.out)
        assert told["state"] == state
        names = [file["name"] for file in told["files"]]
        assert names == ["root.crt", "gateway.url", "sota-device-cred.toml", "client.pem"]
        assert "the key of this device is on the device alone" in told["warnings"][0]
        assert any("pkey.pem is there and was not looked at" in warning for warning in told["warnings"])
        assert "others may read it" not in " ".join(told["warnings"])
    assert tree(target)["pkey.pem"] == before
    (target / "pkey.pem").chmod(0o640)
    assert "has mode 0640, expected 0600: others may read it" in run(*command, cwd=own).out
    assert "tls_pkey_path" not in (target / "sota-device-cred.toml").read_text()
    script = run(*command[:-1], "--dry-run", cwd=own)
    assert "pkey.pem" not in script.out.replace(".pkey.pem.otaopenssl", ""), script.out


def test_an_openssl_that_is_not_approved(own: Path, image: Path, logging_openssl: tuple[Path, Path]) -> None:
    """Where an approval is against the openssl none is started, and nothing is installed."""
    program, log = logging_openssl
    assert run("approve", cwd=own).status == 0
    refused(install(own, image, *GATEWAY, "--openssl", str(program)), 3, "not approved")
    assert not log.exists()
    assert list((image / "var/sota/import").iterdir()) == []
    assert install(own, image, *GATEWAY).status == 0


def test_texts_and_a_ca_that_are_not_approved(own: Path, image: Path) -> None:
    """Where an approval is against the texts or ca.crt nothing is installed; a dry-run is not refused."""
    assert run("approve", cwd=own).status == 0
    texts = own / "texts"
    shutil.copytree(CHECKOUT / "templates/procedures/ota-connect-2019.7", texts)
    refused(install(own, image, *GATEWAY, "--procedure", "texts"), 3, "procedure: expected")
    assert install(own, image, *GATEWAY, "--procedure", "texts", "--dry-run").status == 0
    ca = own / "myservername" / "devices" / "ca.crt"
    ca.write_bytes(ca.read_bytes() + b"\n")
    refused(install(own, image, *GATEWAY), 3, "ca.crt: expected")
    assert list((image / "var/sota/import").iterdir()) == []


def test_what_openssl_is_asked(own: Path, image: Path, logging_openssl: tuple[Path, Path]) -> None:
    """It is asked the tool's own questions alone, and makes nothing."""
    program, log = logging_openssl
    assert install(own, image, *GATEWAY, "--openssl", str(program)).status == 0
    asked = [line.split("\x1f")[1:] for line in log.read_text().splitlines() if line.startswith("argv")]
    assert [words[0] for words in asked] == ["version", "verify", "x509", "x509", "pkey", "pkey"]
    assert not [words for words in asked if "-out" in words]
