"""verify: what a device has to do with others: ca.crt, other devices, records, links, and an openssl that fails."""

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.conftest import openssl, run, write_program
from tests.faults import Device, another_ca, expired_root
from tests.test_verify import verified_json


@pytest.fixture
def u1(project: Path, devices: Path, tmp_path: Path) -> Device:
    """A device without records."""
    made = run("device", "--uuid", "u1", cwd=project)
    assert made.status == 0, made.err
    shutil.rmtree(project / "myservername" / "records")
    return Device(devices / "u1", tmp_path)


@pytest.mark.real
def test_a_ca_of_tomorrow(project: Path, devices: Path, u1: Device, tmp_path: Path) -> None:
    """A CA that is not valid yet is told of ca.crt."""
    expired_root(devices / "ca.crt", tmp_path, start="20480101000000Z", end="20490101000000Z")
    u1.sign()
    assert verified_json(project, "u1") == {"ca.crt": {"ca-not-yet-valid"}}


@pytest.mark.real
def test_the_end_of_a_root_above(project: Path, devices: Path, u1: Device, tmp_path: Path) -> None:
    """A device ends with the root above its CA, however long that lasts; of a renewed one the later end counts."""
    another_ca(devices, "top", "-days", "30")
    (tmp_path / "ca.ext").write_text("basicConstraints = critical, CA:TRUE\n")
    openssl("req", "-new", "-key", "ca.key", "-subj", "/CN=ota-devices-CA", "-out", "ca.csr", cwd=devices)
    words = ["-CA", "top.crt", "-CAkey", "top.key", "-set_serial", "7", "-extfile", str(tmp_path / "ca.ext")]
    openssl("x509", "-req", "-in", "ca.csr", *words, "-days", "3000", "-out", "ca.crt", cwd=devices)
    u1.sign(end="20280101000000Z")
    joined = (devices / "ca.crt").read_bytes() + (devices / "top.crt").read_bytes()
    (devices / "ca.crt").write_bytes(joined)
    u1.join()
    assert verified_json(project, "u1") == {"u1": {"outlives-ca"}}
    renewed = ["req", "-new", "-x509", "-key", "top.key", "-subj", "/CN=other-CA", "-days", "3000", "-out", "new.crt"]
    openssl(*renewed, cwd=devices)
    (devices / "ca.crt").write_bytes(joined + (devices / "new.crt").read_bytes())
    u1.join()
    assert verified_json(project, "u1", status=0) == {}


def test_the_other_ca_in_ca_crt(project: Path, devices: Path, u1: Device) -> None:
    """A device that outlives its own CA does, though another in ca.crt lasts longer."""
    ca_crt = devices / "ca.crt"
    own = ca_crt.read_bytes()
    another_ca(devices, "other", "-days", "7000")
    both = (devices / "other.crt").read_bytes() + own
    for end, status, expected in (("20300101000000Z", 0, {}), ("20400101000000Z", 1, {"u1": {"outlives-ca"}})):
        ca_crt.write_bytes(own)
        u1.sign(end=end)
        ca_crt.write_bytes(both)
        u1.join()
        assert verified_json(project, "u1", status=status) == expected


def test_a_serial_number_of_ca_crt(project: Path, devices: Path, u1: Device) -> None:
    """A root's own is one that no device may have."""
    serial = openssl("x509", "-in", "ca.crt", "-noout", "-serial", cwd=devices)[7:-1]
    u1.sign(serial=serial)
    ran = run("verify", "u1", cwd=project)
    assert re.search(
        f"^u1 +fault +serial-duplicate +its serial number {serial} is also that of ca.crt$", ran.out, re.MULTILINE
    )


def test_several_that_share(project: Path, devices: Path, u1: Device) -> None:
    """One of the others is named, and that there are more."""
    for name in ("u2", "u3"):
        shutil.copytree(u1.path, devices / name)
    ran = run("verify", "u1", cwd=project)
    assert re.search("^u1 +fault +key-shared +its key is also that of u2 and others$", ran.out, re.MULTILINE)


def test_a_device_elsewhere_is_compared_too(project: Path, devices: Path, u1: Device, tmp_path: Path) -> None:
    """A directory outside has its key compared with those of the devices, though no two of those share one."""
    shutil.copytree(u1.path, devices / "u9")
    for path in list((devices / "u9").glob("u1.*")):
        path.rename(path.with_name(path.name.replace("u1", "u9")))
    device = Device(devices / "u9", tmp_path)
    device["csr"].write_bytes(Path(device.request("/CN=u9")).read_bytes())
    device.sign()
    (devices / "u9").rename(project / "u9")
    assert verified_json(project, "./u9") == {"u9": {"key-shared"}}
    assert verified_json(project, "--all", status=0) == {}


def test_a_device_that_was_made_again(project: Path, devices: Path) -> None:
    """What was made last is what was recorded, in the order of the chain, whatever the names of records are."""
    for number in range(4):
        assert run("device", "--uuid", "u1", cwd=project).status == 0
        assert verified_json(project, "u1", status=0) == {}
        (devices / "u1").rename(project / f"old-{number}")
    (project / "old-2").rename(devices / "u1")
    assert verified_json(project, "u1") == {"u1": {"recorded-other"}}
    records = project / "myservername" / "records"
    last = (records / "SHA256SUMS").read_text().split()[-1].partition("/")[0]
    # The last one of the chain under the first name there can be.
    (records / last).rename(records / "20000101T000000Z-0123456789ab")
    sums = (records / "SHA256SUMS").read_text()
    (records / "SHA256SUMS").write_text(sums.replace(last, "20000101T000000Z-0123456789ab"))
    assert verified_json(project, "u1") == {"u1": {"recorded-other"}}


def test_a_failed_device_in_a_record(project: Path, devices: Path) -> None:
    """A line without a certificate tells of none; without the list of records their lines are read all the same."""
    (devices / "u2").mkdir()
    (project / "ids").write_text("u1\nu2\n")
    assert run("fleet", "--ids", "ids", cwd=project).status == 5
    (devices / "u2").rmdir()
    assert verified_json(project, "--all", status=0) == {}
    (project / "myservername" / "records" / "SHA256SUMS").unlink()
    assert verified_json(project, "--all", status=0) == {}


@pytest.mark.parametrize(
    "line", ['{"uuid":["u1"],"result":"made","certificate_sha256":"00"}', "[]", "x", '{"uuid":{}}']
)
def test_a_line_that_is_none(project: Path, line: str) -> None:
    """Whatever stands in a record, it is told, and nothing breaks down."""
    assert run("device", "--uuid", "u1", cwd=project).status == 0
    lines = max((project / "myservername" / "records").glob("*/devices.jsonl"))
    lines.write_text(f"{line}\n")
    assert verified_json(project, "u1")["records/"] == {"not-verified"}


@pytest.mark.parametrize("subcommand", ["verify", "x509", "req", "pkey"])
def test_an_openssl_that_floods(project: Path, u1: Device, tmp_path: Path, real_openssl: str, subcommand: str) -> None:
    """What was not answered was not verified, and the other devices are."""
    assert run("device", "--uuid", "u2", cwd=project).status == 0
    shutil.rmtree(project / "myservername" / "records")
    flood = f'[ "$1" = {subcommand} ] && [[ "$*" == *u1/* ]] && exec head -c 2000000 /dev/zero'
    program = write_program(tmp_path / "flooding", f'#!/bin/bash\n{flood}\nexec {real_openssl} "$@"\n')
    assert verified_json(project, "--all", "--openssl", str(program)) == {"u1": {"not-verified"}}


def test_links_that_lead_nowhere(project: Path, devices: Path, u1: Device) -> None:
    """A loop, and a link through a file, among the devices are told; the others are verified and listed."""
    (devices / "loop").symlink_to("loop")
    (devices / "through").symlink_to("/etc/passwd/x")
    assert verified_json(project, "--all") == {"loop": {"directory-kind"}, "through": {"directory-kind"}}
    listed = json.loads(run("list", "--json", cwd=project).out)["devices"]
    states = [("loop", "no certificate"), ("through", "no certificate"), ("u1", "valid")]
    assert [(one["uuid"], one["state"]) for one in listed] == states


def test_names_among_the_devices(project: Path, devices: Path, u1: Device) -> None:
    """What a file system or a person keeps hidden there is no device with a wrong name."""
    for name in ("lost+found", ".hidden", "a b"):
        (devices / name).mkdir()
    (devices / "b c").symlink_to("u1")
    assert verified_json(project, "--all") == {"a b": {"directory-name"}}
    ran = run("verify", "--all", cwd=project)
    assert "1 device verified, 0 of them faulty: 1 fault" in ran.err


def test_warnings_are_counted_by_device(project: Path, devices: Path, u1: Device) -> None:
    """With --all each kind of warning is counted once a device; faults that are accepted are printed."""
    assert run("device", "--uuid", "u2", cwd=project).status == 0
    for name in ("pkey.pem", "pkey.ec.pem"):
        u1[name].chmod(0o640)
    shutil.rmtree(project / "myservername" / "records")
    ran = run("verify", "--all", "--accept", "key-mode", cwd=project)
    assert ran.status == 0
    assert [line.split()[:3] for line in ran.out.splitlines()] == [["u1", "accepted", "key-mode"]] * 2
    assert "root-crt-missing: 2 of 2 devices: " in ran.err
    assert "key-mode" not in ran.err


def test_accepting_is_no_leave_to_be_refused(project: Path, u1: Device) -> None:
    """That a gateway refuses a device counts, whatever of what makes it do so is accepted."""
    u1.sign(extensions="keyUsage=critical, digitalSignature\nextendedKeyUsage=critical, serverAuth")
    ran = run("verify", "u1", "--accept", "extended-key-usage", cwd=project)
    assert ran.status == 1
    assert re.search("^u1 +fault +purpose +", ran.out, re.MULTILINE)


def test_a_joined_part_from_elsewhere(project: Path, devices: Path) -> None:
    """A text may join what is not the device's and not ca.crt: that is read as well."""
    assert run("procedure", "export", "ota-connect-2019.7", "own", cwd=project).status == 0
    text = project / "own" / "device.sh"
    text.write_text(text.read_text().replace('"${DEVICES_DIR}/ca.crt" >', '"${SERVER_DIR}/more.pem" >'))
    (project / "myservername" / "more.pem").write_bytes((devices / "ca.crt").read_bytes())
    made = run("device", "--uuid", "u1", "--procedure", "own", cwd=project)
    assert made.status == 0, made.err
    assert verified_json(project, "u1", "--procedure", "own", status=0) == {}
    (devices / "u1" / "u1.chain.pem").write_bytes((devices / "ca.crt").read_bytes() * 2)
    assert verified_json(project, "u1", "--procedure", "own") == {"u1": {"chain-other"}}
    (project / "myservername" / "more.pem").unlink()
    assert verified_json(project, "u1", "--procedure", "own") == {"u1": {"not-verified"}}
