"""The commands for what follows a certificate: register and export. What one does is imported when it is called."""

from typing import Annotated

import typer

from otaopenssl.cli.options import (
    DEVICES,
    PATHS,
    Directory,
    DryRun,
    Json,
    ProcedureName,
    Running,
    ServerName,
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
      otaopenssl register SAJWA1C78D8V38055 --registry http://deviceregistry.ota.ce
    """
    from otaopenssl.cli import registering

    place = context.obj.narrowed(directory)
    running = Running(place, server_name, procedure, dry_run, json=json)
    options = RegistryOptions(registry, ca, client_cert, client_key, passphrase_file, timeout)
    registering.run_register(running, options, registering.Telling(device_name, device_type), uuid)
