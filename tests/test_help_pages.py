"""What the documents show of the help is what the program prints, and its examples can be pasted."""

import re
import shlex
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT, run
from tests.help_pages import PAGES_PATH, commands, pages, printed

COMMANDS = commands()
DOCUMENTS = [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").glob("*.md"))]


def shown(document: Path) -> list[tuple[str, str]]:
    """The commands whose help a document shows, and what it shows."""
    blocks = re.findall(r"^```\w*\n(.*?)^```$", document.read_text(), re.MULTILINE | re.DOTALL)
    found = [re.fullmatch(r"\$ otaopenssl(.*?) --help\n(.*)", block, re.DOTALL) for block in blocks]
    return [(match[1].strip(), match[2]) for match in found if match is not None]


def examples(words: str) -> list[str]:
    """The lines under "Example:" in the help of a command."""
    block = re.search(r"^  Example:\n((?:    .+\n)+)", printed(words), re.MULTILINE)
    return [] if block is None else [line.strip() for line in block[1].splitlines()]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_what_is_shown(document: Path) -> None:
    """Each help text in the documents is printed to the letter by the command that stands above it."""
    for words, text in shown(document):
        assert text == printed(words), f"'otaopenssl {words}': run 'make docs'"


def test_every_command_is_there() -> None:
    """The page of the commands has each command and group once, and nothing that 'make docs' would not write."""
    assert [words for words, _ in shown(PAGES_PATH)] == list(COMMANDS)
    assert PAGES_PATH.read_text() == pages()


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words or "otaopenssl")
def test_examples(words: str) -> None:
    """Every command and group has an example, and the command, options and arguments that it names are there."""
    assert examples(words), f"the help of 'otaopenssl {words}' has no example"
    for line in examples(words):
        program, *rest = shlex.split(line)
        assert program == "otaopenssl"
        named = next(f"{a} {b}" if f"{a} {b}" in COMMANDS else a for a, b in [(*rest, "")[:2]])
        assert named.startswith(words.partition(" ")[0])
        # Parses the words and calls nothing; a word that is missing or unknown is an error.
        COMMANDS[named].make_context(named, rest[len(named.split()) :])


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words or "otaopenssl")
def test_lines_fit(words: str) -> None:
    """On a terminal of 80 columns no line of a help text is broken."""
    assert [line for line in printed(words).splitlines() if len(line) > 80] == []


def test_a_wide_terminal() -> None:
    """Help is no wider on a wide terminal: the page is what everybody sees."""
    wide = run("device", "--help", cwd=Path("/"), env={"COLUMNS": "200"})
    assert wide.out == printed("device")
