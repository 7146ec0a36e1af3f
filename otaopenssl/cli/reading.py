"""The commands that make no device: show, procedure and config."""

from pathlib import Path
from typing import Any

from otaopenssl import configs, previous, texts
from otaopenssl import show as shows
from otaopenssl.cli import gating, session, terminal
from otaopenssl.cli.defaults import Defaults
from otaopenssl.cli.facts import facts, rows
from otaopenssl.cli.options import Place, Running
from otaopenssl.departures import DEPARTURES
from otaopenssl.digest import sha256
from otaopenssl.environment import NO_TRUST_BUNDLE, environment
from otaopenssl.ids import DeviceUUID, ServerName
from otaopenssl.questions import QUESTIONS


def show(running: Running, target: str) -> None:
    """Print the facts of a certificate."""
    running = Defaults(running.place).running(running)
    server = session.server(running)
    if running.dry_run:
        session.print_questions(running, server, [shows.command(server, target)])
        return
    permission = gating.admitted(running, server, None)
    previous.finish_quietly(server)
    found = shows.show(server, target, gating.launcher(running, server, permission))
    path = server.shown(found.path)
    if running.json:
        terminal.result_json({"certificate": path, "sha256": found.sha256, "files": found.files, **facts(found.report)})
        return
    terminal.result(terminal.table({"certificate": path, **rows(found.report), "sha256": found.sha256}))
    if found.files:
        terminal.result("\n" + terminal.table(found.files))


def procedure_list(*, json: bool) -> None:
    """Print the built-in procedures and the names of their texts."""
    names = {procedure.name: procedure.text_names() for procedure in texts.built_in_procedures()}
    if json:
        terminal.result_json(names)
    else:
        terminal.result(terminal.table({name: " ".join(found) for name, found in names.items()}))


def procedure_show(place: Place, name: str, *, json: bool) -> None:
    """Print all that is audited of a procedure."""
    document = _document(texts.find_procedure(name, session.project_dir(place)))
    if json:
        terminal.result_json(document)
        return
    lines = [f"procedure {document['procedure']}"]
    for text, found in document["texts"].items():
        lines += ["", f"== {text}  sha256 {found['sha256']}", "", found["text"].rstrip("\n")]
    lines += ["", "== departures from the guide", ""]
    for departure in document["departures"]:
        lines.append(f"{departure['name']}: the guide {departure['guide']}; the tool {departure['tool']}")
    lines += ["", "== the whole environment of an openssl process (SSL_CERT_FILE not for s_client and verify)", ""]
    lines += [f"{variable}={value}" for variable, value in document["environment"].items()]
    lines += ["", "== the tool's own questions, which make nothing", ""]
    lines += [" ".join(words) for words in document["questions"]]
    terminal.result("\n".join(lines))


def procedure_export(place: Place, name: str, target: str) -> None:
    """Copy the texts of a procedure and print their new paths."""
    here = session.project_dir(place)
    for file in texts.export(texts.find_procedure(name, here), here / target):
        terminal.result(str(Path(target) / file))


def config_render(place: Place, *, force: bool) -> None:
    """Write the configuration files and print what was done with each."""
    done = configs.render(session.project(place), force=force)
    terminal.result(terminal.table({f"./certs/{name}": what.value for name, what in done.items()}))


def config_diff(place: Place) -> bool:
    """Print how the configuration files differ from the tool's own; whether one does."""
    difference = configs.diff(session.project(place))
    if difference:
        terminal.result(difference)
    return bool(difference)


def _document(procedure: texts.Procedure) -> dict[str, Any]:
    """All that is audited of a procedure, for programs."""
    contents = {text: procedure.content(text) for text in procedure.text_names()}
    return {
        "procedure": procedure.name,
        "texts": {text: {"sha256": sha256(body), "text": body.decode("utf-8")} for text, body in contents.items()},
        "departures": [departure._asdict() for departure in DEPARTURES],
        "environment": environment(ServerName("<server name>"), DeviceUUID("<device UUID>")) | NO_TRUST_BUNDLE,
        "questions": [question.words for question in QUESTIONS],
    }
