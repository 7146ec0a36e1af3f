"""Whose the files are that are on a device already: nothing of another identity is written over by mistake."""

from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from otaopenssl import device_answers
from otaopenssl.destination import REGULAR, Copies, Entries
from otaopenssl.device_answers import Certificate, is_named
from otaopenssl.durable import read_bounded
from otaopenssl.errors import Unfit, moment, quoted
from otaopenssl.layout import CERTIFICATE_NAME, KEY_NAME, Server
from otaopenssl.leaf import is_same_key
from otaopenssl.outputs import holds_encrypted_key, pem_blocks
from otaopenssl.questions import SIGNER_CHECK
from otaopenssl.runner import Runner

_HINT = "check that it is the right device; '--replace' gives it this identity, and what it had is lost"


def copied(path: Path) -> bytes | None:
    """The content of a copy; None where nothing could be copied, or more than a device's files hold."""
    try:
        return read_bounded(path)
    except OSError:
        return None


class Whose(Enum):
    """Whose identity a device has: none, this one, an earlier certificate of this one, or another."""

    NOBODYS = "nobody's"
    THIS = "this device's"
    EARLIER = "an earlier one of this device"
    OTHERS = "another's"


class Standing(NamedTuple):
    """Whose identity a device has; ``words`` tell what speaks against this one, expected and got.

    ``has_key`` says that its pkey.pem was found to be this device's.
    """

    whose: Whose
    words: str = ""
    has_key: bool = False

    def refusal(self, shown: str) -> Unfit:
        """The error for a device that has another identity; ``shown`` names the place."""
        return Unfit(f"{quoted(shown)} has another identity: {self.words}", hint=_HINT)


class OwnIdentity(NamedTuple):
    """The identity that a device is to get: its certificate as it is and as openssl reports it, and its key.

    ``key`` is None where that is on the device already, in whatever form.
    """

    server: Server
    uuid: str
    certificate: bytes
    facts: Certificate
    key: bytes | None

    def standing(self, entries: Entries, copies: Copies, fetch: Callable[[str], None], runner: Runner) -> Standing:
        """Whose identity there is, by the copies of what is there; ``fetch`` adds one, which a key is only if needed.

        Raises Failed where no openssl ends, and what ``fetch`` raises.
        """
        standing, there = Standing(Whose.NOBODYS), None
        entry = entries.get(CERTIFICATE_NAME)
        if entry is not None and entry.kind != REGULAR:
            return Standing(Whose.OTHERS, f"its {CERTIFICATE_NAME} is {entry.kind}, expected {REGULAR}")
        if entry is not None:
            standing, there = self._by_certificate(copies.there / CERTIFICATE_NAME, runner)
        if standing.whose is Whose.OTHERS or self.key is None or KEY_NAME not in entries:
            return standing
        if entries[KEY_NAME].kind != REGULAR:
            return Standing(Whose.OTHERS, f"its {KEY_NAME} is {entries[KEY_NAME].kind}, expected {REGULAR}")
        fetch(KEY_NAME)
        return self._by_key(copies.there / KEY_NAME, standing, there, runner)

    def is_own_key(self, path: Path, runner: Runner) -> bool:
        """Whether the file holds this device's key, by its public half; it is removed. Raises Failed."""
        try:
            if self.key is not None and holds_encrypted_key(self.key):
                # Of which openssl can tell nothing without its passphrase.
                return copied(path) == self.key
            return self._is_own(device_answers.key(runner, path.name, path.parent).public_key)
        finally:
            path.unlink(missing_ok=True)

    def _is_own(self, public_key: bytes | None) -> bool:
        return public_key is not None and is_same_key(public_key, self.facts.public_key)

    def _by_certificate(self, path: Path, runner: Runner) -> tuple[Standing, Certificate | None]:
        """Whose identity a client.pem is, and openssl's facts of it where it is one that is not this one's."""
        expected = f"expected 'CN={self.uuid}'"
        content = copied(path)
        if content is None:
            return Standing(Whose.OTHERS, f"its {CERTIFICATE_NAME} cannot be read, {expected}"), None
        if content == self.certificate:
            return Standing(Whose.THIS), None
        found = device_answers.certificate(runner, path.name, path.parent)
        if found.report is None:
            words = f"its {CERTIFICATE_NAME} is no certificate that openssl can read, {expected}"
            return Standing(Whose.OTHERS, words), None
        if not is_named(found.report.subject, self.uuid):
            words = f"subject of its {CERTIFICATE_NAME} is {quoted(found.report.subject)}, {expected}"
            return Standing(Whose.OTHERS, words), None
        if pem_blocks(content)[:1] == pem_blocks(self.certificate)[:1]:
            return Standing(Whose.THIS), None
        return self._by_signer(path, found, runner), found

    def _by_signer(self, path: Path, found: Certificate, runner: Runner) -> Standing:
        trusted = str(self.server.ca_crt_path)
        if not runner.ask(SIGNER_CHECK, path.name, cwd=path.parent, trusted=trusted).is_good:
            words = f"its {CERTIFICATE_NAME} of 'CN={self.uuid}' is of another CA, expected one that ca.crt has signed"
            return Standing(Whose.OTHERS, words)
        own, there = self.facts.report, found.report
        if own is not None and there is not None and there.not_before > own.not_before:
            words = f"its {CERTIFICATE_NAME} is of {moment(there.not_before)}, expected none after this device's"
            return Standing(Whose.OTHERS, f"{words} of {moment(own.not_before)}")
        return Standing(Whose.EARLIER)

    def _by_key(self, path: Path, standing: Standing, there: Certificate | None, runner: Runner) -> Standing:
        """The standing by a pkey.pem, which is removed: it is this device's key, the one before it, or another's."""
        try:
            if self.key is not None and copied(path) == self.key:
                return standing._replace(has_key=True)
            found = device_answers.key(runner, path.name, path.parent)
        finally:
            path.unlink(missing_ok=True)
        if found.public_key is None:
            words = f"its {KEY_NAME} is no private key that openssl can use, expected this device's"
            return Standing(Whose.OTHERS, words)
        if self._is_own(found.public_key):
            return standing._replace(has_key=True)
        if there is not None and is_same_key(found.public_key, there.public_key):
            return standing
        return Standing(Whose.OTHERS, f"its {KEY_NAME} is another key, expected this device's")
