"""Before anything runs: what was approved, and what evidence the run is to leave."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from otaopenssl.builds import OPENSSL_CNF
from otaopenssl.cli import session, terminal
from otaopenssl.cli.options import Running
from otaopenssl.durable import read_bounded
from otaopenssl.errors import BadInput, Error, NotApproved, Unfit, quoted, raise_all
from otaopenssl.evidence import Evidence, Keeping
from otaopenssl.gate import Intent, examined, permitted
from otaopenssl.ids import DeviceUUID
from otaopenssl.layout import Server
from otaopenssl.permission import Permission
from otaopenssl.program import Launch
from otaopenssl.runner import Runner
from otaopenssl.signing import Signer
from otaopenssl.texts import Procedure

if TYPE_CHECKING:
    from otaopenssl.gateway_root import GatewayOrder

_LONGEST_PASSPHRASE = 1024


def admitted(
    running: Running, server: Server, procedure: Procedure | None, texts: tuple[str, ...] = (), *, needs_ca: bool = True
) -> Permission:
    """What a run that leaves no record may be made of. Raises NotApproved before anything was started."""
    permission = permitted(_intent(running, server, procedure, texts, needs_ca=needs_ca))
    _check_texts(procedure)
    return permission


def launcher(running: Running, server: Server, permission: Permission, uuid: DeviceUUID | None = None) -> Launch:
    """``session.launcher``, for a program that must say the version that was approved, and read that openssl.cnf."""
    launch = session.launcher(running, server, uuid)

    def checked() -> Runner:
        runner = launch()
        if permission.approval is not None:
            builds = permission.builds()
            versions = [build.version for build in builds]
            config = str(Path(runner.openssl_dir) / OPENSSL_CNF)
            words = ""
            if runner.version not in versions:
                words = f"openssl's version: expected {' or '.join(versions)}, got {runner.version}"
            elif not any(config in build.configs for build in builds):
                words = f"openssl.cnf: expected {quoted(next(iter(builds[0].configs)))}, got {quoted(config)}"
            if words:
                raise NotApproved(
                    f"not approved: {words}", hint="run the openssl that was approved, or approve this one"
                )
        return runner

    return checked


def evidence(
    running: Running,
    command: str,
    server: Server,
    procedure: Procedure,
    gateway: "GatewayOrder | None" = None,
    uuid: DeviceUUID | None = None,
) -> tuple[Launch, Evidence]:
    """What a run is launched by, and the evidence that it is to leave, which holds it to what was approved.

    Raises what is wrong with a seal.
    """
    texts: tuple[str, ...] = ("root.sh" if command == "root" else "device.sh",)
    places = server.places()
    if gateway is not None:
        texts += (gateway.text_name,)
        places |= gateway.places()
    intent = _intent(running, server, procedure, texts, needs_ca=command != "root")
    permission, not_approved = examined(intent)
    refusal: Error | None = not_approved
    if refusal is None:
        _check_texts(procedure)
    who = None
    try:
        who = None if running.seal is None else signer(running)
    except Unfit as problem:
        refusal = refusal or problem
    keeping = Keeping(command, server, procedure, texts, places, who, running.site)
    return launcher(running, server, permission, uuid), Evidence(keeping, permission, refusal)


def _intent(
    running: Running, server: Server, procedure: Procedure | None, texts: tuple[str, ...], *, needs_ca: bool
) -> Intent:
    program = session.program(running.place)
    return Intent(server, procedure, texts, program, needs_ca)


def _check_texts(procedure: Procedure | None) -> None:
    # Of its own, the tool's tests have made sure.
    if procedure is not None and not procedure.is_built_in:
        procedure.check_all()


def signer(running: Running) -> Signer:
    """Who seals. Raises BadInput or Unfit with all that is wrong."""
    seal = running.seal
    if seal is None:
        raise BadInput("no one to sign is named", hint="give a certificate and its key")
    here = session.project_dir(running.place)
    problems: list[Error] = [
        BadInput(f"{quoted(name)} is no name of a file", hint="give the files of a certificate and its key")
        for name in (seal.certificate, seal.key)
        if not name or "\0" in name
    ]
    raise_all(problems)
    return Signer(here / seal.certificate, here / seal.key, passphrase(here, seal.key, seal.passphrase_file))


def passphrase(here: Path, key: str, file: str | None) -> bytes:
    """The key's passphrase: the first line of a file, or asked for at the terminal where the key is encrypted."""
    if file is not None:
        try:
            return read_bounded(here / file, _LONGEST_PASSPHRASE).partition(b"\n")[0].removesuffix(b"\r")
        except (OSError, ValueError) as error:
            words = session.why_unread(error)
            hint = "give '--passphrase-file FILE' that holds the passphrase in its first line"
            raise Unfit(f"passphrase file {quoted(file)} cannot be read: {words}", hint=hint) from error
    try:
        content = read_bounded(here / key)
    except OSError:
        return b""
    if b"ENCRYPTED" not in content:
        return b""
    if sys.stdin is None or not sys.stdin.isatty():
        hint = "give its passphrase by '--passphrase-file FILE'"
        raise Unfit(f"{quoted(key)} is encrypted, and there is no terminal to ask at", hint=hint)
    return terminal.unseen(f"passphrase of {key}: ")
