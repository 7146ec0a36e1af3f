"""The whole law of talking to people: results on standard output, every other word on standard error.

Lines are lower case without a full stop; values stand in quotes; an error has one ``otaopenssl: error:`` line, further
problems indented under it, and hints, which are actions.
"""

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import NamedTuple, TextIO

from otaopenssl.errors import BadInput, Error, Unfit, reason

_NAME = "otaopenssl"


def result(text: str) -> None:
    """Print a result, which is out when this returns. Raises Unfit where standard output cannot be written."""
    try:
        sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise unwritten(error) from error


def result_bytes(content: bytes) -> None:
    """Print a result that is no text, which is out when this returns. Raises Unfit as ``result``."""
    try:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    except OSError as error:
        # Also where nobody reads: of what is no text nobody wants the first lines alone.
        raise unwritten(error) from error


def unwritten(error: OSError) -> Unfit:
    """The error for a standard output that cannot be written, to which nothing is written from here on."""
    _drop(sys.stdout)
    words = f"standard output cannot be written: {reason(error)}"
    return Unfit(words, hint="what was made before is there all the same")


def result_json(document: Mapping[str, object]) -> None:
    """Print one JSON document."""
    import json

    result(json.dumps(document, indent=2, ensure_ascii=True))


class State(Enum):
    """How good it is what a cell of a table says, as the colour that it gets. Source: ECMA-48, SGR."""

    HEAD = 1  # bold
    PROBLEM = 31  # red
    OK = 32  # green
    WARNING = 33  # yellow


class Marked(NamedTuple):
    """A cell with a colour; its text alone must say the same."""

    text: str
    state: State


def table(rows: Mapping[str, str]) -> str:
    """Lines of a name and a value, the values aligned; see ``columns``."""
    return columns(list(rows.items()))


def columns(
    rows: Sequence[Sequence[str | Marked]],
    head: Sequence[str] | None = None,
    *,
    is_folded: bool = True,
    spare: int | None = None,
) -> str:
    """Lines of aligned columns under their heads: a row a line, at least two spaces between columns.

    On a terminal heads and states are shown as such. Where lines would be longer than the terminal, the column of the
    number ``spare`` is left out, since it says nothing that no other does, and with ``is_folded`` cells are folded
    between words where lines then fit; a word is never broken, so that what is copied is whole. Every row has as many
    cells.
    """
    from otaopenssl.cli import tables

    cells = [[_cell(cell) for cell in row] for row in rows]
    heads = [] if head is None else [[_cell(cell) for cell in head]]
    if not is_for_people(sys.stdout):
        return tables.plain([*heads, *cells])
    width = shutil.get_terminal_size().columns
    return tables.coloured(heads, cells, width, is_folded=is_folded, spare=spare)


def is_for_people(stream: TextIO | None) -> bool:
    """Whether the stream is a terminal on which colours and movements are wanted and shown."""
    is_plain = os.environ.get("NO_COLOR") or os.environ.get("TERM", "dumb") in ("dumb", "unknown")
    return not is_plain and stream is not None and stream.isatty()


def unseen(prompt: str) -> bytes:
    """What is typed at the terminal after the prompt, which does not show it. Raises BadInput where that is nothing.

    The caller has made sure that there is a terminal.
    """
    import getpass

    try:
        return getpass.getpass(prompt, stream=sys.stderr).encode("utf-8", "surrogateescape")
    except EOFError:
        raise BadInput("the input ended where a passphrase was expected", hint="run the command again") from None
    except UnicodeError:
        # From nothing: it holds what it could not decode.
        raise BadInput("the passphrase is not UTF-8", hint="run the command again") from None


def note(text: str) -> None:
    """Say something about what was done."""
    _say(text)


def warn(text: str) -> None:
    """Warn of something that works today."""
    _say(f"{_NAME}: warning: {text}")


def error(failure: Error) -> None:
    """Say what is wrong: one line, its details and the other problems under it, then what to do."""
    first, *others = failure.problems
    lines = [f"{_NAME}: error: {first.message}", *(f"  {detail}" for detail in first.details)]
    for problem in others:
        lines += [f"  {problem.message}", *(f"    {detail}" for detail in problem.details)]
    hints = dict.fromkeys(problem.hint for problem in failure.problems)
    lines += [f"hint: {hint}" for hint in hints]
    _say("\n".join(lines))


def _say(text: str) -> None:
    """Write to standard error; where that is closed or full there is nobody to tell."""
    if sys.stderr is None:
        return
    try:
        sys.stderr.write("\n".join(map(_printable, text.split("\n"))) + "\n")
        sys.stderr.flush()
    except OSError:
        _drop(sys.stderr)


def _drop(stream: TextIO) -> None:
    """Have what the stream still holds go nowhere: Python writes it once more at its end, and fails once more."""
    descriptor = os.open(os.devnull, os.O_WRONLY)
    os.dup2(descriptor, stream.fileno())
    os.close(descriptor)


def _cell(cell: str | Marked) -> tuple[str, State | None]:
    """What a cell shows, in one line, and how."""
    return (_printable(cell.text), cell.state) if isinstance(cell, Marked) else (_printable(cell), None)


def _printable(line: str) -> str:
    """The line with what would steer a terminal shown as escapes: openssl prints some of it in names as it is."""
    return line if line.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in line)
