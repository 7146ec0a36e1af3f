"""list: the devices as they are on the disk, quickly, and never as an index says."""

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from otaopenssl import device_index
from otaopenssl.device_files import Naming, naming_of
from otaopenssl.digest import sha256
from otaopenssl.ids import DeviceID, ServerName
from otaopenssl.layout import Server
from otaopenssl.stock import Stocked, read_device
from otaopenssl.texts import DEFAULT_PROCEDURE, find_procedure
from tests.conftest import openssl, run
from tests.faults import Device

NAMING = naming_of(find_procedure(DEFAULT_PROCEDURE, Path("/")).text("device.sh"))


def at(days: float) -> str:
    """The moment so many days from now, as openssl ca takes it."""
    return f"{datetime.now(UTC) + timedelta(days=days):%Y%m%d%H%M%SZ}"


@pytest.fixture
def fleet(project: Path, devices: Path, tmp_path: Path) -> Path:
    """A project of devices whose certificates end at different times, one of them without one."""
    ids = "uuid,device_id\nb-10-days,\na-100-days,VIN-1\nc-gone,\nd-none,\ne-future,\n"
    (project / "ids.csv").write_text(ids)
    made = run("fleet", "--ids", "ids.csv", cwd=project)
    assert made.status == 0, made.err
    Device(devices / "b-10-days", tmp_path).sign(end=at(10.5))
    Device(devices / "c-gone", tmp_path).sign(start="20200101000000Z", end=at(-2.5))
    Device(devices / "e-future", tmp_path).sign(start=at(3))
    # The one with a device ID.
    device = Device(devices / "a-100-days", tmp_path)
    device.sign(end=at(100.5), csr=str(devices / "a-100-days" / "VIN-1.csr"))
    device["chain"].rename(devices / "a-100-days" / "VIN-1.chain.pem")
    (devices / "d-none" / "client.pem").unlink()
    (devices / "notes.txt").write_text("a file")
    (devices / "not a name").mkdir()
    return project


def listed(project: Path, *arguments: str) -> list[dict[str, Any]]:
    ran = run("list", "--json", *arguments, cwd=project)
    found: list[dict[str, Any]] = json.loads(ran.out)["devices"]
    return found


@pytest.mark.real
def test_the_facts_are_openssls(fleet: Path) -> None:
    """Serial number, dates and digest of each device are those that openssl prints; files tell the device ID."""
    devices = listed(fleet)
    assert [one["uuid"] for one in devices] == ["a-100-days", "b-10-days", "c-gone", "d-none", "e-future"]
    assert [one["device_id"] for one in devices] == ["VIN-1", "b-10-days", "c-gone", "d-none", "e-future"]
    assert [one["state"] for one in devices] == ["valid", "valid", "expired", "no certificate", "not yet valid"]
    assert [one["days_left"] for one in devices[:4]] == [100, 10, -2, None]
    assert (devices[3]["serial"], devices[3]["fault"]) == (None, "client.pem is missing")
    for one in devices:
        if one["serial"]:
            words = ["x509", "-in", "client.pem", "-noout", "-serial", "-enddate", "-fingerprint", "-sha256"]
            printed = openssl(*words, cwd=fleet / "myservername" / "devices" / one["uuid"])
            serial, end, digest = printed.splitlines()
            assert serial == f"serial={one['serial']}"
            moment = datetime.fromisoformat(one["not_after"])
            assert end == f"notAfter={moment:%b} {moment.day:>2} {moment:%H:%M:%S %Y} GMT"
            assert digest.partition("=")[2].replace(":", "").lower() == one["sha256"]


def test_the_table(fleet: Path) -> None:
    """People get a head and a line for each device, with the time in UTC and the days that are left."""
    ran = run("list", cwd=fleet)
    assert ran.status == 0
    head, *lines = ran.out.splitlines()
    assert re.split(r"  +", head) == ["uuid", "device ID", "serial number", "not after", "days left", "state"]
    assert len(lines) == 5
    assert re.fullmatch(r"b-10-days +b-10-days +[0-9A-F]{32} +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC +10 +valid", lines[1])
    assert re.fullmatch(r"d-none +d-none +client\.pem is missing", lines[3])
    assert "1 device has no certificate that can be read" in ran.err


def test_csv(fleet: Path) -> None:
    """Programs without JSON get a head and the same facts."""
    rows = list(csv.DictReader(io.StringIO(run("list", "--csv", cwd=fleet).out)))
    facts = [{key: "" if value is None else str(value) for key, value in one.items()} for one in listed(fleet)]
    assert rows == [{key: one[key] for key in rows[0]} for one in facts]
    assert list(rows[0]) == ["uuid", "device_id", "serial", "not_after", "days_left", "state", "sha256"]


@pytest.mark.parametrize(
    ("arguments", "status", "uuids"),
    [
        (("--expiring", "0"), 1, ["c-gone", "d-none"]),
        (("--expiring", "10"), 1, ["c-gone", "d-none"]),
        (("--expiring", "11"), 1, ["c-gone", "b-10-days", "d-none"]),
        (("--expiring", "101"), 1, ["c-gone", "b-10-days", "a-100-days", "d-none"]),
        (("--expired",), 0, ["c-gone"]),
    ],
)
def test_what_expires(fleet: Path, arguments: tuple[str, ...], status: int, uuids: list[str]) -> None:
    """What expires first stands first, what cannot be told last; for cron the status tells of both."""
    for form in ("--json", "--csv"):
        ran = run("list", form, *arguments, cwd=fleet)
        assert ran.status == status
        if form == "--json":
            assert [one["uuid"] for one in json.loads(ran.out)["devices"]] == uuids
    if status == 1:
        quantity = "1 device expires" if len(uuids) == 2 else f"{len(uuids) - 1} devices expire"
        assert f"error: {quantity} within" in ran.err
    assert "1 device has no certificate that can be read" in ran.err


def test_nothing_expires(fleet: Path) -> None:
    """Where nothing does, nothing is printed, and the status is 0."""
    for name in ("c-gone", "d-none"):
        shutil.rmtree(fleet / "myservername" / "devices" / name)
    assert run("list", "--expiring", "5", cwd=fleet) == (0, "", "")


def test_cron_is_not_blind(fleet: Path) -> None:
    """A device that cannot be read, a linked one and a fleet root CA that expires end with status 1 as well."""
    devices = fleet / "myservername" / "devices"
    shutil.rmtree(devices / "c-gone")
    ran = run("list", "--expiring", "5", cwd=fleet)
    assert (ran.status, ran.out.splitlines()[1].split()) == (1, ["d-none", "d-none", "client.pem", "is", "missing"])
    assert "error: 1 device has no certificate that can be read" in ran.err
    shutil.rmtree(devices / "d-none")
    (devices / "elsewhere").symlink_to("/nowhere")
    ran = run("list", "--expiring", "5", cwd=fleet)
    assert ran.status == 1
    assert re.search("^elsewhere +it is a link, expected a directory$", ran.out, re.MULTILINE)
    (devices / "elsewhere").unlink()
    ran = run("list", "--expiring", "3800", cwd=fleet)
    assert ran.status == 1
    assert "ca.crt expires on " in ran.err
    damaged = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"
    (devices / "ca.crt").write_text(damaged + (devices / "ca.crt").read_text())
    assert "ca.crt expires on " in run("list", "--expiring", "3800", cwd=fleet).err
    for damage in (lambda path: path.write_text(damaged), Path.unlink):
        damage(devices / "ca.crt")
        ran = run("list", "--expiring", "5", cwd=fleet)
        assert (ran.status, ran.out) == (1, "")
        assert "error: ca.crt cannot be read: " in ran.err


@pytest.mark.parametrize("content", [b"", b"\0\1", b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"])
def test_what_is_no_certificate(fleet: Path, content: bytes) -> None:
    """Whatever client.pem holds, the device is listed as one without a certificate; a key is none."""
    device = fleet / "myservername" / "devices" / "b-10-days"
    for held in (content, (device / "pkey.pem").read_bytes()):
        (device / "client.pem").write_bytes(held)
        found = listed(fleet)[1]
        assert (found["state"], found["fault"]) == ("no certificate", "client.pem is no certificate")


@pytest.mark.parametrize("name", ["\x1b[31mX", "=cmd", "\udcff", "a b"])
def test_a_name_that_is_no_device_id(fleet: Path, name: str) -> None:
    """What no device ID can be is none, whatever file is named so; it reaches neither a terminal nor a spreadsheet."""
    device = fleet / "myservername" / "devices" / "b-10-days"
    for suffix in (".csr", ".chain.pem"):
        (device / f"b-10-days{suffix}").rename(device / f"{name}{suffix}")
    assert listed(fleet)[1]["device_id"] is None
    assert run("list", "--csv", cwd=fleet).out.splitlines()[2].startswith("b-10-days,,")


@pytest.mark.parametrize(
    ("arguments", "status", "saying"),
    [
        (("--expiring", "soon"), 2, "--expiring 'soon' is no number from 0 to 36500"),
        (("--expiring", "-1"), 2, "--expiring '-1' is no number"),
        (("--expiring", "1", "--expired"), 2, "both '--expiring' and '--expired' are given"),
        (("--csv", "--json"), 2, "both '--csv' and '--json' are given"),
        (("--server-name", "nosuch"), 4, "there are no devices: './nosuch/devices' is not there"),
    ],
)
def test_bad_input(project: Path, arguments: tuple[str, ...], status: int, saying: str) -> None:
    """One error and a hint, and nothing on standard output."""
    ran = run("list", *arguments, cwd=project)
    assert (ran.status, ran.out, len(ran.error_lines)) == (status, "", 1)
    assert saying in ran.err
    assert "\nhint: " in ran.err


def test_no_devices(project: Path) -> None:
    """A server without devices has an empty list."""
    assert run("list", cwd=project) == (0, "", "there are no devices in ./myservername/devices\n")
    assert listed(project) == []


class Index:
    """The index of a project, in which what was made just now counts as settled; and which devices were read."""

    def __init__(self, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.server = Server(project, ServerName("myservername"))
        self.path = self.server.server_dir / device_index.INDEX_NAME
        self.read: list[str] = []
        monkeypatch.setattr(device_index, "_UNSETTLED_NS", 0)

        def counted(server: Server, name: str, naming: Naming) -> Stocked:
            self.read.append(name)
            return read_device(server, name, naming)

        monkeypatch.setattr(device_index, "read_device", counted)

    def stock(self, naming: Naming = NAMING) -> list[Stocked]:
        self.read.clear()
        return list(device_index.stock(self.server, naming))


@pytest.fixture
def index(fleet: Path, monkeypatch: pytest.MonkeyPatch) -> Index:
    return Index(fleet, monkeypatch)


def test_what_has_not_changed_is_not_read_again(index: Index) -> None:
    """The second time no certificate is read but those that are not there; and the same is told."""
    first = index.stock()
    assert index.read == ["a-100-days", "b-10-days", "c-gone", "d-none", "e-future"]
    content = index.path.read_bytes()
    assert index.stock() == first
    assert index.read == ["d-none"]
    assert index.path.read_bytes() == content


def test_what_has_changed_is_read_again(index: Index, tmp_path: Path) -> None:
    """A certificate in place of another, of the same size and time, a new name in a directory, what is new and gone."""
    before = index.stock()
    devices = index.server.devices_dir
    old = (devices / "b-10-days" / "client.pem").stat()
    Device(devices / "b-10-days", tmp_path).sign(end=at(20))
    os.utime(devices / "b-10-days" / "client.pem", ns=(old.st_atime_ns, old.st_mtime_ns))
    (devices / "a-100-days" / "VIN-1.csr").rename(devices / "a-100-days" / "VIN-2.csr")
    (devices / "a-100-days" / "VIN-1.chain.pem").rename(devices / "a-100-days" / "VIN-2.chain.pem")
    shutil.rmtree(devices / "c-gone")
    shutil.copytree(devices / "e-future", devices / "f-new")
    after = index.stock()
    assert index.read == ["a-100-days", "b-10-days", "d-none", "f-new"]
    assert [one.uuid for one in after] == ["a-100-days", "b-10-days", "d-none", "e-future", "f-new"]
    assert after[0] == before[0]._replace(device_id=DeviceID("VIN-2"))
    assert (after[1].serial, after[1].not_after) != (before[1].serial, before[1].not_after)
    assert index.stock() == after
    assert index.read == ["d-none"]


def test_what_changed_just_now_is_read_again(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change may follow within the same tick of the file system's clock."""
    monkeypatch.setattr(device_index, "_UNSETTLED_NS", 3600 * 10**9)
    index.stock()
    index.stock()
    assert index.read == ["a-100-days", "b-10-days", "c-gone", "d-none", "e-future"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[: len(content) // 2],
        lambda content: content[:-1],
        lambda content: content.replace(b"VIN-1", b"VIN-9"),
        lambda content: b"",
        lambda content: os.urandom(3000),
        lambda content: b"[]\n" + content,
        lambda content: b"".join(sorted(content.splitlines(keepends=True), reverse=True)),
    ],
)
def test_a_damaged_index_is_made_anew(index: Index, damage: Callable[[bytes], bytes]) -> None:
    """What is in it is never told, whatever it says, and the next one is whole again."""
    first = index.stock()
    good = index.path.read_bytes()
    index.path.write_bytes(damage(good))
    assert index.stock() == first
    assert index.path.read_bytes() == good


def test_what_cannot_be_read_now_may_be_later(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that fails for a moment is forgotten with it."""
    good = index.stock()
    index.path.unlink()

    def broken(_server: Server, name: str, _naming: Naming) -> Stocked:
        return Stocked(name, None, fault="input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(device_index, "read_device", broken)
        assert {one.fault for one in index.stock()} == {"input/output error"}
    assert index.stock() == good


def test_the_last_one_is_gone(index: Index) -> None:
    """It is neither told nor kept in the index; and a device that a link to a copy replaces is none any more."""
    devices = index.server.devices_dir
    index.stock()
    shutil.rmtree(devices / "e-future")
    (devices / "a-100-days").rename(devices.parent / "copy")
    (devices / "a-100-days").symlink_to("../copy")
    found = index.stock()
    assert [one.uuid for one in found] == ["a-100-days", "b-10-days", "c-gone", "d-none"]
    assert found[0].fault == "it is a link, expected a directory"
    assert b"e-future" not in index.path.read_bytes()


def test_an_index_of_nonsense_with_a_right_digest(index: Index) -> None:
    """Lines that are no lines of an index are passed over, without an error."""
    first = index.stock()
    head, *_ = index.path.read_bytes().splitlines(keepends=True)
    for lines in (b"{}\n", b"[1,2]\n", b'["a-100-days",[],[],1,2,3,4,5,6]\n', b"\xff\n",
                  b"[" * 4000 + b"\n", b'[5,[1,1,1,1,1],[1,1,1,1,1],null,"1",1,1,""]\n',
                  b'["a-100-days",[1,1,1,1,1],[1,1,1,1,1],null,"1",1e99,1,""]\n'):  # fmt: skip
        index.path.write_bytes(head + lines + sha256(head + lines).encode())
        assert index.stock() == first


def test_another_text_has_other_device_ids(index: Index) -> None:
    """Where another text names files otherwise, the device IDs of the last one are not told."""
    index.stock()
    found = index.stock(Naming((("", ".request"),), frozenset()))
    assert {one.device_id for one in found} == {None}


@pytest.mark.parametrize("kind", ["fifo", "directory", "dangling link"])
def test_something_else_in_the_index_s_place(index: Index, kind: str) -> None:
    """The list is right without an index, and waits for nobody."""
    first = index.stock()
    index.path.unlink()
    if kind == "fifo":
        os.mkfifo(index.path)
    elif kind == "directory":
        index.path.mkdir()
    else:
        index.path.symlink_to("/nowhere")
    assert index.stock() == first


def test_nothing_is_left_behind(index: Index) -> None:
    """What a killed run left of an index is removed, and a finished one leaves the index alone."""
    (index.path.parent / f"{index.path.name}.0123.new").write_text("half")
    index.stock()
    assert {path.name for path in index.path.parent.iterdir()} == {"devices", "records", ".gitignore", index.path.name}


def test_several_at_once(fleet: Path) -> None:
    """Runs beside each other each tell the whole list."""
    command = [sys.executable, "-m", "otaopenssl", "list", "--csv"]
    runs = [subprocess.Popen(command, cwd=fleet, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) for _ in range(6)]
    outputs = {one.communicate()[0] for one in runs}
    assert len(outputs) == 1
    assert outputs.pop().count(b"\n") == 6
