"""Where the tool departs from the guide, which cannot be run as it is printed: each by name."""

from typing import NamedTuple


class Departure(NamedTuple):
    """One departure: its name, what the guide does, and what the tool does instead, as verb phrases."""

    name: str
    guide: str
    tool: str


DEPARTURES = (
    Departure("devices-dir-typo", "prints `export DEVICES_DIR = DEVICES_DIR=…`", "sets DEVICES_DIR"),
    Departure(
        "server-dir-unset",
        "uses SERVER_DIR, never sets it",
        "sets it to the server directory, absolute, so that the link resolves (in server.sh relative, as its source)",
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
        "knows port 8000 only (OTA Community Edition listens on 30443)",
        "runs a second text, gateway-port.sh with `:${device_gateway_port}`, for `--port`; gateway.sh is always 8000",
    ),
    Departure("stdin-closed", "lets s_client wait at the terminal", "gives every process an empty standard input"),
    Departure(
        "empty-root",
        "leaves an empty root.crt and exit 0 when the pipe fails",
        "ends with an error, and leaves no file",
    ),
    Departure(
        "private-serial",
        "lets parallel runs of `-CAcreateserial` race on ca.srl and leave 0-byte certificates",
        "signs with serial numbers that each run has reserved in ca.srl",
    ),
)


def departure(name: str) -> Departure:
    """The departure of that name."""
    return next(found for found in DEPARTURES if found.name == name)
