"""How a registry that is reached by TLS has to prove who it is, and how this client does: TLS 1.2 or newer, always.

Nothing of it comes from the environment (SSL_CERT_FILE, SSLKEYLOGFILE), and no passphrase is ever asked for by the
library itself.
"""

import ssl
from pathlib import Path

from otaopenssl.durable import read_bounded
from otaopenssl.errors import Unfit, quoted, reason
from otaopenssl.outputs import CERTIFICATE, pem_blocks

# The system's own bundle may be of this size.
_LARGEST_BUNDLE = 4 * 1024 * 1024


class ClientFiles:
    """Who asks: the files of a certificate and of its key, and the key's passphrase, which is in no representation.

    One file may hold both.
    """

    def __init__(self, certificate: Path, key: Path | None, passphrase: bytes) -> None:
        self.certificate = certificate
        self.key = certificate if key is None else key
        self.passphrase = passphrase


def trust(ca: Path | None, client: ClientFiles | None) -> ssl.SSLContext:
    """What checks a registry's chain and host name: against the CAs in the file ``ca`` alone, else the system's.

    Raises Unfit where a file cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca is None:
        _trust_system(context)
    else:
        _trust_file(context, ca)
    if client is not None:
        _present(context, client)
    return context


def _trust_file(context: ssl.SSLContext, ca: Path) -> None:
    hint = "give '--ca FILE' that holds the certificate of the registry's CA in PEM"
    try:
        content = read_bounded(ca, _LARGEST_BUNDLE)
        certificates = [block.text for block in pem_blocks(content) if block.label == CERTIFICATE]
        context.load_verify_locations(cadata=b"\n".join(certificates).decode("ascii"))
    except (ssl.SSLError, ValueError) as error:
        raise Unfit(f"{quoted(ca)} holds no CA certificate in PEM that can be used", hint=hint) from error
    except OSError as error:
        raise Unfit(f"CA file {quoted(ca)} cannot be read: {reason(error)}", hint=hint) from error


def _trust_system(context: ssl.SSLContext) -> None:
    """Trust what was compiled in; the library's own way of doing so would look into the environment."""
    paths = ssl.get_default_verify_paths()
    file, directory = Path(paths.openssl_cafile), Path(paths.openssl_capath)
    has_file, has_directory = file.is_file(), directory.is_dir()
    if not has_file and not has_directory:
        words = f"this system has no CAs at {quoted(file)} or {quoted(directory)}"
        raise Unfit(words, hint="name the registry's CA with '--ca FILE'")
    try:
        context.load_verify_locations(str(file) if has_file else None, str(directory) if has_directory else None)
    except OSError as error:
        words = f"the system's CAs at {quoted(file)} cannot be used: {reason(error)}"
        raise Unfit(words, hint="name the registry's CA with '--ca FILE'") from error


def _present(context: ssl.SSLContext, client: ClientFiles) -> None:
    hint = "give '--client-cert FILE' and '--client-key FILE' in PEM, and the key's passphrase, where it has one"
    for path in (client.certificate, client.key):
        try:
            read_bounded(path)
        except OSError as error:
            raise Unfit(f"client file {quoted(path)} cannot be read: {reason(error)}", hint=hint) from error
    try:
        # Always one, also an empty one: without, the library would ask at the terminal.
        context.load_cert_chain(client.certificate, client.key, lambda: client.passphrase)
    except (OSError, ValueError):
        # What the library says of it may be about the passphrase, and tells little.
        names = " and ".join(dict.fromkeys(quoted(path) for path in (client.certificate, client.key)))
        words = f"{names}: no client certificate with its key, or its passphrase is another"
        raise Unfit(words, hint=hint) from None
