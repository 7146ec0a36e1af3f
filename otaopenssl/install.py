"""One use case: a device's certificate, key, gateway root and gateway URL put where its OTA client imports them from.

Whatever ends it, what was there before is there still, or, between the moves, a set that the same run finishes; and
nobody but the owner can read a key. Source: guide step 6, "install the device certificate on the device".
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from otaopenssl import device_answers, scratch
from otaopenssl.archived_root import check_archived_root
from otaopenssl.credentials import Credentials
from otaopenssl.destination import REGULAR, TEMPORARY_NAMES, Copies, Destination, Entries, temporary_name
from otaopenssl.device_verdicts import judged
from otaopenssl.durable import read_bounded
from otaopenssl.errors import Error, Failed, Interrupted, Unfit, quoted, reason
from otaopenssl.file_rules import pem_faults
from otaopenssl.gateway_root_rules import RootRules
from otaopenssl.ids import DeviceUUID
from otaopenssl.image import ImageDirectory
from otaopenssl.installed_files import Configuration, InstalledFile, installed_files
from otaopenssl.installed_identity import OwnIdentity, Standing, Whose, copied
from otaopenssl.interrupts import hold_for_good, tidying
from otaopenssl.layout import CERTIFICATE_NAME, GATEWAY_ROOT_NAME, KEY_NAME, Server
from otaopenssl.output_rules import written
from otaopenssl.outputs import CERTIFICATE
from otaopenssl.present_device import PresentDevice, present_device
from otaopenssl.runner import Runner
from otaopenssl.steps import Text

_AGAIN = "run the same command again, which finishes what was begun"


class State(Enum):
    """What came of it: the files were put there, all of them were there and right, or an identity was replaced."""

    INSTALLED = "installed"
    THERE = "already there"
    REPLACED = "replaced"


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
        state = _Installation(files, identity, runner, destination, copies).carry_out(is_replacing=order.is_replacing)
    if state is State.REPLACED:
        warnings.append("an OTA client that has imported before keeps its first identity until its storage is emptied")
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


class _Installation:
    """The files of one device on their way to a destination."""

    def __init__(
        self,
        files: Sequence[InstalledFile],
        identity: OwnIdentity,
        runner: Runner,
        destination: Destination,
        copies: Copies,
    ) -> None:
        self._files = files
        self._identity = identity
        self._runner = runner
        self._destination = destination
        self._copies = copies
        self._names = [file.name for file in files]

    def carry_out(self, *, is_replacing: bool) -> State:
        """Look, write under temporary names, compare, move, compare. Raises Unfit and Failed."""
        shown, copies = self._destination.shown, self._copies
        public = [file.name for file in self._files if not file.is_key]
        entries = self._destination.look(public, copies)
        self._check_kinds(entries)
        standing = self._standing(entries, is_replacing=is_replacing)
        if standing.whose is Whose.OTHERS and not is_replacing:
            raise standing.refusal(shown)
        left = [name for name in TEMPORARY_NAMES if name in entries]
        if standing.whose is Whose.THIS and self._is_complete(entries):
            if left:
                self._destination.discard(left)
            return State.THERE
        with self._tidying():
            entries = self._destination.stage(self._files, left, copies)
            self._check_copies(entries, copies.staged, temporary_name, "was written")
            # What is moved is moved as a whole, and then looked at.
            hold_for_good()
            entries = self._destination.publish(self._names, copies)
            self._check_copies(entries, copies.published, str, "was moved to its place")
        return State.REPLACED if standing.whose in (Whose.EARLIER, Whose.OTHERS) else State.INSTALLED

    def _standing(self, entries: Entries, *, is_replacing: bool) -> Standing:
        def fetch(name: str) -> None:
            self._destination.fetch(name, self._copies)

        try:
            return self._identity.standing(entries, self._copies, fetch, self._runner)
        except Unfit:
            # A key that cannot be read is somebody's.
            if not is_replacing:
                raise
            return Standing(Whose.OTHERS)

    def _check_kinds(self, entries: Entries) -> None:
        """Raise Unfit where what is no file has the name of one: no move could take its place."""
        for name in (*self._names, *map(temporary_name, self._names)):
            if name in entries and entries[name].kind == "a directory":
                words = f"{quoted(name)} in {quoted(self._destination.shown)} is a directory, expected {REGULAR}"
                raise Unfit(words, hint="move it away")

    def _is_complete(self, entries: Entries) -> bool:
        """Whether each file is there and right already; the key, where there is one, was found to be this device's."""
        return all(
            file.name in entries
            and entries[file.name] == (REGULAR, file.mode)
            and (file.is_key or copied(self._copies.there / file.name) == file.content)
            for file in self._files
        )

    @contextmanager
    def _tidying(self) -> Iterator[None]:
        """Remove what has temporary names where the block fails, as far as the connection allows; else tell of it."""
        try:
            yield
        except (Error, Interrupted) as error:
            left = f"temporary files may be left in {quoted(self._destination.shown)}; the next try removes them"
            try:
                with tidying():
                    self._destination.discard([temporary_name(name) for name in self._names])
            except Error:
                if isinstance(error, Interrupted):
                    error.message = f"interrupted, {left}"
                else:
                    error.details = (*error.details, left)
            raise

    def _check_copies(self, entries: Entries, into: Path, named: Callable[[str], str], what: str) -> None:
        """Raise Failed where a file at the far side is not as it was sent."""
        for file in self._files:
            name = named(file.name)
            where = f"{quoted(name)} in {quoted(self._destination.shown)}, as it {what},"
            entry = entries.get(name)
            if entry is None or entry.kind != REGULAR:
                found = "not there" if entry is None else entry.kind
                raise Failed(f"{where} is {found}, expected {REGULAR}", hint=_AGAIN)
            if entry.mode != file.mode:
                raise Failed(f"{where} has mode {entry.mode:04o}, expected {file.mode:04o}", hint=_AGAIN)
            if file.is_key:
                is_right = self._identity.is_own_key(into / name, self._runner)
            else:
                is_right = copied(into / name) == file.content
            if not is_right:
                raise Failed(f"{where} is not what was sent", hint=_AGAIN)
