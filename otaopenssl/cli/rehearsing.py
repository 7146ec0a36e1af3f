"""The command that rehearses the guide."""

import os
from pathlib import Path
from typing import NamedTuple

from otaopenssl import rehearse as rehearsals
from otaopenssl import rehearse_script
from otaopenssl.address import Gateway, parse_gateway, parse_port
from otaopenssl.chain import parse_pin
from otaopenssl.cli import gating, session, terminal
from otaopenssl.cli.defaults import Defaults
from otaopenssl.cli.fetching import parse_seconds
from otaopenssl.cli.options import Running
from otaopenssl.errors import BadInput, Error, Failed, quoted, raise_all
from otaopenssl.gateway_root import DEFAULT_SECONDS
from otaopenssl.ids import parse_device_uuid, parse_server_name, random_device_uuid
from otaopenssl.layout import Server
from otaopenssl.rehearsal import Rehearsal, Report, Row


class Rehearsing(NamedTuple):
    """How to rehearse: the options as they were given."""

    against: str | None
    uuid: str | None
    port: str | None
    timeout: str | None
    pins: tuple[str, ...]
    keep: str | None


def rehearse(running: Running, options: Rehearsing) -> None:
    """Rehearse and print what was tried, what had to come of it and what came; Failed where that differs."""
    running = Defaults(running.place).running(running)
    rehearsal = _rehearsal(running, options)
    if running.dry_run:
        script = rehearse_script.script(rehearsal, session.program_for_script(running.place))
        session.print_script(script, running)
        return
    permission = gating.admitted(running, rehearsal.server, rehearsal.procedure, needs_ca=False)
    report = rehearsals.rehearse(rehearsal, lambda server, device: gating.launcher(running, server, permission, device))
    for warning in report.warnings:
        terminal.warn(warning)
    if running.json:
        tried = [row._asdict() for row in report.rows]
        terminal.result_json(
            {"tried": tried, "is_good": report.is_good, "warnings": report.warnings, "kept": options.keep}
        )
    else:
        terminal.result(terminal.columns([_row(row) for row in report.rows], ("", "tried", "must be", "was")))
        if options.keep is not None:
            terminal.note(f"kept in {options.keep}")
    _judge(report)


def _row(row: Row) -> tuple[str | terminal.Marked, ...]:
    judged = terminal.Marked("ok", terminal.State.OK) if row.is_good else terminal.Marked("NOT", terminal.State.PROBLEM)
    return (judged, row.what, row.expected, row.found)


def _judge(report: Report) -> None:
    wrong = [row for row in report.rows if not row.is_good]
    if wrong:
        raise Failed(
            f"{len(wrong)} of {len(report.rows)} were not as they must be: {wrong[0].what}: {wrong[0].found},"
            f" expected {wrong[0].expected}",
            hint="look at the table; '--keep DIR' keeps the files, '-v' shows the commands",
        )


def _rehearsal(running: Running, options: Rehearsing) -> Rehearsal:
    """The rehearsal that the options mean. Raises every problem of theirs at once."""
    project_dir = session.project_dir(running.place)
    server_name = session.server_name(running)
    uuid = session.device_uuid(options.uuid)
    keep = options.keep
    problems = session.refusals([(parse_server_name, server_name), (parse_device_uuid, uuid)])
    gateway: Gateway | None = None
    try:
        gateway = None if options.against is None else parse_gateway(options.against)
        if gateway is not None and uuid is None:
            raise BadInput("'--against' tries a device, and none is named", hint="name it by '--uuid UUID'")
    except Error as problem:
        problems.append(problem)
    problems += session.refusals([(parse_port, options.port), (parse_seconds, options.timeout)])
    problems += session.refusals((parse_pin, pin) for pin in options.pins)
    if options.pins and options.against is None:
        problems.append(BadInput("'--pin' is for '--against'", hint="name the gateway by '--against URL'"))
    if keep is not None and (not keep or "\0" in keep):
        problems.append(BadInput(f"--keep {quoted(keep)} is no directory", hint="name one that is not there yet"))
    raise_all(problems)
    return Rehearsal(
        server=Server(project_dir, parse_server_name(server_name)),
        procedure=session.procedure(running),
        uuid=random_device_uuid() if uuid is None else parse_device_uuid(uuid),
        seconds=DEFAULT_SECONDS if options.timeout is None else parse_seconds(options.timeout),
        port=None if options.port is None else parse_port(options.port),
        against=gateway,
        pins=tuple(map(parse_pin, options.pins)),
        kept_dir=None if keep is None else Path(os.path.abspath(project_dir / keep)),  # noqa: PTH100 - links stay
    )
