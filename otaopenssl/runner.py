"""openssl processes: started without a shell, in an environment built from nothing, judged and bounded.

The only place for subprocess. A pipeline's processes are joined by the kernel's own pipes: the key that
``ecparam -genkey`` prints goes into the next process and through no memory of this one.
"""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, NamedTuple

from otaopenssl.errors import Failed, quoted, reason
from otaopenssl.ids import DeviceUUID, ServerName
from otaopenssl.interrupts import check, held
from otaopenssl.outputs import first_complaint
from otaopenssl.shellwords import shell_joined

CHILD_PATH = "/usr/bin:/bin"
# Loading the system's trust bundle is four fifths of an x509 command's time, and changes nothing of what it prints.
NO_TRUST_BUNDLE = {"SSL_CERT_FILE": "/dev/null"}
_NEEDS_TRUST_BUNDLE = frozenset({"s_client", "verify"})

STEP_SECONDS = 60.0
LARGEST_OUTPUT = 1024 * 1024

_WHICH_PROGRAM = "check which openssl runs: otaopenssl --openssl PATH names another"

Argv = Sequence[str]


class Question(NamedTuple):
    """A command of the tool's own: it makes nothing and answers on standard output."""

    words: tuple[str, ...]

    def argv(self, path: str = "") -> tuple[str, ...]:
        """The command, with ``FILE`` replaced by ``path``."""
        return tuple(path if word == "FILE" else word for word in self.words)


# Every command that the tool runs besides those of the audited texts.
VERSION = Question(("openssl", "version"))
PUBLIC_KEY_REPORT = Question(("openssl", "pkey", "-in", "FILE", "-noout", "-text_pub"))
CERTIFICATE_REPORT = Question(("openssl", "x509", "-in", "FILE", "-noout", "-text"))
QUESTIONS = (VERSION, CERTIFICATE_REPORT, PUBLIC_KEY_REPORT)


class Finished:
    """What a pipeline did: its argv and exit status a process, what its end printed, and how long it took.

    ``statuses`` are negative signal numbers where a signal ended the process. ``stdout`` may hold a private key or
    session secrets: it is never shown, logged or recorded as it is.
    """

    def __init__(
        self, commands: Sequence[Argv], statuses: Sequence[int], stdout: bytes, stderr: bytes, seconds: float
    ) -> None:
        self.commands = tuple(tuple(command) for command in commands)
        self.statuses = tuple(statuses)
        self.stdout = stdout
        self.stderr = stderr
        self.seconds = seconds

    @property
    def is_good(self) -> bool:
        """Whether every process of the pipeline ended with exit status 0; which says little of what they wrote."""
        return not any(self.statuses)

    def shown(self) -> str:
        """The pipeline as one line of shell, ready to paste."""
        return " | ".join(shell_joined(command) for command in self.commands)


class Runner(NamedTuple):
    """Runs pipelines of one openssl program for one run of the tool.

    ``program`` is the absolute path that is executed while argv[0] stays ``openssl``; ``on_finish`` is told of every
    pipeline that ended.
    """

    program: str
    environment: Mapping[str, str]
    on_finish: Callable[[Finished], None] = lambda _finished: None

    def run(
        self,
        commands: Sequence[Argv],
        *,
        cwd: Path,
        is_private: bool = False,
        stdout_fd: int | None = None,
        seconds: float = STEP_SECONDS,
    ) -> Finished:
        """The pipeline's result, whatever its exit statuses.

        Standard input is empty and each process leads a session of its own, so that nothing waits at a terminal.
        ``is_private`` makes every file that the processes create 0600; ``stdout_fd`` receives the last one's standard
        output in place of the result. Raises Failed where a process does not start, ``seconds`` pass or it prints more
        than 1 MiB.
        """
        check()
        started = time.monotonic()
        with _Pipeline() as pipeline:
            for index, command in enumerate(commands):
                is_last = index == len(commands) - 1
                pipeline.start(
                    command,
                    executable=self.program,
                    cwd=cwd,
                    environment=self.environment_for(command),
                    umask=0o077 if is_private else -1,
                    stdout=stdout_fd if is_last and stdout_fd is not None else subprocess.PIPE,
                )
            statuses = pipeline.wait(started + seconds, seconds)
            stdout, stderr = pipeline.captured()
        finished = Finished(commands, statuses, stdout, stderr, time.monotonic() - started)
        self.on_finish(finished)
        return finished

    def ask(self, question: Question, path: Path | str = "", *, cwd: Path) -> Finished:
        """The answer to one of the tool's own questions about the file at ``path``."""
        return self.run([question.argv(str(path))], cwd=cwd)

    def environment_for(self, command: Argv) -> dict[str, str]:
        """The whole environment of the process: the audited one, without a trust bundle where none is needed."""
        needs_trust = len(command) > 1 and command[1] in _NEEDS_TRUST_BUNDLE
        return {**self.environment, **({} if needs_trust else NO_TRUST_BUNDLE)}


def environment(server_name: ServerName, uuid: DeviceUUID | None = None) -> dict[str, str]:
    """What every openssl process of a run gets: the search path, the locale, what the config files read."""
    built = {"PATH": CHILD_PATH, "LC_ALL": "C", "SERVER_NAME": str(server_name)}
    return built if uuid is None else built | {"DEVICE_UUID": str(uuid)}


def describe_statuses(finished: Finished) -> str:
    """How the pipeline failed, in words: the first process that was not merely cut off by its reader's end."""
    pairs = [(status, command) for status, command in zip(finished.statuses, finished.commands, strict=True) if status]
    status, command = next(((s, c) for s, c in pairs if s != -signal.SIGPIPE), pairs[0])
    which = f"'{shell_joined(command[:2])}' " if len(finished.commands) > 1 else ""
    if status < 0:
        return f"{which}was ended by signal {-status}"
    return f"{which}ended with exit status {status}"


def failure(name: str, finished: Finished) -> Failed:
    """The error for a step that failed: the step, the exit status, openssl's first plain line, the command to paste."""
    complaint = first_complaint(finished.stderr)
    said = f": {complaint}" if complaint else ""
    return Failed(f"step '{name}' {describe_statuses(finished)}{said}", hint=f"the command was: {finished.shown()}")


class _Pipeline:
    """The processes of one pipeline; leaving the block ends what still runs."""

    def __init__(self) -> None:
        self._commands: list[Argv] = []
        self._processes: list[subprocess.Popen[bytes]] = []
        self._readers: list[_Reader] = []
        self._last: IO[bytes] | None = None
        self._too_much = threading.Event()

    def __enter__(self) -> "_Pipeline":
        return self

    def __exit__(self, *_exception: object) -> None:
        with held():
            self._kill()
            for process in self._processes:
                process.wait()
            for reader in self._readers:
                # A process that left the group may hold the stream open; nothing waits for it.
                reader.join(1.0)
            if self._last is not None and self._last not in [reader.stream for reader in self._readers]:
                self._last.close()

    def start(
        self, command: Argv, *, executable: str, cwd: Path, environment: Mapping[str, str], umask: int, stdout: int
    ) -> None:
        self._commands.append(command)
        stdin = self._last if self._last is not None else subprocess.DEVNULL
        # A signal between the start and the append would leave a process that nobody ends.
        with held():
            try:
                process = subprocess.Popen(
                    list(command),
                    executable=executable,
                    cwd=cwd,
                    env=dict(environment),
                    stdin=stdin,
                    stdout=stdout,
                    stderr=subprocess.PIPE,
                    umask=umask,
                    start_new_session=True,
                )
            except (OSError, ValueError) as error:
                words = reason(error) if isinstance(error, OSError) else str(error)
                hint = "check that the program is an executable file for this machine"
                raise Failed(f"{quoted(executable)} does not start: {words}", hint=hint) from error
            self._processes.append(process)
            if self._last is not None:
                self._last.close()
            self._last = process.stdout
            self._read(process.stderr)

    def wait(self, deadline: float, seconds: float) -> tuple[int, ...]:
        """The exit statuses, once every process has ended and closed what it wrote to."""
        self._read(self._last)
        for reader in self._readers:
            reader.join(max(0.0, deadline - time.monotonic()))
        if self._too_much.is_set():
            raise Failed(f"'{self._shown()}' printed more than {LARGEST_OUTPUT} bytes", hint=_WHICH_PROGRAM)
        if not any(reader.is_alive() for reader in self._readers):
            with suppress(subprocess.TimeoutExpired):
                return tuple(process.wait(max(0.0, deadline - time.monotonic())) for process in self._processes)
        raise Failed(f"'{self._shown()}' did not end within {seconds:g} seconds", hint=_WHICH_PROGRAM)

    def captured(self) -> tuple[bytes, bytes]:
        """Standard output of the last process and standard error of all, in the order of the pipeline."""
        by_stream = {reader.stream: reader.content for reader in self._readers}
        stdout = by_stream.get(self._last, b"") if self._last is not None else b""
        return stdout, b"".join(by_stream[process.stderr] for process in self._processes if process.stderr)

    def _read(self, stream: IO[bytes] | None) -> None:
        # A signal between a reader's start and the append would leave its stream to be closed under it.
        with held():
            if stream is not None:
                self._readers.append(_Reader(stream, self._stop_flood))

    def _stop_flood(self) -> None:
        self._too_much.set()
        self._kill()

    def _kill(self) -> None:
        for process in self._processes:
            if process.returncode is None:
                try:
                    # A session of its own is a process group of its own: what a wrapper started ends with it.
                    os.killpg(process.pid, signal.SIGKILL)
                except (ProcessLookupError, PermissionError):
                    process.kill()

    def _shown(self) -> str:
        return " | ".join(shell_joined(command[:2]) for command in self._commands)


class _Reader(threading.Thread):
    """Reads one stream to its end or to the largest size; two streams of a process must be read at once."""

    def __init__(self, stream: IO[bytes], on_flood: Callable[[], None]) -> None:
        super().__init__(daemon=True)
        self.stream = stream
        self.content = b""
        self._on_flood = on_flood
        self.start()

    def run(self) -> None:
        with self.stream:
            self.content = self.stream.read(LARGEST_OUTPUT + 1)
        if len(self.content) > LARGEST_OUTPUT:
            self._on_flood()
