"""The devices of a server and when their certificates expire, as far as a selection asks for them."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from otaopenssl.stock import Stocked

# Of a year, as the guide's certificates are valid.
SOON_DAYS = 30
_LAST = datetime.max.replace(tzinfo=UTC)


class State(StrEnum):
    """What can be said of a device's certificate at a moment, by its dates alone."""

    VALID = "valid"
    EXPIRED = "expired"
    NOT_YET_VALID = "not yet valid"
    UNKNOWN = "no certificate"


class Listed(NamedTuple):
    """A device, its state, and the whole days that its certificate has left, or (negative) that it has expired for."""

    device: Stocked
    state: State
    days_left: int | None


class Selection(NamedTuple):
    """Which devices are asked for at the moment ``now``: all, or those that expire within so many days, or expired."""

    now: datetime
    expiring_days: int | None = None
    only_expired: bool = False

    def listed(self, device: Stocked) -> Listed:
        """The device, and its state."""
        if device.not_before is None or device.not_after is None:
            return Listed(device, State.UNKNOWN, None)
        days_left = int((device.not_after - self.now) / timedelta(days=1))
        if device.not_after <= self.now:
            return Listed(device, State.EXPIRED, days_left)
        return Listed(device, State.NOT_YET_VALID if device.not_before > self.now else State.VALID, days_left)

    def takes(self, listed: Listed) -> bool:
        """Whether the device is asked for: one of which nothing is known may expire any day."""
        if self.only_expired:
            return listed.state is State.EXPIRED
        return listed.state is State.UNKNOWN or self.is_expiring(listed.device.not_after)

    def is_expiring(self, end: datetime | None) -> bool:
        """Whether what ends then is asked for."""
        if self.expiring_days is None:
            return True
        return end is not None and end <= self.now + timedelta(days=self.expiring_days)

    def of(self, devices: Iterable[Listed]) -> list[Listed]:
        """Those of the devices that are asked for: in their order, or by what expires first where dates select."""
        found = [listed for listed in devices if self.takes(listed)]
        if self.only_expired or self.expiring_days is not None:
            found.sort(key=lambda one: one.device.not_after or _LAST)
        return found
