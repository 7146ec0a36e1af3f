"""otaopenssl.toml: what a team writes down once for all its runs, checked as a whole before any of it is used."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from otaopenssl.address import parse_gateway
from otaopenssl.errors import BadInput, Error, quoted, raise_all
from otaopenssl.ids import parse_server_name

_LARGEST_PORT = 65535
_LONGEST_SITE = 64
_LONGEST_REASON = 200
# A key of thousands of parts takes tomllib a time that grows with their square.
_LONGEST_LINE = 4096
_KINDS = {
    bool: "a boolean",
    int: "an integer",
    float: "a float",
    str: "a string",
    list: "an array",
    dict: "a table",
}


class Seal(NamedTuple):
    """Who seals: the paths of a certificate, of its key, and of a file that holds the key's passphrase."""

    certificate: str
    key: str
    passphrase_file: str | None = None


class Settings(NamedTuple):
    """What the file says, key by key; None for what it does not say. Each text is one that its option accepts."""

    server_name: str | None = None
    gateway: str | None = None
    port: int | None = None
    openssl: str | None = None
    procedure: str | None = None
    jobs: int | None = None
    site: str | None = None
    seal: Seal | None = None


def parse_settings(content: bytes, shown: str, most_jobs: int) -> Settings:
    """The settings that the bytes of the file mean; ``shown`` names it in messages. Raises every problem at once.

    Each is a BadInput. Whether what it names is there is not looked at.
    """
    table = _Table(_parsed(content, shown), shown, "")
    settings = Settings(
        server_name=table.text("server_name", parse_server_name),
        gateway=table.text("gateway", parse_gateway),
        port=table.number("port", _LARGEST_PORT),
        openssl=table.path("openssl"),
        procedure=table.text("procedure", _check_procedure),
        jobs=table.number("jobs", most_jobs),
        site=table.text("site", _check_site),
        seal=_seal(table),
    )
    table.refuse_others(Settings._fields)
    raise_all(table.problems)
    return settings


class _Table:
    """A table of the file, and every problem that was found in it; ``place`` says in messages which one it is."""

    def __init__(self, values: dict[str, object], shown: str, place: str) -> None:
        self._values = values
        self._shown = shown
        self._place = place
        self.problems: list[Error] = []

    def text(self, key: str, check: Callable[[str], object]) -> str | None:
        """The string of a key that ``check`` raises no error for."""
        value = self._values.get(key)
        if value is not None and self._is_kind(key, value, str):
            try:
                check(str(value))
            except Error as problem:
                self._refuse(problem.message, problem.hint)
            return str(value)
        return None

    def path(self, key: str) -> str | None:
        """The string of a key that can be a path."""
        return self.text(key, lambda value: _check_path(f"{key}{self._place}", value))

    def needed_path(self, key: str) -> str:
        """The same, where the table means nothing without it."""
        if key not in self._values:
            self._refuse(f"no key {quoted(key)}{self._place}", f"give '{key} = \"PATH\"'{self._place}")
        return self.path(key) or ""

    def number(self, key: str, largest: int) -> int | None:
        """The integer of a key, from 1 to ``largest``."""
        value = self._values.get(key)
        if value is None or not self._is_kind(key, value, int) or not isinstance(value, int):
            return None
        if not 1 <= value <= largest:
            # The number may have thousands of digits, and is not shown.
            self._refuse(f"{key}{self._place} is no number from 1 to {largest}", f"give '{key} = N'")
        return value

    def table(self, key: str) -> "_Table | None":
        """The table of a key."""
        value = self._values.get(key)
        if value is None or not self._is_kind(key, value, dict) or not isinstance(value, dict):
            return None
        return _Table(value, self._shown, f" in [{key}]")

    def refuse_others(self, keys: Iterable[str]) -> None:
        """Have each key that is none of ``keys`` as a problem."""
        for key in self._values:
            if key not in keys:
                self._refuse(f"unknown key {quoted(key)}{self._place}", f"the keys{self._place} are {', '.join(keys)}")

    def _is_kind(self, key: str, value: object, kind: type) -> bool:
        # A boolean is an integer to Python, not in TOML.
        if type(value) is kind:
            return True
        found = _KINDS.get(type(value), "a date or a time")
        self._refuse(f"{key}{self._place} is {found}, expected {_KINDS[kind]}", f"make it {_KINDS[kind]}")
        return False

    def _refuse(self, message: str, hint: str) -> None:
        self.problems.append(BadInput(f"{self._shown}: {message}", hint=hint))


def _parsed(content: bytes, shown: str) -> dict[str, object]:
    """The TOML document. Raises BadInput where it is none."""
    # Imported here because it takes long, and most projects have no such file.
    import tomllib

    if max(map(len, content.split(b"\n"))) > _LONGEST_LINE:
        raise _malformed(shown, f"a line has more than {_LONGEST_LINE} bytes")
    try:
        return tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise _malformed(shown, "it is no text in UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        words = str(error)
        raise _malformed(shown, words[:1].lower() + words[1:_LONGEST_REASON]) from error
    except (ValueError, RecursionError) as error:
        raise _malformed(shown, "a number is too long, or arrays or tables are nested too deeply") from error


def _malformed(shown: str, words: str) -> BadInput:
    return BadInput(f"{shown} is malformed: {words}", hint="write lines such as 'port = 30443', texts in quotes")


def _seal(top: _Table) -> Seal | None:
    table = top.table("seal")
    if table is None:
        return None
    seal = Seal(table.needed_path("certificate"), table.needed_path("key"), table.path("passphrase_file"))
    table.refuse_others(Seal._fields)
    top.problems += table.problems
    return seal


def _check_path(what: str, value: str) -> None:
    if not value or "\0" in value:
        raise BadInput(f"{what} {quoted(value)} is no path", hint="name a file")


def _check_procedure(value: str) -> None:
    if not value or not value.isprintable():
        raise BadInput(f"procedure {quoted(value)} is no name", hint="give a built-in name or a directory")


def _check_site(value: str) -> None:
    if not 1 <= len(value) <= _LONGEST_SITE or not value.isprintable():
        words = f"site {quoted(value)} is no label of 1 to {_LONGEST_SITE} printable characters"
        raise BadInput(words, hint="shorten it, and leave out line ends and control characters")
