"""The openssl program as files: itself, the libraries that it loads, the configuration that it reads.

Nothing here starts openssl. Which libraries it would load the dynamic loader tells, which is a program of its own.
"""

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from otaopenssl.approval import Build
from otaopenssl.elf import interpreter, is_elf
from otaopenssl.environment import CHILD_PATH
from otaopenssl.errors import Failed, Unfit, quoted
from otaopenssl.included import included
from otaopenssl.measured import Measured, measure, measured
from otaopenssl.runner import Runner

LIBRARIES = ("libssl", "libcrypto")
OPENSSL_CNF = "openssl.cnf"
_BANNER = re.compile(rb"OpenSSL \d+\.\d+\.\d+[^\0\n]{0,60}")


class ProgramFiles(NamedTuple):
    """The files of an openssl program.

    ``libraries`` are those of ``LIBRARIES`` that it loads. The files of a script say nothing of what it starts.
    """

    program: Measured
    libraries: Mapping[str, Measured]
    is_script: bool = False

    def all(self) -> list[Measured]:
        """All of the files."""
        return [self.program, *self.libraries.values()]

    def banners(self) -> set[str]:
        """What the files hold of version lines."""
        return {
            match.decode("ascii", "replace") for one in self.all() for match in _BANNER.findall(measured(one.path)[1])
        }

    def may_say(self, version: str) -> bool:
        """Whether the program may print this version line, by what is in its files."""
        parts = version.removesuffix(")").split(" (Library: ")
        return self.is_script or set(parts) <= self.banners()


def program_files(program: str, cwd: Path, is_trusted: Callable[[str | None], bool]) -> ProgramFiles:
    """The files of the openssl program at an absolute path.

    The loader is asked only where ``is_trusted`` says so of the program's digest: a program names its loader itself.
    """
    found, content = measured(Path(program))
    if not is_trusted(found.sha256):
        return ProgramFiles(found, {})
    libraries = {name: measure(path) for name, path in _listed(program, content, cwd).items()}
    return ProgramFiles(found, libraries, is_script=not is_elf(content))


def openssl_configs(path: Path) -> dict[str, Measured]:
    """The configuration file at ``path``, and those that it includes, by path; an absent one among them."""
    first, content = measured(path)
    return {str(path): first, **{name: measure(where) for name, where in included(content, path.parent)}}


def build_of(files: ProgramFiles, version: str, openssl_dir: str) -> Build:
    """The build as an approval holds it; ``openssl_dir`` is what the program says of where openssl.cnf is.

    Raises Unfit where that, or the program, cannot be pinned.
    """
    digests = {name: found.sha256 for name, found in files.libraries.items()}
    configs = {name: found.sha256 for name, found in openssl_configs(Path(openssl_dir) / OPENSSL_CNF).items()}
    for name in configs:
        if not name.startswith("/"):
            words = f"{quoted(openssl_dir)}: {quoted(name)} in {OPENSSL_CNF} means another file in each directory"
            raise Unfit(f"{words}, so that it cannot be approved", hint="include files by absolute names")
    if files.program.sha256 is None:
        hint = "name a program that can be read with '--openssl PATH'"
        raise Unfit(f"{quoted(files.program.path)} cannot be read, so that it cannot be approved", hint=hint)
    return Build(version, files.program.sha256, digests.get("libssl"), digests.get("libcrypto"), configs)


def _listed(program: str, content: bytes, cwd: Path) -> dict[str, Path]:
    """The libraries that the loader would give the program in the environment that it will have. Source: ld.so(8)."""
    loader = interpreter(content)
    if loader is None or not os.access(loader, os.X_OK):
        return {}
    runner = Runner(loader, {"PATH": CHILD_PATH, "LC_ALL": "C"})
    try:
        finished = runner.run([("ld.so", "--list", program)], cwd=cwd)
    except Failed:
        return {}
    found = {}
    for line in finished.stdout.decode("utf-8", "surrogateescape").splitlines():
        name, arrow, rest = line.strip().partition(" => ")
        path = rest.rpartition(" (")[0]
        for library in LIBRARIES:
            if arrow and name.startswith(f"{library}.") and path.startswith("/"):
                found[library] = Path(path)
    return found
