"""The command that makes one device."""

import os

from otaopenssl import device as devices
from otaopenssl.cli import gating, session, terminal
from otaopenssl.cli.asked_gateway import gateway_order
from otaopenssl.cli.defaults import Defaults
from otaopenssl.cli.facts import facts, valid_until
from otaopenssl.cli.options import Asking, Running
from otaopenssl.errors import raise_all
from otaopenssl.ids import parse_device_id, parse_device_uuid, parse_server_name, random_device_uuid
from otaopenssl.layout import Server
from otaopenssl.outputs import serial_hex


def device(running: Running, asking: Asking, *, uuid: str | None, device_id: str | None) -> None:
    """Make a device and print its directory (guide step 5)."""
    defaults = Defaults(running.place)
    running, asking = defaults.running(running), defaults.asking(asking)
    uuid = os.environ.get("DEVICE_UUID", random_device_uuid()) if uuid is None else uuid
    issue(running, device_order(running, asking, uuid, device_id), "device")


def issue(running: Running, order: devices.Order, command: str) -> None:
    """Have the device of the order made by the command of that name, and print its directory."""
    if running.dry_run:
        from otaopenssl.device_script import script

        session.print_script(script(order, session.program_for_script(running.place)), running)
        return
    launch, evidence = gating.evidence(running, command, order.server, order.procedure, order.gateway, order.uuid)
    made = devices.make_device(order, launch, evidence)
    for warning in made.warnings:
        terminal.warn(warning)
    if running.json:
        document = {"uuid": made.uuid, "device_id": made.device_id, "directory": made.directory, "files": made.files}
        sent = None
        if made.gateway is not None:
            from otaopenssl.cli import fetching

            sent = fetching.document(made.gateway)
        terminal.result_json({**document, "warnings": made.warnings, **facts(made.report), "gateway": sent})
        return
    terminal.note(f"device {made.uuid}: certificate issued by '{made.report.issuer}'")
    terminal.note(f"  serial number {serial_hex(made.report.serial)}, valid until {valid_until(made.report)}")
    if made.gateway is None:
        terminal.note(
            f"  next: get the gateway's root certificate: otaopenssl gateway root --uuid {made.uuid} --gateway URL"
        )
    else:
        from otaopenssl.cli import fetching

        fetching.tell(made.gateway)
    terminal.result(made.directory)


def device_order(running: Running, asking: Asking, uuid: str, device_id: str | None) -> devices.Order:
    """The device that the options and the guide's variables mean. Raises BadInput with every malformed one."""
    project_dir = session.project_dir(running.place)
    server_name = session.server_name(running)
    # As in the guide's ${DEVICE_ID:-${DEVICE_UUID}}, an empty variable counts as none.
    id_text = (os.environ.get("DEVICE_ID") or None) if device_id is None else device_id
    problems = session.refusals(
        [(parse_server_name, server_name), (parse_device_uuid, uuid), (parse_device_id, id_text)]
    )
    gateway = gateway_order(asking, project_dir, problems)
    raise_all(problems)
    return devices.Order(
        server=Server(project_dir, parse_server_name(server_name)),
        uuid=parse_device_uuid(uuid),
        device_id=parse_device_id(uuid if id_text is None else id_text),
        procedure=session.procedure(running),
        gateway=gateway,
    )
