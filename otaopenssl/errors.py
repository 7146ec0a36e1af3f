"""What can go wrong, as one small tree of exceptions; each class is one exit status.

Only ``otaopenssl.cli`` prints an error or ends the process.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

_LONGEST_QUOTE = 200


class Error(Exception):
    """A failure that its reader can act on: one lower-case message and a hint.

    ``status`` is the exit status of the documented table; ``hint`` is an action, without the word "hint"; ``details``
    are lines that say more than a message holds.
    """

    status = 1

    def __init__(self, message: str, *, hint: str, details: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = tuple(details)

    @property
    def problems(self) -> tuple["Error", ...]:
        """The single problems this error stands for; itself, unless several were gathered."""
        return (self,)


class Failed(Error):
    """openssl failed, a check did not hold, or a server did not answer as it must (exit 1)."""

    status = 1


class OutOfReach(Failed):
    """A server did not answer, or failed each time (exit 1): what is asked next would most likely come to the same."""


class BadInput(Error):
    """Wrong usage or malformed input: options, IDs, config files, texts, archives, lists (exit 2)."""

    status = 2


class NotApproved(Error):
    """What would run is not what was approved; ``details`` tell each difference (exit 3)."""

    status = 3


class Unfit(Error):
    """Something needed is missing, unfit, already there or not writable (exit 4)."""

    status = 4


class PartlyFailed(Error):
    """Some devices of a fleet were not made (exit 5); ``details`` tell which."""

    status = 5


class Several(Error):
    """Two or more problems found before anything ran; the status is the first that applies of 2, 3, 4, 1."""

    _ORDER = (2, 3, 4, 1)

    def __init__(self, problems: Sequence[Error]) -> None:
        super().__init__("; ".join(problem.message for problem in problems), hint=problems[0].hint)
        self._problems = tuple(problems)
        self.status = min((problem.status for problem in problems), key=self._ORDER.index)

    @property
    def problems(self) -> tuple[Error, ...]:
        """The single problems, in the order in which they were found."""
        return self._problems


class Interrupted(BaseException):
    """A signal asked the run to end (exit 130); no ``except Exception`` may swallow it.

    ``message`` says what is left behind.
    """

    status = 130

    def __init__(self, message: str = "interrupted, nothing was left behind") -> None:
        super().__init__(message)
        self.message = message


def raise_all(problems: Iterable[Error]) -> None:
    """Raise nothing, the only problem, or all of them as one error; repeated messages count once."""
    unique = {single.message: single for problem in problems for single in problem.problems}
    gathered = list(unique.values())
    if len(gathered) == 1:
        raise gathered[0]
    if gathered:
        raise Several(gathered)


def quoted(value: object) -> str:
    """The value as it may stand in a message: in quotes, control characters escaped, cut at 200 characters."""
    text = str(value)
    if len(text) > _LONGEST_QUOTE:
        return f"{text[:_LONGEST_QUOTE]!r}…"
    return repr(text)


def moment(when: datetime) -> str:
    """An aware moment as it may stand in a message, in UTC to the second."""
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def reason(error: OSError) -> str:
    """The operating system's words for an error, in lower case, without the path that it repeats."""
    words = error.strerror or str(error) or type(error).__name__
    return words[:1].lower() + words[1:]
