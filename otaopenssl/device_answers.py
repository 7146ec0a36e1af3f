"""What openssl says of a device's certificate, CSR and keys: its facts, and the public key that each holds."""

import re
from pathlib import Path
from typing import NamedTuple

from otaopenssl.device_files import Role
from otaopenssl.outputs import CertificateReport, PemBlock, name_parts, parse_certificate_report, pem_blocks
from otaopenssl.questions import CERTIFICATE_FACTS, KEY_CHECK, REQUEST_CHECK, SHOWN_FACTS
from otaopenssl.reports import why_unread
from otaopenssl.runner import Finished, Runner

_PUBLIC_KEY = "PUBLIC KEY"
STANDARD_INPUT = "/dev/stdin"
_VERIFY_WORDS = rb"^(?:Certificate request self-signature )?verify (OK|failure)$"
QUESTION_BY_ROLE = {
    Role.CERTIFICATE: CERTIFICATE_FACTS,
    Role.REQUEST: REQUEST_CHECK,
    Role.KEY: KEY_CHECK,
    Role.SOURCE_KEY: KEY_CHECK,
}


class Certificate(NamedTuple):
    """What openssl says of a certificate, names as RFC 2253 writes them; ``fault`` is why that is nothing."""

    report: CertificateReport | None
    public_key: bytes = b""
    fault: str = ""


class Request(NamedTuple):
    """What openssl says of a CSR: its name and public key, where its own signature is right; or why nothing."""

    subject: str
    is_signed: bool
    public_key: bytes | None
    fault: str = ""

    def is_of(self, uuid: str) -> bool:
        """Whether the CN is the device's."""
        return is_named(self.subject, uuid)


class Key(NamedTuple):
    """The public half of a private key, once openssl has found it valid; or why there is none."""

    public_key: bytes | None
    fault: str = ""


def is_named(name: str, uuid: str) -> bool:
    """Whether a name as RFC 2253 writes it has one CN, which is the UUID; that needs no escape there."""
    return [part for part in name_parts(name) if part.startswith("CN=")] == [f"CN={uuid}"]


def certificate(runner: Runner, path: str, cwd: Path) -> Certificate:
    """The certificate at ``path``. Raises Failed where no openssl ends."""
    return _certificate(runner.ask(CERTIFICATE_FACTS, path, cwd=cwd))


def certificate_in(runner: Runner, block: PemBlock, cwd: Path) -> Certificate:
    """The certificate in a PEM block, one of several of a file. Raises Failed where no openssl ends."""
    return _certificate(runner.ask(CERTIFICATE_FACTS, STANDARD_INPUT, cwd=cwd, stdin=block.text + b"\n"))


def shown(runner: Runner, path: str, cwd: Path) -> Certificate:
    """The certificate at ``path`` without its public key, which need not be of a kind that openssl knows.

    Raises Failed where no openssl ends.
    """
    finished = runner.ask(SHOWN_FACTS, path, cwd=cwd)
    report = parse_certificate_report(_text(finished), is_guarded=True)
    return Certificate(report, fault="" if report is not None else _why(finished))


def request(runner: Runner, path: str, cwd: Path, stdin: bytes = b"") -> Request:
    """The CSR at ``path``, which is STANDARD_INPUT for ``stdin``. Raises Failed where no openssl ends."""
    finished = runner.ask(REQUEST_CHECK, path, cwd=cwd, stdin=stdin)
    public_key = _public_key(finished)
    subject = re.search(r"^subject= ?(.*)$", _text(finished), re.MULTILINE)
    # Where it is wrong, 1.1.1 and 3.0 end with 0, and later ones print no more; the words stand in either stream.
    words = re.search(_VERIFY_WORDS, _both(finished), re.MULTILINE)
    if words is not None and words[1] != b"OK":
        return Request("", is_signed=False, public_key=None)
    if public_key is None or subject is None or words is None:
        return Request("", is_signed=False, public_key=None, fault=_why(finished))
    return Request(subject[1], is_signed=True, public_key=public_key)


def key(runner: Runner, path: str, cwd: Path) -> Key:
    """The private key at ``path``. Raises Failed where no openssl ends."""
    finished = runner.ask(KEY_CHECK, path, cwd=cwd)
    public_key = _public_key(finished)
    # 1.1.1 cannot tell of some kinds of keys, which have nothing to be told of.
    is_valid = re.search(rb"^Key is valid$|operation not supported for this keytype", _both(finished), re.MULTILINE)
    if public_key is None or not is_valid:
        return Key(None, "it is no valid key" if public_key is not None else _why(finished))
    return Key(public_key)


def _certificate(finished: Finished) -> Certificate:
    report, public_key = parse_certificate_report(_text(finished), is_guarded=True), _public_key(finished)
    if not finished.is_good or report is None or public_key is None:
        return Certificate(None, fault=_why(finished))
    return Certificate(report, public_key)


def _public_key(finished: Finished) -> bytes | None:
    """The public key that was printed; None where it is not just one."""
    found = [block.der for block in pem_blocks(finished.stdout) if block.label == _PUBLIC_KEY]
    return found[0] if len(found) == 1 else None


def _why(finished: Finished) -> str:
    return why_unread(finished, "what it prints of it cannot be understood")


def _both(finished: Finished) -> bytes:
    return finished.stdout + b"\n" + finished.stderr


def _text(finished: Finished) -> str:
    return finished.stdout.decode("utf-8", "replace")
