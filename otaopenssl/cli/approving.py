"""The command that approves what may run: write it, compare with it, sign it."""

from otaopenssl import approve as approvals
from otaopenssl.approval import APPROVAL_NAME, SIGNATURES_NAME
from otaopenssl.approvers import people
from otaopenssl.cli import gating, session, terminal
from otaopenssl.cli.defaults import Defaults
from otaopenssl.cli.options import Running
from otaopenssl.errors import BadInput
from otaopenssl.gate import Intent, deviations, not_approved
from otaopenssl.materials import CA_CRT


def approve(running: Running, *, openssl_only: bool, check: bool) -> None:
    """Write approval.json, or tell how today differs from it, or add a signature."""
    if openssl_only + check + (running.seal is not None) > 1:
        hint = "give one of '--openssl-only', '--check' and '--sign'"
        raise BadInput("two things are asked for at once", hint=hint)
    signing = running.seal is not None
    running = Defaults(running.place).running(running)
    server = session.server(running)
    procedure = session.procedure(running)
    if check:
        found = deviations(Intent(server, procedure, procedure.text_names(), session.program(running.place)))
        if running.json:
            terminal.result_json({"differences": found})
        if found:
            raise not_approved(found)
        terminal.note(f"nothing differs from {APPROVAL_NAME}")
        return
    runner = session.launcher(running, server)()
    if signing:
        signers = approvals.sign(server, procedure, runner, gating.signer(running))
        terminal.note(f"{APPROVAL_NAME} is signed by {people(signers)}")
        terminal.result(SIGNATURES_NAME)
        return
    if openssl_only:
        done = approvals.approve_openssl(server, runner)
    else:
        done = approvals.approve(server, procedure, runner)
        if not server.ca_crt_path.exists():
            terminal.note(f"without {CA_CRT}, which is not there yet, it permits 'root' and 'server' alone")
    if done is approvals.Written.WRITTEN:
        terminal.note(f"{APPROVAL_NAME}: review it as a diff, and commit it; signatures of an earlier one do not hold")
    terminal.result(APPROVAL_NAME)
