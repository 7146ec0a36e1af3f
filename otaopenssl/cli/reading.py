"""The commands about what is audited: the texts of a procedure, and the configuration files in certs/."""

from pathlib import Path
from typing import Annotated, Any

import typer

from otaopenssl.cli import terminal
from otaopenssl.cli.options import Directory, Json, narrowed_base, project_in
from otaopenssl.texts import DEFAULT_PROCEDURE, Procedure, built_in_procedures, export, find_procedure, sha256

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
    texts = {procedure.name: procedure.text_names() for procedure in built_in_procedures()}
    if json:
        terminal.result_json(texts)
    else:
        terminal.result(terminal.table({name: " ".join(names) for name, names in texts.items()}))


@procedure_app.command("show")
def procedure_show(name: ProcedureArgument = DEFAULT_PROCEDURE, json: Json = False) -> None:
    """Show a procedure: its texts with their digests, the departures from the guide, and what else openssl is asked.

    \b
    Example:
      otaopenssl procedure show ota-connect-2019.7
    """
    document = _document(find_procedure(name))
    if json:
        terminal.result_json(document)
        return
    lines = [f"procedure {document['procedure']}"]
    for text, facts in document["texts"].items():
        lines += ["", f"== {text}  sha256 {facts['sha256']}", "", facts["text"].rstrip("\n")]
    lines += ["", "== departures from the guide", ""]
    lines += [
        f"{found['name']}: the guide: {found['guide']}; the tool: {found['tool']}" for found in document["departures"]
    ]
    lines += ["", "== the whole environment of an openssl process (SSL_CERT_FILE not for s_client and verify)", ""]
    lines += [f"{variable}={value}" for variable, value in document["environment"].items()]
    lines += ["", "== the tool's own questions, which make nothing", ""]
    lines += [" ".join(words) for words in document["questions"]]
    terminal.result("\n".join(lines))


@procedure_app.command("export")
def procedure_export(
    name: ProcedureArgument,
    target: Annotated[str, typer.Argument(metavar="DIR", help="A directory that is not there yet.")],
) -> None:
    """Copy the texts of a procedure into a new directory, to be edited, audited and used with --procedure DIR.

    \b
    Example:
      otaopenssl procedure export ota-connect-2019.7 ./procedure
    """
    for path in export(find_procedure(name), Path(target)):
        terminal.result(str(path))


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
    from otaopenssl import configs

    done = configs.render(project_in(narrowed_base(context, directory, None)), force=force)
    terminal.result(terminal.table({f"./certs/{name}": what.value for name, what in done.items()}))


@config_app.command("diff")
def config_diff(context: typer.Context, directory: Directory = None) -> None:
    """Show how the files in certs/ differ from the tool's own; exit 1 where one does.

    \b
    Example:
      otaopenssl config diff
    """
    from otaopenssl import configs

    difference = configs.diff(project_in(narrowed_base(context, directory, None)))
    if difference:
        terminal.result(difference)
        raise typer.Exit(1)


def _document(procedure: Procedure) -> dict[str, Any]:
    """All that is audited of a procedure, for programs."""
    from otaopenssl.departures import DEPARTURES
    from otaopenssl.ids import DeviceUUID, ServerName
    from otaopenssl.runner import NO_TRUST_BUNDLE, QUESTIONS, environment

    contents = {text: procedure.content(text) for text in procedure.text_names()}
    return {
        "procedure": procedure.name,
        "texts": {text: {"sha256": sha256(body), "text": body.decode("utf-8")} for text, body in contents.items()},
        "departures": [departure._asdict() for departure in DEPARTURES],
        "environment": environment(ServerName("<server name>"), DeviceUUID("<device UUID>")) | NO_TRUST_BUNDLE,
        "questions": [question.words for question in QUESTIONS],
    }
