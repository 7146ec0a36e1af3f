"""A fleet: which devices it makes, by which commands, with which serial numbers, and what it says of them."""

import csv
import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.conftest import openssl, run
from tests.fleets import failing, last_serial, names, there, whole, write_ids
from tests.test_guide import logged

# What the guide's text runs for one device, and what is asked before the first one.
SIX = sorted([("ecparam",), ("ec",), ("pkcs8",), ("req",), ("x509", "-req"), ("x509", "-in")])
QUESTIONS = sorted([("version",), ("x509", "-in"), ("pkey", "-in")])


def fingerprint(certificate: Path) -> str:
    printed = openssl("x509", "-in", str(certificate), "-noout", "-fingerprint", "-sha256", cwd=certificate.parent)
    return printed.partition("=")[2].strip().replace(":", "").lower()


@pytest.mark.real
def test_a_fleet_of_drawn_uuids(project: Path, devices: Path) -> None:
    """So many devices with random UUIDs are made, all whole, and the plan file lists exactly them."""
    made = run("fleet", "--count", "9", cwd=project)
    assert (made.status, made.out) == (0, "./myservername/devices\n"), made.err
    found = whole(devices)
    assert len(found) == 9
    assert all(re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", n) for n in found)
    (plan,) = (project / "myservername").glob("fleet-*.ids")
    assert re.search(r"^fleet of 9 devices: 9 made, [0-9.]+ a second$", made.err, re.MULTILINE)
    assert f"  its UUIDs: ./myservername/{plan.name}\n" in made.err
    head, *lines = plan.read_text().splitlines()
    assert re.fullmatch(r"# 9 device UUIDs, drawn [0-9-]{10} [0-9:]{8} UTC by 'otaopenssl fleet --count'", head)
    assert sorted(lines) == sorted(found)
    again = run("fleet", "--ids", f"myservername/{plan.name}", cwd=project)
    assert (again.status, again.err) == (0, "fleet of 9 devices: 0 made, 9 there already\n")
    assert whole(devices) == found


def test_a_fleet_of_a_list(project: Path, devices: Path) -> None:
    """A CSV names the devices and their device IDs; no plan is written, for the list is one."""
    (project / "vins.csv").write_text("uuid,device_id\nv1,id-1\nv2,\n")
    made = run("fleet", "--ids", "vins.csv", "--jobs", "1", cwd=project)
    assert made.status == 0, made.err
    assert sorted(whole(devices)) == ["v1", "v2"]
    expected = {"pkey.ec.pem", "pkey.pem", "client.pem"}
    assert {path.name for path in (devices / "v1").iterdir()} == {*expected, "id-1.csr", "id-1.chain.pem"}
    assert {path.name for path in (devices / "v2").iterdir()} == {*expected, "v2.csr", "v2.chain.pem"}
    assert not list((project / "myservername").glob("*.ids"))


def test_a_list_on_standard_input(project: Path, devices: Path) -> None:
    """``--ids -`` reads the list from standard input."""
    command = [sys.executable, "-m", "otaopenssl", "fleet", "--ids", "-"]
    made = subprocess.run(command, cwd=project, input="a\nb # spare\n", check=False, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    assert sorted(whole(devices)) == ["a", "b"]


@pytest.mark.real
def test_six_processes_a_device(project: Path, logging_openssl: tuple[Path, Path]) -> None:
    """Per device the six of the text run and no other; what else is asked is asked once."""
    program, log = logging_openssl
    write_ids(project / "ids", names(5))
    assert run("fleet", "--ids", "ids", "--openssl", str(program), cwd=project).status == 0
    seen = [(argv[0], argv[1]) if argv[0] == "x509" else (argv[0],) for argv, _ in read_log(log)]
    counted = sorted((*one, "-in") if one == ("pkey",) else one for one in seen)
    assert counted == sorted(SIX * 5 + QUESTIONS)
    by_device = [environment.get("DEVICE_UUID") for _, environment in read_log(log)]
    assert {uuid: by_device.count(uuid) for uuid in names(5)} == dict.fromkeys(names(5), 6)
    assert by_device.count(None) == 3
    log.unlink()
    assert run("fleet", "--ids", "ids", "--openssl", str(program), cwd=project).status == 0
    # Those that are there are verified by one process for all.
    assert [argv[0] for argv, _ in read_log(log)] == ["version", "x509", "pkey", "verify"]


def read_log(log: Path) -> list[tuple[list[str], dict[str, str]]]:
    """The argv after ``openssl`` and the environment of each process that was logged."""
    added = ("PWD", "SHLVL", "OLDPWD", "_")  # by the logging program's bash
    environments = [
        {name: value for name, _, value in (pair.partition("=") for pair in pairs) if name not in added}
        for pairs in logged(log, "env")
    ]
    return list(zip(logged(log, "argv"), environments, strict=True))


def test_a_fleet_is_the_same_as_devices_alone(project: Path, devices: Path, logging_openssl: tuple[Path, Path]) -> None:
    """The commands of a device of a fleet and their environment are those of ``otaopenssl device``, to the byte."""
    program, log = logging_openssl
    (project / "ids.csv").write_text("uuid,device_id\nu1,i1\n")
    assert run("fleet", "--ids", "ids.csv", "--openssl", str(program), cwd=project).status == 0
    in_fleet = sorted(str(one) for one in read_log(log)[3:])
    log.unlink()
    (devices / "u1").rename(project / "u1")
    device = ["device", "--uuid", "u1", "--device-id", "i1", "--openssl", str(program)]
    assert run(*device, cwd=project).status == 0
    alone = sorted(str(one) for one in read_log(log)[3:])
    assert len(in_fleet) == 6
    assert in_fleet == alone
    assert names_and_modes(devices / "u1") == names_and_modes(project / "u1")


def names_and_modes(directory: Path) -> dict[str, int]:
    return {path.name: path.lstat().st_mode for path in directory.iterdir()}


@pytest.mark.real
def test_serials_go_on_from_ca_srl(project: Path, devices: Path) -> None:
    """A fleet uses exactly the numbers after the one in ca.srl, and leaves the last one there."""
    (devices / "ca.srl").write_text("0FFE\n")
    (devices / "ca.srl").chmod(0o640)
    assert run("fleet", "--count", "7", "--jobs", "3", cwd=project).status == 0
    assert sorted(whole(devices).values()) == list(range(0x0FFF, 0x0FFF + 7))
    assert (devices / "ca.srl").read_text() == "1005\n"
    assert (devices / "ca.srl").stat().st_mode & 0o777 == 0o640


def test_a_first_serial_is_random(project: Path, devices: Path) -> None:
    """Without a ca.srl a fleet begins at a random number of more than 64 bits, and takes the ones after it."""
    seen = []
    for round_number in range(2):
        write_ids(project / "ids", names(3, f"r{round_number}-"))
        assert run("fleet", "--ids", "ids", cwd=project).status == 0
        mine = sorted(serial for name, serial in whole(devices).items() if name.startswith(f"r{round_number}-"))
        assert mine == list(range(mine[0], mine[0] + 3))
        assert 64 < mine[0].bit_length() <= 159
        assert last_serial(devices) == mine[-1]
        seen.append(mine[0])
        (devices / "ca.srl").unlink()
    assert abs(seen[0] - seen[1]) > 2**64


@pytest.mark.real
def test_the_last_serials_of_a_ca(project: Path, devices: Path) -> None:
    """The largest number of 20 bytes is used; one device more than there are numbers is refused at once."""
    largest = (1 << 159) - 1
    (devices / "ca.srl").write_text(f"{largest - 3:040X}\n")
    refused = run("fleet", "--count", "4", cwd=project)
    assert (refused.status, len(refused.error_lines)) == (4, 1)
    assert "has 3 of the serial numbers left" in refused.err
    assert there(devices) == set()
    assert run("fleet", "--count", "3", cwd=project).status == 0
    assert sorted(whole(devices).values()) == [largest - 2, largest - 1, largest]
    assert (devices / "ca.srl").read_text() == f"{largest:040X}\n"


@pytest.mark.real
def test_a_document_for_programs(project: Path, devices: Path, tmp_path: Path, real_openssl: str) -> None:
    """``--json`` prints one document whose numbers add up, with each failure and its reason."""
    assert run("device", "--uuid", "d001", cwd=project).status == 0
    write_ids(project / "ids", names(5))
    program = failing(tmp_path / "openssl", real_openssl, ["d003"])
    ran = run("fleet", "--ids", "ids", "--json", "-j", "2", "--openssl", str(program), cwd=project)
    assert ran.status == 5, ran.err
    document = json.loads(ran.out)
    assert {key: document[key] for key in ("devices", "made", "there_already", "failed", "not_tried", "jobs")} == {
        "devices": 5,
        "made": 3,
        "there_already": 1,
        "failed": 1,
        "not_tried": 0,
        "jobs": 2,
    }
    (failure,) = document["failures"]
    assert (failure["uuid"], failure["device_id"]) == ("d003", "d003")
    assert "step 'req -new' ended with exit status 7: no luck" in failure["reason"]
    assert (document["directory"], document["plan"], document["stopped"]) == ("./myservername/devices", None, None)
    assert document["is_interrupted"] is False
    assert document["seconds"] > 0
    assert len(whole(devices)) == 4


@pytest.mark.parametrize("place", ["issued.csv", "-"])
def test_a_list_of_what_was_issued(project: Path, devices: Path, place: str) -> None:
    """``--out`` lists every device that is whole, also those that were there, with what openssl says of them."""
    assert run("device", "--uuid", "d001", cwd=project).status == 0
    (project / "ids.csv").write_text("uuid,device_id\nd000,x0\nd001,d001\nd002,x2\n")
    ran = run("fleet", "--ids", "ids.csv", "--out", place, cwd=project)
    assert ran.status == 0, ran.err
    text = ran.out if place == "-" else (project / place).read_text()
    assert ran.out == (text if place == "-" else "./myservername/devices\n")
    header, *rows = csv.reader(text.splitlines())
    assert header == ["uuid", "device_id", "serial", "not_after", "sha256", "directory"]
    serials = whole(devices)
    assert sorted(row[:2] for row in rows) == [["d000", "x0"], ["d001", "d001"], ["d002", "x2"]]
    for uuid, _, serial, not_after, sha256, directory in rows:
        assert int(serial, 16) == serials[uuid]
        assert directory == f"./myservername/devices/{uuid}"
        assert sha256 == fingerprint(devices / uuid / "client.pem")
        end = openssl("x509", "-in", f"{uuid}/client.pem", "-noout", "-enddate", cwd=devices).strip()
        parsed = datetime.strptime(end, "notAfter=%b %d %H:%M:%S %Y GMT").replace(tzinfo=UTC)
        assert datetime.fromisoformat(not_after) == parsed


def test_a_linked_server_ca_is_in_every_device(project: Path, devices: Path) -> None:
    """Where there is a server_ca.pem each device links to it, as a device alone does."""
    (devices.parent / "server_ca.pem").write_text("a certificate\n")
    assert run("fleet", "--count", "2", cwd=project).status == 0
    for name in there(devices):
        assert (devices / name / "ca.pem").readlink() == devices.parent / "server_ca.pem"
    assert len(whole(devices)) == 2
