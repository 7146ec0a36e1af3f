"""The staging directory of one run: the guide's tree in small, where commands run and from which files are published.

Commands run with the workbench as working directory. Since the guide's DEVICES_DIR is relative, their argv is the
guide's to the byte, while files reach the real tree only by rename, whole or not at all.
"""

import errno
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from otaopenssl import locks, previous
from otaopenssl.durable import not_writable, read_bounded, sync_file, sync_tree
from otaopenssl.errors import Unfit, quoted
from otaopenssl.ids import DeviceUUID
from otaopenssl.interrupts import held
from otaopenssl.layout import Server

_LIFE_LOCK = "lock"
_TOO_LATE = "another run made it meanwhile; it is never overwritten"


class Workbench:
    """A staging directory that is this run's own; ``staged`` is the guide's tree inside it."""

    def __init__(self, server: Server, root: Path) -> None:
        self.server = server
        self.root = root
        self.staged = Server(root, server.name)
        self._linked: set[str] = set()

    def prepare_device(self, uuid: DeviceUUID, names: Iterable[str]) -> Path:
        """The empty staged directory of a device (0700), beside links to those ``names`` of the devices directory.

        ca.srl is never linked: the workbench has one of its own, and openssl would write through the link.
        """
        for name in names:
            link = self.staged.devices_dir / name
            if name not in self._linked and link != self.staged.ca_srl_path:
                link.symlink_to(self.server.devices_dir / name)
                self._linked.add(name)
        path = self.staged.device_path(uuid)
        path.mkdir(mode=0o700)
        path.chmod(0o700)
        return path

    def prepare_examination(self) -> Path:
        """An empty directory for files that openssl is asked about, which are never published."""
        path = self.root / ".examined"
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir()
        return path

    def seed_serials(self, content: bytes) -> None:
        """Have openssl go on in this workbench from the serial number in ``content``. Raises Unfit."""
        try:
            # Most often it is where openssl left it after the device before. Writing it over makes a disk busy.
            if self.staged.ca_srl_path.exists() and read_bounded(self.staged.ca_srl_path) == content:
                return
            self.staged.ca_srl_path.write_bytes(content)
        except OSError as error:
            raise not_writable(error, self.server.shown(self.server.hidden_dir)) from error

    def discard_device(self, uuid: DeviceUUID) -> None:
        """Remove what is staged of a device that came to nothing, so that the next one has its space."""
        shutil.rmtree(self.staged.device_path(uuid), ignore_errors=True)

    def publish_device(self, uuid: DeviceUUID, commit: Callable[[], None]) -> None:
        """Put the staged directory of a device into the real tree by one rename, everything in it synced before.

        ``commit`` is called before the rename, and may still raise. Raises Unfit where the device is there by now.
        """
        staged, real = self.staged.device_path(uuid), self.server.device_path(uuid)
        try:
            sync_tree(staged)
            with held():
                if os.path.lexists(real):
                    raise device_exists(self.server, uuid)
                commit()
                # Where another run publishes the device just now, its directory is not empty, and this one fails.
                staged.rename(real)
                sync_file(self.server.devices_dir)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise device_exists(self.server, uuid) from error
            raise not_writable(error, self.server.shown(real)) from error

    def publish_root(self, commit: Callable[[], None]) -> None:
        """Put ca.key, then ca.crt into the real devices directory; neither replaces anything.

        ``commit`` is called before, and may still raise. A power loss between the two leaves ca.key alone, which no run
        takes for a fleet root CA.
        """
        self._publish(("ca.key", "ca.crt"), self.staged.devices_dir, self.server.devices_dir, commit)

    def publish_server(self, commit: Callable[[], None]) -> None:
        """Put all that was made in the staged server directory into the real one, private files first.

        Nothing is replaced; ``commit`` is called before, and may still raise. A power loss in between leaves some of
        the files, which no run takes for a server CA.
        """
        made = [path for path in sorted(self.staged.server_dir.iterdir()) if path.is_file()]
        made.sort(key=lambda path: path.stat().st_mode & 0o077 != 0)
        self._publish([path.name for path in made], self.staged.server_dir, self.server.server_dir, commit)

    def _publish(self, names: Sequence[str], staged_dir: Path, real_dir: Path, commit: Callable[[], None]) -> None:
        linked: list[Path] = []
        with locks.hidden_folder(self.server.hidden_dir):
            try:
                sync_tree(staged_dir)
                commit()
                for name in names:
                    # A link, unlike a rename, fails where the name is taken.
                    os.link(staged_dir / name, real_dir / name)
                    linked.append(real_dir / name)
                    sync_file(real_dir)
            except OSError as error:
                for path in linked:
                    path.unlink()
                if isinstance(error, FileExistsError):
                    shown = quoted(self.server.shown(Path(error.filename2)))
                    raise Unfit(f"{shown} is there already", hint=_TOO_LATE) from error
                raise not_writable(error, self.server.shown(real_dir)) from error


@contextmanager
def opened(server: Server) -> Iterator[Workbench]:
    """A workbench for the block, removed at its end whatever happens; those of dead runs are removed on the way.

    Raises Unfit where the server directory cannot be written.
    """
    root = server.hidden_dir / f"run-{os.urandom(8).hex()}"
    life_lock = None
    try:
        with locks.hidden_folder(server.hidden_dir):
            try:
                _sweep(server.hidden_dir)
                previous.finish_alone(server)
                root.mkdir(mode=0o700)
                life_lock = locks.take(root / _LIFE_LOCK)
                bench = Workbench(server, root)
                bench.staged.devices_dir.mkdir(parents=True)
                # For the .include lines of configuration files.
                bench.staged.certs_dir.symlink_to(server.certs_dir)
            except OSError as error:
                raise not_writable(error, server.shown(server.server_dir)) from error
        yield bench
    finally:
        with held():
            try:
                if root.exists():
                    with locks.hidden_folder(server.hidden_dir):
                        shutil.rmtree(root)
            finally:
                if life_lock is not None:
                    os.close(life_lock)


def device_exists(server: Server, uuid: DeviceUUID) -> Unfit:
    """The error for a device that is there already; it is never overwritten."""
    return Unfit(
        f"device {quoted(uuid)} is there already: {quoted(server.shown(server.device_path(uuid)))}",
        hint="choose another device UUID, or look at the device: otaopenssl show " + uuid,
    )


def dead(folder: Path) -> list[Path]:
    """The workbenches of runs that died, in a server's hidden folder; of one that is just being made it may be one."""
    return [path for path in sorted(folder.glob("run-*")) if not locks.is_held(path / _LIFE_LOCK)]


def _sweep(folder: Path) -> None:
    """Remove the workbenches of runs that died; the caller holds the folder, so none is just being made."""
    for path in dead(folder):
        # What an openssl of the dead run is still writing is left to the next run.
        shutil.rmtree(path, ignore_errors=True)
