"""The OpenSSL configuration files in certs/: the team's own where they are there, else rendered.

An existing file is used as it is and never overwritten unasked. What a run rendered is taken back if it makes nothing,
unless another run uses it by then.
"""

import difflib
import errno
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path

from otaopenssl import durable, locks
from otaopenssl.cnf import DEFAULT_SECTION, Config, malformed, parse_config
from otaopenssl.durable import not_writable, read_bounded, replace, write_new
from otaopenssl.errors import Error, Unfit, quoted, reason
from otaopenssl.interrupts import held, hold_for_good
from otaopenssl.layout import Server
from otaopenssl.outputs import CLIENT_AUTH
from otaopenssl.render import CONFIG_NAMES, render_config
from otaopenssl.shellwords import Place, literal
from otaopenssl.steps import Step, Text
from otaopenssl.text_rules import CA_CERTIFICATE_WORD

_CLIENT_AUTH_NAMES = ("clientAuth", "1.3.6.1.5.5.7.3.2", CLIENT_AUTH)


class Rendered(StrEnum):
    """What ``render`` did with a file."""

    WRITTEN = "written"
    UNCHANGED = "unchanged"
    KEPT = "kept, it differs"


def missing(server: Server, text: Text) -> dict[str, bytes]:
    """The configuration files that the text names and that are not there, with the content they will have."""
    names = [name for name in text.config_names() if not os.path.lexists(server.certs_dir / name)]
    return {name: render_config(name) for name in names if name in CONFIG_NAMES}


def examine(server: Server, text: Text, rendered: Mapping[str, bytes]) -> list[Error]:
    """Every fault of the configuration files that the text names, as far as it shows before openssl runs."""
    problems: list[Error] = []
    parsed: dict[str, Config] = {}
    for name in text.config_names():
        try:
            parsed[name] = parse_config(_content(server, name, rendered), f"./certs/{name}")
            _check_includes(f"./certs/{name}", parsed[name])
        except Error as problem:
            problems.append(problem)
    for step in text.steps:
        for option, check in (("-config", _check_request), ("-extfile", _check_extensions)):
            match step.option(option):
                case (Place("CWD"), str(path)) if (name := path.removeprefix("/certs/")) in parsed:
                    problems += check(step, f"./certs/{name}", parsed[name])
    return problems


def check_writable(server: Server, rendered: Mapping[str, bytes]) -> list[Error]:
    """No error, or the one for a certs/ in which the rendered files cannot be made."""
    if not rendered:
        return []
    path = server.certs_dir if server.certs_dir.exists() else server.project_dir
    return durable.check_writable(path, server.shown(path))


@contextmanager
def provided(server: Server, text: Text) -> Iterator[None]:
    """Have the files that the text names in certs/ for the block, and take those it made back if the block fails.

    Raises Unfit where they cannot be written.
    """
    if not text.config_names():
        yield
        return
    made: list[Path] = []
    descriptor = None
    try:
        with held():
            try:
                descriptor = _shared_certs_dir(server, made)
                # Asked again: another run may have taken back what was there before this one held the directory.
                for name, content in missing(server, text).items():
                    with suppress(FileExistsError):
                        write_new(server.certs_dir / name, content)
                        made.append(server.certs_dir / name)
            except OSError as error:
                raise not_writable(error, server.shown(server.certs_dir)) from error
        yield
    except BaseException:
        with held():
            if descriptor is not None and not locks.is_shared_with_others(descriptor):
                _take_back(made)
        raise
    finally:
        if descriptor is not None:
            os.close(descriptor)


def render(server: Server, *, force: bool) -> dict[str, Rendered]:
    """What was done with each of the tool's configuration files; one that differs is replaced only by ``force``.

    Raises Unfit where certs/ cannot be written.
    """
    contents = {name: render_config(name) for name in CONFIG_NAMES}
    # The writing is a moment; a signal that comes in it finds the files written.
    hold_for_good()
    try:
        server.certs_dir.mkdir(exist_ok=True)
        return {name: _rendered(server.certs_dir / name, content, force) for name, content in contents.items()}
    except OSError as error:
        raise not_writable(error, server.shown(Path(error.filename or server.certs_dir))) from error


def _rendered(path: Path, content: bytes, force: bool) -> Rendered:
    if not os.path.lexists(path):
        write_new(path, content)
        return Rendered.WRITTEN
    if read_bounded(path) == content:
        return Rendered.UNCHANGED
    if not force:
        return Rendered.KEPT
    replace(path, content)
    return Rendered.WRITTEN


def diff(server: Server) -> str:
    """A unified diff from the tool's configuration files to those that are in certs/; empty where none differs."""
    lines: list[str] = []
    for name in CONFIG_NAMES:
        path = server.certs_dir / name
        if os.path.lexists(path):
            theirs = _content(server, name, {}).decode("utf-8", "replace").splitlines(keepends=True)
            ours = render_config(name).decode("utf-8").splitlines(keepends=True)
            for line in difflib.unified_diff(ours, theirs, f"templates/{name}", f"certs/{name}"):
                lines.append(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n")
    return "".join(lines)


def _shared_certs_dir(server: Server, made: list[Path]) -> int:
    """A descriptor that holds certs/ together with other runs; a directory that had to be made is added to ``made``."""
    while True:
        try:
            server.certs_dir.mkdir()
            made[:] = [server.certs_dir]
        except FileExistsError:
            made.clear()
            if server.certs_dir.is_symlink() and not server.certs_dir.exists():
                raise NotADirectoryError(errno.ENOTDIR, "a link that leads nowhere") from None
        with suppress(FileNotFoundError):  # another run took it back in between
            return locks.share(server.certs_dir)


def _take_back(made: list[Path]) -> None:
    """Remove what was made, the directory last and only if nothing else is in it."""
    for path in reversed(made):
        with suppress(OSError):
            if path.is_dir():
                path.rmdir()
            else:
                path.unlink()


def _content(server: Server, name: str, rendered: Mapping[str, bytes]) -> bytes:
    if name in rendered:
        return rendered[name]
    path = server.certs_dir / name
    try:
        return read_bounded(path)
    except FileNotFoundError:
        hint = "put it there; the tool's own files are: " + ", ".join(CONFIG_NAMES)
        raise Unfit(f"config file {quoted(server.shown(path))} is missing", hint=hint) from None
    except OSError as error:
        raise Unfit(
            f"config file {quoted(server.shown(path))} cannot be read: {reason(error)}", hint="check its owner and mode"
        ) from error


def _check_includes(file: str, config: Config) -> None:
    """Openssl looks for a relative path from where it runs: of the project, a workbench has certs/ alone."""
    for path in config.includes:
        if not path.startswith(("/", "$", "certs/", "./certs/")):
            raise malformed(file, f".include {quoted(path)} must begin with 'certs/' or '/'")
        if "\\" in path:
            raise malformed(file, f".include {quoted(path)} has a backslash, which openssl takes away")


def _check_request(step: Step, file: str, config: Config) -> list[Error]:
    """A request without a distinguished name would ask for one at the terminal."""
    if not config.is_complete or not step.has("req") or step.option("-subj") is not None:
        return []
    section = config.value("req", "distinguished_name")
    if section is None:
        return [malformed(file, "[req] has no distinguished_name")]
    if "$" not in section and section not in config.sections:
        return [malformed(file, f"distinguished_name names a section {quoted(section)} that is not there")]
    return []


def _check_extensions(step: Step, file: str, config: Config) -> list[Error]:
    """An empty extension file gives a certificate without extended key usage, and exit 0."""
    named = step.option("-extensions")
    section = literal(named) if named else config.value(DEFAULT_SECTION, "extensions") or DEFAULT_SECTION
    if not config.is_complete or section is None or "$" in section or not step.has("-req"):
        return []
    # A device text is known by its CA; the server's certificate has usages of its own.
    if step.option("-CA") != CA_CERTIFICATE_WORD:
        return []
    usage = config.sections.get(section, {}).get("extendedKeyUsage")
    if usage is None:
        return [malformed(file, "no extendedKeyUsage: the certificate would not be one of a client")]
    if not any(name in usage for name in (*_CLIENT_AUTH_NAMES, "$", "@")):
        return [malformed(file, f"extendedKeyUsage is {quoted(usage)}, expected clientAuth in it")]
    return []
