"""What a user can say: each command's options and help. What a command does is imported when it is called."""

from typing import Annotated

import typer

from otaopenssl.cli.options import (
    DEVICES,
    DEVICES_OR_PATHS,
    PATHS,
    Asking,
    CredentialsPath,
    Directory,
    DryRun,
    DryRunOfQuestions,
    GatewayAddress,
    Json,
    OpenSSL,
    PassphraseFile,
    Pins,
    Port,
    ProcedureName,
    Running,
    SealFiles,
    ServerName,
    Style,
    Timeout,
    Verbose,
    seal_of,
)


def root(
    context: typer.Context,
    if_missing: Annotated[bool, typer.Option("--if-missing", help="Accept a fleet root CA that is there.")] = False,
    seal: SealFiles = None,
    passphrase_file: PassphraseFile = None,
    server_name: ServerName = None,
    procedure: ProcedureName = None,
    dry_run: DryRun = False,
    style: Style = "guide",
    json: Json = False,
    verbose: Verbose = False,
    directory: Directory = None,
    openssl: OpenSSL = None,
) -> None:
    """Make a self-signed fleet root CA.

    Makes ca.key and ca.crt in the devices directory and prints the path of ca.crt. An existing CA is never overwritten.

    \b
    Example:
      otaopenssl root --server-name myservername
    """
    from otaopenssl.cli import issuing

    place = context.obj.narrowed(directory, openssl)
    issuing.root(
        Running(place, server_name, procedure, dry_run, style, json, verbose, seal_of(seal, passphrase_file)),
        if_missing=if_missing,
    )


def server(
    context: typer.Context,
    server_name: ServerName = None,
    procedure: ProcedureName = None,
    dry_run: DryRun = False,
    style: Style = "guide",
    json: Json = False,
    verbose: Verbose = False,
    directory: Directory = None,
    openssl: OpenSSL = None,
) -> None:
    """Make a server CA and a server certificate.

    They are for the gateway of an own OTA server, whose name the certificate is for. Prints the path of
    server.chain.pem. Nothing is ever overwritten.

    \b
    Example:
      otaopenssl server --server-name ota.example
    """
    from otaopenssl.cli import issuing

    place = context.obj.narrowed(directory, openssl)
    issuing.server(Running(place, server_name, procedure, dry_run, style, json, verbose))


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
    gateway: GatewayAddress = None,
    credentials: CredentialsPath = None,
    port: Port = None,
    pin: Pins = None,
    timeout: Timeout = None,
    seal: SealFiles = None,
    passphrase_file: PassphraseFile = None,
    server_name: ServerName = None,
    procedure: ProcedureName = None,
    dry_run: DryRun = False,
    style: Style = "guide",
    json: Json = False,
    verbose: Verbose = False,
    directory: Directory = None,
    openssl: OpenSSL = None,
) -> None:
    """Issue a device certificate (guide steps 1 and 2).

    It is signed by the fleet root CA. Where a gateway is named, its root certificate is fetched as well (steps 3 and
    4). Prints the device directory. It is there whole, or not at all; an existing one is never overwritten.

    \b
    Example:
      otaopenssl device --uuid SAJWA1C78D8V38055 --credentials credentials.zip
    """
    from otaopenssl.cli import issuing_device

    place = context.obj.narrowed(directory, openssl)
    running = Running(place, server_name, procedure, dry_run, style, json, verbose, seal_of(seal, passphrase_file))
    asking = Asking(gateway, credentials, port, tuple(pin or ()), timeout)
    issuing_device.device(running, asking, uuid=uuid, device_id=device_id)


def rehearse(
    context: typer.Context,
    against: Annotated[
        str | None,
        typer.Option(
            "--against", metavar="URL|HOST", help="Try a device of this project at this real gateway instead."
        ),
    ] = None,
    uuid: Annotated[
        str | None,
        typer.Option(
            "--uuid",
            metavar="UUID",
            autocompletion=DEVICES,
            help="The device; with --against one that is there.  [env var: DEVICE_UUID]",
        ),
    ] = None,
    port: Annotated[
        str | None,
        typer.Option(
            "--port",
            metavar="PORT",
            help="The gateway's port; with --against the one that root.crt is fetched from."
            "  [default: a free one; with --against the URL's, else 8000]",
        ),
    ] = None,
    pin: Pins = None,
    timeout: Timeout = None,
    keep: Annotated[
        str | None,
        typer.Option(
            "--keep", metavar="DIR", autocompletion=PATHS, help="Make everything in this new directory, and keep it."
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
    """Rehearse the guide with a gateway on this machine.

    Makes a fleet root CA, a gateway that demands certificates, and a device. Fetches root.crt from the gateway by the
    guide's line, then connects as the device and as two strangers, with each version of TLS, and prints what came of
    it. Nothing of the project is touched. No network is needed.

    \b
    Example:
      otaopenssl rehearse
    """
    from otaopenssl.cli import rehearsing

    place = context.obj.narrowed(directory, openssl)
    running = Running(place, server_name, procedure, dry_run, style, json, verbose)
    rehearsing.rehearse(running, rehearsing.Rehearsing(against, uuid, port, timeout, tuple(pin or ()), keep))


def show(
    context: typer.Context,
    target: Annotated[
        str,
        typer.Argument(
            metavar="UUID|PATH",
            autocompletion=DEVICES_OR_PATHS,
            help="A device, its directory, or a certificate file.",
        ),
    ],
    server_name: ServerName = None,
    dry_run: DryRunOfQuestions = False,
    json: Json = False,
    verbose: Verbose = False,
    directory: Directory = None,
    openssl: OpenSSL = None,
) -> None:
    """Show what is in a device's certificate.

    Names, serial number, validity, usages and fingerprint, and the files beside it.

    \b
    Example:
      otaopenssl show 4e7cdc4f-b7dc-4fb0-900f-a237ba3e804c
    """
    from otaopenssl.cli import reading

    place = context.obj.narrowed(directory, openssl)
    reading.show(Running(place, server_name, dry_run=dry_run, json=json, verbose=verbose), target)
