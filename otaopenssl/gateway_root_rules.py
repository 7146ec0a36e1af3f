"""What must hold of the certificates in a root.crt, by openssl's reports; the same file is asked about once."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from otaopenssl import device_answers
from otaopenssl.digest import sha256
from otaopenssl.errors import moment
from otaopenssl.findings import Code, Fault
from otaopenssl.layout import GATEWAY_ROOT_NAME
from otaopenssl.output_rules import Written
from otaopenssl.outputs import CertificateReport
from otaopenssl.runner import Runner


class RootRules:
    """Judges root.crt files, of which a fleet mostly has one many times over."""

    def __init__(self, cwd: Path) -> None:
        self._cwd = cwd
        self._known: dict[str, list[Fault]] = {}

    def faults(self, found: Written, runner: Runner) -> list[Fault]:
        """What is wrong with a root.crt of whole certificates. Raises Failed where no openssl ends."""
        digest = sha256(found.content)
        if digest not in self._known:
            self._known[digest] = list(self._judged(found, runner))
        return self._known[digest]

    def _judged(self, found: Written, runner: Runner) -> Iterator[Fault]:
        reports: list[CertificateReport] = []
        for number, block in enumerate(found.blocks, start=1):
            answer = device_answers.certificate_in(runner, block, self._cwd)
            if answer.report is None:
                yield (
                    Code.PEM_MALFORMED,
                    f"openssl cannot read certificate {number} in {GATEWAY_ROOT_NAME}: {answer.fault}",
                )
                return
            reports.append(answer.report)
        roots = [report for report in reports if report.subject == report.issuer]
        if not roots:
            words = "devices lose the gateway when its leaf or an intermediate is renewed"
            yield Code.ROOT_CRT_WITHOUT_ROOT, f"{GATEWAY_ROOT_NAME} holds no self-signed root: {words}"
        now = datetime.now(UTC)
        anchors = roots or reports
        last = max(report.not_after for report in anchors)
        first = min(report.not_before for report in anchors)
        if last <= now:
            words = f"{GATEWAY_ROOT_NAME} expired on {moment(last)}: devices refuse the gateway"
            yield Code.ROOT_CRT_EXPIRED, words
        if first > now:
            words = f"{GATEWAY_ROOT_NAME} is not valid before {moment(first)}: devices refuse the gateway"
            yield Code.ROOT_CRT_NOT_YET_VALID, words
