"""The command that puts a device's files where its OTA client imports them from."""

from typing import Annotated

import typer

from otaopenssl.cli.image_options import DEFAULT_DIRECTORY
from otaopenssl.cli.options import (
    DEVICES,
    PATHS,
    CredentialsPath,
    Directory,
    DryRun,
    Json,
    OpenSSL,
    ProcedureName,
    Running,
    ServerName,
    Verbose,
)


def install(
    context: typer.Context,
    uuid: Annotated[
        str | None,
        typer.Argument(
            metavar="[UUID]", help="The device.  [env var: DEVICE_UUID]", show_default=False, autocompletion=DEVICES
        ),
    ] = None,
    to: Annotated[
        str | None, typer.Option("--to", metavar="[USER@]HOST", help="Install on this device, by sftp.")
    ] = None,
    local: Annotated[
        str | None,
        typer.Option(
            "--local",
            metavar="DIR",
            autocompletion=PATHS,
            help="Install into the image whose root is mounted there instead.",
        ),
    ] = None,
    port: Annotated[
        str | None, typer.Option("--port", metavar="PORT", help="The port of the ssh server.  [default: 22]")
    ] = None,
    target: Annotated[
        str,
        typer.Option(
            "--directory",
            metavar="TARGET",
            help="Where the OTA client imports from, on the device; it must be there.",
        ),
    ] = DEFAULT_DIRECTORY,
    gateway: Annotated[
        str | None,
        typer.Option(
            "--gateway",
            metavar="URL",
            help="What gateway.url is to hold: the URL of autoprov.url.  [env var: device_gateway]",
        ),
    ] = None,
    credentials: CredentialsPath = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Write over another identity or configuration that is there.")
    ] = False,
    toml: Annotated[
        bool, typer.Option("--toml", help="Install a configuration of aktualizr as well: sota-device-cred.toml.")
    ] = False,
    ota_ce: Annotated[
        bool, typer.Option("--ota-ce", help="With --toml: OTA Community Edition's config.toml instead.")
    ] = False,
    accept_new_host_key: Annotated[
        bool,
        typer.Option(
            "--accept-new-host-key",
            help="Accept the key of a host that is not known, and remember it; never one that has changed.",
        ),
    ] = False,
    ssh_config: Annotated[
        str | None,
        typer.Option(
            "--ssh-config", metavar="FILE", autocompletion=PATHS, help="Use this in place of your ssh configuration."
        ),
    ] = None,
    timeout: Annotated[
        str | None,
        typer.Option("--timeout", metavar="SECONDS", help="How long the device may take to answer.  [default: 30]"),
    ] = None,
    server_name: ServerName = None,
    procedure: ProcedureName = None,
    dry_run: DryRun = False,
    json: Json = False,
    verbose: Verbose = False,
    directory: Directory = None,
    openssl: OpenSSL = None,
) -> None:
    """Install a device's certificate on the device (guide step 6).

    Puts pkey.pem, root.crt, gateway.url and client.pem into the directory and
    prints the place. They are written under temporary names, fetched back and
    compared, and only then moved. What another identity has there is kept. Run
    again, it finishes what an interruption left.

    \b
    Example:
      otaopenssl install UUID --to root@device --credentials credentials.zip
    """
    from otaopenssl.cli import installing

    place = context.obj.narrowed(directory, openssl)
    running = Running(place, server_name, procedure, dry_run, json=json, verbose=verbose)
    ssh = installing.Ssh(port, accept_new_host_key, ssh_config, timeout)
    options = installing.Installing(uuid, to, local, target, gateway, credentials, replace, toml, ota_ce, ssh)
    installing.install(running, options)
