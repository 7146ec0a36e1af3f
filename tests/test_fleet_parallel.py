"""Fleets and devices made at once on one CA: each device once, each serial number once."""

import subprocess
import sys
import tracemalloc
from concurrent.futures import Executor, Future
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from otaopenssl.account import Result
from otaopenssl.environment import environment
from otaopenssl.fleet import FleetOrder, make_fleet
from otaopenssl.fleet_block import Outcome
from otaopenssl.id_list import drawn_ids
from otaopenssl.ids import DEFAULT_SERVER_NAME
from otaopenssl.layout import Server
from otaopenssl.program import launch
from otaopenssl.texts import DEFAULT_PROCEDURE, find_procedure
from otaopenssl.wholeness import Issued
from tests.conftest import run, tree
from tests.fleets import ended, last_serial, names, program_that, started, there, until, waiting_for, whole, write_ids
from tests.test_interrupts import in_parallel


def test_forty_devices_at_once(project: Path, devices: Path) -> None:
    """Forty processes of ``otaopenssl device`` started together are all whole, with forty numbers in a row."""
    (devices / "ca.srl").write_text("7F\n")
    with ExitStack() as stack:
        processes = [stack.enter_context(started("device", "--uuid", uuid, cwd=project)) for uuid in names(40)]
        failed = [ran for ran in map(ended, processes) if ran.status]
    assert failed == []
    serials = whole(devices)
    assert sorted(serials) == names(40)
    assert sorted(serials.values()) == list(range(0x80, 0x80 + 40))
    assert last_serial(devices) == 0x80 + 39


def test_devices_and_a_fleet_at_once(project: Path, devices: Path) -> None:
    """Eight processes of ``device`` and a fleet begin without a ca.srl; all are whole, and no number is there twice."""
    write_ids(project / "ids", names(16))
    works = [partial(run, "device", "--uuid", uuid, cwd=project) for uuid in names(8, "x")]
    ran = in_parallel(partial(run, "fleet", "--ids", "ids", "-j", "3", cwd=project), *works)
    assert [one for one in ran if one.status] == []
    serials = whole(devices)
    assert sorted(serials) == sorted(names(16) + names(8, "x"))
    used = sorted(serials.values())
    assert used == list(range(used[0], used[0] + 24))
    assert last_serial(devices) == used[-1]


def test_fleets_at_once_on_one_list(project: Path, devices: Path) -> None:
    """Of fleets whose lists overlap each device is made by one, and the others say that it was there."""
    write_ids(project / "first", names(14))
    write_ids(project / "second", reversed(names(20)[6:]))
    lists = ("first", "second")
    arguments = [["--ids", name, "--out", f"{name}.csv"] for name in lists]
    ran = in_parallel(*(partial(run, "fleet", "-j", "2", *these, cwd=project) for these in arguments))
    assert [one.status for one in ran] == [0, 0], ran
    assert sorted(whole(devices)) == names(20)
    counts = [dict(word.split(" ", 1)[::-1] for word in one.err.split(": ")[1].strip().split(", ")) for one in ran]
    made = [int(count["made"]) for count in counts]
    assert sum(made) == 20
    assert [int(count.get("there already", "0")) for count in counts] == [14 - made[0], 14 - made[1]]
    for name in lists:
        assert len((project / f"{name}.csv").read_text().splitlines()) == 15


def test_two_fleets_meet_at_one_device(project: Path, devices: Path, tmp_path: Path, real_openssl: str) -> None:
    """Two fleets in the middle of the same device: one publishes it, the other leaves it alone and has it there."""
    program = program_that(
        tmp_path / "openssl",
        real_openssl,
        f'[ "$1" = req ] && {{ touch {tmp_path}/at.$PPID; {waiting_for(tmp_path / "go")}; }}',
    )
    write_ids(project / "ids", ["u1"])
    arguments = ["fleet", "--ids", "ids", "--openssl", str(program)]
    with started(*arguments, cwd=project) as one, started(*arguments, cwd=project) as other:
        until(lambda: len(list(tmp_path.glob("at.*"))) == 2, one)
        (tmp_path / "go").touch()
        ran = [ended(one), ended(other)]
    assert [each.status for each in ran] == [0, 0], ran
    said = sorted(each.err.partition(": ")[2].split(",")[0] for each in ran)
    assert said[0].startswith("0 made")
    assert said[1].startswith("1 made")
    assert sum("1 there already" in each.err for each in ran) == 1
    assert set(whole(devices)) == {"u1"}


def test_memory_of_a_fleet(project: Path) -> None:
    """The peak of a real one is under 80 MiB."""
    write_ids(project / "ids", names(24))
    script = (
        "import re, sys\n"
        "from otaopenssl.cli import run\n"
        "status = run(['fleet', '--ids', 'ids', '--jobs', '2'])\n"
        "print(re.search(r'VmHWM:\\s+(\\d+) kB', open('/proc/self/status').read())[1])\n"
        "sys.exit(status)\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], cwd=project, check=True, capture_output=True, text=True)
    assert int(ran.stdout.split()[-1]) < 80 * 1024


class _Done(Executor):
    """Says of each device that it was made, and makes none."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        issued = Issued(1, datetime.now(UTC), "00" * 32)
        future: Future[Any] = Future()
        future.set_result(tuple(Outcome(one, Result.MADE, issued) for one in args[0].identities))
        return future


def test_memory_stays_flat(project: Path, real_openssl: str) -> None:
    """What this process keeps of a fleet is no more for 10,000 devices than for 100."""
    server = Server(project, DEFAULT_SERVER_NAME)

    def fleet_of(quantity: int) -> int:
        with drawn_ids(quantity) as ids:
            order = FleetOrder(server, find_procedure(DEFAULT_PROCEDURE, project), ids, jobs=2)
            finding = partial(launch, real_openssl, "", environment(server.name), lambda _finished: None, project)
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            summary = make_fleet(order, finding, lambda outcomes: None, _Done())
            assert summary.counts[Result.MADE] == quantity
            return tracemalloc.get_traced_memory()[1] - before

    tracemalloc.start()
    try:
        # Python itself keeps a table of the words that paths are made of, which grows once.
        fleet_of(10_000)
        assert fleet_of(10_000) < fleet_of(100) + 256 * 1024
    finally:
        tracemalloc.stop()


def test_a_fleet_beside_files_of_another_server(project: Path, devices: Path) -> None:
    """A fleet of one server name touches nothing of another's."""
    assert run("root", "--server-name", "other", cwd=project).status == 0
    before = tree(devices)
    made = run("fleet", "--count", "3", "--server-name", "other", cwd=project)
    assert (made.status, made.out) == (0, "./other/devices\n")
    assert tree(devices) == before
    assert len(there(project / "other" / "devices")) == len(whole(project / "other" / "devices")) == 3
