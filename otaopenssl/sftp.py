"""A directory on a device, by the user's own OpenSSH client: ``sftp -b -``, a batch a connection.

No shell on the far side interprets a string of ours. Which keys, agents and proxies are used is the user's ssh
configuration's to say; that the host's key is checked is not.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from otaopenssl.destination import Copies, Entries
from otaopenssl.errors import Failed, Unfit, quoted
from otaopenssl.installed_files import InstalledFile
from otaopenssl.login import SSH_PORT, Login
from otaopenssl.runner import Client, Finished, Flooded, TimedOut, describe_statuses
from otaopenssl.sftp_batch import (
    Batch,
    discard_batch,
    fetch_batch,
    last_command,
    look_batch,
    parse_entries,
    publish_batch,
    replace_batch,
    stage_batch,
    unmoved,
)
from otaopenssl.sftp_complaints import (
    command_complaint,
    connection_complaint,
    directory_hint,
    hint_for,
    listing_complaint,
)

# Of what a device sends; and of known_hosts, which ssh adds to.
LARGEST_FILE = 16 * 1024 * 1024
# sftp(1): "the final exit status is that of ssh", which is this where it fails itself.
_CONNECTION_STATUS = 255
# A session may take so many times what the host may take to answer.
_SESSION_TIMES = 4
_SECONDS_TO_TIDY = 10.0


class SshOptions(NamedTuple):
    """Where and how to connect: ``seconds`` is how long the host may take to answer.

    ``config`` is a file in place of the user's ssh configuration; with ``accepts_new`` a host whose key is not known
    is accepted, and its key remembered; one whose key has changed never is.
    """

    login: Login
    port: int = SSH_PORT
    seconds: float = 30.0
    config: Path | None = None
    accepts_new: bool = False

    def argv(self) -> tuple[str, ...]:
        """The sftp command, which reads a batch on standard input. What it says wins over any configuration."""
        options = {
            "BatchMode": "yes",
            "StrictHostKeyChecking": "accept-new" if self.accepts_new else "yes",
            "NoHostAuthenticationForLocalhost": "no",
            # A connection that is there already may have been made without that check.
            "ControlPath": "none",
            "ConnectTimeout": math.ceil(self.seconds),
            "ServerAliveInterval": math.ceil(self.seconds / 2),
            "ServerAliveCountMax": 2,
            "LogLevel": "ERROR",
            # A configuration for logging in by hand may have them; sftp would wait for ever, or not begin.
            "RequestTTY": "no",
            "RemoteCommand": "none",
        }
        words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        config = () if self.config is None else ("-F", str(self.config))
        return ("sftp", "-b", "-", *words, "-P", str(self.port), *config, "--", self.login.shown)

    @property
    def known_name(self) -> str:
        """The host as known_hosts names it."""
        host = self.login.host.strip("[]")
        return host if self.port == SSH_PORT else f"[{host}]:{self.port}"

    @property
    def ssh_words(self) -> str:
        """What to give ssh to log in by hand."""
        port = "" if self.port == SSH_PORT else f"-p {self.port} "
        user = "" if self.login.user is None else f"{self.login.user}@"
        return f"{port}{user}{self.login.host.strip('[]')}"


class RemoteDirectory:
    """A directory on a device, as a ``Destination``; each method is one connection."""

    def __init__(self, options: SshOptions, directory: str, client: Client) -> None:
        self.shown = f"{options.login.shown}:{directory}"
        self._options = options
        self._directory = directory
        self._client = client

    def look(self, names: Sequence[str], copies: Copies) -> Entries:
        """As ``Destination.look``."""
        return self._entries(look_batch(self._directory, names), copies.directory)

    def fetch(self, name: str, copies: Copies) -> None:
        """As ``Destination.fetch``."""
        self._check(self._finished(fetch_batch(self._directory, name), copies.directory, self._options))

    def stage(self, files: Sequence[InstalledFile], left: Sequence[str], copies: Copies) -> Entries:
        """As ``Destination.stage``."""
        return self._entries(stage_batch(self._directory, files, left), copies.directory)

    def publish(self, moved: Sequence[str], names: Sequence[str], copies: Copies) -> Entries:
        """As ``Destination.publish``; where the server cannot put a file in another's place, that is removed first."""
        batch = publish_batch(self._directory, moved, names)
        finished = self._finished(batch, copies.directory, self._options)
        left = unmoved(last_command(_printed(finished)), moved)
        if finished.is_good or not left or _is_lost(finished):
            return self._listed(finished)
        return self._entries(replace_batch(self._directory, left, names), copies.directory)

    def discard(self, temporary: Sequence[str]) -> None:
        """As ``Destination.discard``; nobody is kept waiting long for it."""
        options = self._options._replace(seconds=min(self._options.seconds, _SECONDS_TO_TIDY))
        self._check(self._finished(discard_batch(self._directory, temporary), Path("/"), options))

    def _entries(self, batch: Batch, cwd: Path) -> Entries:
        return self._listed(self._finished(batch, cwd, self._options))

    def _listed(self, finished: Finished) -> Entries:
        """What a batch has listed that was carried out as a whole. Raises Unfit and Failed."""
        self._check(finished)
        said = listing_complaint(finished.stderr)
        if said:
            hint = "let the user that logs in list it: check its owner and mode (r and x), and what the server forbids"
            raise Unfit(f"{quoted(self.shown)} cannot be listed: {quoted(said)}", hint=hint)
        return parse_entries(_printed(finished))

    def _finished(self, batch: Batch, cwd: Path, options: SshOptions) -> Finished:
        """A session of sftp, however it ended. Raises Unfit and Failed where it did not end by itself."""
        host = quoted(options.login.shown)
        seconds = _SESSION_TIMES * options.seconds
        try:
            return self._client.run(options.argv(), cwd=cwd, stdin=batch.text().encode(), seconds=seconds)
        except TimedOut as error:
            hint = "give it longer by '--timeout SECONDS', or run the same command again later"
            raise Failed(f"the session with {host} did not end within {seconds:g} seconds", hint=hint) from error
        except Flooded as error:
            words = f"{quoted(self.shown)} holds far more than a device's files: {error.message}"
            raise Unfit(words, hint="move away what does not belong there") from error

    def _check(self, finished: Finished) -> None:
        """Raise Unfit or Failed where a batch was not carried out as a whole."""
        if not finished.is_good:
            self._refuse(finished, last_command(_printed(finished)))

    def _refuse(self, finished: Finished, command: str) -> None:
        (status,) = finished.statuses
        shown, host = quoted(self.shown), quoted(self._options.login.shown)
        if status < 0:
            raise Failed(f"sftp {describe_statuses(finished)}", hint="run the same command again")
        if _is_lost(finished) or not command:
            said, hint = connection_complaint(finished.stderr, self._options.known_name, self._options.ssh_words)
            why = f": {quoted(said)}" if said else ", and neither ssh nor sftp says why"
            if command:
                hint = "run the same command again, which finishes what was begun"
                raise Failed(f"the connection to {host} was lost{why}", hint=hint)
            raise Failed(f"no session with {host}{why}", hint=hint)
        said = quoted(command_complaint(finished.stderr))
        name, _, arguments = command.partition(" ")
        if name == "cd":
            raise Unfit(f"{shown} cannot be gone to: {said}", hint=directory_hint(said, self._directory))
        if name == "get":
            remote, _, local = arguments.partition(" ")
            kind = Unfit if local.startswith("there/") else Failed
            raise kind(f"{quoted(remote)} in {shown} cannot be fetched: {said}", hint=hint_for(command))
        what = "listed" if name == "ls" else "written"
        raise Unfit(f"{shown} cannot be {what}: {said}", hint=hint_for(command))


def _printed(finished: Finished) -> str:
    return finished.stdout.decode("utf-8", "replace")


def _is_lost(finished: Finished) -> bool:
    """Whether the connection was lost, or sftp killed, rather than a command refused."""
    (status,) = finished.statuses
    return status < 0 or status == _CONNECTION_STATUS
