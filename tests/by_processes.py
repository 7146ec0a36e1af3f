"""A fleet whose workers are processes: run as ``python -m tests.by_processes PROJECT IDS OPENSSL``.

It prints what came of the fleet as JSON.
"""

import json
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from otaopenssl.account import Result
from otaopenssl.fleet import FleetOrder
from otaopenssl.fleet_block import Outcome
from otaopenssl.id_list import read_ids
from otaopenssl.ids import DEFAULT_SERVER_NAME
from otaopenssl.layout import Server
from otaopenssl.texts import DEFAULT_PROCEDURE, find_procedure
from tests.fleets import fleet_by


def main(project: str, ids_path: str, program: str) -> None:
    """Make the fleet and print its summary."""
    project_dir = Path(project)
    server = Server(project_dir, DEFAULT_SERVER_NAME)
    told: list[Outcome] = []
    context = get_context("spawn")
    with Path(ids_path).open("rb") as stream, read_ids(stream, "ids") as ids:
        order = FleetOrder(server, find_procedure(DEFAULT_PROCEDURE, project_dir), ids, jobs=2)
        with ProcessPoolExecutor(2, mp_context=context) as executor:
            summary = fleet_by(executor, order, program, told.extend)
    counts = {result.name: summary.counts[result] for result in Result}
    document = {
        **counts,
        "untried": summary.untried,
        "stopped": None if summary.stopped is None else summary.stopped.message,
        "reasons": sorted({failure.reason for failure in summary.failures}),
        "told": [[outcome.identity.uuid, outcome.result.name] for outcome in told],
    }
    sys.stdout.write(json.dumps(document))


if __name__ == "__main__":
    main(*sys.argv[1:])
