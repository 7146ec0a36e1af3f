"""Signals in a fleet: Ctrl-C leaves whole devices and nothing else, kill -9 nothing that the next run keeps."""

import random
import re
import signal
from pathlib import Path

import pytest

from tests.conftest import run, tree
from tests.fleets import end_survivors, ended, names, program_that, started, survivors, there, until, whole, write_ids
from tests.test_interrupts import signalling_program


@pytest.mark.parametrize("name", ["INT", "TERM", "HUP"])
def test_a_signal_in_the_middle(project: Path, devices: Path, tmp_path: Path, real_openssl: str, name: str) -> None:
    """It ends with 130 and says how many are whole and how to go on; no workbench and no process is left."""
    write_ids(project / "ids", names(24))
    program = program_that(tmp_path / "openssl", real_openssl, "")
    arguments = ["fleet", "--ids", "ids", "-j", "2", "--openssl", str(program), "--out", "issued.csv"]
    with started(*arguments, cwd=project) as process:
        until(lambda: len(there(devices)) >= 3, process)
        process.send_signal(getattr(signal, f"SIG{name}"))
        ran = ended(process)
    assert ran.status == 130, ran.err
    said = re.fullmatch(
        r"fleet of 24 devices: (\d+) made, [0-9.]+ a second\n"
        r"otaopenssl: interrupted: (\d+) of 24 devices are whole, nothing else was left behind;"
        r" for the rest: the same command again\n",
        ran.err,
    )
    assert said, ran.err
    made = whole(devices)
    assert int(said[1]) == int(said[2]) == len(made)
    assert 3 <= len(made) < 24
    assert not (devices.parent / ".otaopenssl").exists()
    assert survivors(program) == ""
    rows = (project / "issued.csv").read_text().splitlines()[1:]
    assert sorted(row.split(",")[0] for row in rows) == sorted(made)
    if name == "INT":
        again = run("fleet", "--ids", "ids", cwd=project)
        assert again.status == 0, again.err
        assert f"{24 - len(made)} made, {len(made)} there already" in again.err
        assert len(whole(devices)) == 24


def test_a_signal_in_a_drawn_fleet_names_the_plan(
    project: Path, devices: Path, tmp_path: Path, real_openssl: str
) -> None:
    """The line says which list to go on with, and that list makes the rest."""
    program = program_that(tmp_path / "openssl", real_openssl, "")
    with started("fleet", "--count", "20", "-j", "2", "--openssl", str(program), cwd=project) as process:
        until(lambda: len(there(devices)) >= 1, process)
        process.send_signal(signal.SIGINT)
        ran = ended(process)
    assert ran.status == 130, ran.err
    plan = re.search(r"; for the rest: the same command with '--ids (\S+)' in place of '--count 20'\n$", ran.err)
    assert plan, ran.err
    before = whole(devices)
    assert run("fleet", "--ids", plan[1], cwd=project).status == 0
    after = whole(devices)
    assert len(after) == 20
    assert before.items() <= after.items()


@pytest.mark.parametrize("name", ["INT", "TERM", "HUP"])
def test_a_hanging_openssl_is_ended(project: Path, devices: Path, tmp_path: Path, real_openssl: str, name: str) -> None:
    """Ctrl-C waits for no process: one that would sleep for long is ended, and its device is absent."""
    mark = tmp_path / "hanging"
    hang = f'[ "$1 $DEVICE_UUID" = "pkcs8 d001" ] && {{ touch {mark}; exec -a {tmp_path}/openssl sleep 100; }}'
    program = program_that(tmp_path / "openssl", real_openssl, hang)
    write_ids(project / "ids", names(4))
    with started("fleet", "--ids", "ids", "-j", "2", "--openssl", str(program), cwd=project) as process:
        until(lambda: mark.exists() and there(devices) == {"d000", "d002", "d003"}, process)
        process.send_signal(getattr(signal, f"SIG{name}"))
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "./myservername/devices\n"), err
    assert "otaopenssl: interrupted: 3 of 4 devices are whole, nothing else was left behind" in err
    assert survivors(program) == ""
    assert set(whole(devices)) == {"d000", "d002", "d003"}
    assert not (devices.parent / ".otaopenssl").exists()


@pytest.mark.parametrize("options", [["--ids", "ids"], ["--count", "5"]], ids=["ids", "count"])
@pytest.mark.parametrize("number", [1, 3, 4, 8])
def test_a_signal_before_the_first_device(
    project: Path, tmp_path: Path, real_openssl: str, number: int, options: list[str]
) -> None:
    """While nothing is made yet, at a question or in the first devices, nothing at all is left behind."""
    write_ids(project / "ids", names(5))
    before = tree(project)
    program = signalling_program(tmp_path / "openssl", real_openssl, number, "INT")
    ran = run("fleet", *options, "-j", "1", "--out", "issued.csv", "--openssl", str(program), cwd=project, timeout=50)
    assert (ran.status, ran.out) == (130, "")
    assert ran.err == "otaopenssl: interrupted, nothing was left behind\n"
    assert tree(project) == before
    assert survivors(program) == ""


def test_no_plan_is_left_of_nothing(project: Path, devices: Path, tmp_path: Path, real_openssl: str) -> None:
    """The plan of a drawn fleet of which nothing was made is taken back."""
    seen = tmp_path / "seen"
    look = f'[ "$1" = ecparam ] && {{ ls {devices.parent} > {seen}; kill -INT $PPID; sleep 60; }}'
    program = program_that(tmp_path / "openssl", real_openssl, look)
    ran = run("fleet", "--count", "5", "-j", "1", "--openssl", str(program), cwd=project, timeout=50)
    assert (ran.status, ran.err) == (130, "otaopenssl: interrupted, nothing was left behind\n")
    assert "fleet-" in seen.read_text()
    assert not list(devices.parent.glob("fleet-*"))
    assert there(devices) == set()


def test_kill_9_at_twelve_moments(project: Path, devices: Path, tmp_path: Path, real_openssl: str) -> None:
    """Killed at random processes again and again, a fleet of 60 is finished by the same command, each device once."""
    moments = random.Random(20190700)
    write_ids(project / "ids", names(60))
    arguments = ["fleet", "--ids", "ids", "-j", "2", "--openssl"]
    kept: dict[str, int] = {}
    for moment in range(12):
        count = tmp_path / f"{moment}"
        count.mkdir()
        number = moments.randint(4, 24)
        program = signalling_program(
            count / "openssl", real_openssl, number, "KILL", after=bool(moments.getrandbits(1))
        )
        killed = run(*arguments, str(program), cwd=project)
        assert killed.status == -signal.SIGKILL, killed.err
        end_survivors(program)
        before, now = set(kept), there(devices)
        assert before <= now
        kept |= whole(devices, but=before)
    assert 0 < len(kept) < 60
    finished = run("fleet", "--ids", "ids", cwd=project)
    assert finished.status == 0, finished.err
    assert f"{60 - len(kept)} made, {len(kept)} there already" in finished.err
    after = whole(devices)
    assert kept.items() <= after.items()
    assert sorted(after) == names(60)
    assert not (devices.parent / ".otaopenssl").exists()


def test_kill_9_with_a_plan(project: Path, devices: Path, tmp_path: Path, real_openssl: str) -> None:
    """A drawn fleet that was killed is finished from its plan file, which was whole before the first device."""
    program = signalling_program(tmp_path / "openssl", real_openssl, 17, "KILL", after=True)
    killed = run("fleet", "--count", "10", "-j", "2", "--openssl", str(program), cwd=project)
    assert killed.status == -signal.SIGKILL
    (plan,) = devices.parent.glob("fleet-*.ids")
    assert len([line for line in plan.read_text().splitlines() if not line.startswith("#")]) == 10
    before = whole(devices)
    assert len(before) < 10
    assert run("fleet", "--ids", str(plan), cwd=project).status == 0
    after = whole(devices)
    assert len(after) == 10
    assert before.items() <= after.items()
    assert not (devices.parent / ".otaopenssl").exists()
