"""The workers of a fleet: reached through an Executor alone, also as processes, and dying in the middle."""

import fcntl
import json
import os
import pickle
import subprocess
import sys
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import pytest

from otaopenssl.account import Result
from otaopenssl.fleet import FleetOrder
from otaopenssl.fleet_block import Outcome
from otaopenssl.fleet_summary import Summary
from otaopenssl.id_list import IDList, read_ids
from otaopenssl.ids import DEFAULT_SERVER_NAME
from otaopenssl.layout import Server
from otaopenssl.texts import DEFAULT_PROCEDURE, find_procedure
from tests.conftest import CHECKOUT, run
from tests.fleets import fleet_by, last_serial, names, program_that, there, whole, write_ids


def by_processes(project: Path, program: str) -> dict[str, Any]:
    """What came of a fleet by two worker processes."""
    command = [sys.executable, "-m", "tests.by_processes", str(project), str(project / "ids"), program]
    env = {"PATH": os.environ["PATH"]}
    ran = subprocess.run(command, cwd=CHECKOUT, env=env, check=False, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    document: dict[str, Any] = json.loads(ran.stdout)
    return document


def test_workers_that_are_processes(project: Path, devices: Path, real_openssl: str) -> None:
    """Worker processes that were started anew make the same fleet: whole, each serial number once, each told once."""
    write_ids(project / "ids", names(12))
    (devices / "ca.srl").write_text("10\n")
    came = by_processes(project, real_openssl)
    assert (came["MADE"], came["THERE"], came["FAILED"], came["untried"], came["stopped"]) == (12, 0, 0, 0, None)
    assert sorted(came["told"]) == [[uuid, "MADE"] for uuid in names(12)]
    assert sorted(whole(devices).values()) == list(range(0x11, 0x11 + 12))
    again = by_processes(project, real_openssl)
    assert (again["MADE"], again["THERE"]) == (0, 12)


def test_a_worker_that_is_killed(project: Path, devices: Path, tmp_path: Path, real_openssl: str) -> None:
    """A worker process that dies breaks the pool, not the fleet: the summary says so, and the same order finishes."""
    write_ids(project / "ids", names(24))
    program = program_that(
        tmp_path / "openssl",
        real_openssl,
        f'[ "$1 $2 $DEVICE_UUID" = "x509 -req d007" ] && mkdir {tmp_path}/once && {{ kill -9 $PPID; exit 1; }}',
    )
    came = by_processes(project, str(program))
    assert (tmp_path / "once").is_dir()
    assert came["stopped"].startswith("the workers have died: ") or came["untried"] == 0
    assert came["FAILED"] > 0
    assert any(reason.startswith("its worker has died: ") for reason in came["reasons"])
    assert came["MADE"] + came["FAILED"] + came["untried"] == 24
    made = whole(devices)
    assert "d007" not in made
    assert {uuid for uuid, result in came["told"] if result == "MADE"} <= set(made)
    again = by_processes(project, real_openssl)
    assert (again["MADE"], again["THERE"], again["FAILED"]) == (24 - len(made), len(made), 0)
    assert len(whole(devices)) == 24
    check_records(project)


class _Sending(Executor):
    """Does each task at once, from its pickle, and sends its result back as one."""

    def __init__(self, *, losing: int = -1) -> None:
        self.sizes: list[int] = []
        self._losing = losing

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        sent = pickle.dumps((fn, args, kwargs))
        self.sizes.append(len(sent))
        function, given, named = pickle.loads(sent)
        future: Future[Any] = Future()
        result = pickle.loads(pickle.dumps(function(*given, **named)))
        if len(self.sizes) == self._losing:
            future.set_exception(RuntimeError("the line was cut"))
        else:
            future.set_result(result)
        return future


@pytest.fixture
def ids(project: Path) -> IDList:
    """Six devices."""
    with write_ids(project / "ids", names(6)).open("rb") as stream:
        return read_ids(stream, "ids")


def fleet_of(executor: Executor, project: Path, ids: IDList, program: str) -> tuple[Summary, list[Outcome]]:
    """What a fleet of one job by the executor came to, and what was told of it."""
    server = Server(project, DEFAULT_SERVER_NAME)
    told: list[Outcome] = []
    with ids:
        order = FleetOrder(server, find_procedure(DEFAULT_PROCEDURE, project), ids, jobs=1)
        summary = fleet_by(executor, order, program, told.extend)
    return summary, told


def test_tasks_are_plain(project: Path, devices: Path, ids: IDList, real_openssl: str) -> None:
    """A task and its result can be sent to another machine, and a task is no larger for a longer list."""
    executor = _Sending()
    summary, told = fleet_of(executor, project, ids, real_openssl)
    assert (summary.counts[Result.MADE], summary.untried, summary.stopped) == (6, 0, None)
    assert {outcome.identity.uuid for outcome in told} == set(whole(devices))
    assert len(executor.sizes) > 1
    assert max(executor.sizes) < 64 * 1024


def test_a_result_that_is_lost(project: Path, devices: Path, ids: IDList, real_openssl: str) -> None:
    """Where a worker made its devices and could not say so, what is on the disk tells: they are made."""
    summary, told = fleet_of(_Sending(losing=1), project, ids, real_openssl)
    assert (summary.counts[Result.MADE], summary.counts[Result.FAILED]) == (6, 0)
    serials = whole(devices)
    assert {outcome.identity.uuid: outcome.issued.serial for outcome in told if outcome.issued} == serials
    assert last_serial(devices) == max(serials.values())
    check_records(project)


class _GivenUp(_Sending):
    """Says that its first worker has died, which goes on: it holds its part of the record still."""

    def __init__(self, project: Path) -> None:
        super().__init__(losing=1)
        self._folder = project / "myservername" / "records" / ".open"

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future = super().submit(fn, *args, **kwargs)
        if len(self.sizes) == 1:
            (part,) = self._folder.glob("*.part")
            self.descriptor = part.open("rb")
            fcntl.flock(self.descriptor, fcntl.LOCK_EX)
        return future


def test_a_worker_that_was_given_up(project: Path, devices: Path, ids: IDList, real_openssl: str) -> None:
    """What it makes after its fleet has ended is in the record, which is sealed by the first run after its end."""
    executor = _GivenUp(project)
    summary, _ = fleet_of(executor, project, ids, real_openssl)
    assert summary.counts[Result.MADE] == 6
    assert run("device", "--uuid", "next", cwd=project).status == 0
    assert run("audit", cwd=project).status == 1
    executor.descriptor.close()
    assert run("device", "--uuid", "last", cwd=project).status == 0
    check_records(project)
    assert len(whole(devices)) == 8


class _Broken(Executor):
    """Loses every task."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_exception(RuntimeError("nobody is there"))
        return future


def test_no_worker_answers(project: Path, devices: Path, ids: IDList, real_openssl: str) -> None:
    """Every device has failed for that reason, none is there, and the order can be given again."""
    summary, told = fleet_of(_Broken(), project, ids, real_openssl)
    assert summary.counts == {Result.MADE: 0, Result.THERE: 0, Result.FAILED: 6, Result.REFUSED: 0}
    assert {outcome.reason for outcome in told} == {"its worker has died: nobody is there"}
    assert there(devices) == set()
    check_records(project)
    assert run("fleet", "--ids", "ids", cwd=project).status == 0
    assert len(whole(devices)) == 6


def check_records(project: Path) -> None:
    """Each certificate is told of once, with what made it, and nothing is left open."""
    assert run("audit", cwd=project).status == 0
    assert not (project / "myservername" / "records" / ".open").exists()


class _Refusing(Executor):
    """Cancels the second of three tasks, and is shut down then."""

    def __init__(self) -> None:
        self._tasks = 0

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        self._tasks += 1
        if self._tasks > 3:
            raise RuntimeError("cannot schedule new futures after shutdown")
        future: Future[Any] = Future()
        if self._tasks != 2:
            future.set_result(fn(*args, **kwargs))
        else:
            future.cancel()
            future.set_running_or_notify_cancel()
        return future


def test_an_executor_that_gives_up(project: Path, devices: Path, ids: IDList, real_openssl: str) -> None:
    """A task that it cancels and tasks that it does not take are told; nothing is raised, and certs/ stays."""
    summary, _ = fleet_of(_Refusing(), project, ids, real_openssl)
    made, failed = summary.counts[Result.MADE], summary.counts[Result.FAILED]
    assert made == len(whole(devices)) > 0
    assert (failed > 0, made + failed + summary.untried) == (True, 6)
    assert summary.stopped is not None
    assert "cannot schedule new futures" in summary.stopped.message
    assert (project / "certs" / "client.cnf").is_file()
    check_records(project)
