"""What a record's statement must fit: the digests of its texts, and the approval that its run was held to.

Source: docs/records.md.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from otaopenssl.approval import APPROVAL_NAME, SIGNATURES_NAME, Approval, Build, is_text_of, parse_approval
from otaopenssl.builds import LIBRARIES, OPENSSL_CNF
from otaopenssl.digest import sha256
from otaopenssl.durable import read_bounded
from otaopenssl.errors import Error, quoted
from otaopenssl.materials import CA_CRT
from otaopenssl.statement_rules import Statement

_NO_FILES = frozenset({APPROVAL_NAME, SIGNATURES_NAME, "seal", "openssl", *LIBRARIES, OPENSSL_CNF})


def text_findings(statement: Statement) -> Iterator[str]:
    """What is wrong with the texts that a statement carries."""
    for name, text in statement.texts.items():
        if text.sha256 != statement.digest(f"procedure/{name}"):
            yield f"text {name} has another digest than procedure/{name}"
        if not is_text_of(text):
            yield f"text {name}: its lines are not those of its digest"


def material_findings(statement: Statement, configs: Iterable[str]) -> Iterator[str]:
    """What is not told of what a run was made of that has carried out something; ``configs`` are what texts name."""
    needed = ["openssl", *([] if statement.command == "root" else [CA_CRT]), *(f"certs/{name}" for name in configs)]
    for name in needed:
        if statement.digest(name) is None:
            yield f"no {name} is among what the run was made of"


def approval_findings(directory: Path, statement: Statement, *, is_refused: bool) -> Iterator[str]:
    """How what ran differs from the approval that lies beside it; of what was refused, nothing has run."""
    for name in (APPROVAL_NAME, SIGNATURES_NAME):
        if _digest_of(directory / name) != statement.digest(name):
            yield f"{name} is gone, or another than the one that the statement names, or it names none"
            return
    if statement.digest(APPROVAL_NAME) is None or is_refused:
        return
    try:
        approval = parse_approval(read_bounded(directory / APPROVAL_NAME))
    except Error as error:
        yield error.message
    else:
        yield from _unapproved(approval, statement)


def _digest_of(path: Path) -> str | None:
    """The digest of a file; None where there is none, and of what cannot be read no digest at all."""
    try:
        return sha256(read_bounded(path))
    except FileNotFoundError:
        return None
    except OSError:
        return ""


def _unapproved(approval: Approval, statement: Statement) -> Iterator[str]:
    if approval.procedure != statement.procedure:
        yield f"procedure {quoted(statement.procedure)} is not the approved one"
    for name, text in statement.texts.items():
        if name not in approval.texts or approval.texts[name].sha256 != text.sha256:
            yield f"text {name} is not the approved one"
    for name, found, _ in statement.dependencies:
        is_file = name not in _NO_FILES and not name.startswith("procedure/")
        if is_file and approval.files.get(name) != found and not (name == CA_CRT and statement.command == "root"):
            yield f"{name} is not the approved one"
    if approval.environment != statement.environment:
        yield "the environment is not the approved one"
    if not any(_is_build(build, statement) for build in approval.builds):
        yield "openssl is none of the approved builds"


def _is_build(build: Build, statement: Statement) -> bool:
    configs = sorted((str(uri), digest) for name, digest, uri in statement.dependencies if name == OPENSSL_CNF)
    approved = sorted((Path("/", path).as_uri(), digest) for path, digest in build.configs.items() if digest)
    ran = (statement.openssl_version, *map(statement.digest, ("openssl", *LIBRARIES)), configs)
    return ran == (build.version, build.program, build.libssl, build.libcrypto, approved)
