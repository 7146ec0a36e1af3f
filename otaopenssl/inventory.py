"""The devices of a server and when their certificates expire, as far as a selection asks for them."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from otaopenssl.stock import Stocked


class State(StrEnum):
    """What can be said of a device's certificate at a moment, by its dates alone."""

    VALID = "valid"
    EXPIRED = "expired"
    NOT_YET_VALID = "not yet valid"
    UNKNOWN = "no certificate"


class Listed(NamedTuple):
    """A device, its state, and the whole days that its certificate has left, negative since it has expired."""

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
        days_left = (device.not_after - self.now).days
        if device.not_after <= self.now:
            return Listed(device, State.EXPIRED, days_left)
        return Listed(device, State.NOT_YET_VALID if device.not_before > self.now else State.VALID, days_left)

    def takes(self, listed: Listed) -> bool:
        """Whether the device is asked for; one without a certificate is not by its dates."""
        end = listed.device.not_after
        if self.only_expired:
            return listed.state is State.EXPIRED
        if self.expiring_days is not None:
            return end is not None and end <= self.now + timedelta(days=self.expiring_days)
        return True

    def of(self, devices: Iterable[Stocked]) -> Iterable[Listed]:
        """Those of the devices that are asked for: in their order, else by what expires first where dates select."""
        found = self._taken(devices)
        if self.only_expired or self.expiring_days is not None:
            return sorted(
                found, key=lambda one: (one.device.not_after or datetime.max.replace(tzinfo=UTC), one.device.uuid)
            )
        return found

    def _taken(self, devices: Iterable[Stocked]) -> Iterator[Listed]:
        for device in devices:
            listed = self.listed(device)
            if self.takes(listed):
                yield listed
