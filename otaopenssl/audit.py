"""One use case: whether records are whole, in their chain, sealed, and tell of the certificates that are there."""

from collections.abc import Iterator, Sequence
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
from otaopenssl.records import SUMS_NAME, open_dir, read_chain, record_dirs, records_dir
from otaopenssl.runner import Runner
from otaopenssl.seal_rules import is_to_be_checked, seal_findings
from otaopenssl.signing import check_knows_cades
from otaopenssl.statement import LINES_NAME, NO_DIGEST, STATEMENT_NAME
from otaopenssl.statement_rules import Statement, read_statement

_MOST_FINDINGS = 20


class Audited(NamedTuple):
    """What an audit has come to: how many records and lines were read, and each finding, with its record's name."""

    records: int
    lines: int
    findings: list[tuple[str, str]]


def audit(server: Server, names: Sequence[str], trust: Path | None, launch: Launch) -> Audited:
    """What is wrong with the records of these names, or with all and with what they tell of the devices.

    ``trust`` is the certificate of whoever must have sealed them, or of his CA. Changes nothing. Raises Unfit where
    there are no such records, or openssl is too old for seals.
    """
    chain, findings = _chain(server)
    listed = [name for _, name in chain]
    for name in names:
        if not (records_dir(server) / name).is_dir():
            raise Unfit(
                f"no record {quoted(name)} in {quoted(server.shown(records_dir(server)))}", hint="see its names"
            )
    devices = RecordedDevices()
    lines, has_approval = 0, False
    runner: Runner | None = None
    for number, (digest, name) in enumerate(chain):
        directory = records_dir(server) / name
        if names and name not in names:
            continue
        before = chain[number - 1][0] if number else NO_DIGEST
        try:
            statement = read_statement(directory)
        except Failed as error:
            findings.append((name, error.message))
            continue
        check = LineCheck(statement)
        if is_to_be_checked(directory, statement, trust):
            runner = runner or _launched(launch)
        found = bounded(_record(directory, statement, check, (digest, before), trust, runner))
        if statement.digest(APPROVAL_NAME) is not None:
            has_approval = True
        elif has_approval and not check.is_refused:
            found.append("it was held to no approval, though a run before it was")
        findings += [(name, finding) for finding in found]
        lines += check.size
        devices.add(statement, check)
    if not names:
        findings += [("", finding) for finding in bounded(_unlisted(server, listed))]
        findings += [("", finding) for finding in bounded(devices.findings(server))]
    return Audited(len(names or chain), lines, findings)


def _launched(launch: Launch) -> Runner:
    runner = launch()
    check_knows_cades(runner)
    return runner


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


def _record(
    directory: Path,
    statement: Statement,
    check: LineCheck,
    digests: tuple[str, str],
    trust: Path | None,
    runner: Runner | None,
) -> Iterator[str]:
    """What is wrong with one record; ``digests`` are those of SHA256SUMS of its statement, and of the one before."""
    if statement.sha256 != digests[0]:
        yield f"{STATEMENT_NAME} is another than the one in {SUMS_NAME}"
    if statement.byproducts.get("previous-statement") != digests[1]:
        yield f"the statement names another before it than {SUMS_NAME}"
    if statement.run_id != directory.name[17:29]:
        yield "its name is not that of the run of the statement"
    yield from text_findings(statement)
    yield from check.findings(directory / LINES_NAME)
    yield from approval_findings(directory, statement, is_refused=check.is_refused)
    if not check.is_refused:
        yield from material_findings(statement, check.config_names())
    yield from seal_findings(directory, statement, trust, runner, is_refused=check.is_refused)


def _unlisted(server: Server, listed: Sequence[str]) -> Iterator[str]:
    for directory in record_dirs(server):
        if directory.name not in listed:
            marker = open_dir(server) / directory.name
            if not marker.exists():
                yield f"record {directory.name} is not in {SUMS_NAME}"
            elif not locks.is_held(marker):
                yield f"record {directory.name} is of a run that died: the next run seals it"


def bounded(findings: Iterator[str]) -> list[str]:
    """The first findings of many; each says enough."""
    found = list(islice(findings, _MOST_FINDINGS + 1))
    return found if len(found) <= _MOST_FINDINGS else [*found[:-1], "and more"]


def failure(audited: Audited) -> Failed:
    """The error for an audit with findings."""
    details = [f"{name}: {finding}" if name else finding for name, finding in audited.findings]
    words = f"{len(details)} of what must hold does not" if len(details) > 1 else "something that must hold does not"
    return Failed(words, hint="compare with a copy from elsewhere, and find out who changed it", details=details)
