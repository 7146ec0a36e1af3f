"""The proof that one device's line is in a sealed statement, without the other lines. Source: RFC 9162, 2.1.3."""

import json
from pathlib import Path
from typing import Any

from otaopenssl.digest import sha256
from otaopenssl.durable import read_bounded
from otaopenssl.errors import Unfit, quoted
from otaopenssl.ids import DeviceUUID
from otaopenssl.layout import Server
from otaopenssl.merkle import inclusion_path, leaf_hash
from otaopenssl.records import read_chain, records_dir
from otaopenssl.statement import LINES_NAME, MOST_LINES_BYTES, STATEMENT_NAME

PROOF_FORMAT = "otaopenssl-proof/1"


def proof(server: Server, uuid: DeviceUUID) -> dict[str, Any]:
    """The proof of the last line that tells of the device's certificate, else of the device.

    Raises Unfit where no record does, or one is malformed.
    """
    # Most lines are of other devices, and need not be parsed.
    wanted = json.dumps(uuid).encode("ascii")
    without: dict[str, Any] | None = None
    try:
        for _, name in reversed(read_chain(server)):
            directory = records_dir(server) / name
            lines = read_bounded(directory / LINES_NAME, MOST_LINES_BYTES).split(b"\n")[:-1]
            for index in reversed(range(len(lines))):
                facts = json.loads(lines[index]) if wanted in lines[index] else {}
                if facts.get("uuid") == uuid and (facts["certificate_sha256"] or without is None):
                    found = _of_line(directory, lines, index)
                    if facts["certificate_sha256"]:
                        return found
                    without = found
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise Unfit(f"the records cannot be read: {error}", hint="see what is wrong: otaopenssl audit") from error
    if without is None:
        raise Unfit(f"no record tells of device {quoted(uuid)}", hint="choose the server with '--server-name NAME'")
    return without


def _of_line(directory: Path, lines: list[bytes], index: int) -> dict[str, Any]:
    return {
        "format": PROOF_FORMAT,
        "record": directory.name,
        "statement_sha256": sha256(read_bounded(directory / STATEMENT_NAME)),
        "index": index,
        "size": len(lines),
        "line": lines[index].decode("utf-8"),
        "path": [one.hex() for one in inclusion_path([leaf_hash(line) for line in lines], index)],
    }
