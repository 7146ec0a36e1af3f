"""What must hold of the certificates in a root.crt, by openssl's reports; the same file is asked about once."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from otaopenssl.digest import sha256
from otaopenssl.errors import Failed
from otaopenssl.findings import Code
from otaopenssl.layout import GATEWAY_ROOT_NAME
from otaopenssl.output_rules import Written
from otaopenssl.outputs import CertificateReport
from otaopenssl.questions import CERTIFICATE_REPORT
from otaopenssl.reports import read_report
from otaopenssl.runner import Runner

_STANDARD_INPUT = "/dev/stdin"
_Fault = tuple[Code, str]


class RootRules:
    """Judges root.crt files, of which a fleet mostly has one many times over."""

    def __init__(self, cwd: Path) -> None:
        self._cwd = cwd
        self._known: dict[str, list[_Fault]] = {}

    def faults(self, found: Written, runner: Runner) -> list[_Fault]:
        """What is wrong with a root.crt of whole certificates. Raises Failed where no openssl ends."""
        digest = sha256(found.content)
        if digest not in self._known:
            self._known[digest] = list(self._judged(found, runner))
        return self._known[digest]

    def _judged(self, found: Written, runner: Runner) -> Iterator[_Fault]:
        reports: list[CertificateReport] = []
        for number, block in enumerate(found.blocks, start=1):
            finished = runner.ask(CERTIFICATE_REPORT, _STANDARD_INPUT, cwd=self._cwd, stdin=block.text + b"\n")
            try:
                reports.append(read_report(finished, GATEWAY_ROOT_NAME))
            except Failed as error:
                yield Code.PEM_MALFORMED, f"certificate {number} in {GATEWAY_ROOT_NAME}: {error.message}"
                return
        roots = [report for report in reports if report.subject == report.issuer]
        if not roots:
            words = "devices lose the gateway when its leaf or an intermediate is renewed"
            yield Code.ROOT_CRT_WITHOUT_ROOT, f"{GATEWAY_ROOT_NAME} holds no self-signed root: {words}"
        last = max(report.not_after for report in roots or reports)
        if last <= datetime.now(UTC):
            words = f"{GATEWAY_ROOT_NAME} expired on {last:%Y-%m-%d %H:%M:%S} UTC: devices refuse the gateway"
            yield Code.ROOT_CRT_EXPIRED, words
