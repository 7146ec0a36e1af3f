"""openssl's report of a certificate, asked for and read."""

from pathlib import Path

from otaopenssl.errors import Failed, quoted
from otaopenssl.outputs import CertificateReport, first_complaint, parse_certificate_report
from otaopenssl.runner import CERTIFICATE_REPORT, Finished, Runner


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
        said = first_complaint(finished.stderr) or "its report cannot be read"
        raise Failed(f"openssl cannot read {quoted(shown)}: {said}", hint=f"the command was: {finished.shown()}")
    return report


def _text(finished: Finished) -> str:
    return finished.stdout.decode("utf-8", "replace")
