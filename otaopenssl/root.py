"""One use case: a self-signed fleet root CA, for teams that have none yet and for trying things out.

Source: OTA Community Edition, scripts/start.sh.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from otaopenssl import configs, locks, server_directory, workbench
from otaopenssl.account import Account
from otaopenssl.errors import Error, Failed, Unfit, quoted
from otaopenssl.evidence import Commit, Evidence, kept, of_one
from otaopenssl.execution import Execution
from otaopenssl.fleet_root import require
from otaopenssl.interrupts import held, hold_for_good
from otaopenssl.layout import Server
from otaopenssl.measured import certificate_digest
from otaopenssl.outputs import CertificateReport
from otaopenssl.program import Launch, launch_unless
from otaopenssl.runner import Runner
from otaopenssl.script import Body, Script, here_documents, steps_of
from otaopenssl.steps import Text
from otaopenssl.texts import Procedure
from otaopenssl.wholeness import Issued


class Root(NamedTuple):
    """A fleet root CA: the report of its certificate, and whether this run made it."""

    server: Server
    report: CertificateReport
    is_new: bool


def make_root(
    server: Server, procedure: Procedure, launch: Launch, *, if_missing: bool, evidence: Evidence | None = None
) -> Root:
    """A self-signed fleet root CA in the devices directory, published whole; the one there is, where ``if_missing``.

    An existing key or certificate is never overwritten. Where one is made a record tells of it. Raises NotApproved,
    Unfit (there already, not writable, no openssl), BadInput (texts, configuration files) or Failed (openssl,
    checks).
    """
    account = Account()
    with kept(evidence, account):
        return _root(server, procedure, launch, account, evidence, if_missing=if_missing)


def _root(
    server: Server,
    procedure: Procedure,
    launch: Launch,
    account: Account,
    evidence: Evidence | None,
    *,
    if_missing: bool,
) -> Root:
    text = procedure.text("root.sh")
    server_directory.check(server)
    if if_missing and _is_there(server):
        return Root(server, require(server, launch()), is_new=False)
    try:
        runner = launch_unless(_problems(server, text), launch)
        return Root(server, _made(server, text, runner, account, evidence), is_new=True)
    except Error:
        if if_missing and _is_there(server):  # another run was faster
            return Root(server, require(server, launch()), is_new=False)
        raise


def _made(server: Server, text: Text, runner: Runner, account: Account, evidence: Evidence | None) -> CertificateReport:
    is_new_server = not server.server_dir.is_dir()
    with (
        configs.provided(server, text),
        server_directory.provided(server),
        _recorded(evidence, account, runner, is_new_server=is_new_server) as told,
        workbench.opened(server) as bench,
    ):
        execution = Execution(runner, bench.root, text, account)
        for step in text.steps:
            execution.perform(step.bind(server.places()))
        try:
            report = require(bench.staged, runner)
        except Unfit as error:
            hint = "correct the config file that it was made by: ./certs/device_ca.cnf"
            raise Failed(f"the fleet root CA that was made is not fit: {error.message}", hint=hint) from error
        issued = Issued(report.serial, report.not_after, certificate_digest(bench.staged.ca_crt_path) or "")

        def commit() -> None:
            told(issued)
            hold_for_good()

        bench.publish_root(commit)
    return report


@contextmanager
def _recorded(evidence: Evidence | None, account: Account, runner: Runner, *, is_new_server: bool) -> Iterator[Commit]:
    """A record of the block; where it fails in a server directory that is removed again, none."""
    try:
        with of_one(evidence, account, runner) as (_, told):
            yield told
    except BaseException:
        if is_new_server and evidence is not None:
            with held():
                evidence.abandon()
        raise


def script(server: Server, procedure: Procedure, program: str | None) -> Script:
    """What ``otaopenssl root`` would run, without running or writing anything."""
    text = procedure.text("root.sh")
    rendered = configs.missing(server, text)
    body = script_body(server, text, rendered)
    return Script("otaopenssl root", server, [text], body, rendered, program=program)


def script_body(server: Server, text: Text, rendered: dict[str, bytes]) -> Body:
    """The lines of that script after its exports."""
    return [
        'for file in "${DEVICES_DIR}/ca.key" "${DEVICES_DIR}/ca.crt"; do',
        '  [ ! -e "${file}" ] || { echo "${file} is there already" >&2; exit 4; }',
        "done",
        *server_directory.script_lines(),
        *here_documents(rendered),
        *steps_of(text, server.places()),
        "",
        'echo "${DEVICES_DIR}/ca.crt"',
    ]


def _is_there(server: Server) -> bool:
    """Whether a whole fleet root CA is there; a run that is just publishing one is waited for."""
    if not server.devices_dir.is_dir():
        return False
    if server.ca_key_path.exists() and server.ca_crt_path.exists():
        return True
    with locks.hidden_folder(server.hidden_dir):
        return server.ca_key_path.exists() and server.ca_crt_path.exists()


def _problems(server: Server, text: Text) -> list[Error]:
    problems: list[Error] = []
    rendered = configs.missing(server, text)
    present = [server.shown(path) for path in (server.ca_key_path, server.ca_crt_path) if os.path.lexists(path)]
    if len(present) == 1:
        problems.append(
            Unfit(
                f"half a fleet root CA is there: {quoted(present[0])} alone",
                hint="an interrupted run may have left it: move it away, or put its other half beside it",
            )
        )
    elif present:
        problems.append(
            Unfit(
                f"a fleet root CA is there already: {quoted(server.shown(server.devices_dir))}",
                hint="it is never overwritten; 'otaopenssl root --if-missing' accepts it",
            )
        )
    problems += configs.examine(server, text, rendered)
    problems += server_directory.check_writable(server)
    problems += configs.check_writable(server, rendered)
    return problems
