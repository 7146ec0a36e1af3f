"""The options that several commands share; light to import, since every start of the program needs them."""

import os
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import typer

from otaopenssl.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Callable

    from otaopenssl.settings import Seal

    Propose = Callable[[typer.Context, str], list[str]]

MOST_JOBS = 256
# The variable by which typer's scripts ask for completions.
COMPLETION_VARIABLE = "_OTAOPENSSL_COMPLETE"


def _when_asked(propose: "Propose") -> "Propose | None":
    """What proposes values to a shell, where one asks: typer would look into it at each start of the program."""
    return propose if os.environ.get(COMPLETION_VARIABLE) else None


def _paths(context: typer.Context, begun: str) -> list[str]:
    from otaopenssl.cli import completion

    return completion.paths(context, begun)


def _device_uuids(context: typer.Context, begun: str) -> list[str]:
    from otaopenssl.cli import completion

    return completion.device_uuids(context, begun)


def _devices_or_paths(context: typer.Context, begun: str) -> list[str]:
    from otaopenssl.cli import completion

    return completion.or_paths(completion.device_uuids)(context, begun)


def _records_or_paths(context: typer.Context, begun: str) -> list[str]:
    from otaopenssl.cli import completion

    return completion.or_paths(completion.record_names)(context, begun)


def _procedures_or_paths(context: typer.Context, begun: str) -> list[str]:
    from otaopenssl.cli import completion

    return completion.or_paths(completion.procedures)(context, begun)


def _server_names(context: typer.Context, begun: str) -> list[str]:
    from otaopenssl.cli import completion

    return completion.server_names(context, begun)


# The autocompletion= of an option or argument that means something that is there, or a path.
PATHS = _when_asked(_paths)
DEVICES = _when_asked(_device_uuids)
DEVICES_OR_PATHS = _when_asked(_devices_or_paths)
RECORDS = _when_asked(_records_or_paths)
PROCEDURES = _when_asked(_procedures_or_paths)
_SERVERS = _when_asked(_server_names)

Directory = Annotated[
    str | None,
    typer.Option(
        "-C", metavar="DIR", autocompletion=PATHS, help="Work in this project directory.  [default: the current one]"
    ),
]
OpenSSL = Annotated[
    str | None,
    typer.Option(
        "--openssl", metavar="PATH", autocompletion=PATHS, help="Run this openssl program.  [default: openssl in PATH]"
    ),
]
ServerName = Annotated[
    str | None,
    typer.Option(
        "--server-name",
        metavar="NAME",
        autocompletion=_SERVERS,
        help="The server's directory.  [env var: SERVER_NAME; default: myservername]",
    ),
]
ProcedureName = Annotated[
    str | None,
    typer.Option(
        "--procedure",
        metavar="NAME|DIR",
        autocompletion=PROCEDURES,
        help="The audited texts: a built-in name, or a directory of your own.  [default: ota-connect-2019.7]",
    ),
]
DryRun = Annotated[
    bool, typer.Option("-n", "--dry-run", help="Print a bash script that does the same; run nothing, write nothing.")
]
DryRunOfQuestions = Annotated[
    bool,
    typer.Option("-n", "--dry-run", help="Print what openssl would be asked, as a bash script; run nothing."),
]
Style = Annotated[
    Literal["guide", "argv"],
    typer.Option("--style", help="With --dry-run: the guide's own lines, or each command bound and quoted."),
]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Show each command as it has run, with its time.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]

GatewayAddress = Annotated[
    str | None,
    typer.Option(
        "--gateway",
        metavar="URL|HOST",
        help="The device gateway: the URL of autoprov.url, a host or an IPv4 address.  [env var: device_gateway]",
    ),
]
CredentialsPath = Annotated[
    str | None,
    typer.Option(
        "--credentials",
        metavar="ZIP",
        autocompletion=PATHS,
        help="The credentials.zip that names the gateway, and may hold its CA.",
    ),
]
Port = Annotated[
    str | None,
    typer.Option("--port", metavar="PORT", help="Fetch root.crt from this port, by gateway-port.sh.  [default: 8000]"),
]
Pins = Annotated[
    list[str] | None,
    typer.Option(
        "--pin",
        metavar="sha256:DIGEST",
        help="Accept the gateway only if its chain leads to this certificate or public key (SPKI), or one of several.",
    ),
]
Timeout = Annotated[
    str | None,
    typer.Option("--timeout", metavar="SECONDS", help="How long the gateway may take to answer.  [default: 30]"),
]
SealFiles = Annotated[
    tuple[str, str] | None,
    typer.Option(
        "--seal", metavar="CERT KEY", autocompletion=PATHS, help="Seal the record with this certificate and its key."
    ),
]
PassphraseFile = Annotated[
    str | None,
    typer.Option(
        "--passphrase-file",
        metavar="FILE",
        autocompletion=PATHS,
        help="The passphrase of the key.  [default: asked for at the terminal]",
    ),
]


def seal_of(files: tuple[str, str] | None, passphrase_file: str | None, option: str = "--seal") -> "Seal | None":
    """Who seals, or signs by another option, by the options. Raises BadInput."""
    if files is None:
        if passphrase_file is not None:
            hint = f"give '{option} CERT KEY'; for a seal of otaopenssl.toml name it there, in [seal]"
            raise BadInput(f"'--passphrase-file' is given without '{option}'", hint=hint)
        return None
    # Imported here because most runs name none.
    from otaopenssl.settings import Seal

    return Seal(*files, passphrase_file)


class Place(NamedTuple):
    """Where and with which program to work: the options that may stand before the command or after it."""

    directory: str | None = None
    openssl: str | None = None

    def narrowed(self, directory: str | None, openssl: str | None = None) -> "Place":
        """The same, with what stands after the command taking precedence."""
        return Place(self.directory if directory is None else directory, self.openssl if openssl is None else openssl)


class Running(NamedTuple):
    """How a command that runs openssl is to work and to speak."""

    place: Place
    server_name: str | None
    procedure: str | None = None
    dry_run: bool = False
    style: Literal["guide", "argv"] = "guide"
    json: bool = False
    verbose: bool = False
    seal: "Seal | None" = None
    site: str | None = None


class Asking(NamedTuple):
    """Which gateway is to be asked, and how: the options as they were given."""

    gateway: str | None
    credentials: str | None
    port: str | None
    pins: tuple[str, ...]
    timeout: str | None

    def is_given(self) -> bool:
        """Whether an option or the guide's variable says anything of a gateway."""
        return self.names_gateway() or "device_gateway" in os.environ or bool(self.given())

    def names_gateway(self) -> bool:
        """Whether an option or the guide's variable names a gateway; an empty variable counts as none."""
        variable = os.environ.get("device_gateway")  # noqa: SIM112 - the guide's own name
        return self.gateway is not None or self.credentials is not None or bool(variable)

    def given(self) -> list[str]:
        """The options that mean nothing without a gateway, as far as they are given."""
        options = {"--port": self.port, "--pin": self.pins or None, "--timeout": self.timeout}
        return [name for name, value in options.items() if value is not None]
