"""A connection may be lost at every request: the old set stays, or one that the next try finishes; no key is open.

By the real sftp and the real sftp server without ssh between them, so that each request is tried in little time.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from otaopenssl.environment import environment
from otaopenssl.errors import Error, Unfit
from otaopenssl.ids import ServerName
from otaopenssl.install import Installed, install
from otaopenssl.installation import State
from otaopenssl.login import Login
from otaopenssl.runner import Client, Runner
from otaopenssl.sftp import LARGEST_FILE, RemoteDirectory, SshOptions
from tests.conftest import require, tree, write_program
from tests.installations import NAMES, Fleet, check_installed, check_keys_are_private
from tests.sshd import SFTP_SERVER, proxy_command

Try = Callable[[str, int], Installed]
# A server that renames nothing onto a file that is there, as many that are not OpenSSH's.
_PLAIN = ("-P", "posix-rename")


@pytest.fixture
def attempt(fleet: Fleet, tmp_path: Path, real_openssl: str) -> Try:
    """Tries to install u1 into tmp_path/import, with a fault at a request of this try."""
    return trying(fleet, tmp_path, real_openssl)


@pytest.fixture
def plain_attempt(fleet: Fleet, tmp_path: Path, real_openssl: str) -> Try:
    """The same with a server that renames nothing onto a file that is there; --replace is given."""
    return trying(fleet, tmp_path, real_openssl, *_PLAIN)


def trying(fleet: Fleet, tmp_path: Path, real_openssl: str, *arguments: str) -> Try:
    require(Path(SFTP_SERVER).exists() and shutil.which("sftp") is not None, "no sftp, or no sftp server")
    runner = Runner(real_openssl, environment(ServerName("myservername")))
    counter, program = tmp_path / "count", tmp_path / "sftp"

    def tried(fault: str, request: int) -> Installed:
        counter.write_bytes(b"")
        command = " ".join([*(proxy_command(counter, fault, request) if fault else [SFTP_SERVER]), *arguments])
        write_program(program, f"#!/bin/bash\nexec {shutil.which('sftp')} -b - -D '{command}'\n")
        client = Client(str(program), {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}, LARGEST_FILE)
        order = fleet.order(tmp_path / "import", is_replacing=bool(arguments))
        return install(order, runner, RemoteDirectory(SshOptions(Login(None, "device")), order.directory, client))

    return tried


def check_moves(target: Path, before: dict[str, bytes], after: Path, names: list[str]) -> None:
    """Of the files some were moved, in their order, the others are as they were."""
    states = []
    for name in names:
        content = (target / name).read_bytes() if (target / name).exists() else None
        is_new = content == (after / name).read_bytes()
        assert is_new or content == before.get(name), name
        states.append(is_new)
    assert states == sorted(states, reverse=True), states


@pytest.mark.parametrize(("before", "share"), [("an earlier one", 0), ("an earlier one", 1), ("nothing", 2)])
def test_every_request(fleet: Fleet, tmp_path: Path, attempt: Try, before: str, share: int) -> None:
    """Whichever request is the last one that is carried out: for good, or for this connection and without its reply."""
    target = tmp_path / "import"
    target.mkdir()
    source = fleet.device("u1")

    def prepare() -> dict[str, bytes]:
        for path in target.iterdir():
            path.unlink()
        if before != "nothing":
            fleet.put(fleet.earlier, target)
            # What is written into a file that is there gets its mode.
            (target / ".pkey.pem.otaopenssl").write_text("of a try long ago")
            (target / ".pkey.pem.otaopenssl").chmod(0o666)
        return {path.name: path.read_bytes() for path in target.iterdir()}

    prepare()
    attempt("none", 0)
    total = len((tmp_path / "count").read_bytes())
    assert total > 60
    for request in range(1 + share, total + 1, 4):
        was = prepare()
        with pytest.raises(Error) as raised:
            attempt("die" if share % 2 else "die-after", request)
        assert raised.value.status == 1, raised.value
        check_keys_are_private(target)
        # gateway.url is the same before and after.
        check_moves(target, was, source, [name for name in NAMES if name != "gateway.url"])
        found = attempt("", 0)
        assert found.state in (State.INSTALLED, State.REPLACED, State.THERE)
        check_installed(target, source)


@pytest.mark.parametrize("before", ["an earlier one", "another's"])
def test_a_server_that_replaces_nothing(fleet: Fleet, tmp_path: Path, plain_attempt: Try, before: str) -> None:
    """Where each file has to be removed first, whichever request is the last one the same command finishes."""
    target = tmp_path / "import"
    target.mkdir()
    source = fleet.earlier if before == "an earlier one" else fleet.device("u2")
    fleet.put(source, target)
    plain_attempt("none", 0)
    check_installed(target, fleet.device("u1"))
    total = len((tmp_path / "count").read_bytes())
    # Those before the moves are as with any server.
    for request in range(total // 2, total + 1, 4):
        fleet.put(source, target)
        with pytest.raises(Error):
            plain_attempt("die-after", request)
        assert plain_attempt("", 0).files
        check_installed(target, fleet.device("u1"))


def test_a_server_that_renames_nothing(fleet: Fleet, tmp_path: Path, real_openssl: str) -> None:
    """What is there is not removed where nothing could take its place."""
    target = tmp_path / "import"
    target.mkdir()
    fleet.put(fleet.earlier, target)
    before = tree(target)
    with pytest.raises(Unfit, match="cannot be written"):
        trying(fleet, tmp_path, real_openssl, "-P", "posix-rename,rename")("none", 0)
    assert tree(target) == before


def test_what_is_right_stays(fleet: Fleet, tmp_path: Path, attempt: Try) -> None:
    """A file that is there with its content and mode is not written again; the others are."""
    target = tmp_path / "import"
    target.mkdir()
    fleet.put(fleet.device("u1"), target)
    (target / "root.crt").unlink()
    before = {path.name: path.stat().st_ino for path in target.iterdir()}
    assert attempt("", 0).state is State.INSTALLED
    check_installed(target, fleet.device("u1"))
    assert {name: (target / name).stat().st_ino for name in before} == before
