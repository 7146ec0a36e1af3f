"""What a fleet finds in a device's place: whole devices are skipped, anything else is told and never touched."""

import base64
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.certificates import changed, der_in
from tests.conftest import openssl, run, tree
from tests.fleets import write_ids

Damage = Callable[[Path, Path], None]


def rechained(device: Path) -> None:
    """Have the chain file say what the certificate says."""
    ca = (device.parent / "ca.crt").read_bytes()
    (device / f"{device.name}.chain.pem").write_bytes((device / "client.pem").read_bytes() + ca)


def signed_by(device: Path, ca_dir: Path, *options: str) -> None:
    """Have the device's request signed by another CA, and the chain file go with it."""
    signing = ["x509", "-req", "-in", f"{device.name}.csr", "-days", "30", "-set_serial", "4711", *options]
    extensions = device.parent.parent.parent / "certs" / "client.ext"
    authority = ["-CA", str(ca_dir / "ca.crt"), "-CAkey", str(ca_dir / "ca.key"), "-extfile", str(extensions)]
    openssl(*signing, *authority, "-out", "client.pem", cwd=device)
    rechained(device)


def another_ca(device: Path, _other: Path) -> None:
    """Of another name."""
    ca_dir = device.parent.parent.parent / "another-ca"
    ca_dir.mkdir()
    new = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=another"]
    openssl(*new, "-keyout", "ca.key", "-out", "ca.crt", cwd=ca_dir)
    signed_by(device, ca_dir)
    shutil.rmtree(ca_dir)


def another_ca_of_the_same_name(device: Path, _other: Path) -> None:
    """As every ``otaopenssl root`` makes one."""
    project = device.parent.parent.parent
    assert run("root", "--server-name", "other", cwd=project).status == 0
    signed_by(device, project / "other" / "devices")
    shutil.rmtree(project / "other")


def replaced(name: str) -> Damage:
    def damage(device: Path, other: Path) -> None:
        (device / name).write_bytes((other / name.replace("u1", "u2")).read_bytes())

    return damage


def cut(name: str, left: int) -> Damage:
    def damage(device: Path, _other: Path) -> None:
        (device / name).write_bytes((device / name).read_bytes()[:left])

    return damage


def in_its_place(make: Callable[[Path], object]) -> Damage:
    def damage(device: Path, _other: Path) -> None:
        shutil.rmtree(device)
        make(device)

    return damage


def both_keys_replaced(device: Path, other: Path) -> None:
    for name in ("pkey.pem", "pkey.ec.pem"):
        (device / name).write_bytes((other / name).read_bytes())


def certificate_of_another_device(device: Path, other: Path) -> None:
    (device / "client.pem").write_bytes((other / "client.pem").read_bytes())
    rechained(device)


def no_public_key(device: Path, _other: Path) -> None:
    """A certificate that is DER, and holds no public key where one has to be."""
    path = device / "client.pem"
    der = changed(der_in(path), 6, b"\x30\x00")
    text = base64.encodebytes(der).decode()
    path.write_text(f"-----BEGIN CERTIFICATE-----\n{text}-----END CERTIFICATE-----\n")
    rechained(device)


def damaged_signature(device: Path, _other: Path) -> None:
    """A certificate of which the last bytes are others, which no gateway takes."""
    path = device / "client.pem"
    der = der_in(path)
    text = base64.encodebytes(der[:-2] + bytes(byte ^ 1 for byte in der[-2:])).decode()
    path.write_text(f"-----BEGIN CERTIFICATE-----\n{text}-----END CERTIFICATE-----\n")
    rechained(device)


def a_key_file_that_is(make: Callable[[Path], object]) -> Damage:
    def damage(device: Path, _other: Path) -> None:
        (device / "pkey.pem").unlink()
        make(device / "pkey.pem")

    return damage


def fifo(path: Path) -> None:
    os.mkfifo(path)


DAMAGES: dict[str, tuple[Damage, str]] = {
    "key missing": (lambda device, _: (device / "pkey.pem").unlink(), "'pkey.pem' is missing"),
    "first key missing": (lambda device, _: (device / "pkey.ec.pem").unlink(), "'pkey.ec.pem' is missing"),
    "request missing": (lambda device, _: (device / "u1.csr").unlink(), "'u1.csr' is missing"),
    "certificate missing": (lambda device, _: (device / "client.pem").unlink(), "'client.pem' is missing"),
    "chain missing": (lambda device, _: (device / "u1.chain.pem").unlink(), "'u1.chain.pem' is missing"),
    "certificate empty": (cut("client.pem", 0), "'client.pem' is empty"),
    "key empty": (cut("pkey.pem", 0), "'pkey.pem' is empty"),
    "chain empty": (cut("u1.chain.pem", 0), "'u1.chain.pem' is empty"),
    "certificate cut off": (cut("client.pem", 300), "'client.pem' is as no whole PEM file, expected CERTIFICATE"),
    "chain cut off": (cut("u1.chain.pem", -30), "'u1.chain.pem' is not what"),
    "key of another": (replaced("pkey.pem"), "'pkey.pem' is not the key of 'client.pem'"),
    "first key of another": (replaced("pkey.ec.pem"), "'pkey.ec.pem' is not the key of 'client.pem'"),
    "keys of another": (both_keys_replaced, "is not the key of 'client.pem'"),
    "request of another": (replaced("u1.csr"), "'u1.csr' is not the request for 'client.pem'"),
    "certificate of another": (certificate_of_another_device, "'client.pem' is the certificate of 'u2'"),
    "another CA": (another_ca, "the issuer of 'client.pem' is not the subject of ca.crt"),
    "another CA of the same name": (another_ca_of_the_same_name, "'client.pem'"),
    "no public key": (no_public_key, "'client.pem' is no certificate"),
    "damaged signature": (damaged_signature, "'client.pem'"),
    "a file": (in_its_place(lambda path: path.write_text("mine")), "cannot be read: not a directory"),
    "an empty directory": (in_its_place(Path.mkdir), "'pkey.ec.pem' is missing"),
    "a dangling link": (in_its_place(lambda path: path.symlink_to("nowhere")), "'pkey.ec.pem' is missing"),
    "a link to itself": (in_its_place(lambda path: path.symlink_to(path.name)), "cannot be read"),
    "a link to another": (in_its_place(lambda path: path.symlink_to("u2")), "'u1.csr' is missing"),
    "a pipe": (in_its_place(fifo), "cannot be read: not a directory"),
    "a key that is a directory": (a_key_file_that_is(Path.mkdir), "'pkey.pem' cannot be read: is a directory"),
    "a key that is a pipe": (a_key_file_that_is(fifo), "'pkey.pem' cannot be read: no regular file"),
    "a key that is a dangling link": (
        a_key_file_that_is(lambda path: path.symlink_to("nowhere")),
        "'pkey.pem' is missing",
    ),
    "a huge key": (
        a_key_file_that_is(lambda path: path.write_bytes(bytes(2_000_000))),
        "'pkey.pem' cannot be read: more than 1048576 bytes",
    ),
}


@pytest.mark.parametrize(("damage", "reason"), DAMAGES.values(), ids=DAMAGES.keys())
def test_what_is_not_whole_is_told_and_left(whole_project: Path, damage: Damage, reason: str) -> None:
    """A device that is there and not whole fails with the reason; it is not touched, and the other is skipped."""
    devices = whole_project / "myservername" / "devices"
    damage(devices / "u1", devices / "u2")
    write_ids(whole_project / "ids", ["u1", "u2"])
    before = tree(whole_project)
    ran = run("fleet", "--ids", "ids", cwd=whole_project)
    assert (ran.status, len(ran.error_lines)) == (5, 1), ran.err
    assert ran.error_lines == ["otaopenssl: error: 1 of 2 devices failed"], ran.err
    assert "fleet of 2 devices: 0 made, 1 there already" in ran.err
    assert "  u1: './myservername/devices/u1' is there, but not whole: " in ran.err
    assert reason in ran.err
    assert "hint: " in ran.err
    assert "Traceback" not in ran.err
    assert tree(whole_project) == before


@pytest.fixture(scope="module")
def _two_devices(_pristine: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("two") / "project"
    shutil.copytree(_pristine, directory, symlinks=True)
    write_ids(directory / "ids", ["u1", "u2"])
    assert run("fleet", "--ids", "ids", cwd=directory).status == 0
    return directory


@pytest.fixture
def whole_project(_two_devices: Path, tmp_path: Path) -> Path:
    """A project with two devices that are whole."""
    directory = tmp_path / "project"
    shutil.copytree(_two_devices, directory, symlinks=True)
    return directory


def test_a_whole_device_is_moved_and_made_again(whole_project: Path) -> None:
    """As the hint says: with its directory moved away a device is made again, with a new key and serial number."""
    devices = whole_project / "myservername" / "devices"
    (devices / "u1" / "pkey.pem").unlink()
    assert run("fleet", "--ids", "ids", cwd=whole_project).status == 5
    (devices / "u1").rename(whole_project / "u1")
    ran = run("fleet", "--ids", "ids", cwd=whole_project)
    assert ran.status == 0, ran.err
    assert "1 made, 1 there already" in ran.err
    assert (devices / "u1" / "client.pem").read_bytes() != (whole_project / "u1" / "client.pem").read_bytes()


def test_files_of_ones_own_are_no_fault(whole_project: Path) -> None:
    """What is beside the text's files, and the modes of files, say nothing of whether a device is whole."""
    devices = whole_project / "myservername" / "devices"
    (devices / "u1" / "notes.txt").write_text("sold")
    (devices / "u1" / "pkey.ec.pem").chmod(0o400)
    before = tree(whole_project)
    assert run("fleet", "--ids", "ids", cwd=whole_project).status == 0
    assert tree(whole_project) == before


def test_another_device_id_is_another_device(whole_project: Path) -> None:
    """Under another device ID the request and the chain have other names, so that those of this one are missing."""
    (whole_project / "ids").write_text("uuid,device_id\nu1,other\nu2,u2\n")
    before = tree(whole_project)
    ran = run("fleet", "--ids", "ids", cwd=whole_project)
    assert ran.status == 5
    assert "not whole: 'other.csr' is missing" in ran.err
    assert tree(whole_project) == before


@pytest.mark.real
@pytest.mark.parametrize("options", [[], ["-conv_form", "compressed"]], ids=["plain", "compressed"])
def test_a_key_with_a_compressed_point(whole_project: Path, options: list[str]) -> None:
    """A text of one's own may write the public key in the short form, of which the first byte is 2 or 3."""
    assert run("procedure", "export", "ota-connect-2019.7", "own", cwd=whole_project).status == 0
    path = whole_project / "own" / "device.sh"
    text = path.read_text()
    path.write_text(text.replace("openssl ec -out", f"openssl ec {' '.join(options)} -out"))
    write_ids(whole_project / "more", [f"c{number}" for number in range(6)])
    ran = run("fleet", "--ids", "more", "--procedure", "./own", cwd=whole_project)
    assert ran.status == 0, ran.err
    again = run("fleet", "--ids", "more", "--procedure", "./own", cwd=whole_project)
    assert (again.status, again.err) == (0, "fleet of 6 devices: 0 made, 6 there already\n")
