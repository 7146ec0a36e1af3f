"""What a user's shell completes: names that are there; imported only when a shell asks.

Bash, zsh and fish ask by typer's protocol, with the words so far in the environment. Whatever goes wrong stays unsaid,
since each word would land in the line that the user is typing.
"""

import io
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import typer

from otaopenssl.cli import session, terminal
from otaopenssl.cli.defaults import Defaults
from otaopenssl.cli.options import COMPLETION_VARIABLE, Place, Running
from otaopenssl.errors import BadInput, Unfit
from otaopenssl.ids import parse_device_uuid, parse_server_name
from otaopenssl.layout import Server

MOST_PROPOSALS = 100
# What stands for itself in every shell: zsh evaluates what it is given.
_PLAIN_NAME = re.compile(r"[A-Za-z0-9._][A-Za-z0-9._:+-]*")
# Where bash, unlike the others, ends a word; a device UUID may hold the first.
_BREAKS = (":", "=")


def answer(app: typer.Typer) -> int:
    """Print what the shell asked for; the exit status that typer's protocol wants."""
    try:
        begun = _mend_words() if os.environ[COMPLETION_VARIABLE] == "complete_bash" else ""
        printed, status = _run(app, ())
        lines = [line.removeprefix(begun) for line in printed.splitlines()]
        terminal.result("".join(f"{line}\n" for line in lines))
    except Exception:
        # Whatever it is: a word of it would land in the user's line.
        return 1
    return status


def script(app: typer.Typer, arguments: Sequence[str]) -> int:
    """Do what typer's --install-completion and --show-completion mean. Raises Unfit where no known shell asks."""
    printed, status = _run(app, arguments)
    if status != 0:
        words = "this was not started by a shell that completion is made for: bash, zsh or fish"
        raise Unfit(
            words, hint=f"start it from one, or print its script: '{COMPLETION_VARIABLE}=source_bash otaopenssl'"
        )
    terminal.result(printed)
    return status


def device_uuids(context: typer.Context, begun: str) -> list[str]:
    """The devices of the project whose UUID begins so."""
    return _names(_server(context).devices_dir, begun, _is_accepted_by(parse_device_uuid))


def server_names(context: typer.Context, begun: str) -> list[str]:
    """The directories of the project that hold devices."""
    here = _project_dir(context)
    is_name = _is_accepted_by(parse_server_name)
    return _names(here, begun, lambda name: is_name(name) and (here / name / "devices").is_dir())


def record_names(context: typer.Context, begun: str) -> list[str]:
    """The records of the server."""
    from otaopenssl.records import RECORD_NAME, records_dir

    return _names(records_dir(_server(context)), begun, lambda name: RECORD_NAME.fullmatch(name) is not None)


def procedures(context: typer.Context, begun: str) -> list[str]:
    """The built-in procedures, and the directories of the project that hold a text."""
    from otaopenssl.texts import built_in_procedures

    here = _project_dir(context)
    built_in = [procedure.name for procedure in built_in_procedures() if procedure.name.startswith(begun)]
    return built_in + _names(here, begun, lambda name: any((here / name).glob("*.sh")))


def _names(directory: Path, begun: str, is_meant: Callable[[str], bool]) -> list[str]:
    """The directories in there that begin so and are meant; of too many the first ones, and the last.

    A shell completes as far as all proposals agree: the first and the last agree on no more than all do.
    """
    found = sorted(name for name in _directories(directory, begun) if is_meant(name))
    return found if len(found) <= MOST_PROPOSALS else [*found[: MOST_PROPOSALS - 1], found[-1]]


def _directories(directory: Path, begun: str) -> Iterator[str]:
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.name.startswith(begun) and _PLAIN_NAME.fullmatch(entry.name) and entry.is_dir():
                yield entry.name


def _is_accepted_by(parse: Callable[[str], object]) -> Callable[[str], bool]:
    def is_accepted(name: str) -> bool:
        try:
            parse(name)
        except BadInput:
            return False
        return True

    return is_accepted


def _server(context: typer.Context) -> Server:
    """The server that the words so far, the guide's variable or the team's defaults mean."""
    running = Running(_place(context), context.params.get("server_name"))
    return session.server(Defaults(running.place).running(running))


def _project_dir(context: typer.Context) -> Path:
    return session.project_dir(_place(context))


def _place(context: typer.Context) -> Place:
    """The directory of the words so far, before the command or after it; the shell has not expanded its tilde."""
    named = context.params.get("directory") or context.find_root().params.get("directory")
    return Place(None if named is None else str(Path(named).expanduser()))


def _run(app: typer.Typer, arguments: Sequence[str]) -> tuple[str, int]:
    """What typer prints, and its exit status."""
    printed = io.StringIO()
    with redirect_stdout(printed), redirect_stderr(io.StringIO()):
        try:
            status = app(list(arguments), prog_name="otaopenssl", standalone_mode=False)
        except SystemExit as end:
            status = end.code
    return printed.getvalue(), status if isinstance(status, int) else 0


def _mend_words() -> str:
    """Put the words together that bash has broken at a colon or an equals sign; what bash has of the last one already.

    Source: bash(1), COMP_WORDBREAKS. Typer takes the words from COMP_WORDS, a line each.
    """
    words = os.environ["COMP_WORDS"].split("\n")[: int(os.environ["COMP_CWORD"]) + 1]
    mended: list[str] = []
    for number, word in enumerate(words):
        is_joined = number > 1 and (word in _BREAKS or words[number - 1] in _BREAKS)
        if is_joined:
            mended[-1] += word
        else:
            mended.append(word)
    os.environ["COMP_WORDS"] = "\n".join(mended)
    os.environ["COMP_CWORD"] = str(len(mended) - 1)
    last = words[-1]
    before = mended[-1] if last in _BREAKS else mended[-1].removesuffix(last)
    return before.partition("=")[2] if before.startswith("-") else before
