"""The options that name a device registry and how it is reached; light to import, as all options are."""

from typing import Annotated, NamedTuple

import typer

from otaopenssl.cli.options import PATHS

RegistryCA = Annotated[
    str | None,
    typer.Option(
        "--ca",
        metavar="FILE",
        autocompletion=PATHS,
        help="Trust the registry by this CA in PEM alone.  [default: the system's CAs]",
    ),
]
ClientCertificate = Annotated[
    str | None,
    typer.Option(
        "--client-cert",
        metavar="FILE",
        autocompletion=PATHS,
        help="Show the registry this certificate in PEM; the file may hold its key as well.",
    ),
]
ClientKey = Annotated[
    str | None,
    typer.Option("--client-key", metavar="FILE", autocompletion=PATHS, help="The key of that certificate in PEM."),
]


class RegistryOptions(NamedTuple):
    """Which registry, and how: the options as they were given."""

    url: str
    ca: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    passphrase_file: str | None = None
    timeout: str | None = None


def registry_of(
    url: str | None, ca: str | None, client_cert: str | None, client_key: str | None, timeout: str | None
) -> RegistryOptions | None:
    """The registry that a fleet's devices are registered with, None where none is named. Raises BadInput.

    ``timeout`` may be a gateway's alone.
    """
    if url is not None:
        return RegistryOptions(url, ca, client_cert, client_key, timeout=timeout)
    given = {"--ca": ca, "--client-cert": client_cert, "--client-key": client_key}
    for name, value in given.items():
        if value is not None:
            from otaopenssl.errors import BadInput

            raise BadInput(f"'{name}' is given without '--register'", hint="name the registry: '--register URL'")
    return None
