"""Whatever ends a run that asks a gateway: nothing is left, nothing runs on, and what was there is as it was."""

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.conftest import run, tree
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


@pytest.mark.parametrize("name", ["INT", "TERM", "HUP"])
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
