"""Several devices are renewed as a fleet is made: each for itself, and what came of each is told."""

import json
import pickle
import signal
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from otaopenssl.account import Result
from otaopenssl.environment import environment
from otaopenssl.fleet import FleetOrder, make_fleet
from otaopenssl.fleet_block import Outcome
from otaopenssl.id_list import read_ids
from otaopenssl.ids import DEFAULT_SERVER_NAME
from otaopenssl.layout import Server
from otaopenssl.program import launch
from otaopenssl.renewal_source import RenewalSource
from otaopenssl.texts import DEFAULT_PROCEDURE, find_procedure
from tests.conftest import run, tree
from tests.faults import Device
from tests.fleets import ended, failing, names, program_that, started, until, whole, write_ids
from tests.test_renew import holds, kept, made, signed


def fleet(project: Path, count: int) -> list[str]:
    """The UUIDs of so many devices that are made."""
    uuids = names(count)
    write_ids(project / "ids", uuids)
    made(project, "fleet", "--ids", "ids")
    return uuids


@pytest.mark.real
def test_many(project: Path, devices: Path) -> None:
    """Each gets a new certificate with a serial number of its own; their directories are printed, as they finish."""
    uuids = fleet(project, 12)
    signed(project)
    before = whole(devices, but=["s1"])
    ran = made(project, "renew", *uuids, "s1", "s1", "--jobs", "3")
    assert sorted(ran.out.split()) == [f"./myservername/devices/{uuid}" for uuid in [*uuids, "s1"]]
    assert "13 of 13 devices renewed; the old ones are kept in ./myservername/previous\n" in ran.err
    assert ran.err.count("; before, valid until ") == 13
    after = whole(devices, but=["s1"])
    assert not set(before.values()) & set(after.values())
    assert all(len(kept(project, uuid)) == 1 for uuid in [*uuids, "s1"])
    holds(project, "--all")


def test_what_expires(project: Path, devices: Path, tmp_path: Path) -> None:
    """``--expiring`` takes what is due, and what has expired; the named ones besides, each once."""
    uuids = fleet(project, 4)
    Device(devices / "d001", tmp_path).sign(start="20200101000000Z", end="20210101000000Z")
    Device(devices / "d002", tmp_path).sign(end="20261205000000Z")
    ran = made(project, "renew", "d003", "d001", "--expiring", "30", "--json")
    document = json.loads(ran.out)
    told = {one["uuid"]: one for one in document["renewed"]}
    assert sorted(told) == ["d001", "d002", "d003"]
    assert told["d001"]["previous"]["not_after"] == "2021-01-01T00:00:00+00:00"
    assert (project / told["d001"]["previous"]["directory"]).is_dir()
    assert told["d001"]["not_after"] > "2027"
    assert (document["devices"], document["failed"], document["unknown"]) == (3, 0, [])
    ran = made(project, "renew", "--expiring", "30")
    assert (ran.out, ran.err) == ("", "no device expires within 30 days: nothing was renewed\n")
    assert kept(project, uuids[0]) == []


def test_one_that_cannot_be_read(project: Path, devices: Path, tmp_path: Path) -> None:
    """With ``--expiring`` it is told, and not touched: alone it is a check that does not hold, beside others a part."""
    fleet(project, 3)
    (devices / "d000" / "client.pem").write_text("no certificate\n")
    before = tree(devices / "d000")
    ran = run("renew", "--expiring", "30", cwd=project)
    assert (ran.status, len(ran.error_lines)) == (1, 1), ran.err
    assert "error: 1 device has no certificate that can be read, and may be due" in ran.err
    assert "  d000: client.pem is no certificate\n" in ran.err
    ran = run("renew", "d001", "--expiring", "30", "--json", cwd=project)
    assert ran.status == 5, ran.err
    assert json.loads(ran.out)["unknown"] == [{"uuid": "d000", "fault": "client.pem is no certificate"}]
    assert tree(devices / "d000") == before
    assert len(kept(project, "d001")) == 1
    assert not kept(project, "d000")


def test_some_fail(project: Path, devices: Path, tmp_path: Path, real_openssl: str) -> None:
    """The others are renewed; those stay as they were, and the same command again renews them."""
    uuids = fleet(project, 6)
    (devices / "d004" / "pkey.pem").rename(project / "away")
    program = failing(tmp_path / "openssl", real_openssl, ["d002"])
    before = {uuid: tree(devices / uuid) for uuid in ("d002", "d004")}
    ran = run("renew", *uuids, "--openssl", str(program), cwd=project)
    assert (ran.status, len(ran.error_lines)) == (5, 1), ran.err
    assert "error: 2 of 6 devices failed" in ran.err
    assert "  d002: step 'req -new' ended with exit status 7: no luck\n" in ran.err
    assert "  d004: './myservername/devices/d004' is not whole: 'pkey.pem' is missing\n" in ran.err
    assert {uuid: tree(devices / uuid) for uuid in before} == before
    assert sorted(ran.out.split()) == [f"./myservername/devices/{uuid}" for uuid in uuids if uuid not in before]
    (project / "away").rename(devices / "d004" / "pkey.pem")
    made(project, "renew", *before)
    assert [len(kept(project, uuid)) for uuid in uuids] == [1] * 6
    whole(devices)
    holds(project, "--all")


def test_interrupted(project: Path, devices: Path, tmp_path: Path, real_openssl: str) -> None:
    """Each device is the old one or the new one, whole, and the records tell which."""
    uuids = fleet(project, 16)
    program = program_that(tmp_path / "openssl", real_openssl, "")
    with started("renew", *uuids, "--openssl", str(program), cwd=project) as process:
        until(lambda: len(list((devices.parent / "previous").glob("d*/*"))) >= 3, process)
        process.send_signal(signal.SIGTERM)
        ran = ended(process)
    assert ran.status == 130, ran.err
    done = sum(len(kept(project, uuid)) for uuid in uuids)
    assert f"interrupted: {done} of 16 devices were renewed, nothing else was changed" in ran.err
    assert 3 <= done < 16
    whole(devices)
    holds(project, "--all")


def test_an_output_that_cannot_be_written(project: Path, devices: Path) -> None:
    """What was renewed is whole and recorded, the rest is as it was, and the error says what could not be written."""
    uuids = fleet(project, 8)
    command = [sys.executable, "-m", "otaopenssl", "renew", *uuids, "-j", "1"]
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(command, cwd=project, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert ran.returncode == 5, ran.stderr
    assert "standard output cannot be written: no space left on device" in ran.stderr
    assert ran.stderr.count("otaopenssl: error:") == 1
    assert "Traceback" not in ran.stderr
    whole(devices)
    holds(project, "--all")


def test_workers_that_are_processes(project: Path, devices: Path, real_openssl: str) -> None:
    """Where devices are renewed from is plain: workers of another engine renew them as the threads do."""
    uuids = fleet(project, 4)
    server = Server(project, DEFAULT_SERVER_NAME)
    source = RenewalSource(server, keyless=frozenset(["x"]))
    assert pickle.loads(pickle.dumps(source)) == source
    told: list[Outcome] = []
    with (project / "ids").open("rb") as stream, read_ids(stream, "ids") as ids:
        procedure = find_procedure(DEFAULT_PROCEDURE, project)
        order = FleetOrder(server, procedure, ids, jobs=2, renewal=RenewalSource(server))
        variables = environment(server.name)
        with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
            summary = make_fleet(
                order, lambda: launch(real_openssl, "", variables, lambda _: None, project), told.extend, executor
            )
    assert summary.counts[Result.MADE] == 4
    assert all(one.replaced is not None and (project / one.replaced.kept).is_dir() for one in told)
    assert [len(kept(project, uuid)) for uuid in uuids] == [1] * 4
    whole(devices)


def test_a_worker_that_dies(project: Path, devices: Path, tmp_path: Path, real_openssl: str) -> None:
    """A renewal whose run is killed in the middle is gone on with by the same command."""
    uuids = fleet(project, 6)
    program = program_that(tmp_path / "openssl", real_openssl, '[ "$1 $DEVICE_UUID" = "verify d003" ] && kill -9 $PPID')
    ran = run("renew", *uuids, "-j", "1", "--openssl", str(program), cwd=project)
    assert ran.status == -signal.SIGKILL
    whole(devices)
    made(project, "renew", *uuids)
    assert all(kept(project, uuid) for uuid in uuids)
    whole(devices)
    holds(project, "--all")
