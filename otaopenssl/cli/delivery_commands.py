"""The commands for what follows a certificate: register and export. What one does is imported when it is called."""

from typing import Annotated

import typer

from otaopenssl.cli.options import (
    DEVICES,
    PATHS,
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
from otaopenssl.cli.registry_options import ClientCertificate, ClientKey, RegistryCA, RegistryOptions

DeviceUUIDArgument = Annotated[
    str | None,
    typer.Argument(metavar="UUID", autocompletion=DEVICES, help="The device.  [env var: DEVICE_UUID]"),
]


def register(
    context: typer.Context,
    registry: Annotated[
        str,
        typer.Option(
            "--registry",
            metavar="URL",
            help="The device registry, by http or https; without a path: /api/v1/devices.",
        ),
    ],
    uuid: DeviceUUIDArgument = None,
    ca: RegistryCA = None,
    client_cert: ClientCertificate = None,
    client_key: ClientKey = None,
    passphrase_file: Annotated[
        str | None,
        typer.Option(
            "--passphrase-file",
            metavar="FILE",
            autocompletion=PATHS,
            help="The passphrase of the client's key.  [default: asked for at the terminal]",
        ),
    ] = None,
    device_name: Annotated[
        str | None,
        typer.Option("--device-name", metavar="NAME", help="The device's name there.  [default: the device ID]"),
    ] = None,
    device_type: Annotated[
        str | None, typer.Option("--device-type", metavar="TYPE", help="The device's type there.  [default: Other]")
    ] = None,
    timeout: Annotated[
        str | None,
        typer.Option("--timeout", metavar="SECONDS", help="How long one attempt may take, as a whole.  [default: 30]"),
    ] = None,
    server_name: ServerName = None,
    procedure: ProcedureName = None,
    dry_run: DryRun = False,
    json: Json = False,
    directory: Directory = None,
) -> None:
    """Register a device with a device registry.

    Sends the request of OTA Community Edition's gen-device.sh: a PUT of the certificate and the device's names, never
    of a key. Asks again after 5xx and refused connections, up to five times. A device that is there already is fine.

    \b
    Example:
      otaopenssl register SAJWA1C78D8V38055 --registry http://registry.example
    """
    from otaopenssl.cli import registering

    place = context.obj.narrowed(directory)
    running = Running(place, server_name, procedure, dry_run, json=json)
    options = RegistryOptions(registry, ca, client_cert, client_key, passphrase_file, timeout)
    registering.run_register(running, options, registering.Telling(device_name, device_type), uuid)


def export(
    context: typer.Context,
    uuid: DeviceUUIDArgument = None,
    p12: Annotated[
        str | None,
        typer.Option(
            "--p12",
            metavar="FILE",
            autocompletion=PATHS,
            help="Key, certificate and ca.crt in PKCS#12, into this new file.",
        ),
    ] = None,
    der: Annotated[bool, typer.Option("--der", help="The certificate in DER.")] = False,
    tar: Annotated[bool, typer.Option("--tar", help="The whole device directory, always as the same bytes.")] = False,
    key: Annotated[
        bool, typer.Option("--key", help="With --der: the private key in PKCS#8 instead, not encrypted; needs --out.")
    ] = False,
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            metavar="FILE|-",
            autocompletion=PATHS,
            help="With --der and --tar: write into this new file.  [default: standard output]",
        ),
    ] = None,
    passphrase_file: Annotated[
        str | None,
        typer.Option(
            "--passphrase-file",
            metavar="FILE",
            autocompletion=PATHS,
            help="With --p12: its passphrase, the first line.  [default: asked for at the terminal]",
        ),
    ] = None,
    passphrase_fd: Annotated[
        str | None,
        typer.Option("--passphrase-fd", metavar="N", help="With --p12: read its passphrase from this descriptor."),
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
    """Hand out a device for another program: as PKCS#12, in DER, or as a tar archive.

    PKCS#12 is made by the audited line of export.sh, encrypted with a passphrase, and proven by openssl before it is
    there. What holds a key is mode 0600. Nothing is ever overwritten. Prints the path of the new file.

    \b
    Example:
      otaopenssl export SAJWA1C78D8V38055 --p12 SAJWA1C78D8V38055.p12
    """
    from otaopenssl.cli import exporting

    place = context.obj.narrowed(directory, openssl)
    running = Running(place, server_name, procedure, dry_run, style, json, verbose)
    exporting.export(running, exporting.ExportOptions(p12, der, tar, key, out, passphrase_file, passphrase_fd), uuid)
