"""What the README says is what the program does."""

import re
import shlex
from pathlib import Path

import pytest

from otaopenssl.departures import DEPARTURES
from otaopenssl.errors import BadInput, Failed, Interrupted, Unfit
from tests.conftest import CHECKOUT, run

README = (CHECKOUT / "README.md").read_text()


def table_after(heading: str) -> list[list[str]]:
    """The rows of the first table under a heading, without its head."""
    section = README.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    rows = [line.strip("|").split(" | ") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def test_departures() -> None:
    """The table of the departures is the list that the program shows and prints."""
    assert table_after("Departures from the guide") == [list(departure) for departure in DEPARTURES]


def test_exit_statuses() -> None:
    """The table of the exit statuses has every status that an error can have."""
    statuses = {int(row[0]) for row in table_after("Exit status")}
    assert {kind.status for kind in (BadInput, Failed, Unfit, Interrupted)} | {0} <= statuses


def test_the_dry_run_that_is_shown(project: Path) -> None:
    """The script in the README is the one that is printed today, but for the directory and the UUID."""
    shown = README.partition("$ make dry-run\n")[2].partition("```")[0]
    uuid = re.search(r"DEVICE_UUID=(.*)", shown)
    assert uuid is not None
    assert run("config", "render", cwd=project).status == 0
    printed = run("device", "-n", "--uuid", uuid[1], cwd=project).out
    assert printed == re.sub(r"cd -- .*", f"cd -- {project}", shown)


def commands() -> list[str]:
    """Every otaopenssl command line that the README names."""
    blocks = re.findall(r"^\$ (otaopenssl .*?)(?: +#.*)?$", README, re.MULTILINE)
    return blocks + [found for found in re.findall(r"`(otaopenssl [^`]+)`", README) if found != "otaopenssl: error:"]


@pytest.mark.parametrize("command", commands())
def test_commands(command: str) -> None:
    """Every command that the README names is there with its options."""
    words = [word for word in shlex.split(command)[1:] if word != "COMMAND"]
    assert run(*words, "--help", cwd=Path("/")).status == 0
