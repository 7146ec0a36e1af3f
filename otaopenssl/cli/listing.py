"""The command that lists the devices and when their certificates expire."""

import csv
import io
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from otaopenssl import previous
from otaopenssl.cli import session, terminal
from otaopenssl.cli.defaults import Defaults
from otaopenssl.cli.numbers import days_of
from otaopenssl.cli.options import Running
from otaopenssl.device_files import naming_of
from otaopenssl.device_index import stock
from otaopenssl.errors import BadInput, Failed, moment, raise_all, reason
from otaopenssl.ids import parse_server_name
from otaopenssl.inventory import SOON_DAYS, Listed, Selection, State
from otaopenssl.layout import Server
from otaopenssl.outputs import serial_hex
from otaopenssl.stock import ends_of

_HEAD = ("uuid", "device ID", "serial number", "not after", "days left", "state")


class Listing(NamedTuple):
    """The options that this command alone has, as they were given."""

    expiring: str | None
    only_expired: bool
    as_csv: bool


def list_devices(running: Running, options: Listing) -> None:
    """Print the devices. Raises Failed where it was asked what expires, and something does."""
    running = Defaults(running.place).running(running)
    server, selection = _order(running, options)
    text = session.procedure(running).text("device.sh")
    previous.finish_quietly(server)
    devices = [selection.listed(device) for device in stock(server, naming_of(text))]
    listed = selection.of(devices)
    if running.json:
        terminal.result_json({"devices": [_document(one) for one in listed]})
    elif options.as_csv:
        terminal.result(_csv(listed))
    elif listed:
        is_repeated = all(one.device.device_id in (one.device.uuid, None) for one in listed)
        spare = _HEAD.index("device ID") if is_repeated else None
        terminal.result(terminal.columns([_cells(one) for one in listed], _HEAD, is_folded=False, spare=spare))
    if not devices:
        terminal.note(f"there are no devices in {server.shown(server.devices_dir)}")
    unknown = sum(one.state is State.UNKNOWN for one in devices)
    unreadable = f"{_devices(unknown)} no certificate that can be read" if unknown else ""
    if options.expiring is not None:
        _judge(server, selection, len(listed) - unknown, unreadable)
    elif unreadable:
        terminal.warn(f"{unreadable}: see 'otaopenssl verify --all'")


def _judge(server: Server, selection: Selection, expiring: int, unreadable: str) -> None:
    """Raise Failed where something expires, or cannot be told; ``unreadable`` are the words for devices of that."""
    problems = []
    if expiring:
        which = "1 device expires" if expiring == 1 else f"{expiring} devices expire"
        words = f"{which} within {selection.expiring_days} days, or {'has' if expiring == 1 else 'have'} expired"
        problems.append(Failed(words, hint=f"renew them: otaopenssl renew --expiring {selection.expiring_days}"))
    if unreadable:
        problems.append(Failed(unreadable, hint="see what is wrong: otaopenssl verify --all"))
    try:
        ends = [end for end in ends_of(server.ca_crt_path) if selection.is_expiring(end)]
        if ends:
            words = f"ca.crt expires on {moment(min(ends))}, and every device under it with it"
            problems.append(Failed(words, hint="plan for a new fleet root CA"))
    except (OSError, ValueError) as error:
        why = reason(error) if isinstance(error, OSError) else str(error)
        problems.append(Failed(f"ca.crt cannot be read: {why}", hint="put the fleet root CA back in its place"))
    raise_all(problems)


def _devices(quantity: int) -> str:
    return "1 device has" if quantity == 1 else f"{quantity} devices have"


def _order(running: Running, options: Listing) -> tuple[Server, Selection]:
    """The server and what is asked for. Raises every problem of the options at once."""
    here = session.project_dir(running.place)
    checks = [(parse_server_name, session.server_name(running)), (days_of, options.expiring)]
    problems = session.refusals(checks)
    if options.expiring is not None and options.only_expired:
        hint = "'--expiring 0' lists what has expired, and ends with exit status 1"
        problems.append(BadInput("both '--expiring' and '--expired' are given", hint=hint))
    if options.as_csv and running.json:
        problems.append(BadInput("both '--csv' and '--json' are given", hint="give one of them"))
    raise_all(problems)
    server = Server(here, parse_server_name(session.server_name(running)))
    days = None if options.expiring is None else days_of(options.expiring)
    return server, Selection(datetime.now(UTC), days, options.only_expired)


def _cells(one: Listed) -> tuple[str | terminal.Marked, ...]:
    device = one.device
    return (
        device.uuid,
        device.device_id or "",
        "" if device.serial is None else serial_hex(device.serial),
        "" if device.not_after is None else moment(device.not_after),
        "" if one.days_left is None else str(one.days_left),
        terminal.Marked(device.fault or one.state.value, _mark(one)),
    )


def _mark(one: Listed) -> terminal.State:
    if one.state is not State.VALID:
        return terminal.State.PROBLEM
    is_soon = one.days_left is not None and one.days_left < SOON_DAYS
    return terminal.State.WARNING if is_soon else terminal.State.OK


def _document(one: Listed) -> dict[str, object]:
    """A device for programs: times in ISO 8601 UTC, the serial number in hexadecimal."""
    device = one.device
    return {
        "uuid": device.uuid,
        "device_id": device.device_id,
        "serial": None if device.serial is None else serial_hex(device.serial),
        "not_before": None if device.not_before is None else device.not_before.isoformat(),
        "not_after": None if device.not_after is None else device.not_after.isoformat(),
        "days_left": one.days_left,
        "state": one.state.value,
        "sha256": device.sha256,
        "fault": device.fault or None,
    }


def _csv(listed: Iterable[Listed]) -> str:
    names = ("uuid", "device_id", "serial", "not_after", "days_left", "state", "sha256")
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(names)
    for one in listed:
        document = _document(one)
        writer.writerow(["" if document[name] is None else document[name] for name in names])
    return file.getvalue()
