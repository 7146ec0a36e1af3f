"""openssl's report of a certificate, asked for and read."""

from pathlib import Path

from otaopenssl.complaints import first_complaint
from otaopenssl.errors import Failed, quoted
from otaopenssl.outputs import CertificateReport, parse_certificate_report
from otaopenssl.questions import CERTIFICATE_REPORT
from otaopenssl.runner import Finished, Runner, describe_statuses


def ask_report(runner: Runner, path: Path | str, *, cwd: Path, shown: str) -> tuple[CertificateReport, str]:
    """The facts of the certificate at ``path``, and the text that they were read from; ``shown`` names it in messages.

    Raises Failed where openssl cannot read it.
    """
    finished = runner.ask(CERTIFICATE_REPORT, path, cwd=cwd)
    return read_report(finished, shown), _text(finished)


def read_report(finished: Finished, shown: str) -> CertificateReport:
    """The facts that an ``x509 -text`` command has printed. Raises Failed where it failed or printed something else."""
    report = parse_certificate_report(_text(finished))
    if not finished.is_good or report is None:
        raise unread(finished, shown)
    return report


def unread(finished: Finished, shown: str) -> Failed:
    """The error for a file that openssl could not read, or that it broke down over."""
    said = why_unread(finished, "its report cannot be read")
    hint = f"the command was: {finished.shown()}"
    if min(finished.statuses) < 0:
        hint = f"check which openssl runs; {hint}"
    return Failed(f"openssl cannot read {quoted(shown)}: {said}", hint=hint)


def why_unread(finished: Finished, otherwise: str) -> str:
    """What openssl says of why it could not read a file, or that it broke down; ``otherwise`` where it says nothing."""
    if min(finished.statuses) < 0:
        return f"it {describe_statuses(finished)}"
    return first_complaint(finished.stderr) or otherwise


def _text(finished: Finished) -> str:
    return finished.stdout.decode("utf-8", "replace")
