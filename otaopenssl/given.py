"""What of a device is there before its first step, and which steps are then carried out."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from otaopenssl.ids import DeviceUUID
from otaopenssl.steps import Text


class Given(NamedTuple):
    """The steps to carry out, and the files that are there before, by their paths as commands name them.

    ``public_key`` is the device's in DER, where a stranger has made it.
    ``replaces`` are the files of the device whose place the new one is to take, by name; None where there is none.
    """

    text: Text
    files: Mapping[str, bytes]
    warnings: tuple[str, ...] = ()
    public_key: bytes | None = None
    replaces: Mapping[str, bytes] | None = None


class Source(Protocol):
    """Where a run's devices get their keys or CSRs from; plain, so that it can be sent to another process."""

    @property
    def is_of_renewals(self) -> bool:
        """Whether the devices are there already, and new ones take their place."""

    def check(self, text: Text) -> None:
        """Raise BadInput unless devices can be made in this way by the text."""

    def given(self, text: Text, places: Mapping[str, str]) -> Given:
        """What there is of the device of these places. Raises an Error where it cannot be made of that."""

    def check_made(self, uuid: DeviceUUID, public_key: bytes) -> None:
        """Raise an Error unless the device that is there, with this public key in DER, is one of the source's."""
