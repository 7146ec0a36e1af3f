"""What the shared options and the guide's variables mean: the project, the server, the program."""

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Protocol

from otaopenssl.cli import terminal
from otaopenssl.cli.options import Place, Running
from otaopenssl.environment import CHILD_PATH, environment, environment_for
from otaopenssl.errors import BadInput, Error, Unfit, quoted, reason
from otaopenssl.ids import DEFAULT_SERVER_NAME, DeviceUUID, parse_server_name
from otaopenssl.layout import Server
from otaopenssl.program import Launch, find_program, launch
from otaopenssl.runner import Finished
from otaopenssl.script import Style
from otaopenssl.shellwords import shell_joined, shell_quoted
from otaopenssl.texts import DEFAULT_PROCEDURE, Procedure, find_procedure, located_procedure


class Printable(Protocol):
    """What a dry-run prints, as a bash script or for programs."""

    def text_in(self, style: Style) -> str:
        """The script in that style."""

    def document(self, style: Style) -> dict[str, object]:
        """The same for programs."""


def project_dir(place: Place) -> Path:
    """The absolute project directory: bash's ``$PWD``, or the real path of ``-C DIR``. Raises BadInput."""
    if place.directory is None:
        return _logical_current_directory()
    path = Path(place.directory)
    if not place.directory or "\0" in place.directory or not path.is_dir():
        raise BadInput(f"-C {quoted(place.directory)} is no directory", hint="name an existing directory")
    return path.resolve()


def project(place: Place) -> Server:
    """The project directory, where it does not matter which server. Raises BadInput."""
    return Server(project_dir(place), DEFAULT_SERVER_NAME)


def server(running: Running) -> Server:
    """The server that the options and the environment mean. Raises BadInput."""
    return Server(project_dir(running.place), parse_server_name(server_name(running)))


def server_name(running: Running) -> str:
    """The server name's text, unchecked: the option, else the guide's variable, else the guide's example."""
    return os.environ.get("SERVER_NAME", DEFAULT_SERVER_NAME) if running.server_name is None else running.server_name


def device_uuid(option: str | None) -> str | None:
    """The device UUID's text, unchecked: the option or argument, else the guide's variable, None without either."""
    return os.environ.get("DEVICE_UUID") if option is None else option


def procedure(running: Running) -> Procedure:
    """The audited texts that ``--procedure`` means. Raises BadInput."""
    name = DEFAULT_PROCEDURE if running.procedure is None else running.procedure
    # What runs is first compared with what was approved, then parsed; what is only shown is parsed.
    find = find_procedure if running.dry_run else located_procedure
    return find(name, project_dir(running.place))


def program(place: Place) -> str | None:
    """The path of the openssl program, None where there is none."""
    try:
        return find_program(place.openssl, _search_path(), project_dir(place))
    except Unfit:
        return None


def launcher(running: Running, server: Server, uuid: DeviceUUID | None = None) -> Launch:
    """What finds and tries this run's openssl program when it is called. It then raises Unfit where there is none."""
    on_finish = telling(running)
    variables = environment(server.name, uuid)
    here = project_dir(running.place)
    return lambda: launch(running.place.openssl, _search_path(), variables, on_finish, here)


def telling(running: Running) -> Callable[[Finished], None]:
    """What is told of each command that has run: itself and its time, or nothing."""
    return _show_finished if running.verbose else _ignore


def program_for_script(place: Place) -> str | None:
    """The program where a script must name it, since the search path in the script would find another or none."""
    named = program(place)
    if named is None:
        return None
    try:
        in_script = find_program(None, CHILD_PATH, project_dir(place))
    except Unfit:
        return named
    return None if Path(named).samefile(in_script) else named


def print_script(script: Printable, running: Running) -> None:
    """Print what a run would do, as a bash script or for programs."""
    if running.json:
        terminal.result_json(script.document(running.style))
    else:
        terminal.result(script.text_in(running.style))


def print_questions(running: Running, server: Server, commands: Sequence[tuple[str, ...]]) -> None:
    """Print the tool's own questions that a run would ask, each with its whole environment: for bash, or programs."""
    variables = environment(server.name)
    if running.json:
        asked = [{"environment": environment_for(argv, variables), "command": argv} for argv in commands]
        terminal.result_json({"directory": str(server.project_dir), "commands": asked})
        return
    program = program_for_script(running.place)
    lines = ["#!/usr/bin/env bash", f"cd -- {shell_quoted(str(server.project_dir))} || exit"]
    for argv in commands:
        given = (f"{name}={value}" for name, value in environment_for(argv, variables).items())
        lines.append(shell_joined(["env", "-i", *given, program or argv[0], *argv[1:]]))
    terminal.result("\n".join(lines))


def parse_out(value: str) -> str:
    """The name of the file that ``--out`` means, as it was given. Raises BadInput where it can be none."""
    if not value or "\0" in value or value.endswith("/"):
        raise BadInput(f"--out {quoted(value)} is no name of a file", hint="give '--out FILE'")
    return value


def why_unread(error: OSError | ValueError) -> str:
    """Why a file that the user has named cannot be read; a ValueError is of a name that holds a NUL."""
    return reason(error) if isinstance(error, OSError) else "it is no name of a file"


def refusals(checks: Iterable[tuple[Callable[[str], object], str | None]]) -> list[Error]:
    """What the checks have against their values; empty where they accept all that are given."""
    found: list[Error] = []
    for parse, value in checks:
        try:
            if value is not None:
                parse(value)
        except Error as problem:
            found.append(problem)
    return found


def _search_path() -> str:
    return os.environ.get("PATH", CHILD_PATH)


def _logical_current_directory() -> Path:
    """The current directory as the shell names it, symbolic links included, so that CWD is the guide's ``${PWD}``."""
    try:
        real = Path.cwd()
    except FileNotFoundError:
        raise BadInput("the current directory is not there any more", hint="name a directory with '-C DIR'") from None
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
