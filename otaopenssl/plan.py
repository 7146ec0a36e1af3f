"""The plan of a fleet whose UUIDs were drawn: a list of them beside the devices, written before the first is made.

After an interruption it says which devices there are to be; ``otaopenssl fleet --ids PLAN`` makes the rest.
"""

import os
from datetime import UTC, datetime
from pathlib import Path

from otaopenssl.durable import not_writable, sync_file, write_new
from otaopenssl.id_list import IDList
from otaopenssl.layout import Server
from otaopenssl.locks import hidden_folder


def write_plan(server: Server, ids: IDList) -> Path:
    """The path of a new file in the server directory that lists the devices, synced. Raises Unfit.

    What a killed run left of writing one is removed.
    """
    now = datetime.now(UTC)
    path = server.server_dir / f"fleet-{now:%Y%m%dT%H%M%SZ}-{os.urandom(3).hex()}.ids"
    head = f"# {ids.quantity} device UUIDs, drawn {now:%Y-%m-%d %H:%M:%S} UTC by 'otaopenssl fleet --count'\n"
    try:
        with hidden_folder(server.hidden_dir):
            for unfinished in server.server_dir.glob(".fleet-*.new"):
                unfinished.unlink()
            write_new(path, head.encode("ascii"), more=(f"{identity.uuid}\n".encode("ascii") for identity in ids))
    except OSError as error:
        raise not_writable(error, server.shown(path)) from error
    return path


def take_back(path: Path) -> None:
    """Remove the plan of a fleet of which nothing was made."""
    path.unlink(missing_ok=True)
    sync_file(path.parent)
