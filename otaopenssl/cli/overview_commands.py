"""What a user can say to see and check what there is: each command's options and help."""

from typing import Annotated

import typer

from otaopenssl.cli.options import (
    DEVICES_OR_PATHS,
    PATHS,
    Directory,
    DryRunOfQuestions,
    Json,
    OpenSSL,
    ProcedureName,
    Running,
    ServerName,
    Verbose,
)


def verify(
    context: typer.Context,
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[UUID|PATH]...",
            help="Devices, by UUID or by directory.",
            show_default=False,
            autocompletion=DEVICES_OR_PATHS,
        ),
    ] = None,
    all_devices: Annotated[bool, typer.Option("--all", help="Every device of the server.")] = False,
    jobs: Annotated[
        str | None, typer.Option("--jobs", "-j", metavar="J", help="So many at a time.  [default: one a core]")
    ] = None,
    accept: Annotated[
        list[str] | None,
        typer.Option("--accept", metavar="CODE", help="Faults of this kind are told, and do not count.  [repeatable]"),
    ] = None,
    server_name: ServerName = None,
    procedure: ProcedureName = None,
    dry_run: DryRunOfQuestions = False,
    json: Json = False,
    verbose: Verbose = False,
    directory: Directory = None,
    openssl: OpenSSL = None,
) -> None:
    """Verify that devices are whole and right.

    Holds each device directory against the audited text, ca.crt, the other devices and the records: its files and
    their modes, whether keys, CSR and certificate belong together, what the certificate says, and whether a gateway
    would accept it today. Prints what it finds with its code (docs/findings.md), with --all warnings by their number
    alone; exit 1 if there is a fault.

    \b
    Example:
      otaopenssl verify --all
    """
    from otaopenssl.cli import verifying

    place = context.obj.narrowed(directory, openssl)
    running = Running(place, server_name, procedure, dry_run, json=json, verbose=verbose)
    verifying.verify(running, verifying.Verifying(tuple(targets or ()), all_devices, jobs, tuple(accept or ())))


def list_devices(
    context: typer.Context,
    expiring: Annotated[
        str | None,
        typer.Option(
            "--expiring", metavar="DAYS", help="Those alone that expire within so many days; exit 1 if there are any."
        ),
    ] = None,
    expired: Annotated[bool, typer.Option("--expired", help="Those alone that have expired.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV with a head.")] = False,
    server_name: ServerName = None,
    procedure: ProcedureName = None,
    json: Json = False,
    directory: Directory = None,
) -> None:
    """List the devices and when their certificates expire.

    Prints a line for each device directory: UUID, device ID, serial number, expiry, days left and state. Runs no
    openssl. Sorted by UUID; with --expiring or --expired by what expires first.

    \b
    Example:
      otaopenssl list --expiring 30
    """
    from otaopenssl.cli import listing

    running = Running(context.obj.narrowed(directory), server_name, procedure, json=json)
    listing.list_devices(running, listing.Listing(expiring, expired, csv))


def doctor(
    context: typer.Context,
    accept: Annotated[
        list[str] | None,
        typer.Option(
            "--accept", metavar="CHECK", help="A problem of this check is told, and does not count.  [repeatable]"
        ),
    ] = None,
    server_name: ServerName = None,
    procedure: ProcedureName = None,
    dry_run: DryRunOfQuestions = False,
    json: Json = False,
    verbose: Verbose = False,
    directory: Directory = None,
    openssl: OpenSSL = None,
) -> None:
    """Tell whether this machine and this project are fit to issue devices.

    Looks at openssl, the file system, the fleet root CA, who can get at private keys or replace what devices are made
    by, the audited texts, the approval and the records, and prints a line for each check (docs/doctor.md), with a hint
    where something is amiss. Exit 1 where there is a problem; warnings may be meant. Changes nothing, and leaves
    nothing.

    \b
    Example:
      otaopenssl doctor --server-name myservername
    """
    from otaopenssl.cli import diagnosing

    place = context.obj.narrowed(directory, openssl)
    diagnosing.doctor(Running(place, server_name, procedure, dry_run, json=json, verbose=verbose), tuple(accept or ()))


def report(
    context: typer.Context,
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            metavar="FILE|-",
            autocompletion=PATHS,
            help="Write the page there.  [default: report.html in the project]",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is no report as well.")] = False,
    trust: Annotated[
        str | None,
        typer.Option(
            "--trust",
            metavar="CERT",
            autocompletion=PATHS,
            help="Check that records are sealed by this certificate, or its CA.",
        ),
    ] = None,
    jobs: Annotated[
        str | None, typer.Option("--jobs", "-j", metavar="J", help="So many at a time.  [default: one a core]")
    ] = None,
    server_name: ServerName = None,
    procedure: ProcedureName = None,
    dry_run: DryRunOfQuestions = False,
    verbose: Verbose = False,
    directory: Directory = None,
    openssl: OpenSSL = None,
) -> None:
    """Write one page about the fleet, for people.

    A self-contained HTML file: how many devices there are and when they expire, what 'verify', 'audit' and 'doctor'
    find, the audited commands, and the runs that made the devices. Prints its path. An earlier report is replaced.
    Exit 0 once it is written, whatever it tells.

    \b
    Example:
      otaopenssl report --out report.html
    """
    from otaopenssl.cli import reporting

    running = Running(context.obj.narrowed(directory, openssl), server_name, procedure, dry_run, verbose=verbose)
    reporting.report(running, reporting.Reporting(out, force, trust, jobs))
