"""The part of the shell's language that an audited text may use: words, ``|``, ``||``, ``>``, comments, continuations.

A word keeps its places (``$name``, ``${name}``) apart from its literal text, so that values are filled in after the
split, never before it. What bash would expand or interpret beyond that is refused, never passed on. Source: bash(1),
QUOTING and EXPANSION.
"""

import os
import re
import shlex
from collections.abc import Iterable, Iterator
from typing import NamedTuple, NoReturn

from otaopenssl.errors import BadInput, quoted

PLACE_NAMES = frozenset(
    {
        "CWD",
        "SERVER_NAME",
        "SERVER_DIR",
        "DEVICES_DIR",
        "DEVICE_UUID",
        "device_id",
        "device_dir",
        "device_gateway",
        "device_gateway_port",
        "export_dir",
        "sealed_dir",
        "sealed_name",
        "signer_cert",
        "signer_key",
    }
)
# Bash splits an unquoted value at white space; the values of these can hold some.
_PLACES_TO_QUOTE = frozenset({"CWD", "SERVER_DIR", "export_dir", "sealed_dir", "signer_cert", "signer_key"})
# Characters that mean themselves everywhere.
_RUN = re.compile(r"[A-Za-z0-9_./:=,+@%-]+")
# Active in bash where they stand unquoted, and not part of the language here.
_FORBIDDEN = {
    ";": "';' joins commands",
    "&": "'&' starts a command in the background",
    "(": "'(' starts a subshell",
    ")": "')' ends a subshell",
    "<": "'<' redirects input",
    "`": "'`' substitutes a command",
    "*": "'*' stands for file names",
    "?": "'?' stands for file names",
    "[": "'[' stands for file names",
    "{": "'{' expands to several words",
    "}": "'}' expands to several words",
    "!": "'!' negates a command",
    "~": "'~' stands for a home directory",
}


class Place(NamedTuple):
    """A ``$name`` or ``${name}`` of the text."""

    name: str


Word = tuple[str | Place, ...]


class Token(NamedTuple):
    """A word (``operator`` is empty) or one of the operators ``|``, ``||``, ``>`` and newline.

    ``line`` counts from 1; ``start`` and ``end`` are offsets in the text.
    """

    operator: str
    word: Word
    line: int
    start: int
    end: int


def shell_quoted(word: str) -> str:
    """The word as bash reads it back, in printable characters alone, so that it can be shown and pasted."""
    if word.isprintable():
        return shlex.quote(word)
    bytes_ = os.fsencode(word)
    escaped = "".join(chr(c) if 0x20 <= c < 0x7F and chr(c) not in "'\\" else f"\\x{c:02x}" for c in bytes_)
    return f"$'{escaped}'"


def shell_joined(words: Iterable[str]) -> str:
    """The words as one line of shell."""
    return " ".join(map(shell_quoted, words))


def written(word: Word) -> str:
    """The word as a text would write it: in double quotes, its places as ``${name}``."""
    parts = (re.sub(r'(["\\$`])', r"\\\1", part) if isinstance(part, str) else f"${{{part.name}}}" for part in word)
    return f'"{"".join(parts)}"'


def literal(word: Word) -> str | None:
    """The word's text where it holds no place."""
    return word[0] if len(word) == 1 and isinstance(word[0], str) else None


def refuse(file: str, line: int, reason: str) -> NoReturn:
    """Raise BadInput for a line of an audited text."""
    raise BadInput(
        f"{file}, line {line}: {reason}", hint="compare the text with the tool's own: otaopenssl procedure show"
    )


class Reader:
    """Splits a text into tokens, front to back; ``file`` names it in the BadInput raised for what is refused."""

    def __init__(self, text: str, file: str) -> None:
        self._text = text
        self._file = file
        self._at = 0
        self._line = 1

    def tokens(self) -> Iterator[Token]:
        """The tokens in order; comments and continuations leave none."""
        while True:
            self._skip_blanks()
            start, line = self._at, self._line
            character = self._peek()
            if not character:
                return
            if character == "#":
                self._skip_comment()
                continue
            if operator := self._operator():
                yield Token(operator, (), line, start, self._at)
            else:
                word = self._word()
                yield Token("", word, line, start, self._at)

    def _refuse(self, reason: str) -> NoReturn:
        refuse(self._file, self._line, reason)

    def _peek(self, ahead: int = 0) -> str:
        return self._text[self._at + ahead : self._at + ahead + 1]

    def _take(self) -> str:
        character = self._peek()
        self._at += 1
        if character == "\n":
            self._line += 1
        return character

    def _at_continuation(self) -> bool:
        return self._text.startswith("\\\n", self._at)

    def _skip_continuation(self) -> None:
        self._take()
        self._take()
        if not self._peek():
            self._refuse("the text ends in a continuation")

    def _skip_blanks(self) -> None:
        while True:
            if self._at_continuation():
                self._skip_continuation()
            elif self._peek() in (" ", "\t"):
                self._take()
            else:
                return

    def _skip_comment(self) -> None:
        while self._peek() not in ("", "\n"):
            character = self._take()
            if character != "\t" and not character.isprintable():
                self._refuse(f"a comment holds the control character {quoted(character)}")

    def _operator(self) -> str:
        for operator in ("||", "|", ">", "\n"):
            if self._text.startswith(operator, self._at):
                for _ in operator:
                    self._take()
                if operator == ">" and self._peek() in (">", "&", "|"):
                    self._refuse(f"'>{self._peek()}' is no plain '> file'")
                return operator
        return ""

    def _word(self) -> Word:
        """One word in shell quoting; neighbouring literals are joined, so that equal words compare equal."""
        parts: list[str | Place] = []
        while (character := self._peek()) not in ("", " ", "\t", "\n", "|", ">"):
            if self._at_continuation():
                self._skip_continuation()
            elif character == "'":
                _join(parts, self._single_quoted())
            elif character == '"':
                self._double_quoted(parts)
            elif character == "$":
                parts.append(self._place(is_quoted=False))
            elif character == "\\":
                self._take()
                _join(parts, self._plain("a backslash stands before nothing"))
            elif character in _FORBIDDEN:
                self._refuse(f"{_FORBIDDEN[character]}: quote it or leave it out")
            elif run := _RUN.match(self._text, self._at):
                self._at = run.end()
                _join(parts, run[0])
            else:
                _join(parts, self._plain(""))
        word = tuple(part for part in parts if part != "") or ("",)
        if self._peek() == ">" and (literal(word) or "").isdigit():
            self._refuse(f"'{literal(word)}>' redirects a descriptor; only a plain '> file' may stand here")
        return word

    def _plain(self, missing: str) -> str:
        """The next character, which must be printable ASCII; ``missing`` says what its absence means."""
        character = self._peek()
        if not character:
            self._refuse(missing)
        if character == "\r":
            self._refuse("a carriage return: lines must end in a newline alone")
        if not (character.isascii() and character.isprintable()):
            self._refuse(f"the character {quoted(character)} is not printable ASCII")
        return self._take()

    def _single_quoted(self) -> str:
        self._take()
        value = ""
        while self._peek() != "'":
            value += self._plain("a single quote is never closed")
        self._take()
        return value

    def _double_quoted(self, parts: list[str | Place]) -> None:
        self._take()
        while self._peek() != '"':
            if run := _RUN.match(self._text, self._at):
                self._at = run.end()
                _join(parts, run[0])
            elif self._peek() == "$":
                parts.append(self._place(is_quoted=True))
            elif self._peek() == "`":
                self._refuse(_FORBIDDEN["`"])
            elif self._at_continuation():
                self._skip_continuation()
            elif self._peek() == "\\" and self._peek(1) in ("$", "`", '"', "\\"):
                self._take()
                _join(parts, self._take())
            else:
                _join(parts, self._plain("a double quote is never closed"))
        self._take()

    def _place(self, *, is_quoted: bool) -> Place:
        self._take()
        is_braced = self._peek() == "{"
        if is_braced:
            self._take()
        name = ""
        while self._peek() == "_" or (self._peek().isascii() and self._peek().isalnum()):
            name += self._take()
        if not is_braced and self._at_continuation():
            self._refuse(f"a line ends within the word after '${name}': write '${{{name}}}'")
        if is_braced and self._take() != "}":
            self._refuse(f"only a name may stand in '${{…}}', which begins with {quoted(name)}")
        if name not in PLACE_NAMES:
            shown = quoted(f"${name or self._peek()}")
            self._refuse(f"{shown} is no place; the places are {', '.join(sorted(PLACE_NAMES, key=str.lower))}")
        if name in _PLACES_TO_QUOTE and not is_quoted:
            self._refuse(f"'${{{name}}}' must stand in double quotes: its value may hold spaces")
        return Place(name)


def _join(parts: list[str | Place], text: str) -> None:
    if parts and isinstance(parts[-1], str):
        parts[-1] += text
    else:
        parts.append(text)
