"""What the tests of fleets share: lists of devices, runs in the background, and whether every device is whole."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

from otaopenssl.environment import environment
from otaopenssl.evidence import Evidence, Keeping
from otaopenssl.fleet import FleetOrder, Tell, make_fleet
from otaopenssl.fleet_summary import Summary
from otaopenssl.gate import Intent, permitted
from otaopenssl.program import launch
from tests.conftest import Ran, write_program

_SECONDS_TO_WAIT = 60.0
# Everything about each device that openssl knows, in one shell.
_EXAMINATION = """
cd -- "$1"; shift
openssl verify -purpose sslclient -CAfile ca.crt "${@/%//client.pem}" >/dev/null || exit 1
for name; do
  echo "device $name"
  openssl x509 -in "$name/client.pem" -noout -serial -pubkey || exit 1
  openssl pkey -in "$name/pkey.pem" -pubout || exit 1
  openssl req -in "$name"/*.csr -verify -noout >/dev/null 2>&1 || exit 1
  openssl req -in "$name"/*.csr -noout -pubkey || exit 1
done
"""

_ONE_AFTER_ANOTHER = """
import contextlib, io, json, sys
from otaopenssl.cli import run
results = []
for arguments in json.load(sys.stdin):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = run(arguments)
    results.append([status, out.getvalue(), err.getvalue()])
print(json.dumps(results))
"""


def names(count: int, prefix: str = "d") -> list[str]:
    """So many device UUIDs, in the order of their numbers."""
    return [f"{prefix}{number:03}" for number in range(count)]


def fleet_by(executor: Executor, order: FleetOrder, program: str, tell: Tell) -> Summary:
    """What came of a fleet by the executor, which leaves a record."""
    server, texts = order.server, ("device.sh",)
    keeping = Keeping("fleet", server, order.procedure, texts, server.places())
    permission = permitted(Intent(server, order.procedure, texts, program))
    variables = environment(server.name)
    return make_fleet(
        order,
        lambda: launch(program, "", variables, lambda _finished: None, server.project_dir),
        tell,
        executor,
        Evidence(keeping, permission),
    )


def write_ids(path: Path, uuids: Iterable[str]) -> Path:
    """A list of devices, one a line."""
    path.write_text("".join(f"{uuid}\n" for uuid in uuids))
    return path


def there(devices: Path) -> set[str]:
    """The names in the devices directory that are not the fleet root CA's, nor a file that is just being written."""
    return {path.name for path in devices.iterdir() if path.name[0] != "."} - {"ca.key", "ca.crt", "ca.srl"}


def whole(devices: Path, but: Iterable[str] = ()) -> dict[str, int]:
    """The serial number of each device there is, without those of ``but``; fails unless openssl finds each one whole.

    It asks nothing of the tool: key, request and certificate have one public key, the chain is what cat writes, and no
    serial number is there twice.
    """
    found = sorted(there(devices) - set(but))
    if not found:
        return {}
    command = ["bash", "-c", _EXAMINATION, "bash", str(devices)]
    parts = [part for part in (found[::2], found[1::2]) if part]
    serials = {}
    with ThreadPoolExecutor(len(parts)) as pool:
        answers = "".join(pool.map(lambda part: _output([*command, *part]), parts))
    for answer in answers.split("device ")[1:]:
        name, serial, *keys = answer.splitlines()
        third = len(keys) // 3
        assert keys[:third] == keys[third : 2 * third] == keys[2 * third :], f"{name}: the keys are not one"
        serials[name] = int(serial.removeprefix("serial="), 16)
    ca = (devices / "ca.crt").read_bytes()
    assert sorted(serials) == found
    for name in found:
        contents = {path.name: path.read_bytes() for path in (devices / name).iterdir()}
        assert all(contents.values()), f"{name}: an empty file"
        (chain,) = [content for file, content in contents.items() if file.endswith(".chain.pem")]
        assert chain == contents["client.pem"] + ca
        assert b"PRIVATE KEY" in contents["pkey.ec.pem"]
        assert (devices / name).stat().st_mode & 0o777 == 0o700
    assert len(set(serials.values())) == len(serials), "a serial number was used twice"
    return serials


def _output(command: Sequence[str]) -> str:
    examined = subprocess.run(command, check=False, capture_output=True, text=True)
    assert examined.returncode == 0, examined.stdout[-300:] + examined.stderr
    return examined.stdout


def last_serial(devices: Path) -> int:
    """What ca.srl holds."""
    return int((devices / "ca.srl").read_text(), 16)


def run_all(command_lines: Iterable[Sequence[str]], cwd: Path) -> list[Ran]:
    """What command lines come to that are run one after another, in one process, which is sooner done."""
    given = [list(arguments) for arguments in command_lines]
    ran = subprocess.run(
        [sys.executable, "-c", _ONE_AFTER_ANOTHER],
        cwd=cwd,
        env={"PATH": os.environ["PATH"]},
        input=json.dumps(given),
        check=True,
        capture_output=True,
        text=True,
        timeout=_SECONDS_TO_WAIT,
    )
    return [Ran(*one) for one in json.loads(ran.stdout)]


@contextmanager
def started(
    *arguments: str, cwd: Path, python: Sequence[str] = ("-m", "otaopenssl")
) -> Iterator["subprocess.Popen[str]"]:
    """A run of the command line in the background; what still runs at the end of the block is ended."""
    process = subprocess.Popen(
        [sys.executable, *python, *arguments],
        cwd=cwd,
        env={"PATH": os.environ["PATH"]},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)


def ended(process: "subprocess.Popen[str]") -> Ran:
    """What the run has come to."""
    out, err = process.communicate(timeout=_SECONDS_TO_WAIT)
    return Ran(process.returncode, out, err)


def until(condition: Callable[[], bool], process: "subprocess.Popen[str] | None" = None) -> None:
    """Return once the condition holds; it may take a minute, and must come true before the process has ended."""
    deadline = time.monotonic() + _SECONDS_TO_WAIT
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
        assert process is None or process.poll() is None, "the run has ended before"
        time.sleep(0.005)


def program_that(path: Path, real: str, lines: str) -> Path:
    """A program in openssl's place that does the bash ``lines`` first; its processes carry its path as their name."""
    return write_program(path, f'#!/bin/bash\n{lines}\nexec -a {path} {real} "$@"\n')


def waiting_for(path: Path) -> str:
    """Bash that waits until something is there, for a minute at most, so that it outlives no test for long."""
    return f"for _ in {{1..3000}}; do [ -e {path} ] && break; sleep 0.02; done"


def failing(path: Path, real: str, uuids: Sequence[str], step: str = "req") -> Path:
    """A program in openssl's place that fails at the step of those devices."""
    wanted = f'[ "$1" = {step} ] && case $DEVICE_UUID in {"|".join(uuids)}) echo no luck >&2; exit 7;; esac'
    return program_that(path, real, wanted)


def survivors(program: Path) -> str:
    """The processes of a program that still run."""
    return subprocess.run(["pgrep", "-af", str(program)], check=False, capture_output=True, text=True).stdout


def end_survivors(program: Path) -> None:
    """End what still runs of a program."""
    for line in survivors(program).splitlines():
        with suppress(ProcessLookupError):
            os.kill(int(line.split()[0]), signal.SIGKILL)
