"""A device that is there, found whole by its files alone."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from otaopenssl import fleet_root
from otaopenssl.device_files import naming_of
from otaopenssl.errors import Error, Failed, Unfit, quoted
from otaopenssl.ids import DeviceID, DeviceUUID, Identity
from otaopenssl.layout import Server
from otaopenssl.leaf import parse_leaf
from otaopenssl.steps import Text
from otaopenssl.wholeness import Issued, check_whole, read_outputs


class PresentDevice(NamedTuple):
    """A device by its files: ``files`` is the content, by name, of what the audited text makes."""

    identity: Identity
    path: Path
    issued: Issued
    has_key: bool
    files: Mapping[str, bytes]


def present_device(server: Server, text: Text, uuid: DeviceUUID) -> PresentDevice:
    """The device of that UUID. Raises Unfit where it is not there, Failed where it is not whole."""
    path = server.device_path(uuid)
    shown = quoted(server.shown(path))
    if not path.is_dir():
        raise Unfit(f"no device {quoted(uuid)}: {shown} is not there", hint="make the device first: otaopenssl device")
    names = os.listdir(path)  # noqa: PTH208 - names, not paths
    device_id = naming_of(text).device_id(names, uuid) or DeviceID(uuid)
    steps = [step.bind(server.device_places(uuid, device_id)) for step in text.steps]
    try:
        outputs = read_outputs(steps, server.project_dir)
        issued = check_whole(steps, outputs, uuid, _ca_name(server))
    except Failed as error:
        raise Failed(f"{shown} is there, but not whole: {error.message}", hint=error.hint) from error
    files = {output.rpartition("/")[2]: found.content for output, found in outputs.items()}
    return PresentDevice(Identity(uuid, device_id), path, issued, has_key=True, files=files)


def _ca_name(server: Server) -> bytes | None:
    try:
        return parse_leaf(fleet_root.read_certificate(server).blocks[0].der or b"").subject
    except (Error, ValueError):
        return None
