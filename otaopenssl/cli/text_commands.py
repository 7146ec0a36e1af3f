"""The commands about what is audited: procedure and config. What a command does is imported when it is called."""

from typing import Annotated

import typer

from otaopenssl.cli.options import (
    DEVICES,
    PATHS,
    PROCEDURES,
    RECORDS,
    Directory,
    Json,
    OpenSSL,
    PassphraseFile,
    ProcedureName,
    Running,
    ServerName,
    seal_of,
)

_PROCEDURE_HELP = """The audited texts: the commands that run, and no others.

\b
Example:
  otaopenssl procedure show
"""
_CONFIG_HELP = """The OpenSSL configuration files in certs/.

\b
Example:
  otaopenssl config diff
"""
procedure_app = typer.Typer(help=_PROCEDURE_HELP, rich_markup_mode=None)
config_app = typer.Typer(help=_CONFIG_HELP, rich_markup_mode=None)

ProcedureArgument = Annotated[
    str,
    typer.Argument(
        metavar="NAME|DIR", autocompletion=PROCEDURES, help="A built-in procedure, or a directory of texts."
    ),
]


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
    target: Annotated[
        str, typer.Argument(metavar="DIR", autocompletion=PATHS, help="A directory that is not there yet.")
    ],
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


def approve(
    context: typer.Context,
    openssl_only: Annotated[
        bool, typer.Option("--openssl-only", help="Add the openssl of this machine, and change nothing else.")
    ] = False,
    check: Annotated[bool, typer.Option("--check", help="Tell what differs today; write nothing.")] = False,
    sign: Annotated[
        tuple[str, str] | None,
        typer.Option(
            "--sign", metavar="CERT KEY", autocompletion=PATHS, help="Add the signature of this certificate's owner."
        ),
    ] = None,
    passphrase_file: PassphraseFile = None,
    server_name: ServerName = None,
    procedure: ProcedureName = None,
    json: Json = False,
    directory: Directory = None,
    openssl: OpenSSL = None,
) -> None:
    """Approve what is here today: texts, configuration files, fleet root CA, openssl, environment.

    Writes approval.json, to be reviewed as a diff and committed. From then on nothing else runs in this project: what
    differs by a byte is refused with exit 3, and no openssl is started.

    \b
    Example:
      otaopenssl approve
    """
    from otaopenssl.cli import approving

    place = context.obj.narrowed(directory, openssl)
    running = Running(place, server_name, procedure, json=json, seal=seal_of(sign, passphrase_file, "--sign"))
    approving.approve(running, openssl_only=openssl_only, check=check)


def audit(
    context: typer.Context,
    records: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RECORD]...",
            autocompletion=RECORDS,
            help="Records, by name or path; all where none is named.",
        ),
    ] = None,
    trust: Annotated[
        str | None,
        typer.Option(
            "--trust",
            metavar="CERT",
            autocompletion=PATHS,
            help="The CA of the sealing certificates, or the one that seals.",
        ),
    ] = None,
    proof: Annotated[
        str | None,
        typer.Option(
            "--proof",
            metavar="UUID",
            autocompletion=DEVICES,
            help="Print the proof that a record tells of this device.",
        ),
    ] = None,
    server_name: ServerName = None,
    json: Json = False,
    directory: Directory = None,
    openssl: OpenSSL = None,
) -> None:
    """Check the records of what was issued.

    Their digests and chains, the commands against the texts and the approval, the seals, and the certificates in the
    devices directory against the records. Exit 1 with each finding; nothing is changed.

    \b
    Example:
      otaopenssl audit --trust sealer.crt
    """
    from otaopenssl.cli import auditing

    running = Running(context.obj.narrowed(directory, openssl), server_name, json=json)
    auditing.audit(running, records or [], trust=trust, uuid=proof)
