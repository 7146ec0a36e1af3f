"""docs/verify.sh holds for what records.md says, and finds every change: by real openssl, jq and coreutils."""

from pathlib import Path

import pytest

from tests.record_cases import CASES, GOOD
from tests.records import Tree
from tests.seals import Pki
from tests.verify_sh import EDITS, MUSTS, SCRIPT, failed, musts, verify


@pytest.mark.parametrize("name", GOOD)
def test_a_good_record(record_pki: Pki, tmp_path: Path, name: str) -> None:
    """It passes every check, whatever the names of its directories are."""
    ran = verify(*Tree(record_pki, tmp_path / "-x '\"$(exit 9)", GOOD[name]).arguments())
    assert (ran.status, ran.err, failed(ran)) == (0, "", set()), ran.out


@pytest.mark.parametrize("case_name", CASES)
def test_a_change_is_found(record_pki: Pki, tmp_path: Path, case_name: str) -> None:
    """Each change is found, by the checks that are to find it and by no others."""
    bent, found_by = CASES[case_name]
    ran = verify(*Tree(record_pki, tmp_path, bent).arguments())
    assert (ran.status, ran.err) == (1, ""), ran.out
    assert failed(ran) == found_by, ran.out


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


MUTANTS = mutants()


@pytest.mark.parametrize("mutant", MUTANTS)
def test_each_check_of_the_script_is_needed(record_pki: Pki, tmp_path: Path, mutant: str) -> None:
    """Without it something wrong is no longer found."""
    text, cases = MUTANTS[mutant]
    script = tmp_path / "verify.sh"
    script.write_text(text)
    for number, name in enumerate(cases.split("|")):
        bent, found_by = CASES[name]
        ran = verify(*Tree(record_pki, tmp_path / str(number), bent).arguments(), script=script)
        assert (ran.status in (0, 1), ran.err) == (True, "")
        if found_by - failed(ran):
            return
    pytest.fail("all is found all the same")
