"""docs/verify.sh holds for what records.md says, and finds every change: by real openssl, jq and coreutils."""

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.conftest import Ran
from tests.record_cases import CASES, GOOD
from tests.records import Tree
from tests.seals import Pki
from tests.verify_sh import EDITS, MUSTS, SCRIPT, failed, musts, verify


@pytest.mark.parametrize("name", GOOD)
def test_a_good_record(record_pki: Pki, tmp_path: Path, name: str) -> None:
    """It passes every check, whatever the names of its directories are."""
    ran = verify(*Tree(record_pki, tmp_path / "-x '\"$(exit 9)", GOOD[name]).arguments())
    assert (ran.status, ran.err, failed(ran)) == (0, "", set()), ran.out


@pytest.fixture(scope="session")
def outcomes(
    record_pki: Pki, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[dict[str, Future[Ran]]]:
    """The outcome of each case whose test is to run, several at a time."""

    def outcome(name: str) -> Ran:
        return verify(*Tree(record_pki, tmp_path_factory.mktemp("case"), CASES[name][0]).arguments())

    wanted = [item.callspec.params.get("case_name") for item in request.session.items if hasattr(item, "callspec")]
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        yield {name: pool.submit(outcome, name) for name in CASES if name in wanted}


@pytest.mark.parametrize("case_name", CASES)
def test_a_change_is_found(outcomes: dict[str, Future[Ran]], case_name: str) -> None:
    """Each change is found, by the checks that are to find it and by no others."""
    ran = outcomes[case_name].result()
    assert (ran.status, ran.err) == (1, ""), ran.out
    assert failed(ran) == CASES[case_name][1], ran.out


def mutants() -> dict[str, tuple[str, str]]:
    """The script without one of its checks, and the names of the cases of which one is not to be found then."""
    script = SCRIPT.read_text()
    without = musts(script)
    assert [fault for fault, _ in without] == [fault for fault, _ in MUSTS]
    found = {f"must {number}: {fault}": (mutant, case) for number, ((fault, mutant), (_, case)) in
             enumerate(zip(without, MUSTS, strict=True)) if case}  # fmt: skip
    for old, new, case in EDITS:
        assert old in script, old
        found[f"{old} -> {new}, {case}"] = (script.replace(old, new), case)
    return found


@pytest.fixture(scope="session")
def passed(
    record_pki: Pki, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[dict[str, Future[bool]]]:
    """Whether with each mutant a check does not fail that is to, in one of its cases."""

    def outcome(mutant: str, cases: str) -> bool:
        directory = tmp_path_factory.mktemp("mutant")
        (directory / "verify.sh").write_text(mutant)
        for number, name in enumerate(cases.split("|")):
            bent, found_by = CASES[name]
            ran = verify(*Tree(record_pki, directory / str(number), bent).arguments(), script=directory / "verify.sh")
            assert (ran.status in (0, 1), ran.err) == (True, "")
            if found_by - failed(ran):
                return True
        return False

    wanted = [item.callspec.params.get("mutant") for item in request.session.items if hasattr(item, "callspec")]
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        yield {name: pool.submit(outcome, *it) for name, it in mutants().items() if name in wanted}


@pytest.mark.parametrize("mutant", mutants())
def test_each_check_of_the_script_is_needed(passed: dict[str, Future[bool]], mutant: str) -> None:
    """Without it something wrong is no longer found."""
    assert passed[mutant].result()
