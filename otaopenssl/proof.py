"""The proof that one device's line is in a sealed statement, without the other lines. Source: RFC 9162, 2.1.3."""

import json
from typing import Any

from otaopenssl.digest import sha256
from otaopenssl.durable import read_bounded
from otaopenssl.errors import Unfit, quoted
from otaopenssl.ids import DeviceUUID
from otaopenssl.layout import Server
from otaopenssl.merkle import inclusion_path, leaf_hash
from otaopenssl.records import read_chain, records_dir
from otaopenssl.statement import LINES_NAME, STATEMENT_NAME

_MOST_BYTES = 1024 * 1024 * 1024
PROOF_FORMAT = "otaopenssl-proof/1"


def proof(server: Server, uuid: DeviceUUID) -> dict[str, Any]:
    """The proof of the last line that tells of the device. Raises Unfit where no record does, or one is malformed."""
    # Most lines are of other devices, and need not be parsed.
    wanted = json.dumps(uuid).encode("ascii")
    try:
        for _, name in reversed(read_chain(server)):
            directory = records_dir(server) / name
            lines = read_bounded(directory / LINES_NAME, _MOST_BYTES).split(b"\n")[:-1]
            for index in reversed(range(len(lines))):
                if wanted in lines[index] and json.loads(lines[index])["uuid"] == uuid:
                    return {
                        "format": PROOF_FORMAT,
                        "record": name,
                        "statement_sha256": sha256(read_bounded(directory / STATEMENT_NAME)),
                        "index": index,
                        "size": len(lines),
                        "line": lines[index].decode("utf-8"),
                        "path": [one.hex() for one in inclusion_path([leaf_hash(line) for line in lines], index)],
                    }
    except (OSError, ValueError, KeyError) as error:
        raise Unfit(f"the records cannot be read: {error}", hint="see what is wrong: otaopenssl audit") from error
    raise Unfit(f"no record tells of device {quoted(uuid)}", hint="choose the server with '--server-name NAME'")
