"""What CI runs: the programs that it tries come from apt's own mirror, and a branch that fails or lacks is told."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT, write_program

CI = CHECKOUT / ".ci"
SCRIPTS = sorted(path.name for path in CI.iterdir())
BRANCHES = {"1.1.1": "1.1.1w", "3.0": "3.0.20", "3.5": "3.5.9", "3.6": "3.6.5", "4.0": "4.0.3"}


def script(name: str, *arguments: str, path: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    """A script run with the programs in ``path`` before all others."""
    environment = {"PATH": f"{path}:{os.environ['PATH']}", **variables}
    command = ["bash", str(CI / name), *arguments]
    return subprocess.run(command, env=environment, cwd=path, check=False, capture_output=True, text=True, timeout=60)


def fake_openssl(directory: Path, version: str) -> None:
    """A program that tells of a version, and no more."""
    directory.mkdir(parents=True)
    write_program(directory / "openssl", f'#!/bin/bash\n[ "$1" != version ] || echo "OpenSSL {version} 7 Apr 2026"\n')


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_are_bash_without_hosts(name: str) -> None:
    """Each script is well-formed bash, executable, and names no host: packages come from where apt is told to."""
    assert subprocess.run(["bash", "-n", str(CI / name)], capture_output=True, check=False).stderr == b""
    assert os.access(CI / name, os.X_OK)
    assert "://" not in (CI / name).read_text()


@pytest.mark.parametrize(
    ("name", "arguments"), [("openssl-versions", []), ("openssl-versions", ["--help"]), ("test-versions", ["x"])]
)
def test_usage(tmp_path: Path, name: str, arguments: list[str]) -> None:
    """Without what it needs a script says what that is, and makes nothing."""
    ran = script(name, *arguments, path=tmp_path)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith(f"usage: {name} DIR")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("is_required", "status"), [("1", 1), ("0", 0)])
def test_a_branch_that_cannot_be_had(tmp_path: Path, is_required: str, status: int) -> None:
    """It is named, and a failure where all has to be real; those that are there are left as they are."""
    for name in ("apt-get", "apt-cache"):
        write_program(tmp_path / name, "#!/bin/bash\nexit 100\n")
    for branch, version in BRANCHES.items():
        if branch != "3.6":
            fake_openssl(tmp_path / "made" / branch, version)
    ran = script("openssl-versions", "made", path=tmp_path, REQUIRE_REAL=is_required)
    assert (ran.returncode, ran.stderr) == (status, "openssl-versions: no program of OpenSSL 3.6\n")
    assert [line.rpartition(" ")[2] for line in ran.stdout.splitlines()] == ["1.1.1w", "3.0.20", "3.5.9", "4.0.3"]


@pytest.mark.parametrize("failing", ["", "3.0.20"])
def test_each_branch_but_the_systems_is_tried(tmp_path: Path, failing: str) -> None:
    """The tests are run with the openssl of each branch in PATH; one that fails is shown, and the end says which."""
    fake_openssl(tmp_path / "system", "3.5.4")
    for branch, version in BRANCHES.items():
        fake_openssl(tmp_path / "made" / branch, version)
    tests = write_program(
        tmp_path / "tests", f'#!/bin/bash\nset -- $(openssl version) "$@"\necho "$@"; [ "$2" != "{failing}" ]\n'
    )
    ran = script("test-versions", str(tmp_path / "made"), str(tests), "-x", path=tmp_path / "system")
    assert ran.returncode == int(failing != "")
    told = {branch: "failed" if version == failing else "passed" for branch, version in BRANCHES.items()}
    expected = [
        f"OpenSSL {branch} {told[branch]}: OpenSSL {version} 7 Apr 2026 -x -p no:cacheprovider -m real"
        for branch, version in BRANCHES.items()
        if branch != "3.5"
    ]
    shown = ran.stdout.splitlines()
    assert shown[-4:] == expected
    assert len(shown) == 4 + int(failing != "")
