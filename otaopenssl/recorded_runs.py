"""The runs that records tell of, as an overview: which there were, by which openssl, and what an audit finds."""

from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from otaopenssl import locks
from otaopenssl.audit import Audited, audit
from otaopenssl.errors import Error, Failed, Unfit
from otaopenssl.layout import Server
from otaopenssl.program import Launch
from otaopenssl.records import open_dir, ordered_records, records_dir
from otaopenssl.seal_rules import seal_question
from otaopenssl.statement import SEAL_NAME
from otaopenssl.statement_rules import Statement, read_statement

_BEGUN = "%Y%m%dT%H%M%SZ"


class Seal(StrEnum):
    """What is known of the seal of a record: it holds only where it was checked whether somebody trusted made it."""

    NONE = "none"
    NOT_CHECKED = "not checked"
    HOLDS = "holds"
    BROKEN = "does not hold"


class Run(NamedTuple):
    """One record: its name, when its run began, and its statement, or why that cannot be read.

    ``unclosed`` is what is known of a run whose record is not at its end yet, in words; empty of others.
    """

    name: str
    begun: datetime
    statement: Statement | None
    fault: str = ""
    seal: Seal = Seal.NONE
    unclosed: str = ""

    @property
    def seconds(self) -> float | None:
        """How long the run took, its beginning known to the second; None where that cannot be told."""
        if self.statement is None:
            return None
        return max((datetime.fromisoformat(self.statement.finished) - self.begun).total_seconds(), 0.0)


class UsedBuild(NamedTuple):
    """One openssl that runs were made with: what it said of its version, and the digests of its program and libraries.

    ``records`` is how many records tell of it, the last of them of a run that began at ``last``.
    """

    version: str
    program: str | None
    libssl: str | None
    libcrypto: str | None
    records: int
    last: datetime


class RecordedRuns(NamedTuple):
    """The records of a server: how many, how many name a seal, the last ones of them (the last first), and the builds.

    ``holding`` is the number of seals that hold, as ``Seal`` means it; ``findings`` are what an audit has found, each
    with its record's name; ``not_audited`` is why there was no audit.
    """

    records: int
    sealed: int
    holding: int
    lines: int
    last: list[Run]
    builds: list[UsedBuild]
    findings: list[tuple[str, str]]
    not_audited: Error | None


def recorded_runs(server: Server, trust: Path | None, launch: Launch, most: int) -> RecordedRuns:
    """The records of a server with the last ``most`` of them, audited; ``trust`` as an audit takes it.

    Where nothing is there and nobody trusted there is no audit. Raises NotApproved.
    """
    audited, not_audited = _audited(server, trust, launch)
    seals = _seals(audited, is_trusted=trust is not None)
    last: deque[Run] = deque(maxlen=most)
    builds: dict[tuple[str | None, ...], UsedBuild] = {}
    count, sealed, lines = 0, 0, 0
    for run in _runs(server):
        count += 1
        seal = Seal.NONE
        if run.statement is not None:
            lines += run.statement.size
            if run.statement.digest("seal") is not None:
                sealed += 1
                seal = seals.get(run.name, Seal.NOT_CHECKED)
            build = _build(run.begun, run.statement)
            known = builds.get(build[:4])
            builds[build[:4]] = build if known is None else build._replace(records=known.records + 1)
        last.appendleft(run._replace(seal=seal))
    in_order = sorted(builds.values(), key=lambda build: build.last, reverse=True)
    holding = sum(seal is Seal.HOLDS for seal in seals.values())
    findings = [] if audited is None else audited.findings
    return RecordedRuns(count, sealed, holding, lines, list(last), in_order, findings, not_audited)


def questions(server: Server, trust: Path | None) -> list[tuple[str, ...]]:
    """What openssl would be asked about the seals."""
    found = []
    for run in _runs(server):
        directory = records_dir(server) / run.name
        if run.statement is not None and (directory / SEAL_NAME).is_file():
            found.append(seal_question(directory, run.statement, trust))
    return found


def _runs(server: Server) -> Iterator[Run]:
    for directory in ordered_records(server):
        try:
            begun = datetime.strptime(directory.name.partition("-")[0], _BEGUN).replace(tzinfo=UTC)
        except ValueError:
            # No day of a calendar: no run has made it, and the audit tells of it.
            continue
        # Before the statement is read: a run may end between the two.
        unclosed = _unclosed(open_dir(server) / directory.name)
        try:
            yield Run(directory.name, begun, read_statement(directory))
        except Failed as error:
            yield Run(directory.name, begun, None, error.message, unclosed=unclosed)


def _unclosed(marker: Path) -> str:
    if not marker.exists():
        return ""
    try:
        return "running" if locks.is_held(marker) else "not closed: its run died, and the next one closes it"
    except OSError:
        return "not closed yet"


def _build(begun: datetime, statement: Statement) -> UsedBuild:
    program, libssl, libcrypto = (statement.digest(name) for name in ("openssl", "libssl", "libcrypto"))
    return UsedBuild(statement.openssl_version, program, libssl, libcrypto, 1, begun)


def _audited(server: Server, trust: Path | None, launch: Launch) -> tuple[Audited | None, Error | None]:
    if trust is None and not records_dir(server).is_dir():
        return None, None
    try:
        return audit(server, (), trust, launch), None
    except (Unfit, Failed) as error:
        return None, error


def _seals(audited: Audited | None, *, is_trusted: bool) -> dict[str, Seal]:
    """What the audit tells of seals, by the names of their records."""
    # That a seal is of its statement does not tell whose it is.
    good = Seal.HOLDS if is_trusted else Seal.NOT_CHECKED
    seals = {} if audited is None else audited.seals
    return {name: good if is_good else Seal.BROKEN for name, is_good in seals.items()}
