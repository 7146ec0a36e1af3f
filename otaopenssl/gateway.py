"""One use case: the device gateway's root certificate for a device, or into a file (guide steps 3 and 4)."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from otaopenssl import locks, scratch, workbench
from otaopenssl.digest import sha256
from otaopenssl.durable import check_writable, not_writable, read_bounded, replace
from otaopenssl.errors import Error, Failed, Unfit, quoted, reason
from otaopenssl.gateway_root import Fetched, GatewayOrder, fetch, prepared, script_body
from otaopenssl.ids import DeviceID, DeviceUUID
from otaopenssl.interrupts import hold_for_good
from otaopenssl.layout import GATEWAY_ROOT_NAME, Server
from otaopenssl.outputs import CERTIFICATE, pem_blocks
from otaopenssl.permission import Permission
from otaopenssl.program import Launch, launch_unless
from otaopenssl.reports import ask_report
from otaopenssl.runner import Runner
from otaopenssl.script import Script
from otaopenssl.shellwords import shell_quoted
from otaopenssl.texts import Procedure

# Where root.crt is first written when it is for no device.
_STAGED_DIR = "gateway"
_EXAMINED_DIR = "examined"


class State(StrEnum):
    """What was done with root.crt."""

    WRITTEN = "written"
    UNCHANGED = "unchanged"
    REPLACED = "replaced"


class RootOrder(NamedTuple):
    """Whose root certificate is to be fetched, and where it goes: to device ``uuid``, or else into the file ``out``.

    ``out`` is a path as the user wrote it, from the project directory. ``is_forced`` lets a file that differs be
    replaced.
    """

    server: Server
    procedure: Procedure
    gateway: GatewayOrder
    uuid: DeviceUUID | None
    out: str = ""
    is_forced: bool = False

    @property
    def path(self) -> Path:
        """The file that is written."""
        if self.uuid is not None:
            return self.server.device_path(self.uuid) / GATEWAY_ROOT_NAME
        return self.server.project_dir / self.out

    @property
    def shown(self) -> str:
        """The same for people."""
        return self.out if self.uuid is None else self.server.shown(self.path)


class Saved(NamedTuple):
    """A gateway's root.crt in its place: what came back, and how it differs from what was there before."""

    path: str
    state: State
    fetched: Fetched
    difference: tuple[str, ...]


def save_root(order: RootOrder, launch: Launch, permission: Permission | None = None) -> Saved:
    """The gateway's root certificate, in its place by one rename after it was found good.

    Where there is a permission, nothing is written unless what it permits is still there. Raises NotApproved, BadInput
    (texts, archive), Unfit (openssl, no such device, not writable, another root.crt is there) or Failed (the gateway
    does not answer as it must, or nobody vouches for it who has to). Source: guide step 4.
    """
    order.gateway.text(order.procedure)  # a text that is refused is told before anything is asked
    runner = launch_unless(_problems(order), launch)
    fetching = prepared(order.gateway, order.procedure, runner, order.server.project_dir)
    watch = None if permission is None else permission.watch()
    with _staging(order) as (cwd, places, examined_dir):
        fetched = fetch(fetching, places, runner, cwd, examined_dir)
        if watch is not None:
            watch.check_again()
        before = _existing(order)
        difference: tuple[str, ...] = ()
        if before is not None and before != fetched.content:
            difference = _difference(before, fetched, runner, examined_dir)
        return Saved(order.shown, _put(order, fetched, before, difference), fetched, difference)


def script(order: RootOrder, program: str | None) -> Script:
    """What ``otaopenssl gateway root`` would run, without running or writing anything."""
    text = order.gateway.text(order.procedure)
    # A name of its own for each script, so that what a killed one left is in nobody's way.
    name = f"otaopenssl-{os.urandom(8).hex()}"
    if order.uuid is None:
        staged = f"/tmp/{name}"  # noqa: S108 - the script makes it, and fails if it is there
        path = f"./{order.out}" if order.out.startswith("-") else order.out
        before = [
            f"root_crt={shell_quoted(path)}",
            '[ -d "$(dirname -- "${root_crt}")" ] || { echo "no directory for ${root_crt}" >&2; exit 4; }',
            f"export device_dir={staged}",
        ]
    else:
        staged = f"{order.server.places()['DEVICES_DIR']}/{order.uuid}/.{name}"
        before = [
            '[ -d "${device_dir}" ] || { echo "no device: ${device_dir} is not there" >&2; exit 4; }',
            f'root_crt="${{device_dir}}/{GATEWAY_ROOT_NAME}" device_dir="${{device_dir}}/.{name}"',
        ]
    body = [
        *before,
        '[ ! -e "${root_crt}" ] && [ ! -L "${root_crt}" ] || [ -f "${root_crt}" ] ||'
        ' { echo "${root_crt} is no file" >&2; exit 4; }',
        '! grep -a "^-----BEGIN " -- "${root_crt}" 2>/dev/null | grep -v "^-----BEGIN CERTIFICATE-----" >/dev/null ||'
        ' { echo "${root_crt} is no root.crt" >&2; exit 4; }',
        'mkdir -m 700 "${device_dir}"',
        "trap 'rm -rf -- \"${device_dir}\"' EXIT",
        *script_body(order.gateway, text, {**order.server.places(), "device_dir": staged}),
        *_replacing_lines(order),
        f"printf '%s\\n' {shell_quoted(order.shown)}",
    ]
    device_id = None if order.uuid is None else DeviceID(order.uuid)
    return Script("otaopenssl gateway root", order.server, [text], body, {}, order.uuid, device_id, program)


def _replacing_lines(order: RootOrder) -> list[str]:
    """Lines of shell that put what was fetched in its place by one rename, unless the same is there."""
    new = f'"${{device_dir}}/{GATEWAY_ROOT_NAME}"'
    if order.is_forced:
        differs = f'  [ ! -e "${{root_crt}}" ] || chmod --reference="${{root_crt}}" -- {new}'
    else:
        differs = '  [ ! -e "${root_crt}" ] || { echo "${root_crt} is there already and differs" >&2; exit 4; }'
    moved = [f'  mv -fT -- {new} "${{root_crt}}"']
    if order.uuid is None:
        # From another file system, perhaps: first beside its place.
        moved = [f'  mv -fT -- {new} "${{root_crt}}.new"', '  mv -fT -- "${root_crt}.new" "${root_crt}"']
    return [f'if ! cmp -s -- {new} "${{root_crt}}"; then', differs, *moved, "fi"]


def _problems(order: RootOrder) -> list[Error]:
    """What keeps root.crt from being put in its place."""
    parent = order.path.parent
    if not parent.is_dir():
        what = "directory" if order.uuid is None else f"no device {quoted(order.uuid)}:"
        hint = "make the directory first" if order.uuid is None else "make the device first: otaopenssl device"
        return [Unfit(f"{what} {quoted(order.server.shown(parent))} is not there", hint=hint)]
    problems = check_writable(parent, order.server.shown(parent))
    if order.uuid is not None:
        problems += check_writable(order.server.server_dir, order.server.shown(order.server.server_dir))
    try:
        _existing(order)
    except Unfit as problem:
        problems.append(problem)
    return problems


@contextmanager
def _staging(order: RootOrder) -> Iterator[tuple[Path, dict[str, str], Path]]:
    """Where the text runs, the values of its places there, and a directory for what is asked about the answer."""
    if order.uuid is not None:
        with workbench.opened(order.server) as bench:
            bench.prepare_device(order.uuid, ())
            places = order.server.device_places(order.uuid, DeviceID(order.uuid))
            yield bench.root, places, bench.prepare_examination()
        return
    with scratch.directory() as root:
        (root / _STAGED_DIR).mkdir()
        (root / _EXAMINED_DIR).mkdir()
        yield root, {**order.server.places(), "device_dir": f"./{_STAGED_DIR}"}, root / _EXAMINED_DIR


def _existing(order: RootOrder) -> bytes | None:
    """The content of the root.crt that is there. Raises Unfit where something else is, which is never replaced."""
    try:
        content = read_bounded(order.path)
    except FileNotFoundError:
        if order.path.is_symlink():
            raise Unfit(f"{quoted(order.shown)} is a link that leads nowhere", hint="remove it") from None
        return None
    except OSError as error:
        raise Unfit(f"{quoted(order.shown)} cannot be read: {reason(error)}", hint="move it away") from error
    for block in pem_blocks(content):
        if block.label != CERTIFICATE:
            raise Unfit(
                f"{quoted(order.shown)} holds {quoted(block.label)}: it is no root.crt", hint="name another file"
            )
    return content


def _put(order: RootOrder, fetched: Fetched, before: bytes | None, difference: tuple[str, ...]) -> State:
    with _alone(order):
        if _existing(order) != before:
            raise Unfit(f"{quoted(order.shown)} was changed by somebody else meanwhile", hint="run the command again")
        if before == fetched.content:
            return State.UNCHANGED
        if before is not None and not order.is_forced:
            raise Unfit(
                f"{quoted(order.shown)} is there already and differs from what gateway {quoted(fetched.address)} sent",
                hint="find out which is right; '--force' replaces the one that is there",
                details=difference,
            )
        hold_for_good()
        try:
            replace(order.path, fetched.content)
        except OSError as error:
            raise not_writable(error, order.shown) from error
    return State.WRITTEN if before is None else State.REPLACED


def _alone(order: RootOrder) -> AbstractContextManager[None]:
    if order.uuid is not None:
        return locks.hidden_folder(order.server.hidden_dir)
    return locks.directory(order.path.parent)


def _difference(before: bytes, fetched: Fetched, runner: Runner, directory: Path) -> tuple[str, ...]:
    """What the root.crt that is there has ('-') and the new one has not, and the other way round ('+')."""
    new = {certificate.sha256: certificate for certificate in fetched.chain}
    old: dict[str, str] = {}
    for block in pem_blocks(before):
        digest = sha256(block.der or b"")
        (directory / "before.pem").write_bytes(block.text + b"\n")
        try:
            report, _ = ask_report(runner, "before.pem", cwd=directory, shown=GATEWAY_ROOT_NAME)
            old[digest] = quoted(report.subject)
        except Failed:
            old[digest] = "an unreadable certificate"
    lost = [f"- {subject} sha256:{digest}" for digest, subject in old.items() if digest not in new]
    gained = [f"+ {quoted(c.report.subject)} sha256:{c.sha256}" for c in new.values() if c.sha256 not in old]
    if not before:
        lost = ["- it is empty"]
    return (*lost, *gained) if lost or gained else ("the same certificates in another order, or with other text",)
