"""Which certificates records tell of, without judging the records: ``otaopenssl audit`` does that."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from otaopenssl.account import Result
from otaopenssl.durable import opened_bounded
from otaopenssl.layout import Server
from otaopenssl.recorded_devices import unsettled
from otaopenssl.records import ordered_records, read_chain, record_dirs
from otaopenssl.statement import LINES_NAME, MOST_LINES_BYTES


class Recorded(NamedTuple):
    """The digests of the certificates' DER by device, None standing for ca.crt; and those that are not settled yet.

    ``last`` is the last one that is told of each; ``unsettled`` are of runs that go on.
    """

    last: dict[str | None, bytes]
    unsettled: set[tuple[str, bytes]]


def recorded_certificates(server: Server) -> Recorded | None:
    """What the records of a server tell; None where there are none.

    Raises OSError or ValueError where one cannot be read.
    """
    last: dict[str | None, bytes] = {}
    if not any(record_dirs(server)):
        return None
    # Records that are not listed before are read once more, since their runs may go on meanwhile.
    try:
        listed = [name for _, name in read_chain(server)]
    except FileNotFoundError:
        listed = []
    for directory in ordered_records(server):
        if not (directory / LINES_NAME).exists():
            # Its run has just begun; else 'otaopenssl audit' tells.
            continue
        for uuid, result, digest in _told(directory / LINES_NAME):
            # What was made again is another one since; what was found there is the one that was made.
            if result == Result.MADE or uuid not in last:
                last[uuid] = digest
    return Recorded(last, unsettled(server, listed))


def _told(path: Path) -> Iterator[tuple[str | None, str, bytes]]:
    """The device, the result and the certificate's digest of each line that tells one."""
    with opened_bounded(path, MOST_LINES_BYTES) as (descriptor, _), os.fdopen(descriptor, "rb", closefd=False) as file:
        for line in file:
            try:
                facts = json.loads(line)
                uuid, result, digest = (facts[name] for name in ("uuid", "result", "certificate_sha256"))
                if digest is None:
                    continue
                if not (uuid is None or isinstance(uuid, str)):
                    raise TypeError("uuid")
                yield uuid, result, bytes.fromhex(digest)
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                raise ValueError(f"a line of {path.parent.name} is none of a record") from error
