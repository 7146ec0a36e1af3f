"""What a user means by naming a device: a UUID, else a path."""

import os
from pathlib import Path

from otaopenssl.errors import BadInput, Unfit, quoted, reason
from otaopenssl.file_state import is_there
from otaopenssl.ids import parse_device_uuid
from otaopenssl.layout import CERTIFICATE_NAME, KEY_NAME, Server


def target_path(server: Server, target: str) -> Path:
    """The path that a device UUID or a path means: something is there, perhaps a link that leads nowhere.

    A target with a slash in it, or that is no device UUID, is a path. Raises BadInput; Unfit where nothing is.
    """
    path = server.project_dir / target
    if "/" not in target:
        try:
            path = server.device_path(parse_device_uuid(target))
        except BadInput as error:
            if not target or "\0" in target or not os.path.lexists(path):
                raise error from None
        if not os.path.lexists(path) and os.path.lexists(server.project_dir / target):
            path = server.project_dir / target
    if "\0" in target or not _is_there(path, server.shown(path)):
        raise Unfit(
            f"no device or certificate {quoted(target)}: {quoted(server.shown(path))} is not there",
            hint="give the UUID of a device, its directory or a certificate file",
        )
    return path


def device_directory(server: Server, target: str) -> Path:
    """The device directory that a device UUID or a path means, its name the device's.

    What lies among the devices is taken for one, whatever it is. Raises BadInput, and Unfit where there is none.
    """
    path = Path(os.path.normpath(target_path(server, target)))
    is_elsewhere = path.parent != server.devices_dir
    if is_elsewhere and not any(os.path.lexists(path / name) for name in (KEY_NAME, CERTIFICATE_NAME)):
        words = f"{quoted(target)} is no device directory"
        raise Unfit(words, hint="give the UUID of a device, or its directory")
    return path


def _is_there(path: Path, shown: str) -> bool:
    try:
        return is_there(path)
    except OSError as error:
        words = f"{quoted(shown)} cannot be looked at: {reason(error)}"
        raise Unfit(words, hint="check the owner and mode of the directories above") from error
