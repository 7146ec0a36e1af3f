"""A connection may be lost at every request: the old set stays, or one that the next try finishes; no key is open.

By the real sftp and the real sftp server without ssh between them, so that each request is tried in little time.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from otaopenssl.environment import environment
from otaopenssl.errors import Error
from otaopenssl.ids import ServerName
from otaopenssl.install import Installed, State, install
from otaopenssl.login import Login
from otaopenssl.runner import Client, Runner
from otaopenssl.sftp import LARGEST_FILE, RemoteDirectory, SshOptions
from tests.conftest import require, write_program
from tests.installations import NAMES, Fleet, check_installed, check_keys_are_private
from tests.sshd import SFTP_SERVER, proxy_command

Try = Callable[[str, int], Installed]


@pytest.fixture
def attempt(fleet: Fleet, tmp_path: Path, real_openssl: str) -> Try:
    """Tries to install u1 into tmp_path/import, with a fault at a request of this try."""
    require(Path(SFTP_SERVER).exists() and shutil.which("sftp") is not None, "no sftp, or no sftp server")
    runner = Runner(real_openssl, environment(ServerName("myservername")))
    counter, program = tmp_path / "count", tmp_path / "sftp"

    def tried(fault: str, request: int) -> Installed:
        counter.write_bytes(b"")
        command = " ".join(proxy_command(counter, fault, request)) if fault else SFTP_SERVER
        write_program(program, f"#!/bin/bash\nexec {shutil.which('sftp')} -b - -D '{command}'\n")
        client = Client(str(program), {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}, LARGEST_FILE)
        order = fleet.order(tmp_path / "import")
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


@pytest.mark.parametrize(
    ("before", "share"), [*(("an earlier one", share) for share in range(4)), ("nothing", 1), ("nothing", 2)]
)
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
