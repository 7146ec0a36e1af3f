"""What must hold of each file in a device directory before openssl is asked about it: kind, mode, PEM."""

import os
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from otaopenssl.device_files import DeviceFile, Role
from otaopenssl.durable import read_bounded
from otaopenssl.errors import quoted, reason
from otaopenssl.findings import Code, Fault
from otaopenssl.layout import GATEWAY_ROOT_NAME
from otaopenssl.output_rules import Written, written
from otaopenssl.outputs import (
    CERTIFICATE,
    expected_label,
    holds_private_key,
    is_encrypted,
    is_whole_der,
    without_blocks,
)

_PRIVATE = 0o077
# Where one of these is told of a file openssl need not be asked about it.
_BREAKING = (Code.PEM_MALFORMED, Code.PEM_LABEL, Code.KEY_UNUSABLE)
_WRITABLE_BY_ALL_OR_EXECUTABLE = 0o113 | stat.S_ISUID | stat.S_ISGID


class Files:
    """The files of a device directory as they were read; ``faults`` is what is wrong with them, one after another.

    ``sound`` holds those that are there and hold PEM blocks of the kind that they must; ``owners`` are the user IDs
    that they may belong to, any where there are none.
    """

    def __init__(self, directory: Path, wanted: Sequence[DeviceFile], owners: Collection[int]) -> None:
        self._directory = directory
        self._owners = owners
        self._contents: dict[str, bytes] = {}
        self.sound: dict[str, Written] = {}
        self.faults: list[Fault] = []
        for file in wanted:
            self.faults += self._looked_at(file)

    def content(self, name: str) -> bytes | None:
        """What is in a file; None of one that is not there, or could not be read."""
        return self._contents.get(name)

    def read(self, name: str, *, is_key: bool = False) -> Iterator[Fault]:
        """Read a file, which is no secret unless it ``is_key``; what is wrong with it."""
        path = self._directory / name
        try:
            found = path.lstat()
        except OSError as error:
            is_missing = isinstance(error, FileNotFoundError)
            code = Code.FILE_MISSING if is_missing else Code.FILE_UNREADABLE
            yield code, f"{name} {'is missing' if is_missing else f'cannot be looked at: {reason(error)}'}"
            return
        if not stat.S_ISREG(found.st_mode):
            yield Code.FILE_KIND, f"{name} is {_kind(found.st_mode)}, expected a regular file"
            return
        try:
            self._contents[name] = read_bounded(path)
        except OSError as error:
            yield Code.FILE_UNREADABLE, f"{name} cannot be read: {reason(error)}"
        is_key |= holds_private_key(self._contents.get(name, b""))
        yield from _mode_faults(name, stat.S_IMODE(found.st_mode), is_key=is_key)
        if self._owners and found.st_uid not in self._owners:
            yield Code.FILE_OWNER, f"{name} belongs to user {found.st_uid}, expected {_shown(self._owners)}"

    def strays(self, names: Iterable[str]) -> Iterator[Fault]:
        """Which of the names are of private keys that the text does not make, and that others may read."""
        for name in names:
            try:
                found = (self._directory / name).lstat()
                is_key = stat.S_ISREG(found.st_mode) and holds_private_key(read_bounded(self._directory / name))
            except OSError:
                # What is none of the device's need not be readable.
                continue
            if is_key:
                yield from _mode_faults(name, stat.S_IMODE(found.st_mode), is_key=True)

    def _looked_at(self, file: DeviceFile) -> Iterator[Fault]:
        yield from self.read(file.name, is_key=file.role.is_key)
        content = self._contents.get(file.name)
        if content is None:
            return
        if not content:
            yield Code.FILE_EMPTY, f"{file.name} is empty"
            return
        found = written(content)
        step = file.step.step
        label = expected_label(step.kind, is_encrypted=not step.has("-nocrypt"))
        if label is None and file.role is not Role.JOINED:
            # A text of the team's own may write it in any form; openssl tells what it is.
            if b"-----BEGIN" in content:
                faults = pem_faults(file.name, found, None, is_one=False)
                # It may well encrypt a key.
                yield from (fault for fault in faults if fault[0] is not Code.KEY_UNUSABLE)
            self.sound[file.name] = found
            return
        told = list(pem_faults(file.name, found, label, is_one=label is not None))
        is_broken = any(code in _BREAKING for code, _ in told)
        if label is not None and not is_broken and not step.has("-text") and without_blocks(content).strip():
            told.append((Code.PEM_EXTRA, f"{file.name} holds more than a PEM block"))
        yield from told
        if not is_broken:
            self.sound[file.name] = found


def directory(path: Path, owners: Collection[int]) -> tuple[list[str] | None, list[Fault]]:
    """The names in a device directory, None where it is none that can be read; and what is wrong with it.

    ``owners`` are the user IDs that it may belong to; where there are none, any.
    """
    try:
        found = path.lstat()
        mode = found.st_mode
        if not stat.S_ISDIR(mode):
            return None, [(Code.DIRECTORY_KIND, f"it is {_kind(mode)}, expected a directory")]
        names = os.listdir(path)  # noqa: PTH208 - names, not paths
    except OSError as error:
        return None, [(Code.FILE_UNREADABLE, f"its directory cannot be read: {reason(error)}")]
    faults = []
    if mode & _PRIVATE:
        shown = f"{stat.S_IMODE(mode):04o}"
        words = f"its directory is mode {shown}, expected 0700: it holds the private key"
        faults.append((Code.DIRECTORY_MODE, words))
    if owners and found.st_uid not in owners:
        words = f"its directory belongs to user {found.st_uid}, expected {_shown(owners)}"
        faults.append((Code.FILE_OWNER, words))
    return names, faults


def pem_faults(name: str, found: Written, label: str | None, *, is_one: bool) -> Iterator[Fault]:
    """What is wrong with a PEM file of blocks of this label (None: any), of which it must hold one if ``is_one``."""
    if not found.content:
        yield Code.FILE_EMPTY, f"{name} is empty"
        return
    if not found.blocks:
        yield Code.PEM_MALFORMED, f"{name} holds no whole PEM block{f', expected {label}' if label else ''}"
        return
    if b"\r" in found.content:
        yield Code.PEM_CRLF, f"{name} has carriage returns in it, expected line feeds alone"
    rest = without_blocks(found.content)
    if b"-----BEGIN" in rest or b"-----END" in rest:
        yield Code.PEM_MALFORMED, f"{name} holds a PEM block that is cut off"
        return
    for block in found.blocks:
        if label is not None and block.label != label:
            yield Code.PEM_LABEL, f"{name} holds {block.label}, expected {label}"
            return
        if is_encrypted(block.text):
            yield Code.KEY_UNUSABLE, f"{name} is encrypted"
            return
        if not is_whole_der(block.der):
            yield Code.PEM_MALFORMED, f"{name} holds a PEM block that is not whole"
            return
    if is_one and len(found.blocks) > 1:
        yield Code.PEM_EXTRA, f"{name} holds {len(found.blocks)} PEM blocks, expected one"


def joined_faults(files: Files, joined: DeviceFile, others: Mapping[str, Written | None]) -> Iterator[Fault]:
    """How a joined file differs from what it joins: files of the device, and ``others`` by their paths.

    None stands for one that could not be read.
    """
    found = files.sound.get(joined.name)
    paths = joined.step.commands[0][1:]
    names = [path.rpartition("/")[2] for path in paths]
    unread = [path for path in paths if others.get(path, found) is None]
    if found is not None and unread:
        yield Code.NOT_VERIFIED, f"{joined.name}: {quoted(unread[0])}, which it joins, cannot be read"
    parts = [others.get(path) or files.sound.get(name) for path, name in zip(paths, names, strict=True)]
    if found is None or None in parts:
        # What is wrong with those is told already.
        return
    expected = [block.der for part in parts if part is not None for block in part.blocks]
    got = [block.der for block in found.blocks]
    if got == expected:
        return
    shown = " and ".join(names)
    if sorted(map(bytes, filter(None, got))) == sorted(map(bytes, filter(None, expected))):
        yield Code.CHAIN_ORDER, f"{joined.name} holds {shown} in another order"
    else:
        yield Code.CHAIN_OTHER, f"{joined.name} does not hold {shown} and nothing else"


def link_faults(directory: Path, name: str, source: str) -> Iterator[Fault]:
    """What is wrong with a link to ``source``, which need not be there, and must hold certificates where it is.

    What holds the same as ``source`` may stand in its place: a link from before the project was moved, or a copy.
    """
    path = directory / name
    leads_to, target = name, None
    try:
        if stat.S_ISLNK(path.lstat().st_mode):
            target = str(path.readlink())
            leads_to = f"{name} leads to {quoted(target)}"
        found = written(read_bounded(path))
    except FileNotFoundError as error:
        # It need not be there; where it is, and what it leads to is not, that is something else.
        if target is not None:
            yield Code.CA_LINK, f"{leads_to}, which cannot be read: {reason(error)}"
        return
    except OSError as error:
        yield Code.CA_LINK, f"{leads_to}, which cannot be read: {reason(error)}"
        return
    faults = list(pem_faults(leads_to, found, CERTIFICATE, is_one=False))
    yield from ((Code.CA_LINK, words) for _, words in faults)
    if not faults and target != source and not _holds(Path(source), found.content):
        yield Code.CA_LINK, f"{leads_to}, expected what is in {quoted(source)}"


def root_crt_faults(files: Files) -> Iterator[Fault]:
    """What is wrong with root.crt, by its bytes; where it is absent, what that means."""
    faults = list(files.read(GATEWAY_ROOT_NAME))
    if any(code is Code.FILE_MISSING for code, _ in faults):
        words = f"no {GATEWAY_ROOT_NAME}: the device cannot tell its gateway from another server"
        yield Code.ROOT_CRT_MISSING, words
        return
    yield from faults
    content = files.content(GATEWAY_ROOT_NAME)
    if content is None:
        return
    found = written(content)
    faults = list(pem_faults(GATEWAY_ROOT_NAME, found, CERTIFICATE, is_one=False))
    yield from faults
    if all(code is Code.PEM_CRLF for code, _ in faults):
        files.sound[GATEWAY_ROOT_NAME] = found


def _mode_faults(name: str, mode: int, *, is_key: bool) -> Iterator[Fault]:
    if is_key and mode & (_PRIVATE | _WRITABLE_BY_ALL_OR_EXECUTABLE):
        yield Code.KEY_MODE, f"{name} is mode {mode:04o}, expected 0600: it is a private key"
    elif not is_key and mode & _WRITABLE_BY_ALL_OR_EXECUTABLE:
        words = "everybody may write it" if mode & stat.S_IWOTH else "it is executable"
        yield Code.FILE_MODE, f"{name} is mode {mode:04o}: {words}"


def ca_crt_faults(path: Path, found: Written) -> Iterator[Fault]:
    """What is wrong with the file of ca.crt, which holds a certificate at least."""
    yield from _mode_faults(path.name, stat.S_IMODE(path.stat().st_mode), is_key=holds_private_key(found.content))
    yield from pem_faults(path.name, found, CERTIFICATE, is_one=False)


def _holds(path: Path, content: bytes) -> bool:
    try:
        return read_bounded(path) == content
    except OSError:
        return False


def _shown(owners: Collection[int]) -> str:
    return " or ".join(map(str, sorted(owners)))


def _kind(mode: int) -> str:
    kinds = ((stat.S_ISLNK, "a link"), (stat.S_ISDIR, "a directory"), (stat.S_ISREG, "a regular file"))
    return next((words for is_kind, words in kinds if is_kind(mode)), "a special file")
