"""What strange programs and readers do to a fleet: what is said and published is right, and signals are heard."""

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import run
from tests.fleets import ended, names, program_that, started, there, until, whole, write_ids


def test_a_verify_that_is_killed_condemns_no_device(project: Path, tmp_path: Path, real_openssl: str) -> None:
    """Devices that are whole are not told to be anything else because openssl was ended by a signal."""
    write_ids(project / "ids", names(4))
    assert run("fleet", "--ids", "ids", cwd=project).status == 0
    program = program_that(tmp_path / "openssl", real_openssl, '[ "$1" = verify ] && kill -9 $$')
    ran = run("fleet", "--ids", "ids", "--openssl", str(program), cwd=project)
    assert ran.status == 5
    assert ran.err.count("step 'verify' was ended by signal 9") == 4, ran.err
    assert "not whole" not in ran.err
    once = tmp_path / "once"
    program = program_that(
        tmp_path / "twice", real_openssl, f'[ "$1" = verify ] && mkdir {once} 2>/dev/null && kill -9 $$'
    )
    ran = run("fleet", "--ids", "ids", "--openssl", str(program), cwd=project)
    assert (ran.status, ran.err) == (0, "fleet of 4 devices: 0 made, 4 there already\n")


@pytest.mark.parametrize("name", ["pkey.pem", "pkey.ec.pem", "d000.csr"])
@pytest.mark.parametrize("how", ["rm -f", ": >", "ln -sf /etc/passwd"], ids=["removed", "emptied", "linked"])
def test_what_a_later_command_takes_away(
    project: Path, devices: Path, tmp_path: Path, real_openssl: str, name: str, how: str
) -> None:
    """A file that a step has written must be there as it was when the device is published."""
    path = f"myservername/devices/d000/{name}"
    program = tmp_path / "openssl"
    program.write_text(f'#!/bin/bash\n{real_openssl} "$@"; r=$?\n[ "$1 $2" = "x509 -req" ] && {how} {path}\nexit $r\n')
    program.chmod(0o755)
    ran = run("device", "--uuid", "d000", "--openssl", str(program), cwd=project)
    assert ran.status == 1, ran.err
    assert f"/{name}' is not there any more as its step has written it" in ran.err
    assert there(devices) == set()


@pytest.mark.parametrize("kind", ["fifo", "stalled"])
def test_a_list_that_nobody_reads(project: Path, devices: Path, kind: str) -> None:
    """A FIFO without a reader, or a pipe whose reader stands still, does not keep Ctrl-C from ending the fleet."""
    write_ids(project / "ids", names(20, "x" * 60))
    os.mkfifo(project / "fifo")
    reader = None if kind == "fifo" else os.open(project / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    arguments = ["fleet", "--ids", "ids", "--out", "fifo"]
    with started(*arguments, cwd=project) as process:
        if reader is not None:
            # Nothing more goes into the pipe.
            filler = os.open(project / "fifo", os.O_WRONLY | os.O_NONBLOCK)
            try:
                while os.write(filler, b"x" * 4096):
                    pass
            except BlockingIOError:
                pass
            until(lambda: len(there(devices)) >= 1, process)
        blocked = "wait_for_partner" if reader is None else "poll"
        until(lambda: blocked in Path(f"/proc/{process.pid}/wchan").read_text(), process)
        process.send_signal(signal.SIGINT)
        ran = ended(process)
    assert ran.status == 130, ran.err
    assert not (devices.parent / ".otaopenssl").exists()
    whole(devices)


def test_too_few_descriptors(project: Path, devices: Path) -> None:
    """Where a process may open hardly any file, devices fail with that reason, in words."""
    write_ids(project / "ids", names(12))
    ran = subprocess.run(
        [sys.executable, "-m", "otaopenssl", "fleet", "--ids", "ids", "--jobs", "8"],
        cwd=project,
        check=False,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (24, 24)),
    )
    assert "Traceback" not in ran.stderr
    assert "Exception ignored" not in ran.stderr
    assert ran.returncode in (0, 4, 5), ran.stderr
    whole(devices)
    # What could not be removed then is removed by the next run.
    assert run("fleet", "--ids", "ids", cwd=project).status == 0
    assert len(whole(devices)) == 12
