"""What the tests share: the real program run as a user runs it, a project with a real fleet root CA, and its tree."""

import hashlib
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from otaopenssl.records import RECORDS_NAME

if TYPE_CHECKING:
    from tests import seals
    from tests.installations import Fleet
    from tests.servers import Pki

CHECKOUT = Path(__file__).parent.parent
GUIDE_PATH = "/usr/bin:/bin"


# What is started in the background inherits ignored signals; the tests of signals need them.
for _number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, signal.default_int_handler if _number == signal.SIGINT else signal.SIG_DFL)


class Ran(NamedTuple):
    """One run of the command line: exit status, standard output, standard error."""

    status: int
    out: str
    err: str

    @property
    def error_lines(self) -> list[str]:
        return [line for line in self.err.splitlines() if line.startswith("otaopenssl: error:")]


def run(*arguments: str, cwd: Path, env: dict[str, str] | None = None, timeout: float = 120) -> Ran:
    """Run ``otaopenssl`` with real openssl in ``cwd``, in an environment that holds PATH and ``env`` alone."""
    finished = subprocess.run(
        [sys.executable, "-m", "otaopenssl", *arguments],
        cwd=cwd,
        env={"PATH": os.environ["PATH"], **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    return Ran(finished.returncode, finished.stdout, finished.stderr)


def openssl(*arguments: str, cwd: Path, env: dict[str, str] | None = None) -> str:
    """What the real openssl prints; a failure fails the test."""
    return subprocess.run(
        ["openssl", *arguments],
        cwd=cwd,
        env={"PATH": os.environ["PATH"], **(env or {})},
        check=True,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    ).stdout


def plain_names(text: str) -> str:
    """The text with names as OpenSSL prints them from 3.5 on; before, there are spaces around the equals sign."""
    return text.replace("CN = ", "CN=")


def tree(directory: Path) -> dict[str, str]:
    """Every name below a directory with its type, mode and what it holds or where it links to.

    Without the records: a run that is refused leaves one of that, and nothing else.
    """
    found = {}
    for path in sorted(directory.rglob("*")):
        if RECORDS_NAME in path.relative_to(directory).parts:
            continue
        mode = stat.S_IMODE(path.lstat().st_mode)
        if path.is_symlink():
            what = f"link {path.readlink()}"
        elif path.is_dir():
            what = f"directory {mode:o}"
        elif not path.is_file():
            what = f"special {mode:o}"
        else:
            what = f"file {mode:o} {hashlib.sha256(path.read_bytes()).hexdigest()}"
        found[str(path.relative_to(directory))] = what
    return found


def require(condition: bool, reason: str) -> None:
    """Skip for want of a real part, or fail where CI has to have it."""
    if not condition:
        if os.environ.get("REQUIRE_REAL") == "1":
            pytest.fail(f"REQUIRE_REAL=1: {reason}")
        pytest.skip(reason)


def write_program(path: Path, text: str) -> Path:
    """An executable script in openssl's place."""
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture(scope="session")
def real_openssl() -> str:
    """The path of the real openssl program."""
    path = shutil.which("openssl")
    require(path is not None, "no openssl program in PATH")
    return str(Path(str(path)).absolute())


@pytest.fixture(scope="session")
def _pristine(tmp_path_factory: pytest.TempPathFactory, real_openssl: str) -> Path:
    directory = tmp_path_factory.mktemp("pristine")
    made = run("root", cwd=directory)
    assert made.status == 0, made.err
    return directory


@pytest.fixture
def project(_pristine: Path, tmp_path: Path) -> Iterator[Path]:
    """A project directory with a fleet root CA, in which nothing else has been made."""
    directory = tmp_path / "project"
    shutil.copytree(_pristine, directory, symlinks=True)
    yield directory
    assert not list(directory.glob("*/.otaopenssl")), "a workbench was left behind"


@pytest.fixture
def devices(project: Path) -> Path:
    """The devices directory of the project."""
    return project / "myservername" / "devices"


@pytest.fixture(scope="session")
def fleet(tmp_path_factory: pytest.TempPathFactory, _pristine: Path) -> "Fleet":
    """A project with devices to install, which no test changes."""
    from tests.installations import Fleet

    project = tmp_path_factory.mktemp("fleet") / "project"
    shutil.copytree(_pristine, project, symlinks=True)
    return Fleet(project)


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory, real_openssl: str) -> "Pki":
    """Certificates of every kind, for servers."""
    from tests.servers import Pki

    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="session")
def record_pki(tmp_path_factory: pytest.TempPathFactory, real_openssl: str) -> "seals.Pki":
    """Certificates for the seals of records, and for devices."""
    from tests import seals

    for tool in ("bash", "jq", "basenc"):
        require(shutil.which(tool) is not None, f"no {tool} in PATH")
    return seals.Pki(tmp_path_factory.mktemp("records"))


Resign = Callable[[str], None]


@pytest.fixture
def resign(project: Path, devices: Path) -> Resign:
    """Replaces ca.crt by one of the same key with the given lines in its extension section."""

    def make(extensions: str) -> None:
        config = project.parent / "resign.cnf"
        config.write_text(
            "[req]\nprompt = no\ndistinguished_name = dn\nx509_extensions = ext\n[dn]\nCN = ota-devices-CA\n[ext]\n"
            + extensions
        )
        arguments = ["req", "-new", "-x509", "-days", "3650", "-key", str(devices / "ca.key"), "-config", str(config)]
        openssl(*arguments, "-out", str(devices / "ca.crt"), cwd=project)

    return make


@pytest.fixture
def logging_openssl(tmp_path: Path, real_openssl: str) -> tuple[Path, Path]:
    """A program in openssl's place that logs its argv and environment, then becomes the real one; and the log."""
    log = tmp_path / "openssl.log"
    script = f"""#!/bin/bash
{{
  printf 'argv'; printf '\\x1f%s' "$@"; printf '\\n'
  env -0 | sort -z | tr '\\0' '\\037' | sed 's/^/env\\x1f/; s/\\x1f$//'; printf '\\n'
}} >> {log}.$$
cat {log}.$$ >> {log}; rm -f {log}.$$
exec -a openssl {real_openssl} "$@"
"""
    directory = tmp_path / "logging"
    directory.mkdir()
    return write_program(directory / "openssl", script), log
