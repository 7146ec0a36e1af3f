"""The processes of one pipeline, joined by the kernel's own pipes.

The key that ``ecparam -genkey`` prints goes into the next process and through no memory of this one.
"""

import math
import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from otaopenssl.errors import Failed, quoted, reason
from otaopenssl.interrupts import check, held
from otaopenssl.runner.pipe import Pipe, drain, input_from, readable
from otaopenssl.shellwords import shell_joined

LARGEST_OUTPUT = 1024 * 1024
# Signals reach the main thread alone; the others ask this often, in seconds.
_LONGEST_DEAFNESS = 0.2
_UNDISTURBED = 0.1
_SECONDS_OF_GRACE = 1.0

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
        self._output: Pipe | None = None
        self._errors = Pipe()
        self._drain: threading.Thread | None = None

    def __enter__(self) -> "Pipeline":
        return self

    def __exit__(self, *_exception: object) -> None:
        with held():
            self._kill()
            for process in self._processes:
                process.wait()
            # What they have started ends a moment later and lets the streams go; what left the group is not waited for.
            self._errors.writing.close()
            drain(self._open_pipes(), time.monotonic() + _SECONDS_OF_GRACE)
            if self._drain is not None:
                self._drain.join(_SECONDS_OF_GRACE)
            for pipe in (self._output, self._errors):
                if pipe is not None:
                    pipe.close()

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
        largest_file: int | None = None,
    ) -> None:
        """Start the next process; ``stdout`` is a descriptor for what it prints, where nobody is to read it.

        One that ``is_bound`` ends with this process, even where that is killed; as long as that has one thread. One
        that makes a file of more than ``largest_file`` bytes is ended by SIGXFSZ.
        """
        self._commands.append(command)
        before = self._output
        # A signal between the start and the append would leave a process that nobody ends.
        with held(), input_from(self._stdin) if before is None else before.reading_end() as stdin:
            self._output = None if stdout is not None else Pipe()
            try:
                process = subprocess.Popen(
                    list(command),
                    executable=executable,
                    cwd=cwd,
                    env=dict(environment),
                    stdin=stdin,
                    stdout=stdout if self._output is None else self._output.writing,
                    stderr=self._errors.writing,
                    umask=umask,
                    start_new_session=True,
                    # Between fork and exec another thread might hold a lock for ever.
                    preexec_fn=_ending_with_parent() if is_bound and threading.active_count() == 1 else None,
                )
            except (OSError, ValueError) as error:
                words = reason(error) if isinstance(error, OSError) else str(error)
                hint = "check that the program is an executable file for this machine"
                raise Failed(f"{quoted(executable)} does not start: {words}", hint=hint) from error
            finally:
                # Also of one that has not started: the end of its stream would be waited for.
                if self._output is not None:
                    self._output.writing.close()
            self._processes.append(process)
            if largest_file is not None:
                _limit_files(process.pid, largest_file)

    def wait(self, deadline: float, seconds: float) -> tuple[int, ...]:
        """The exit statuses, once every process has ended and closed what it wrote to."""
        # Most print little and end soon: to look at the streams only then saves being woken for every piece of them.
        for process in reversed(self._processes):
            _wait_for_end(process, _UNDISTURBED)
        self._errors.writing.close()
        for pipe in self._open_pipes():
            pipe.take_rest()
        self._take(deadline, lambda: False)
        if not self._open_pipes() and all(_has_ended(process, deadline) for process in self._processes):
            return tuple(process.wait() for process in self._processes)
        raise TimedOut(f"'{self._shown()}' did not end within {seconds:g} seconds", hint=_WHICH_PROGRAM)

    def captured(self) -> tuple[bytes, bytes]:
        """Standard output of the last process and standard error of all, as they came."""
        return b"" if self._output is None else bytes(self._output.content), bytes(self._errors.content)

    def wait_for(self, mark: bytes, seconds: float) -> Finished | None:
        """None once the last process has printed ``mark``; what it did, where it ended or time passed before."""
        output = self._output
        if output is None:
            raise ValueError("a pipeline without standard output")
        self._take(time.monotonic() + seconds, lambda: mark in output.content)
        if mark in output.content:
            with held():
                # A server that nobody listens to would stop.
                self._drain = threading.Thread(target=drain, args=(self._open_pipes(), math.inf), daemon=True)
                self._drain.start()
                self._output, self._errors = None, Pipe()
            return None
        self._kill()
        statuses = tuple(process.wait() for process in self._processes)
        return Finished(self._commands, statuses, *self.captured(), seconds)

    def _take(self, deadline: float, is_enough: Callable[[], bool]) -> None:
        """Read what is printed until both streams have ended, ``is_enough``, or time has passed."""
        self._errors.writing.close()
        while (pipes := self._open_pipes()) and not is_enough():
            left = deadline - time.monotonic()
            if left <= 0:
                return
            for pipe in readable(pipes, min(left, _LONGEST_DEAFNESS)):
                pipe.take()
                if len(pipe.content) > LARGEST_OUTPUT:
                    words = f"'{self._shown()}' printed more than {LARGEST_OUTPUT} bytes"
                    raise Flooded(words, hint=_WHICH_PROGRAM)
            check()

    def _open_pipes(self) -> list[Pipe]:
        return [pipe for pipe in (self._output, self._errors) if pipe is not None and pipe.is_open]

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


def _has_ended(process: "subprocess.Popen[bytes]", deadline: float) -> bool:
    """Whether the process ends before the deadline; most end in the moment after they have closed their streams."""
    while process.poll() is None:
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        check()
        _wait_for_end(process, min(left, _LONGEST_DEAFNESS))
    return True


def _wait_for_end(process: "subprocess.Popen[bytes]", seconds: float) -> None:
    """Return when the process has ended, or after so many seconds."""
    if process.returncode is not None:
        return
    try:
        # Of one that has ended, too: to reap it here would keep its group from being ended with it.
        descriptor = os.pidfd_open(process.pid)
    except OSError:
        # An older kernel, where Python looks again and again.
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        return
    try:
        poller = select.poll()
        poller.register(descriptor, select.POLLIN)
        poller.poll(math.ceil(seconds * 1000))
    finally:
        os.close(descriptor)


def _limit_files(process_id: int, largest: int) -> None:
    """Have the kernel end a process that makes a file of more bytes; set from outside, after it has started."""
    import resource

    with suppress(ProcessLookupError):
        resource.prlimit(process_id, resource.RLIMIT_FSIZE, (largest, largest))


def _ending_with_parent() -> Callable[[], None]:
    """What has the kernel kill a child as its parent ends (prctl(2), PR_SET_PDEATHSIG)."""
    import ctypes

    prctl = ctypes.CDLL(None).prctl

    def bind() -> None:
        prctl(1, signal.SIGKILL)

    return bind
