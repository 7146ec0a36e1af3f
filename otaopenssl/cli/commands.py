"""What a user can say: each command's options and help. What a command does is imported when it is called."""

from typing import Annotated

import typer

from otaopenssl.cli.options import (
    Directory,
    DryRun,
    Json,
    OpenSSL,
    ProcedureName,
    Running,
    ServerName,
    Style,
    Verbose,
)

procedure_app = typer.Typer(help="The audited texts: the commands that run, and no others.", rich_markup_mode=None)
config_app = typer.Typer(help="The OpenSSL configuration files in certs/.", rich_markup_mode=None)

ProcedureArgument = Annotated[
    str, typer.Argument(metavar="NAME|DIR", help="A built-in procedure, or a directory of texts.")
]


def root(
    context: typer.Context,
    if_missing: Annotated[bool, typer.Option("--if-missing", help="Accept a fleet root CA that is there.")] = False,
    server_name: ServerName = None,
    procedure: ProcedureName = None,
    dry_run: DryRun = False,
    style: Style = "guide",
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
    from otaopenssl.cli import issuing

    place = context.obj.narrowed(directory, openssl)
    issuing.root(Running(place, server_name, procedure, dry_run, style, json, verbose), if_missing=if_missing)


def device(
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
            help="Names the CSR and chain files.  [env var: DEVICE_ID; default: the device UUID]",
        ),
    ] = None,
    server_name: ServerName = None,
    procedure: ProcedureName = None,
    dry_run: DryRun = False,
    style: Style = "guide",
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
    from otaopenssl.cli import issuing

    place = context.obj.narrowed(directory, openssl)
    running = Running(place, server_name, procedure, dry_run, style, json, verbose)
    issuing.device(running, uuid=uuid, device_id=device_id)


def show(
    context: typer.Context,
    target: Annotated[str, typer.Argument(metavar="UUID|PATH", help="A device, its directory, or a certificate file.")],
    server_name: ServerName = None,
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
    from otaopenssl.cli import reading

    place = context.obj.narrowed(directory, openssl)
    reading.show(Running(place, server_name, dry_run=dry_run, json=json, verbose=verbose), target)


@procedure_app.command("list")
def procedure_list(json: Json = False) -> None:
    """List the built-in procedures and their texts.

    \b
    Example:
      otaopenssl procedure list
    """
    from otaopenssl.cli import reading

    reading.procedure_list(json=json)


@procedure_app.command("show")
def procedure_show(
    context: typer.Context,
    name: ProcedureArgument = "ota-connect-2019.7",
    json: Json = False,
    directory: Directory = None,
) -> None:
    """Show a procedure: its texts with their digests, the departures from the guide, and what else openssl is asked.

    \b
    Example:
      otaopenssl procedure show ota-connect-2019.7
    """
    from otaopenssl.cli import reading

    reading.procedure_show(context.obj.narrowed(directory), name, json=json)


@procedure_app.command("export")
def procedure_export(
    context: typer.Context,
    name: ProcedureArgument,
    target: Annotated[str, typer.Argument(metavar="DIR", help="A directory that is not there yet.")],
    directory: Directory = None,
) -> None:
    """Copy the texts of a procedure into a new directory, to be edited, audited and used with --procedure DIR.

    \b
    Example:
      otaopenssl procedure export ota-connect-2019.7 ./procedure
    """
    from otaopenssl.cli import reading

    reading.procedure_export(context.obj.narrowed(directory), name, target)


@config_app.command("render")
def config_render(
    context: typer.Context,
    force: Annotated[bool, typer.Option("--force", help="Replace files that differ, too.")] = False,
    directory: Directory = None,
) -> None:
    """Write the tool's configuration files into certs/; a file that is there is the team's own and is kept.

    \b
    Example:
      otaopenssl config render
    """
    from otaopenssl.cli import reading

    reading.config_render(context.obj.narrowed(directory), force=force)


@config_app.command("diff")
def config_diff(context: typer.Context, directory: Directory = None) -> None:
    """Show how the files in certs/ differ from the tool's own; exit 1 where one does.

    \b
    Example:
      otaopenssl config diff
    """
    from otaopenssl.cli import reading

    if reading.config_diff(context.obj.narrowed(directory)):
        raise typer.Exit(1)
