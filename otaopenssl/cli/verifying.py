"""The command that verifies devices: which ones, how far it is, and what was found."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple

from otaopenssl import previous
from otaopenssl import verify as verifies
from otaopenssl.cli import gating, session, terminal
from otaopenssl.cli.defaults import Defaults
from otaopenssl.cli.numbers import jobs_of
from otaopenssl.cli.options import Running
from otaopenssl.cli.progress import Progress, progress
from otaopenssl.errors import BadInput, Error, Failed, Unfit, quoted, raise_all
from otaopenssl.findings import Code, Finding, Severity
from otaopenssl.ids import parse_server_name
from otaopenssl.layout import Server
from otaopenssl.targets import device_directory
from otaopenssl.verify import Checked, Tally, Verified, VerifyOrder

_WIDEST_UUID = 36
_WIDEST_CODE = max(map(len, Code))
_STATES = {
    Severity.FAULT: terminal.State.PROBLEM,
    Severity.WARNING: terminal.State.WARNING,
    Severity.ACCEPTED: terminal.State.WARNING,
}
_Row = tuple[str, terminal.Marked, str, str]


class Verifying(NamedTuple):
    """The arguments and options that this command alone has, as they were given."""

    targets: tuple[str, ...]
    is_all: bool
    jobs: str | None
    accepted: tuple[str, ...]


def verify(running: Running, options: Verifying) -> None:
    """Print what was found of the devices. Raises Failed where there is a fault."""
    defaults = Defaults(running.place)
    running = defaults.running(running)
    order = _order(running, options._replace(jobs=defaults.jobs(options.jobs)))
    if running.dry_run:
        session.print_questions(running, order.server, verifies.questions(order))
        return
    permission = gating.admitted(running, order.server, None)
    order.procedure.check_all()
    is_many = order.paths is None
    if not verifies.total(order):
        where = quoted(order.server.shown(order.server.devices_dir))
        raise Unfit(f"there are no devices in {where}", hint="choose the server with '--server-name NAME'")
    with progress(verifies.total(order)) if is_many else nullcontext() as shown:
        told = _Told(shown, order, is_printing=is_many and not running.json)
        verified = verifies.verify(order, gating.launcher(running, order.server, permission), told.tell)
    if running.json:
        terminal.result_json(_document(verified, told.checked, order))
    elif not is_many:
        terminal.result(terminal.columns([row for one in told.checked for row in _rows(one, order)]))
    _summarise(verified, told.warned if is_many else {})


class _Told:
    """Keeps what was found; where there are many devices it prints it at once, and counts warnings."""

    def __init__(self, shown: Progress | None, order: VerifyOrder, *, is_printing: bool) -> None:
        self._shown = shown
        self._order = order
        self._is_printing = is_printing
        self._tally = Tally(order)
        self.checked: list[Checked] = []
        self.warned: dict[Code, int] = {}

    def tell(self, checked: Sequence[Checked]) -> None:
        rows: list[_Row] = []
        for one in checked:
            if not self._is_printing:
                self.checked.append(one)
            # Of devices there may be as many warnings as devices, all the same: they are counted.
            counted = {finding.code for finding in one.findings if one.is_device and self._is_warning(finding)}
            for code in counted:
                self.warned[code] = self.warned.get(code, 0) + 1
            rows += [_row(finding, self._order) for finding in one.findings if finding.code not in counted]
        if self._is_printing and rows:
            self._print(rows)
        self._tally.add(checked)
        if self._shown is not None:
            self._shown.show(self._tally.devices, self._tally.faulty)

    def _is_warning(self, finding: Finding) -> bool:
        return self._order.severity(finding) is Severity.WARNING

    def _print(self, rows: Sequence[_Row]) -> None:
        # What comes later is not known: the columns are as wide as most of it will be.
        padded = [
            (f"{device:<{_WIDEST_UUID}}", state, f"{code:<{_WIDEST_CODE}}", words)
            for device, state, code, words in rows
        ]
        with self._shown.aside() if self._shown else nullcontext():
            terminal.result(terminal.columns(padded))


def _rows(checked: Checked, order: VerifyOrder) -> list[_Row]:
    good = (checked.device, terminal.Marked("ok", terminal.State.OK), "", "")
    return [_row(finding, order) for finding in checked.findings] or [good]


def _row(finding: Finding, order: VerifyOrder) -> _Row:
    severity = order.severity(finding)
    return finding.device, terminal.Marked(severity.value, _STATES[severity]), finding.code.value, finding.words


def _order(running: Running, options: Verifying) -> VerifyOrder:
    """What the options mean. Raises every problem of theirs at once."""
    here = session.project_dir(running.place)
    checks = [(parse_server_name, session.server_name(running)), (jobs_of, options.jobs)]
    problems = session.refusals([*checks, *((_code, code) for code in options.accepted)])
    if options.is_all == bool(options.targets):
        words = "both '--all' and devices are given" if options.is_all else "no devices are named"
        problems.append(BadInput(words, hint="name devices, by UUID or directory, or give '--all'"))
    raise_all(problems)
    server = Server(here, parse_server_name(session.server_name(running)))
    if not running.dry_run:
        previous.finish_quietly(server)
    paths = None if options.is_all else _paths(server, options.targets)
    accepted = frozenset(map(_code, options.accepted))
    return VerifyOrder(server, session.procedure(running), paths, jobs_of(options.jobs), accepted)


def _code(value: str) -> Code:
    try:
        return Code(value)
    except ValueError:
        words = f"--accept {quoted(value)} is no code of a finding"
        raise BadInput(words, hint="docs/findings.md lists the codes") from None


def _paths(server: Server, targets: Sequence[str]) -> list[Path]:
    """The device directories that the arguments mean, each once. Raises BadInput and Unfit, all at once."""
    problems: list[Error] = []
    found: dict[Path, None] = {}
    for target in targets:
        try:
            found[device_directory(server, target)] = None
        except Error as problem:
            problems.append(problem)
    raise_all(problems)
    return list(found)


def _document(verified: Verified, checked: Sequence[Checked], order: VerifyOrder) -> dict[str, object]:
    """What was found, for programs."""
    findings = [
        {
            "device": finding.device,
            "severity": order.severity(finding).value,
            "code": finding.code.value,
            "finding": finding.words,
        }
        for one in checked
        for finding in one.findings
    ]
    counts = {"devices": verified.devices, "faulty": verified.faulty, "faults": verified.faults}
    return {"holds": not verified.faults, **counts, "findings": findings}


def _summarise(verified: Verified, warned: Mapping[Code, int]) -> None:
    quantity = f"{verified.devices} device{'' if verified.devices == 1 else 's'}"
    for code, count in sorted(warned.items()):
        terminal.warn(f"{code.value}: {count} of {quantity}: {code.meaning}")
    if verified.faults:
        faults = "1 fault" if verified.faults == 1 else f"{verified.faults} faults"
        words = f"{quantity} verified, {verified.faulty} of them faulty: {faults}"
        raise Failed(words, hint="docs/findings.md tells what each code means, and what to do")
    terminal.note(f"{quantity} verified: all that must hold holds")
