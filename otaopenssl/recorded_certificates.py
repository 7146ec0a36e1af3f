"""Which certificates records tell of, without judging the records: ``otaopenssl audit`` does that."""

import json
from typing import NamedTuple

from otaopenssl.account import Result
from otaopenssl.digest import sha256
from otaopenssl.durable import read_bounded
from otaopenssl.layout import Server
from otaopenssl.materials import CA_CRT
from otaopenssl.recorded_devices import unsettled
from otaopenssl.recorded_keys import take_in
from otaopenssl.recorded_lines import recorded_lines
from otaopenssl.records import ordered_records, read_chain, record_dirs
from otaopenssl.statement import LINES_NAME, STATEMENT_NAME


class Recorded(NamedTuple):
    """The digests of the certificates' DER by device, None standing for ca.crt; and those that are not settled yet.

    ``last`` is the last one that is told of each; ``unsettled`` are of runs that go on. ``keys_made_here``
    says of devices whether a run has made their keys.
    """

    last: dict[str | None, bytes]
    unsettled: set[tuple[str, bytes]]
    keys_made_here: dict[str, bool]


def recorded_certificates(server: Server) -> Recorded | None:
    """What the records of a server tell; None where there are none.

    Raises OSError or ValueError where one cannot be read.
    """
    last: dict[str | None, bytes] = {}
    made_here: dict[str, bool] = {}
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
        for line in recorded_lines(directory / LINES_NAME):
            # What was made again is another one since; what was found there is the one that was made.
            if line.result == Result.MADE or line.uuid not in last:
                last[line.uuid] = line.certificate_sha256
            take_in(line, made_here)
    return Recorded(last, unsettled(server, listed), made_here)


def is_ca_of_last_run(server: Server, content: bytes) -> bool:
    """Whether ca.crt with this content is the one that the last run was made of which made or found a device.

    Raises OSError or ValueError where a record cannot be read.
    """
    for directory in reversed(list(ordered_records(server))):
        if (directory / LINES_NAME).exists() and any(line.uuid for line in recorded_lines(directory / LINES_NAME)):
            return _ca_crt_sha256(read_bounded(directory / STATEMENT_NAME)) == sha256(content)
    return False


def _ca_crt_sha256(statement: bytes) -> str | None:
    try:
        dependencies = json.loads(statement)["predicate"]["buildDefinition"]["resolvedDependencies"]
        return next((str(one["digest"]["sha256"]) for one in dependencies if one["name"] == CA_CRT), None)
    except (KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{STATEMENT_NAME} is none of a record") from error
