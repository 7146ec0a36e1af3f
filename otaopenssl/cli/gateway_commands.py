"""The commands about the device gateway. What a command does is imported when it is called."""

from typing import Annotated

import typer

from otaopenssl.cli.options import (
    DEVICES,
    PATHS,
    Asking,
    CredentialsPath,
    Directory,
    DryRun,
    GatewayAddress,
    Json,
    OpenSSL,
    Pins,
    Port,
    ProcedureName,
    Running,
    ServerName,
    Style,
    Timeout,
    Verbose,
)

_HELP = """The device gateway: its address and its root certificate.

\b
Example:
  otaopenssl gateway url --credentials credentials.zip
"""
gateway_app = typer.Typer(help=_HELP, rich_markup_mode=None)


@gateway_app.command("url")
def gateway_url(
    context: typer.Context,
    credentials: Annotated[
        str,
        typer.Option(
            "--credentials", metavar="ZIP", autocompletion=PATHS, help="The credentials.zip of the OTA account."
        ),
    ],
    directory: Directory = None,
) -> None:
    """Print the gateway's URL, as autoprov.url in credentials.zip holds it (guide step 3).

    \b
    Example:
      otaopenssl gateway url --credentials credentials.zip
    """
    from otaopenssl.cli import fetching

    fetching.url(context.obj.narrowed(directory), credentials)


@gateway_app.command("root")
def gateway_root(
    context: typer.Context,
    gateway: GatewayAddress = None,
    credentials: CredentialsPath = None,
    uuid: Annotated[
        str | None,
        typer.Option(
            "--uuid",
            metavar="UUID",
            autocompletion=DEVICES,
            help="Put root.crt into the directory of this device.  [env var: DEVICE_UUID]",
        ),
    ] = None,
    out: Annotated[
        str | None, typer.Option("--out", metavar="FILE", autocompletion=PATHS, help="Write it into this file instead.")
    ] = None,
    port: Port = None,
    pin: Pins = None,
    timeout: Timeout = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a root.crt that differs.")] = False,
    server_name: ServerName = None,
    procedure: ProcedureName = None,
    dry_run: DryRun = False,
    style: Style = "guide",
    json: Json = False,
    verbose: Verbose = False,
    directory: Directory = None,
    openssl: OpenSSL = None,
) -> None:
    """Fetch the gateway's root certificate by the guide's s_client line (guide steps 3 and 4).

    Prints the path of root.crt. It is written by one rename, and only when the answer is good and the pins, and the CA
    in credentials.zip where there is one, vouch for it. Another root.crt that is there is kept.

    \b
    Example:
      otaopenssl gateway root --credentials credentials.zip --out root.crt
    """
    from otaopenssl.cli import fetching

    place = context.obj.narrowed(directory, openssl)
    running = Running(place, server_name, procedure, dry_run, style, json, verbose)
    asking = Asking(gateway, credentials, port, tuple(pin or ()), timeout)
    fetching.root(running, asking, uuid=uuid, out=out, force=force)
