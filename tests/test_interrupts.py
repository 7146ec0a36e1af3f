"""Whole or absent, whatever ends a run: Ctrl-C and SIGTERM leave nothing, kill -9 nothing that the next run keeps."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from otaopenssl import interrupts
from otaopenssl.errors import Interrupted
from otaopenssl.runner import Runner
from tests.conftest import Ran, openssl, run, tree, write_program

UUID = "u1"
# Processes of one `device`, in the order of their start: three questions, then the guide's.
PROCESSES = ["version", "x509", "pkey", "ecparam", "ec", "pkcs8", "req", "x509 -req", "x509 -text"]


def signalling_program(path: Path, real: str, number: int, name: str, *, after: bool = False) -> Path:
    """A program in openssl's place that signals the tool when it is started for the ``number``-th time.

    Before the real work it then waits to be ended; ``after`` it the tool has all it waits for.
    """
    count = path.with_name("count")
    end = "" if after else "for i in {1..60}; do sleep 1; done\n"
    signal_line = f'[ "$n" = {number} ] && {{ kill -{name} "$PPID"; {end}}}\n'
    body = f'{real} "$@"; status=$?\n{signal_line}exit $status\n' if after else f'{signal_line}exec {real} "$@"\n'
    return write_program(
        path, f"#!/bin/bash\nexec 9>>{count}.lock; flock 9\necho >> {count}; n=$(wc -l < {count}); exec 9>&-\n{body}"
    )


@pytest.mark.parametrize("name", ["INT", "TERM", "HUP"])
@pytest.mark.parametrize("number", range(1, len(PROCESSES) + 1))
def test_a_signal_at_every_process(project: Path, tmp_path: Path, real_openssl: str, number: int, name: str) -> None:
    """While any openssl process runs, a signal ends the run with 130, the process with it, and nothing is left."""
    before = tree(project)
    program = signalling_program(tmp_path / "openssl", real_openssl, number, name)
    ended = run("device", "--uuid", UUID, "--openssl", str(program), cwd=project, timeout=50)
    assert ended.status == 130, ended.err
    assert ended.out == ""
    assert ended.err == "otaopenssl: interrupted, nothing was left behind\n"
    assert tree(project) == before
    survivors = subprocess.run(["pgrep", "-f", str(program)], check=False, capture_output=True, text=True).stdout
    assert survivors == ""


@pytest.mark.parametrize("number", range(1, len(PROCESSES) + 1))
def test_a_signal_between_processes(project: Path, tmp_path: Path, real_openssl: str, number: int) -> None:
    """A signal that arrives as a process ends finds the run anywhere behind it, and ends it all the same."""
    before = tree(project)
    program = signalling_program(tmp_path / "openssl", real_openssl, number, "INT", after=True)
    ended = run("device", "--uuid", UUID, "--openssl", str(program), cwd=project, timeout=50)
    assert ended.status == 130, ended.err
    assert tree(project) == before


@pytest.mark.parametrize("number", [2, 3, 4])
def test_a_signal_while_a_root_is_made(tmp_path: Path, real_openssl: str, number: int) -> None:
    """`root` takes back all that it made, the server directory and certs/ included."""
    project = tmp_path / "project"
    project.mkdir()
    program = signalling_program(tmp_path / "openssl", real_openssl, number, "INT")
    ended = run("root", "--openssl", str(program), cwd=project, timeout=50)
    assert ended.status == 130, ended.err
    assert tree(project) == {}


@pytest.mark.parametrize("number", range(4, len(PROCESSES) + 1))
def test_kill_9_leaves_nothing_that_the_next_run_keeps(
    project: Path, devices: Path, tmp_path: Path, real_openssl: str, number: int
) -> None:
    """After kill -9 no device is visible; the next run removes the dead workbench and makes the device."""
    program = signalling_program(tmp_path / "openssl", real_openssl, number, "KILL")
    killed = run("device", "--uuid", UUID, "--openssl", str(program), cwd=project)
    assert killed.status == -signal.SIGKILL
    subprocess.run(["pkill", "-9", "-f", str(program)], check=False)
    assert UUID not in [path.name for path in devices.iterdir()]
    assert list((devices.parent / ".otaopenssl").glob("run-*"))
    made = run("device", "--uuid", UUID, cwd=project)
    assert made.status == 0, made.err
    assert not (devices.parent / ".otaopenssl").exists()
    openssl("verify", "-CAfile", "ca.crt", f"{UUID}/client.pem", cwd=devices)


def test_the_workbench_of_a_living_run_is_left_alone(
    project: Path, devices: Path, tmp_path: Path, real_openssl: str
) -> None:
    """A run that starts while another is at work removes nothing of it: both make their device."""
    started, go = tmp_path / "started", tmp_path / "go"
    os.mkfifo(started)
    os.mkfifo(go)
    program = write_program(
        tmp_path / "openssl",
        f'#!/bin/bash\n[ "$1" = pkcs8 ] && {{ echo > {started}; read -r < {go}; }}\nexec {real_openssl} "$@"\n',
    )
    arguments = [sys.executable, "-m", "otaopenssl", "device", "--uuid", "slow", "--openssl", str(program)]
    slow = subprocess.Popen(arguments, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    started.read_text()
    assert run("device", "--uuid", "fast", cwd=project).status == 0
    assert (devices / "fast" / "client.pem").is_file()
    go.write_text("go\n")
    _, err = slow.communicate(timeout=60)
    assert slow.returncode == 0, err
    assert (devices / "slow" / "client.pem").is_file()


def in_parallel(*works: Callable[[], Ran]) -> list[Ran]:
    """What the works return, run all at once."""
    with ThreadPoolExecutor(len(works)) as pool:
        return [future.result() for future in [pool.submit(work) for work in works]]


def test_parallel_runs_never_share_a_serial(project: Path, devices: Path) -> None:
    """Devices made at once on one CA are all whole, with serials of their own that go on from ca.srl."""
    count = 12
    (devices / "ca.srl").write_text("0FFE\n")
    ran = in_parallel(*(partial(run, "device", "--uuid", f"d{number}", cwd=project) for number in range(count)))
    assert [(one.status, one.err) for one in ran if one.status] == []
    serials = [
        openssl("x509", "-in", f"d{number}/client.pem", "-noout", "-serial", cwd=devices) for number in range(count)
    ]
    assert sorted(serials) == [f"serial={number:04X}\n" for number in range(0x0FFF, 0x0FFF + count)]
    assert (devices / "ca.srl").read_text() == f"{0x0FFE + count:04X}\n"


def test_parallel_runs_on_a_project_without_config_files(project: Path, devices: Path) -> None:
    """The first runs of a project render certs/ at the same time, and none sees half a file."""
    (project / "certs" / "device_ca.cnf").unlink()
    (project / "certs").rmdir()
    ran = in_parallel(*(partial(run, "device", "--uuid", f"d{number}", cwd=project) for number in range(8)))
    assert [(one.status, one.err) for one in ran if one.status] == []
    assert {path.name for path in (project / "certs").iterdir()} == {"client.cnf", "client.ext"}


def test_parallel_roots_make_one(tmp_path: Path) -> None:
    """Of several `root --if-missing` at once one makes the CA and the others accept it."""
    ran = in_parallel(*[partial(run, "root", "--if-missing", cwd=tmp_path)] * 6)
    assert [one.status for one in ran] == [0] * 6, ran
    assert sum("made a self-signed" in one.err for one in ran) == 1
    assert {path.name for path in (tmp_path / "myservername" / "devices").iterdir()} == {"ca.crt", "ca.key"}
    assert run("device", cwd=tmp_path).status == 0


def test_one_device_uuid_in_parallel_is_made_once(project: Path, devices: Path) -> None:
    """Of several runs for one device UUID one makes it; the others say that it is there."""
    ran = in_parallel(*[partial(run, "device", "--uuid", UUID, cwd=project)] * 6)
    assert sorted(one.status for one in ran) == [0, 4, 4, 4, 4, 4], ran
    assert all("is there already" in one.err for one in ran if one.status)
    openssl("verify", "-CAfile", "ca.crt", f"{UUID}/client.pem", cwd=devices)


@pytest.fixture
def own_handlers() -> Iterator[None]:
    """Gives the test runner its own signal handlers back."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("own_handlers")
def test_a_held_signal_waits() -> None:
    """Over lines that must not be cut in two a signal waits and is raised behind them; a second changes nothing."""
    reached = []
    with interrupts.listening():
        try:
            with interrupts.held():
                os.kill(os.getpid(), signal.SIGINT)
                reached.append("inside")
            reached.append("never")
        except Interrupted:
            reached.append("raised")
        os.kill(os.getpid(), signal.SIGTERM)
        reached.append("tidied up")
    assert reached == ["inside", "raised", "tidied up"]


@pytest.mark.usefixtures("own_handlers")
def test_a_finished_run_is_not_interrupted() -> None:
    """After the publishing rename a signal comes too late; one that waited before it is raised instead."""
    with interrupts.listening():
        interrupts.hold_for_good()
        os.kill(os.getpid(), signal.SIGINT)
    reached = []
    with pytest.raises(Interrupted), interrupts.listening(), interrupts.held():
        os.kill(os.getpid(), signal.SIGINT)
        reached.append("held")
        interrupts.hold_for_good()
        reached.append("published")
    assert reached == ["held"]


class _Lost:
    """Loses the exception that a signal raises in its destructor, as Python does."""

    def __del__(self) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        [None for _ in range(10)]


@pytest.mark.usefixtures("own_handlers")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_lost_interrupt_is_asked_for_again() -> None:
    """Where Python dropped the exception, the next step that would start work raises it."""
    with pytest.raises(Interrupted), interrupts.listening():
        _Lost()
        with interrupts.held():
            pass
        Runner("/bin/true", {}).run([("openssl", "version")], cwd=Path("/"))


def test_signals_in_other_threads_wait_for_the_main_one() -> None:
    """A block that is held in a worker neither delays nor receives what belongs to the main thread."""
    seen: list[int] = []

    def work() -> None:
        with interrupts.held():
            seen.append(interrupts._state.depth)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [0]


@pytest.mark.parametrize(("module", "function"), [("workbench", "sync_tree"), ("serials", "replace")])
def test_an_interrupt_late_in_a_run_takes_the_serial_file_back(project: Path, module: str, function: str) -> None:
    """As a serial number is written down, or after the certificate is signed: a signal leaves nothing, nor ca.srl."""
    before = tree(project)
    script = (
        "import os, signal, sys\n"
        f"from otaopenssl import {module} as module\n"
        f"real = module.{function}\n"
        f"module.{function} = lambda *given: (real(*given), os.kill(os.getpid(), signal.SIGINT))\n"
        "from otaopenssl.cli import run\n"
        "sys.exit(run(['device', '--uuid', 'u1']))\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], cwd=project, check=False, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (130, "otaopenssl: interrupted, nothing was left behind\n")
    assert tree(project) == before


@pytest.mark.parametrize(
    ("module", "arguments", "count"),
    [("configs", ["config", "render"], 6), ("texts", ["procedure", "export", "ota-connect-2019.7", "own"], 9)],
)
def test_a_signal_while_files_are_written_finds_them_written(
    tmp_path: Path, module: str, arguments: list[str], count: int
) -> None:
    """The short writing of files for people is not cut in two: all are there, and that is what is said."""
    script = (
        "import os, signal, sys\n"
        f"from otaopenssl import {module} as module\n"
        "real = module.write_new\n"
        "module.write_new = lambda *given: (os.kill(os.getpid(), signal.SIGINT), real(*given))\n"
        "from otaopenssl.cli import run\n"
        f"sys.exit(run({arguments!r}))\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=False, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert len(ended.stdout.splitlines()) == count
    assert sum(what.startswith("file") for what in tree(tmp_path).values()) == count


def test_signals_outside_the_commands_own_time(project: Path) -> None:
    """Before anything is made a signal ends the program with 130 and no word; after the result it changes nothing."""
    early = (
        "import os, signal, sys\n"
        "import otaopenssl.__main__ as entry\n"
        "os.kill(os.getpid(), signal.{name})\n"
        "print('not reached')\n"
    )
    late = (
        "import atexit, os, signal, sys\n"
        "import otaopenssl.__main__ as entry\n"
        "atexit.register(lambda: os.kill(os.getpid(), signal.{name}))\n"
        "sys.argv[1:] = ['--version']\n"
        "entry.main()\n"
    )
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        for script, status in ((early, 130), (late, 0)):
            command = [sys.executable, "-c", script.format(name=name)]
            ended = subprocess.run(command, cwd=project, check=False, capture_output=True, text=True)
            assert (ended.returncode, ended.stderr) == (status, "")
            assert "not reached" not in ended.stdout


def test_the_hidden_folder_under_contention(tmp_path: Path) -> None:
    """However many runs come and go, each holds the folder alone, and the last one leaves nothing."""
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from otaopenssl.locks import hidden_folder\n"
        "base = Path(sys.argv[1])\n"
        "for _ in range(300):\n"
        "    with hidden_folder(base / 'hidden'):\n"
        "        (base / 'alone').mkdir()\n"
        "        (base / 'alone').rmdir()\n"
    )
    runs = [
        subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stderr=subprocess.PIPE, text=True)
        for _ in range(6)
    ]
    for ended in runs:
        _, err = ended.communicate(timeout=120)
        assert (ended.returncode, err) == (0, "")
    assert list(tmp_path.iterdir()) == []
