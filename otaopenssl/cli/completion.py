"""What a user's shell completes: names that are there; imported only when a shell asks.

Bash, zsh and fish ask by typer's protocol, with the words so far in the environment. Typer's answer is mended where it
leaves "--name=" out, and where it has a shell propose files for what is no file. Whatever goes wrong stays unsaid,
since each word would land in the line that the user is typing.
"""

import io
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import partial, wraps
from pathlib import Path

import typer

from otaopenssl.cli import session, terminal
from otaopenssl.cli.defaults import Defaults
from otaopenssl.cli.options import COMPLETION_VARIABLE, Place, Running
from otaopenssl.errors import BadInput, Error, Unfit, quoted
from otaopenssl.ids import is_accepted, parse_device_uuid, parse_server_name
from otaopenssl.layout import Server

MOST_PROPOSALS = 100
# What stands for itself in every shell: zsh evaluates what it is given.
_PLAIN_NAME = re.compile(r"[A-Za-z0-9._][A-Za-z0-9._:+-]*")
# Where bash, unlike the others, ends a word; a device UUID may hold the first.
_BREAKS = (":", "=")
# The word that is being typed, where it is an option with a value, as zsh and fish give it.
_OPTION_BEGUN = re.compile(r"(?:.*\s)?(--[a-z-]+=)\S*", re.DOTALL)
# What typer prints before and after the proposals for zsh.
_ZSH_BEGIN = "_arguments '*: :(("
_ZSH_END = "))'"

Propose = Callable[[typer.Context, str], list[str]]


class _Asked:
    """What became known of the word that is being typed; typer's context carries it."""

    may_be_path = False


def answer(app: typer.Typer) -> int:
    """Print what the shell asked for; the exit status that typer's protocol wants."""
    answers: dict[str, Callable[[typer.Typer], tuple[str, int]]] = {
        "complete_bash": _answer_bash,
        "complete_zsh": _answer_zsh,
        "complete_fish": _answer_fish,
    }
    try:
        text, status = answers.get(os.environ[COMPLETION_VARIABLE], _run)(app)
        terminal.result(text)
    except Exception:
        # Whatever it is: a word of it would land in the user's line.
        return 1
    return status


def _answer_bash(app: typer.Typer) -> tuple[str, int]:
    """A proposal a line; where there is none bash proposes files, whatever is meant."""
    begun = _mend_words()
    printed, status = _run(app)
    return "\n".join(line.removeprefix(begun) for line in printed.splitlines()), status


def _answer_zsh(app: typer.Typer) -> tuple[str, int]:
    """The commands that zsh evaluates: "_arguments" with the proposals, "_files", or none."""
    asked = _Asked()
    printed, status = _run(app, asked=asked)
    option = _option_begun()
    if not printed.startswith(_ZSH_BEGIN):
        files = f"compset -P '{option}'; _files" if option else "_files"
        return files if asked.may_be_path else "", status
    proposals = printed.rstrip().removeprefix(_ZSH_BEGIN).removesuffix(_ZSH_END)
    # Typer doubles an apostrophe, which inside of apostrophes is none.
    proposals = proposals.replace("''", r"'\''")
    return _ZSH_BEGIN + re.sub(r'^"', f'"{option}', proposals, flags=re.MULTILINE) + _ZSH_END, status


def _answer_fish(app: typer.Typer) -> tuple[str, int]:
    """A proposal a line; or, before that, by the exit status whether there is to be nothing but proposals."""
    is_before = os.environ.get("_TYPER_COMPLETE_FISH_ACTION") == "is-args"
    os.environ["_TYPER_COMPLETE_FISH_ACTION"] = "get-args"
    asked = _Asked()
    printed, status = _run(app, asked=asked)
    lines = [line for line in printed.splitlines() if line]
    if is_before:
        return "", int(asked.may_be_path and not lines)
    return "\n".join(_option_begun() + line for line in lines), status


def _option_begun() -> str:
    """The option before the value that is being typed, such as "--uuid=", else nothing."""
    begun = _OPTION_BEGUN.fullmatch(os.environ.get("_TYPER_COMPLETE_ARGS", ""))
    return begun[1] if begun else ""


def script(app: typer.Typer, arguments: Sequence[str]) -> int:
    """Do what typer's --install-completion and --show-completion mean.

    Raises BadInput for a word after them, Unfit where no known shell asks or its user's own file is in no UTF-8.
    """
    option, *others = arguments
    if others and not {"-h", "--help"} & set(others):
        words = f"'{option}' stands alone, and {quoted(others[0])} follows"
        raise BadInput(words, hint=f"start 'otaopenssl {option}' from the shell that it is for")
    try:
        with _no_line_added(Path("~/.bashrc").expanduser()):
            printed, status = _run(app, arguments)
    except UnicodeDecodeError as error:
        words = "the file to which completion would be added is in no UTF-8"
        raise Unfit(words, hint="add what 'otaopenssl --show-completion' prints by hand") from error
    if status != 0:
        words = "this was not started by a shell that completion is made for: bash, zsh or fish"
        raise Unfit(
            words, hint=f"start it from one, or print its script: '{COMPLETION_VARIABLE}=source_bash otaopenssl'"
        )
    terminal.result(printed)
    return status


@contextmanager
def _no_line_added(path: Path) -> Iterator[None]:
    """Keep the file as it was where no more than an empty line is added, as typer does at each installation."""
    before = path.read_bytes() if path.is_file() else b""
    yield
    if before.endswith(b"\n") and path.read_bytes() == before + b"\n":
        path.write_bytes(before)


def paths(context: typer.Context, begun: str) -> list[str]:
    """Nothing: what is meant is a path, which the shell itself completes."""
    context.obj.may_be_path = True
    return []


def or_paths(propose: Propose) -> Propose:
    """The same proposals, and a path where there is none."""
    return lambda context, begun: propose(context, begun) or paths(context, begun)


def _of_project(propose: Propose) -> Propose:
    """The same proposals, and none where the project cannot tell them: the rest completes all the same."""

    @wraps(propose)
    def proposed(context: typer.Context, begun: str) -> list[str]:
        try:
            return propose(context, begun)
        except (Error, OSError):
            return []

    return proposed


@_of_project
def device_uuids(context: typer.Context, begun: str) -> list[str]:
    """The devices of the project whose UUID begins so."""
    return _names(_server(context).devices_dir, begun, partial(is_accepted, parse_device_uuid))


@_of_project
def server_names(context: typer.Context, begun: str) -> list[str]:
    """The directories of the project that hold devices."""
    here = _project_dir(context)
    is_name = partial(is_accepted, parse_server_name)
    return _names(here, begun, lambda name: is_name(name) and (here / name / "devices").is_dir())


@_of_project
def record_names(context: typer.Context, begun: str) -> list[str]:
    """The records of the server."""
    from otaopenssl.records import RECORD_NAME, records_dir

    return _names(records_dir(_server(context)), begun, lambda name: RECORD_NAME.fullmatch(name) is not None)


def procedures(context: typer.Context, begun: str) -> list[str]:
    """The built-in procedures, and the directories of the project that hold a text."""
    from otaopenssl.texts import built_in_procedures

    built_in = [procedure.name for procedure in built_in_procedures() if procedure.name.startswith(begun)]
    return built_in + _own_procedures(context, begun)


@_of_project
def _own_procedures(context: typer.Context, begun: str) -> list[str]:
    here = _project_dir(context)
    return _names(here, begun, lambda name: any((here / name).glob("*.sh")))


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


def _run(app: typer.Typer, arguments: Sequence[str] = (), asked: _Asked | None = None) -> tuple[str, int]:
    """What typer prints, and its exit status; where a shell asks, what it asks for is noted."""
    printed = io.StringIO()
    with redirect_stdout(printed), redirect_stderr(io.StringIO()):
        try:
            status = app(list(arguments), prog_name="otaopenssl", standalone_mode=False, obj=asked or _Asked())
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
