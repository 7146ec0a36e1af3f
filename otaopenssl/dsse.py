"""A DSSE envelope of a statement beside its seal, which in-toto's own tools read. Source: the DSSE protocol, 1.0.

It is made where the optional extra ``evidence`` is installed; the only place for securesystemslib and cryptography.
"""

import base64
import json
from importlib.util import find_spec
from pathlib import Path

from otaopenssl.durable import read_bounded
from otaopenssl.errors import Unfit, quoted
from otaopenssl.signing import Signer

ENVELOPE_NAME = "statement.dsse.json"
PAYLOAD_TYPE = "application/vnd.in-toto+json"


def is_installed() -> bool:
    """Whether the extra is there."""
    return find_spec("securesystemslib") is not None and find_spec("cryptography") is not None


def envelope(content: bytes, signer: Signer) -> bytes:
    """The envelope of a statement as a file, signed by the key that seals it. Raises Unfit where that cannot sign."""
    # What most runs do not need, and takes long.
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from securesystemslib.dsse import Envelope
    from securesystemslib.exceptions import Error as SigningError
    from securesystemslib.signer import CryptoSigner  # type: ignore[attr-defined]  # documented there, not in __all__

    pem = read_bounded(signer.key)
    try:
        key = load_pem_private_key(pem, signer.passphrase if b"ENCRYPTED" in pem else None)
        made = Envelope(content, PAYLOAD_TYPE, {})
        made.sign(CryptoSigner(key))
    except (ValueError, TypeError, UnsupportedAlgorithm, SigningError):
        # Its words are not told: nobody knows what of a key they may quote.
        words = f"{quoted(signer.key)} cannot sign a DSSE envelope, which the extra 'evidence' makes"
        hint = "give a PEM key: RSA, Ed25519, or EC on P-256, P-384 or P-521; or uninstall securesystemslib"
        raise Unfit(words, hint=hint) from None
    return (json.dumps(made.to_dict(), indent=1) + "\n").encode("ascii")


def envelope_fault(path: Path, content: bytes, certificate: bytes) -> str | None:
    """What is wrong with the envelope at ``path``, which must be of ``content`` and signed by the certificate's key.

    ``certificate`` is PEM. Without the extra the signature is not looked at.
    """
    try:
        document = json.loads(read_bounded(path))
        is_of_it = base64.b64decode(document["payload"], validate=True) == content
        if not is_of_it or document["payloadType"] != PAYLOAD_TYPE:
            return "is of another statement"
        is_signed = not is_installed() or _is_signed(document, certificate)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return "cannot be read, or is none"
    return None if is_signed else "is not signed by the sealing certificate"


def _is_signed(document: dict[str, object], certificate: bytes) -> bool:
    from cryptography.x509 import load_pem_x509_certificate
    from securesystemslib.dsse import Envelope
    from securesystemslib.exceptions import Error as SigningError
    from securesystemslib.signer import SSlibKey  # type: ignore[attr-defined]  # documented there, not in __all__

    key = SSlibKey.from_crypto(load_pem_x509_certificate(certificate).public_key())
    found = Envelope.from_dict(document)
    for signature in found.signatures.values():
        # Names of keys are anybody's choice; what counts is whose key it is.
        signature.keyid = key.keyid
    try:
        found.verify([key], 1)
    except SigningError:
        return False
    return True
