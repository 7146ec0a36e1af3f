"""A renewal that is killed: no key is ever lost, the device is whole, and records agree, once the next run has come."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from otaopenssl.account import Result
from otaopenssl.layout import CERTIFICATE_NAME
from otaopenssl.measured import certificate_digest
from otaopenssl.recorded_lines import recorded_lines
from tests.conftest import run
from tests.fleets import run_all, there, whole

# A child for each call of the system's from when the new device is ready to the end of the run, killed before it, in a
# copy of the project of its own; the last one is not killed. Prints how many there are.
_KILLED_EACH_TIME = """
import json, os, shutil, signal, sys
from otaopenssl import previous, replacing
from otaopenssl.cli import run
from otaopenssl.cli import gating, renewing
import ctypes
pristine, folder, exchanges, arguments = json.loads(sys.argv[1])
left = None
def counted(real):
    def call(*args, **kwargs):
        global left
        if left is not None:
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1
        return real(*args, **kwargs)
    return call
for name in ("rename", "replace", "link", "mkdir", "rmdir", "unlink", "fsync", "fdatasync", "ftruncate"):
    setattr(os, name, counted(getattr(os, name)))
previous.exchange = counted(previous.exchange if exchanges else lambda one, other: False)
real_carry = replacing.carry_over
number = 0
while True:
    project = f"{folder}/{number}"
    shutil.copytree(pristine, project, symlinks=True)
    child = os.fork()
    if not child:
        def carry_over(*given):
            global left
            real_carry(*given)
            left = number
        replacing.carry_over = carry_over
        for stream in (1, 2):
            os.dup2(os.open(f"{project}/said.{stream}", os.O_CREAT | os.O_WRONLY), stream)
        os._exit(run(["-C", project, *arguments]))
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    number += 1
    if status != -signal.SIGKILL:
        assert status == 0, status
        break
print(number)
"""
# What may come next, turn by turn; each is done to what another kill has left.
_NEXT = (
    ["renew", "u1"],
    ["renew", "u1", "--new-key"],
    ["device", "--uuid", "u1"],
    ["device", "--uuid", "u2"],
    ["list"],
    ["verify", "u1"],
    ["show", "u1"],
    ["fleet", "--count", "1"],
)
# They make nothing, and close no record.
_READERS = ("list", "verify", "show")


def digests(directory: Path, name: str) -> set[str]:
    """The digests of the files of that name below a directory."""
    return {hashlib.sha256(path.read_bytes()).hexdigest() for path in directory.rglob(name)}


def killed_each_time(project: Path, arguments: Sequence[str], *, exchanges: bool) -> list[Path]:
    """Copies of the project, in each of which the command line was killed at another moment; the last one not."""
    folder = project.parent / "killed"
    folder.mkdir()
    given = json.dumps([str(project), str(folder), exchanges, list(arguments)])
    command = [sys.executable, "-c", _KILLED_EACH_TIME, given]
    ran = subprocess.run(command, cwd=project, env={"PATH": os.environ["PATH"]}, check=False, capture_output=True)
    assert ran.returncode == 0, ran.stderr.decode()
    return [folder / str(number) for number in range(int(ran.stdout))]


def published(server_dir: Path) -> set[str | None]:
    """The digests of all certificates of u1 that are there or kept."""
    paths = [server_dir / "devices" / "u1", *(server_dir / "previous").glob("u1/*")]
    return {certificate_digest(path / CERTIFICATE_NAME) for path in paths}


def told_made(server_dir: Path) -> set[str]:
    """The digests of the certificates of u1 that records tell were made."""
    lines = (line for path in server_dir.glob("records/*/devices.jsonl") for line in recorded_lines(path))
    return {line.certificate_sha256.hex() for line in lines if line.uuid == "u1" and line.result == Result.MADE}


@pytest.mark.parametrize(
    ("exchanges", "arguments", "first", "step"),
    [
        (True, ["renew", "u1"], 0, 2),
        (False, ["renew", "u1"], 1, 2),
        (False, ["renew", "u1", "--new-key"], 1, 3),
        (True, ["renew", "u1", "u0", "-j1"], 2, 3),
    ],
    ids=["exchange", "two-renames", "two-renames-new-key", "exchange-two-devices"],
)
def test_killed_at_any_moment(
    project: Path, devices: Path, exchanges: bool, arguments: list[str], first: int, step: int
) -> None:
    """Right after it no key is lost; after the next run, whichever, the device is whole, and the records hold.

    The next run is tried of every so many moments: each is met by one of the cases, and takes its time.
    """
    for uuid in ("u0", "u1"):
        assert run("device", "--uuid", uuid, cwd=project).status == 0
        (devices / uuid / "root.crt").write_bytes((devices / "ca.crt").read_bytes())
    before = digests(devices, "pkey.pem")
    copies = killed_each_time(project, arguments, exchanges=exchanges)
    assert len(copies) > 15
    states = set()
    for copy in copies:
        server_dir = copy / "myservername"
        assert before <= digests(server_dir / "devices", "pkey.pem") | digests(server_dir / "previous", "pkey.pem")
        # But for a moment of two renames the device is there, and whole.
        states.add((server_dir / "devices" / "u1").is_dir())
        assert exchanges <= (server_dir / "devices" / "u1").is_dir()
    assert states == ({True} if exchanges else {True, False})
    copies = copies[first::step]
    following = {copy: _NEXT[number % len(_NEXT)] for number, copy in enumerate(copies)}
    ran = run_all([["-C", str(copy), *words] for copy, words in following.items()], cwd=project)
    for words, one in zip(following.values(), ran, strict=True):
        # Also between two renames the device is there for whoever comes next; that a record is not closed yet, verify
        # tells as well.
        expected = {"device --uuid u1": (4,), "verify u1": (0, 1)}.get(" ".join(words), (0,))
        assert one.status in expected, f"{words}: {one.out}{one.err}"
        assert "file-missing" not in one.out
    readers = [copy for copy, words in following.items() if words[0] in _READERS]
    for made in run_all([["-C", str(copy), "device", "--uuid", "last"] for copy in readers], cwd=project):
        assert made.status == 0, made.err
    for audited in run_all([["-C", str(copy), "audit"] for copy in copies], cwd=project):
        assert audited.status == 0, audited.out
    for copy in copies:
        server_dir = copy / "myservername"
        others = there(server_dir / "devices") - {"u0", "u1"}
        assert set(whole(server_dir / "devices", but=others)) == {"u0", "u1"}
        assert (server_dir / "devices" / "u1" / "root.crt").is_file()
        assert before <= digests(server_dir / "devices", "pkey.pem") | digests(server_dir / "previous", "pkey.pem")
        assert published(server_dir) == told_made(server_dir)
        assert not list((server_dir / "previous").glob(".*"))
        for kept in (server_dir / "previous").glob("*/*"):
            assert "client.pem" in {path.name for path in kept.iterdir()}
