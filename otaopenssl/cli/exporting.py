"""The command that hands out what there is of a device: options, the passphrase, and where the result goes."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from otaopenssl import export as exports
from otaopenssl import export_script as scripts
from otaopenssl.cli import gating, session, terminal
from otaopenssl.cli.defaults import Defaults
from otaopenssl.cli.new_passphrase import new_passphrase, parse_descriptor
from otaopenssl.cli.options import Running
from otaopenssl.errors import BadInput, Error, Unfit, quoted, raise_all
from otaopenssl.ids import parse_device_uuid, parse_server_name
from otaopenssl.layout import Server
from otaopenssl.permission import Permission
from otaopenssl.present_device import PresentDevice, present_device
from otaopenssl.script import Script
from otaopenssl.text_rules import EXPORT_NAME
from otaopenssl.texts import Procedure

_DEVICE_NAME = "device.sh"
_STANDARD_STREAM = "-"
_FORM_HINT = "give one of '--p12 FILE', '--der' and '--tar'"


class Form(StrEnum):
    """In what form a device goes out."""

    P12 = "p12"
    DER = "der"
    KEY = "key in der"
    TAR = "tar"


class ExportOptions(NamedTuple):
    """The options that this command alone has, as they were given."""

    p12: str | None
    der: bool
    tar: bool
    key: bool
    out: str | None
    passphrase_file: str | None
    passphrase_fd: str | None


class _Order(NamedTuple):
    """What goes out, and where to: None for ``out`` is standard output."""

    server: Server
    procedure: Procedure
    form: Form
    out: str | None
    options: ExportOptions


def export(running: Running, options: ExportOptions, uuid: str | None) -> None:
    """Hand out a device that is whole; print the path of the new file, or what would stand in it."""
    running = Defaults(running.place).running(running)
    named = session.device_uuid(uuid)
    form = _form(options)
    out = options.p12 if form is Form.P12 else options.out
    problems = session.refusals([(parse_server_name, session.server_name(running)), (parse_device_uuid, named)])
    if named is None:
        problems.append(BadInput("no device is named", hint="give its UUID, or set DEVICE_UUID"))
    problems += _contradictions(running, options, form)
    raise_all(problems)
    server, procedure = session.server(running), session.procedure(running)
    order = _Order(server, procedure, form, None if out == _STANDARD_STREAM else out, options)
    checked_uuid = parse_device_uuid(named or "")
    if running.dry_run:
        device = present_device(server, procedure.text(_DEVICE_NAME), checked_uuid)
        session.print_script(_script(running, order, device), running)
        return
    permission = gating.admitted(running, server, procedure, (EXPORT_NAME if form is Form.P12 else _DEVICE_NAME,))
    device = present_device(server, procedure.text(_DEVICE_NAME), checked_uuid)
    raise_all(_place_problems(order))
    _hand_out(running, order, device, _content(running, order, device, permission))


def _content(running: Running, order: _Order, device: PresentDevice, permission: Permission) -> bytes:
    """What goes out, made by what was admitted."""
    server, options = order.server, order.options
    if order.form is Form.P12:
        exports.check_has_key(device)
        passphrase = new_passphrase(server.project_dir, options.passphrase_file, options.passphrase_fd)
        launch = gating.launcher(running, server, permission, device.identity.uuid)
        return exports.as_pkcs12(server, order.procedure, device, launch, permission, passphrase)
    if order.form is Form.TAR:
        return exports.as_tar(server, order.procedure.text(_DEVICE_NAME), device)
    return exports.as_der(device, is_key=order.form is Form.KEY)


def _form(options: ExportOptions) -> Form:
    """The form that is asked for. Raises BadInput unless it is one."""
    asked = [options.p12 is not None, options.der, options.tar]
    if sum(asked) != 1:
        words = "no form is named" if not any(asked) else "more than one form is named"
        raise BadInput(words, hint=_FORM_HINT)
    if options.p12 is not None:
        return Form.P12
    if options.tar:
        return Form.TAR
    return Form.KEY if options.key else Form.DER


def _contradictions(running: Running, options: ExportOptions, form: Form) -> list[Error]:
    problems = session.refusals([(session.parse_out, options.out), (parse_descriptor, options.passphrase_fd)])
    needless = {
        "--out": (options.out is not None, form is not Form.P12, "'--p12 FILE' names the file"),
        "--key": (options.key, form is Form.KEY, "it is for '--der' alone; the others hold the key"),
        "--passphrase-file": (options.passphrase_file is not None, form is Form.P12, "'--p12' alone has a passphrase"),
        "--passphrase-fd": (options.passphrase_fd is not None, form is Form.P12, "'--p12' alone has a passphrase"),
    }
    for option, (is_given, is_right, why) in needless.items():
        if is_given and not is_right:
            problems.append(BadInput(f"'{option}' means nothing here: {why}", hint=f"leave '{option}' out"))
    if options.passphrase_file is not None and options.passphrase_fd is not None:
        words = "'--passphrase-file' and '--passphrase-fd' both name a passphrase"
        problems.append(BadInput(words, hint="give one of them"))
    problems += session.refusals([(_parse_p12, options.p12)])
    is_to_stdout = form is not Form.P12 and options.out in (None, _STANDARD_STREAM)
    if is_to_stdout and form is Form.KEY:
        problems.append(BadInput("a key in the clear goes to a file alone", hint="give '--out FILE', which gets 0600"))
    elif is_to_stdout and running.json and not running.dry_run:
        words = "the export and '--json' both want standard output"
        problems.append(BadInput(words, hint="give '--out FILE' with '--json'"))
    return problems


def _parse_p12(value: str) -> str:
    if not value or "\0" in value or value.endswith("/") or value == _STANDARD_STREAM:
        raise BadInput(f"--p12 {quoted(value)} is no name of a file", hint="give '--p12 FILE'")
    return value


def _place_problems(order: _Order) -> list[Error]:
    """What keeps the result from going where it is to go."""
    if order.out is not None:
        return exports.target_problems(order.server, order.procedure, order.out)
    if sys.stdout.isatty():
        return [Unfit("standard output is a terminal, and the export is no text", hint="give '--out FILE'")]
    return []


def _hand_out(running: Running, order: _Order, device: PresentDevice, content: bytes) -> None:
    if order.out is None:
        terminal.result_bytes(content)
        return
    exports.publish(order.server, order.out, content, is_private=order.form is not Form.DER)
    if running.json:
        terminal.result_json(
            {**device.identity._asdict(), "form": order.form, "file": order.out, "size": len(content)}
            | {"has_key": device.has_key and order.form is not Form.DER, "certificate_sha256": device.issued.sha256}
        )
        return
    terminal.note(f"device {device.identity.uuid}: {_WORDS[order.form]}, {len(content)} bytes")
    terminal.result(order.out)


def _script(running: Running, order: _Order, device: PresentDevice) -> Script:
    server, identity, options = order.server, device.identity, order.options
    if order.form is Form.TAR:
        links = exports.links_of(server, order.procedure.text(_DEVICE_NAME), device)
        return scripts.tar_script(server, identity, order.out, exports.not_before(device), links)
    if order.form is not Form.P12:
        return scripts.der_script(server, identity, order.out, is_key=order.form is Form.KEY)
    source: Path | int | None = None
    if options.passphrase_file is not None:
        source = server.project_dir / options.passphrase_file
    elif options.passphrase_fd is not None:
        source = parse_descriptor(options.passphrase_fd)
    text = order.procedure.text(EXPORT_NAME)
    program = session.program_for_script(running.place)
    return scripts.pkcs12_script(server, identity, text, str(order.out), source, program)


_WORDS = {
    Form.P12: "its key, its certificate and ca.crt in PKCS#12, encrypted",
    Form.DER: "its certificate in DER",
    Form.KEY: "its private key in DER, not encrypted",
    Form.TAR: "its directory in a tar archive",
}
