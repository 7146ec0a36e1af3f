"""What records tell of the devices, and how what is in the devices directory differs from it."""

import json
import os
from collections.abc import Collection, Iterator
from pathlib import Path
from sys import intern
from typing import NamedTuple

from otaopenssl import locks
from otaopenssl.account import Result
from otaopenssl.digest import sha256
from otaopenssl.durable import read_bounded
from otaopenssl.layout import CERTIFICATE_NAME, Server
from otaopenssl.line_rules import LineCheck
from otaopenssl.materials import CA_CRT
from otaopenssl.measured import certificate_digest, first_certificate_digest, measure
from otaopenssl.record import parts
from otaopenssl.records import open_records, record_dirs, run_id_of
from otaopenssl.recovery import written
from otaopenssl.statement import LINES_NAME
from otaopenssl.statement_rules import Statement


class _Device(NamedTuple):
    """The digest of a device's certificate, and those of its files by name; as bytes, since there may be many."""

    certificate: bytes
    files: tuple[tuple[str, bytes], ...]


class RecordedDevices:
    """The devices that records tell of, the last that is told of each."""

    def __init__(self) -> None:
        self._told: dict[str | None, _Device] = {}
        self._known: set[tuple[str | None, bytes]] = set()
        # Devices that were found with another certificate than the last one: perhaps another run has made that.
        self._found: set[tuple[str, bytes]] = set()
        self._vouched: set[tuple[str | None, bytes]] = set()
        self._ca_crt: str | None = None

    def add(self, statement: Statement, check: LineCheck) -> None:
        """Take in what the next record tells, once its lines were checked."""
        for one in check.told:
            certificate = bytes.fromhex(one.certificate_sha256)
            self._known.add((one.uuid, certificate))
            before = self._told.get(one.uuid)
            if one.result is Result.MADE or before is None:
                self._vouched.add((one.uuid, certificate))
            elif one.uuid is not None and before.certificate != certificate:
                self._found.add((one.uuid, certificate))
            # What was made again is another one since; what was found there is the one that was made.
            if one.result is Result.MADE or one.uuid not in self._told:
                files = tuple((intern(name), bytes.fromhex(digest)) for name, digest in one.files.items())
                self._told[one.uuid] = _Device(certificate, files)
            if one.uuid is None:
                self._ca_crt = one.files.get(CA_CRT)
        digest = statement.digest(CA_CRT)
        if not check.is_refused and digest is not None:
            if digest != self._ca_crt:
                # The fleet root CA that 'root' has made was replaced since.
                self._told.pop(None, None)
            self._ca_crt = digest

    def findings(self, server: Server, listed: Collection[str]) -> Iterator[str]:
        """Certificates that are gone or others than the last record tells, and those that none tells of.

        ``listed`` are the names of the records that were added; what others tell of is not settled yet.
        """
        if self._ca_crt is not None and measure(server.ca_crt_path).sha256 != self._ca_crt:
            yield f"{CA_CRT} is gone or another than in the last record"
        elif None in self._told and certificate_digest(server.ca_crt_path) != self._told[None].certificate.hex():
            yield f"{CA_CRT} is gone or another than recorded"
        there: set[str] = set()
        unrecorded: set[tuple[str, bytes]] = set()
        for path in server.devices_dir.iterdir() if server.devices_dir.is_dir() else ():
            found = _certificate(path / CERTIFICATE_NAME) if path.is_dir() else None
            if found is None:
                continue
            there.add(path.name)
            if (path.name, found[0]) in self._known:
                yield from (f"device {path.name}: {fault}" for fault in self._device(path, *found))
            else:
                unrecorded.add((path.name, found[0]))
        yield from self._unvouched(server, listed, unrecorded)
        for uuid in self._told:
            if uuid is not None and uuid not in there:
                yield f"device {uuid}: its certificate is recorded, but gone"

    def _unvouched(self, server: Server, listed: Collection[str], unrecorded: set[tuple[str, bytes]]) -> Iterator[str]:
        """Certificates that no record tells of, and those that were found though no run has made them."""
        found = self._found - self._vouched
        unsettled_ones: set[tuple[str, bytes]] = set()
        try:
            unsettled_ones = unsettled(server, listed) if unrecorded or found else set()
        except ValueError as error:
            yield str(error)
        for name, _ in sorted(found - unsettled_ones):
            yield f"device {name} was found with another certificate than was recorded before"
        for name, _ in sorted(unrecorded - unsettled_ones):
            yield f"device {name}: its certificate is issued, but not recorded"

    def _device(self, path: Path, certificate: bytes, content: str) -> Iterator[str]:
        told = self._told[path.name]
        if told.certificate != certificate:
            yield "its certificate is another than the last one recorded"
            return
        for name, digest in told.files:
            found = content if name == CERTIFICATE_NAME else measure(path / name).sha256
            # What is not there any more may have been moved to the device.
            if found != digest.hex() and os.path.lexists(path / name):
                yield f"{name} is another than recorded"


def unsettled(server: Server, listed: Collection[str]) -> set[tuple[str, bytes]]:
    """The certificates that runs tell of which go on, or have ended meanwhile: in their records, else in parts.

    Whether those records are of such runs is told apart; parts count of runs alone that are seen to go on. Raises
    ValueError where a line of one is none of a record.
    """
    told = []
    running = [path.name for path in open_records(server) if locks.is_held(path)]
    # A line is in a record before it is not in a part any more.
    paths = [part for name in running for part in parts(server, run_id_of(name)) if part.is_file()]
    paths += [directory / LINES_NAME for directory in record_dirs(server) if directory.name not in listed]
    for path in paths:
        told += list(written(path).items())
    try:
        return {(json.loads(line)["uuid"], bytes.fromhex(digest)) for digest, line in told}
    except (KeyError, TypeError) as error:
        raise ValueError("a line of a run that goes on is none of a record") from error


def _certificate(path: Path) -> tuple[bytes, str] | None:
    """The digests of a file's first certificate and of the file; None where there is none."""
    try:
        content = read_bounded(path)
    except OSError:
        return None
    digest = first_certificate_digest(content)
    return None if digest is None else (bytes.fromhex(digest), sha256(content))
