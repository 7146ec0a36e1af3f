"""A device that is there, found whole by its files alone; whose signature is right only openssl can tell."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from otaopenssl.device_files import naming_of
from otaopenssl.errors import Unfit, quoted
from otaopenssl.ids import DeviceID, DeviceUUID, Identity
from otaopenssl.layout import Server
from otaopenssl.steps import Text
from otaopenssl.wholeness import Issued, check_whole, read_outputs


class PresentDevice(NamedTuple):
    """A device as it was read: ``files`` are the contents of what its text writes, by their names.

    ``has_key`` is False of one whose keys are on the device alone.
    """

    identity: Identity
    path: Path
    issued: Issued
    has_key: bool
    files: Mapping[str, bytes]


def present_device(server: Server, text: Text, uuid: DeviceUUID) -> PresentDevice:
    """The device of that UUID, found whole. Raises Unfit where it is not there, Failed where it is not whole."""
    path = server.device_path(uuid)
    if not os.path.lexists(path):
        words = f"no device {quoted(uuid)}: {quoted(server.shown(path))} is not there"
        raise Unfit(words, hint="see which there are: otaopenssl list")
    device_id = naming_of(text).device_id(os.listdir(path), uuid) or DeviceID(uuid)  # noqa: PTH208 - names, not paths
    places = server.device_places(uuid, device_id)
    steps = [step.bind(places) for step in text.steps]
    outputs = read_outputs(steps, server.project_dir)
    issued = check_whole(steps, outputs, uuid, None)
    files = {name.rpartition("/")[2]: found.content for name, found in outputs.items()}
    return PresentDevice(Identity(uuid, device_id), path, issued, has_key=True, files=files)
