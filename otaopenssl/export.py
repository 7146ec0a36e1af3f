"""One use case: what there is of a device, for another program: as PKCS#12, in DER, or as a tar archive."""

import os
from datetime import datetime
from pathlib import Path

from otaopenssl import scratch
from otaopenssl.device_tar import device_tar
from otaopenssl.device_verdicts import judged
from otaopenssl.durable import check_writable, not_writable, read_bounded, write_new
from otaopenssl.errors import Error, Failed, Unfit, quoted, reason
from otaopenssl.interrupts import hold_for_good
from otaopenssl.layout import CERTIFICATE_NAME, KEY_NAME, Server
from otaopenssl.outputs import PemBlock, holds_encrypted_key, is_whole_der, pem_blocks
from otaopenssl.own_places import check_not_own
from otaopenssl.permission import Permission
from otaopenssl.pkcs12 import check_holds, encrypted
from otaopenssl.present_device import PresentDevice
from otaopenssl.program import Launch
from otaopenssl.steps import Text
from otaopenssl.text_rules import EXPORT_NAME
from otaopenssl.texts import Procedure

_OTHER_NAME_HINT = "name a file that is not there yet"


def target_problems(server: Server, procedure: Procedure, out: str) -> list[Error]:
    """What keeps a new file from being made at ``out``, a path from the project directory."""
    path = server.project_dir / out
    if os.path.lexists(path):
        return [Unfit(f"{quoted(out)} is there already, and nothing is ever overwritten", hint=_OTHER_NAME_HINT)]
    parent = path.parent
    if not parent.is_dir():
        return [Unfit(f"directory {quoted(parent)} is not there", hint="make the directory first")]
    try:
        check_not_own(path, out, server, hint="name a file elsewhere", texts_dir=procedure.directory)
    except Unfit as problem:
        return [problem]
    return check_writable(parent, str(parent))


def publish(server: Server, out: str, content: bytes, *, is_private: bool) -> None:
    """Make the new file ``out``, whole or not at all. Raises Unfit, also where somebody else has made it meanwhile."""
    hold_for_good()
    try:
        write_new(server.project_dir / out, content, is_private=is_private)
    except FileExistsError as error:
        raise Unfit(f"{quoted(out)} is there already by now", hint=_OTHER_NAME_HINT) from error
    except OSError as error:
        raise not_writable(error, out) from error


def check_has_key(device: PresentDevice) -> None:
    """Raise Unfit where the device's key is elsewhere, or encrypted so that nobody could use it."""
    if not device.has_key:
        words = f"device {quoted(device.identity.uuid)} has no key here: it is on the device, whose CSR was signed"
        raise Unfit(words, hint="export its certificate: '--der', or its directory: '--tar'")
    content = device.files[KEY_NAME]
    if holds_encrypted_key(content):
        words = f"{quoted(KEY_NAME)} is encrypted, and its passphrase is not known here"
        raise Unfit(words, hint="decrypt it in a copy of the directory, or export the directory: '--tar'")


def as_der(device: PresentDevice, *, is_key: bool) -> bytes:
    """The device's certificate (or its key in PKCS#8) in DER: what its PEM holds in Base64. Source: RFC 7468."""
    if is_key:
        check_has_key(device)
    name = KEY_NAME if is_key else CERTIFICATE_NAME
    content = device.files[name]
    if is_whole_der(content):
        return content
    return _first_block(content, name).der or b""


def as_tar(server: Server, text: Text, device: PresentDevice) -> bytes:
    """The device directory as a tar archive; its time is the one from which the certificate is valid.

    Of links those that the text makes go in.
    """
    return device_tar(device.path, not_before(device), links_of(server, text, device))


def not_before(device: PresentDevice) -> datetime:
    """The time from which the device's certificate is valid."""
    return device.leaf.not_before


def links_of(server: Server, text: Text, device: PresentDevice) -> dict[str, Path]:
    """The links that the text makes for the device, by their names, and where they lead to."""
    places = server.device_places(*device.identity)
    commands = [step.bind(places).commands[0] for step in text.steps if step.link_word() is not None]
    return {Path(link).name: (server.project_dir / link).parent / target for _, _, target, link in commands}


def as_pkcs12(
    server: Server,
    procedure: Procedure,
    device: PresentDevice,
    launch: Launch,
    permission: Permission,
    passphrase: bytes,
) -> bytes:
    """The device's key, its certificate and ca.crt in PKCS#12, once openssl has found just these in it.

    Raises BadInput (text), Unfit (no key here, no ca.crt, no openssl), NotApproved, or Failed.
    """
    text = procedure.text(EXPORT_NAME)
    check_has_key(device)
    ca = _ca(server)
    runner = launch()
    watch = permission.watch()
    places = server.device_places(*device.identity)
    verdict = judged(runner, server, f"{places['device_dir']}/{CERTIFICATE_NAME}")
    if not verdict.is_accepted:
        words = f"openssl verify refuses {quoted(CERTIFICATE_NAME)} under ca.crt: {verdict.words or 'it broke down'}"
        raise verdict.broken or Failed(words, hint="put the fleet root CA back that has signed the device")
    with scratch.directory() as staging_dir:
        path = encrypted(runner, text, places, server.project_dir, staging_dir, passphrase)
        check_holds(runner, path, passphrase, device.files[CERTIFICATE_NAME] + b"\n" + ca, device.public_key)
        watch.check_again()
        return read_bounded(path)


def _ca(server: Server) -> bytes:
    shown = quoted(server.shown(server.ca_crt_path))
    try:
        return read_bounded(server.ca_crt_path)
    except OSError as error:
        words = f"{shown}, which goes with the device's certificate, cannot be read: {reason(error)}"
        raise Unfit(words, hint="put the fleet root CA's certificate back in its place") from error


def _first_block(content: bytes, name: str) -> PemBlock:
    blocks = pem_blocks(content)
    if not blocks or not is_whole_der(blocks[0].der):
        raise Failed(f"{quoted(name)} is no whole PEM file", hint="move its directory away to have it made again")
    return blocks[0]
