"""One use case: device directories, one or all, each held against all that must be true of it."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

from otaopenssl import fleet_root
from otaopenssl.certificate_rules import ca_findings
from otaopenssl.device_answers import certificate, certificate_in
from otaopenssl.device_check import DeviceCheck, Standard, questions_about
from otaopenssl.device_verdicts import Verdict, accepted_of, judged
from otaopenssl.digest import sha256
from otaopenssl.errors import Failed, Unfit, quoted, reason
from otaopenssl.file_rules import ca_crt_faults
from otaopenssl.findings import FLEET_ROOT, RECORDS, Code, Fault, Finding, Severity
from otaopenssl.gateway_root_rules import RootRules
from otaopenssl.interrupts import held
from otaopenssl.layout import Server
from otaopenssl.output_rules import Written
from otaopenssl.outputs import CERTIFICATE, CertificateReport
from otaopenssl.program import Launch
from otaopenssl.questions import CERTIFICATE_FACTS
from otaopenssl.recorded_certificates import Recorded, is_ca_of_last_run, recorded_certificates
from otaopenssl.runner import Runner
from otaopenssl.steps import Text
from otaopenssl.stock import device_names, misnamed
from otaopenssl.texts import Procedure
from otaopenssl.twins import Twins

# Verified by one openssl; small enough to tell of devices as they are done.
_BLOCK = 16
_WAITING_BLOCKS = 2


class Checked(NamedTuple):
    """What was found of one device, or (no ``is_device``) of FLEET_ROOT, RECORDS or something among the devices."""

    device: str
    findings: list[Finding]
    is_device: bool = True


class VerifyOrder(NamedTuple):
    """Which device directories to verify: these, or all of the server where there are none; so many at a time.

    Faults of the kinds that are ``accepted`` are told, and do not count.
    """

    server: Server
    procedure: Procedure
    paths: Sequence[Path] | None
    jobs: int
    accepted: frozenset[Code] = frozenset()

    def severity(self, finding: Finding) -> Severity:
        """How bad a finding is."""
        is_accepted = finding.code.severity is Severity.FAULT and finding.code in self.accepted
        return Severity.ACCEPTED if is_accepted else finding.code.severity

    def faults(self, checked: Checked) -> int:
        """How many faults were found."""
        return sum(self.severity(finding) is Severity.FAULT for finding in checked.findings)


class Tally:
    """How many devices were checked so far, how many of them have a fault, and how many faults there are in all."""

    def __init__(self, order: VerifyOrder) -> None:
        self._order = order
        self.devices = 0
        self.faulty = 0
        self.faults = 0

    def add(self, checked: Sequence[Checked]) -> None:
        """Count what was found next."""
        for one in checked:
            faults = self._order.faults(one)
            self.faults += faults
            self.devices += one.is_device
            self.faulty += one.is_device and faults > 0


class Verified(NamedTuple):
    """How many devices were verified, how many faults were found in all, and how many of the devices have one."""

    devices: int
    faults: int
    faulty: int


def total(order: VerifyOrder) -> int:
    """How many devices there are to verify. Raises Unfit where there is no devices directory."""
    return len(_paths(order))


def verify(order: VerifyOrder, launch: Launch, tell: Callable[[Sequence[Checked]], None]) -> Verified:
    """What holds of the devices; ``tell`` is called with what was found of them, in the order of their names.

    Nothing is changed. Raises BadInput (texts), Unfit (no openssl, no devices, no ca.crt), Failed (openssl
    does not answer about ca.crt) or NotApproved.
    """
    text = order.procedure.text("device.sh")
    server = order.server
    paths = _paths(order)
    runner = launch()
    standard, found = _standard(server, text, runner)
    if order.paths is None:
        words = "its name is no device UUID"
        found += [
            Checked(name, [Finding(name, Code.DIRECTORY_NAME, words)], is_device=False) for name in misnamed(server)
        ]
    tally = Tally(order)
    for checked in chain([found] if found else [], _through(standard, paths, runner, order.jobs)):
        tally.add(checked)
        tell(checked)
    return Verified(tally.devices, tally.faults, tally.faulty)


def questions(order: VerifyOrder) -> list[tuple[str, ...]]:
    """What openssl would be asked about the devices, each alone. Raises BadInput, and Unfit where there are none."""
    server, text = order.server, order.procedure.text("device.sh")
    about_ca = CERTIFICATE_FACTS.argv(file=server.shown(server.ca_crt_path))
    return [about_ca, *(argv for path in _paths(order) for argv in questions_about(server, text, path))]


def _paths(order: VerifyOrder) -> Sequence[Path]:
    if order.paths is not None:
        return order.paths
    return [order.server.devices_dir / name for name in device_names(order.server)]


def _standard(server: Server, text: Text, runner: Runner) -> tuple[Standard, list[Checked]]:
    """What devices are held against, and what is wrong with that. Raises Unfit where there is no ca.crt."""
    ca_crt = fleet_root.read_certificate(server)
    cas, faults = _cas(server, ca_crt, runner)
    faults += ca_crt_faults(server.ca_crt_path, ca_crt)
    recorded: Recorded | None = None
    checked: list[Checked] = []
    try:
        recorded = recorded_certificates(server)
        last = None if recorded is None else recorded.last.get(None)
        is_made = last is None or last.hex() in (sha256(block.der or b"") for block in ca_crt.blocks)
        if not is_made and not is_ca_of_last_run(server, ca_crt.content):
            faults.append((Code.RECORDED_OTHER, "it is another than recorded"))
    except (OSError, ValueError) as error:
        why = reason(error) if isinstance(error, OSError) else str(error)
        words = f"the records cannot be read: {why}; see 'otaopenssl audit'"
        checked.append(Checked(RECORDS, [Finding(RECORDS, Code.NOT_VERIFIED, words)], is_device=False))
    if faults:
        found = [Finding(FLEET_ROOT, code, words) for code, words in faults]
        checked.append(Checked(FLEET_ROOT, found, is_device=False))
    owners = frozenset({0, server.devices_dir.stat().st_uid})
    twins = Twins(server, ca_crt.blocks)
    return Standard(server, text, cas, ca_crt, twins, recorded, RootRules(server.project_dir), owners), checked


def _cas(server: Server, ca_crt: Written, runner: Runner) -> tuple[tuple[CertificateReport, ...], list[Fault]]:
    """Openssl's reports of the certificates in ca.crt, and what is wrong with them. Raises Unfit."""
    shown = server.shown(server.ca_crt_path)
    reports = []
    for number, block in enumerate(ca_crt.blocks):
        if block.label != CERTIFICATE:
            continue
        if number == 0:
            found = certificate(runner, shown, server.project_dir)
        else:
            found = certificate_in(runner, block, server.project_dir)
        if found.report is None:
            words = f"openssl cannot read {quoted(shown)}: {found.fault}"
            raise Unfit(words, hint="put the fleet root CA back in its place")
        reports.append(found.report)
    return tuple(reports), list(ca_findings(reports, datetime.now(UTC)))


def _through(standard: Standard, paths: Sequence[Path], runner: Runner, jobs: int) -> Iterator[list[Checked]]:
    """What was found of the devices, a block after another, while the next ones are at work."""
    rest = iter(paths)
    size = max(1, min(_BLOCK, -(-len(paths) // jobs)))
    at_work: deque[Future[list[Checked]]] = deque()
    with ExitStack() as at_last:
        workers = at_last.enter_context(ThreadPoolExecutor(jobs))
        at_last.callback(lambda: [future.cancel() for future in at_work])
        while True:
            while len(at_work) < jobs + _WAITING_BLOCKS and (block := list(islice(rest, size))):
                with held():
                    at_work.append(workers.submit(_block, standard, block, runner))
            if not at_work:
                return
            yield at_work[0].result()
            at_work.popleft()


def _block(standard: Standard, paths: Sequence[Path], runner: Runner) -> list[Checked]:
    checks = [DeviceCheck(standard, path, runner) for path in paths]
    named = [check.certificate_path for check in checks]
    there = [path for path in named if path is not None]
    accepted: set[str] = set()
    # Where that fails each is asked about alone, and tells of it.
    with suppress(Failed):
        accepted = accepted_of(runner, standard.server, there) if there else set()
    return [
        Checked(path.name, check.findings(_verdict(standard, runner, name, accepted)))
        for path, check, name in zip(paths, checks, named, strict=True)
    ]


def _verdict(standard: Standard, runner: Runner, path: str | None, accepted: set[str]) -> Verdict:
    if path is None or path in accepted:
        return Verdict(is_accepted=True)
    try:
        return judged(runner, standard.server, path)
    except Failed as error:
        return Verdict(is_accepted=False, broken=error)
