"""Which devices are to be renewed: those that are named, and those whose certificates expire soon."""

import os
from collections.abc import Iterable
from typing import NamedTuple

from otaopenssl.device_files import naming_of
from otaopenssl.device_index import stock
from otaopenssl.errors import Unfit, quoted, raise_all, reason
from otaopenssl.ids import DeviceID, DeviceUUID, Identity
from otaopenssl.inventory import Selection, State
from otaopenssl.layout import KEY_NAME, Server
from otaopenssl.recorded_keys import keys_made_here
from otaopenssl.steps import Text
from otaopenssl.stock import Stocked


class Choice(NamedTuple):
    """The devices to renew, each once, and those of which nobody can tell whether they are to be.

    ``keyless`` are the UUIDs of those that hold no key and need not, as none was made for them here.
    """

    identities: tuple[Identity, ...]
    keyless: frozenset[str]
    unknown: tuple[Stocked, ...]


def choose(server: Server, text: Text, uuids: Iterable[DeviceUUID], expiring: Selection | None) -> Choice:
    """The devices of those UUIDs, and those that the selection takes.

    Raises Unfit with every UUID that there is no device of, and where the devices directory cannot be read.
    """
    naming = naming_of(text)
    chosen: dict[DeviceUUID, DeviceID] = {}
    unknown = []
    keyless = set()
    problems = []
    wanted = dict.fromkeys(uuids)
    if expiring is not None:
        for one in expiring.of(map(expiring.listed, stock(server, naming))):
            if one.state is State.UNKNOWN:
                unknown.append(one.device)
            else:
                wanted[DeviceUUID(one.device.uuid)] = None
    for uuid in wanted:
        try:
            names = os.listdir(server.device_path(uuid))  # noqa: PTH208 - names, not paths
        except OSError as error:
            problems.append(_no_device(server, uuid, error))
            continue
        chosen[uuid] = naming.device_id(names, uuid) or DeviceID(uuid)
        if KEY_NAME not in names:
            keyless.add(uuid)
    raise_all(problems)
    if keyless:
        keyless -= {uuid for uuid, is_made_here in keys_made_here(server).items() if is_made_here}
    # Told of where it is named is told enough.
    unsure = tuple(one for one in unknown if one.uuid not in chosen)
    return Choice(tuple(Identity(*one) for one in chosen.items()), frozenset(keyless), unsure)


def _no_device(server: Server, uuid: DeviceUUID, error: OSError) -> Unfit:
    shown = quoted(server.shown(server.device_path(uuid)))
    why = f"{shown} is not there" if isinstance(error, FileNotFoundError) else f"{shown}: {reason(error)}"
    return Unfit(f"no device {quoted(uuid)}: {why}", hint="see which there are: otaopenssl list")
