"""A real OpenSSH server on 127.0.0.1 for tests, with keys of its own, and an ssh configuration of the user's for it.

Each connection is an ``sshd -i`` on a socket that the test accepts: the port is free for as long as the test runs, and
the server's configuration may change between connections.
"""

import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.conftest import require

SFTP_SERVER = "/usr/lib/openssh/sftp-server"


def generate_key(path: Path) -> None:
    """A key pair of ssh."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)


def proxy_command(counter: Path, fault: str, which: int | str = "-") -> list[str]:
    """An sftp server with a fault, as tests.sftp_proxy has them; sshd splits it at blanks, whatever is quoted."""
    script = Path(__file__).with_name("sftp_proxy.py")
    return [sys.executable, "-I", "-S", str(script), SFTP_SERVER, str(counter), fault, str(which)]


class Sshd:
    """The server; ``options`` are those of ``otaopenssl install`` that lead to it, ``connections`` counts them."""

    def __init__(self, directory: Path, program: str) -> None:
        directory.mkdir()
        self.directory = directory
        self.known_hosts = directory / "known_hosts"
        self.config = directory / "ssh_config"
        self.log = directory / "log"
        self.connections = 0
        self.subsystem = "internal-sftp"
        self._program = program
        self._processes: list[subprocess.Popen[bytes]] = []
        for name in ("host", "user"):
            generate_key(directory / name)
        shutil.copyfile(directory / "user.pub", directory / "authorized_keys")
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.know(directory / "host.pub")
        self.configure()

    @property
    def options(self) -> list[str]:
        return ["--to", "127.0.0.1", "--port", str(self.port), "--ssh-config", str(self.config)]

    def know(self, *keys: Path) -> None:
        """Have these host keys, and no others, as the known ones."""
        lines = (f"[127.0.0.1]:{self.port} {key.read_text()}" for key in keys)
        self.known_hosts.write_text("".join(lines))

    def configure(self, *lines: str, identity: Path | None = None) -> None:
        """Write the user's ssh configuration."""
        self.config.write_text(
            "\n".join(
                [
                    *lines,
                    f"IdentityFile {identity or self.directory / 'user'}",
                    "IdentitiesOnly yes",
                    f"UserKnownHostsFile {self.known_hosts}",
                    "GlobalKnownHostsFile /dev/null",
                    # The default exchange takes three times as long.
                    "KexAlgorithms curve25519-sha256",
                    "",
                ]
            )
        )

    def behave(self, command: list[str]) -> None:
        """Have another sftp server from the next connection on."""
        self.subsystem = " ".join(command)

    def serve(self) -> None:
        """Accept connections until the listener is closed."""
        with suppress(OSError):
            while True:
                peer, _ = self._listener.accept()
                self.connections += 1
                with peer:
                    self._start(peer)

    def kill(self) -> None:
        """End what is connected."""
        for process in self._processes:
            process.kill()
            process.wait()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.kill()

    def _start(self, peer: socket.socket) -> None:
        config = self.directory / "sshd_config"
        config.write_text(
            f"""HostKey {self.directory}/host
PidFile none
AuthorizedKeysFile {self.directory}/authorized_keys
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
Subsystem sftp {self.subsystem}
"""
        )
        with self.log.open("ab") as log:
            command = [self._program, "-i", "-e", "-f", str(config)]
            self._processes.append(subprocess.Popen(command, stdin=peer.fileno(), stdout=peer.fileno(), stderr=log))


@contextmanager
def sshd(directory: Path) -> Iterator[Sshd]:
    """A server in the directory, which is made, for the user that runs the tests."""
    program = shutil.which("sshd", path="/usr/local/sbin:/usr/sbin:/sbin") or shutil.which("sshd")
    require(program is not None and Path(SFTP_SERVER).exists(), "no OpenSSH server")
    require(shutil.which("sftp") is not None, "no OpenSSH client")
    if os.geteuid() == 0:
        # Where a server that runs as root leaves what it must not touch; its service would make it.
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    server = Sshd(directory, str(program))
    accepting = threading.Thread(target=server.serve)
    accepting.start()
    try:
        yield server
    finally:
        server.close()
        accepting.join()
