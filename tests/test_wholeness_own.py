"""What is whole by a text of one's own, or by a CA that was renewed: what the tool has made it skips later."""

from pathlib import Path

import pytest

from tests.conftest import openssl, run
from tests.fleets import write_ids
from tests.test_publishing import own_text

BMP_STRING = "string_mask = MASK:0x800\n"


def remade(project: Path, *options: str) -> str:
    """What a second run says of two devices that a first one has made."""
    write_ids(project / "ids", ["u1", "u2"])
    made = run("fleet", "--ids", "ids", *options, cwd=project)
    assert made.status == 0, made.err
    return run("fleet", "--ids", "ids", *options, cwd=project).err


TURNED = (
    '"${device_dir}/client.pem" "${DEVICES_DIR}/ca.crt" >',
    '"${DEVICES_DIR}/ca.crt" "${device_dir}/client.pem" >',
)


@pytest.mark.parametrize(
    ("old", "new", "more"),
    [
        ("openssl pkcs8 -topk8 -nocrypt", "openssl pkey", ()),
        ("openssl pkcs8 -topk8 -nocrypt", "openssl pkcs8 -topk8 -passout pass:x", ()),
        ("", "", ('cat "${device_dir}/pkey.pem" > "${device_dir}/pkey.ec.pem"',)),
        ("", "", ('cat "${DEVICES_DIR}/ca.srl" "${device_dir}/client.pem" > "${device_dir}/serial.txt"',)),
        (*TURNED, ()),
    ],
    ids=["another command", "encrypted key", "written twice", "a serial file", "root first"],
)  # fmt: skip
def test_what_an_own_text_makes_is_whole(project: Path, old: str, new: str, more: tuple[str, ...]) -> None:
    """However a text makes its files, the next run takes them for whole, and verify finds nothing wrong."""
    options = own_text(project, *more, old=old, new=new)
    if "passout" in new:
        # The request then needs the passphrase, too.
        path = project / "own" / "device.sh"
        path.write_text(path.read_text().replace('-key "${device_dir}/pkey.pem"', '-key "${device_dir}/pkey.ec.pem"'))
    assert remade(project, *options) == "fleet of 2 devices: 0 made, 2 there already\n"
    verified = run("verify", "--all", *options, cwd=project)
    assert (verified.status, verified.out) == (0, ""), verified.err


def test_a_key_of_no_known_command(project: Path, devices: Path) -> None:
    """Also where any file would do for a command, pkey.pem must be a key."""
    new = 'openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "${device_dir}/pkey.pem"\n'
    text = 'openssl pkcs8 -topk8 -nocrypt -in "${device_dir}/pkey.ec.pem" -out "${device_dir}/pkey.pem"\n'
    options = own_text(project, old=text, new=new)
    assert remade(project, *options) == "fleet of 2 devices: 0 made, 2 there already\n"
    (devices / "u1" / "pkey.pem").write_text("x")
    key = (devices / "u2" / "pkey.pem").read_bytes()
    (devices / "u2" / "pkey.pem").write_bytes(key[:100])
    ran = run("fleet", "--ids", "ids", *options, cwd=project)
    assert (ran.status, ran.err.count("'pkey.pem' is no private key")) == (5, 2), ran.err


def test_a_linked_key_is_refused(project: Path) -> None:
    """A link is no output: a text must write pkey.pem, and is refused with file and line before anything runs."""
    text = 'openssl pkcs8 -topk8 -nocrypt -in "${device_dir}/pkey.ec.pem" -out "${device_dir}/pkey.pem"\n'
    path = project / "own" / "device.sh"
    assert run("procedure", "export", "ota-connect-2019.7", "own", cwd=project).status == 0
    path.write_text(path.read_text().replace(text, 'ln -s "/etc/key.pem" "${device_dir}/pkey.pem"\n'))
    ran = run("device", "--uuid", "u1", "--procedure", "./own", cwd=project)
    assert ran.status == 2
    assert "own/device.sh, line " in ran.err
    assert "no command up to here writes ${device_dir}/pkey.pem" in ran.err


@pytest.mark.real
def test_a_renewed_ca(project: Path, devices: Path) -> None:
    """Devices stay whole when ca.crt is renewed with its key and name, or has another comment in it."""
    assert remade(project).endswith("2 there already\n")
    renewing = ["x509", "-in", "ca.crt", "-signkey", "ca.key", "-days", "4000", "-out", "new.crt"]
    # OpenSSL 4.0 would take the first section of openssl.cnf for extensions.
    openssl(*renewing, cwd=devices, env={"OPENSSL_CONF": "/dev/null"})
    (devices / "ca.crt").write_bytes(b"# renewed\n" + (devices / "new.crt").read_bytes())
    (devices / "new.crt").unlink()
    ran = run("fleet", "--ids", "ids", cwd=project)
    assert (ran.status, ran.err) == (0, "fleet of 2 devices: 0 made, 2 there already\n")


@pytest.mark.real
def test_a_name_in_another_kind_of_string(project: Path) -> None:
    """A client.cnf may ask for the CN in UTF-16."""
    assert run("config", "render", cwd=project).status == 0
    path = project / "certs" / "client.cnf"
    path.write_text(
        path.read_text().replace("[req]\n", f"[req]\n{BMP_STRING}").replace("[ req ]\n", f"[req]\n{BMP_STRING}")
    )
    assert BMP_STRING in path.read_text()
    assert remade(project) == "fleet of 2 devices: 0 made, 2 there already\n"
