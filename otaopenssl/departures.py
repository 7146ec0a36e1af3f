"""Where the tool departs from the guide, which cannot be run as it is printed: each by name."""

from typing import NamedTuple


class Departure(NamedTuple):
    """One departure: its name, what the guide prints, what the tool does instead."""

    name: str
    guide: str
    tool: str


DEPARTURES = (
    Departure("devices-dir-typo", "`export DEVICES_DIR = DEVICES_DIR=…`", "sets DEVICES_DIR"),
    Departure(
        "server-dir-unset",
        "uses SERVER_DIR, never sets it",
        "the server directory, absolute, so that the link resolves",
    ),
    Departure(
        "no-dangling-link",
        "links ca.pem even where server_ca.pem is absent (`scp -r` then fails)",
        "links it only where it is there",
    ),
    Departure(
        "gateway-url",
        "tells to paste the URL of autoprov.url (`https://HOST:443`) before `:8000`",
        "takes the host",
    ),
    Departure(
        "gateway-port",
        "port 8000 only (OTA Community Edition listens on 30443)",
        "`--port` runs a second text, gateway-port.sh, with `:${device_gateway_port}`; gateway.sh is always 8000",
    ),
    Departure("stdin-closed", "s_client waits for a terminal", "empty standard input"),
    Departure("empty-root", "on failure the pipe leaves an empty root.crt and exit 0", "an error, and no file"),
    Departure(
        "private-serial",
        "parallel runs of `-CAcreateserial` race on ca.srl and leave 0-byte certificates",
        "each run signs with a serial number reserved for it",
    ),
)


def departure(name: str) -> Departure:
    """The departure of that name."""
    return next(found for found in DEPARTURES if found.name == name)
