"""One use case: a server CA and a server certificate, for the gateway of an own OTA server or a rehearsal.

Source: OTA Community Edition, scripts/gen-server-certs.sh.
"""

import os
from collections.abc import Sequence
from pathlib import PurePath
from typing import NamedTuple

from otaopenssl import configs, server_directory, workbench
from otaopenssl.complaints import first_complaint
from otaopenssl.errors import Error, Failed, Unfit, quoted
from otaopenssl.execution import Execution
from otaopenssl.interrupts import hold_for_good
from otaopenssl.layout import SERVER_NAMES, Server
from otaopenssl.outputs import CertificateReport, is_key_of, is_name_match
from otaopenssl.permission import Permission
from otaopenssl.program import Launch, launch_unless
from otaopenssl.questions import HOST_CHECK, PUBLIC_KEY_REPORT, SERVER_CHECK
from otaopenssl.reports import ask_report
from otaopenssl.runner import Runner
from otaopenssl.script import Body, Script, here_documents, steps_of
from otaopenssl.steps import Text
from otaopenssl.texts import Procedure
from otaopenssl.workbench import Workbench

_CONFIG_HINT = "look at ./certs/server.cnf, server.ext and server_ca.cnf: otaopenssl config diff"


class ServerCertificate(NamedTuple):
    """A server CA and a certificate under it: the facts of that, and what works today and fails later."""

    server: Server
    report: CertificateReport
    warnings: tuple[str, ...]


def make_server(
    server: Server, procedure: Procedure, launch: Launch, permission: Permission | None = None
) -> ServerCertificate:
    """A server CA and a server certificate for the server's name, published whole in the server directory.

    An existing file is never overwritten. Where there is a permission, nothing is published unless what it permits is
    still there. Raises NotApproved, Unfit (there already, not writable, no openssl), BadInput (texts, configuration
    files) or Failed (openssl, checks).
    """
    text = procedure.text("server.sh")
    server_directory.check(server)
    runner = launch_unless(_problems(server, text), launch)
    with configs.provided(server, text), server_directory.provided(server), workbench.opened(server) as bench:
        watch = None if permission is None else permission.settled().watch()
        execution = Execution(runner, bench.root, text)
        for step in text.steps:
            execution.perform(step.bind(server.own_places()))
        made = _examined(server, runner, bench)
        if watch is not None:
            watch.check_again()
        bench.publish_server(hold_for_good)
    return made


def script(server: Server, procedure: Procedure, program: str | None) -> Script:
    """What ``otaopenssl server`` would run, without running or writing anything."""
    text = procedure.text("server.sh")
    rendered = configs.missing(server, text)
    body = script_body(server, text, rendered)
    return Script("otaopenssl server", server, [text], body, rendered, program=program)


def script_body(server: Server, text: Text, rendered: dict[str, bytes]) -> Body:
    """The lines of that script after its exports."""
    names = " ".join(f'"${{SERVER_DIR}}/{name}"' for name in _names(text))
    return [
        'export SERVER_DIR="./${SERVER_NAME}"  # as the source of this text has it',
        f"for file in {names}; do",
        '  [ ! -e "${file}" ] || { echo "${file} is there already" >&2; exit 4; }',
        "done",
        *server_directory.script_lines(),
        *here_documents(rendered),
        *steps_of(text, server.own_places()),
        "",
        'echo "${SERVER_DIR}/server.chain.pem"',
    ]


def _names(text: Text) -> Sequence[str]:
    """What the text writes into the server directory, the file of the serial number that is not named included."""
    words = [*(word for step in text.steps for word in step.output_words)]
    names = [str(word[1]).removeprefix("/") for word in words]
    for step in text.steps:
        ca = step.option("-CA")
        if step.has("-CAcreateserial") and ca is not None:
            names.append(f"{PurePath(str(ca[-1])).stem}.srl")
    return tuple(dict.fromkeys(names))


def _problems(server: Server, text: Text) -> list[Error]:
    """What keeps the certificates from being made."""
    problems: list[Error] = []
    present = [name for name in _names(text) if os.path.lexists(server.server_dir / name)]
    shown = quoted(server.shown(server.server_dir))
    if set(SERVER_NAMES) <= set(present):
        hint = "it is never overwritten; choose another server name with '--server-name NAME'"
        problems.append(Unfit(f"a server CA is there already: {shown}", hint=hint))
    elif present:
        hint = "choose another server name with '--server-name NAME'; what an interrupted run left may be moved away"
        problems.append(Unfit(f"half a server CA is there, in {shown}: {', '.join(present)} alone", hint=hint))
    rendered = configs.missing(server, text)
    problems += configs.examine(server, text, rendered)
    problems += server_directory.check_writable(server)
    problems += configs.check_writable(server, rendered)
    return problems


def _examined(server: Server, runner: Runner, bench: Workbench) -> ServerCertificate:
    """The facts of what was made. Raises Failed where clients would refuse it."""
    directory = bench.staged.server_dir
    report, text = ask_report(runner, "server.crt", cwd=directory, shown="server.crt")
    key = runner.ask(PUBLIC_KEY_REPORT, "server.key", cwd=directory)
    if not is_key_of(key.stdout.decode("utf-8", "replace"), text):
        raise Failed("'server.key' is not the private key of 'server.crt'", hint="look at the text: server.sh")
    checked = runner.ask(SERVER_CHECK, "server.crt", cwd=directory, trusted="server_ca.pem")
    if not checked.is_good:
        words = first_complaint(checked.stderr) or first_complaint(checked.stdout)
        raise Failed(f"the server certificate is not fit for a gateway: {words}", hint=_CONFIG_HINT)
    warnings = []
    named = runner.ask(HOST_CHECK, "server.crt", cwd=directory, host=server.name)
    if not is_name_match(named.stdout):
        warnings.append(f"the server certificate is not for {quoted(server.name)}: clients that check it refuse it")
    return ServerCertificate(server, report, tuple(warnings))
