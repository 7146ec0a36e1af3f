"""Whether a run may begin: its materials are what was approved, and who has to has signed that.

Digests are compared first, by reading files; where one differs nothing is started. Only then is one process started
for the signatures, of the program that the policy of the host names.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from otaopenssl.approval import APPROVAL_NAME, SIGNATURES_NAME, parse_approval
from otaopenssl.builds import program_files
from otaopenssl.durable import read_bounded
from otaopenssl.errors import NotApproved, quoted, reason
from otaopenssl.layout import Server
from otaopenssl.materials import Materials, gathered
from otaopenssl.measured import measure
from otaopenssl.permission import ApprovalFile, Permission
from otaopenssl.policy import read_policy
from otaopenssl.texts import Procedure


class Intent(NamedTuple):
    """What is to run: the program at this path (None where there is none), and these texts of the procedure, if any.

    ``needs_ca`` is for runs that an approval without ca.crt does not permit: all but those of root and server.
    """

    server: Server
    procedure: Procedure | None
    texts: tuple[str, ...]
    program: str | None
    needs_ca: bool = True


def permitted(intent: Intent) -> Permission:
    """What the run may be made of. Raises NotApproved with every difference, before any openssl was started."""
    permission, refusal = examined(intent)
    if refusal is not None:
        raise refusal
    return permission


def examined(intent: Intent) -> tuple[Permission, NotApproved | None]:
    """What the run would be made of, and why it must not be, if so; starts no openssl where a digest differs."""
    try:
        policy = read_policy()
        approved = read_approval(intent.server.project_dir)
        if approved is None and (policy.requires_approval or policy.approvers is not None):
            words = f"there is no {APPROVAL_NAME}, which the policy of this host demands"
            raise NotApproved(words, hint="run 'otaopenssl approve', and have it reviewed and committed")
    except NotApproved as refusal:
        return Permission(_materials(intent, None, intent.texts, is_trusted=False), None), refusal
    if approved is None:
        return Permission(_materials(intent, None, intent.texts), None), None
    permission = Permission(_materials(intent, approved, _all_texts(intent)), approved)
    found = _differences(approved, permission.materials, intent)
    if found:
        return permission, not_approved(found)
    if policy.approvers is not None:
        from otaopenssl.approvers import check_signers

        try:
            check_signers(policy.approvers, approved.content, approved.signatures, intent.server.project_dir)
        except NotApproved as refusal:
            return permission, refusal
    return permission, None


def deviations(intent: Intent) -> list[str]:
    """Every difference from approval.json today. Raises NotApproved where there is none, or it is malformed."""
    approved = read_approval(intent.server.project_dir)
    if approved is None:
        raise NotApproved(f"there is no {APPROVAL_NAME}", hint="run 'otaopenssl approve'")
    materials = _materials(intent, approved, _all_texts(intent))
    no_program = ["openssl: expected an approved program, got none"] if intent.program is None else []
    return no_program + _differences(approved, materials, intent)


def _differences(approved: ApprovalFile, materials: Materials, intent: Intent) -> list[str]:
    # Imported here because most of a run's time is the program's start, and many projects have no approval.
    from otaopenssl.differences import differences

    return differences(approved.approval, materials, needs_ca=intent.needs_ca)


def not_approved(found: Sequence[str]) -> NotApproved:
    """The error for what differs from the approval."""
    quantity = sum(not line.startswith(" ") for line in found)
    words = f"not approved: {quantity} {'difference' if quantity == 1 else 'differences'} from {APPROVAL_NAME}"
    hint = "put it back as it was approved, or have it approved: otaopenssl approve"
    return NotApproved(words, hint=hint, details=found)


def read_approval(project_dir: Path) -> ApprovalFile | None:
    """The approval of a project, None where there is none. Raises NotApproved where it is malformed or unreadable."""
    path, signatures_path = project_dir / APPROVAL_NAME, project_dir / SIGNATURES_NAME
    files = (measure(path), measure(signatures_path))
    content = _content(path)
    if content is None:
        return None
    return ApprovalFile(content, _content(signatures_path), parse_approval(content), files)


def _content(path: Path) -> bytes | None:
    try:
        return read_bounded(path)
    except FileNotFoundError:
        if path.is_symlink():
            raise NotApproved(f"{quoted(path.name)} is a link that leads nowhere", hint="put it back") from None
        return None
    except OSError as error:
        words = f"{quoted(path.name)} cannot be read: {reason(error)}"
        raise NotApproved(words, hint="check its owner and mode") from error


def _all_texts(intent: Intent) -> Sequence[str]:
    return () if intent.procedure is None else intent.procedure.text_names()


def _materials(
    intent: Intent, approved: ApprovalFile | None, names: Sequence[str], *, is_trusted: bool = True
) -> Materials:
    files = None
    cnf = None
    if intent.program is not None:

        def is_approved(digest: str | None) -> bool:
            return is_trusted if approved is None else bool(approved.approval.builds_of(digest))

        files = program_files(intent.program, intent.server.project_dir, is_approved)
        builds = approved.approval.builds_of(files.program.sha256) if approved is not None else []
        # Where openssl.cnf is, only openssl could tell. It is compiled into what was approved.
        cnf = next((Path(path) for build in builds for path in build.configs), None)
    return gathered(intent.server, intent.procedure, names, intent.texts, files, cnf)
