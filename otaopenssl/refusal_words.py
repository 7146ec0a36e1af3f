"""What a registry's refusal says of a device, by its words: that this one is there, that another is, or neither.

Registries agree on no words for it. So a refusal says that a device is there only by a clause that says just this,
about a device and no other thing; whatever else is in it speaks against it.
"""

import json
import re
from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

_UUID_NAMES = frozenset({"uuid", "deviceuuid"})
_ANY_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_CLAUSE_END = re.compile(r"[.,;:!?()\[\]{}\n]+")
_QUOTES = re.compile(r"[\"'`\\<>]+")
_THERE = re.compile(
    r"(?:conflict )?(?:(?:the|this|a) )?(?:device(?: ?id)?|entity|resource)?"
    r"(?: with (?:(?:the|this|that|same|given) )*(?:uuid|device ?id|id))?(?: (?:is|was|has been))?"
    r" ?already (?:been )?(?:registered|exists?|there|present|created)"
    r"|(?:(?:the|this|a) )?device exists|duplicate(?: device(?: ?id)?)?",
    re.IGNORECASE,
)
_LETTERS = re.compile(r"[^\W\d_]{2}")
_ANOTHER = re.compile(
    r"in use|\banother\b|\b(?:other|different)\W+\w|\bbelongs?\b|conflicting_device"
    r"|\buuid\W+\w*\d|\bname\b[^.{}]{0,40}\balready",
    re.IGNORECASE,
)
# 'not' in 'cannot' as well.
_AGAINST = re.compile(r"not\b|n't\b|\bnever\b|\bno\b|\bmany\b|limit|quota|\btry\b|retry|concurrent", re.IGNORECASE)


class Said(Enum):
    """What a refusal says."""

    THERE = "the device is there"
    ANOTHER = "another device has its ID, its name or its UUID"
    PLAIN = "nothing in words"
    ELSE = "something else"


class Words(NamedTuple):
    """What stands in an answer: its texts, and the UUIDs that it names as those of devices."""

    texts: Sequence[str]
    uuids: Sequence[str]

    def uuid(self, own: str) -> str | None:
        """The UUID that the answer is about: the device's own where it is among them, else the first, if any."""
        return next((one for one in self.uuids if one.lower() == own.lower()), next(iter(self.uuids), None))


def words_of(body: str) -> Words:
    """The words of an answer: of JSON every string in it, else the whole body as one text."""
    texts: list[str] = []
    uuids: list[str] = []

    def look(pairs: list[tuple[str, object]]) -> None:
        for name, value in pairs:
            for text in value if isinstance(value, list) else [value]:
                if isinstance(text, str):
                    is_uuid = name.lower().replace("_", "").replace("-", "") in _UUID_NAMES
                    (uuids if is_uuid else texts).append(text)

    try:
        found = json.loads(body, object_pairs_hook=look)
    except (ValueError, RecursionError):
        return Words((body,), ())
    for text in found if isinstance(found, list) else [found]:
        if isinstance(text, str):
            texts.append(text)
            if _ANY_UUID.fullmatch(text):
                uuids.append(text)
    return Words(texts, uuids)


def said(body: str, uuid: str, device_id: str) -> Said:
    """What the body of a refusal says of the device of that UUID and device ID."""
    words = words_of(body)
    known_as = words.uuid(uuid)
    if known_as is not None and known_as.lower() != uuid.lower():
        return Said.ANOTHER
    texts = [_without(text, (uuid, device_id)) for text in words.texts if not _ANY_UUID.fullmatch(text)]
    clauses = [_spaced(clause) for text in texts for clause in _CLAUSE_END.split(text)]
    is_there = any(_THERE.fullmatch(clause) for clause in clauses)
    is_against = any(_AGAINST.search(text) for text in texts)
    if any(_ANOTHER.search(text) for text in texts if not (is_there and text == "conflicting_device")):
        return Said.ANOTHER
    if is_there:
        return Said.ELSE if is_against else Said.THERE
    # A single word is as good as none: 'conflict', a type, a moment, the ID of the error.
    is_plain = not is_against and all(sum(map(_is_word, clause.split())) < 2 for clause in clauses)
    return Said.PLAIN if is_plain else Said.ELSE


def _is_word(text: str) -> bool:
    return _LETTERS.search(text) is not None


def _without(text: str, names: Sequence[str]) -> str:
    """The text without the names of the device itself, so that any other that is left is another's."""
    for name in names:
        text = re.sub(rf"(?<![\w.:-]){re.escape(name)}(?![\w:-])", " ", text, flags=re.IGNORECASE)
    return text


def _spaced(clause: str) -> str:
    """The clause with one space between its words, also those of a code such as entity_already_exists."""
    return " ".join(re.sub(r"[_-]", " ", _QUOTES.sub(" ", clause)).split())
