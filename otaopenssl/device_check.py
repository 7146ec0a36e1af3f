"""One device directory held against all that must be true of it: its files by reading them, the rest by openssl."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from otaopenssl import device_answers
from otaopenssl.certificate_rules import leaf_findings
from otaopenssl.device_answers import QUESTION_BY_ROLE, Certificate
from otaopenssl.device_files import DeviceFile, Role, device_files, link_names, naming_of
from otaopenssl.device_verdicts import Verdict
from otaopenssl.digest import sha256
from otaopenssl.errors import Failed
from otaopenssl.file_rules import Fault, Files, directory, joined_faults, link_faults, root_crt_faults
from otaopenssl.findings import Code, Finding
from otaopenssl.gateway_root_rules import RootRules
from otaopenssl.ids import DeviceID, DeviceUUID
from otaopenssl.layout import CERTIFICATE_NAME, GATEWAY_ROOT_NAME, Server
from otaopenssl.output_rules import Written
from otaopenssl.outputs import ENCRYPTED_KEY, CertificateReport, serial_hex
from otaopenssl.questions import DEVICES_CHECK
from otaopenssl.recorded_certificates import Recorded
from otaopenssl.runner import Runner
from otaopenssl.steps import Text


class Standard(NamedTuple):
    """What devices are held against: the fleet root CA, the text that made them, the other devices, the records.

    ``ca_crt`` is ca.crt as it was read; ``twins`` tells of a serial number the devices that share it, where several do.
    """

    server: Server
    text: Text
    ca: CertificateReport
    ca_crt: Written
    twins: Mapping[int, tuple[str, ...]]
    recorded: Recorded | None
    roots: RootRules


def wanted_files(server: Server, text: Text, path: Path, names: Sequence[str]) -> tuple[DeviceFile, ...]:
    """The files that the text leaves in the device directory ``path``; ``names`` in it tell the device ID."""
    device_id = naming_of(text).device_id(names, path.name) or DeviceID(path.name)
    places = server.device_places(DeviceUUID(path.name), device_id)
    return device_files([step.bind(places) for step in text.steps])


def questions_about(server: Server, text: Text, path: Path) -> Iterator[tuple[str, ...]]:
    """What openssl is asked about the device directory ``path``, as far as its files are all there."""
    names, _ = directory(path)
    for file in wanted_files(server, text, path, names or ()):
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
        names, self._faults = directory(path)
        self._wanted = () if names is None else wanted_files(standard.server, standard.text, path, names)
        self._files = Files(path, self._wanted)
        self._is_readable = names is not None

    def findings(self, verdict: Verdict) -> list[Finding]:
        """All that is wrong with it; ``verdict`` is what ``openssl verify`` says of its certificate."""
        faults = [*self._faults, *self._files.faults]
        if self._is_readable:
            try:
                faults += self._asked(verdict)
            except Failed as error:
                faults.append((Code.NOT_VERIFIED, f"openssl has not answered: {error.message}"))
        return [Finding(self._uuid, code, words) for code, words in faults]

    @property
    def certificate_path(self) -> str | None:
        """The certificate as a command names it; None where there is none to ask about."""
        return self._named(CERTIFICATE_NAME) if CERTIFICATE_NAME in self._files.sound else None

    def _asked(self, verdict: Verdict) -> Iterator[Fault]:
        standard = self._standard
        for file in self._wanted:
            if file.role is Role.JOINED:
                yield from joined_faults(self._files, file, self._ca_words(file))
        for name in link_names(standard.text):
            yield from link_faults(self._path, name)
        found = None
        if CERTIFICATE_NAME in self._files.sound:
            found = device_answers.certificate(self._runner, self._named(CERTIFICATE_NAME), standard.server.project_dir)
            yield from self._certificate(found, verdict)
        yield from self._belonging(found)
        yield from root_crt_faults(self._files)
        if GATEWAY_ROOT_NAME in self._files.sound:
            yield from standard.roots.faults(self._files.sound[GATEWAY_ROOT_NAME], self._runner)

    def _ca_words(self, joined: DeviceFile) -> dict[str, Written]:
        """ca.crt by the path that the step names it with."""
        ca_crt = f"{self._standard.server.places()['DEVICES_DIR']}/ca.crt"
        return {path: self._standard.ca_crt for path in joined.step.commands[0][1:] if path == ca_crt}

    def _certificate(self, found: Certificate, verdict: Verdict) -> Iterator[Fault]:
        standard = self._standard
        if found.report is None:
            yield Code.CERTIFICATE_UNREADABLE, f"openssl cannot read {CERTIFICATE_NAME}: {found.fault}"
            return
        faults = list(leaf_findings(found.report, self._uuid, standard.ca, CERTIFICATE_NAME, datetime.now(UTC)))
        yield from faults
        if verdict.broken is not None:
            yield Code.NOT_VERIFIED, verdict.broken.message
        elif not verdict.is_accepted:
            is_told = verdict.is_of_purpose and verdict.depth == 0 and {code for code, _ in faults} & _OF_PURPOSE
            if not is_told:
                code = Code.PURPOSE if verdict.is_of_purpose else Code.UNTRUSTED
                whose = "" if verdict.depth == 0 else " of ca.crt"
                yield code, f"openssl verify refuses {CERTIFICATE_NAME}: {verdict.words}{whose}"
        twins = [one for one in standard.twins.get(found.report.serial, ()) if one != self._uuid]
        if twins:
            more = f" and {len(twins) - 1} more" if len(twins) > 1 else ""
            number = serial_hex(found.report.serial)
            yield Code.SERIAL_DUPLICATE, f"its serial number {number} is also that of device {twins[0]}{more}"
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

    def _belonging(self, certificate: Certificate | None) -> Iterator[Fault]:
        """Whether keys and CSR are openssl's to use, and hold one public key, which is the certificate's."""
        expected, whose = (certificate.public_key if certificate else None), CERTIFICATE_NAME
        for file in sorted(self._wanted, key=lambda one: one.role is Role.SOURCE_KEY):
            if file.name not in self._files.sound:
                continue
            if file.role is Role.REQUEST:
                yield from self._request(file.name, expected)
            elif file.role.is_key and not self._is_encrypted(file.name):
                found = device_answers.key(self._runner, self._named(file.name), self._standard.server.project_dir)
                if found.public_key is None:
                    yield Code.KEY_UNUSABLE, f"openssl cannot use {file.name}: {found.fault}"
                elif expected is None:
                    # What the certificate does not tell the key does.
                    expected, whose = found.public_key, file.name
                elif found.public_key != expected:
                    code = Code.KEY_OTHER if file.role is Role.KEY else Code.SOURCE_KEY_OTHER
                    yield code, f"{file.name} is not the key of {whose}"

    def _is_encrypted(self, name: str) -> bool:
        """Whether a text has encrypted the key, of which openssl can then tell nothing without its passphrase."""
        return any(block.label == ENCRYPTED_KEY for block in self._files.sound[name].blocks)

    def _request(self, name: str, expected: bytes | None) -> Iterator[Fault]:
        found = device_answers.request(self._runner, self._named(name), self._standard.server.project_dir)
        if found.fault:
            yield Code.CSR_UNREADABLE, f"openssl cannot read {name}: {found.fault}"
            return
        if not found.is_signed:
            yield Code.CSR_SIGNATURE, f"{name}: its own signature is wrong"
            return
        if found.common_names != (self._uuid,):
            names = ", ".join(found.common_names)
            yield Code.CSR_NAME, f"{name}: subject is 'CN={names}', expected 'CN={self._uuid}'"
        if expected is not None and found.public_key != expected:
            yield Code.CSR_OTHER, f"{name} is of another key than {CERTIFICATE_NAME}"

    def _named(self, name: str) -> str:
        """A file as a command names it: as in the guide below the project directory, else by its whole path."""
        return self._standard.server.shown(self._path / name)


# What makes openssl refuse a certificate for clients, and is told of the certificate itself.
_OF_PURPOSE = {Code.EXTENDED_KEY_USAGE, Code.KEY_USAGE, Code.CERTIFICATE_VERSION, Code.CERTIFICATE_IS_CA}
