"""One use case: what a team approves, as approval.json; the build of one more machine; one more person's signature."""

from enum import StrEnum
from pathlib import Path

from otaopenssl import scratch
from otaopenssl.approval import APPROVAL_NAME, SIGNATURES_NAME, Approval, Build, dump_approval
from otaopenssl.approvers import distinct_signers
from otaopenssl.builds import build_of, program_files
from otaopenssl.durable import not_writable, read_bounded, replace
from otaopenssl.errors import Failed, Unfit, quoted
from otaopenssl.gate import read_approval
from otaopenssl.interrupts import hold_for_good
from otaopenssl.layout import Server
from otaopenssl.materials import as_approval, gathered
from otaopenssl.permission import ApprovalFile
from otaopenssl.questions import INTACT
from otaopenssl.runner import Finished, Runner
from otaopenssl.signing import Signer, check_knows_cades, signed
from otaopenssl.texts import Procedure


class Written(StrEnum):
    """What was done with approval.json."""

    WRITTEN = "written"
    UNCHANGED = "unchanged"


def approve(server: Server, procedure: Procedure, runner: Runner) -> Written:
    """Write approval.json from what is there today; builds of other machines that stand in it stay.

    Raises BadInput where a text is refused, NotApproved where the approval that is there cannot be read, Unfit where a
    file cannot be read or written.
    """
    procedure.check_all()
    before = read_approval(server.project_dir)
    build = _build(server, runner)
    builds = [] if before is None else list(before.approval.builds)
    if build not in builds:
        builds = [build, *(one for one in builds if one.program != build.program)]
    names = procedure.text_names()
    materials = gathered(server, procedure, names, names, None, None)
    return _put(server, before, as_approval(materials, builds))


def approve_openssl(server: Server, runner: Runner) -> Written:
    """Add the build of openssl on this machine to approval.json, and change nothing else. Raises as ``approve``."""
    before = _required(server)
    build = _build(server, runner)
    if build in before.approval.builds:
        return Written.UNCHANGED
    return _put(server, before, before.approval._replace(builds=(*before.approval.builds, build)))


def sign(server: Server, procedure: Procedure, runner: Runner, signer: Signer) -> int:
    """How many people have signed approval.json, once the signature of one more is in approval.json.p7s.

    Signatures of an approval that has changed since are dropped. Raises NotApproved, Unfit or Failed.
    """
    before = _required(server)
    check_knows_cades(runner)
    with scratch.directory() as directory:
        (directory / APPROVAL_NAME).write_bytes(before.content)
        name = "seal.sh"
        if before.signatures is not None and _checked(runner, directory, before.signatures).is_good:
            name = "seal-add.sh"
        else:
            (directory / SIGNATURES_NAME).unlink(missing_ok=True)
        made = read_bounded(signed(runner, procedure.text(name), directory, APPROVAL_NAME, signer))
        checked = _checked(runner, directory, made)
    if not checked.is_good:
        raise Failed("the signature that was made does not hold", hint="check which openssl runs")
    _write(server, SIGNATURES_NAME, made)
    return distinct_signers(checked.stdout)


def _required(server: Server) -> ApprovalFile:
    found = read_approval(server.project_dir)
    if found is None:
        raise Unfit(f"there is no {quoted(APPROVAL_NAME)}", hint="run 'otaopenssl approve' first")
    return found


def _build(server: Server, runner: Runner) -> Build:
    files = program_files(runner.program, server.project_dir, lambda _digest: True)
    return build_of(files, runner.version, runner.openssl_dir)


def _put(server: Server, before: ApprovalFile | None, approval: Approval) -> Written:
    content = dump_approval(approval)
    if before is not None and before.content == content:
        return Written.UNCHANGED
    _write(server, APPROVAL_NAME, content)
    return Written.WRITTEN


def _write(server: Server, name: str, content: bytes) -> None:
    """Make or replace a file of the project directory. Raises Unfit."""
    path = server.project_dir / name
    hold_for_good()
    try:
        replace(path, content)
    except OSError as error:
        raise not_writable(error, server.shown(path)) from error


def _checked(runner: Runner, directory: Path, signatures: bytes) -> Finished:
    """What openssl says of these signatures, put beside the approval that lies in the directory."""
    path = directory / SIGNATURES_NAME
    path.write_bytes(signatures)
    return runner.run([INTACT.argv(file=str(path), content=str(directory / APPROVAL_NAME))], cwd=directory)
