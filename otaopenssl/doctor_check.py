"""One check of a machine and a project: what it is called, and what came of it; and what all checks look at."""

from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from otaopenssl import fleet_root
from otaopenssl.errors import Error
from otaopenssl.fleet_root import FleetRoot
from otaopenssl.layout import Server
from otaopenssl.program import Launch
from otaopenssl.runner import Runner
from otaopenssl.texts import Procedure


class State(StrEnum):
    """What a check came to: a warning is what may be meant, or works today; a problem is what keeps devices from it.

    A problem that whoever asks accepts is told, and does not count.
    """

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"
    ACCEPTED = "accepted"


class Check(NamedTuple):
    """What a check came to, in words; ``name`` never changes, ``hint`` is an action, empty where all is well."""

    name: str
    state: State
    words: str
    hint: str = ""


class Subject:
    """What is looked at. ``procedure`` and ``settings`` are why there is none, where that is so.

    ``program`` is the path of the openssl program, if any; it is started by ``launch`` when it is first asked for, and
    never where that is not approved.
    """

    def __init__(
        self,
        server: Server,
        procedure: Procedure | Error,
        program: str | None,
        launch: Launch,
        settings: Error | None = None,
    ) -> None:
        self.server = server
        self.procedure = procedure
        self.program = program
        self.settings = settings
        self._launch = launch

    @cached_property
    def launched(self) -> Runner | Error:
        """The openssl that runs, or why none does."""
        try:
            return self._launch()
        except Error as problem:
            return problem

    @property
    def runner(self) -> Runner | None:
        """The openssl that runs, if any."""
        return self.launched if isinstance(self.launched, Runner) else None

    def named(self, path: Path) -> str:
        """The path as one can paste it where one stands: as it is shown in the project directory, else absolute."""
        try:
            is_here = Path.cwd().samefile(self.server.project_dir)
        except OSError:
            is_here = False
        if not is_here:
            return str(path)
        return "." if path == self.server.project_dir else self.server.shown(path)

    @cached_property
    def fleet_root(self) -> tuple[FleetRoot | None, list[Error]]:
        """The fleet root CA, and what is wrong with it."""
        return fleet_root.examine(self.server, self.runner)


# Raises Error or OSError where the thing cannot be looked at.
Look = Callable[[Subject, str], Check]


def ok(name: str, words: str) -> Check:
    """All is well."""
    return Check(name, State.OK, words)


def warning(name: str, words: str, hint: str) -> Check:
    """Something works today, or may be meant."""
    return Check(name, State.WARNING, words, hint)


def problem(name: str, words: str, hint: str) -> Check:
    """Something keeps devices from being made, or is a danger."""
    return Check(name, State.PROBLEM, words, hint)


def worst(name: str, checks: Iterable[Check], good: str) -> Check:
    """The worst that several looks have come to, with how many more there are as bad; ``good`` where all is well."""
    bad = [check for check in dict.fromkeys(checks) if check.state is not State.OK]
    problems = [check for check in bad if check.state is State.PROBLEM] or bad
    if not problems:
        return ok(name, good)
    first = problems[0]
    more = f", and {len(problems) - 1} more such" if len(problems) > 1 else ""
    return first._replace(words=first.words + more)


def not_tried(name: str, of: str) -> Check:
    """The check needs what another, called ``of``, has found missing."""
    return warning(name, "not tried", f"mend first what '{of}' tells")


def judged(name: str, errors: Sequence[Error], good: str) -> Check:
    """A problem of all the errors, or that all is well, in the words of ``good``."""
    single = [one for error in errors for one in error.problems]
    if not single:
        return ok(name, good)
    words = "; ".join(dict.fromkeys(map(_told, single)))
    return problem(name, words, "; ".join(dict.fromkeys(one.hint for one in single)))


def _told(error: Error) -> str:
    """The message, with the first of its details and how many more there are."""
    details = [detail for detail in error.details if not detail.startswith(" ")]
    first = f": {details[0]}" if details else ""
    return error.message + first + (f", and {len(details) - 1} more" if len(details) > 1 else "")
