"""What follows a device of a fleet once it is whole, registering it for one, while others are still being made.

It has a few threads of its own, so that no server keeps the fleet waiting, and knows nothing of what it has done.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from otaopenssl.account import Result
from otaopenssl.errors import Error, Failed, Interrupted, OutOfReach
from otaopenssl.fleet_block import Outcome
from otaopenssl.ids import Identity
from otaopenssl.interrupts import check, held

_WORKERS = 4
# Where so many devices after one another could reach nobody, the others could not either.
_TELLING_FAILURES = 4
_MOST_FAILURES = 10_000
_SECONDS_BETWEEN_TELLING = 0.2


class FollowUp(NamedTuple):
    """One thing that follows: ``done`` is what a device then is ("registered"); ``act`` does it, or raises an Error.

    ``act`` is called from several threads, each time with another device that is whole. It raises OutOfReach where the
    next device would most likely come to the same, and Interrupted soon after a signal.
    """

    done: str
    act: Callable[[Identity], None]


class Following:
    """Has the follow-ups done for devices as they are added, and knows what came of them.

    ``counts`` are the devices that each follow-up was done for, by ``done``; ``failures`` the first of those that one
    or more of them were not done for, ``failed`` how many there are; ``given_up`` why the rest was not tried, which
    with ``is_fail_fast`` is so after the first failure.
    """

    def __init__(self, follow_ups: Sequence[FollowUp], workers: int = _WORKERS, *, is_fail_fast: bool = False) -> None:
        self.counts = {one.done: 0 for one in follow_ups}
        self.failures: list[Outcome] = []
        self.failed = 0
        self.quantity = 0
        self.given_up: Error | None = None
        self._follow_ups = tuple(follow_ups)
        self._most_workers = workers
        self._is_fail_fast = is_fail_fast
        self._workers: list[threading.Thread] = []
        self._waiting: deque[Identity] = deque()
        self._left = 0
        self._in_a_row = 0
        self._changed = threading.Condition()

    @property
    def left(self) -> int:
        """How many devices nothing has come of yet."""
        return self._left

    def add(self, outcomes: Sequence[Outcome]) -> None:
        """Have the follow-ups done, soon, for those devices that are whole; returns at once."""
        with self._alone():
            for outcome in outcomes:
                if outcome.result in (Result.MADE, Result.THERE):
                    self.quantity += 1
                    self._left += 1
                    self._waiting.append(outcome.identity)
            if self.given_up is not None:
                self._drop_waiting()
            while len(self._workers) < min(self._most_workers, len(self._waiting)):
                # Nobody waits for one that hangs when the program ends.
                self._workers.append(threading.Thread(target=self._work, daemon=True))
                self._workers[-1].start()
            self._changed.notify_all()

    def finish(self, tell: Callable[[int, int], None]) -> None:
        """Return once something has come of every device; ``tell`` is told now and then how many are done, and failed.

        Raises Interrupted where a signal came before.
        """
        while self._left:
            with self._alone():
                if self._left:
                    self._changed.wait(_SECONDS_BETWEEN_TELLING)
            tell(self.quantity - self._left, self.failed)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        # A signal in between could leave the lock held for ever.
        with held(), self._changed:
            yield

    def _work(self) -> None:
        try:
            while True:
                with self._changed:
                    while not self._waiting:
                        self._changed.wait()
                    identity = self._waiting.popleft()
                self._finished(identity, self._followed(identity))
        except Interrupted:
            # The main thread hears of it by itself, and what was not done is told as little as what was not made.
            return

    def _followed(self, identity: Identity) -> list[tuple[FollowUp, Error | None]]:
        """What came of each follow-up of the device."""
        found: list[tuple[FollowUp, Error | None]] = []
        for follow_up in self._follow_ups:
            check()
            try:
                follow_up.act(identity)
            except Error as error:
                found.append((follow_up, error))
            except Exception as error:  # whatever it is, somebody waits for this device
                broken = f"it broke down: {type(error).__name__}: {error}"
                found.append((follow_up, Failed(broken, hint="run the command again")))
            else:
                found.append((follow_up, None))
        return found

    def _finished(self, identity: Identity, found: Sequence[tuple[FollowUp, Error | None]]) -> None:
        with self._changed:
            errors = [(follow_up, error) for follow_up, error in found if error is not None]
            for follow_up, error in found:
                self.counts[follow_up.done] += error is None
            self._left -= 1
            if errors:
                words = "; ".join(f"not {follow_up.done}: {error.message}" for follow_up, error in errors)
                self._fail(identity, words, errors[0][1].hint)
                if self._is_fail_fast:
                    why = f"{identity.uuid}: {words}, and '--fail-fast' was given"
                    self._give_up(Failed(why, hint=errors[0][1].hint))
            self._judge([error for _, error in errors])
            self._changed.notify_all()

    def _judge(self, errors: Sequence[Error]) -> None:
        """Give up where nobody was reached for some devices after one another."""
        unreached = [error for error in errors if isinstance(error, OutOfReach)]
        self._in_a_row = self._in_a_row + 1 if unreached else 0
        if self._in_a_row >= _TELLING_FAILURES:
            self._give_up(unreached[0])

    def _give_up(self, why: Error) -> None:
        if self.given_up is None:
            self.given_up = why
            self._drop_waiting()

    def _drop_waiting(self) -> None:
        words = " and ".join(f"not {done}" for done in self.counts)
        while self._waiting:
            self._left -= 1
            self._fail(self._waiting.popleft(), f"{words}: not tried any more", "run the command again")

    def _fail(self, identity: Identity, words: str, hint: str) -> None:
        self.failed += 1
        if len(self.failures) < _MOST_FAILURES:
            self.failures.append(Outcome(identity, Result.FAILED, reason=words, hint=hint))
