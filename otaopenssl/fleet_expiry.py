"""When the devices of a fleet expire, counted in one pass, so that a large one needs no more room."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from heapq import nsmallest
from typing import NamedTuple

from otaopenssl.inventory import Listed, Selection, State
from otaopenssl.stock import Stocked

SOON_DAYS = 30


class FleetExpiry(NamedTuple):
    """How many devices there are, in which state, and when they expire.

    ``soon`` is the number of those that have not expired and do within SOON_DAYS; ``expired`` and ``left`` are numbers
    of devices by the day (UTC) on which their certificates end; ``first`` are those that expire first, in order.
    """

    devices: int
    states: Mapping[State, int]
    soon: int
    expired: Mapping[date, int]
    left: Mapping[date, int]
    first: list[Listed]

    @property
    def with_certificate(self) -> int:
        """How many devices have a certificate that can be read."""
        return self.devices - self.states.get(State.UNKNOWN, 0)


def fleet_expiry(devices: Iterable[Stocked], now: datetime, most: int) -> FleetExpiry:
    """When the devices expire as seen at ``now``, with the ``most`` that expire first. Raises what ``devices`` does."""
    count = _Count(now)
    first = nsmallest(most, count.through(devices), key=lambda one: (one.device.not_after, one.device.uuid))
    return FleetExpiry(sum(count.states.values()), count.states, count.soon, count.expired, count.left, first)


class _Count:
    def __init__(self, now: datetime) -> None:
        self._selection = Selection(now)
        self.states: Counter[State] = Counter()
        self.soon = 0
        self.expired: Counter[date] = Counter()
        self.left: Counter[date] = Counter()

    def through(self, devices: Iterable[Stocked]) -> Iterator[Listed]:
        """The devices that have a certificate, each counted."""
        for device in devices:
            one = self._selection.listed(device)
            self.states[one.state] += 1
            if device.not_after is None or one.days_left is None:
                continue
            is_expired = one.state is State.EXPIRED
            (self.expired if is_expired else self.left)[device.not_after.astimezone(UTC).date()] += 1
            self.soon += not is_expired and one.days_left < SOON_DAYS
            yield one
