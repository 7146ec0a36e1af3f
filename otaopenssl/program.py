"""Which openssl program runs, and whether it is one that can: found once, asked for its version, then trusted."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from otaopenssl.errors import Error, Failed, Unfit, quoted, raise_all
from otaopenssl.outputs import Version, parse_openssl_dir, parse_version
from otaopenssl.questions import VERSION
from otaopenssl.runner import Finished, Runner, describe_statuses

_OLDEST_VERSION = (1, 1, 1)

# Finds and tries a run's program when it is called; raises Unfit where there is none.
Launch = Callable[[], Runner]


def find_program(option: str | None, search_path: str, cwd: Path) -> str:
    """The absolute path of the openssl program: ``option`` (a path, from ``cwd``, or a name to search) or ``openssl``.

    Raises Unfit where there is none.
    """
    name = "openssl" if option is None else option
    hint = "install OpenSSL 1.1.1 or newer, or name the program with '--openssl PATH'"
    if not name:
        raise Unfit("no usable openssl: its path is empty", hint=hint)
    if "/" in name:
        candidates = [str(cwd / name)]
    else:
        candidates = [os.path.join(directory, name) for directory in search_path.split(":") if directory]  # noqa: PTH118
    for candidate in candidates:
        if os.path.isfile(candidate) and os.access(candidate, os.X_OK):  # noqa: PTH113 - a NUL or a long name is no file
            return os.path.abspath(candidate)  # noqa: PTH100 - resolve() would lose the name of a link
    where = "is no executable file" if "/" in name else "is in no directory of PATH"
    raise Unfit(f"no usable openssl: {quoted(name)} {where}", hint=hint)


def launch_unless(problems: Sequence[Error], launch: Launch) -> Runner:
    """The runner, where there is none of ``problems``; else raises them all at once, and that there is no openssl."""
    try:
        runner = launch()
    except Unfit as problem:
        raise_all([problem, *problems])
        raise
    raise_all(problems)
    return runner


def launch(
    option: str | None,
    search_path: str,
    variables: Mapping[str, str],
    on_finish: Callable[[Finished], None],
    cwd: Path,
) -> Runner:
    """A runner of the openssl program that ``find_program`` finds, once it has said that it is one that can be used.

    Raises Unfit unless the program is OpenSSL 1.1.1 or newer.
    """
    runner = Runner(find_program(option, search_path, cwd), variables, on_finish)
    try:
        finished = runner.ask(VERSION, cwd=cwd)
    except Failed as error:
        raise _unusable(error.message) from error
    printed = finished.stdout.decode("utf-8", "replace")
    version = _usable_version(runner, finished, printed)
    return runner._replace(version=version.line, openssl_dir=parse_openssl_dir(printed))


def _unusable(fault: str) -> Unfit:
    return Unfit(f"no usable openssl: {fault}", hint="name an OpenSSL 1.1.1 or newer with '--openssl PATH'")


def _usable_version(runner: Runner, finished: Finished, printed: str) -> Version:
    """The version that the program has told. Raises Unfit where it cannot be used."""
    shown = quoted(runner.program)
    if not finished.is_good:
        raise _unusable(f"{shown} {describe_statuses(finished)}")
    version = parse_version(printed)
    if version is None:
        raise _unusable(f"{shown} does not say its version")
    if version.product != "OpenSSL":
        raise _unusable(f"{shown} is {version.line}, expected OpenSSL")
    if version.number < _OLDEST_VERSION:
        raise _unusable(f"{shown} is {version.line}, expected 1.1.1 or newer")
    return version
