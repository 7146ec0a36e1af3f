"""How a table is laid out: plain lines for files and programs; colours and wrapped cells where people look at them."""

import sys
from collections.abc import Callable, Sequence

from otaopenssl.cli.terminal import State

# A cell: what it shows, free of anything that would steer a terminal, and how good that is.
Cell = tuple[str, State | None]

# Rich lays out some 4,000 rows a second.
MOST_WRAPPED_ROWS = 1000
_GAP = 2


def plain(rows: Sequence[Sequence[Cell]]) -> str:
    """A line a row, however long; wide characters count as the two columns that they take."""
    widths = _widths(rows, _width)
    return "".join(f"{_line(row, widths)}\n" for row in rows)


def wrapped(heads: Sequence[Sequence[Cell]], rows: Sequence[Sequence[Cell]], columns: int) -> str:
    """The same with colours, in lines of so many columns where no word is longer than its column can be.

    Raises ImportError where there is no rich.
    """
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    every = [*heads, *rows]
    # The first column names what a row is of: it is never wrapped.
    unwrapped = [
        [(text if number == 0 else _longest_word(text), None) for number, (text, _) in enumerate(row)] for row in every
    ]
    widths = _fitted(_widths(every, cell_len), _widths(unwrapped, cell_len), columns)
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, _GAP, 0, 0))
    for width in widths:
        table.add_column(width=width, overflow="fold")
    for row in heads:
        table.add_row(*(Text.assemble((text, "bold")) for text, _ in row))
    for row in rows:
        table.add_row(*(Text.assemble((text, state.value if state else "")) for text, state in row))
    # Wider than the terminal where a word is: the terminal wraps such a line, and nothing is cut off.
    console = Console(file=sys.stdout, width=max(columns, _total(widths)), highlight=False)
    with console.capture() as captured:
        console.print(table, crop=False)
    return "".join(f"{line.rstrip()}\n" for line in captured.get().removesuffix("\n").split("\n") if widths)


def _widths(rows: Sequence[Sequence[Cell]], measure: Callable[[str], int]) -> list[int]:
    return [max(measure(text) for text, _ in column) for column in zip(*rows, strict=True)]


def _line(row: Sequence[Cell], widths: Sequence[int]) -> str:
    padded = (text + " " * (width - _width(text)) for (text, _), width in zip(row, widths, strict=True))
    return (" " * _GAP).join(padded).rstrip()


def _fitted(widths: Sequence[int], least: Sequence[int], columns: int) -> list[int]:
    """The widths, the widest made narrower until all fit or none can be."""
    fitted = [max(width, 1) for width in widths]
    while _total(fitted) > columns:
        wide = [number for number, width in enumerate(fitted) if width > max(least[number], 1)]
        if not wide:
            break
        fitted[max(wide, key=fitted.__getitem__)] -= 1
    return fitted


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + _GAP * (len(widths) - 1)


def _longest_word(text: str) -> str:
    return max(text.split(), key=_width, default="")


def _width(text: str) -> int:
    """How many columns of a terminal the text takes. Source: Unicode Standard Annex 11."""
    if text.isascii():
        return len(text)
    import unicodedata

    narrow = sum(not unicodedata.combining(character) for character in text)
    return narrow + sum(unicodedata.east_asian_width(character) in "WF" for character in text)
