"""The options that several commands share, and the values they stand for."""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from otaopenssl.cli import terminal
from otaopenssl.errors import BadInput, Error, Unfit, quoted
from otaopenssl.ids import DEFAULT_SERVER_NAME, DeviceUUID, parse_server_name
from otaopenssl.layout import Server
from otaopenssl.runner import CHILD_PATH, Finished, Runner, environment, find_program

Directory = Annotated[
    str | None, typer.Option("-C", metavar="DIR", help="Work in this project directory.  [default: the current one]")
]
OpenSSL = Annotated[
    str | None,
    typer.Option("--openssl", metavar="PATH", help="Run this openssl program.  [default: openssl in PATH]"),
]
ServerNameOption = Annotated[
    str | None,
    typer.Option(
        "--server-name",
        metavar="NAME",
        help="The server's directory.  [env var: SERVER_NAME; default: myservername]",
    ),
]
ProcedureOption = Annotated[
    str | None,
    typer.Option(
        "--procedure",
        metavar="NAME|DIR",
        help="The audited texts: a built-in name, or a directory of your own.",
    ),
]
DryRun = Annotated[
    bool, typer.Option("-n", "--dry-run", help="Print a bash script that does the same; run nothing, write nothing.")
]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Show each command as it has run, with its time.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]


@dataclass
class Base:
    """Where and with which program to work: the options that may stand before the command or after it."""

    directory: str | None = None
    openssl: str | None = None

    def narrowed(self, directory: str | None, openssl: str | None) -> "Base":
        """The same with what stands after the command taking precedence."""
        return Base(self.directory if directory is None else directory, self.openssl if openssl is None else openssl)

    def project_dir(self) -> Path:
        """The absolute project directory: bash's ``$PWD``, or the real path of ``-C DIR``. Raises BadInput."""
        if self.directory is None:
            return _logical_current_directory()
        path = Path(self.directory)
        if not self.directory or "\0" in self.directory or not path.is_dir():
            raise BadInput(f"-C {quoted(self.directory)} is no directory", hint="name an existing directory")
        return path.resolve()

    def program(self) -> str:
        """The absolute path of the openssl program. Raises Unfit."""
        return find_program(self.openssl, os.environ.get("PATH", CHILD_PATH))

    def program_for_script(self) -> str | None:
        """The program where a script must name it, since its own search path would find another."""
        try:
            program = self.program()
            return program if program != find_program(None, CHILD_PATH) else None
        except Unfit:
            return None

    def runner(self, server: Server, uuid: DeviceUUID | None = None, *, verbose: bool = False) -> Runner:
        """What runs this run's openssl processes. Raises Unfit."""
        on_finish = _show_finished if verbose else _ignore
        return Runner(self.program(), environment(server.name, uuid), on_finish)


def refusals(checks: Iterable[tuple[Callable[[str], object], str]]) -> list[Error]:
    """What the checks have against their values; empty where they accept all."""
    found: list[Error] = []
    for parse, value in checks:
        try:
            parse(value)
        except Error as problem:
            found.append(problem)
    return found


def narrowed_base(context: typer.Context, directory: str | None, openssl: str | None) -> Base:
    """The options before the command, and those after it in their place."""
    base: Base = context.obj
    return base.narrowed(directory, openssl)


def server_in(base: Base, server_name: str | None) -> Server:
    """The server that the options and the environment mean. Raises BadInput."""
    return Server(base.project_dir(), parse_server_name(chosen_server_name(server_name)))


def project_in(base: Base) -> Server:
    """The project directory, where no server matters. Raises BadInput."""
    return Server(base.project_dir(), DEFAULT_SERVER_NAME)


def chosen_server_name(option: str | None) -> str:
    """The server name's text: the option, else the guide's variable, else the guide's example."""
    return option if option is not None else os.environ.get("SERVER_NAME", DEFAULT_SERVER_NAME)


def _logical_current_directory() -> Path:
    """The current directory as the shell names it, symbolic links included, so that CWD is the guide's ``${PWD}``."""
    real = Path.cwd()
    named = os.environ.get("PWD", "")
    if named.startswith("/") and "\0" not in named and not {".", ".."} & set(named.split("/")):
        try:
            if Path(named).samefile(real):
                return Path(named)
        except OSError:
            return real
    return real


def _show_finished(finished: Finished) -> None:
    terminal.note(f"$ {finished.shown()}  ({finished.seconds * 1000:.0f} ms)")


def _ignore(_finished: Finished) -> None:
    return
