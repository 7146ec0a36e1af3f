"""Whether a device's root.crt is of the CA that credentials.zip carries, as the fetching of it demands of a gateway."""

from otaopenssl import scratch
from otaopenssl.credentials import Credentials
from otaopenssl.errors import Failed
from otaopenssl.outputs import CERTIFICATE, pem_blocks
from otaopenssl.runner import Runner
from otaopenssl.vouching import Examination, server_ca

# Of a CA that is many, as a bundle of them.
_MOST_SHOWN = 2


def check_archived_root(credentials: Credentials, root_crt: bytes, shown: str, hint: str, runner: Runner) -> None:
    """Raise Failed, with ``hint``, where the chain in a root.crt does not lead to the archive's CA, if it carries one.

    ``shown`` names the file. Raises BadInput where the CA cannot be read.
    """
    with scratch.directory() as directory:
        ca = server_ca(credentials, runner, directory)
        if ca is None:
            return
        blocks = [block for block in pem_blocks(root_crt) if block.label == CERTIFICATE]
        examination = Examination(blocks, runner, directory)
        if examination.is_led_to(ca):
            return
    expected = " or ".join(f"sha256:{digest}" for digest in sorted(ca.digests)[:_MOST_SHOWN])
    details = [certificate.shown() for certificate in examination.chain]
    raise Failed(f"{shown} does not lead to the CA in credentials.zip, {expected}", hint=hint, details=details)
