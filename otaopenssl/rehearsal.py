"""What is rehearsed, and what is told of it."""

import socket
from pathlib import Path
from typing import NamedTuple

from otaopenssl.address import Gateway, GatewayHost
from otaopenssl.ids import DeviceID, DeviceUUID, ServerName
from otaopenssl.layout import Server
from otaopenssl.texts import Procedure

LOCAL_HOST = GatewayHost("127.0.0.1")
STRANGER = DeviceUUID("stranger")
_GUIDE_PORT = 8000


class Rehearsal(NamedTuple):
    """What is rehearsed: with the texts, configuration files and server name of a project, as device ``uuid``.

    ``against`` is a real gateway, for which ``pins`` have to vouch, and at which that device of the project is tried.
    ``kept_dir`` is where everything is made and stays; without it a temporary directory is used. A connection has
    ``seconds``.
    """

    server: Server
    procedure: Procedure
    uuid: DeviceUUID
    seconds: float
    port: int | None = None
    against: Gateway | None = None
    pins: tuple[str, ...] = ()
    kept_dir: Path | None = None

    @property
    def stranger_name(self) -> ServerName:
        """The server of a fleet root CA that the gateway does not know."""
        return ServerName("stranger" if self.server.name != "stranger" else "another-stranger")

    @property
    def fetching_port(self) -> int | None:
        """The port of a real gateway from which root.crt is fetched; None for the guide's."""
        return self.port or (None if self.against is None else self.against.named_port)

    @property
    def connecting_port(self) -> int:
        """The port of a real gateway to which devices connect: that of its URL, where it names one."""
        named = None if self.against is None else self.against.named_port
        return named or self.port or _GUIDE_PORT


class Row(NamedTuple):
    """One thing that was tried: what had to come of it, what came, and whether that is as it must be."""

    what: str
    expected: str
    found: str
    is_good: bool


class Report(NamedTuple):
    """What was tried, in order, and what to know about the gateway."""

    rows: tuple[Row, ...]
    warnings: tuple[str, ...]

    @property
    def is_good(self) -> bool:
        """Whether all was as it must be."""
        return all(row.is_good for row in self.rows)


def gateway_places(server: Server, uuid: DeviceUUID, host: str, port: int) -> dict[str, str]:
    """The values of the places of rehearse.sh for one device."""
    places = server.device_places(uuid, DeviceID(uuid))
    return places | {"device_gateway": str(host), "device_gateway_port": str(port)}


def free_port() -> int:
    """A port of 127.0.0.1 on which nobody listens now; somebody may before it is used."""
    with socket.socket() as listener:
        listener.bind((LOCAL_HOST, 0))
        return int(listener.getsockname()[1])
