"""The command that tells whether this machine and this project are fit."""

from collections.abc import Sequence

from otaopenssl import doctor as doctors
from otaopenssl.cli import gating, session, terminal
from otaopenssl.cli.defaults import Defaults
from otaopenssl.cli.options import Running
from otaopenssl.doctor_check import Check, State, Subject
from otaopenssl.errors import BadInput, Error, quoted, raise_all
from otaopenssl.layout import Server
from otaopenssl.runner import Runner
from otaopenssl.texts import Procedure

_COLOURS = {
    State.OK: terminal.State.OK,
    State.WARNING: terminal.State.WARNING,
    State.PROBLEM: terminal.State.PROBLEM,
    State.ACCEPTED: terminal.State.WARNING,
}


def doctor(running: Running, accepted: Sequence[str]) -> None:
    """Print what each check came to. Raises Failed where one is a problem, unless it is ``accepted``."""
    raise_all(session.refusals([(_check_name, one) for one in accepted]))
    settings: Error | None = None
    try:
        running = Defaults(running.place).running(running)
    except Error as error:
        settings = error
    server = session.server(running)
    if running.dry_run:
        session.print_questions(running, server, doctors.commands(server))
        return
    checks = doctors.examine(_subject(running, server, settings), accepted)
    failure = doctors.failure(checks)
    if running.json:
        found = [{"check": one.name, "state": one.state, "words": one.words, "hint": one.hint} for one in checks]
        terminal.result_json({"fit": failure is None, "checks": found})
    else:
        terminal.result(terminal.columns([row for check in checks for row in _rows(check)]))
    if failure is not None:
        raise failure


def _check_name(value: str) -> str:
    if value not in doctors.CHECKS:
        raise BadInput(f"--accept {quoted(value)} is no check of doctor", hint="docs/doctor.md lists the checks")
    return value


def _subject(running: Running, server: Server, settings: Error | None) -> Subject:
    procedure: Procedure | Error
    try:
        procedure = session.procedure(running)
    except Error as error:
        procedure = error

    def launch() -> Runner:
        # Where something is approved, no other openssl is started to be looked at.
        return gating.launcher(running, server, gating.admitted(running, server, None))()

    return Subject(server, procedure, session.program(running.place), launch, settings)


def _rows(check: Check) -> list[tuple[str | terminal.Marked, str, str]]:
    rows: list[tuple[str | terminal.Marked, str, str]] = [
        (terminal.Marked(str(check.state), _COLOURS[check.state]), check.name, check.words)
    ]
    return [*rows, ("", "", f"hint: {check.hint}")] if check.hint else rows
