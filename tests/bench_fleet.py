"""What `make bench` measures: the ways to make devices, each run in a fresh project as a whole process tree."""

import os
import select
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

TEXT = Path(__file__).parent.parent / "templates" / "procedures" / "ota-connect-2019.7" / "device.sh"
GUIDE = r"""
export SERVER_NAME=myservername
export DEVICES_DIR="./${SERVER_NAME}/devices" CWD="${PWD}"
export SERVER_DIR="${CWD}/${SERVER_NAME}"
export DEVICE_UUID=$(cat /proc/sys/kernel/random/uuid | tr "[:upper:]" "[:lower:]")
export device_id=${DEVICE_ID:-${DEVICE_UUID}} device_dir="${DEVICES_DIR}/${DEVICE_UUID}"
mkdir -p "${device_dir}"
"""
# The least that a program in Python can do: it starts a device's six processes and waits for them. Each thread has a
# directory of its own to sign in, since -CAcreateserial keeps ca.srl beside ca.crt, and two at one ca.srl would fail.
# (The directory's path has no dot: OpenSSL before 3.0 cuts it at the first dot to name ca.srl, later ones at the last.)
BASELINE = r"""
import os, subprocess, sys, threading
openssl, uuids = sys.argv[1], iter(open(sys.argv[2]).read().split())
null, certs = subprocess.DEVNULL, os.getcwd() + "/certs"

def device(uuid, ca):
    to = "./myservername/devices/" + uuid
    variables = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "SERVER_NAME": "myservername"}
    variables |= {"DEVICE_UUID": uuid, "SSL_CERT_FILE": "/dev/null"}
    def start(*words, stdin=null, stdout=null):
        return subprocess.Popen(
            ["openssl", *words], executable=openssl, env=variables, stdin=stdin, stdout=stdout, stderr=null
        )
    os.mkdir(to)
    first = start("ecparam", "-genkey", "-name", "prime256v1", stdout=subprocess.PIPE)
    second = start("ec", "-out", to + "/pkey.ec.pem", stdin=first.stdout)
    first.stdout.close()
    first.wait()
    second.wait()
    start("pkcs8", "-topk8", "-nocrypt", "-in", to + "/pkey.ec.pem", "-out", to + "/pkey.pem").wait()
    start("req", "-new", "-config", certs + "/client.cnf", "-key", to + "/pkey.pem", "-out", to + "/client.csr").wait()
    start("x509", "-req", "-days", "365", "-extfile", certs + "/client.ext", "-in", to + "/client.csr",
        "-CAkey", ca + "/ca.key", "-CA", ca + "/ca.crt", "-CAcreateserial", "-out", to + "/client.pem").wait()
    start("x509", "-in", to + "/client.pem", "-text", "-noout").wait()

def devices(ca):
    os.mkdir(ca)
    for name in ("ca.key", "ca.crt"):
        os.symlink("../myservername/devices/" + name, ca + "/" + name)
    for uuid in uuids:
        device(uuid, ca)

threads = [threading.Thread(target=devices, args=(ca,)) for ca in ("signer1", "signer2")]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""
ALONE = "the guide's script, one after another"
BY_TWO = "the guide's script, xargs -P2"
BARE = "baseline: the six processes alone, by two"
FLEET = "otaopenssl fleet --jobs 2"
# What of the caller's environment would change what is made.
DROPPED = frozenset({"SERVER_NAME", "DEVICE_UUID", "DEVICE_ID", "device_gateway", "SSL_CERT_FILE", "OPENSSL_CONF"})

Pause = Callable[[], None]


class BrokenRunError(Exception):
    """A run did not make what it must, so that what it cost says nothing."""


class Cost(NamedTuple):
    """What a run took: wall and CPU time in seconds, and peak memory in MiB."""

    wall: float
    cpu: float
    peak: float


class Turn(NamedTuple):
    """What a device took in a run that made many, in ms; the run's peak memory in MiB; how many devices are usable."""

    wall: float
    cpu: float
    peak: float
    usable: int


def measured(
    command: list[str], cwd: Path, *, may_fail: bool = False, interval: float = 0, pause: Pause | None = None
) -> Cost:
    """What one run of a command and all its children costs, the time of its pauses not counted.

    Raises BrokenRunError unless it exits 0. With ``pause``, it is stopped each ``interval`` seconds while that runs.

    The peak is the largest of any one process of the tree, as wait4 tells it, not a sum. For the tool that is its own,
    since its openssl processes are smaller. But Linux counts to a process what it had in use before it became another
    program, so that nothing smaller than that can be told (``least_peak``).
    """
    log = cwd / "log"
    kept = {name: value for name, value in os.environ.items() if name not in DROPPED}
    # What a program puts into a temporary directory goes with the rest; a session of its own can be stopped as a whole.
    kept["TMPDIR"] = str(cwd)
    started, paused = time.perf_counter(), 0.0
    with log.open("wb") as to:
        # Because of preexec_fn Python forks. After its usual vfork, all that this program has in use would count.
        process = subprocess.Popen(
            command, cwd=cwd, env=kept, stdin=subprocess.DEVNULL, stdout=to, stderr=to, preexec_fn=os.setsid
        )
    ended = os.pidfd_open(process.pid)
    try:
        while not select.select([ended], [], [], None if pause is None else interval)[0]:
            paused += _stopped(process.pid, pause)
        wall = time.perf_counter() - started - paused
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    finally:
        os.close(ended)
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGTERM)
            os.killpg(process.pid, signal.SIGCONT)
            process.wait()
    if process.returncode and not may_fail:
        shown = log.read_text(errors="replace")[-2000:]
        raise BrokenRunError(f"exit status {process.returncode} of {' '.join(command)[:200]}\n{shown}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def _stopped(group: int, pause: Pause | None) -> float:
    """How many seconds the pause took, in which no process of the group went on."""
    started = time.perf_counter()
    os.killpg(group, signal.SIGSTOP)
    if pause is not None:
        pause()
    os.killpg(group, signal.SIGCONT)
    return time.perf_counter() - started


def is_usable(path: Path) -> bool:
    """Whether a certificate is there, not empty, and parses."""
    try:
        # A context of its own for each keeps none of them: this program's memory has to stay small.
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=path.read_text())
    except (OSError, ValueError):
        return False
    return True


class Bench:
    """The ways to make devices, each run in a fresh copy of one project, below a directory that the caller removes."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.program = str(Path(sys.executable).with_name("otaopenssl"))
        self.project = directory / "project"
        self.project.mkdir()
        for preparation in (["root"], ["config", "render"], ["device"]):
            measured([self.program, *preparation], self.project)
        script, baseline = directory / "guide.sh", directory / "baseline.py"
        script.write_text(GUIDE + TEXT.read_text())
        baseline.write_text(BASELINE)
        guide = ["-n1", "-a", "uuids", "bash", str(script)]
        self._commands = {
            ALONE: ["xargs", "-P1", *guide],
            BY_TWO: ["xargs", "-P2", *guide],
            BARE: [sys.executable, "-I", str(baseline), str(shutil.which("openssl")), "uuids"],
            FLEET: [self.program, "fleet", "--ids", "uuids", "--jobs", "2"],
        }

    def turn(self, name: str, devices: int, interval: float = 0, pause: Pause | None = None) -> Turn:
        """What it takes to make ``devices`` devices with UUIDs that nobody has had.

        Raises BrokenRunError unless all are usable; of the guide's script side by side with itself, fewer may be.
        """
        project = self.fresh(devices)
        devices_dir = project / "myservername" / "devices"
        may_fail = name == BY_TWO
        cost = measured(self._commands[name], project, may_fail=may_fail, interval=interval, pause=pause)
        usable = sum(is_usable(path) for path in devices_dir.glob("*/client.pem"))
        if usable != devices and not may_fail:
            raise BrokenRunError(f"{name}: {usable} of {devices} devices are usable")
        shutil.rmtree(project)
        return Turn(cost.wall * 1000 / devices, cost.cpu * 1000 / devices, cost.peak, usable)

    def fresh(self, devices: int) -> Path:
        """A copy of the project, with a file of so many UUIDs that nobody has had; the caller may remove it."""
        project = Path(tempfile.mkdtemp(dir=self._directory))
        devices_dir = project / "myservername" / "devices"
        devices_dir.mkdir(parents=True)
        shutil.copytree(self.project / "certs", project / "certs")
        for file in ("ca.key", "ca.crt", "ca.srl"):
            shutil.copy2(self.project / "myservername" / "devices" / file, devices_dir)
        (project / "uuids").write_text("".join(f"{uuid.uuid4()}\n" for _ in range(devices)))
        # Nobody is to wait for the disk on account of another.
        os.sync()
        return project

    def rounds(self, quantity: int, devices: int) -> dict[str, list[Turn]]:
        """The turns of each way, one a round; who begins changes from round to round."""
        turns: dict[str, list[Turn]] = {name: [] for name in self._commands}
        names = list(turns)
        for number in range(quantity):
            first = number % len(names)
            for name in names[first:] + names[:first]:
                turns[name].append(self.turn(name, devices))
        return turns

    def least_peak(self) -> float:
        """What is told of a process that needs hardly any memory: less than that cannot be told of any."""
        return measured(["true"], self.project).peak
