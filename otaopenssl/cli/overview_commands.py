"""The commands that look at the whole. What a command does is imported when it is called."""

import typer

from otaopenssl.cli.options import Directory, DryRun, Json, OpenSSL, ProcedureName, Running, ServerName, Verbose


def doctor(
    context: typer.Context,
    server_name: ServerName = None,
    procedure: ProcedureName = None,
    dry_run: DryRun = False,
    json: Json = False,
    verbose: Verbose = False,
    directory: Directory = None,
    openssl: OpenSSL = None,
) -> None:
    """Tell whether this machine and this project are fit to issue devices.

    Looks at openssl, the file system, the fleet root CA and who can get at its key, the audited texts, the approval and
    the records, and prints a line for each check, with a hint where something is amiss. Exit 1 where there is a
    problem; warnings may be meant. Changes nothing, and leaves nothing.

    \b
    Example:
      otaopenssl doctor --server-name myservername
    """
    from otaopenssl.cli import diagnosing

    place = context.obj.narrowed(directory, openssl)
    diagnosing.doctor(Running(place, server_name, procedure, dry_run, json=json, verbose=verbose))
