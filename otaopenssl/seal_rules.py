"""What the seal of a record must be: by the certificate that the statement names, whom somebody trusted vouches for.

Source: docs/records.md.
"""

import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from otaopenssl.complaints import first_complaint
from otaopenssl.digest import sha256
from otaopenssl.dsse import ENVELOPE_NAME, envelope_fault
from otaopenssl.durable import read_bounded
from otaopenssl.outputs import is_whole_der, pem_blocks
from otaopenssl.questions import INTACT, SEALERS
from otaopenssl.runner import Finished, Runner
from otaopenssl.statement import SEAL_NAME, STATEMENT_NAME
from otaopenssl.statement_rules import Statement


def is_to_be_checked(directory: Path, statement: Statement, trust: Path | None) -> bool:
    """Whether openssl is needed: there is a seal, or must be one."""
    return trust is not None or statement.digest("seal") is not None or _seal_path(directory).exists()


def seal_findings(
    directory: Path, statement: Statement, trust: Path | None, runner: Runner | None, *, is_refused: bool
) -> Iterator[str]:
    """What is wrong with the seal of a record, and with the envelope beside it.

    ``trust`` is the certificate of who must have sealed, or of his CA. A run that was refused need not be sealed.
    """
    digest, is_there = statement.digest("seal"), _seal_path(directory).is_file()
    envelope = directory / ENVELOPE_NAME
    if digest is None:
        if _seal_path(directory).exists() or os.path.lexists(envelope):
            yield "it has a seal that the statement does not name"
        elif trust is not None and not is_refused:
            # Where nothing was approved no openssl may be started, not for a seal either.
            yield "it is not sealed"
        return
    if not is_there or runner is None:
        yield "its seal is gone"
        return
    if not is_whole_der(read_bounded(_seal_path(directory))):
        yield "its seal is cut, or has something behind it"
        return
    finished = _asked(directory, statement, trust, runner)
    if not finished.is_good:
        yield f"its seal does not hold: {first_complaint(finished.stderr) or 'openssl refuses it'}"
    elif [sha256(block.der or b"") for block in pem_blocks(finished.stdout)] != [digest]:
        yield "it is sealed by another certificate than the one that the statement names"
    elif os.path.lexists(envelope):
        fault = envelope_fault(envelope, read_bounded(directory / STATEMENT_NAME), finished.stdout)
        if fault is not None:
            yield f"{ENVELOPE_NAME} {fault}"


def seal_question(directory: Path, statement: Statement, trust: Path | None) -> tuple[str, ...]:
    """What openssl is asked about the seal of a record."""
    file, content = str(_seal_path(directory)), str(directory / STATEMENT_NAME)
    if trust is None:
        return INTACT.argv(file=file, content=content)
    seconds = int(datetime.fromisoformat(statement.finished).timestamp())
    return SEALERS.argv(file=file, content=content, ca=str(trust), seconds=str(seconds))


def _asked(directory: Path, statement: Statement, trust: Path | None, runner: Runner) -> Finished:
    """What openssl says of the seal; its standard output are the certificates of who sealed."""
    return runner.run([seal_question(directory, statement, trust)], cwd=directory)


def _seal_path(directory: Path) -> Path:
    return directory / SEAL_NAME
