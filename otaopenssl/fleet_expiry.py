"""When the devices of a fleet expire, counted in one pass, so that a large one needs no more room."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from typing import NamedTuple

from otaopenssl.inventory import SOON_DAYS, Listed, Selection, State
from otaopenssl.stock import Stocked


class FleetExpiry(NamedTuple):
    """How many devices there are, in which state, and when they expire.

    ``soon`` is the number of those that have not expired and do within SOON_DAYS; ``expired`` and ``left`` are numbers
    of devices by the day (UTC) on which their certificates end; ``first`` are those that expire first of what is left,
    ``last_expired`` those that have expired last, both in this order.
    """

    devices: int
    states: Mapping[State, int]
    soon: int
    expired: Mapping[date, int]
    left: Mapping[date, int]
    first: list[Listed]
    last_expired: list[Listed]

    @property
    def with_certificate(self) -> int:
        """How many devices have a certificate that can be read."""
        return self.devices - self.states.get(State.UNKNOWN, 0)


def fleet_expiry(devices: Iterable[Stocked], now: datetime, most: int) -> FleetExpiry:
    """When the devices expire as seen at ``now``, naming up to ``most`` of each kind. Raises what ``devices`` does."""
    selection = Selection(now)
    first, last_expired = _First(most, _end), _First(most, lambda one: (-_end(one)[0], one.device.uuid))
    states: Counter[State] = Counter()
    expired: Counter[date] = Counter()
    left: Counter[date] = Counter()
    soon = 0
    for device in devices:
        one = selection.listed(device)
        states[one.state] += 1
        if device.not_after is None or one.days_left is None:
            continue
        is_expired = one.state is State.EXPIRED
        (expired if is_expired else left)[device.not_after.astimezone(UTC).date()] += 1
        (last_expired if is_expired else first).add(one)
        soon += not is_expired and one.days_left < SOON_DAYS
    return FleetExpiry(sum(states.values()), states, soon, expired, left, first.in_order(), last_expired.in_order())


def _end(one: Listed) -> tuple[float, str]:
    end = one.device.not_after
    return 0.0 if end is None else end.timestamp(), one.device.uuid


class _First:
    """The first of many by a key, of which never more than twice as many are kept."""

    def __init__(self, most: int, key: Callable[[Listed], tuple[float, str]]) -> None:
        self._most = most
        self._key = key
        self._kept: list[Listed] = []

    def add(self, one: Listed) -> None:
        self._kept.append(one)
        if len(self._kept) > 2 * self._most:
            self._kept = self.in_order()

    def in_order(self) -> list[Listed]:
        return sorted(self._kept, key=self._key)[: self._most]
