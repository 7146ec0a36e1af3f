"""Whether a device's keys and CSR are openssl's to use, and hold one public key, which is the certificate's."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from otaopenssl import device_answers
from otaopenssl.device_files import DeviceFile, Role
from otaopenssl.errors import quoted
from otaopenssl.file_rules import Files
from otaopenssl.findings import Code, Fault
from otaopenssl.layout import CERTIFICATE_NAME
from otaopenssl.leaf import is_same_key
from otaopenssl.outputs import holds_encrypted_key
from otaopenssl.runner import Runner


class Belonging(NamedTuple):
    """The files of a device that have to belong together; ``prefix`` goes before their names in commands."""

    files: Files
    wanted: Sequence[DeviceFile]
    uuid: str
    prefix: str
    runner: Runner
    cwd: Path

    def faults(self, public_key: bytes | None) -> Iterator[Fault]:
        """What is wrong with them; ``public_key`` is the certificate's, where that is known."""
        expected, whose = public_key, CERTIFICATE_NAME
        for file in sorted(self.wanted, key=lambda one: one.role is Role.SOURCE_KEY):
            if file.name not in self.files.sound:
                continue
            if file.role is Role.REQUEST:
                yield from self._request(file.name, expected)
            elif file.role.is_key and not self._is_encrypted(file.name):
                found = device_answers.key(self.runner, self.prefix + file.name, self.cwd)
                if found.public_key is None:
                    yield Code.KEY_UNUSABLE, f"openssl cannot use {file.name}: {found.fault}"
                elif expected is None:
                    # What the certificate does not tell the key does.
                    expected, whose = found.public_key, file.name
                elif not is_same_key(found.public_key, expected):
                    code = Code.KEY_OTHER if file.role is Role.KEY else Code.SOURCE_KEY_OTHER
                    yield code, f"{file.name} is not the key of {whose}"

    def _is_encrypted(self, name: str) -> bool:
        """Whether a text has encrypted the key, of which openssl can then tell nothing without its passphrase."""
        return holds_encrypted_key(self.files.sound[name].content)

    def _request(self, name: str, expected: bytes | None) -> Iterator[Fault]:
        found = device_answers.request(self.runner, self.prefix + name, self.cwd)
        if found.fault:
            yield Code.CSR_UNREADABLE, f"openssl cannot read {name}: {found.fault}"
            return
        if not found.is_signed:
            yield Code.CSR_SIGNATURE, f"{name}: its own signature is wrong"
            return
        if not found.is_of(self.uuid):
            yield Code.CSR_NAME, f"{name}: subject is {quoted(found.subject)}, expected 'CN={self.uuid}'"
        if expected is not None and found.public_key is not None and not is_same_key(found.public_key, expected):
            yield Code.CSR_OTHER, f"{name} is of another key than {CERTIFICATE_NAME}"
