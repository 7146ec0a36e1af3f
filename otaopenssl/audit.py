"""One use case: whether records are whole, in their chain, sealed, and tell of the certificates that are there."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from otaopenssl import locks
from otaopenssl.approval import APPROVAL_NAME
from otaopenssl.errors import Failed, Unfit, quoted
from otaopenssl.layout import Server
from otaopenssl.line_rules import LineCheck
from otaopenssl.program import Launch
from otaopenssl.record_rules import approval_findings, material_findings, text_findings
from otaopenssl.recorded_devices import RecordedDevices
from otaopenssl.records import SUMS_NAME, open_dir, read_chain, record_dirs, records_dir, run_id_of
from otaopenssl.runner import Runner
from otaopenssl.seal_rules import is_to_be_checked, seal_findings
from otaopenssl.signing import check_knows_cades
from otaopenssl.statement import LINES_NAME, NO_DIGEST, STATEMENT_NAME
from otaopenssl.statement_rules import Statement, read_statement

_MOST_FINDINGS = 20


class Audited(NamedTuple):
    """What an audit has come to: how many records and lines were read, and each finding, with its record's name.

    ``seals`` tells of each sealed record that was read whether nothing is wrong with its seal.
    """

    records: int
    lines: int
    findings: list[tuple[str, str]]
    seals: Mapping[str, bool]


def audit(server: Server, names: Sequence[str], trust: Path | None, launch: Launch) -> Audited:
    """What is wrong with the records of these names, or with all and with what they tell of the devices.

    ``trust`` is the certificate of whoever must have sealed them, or of his CA. Changes nothing. Raises Unfit where
    there are no such records, or openssl is too old for seals.
    """
    chain, findings = _chain(server)
    listed = [name for _, name in chain]
    for name in names:
        if not (records_dir(server) / name).is_dir():
            where = quoted(server.shown(records_dir(server)))
            raise Unfit(f"no record {quoted(name)} in {where}", hint="see its names")
    audited = _Audit(server, trust, launch)
    for number, (digest, name) in enumerate(chain):
        if not names or name in names:
            audited.add(name, (digest, chain[number - 1][0] if number else NO_DIGEST))
    findings += audited.findings
    if not names:
        findings += [("", finding) for finding in _bounded(audited.devices.findings(server, listed))]
    # Runs may have ended since.
    listed += [name for _, name in _chain(server)[0]]
    for name in names or [directory.name for directory in record_dirs(server)]:
        findings += [(name, fault) for fault in _unlisted(server, name, listed)]
    return Audited(len(names or chain), audited.lines, findings, audited.seals)


class _Audit:
    """Goes through records in their order, and keeps what is found, and what they tell of devices."""

    def __init__(self, server: Server, trust: Path | None, launch: Launch) -> None:
        self._server = server
        self._trust = trust
        self._launch = launch
        self._runner: Runner | None = None
        self._has_approval = False
        self.findings: list[tuple[str, str]] = []
        self.devices = RecordedDevices()
        self.lines = 0
        self.seals: dict[str, bool] = {}

    def add(self, name: str, digests: tuple[str, str]) -> None:
        """Check the next record; ``digests`` are those of SHA256SUMS of its statement, and of the one before."""
        directory = records_dir(self._server) / name
        try:
            statement = read_statement(directory)
        except Failed as error:
            self.findings.append((name, error.message))
            return
        check = LineCheck(statement)
        # All of them, since what the lines tell is known only then.
        found = [
            *_statement_findings(directory, statement, digests),
            *check.findings(directory / LINES_NAME),
            *self._more(directory, statement, check),
        ]
        self.devices.add(statement, check)
        self.findings += [(name, finding) for finding in _bounded(found)]
        self.lines += check.size

    def _more(self, directory: Path, statement: Statement, check: LineCheck) -> Iterator[str]:
        """What is wrong with a record whose lines were checked."""
        yield from approval_findings(directory, statement, is_refused=check.is_refused)
        if statement.digest(APPROVAL_NAME) is not None:
            self._has_approval = True
        elif self._has_approval and not check.is_refused:
            yield "it was held to no approval, though a run before it was"
        if not check.is_refused:
            yield from material_findings(statement, check.config_names())
        if is_to_be_checked(directory, statement, self._trust) and self._runner is None:
            self._runner = self._launch()
            check_knows_cades(self._runner)
        of_seal = [*seal_findings(directory, statement, self._trust, self._runner, is_refused=check.is_refused)]
        if statement.digest("seal") is not None:
            self.seals[directory.name] = not of_seal
        yield from of_seal


def _chain(server: Server) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    if not records_dir(server).is_dir():
        where = quoted(server.shown(records_dir(server)))
        raise Unfit(f"there are no records: {where} is not there", hint="choose the server with '--server-name NAME'")
    try:
        chain = read_chain(server)
    except (OSError, ValueError) as error:
        return [], [(SUMS_NAME, f"it cannot be read, or a line is none of it: {error}")]
    twice = len(chain) != len({name for _, name in chain})
    return chain, [(SUMS_NAME, "a record stands in it twice")] if twice else []


def _statement_findings(directory: Path, statement: Statement, digests: tuple[str, str]) -> Iterator[str]:
    """How a statement differs from SHA256SUMS, from the name of its record, and from its own digests."""
    if statement.sha256 != digests[0]:
        yield f"{STATEMENT_NAME} is another than the one in {SUMS_NAME}"
    if statement.byproducts.get("previous-statement") != digests[1]:
        yield f"the statement names another before it than {SUMS_NAME}"
    if run_id_of(directory.name) != statement.run_id:
        yield "its name is not that of the run of the statement"
    yield from text_findings(statement)


def _unlisted(server: Server, name: str, listed: Sequence[str]) -> Iterator[str]:
    """What is wrong with a record that is not in SHA256SUMS, unless the run that is to put it there goes on."""
    if name in listed:
        return
    marker = open_dir(server) / name
    if not marker.exists():
        yield f"it is not in {SUMS_NAME}"
    elif not locks.is_held(marker):
        yield "it is of a run that died: the next run seals it, where it was to be sealed one with '--seal'"


def _bounded(findings: Iterable[str]) -> list[str]:
    """The first findings of many; each says enough."""
    found = list(islice(findings, _MOST_FINDINGS + 1))
    return found if len(found) <= _MOST_FINDINGS else [*found[:-1], "and more"]


def failure(audited: Audited) -> Failed:
    """The error for an audit with findings."""
    details = [f"{name}: {finding}" if name else finding for name, finding in audited.findings]
    words = f"{len(details)} of what must hold does not" if len(details) > 1 else "something that must hold does not"
    return Failed(words, hint="compare with a copy from elsewhere, and find out who changed it", details=details)
