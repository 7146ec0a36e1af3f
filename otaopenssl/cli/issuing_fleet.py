"""The command that makes many devices: which ones, how far it is, and what came of them."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from otaopenssl import fleet as fleets
from otaopenssl.account import Result
from otaopenssl.cli import gating, session, terminal
from otaopenssl.cli.asked_gateway import gateway_order
from otaopenssl.cli.defaults import Defaults
from otaopenssl.cli.numbers import jobs_of, number
from otaopenssl.cli.options import Asking, Running
from otaopenssl.cli.progress import Progress, progress
from otaopenssl.errors import BadInput, Error, Interrupted, NotApproved, PartlyFailed, Unfit, quoted, raise_all
from otaopenssl.fleet import FleetOrder, Summary
from otaopenssl.fleet_block import Outcome
from otaopenssl.id_list import MOST_DEVICES, IDList, drawn_ids, read_ids
from otaopenssl.ids import parse_server_name
from otaopenssl.issued_list import IssuedList, check_place
from otaopenssl.layout import Server
from otaopenssl.request_source import RequestDirectory, request_ids
from otaopenssl.shellwords import shell_quoted

_STANDARD_STREAM = "-"
_SHOWN_HINTS = 3


class FleetOptions(NamedTuple):
    """The options that this command alone has, as they were given."""

    quantity: str | None
    ids: str | None
    csrs: str | None
    jobs: str | None
    out: str | None
    fail_fast: bool


def fleet(running: Running, asking: Asking, options: FleetOptions) -> None:
    """Make the devices and print the devices directory."""
    defaults = Defaults(running.place)
    running, asking = defaults.running(running), defaults.asking(asking)
    options = options._replace(jobs=defaults.jobs(options.jobs))
    with _order(running, asking, options) as order:
        if running.dry_run:
            from otaopenssl.fleet_script import FleetScript

            session.print_script(FleetScript(order, session.program_for_script(running.place)), running)
            return
        launch, evidence = gating.evidence(
            running, "fleet" if order.csrs is None else "sign", order.server, order.procedure, order.gateway
        )
        issued_list = _issued_list(options, order)
        with progress(order.ids.quantity) as shown:
            told = _Told(shown, issued_list)
            summary = fleets.make_fleet(order, launch, told.tell, evidence=evidence)
        if issued_list is not None:
            try:
                issued_list.close()
            except Unfit as problem:
                summary.stopped = summary.stopped or problem
        _report(running, options, order, summary)


class _Told:
    """Shows and writes down what comes of devices."""

    def __init__(self, shown: Progress, issued_list: IssuedList | None) -> None:
        self._shown = shown
        self._issued_list = issued_list
        self._done = 0
        self._failed = 0

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        self._done += len(outcomes)
        self._failed += sum(outcome.result is Result.FAILED for outcome in outcomes)
        self._shown.show(self._done, self._failed)
        if self._issued_list is not None:
            self._issued_list.write(outcomes)


@contextmanager
def _order(running: Running, asking: Asking, options: FleetOptions) -> Iterator[FleetOrder]:
    """The fleet that the options mean, while its list is open. Raises every problem of theirs at once."""
    project_dir = session.project_dir(running.place)
    server_name = session.server_name(running)
    checks = [(parse_server_name, server_name), (_count, options.quantity), (jobs_of, options.jobs)]
    problems = session.refusals(checks) + _contradictions(running, options)
    gateway = gateway_order(asking, project_dir, problems)
    raise_all(problems)
    server = Server(project_dir, parse_server_name(server_name))
    procedure = session.procedure(running)
    with _ids(options, project_dir) as ids:
        for column in ids.unused:
            terminal.warn(f"nothing is taken from column {quoted(column)}, only from 'uuid' and 'device_id'")
        yield FleetOrder(
            server=server,
            procedure=procedure,
            ids=ids,
            jobs=jobs_of(options.jobs),
            has_plan=options.quantity is not None,
            is_fail_fast=options.fail_fast,
            gateway=gateway,
            csrs=None if options.csrs is None else RequestDirectory(project_dir / options.csrs, options.csrs),
        )


def _contradictions(running: Running, options: FleetOptions) -> list[Error]:
    problems: list[Error] = []
    named = {"--count": options.quantity, "--ids": options.ids, "--csrs": options.csrs}
    given = [quoted(option) for option, value in named.items() if value is not None]
    if len(given) != 1:
        words = f"both {' and '.join(given)} are given" if given else "no devices are named"
        hint = "give '--count N' for random UUIDs, '--ids FILE', or '--csrs DIR' for keys that devices have"
        problems.append(BadInput(words, hint=hint))
    problems += session.refusals([(session.parse_out, options.out)])
    if options.out == _STANDARD_STREAM and running.json:
        words = "'--out -' and '--json' both want standard output"
        problems.append(BadInput(words, hint="give '--out FILE' with '--json'"))
    return problems


def _ids(options: FleetOptions, project_dir: Path) -> IDList:
    if options.csrs is not None:
        return request_ids(project_dir / options.csrs, f"directory {quoted(options.csrs)}")
    if options.ids is None:
        return drawn_ids(_count(options.quantity or ""))
    if options.ids == _STANDARD_STREAM:
        if sys.stdin is None:
            raise Unfit("standard input is closed", hint="give '--ids FILE'")
        return read_ids(sys.stdin.buffer, "standard input")
    shown = f"ids file {quoted(options.ids)}"
    try:
        with (project_dir / options.ids).open("rb") as file:
            return read_ids(file, shown)
    except (OSError, ValueError) as error:
        words = session.why_unread(error)
        raise Unfit(f"{shown} cannot be read: {words}", hint="give '--ids FILE'") from error


def _count(value: str) -> int:
    return number("count", value, MOST_DEVICES)


def _issued_list(options: FleetOptions, order: FleetOrder) -> IssuedList | None:
    """The list that is to be written, found writable. Raises Unfit."""
    if options.out is None:
        return None
    if options.out == _STANDARD_STREAM:
        return IssuedList(_standard_output, "standard output", order.server)
    path = order.server.project_dir / options.out
    check_place(path, options.out, order.ids)
    if path.exists() and not path.is_file():
        # Where it is a FIFO, somebody has to open its other end; until then a signal must be heard.
        file = path.open("wb", buffering=0)
        return IssuedList(lambda: file, options.out, order.server)
    return IssuedList(lambda: path.open("wb", buffering=0), options.out, order.server)


def _standard_output() -> IO[bytes]:
    return os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)


def _report(running: Running, options: FleetOptions, order: FleetOrder, summary: Summary) -> None:
    """Say what came of the fleet; raises PartlyFailed or Interrupted where not every device is whole."""
    server = order.server
    directory = server.shown(server.devices_dir)
    plan = None if summary.plan_path is None else server.shown(summary.plan_path)
    made, there, failed, _ = (summary.counts[result] for result in Result)
    for warning in summary.warnings:
        terminal.warn(warning)
    if running.json:
        terminal.result_json(_document(order, options, summary, directory, plan))
    else:
        rate = f"{made / summary.seconds:.1f} a second" if made and summary.seconds else ""
        counts = [f"{made} made", *([f"{there} there already"] if there else []), *([rate] if rate else [])]
        terminal.note(f"fleet of {_devices(summary.quantity)}: {', '.join(counts)}")
        if plan is not None:
            terminal.note(f"  its UUIDs: {plan}")
        if options.out != _STANDARD_STREAM:
            terminal.result(directory)
    again = _again(options, plan)
    if summary.is_interrupted:
        raise Interrupted(
            f"interrupted: {made + there} of {_devices(summary.quantity)} are whole, nothing else was left behind;"
            f" for the rest: {again}"
        )
    if failed or summary.stopped is not None:
        raise _failure(summary, again)


def _document(
    order: FleetOrder, options: FleetOptions, summary: Summary, directory: str, plan: str | None
) -> dict[str, object]:
    """What came of the fleet, for programs."""
    made, there, failed, _ = (summary.counts[result] for result in Result)
    return {
        "directory": directory,
        "devices": summary.quantity,
        "made": made,
        "there_already": there,
        "failed": failed,
        "not_tried": summary.untried,
        "is_interrupted": summary.is_interrupted,
        "stopped": None if summary.stopped is None else summary.stopped.message,
        "seconds": round(summary.seconds, 3),
        "jobs": order.jobs,
        "plan": plan,
        "out": options.out,
        "warnings": summary.warnings,
        "failures": [
            {**failure.identity._asdict(), "reason": failure.reason, "hint": failure.hint}
            for failure in summary.failures
        ],
    }


def _devices(quantity: int) -> str:
    return f"{quantity} device{'' if quantity == 1 else 's'}"


def _again(options: FleetOptions, plan: str | None) -> str:
    """How to have the rest made; the other options are to be as they were."""
    if plan is None:
        return "the same command again"
    return f"the same command with '--ids {shell_quoted(plan)}' in place of '--count {options.quantity}'"


def _failure(summary: Summary, again: str) -> Error:
    failed = summary.counts[Result.FAILED]
    words = [f"{failed} of {_devices(summary.quantity)} failed"] if failed else []
    if summary.untried:
        words.append(f"{summary.untried} not tried")
    message = ": ".join(filter(None, (", ".join(words), summary.stopped.message if summary.stopped else "")))
    details = []
    hints: set[str] = set()
    for failure in summary.failures:
        details.append(f"{failure.identity.uuid}: {failure.reason}")
        if failure.hint not in hints and len(hints) < _SHOWN_HINTS:
            hints.add(failure.hint)
            details.append(f"  {failure.hint}")
    if failed > len(summary.failures):
        details.append(f"and {failed - len(summary.failures)} more")
    if isinstance(summary.stopped, NotApproved):
        hint = f"{summary.stopped.hint}; then run {again}"
        return NotApproved(message, hint=hint, details=[*summary.stopped.details, *details])
    hint = "mend what is told above" if summary.stopped is None else summary.stopped.hint
    return PartlyFailed(message, hint=f"{hint}, then run {again}", details=details)
