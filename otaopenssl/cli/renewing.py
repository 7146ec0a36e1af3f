"""The command that renews devices: which ones, and what came of them."""

import os
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import NamedTuple

from otaopenssl import fleet as fleets
from otaopenssl import renew as renewals
from otaopenssl.account import Account, Result
from otaopenssl.cli import gating, session, terminal
from otaopenssl.cli.defaults import Defaults
from otaopenssl.cli.facts import facts, valid_until
from otaopenssl.cli.fleet_summary import devices_in_words, failure
from otaopenssl.cli.numbers import days_of, jobs_of
from otaopenssl.cli.options import Running
from otaopenssl.cli.progress import Progress, progress
from otaopenssl.errors import BadInput, Error, Failed, Interrupted, PartlyFailed, moment, raise_all
from otaopenssl.fleet import FleetOrder
from otaopenssl.fleet_block import Outcome
from otaopenssl.fleet_summary import Summary
from otaopenssl.id_list import IDList
from otaopenssl.ids import DeviceID, DeviceUUID, Identity, parse_device_uuid, parse_server_name
from otaopenssl.inventory import Selection
from otaopenssl.layout import Server
from otaopenssl.outputs import serial_hex
from otaopenssl.renewal_choice import Choice, choose
from otaopenssl.renewal_source import RenewalSource
from otaopenssl.replacing import Replaced
from otaopenssl.texts import Procedure
from otaopenssl.wholeness import Issued

# Of more devices it is told how many.
_SHOWN_DEVICES = 20
_SHOWN_UNKNOWN = 20


class Renewing(NamedTuple):
    """The arguments and options that this command alone has, as they were given."""

    uuids: tuple[str, ...]
    expiring: str | None
    new_key: bool
    jobs: str | None


class _Order(NamedTuple):
    """What the options mean; ``is_single`` says that one device was named, and nothing else asked for."""

    server: Server
    procedure: Procedure
    uuids: tuple[DeviceUUID, ...]
    expiring: Selection | None
    new_key: bool
    jobs: int

    @property
    def is_single(self) -> bool:
        return self.expiring is None and len(set(self.uuids)) == 1

    def choice(self) -> tuple[Choice, RenewalSource]:
        """The devices, and what they are renewed from. Raises as ``choose`` does."""
        found = choose(self.server, self.procedure.text("device.sh"), self.uuids, self.expiring)
        return found, RenewalSource(self.server, self.new_key, found.keyless)


def renew(running: Running, options: Renewing) -> None:
    """Renew the devices and print their directories."""
    defaults = Defaults(running.place)
    running = defaults.running(running)
    order = _order(running, options._replace(jobs=defaults.jobs(options.jobs)))
    if running.dry_run:
        from otaopenssl.renewal_script import RenewalScript

        choice, source = order.choice()
        _tell_unknown(choice)
        program = session.program_for_script(running.place)
        script = RenewalScript(order.server, order.procedure, choice.identities, source, program)
        session.print_script(script, running)
        return
    uuid = order.uuids[0] if order.is_single else None
    launch, evidence = gating.evidence(running, "renew", order.server, order.procedure, uuid=uuid)
    account = Account(None if uuid is None else Identity(uuid, DeviceID(uuid)))
    # What is not approved is told before the text is parsed.
    with evidence.kept(account):
        choice, source = order.choice()
    if order.is_single:
        one = renewals.Order(order.server, choice.identities[0], order.procedure, source)
        _tell_renewed(running, order.server, renewals.renew_device(one, launch, evidence))
        return
    summary, told = Summary(0), _Told(order.server, is_kept=running.json)
    if choice.identities:
        with _ids(choice.identities) as ids, progress(ids.quantity) as shown:
            told.shown = shown
            fleet = FleetOrder(order.server, order.procedure, ids, order.jobs, renewal=source)
            summary = fleets.make_fleet(fleet, launch, told.tell, evidence=evidence)
    _report(running, order, choice, summary, told)


def _order(running: Running, options: Renewing) -> _Order:
    """What the options and the guide's variable mean. Raises every problem of theirs at once."""
    here = session.project_dir(running.place)
    uuids = options.uuids
    if not uuids and options.expiring is None and os.environ.get("DEVICE_UUID"):
        uuids = (os.environ["DEVICE_UUID"],)
    checks = [(parse_server_name, session.server_name(running)), (days_of, options.expiring), (jobs_of, options.jobs)]
    problems = session.refusals([*checks, *((parse_device_uuid, uuid) for uuid in uuids)])
    if not uuids and options.expiring is None:
        problems.append(BadInput("no devices are named", hint="name devices by UUID, or give '--expiring DAYS'"))
    raise_all(problems)
    expiring = None if options.expiring is None else Selection(datetime.now(UTC), days_of(options.expiring))
    return _Order(
        Server(here, parse_server_name(session.server_name(running))),
        session.procedure(running),
        tuple(map(parse_device_uuid, uuids)),
        expiring,
        options.new_key,
        jobs_of(options.jobs),
    )


def _ids(identities: Sequence[Identity]) -> IDList:
    ids = IDList()
    for number, identity in enumerate(identities, start=1):
        ids.add(number, identity)
    return ids


class _Told:
    """Prints or keeps what came of devices that were renewed, as they finish, and shows how far it is."""

    def __init__(self, server: Server, *, is_kept: bool) -> None:
        self._server = server
        self._is_kept = is_kept
        self._done = 0
        self._failed = 0
        self._made = 0
        self.shown: Progress | None = None
        self.documents: list[dict[str, object]] = []

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        self._done += len(outcomes)
        self._failed += sum(outcome.result is Result.FAILED for outcome in outcomes)
        with nullcontext() if self.shown is None else self.shown.aside():
            for one in outcomes:
                if one.result is Result.MADE and one.issued is not None:
                    self._made += 1
                    self._tell_made(one.identity, one.issued, one.replaced)
        if self.shown is not None:
            self.shown.show(self._done, self._failed)

    def _tell_made(self, identity: Identity, issued: Issued, replaced: Replaced | None) -> None:
        directory = self._server.shown(self._server.device_path(identity.uuid))
        if self._made <= _SHOWN_DEVICES and replaced is not None:
            terminal.note(f"device {identity.uuid}: {_times(issued, replaced)}")
        if self._is_kept:
            before = None if replaced is None else _before(replaced)
            document = {**identity._asdict(), "directory": directory, **_certificate(issued), "previous": before}
            self.documents.append(document)
        else:
            terminal.result(directory)


def _tell_renewed(running: Running, server: Server, renewed: renewals.Renewed) -> None:
    """Say what came of the one device that was named."""
    for warning in renewed.warnings:
        terminal.warn(warning)
    replaced, report = renewed.replaced, renewed.report
    if running.json:
        document = {**renewed.identity._asdict(), "directory": renewed.directory, "files": renewed.files}
        more = {"warnings": renewed.warnings, **facts(report), "previous": _before(replaced)}
        terminal.result_json({**document, **more})
        return
    terminal.note(f"device {renewed.identity.uuid}: certificate renewed by '{report.issuer}'")
    terminal.note(f"  serial number {serial_hex(report.serial)}, valid until {valid_until(report)}")
    terminal.note(f"  before: serial number {serial_hex(replaced.issued.serial)}, {_until(replaced.issued)}")
    terminal.note(f"  kept whole: {replaced.kept}")
    terminal.result(renewed.directory)


def _report(running: Running, order: _Order, choice: Choice, summary: Summary, told: _Told) -> None:
    """Say what came of several; raises PartlyFailed, Failed or Interrupted where not every one was renewed."""
    made = summary.counts[Result.MADE]
    for warning in summary.warnings:
        terminal.warn(warning)
    kept = order.server.shown(order.server.previous_dir)
    if running.json:
        terminal.result_json(_document(order, choice, summary, told, kept))
    else:
        if made > _SHOWN_DEVICES:
            terminal.note(f"and {made - _SHOWN_DEVICES} more")
        if choice.identities:
            terminal.note(
                f"{made} of {devices_in_words(len(choice.identities))} renewed; the old ones are kept in {kept}"
            )
        elif order.expiring is not None:
            days = order.expiring.expiring_days
            terminal.note(f"no device expires within {days} day{'' if days == 1 else 's'}: nothing was renewed")
    if summary.is_interrupted:
        words = f"interrupted: {made} of {devices_in_words(summary.quantity)} were renewed, nothing else was changed"
        raise Interrupted(words)
    raise_all(_problems(choice, summary))


def _problems(choice: Choice, summary: Summary) -> list[Error]:
    if summary.counts[Result.FAILED] or summary.stopped is not None:
        problem = failure(summary, "the same command again for them")
        if not choice.unknown:
            return [problem]
        details = [*problem.details, *_unknown(choice)]
        return [type(problem)(f"{problem.message}; {_unknown_words(choice)}", hint=problem.hint, details=details)]
    if not choice.unknown:
        return []
    kind: type[Error] = PartlyFailed if choice.identities else Failed
    hint = "see what is wrong: otaopenssl verify --all"
    return [kind(_unknown_words(choice), hint=hint, details=_unknown(choice))]


def _unknown_words(choice: Choice) -> str:
    quantity = len(choice.unknown)
    has = "1 device has" if quantity == 1 else f"{quantity} devices have"
    return f"{has} no certificate that can be read, and may be due"


def _unknown(choice: Choice) -> list[str]:
    lines = [f"{one.uuid}: {one.fault}" for one in choice.unknown[:_SHOWN_UNKNOWN]]
    more = len(choice.unknown) - len(lines)
    return [*lines, f"and {more} more"] if more else lines


def _tell_unknown(choice: Choice) -> None:
    if choice.unknown:
        terminal.warn(f"{_unknown_words(choice)}: see 'otaopenssl verify --all'")


def _document(order: _Order, choice: Choice, summary: Summary, told: _Told, kept: str) -> dict[str, object]:
    """What came of several, for programs."""
    return {
        "devices": len(choice.identities),
        "renewed": told.documents,
        "failed": summary.counts[Result.FAILED],
        "not_tried": summary.untried,
        "is_interrupted": summary.is_interrupted,
        "stopped": None if summary.stopped is None else summary.stopped.message,
        "seconds": round(summary.seconds, 3),
        "jobs": order.jobs,
        "previous": kept,
        "warnings": summary.warnings,
        "failures": [{**one.identity._asdict(), "reason": one.reason, "hint": one.hint} for one in summary.failures],
        "unknown": [{"uuid": one.uuid, "fault": one.fault} for one in choice.unknown],
    }


def _before(replaced: Replaced) -> dict[str, object]:
    return {"directory": replaced.kept, **_certificate(replaced.issued)}


def _certificate(issued: Issued) -> dict[str, object]:
    return {
        "serial": serial_hex(issued.serial),
        "not_after": issued.not_after.isoformat(),
        "sha256": issued.sha256,
    }


def _times(issued: Issued, replaced: Replaced) -> str:
    return f"valid until {moment(issued.not_after)}; before, {_until(replaced.issued)}, kept: {replaced.kept}"


def _until(issued: Issued) -> str:
    return f"valid until {valid_until(issued)}"
