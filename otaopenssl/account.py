"""The account of one device: what was carried out for it, and what came of it, as a line of a record.

Of what may hold a private key no digest is told, and of no command what it printed. Source: docs/records.md.
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, NamedTuple

from otaopenssl.digest import sha256
from otaopenssl.ids import Identity
from otaopenssl.output_rules import Written
from otaopenssl.outputs import is_public_pem, serial_hex
from otaopenssl.runner import Finished
from otaopenssl.steps import BoundStep
from otaopenssl.wholeness import Issued

_LONGEST_TEXT = 2000
_PEM = re.compile(r"-----BEGIN [^-\n]*-----.*?(?:-----END [^-\n]*-----|\Z)", re.DOTALL)


class Result(StrEnum):
    """What came of a device."""

    MADE = "made"
    THERE = "there already"
    FAILED = "failed"
    REFUSED = "refused"


class _Performed(NamedTuple):
    text: str
    bound: BoundStep
    finished: Finished | None
    outputs: Mapping[str, Written]


class Account:
    """What was done for one device (or, without an identity, for a fleet root CA), from now on."""

    def __init__(self, identity: Identity | None = None, device_dir: str = "") -> None:
        self._identity = identity
        self._prefix = f"{device_dir}/"
        self._begin = timestamp(datetime.now(UTC))
        self._performed: list[_Performed] = []
        self._given: dict[str, Written] = {}

    def give(self, files: Mapping[str, Written]) -> None:
        """Remember files that are there before the first step, by their paths as commands name them."""
        self._given |= files

    def add(self, text: str, bound: BoundStep, finished: Finished | None, outputs: Mapping[str, Written]) -> None:
        """Remember a step of a text that was carried out, or tried; ``finished`` is of one that openssl ran for."""
        self._performed.append(_Performed(text, bound, finished, outputs))

    def told(self, result: Result, issued: Issued | None = None, reason: str = "") -> bytes:
        """The line, without what chains it to others: a JSON object in ASCII."""
        uuid, device_id = self._identity or (None, None)
        document: dict[str, Any] = {
            "begin": self._begin,
            # A clock may be put back meanwhile.
            "end": max(self._begin, timestamp(datetime.now(UTC))),
            "uuid": uuid,
            "device_id": device_id,
            "result": result.value,
            "serial": None if issued is None else serial_hex(issued.serial),
            "not_after": None if issued is None else f"{issued.not_after:%Y-%m-%dT%H:%M:%SZ}",
            "certificate_sha256": None if issued is None else issued.sha256,
        }
        if result in (Result.FAILED, Result.REFUSED):
            document["reason"] = without_pem(reason)
        if self._given:
            document["given"] = [self._output(path, found) for path, found in self._given.items()]
        document["steps"] = [self._step(one) for one in self._performed]
        return json.dumps(document, separators=(",", ":")).encode("ascii")

    def _step(self, performed: _Performed) -> dict[str, Any]:
        text, bound, finished, outputs = performed
        told: dict[str, Any] = {"step": f"{text}:{bound.step.line}", "argv": bound.commands}
        if bound.redirect is not None:
            told["to"] = bound.redirect
        if finished is not None:
            told["statuses"] = finished.statuses
        told["outputs"] = [
            self._output(path, found, is_public=bound.step.makes_public_files) for path, found in outputs.items()
        ]
        if finished is not None and not finished.is_good:
            told["stderr"] = without_pem(finished.stderr.decode("utf-8", "replace"))
        return told

    def _output(self, path: str, found: Written, *, is_public: bool = False) -> dict[str, Any]:
        told: dict[str, Any] = {"path": path.removeprefix(self._prefix), "size": len(found.content)}
        if is_public or is_public_pem(*found):
            told["sha256"] = sha256(found.content)
        else:
            told["mode"] = "0600"
        return told


def without_pem(text: str) -> str:
    """What may be told of a text of openssl's: no PEM block, nor the beginning of one, and not too much."""
    return _PEM.sub("(PEM)", text)[:_LONGEST_TEXT]


def timestamp(when: datetime) -> str:
    """The time as records hold it."""
    return f"{when:%Y-%m-%dT%H:%M:%S}.{when.microsecond // 1000:03}Z"
