"""One use case: a device is made known to a device registry, by as many requests as it takes."""

import time
from collections.abc import Callable
from itertools import chain
from typing import NamedTuple

from otaopenssl.durable import read_bounded
from otaopenssl.errors import Failed, OutOfReach, quoted, reason
from otaopenssl.ids import Identity
from otaopenssl.interrupts import check
from otaopenssl.layout import CERTIFICATE_NAME, Server
from otaopenssl.registration import DEFAULT_TYPE, Registration, Reply, State, judged
from otaopenssl.registry_client import Client, Refused

# In seconds: five attempts, and 7.5 seconds between them in all.
PAUSES = (0.5, 1.0, 2.0, 4.0)
_LONGEST_DEAFNESS = 0.2
_MOST_WARNINGS = 10

# Lets so many seconds pass.
Pause = Callable[[float], None]


class Registered(NamedTuple):
    """What a registry said of a device that it knows now, at which attempt; ``warning`` is empty where all is well."""

    state: State
    reply: Reply
    attempts: int
    warning: str = ""


def paused(seconds: float) -> None:
    """Return after so many seconds. Raises Interrupted soon after a signal, in any thread."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        check()
        time.sleep(min(left, _LONGEST_DEAFNESS))
    check()


def register(client: Client, registration: Registration, pause: Pause = paused) -> Registered:
    """What the registry said of the device, which it knows now.

    Asked again after ``PAUSES`` where connections are refused or the server says that it failed itself (5xx), never
    after another answer, a time-out or a fault of TLS. Raises OutOfReach where there was no answer or 5xx to the last,
    else Failed.
    """
    body = registration.body()
    shown = f"registry {quoted(client.registry.url)}"
    for attempts, seconds in enumerate(chain(PAUSES, [None]), 1):
        try:
            reply = client.put(body)
            if not reply.is_server_fault or seconds is None:
                state = judged(reply, registration.identity)
                return Registered(state, reply, attempts, _warning(registration.identity, reply, shown))
        except Refused as error:
            if seconds is None:
                raise OutOfReach(f"{shown} {error.message}, {attempts} times", hint=error.hint) from error
        except Failed as error:
            times = f", after {attempts} attempts" if attempts > 1 else ""
            raise type(error)(f"{shown} {error.message}{times}", hint=error.hint) from error
        if seconds is not None:
            pause(seconds)
    raise AssertionError("the last attempt returns or raises")


class Registrar:
    """Registers devices that are whole, one a call, under their device IDs; ``warnings`` are the first of many."""

    def __init__(self, client: Client, server: Server, pause: Pause = paused) -> None:
        self._client = client
        self._server = server
        self._pause = pause
        self.warnings: list[str] = []

    def __call__(self, identity: Identity) -> None:
        """Register the device. Raises OutOfReach or Failed."""
        path = self._server.device_path(identity.uuid) / CERTIFICATE_NAME
        try:
            certificate = read_bounded(path).decode("ascii")
        except (OSError, ValueError) as error:
            words = reason(error) if isinstance(error, OSError) else "it is no PEM"
            shown = quoted(self._server.shown(path))
            raise Failed(f"{shown} cannot be read: {words}", hint="see what is wrong: otaopenssl verify") from error
        registration = Registration(identity, identity.device_id, DEFAULT_TYPE, certificate)
        warning = register(self._client, registration, self._pause).warning
        if warning and len(self.warnings) < _MOST_WARNINGS:
            self.warnings.append(warning)


def _warning(identity: Identity, reply: Reply, shown: str) -> str:
    """What a registry's own UUID for the device means, where it is another than the device's."""
    known_as = reply.uuid()
    if known_as is None or known_as.lower() == identity.uuid.lower():
        return ""
    return (
        f"{shown} has device ID {quoted(identity.device_id)} under UUID {quoted(known_as)}, expected"
        f" {quoted(identity.uuid)}: it makes UUIDs of its own, or"
        " another device had this ID and has this one's certificate now"
    )
