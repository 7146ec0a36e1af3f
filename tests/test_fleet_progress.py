"""How far a fleet is: a bar on a terminal, plain lines elsewhere, and nothing of either in the result."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fleets import names, write_ids

# Has a line shown each time that something is told, in place of every ten seconds.
OFTEN = "from otaopenssl.cli import progress; progress._SECONDS_BETWEEN_LINES = 0.0; "
LINE = re.compile(r"^(\d+) of 8 devices, [0-9.]+ a second(, [0-9a-z ]+ left)?$", re.MULTILINE)


def script_of(*arguments: str, often: bool = True) -> str:
    return (
        f"import sys; {OFTEN if often else ''}from otaopenssl.cli import run; "
        f"sys.exit(run(['fleet', '--ids', 'ids', '-j', '2', *{list(arguments)!r}]))"
    )


def on_terminal(project: Path, *arguments: str, **environment: str) -> str:
    """What a terminal of 100 columns gets of a fleet of eight."""
    write_ids(project / "ids", names(8))
    (project / "fleet.py").write_text(script_of(*arguments))
    command = f"stty cols 100; {sys.executable} fleet.py 2>&1 >result"
    ran = subprocess.run(
        ["script", "-qec", command, "/dev/null"],
        cwd=project,
        env={"PATH": os.environ["PATH"], "TERM": "xterm", **environment},
        stdin=subprocess.DEVNULL,
        check=False,
        capture_output=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stdout
    return ran.stdout.decode().replace("\r\n", "\n")


def test_a_bar_on_a_terminal(project: Path) -> None:
    """A terminal gets a bar with the rate and the time left, which is wiped away at the end."""
    shown = on_terminal(project)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)
    assert re.search(r"devices .* [1-8]/8 [0-9.]+ a second, [0-9]+ s left", plain)
    assert "\x1b[2K" in shown
    assert plain.rstrip().splitlines()[-1].startswith("fleet of 8 devices: 8 made")
    assert not LINE.search(shown)
    assert (project / "result").read_text() == "./myservername/devices\n"


@pytest.mark.parametrize("environment", [{"TERM": "dumb"}, {"NO_COLOR": "1"}], ids=["dumb", "no color"])
def test_plain_lines_on_a_plain_terminal(project: Path, environment: dict[str, str]) -> None:
    """A dumb terminal, or one where nobody wants colours, gets plain lines and not one control character."""
    shown = on_terminal(project, **environment)
    assert "\x1b" not in shown
    assert [int(done) for done, _ in LINE.findall(shown)][-1] == 8


def test_json_on_a_terminal(project: Path) -> None:
    """Standard output is the document alone, whatever a terminal shows of the progress."""
    on_terminal(project, "--json")
    assert (project / "result").read_text().startswith("{\n")


def test_plain_lines_elsewhere(project: Path) -> None:
    """A pipe gets plain lines: how many of how many, how fast, how long it takes from here on."""
    write_ids(project / "ids", names(8))
    command = [sys.executable, "-c", script_of()]
    ran = subprocess.run(command, cwd=project, check=True, capture_output=True, text=True)
    found = LINE.findall(ran.stderr)
    assert [int(done) for done, _ in found] == sorted(int(done) for done, _ in found)
    assert found[-1] == ("8", ", 0 s left")
    assert all(left for done, left in found if done != "0")
    assert ran.stdout == "./myservername/devices\n"


def test_a_short_run_says_only_what_it_made(project: Path) -> None:
    """Before ten seconds have passed no line is shown."""
    write_ids(project / "ids", names(8))
    command = [sys.executable, "-c", script_of(often=False)]
    ran = subprocess.run(command, cwd=project, check=True, capture_output=True, text=True)
    assert re.fullmatch(r"fleet of 8 devices: 8 made, [0-9.]+ a second\n", ran.stderr)
