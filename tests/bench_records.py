"""What `make bench` measures of records: what leaving one costs, its size, and how long an audit of many takes."""

import json
import os
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

from otaopenssl.account import Account
from otaopenssl.environment import environment
from otaopenssl.evidence import Evidence, Keeping
from otaopenssl.gate import Intent, permitted
from otaopenssl.ids import DEFAULT_SERVER_NAME
from otaopenssl.layout import CERTIFICATE_NAME, Server
from otaopenssl.program import launch
from otaopenssl.records import record_dirs
from otaopenssl.statement import LINES_NAME
from otaopenssl.texts import DEFAULT_PROCEDURE, find_procedure
from tests.bench_fleet import Bench, BrokenRunError, Cost, measured

# Records are written by the tool's own process alone, and its openssl processes, which take most of the time and vary
# most, are the same with and without.
_FLEET = r"""
import json, resource, sys
from otaopenssl import cli
from otaopenssl.cli import gating
if sys.argv[1] == "without":
    launch = gating.evidence
    gating.evidence = lambda *given: (launch(*given)[0], None)
status = cli.run(["fleet", "--ids", "uuids", "--jobs", "2"])
used = resource.getrusage(resource.RUSAGE_SELF)
with open("used", "w") as file:
    json.dump(used.ru_utime + used.ru_stime, file)
sys.exit(status)
"""
_A_TIME = 100


class Pair(NamedTuple):
    """What a device took of the tool's own CPU time with and without a record, in ms, and the bytes of its record."""

    with_record: float
    without: float
    size: float


def pair(bench: Bench, devices: int, *, is_first: bool) -> Pair:
    """A fleet with records and one without, in turn; ``is_first`` says which of the two is made first."""
    took, size = {}, 0.0
    for kind in ("with", "without") if is_first else ("without", "with"):
        project = bench.fresh(devices)
        measured([sys.executable, "-c", _FLEET, kind], project)
        took[kind] = json.loads((project / "used").read_text()) * 1000 / devices
        records = project / "myservername" / "records"
        if records.exists() != (kind == "with"):
            raise BrokenRunError(f"a fleet {kind} records: {records} is {'' if records.exists() else 'not '}there")
        size += sum(path.stat().st_size for path in records.rglob("*") if path.is_file()) / devices
        shutil.rmtree(project)
    return Pair(took["with"], took["without"], size)


def audit_of(bench: Bench, devices: int) -> Cost:
    """What an audit of so many devices costs, each of them recorded with all that one real device was made by."""
    project = bench.fresh(1)
    shutil.rmtree(project / "myservername" / "devices")
    for command in ("root", "device"):
        measured([bench.program, command], project)
    _record_more(project, devices - 1)
    cost = measured([bench.program, "audit"], project)
    shutil.rmtree(project)
    return cost


def _record_more(project: Path, devices: int) -> None:
    """More devices like the one there is, which a run's own record tells of."""
    server = Server(project, DEFAULT_SERVER_NAME)
    (made,) = (path for path in server.devices_dir.iterdir() if path.is_dir())
    certificate = (made / CERTIFICATE_NAME).read_bytes()
    records = [record / LINES_NAME for record in record_dirs(server)]
    (line,) = (path.read_text() for path in records if made.name in path.read_text())
    # What chains a line to others stands before the rest.
    pattern = "{" + line[line.index('"begin"') : -1]
    procedure, program = find_procedure(DEFAULT_PROCEDURE, project), str(shutil.which("openssl"))
    texts = ("device.sh",)
    permission = permitted(Intent(server, procedure, texts, program))
    evidence = Evidence(Keeping("fleet", server, procedure, texts, server.places()), permission)
    with evidence.kept(Account()):
        evidence.begin(launch(program, "", environment(server.name), lambda _finished: None, project))
        for start in range(0, devices, _A_TIME):
            uuids = [f"{number:08}-{os.urandom(13).hex()}" for number in range(start, min(start + _A_TIME, devices))]
            for uuid in uuids:
                (server.devices_dir / uuid).mkdir()
                (server.devices_dir / uuid / CERTIFICATE_NAME).write_bytes(certificate)
            evidence.add([pattern.replace(made.name, uuid).encode() for uuid in uuids])
