"""What records tell of the devices, and how what is in the devices directory differs from it."""

from collections.abc import Iterator
from pathlib import Path
from sys import intern
from typing import NamedTuple

from otaopenssl.account import Result
from otaopenssl.digest import sha256
from otaopenssl.durable import read_bounded
from otaopenssl.layout import CERTIFICATE_NAME, Server
from otaopenssl.line_rules import LineCheck
from otaopenssl.materials import CA_CRT
from otaopenssl.measured import certificate_digest, measure
from otaopenssl.outputs import pem_blocks
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
        self._ca_crt: str | None = None

    def add(self, statement: Statement, check: LineCheck) -> None:
        """Take in what the next record tells, once its lines were checked."""
        for one in check.told:
            certificate = bytes.fromhex(one.certificate_sha256)
            self._known.add((one.uuid, certificate))
            # What was made again is another one since; what was found there is the one that was made.
            if one.result is Result.MADE or one.uuid not in self._told:
                files = tuple((intern(name), bytes.fromhex(digest)) for name, digest in one.files.items())
                self._told[one.uuid] = _Device(certificate, files)
        if not check.is_refused:
            self._ca_crt = statement.digest(CA_CRT)

    def findings(self, server: Server) -> Iterator[str]:
        """Certificates that are gone or others than the last record tells, and those that none tells of."""
        if self._ca_crt is not None and measure(server.ca_crt_path).sha256 != self._ca_crt:
            yield f"{CA_CRT} is gone or another than in the last record"
        elif None in self._told and certificate_digest(server.ca_crt_path) != self._told[None].certificate.hex():
            yield f"{CA_CRT} is gone or another than recorded"
        there: set[str] = set()
        for path in server.devices_dir.iterdir() if server.devices_dir.is_dir() else ():
            found = _certificate(path / CERTIFICATE_NAME) if path.is_dir() else None
            if found is None:
                continue
            there.add(path.name)
            yield from (f"device {path.name}: {fault}" for fault in self._device(path, *found))
        for uuid in self._told:
            if uuid is not None and uuid not in there:
                yield f"device {uuid}: its certificate is recorded, but gone"

    def _device(self, path: Path, certificate: bytes, content: str) -> Iterator[str]:
        if (path.name, certificate) not in self._known:
            yield "its certificate is issued, but not recorded"
            return
        told = self._told[path.name]
        if told.certificate != certificate:
            yield "its certificate is another than the last one recorded"
            return
        for name, digest in told.files:
            found = content if name == CERTIFICATE_NAME else measure(path / name).sha256
            # What is not there any more may have been moved to the device.
            if found not in (None, digest.hex()):
                yield f"{name} is another than recorded"


def _certificate(path: Path) -> tuple[bytes, str] | None:
    """The digests of a file's first certificate and of the file; None where there is none."""
    try:
        content = read_bounded(path)
    except OSError:
        return None
    blocks = pem_blocks(content)
    if not blocks or blocks[0].der is None:
        return None
    return bytes.fromhex(sha256(blocks[0].der)), sha256(content)
