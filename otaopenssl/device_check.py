"""One device directory held against all that must be true of it: its files by reading them, the rest by openssl."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from otaopenssl import device_answers
from otaopenssl.belonging import Belonging
from otaopenssl.certificate_rules import leaf_findings
from otaopenssl.device_answers import QUESTION_BY_ROLE, Certificate
from otaopenssl.device_files import DeviceFile, Role, device_files, links, naming_of
from otaopenssl.device_verdicts import Verdict
from otaopenssl.digest import sha256
from otaopenssl.durable import read_bounded
from otaopenssl.errors import Failed, reason
from otaopenssl.file_rules import Files, directory, joined_faults, link_faults, root_crt_faults
from otaopenssl.findings import Code, Fault, Finding
from otaopenssl.gateway_root_rules import RootRules
from otaopenssl.ids import DeviceID, DeviceUUID
from otaopenssl.layout import CERTIFICATE_NAME, GATEWAY_ROOT_NAME, Server
from otaopenssl.output_rules import Written, written
from otaopenssl.outputs import CertificateReport, serial_hex
from otaopenssl.present_device import absent_keys
from otaopenssl.questions import DEVICES_CHECK
from otaopenssl.recorded_certificates import Recorded
from otaopenssl.runner import Runner
from otaopenssl.steps import BoundStep, Text
from otaopenssl.twins import Twins


class Standard(NamedTuple):
    """What devices are held against: the fleet root CA, the text that made them, the other devices, the records.

    ``ca_crt`` is ca.crt as it was read, ``cas`` are openssl's reports of its certificates; ``owners`` are the user IDs
    that files of devices may belong to.
    """

    server: Server
    text: Text
    cas: tuple[CertificateReport, ...]
    ca_crt: Written
    twins: Twins
    recorded: Recorded | None
    roots: RootRules
    owners: frozenset[int]


def bound_steps(server: Server, text: Text, path: Path, names: Sequence[str]) -> list[BoundStep]:
    """The steps that made the device directory ``path``; ``names`` in it tell the device ID."""
    device_id = naming_of(text).device_id(names, path.name) or DeviceID(path.name)
    places = server.device_places(DeviceUUID(path.name), device_id)
    return [step.bind(places) for step in text.steps]


def questions_about(server: Server, text: Text, path: Path) -> Iterator[tuple[str, ...]]:
    """What openssl is asked about the files in the device directory ``path``, where they are all there.

    What it gets on standard input is not among it: the certificates of a root.crt.
    """
    names, _ = directory(path, ())
    for file in device_files(bound_steps(server, text, path, names or ())):
        shown = server.shown(path / file.name)
        if file.role is Role.CERTIFICATE:
            yield DEVICES_CHECK.argv(shown, trusted=server.shown(server.ca_crt_path))
        question = QUESTION_BY_ROLE.get(file.role)
        if question is not None:
            yield question.argv(file=shown)


class DeviceCheck:
    """The check of the device directory at ``path``, file by file; its name is the device UUID."""

    def __init__(self, standard: Standard, path: Path, runner: Runner) -> None:
        self._standard = standard
        self._path = path
        self._runner = runner
        self._uuid = path.name
        # A copy belongs to whoever has made it.
        owners = standard.owners if path.parent == standard.server.devices_dir else frozenset()
        names, self._faults = directory(path, owners)
        self._names = names or []
        steps = [] if names is None else bound_steps(standard.server, standard.text, path, names)
        wanted = device_files(steps) if steps else ()
        absent = self._absent_keys(steps)
        self._wanted: tuple[DeviceFile, ...] = tuple(file for file in wanted if file.name not in absent)
        if absent:
            self._faults.append(
                (Code.KEY_ELSEWHERE, f"{' and '.join(sorted(absent))} are not here: the device has them alone")
            )
        self._links = links(steps)
        self._files = Files(path, self._wanted, owners)
        self._is_readable = names is not None

    def findings(self, verdict: Verdict) -> list[Finding]:
        """All that is wrong with it; ``verdict`` is what ``openssl verify`` says of its certificate."""
        faults = [*self._faults, *self._files.faults]
        if self._is_readable:
            try:
                faults += self._asked(verdict)
            except Failed as error:
                faults.append((Code.NOT_VERIFIED, f"openssl has not answered: {error.message}"))
            except OSError as error:
                # It changes while it is looked at.
                faults.append((Code.NOT_VERIFIED, f"it could not be looked at: {reason(error)}"))
        return [Finding(self._uuid, code, words) for code, words in faults]

    def _absent_keys(self, steps: Sequence[BoundStep]) -> frozenset[str]:
        """The files that it need not hold, since its keys are on the device alone."""
        recorded = self._standard.recorded
        made_here = None if recorded is None else recorded.keys_made_here.get(self._uuid)
        return absent_keys(self._standard.text, steps, self._names, lambda: made_here) if steps else frozenset()

    @property
    def certificate_path(self) -> str | None:
        """The certificate as a command names it; None where there is none to ask about."""
        return f"{self._prefix}{CERTIFICATE_NAME}" if CERTIFICATE_NAME in self._files.sound else None

    @property
    def _prefix(self) -> str:
        """What stands before a file's name in commands: as in the guide below the project, else its whole path."""
        return f"{self._standard.server.shown(self._path)}/"

    def _asked(self, verdict: Verdict) -> Iterator[Fault]:
        standard, files = self._standard, self._files
        known = {file.name for file in self._wanted} | {name for name, _ in self._links} | {GATEWAY_ROOT_NAME}
        yield from files.strays(sorted(set(self._names) - known))
        for file in self._wanted:
            if file.role is Role.JOINED:
                yield from joined_faults(files, file, self._other_parts(file))
        for name, source in self._links:
            yield from link_faults(self._path, name, source)
        public_key = None
        if self.certificate_path is not None:
            found = device_answers.certificate(self._runner, self.certificate_path, standard.server.project_dir)
            public_key = found.public_key or None
            yield from self._certificate(found, verdict)
        belonging = Belonging(files, self._wanted, self._uuid, self._prefix, self._runner, standard.server.project_dir)
        yield from belonging.faults(public_key)
        yield from root_crt_faults(files)
        if GATEWAY_ROOT_NAME in files.sound:
            yield from standard.roots.faults(files.sound[GATEWAY_ROOT_NAME], self._runner)

    def _other_parts(self, joined: DeviceFile) -> dict[str, Written | None]:
        """What a joined file joins of others than the device's, by the path that the step names it with."""
        server = self._standard.server
        places = server.places()
        found: dict[str, Written | None] = {}
        for path in joined.step.commands[0][1:]:
            if path == f"{places['DEVICES_DIR']}/ca.crt":
                found[path] = self._standard.ca_crt
            elif not path.startswith(f"{places['DEVICES_DIR']}/{self._uuid}/"):
                found[path] = _read(server.project_dir / path)
        return found

    def _certificate(self, found: Certificate, verdict: Verdict) -> Iterator[Fault]:
        standard = self._standard
        yield from leaf_findings(found, self._uuid, standard.cas, CERTIFICATE_NAME, datetime.now(UTC))
        if found.report is None:
            return
        if verdict.broken is not None:
            yield Code.NOT_VERIFIED, verdict.broken.message
        elif not verdict.is_accepted:
            code = Code.PURPOSE if verdict.is_of_purpose else Code.UNTRUSTED
            whose = "" if verdict.depth == 0 else " of ca.crt"
            yield code, f"openssl verify refuses {CERTIFICATE_NAME}: {verdict.words}{whose}"
        twin = standard.twins.of_serial(found.report.serial, self._uuid)
        if twin:
            number = serial_hex(found.report.serial)
            yield Code.SERIAL_DUPLICATE, f"its serial number {number} is also that of {twin}"
        twin = standard.twins.of_key(found.public_key, self._uuid)
        if twin:
            yield Code.KEY_SHARED, f"its key is also that of {twin}"
        yield from self._records(self._files.sound[CERTIFICATE_NAME])

    def _records(self, certificate: Written) -> Iterator[Fault]:
        recorded = self._standard.recorded
        if recorded is None:
            return
        digest = bytes.fromhex(sha256(certificate.blocks[0].der or b""))
        last = recorded.last.get(self._uuid)
        if digest == last or (self._uuid, digest) in recorded.unsettled:
            return
        if last is None:
            yield Code.NOT_RECORDED, f"no record tells of {CERTIFICATE_NAME}"
        else:
            words = f"sha256 {digest.hex()}, recorded was {last.hex()}"
            yield Code.RECORDED_OTHER, f"{CERTIFICATE_NAME} is another than recorded: {words}"


def _read(path: Path) -> Written | None:
    try:
        return written(read_bounded(path))
    except OSError:
        return None
