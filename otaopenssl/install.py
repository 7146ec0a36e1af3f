"""One use case: a device's certificate, key, gateway root and gateway URL put where its OTA client imports them from.

Whatever ends it, what was there before is there still, or, between the moves, a set that the same run finishes; and
nobody but the owner can read a key. Source: guide step 6, "install the device certificate on the device".
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from otaopenssl import device_answers, scratch
from otaopenssl.archived_root import check_archived_root
from otaopenssl.credentials import Credentials
from otaopenssl.destination import Copies, Destination
from otaopenssl.device_verdicts import judged
from otaopenssl.durable import read_bounded
from otaopenssl.errors import Failed, Unfit, quoted, reason
from otaopenssl.file_rules import pem_faults
from otaopenssl.gateway_root_rules import RootRules
from otaopenssl.ids import DeviceUUID
from otaopenssl.image import ImageDirectory
from otaopenssl.installation import Installation, State
from otaopenssl.installed_files import Configuration, InstalledFile, installed_files
from otaopenssl.installed_identity import OwnIdentity
from otaopenssl.layout import CERTIFICATE_NAME, GATEWAY_ROOT_NAME, KEY_NAME, Server
from otaopenssl.output_rules import written
from otaopenssl.outputs import CERTIFICATE
from otaopenssl.present_device import PresentDevice, present_device
from otaopenssl.runner import Runner
from otaopenssl.steps import Text


class InstallOrder(NamedTuple):
    """Which device to install, and as what: ``url`` is that of its gateway, ``directory`` where the files go there.

    ``text`` is the device.sh that made it; where it ``is_replacing`` another identity is written over. ``credentials``
    may carry a CA, which root.crt then has to be of.
    """

    server: Server
    text: Text
    uuid: DeviceUUID
    url: str
    directory: str
    configuration: Configuration | None = None
    is_replacing: bool = False
    credentials: Credentials | None = None


class Installed(NamedTuple):
    """What is where now: the place, the files in it, what came of them, and what to know of it."""

    place: str
    state: State
    files: tuple[InstalledFile, ...]
    warnings: tuple[str, ...]


def install(order: InstallOrder, runner: Runner, destination: Destination) -> Installed:
    """Install the device. When this returns everything is there and right, as was found by looking at it again.

    From the first move on an interrupting signal waits for the end, in the main thread; where this is one part of a
    longer run, see ``interrupts.part``. Raises Unfit where the device or what belongs to it is missing, where the
    destination is missing, cannot be written or has another identity; Failed where the device is not whole or refused
    by openssl, root.crt is of another CA than that of the archive, the connection fails, or what is there is not what
    was sent.
    """
    device = present_device(order.server, order.text, order.uuid)
    root_crt = _gateway_root(order, device)
    files = installed_files(device, root_crt, order.url, order.configuration, order.directory)
    identity = _identity(order, device, runner)
    if order.credentials is not None:
        shown = quoted(order.server.shown(device.path / GATEWAY_ROOT_NAME))
        hint = f"have it fetched again: otaopenssl gateway root --uuid {order.uuid} --credentials ZIP --force"
        check_archived_root(order.credentials, root_crt, shown, hint, runner)
    warnings = [*_warnings(order, device, root_crt, runner)]
    with scratch.directory() as directory:
        copies = Copies(directory)
        copies.prepare(files)
        installation = Installation(files, identity, runner, destination, copies)
        state = installation.carry_out(is_replacing=order.is_replacing)
    if state is State.REPLACED:
        warnings.append("an OTA client that has imported before keeps its first identity until its storage is emptied")
    warnings += installation.warnings
    return Installed(destination.shown, state, files, tuple(warnings))


def install_local(order: InstallOrder, runner: Runner, root: Path, *, is_making_directories: bool = False) -> Installed:
    """Install the device into the image whose root is mounted at ``root``, as ``install`` does.

    With ``is_making_directories`` those that are missing are made, ``root`` included.
    """
    found = install(order, runner, ImageDirectory(root, order.directory, is_making=is_making_directories))
    user = os.geteuid()
    if user == 0:
        return found
    words = f"the files belong to user {user}: give them to the user that the OTA client runs as, such as root"
    return found._replace(warnings=(*found.warnings, words))


def certificate_shown(order: InstallOrder) -> str:
    """The device's certificate as commands name it."""
    return order.server.shown(order.server.device_path(order.uuid) / CERTIFICATE_NAME)


def _gateway_root(order: InstallOrder, device: PresentDevice) -> bytes:
    """The device's root.crt. Raises Unfit where there is none, or something else than certificates."""
    path = device.path / GATEWAY_ROOT_NAME
    shown = quoted(order.server.shown(path))
    hint = f"have it fetched: otaopenssl gateway root --uuid {order.uuid} --gateway {order.url}"
    try:
        content = read_bounded(path)
    except FileNotFoundError as error:
        raise Unfit(f"{shown} is missing: the device could not tell its gateway", hint=hint) from error
    except OSError as error:
        raise Unfit(f"{shown} cannot be read: {reason(error)}", hint="check its owner, kind and mode") from error
    for _, words in pem_faults(GATEWAY_ROOT_NAME, written(content), CERTIFICATE, is_one=False):
        raise Unfit(f"{shown} will not do: {words}", hint=hint)
    return content


def _identity(order: InstallOrder, device: PresentDevice, runner: Runner) -> OwnIdentity:
    """What makes out the device, once openssl accepts it. Raises Failed where it does not."""
    shown = certificate_shown(order)
    hint = f"see all that is wrong: otaopenssl verify {order.uuid}"
    verdict = judged(runner, order.server, shown)
    if verdict.broken is not None:
        raise verdict.broken
    if not verdict.is_accepted:
        raise Failed(f"openssl verify refuses {quoted(shown)}: {verdict.words}", hint=hint)
    facts = device_answers.certificate(runner, shown, order.server.project_dir)
    if facts.report is None:
        raise Failed(f"openssl cannot read {quoted(shown)}: {facts.fault}", hint=hint)
    return OwnIdentity(order.server, order.uuid, device.files[CERTIFICATE_NAME], facts, device.files.get(KEY_NAME))


def _warnings(order: InstallOrder, device: PresentDevice, root_crt: bytes, runner: Runner) -> Iterator[str]:
    for _, words in RootRules(order.server.project_dir).faults(written(root_crt), runner):
        yield words
    if not device.has_key:
        yield f"no {KEY_NAME} is installed: the key of this device is on the device alone"
        if order.configuration is not None:
            yield f"{order.configuration} does not say where the key is: add that"
