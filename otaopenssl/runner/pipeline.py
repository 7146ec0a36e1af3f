"""The processes of one pipeline, joined by the kernel's own pipes.

The key that ``ecparam -genkey`` prints goes into the next process and through no memory of this one.
"""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from otaopenssl.errors import Failed, quoted, reason
from otaopenssl.interrupts import held
from otaopenssl.shellwords import shell_joined

LARGEST_OUTPUT = 1024 * 1024

_WHICH_PROGRAM = "check which openssl runs: otaopenssl --openssl PATH names another"

Argv = Sequence[str]


class TimedOut(Failed):
    """A pipeline did not end in the time that it was given."""


class Flooded(Failed):
    """A pipeline printed more than is ever read of one."""


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


class Pipeline:
    """The processes of one pipeline; leaving the block ends what still runs.

    ``stdin`` is what the first one reads.
    """

    def __init__(self, stdin: bytes = b"") -> None:
        self._stdin = stdin
        self._commands: list[Argv] = []
        self._processes: list[subprocess.Popen[bytes]] = []
        self._readers: list[_Reader] = []
        self._last: IO[bytes] | None = None
        self._too_much = threading.Event()

    def __enter__(self) -> "Pipeline":
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
        self,
        command: Argv,
        *,
        executable: str,
        cwd: Path,
        environment: Mapping[str, str],
        umask: int = -1,
        stdout: int | None = None,
        is_bound: bool = False,
    ) -> None:
        """Start the next process; ``stdout`` is a descriptor for what it prints, where nobody is to read it.

        One that ``is_bound`` ends with this process, even where that is killed; as long as that has one thread.
        """
        self._commands.append(command)
        # A signal between the start and the append would leave a process that nobody ends.
        with held(), _input(self._stdin if self._last is None else b"") as first_stdin:
            stdin = first_stdin if self._last is None else self._last
            try:
                process = subprocess.Popen(
                    list(command),
                    executable=executable,
                    cwd=cwd,
                    env=dict(environment),
                    stdin=stdin,
                    stdout=subprocess.PIPE if stdout is None else stdout,
                    stderr=subprocess.PIPE,
                    umask=umask,
                    start_new_session=True,
                    # Between fork and exec another thread might hold a lock for ever.
                    preexec_fn=_ending_with_parent() if is_bound and threading.active_count() == 1 else None,
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
            raise Flooded(f"'{self._shown()}' printed more than {LARGEST_OUTPUT} bytes", hint=_WHICH_PROGRAM)
        if not any(reader.is_alive() for reader in self._readers):
            with suppress(subprocess.TimeoutExpired):
                return tuple(process.wait(max(0.0, deadline - time.monotonic())) for process in self._processes)
        raise TimedOut(f"'{self._shown()}' did not end within {seconds:g} seconds", hint=_WHICH_PROGRAM)

    def captured(self) -> tuple[bytes, bytes]:
        """Standard output of the last process and standard error of all, in the order of the pipeline."""
        by_stream = {reader.stream: reader.content for reader in self._readers}
        stdout = by_stream.get(self._last, b"") if self._last is not None else b""
        return stdout, b"".join(by_stream[process.stderr] for process in self._processes if process.stderr)

    def wait_for(self, mark: bytes, seconds: float) -> Finished | None:
        """None once the last process has printed ``mark``; what it did, where it ended or time passed before."""
        stream = self._last
        if stream is None:
            raise ValueError("a pipeline without standard output")
        with held():
            watch = _Watch(stream, mark)
            self._readers.append(watch)
        if watch.seen.wait(seconds) and watch.is_marked:
            return None
        self._kill()
        statuses = tuple(process.wait() for process in self._processes)
        for reader in self._readers:
            reader.join(1.0)
        return Finished(self._commands, statuses, *self.captured(), seconds)

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


def _ending_with_parent() -> Callable[[], None]:
    """What has the kernel kill a child as its parent ends (prctl(2), PR_SET_PDEATHSIG)."""
    import ctypes

    prctl = ctypes.CDLL(None).prctl

    def bind() -> None:
        prctl(1, signal.SIGKILL)

    return bind


class _Watch(_Reader):
    """Reads a stream to its end without keeping it, and tells when ``mark`` has come by, or the end."""

    def __init__(self, stream: IO[bytes], mark: bytes) -> None:
        self.seen = threading.Event()
        self.is_marked = False
        self._mark = mark
        super().__init__(stream, lambda: None)

    def run(self) -> None:
        with self.stream:
            for line in self.stream:
                if not self.is_marked and self._mark in line:
                    self.is_marked = True
                    self.seen.set()
        self.seen.set()


@contextmanager
def _input(content: bytes) -> Iterator[int]:
    """A descriptor to read ``content`` from and then its end; it is in memory, so that no secret in it is on a disk."""
    if not content:
        yield subprocess.DEVNULL
        return
    descriptor = os.memfd_create("input", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, content)
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor
    finally:
        os.close(descriptor)
