"""Tables: plain for programs, with colours and folded cells on a terminal, and the same words in both."""

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.conftest import run
from tests.terminals import on_terminal, otaopenssl_on_terminal, without_colours

UUID = "4e7cdc4f-b7dc-4fb0-900f-a237ba3e804c"
LONG = "the certificate is valid longer than the fleet root CA, so that the device is refused before it expires"
HEAD = ("", "device", "found", "name")
ROWS = [
    ("ok", UUID, "whole", "測試 설계"),
    ("problem", UUID[::-1], LONG, "[bold red]x[/] :smile:"),
    ("warning", "SAJWA1C78D8V38055", "", "a\x1b[31mb\nc\x9b"),
]
STATES = {"ok": "OK", "problem": "PROBLEM", "warning": "WARNING"}
COLOURS = {"ok": 32, "problem": 31, "warning": 33}
ESCAPED = [*ROWS[:2], ("warning", "SAJWA1C78D8V38055", "", r"a\x1b[31mb\nc\x9b")]


def program(rows: Sequence[tuple[str, ...]], *before: str) -> list[str]:
    """A program that prints the rows as a table."""
    script = "\n".join(
        [
            "import sys",
            *before,
            "from otaopenssl.cli.terminal import Marked, State, columns, result",
            f"states = {STATES!r}",
            f"rows = [(Marked(row[0], State[states[row[0]]]), *row[1:]) for row in {rows!r}]",
            f"result(columns(rows, {HEAD!r}))",
            "print(*sorted({name.partition('.')[0] for name in sys.modules} & {'rich'}), file=sys.stderr)",
        ]
    )
    return [sys.executable, "-c", script]


def display_width(line: str) -> int:
    """How many columns the line takes; the tests have no wide characters but of these two scripts."""
    return sum(2 if re.match("[一-鿿가-힣]", character) else 1 for character in line)


def cells_in(shown: str) -> list[list[str]]:
    """The words of each cell of a table that is folded, row by row; a row begins where the second column does."""
    lines = without_colours(shown).splitlines()
    begins = [lines[0].index(name) for name in HEAD[1:]]
    rows: list[list[list[str]]] = []
    for line in lines[1:]:
        edges = [0, *begins, len(line)]
        cells = [line[edges[n] : edges[n + 1]].split() for n in range(len(HEAD))]
        if cells[1]:
            rows.append(cells)
        else:
            rows[-1] = [[*held, *more] for held, more in zip(rows[-1], cells, strict=True)]
    return [[" ".join(words) for words in row] for row in rows]


def test_plain_lines(tmp_path: Path) -> None:
    """A file gets a line a row: nothing of a terminal, columns that align, wide characters as wide as they are."""
    plain = run_plain(tmp_path)
    assert "\x1b" not in plain
    lines = plain.splitlines()
    assert len(lines) == 1 + len(ROWS)
    assert [re.split(" {2,}", line) for line in lines[1:3]] == [list(row) for row in ESCAPED[:2]]
    begins = {display_width(line[: line.index(row[3])]) for line, row in zip(lines[1:], ESCAPED, strict=True)}
    assert begins == {display_width(lines[0][: lines[0].index("name")])}


def test_wide_characters(tmp_path: Path) -> None:
    """What follows wide and combining characters aligns, in a file and on a terminal."""
    rows = [
        ("ok", "測試設計", "end", ""),
        ("ok", "plain ASCII", "end", ""),
        ("ok", "cafe\N{COMBINING ACUTE ACCENT}", "end", ""),
    ]
    for shown in (run_plain(tmp_path, rows), without_colours(on_terminal(program(rows), tmp_path, 80))):
        before = [line.partition("end")[0].replace("\N{COMBINING ACUTE ACCENT}", "") for line in shown.splitlines()[1:]]
        assert len(set(map(display_width, before))) == 1, shown


def run_plain(cwd: Path, rows: Sequence[tuple[str, ...]] = ROWS) -> str:
    """The table that a file gets."""
    ran = subprocess.run(program(rows), cwd=cwd, check=True, capture_output=True, text=True)
    assert ran.stderr == "\n", "rich was imported for a file"
    return ran.stdout


@pytest.mark.parametrize("columns", [100, 120])
def test_folded_on_a_terminal(tmp_path: Path, columns: int) -> None:
    """A terminal gets lines that fit, with no word broken or lost, and each state's word in its colour."""
    shown = on_terminal(program(ROWS), tmp_path, columns)
    plain = without_colours(shown)
    assert "\x1b" not in plain
    assert max(map(display_width, plain.splitlines())) <= columns
    assert len(plain.splitlines()) > 1 + len(ROWS)
    assert cells_in(shown) == [list(row) for row in ESCAPED]
    for word, colour in COLOURS.items():
        assert f"\x1b[{colour}m{word}\x1b[0m" in shown


@pytest.mark.parametrize("words", ["n" * 30, "a sentence of short words"])
def test_lines_that_cannot_fit(tmp_path: Path, words: str) -> None:
    """Where two identifiers do not fit nothing is folded: a row is one line, longer than the terminal, and whole."""
    rows = [("ok", UUID, UUID[::-1], words)] * 2
    lines = without_colours(on_terminal(program(rows), tmp_path, 80)).splitlines()
    assert [re.split(" {2,}", line) for line in lines[1:]] == [list(row) for row in rows]


def test_padded_cells(tmp_path: Path) -> None:
    """A cell that was padded to align with later tables makes no lines of its own."""
    rows = [("ok", "VIN1", "found" + " " * 40, "folded words")]
    lines = without_colours(on_terminal(program(rows), tmp_path, 28)).splitlines()
    assert [line.split() for line in lines[1:]] == [["ok", "VIN1", "found", "folded"], ["words"]]


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}, {"TERM": "unknown"}], ids=str)
def test_plain_on_a_plain_terminal(tmp_path: Path, environment: dict[str, str]) -> None:
    """Who wants no colours, and a terminal that has none, gets what a file gets."""
    assert on_terminal(program(ROWS), tmp_path, 80, **environment) == run_plain(tmp_path)


def test_without_rich(tmp_path: Path) -> None:
    """Where rich was left out a terminal gets the same."""
    assert on_terminal(program(ROWS, "sys.modules['rich'] = None"), tmp_path, 80) == on_terminal(
        program(ROWS), tmp_path, 80
    )


def test_no_rows(tmp_path: Path) -> None:
    """A table without rows is its heads, on a terminal and elsewhere."""
    assert without_colours(on_terminal(program([]), tmp_path, 80)).split() == list(HEAD[1:])


def test_ten_thousand_rows(tmp_path: Path) -> None:
    """A table of a fleet has the colours and the lines of a short one."""
    rows = program(ROWS)
    rows[-1] = rows[-1].replace("result(columns(rows", "rows *= 4000\nresult(columns(rows")
    head, *lines = on_terminal(program(ROWS), tmp_path, 100).splitlines()
    assert len(lines) > len(ROWS)
    assert on_terminal(rows, tmp_path, 100).splitlines() == [head, *lines * 4000]


def table_of(words: str) -> list[str]:
    return [line.rstrip() for line in without_colours(words).splitlines()]


@pytest.mark.parametrize("columns", [80, 130])
def test_list(project: Path, columns: int) -> None:
    """`list` has a line for each device on every terminal, and repeats no UUID where that makes lines too long."""
    assert run("fleet", "--count", "2", cwd=project).status == 0
    plain = run("list", cwd=project).out.splitlines()
    head, *lines = table_of(otaopenssl_on_terminal("list", cwd=project, columns=columns))
    assert re.split(" {2,}", head) == ["uuid", "serial number", "not after", "days left", "state"]
    cells = [re.split(" {2,}", line) for line in plain[1:]]
    assert all(row[0] == row[1] for row in cells)
    assert [re.split(" {2,}", line) for line in lines] == [[row[0], *row[2:]] for row in cells]


def test_list_of_other_device_ids(project: Path) -> None:
    """On a terminal that is wide enough `list` tells every column, and on a narrow one a device ID that is its own."""
    assert run("device", "--uuid", "VIN1", cwd=project).status == 0
    plain = run("list", cwd=project).out.splitlines()
    assert table_of(otaopenssl_on_terminal("list", cwd=project, columns=150)) == plain
    assert run("device", "--uuid", "VIN2", "--device-id", "unit-2", cwd=project).status == 0
    plain = run("list", cwd=project).out.splitlines()
    assert "unit-2" in plain[2]
    assert table_of(otaopenssl_on_terminal("list", cwd=project, columns=60)) == plain


@pytest.mark.parametrize("columns", [80, 120])
def test_show(project: Path, columns: int) -> None:
    """`show` tells a terminal every fact that it tells a file, the digest and the serial number in one piece."""
    assert run("device", "--uuid", UUID, cwd=project).status == 0
    plain = run("show", UUID, cwd=project).out
    shown = without_colours(otaopenssl_on_terminal("show", UUID, cwd=project, columns=columns))
    assert shown.split() == plain.split()
    document = otaopenssl_on_terminal("show", UUID, "--json", cwd=project, columns=columns)
    assert json.loads(document)["sha256"] in shown


@pytest.mark.parametrize("columns", [80, 120])
def test_rehearse(tmp_path: Path, real_openssl: str, columns: int) -> None:
    """The table of a rehearsal fits a terminal, with a green word for each thing that was as it must be."""
    shown = otaopenssl_on_terminal("rehearse", cwd=tmp_path, columns=columns)
    lines = without_colours(shown).splitlines()
    assert lines[0].split() == ["tried", "must", "be", "was"]
    assert max(map(len, lines)) <= columns
    assert shown.count("\x1b[32mok\x1b[0m") == 7
