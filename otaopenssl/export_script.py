"""The dry-run of an export: a bash script that makes the same file."""

import os
from collections.abc import Collection
from datetime import datetime
from pathlib import Path

from otaopenssl.ids import Identity
from otaopenssl.layout import CERTIFICATE_NAME, KEY_NAME, Server
from otaopenssl.script import Body, Line, Script
from otaopenssl.shellwords import shell_quoted
from otaopenssl.steps import Text

_NO_NEWLINES = "sed -e '/^-----BEGIN /,/^-----END /!d' -e '/^-----/d'"


def pkcs12_script(
    server: Server, identity: Identity, text: Text, out: str, passphrase: Path | int | None, program: str | None
) -> Script:
    """What ``export --p12`` would run; ``passphrase`` is a file, a descriptor, or None for the terminal."""
    name = f".otaopenssl-{os.urandom(8).hex()}"
    places = {**server.device_places(*identity), "export_dir": str((server.project_dir / out).parent / name)}
    (step,) = text.steps
    body: Body = [
        *_target_lines(out),
        f'export export_dir="$(dirname -- "${{target}}")/{name}"',
        'mkdir -m 700 "${export_dir}"',
        "trap 'rm -rf -- \"${export_dir}\"' EXIT",
        "umask 077",
        "",
        Line(step, places, opening="printf '%s\\n' \"${passphrase}\" |"),
        "",
        "# the tool has openssl verify the certificate before, and read the file back after",
        'ln -T -- "${export_dir}/device.p12" "${target}"',
        "printf '%s\\n' \"${target}\"",
    ]
    return _script(server, identity, [text], body, program, _passphrase_lines(passphrase))


def der_script(server: Server, identity: Identity, out: str | None, *, is_key: bool) -> Script:
    """What ``export --der`` comes to; it needs no openssl, since PEM is DER in Base64."""
    source = f'"${{device_dir}}/{KEY_NAME if is_key else CERTIFICATE_NAME}"'
    made = f"{_NO_NEWLINES} -- {source} | base64 -d"
    return _script(server, identity, [], _written(made, out, is_private=is_key), None)


def tar_script(server: Server, identity: Identity, out: str | None, moment: datetime, links: Collection[str]) -> Script:
    """What ``export --tar`` comes to by GNU tar: the same members; which bytes they are written in differs.

    ``moment`` is the time of all; ``links`` are the names of the links that may be there.
    """
    command = (
        "TZ=UTC tar --create --format=ustar --sort=name --dereference --owner=0 --group=0 --numeric-owner"
        f' --mtime=@{int(moment.timestamp())} --directory="${{DEVICES_DIR}}" -- "${{DEVICE_UUID}}"'
    )
    others = "".join(f" ! -name {shell_quoted(name)}" for name in sorted(links))
    body = [
        f'others=$(find "${{device_dir}}" -type l{others})',
        '[ -z "${others}" ] || { echo "links that no text makes: ${others}" >&2; exit 4; }',
        "# the tool looks as well where the others lead to, and that no private key is there",
        *_written(command, out, is_private=True),
    ]
    return _script(server, identity, [], body, None)


def _script(
    server: Server,
    identity: Identity,
    texts: list[Text],
    body: Body,
    program: str | None,
    first: tuple[str, ...] = (),
) -> Script:
    found = '[ -d "${device_dir}" ] || { echo "no device: ${device_dir} is not there" >&2; exit 4; }'
    return Script("otaopenssl export", server, texts, [found, *body], {}, *identity, program, first)


def _target_lines(out: str) -> list[str]:
    path = f"./{out}" if out.startswith("-") else out
    return [
        f"target={shell_quoted(path)}",
        '[ ! -e "${target}" ] && [ ! -L "${target}" ] || { echo "${target} is there already" >&2; exit 4; }',
    ]


def _written(command: str, out: str | None, *, is_private: bool) -> Body:
    """Lines that run a command whose standard output is the export, into a new file or as it is."""
    if out is None:
        return [command]
    mask = ["umask 077"] if is_private else []
    return [
        *_target_lines(out),
        *mask,
        "set -o noclobber",
        f'{command} > "${{target}}"',
        "printf '%s\\n' \"${target}\"",
    ]


def _passphrase_lines(source: Path | int | None) -> tuple[str, ...]:
    """Lines that read the passphrase before standard input is closed; no process gets it but by a pipe."""
    match source:
        case Path():
            reading = f"IFS= read -r passphrase < {shell_quoted(str(source))}"
        case int():
            reading = f"IFS= read -r passphrase <&{source}"
        case None:
            reading = 'IFS= read -rs -p "passphrase of the PKCS#12 file: " passphrase </dev/tty'
    empty = '[ -n "${passphrase}" ] || { echo "the passphrase is empty" >&2; exit 2; }'
    # The tool takes no end of a line of either kind for a part of it.
    return (f"{reading} || true", "passphrase=${passphrase%$'\\r'}", empty)
