"""The places of a project that are its own: nobody means keys, records, texts or an approval by a result's name."""

from pathlib import Path

from otaopenssl.approval import APPROVAL_NAME, SIGNATURES_NAME
from otaopenssl.errors import Unfit, quoted
from otaopenssl.layout import SETTINGS_NAME, Server

_OWN_NAMES = (APPROVAL_NAME, SIGNATURES_NAME, SETTINGS_NAME)


def check_not_own(path: Path, shown: str, server: Server, *, hint: str, texts_dir: Path | None = None) -> None:
    """Raise Unfit where ``path``, which is ``shown`` in messages, is a place of the project's own files.

    Those are whatever is in a server's directory (of whatever name), in certs/ or in ``texts_dir``, and the files in
    the project directory whose names mean something.
    """
    if _is_own(path, server, texts_dir):
        raise Unfit(f"{quoted(shown)} is a place of the project's own files", hint=hint)


def _is_own(path: Path, server: Server, texts_dir: Path | None) -> bool:
    named = [server.server_dir, server.certs_dir, *([] if texts_dir is None else [texts_dir])]
    real = path.parent.resolve() / path.name
    if any(real.is_relative_to(one.resolve()) for one in named):
        return True
    if real in [server.project_dir.resolve() / name for name in _OWN_NAMES]:
        return True
    # Of another server, whose name nobody has given.
    return any((one / "devices" / "ca.crt").exists() for one in real.parents)
