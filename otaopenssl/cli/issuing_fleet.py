"""The command that makes many devices: which ones, how far it is, and what came of them."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple, Optional

from otaopenssl import fleet as fleets
from otaopenssl.account import Result
from otaopenssl.cli import gating, session, terminal
from otaopenssl.cli.asked_gateway import gateway_order
from otaopenssl.cli.defaults import Defaults
from otaopenssl.cli.fleet_summary import STANDARD_STREAM, again_words, plan_of, report
from otaopenssl.cli.numbers import jobs_of, number
from otaopenssl.cli.options import Asking, Running
from otaopenssl.cli.progress import Progress, progress
from otaopenssl.cli.registry_options import RegistryOptions
from otaopenssl.errors import BadInput, Error, Unfit, quoted, raise_all
from otaopenssl.fleet import FleetOrder
from otaopenssl.fleet_block import Outcome
from otaopenssl.id_list import MOST_DEVICES, IDList, drawn_ids, read_ids
from otaopenssl.ids import parse_server_name
from otaopenssl.issued_list import IssuedList, check_place
from otaopenssl.layout import Server

if TYPE_CHECKING:
    # Most fleets have nothing follow, and what that takes would be a part of their time.
    from otaopenssl.cli.following_fleet import Followed
    from otaopenssl.cli.image_options import ImageOptions
    from otaopenssl.fleet_script import Follower
    from otaopenssl.local_installs import LocalInstalls
    from otaopenssl.request_source import RequestDirectory


class FleetOptions(NamedTuple):
    """The options that this command alone has, as they were given."""

    quantity: str | None
    ids: str | None
    csrs: str | None
    jobs: str | None
    out: str | None
    fail_fast: bool
    registry: RegistryOptions | None = None
    images: Optional["ImageOptions"] = None

    def has_followers(self) -> bool:
        """Whether something is done with each device once it is whole."""
        return self.registry is not None or self.images is not None


def fleet(running: Running, asking: Asking, options: FleetOptions) -> None:
    """Make the devices and print the devices directory."""
    defaults = Defaults(running.place)
    running, asking = defaults.running(running), defaults.asking(asking)
    options = options._replace(jobs=defaults.jobs(options.jobs))
    if options.registry is not None and not asking.names_gateway():
        # It is the registry's alone.
        asking = asking._replace(timeout=None)
    with _order(running, asking, options) as order:
        installs = _installs(options, order, asking, defaults)
        if running.dry_run:
            from otaopenssl.fleet_script import FleetScript

            program = session.program_for_script(running.place)
            followers = _followers(options, order, installs)
            session.print_script(FleetScript(order, program, followers), running)
            return
        followed = _followed(running, options, order, installs)
        launch, evidence = gating.evidence(
            running, "fleet" if order.csrs is None else "sign", order.server, order.procedure, order.gateway
        )
        issued_list = _issued_list(options, order)
        with progress(order.ids.quantity) as shown:
            told = _Told(shown, issued_list, followed)
            make = partial(fleets.make_fleet, order, launch, told.tell, evidence=evidence)
            summary = make() if followed is None else followed.made(make)
        if issued_list is not None:
            try:
                issued_list.close()
            except Unfit as problem:
                summary.stopped = summary.stopped or problem
        if followed is not None:
            followed.finish(summary)
        again = again_words(plan_of(order, summary), options.quantity)
        report(running, order, summary, options.out, again, followed)


def _installs(
    options: FleetOptions, order: FleetOrder, asking: Asking, defaults: Defaults
) -> Optional["LocalInstalls"]:
    """Where the devices are installed, if that is asked for. Raises BadInput or Unfit."""
    if options.images is None:
        return None
    from otaopenssl.cli import installing

    url = installing.gateway_url(order.server.project_dir, asking.gateway, asking.credentials, defaults)
    return installing.local_installs(options.images, order.server, order.procedure.text("device.sh"), url)


def _followed(
    running: Running, options: FleetOptions, order: FleetOrder, installs: Optional["LocalInstalls"]
) -> Optional["Followed"]:
    """What follows the devices that are whole; None where nothing does, as mostly."""
    if not options.has_followers():
        return None
    from otaopenssl.cli import following_fleet

    program = session.program(running.place) or ""
    return following_fleet.followed(options.registry, installs, program, order)


def _followers(options: FleetOptions, order: FleetOrder, installs: Optional["LocalInstalls"]) -> list["Follower"]:
    """The same for a script."""
    found: list[Follower] = [] if installs is None else [installs]
    if options.registry is not None:
        from otaopenssl.cli import registering

        found.append(registering.in_script(options.registry, order.server.project_dir))
    return found


class _Told:
    """Shows and writes down what comes of devices."""

    def __init__(self, shown: Progress, issued_list: IssuedList | None, followed: Optional["Followed"]) -> None:
        self._shown = shown
        self._issued_list = issued_list
        self._followed = followed
        self._done = 0
        self._failed = 0

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        self._done += len(outcomes)
        self._failed += sum(outcome.result is Result.FAILED for outcome in outcomes)
        self._shown.show(self._done, self._failed)
        if self._issued_list is not None:
            self._issued_list.write(outcomes)
        if self._followed is not None:
            self._followed.add(outcomes)


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
            csrs=None if options.csrs is None else _request_directory(project_dir, options.csrs),
        )


def _request_directory(project_dir: Path, csrs: str) -> "RequestDirectory":
    # Imported here because most fleets make their CSRs themselves.
    from otaopenssl.request_source import RequestDirectory

    return RequestDirectory(project_dir / csrs, csrs)


def _contradictions(running: Running, options: FleetOptions) -> list[Error]:
    problems: list[Error] = []
    if options.csrs == "":
        problems.append(BadInput("'--csrs' names no directory", hint="give '--csrs DIR'"))
    named = {"--count": options.quantity, "--ids": options.ids, "--csrs": options.csrs}
    given = [quoted(option) for option, value in named.items() if value is not None]
    if len(given) != 1:
        words = f"both {' and '.join(given)} are given" if given else "no devices are named"
        hint = "give '--count N' for random UUIDs, '--ids FILE', or '--csrs DIR' for keys that devices have"
        problems.append(BadInput(words, hint=hint))
    problems += session.refusals([(session.parse_out, options.out)])
    if options.registry is not None:
        from otaopenssl.cli import registering

        problems += registering.option_problems(options.registry)
    if options.images is not None:
        from otaopenssl.cli import installing

        problems += installing.image_problems(options.images)
    if options.out == STANDARD_STREAM and running.json:
        words = "'--out -' and '--json' both want standard output"
        problems.append(BadInput(words, hint="give '--out FILE' with '--json'"))
    return problems


def _ids(options: FleetOptions, project_dir: Path) -> IDList:
    if options.csrs is not None:
        from otaopenssl.request_source import request_ids

        return request_ids(project_dir / options.csrs, f"directory {quoted(options.csrs)}")
    if options.ids is None:
        return drawn_ids(_count(options.quantity or ""))
    if options.ids == STANDARD_STREAM:
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
    if options.out == STANDARD_STREAM:
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
