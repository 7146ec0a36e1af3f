"""A device that was made anew takes the place of the one that was there: proven before, and with all that it held."""

import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import NamedTuple

from otaopenssl import previous
from otaopenssl.carried import carry_over, give_owner
from otaopenssl.device_verdicts import accepted_of, judged
from otaopenssl.digest import sha256
from otaopenssl.durable import not_writable, read_bounded, sync_file, sync_tree
from otaopenssl.errors import Failed, Unfit, quoted
from otaopenssl.ids import DeviceUUID
from otaopenssl.layout import CERTIFICATE_NAME, Server
from otaopenssl.leaf import Leaf, is_same_key, parse_leaf
from otaopenssl.locks import hidden_folder
from otaopenssl.outputs import pem_blocks
from otaopenssl.records import open_dir, records_dir, run_id_of
from otaopenssl.runner import Runner
from otaopenssl.statement import LINES_NAME, MOST_LINES_BYTES
from otaopenssl.wholeness import Issued
from otaopenssl.workbench import Workbench


class Replaced(NamedTuple):
    """What was there before: what is told of its certificate, and the path of the directory in which it is kept."""

    issued: Issued
    kept: str
    warnings: tuple[str, ...]


class Replacement(NamedTuple):
    """A staged device and what it replaces: the digest of its certificate, and the files of the one that is there.

    ``links`` are names that its text links, where that leads somewhere; ``keeps_key`` says that it is for the same key.
    ``run_id`` is that of the run which makes it.
    """

    uuid: DeviceUUID
    sha256: str
    before: Mapping[str, bytes]
    links: Collection[str]
    keeps_key: bool
    run_id: str


def replace_device(bench: Workbench, one: Replacement, runner: Runner, commit: Callable[[], None]) -> Replaced:
    """Have the staged device in the place of the one that is there, which is kept whole.

    ``commit`` is called just before, and may still raise. Raises Failed where the new one does not hold, Unfit where
    the old one is not any more what it was when this run read it, or belongs to a run that goes on.
    """
    server, uuid = bench.server, one.uuid
    staged, real = bench.staged.device_path(uuid), server.device_path(uuid)
    warnings = _prove(bench, one, runner)
    before = _leaf(one.before[CERTIFICATE_NAME])
    issued = Issued(before.serial, before.not_after, sha256(_der(one.before[CERTIFICATE_NAME])))
    try:
        sync_tree(staged)
        with hidden_folder(server.hidden_dir):
            previous.finish_alone(server)
            _check_unchanged(real, one)
            _check_settled(server, uuid, issued.sha256, one.run_id)
            linked = {name for name in one.links if (real / name).is_symlink()}
            carry_over(real, staged, {*os.listdir(staged), *one.before, *linked})  # noqa: PTH208 - names, not paths
            give_owner(real, staged)
            sync_file(staged)
            kept = previous.take_place(server, uuid, staged, one.sha256, commit)
    except OSError as error:
        raise not_writable(error, server.shown(real)) from error
    return Replaced(issued, server.shown(kept), warnings)


def _prove(bench: Workbench, one: Replacement, runner: Runner) -> tuple[str, ...]:
    """Raise Failed unless ca.crt has signed the new certificate, for the key of the old one where that is kept.

    A warning tells where it has not signed the old one.
    """
    path, old = (place.device_path(one.uuid) / CERTIFICATE_NAME for place in (bench.staged, bench.server))
    shown = bench.staged.shown(path)
    accepted = accepted_of(runner, bench.staged, (shown, str(old)))
    if shown not in accepted:
        verdict = judged(runner, bench.staged, shown)
        if verdict.broken is not None:
            raise verdict.broken
        words = f"openssl verify refuses the new {quoted(CERTIFICATE_NAME)}: {verdict.words}"
        raise Failed(words, hint="check the fleet root CA: otaopenssl doctor")
    if one.keeps_key:
        keys = [_leaf(content).public_key for content in (read_bounded(path), one.before[CERTIFICATE_NAME])]
        if not is_same_key(*keys):
            words = f"the new {quoted(CERTIFICATE_NAME)} is for another key than the one before"
            raise Failed(words, hint=f"see which key is there: otaopenssl verify {one.uuid}")
    if str(old) in accepted:
        return ()
    return (f"device {one.uuid}: its certificate before was not one that ca.crt has signed for clients",)


def _check_unchanged(real: Path, one: Replacement) -> None:
    for name, content in one.before.items():
        try:
            is_same = read_bounded(real / name) == content
        except OSError:
            is_same = False
        if not is_same:
            words = f"device {quoted(one.uuid)} was changed meanwhile: {quoted(name)} is gone or another"
            raise Unfit(words, hint=f"look at it: otaopenssl show {one.uuid}; then run the command again")


def _check_settled(server: Server, uuid: DeviceUUID, certificate_sha256: str, run_id: str) -> None:
    """Raise Unfit where a run that is not at its end tells of the certificate that is to be replaced.

    Its record would be chained after this one's, and the older certificate be the last that records tell of.
    """
    folder = open_dir(server)
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        # A part, or the file that says how a run began, whose lines are in its record.
        is_part = not run_id_of(path.name)
        run = path.name.partition(".")[0] if is_part else run_id_of(path.name)
        lines = path if is_part else records_dir(server) / path.name / LINES_NAME
        if run != run_id and lines.is_file() and certificate_sha256.encode("ascii") in _bytes(lines):
            words = f"device {quoted(uuid)} was made or found by a run whose record is not closed yet"
            hint = "run the command again once that run has ended; of one that died the next run closes the record,"
            raise Unfit(words, hint=f"{hint} with '--seal' where it was to be sealed")


def _bytes(path: Path) -> bytes:
    return read_bounded(path, MOST_LINES_BYTES)


def _leaf(content: bytes) -> Leaf:
    """The certificate of a device that was found whole."""
    return parse_leaf(_der(content))


def _der(content: bytes) -> bytes:
    return pem_blocks(content)[0].der or b""
