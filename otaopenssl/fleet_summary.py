"""What came of a fleet, counted, and the first of many failures and warnings."""

from collections.abc import Sequence
from pathlib import Path

from otaopenssl.account import Result
from otaopenssl.errors import Error
from otaopenssl.fleet_block import Outcome

# So many failures and warnings are kept to be shown; all are counted.
_MOST_FAILURES = 10_000
_MOST_WARNINGS = 10


class Summary:
    """What came of a fleet: how many devices were made, were there, failed.

    ``failures`` are the first of many; ``stopped`` says why the rest was not tried, where something
    stopped the fleet.
    """

    def __init__(self, quantity: int) -> None:
        self.quantity = quantity
        self.counts = dict.fromkeys(Result, 0)
        self.failures: list[Outcome] = []
        self._warnings: list[str] = []
        self._more_warnings = 0
        self.plan_path: Path | None = None
        self.stopped: Error | None = None
        self.is_interrupted = False
        self.seconds = 0.0

    @property
    def warnings(self) -> list[str]:
        """The first of its warnings, each once, and how many others there were."""
        more = self._more_warnings
        return [*self._warnings, *([f"and {more} more warning{'' if more == 1 else 's'}"] if more else [])]

    @property
    def untried(self) -> int:
        """How many devices nothing was tried for."""
        return self.quantity - sum(self.counts.values())

    def add(self, outcomes: Sequence[Outcome]) -> None:
        """Count what came of devices."""
        for outcome in outcomes:
            self.counts[outcome.result] += 1
            if outcome.result is Result.FAILED and len(self.failures) < _MOST_FAILURES:
                self.failures.append(outcome)
            for warning in outcome.warnings:
                if warning in self._warnings:
                    continue
                if len(self._warnings) < _MOST_WARNINGS:
                    self._warnings.append(warning)
                else:
                    self._more_warnings += 1
