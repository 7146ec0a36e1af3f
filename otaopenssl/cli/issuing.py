"""The commands that make something: root, server and device."""

import os

from otaopenssl import device as devices
from otaopenssl import root as roots
from otaopenssl import server as servers
from otaopenssl.cli import fetching, gating, session, terminal
from otaopenssl.cli.defaults import Defaults
from otaopenssl.cli.facts import facts, valid_until
from otaopenssl.cli.options import Asking, Running
from otaopenssl.errors import Error, raise_all
from otaopenssl.ids import parse_device_id, parse_device_uuid, parse_server_name, random_device_uuid
from otaopenssl.layout import SERVER_NAMES, Server
from otaopenssl.outputs import serial_hex


def root(running: Running, *, if_missing: bool) -> None:
    """Make a fleet root CA and print the path of its certificate."""
    running = Defaults(running.place).running(running)
    server = session.server(running)
    procedure = session.procedure(running)
    if running.dry_run:
        session.print_script(roots.script(server, procedure, session.program_for_script(running.place)), running)
        return
    launch, evidence = gating.evidence(running, "root", server, procedure)
    made = roots.make_root(server, procedure, launch, if_missing=if_missing, evidence=evidence)
    path = server.shown(server.ca_crt_path)
    if running.json:
        terminal.result_json({"certificate": path, "is_new": made.is_new, **facts(made.report)})
        return
    if made.is_new:
        until = f"{made.report.not_after:%Y-%m-%d}"
        terminal.note(f"made a self-signed fleet root CA, for trying things out: {path}, valid until {until}")
    terminal.result(path)


def server(running: Running) -> None:
    """Make a server CA and a server certificate and print the path of the chain."""
    running = Defaults(running.place).running(running)
    target = session.server(running)
    procedure = session.procedure(running)
    if running.dry_run:
        session.print_script(servers.script(target, procedure, session.program_for_script(running.place)), running)
        return
    permission = gating.admitted(running, target, procedure, ("server.sh",), needs_ca=False)
    made = servers.make_server(target, procedure, gating.launcher(running, target, permission))
    paths = {name: target.shown(target.server_dir / name) for name in SERVER_NAMES}
    for warning in made.warnings:
        terminal.warn(warning)
    if running.json:
        terminal.result_json({"files": paths, "warnings": made.warnings, **facts(made.report)})
        return
    until = valid_until(made.report)
    terminal.note(f"made a server CA, and a certificate for '{target.name}' that is valid until {until}")
    terminal.note(f"  for the gateway: {paths['server.chain.pem']}, {paths['server.key']}")
    terminal.note(f"  for its clients: {paths['server_ca.pem']}")
    terminal.result(paths["server.chain.pem"])


def device(running: Running, asking: Asking, *, uuid: str | None, device_id: str | None) -> None:
    """Make a device and print its directory (guide step 5)."""
    defaults = Defaults(running.place)
    running, asking = defaults.running(running), defaults.asking(asking)
    order = _order(running, asking, uuid, device_id)
    if running.dry_run:
        session.print_script(devices.script(order, session.program_for_script(running.place)), running)
        return
    launch, evidence = gating.evidence(running, "device", order.server, order.procedure, order.gateway, order.uuid)
    made = devices.make_device(order, launch, evidence)
    for warning in made.warnings:
        terminal.warn(warning)
    if running.json:
        document = {"uuid": made.uuid, "device_id": made.device_id, "directory": made.directory, "files": made.files}
        sent = None if made.gateway is None else fetching.document(made.gateway)
        terminal.result_json({**document, "warnings": made.warnings, **facts(made.report), "gateway": sent})
        return
    terminal.note(f"device {made.uuid}: certificate issued by '{made.report.issuer}'")
    terminal.note(f"  serial number {serial_hex(made.report.serial)}, valid until {valid_until(made.report)}")
    if made.gateway is None:
        terminal.note(
            f"  next: get the gateway's root certificate: otaopenssl gateway root --uuid {made.uuid} --gateway URL"
        )
    else:
        fetching.tell(made.gateway)
    terminal.result(made.directory)


def _order(running: Running, asking: Asking, uuid: str | None, device_id: str | None) -> devices.Order:
    """The device that the options and the guide's variables mean. Raises BadInput with every malformed one."""
    project_dir = session.project_dir(running.place)
    server_name = session.server_name(running)
    uuid_text = os.environ.get("DEVICE_UUID", random_device_uuid()) if uuid is None else uuid
    # As in the guide's ${DEVICE_ID:-${DEVICE_UUID}}, an empty variable counts as none.
    id_text = (os.environ.get("DEVICE_ID") or None) if device_id is None else device_id
    problems = session.refusals(
        [(parse_server_name, server_name), (parse_device_uuid, uuid_text), (parse_device_id, id_text)]
    )
    gateway = None
    try:
        gateway = fetching.gateway_order(asking, project_dir)
    except Error as problem:
        problems.append(problem)
    raise_all(problems)
    return devices.Order(
        server=Server(project_dir, parse_server_name(server_name)),
        uuid=parse_device_uuid(uuid_text),
        device_id=parse_device_id(uuid_text if id_text is None else id_text),
        procedure=session.procedure(running),
        gateway=gateway,
    )
