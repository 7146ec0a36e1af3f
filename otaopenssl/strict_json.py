"""JSON that is taken to the letter or not at all: no key twice, none unknown, none of another type.

What nobody understands nobody has approved; and where a key stands twice, two readers may take another of the two.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeVar

from otaopenssl.errors import Error, quoted

_DIGEST_LENGTH = 64
_T = TypeVar("_T")

# Makes the error for a fault, which is told in words that follow "NAME: ".
Refusal = Callable[[str], Error]


class Members:
    """The members of a JSON object, each taken once; ``where`` names it in the errors that ``refusal`` makes."""

    def __init__(self, value: object, where: str, refusal: Refusal) -> None:
        self._where = where
        self._refusal = refusal
        if not isinstance(value, dict):
            self.refuse("it is no object")
        self._left = dict(value)

    def refuse(self, fault: str) -> NoReturn:
        """Raise the error for a fault of the object."""
        raise self._refusal(f"{self._where}: {fault}")

    def take(self, key: str) -> Any:
        """The value of a member, whatever it is."""
        if key not in self._left:
            self.refuse(f"{quoted(key)} is missing")
        return self._left.pop(key)

    def has(self, key: str) -> bool:
        """Whether there is such a member that was not taken yet."""
        return key in self._left

    def string(self, key: str) -> str:
        """The value of a member that is a string."""
        value = self.take(key)
        return value if isinstance(value, str) else self.refuse(f"{quoted(key)} is no string")

    def string_or_null(self, key: str) -> str | None:
        """The value of a member that is a string, or null."""
        return None if self._is_null(key) else self.string(key)

    def boolean(self, key: str) -> bool:
        """The value of a member that is true or false."""
        value = self.take(key)
        return value if isinstance(value, bool) else self.refuse(f"{quoted(key)} is neither true nor false")

    def integer(self, key: str) -> int:
        """The value of a member that is a whole number."""
        value = self.take(key)
        if not isinstance(value, int) or isinstance(value, bool):
            self.refuse(f"{quoted(key)} is no whole number")
        return value

    def digest(self, key: str) -> str:
        """The value of a member that is a SHA-256 digest."""
        value = self.string(key)
        is_digest = len(value) == _DIGEST_LENGTH and set(value) <= set("0123456789abcdef")
        return value if is_digest else self.refuse(f"{quoted(key)} is no SHA-256 digest in lower-case hexadecimal")

    def digest_or_null(self, key: str) -> str | None:
        """The value of a member that is a SHA-256 digest, or null."""
        return None if self._is_null(key) else self.digest(key)

    def _is_null(self, key: str) -> bool:
        is_null = self._left.get(key, "") is None
        if is_null:
            del self._left[key]
        return is_null

    def strings(self, key: str) -> tuple[str, ...]:
        """The value of a member that is a list of strings."""
        value = self.take(key)
        is_good = isinstance(value, list) and all(isinstance(one, str) for one in value)
        return tuple(value) if is_good else self.refuse(f"{quoted(key)} is no list of strings")

    def inside(self, key: str) -> "Members":
        """The members of a member that is an object."""
        return Members(self.take(key), f"{self._where}: {key}", self._refusal)

    def list_inside(self, key: str) -> "list[Members]":
        """The members of each object of a member that is a list."""
        value = self.take(key)
        if not isinstance(value, list):
            self.refuse(f"{quoted(key)} is no list")
        return [Members(one, f"{self._where}: {key}", self._refusal) for one in value]

    def each(self, take: "Callable[[Members, str], _T]") -> dict[str, _T]:
        """All members, whatever their names, each taken in the same way."""
        return {key: take(self, key) for key in list(self._left)}

    def end(self) -> None:
        """Refuse what was not taken."""
        for key in self._left:
            self.refuse(f"unknown key {quoted(key)}")


def read_json(content: bytes, where: str, refusal: Refusal) -> Members:
    """The members of the JSON object that a file holds. Raises what ``refusal`` makes where it holds none."""

    def once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            keys = [key for key, _ in pairs]
            raise _TwiceError(next(key for key in found if keys.count(key) > 1))
        return found

    try:
        document = json.loads(content.decode("utf-8"), object_pairs_hook=once)
    except _TwiceError as error:
        raise refusal(f"{where}: key {quoted(error.args[0])} stands twice") from None
    except json.JSONDecodeError as error:
        fault = f"no JSON, line {error.lineno}: {error.msg[:1].lower()}{error.msg[1:]}"
        raise refusal(f"{where}: {fault}") from None
    except (ValueError, RecursionError):
        raise refusal(f"{where}: no JSON in UTF-8") from None
    return Members(document, where, refusal)


class _TwiceError(Exception):
    """A key that stands twice."""
