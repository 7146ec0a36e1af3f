"""How a table is laid out: plain lines for files and programs; colours and folded cells where people look at them."""

from collections.abc import Sequence
from itertools import zip_longest

from otaopenssl.cli.terminal import State

# A cell: what it shows, free of anything that would steer a terminal, and how good that is.
Cell = tuple[str, State | None]

_GAP = 2


def plain(rows: Sequence[Sequence[Cell]]) -> str:
    """A line a row, however long; wide characters count as the two columns that they take."""
    widths = _widths(rows)
    return "".join(f"{_line([(text, None) for text, _ in row], widths)}\n" for row in rows)


def coloured(
    heads: Sequence[Sequence[Cell]],
    rows: Sequence[Sequence[Cell]],
    columns: int,
    *,
    is_folded: bool,
    spare: int | None = None,
) -> str:
    """The same with colours; where the lines would be longer than so many columns, without the spare column and folded.

    Cells are folded between words, and only where every line then fits: a line that the terminal breaks anyway is not
    made several.
    """
    bold = [[(text, State.HEAD) for text, _ in row] for row in heads]
    every = [*bold, *rows]
    if spare is not None and _total(_widths(every)) > columns:
        every = [[*row[:spare], *row[spare + 1 :]] for row in every]
    widths = _widths(every)
    if is_folded:
        # The first column names what a row is of: it is never folded.
        words = [[*row[:1], *((_longest_word(text), state) for text, state in row[1:])] for row in every]
        widths = _fitted(widths, _widths(words), columns)
    lines = (line for row in every for line in _folded(row, widths))
    return "".join(f"{_line(line, widths)}\n" for line in lines)


def _widths(rows: Sequence[Sequence[Cell]]) -> list[int]:
    return [max(_width(text) for text, _ in column) for column in zip(*rows, strict=True)]


def _line(row: Sequence[Cell], widths: Sequence[int]) -> str:
    padded = (_shown(cell) + " " * (width - _width(cell[0])) for cell, width in zip(row, widths, strict=True))
    return (" " * _GAP).join(padded).rstrip()


def _shown(cell: Cell) -> str:
    """The text in its colour. Source: ECMA-48, SGR."""
    text, state = cell
    return f"\x1b[{state.value}m{text}\x1b[0m" if text and state else text


def _folded(row: Sequence[Cell], widths: Sequence[int]) -> list[Sequence[Cell]]:
    """The row in as many lines as its cells need in columns of these widths, none of them narrower than a word."""
    cells = [[(line, state) for line in _fold(text, width)] for (text, state), width in zip(row, widths, strict=True)]
    return list(zip_longest(*cells, fillvalue=("", None)))


def _fold(text: str, width: int) -> list[str]:
    # A cell that was padded is to make no empty line.
    first, *words = text.rstrip(" ").split(" ")
    lines = [first]
    for word in words:
        if _width(lines[-1]) + 1 + _width(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _fitted(widths: Sequence[int], least: Sequence[int], columns: int) -> list[int]:
    """The widths, the widest made narrower until all fit; as they are where they cannot."""
    fitted = list(widths)
    while _total(fitted) > columns:
        wide = [number for number, width in enumerate(fitted) if width > least[number]]
        if not wide:
            return list(widths)
        fitted[max(wide, key=fitted.__getitem__)] -= 1
    return fitted


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + _GAP * (len(widths) - 1)


def _longest_word(text: str) -> str:
    return max(text.split(" "), key=_width)


def _width(text: str) -> int:
    """How many columns of a terminal the text takes. Source: Unicode Standard Annex 11."""
    if text.isascii():
        return len(text)
    import unicodedata

    narrow = sum(not unicodedata.combining(character) for character in text)
    return narrow + sum(unicodedata.east_asian_width(character) in "WF" for character in text)
