"""One use case: the facts of a device's certificate, as openssl reports them."""

from pathlib import Path
from typing import NamedTuple

from otaopenssl import device_answers
from otaopenssl.digest import sha256
from otaopenssl.durable import read_bounded
from otaopenssl.errors import Failed, Unfit, quoted, reason
from otaopenssl.layout import CERTIFICATE_NAME, Server, listing
from otaopenssl.outputs import CERTIFICATE, CertificateReport, pem_blocks
from otaopenssl.program import Launch
from otaopenssl.questions import SHOWN_FACTS
from otaopenssl.targets import target_path


class Shown(NamedTuple):
    """A certificate's file and facts; ``sha256`` is the digest of its DER in upper-case hexadecimal pairs.

    ``files`` are the names and modes of what lies beside it, where a device directory was meant.
    """

    path: Path
    report: CertificateReport
    sha256: str
    files: dict[str, str]


def certificate_path(server: Server, target: str) -> tuple[Path, bool]:
    """The certificate that a device UUID or a path means, and whether that is a device directory.

    Raises BadInput, and Unfit where nothing is there.
    """
    path = target_path(server, target)
    return (path / CERTIFICATE_NAME, True) if path.is_dir() else (path, False)


def show(server: Server, target: str, launch: Launch) -> Shown:
    """The facts of the certificate that ``target`` (a device UUID or a path) means.

    Raises Unfit where it is not there or cannot be read, Failed where it is no certificate.
    """
    path, is_device = certificate_path(server, target)
    shown = server.shown(path)
    try:
        blocks = pem_blocks(read_bounded(path))
    except OSError as error:
        raise Unfit(f"{quoted(shown)} cannot be read: {reason(error)}", hint="check its owner and mode") from error
    if not blocks or blocks[0].label != CERTIFICATE or blocks[0].der is None:
        found = f"a PEM file of {blocks[0].label}" if blocks else "no PEM file"
        raise Failed(f"{quoted(shown)} is {found}, expected a PEM certificate", hint="name a certificate")
    told = device_answers.shown(launch(), str(path), server.project_dir)
    if told.report is None:
        raise Failed(f"openssl cannot read {quoted(shown)}: {told.fault}", hint="see it whole: openssl x509 -text")
    digest = sha256(blocks[0].der).upper()
    fingerprint = ":".join(digest[i : i + 2] for i in range(0, len(digest), 2))
    return Shown(path, told.report, fingerprint, listing(path.parent) if is_device else {})


def command(server: Server, target: str) -> tuple[str, ...]:
    """The argv that ``otaopenssl show`` would run. Raises Unfit where the target is not there."""
    path, _ = certificate_path(server, target)
    return SHOWN_FACTS.argv(file=str(path))
