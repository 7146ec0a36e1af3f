"""The command that makes many devices: its options and help. What it does is imported when it is called."""

from typing import Annotated

import typer

from otaopenssl.cli.image_options import images_of
from otaopenssl.cli.options import (
    PATHS,
    Asking,
    CredentialsPath,
    Directory,
    DryRun,
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
    seal_of,
)
from otaopenssl.cli.registry_options import ClientCertificate, ClientKey, RegistryCA, registry_of


def fleet(
    context: typer.Context,
    count: Annotated[
        str | None,
        typer.Option("--count", metavar="N", help="So many devices with random UUIDs, written to a plan file first."),
    ] = None,
    ids: Annotated[
        str | None,
        typer.Option(
            "--ids",
            metavar="FILE|-",
            autocompletion=PATHS,
            help="The devices of this list: one UUID a line, or CSV with the header uuid,device_id.",
        ),
    ] = None,
    csrs: Annotated[
        str | None,
        typer.Option(
            "--csrs",
            metavar="DIR",
            autocompletion=PATHS,
            help="Sign the CSRs in this directory, each named UUID.csr, as 'otaopenssl sign' does.",
        ),
    ] = None,
    jobs: Annotated[
        str | None, typer.Option("--jobs", "-j", metavar="J", help="So many at a time.  [default: one a core]")
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            metavar="FILE|-",
            autocompletion=PATHS,
            help="Write a CSV as devices finish: uuid, device_id, serial, not_after, sha256, directory.",
        ),
    ] = None,
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="Stop at the first device that fails.")] = False,
    register: Annotated[
        str | None,
        typer.Option(
            "--register",
            metavar="URL",
            help="Register each device with this device registry as it finishes, as 'otaopenssl register' does.",
        ),
    ] = None,
    ca: RegistryCA = None,
    client_cert: ClientCertificate = None,
    client_key: ClientKey = None,
    install_local: Annotated[
        str | None,
        typer.Option(
            "--install-local",
            metavar="DIR",
            autocompletion=PATHS,
            help="Install each device as it finishes, as 'otaopenssl install --local DIR/UUID' does.",
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            "--directory",
            metavar="TARGET",
            help="With --install-local: where the OTA client imports from.  [default: /var/sota/import]",
        ),
    ] = None,
    gateway: GatewayAddress = None,
    credentials: CredentialsPath = None,
    port: Port = None,
    pin: Pins = None,
    timeout: Annotated[
        str | None,
        typer.Option(
            "--timeout",
            metavar="SECONDS",
            help="How long the gateway may take to answer, and one attempt at the registry.  [default: 30]",
        ),
    ] = None,
    seal: SealFiles = None,
    passphrase_file: PassphraseFile = None,
    server_name: ServerName = None,
    procedure: ProcedureName = None,
    dry_run: DryRun = False,
    style: Style = "guide",
    json: Json = False,
    directory: Directory = None,
    openssl: OpenSSL = None,
) -> None:
    """Issue the certificates of many devices.

    Each device is made as 'otaopenssl device' makes it, whole or not at all. A device that is whole already is skipped,
    so that the same command again, or '--ids' with the plan file, makes what an interrupted run left. Prints the
    devices directory.

    \b
    Example:
      otaopenssl fleet --ids vins.csv --out issued.csv
    """
    from otaopenssl.cli import issuing_fleet

    registry = registry_of(register, ca, client_cert, client_key, timeout)
    images = images_of(install_local, target)
    place = context.obj.narrowed(directory, openssl)
    running = Running(place, server_name, procedure, dry_run, style, json, seal=seal_of(seal, passphrase_file))
    asking = Asking(gateway, credentials, port, tuple(pin or ()), timeout)
    options = issuing_fleet.FleetOptions(count, ids, csrs, jobs, out, fail_fast, registry, images)
    issuing_fleet.fleet(running, asking, options)
