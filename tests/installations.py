"""What the tests of installing share: a fleet with devices to install, and what must hold of a device's directory."""

import shutil
import stat
from pathlib import Path

from otaopenssl.ids import DeviceUUID, ServerName
from otaopenssl.install import InstallOrder
from otaopenssl.layout import Server
from otaopenssl.texts import DEFAULT_PROCEDURE, find_procedure
from tests.conftest import openssl, run
from tests.faults import Device

URL = "https://gateway.example:443"
GATEWAY = ["--gateway", URL]
NAMES = ["pkey.pem", "root.crt", "gateway.url", "client.pem"]


class Fleet:
    """A project with devices: u1 and u2; ``earlier`` is u1 before it was made again, with another key."""

    def __init__(self, project: Path) -> None:
        self.project = project
        self.devices = project / "myservername" / "devices"
        self.earlier = project / "earlier"
        for uuid in ("u1", "u2", "u1"):
            if uuid == "u1" and self.device("u1").exists():
                self.device("u1").rename(self.earlier)
            made = run("device", "--uuid", uuid, cwd=project)
            assert made.status == 0, made.err
            root = ["-keyout", "/dev/null", "-nodes", "-subj", "/CN=gateway root", "-days", "3000"]
            openssl("req", "-x509", "-newkey", "rsa:2048", *root, "-out", f"{self.device(uuid)}/root.crt", cwd=project)

    def device(self, uuid: str) -> Path:
        return self.devices / uuid

    def order(self, directory: Path, uuid: str = "u1", *, is_replacing: bool = False) -> InstallOrder:
        text = find_procedure(DEFAULT_PROCEDURE, self.project).text("device.sh")
        server = Server(self.project, ServerName("myservername"))
        return InstallOrder(server, text, DeviceUUID(uuid), URL, str(directory), is_replacing=is_replacing)

    def put(self, source: Path, target: Path) -> None:
        """Have a device's files in a directory, as an earlier installation left them."""
        for name in ("pkey.pem", "client.pem", "root.crt"):
            shutil.copyfile(source / name, target / name)
            (target / name).chmod(0o600 if name == "pkey.pem" else 0o644)
        (target / "gateway.url").write_text(URL)
        (target / "gateway.url").chmod(0o644)

    def sign_later(self, target: Path, work: Path) -> None:
        """Have a certificate of u1 in the directory that is valid from tomorrow on, of the same key."""
        copied = self.project.parent / f"later-{work.name}"
        shutil.copytree(self.project, copied)
        device = Device(copied / "myservername" / "devices" / "u1", work)
        device.sign(start="20400101000000Z", end="20490101000000Z")
        shutil.copyfile(device["client.pem"], target / "client.pem")


def check_installed(target: Path, source: Path, *more: str) -> None:
    """The device's files are there with their modes, its URL, and nothing besides."""
    assert sorted(path.name for path in target.iterdir()) == sorted([*NAMES, *more])
    for name in NAMES:
        path = target / name
        assert not path.is_symlink()
        assert stat.S_IMODE(path.stat().st_mode) == (0o600 if name == "pkey.pem" else 0o644), name
        expected = URL.encode() if name == "gateway.url" else (source / name).read_bytes()
        assert path.read_bytes() == expected, name


def check_keys_are_private(target: Path) -> None:
    """Whatever holds a private key can be read by its owner alone."""
    for path in target.iterdir():
        if b"PRIVATE KEY" in path.read_bytes():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name
