"""The command that writes a page about the fleet."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from otaopenssl import fleet_page, page_file, page_verdict
from otaopenssl import verify as verifies
from otaopenssl.cli import gating, session, terminal
from otaopenssl.cli.auditing import trusted
from otaopenssl.cli.defaults import Defaults
from otaopenssl.cli.facts import time_left
from otaopenssl.cli.numbers import jobs_of
from otaopenssl.cli.options import Running
from otaopenssl.cli.progress import Progress, progress
from otaopenssl.doctor_check import Subject
from otaopenssl.errors import moment, raise_all
from otaopenssl.fleet_page import Page, PageOrder
from otaopenssl.ids import parse_server_name
from otaopenssl.layout import Server
from otaopenssl.outputs import serial_hex
from otaopenssl.program import Launch
from otaopenssl.render import Verbatim, render_page
from otaopenssl.verify import Checked, Tally, VerifyOrder

_TEMPLATE = "report.html"
_FILE_NAME = "report.html"
_STANDARD_OUTPUT = "-"


class Reporting(NamedTuple):
    """The options that this command alone has, as they were given."""

    out: str | None
    is_forced: bool
    trust: str | None
    jobs: str | None


def report(running: Running, options: Reporting) -> None:
    """Write the page, and print where it is. Raises Unfit where it cannot be written."""
    defaults = Defaults(running.place)
    running = defaults.running(running)
    options = options._replace(jobs=defaults.jobs(options.jobs))
    server, out = _place(running, options)
    order = VerifyOrder(server, session.procedure(running), None, jobs_of(options.jobs))
    trust = None if options.trust is None else trusted(server.project_dir, options.trust)
    if running.dry_run:
        page_order = _order(running, order, trust, session.launcher(running, server))
        session.print_questions(running, server, fleet_page.questions(page_order))
        return
    permission = gating.admitted(running, server, None)
    order.procedure.check_all()
    total = verifies.total(order)
    shown = options.out or server.shown(server.project_dir / _FILE_NAME)
    if out is not None:
        page_file.check_place(out, shown, server, is_forced=options.is_forced)
    launch = gating.launcher(running, server, permission)
    page_order = _order(running, order, trust, launch)
    with progress(total) as bar:
        page = fleet_page.fleet_page(page_order, launch, _Told(bar, order).tell)
    content = _rendered(page)
    if out is None:
        terminal.result(content.decode("utf-8"))
        return
    page_file.write_page(out, shown, server, content, is_forced=options.is_forced)
    terminal.result(shown)


class _Told:
    """Shows how many devices are verified, and how many of them have faults."""

    def __init__(self, shown: Progress, order: VerifyOrder) -> None:
        self._shown = shown
        self._tally = Tally(order)

    def tell(self, checked: Sequence[Checked]) -> None:
        self._tally.add(checked)
        self._shown.show(self._tally.devices, self._tally.faulty)


def _place(running: Running, options: Reporting) -> tuple[Server, Path | None]:
    """The server, and the file to write, None for standard output. Raises every problem of the options at once."""
    here = session.project_dir(running.place)
    given = _FILE_NAME if options.out is None else options.out
    checks = [
        (parse_server_name, session.server_name(running)),
        (session.parse_out, given),
        (jobs_of, options.jobs),
    ]
    raise_all(session.refusals(checks))
    server = Server(here, parse_server_name(session.server_name(running)))
    return server, None if given == _STANDARD_OUTPUT else here / given


def _order(running: Running, order: VerifyOrder, trust: Path | None, launch: Launch) -> PageOrder:
    subject = Subject(order.server, order.procedure, session.program(running.place), launch)
    return PageOrder(order, running.site, subject, trust, datetime.now(UTC))


def _rendered(page: Page) -> bytes:
    filters: Mapping[str, Callable[..., str]] = {
        "moment": moment,
        "left": lambda when: time_left(when, page.now),
        "number": lambda number: f"{number:,}",
        "serial": serial_hex,
        "verbatim": Verbatim,
    }
    values = {
        "page": page,
        "troubles": page_verdict.troubles(page),
        "problems": page_verdict.problems(page),
        "warnings": page_verdict.warnings(page),
        "is_ending": page_verdict.is_ending(page),
        "unwell": fleet_page.unwell(page.checks),
        "most_record_findings": fleet_page.MOST_RECORD_FINDINGS,
    }
    return render_page(_TEMPLATE, values, filters)
