"""The room that devices need on a file system."""

import os
from pathlib import Path
from typing import NamedTuple

from otaopenssl.errors import Error, Unfit, quoted

# Of one device, while it is made and once it is published, on common file systems.
_DEVICE_BYTES = 43 * 1024
_DEVICE_INODES = 8
# What is left below is eaten by the next device and those that are made beside it.
_DEVICES_TO_GO_ON = 3


class Room(NamedTuple):
    """What is free for an ordinary user; ``inodes`` is None of a file system that counts none."""

    bytes: int
    inodes: int | None

    @property
    def devices(self) -> int:
        """How many devices there is room for."""
        by_bytes = self.bytes // _DEVICE_BYTES
        return by_bytes if self.inodes is None else min(by_bytes, self.inodes // _DEVICE_INODES)


def room(directory: Path) -> Room:
    """What is free on the file system of a directory. Raises OSError."""
    free = os.statvfs(directory)
    # A file system that counts no inodes says that it has none.
    return Room(free.f_bavail * free.f_frsize, free.f_favail if free.f_files else None)


def check_room(directory: Path, shown: str) -> list[Error]:
    """No error, or the one for a file system on which no device can be made any more. Raises OSError."""
    if room(directory).devices >= _DEVICES_TO_GO_ON:
        return []
    return [Unfit(f"the file system of {quoted(shown)} is full", hint="free some space")]
