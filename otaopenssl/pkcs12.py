"""A device's key and certificates as one encrypted PKCS#12 file: made by the line of export.sh, then proven.

Its passphrase goes to openssl on standard input alone. Source: RFC 7292; openssl-pkcs12(1).
"""

from collections.abc import Mapping
from pathlib import Path

from otaopenssl.complaints import first_complaint
from otaopenssl.durable import read_bounded
from otaopenssl.errors import BadInput, Failed
from otaopenssl.leaf import is_same_key
from otaopenssl.outputs import CERTIFICATE, is_whole_der, pem_blocks
from otaopenssl.questions import EXPORTED_CERTIFICATES, EXPORTED_KEY, PIPED_KEY
from otaopenssl.runner import Finished, Runner, failure
from otaopenssl.steps import Text

# Of OpenSSL 1.1.1 to 4.0: what is longer is cut without a word, also as it is read back.
LONGEST_PASSPHRASE = 1023
_PUBLIC_KEY = "PUBLIC KEY"
_WHICH_HINT = "check which openssl runs, and the text: otaopenssl procedure show"


def check_passphrase(passphrase: bytes) -> None:
    """Raise BadInput unless openssl, and whoever reads the file, takes every byte of the passphrase for one."""
    fault = ""
    if not passphrase:
        fault = "is empty"
    elif len(passphrase) > LONGEST_PASSPHRASE:
        fault = f"has more than {LONGEST_PASSPHRASE} bytes, of which openssl would take no more"
    elif b"\0" in passphrase or b"\n" in passphrase:
        fault = "has a NUL or an end of a line in it, where openssl would cut it"
    else:
        try:
            passphrase.decode("utf-8")
        except UnicodeDecodeError:
            fault = "is not UTF-8, so that programs would not agree on it"
    if fault:
        hint = f"choose one of 1 to {LONGEST_PASSPHRASE} bytes"
        # From nothing: a UnicodeDecodeError holds what it could not decode.
        raise BadInput(f"the passphrase {fault}", hint=hint) from None


def encrypted(
    runner: Runner, text: Text, places: Mapping[str, str], cwd: Path, staging_dir: Path, passphrase: bytes
) -> Path:
    """The PKCS#12 file that the text has written into the empty ``staging_dir``, where it is 0600.

    ``places`` are a device's, as the commands name its files from ``cwd``. Raises Failed where openssl fails, with what
    it said; never with the passphrase.
    """
    bound = text.steps[0].bind({**places, "export_dir": str(staging_dir)})
    finished = runner.run(bound.commands, cwd=cwd, is_private=True, stdin=_line(passphrase))
    if not finished.is_good:
        raise failure(bound.step.name, finished)
    path = Path(bound.outputs[0])
    if not path.is_file() or not is_whole_der(read_bounded(path)):
        words = f"step '{bound.step.name}' left no whole PKCS#12 file, though it ended with exit status 0"
        raise Failed(words, hint="check that the disk is not full")
    return path


def check_holds(runner: Runner, path: Path, passphrase: bytes, certificates: bytes, public_key: bytes) -> None:
    """Raise Failed unless openssl finds the key and exactly the certificates (PEM) in the file, by the passphrase."""
    said = runner.ask(EXPORTED_CERTIFICATES, path, cwd=path.parent, stdin=_line(passphrase))
    found = {block.der for block in pem_blocks(said.stdout) if block.label == CERTIFICATE}
    wanted = {block.der for block in pem_blocks(certificates) if block.label == CERTIFICATE}
    if not said.is_good or found != wanted:
        raise _not_proven("the certificates in it are not the device's and the CA's", said)
    commands = [EXPORTED_KEY.argv(file=str(path)), PIPED_KEY.argv()]
    said = runner.run(commands, cwd=path.parent, stdin=_line(passphrase))
    keys = [block.der or b"" for block in pem_blocks(said.stdout) if block.label == _PUBLIC_KEY]
    try:
        is_proven = said.is_good and len(keys) == 1 and is_same_key(keys[0], public_key)
    except ValueError:
        is_proven = False
    if not is_proven:
        raise _not_proven("the key in it is not the certificate's", said)


def _not_proven(what: str, said: Finished) -> Failed:
    complaint = first_complaint(said.stderr)
    words = f"the PKCS#12 file that openssl made does not prove good: {what}"
    return Failed(f"{words} ({complaint})" if complaint else words, hint=_WHICH_HINT)


def _line(passphrase: bytes) -> bytes:
    return passphrase + b"\n"
