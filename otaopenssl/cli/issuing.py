"""The commands that make or show certificates."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from otaopenssl.cli import terminal
from otaopenssl.cli.options import (
    Base,
    Directory,
    DryRun,
    Json,
    OpenSSL,
    ProcedureOption,
    ServerNameOption,
    Verbose,
    chosen_server_name,
    narrowed_base,
    refusals,
    server_in,
)
from otaopenssl.errors import raise_all
from otaopenssl.ids import parse_device_id, parse_device_uuid, parse_server_name, random_device_uuid
from otaopenssl.layout import Server
from otaopenssl.outputs import CertificateReport, serial_hex
from otaopenssl.runner import NO_TRUST_BUNDLE
from otaopenssl.script import Script, Style
from otaopenssl.texts import DEFAULT_PROCEDURE, Procedure, find_procedure

if TYPE_CHECKING:
    from otaopenssl.device import Order

StyleOption = Annotated[
    Style, typer.Option("--style", help="With --dry-run: the guide's own lines, or each command bound and quoted.")
]


def root_command(
    context: typer.Context,
    if_missing: Annotated[bool, typer.Option("--if-missing", help="Accept a fleet root CA that is there.")] = False,
    server_name: ServerNameOption = None,
    procedure: ProcedureOption = None,
    dry_run: DryRun = False,
    style: StyleOption = Style.GUIDE,
    json: Json = False,
    verbose: Verbose = False,
    directory: Directory = None,
    openssl: OpenSSL = None,
) -> None:
    """Make a self-signed fleet root CA: ca.key and ca.crt in the devices directory.

    Prints the path of ca.crt. An existing CA is never overwritten.

    \b
    Example:
      otaopenssl root --server-name myservername
    """
    from otaopenssl import root

    base = narrowed_base(context, directory, openssl)
    server = server_in(base, server_name)
    texts = _procedure(procedure)
    if dry_run:
        _print_script(root.script(server, texts, base.program_for_script()), style, json=json)
        return
    made = root.make_root(server, texts, base.runner(server, verbose=verbose), if_missing=if_missing)
    path = server.shown(server.ca_crt_path)
    if json:
        terminal.result_json({"certificate": path, "is_new": made.is_new, **_facts(made.report)})
        return
    if made.is_new:
        until = f"{made.report.not_after:%Y-%m-%d}"
        terminal.note(f"made a self-signed fleet root CA, for trying things out: {path}, valid until {until}")
    terminal.result(path)


def device_command(
    context: typer.Context,
    uuid: Annotated[
        str | None,
        typer.Option(
            "--uuid",
            metavar="UUID",
            help="The device UUID, or an ID of your own scheme such as a VIN."
            "  [env var: DEVICE_UUID; default: a random UUID]",
        ),
    ] = None,
    device_id: Annotated[
        str | None,
        typer.Option(
            "--device-id",
            metavar="ID",
            help="Names the CSR and chain files.  [env var: DEVICE_ID; default: the UUID]",
        ),
    ] = None,
    server_name: ServerNameOption = None,
    procedure: ProcedureOption = None,
    dry_run: DryRun = False,
    style: StyleOption = Style.GUIDE,
    json: Json = False,
    verbose: Verbose = False,
    directory: Directory = None,
    openssl: OpenSSL = None,
) -> None:
    """Issue a device certificate, signed by the fleet root CA (guide steps 1 and 2).

    Prints the device directory. It is there whole, or not at all; an existing one is never overwritten.

    \b
    Example:
      otaopenssl device --uuid SAJWA1C78D8V38055
    """
    from otaopenssl import device

    base = narrowed_base(context, directory, openssl)
    order = _order(base, uuid, device_id, server_name, _procedure(procedure))
    if dry_run:
        _print_script(device.script(order, base.program_for_script()), style, json=json)
        return
    made = device.make_device(order, base.runner(order.server, order.uuid, verbose=verbose))
    for warning in made.warnings:
        terminal.warn(warning)
    if json:
        document = {"uuid": made.uuid, "device_id": made.device_id, "directory": made.directory}
        terminal.result_json({**document, "files": made.files, "warnings": made.warnings, **_facts(made.report)})
        return
    terminal.note(f"device {made.uuid}: certificate issued by '{made.report.issuer}'")
    terminal.note(f"  serial number {serial_hex(made.report.serial)}, valid until {_until(made.report)}")
    terminal.note("  next: get the device gateway's root certificate (guide step 4), then install both on the device")
    terminal.result(made.directory)


def show_command(
    context: typer.Context,
    target: Annotated[str, typer.Argument(metavar="UUID|PATH", help="A device, its directory, or a certificate file.")],
    server_name: ServerNameOption = None,
    dry_run: DryRun = False,
    json: Json = False,
    verbose: Verbose = False,
    directory: Directory = None,
    openssl: OpenSSL = None,
) -> None:
    """Show a device's certificate: names, serial number, validity, usages, fingerprint, files.

    \b
    Example:
      otaopenssl show 4e7cdc4f-b7dc-4fb0-900f-a237ba3e804c
    """
    from otaopenssl import show

    base = narrowed_base(context, directory, openssl)
    server = server_in(base, server_name)
    if dry_run:
        environment = " ".join(f"{name}={value}" for name, value in NO_TRUST_BUNDLE.items())
        terminal.result(f"#!/usr/bin/env bash\n{environment} {show.command(server, target)}")
        return
    found = show.show(server, target, base.runner(server, verbose=verbose))
    if json:
        document: dict[str, Any] = {"certificate": server.shown(found.path), "sha256": found.sha256}
        terminal.result_json({**document, "files": found.files, **_facts(found.report)})
        return
    report = found.report
    rows = {
        "certificate": server.shown(found.path),
        "subject": report.subject,
        "issuer": report.issuer,
        "serial number": serial_hex(report.serial),
        "not before": f"{report.not_before:%Y-%m-%d %H:%M:%S} UTC",
        "not after": _until(report),
        "key usage": _usage(report.key_usage, report.key_usage_is_critical),
        "extended key usage": _usage(report.extended_key_usage, report.extended_key_usage_is_critical),
        "signature": report.signature_algorithm,
        "sha256": found.sha256,
    }
    terminal.result(terminal.table(rows | {f"file {name}": value for name, value in found.files.items()}))


def _procedure(option: str | None) -> Procedure:
    return find_procedure(DEFAULT_PROCEDURE if option is None else option)


def _order(
    base: Base, uuid: str | None, device_id: str | None, server_name: str | None, procedure: Procedure
) -> "Order":
    """The device that the options and the guide's variables mean. Raises BadInput with every malformed one."""
    from otaopenssl.device import Order

    project_dir = base.project_dir()
    name = chosen_server_name(server_name)
    checks: list[tuple[Callable[[str], object], str]] = [(parse_server_name, name)]
    uuid_text = os.environ.get("DEVICE_UUID") if uuid is None else uuid
    if uuid_text is None:
        uuid_text = random_device_uuid()
    checks.append((parse_device_uuid, uuid_text))
    # As in the guide's ${DEVICE_ID:-${DEVICE_UUID}}, an empty variable counts as none.
    id_text = (os.environ.get("DEVICE_ID") or None) if device_id is None else device_id
    if id_text is not None:
        checks.append((parse_device_id, id_text))
    raise_all(refusals(checks))
    return Order(
        server=Server(project_dir, parse_server_name(name)),
        uuid=parse_device_uuid(uuid_text),
        device_id=parse_device_id(uuid_text if id_text is None else id_text),
        procedure=procedure,
    )


def _print_script(script: Script, style: Style, *, json: bool) -> None:
    if json:
        terminal.result_json(script.document(style))
    else:
        terminal.result(script.text_in(style))


def _facts(report: CertificateReport) -> dict[str, Any]:
    """The facts of a certificate for programs: times in ISO 8601 UTC, the serial number in hexadecimal."""
    return {
        "subject": report.subject,
        "issuer": report.issuer,
        "serial": serial_hex(report.serial),
        "not_before": report.not_before.isoformat(),
        "not_after": report.not_after.isoformat(),
        "key_usage": report.key_usage,
        "extended_key_usage": report.extended_key_usage,
        "signature_algorithm": report.signature_algorithm,
    }


def _until(report: CertificateReport) -> str:
    left = report.not_after - datetime.now(UTC)
    days = f"{left.days} days left" if left.days >= 0 else "expired"
    return f"{report.not_after:%Y-%m-%d %H:%M:%S} UTC ({days})"


def _usage(usage: tuple[str, ...] | None, is_critical: bool) -> str:
    if usage is None:
        return "absent"
    return ", ".join(usage) + (" (critical)" if is_critical else "")
