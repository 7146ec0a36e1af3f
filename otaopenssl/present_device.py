"""A device that is there, found whole by its files alone; whose signature is right only openssl can tell.

Its keys may be on the device alone: then the directory holds the CSR that was signed, and none of the keys.
"""

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from otaopenssl.device_files import naming_of
from otaopenssl.errors import BadInput, Failed, Unfit, quoted
from otaopenssl.ids import DeviceID, DeviceUUID, Identity
from otaopenssl.layout import CERTIFICATE_NAME, KEY_NAME, Server
from otaopenssl.leaf import Leaf, parse_leaf
from otaopenssl.outputs import pem_blocks
from otaopenssl.recorded_keys import keys_made_here
from otaopenssl.signing_steps import from_request
from otaopenssl.steps import BoundStep, Text
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

    @property
    def leaf(self) -> Leaf:
        """What its certificate says."""
        certificate, *_ = pem_blocks(self.files[CERTIFICATE_NAME])
        return parse_leaf(certificate.der or b"")

    @property
    def public_key(self) -> bytes:
        """The certificate's public key (SubjectPublicKeyInfo in DER)."""
        return self.leaf.public_key


def present_device(server: Server, text: Text, uuid: DeviceUUID) -> PresentDevice:
    """The device of that UUID, found whole. Raises Unfit where it is not there, Failed where it is not whole."""
    path = server.device_path(uuid)
    if not os.path.lexists(path):
        words = f"no device {quoted(uuid)}: {quoted(server.shown(path))} is not there"
        raise Unfit(words, hint="see which there are: otaopenssl list")
    try:
        return whole_device(server, text, named(server, text, uuid))
    except Failed as error:
        words = f"{quoted(server.shown(path))} is not whole: {error.message}"
        raise Failed(words, hint=f"see all that is wrong: otaopenssl verify {uuid}") from error


def named(server: Server, text: Text, uuid: DeviceUUID) -> Identity:
    """The device of that UUID, with the device ID that the names of its files tell; without any the UUID."""
    return Identity(uuid, naming_of(text).device_id(_names(server.device_path(uuid)), uuid) or DeviceID(uuid))


def whole_device(
    server: Server,
    text: Text,
    identity: Identity,
    ca_name: bytes | None = None,
    more: Sequence[BoundStep] = (),
    made_here: Callable[[], Mapping[str, bool]] | None = None,
) -> PresentDevice:
    """The device of that identity, whose directory is there.

    ``ca_name`` is as in ``check_whole``; ``more`` are steps beside the text's whose files must be there as well.
    ``made_here`` says of devices whether their keys were made here, by default by the records. Raises Failed where it
    is not whole.
    """
    places = server.device_places(identity.uuid, identity.device_id)
    steps = [step.bind(places) for step in text.steps]

    def is_made_here() -> bool | None:
        return (keys_made_here(server) if made_here is None else made_here()).get(identity.uuid)

    absent = absent_keys(text, steps, _names(server.device_path(identity.uuid)), is_made_here)
    steps += more
    outputs = read_outputs(steps, server.project_dir, {f"{places['device_dir']}/{name}" for name in absent})
    issued = check_whole(steps, outputs, identity.uuid, ca_name)
    files = {_name(path): found.content for path, found in outputs.items()}
    return PresentDevice(identity, server.device_path(identity.uuid), issued, KEY_NAME in files, files)


def absent_keys(
    text: Text, steps: Sequence[BoundStep], names: Collection[str], is_made_here: Callable[[], bool | None]
) -> frozenset[str]:
    """The names of files that a device need not hold, since its keys are elsewhere: none where it holds one of them.

    ``steps`` are those of the text, bound for any device of that device ID; ``names`` are those in its directory.
    ``is_made_here`` says whether its keys were made here; where nobody knows, None, the CSR in its directory tells.
    """
    try:
        part = from_request(text)
    except BadInput:
        # By this text no device is made without its keys.
        return frozenset()
    before = steps[: len(text.steps) - len(part.text.steps)]
    request = _name(steps[len(before)].value("-in") or "")
    others = {_name(output) for step in before for output in step.outputs} - {request}
    if not others.isdisjoint(names):
        return frozenset()
    made_here = is_made_here()
    is_elsewhere = request in names if made_here is None else not made_here
    return frozenset(others) if is_elsewhere else frozenset()


def _names(path: Path) -> list[str]:
    try:
        return os.listdir(path)  # noqa: PTH208 - names, not paths
    except OSError:
        # What is wrong with it is told of the first file that is looked for in it.
        return []


def _name(path: str) -> str:
    return path.rpartition("/")[2]
