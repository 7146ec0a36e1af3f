"""The fleet root CA: whether ca.key and ca.crt are there, belong together and may sign certificates of clients.

openssl signs with an expired CA, with one that is no CA and with one whose extended key usage forbids clients, and
exits 0 each time; the devices are then refused by the gateway. All of it is said before a key is made.
"""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from otaopenssl.durable import read_bounded
from otaopenssl.errors import Error, Failed, Unfit, moment, quoted, raise_all, reason
from otaopenssl.file_state import is_there, state_of
from otaopenssl.layout import Server
from otaopenssl.leaf import Leaf, is_same_key, parse_leaf
from otaopenssl.output_rules import Written, written
from otaopenssl.outputs import (
    CERTIFICATE,
    CLIENT_AUTH,
    CertificateReport,
    holds_encrypted_key,
    is_key_of,
    is_whole_der,
    pem_blocks,
)
from otaopenssl.questions import PUBLIC_KEY_REPORT
from otaopenssl.reports import ask_report, unread
from otaopenssl.runner import Runner

_ANOTHER_HINT = "put a fit fleet root CA in its place; a new server name can have a new one: otaopenssl root"


# What tells one state of a file from another: inode, size, time of change.
_State = tuple[int, int, int]


class FleetRoot(NamedTuple):
    """A fleet root CA that was examined.

    ``report`` is openssl's of ca.crt; ``name`` its subject and ``public_key`` its key in DER, None where that is not
    DER; ``state`` tells the two files from others that are put in their place later.
    """

    report: CertificateReport
    name: bytes | None
    public_key: bytes | None
    state: tuple[_State | None, ...]

    def has_key(self, public_key: bytes) -> bool:
        """Whether its key is this one (SubjectPublicKeyInfo in DER)."""
        return self.public_key is not None and is_same_key(self.public_key, public_key)

    def check_unchanged(self, server: Server) -> None:
        """Raise Failed where ca.key or ca.crt is not the file any more that was examined."""
        for path, before in zip((server.ca_key_path, server.ca_crt_path), self.state, strict=True):
            now = _state(path)
            if now != before:
                what = "cannot be read, and could" if now is None else "is another file than"
                raise Failed(
                    f"{quoted(server.shown(path))} {what} when the run began",
                    hint="put the fleet root CA back in its place",
                )


def examine(server: Server, runner: Runner | None) -> tuple[FleetRoot | None, list[Error]]:
    """The fleet root CA, and every reason why it must not sign devices.

    ``runner`` is None where no openssl is usable; then only what reading the files tells is found.
    """
    where = quoted(server.shown(server.devices_dir))
    try:
        has_any = any(map(is_there, (server.ca_key_path, server.ca_crt_path)))
    except OSError as error:
        return None, [Unfit(f"{where} cannot be read: {reason(error)}", hint="check its owner and mode")]
    if not has_any:
        return None, [
            Unfit(f"no fleet root CA in {where}", hint="run 'otaopenssl root' first, or put ca.key and ca.crt there")
        ]
    problems: list[Error] = []
    # Before anything is read: what changes from here on is another fleet root CA.
    state = tuple(_state(path) for path in (server.ca_key_path, server.ca_crt_path))
    key_is_readable = False
    certificate: bytes | None = None
    try:
        _check_key_file(server)
        key_is_readable = True
    except Unfit as problem:
        problems.append(problem)
    try:
        certificate = read_certificate(server).blocks[0].der
    except Unfit as problem:
        problems.append(problem)
    if runner is None or certificate is None:
        return None, problems
    try:
        shown = server.shown(server.ca_crt_path)
        report, text = ask_report(runner, server.ca_crt_path, cwd=server.project_dir, shown=shown)
        problems += _unfitness(server, report)
        if key_is_readable:
            _check_pair(server, runner, text)
    except Error as problem:
        return None, [*problems, Unfit(problem.message, hint=problem.hint)]
    leaf = _parsed(certificate)
    name, public_key = (None, None) if leaf is None else (leaf.subject, leaf.public_key)
    return FleetRoot(report, name, public_key, state), problems


def require(server: Server, runner: Runner) -> CertificateReport:
    """The report of ca.crt of a fleet root CA that may sign devices; raises every reason why it must not at once."""
    found, problems = examine(server, runner)
    raise_all(problems)
    if found is None:
        raise Unfit(f"{quoted(server.shown(server.ca_crt_path))} cannot be judged", hint=_ANOTHER_HINT)
    return found.report


def read_certificate(server: Server) -> Written:
    """ca.crt as it is, the first of its PEM blocks a whole certificate. Raises Unfit where it is none."""
    shown = quoted(server.shown(server.ca_crt_path))
    found = written(_read(server.ca_crt_path, shown))
    blocks = found.blocks
    if not blocks or blocks[0].label != CERTIFICATE or not is_whole_der(blocks[0].der):
        what = f"a PEM file of {blocks[0].label}" if blocks and blocks[0].label != CERTIFICATE else "something else"
        raise Unfit(f"{shown} is {what}, expected a PEM certificate", hint=_ANOTHER_HINT)
    return found


def _state(path: Path) -> _State | None:
    """None of a file that is not there, or cannot be read."""
    found = state_of(path) if os.access(path, os.R_OK) else None
    return None if found is None else (found.inode, found.size, found.modified_ns)


def _parsed(certificate: bytes) -> Leaf | None:
    try:
        return parse_leaf(certificate)
    except ValueError:
        return None


def _check_key_file(server: Server) -> None:
    shown = quoted(server.shown(server.ca_key_path))
    content = _read(server.ca_key_path, shown)
    blocks = pem_blocks(content)
    labels = [block.label for block in blocks]
    if holds_encrypted_key(content):
        raise Unfit(
            f"{shown} is encrypted, and the audited commands give no passphrase",
            hint="decrypt it into a file of mode 0600: openssl pkcs8 -topk8 -nocrypt",
        )
    if not any(label.endswith("PRIVATE KEY") for label in labels):
        found = f"a PEM file of {labels[0]}" if labels else "something else"
        raise Unfit(f"{shown} is {found}, expected a PEM private key", hint=_ANOTHER_HINT)


def _read(path: Path, shown: str) -> bytes:
    try:
        content = read_bounded(path)
    except FileNotFoundError:
        hint = "a fleet root CA is both ca.key and ca.crt; an interrupted 'otaopenssl root' may have left one of them"
        raise Unfit(f"{shown} is missing", hint=hint) from None
    except OSError as error:
        raise Unfit(f"{shown} cannot be read: {reason(error)}", hint="check its owner and mode") from error
    if not content:
        raise Unfit(f"{shown} is empty", hint=_ANOTHER_HINT)
    return content


def _check_pair(server: Server, runner: Runner, certificate_report: str) -> None:
    key, certificate = quoted(server.shown(server.ca_key_path)), quoted(server.shown(server.ca_crt_path))
    finished = runner.ask(PUBLIC_KEY_REPORT, server.ca_key_path, cwd=server.project_dir)
    if not finished.is_good:
        raise unread(finished, server.shown(server.ca_key_path))
    if not is_key_of(finished.stdout.decode("utf-8", "replace"), certificate_report):
        raise Unfit(f"{key} is not the private key of {certificate}", hint="put the two that belong together there")


def untimely(server: Server, report: CertificateReport) -> list[Error]:
    """Why ca.crt is not valid now, if so."""
    shown = quoted(server.shown(server.ca_crt_path))
    now = datetime.now(UTC)
    found: list[Error] = []
    if report.not_after < now:
        found.append(Unfit(f"{shown} expired on {moment(report.not_after)}", hint=_ANOTHER_HINT))
    if report.not_before > now:
        found.append(
            Unfit(
                f"{shown} is not valid before {moment(report.not_before)}",
                hint="check the clock of this machine",
            )
        )
    return found


def _unfitness(server: Server, report: CertificateReport) -> list[Error]:
    shown = quoted(server.shown(server.ca_crt_path))
    found = untimely(server, report)
    if not report.may_sign_certificates:
        found.append(Unfit(f"{shown} is no CA certificate: it may not sign certificates", hint=_ANOTHER_HINT))
    if report.forbids_clients:
        found.append(
            Unfit(
                f"{shown} is not fit for client certificates: its extended key usage is"
                f" '{', '.join(report.extended_key_usage or ())}', expected '{CLIENT_AUTH}' or none;"
                " an OpenSSL gateway refuses every device under it (unsuitable certificate purpose)",
                hint=_ANOTHER_HINT,
            )
        )
    return found
