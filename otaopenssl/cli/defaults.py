"""What a team's otaopenssl.toml says, where neither an option nor a variable of the guide says it."""

import errno
import os
from typing import TYPE_CHECKING

from otaopenssl.cli import session
from otaopenssl.cli.options import MOST_JOBS, Asking, Place, Running
from otaopenssl.durable import read_bounded
from otaopenssl.errors import BadInput, Unfit, reason
from otaopenssl.layout import SETTINGS_NAME

if TYPE_CHECKING:
    from otaopenssl.settings import Settings

_LARGEST_FILE = 64 * 1024
# No regular file, one too large, and a socket.
_WRONG_FILES = (errno.EISDIR, errno.EINVAL, errno.EFBIG, errno.ENXIO)


class Defaults:
    """The file of the project directory, read once; where there is none, everything stays as it was given.

    Raises BadInput where it is malformed or no file that could be read, Unfit where it cannot be read.
    """

    def __init__(self, place: Place) -> None:
        self.settings = _settings(place)

    def running(self, given: Running) -> Running:
        """How to work, by the options, else the guide's variable, else the file."""
        settings = self.settings
        if settings is None:
            return given
        is_named = given.server_name is not None or "SERVER_NAME" in os.environ
        openssl, procedure = given.place.openssl, given.procedure
        return given._replace(
            place=given.place._replace(openssl=settings.openssl if openssl is None else openssl),
            server_name=given.server_name if is_named else settings.server_name,
            procedure=settings.procedure if procedure is None else procedure,
            seal=settings.seal if given.seal is None else given.seal,
            site=settings.site,
        )

    def asking(self, given: Asking) -> Asking:
        """Which gateway to ask; the file's port belongs to the file's gateway."""
        settings = self.settings
        if settings is None or settings.gateway is None or given.names_gateway():
            return given
        port = None if settings.port is None else str(settings.port)
        return given._replace(gateway=settings.gateway, port=port if given.port is None else given.port)

    def jobs(self, given: str | None) -> str | None:
        """How many devices of a fleet at a time, as the option gives it."""
        if given is not None or self.settings is None or self.settings.jobs is None:
            return given
        return str(self.settings.jobs)


def _settings(place: Place) -> "Settings | None":
    path = session.project_dir(place) / SETTINGS_NAME
    try:
        content = read_bounded(path, _LARGEST_FILE)
    except OSError as error:
        # A link that leads nowhere is no absent file: the team has defaults, and they cannot be read.
        if isinstance(error, FileNotFoundError) and not path.is_symlink():
            return None
        words = f"{SETTINGS_NAME} cannot be read: {reason(error)}"
        if error.errno in _WRONG_FILES:
            raise BadInput(words, hint="make it a regular file of at most 64 KiB") from error
        raise Unfit(words, hint="check its owner and mode, and those of the project directory") from error
    # Imported here because most projects have no such file.
    from otaopenssl.settings import parse_settings

    return parse_settings(content, SETTINGS_NAME, MOST_JOBS)
