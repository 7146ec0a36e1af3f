"""Checks of what else is in the server directory: serial numbers, the server CA, records, and what dead runs left."""

import os
from collections.abc import Mapping
from pathlib import Path

from otaopenssl import locks, previous, serials, workbench
from otaopenssl.doctor_check import Check, Look, Subject, judged, ok, problem, warning
from otaopenssl.durable import read_bounded
from otaopenssl.errors import quoted, reason
from otaopenssl.layout import SERVER_NAMES, Server
from otaopenssl.outputs import CERTIFICATE, is_whole_der, pem_blocks
from otaopenssl.records import SUMS_NAME, check_chain, open_records, read_chain, record_dirs, records_dir

_SERVER_CA_NAME = "server_ca.pem"


def _serials(subject: Subject, name: str) -> Check:
    server = subject.server
    is_there = os.path.lexists(server.ca_srl_path)
    words = "ca.srl holds the number that was used last" if is_there else "no ca.srl yet: the first number is random"
    return judged(name, serials.check(server, 1), words)


def _server_ca(subject: Subject, name: str) -> Check:
    server = subject.server
    present = [one for one in SERVER_NAMES if os.path.lexists(server.server_dir / one)]
    if _SERVER_CA_NAME in present and (fault := _certificate_fault(server.server_dir / _SERVER_CA_NAME)):
        words = f"{quoted(server.shown(server.server_dir / _SERVER_CA_NAME))} {fault}: each device's ca.pem leads to it"
        return problem(name, words, "put the certificate of the server's CA there, or move it away")
    if len(present) == len(SERVER_NAMES):
        return ok(name, "a server CA and a server certificate are there")
    if present in ([], [_SERVER_CA_NAME]):
        # One alone is the gateway's, which a team has put there for the devices' ca.pem.
        return ok(name, f"{_SERVER_CA_NAME} is there" if present else f"no {_SERVER_CA_NAME}: devices get no ca.pem")
    words = f"half a server CA is there: {', '.join(present)} alone"
    return warning(name, words, "move away what an interrupted 'otaopenssl server' left")


def _certificate_fault(path: Path) -> str:
    """Why a file is no PEM certificate, in words that follow its name; empty where it is one."""
    try:
        blocks = pem_blocks(read_bounded(path))
    except FileNotFoundError:
        return "is a link that leads nowhere"
    except OSError as error:
        return f"cannot be read: {reason(error)}"
    is_one = bool(blocks) and all(block.label == CERTIFICATE and is_whole_der(block.der) for block in blocks)
    return "" if is_one else "holds something else than PEM certificates"


def _workbenches(subject: Subject, name: str) -> Check:
    dead = workbench.dead(subject.server.hidden_dir)
    if not dead:
        return ok(name, "none is left of a dead run")
    return ok(name, f"{len(dead)} left by runs that died, which the next run removes")


def _previous(subject: Subject, name: str) -> Check:
    server = subject.server
    unfinished = previous.unfinished(server)
    if unfinished:
        words = f"{unfinished} under way, or left by runs that died, which the next run finishes"
        return ok(name, f"renewals: {words}")
    quantity = sum(1 for _ in previous.previous_devices(server))
    if not quantity:
        return ok(name, "no device was renewed")
    words = f"{quantity} that {'was' if quantity == 1 else 'were'} renewed {'is' if quantity == 1 else 'are'} kept"
    return ok(name, f"{words} in {server.shown(server.previous_dir)}, keys included")


def _records(subject: Subject, name: str) -> Check:
    server = subject.server
    check_chain(server)
    names = {path.name for path in record_dirs(server) if path.is_dir()}
    gone = [record for record in _listed(server) if record not in names]
    if gone:
        words = f"{len(gone)} that {SUMS_NAME} names {'is' if len(gone) == 1 else 'are'} gone: {gone[0]}"
        more = " and others" if len(gone) > 1 else ""
        return problem(name, words + more, "put back from a copy what is gone; 'otaopenssl audit' tells what differs")
    if not names:
        return ok(name, "there are none yet")
    return ok(name, f"{len(names)} in {server.shown(records_dir(server))}, and {SUMS_NAME} ends as a run has left it")


def _listed(server: Server) -> list[str]:
    """The records that SHA256SUMS names; none where its form says that a run was killed, which is told of elsewhere."""
    try:
        return [record for _, record in read_chain(server)]
    except (FileNotFoundError, ValueError):
        return []


def _dead_runs(subject: Subject, name: str) -> Check:
    dead = [path.name for path in open_records(subject.server) if not locks.is_held(path)]
    if not dead:
        return ok(name, "every record of a run that has ended is closed")
    words = f"{len(dead)} of runs that died: {dead[0]}{' and others' if len(dead) > 1 else ''}"
    return warning(name, words, "make a device, with '--seal' where they were to be sealed: that run closes them")


CHECKS: Mapping[str, Look] = {
    "serials": _serials,
    "server-ca": _server_ca,
    "workbenches": _workbenches,
    "previous": _previous,
    "records": _records,
    "dead-runs": _dead_runs,
}
