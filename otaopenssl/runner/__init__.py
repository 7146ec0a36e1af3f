"""Processes: started without a shell, in an environment built from nothing, judged and bounded.

Most are of openssl. The only place for subprocess.
"""

import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from otaopenssl.complaints import complaint_words, first_complaint
from otaopenssl.environment import environment_for
from otaopenssl.errors import Failed
from otaopenssl.interrupts import check
from otaopenssl.questions import Question
from otaopenssl.runner.pipeline import Argv, Finished, Flooded, Pipeline, TimedOut
from otaopenssl.shellwords import shell_joined

__all__ = ["STEP_SECONDS", "Client", "Finished", "Flooded", "Runner", "TimedOut", "describe_statuses", "failure"]

STEP_SECONDS = 60.0


class Runner(NamedTuple):
    """Runs pipelines of one openssl program for one run of the tool.

    ``program`` is the absolute path that is executed while argv[0] stays ``openssl``; ``on_finish`` is told of every
    pipeline that ended. ``version`` is the line in which the program told its version, ``openssl_dir`` where it looks
    for openssl.cnf; both empty before it was asked.
    """

    program: str
    environment: Mapping[str, str]
    on_finish: Callable[[Finished], None] = lambda _finished: None
    version: str = ""
    openssl_dir: str = ""

    def run(
        self,
        commands: Sequence[Argv],
        *,
        cwd: Path,
        is_private: bool = False,
        stdin: bytes = b"",
        stdout_fd: int | None = None,
        seconds: float = STEP_SECONDS,
        is_bound: bool = False,
    ) -> Finished:
        """The pipeline's result, whatever its exit statuses.

        Standard input is ``stdin`` and then its end, and each process leads a session of its own, so that nothing waits
        at a terminal. ``is_private`` makes every file that the processes create 0600; ``stdout_fd`` receives the last
        one's standard output in place of the result. ``is_bound`` is for what might wait for ever, and must end even if
        this process is killed. Raises Failed where a process does not start, TimedOut where
        ``seconds`` pass and Flooded where one prints more than 1 MiB.
        """
        check()
        started = time.monotonic()
        with Pipeline(stdin) as pipeline:
            for index, command in enumerate(commands):
                is_last = index == len(commands) - 1
                pipeline.start(
                    command,
                    executable=self.program,
                    cwd=cwd,
                    environment=environment_for(command, self.environment),
                    umask=0o077 if is_private else -1,
                    stdout=stdout_fd if is_last else None,
                    is_bound=is_bound,
                )
            statuses = pipeline.wait(started + seconds, seconds)
            stdout, stderr = pipeline.captured()
        finished = Finished(commands, statuses, stdout, stderr, time.monotonic() - started)
        self.on_finish(finished)
        return finished

    @contextmanager
    def serving(self, command: Argv, *, cwd: Path, mark: bytes, seconds: float) -> Iterator[None]:
        """Have a server process for the block, from when it prints ``mark`` on; it is ended with the block.

        Raises Failed where it ends, or ``seconds`` pass, before that.
        """
        check()
        with Pipeline() as pipeline:
            environment = environment_for(command, self.environment)
            pipeline.start(command, executable=self.program, cwd=cwd, environment=environment, is_bound=True)
            finished = pipeline.wait_for(mark, seconds)
            if finished is not None:
                # Its exit status says nothing: where it cannot listen s_server ends with 0.
                said = complaint_words(finished.stderr) or f"not within {seconds:g} seconds"
                hint = f"the command was: {finished.shown()}"
                raise Failed(f"'{shell_joined(command[:2])}' did not begin to serve: {said}", hint=hint)
            yield

    def ask(
        self, question: Question, path: Path | str = "", *, cwd: Path, stdin: bytes = b"", **asked: str
    ) -> Finished:
        """The answer to one of the tool's own questions about the file at ``path`` and what else it asks about."""
        return self.run([question.argv(file=str(path), **asked)], cwd=cwd, stdin=stdin)


class Client(NamedTuple):
    """Runs a program of the user's own that talks to a server, such as sftp: one that is not openssl.

    ``program`` is its absolute path, ``environment`` the whole of its environment. It writes no file larger than
    ``largest_file`` bytes, and what it makes is private; ``on_finish`` is as in ``Runner``.
    """

    program: str
    environment: Mapping[str, str]
    largest_file: int
    on_finish: Callable[[Finished], None] = lambda _finished: None

    def run(self, command: Argv, *, cwd: Path, stdin: bytes, seconds: float) -> Finished:
        """What came of the command, whatever its exit status. It ends with this process, and so do its children.

        Raises as ``Runner.run``; Flooded also where it was ended for making too large a file.
        """
        check()
        started = time.monotonic()
        with Pipeline(stdin) as pipeline:
            pipeline.start(
                command,
                executable=self.program,
                cwd=cwd,
                environment=self.environment,
                umask=0o077,
                is_bound=True,
                largest_file=self.largest_file,
            )
            statuses = pipeline.wait(started + seconds, seconds)
            stdout, stderr = pipeline.captured()
        finished = Finished([command], statuses, stdout, stderr, time.monotonic() - started)
        self.on_finish(finished)
        if -signal.SIGXFSZ in statuses:
            words = f"'{command[0]}' made a file of more than {self.largest_file} bytes"
            raise Flooded(words, hint="check what it was given")
        return finished


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
