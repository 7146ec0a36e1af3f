"""The typer application: its commands, and how an error becomes a line and an exit status."""

import os
import re
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated, Any

import typer

from otaopenssl import __version__
from otaopenssl.cli import terminal
from otaopenssl.cli.options import COMPLETION_VARIABLE, Directory, OpenSSL, Place
from otaopenssl.errors import BadInput, Error, Interrupted, Unfit, quoted, reason
from otaopenssl.interrupts import listening

# The base of all usage errors has no public name in any version; BadParameter, which has one, derives from it.
_UsageError: type[Exception] = typer.BadParameter.__bases__[0]

# The module that each command stands in, and its name there; only what is called is imported.
_COMMANDS = {
    "root": ("commands", "root"),
    "server": ("commands", "server"),
    "device": ("commands", "device"),
    "fleet": ("fleet_commands", "fleet"),
    "sign": ("signing_commands", "sign"),
    "renew": ("signing_commands", "renew"),
    "rehearse": ("commands", "rehearse"),
    "show": ("commands", "show"),
    "verify": ("overview_commands", "verify"),
    "list": ("overview_commands", "list_devices"),
    "doctor": ("overview_commands", "doctor"),
    "report": ("overview_commands", "report"),
    "install": ("install_command", "install"),
    "register": ("delivery_commands", "register"),
    "export": ("delivery_commands", "export"),
    "approve": ("text_commands", "approve"),
    "audit": ("text_commands", "audit"),
}
_GROUPS = {
    "gateway": ("gateway_commands", "gateway_app"),
    "procedure": ("text_commands", "procedure_app"),
    "config": ("text_commands", "config_app"),
}
_HELP = """Issue OTA device certificates by exactly the openssl commands that were audited.

\b
Example:
  otaopenssl device --dry-run
"""
# Of typer, which writes the shells' scripts.
_COMPLETION_OPTIONS = {"--install-completion", "--show-completion"}


def application(first: str | None) -> typer.Typer:
    """The application; where the first word of a command line is a command, without the others.

    Making those ready as well would be a part of each device's time.
    """
    app = typer.Typer(
        name="otaopenssl",
        help=_HELP,
        # Plain help text: it is the same on every terminal, and starts 80 ms sooner.
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_base)
    for name, place in _COMMANDS.items():
        if first == name or first not in _COMMANDS:
            app.command(name)(_imported(*place))
    for name, place in _GROUPS.items() if first not in _COMMANDS else ():
        app.add_typer(_imported(*place), name=name)
    return app


def _imported(module: str, name: str) -> Any:
    return getattr(import_module(f"otaopenssl.cli.{module}"), name)


def _print_version(wanted: bool) -> None:
    if wanted:
        terminal.result(f"otaopenssl {__version__}")
        raise typer.Exit


def _base(
    context: typer.Context,
    directory: Directory = None,
    openssl: OpenSSL = None,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    context.obj = Place(directory, openssl)


def run(arguments: Sequence[str], dropped: Sequence[str] = ()) -> int:
    """The exit status of one command line; ``dropped`` names the variables that were taken out of the environment."""
    for stream in (sys.stdout, sys.stderr):
        # Paths may hold any bytes, and a locale must not make a message fail.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="surrogateescape")
    if os.environ.get(COMPLETION_VARIABLE):
        from otaopenssl.cli import completion

        return completion.answer(application(None))
    try:
        with listening():
            if dropped:
                terminal.warn(f"not passed on from the environment: {', '.join(dropped)}")
            return _run(arguments)
    except Interrupted as interruption:
        terminal.note(f"otaopenssl: {interruption.message}")
        return Interrupted.status


def _run(arguments: Sequence[str]) -> int:
    try:
        if sys.stdout is None:
            raise Unfit("standard output is closed", hint="give the result a place to go, such as >/dev/null")
        app = application(arguments[0] if arguments else None)
        if _COMPLETION_OPTIONS & set(arguments[:1]):
            from otaopenssl.cli import completion

            return completion.script(app, arguments)
        returned = app(list(arguments), prog_name="otaopenssl", standalone_mode=False)
    except _UsageError as error:
        failure: Error = _usage_error(error)
    except Error as error:
        failure = error
    except OSError as error:
        if error.filename:
            words = f"{quoted(error.filename)}: {reason(error)}"
            failure = Unfit(words, hint="check the file system and the permissions")
        else:
            failure = terminal.unwritten(error)
    else:
        return returned if isinstance(returned, int) else 0
    terminal.error(failure)
    return failure.status


def _usage_error(error: Exception) -> BadInput:
    """A usage error of typer in the form of the tool's own."""
    message = str(getattr(error, "format_message", error.__str__)()).rstrip(".")
    message = re.sub(r"^No such option: (\S+)", r"No such option '\1'", message)
    command = getattr(getattr(error, "ctx", None), "command_path", "otaopenssl")
    return BadInput(message[:1].lower() + message[1:], hint=f"see '{command} --help'")
