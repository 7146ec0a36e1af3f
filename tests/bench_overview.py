"""What `make bench` measures of looking at many devices: what verify costs beside openssl itself, and list."""

import shutil
import sys
from pathlib import Path
from typing import NamedTuple

from otaopenssl.questions import CERTIFICATE_AND_KEY, DEVICES_CHECK, KEY_CHECK, REQUEST_CHECK
from tests.bench_fleet import Bench, Cost, measured

# The least that asks the same of openssl: four processes a device, and one for the signatures of sixteen.
_BASELINE = r"""
import os, subprocess, sys, threading
openssl, words = sys.argv[1], [line.split() for line in open("questions")]
uuids = iter([uuids.split() for uuids in open("blocks")])
null = subprocess.DEVNULL

def ask(argv, **variables):
    env = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "SERVER_NAME": "myservername"} | variables
    subprocess.run(argv, executable=openssl, env=env, stdin=null, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

def devices():
    for block in uuids:
        *each, verify = words
        ask([*verify[:-1], *(f"./myservername/devices/{uuid}/client.pem" for uuid in block)])
        for uuid in block:
            for argv in each:
                ask([word.replace("UUID", uuid) for word in argv], SSL_CERT_FILE="/dev/null")

threads = [threading.Thread(target=devices) for _ in range(2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""
_BLOCK = 16


class Verifying(NamedTuple):
    """What it took to verify devices, and to ask openssl the same."""

    tool: Cost
    bare: Cost


class Fleet:
    """A project of so many devices that were made; the caller removes it."""

    def __init__(self, bench: Bench, devices: int) -> None:
        self._bench = bench
        self.project = bench.fresh(devices)
        measured([bench.program, "fleet", "--ids", "uuids", "--jobs", "2"], self.project)
        uuids = (self.project / "uuids").read_text().split()
        blocks = [" ".join(uuids[start : start + _BLOCK]) for start in range(0, devices, _BLOCK)]
        (self.project / "blocks").write_text("\n".join(blocks))
        at = "./myservername/devices/UUID"
        asked = [KEY_CHECK.argv(file=f"{at}/{name}") for name in ("pkey.pem", "pkey.ec.pem")]
        asked += [REQUEST_CHECK.argv(file=f"{at}/UUID.csr"), CERTIFICATE_AND_KEY.argv(file=f"{at}/client.pem")]
        asked += [DEVICES_CHECK.argv("FILES", trusted="./myservername/devices/ca.crt")]
        (self.project / "questions").write_text("\n".join(" ".join(argv) for argv in asked))

    def verified(self) -> Verifying:
        """What it takes to verify all, and to ask openssl the same, in turn."""
        tool = measured([self._bench.program, "verify", "--all", "--jobs", "2"], self.project)
        openssl = str(shutil.which("openssl"))
        bare = measured([sys.executable, "-I", "-c", _BASELINE, openssl], self.project)
        return Verifying(tool, bare)


def listed(bench: Bench, devices: int) -> tuple[Cost, Cost]:
    """What a list of so many devices costs the first time, and when nothing has changed."""
    project = bench.fresh(1)
    measured([bench.program, "device", "--uuid", "one"], project)
    one = project / "myservername" / "devices" / "one"
    for number in range(devices - 1):
        _copy(one, one.with_name(f"{number:08}-b7dc-4fb0-900f-a237ba3e804c"))
    first, again = (measured([bench.program, "list", "--csv"], project) for _ in range(2))
    shutil.rmtree(project)
    return first, again


def _copy(device: Path, to: Path) -> None:
    to.mkdir(mode=0o700)
    for path in device.iterdir():
        (to / path.name.replace(device.name, to.name)).write_bytes(path.read_bytes())
