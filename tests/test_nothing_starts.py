"""Where anything deviates from the approval no process is started but the dynamic loader, which strace watches."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import require, run

LOADER = "ld-linux"


@pytest.fixture(scope="session")
def _strace() -> None:
    found = shutil.which("strace")
    works = found and subprocess.run([found, "-f", "true"], check=False, capture_output=True).returncode == 0
    require(bool(works), "no strace, or it may not trace here")


@pytest.fixture
def program(project: Path, real_openssl: str, _strace: None) -> Path:
    """A copy of the real openssl program, which was approved."""
    copy = project.parent / "openssl"
    shutil.copy(real_openssl, copy)
    for command in (["config", "render"], ["--openssl", str(copy), "approve"]):
        assert run(*command, cwd=project).status == 0
    return copy


def executed(project: Path, program: Path, *arguments: str) -> tuple[int, list[str]]:
    """The exit status of a command line, and the programs that were executed for it."""
    log = project.parent / "strace"
    command = [sys.executable, "-m", "otaopenssl", "--openssl", str(program), *arguments]
    watched = ["strace", "-f", "-qq", "-e", "trace=execve,execveat", "-e", "signal=none", "-o", str(log), *command]
    status = subprocess.run(watched, cwd=project, check=False, capture_output=True).returncode
    _, *others = re.findall(
        r'execve(?:at)?\((?:[^"]*, )?"([^"]*)".*(?:= 0|<unfinished ...>)$', log.read_text(), re.MULTILINE
    )
    return status, others


def flipped(path: Path, place: int) -> None:
    """The file with one bit of one byte changed."""
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    # Anew: the program may be one that just ran.
    path.unlink()
    path.write_bytes(content)
    path.chmod(0o755)


def test_what_is_approved_starts(project: Path, program: Path) -> None:
    """The watch sees the loader and each openssl process."""
    status, started = executed(project, program, "device")
    assert status == 0
    assert LOADER in started[0]
    assert started[1:] == [str(program)] * 9


# The header, where the loader's name lies, code, and the end.
@pytest.mark.parametrize("place", ["0", "4", "interpreter", "middle", "end"])
def test_a_byte_of_the_program(project: Path, program: Path, place: str) -> None:
    """Not even the loader that it names is started: it might be the changed byte."""
    content = program.read_bytes()
    places = {"interpreter": content.index(b"ld-linux"), "middle": len(content) // 2, "end": len(content) - 1}
    flipped(program, places[place] if place in places else int(place))
    assert executed(project, program, "device") == (3, [])


def test_a_program_that_is_only_looked_at(project: Path, program: Path) -> None:
    """doctor, which is not refused, starts it no more than the others, nor the loader that it names."""
    assert executed(project, program, "doctor")[0] == 0
    flipped(program, program.stat().st_size // 2)
    assert executed(project, program, "doctor") == (1, [])


def test_a_program_that_a_report_would_ask(project: Path, program: Path) -> None:
    """report is refused where the program is another, and starts nothing."""
    status, started = executed(project, program, "report")
    assert status == 0
    assert str(program) in started
    flipped(program, program.stat().st_size // 2)
    assert executed(project, program, "report") == (3, [])


COMMANDS = [
    ("root",),
    ("server",),
    ("device",),
    ("fleet", "--count", "2"),
    ("gateway", "root", "--gateway", "127.0.0.1", "--uuid", "d1"),
    ("rehearse",),
]
DEVIATIONS: dict[str, Callable[[Path], None]] = {
    "a configuration file": lambda project: flipped(project / "certs" / "server.ext", 3),
    "the fleet root CA": lambda project: flipped(project / "myservername" / "devices" / "ca.crt", 60),
    "the approval": lambda project: flipped(project / "approval.json", 0),
}


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("deviation", DEVIATIONS)
def test_a_deviation(project: Path, program: Path, deviation: str, command: tuple[str, ...]) -> None:
    """Every command is refused, whether it uses what has changed or not."""
    DEVIATIONS[deviation](project)
    status, started = executed(project, program, *command)
    assert status == 3
    assert all(LOADER in one for one in started), started


def test_another_environment(project: Path, program: Path) -> None:
    """Another server name is another environment."""
    shutil.copytree(project / "myservername", project / "other")
    status, started = executed(project, program, "device", "--server-name", "other")
    assert status == 3
    assert all(LOADER in one for one in started), started
