"""What a user can say to have a certificate for a key that is there: each command's options and help."""

from typing import Annotated

import typer

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
    Timeout,
    Verbose,
    seal_of,
)


def sign(
    context: typer.Context,
    csr: Annotated[
        str, typer.Argument(metavar="CSR|-", autocompletion=PATHS, help="The CSR (PKCS#10) in PEM or DER; - reads it.")
    ],
    uuid: Annotated[
        str | None,
        typer.Option(
            "--uuid", metavar="UUID", help="The device UUID, which must be the CSR's CN.  [env var: DEVICE_UUID]"
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
    """Sign a CSR, for a device whose key never leaves it.

    Runs the audited text from its signing line on. The CSR must be signed by its own key, and its CN be the device
    UUID; its key must be EC P-256 or P-384, RSA of 2048 bits or more, or Ed25519. Extensions that it asks for are not
    copied. Prints the device directory, which holds the CSR and no key; it is there whole, or not at all.

    \b
    Example:
      otaopenssl sign device.csr --uuid SAJWA1C78D8V38055
    """
    from otaopenssl.cli import signing

    place = context.obj.narrowed(directory, openssl)
    running = Running(place, server_name, procedure, dry_run, style, json, verbose, seal_of(seal, passphrase_file))
    asking = Asking(gateway, credentials, port, tuple(pin or ()), timeout)
    signing.sign(running, asking, csr, uuid=uuid, device_id=device_id)
