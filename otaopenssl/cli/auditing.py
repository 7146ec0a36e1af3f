"""The command that checks records, and proves that a device is in one."""

from pathlib import Path

from otaopenssl import audit as audits
from otaopenssl.cli import gating, session, terminal
from otaopenssl.cli.defaults import Defaults
from otaopenssl.cli.options import Running
from otaopenssl.durable import read_bounded
from otaopenssl.errors import BadInput, Unfit, quoted
from otaopenssl.ids import parse_device_uuid
from otaopenssl.layout import Server
from otaopenssl.outputs import CERTIFICATE, pem_blocks
from otaopenssl.proof import proof
from otaopenssl.records import RECORD_NAME, records_dir
from otaopenssl.runner import Runner


def audit(running: Running, records: list[str], *, trust: str | None, uuid: str | None) -> None:
    """Print what was checked, or the proof of one device. Raises Failed with every finding."""
    running = Defaults(running.place).running(running)
    server = session.server(running)
    if uuid is not None:
        if records or trust is not None:
            raise BadInput("'--proof' takes neither records nor '--trust'", hint="give '--proof UUID' alone")
        terminal.result_json(proof(server, parse_device_uuid(uuid)))
        return
    names = [_name(server, record) for record in records]
    anchor = None if trust is None else trusted(session.project_dir(running.place), trust)

    def launch() -> Runner:
        # What checks seals is held to what was approved as well, where there is something to check.
        return gating.launcher(running, server, gating.admitted(running, server, None))()

    audited = audits.audit(server, names, anchor, launch)
    if running.json:
        found = [{"record": name, "finding": finding} for name, finding in audited.findings]
        terminal.result_json({"records": audited.records, "lines": audited.lines, "findings": found})
    if audited.findings:
        raise audits.failure(audited)
    if not running.json:
        sealed = "" if trust is None else f", sealed by whom {trust} vouches for"
        lines = f"{audited.lines} line{'' if audited.lines == 1 else 's'}"
        quantity = "1 record" if audited.records == 1 else f"{audited.records} records"
        terminal.result(f"{quantity} of {lines} hold{'s' if audited.records == 1 else ''}{sealed}")


def _name(server: Server, record: str) -> str:
    """The name of a record, of which the path may be given. Raises BadInput for another's."""
    name = record.rstrip("/").rpartition("/")[2]
    own = records_dir(server) / name
    if not RECORD_NAME.fullmatch(name):
        raise BadInput(f"{quoted(record)} is no record", hint="name a directory of those in records/")
    if "/" in record and (server.project_dir / record).resolve() != own.resolve():
        words = f"{quoted(record)} is none of the records in {quoted(server.shown(records_dir(server)))}"
        raise BadInput(words, hint="check a copy with docs/verify.sh, or choose its project with '-C DIR'")
    return name


def trusted(here: Path, file: str) -> Path:
    """The certificate file that ``--trust`` names. Raises Unfit where it is none."""
    try:
        blocks = pem_blocks(read_bounded(here / file))
    except (OSError, ValueError) as error:
        words = session.why_unread(error)
        raise Unfit(f"--trust {quoted(file)} cannot be read: {words}", hint="give a PEM certificate") from error
    if not any(block.label == CERTIFICATE for block in blocks):
        raise Unfit(f"--trust {quoted(file)} holds no PEM certificate", hint="give a PEM certificate")
    return here / file
