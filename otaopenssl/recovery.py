"""What a run that died had written down of devices that its record does not tell of yet."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from otaopenssl.account import Result
from otaopenssl.durable import read_bounded
from otaopenssl.ids import parse_device_uuid
from otaopenssl.layout import CERTIFICATE_NAME, Server
from otaopenssl.measured import certificate_digest
from otaopenssl.statement import MOST_LINES_BYTES


def left_lines(server: Server, told: Iterable[bytes], parts: Sequence[Path]) -> list[bytes]:
    """The lines that are to be added to a dead run's record: of devices that were published, or just not any more."""
    known = {_parsed(line).get("certificate_sha256") for line in told}
    found = []
    for part in parts:
        for digest, line in written(part).items():
            if digest not in known:
                known.add(digest)
                facts = _parsed(line)
                found.append(line if _published(server, facts.get("uuid")) == digest else _not_published(facts))
    return found


def written(part: Path) -> Mapping[str, bytes]:
    """The lines of the devices that a worker was about to publish, by the digests of their certificates."""
    try:
        lines = read_bounded(part, MOST_LINES_BYTES).split(b"\n")[:-1]
    except FileNotFoundError:
        return {}
    found = {_parsed(line).get("certificate_sha256"): line for line in lines}
    return {digest: line for digest, line in found.items() if digest is not None}


def _published(server: Server, uuid: str | None) -> str | None:
    if uuid is None:
        return certificate_digest(server.ca_crt_path)
    return certificate_digest(server.device_path(parse_device_uuid(uuid)) / CERTIFICATE_NAME)


def _not_published(facts: dict[str, Any]) -> bytes:
    """The line of a device that the run died over between writing it down and publishing it."""
    steps = facts.pop("steps")
    facts |= {"result": Result.FAILED.value, "serial": None, "not_after": None, "certificate_sha256": None}
    facts |= {"reason": "the run died before the device was published", "steps": steps}
    return json.dumps(facts, separators=(",", ":")).encode("ascii")


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
