"""Signing by the openssl program: the lines of seal.sh and seal-add.sh, with a certificate and key of the user's."""

from datetime import UTC, datetime
from pathlib import Path

from otaopenssl.complaints import first_complaint
from otaopenssl.digest import sha256
from otaopenssl.durable import read_bounded
from otaopenssl.errors import Failed, Unfit, moment, quoted, reason
from otaopenssl.leaf import parse_leaf
from otaopenssl.outputs import CERTIFICATE, is_whole_der, parse_version, pem_blocks
from otaopenssl.runner import Runner, describe_statuses
from otaopenssl.steps import Text

_OLDEST_VERSION = (3, 0)
# What OpenSSL up to 3.6 says of keys such as Ed25519, which need no digest.
_NO_SUCH_KEYS = (b"no default digest", b"Error adding SignerInfo")


class Signer:
    """Who signs: the files of a certificate and its key, and the key's passphrase, which is in no representation."""

    def __init__(self, certificate: Path, key: Path, passphrase: bytes) -> None:
        self.certificate = certificate
        self.key = key
        self.passphrase = passphrase
        self.sha256 = sha256(_der(certificate))
        try:
            read_bounded(key)
        except OSError as error:
            raise _unreadable(key, error) from error


def check_knows_cades(runner: Runner) -> None:
    """Raise Unfit where the program is too old: CAdES signatures came with OpenSSL 3.0."""
    version = parse_version(runner.version)
    if version is None or version.number < _OLDEST_VERSION:
        words = (
            f"{quoted(runner.program)} is {runner.version or 'too old'}, expected OpenSSL 3.0 or newer for signatures"
        )
        raise Unfit(words, hint="name an OpenSSL 3.0 or newer with '--openssl PATH'")


def signed(runner: Runner, text: Text, directory: Path, name: str, signer: Signer) -> Path:
    """The file beside ``directory/name`` that the text has written: a CMS signature in DER.

    Raises Failed where openssl fails, with what it said; never with the passphrase.
    """
    bound = text.steps[0].bind(
        {
            "sealed_dir": str(directory),
            "sealed_name": name,
            "signer_cert": str(signer.certificate),
            "signer_key": str(signer.key),
        }
    )
    finished = runner.run(bound.commands, cwd=directory, stdin=signer.passphrase + b"\n")
    output = Path(bound.outputs[0])
    content = read_bounded(output) if output.is_file() else b""
    if not finished.is_good or not is_whole_der(content):
        output.unlink(missing_ok=True)
        if b"certificate already present" in finished.stderr:
            hint = "have another of the people sign it"
            raise Unfit(f"the owner of {quoted(signer.certificate)} has signed it already", hint=hint)
        said = first_complaint(finished.stderr) or "it wrote no signature"
        how = describe_statuses(finished) if not finished.is_good else "ended with exit status 0"
        hint = "check that certificate and key belong together, and the passphrase"
        if any(words in finished.stderr for words in _NO_SUCH_KEYS):
            hint = "use an RSA or EC key: this openssl cannot sign with another"
        raise Failed(f"signing with {quoted(signer.key)} failed: openssl {how}: {said}", hint=hint)
    return output


def _der(path: Path) -> bytes:
    try:
        blocks = pem_blocks(read_bounded(path))
    except OSError as error:
        raise _unreadable(path, error) from error
    der = blocks[0].der if blocks and blocks[0].label == CERTIFICATE else None
    try:
        leaf = parse_leaf(der or b"")
    except ValueError:
        hint = "give the certificate first, then its key"
        raise Unfit(f"{quoted(path)} is no PEM certificate", hint=hint) from None
    if not leaf.not_before <= datetime.now(UTC) < leaf.not_after:
        words = f"{quoted(path)} is valid from {moment(leaf.not_before)} to {moment(leaf.not_after)}, which is not now"
        raise Unfit(words, hint="sign with a certificate that is valid: nobody accepts a signature by another")
    return der or b""


def _unreadable(path: Path, error: OSError) -> Unfit:
    return Unfit(f"{quoted(path)} cannot be read: {reason(error)}", hint="give the files of a certificate and its key")
