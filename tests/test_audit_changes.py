"""The audit holds for what records.md says, and finds every change: with records that were made by that page alone."""

import pytest

from tests.conftest import Ran
from tests.fleets import run_all
from tests.record_cases import CASES, GOOD
from tests.records import Tree
from tests.seals import Pki

# All of the audits are made in one process, before the first test.
pytestmark = pytest.mark.xdist_group("audits")

# A proof is of no use to an audit, which has all lines.
CHANGES = {name: bent for name, (bent, _) in CASES.items() if bent.proof is None}


@pytest.fixture(scope="session")
def audits(record_pki: Pki, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ran]:
    """What the audit says of each good record and of each change."""
    directory = tmp_path_factory.mktemp("audits")
    bents = {**GOOD, **CHANGES}
    commands = []
    for number, bent in enumerate(bents.values()):
        tree = Tree(record_pki, directory / str(number), bent)
        commands.append(["audit", "-C", str(tree.server.parent), "--trust", str(record_pki.certificate(bent.trust))])
    return dict(zip(bents, run_all(commands, cwd=directory), strict=True))


@pytest.mark.parametrize("name", GOOD)
def test_a_good_record(audits: dict[str, Ran], name: str) -> None:
    """It holds."""
    assert (audits[name].status, audits[name].err) == (0, "")


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_found(audits: dict[str, Ran], name: str) -> None:
    """What verify.sh finds the audit finds, too."""
    assert audits[name].status == 1
    assert len(audits[name].error_lines) == 1
