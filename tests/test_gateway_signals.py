"""Whatever ends a run that asks a gateway: nothing is left, nothing runs on, and what was there is as it was."""

import re
import signal
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.conftest import run, tree, write_program
from tests.servers import PEERS, Pki, s_server, tcp_server
from tests.test_interrupts import signalling_program

# A question about openssl, s_client, and what is asked about two certificates.
PROCESSES = range(1, 10)


def survivors(words: str) -> str:
    return subprocess.run(["pgrep", "-af", words], check=False, capture_output=True, text=True).stdout


@pytest.mark.parametrize("place", ["uuid", "out"])
@pytest.mark.parametrize("number", PROCESSES)
def test_a_signal_at_every_process(
    project: Path, tmp_path: Path, real_openssl: str, pki: Pki, number: int, place: str
) -> None:
    """While any openssl process runs, Ctrl-C ends the run with 130 and the old root.crt stays."""
    assert run("device", "--uuid", "u1", cwd=project).status == 0
    root = project / ("myservername/devices/u1/root.crt" if place == "uuid" else "root.crt")
    root.write_text("an old one\n")
    before = tree(project)
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    program = signalling_program(tmp_path / "openssl", real_openssl, number, "INT")
    where = ["--uuid", "u1"] if place == "uuid" else ["--out", "root.crt"]
    with s_server(pki, "direct", "root") as port:
        options = ["--gateway", "localhost", "--port", str(port), "--force", "--openssl", str(program)]
        ended = run("gateway", "root", *where, *options, cwd=project, env={"TMPDIR": str(temporary)}, timeout=50)
    assert ended.status == 130, ended.err
    assert ended.err == "otaopenssl: interrupted, nothing was left behind\n"
    assert tree(project) == before
    assert tree(temporary) == {}
    assert survivors(str(program)) == ""


@pytest.mark.parametrize("name", ["INT", "TERM", "HUP", "QUIT"])
def test_a_signal_while_a_gateway_is_silent(project: Path, name: str) -> None:
    """A device that waits for its gateway is taken back, the process that asks it included."""
    before = tree(project)
    asked = threading.Event()

    def tell(peer: object, stopped: threading.Event) -> None:
        asked.set()
        PEERS["silent"](peer, stopped)  # type: ignore[arg-type]

    with tcp_server(tell) as port:
        command = [sys.executable, "-m", "otaopenssl", "device", "--gateway", "localhost", "--port", str(port)]
        with subprocess.Popen(command, cwd=project, stderr=subprocess.PIPE, text=True) as process:
            assert asked.wait(60)
            process.send_signal(getattr(signal, f"SIG{name}"))
            _, said = process.communicate(timeout=50)
        assert process.returncode == 130
        assert said == "otaopenssl: interrupted, nothing was left behind\n"
        assert survivors(f"s_client -connect localhost:{port}") == ""
    after = tree(project)
    # The configuration files were rendered by this run and are taken back, a serial number that was used is not.
    assert {name: what for name, what in after.items() if not name.endswith("ca.srl")} == {
        name: what for name, what in before.items() if not name.endswith("ca.srl")
    }


@pytest.mark.parametrize("number", [1, 9, 12, 22, 26, 33, 44, 50])
def test_a_signal_during_a_rehearsal(tmp_path: Path, real_openssl: str, number: int) -> None:
    """A rehearsal is ended with its gateway, and leaves no directory."""
    project, temporary = tmp_path / "project", tmp_path / "tmp"
    for directory in (project, temporary):
        directory.mkdir()
    program = signalling_program(tmp_path / "openssl", real_openssl, number, "TERM")
    ended = run("rehearse", "--openssl", str(program), cwd=project, env={"TMPDIR": str(temporary)}, timeout=50)
    assert ended.status == 130, ended.err
    assert tree(project) == tree(temporary) == {}
    assert survivors(str(tmp_path)) == ""


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.01)


def test_kill_9_while_a_gateway_is_silent(project: Path) -> None:
    """The process that would wait for ever ends with the tool, and the next run removes what is left."""
    asked = threading.Event()

    def tell(peer: object, stopped: threading.Event) -> None:
        asked.set()
        PEERS["silent"](peer, stopped)  # type: ignore[arg-type]

    with tcp_server(tell) as port:
        command = [sys.executable, "-m", "otaopenssl", "device", "--gateway", "localhost", "--port", str(port)]
        with subprocess.Popen(command, cwd=project, stderr=subprocess.DEVNULL) as process:
            assert asked.wait(60)
            process.kill()
        wait_until(lambda: survivors(f"s_client -connect localhost:{port}") == "")
    assert run("device", "--uuid", "u1", cwd=project).status == 0


def test_kill_9_of_a_rehearsal(tmp_path: Path, real_openssl: str) -> None:
    """Its gateway ends with it, and the next run removes the directory with its keys, but none that is not its own."""
    project, temporary = tmp_path / "project", tmp_path / "tmp"
    for directory in (project, temporary):
        directory.mkdir()
    (temporary / "otaopenssl-other").mkdir(mode=0o700)
    body = f'[ "$1" = s_client ] && kill -KILL "$PPID"\nexec -a openssl {real_openssl} "$@"\n'
    program = write_program(tmp_path / "openssl", f"#!/bin/bash\n{body}")
    env = {"TMPDIR": str(temporary)}
    assert run("rehearse", "--openssl", str(program), cwd=project, env=env).status == -signal.SIGKILL
    left = [path for path in temporary.iterdir() if path.name != "otaopenssl-other"]
    assert len(left) == 1
    wait_until(lambda: survivors(str(temporary)) == "")
    assert run("rehearse", cwd=project, env=env).status == 0
    assert [path.name for path in temporary.iterdir()] == ["otaopenssl-other"]


def test_parallel_rehearsals_leave_each_other_alone(tmp_path: Path) -> None:
    """Each has a directory and a port of its own, and none takes another's for a dead one's."""
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: run("rehearse", cwd=tmp_path, env={"TMPDIR": str(tmp_path)}), range(4)))
    assert [ran.status for ran in done] == [0] * 4, [ran.err for ran in done]
    assert tree(tmp_path) == {}


def test_a_signal_leaves_nothing_in_a_directory_to_keep(tmp_path: Path, real_openssl: str) -> None:
    """--keep keeps what came of a rehearsal; of one that was interrupted, or could not be made, nothing."""
    program = signalling_program(tmp_path / "openssl", real_openssl, 20, "INT")
    ended = run("rehearse", "--openssl", str(program), "--keep", "kept", cwd=tmp_path, timeout=50)
    assert ended.status == 130, ended.err
    assert not (tmp_path / "kept").exists()
    (tmp_path / "certs").mkdir()
    (tmp_path / "certs" / "client.ext").touch()
    failed = run("rehearse", "--keep", "kept", cwd=tmp_path)
    assert failed.status == 2, failed.err
    assert not (tmp_path / "kept").exists()


def test_an_archive_that_cannot_be_read_is_told_before_a_key_is_made(project: Path, tmp_path: Path) -> None:
    """No key, no serial number: the archive's CA is read first."""
    with zipfile.ZipFile(tmp_path / "c.zip", "w") as archive:
        archive.writestr("autoprov.url", "https://localhost:443")
        archive.writestr("autoprov_credentials.p12", b"garbage")
    before = tree(project)
    ran = run("device", "--credentials", str(tmp_path / "c.zip"), cwd=project)
    assert ran.status == 2
    assert "autoprov_credentials.p12" in ran.error_lines[0]
    assert tree(project) == before


def test_a_script_that_was_killed_is_in_nobodys_way(project: Path, pki: Pki) -> None:
    """What a dry-run's script leaves in a device directory does not keep the tool from working there."""
    assert run("device", "--uuid", "u1", cwd=project).status == 0
    with s_server(pki, "direct", "root") as port:
        arguments = ["gateway", "root", "--gateway", "localhost", "--port", str(port), "--uuid", "u1"]
        script = run(*arguments, "-n", cwd=project).out
        staged = re.search(r"device_dir=\"\$\{device_dir\}/(\S+)\"", script)
        assert staged is not None
        (project / "myservername/devices/u1" / staged[1]).mkdir()
        assert run(*arguments, cwd=project).status == 0


def test_a_rehearsals_script_on_a_port_that_is_taken(tmp_path: Path) -> None:
    """It fails, and removes its directory with the keys."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        script = run("rehearse", "-n", "--port", str(other.getsockname()[1]), cwd=tmp_path).out
        directory = re.search(r"mkdir -m 700 -- (\S+)", script)
        ran = subprocess.run(["bash"], input=script, text=True, capture_output=True, check=False)
    assert directory is not None
    assert ran.returncode != 0
    assert not Path(directory[1]).exists()


def test_a_rehearsals_script_whose_gateway_ends(tmp_path: Path, real_openssl: str) -> None:
    """A gateway that is gone refuses nobody: the script fails."""
    body = f'case "$*" in *-cert*) ;; *-verifyCAfile*) pkill -f "s_server.*{tmp_path}";; esac\n'
    program = write_program(tmp_path / "openssl", f'#!/bin/bash\n{body}exec -a openssl {real_openssl} "$@"\n')
    script = run("rehearse", "-n", "--keep", "kept", "--openssl", str(program), cwd=tmp_path).out
    ran = subprocess.run(["bash"], input=script, text=True, capture_output=True, check=False)
    assert ran.returncode == 1
    assert "the device, TLS 1.3: accepted\n" in ran.stdout
    assert "no certificate, TLS 1.2: no answer\n" in ran.stdout


def test_a_signal_while_root_crt_is_put_in_its_place_finds_it_there(tmp_path: Path, pki: Pki) -> None:
    """The moment of the rename is not cut in two: the file is there, and that is what is said."""
    with s_server(pki, "direct", "root") as port:
        arguments = ["gateway", "root", "--gateway", "localhost", "--port", str(port), "--out", "root.crt"]
        script = (
            "import os, signal, sys\n"
            "from otaopenssl import gateway\n"
            "real = gateway.replace\n"
            "gateway.replace = lambda *given: (os.kill(os.getpid(), signal.SIGINT), real(*given))\n"
            "from otaopenssl.cli import run\n"
            f"sys.exit(run({arguments!r}))\n"
        )
        command = [sys.executable, "-c", script]
        ended = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (0, "root.crt\n"), ended.stderr
    assert (tmp_path / "root.crt").read_bytes() == pki.pem("direct", "root")


def test_an_answer_of_more_than_1_mib(tmp_path: Path, real_openssl: str) -> None:
    """What openssl itself would stop at 100 KB is stopped by the tool as well, and said of the gateway."""
    body = f'[ "$1" = s_client ] || exec {real_openssl} "$@"\nyes | head -c 2000000\n'
    program = write_program(tmp_path / "openssl", f"#!/bin/bash\n{body}")
    ran = run("gateway", "root", "--gateway", "localhost", "--out", "x", "--openssl", str(program), cwd=tmp_path)
    assert ran.status == 1
    assert ran.error_lines == ["otaopenssl: error: gateway 'localhost:8000' sent more than 1 MiB"]
    assert not (tmp_path / "x").exists()
