"""Who has signed an approval: the signatures of approval.json.p7s, checked by the program that the policy names."""

import re
from pathlib import Path

from otaopenssl.approval import APPROVAL_NAME, SIGNATURES_NAME
from otaopenssl.complaints import first_complaint
from otaopenssl.distinguished_name import compared_name
from otaopenssl.environment import CHILD_PATH
from otaopenssl.errors import Failed, NotApproved, quoted
from otaopenssl.leaf import parse_leaf
from otaopenssl.measured import measure
from otaopenssl.outputs import is_whole_der, pem_blocks
from otaopenssl.policy import Approvers, check_is_roots
from otaopenssl.questions import SIGNERS
from otaopenssl.runner import Finished, Runner

_HINT = "have it signed by those who have to: otaopenssl approve --sign CERT KEY"


def check_signers(approvers: Approvers, content: bytes, signatures: bytes | None, project_dir: Path) -> None:
    """Raise NotApproved unless enough distinct people of the approvers' CA have signed ``content``, and nobody else.

    Starts one process, where there is something to check: the verifier, whose digest is compared before.
    """
    if signatures is None:
        words = f"{APPROVAL_NAME} is not signed: expected {people(approvers.signers)}, got no {SIGNATURES_NAME}"
        raise NotApproved(words, hint=_HINT)
    if not is_whole_der(signatures):
        raise NotApproved(f"{SIGNATURES_NAME} is cut, or has something behind it", hint=_HINT)
    check_is_roots(approvers.ca_path)
    got = measure(approvers.verifier).sha256
    if got != approvers.verifier_sha256:
        words = f"verifier {quoted(approvers.verifier)}: expected sha256 {approvers.verifier_sha256}, got {got}"
        raise NotApproved(words, hint="have the administrator of this host look at it")
    finished = _verified(approvers, content, project_dir)
    if not finished.is_good:
        raise _refused(finished)
    found = distinct_signers(finished.stdout)
    if found < approvers.signers:
        words = f"{APPROVAL_NAME}: expected the signatures of {people(approvers.signers)}, got those of {found}"
        raise NotApproved(words, hint=_HINT)


def distinct_signers(pem: bytes) -> int:
    """How many people the certificates stand for: two of one name, or of one key, are one person's."""
    people: list[set[object]] = []
    for block in pem_blocks(pem):
        try:
            leaf = parse_leaf(block.der or b"")
        except ValueError:
            return 0
        # What a person is known by; whoever shares any of it with others is one with all of them.
        person: set[object] = {compared_name(leaf.subject), leaf.public_key}
        for other in [one for one in people if one & person]:
            people.remove(other)
            person |= other
        people.append(person)
    return len(people)


def _is_too_old(finished: Finished) -> bool:
    """Whether openssl does not know what it is asked: CAdES came with OpenSSL 3.0."""
    return re.search(rb"(?i)(unrecognized flag|unknown option):? -?cades", finished.stderr) is not None


def _verified(approvers: Approvers, content: bytes, project_dir: Path) -> Finished:
    runner = Runner(str(approvers.verifier), {"PATH": CHILD_PATH, "LC_ALL": "C"})
    # What is signed comes from memory: it is what was read and compared.
    question = SIGNERS.argv(file=str(project_dir / SIGNATURES_NAME), content="/dev/stdin", ca=str(approvers.ca_path))
    try:
        return runner.run([question], cwd=Path("/"), stdin=content)
    except Failed as error:
        raise NotApproved(f"verifier {quoted(approvers.verifier)}: {error.message}", hint=error.hint) from error


def _refused(finished: Finished) -> NotApproved:
    if _is_too_old(finished):
        words = "the verifier that the policy names is too old: checking signatures needs OpenSSL 3.0 or newer"
        return NotApproved(words, hint="have the administrator of this host name another")
    said = first_complaint(finished.stderr) or "openssl does not accept them"
    return NotApproved(f"the signatures in {SIGNATURES_NAME} do not hold: {said}", hint=_HINT)


def people(quantity: int) -> str:
    """So many people, in words."""
    return f"{quantity} {'person' if quantity == 1 else 'people'}"
