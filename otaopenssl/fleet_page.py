"""One use case: all that is known of a fleet today, gathered for one page that people read."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from otaopenssl import __version__, doctor, page_certificates, recorded_runs, verify
from otaopenssl.departures import DEPARTURES, Departure
from otaopenssl.device_files import naming_of
from otaopenssl.device_index import stock
from otaopenssl.digest import sha256
from otaopenssl.doctor_check import Check, State, Subject
from otaopenssl.environment import NO_TRUST_BUNDLE, environment
from otaopenssl.errors import Error, Failed, NotApproved, Unfit
from otaopenssl.expiry_plot import Plot, expiry_plot
from otaopenssl.findings import Code, Finding, Severity
from otaopenssl.fleet_expiry import FleetExpiry, fleet_expiry
from otaopenssl.gate import Intent, examined
from otaopenssl.ids import DeviceUUID
from otaopenssl.layout import Server
from otaopenssl.measured import Measured
from otaopenssl.page_certificates import CaCrt, Named
from otaopenssl.program import Launch
from otaopenssl.recorded_runs import RecordedRuns
from otaopenssl.texts import Procedure
from otaopenssl.verify import Checked, Verified, VerifyOrder

MOST_EXPIRING = 100
MOST_FAULTS = 500
# Most often all devices have the same: the table of the kinds tells how many.
MOST_WARNINGS = 20
MOST_RECORDS = 100
MOST_RECORD_FINDINGS = 100


class PageOrder(NamedTuple):
    """What a page is to tell of, as seen at ``now``.

    ``subject`` is what doctor looks at, ``trust`` whom an audit is to trust, if anybody.
    """

    verify: VerifyOrder
    site: str | None
    subject: Subject
    trust: Path | None
    now: datetime


class ShownText(NamedTuple):
    """An audited text, as it is."""

    name: str
    sha256: str
    content: str


class Kind(NamedTuple):
    """How many findings there are of one kind."""

    code: Code
    findings: int


class Findings(NamedTuple):
    """What was found of the devices: by kind, and the first faults and warnings; ``not_verified`` is why nothing was.

    ``verified`` is None only then.
    """

    verified: Verified | None
    kinds: list[Kind]
    first: list[Finding]
    not_verified: Error | None = None

    @property
    def total(self) -> int:
        """How many findings there are."""
        return sum(kind.findings for kind in self.kinds)


class Page(NamedTuple):
    """All that a page tells. Strings in it may hold anything: names come from certificates and files of anybody.

    ``is_approved`` is whether there is an approval, ``not_approved`` why runs that make devices are refused today;
    ``openssl`` is the version of the one that the page was made by, ``program`` its file, None where there is none;
    ``trusted`` is whom the audit trusted, None where nobody was named.
    """

    version: str
    site: str | None
    openssl: str | None
    program: Measured | None
    server: Server
    now: datetime
    ca_crt: CaCrt
    expiry: FleetExpiry
    plot: Plot | None
    findings: Findings
    checks: list[Check]
    procedure: str
    texts: list[ShownText]
    environment: Mapping[str, str]
    departures: Sequence[Departure]
    is_approved: bool
    not_approved: NotApproved | None
    runs: RecordedRuns
    trusted: list[Named] | None


def fleet_page(order: PageOrder, launch: Launch, tell: Callable[[Sequence[Checked]], None]) -> Page:
    """The page of a server, whatever state its devices are in; ``tell`` is told of devices as they are verified.

    Where devices cannot be verified, or records not audited, the page tells why. Changes nothing but the index of
    ``list``. Raises BadInput (texts), NotApproved, and Unfit where there is no devices directory.
    """
    server, procedure = order.verify.server, order.verify.procedure
    naming = naming_of(procedure.text("device.sh"))
    expiry = fleet_expiry(stock(server, naming), order.now, MOST_EXPIRING)
    findings = _findings(order.verify, launch, tell)
    runs = recorded_runs.recorded_runs(server, order.trust, launch, MOST_RECORDS)
    checks = doctor.examine(order.subject)
    # The page itself is held to the openssl that was approved; what makes devices, to texts and files as well.
    intent = Intent(server, procedure, procedure.text_names(), order.subject.program)
    permission, not_approved = examined(intent)
    ca_crt = page_certificates.ca_crt(order.subject)
    ca_end = None if ca_crt.not_after is None else ca_crt.not_after.date()
    return Page(
        version=__version__,
        site=order.site,
        openssl=None if order.subject.runner is None else order.subject.runner.version,
        program=None if permission.materials.program is None else permission.materials.program.program,
        server=server,
        now=order.now,
        ca_crt=ca_crt,
        expiry=expiry,
        plot=expiry_plot(expiry.expired, expiry.left, order.now.date(), ca_end),
        findings=findings,
        checks=checks,
        procedure=procedure.name,
        texts=_texts(procedure),
        environment=environment(server.name, DeviceUUID("<device UUID>")) | NO_TRUST_BUNDLE,
        departures=DEPARTURES,
        is_approved=permission.approval is not None,
        not_approved=not_approved,
        runs=runs,
        trusted=None if order.trust is None else page_certificates.trusted(order.trust, order.subject),
    )


def questions(order: PageOrder) -> list[tuple[str, ...]]:
    """What openssl would be asked for the page. Raises BadInput, and Unfit where there is no devices directory."""
    server = order.verify.server
    asked = [*verify.questions(order.verify), *recorded_runs.questions(server, order.trust), *doctor.commands(server)]
    asked += page_certificates.questions(order.trust)
    return list(dict.fromkeys(asked))


def unwell(checks: Sequence[Check]) -> list[Check]:
    """The checks that did not come to ok, problems first."""
    return sorted((check for check in checks if check.state is not State.OK), key=lambda check: check.state.value)


def _texts(procedure: Procedure) -> list[ShownText]:
    contents = {name: procedure.content(name) for name in procedure.text_names()}
    return [ShownText(name, sha256(content), content.decode("utf-8", "replace")) for name, content in contents.items()]


def _findings(order: VerifyOrder, launch: Launch, tell: Callable[[Sequence[Checked]], None]) -> Findings:
    gathered = _Gathered(tell)
    try:
        verified = verify.verify(order, launch, gathered.tell)
    except (Unfit, Failed) as error:
        return Findings(None, [], [], error)
    return Findings(verified, gathered.kinds(), gathered.first[Severity.FAULT] + gathered.first[Severity.WARNING])


class _Gathered:
    """Counts what is found, and keeps the first of it."""

    def __init__(self, tell: Callable[[Sequence[Checked]], None]) -> None:
        self._tell = tell
        self._findings: Counter[Code] = Counter()
        self.first: dict[Severity, list[Finding]] = {Severity.FAULT: [], Severity.WARNING: []}

    def tell(self, checked: Sequence[Checked]) -> None:
        for one in checked:
            self._findings.update(finding.code for finding in one.findings)
            for finding in one.findings:
                severity = finding.code.severity
                kept = self.first[severity]
                if len(kept) < (MOST_FAULTS if severity is Severity.FAULT else MOST_WARNINGS):
                    kept.append(finding)
        self._tell(checked)

    def kinds(self) -> list[Kind]:
        """What was found by kind, faults first, then what is most frequent."""
        found = [Kind(code, count) for code, count in self._findings.items()]
        return sorted(found, key=lambda kind: (kind.code.severity.value, -kind.findings, kind.code.value))
