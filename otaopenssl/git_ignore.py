"""Whether patterns of .gitignore files leave a path out of a repository. Source: gitignore(5).

Paths and patterns are bytes, as git compares them. Nothing is read here, and no git is started.
"""

import string
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum, auto
from typing import NamedTuple

_SLASH = ord("/")
_ANY = frozenset(range(256))
_NO_SLASH = _ANY - {_SLASH}
_BLANK = " \t"
# The classes of POSIX in the C locale, which git has tables of its own for.
_CLASSES: Mapping[bytes, str] = {
    b"alnum": string.ascii_letters + string.digits,
    b"alpha": string.ascii_letters,
    b"blank": _BLANK,
    b"cntrl": "".join(map(chr, (*range(32), 127))),
    b"digit": string.digits,
    b"graph": string.ascii_letters + string.digits + string.punctuation,
    b"lower": string.ascii_lowercase,
    b"print": string.ascii_letters + string.digits + string.punctuation + " ",
    b"punct": string.punctuation,
    b"space": _BLANK + "\n\v\f\r",
    b"upper": string.ascii_uppercase,
    b"xdigit": string.hexdigits,
}


class _Kind(Enum):
    ONE = auto()
    MANY = auto()
    # What follows, up to and with the next slash, may be left out: of "**/".
    DIRECTORIES = auto()


class _Token(NamedTuple):
    kind: _Kind
    allowed: frozenset[int] = frozenset()


class Pattern(NamedTuple):
    """One line of a .gitignore file.

    ``is_negative`` is of one that begins with "!"; ``is_anchored`` says that it is compared with the path from the
    file's directory on, else with the last name alone; ``tokens`` are None of one that matches nothing.
    """

    tokens: tuple[_Token, ...] | None
    is_negative: bool
    is_for_directories: bool
    is_anchored: bool

    def matches(self, path: bytes, *, is_directory: bool) -> bool:
        """Whether a path, from the directory of the pattern's file on, is what the pattern means."""
        if self.tokens is None or (self.is_for_directories and not is_directory):
            return False
        return _is_match(self.tokens, path if self.is_anchored else path.rpartition(b"/")[2])


def parse_patterns(content: bytes) -> tuple[Pattern, ...]:
    """The patterns of a .gitignore file, in its order."""
    lines = content.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    return tuple(_pattern(line) for line in lines if line and not line.startswith(b"#"))


def is_ignored(path: bytes, files: Mapping[bytes, Sequence[Pattern]], excluded: Sequence[Pattern]) -> bool:
    """Whether a file is left out, by its path from the top of the work tree.

    ``files`` are the patterns of the .gitignore files by their directories (``b""`` is the top); ``excluded`` those of
    $GIT_DIR/info/exclude. Under a directory that is left out nothing is taken in again.
    """
    parts = path.split(b"/")
    return any(
        _is_excluded(parts[:depth], files, excluded, is_directory=depth < len(parts))
        for depth in range(1, len(parts) + 1)
    )


def _is_excluded(
    parts: Sequence[bytes], files: Mapping[bytes, Sequence[Pattern]], excluded: Sequence[Pattern], *, is_directory: bool
) -> bool:
    """What the last pattern that matches says; those of the nearest directory count most."""
    for depth in reversed(range(len(parts))):
        found = _last_match(files.get(b"/".join(parts[:depth]), ()), b"/".join(parts[depth:]), is_directory)
        if found is not None:
            return not found.is_negative
    found = _last_match(excluded, b"/".join(parts), is_directory)
    return found is not None and not found.is_negative


def _last_match(patterns: Sequence[Pattern], path: bytes, is_directory: bool) -> Pattern | None:
    return next((one for one in reversed(patterns) if one.matches(path, is_directory=is_directory)), None)


def _pattern(line: bytes) -> Pattern:
    text = _without_trailing_spaces(line.removesuffix(b"\r"))
    is_negative = text.startswith(b"!")
    text = text[is_negative:]
    is_for_directories = text.endswith(b"/")
    text = text[:-1] if is_for_directories else text
    is_anchored = b"/" in text
    # A literal beginning is compared first, and what follows it counts as the beginning of what is left.
    text = text.removeprefix(b"/")
    literal = next((place for place, byte in enumerate(text) if byte in b"*?[\\"), len(text)) if is_anchored else 0
    beginning = tuple(_Token(_Kind.ONE, frozenset([byte])) for byte in text[:literal])
    rest = _tokens(text[literal:])
    return Pattern(None if rest is None else beginning + rest, is_negative, is_for_directories, is_anchored)


def _without_trailing_spaces(line: bytes) -> bytes:
    """The line without the spaces at its end; one that a backslash stands before is kept."""
    end = 0
    place = 0
    while place < len(line):
        if line[place : place + 1] == b"\\":
            place += 1
            if place == len(line):
                return line
            end = place + 1
        elif line[place : place + 1] != b" ":
            end = place + 1
        place += 1
    return line[:end]


def _tokens(text: bytes) -> tuple[_Token, ...] | None:
    """What the characters of a pattern mean; None where it is none that matches anything."""
    found: list[_Token] = []
    place = 0
    while place < len(text):
        byte = text[place : place + 1]
        if byte == b"*":
            end = place + len(text[place:]) - len(text[place:].lstrip(b"*"))
            found += _stars(text, place, end)
            place = end
        elif byte == b"[":
            bracket = _Bracket(text, place + 1)
            allowed = bracket.allowed()
            if allowed is None:
                return None
            found.append(_Token(_Kind.ONE, allowed))
            place = bracket.place
        else:
            place += byte == b"\\"
            if place == len(text):
                return None
            found.append(_Token(_Kind.ONE, _NO_SLASH if byte == b"?" else frozenset([text[place]])))
            place += 1
    return tuple(found)


def _stars(text: bytes, start: int, end: int) -> Iterator[_Token]:
    """What a run of stars means: two or more between slashes, or at an end, are any number of directories."""
    is_alone = start == 0 or text[start - 1] == _SLASH
    following = text[end : end + 2]
    if end - start == 1 or not is_alone or not (following in (b"", b"\\/") or following.startswith(b"/")):
        yield _Token(_Kind.MANY, _NO_SLASH)
        return
    if following.startswith(b"/"):
        yield _Token(_Kind.DIRECTORIES)
    yield _Token(_Kind.MANY, _ANY)


class _Bracket:
    """Reads a set such as ``[a-z]`` or ``[![:digit:]_]``; ``place`` is behind it once it is read."""

    def __init__(self, text: bytes, place: int) -> None:
        self.text = text
        self.place = place

    def allowed(self) -> frozenset[int] | None:
        """The bytes that the set allows, never a slash; None where it has no end, or names no class."""
        is_negative = self.text[self.place : self.place + 1] in (b"!", b"^")
        self.place += is_negative
        found: set[int] = set()
        # A bracket that closes stands for itself in the first place.
        is_first = True
        try:
            before: int | None = None
            while is_first or self.text[self.place] != ord("]"):
                before = self._next(found, before)
                is_first = False
        except (IndexError, KeyError):
            return None
        self.place += 1
        return frozenset((_ANY - found if is_negative else found) - {_SLASH})

    def _next(self, found: set[int], before: int | None) -> int | None:
        """Add what comes next; what a range may begin with, if it may. Raises IndexError at the end of the text."""
        byte = self.text[self.place]
        if self.text[self.place : self.place + 2] == b"[:":
            end = self.text.index(b"]", self.place + 2) if b"]" in self.text[self.place + 2 :] else len(self.text)
            name = self.text[self.place + 2 : end]
            if end == len(self.text):
                raise IndexError
            if name.endswith(b":"):
                found |= set(_CLASSES[name[:-1]].encode("ascii"))
                self.place = end + 1
                return None
        is_range = byte == ord("-") and before is not None and self.text[self.place + 1] != ord("]")
        if is_range:
            self.place += 1
            byte = self.text[self.place]
        if byte == ord("\\"):
            self.place += 1
            byte = self.text[self.place]
        self.place += 1
        if is_range and before is not None:
            found |= set(range(before, byte + 1))
            return None
        found.add(byte)
        return byte


def _is_match(tokens: Sequence[_Token], text: bytes) -> bool:
    """Whether the tokens mean the whole text; every way to read them is followed at once, so that none takes long."""
    places = _reached(tokens, {0})
    for byte in text:
        onward = {
            place + (tokens[place].kind is _Kind.ONE)
            for place in places
            if place < len(tokens) and byte in tokens[place].allowed
        }
        places = _reached(tokens, onward)
    return len(tokens) in places


def _reached(tokens: Sequence[_Token], places: set[int]) -> set[int]:
    """The places in the tokens to which these lead without another byte."""
    reached: set[int] = set()
    for place in places:
        ahead = [place]
        while ahead:
            here = ahead.pop()
            if here in reached:
                continue
            reached.add(here)
            if here < len(tokens) and tokens[here].kind is not _Kind.ONE:
                ahead.append(here + 1)
                # Past the stars and their slash.
                ahead += [here + 3] if tokens[here].kind is _Kind.DIRECTORIES else []
    return reached
