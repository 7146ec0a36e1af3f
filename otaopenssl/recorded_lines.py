"""The lines of a record as they tell of certificates, without judging them: ``otaopenssl audit`` does that."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from otaopenssl.durable import opened_bounded
from otaopenssl.layout import KEY_NAME
from otaopenssl.statement import MOST_LINES_BYTES


class RecordedLine(NamedTuple):
    """What a line tells: of which device, None for a fleet root CA; with which result; its certificate's digest.

    ``is_key_made`` says whether the device's key was made by what the line tells, and is None where the line tells of
    a new certificate for a key that was there.
    """

    uuid: str | None
    result: str
    certificate_sha256: bytes
    is_key_made: bool | None


def recorded_lines(path: Path) -> Iterator[RecordedLine]:
    """Each line of a devices.jsonl that tells of a certificate. Raises OSError, and ValueError of what is no line."""
    with opened_bounded(path, MOST_LINES_BYTES) as (descriptor, _), os.fdopen(descriptor, "rb", closefd=False) as file:
        for line in file:
            try:
                facts = json.loads(line)
                uuid, result, digest = (facts[name] for name in ("uuid", "result", "certificate_sha256"))
                if digest is None:
                    continue
                if not (uuid is None or isinstance(uuid, str)):
                    raise TypeError("uuid")
                yield RecordedLine(uuid, result, bytes.fromhex(digest), _is_key_made(facts["steps"]))
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                raise ValueError(f"a line of {path.parent.name} is none of a record") from error


def _is_key_made(steps: list[dict[str, list[dict[str, object]]]]) -> bool | None:
    """Whether one of the steps has written the key; False where the first of them signs a CSR from elsewhere."""
    if any(output["path"] == KEY_NAME for step in steps for output in step["outputs"]):
        return True
    return False if steps and any("-req" in words for words in steps[0]["argv"]) else None
