"""The directory of a server: whether it may be one, and having it for what is made in it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from otaopenssl import durable
from otaopenssl.durable import is_unfinished, not_writable, write_new
from otaopenssl.errors import Error, Unfit, quoted, reason
from otaopenssl.interrupts import held
from otaopenssl.layout import HIDDEN_DIR_NAME, Server


def check(server: Server) -> None:
    """Raise Unfit where the server's name is that of an existing directory (or file) that is no server directory."""
    path = server.server_dir
    if not os.path.lexists(path):
        return
    hint = "choose another server name with '--server-name NAME'"
    if not path.is_dir():
        raise Unfit(f"{quoted(server.shown(path))} is no directory", hint=hint)
    try:
        names = {entry.name for entry in os.scandir(path) if not is_unfinished(entry.name)}
    except OSError as error:
        raise Unfit(f"{quoted(server.shown(path))} cannot be read: {reason(error)}", hint=hint) from error
    names -= {".gitignore", HIDDEN_DIR_NAME}
    if names and not ({"devices", "server_ca.pem"} & names):
        raise Unfit(f"{quoted(server.shown(path))} is there and is no server directory", hint=hint)


def check_writable(server: Server) -> list[Error]:
    """No error, or the one for the nearest directory that is there, in which nothing can be made."""
    directories = (server.devices_dir, server.server_dir, server.project_dir)
    nearest = next((path for path in directories if path.exists()), server.project_dir)
    return durable.check_writable(nearest, server.shown(nearest))


def check_publishing(server: Server) -> list[Error]:
    """Every reason that shows why no device could get its name in the devices directory, which is there."""
    server_dir, devices_dir = server.server_dir, server.devices_dir
    problems = durable.check_writable(server_dir, server.shown(server_dir))
    problems += durable.check_writable(devices_dir, server.shown(devices_dir))
    if devices_dir.stat().st_dev != server_dir.stat().st_dev:
        words = f"{quoted(server.shown(devices_dir))} is on another file system than {quoted(server.shown(server_dir))}"
        problems.append(Unfit(words, hint="a device is published by one rename"))
    return problems


@contextmanager
def provided(server: Server) -> Iterator[None]:
    """Have the server and devices directories for the block; those it made are removed again if the block fails."""
    made = []
    has_new_server = False
    try:
        with held():
            try:
                with suppress(FileExistsError):
                    server.server_dir.mkdir()
                    has_new_server = True
                    made.append(server.server_dir)
                    # The directory holds the CA's private key: it must not slip into a repository.
                    write_new(server.server_dir / ".gitignore", b"*\n")
                with suppress(FileExistsError):
                    server.devices_dir.mkdir()
                    made.append(server.devices_dir)
            except OSError as error:
                raise not_writable(error, server.shown(server.server_dir)) from error
        yield
    except BaseException:
        with held(), suppress(OSError):
            if server.devices_dir in made:
                server.devices_dir.rmdir()
            if has_new_server and os.listdir(server.server_dir) == [".gitignore"]:  # noqa: PTH208 - names, not paths
                (server.server_dir / ".gitignore").unlink()
            if has_new_server:
                server.server_dir.rmdir()
        raise


def script_lines() -> list[str]:
    """Lines of shell that make the server and devices directories where they are not there."""
    return [
        '[ -e "${SERVER_NAME}" ] || { mkdir "${SERVER_NAME}"; printf \'*\\n\' > "${SERVER_NAME}/.gitignore"; }',
        'mkdir -p "${DEVICES_DIR}"',
    ]
