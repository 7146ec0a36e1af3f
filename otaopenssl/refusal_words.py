"""What a registry's refusal says of a device: that it is there, that another has its place, or something else.

Registries agree on no words for it, so that only plain ones count, and whatever speaks against them counts more.
"""

import json
import re
from enum import Enum

_IS_THERE = re.compile(
    r"already[ _-](?:been[ _-])?(?:registered|exists?|there|present|created)|device exists", re.IGNORECASE
)
_IS_ANOTHER = re.compile(
    r"in use|\banother\b|\b(?:other|different) (?:device|uuid|id)|\bbelongs?\b|\buuid\W+\w*\d"
    r"|\bname\b[^.{}]{0,40}\balready",
    re.IGNORECASE,
)
# 'not' in 'cannot' as well.
_IS_AGAINST = re.compile(
    r"not\b|n't\b|\bnever\b|\bno\b|\bmany\b|limit|quota|\btry\b|retry|concurrent|\b(?:certificate|credentials)\b",
    re.IGNORECASE,
)
# Of OTA Community Edition's registry, for another device; others say it of the same one, and then say so in words.
_CONFLICT_CODE = "conflicting_device"
_ANY_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_UUID_MEMBERS = ("uuid", "deviceUuid", "device_uuid")


class Said(Enum):
    """What a refusal says."""

    THERE = "the device is there"
    ANOTHER = "another device has its ID, its name or its UUID"
    NOTHING = "nothing that is understood"
    ELSE = "something else"


def said(body: str, uuid: str, device_id: str) -> Said:
    """What the body of a refusal says of the device of that UUID and device ID."""
    known_as = named_uuid(body)
    if known_as is not None and known_as.lower() != uuid.lower() and (body[:1] != '"' or _ANY_UUID.fullmatch(known_as)):
        return Said.ANOTHER
    text = body
    for own in (uuid, device_id):
        # What is said of the device by its own names is not said of another.
        text = re.sub(rf"(?<![\w.:-]){re.escape(own)}(?![\w:-])", " ", text, flags=re.IGNORECASE)
    is_there = _IS_THERE.search(text) is not None
    if _IS_ANOTHER.search(text) or (_CONFLICT_CODE in text and not is_there):
        return Said.ANOTHER
    if _IS_AGAINST.search(text):
        return Said.ELSE
    return Said.THERE if is_there else Said.NOTHING


def named_uuid(body: str) -> str | None:
    """The UUID of a device that an answer in JSON names: in a member, also of an object in it, or as a string alone."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if isinstance(found, str):
        return found
    for one in (found, *(found.values() if isinstance(found, dict) else ())):
        for name in _UUID_MEMBERS:
            if isinstance(one, dict) and isinstance(one.get(name), str):
                return str(one[name])
    return None
