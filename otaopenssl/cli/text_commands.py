"""The commands about what is audited: procedure and config. What a command does is imported when it is called."""

from typing import Annotated

import typer

from otaopenssl.cli.options import Directory, Json

procedure_app = typer.Typer(help="The audited texts: the commands that run, and no others.", rich_markup_mode=None)
config_app = typer.Typer(help="The OpenSSL configuration files in certs/.", rich_markup_mode=None)

ProcedureArgument = Annotated[
    str, typer.Argument(metavar="NAME|DIR", help="A built-in procedure, or a directory of texts.")
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
    target: Annotated[str, typer.Argument(metavar="DIR", help="A directory that is not there yet.")],
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
