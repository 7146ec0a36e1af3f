"""Carrying out the steps of a text in a workbench: openssl by the runner, cat, ln and sed by the tool itself.

After each step everything it was to write is read again: with a full disk openssl exits 0 and leaves empty files.
"""

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from otaopenssl.account import Account
from otaopenssl.answer import answer_fault, certificate_lines
from otaopenssl.complaints import first_complaint, is_config_fault
from otaopenssl.durable import UMASK, read_bounded
from otaopenssl.errors import BadInput, Failed, quoted, reason
from otaopenssl.output_rules import Written, output_fault, written
from otaopenssl.outputs import PUBLIC_LABELS, is_public_pem, pem_blocks
from otaopenssl.runner import STEP_SECONDS, Finished, Runner, failure
from otaopenssl.steps import BoundStep, Text


class NoAnswer(Failed):
    """A server did not send certificates; the message is what it did instead, as a verb phrase."""


class Execution:
    """Carries out bound steps in the directory ``cwd``, which their relative paths are below.

    ``text`` is the one that the steps are of; each is told to ``account``. ``network_seconds`` is how long a step may
    take that waits for a server. ``written`` holds what the steps have written, by path.
    """

    def __init__(
        self,
        runner: Runner,
        cwd: Path,
        text: Text,
        account: Account | None = None,
        network_seconds: float = STEP_SECONDS,
    ) -> None:
        self._runner = runner
        self._cwd = cwd
        self._text_name = text.file.rpartition("/")[2]
        self._account = account
        self._network_seconds = network_seconds
        self._finished: Finished | None = None
        self.written: dict[str, Written] = {}

    def perform(self, bound: BoundStep) -> Finished | None:
        """Do what the step says and check what it wrote; what openssl printed, where openssl ran.

        Raises Failed where openssl failed or an output is not what it must be, NoAnswer where a server sent no
        certificates for sed to keep; BadInput where openssl complains of a configuration file.
        """
        self._finished = None
        told: dict[str, Written] = {}
        try:
            self._check_no_link(bound)
            self._carry_out(bound)
            for output in bound.outputs:
                told[output] = self._checked(bound, output)
        finally:
            if self._account is not None:
                self._account.add(self._text_name, bound, self._finished, told)
        self.written |= told
        return self._finished

    def put(self, files: Mapping[str, bytes]) -> None:
        """Have files there, by path, before the first step, as if one had written them. Raises Failed."""
        for name, content in files.items():
            path = self._cwd / name
            try:
                with open(path, "xb", opener=lambda file, flags: os.open(file, flags, 0o600)) as file:
                    file.write(content)
                self.written[name] = written(content)
                _set_mode(path, 0o600, is_public=is_public_pem(*self.written[name]))
            except OSError as error:
                hint = "free some space on its file system, or check its owner and mode"
                raise Failed(f"{quoted(name)} cannot be written: {reason(error)}", hint=hint) from error
        if self._account is not None:
            self._account.give(self.written)

    def check_still_there(self) -> None:
        """Raise Failed unless each file that was written is there as it was: a later process may have touched it."""
        for output, found in self.written.items():
            path = self._cwd / output
            now = path.lstat() if os.path.lexists(path) else None
            if now is None or not stat.S_ISREG(now.st_mode) or now.st_size != len(found.content):
                words = f"{quoted(output)} is not there any more as its step has written it"
                raise Failed(words, hint="check which openssl runs: a later command has changed it")

    def _check_no_link(self, bound: BoundStep) -> None:
        for output in bound.outputs:
            if (self._cwd / output).is_symlink():
                raise Failed(
                    f"step '{bound.step.name}' would write through the link {quoted(output)}",
                    hint="let a text write to names that it has not linked",
                )

    def _carry_out(self, bound: BoundStep) -> None:
        programs = bound.step.programs
        try:
            if programs == ("cat",):
                self._cat(bound)
            elif programs == ("ln",):
                self._link(bound)
            elif programs[-1] == "sed":
                self._kept_by_sed(bound)
            else:
                self._openssl(bound)
        except OSError as error:
            file = error.filename or bound.redirect or bound.commands[0][-1]
            words = f"step '{bound.step.name}': {quoted(file)}: {reason(error)}"
            raise Failed(words, hint=self._hint(bound)) from error

    def _openssl(self, bound: BoundStep) -> None:
        commands = bound.commands
        is_private = not bound.step.makes_public_files
        redirect = None if bound.redirect is None else self._cwd / bound.redirect
        if redirect is None:
            finished = self._finished = self._runner.run(commands, cwd=self._cwd, is_private=is_private)
        else:
            descriptor = os.open(redirect, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                finished = self._runner.run(commands, cwd=self._cwd, is_private=True, stdout_fd=descriptor)
                self._finished = finished
            finally:
                os.close(descriptor)
        if not finished.is_good and not bound.step.may_fail:
            raise _fault(bound, finished)

    def _kept_by_sed(self, bound: BoundStep) -> None:
        """Run the command before sed and write what sed keeps; a server's answer is judged by what it is, alone."""
        is_server = bound.step.has("s_client")
        seconds = self._network_seconds if is_server else STEP_SECONDS
        finished = self._runner.run(bound.commands[:1], cwd=self._cwd, seconds=seconds, is_bound=is_server)
        self._finished = finished
        fault = answer_fault(finished.stdout, finished.stderr) if is_server else None
        if fault is not None:
            raise NoAnswer(fault, hint=f"the command was: {finished.shown()}")
        if not is_server and not finished.is_good:
            raise _fault(bound, finished)
        (self._cwd / str(bound.redirect)).write_bytes(certificate_lines(finished.stdout))

    def _cat(self, bound: BoundStep) -> None:
        inputs = [self._cwd / name for name in bound.commands[0][1:]]
        content = b"".join(path.read_bytes() for path in inputs)
        output = self._cwd / str(bound.redirect)
        # Private until it is known to hold no key.
        with open(output, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(content)
        if output.read_bytes() != content:
            raise Failed(f"step 'cat' left {quoted(bound.redirect)} incomplete", hint=self._hint(bound))
        # A certificate among them may have words around it; a key, in whatever form, makes its file private.
        is_public = all(path.stat().st_mode & 0o077 for path in inputs) and not _holds_private_label(content)
        _set_mode(output, output.stat().st_mode, is_public=is_public)

    def _link(self, bound: BoundStep) -> None:
        _, _, target, link = bound.commands[0]
        path = self._cwd / link
        # Departure no-dangling-link.
        if not (path.parent / target).exists():
            return
        try:
            path.symlink_to(target)
        except OSError:
            if not bound.step.may_fail:
                raise

    def _checked(self, bound: BoundStep, output: str) -> Written:
        path = self._cwd / output
        mode = path.lstat().st_mode if os.path.lexists(path) else 0
        fault: str | None = "missing"
        found = Written(b"", ())
        if stat.S_ISREG(mode):
            found = written(read_bounded(path))
            fault = output_fault(bound, found)
        if fault is not None:
            said = fault if found.content else f"{fault}, though it ended with exit status 0"
            raise Failed(f"step '{bound.step.name}' left {quoted(output)} {said}", hint=self._hint(bound))
        if bound.step.programs != ("cat",):
            _set_mode(path, mode, is_public=bound.step.makes_public_files or is_public_pem(*found))
        return found

    def _hint(self, bound: BoundStep) -> str:
        """What to do about an output that is wrong: most often the disk is full, which openssl does not say."""
        if not os.statvfs(self._cwd).f_bavail:
            return "free some space: the file system is full"
        return f"try the command by itself: {bound.quoted()}"


def _holds_private_label(content: bytes) -> bool:
    return any(block.label not in PUBLIC_LABELS for block in pem_blocks(content))


def _set_mode(path: Path, now: int, *, is_public: bool) -> None:
    """What may hold a key was kept private until here; now it is known whether it does."""
    mode = 0o666 & ~UMASK if is_public else 0o600
    if stat.S_IMODE(now) != mode:
        path.chmod(mode)


def _fault(bound: BoundStep, finished: Finished) -> Failed | BadInput:
    """The error of a step that failed, told of the configuration file where openssl complains of that."""
    for option in ("-config", "-extfile"):
        for words in bound.commands:
            if option in words[:-1] and is_config_fault(finished.stderr):
                file = words[words.index(option) + 1]
                return BadInput(
                    f"config file {quoted(file)}: {first_complaint(finished.stderr)}",
                    hint=f"the command was: {finished.shown()}",
                )
    return failure(bound.step.name, finished)
