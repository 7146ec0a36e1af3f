"""A renewed device: a new certificate by the same lines, in the place of the old one, which is kept as it was."""

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from otaopenssl.outputs import serial_hex
from tests.conftest import CHECKOUT, Ran, openssl, require, run, tree
from tests.faults import Device, another_ca
from tests.fleets import ended, program_that, started, until, waiting_for, whole
from tests.test_approval import Approved
from tests.test_hostile import cli, in_namespace
from tests.test_publishing import in_process, own_text


def made(project: Path, *arguments: str) -> Ran:
    """A run of the command line that must do what it was asked for."""
    ran = run(*arguments, cwd=project)
    assert ran.status == 0, ran.err
    return ran


def kept(project: Path, uuid: str = "u1") -> list[Path]:
    """Where devices lie that were replaced, the oldest first."""
    return sorted((project / "myservername" / "previous" / uuid).glob("*"))


def holds(project: Path, *uuids: str) -> None:
    """Fails unless ``verify`` and ``audit`` find nothing."""
    for command in (["verify", *uuids], ["audit"]):
        ran = run(*command, cwd=project)
        assert ran.status == 0, ran.out + ran.err


def signed(project: Path, uuid: str = "s1") -> Path:
    """The directory of a device whose key is elsewhere."""
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{uuid}.key"]
    openssl("req", "-new", *kind, "-subj", f"/CN={uuid}", "-out", f"{uuid}.csr", cwd=project)
    made(project, "sign", f"{uuid}.csr", "--uuid", uuid)
    return project / "myservername" / "devices" / uuid


@pytest.mark.real
def test_a_renewal(project: Path, devices: Path) -> None:
    """The key stays, the certificate is another with a serial number of its own, and the old device is kept whole."""
    made(project, "device", "--uuid", "u1", "--device-id", "body-1")
    before = tree(devices / "u1")
    serial = whole(devices)["u1"]
    ran = made(project, "renew", "u1")
    assert ran.out == "./myservername/devices/u1\n"
    assert whole(devices)["u1"] == serial + 1
    after = tree(devices / "u1")
    assert after.keys() == before.keys()
    assert {name for name in after if after[name] == before[name]} == {"pkey.pem", "pkey.ec.pem"}
    (old,) = kept(project)
    assert tree(old) == before
    assert {path.stat().st_mode & 0o777 for path in (old.parent.parent, old.parent, old)} == {0o700}
    assert f"kept whole: ./myservername/previous/u1/{old.name}\n" in ran.err
    assert f"before: serial number {serial_hex(serial)}, valid until " in ran.err
    assert tree(old.parent.parent).keys() >= {"u1", f"u1/{old.name}/pkey.pem"}
    holds(project, "u1")
    proof = json.loads(made(project, "audit", "--proof", "u1").out)
    assert json.loads(proof["line"])["serial"] == serial_hex(serial + 1)
    steps = [step["step"] for step in json.loads(proof["line"])["steps"]]
    assert steps == [f"device.sh:{line}" for line in (6, 7, 9, 10, 11)]


def test_renewed_again_and_again(project: Path, devices: Path) -> None:
    """Each one that was replaced is kept, also where several are in one second, and tells of itself."""
    made(project, "device", "--uuid", "u1")
    seen = [tree(devices / "u1")]
    for _ in range(3):
        ran = made(project, "renew", "u1", "--json")
        document = json.loads(ran.out)
        assert tree(project / document["previous"]["directory"]) == seen[-1]
        seen.append(tree(devices / "u1"))
    assert sorted(map(str, map(tree, kept(project)))) == sorted(map(str, seen[:-1]))
    holds(project, "u1")


@pytest.mark.real
def test_a_device_whose_key_is_elsewhere(project: Path, devices: Path) -> None:
    """Its CSR is kept to the byte and signed again; a new key is refused, since it is not made here."""
    device = signed(project)
    before = tree(device)
    made(project, "renew", "s1")
    after = tree(device)
    assert after.keys() == before.keys() == {"client.pem", "s1.csr", "s1.chain.pem"}
    assert {name for name in after if after[name] == before[name]} == {"s1.csr"}
    holds(project, "s1")
    ran = run("renew", "s1", "--new-key", cwd=project)
    assert (ran.status, len(ran.error_lines)) == (4, 1)
    assert "the key of 's1' is not made here, which '--new-key' asks for" in ran.err
    assert tree(device) == after
    assert run("audit", cwd=project).status == 0


def test_a_new_key(project: Path, devices: Path) -> None:
    """All of it is made anew, and the old keys are kept; what the device holds besides stays."""
    made(project, "device", "--uuid", "u1")
    (devices / "u1" / "root.crt").write_bytes((devices / "ca.crt").read_bytes())
    before = tree(devices / "u1")
    made(project, "renew", "u1", "--new-key")
    after = tree(devices / "u1")
    assert {name for name in after if after[name] == before[name]} == {"root.crt"}
    assert tree(kept(project)[0]) == before
    whole_name = openssl("pkey", "-in", "pkey.pem", "-pubout", cwd=devices / "u1")
    assert openssl("x509", "-in", "client.pem", "-noout", "-pubkey", cwd=devices / "u1") == whole_name
    made(project, "renew", "u1")
    holds(project, "u1")


def test_what_the_text_does_not_make_is_carried_over(project: Path, devices: Path) -> None:
    """Files with their modes and links, wherever those lead; but not a link of the text's that leads nowhere now."""
    ca = devices.parent / "server_ca.pem"
    ca.write_bytes((devices / "ca.crt").read_bytes())
    made(project, "device", "--uuid", "u1")
    device = devices / "u1"
    assert (device / "ca.pem").is_symlink()
    for name, mode in (("root.crt", 0o644), ("gateway.url", 0o600), (".hidden", 0o640), ("a b\n", 0o604)):
        (device / name).write_text(f"{name}\n")
        (device / name).chmod(mode)
    (device / "on-the-device").symlink_to("/var/sota/import")
    (device / ".x.new").write_text("another run is just writing it")
    before = tree(device)
    ca.unlink()
    made(project, "renew", "u1")
    after = tree(device)
    own = {"client.pem", "u1.csr", "u1.chain.pem", "pkey.pem", "pkey.ec.pem"}
    assert {name: what for name, what in after.items() if name not in own} == {
        name: what for name, what in before.items() if name not in {*own, "ca.pem", ".x.new"}
    }
    assert tree(kept(project)[0]) == before


def test_what_is_carried_over_keeps_its_owner(project: Path, devices: Path) -> None:
    """So does the directory; and nothing becomes a program that runs as somebody else."""
    require(os.getuid() == 0, "only root can give files away")
    made(project, "device", "--uuid", "u1")
    odd = devices / "u1" / "odd"
    odd.touch()
    for path in (devices / "u1", odd):
        os.chown(path, 1234, 1235)
    odd.chmod(0o4755)
    made(project, "renew", "u1")
    found = odd.stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o7777) == (1234, 1235, 0o755)
    assert {(path.lstat().st_uid, path.lstat().st_gid) for path in (devices / "u1").iterdir()} == {(1234, 1235)}
    assert (devices / "u1").stat().st_uid == 1234


@pytest.mark.parametrize("new_key", [True, False])
def test_what_another_text_has_made_does_not_stay(project: Path, devices: Path, new_key: bool) -> None:
    """An old key, or a joined file with the old certificate, would be of another device than its directory."""
    made(project, "device", "--uuid", "u1")
    text = (CHECKOUT / "templates" / "procedures" / "ota-connect-2019.7" / "device.sh").read_text()
    lines = [line for line in text.splitlines(True) if not line.startswith(("cat ", "openssl ecparam"))]
    directory = project / "own"
    directory.mkdir()
    making = 'openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "${device_dir}/pkey.pem"\n'
    own = "".join(making if "pkey.ec.pem" in line else line for line in lines)
    (directory / "device.sh").write_text(own)
    before = tree(project)
    ran = run("renew", "u1", "--procedure", "own", *(["--new-key"] if new_key else []), cwd=project)
    assert (ran.status, tree(project)) == (1, before), ran.err
    what = "'pkey.ec.pem' of 'u1' holds a private key" if new_key else "'u1.chain.pem' of 'u1' holds the certificate"
    assert what in ran.err


def test_a_file_in_the_place_of_the_old_devices(project: Path) -> None:
    """It is named, nothing is changed, and other devices are made and renewed."""
    made(project, "device", "--uuid", "u1")
    made(project, "device", "--uuid", "u2")
    (project / "myservername" / "previous").mkdir(mode=0o700)
    (project / "myservername" / "previous" / "u1").touch()
    before = tree(project / "myservername" / "devices" / "u1")
    ran = run("renew", "u1", cwd=project)
    assert (ran.status, "'./myservername/previous/u1' cannot be written: no directory" in ran.err) == (4, True), ran.err
    assert tree(project / "myservername" / "devices" / "u1") == before
    made(project, "renew", "u2")
    holds(project, "u1", "u2")


def test_a_part_that_a_dead_run_has_left_blocks_nobody(project: Path) -> None:
    """What is in it stands in a record, whose marker is gone: it is removed, and the device renewed."""
    made(project, "device", "--uuid", "u1")
    (record,) = [path for path in (project / "myservername" / "records").glob("2*") if '"u1"' in lines_in(path)]
    folder = project / "myservername" / "records" / ".open"
    folder.mkdir()
    (folder / f"{record.name[17:29]}.0123456789ab.part").write_text(lines_in(record))
    made(project, "renew", "u1")
    assert not folder.exists()
    holds(project, "u1")


def lines_in(record: Path) -> str:
    return (record / "devices.jsonl").read_text()


def test_a_fleet_that_found_the_device_before(project: Path, devices: Path, tmp_path: Path, real_openssl: str) -> None:
    """Its record is closed after the renewal's, and tells of the old certificate: an audit holds all the same."""
    made(project, "device", "--uuid", "u1")
    (project / "ids").write_text("u1\n" + "".join(f"x{number}\n" for number in range(40)))
    waiting = f"[[ $1 != ecparam ]] || {{ {waiting_for(tmp_path / 'go')}; }}"
    program = program_that(tmp_path / "openssl", real_openssl, waiting)
    open_dir = project / "myservername" / "records" / ".open"
    with started("fleet", "--ids", "ids", "--jobs", "1", "--openssl", str(program), cwd=project) as fleet:
        until(lambda: any(open_dir.glob("*.part")), fleet)
        made(project, "renew", "u1")
        (tmp_path / "go").touch()
        assert ended(fleet).status == 0
    holds(project, "u1")
    assert len(list((devices.parent / "previous" / "u1").iterdir())) == 1


@pytest.mark.parametrize("what", ["directory", "fifo", "large", "many"])
def test_what_cannot_be_carried_over(project: Path, devices: Path, what: str) -> None:
    """It is named, before anything runs; nothing waits for it, and nothing is changed."""
    made(project, "device", "--uuid", "u1")
    odd = devices / "u1" / "odd"
    if what == "directory":
        odd.mkdir()
    elif what == "fifo":
        os.mkfifo(odd)
    elif what == "large":
        odd.write_bytes(bytes(1024 * 1024 + 1))
    else:
        for number in range(101):
            (devices / "u1" / f"odd{number}").touch()
    before = tree(project)
    ran = run("renew", "u1", cwd=project, timeout=30)
    assert (ran.status, len(ran.error_lines)) == (1, 1), ran.err
    assert "'odd' of 'u1' cannot be carried over" in ran.err or "holds 101 files besides its own" in ran.err
    assert tree(project) == before


def test_an_expired_certificate(project: Path, devices: Path, tmp_path: Path) -> None:
    """It is renewed as any other; when it has expired is told."""
    made(project, "device", "--uuid", "u1")
    Device(devices / "u1", tmp_path).sign(start="20200101000000Z", end="20210101000000Z")
    ran = made(project, "renew", "u1")
    assert "valid until 2021-01-01 00:00:00 UTC (expired " in ran.err
    assert "warning" not in ran.err
    whole(devices)
    holds(project, "u1")


def test_after_a_rollover_of_the_ca(project: Path, devices: Path) -> None:
    """A device of the CA before gets a certificate of the present one, also where that has another name."""
    made(project, "device", "--uuid", "u1")
    another_ca(devices, "new", "-days", "3650")
    for name in ("key", "crt"):
        (devices / f"new.{name}").rename(devices / f"ca.{name}")
    (devices / "ca.srl").unlink()
    assert run("verify", "u1", cwd=project).status == 1
    ran = made(project, "renew", "u1")
    assert "certificate renewed by 'CN" in ran.err
    assert "other-CA'" in ran.err
    assert "warning: device u1: its certificate before was not one that ca.crt has signed for clients\n" in ran.err
    whole(devices)
    holds(project, "u1")


PLANTS: dict[str, Callable[[Path], object]] = {
    "no-certificate": lambda device: (device / "client.pem").rename(device / "other"),
    "no-key": lambda device: (device / "pkey.pem").rename(device / "other"),
    "no-csr": lambda device: (device / "u1.csr").rename(device / "other"),
    "empty": lambda device: (device / "client.pem").write_bytes(b""),
    "garbage": lambda device: (device / "pkey.ec.pem").write_bytes(b"x" * 99),
    "key-of-another": lambda device: shutil.copy(device.parent / "u2" / "pkey.pem", device),
    "certificate-of-another": lambda device: shutil.copy(device.parent / "u2" / "client.pem", device),
    "keys-gone": lambda device: [path.rename(device.parent.parent / path.name) for path in device.glob("pkey*")],
}


@pytest.mark.parametrize("plant", PLANTS)
def test_a_device_that_is_not_whole(project: Path, devices: Path, plant: str) -> None:
    """It is not touched, and what is wrong is told; also where its keys were made here and are gone."""
    for uuid in ("u1", "u2"):
        made(project, "device", "--uuid", uuid)
    PLANTS[plant](devices / "u1")
    before = tree(project)
    for arguments in (["u1"], ["u1", "--new-key"]):
        ran = run("renew", *arguments, cwd=project)
        assert (ran.status, len(ran.error_lines)) == (1, 1), ran.err
        assert "'./myservername/devices/u1' is not whole: " in ran.err
        assert "hint: see all that is wrong: otaopenssl verify u1" in ran.err
    assert tree(project) == before


def test_a_device_that_is_a_link(project: Path, devices: Path) -> None:
    """Only a directory is exchanged for another."""
    made(project, "device", "--uuid", "u1")
    (devices / "u1").rename(project / "elsewhere")
    (devices / "u1").symlink_to(project / "elsewhere")
    ran = run("renew", "u1", cwd=project)
    assert (ran.status, "is not whole: it is a link, expected a directory" in ran.err) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        ([], 2, "no devices are named"),
        (["a b"], 2, "may hold only letters"),
        (["--expiring", "x"], 2, "--expiring 'x' is no number from 0 to 36500"),
        (["u1", "--jobs", "0"], 2, "--jobs '0' is no number"),
        (["gone"], 4, "no device 'gone': './myservername/devices/gone' is not there"),
        (["u1", "gone", "away"], 4, "no device 'away'"),
        (["--expiring", "3", "--server-name", "none"], 4, "there are no devices: './none/devices' is not there"),
    ],
)
def test_wrong_usage(project: Path, arguments: list[str], status: int, words: str) -> None:
    """What is wrong is told before anything runs, every device that is not there among it; nothing is changed."""
    made(project, "device", "--uuid", "u1")
    before = tree(project)
    ran = run("renew", *arguments, cwd=project)
    assert (ran.status, len(ran.error_lines)) == (status, 1), ran.err
    assert words in ran.err
    assert "hint: " in ran.err
    assert tree(project) == before


def test_the_guides_variable(project: Path, devices: Path) -> None:
    """DEVICE_UUID names the device where nothing else does."""
    for uuid in ("u1", "u2"):
        made(project, "device", "--uuid", uuid)
    assert run("renew", cwd=project, env={"DEVICE_UUID": "u1"}).out == "./myservername/devices/u1\n"
    assert run("renew", "u2", cwd=project, env={"DEVICE_UUID": "u1"}).out == "./myservername/devices/u2\n"
    ran = run("renew", "--expiring", "0", cwd=project, env={"DEVICE_UUID": "u1"})
    assert (ran.status, ran.out) == (0, "")
    assert len(kept(project)) == len(kept(project, "u2")) == 1


RSA = """openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "${device_dir}/pkey.pem"
openssl req -new -config "${CWD}/certs/client.cnf" -key "${device_dir}/pkey.pem" -out "${device_dir}/own.csr"
openssl x509 -req -days 7 -extfile "${CWD}/certs/client.ext" -in "${device_dir}/own.csr" \\
  -CAkey "${DEVICES_DIR}/ca.key" -CA "${DEVICES_DIR}/ca.crt" -CAcreateserial -out "${device_dir}/client.pem"
cat "${device_dir}/client.pem" "${device_dir}/pkey.pem" > "${device_dir}/bundle.pem"
"""


@pytest.mark.real
def test_a_text_of_ones_own(project: Path, devices: Path) -> None:
    """RSA by genpkey, and a file that joins certificate and key: the key is the old one in both, and private."""
    options = own_text(project)
    (project / "own" / "device.sh").write_text(RSA)
    made(project, "device", "--uuid", "u1", *options)
    before = tree(devices / "u1")
    made(project, "renew", "u1", *options)
    after = tree(devices / "u1")
    assert {name for name in after if after[name] == before[name]} == {"pkey.pem", "own.csr"}
    device = devices / "u1"
    assert (device / "bundle.pem").read_bytes() == b"".join(
        (device / name).read_bytes() for name in ("client.pem", "pkey.pem")
    )
    assert after["bundle.pem"].startswith("file 600 ")
    assert run("audit", cwd=project).status == 0
    # By the guide's text it is no whole device.
    assert run("renew", "u1", cwd=project).status == 1


def test_a_text_that_cannot_renew(project: Path, devices: Path) -> None:
    """Where a text signs no CSR that it makes, that is told with file and line; with a new key it would do."""
    made(project, "device", "--uuid", "u1")
    old = '-in "${device_dir}/${device_id}.csr"'
    options = own_text(project, old=old, new='-in "${DEVICES_DIR}/all.csr"')
    ran = run("renew", "u1", *options, cwd=project)
    assert ran.status == 2, ran.err
    assert "own/device.sh, line 7: the step signs no CSR that a step before it writes" in ran.err
    assert not kept(project)


@pytest.mark.real
def test_only_what_was_approved_renews(project: Path, real_openssl: str) -> None:
    """A text that was changed since is refused before anything of it is parsed or run, and nothing is touched."""
    approved = Approved(project, real_openssl)
    assert approved.run("device", "--uuid", "u1").status == 0
    assert approved.run("renew", "u1").status == 0
    approved.started.unlink()
    (approved.procedure / "device.sh").write_text("rm -rf /\n")
    approved.refused("renew", "u1")
    approved.refused("renew", "--expiring", "3")
    assert len(kept(project)) == 1


def test_a_sealed_renewal(project: Path, tmp_path: Path) -> None:
    """Its record is sealed as any other."""
    kind = ["-newkey", "rsa:2048", "-nodes", "-subj", "/CN=sealer", "-days", "2"]
    openssl("req", "-x509", *kind, "-keyout", "seal.key", "-out", "seal.crt", cwd=tmp_path)
    made(project, "device", "--uuid", "u1")
    made(project, "renew", "u1", "--seal", str(tmp_path / "seal.crt"), str(tmp_path / "seal.key"))
    (*_, last) = sorted((project / "myservername" / "records").glob("*/statement.json.p7s"))
    assert last.stat().st_size > 0


def test_two_at_once(project: Path, devices: Path, tmp_path: Path, real_openssl: str) -> None:
    """The first to be ready renews the device; the other says that it was changed, and changes nothing."""
    made(project, "device", "--uuid", "u1")
    at, go = tmp_path / "at", tmp_path / "go"
    lines = f'[ "$1 $2" = "x509 -req" ] && {{ touch {at}; {waiting_for(go)}; }}'
    program = program_that(tmp_path / "openssl", real_openssl, lines)
    with started("renew", "u1", "--openssl", str(program), cwd=project) as slow:
        until(at.exists, slow)
        made(project, "renew", "u1", "--new-key")
        between = tree(devices / "u1")
        go.touch()
        ran = ended(slow)
    assert (ran.status, len(ran.error_lines)) == (4, 1), ran.err
    assert "device 'u1' was changed meanwhile: '" in ran.err
    assert tree(devices / "u1") == between
    assert len(kept(project)) == 1
    assert {path.name for path in (devices.parent / "previous").iterdir()} == {"u1"}
    holds(project, "u1")


def test_a_device_of_a_run_that_goes_on(project: Path, devices: Path, tmp_path: Path, real_openssl: str) -> None:
    """It is renewed only once that run's record is closed: records would tell the certificates in the wrong order."""
    at, go = tmp_path / "at", tmp_path / "go"
    lines = f'[ "$1 $DEVICE_UUID" = "ecparam d2" ] && {{ touch {at}; {waiting_for(go)}; }}'
    program = program_that(tmp_path / "openssl", real_openssl, lines)
    (project / "ids").write_text("d1\nd2\n")
    with started("fleet", "--ids", "ids", "-j", "1", "--openssl", str(program), cwd=project) as fleet:
        until(at.exists, fleet)
        before = tree(devices / "d1")
        ran = run("renew", "d1", cwd=project)
        assert (ran.status, len(ran.error_lines)) == (4, 1), ran.err
        assert "device 'd1' was made or found by a run whose record is not closed yet" in ran.err
        assert tree(devices / "d1") == before
        go.touch()
        assert ended(fleet).status == 0
    made(project, "renew", "d1", "d2")
    holds(project, "d1", "d2")


@pytest.mark.parametrize("name", ["INT", "TERM"])
def test_a_signal(project: Path, devices: Path, tmp_path: Path, real_openssl: str, name: str) -> None:
    """An interrupted renewal changes nothing."""
    made(project, "device", "--uuid", "u1")
    before = tree(project)
    at = tmp_path / "at"
    lines = f'[ "$1" = verify ] && {{ touch {at}; {waiting_for(tmp_path / "never")}; }}'
    program = program_that(tmp_path / "openssl", real_openssl, lines)
    with started("renew", "u1", "--openssl", str(program), cwd=project) as process:
        until(at.exists, process)
        process.send_signal(getattr(signal, f"SIG{name}"))
        ran = ended(process)
    assert ran.status == 130, ran.err
    after = tree(project)
    assert after.pop("myservername/devices/ca.srl") != before.pop("myservername/devices/ca.srl")
    assert after == before
    holds(project, "u1")


def test_a_certificate_that_is_not_proven(project: Path, devices: Path, tmp_path: Path, real_openssl: str) -> None:
    """What openssl verify refuses takes no place."""
    made(project, "device", "--uuid", "u1")
    before = tree(devices)
    lines = '[ "$1" = verify ] && { echo "error 7 at 0 depth lookup: certificate signature failure"; exit 2; }'
    program = program_that(tmp_path / "openssl", real_openssl, lines)
    ran = run("renew", "u1", "--openssl", str(program), cwd=project)
    assert ran.status == 1, ran.err
    assert "openssl verify refuses the new 'client.pem': certificate signature failure" in ran.err
    before.pop("ca.srl")
    assert {name: what for name, what in tree(devices).items() if name != "ca.srl"} == before
    assert not kept(project)
    holds(project, "u1")


_FAILING = """
from otaopenssl import previous
from pathlib import Path
def failing(number, real):
    left = [number]
    def call(*given):
        left[0] -= 1
        if left[0] == 0:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(given[0]))
        return real(*given)
    return call
"""


@pytest.mark.parametrize("exchanges", [True, False], ids=["exchange", "two-renames"])
@pytest.mark.parametrize("call", ["exchange", "sync", "rename"])
@pytest.mark.parametrize("number", range(1, 5))
def test_a_call_that_fails(project: Path, devices: Path, exchanges: bool, call: str, number: int) -> None:
    """Whatever the file system refuses, the device is whole, the old one or the new one, and the record is true."""
    made(project, "device", "--uuid", "u1")
    (devices / "u1" / "root.crt").write_bytes((devices / "ca.crt").read_bytes())
    before = tree(devices / "u1")
    broken = {
        "exchange": f"previous.exchange = failing({number}, previous.exchange)",
        "sync": f"previous.sync_file = failing({number}, previous.sync_file)",
        "rename": f"Path.rename = failing({number}, Path.rename)",
    }
    other = "" if exchanges else "previous.exchange = lambda one, other: False\n"
    ran = in_process(project, f"{_FAILING}{other}{broken[call]}", "renew", "u1")
    assert "Traceback" not in ran.stderr, ran.stderr
    assert ran.returncode in (0, 4), ran.stderr
    whole(devices)
    is_new = tree(devices / "u1") != before
    assert is_new or ran.returncode == 4
    old = [path for path in (devices.parent / "previous").rglob("*") if path.name == "pkey.pem"]
    assert bool(old) is is_new
    assert run("audit", cwd=project).status == 0
    made(project, "renew", "u1")
    whole(devices)
    assert tree(kept(project)[0]) == before
    assert len(kept(project)) == (2 if is_new else 1)
    holds(project, "u1")


def test_full_disk(project: Path) -> None:
    """However few blocks are left, the device is there, whole, and with space it is renewed."""
    made(project, "device", "--uuid", "u1")
    script = f"""
mount -t tmpfs -o size=300k tmpfs "$2"
cp -a "$1/." "$2"
cd "$2"
for left in 0 1 2 3 4 5 6 7 8 10 12 14 16 20 24; do
  rm -f filler
  head -c 1m /dev/zero > filler 2>/dev/null || true
  truncate -s -$((left * 4096)) filler
  status=0; {cli()} renew u1 2>/dev/shm/said.$$ || status=$?
  cat /dev/shm/said.$$ >&2; rm /dev/shm/said.$$
  rm filler
  echo "status $status $(ls myservername/previous/u1 2>/dev/null | wc -l)"
  openssl verify -purpose sslclient -CAfile myservername/devices/ca.crt myservername/devices/u1/client.pem
  cmp <(openssl pkey -in myservername/devices/u1/pkey.pem -pubout) \\
    <(openssl x509 -in myservername/devices/u1/client.pem -noout -pubkey)
  [ "$status" != 0 ] || break
done
{cli()} audit >&2
"""
    mount = project.parent / "mount"
    mount.mkdir()
    ran = in_namespace(script, str(project), str(mount))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "Traceback" not in ran.stderr
    statuses = [line.split()[1:] for line in ran.stdout.splitlines() if line.startswith("status ")]
    assert statuses[-1][0] == "0", ran.stdout + ran.stderr
    assert len(statuses) > 1
    # Where the record alone finds no space the device is renewed, and the next run closes it.
    assert all(status in ("1", "4") for status, _ in statuses[:-1]), statuses
    assert statuses[0][1] == "0"


def test_everything_is_on_the_disk_before_the_exchange(project: Path, devices: Path) -> None:
    """Each file, carried over or made, is synced before the new device takes the place; the directories after it."""
    made(project, "device", "--uuid", "u1")
    (devices / "u1" / "root.crt").write_bytes((devices / "ca.crt").read_bytes())
    log = project.parent / "log"
    preparation = f"""
from otaopenssl import previous
log = open({str(log)!r}, "w")
real_fsync, real_exchange = os.fsync, previous.exchange
def fsync(descriptor):
    log.write("sync " + os.readlink(f"/proc/self/fd/{{descriptor}}") + "\\n")
    real_fsync(descriptor)
def exchange(one, other):
    log.write(f"exchange {{other}}\\n")
    return real_exchange(one, other)
os.fsync, previous.exchange = fsync, exchange
"""
    ran = in_process(project, preparation, "renew", "u1")
    assert ran.returncode == 0, ran.stderr
    lines = log.read_text().splitlines()
    at = lines.index(f"exchange {devices / 'u1'}")
    synced = {Path(line.removeprefix("sync ")).name for line in lines[:at] if ".otaopenssl/run-" in line}
    assert {*tree(devices / "u1"), "u1"} <= synced
    after = [line.removeprefix("sync ") for line in lines[at:]]
    previous = devices.parent / "previous"
    assert after[1:5] == [str(devices), str(previous / ".renewing"), str(previous / "u1"), str(previous / ".renewing")]
