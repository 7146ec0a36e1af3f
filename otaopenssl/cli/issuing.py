"""The commands that make something: root and server."""

from otaopenssl import root as roots
from otaopenssl import server as servers
from otaopenssl.cli import gating, session, terminal
from otaopenssl.cli.defaults import Defaults
from otaopenssl.cli.facts import facts, valid_until
from otaopenssl.cli.options import Running
from otaopenssl.layout import SERVER_NAMES


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
        until = valid_until(made.report)
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
    made = servers.make_server(target, procedure, gating.launcher(running, target, permission), permission)
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
