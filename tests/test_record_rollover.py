"""Records of more devices than one holds, and runs that are killed while they seal."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import run
from tests.fleets import names, program_that, started, until, write_ids
from tests.seals import Pki
from tests.test_records import lines_of, mark_open, records, statements
from tests.verify_sh import verify

MOST = 7
# Records of at most so many lines: 10,000 devices take minutes.
_FEW_LINES = f"""
from otaopenssl import line_rules, record
record.MOST_LINES = line_rules.MOST_LINES = {MOST}
from otaopenssl.__main__ import main
main()
"""


def sealing(pki: Pki) -> list[str]:
    certificate = pki.certificate("seal")
    return ["--seal", str(certificate), str(certificate.with_suffix(".key"))]


def test_a_fleet_of_many_records(project: Path, record_pki: Pki) -> None:
    """A run has as many records as it needs, one after another, each sealed; the audit and verify.sh accept them."""
    write_ids(project / "ids", names(3 * MOST + 2))
    with started("fleet", "--ids", "ids", *sealing(record_pki), cwd=project, python=("-c", _FEW_LINES)) as process:
        assert process.wait() == 0
    mine = records(project)[1:]
    assert [len(lines_of(record)) for record in mine] == [MOST, MOST, MOST, 2]
    assert [record.name.rpartition("-")[2] for record in mine[1:]] == ["2", "3", "4"]
    assert sorted(line["uuid"] for record in mine for line in lines_of(record)) == names(3 * MOST + 2)
    trust = str(record_pki.certificate("seal-ca"))
    assert run("audit", "--trust", trust, *(record.name for record in mine), cwd=project).status == 0
    assert run("audit", cwd=project).status == 0
    for record in mine:
        assert verify(str(record), trust).status == 0


def test_a_fleet_that_is_killed_in_a_later_record(project: Path, devices: Path) -> None:
    """The next run seals what is there, and tells of no device twice."""
    write_ids(project / "ids", names(60))
    with started("fleet", "--ids", "ids", "--jobs", "2", cwd=project, python=("-c", _FEW_LINES)) as process:
        until(lambda: len(list(devices.glob("*/client.pem"))) > 3 * MOST, process)
        process.send_signal(signal.SIGKILL)
    assert run("device", "--uuid", "next", cwd=project).status == 0
    told = [line["uuid"] for record in records(project)[1:-1] for line in lines_of(record) if line["result"] == "made"]
    assert sorted(told) == sorted(path.parent.name for path in devices.glob("d*/client.pem"))
    assert run("audit", cwd=project).status == 0


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("which", [1, 2])
def test_a_run_that_is_killed_as_it_seals(
    project: Path, devices: Path, tmp_path: Path, real_openssl: str, record_pki: Pki, when: str, which: int
) -> None:
    """Killed at the probe nothing is made; at the seal the device is there, and the next run seals its record."""
    count = f'echo >> {tmp_path}/signed; [ "$(wc -l < {tmp_path}/signed)" = {which} ]'
    after = f'{real_openssl} "$@"; ' if when == "after" else ""
    program = program_that(
        tmp_path / "openssl", real_openssl, f'[ "$1" = cms ] && {{ {count}; }} && {{ {after}kill -9 $PPID; }}'
    )
    seal = sealing(record_pki)
    assert run("--openssl", str(program), "device", "--uuid", "d1", *seal, cwd=project).status == -signal.SIGKILL
    assert (devices / "d1").exists() == (which == 2)
    assert run("device", "--uuid", "d2", *seal, cwd=project).status == 0
    made = [line["uuid"] for record in records(project) for line in lines_of(record)]
    assert made == [None, *(["d1"] if which == 2 else []), "d2"]
    sealed = [record for record in records(project) if (record / "statement.json.p7s").exists()]
    assert sealed == records(project)[1:]
    statements(project)
    trust = str(record_pki.certificate("seal-ca"))
    assert run("audit", "--trust", trust, *(record.name for record in sealed), cwd=project).status == 0
    assert run("audit", cwd=project).status == 0
    assert not (project / "myservername" / "records" / ".open").exists()


def test_what_a_killed_run_left_is_more_than_a_record_holds(project: Path, devices: Path) -> None:
    """What its workers had written down goes into one more record."""
    write_ids(project / "ids", names(MOST + 40))
    with started("fleet", "--ids", "ids", "--jobs", "2", cwd=project, python=("-c", _FEW_LINES)) as process:
        until(lambda: len(list(devices.glob("*/client.pem"))) > MOST + 8, process)
        process.send_signal(signal.SIGKILL)
    next_run = ["-c", _FEW_LINES, "device", "--uuid", "next"]
    assert subprocess.run([sys.executable, *next_run], cwd=project, check=False, capture_output=True).returncode == 0
    assert all(len(lines_of(record)) <= MOST for record in records(project))
    told = [line["uuid"] for record in records(project)[1:-1] for line in lines_of(record) if line["result"] == "made"]
    assert sorted(told) == sorted(path.parent.name for path in devices.glob("d*/client.pem"))
    assert run("audit", cwd=project).status == 0


def test_a_record_that_was_sealed_before_its_run_died(project: Path, devices: Path) -> None:
    """It is not put into the list once more, though others were since."""
    assert run("device", "--uuid", "d1", cwd=project).status == 0
    assert run("device", "--uuid", "d2", cwd=project).status == 0
    record = records(project)[1]
    mark_open(record)
    assert run("device", "--uuid", "d3", cwd=project).status == 0
    assert not (project / "myservername" / "records" / ".open").exists()
    assert run("audit", cwd=project).status == 0
