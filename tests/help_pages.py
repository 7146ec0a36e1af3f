"""docs/commands.md: the help of every command, as the program prints it; run as a module it writes the file anew."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from otaopenssl.cli.app import application
from tests.conftest import CHECKOUT, run

PAGES_PATH = CHECKOUT / "docs" / "commands.md"
_HEAD = """# Commands

The help of every command, as `otaopenssl COMMAND --help` prints it. `make docs` writes this page anew.
"""


def commands() -> dict[str, Any]:
    """Every command and group by its words, such as "gateway root"; the application itself by none."""
    return dict(_walk((), typer.main.get_command(application(None))))


def printed(words: str) -> str:
    """The real help of a command, for a terminal of 80 columns."""
    ran = run(*words.split(), "--help", cwd=Path("/"), env={"COLUMNS": "80"})
    assert ran.status == 0, ran.err
    return ran.out


def pages() -> str:
    """The whole page."""
    blocks = [f"\n## {line}\n\n```console\n$ {line} --help\n{printed(words)}```\n" for words, line in _lines()]
    return _HEAD + "".join(blocks)


def _lines() -> Iterator[tuple[str, str]]:
    for words in commands():
        yield words, f"otaopenssl {words}".rstrip()


def _walk(words: tuple[str, ...], command: Any) -> Iterator[tuple[str, Any]]:
    yield " ".join(words), command
    for name, inner in getattr(command, "commands", {}).items():
        yield from _walk((*words, name), inner)


if __name__ == "__main__":
    PAGES_PATH.write_text(pages())
