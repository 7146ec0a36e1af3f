"""One use case: the whole guide against a gateway on this machine, or the device's half of it against a real one.

Made in a directory of its own, so that neither the project nor a device is touched.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from otaopenssl import device as devices
from otaopenssl import scratch
from otaopenssl.address import Gateway, GatewayHost
from otaopenssl.chain import Role
from otaopenssl.durable import not_writable, read_bounded
from otaopenssl.errors import Failed, Unfit, quoted, reason
from otaopenssl.gateway import RootOrder, save_root
from otaopenssl.gateway_root import Fetched, GatewayOrder
from otaopenssl.ids import DeviceID, DeviceUUID
from otaopenssl.interrupts import held, part
from otaopenssl.layout import CERTIFICATE_NAME, GATEWAY_ROOT_NAME, KEY_NAME, Server
from otaopenssl.outputs import pem_blocks
from otaopenssl.program import Launch
from otaopenssl.rehearsal import LOCAL_HOST, STRANGER, Rehearsal, Report, Row, free_port, gateway_places
from otaopenssl.root import make_root
from otaopenssl.runner import Runner
from otaopenssl.server import make_server
from otaopenssl.trials import Who, attempted, gateway_step, trials_of, verdicts

_FETCHED_NAME = "fetched.crt"
# A port that was free may be taken by another before the gateway listens.
_PORT_ATTEMPTS = 5

# Finds and tries the program for what is run about a server, and perhaps a device, as ``Launch`` does.
LaunchFor = Callable[[Server, DeviceUUID | None], Launch]


def rehearse(rehearsal: Rehearsal, launch_for: LaunchFor) -> Report:
    """What came of the rehearsal, whatever it was.

    Raises as ``make_root``, ``make_server``, ``make_device`` and ``save_root`` do where there is nothing to connect
    with, and Unfit where the directory cannot be used.
    """
    with _directory(rehearsal) as directory:
        _copy_configs(rehearsal.server, directory)
        stage = _Stage(rehearsal, launch_for, directory)
        return stage.local() if rehearsal.against is None else stage.against(rehearsal.against)


class _Stage:
    """A rehearsal's directory: a project of its own, with the fleet of a stranger beside the device's."""

    def __init__(self, rehearsal: Rehearsal, launch_for: LaunchFor, directory: Path) -> None:
        self._rehearsal = rehearsal
        self._launch_for = launch_for
        self._server = Server(directory, rehearsal.server.name)
        self._stranger = Server(directory, rehearsal.stranger_name)
        self._text = rehearsal.procedure.text("rehearse.sh")
        # A text that cannot be run is told before anything is made.
        for name in ("root.sh", "server.sh", "device.sh", "gateway-port.sh"):
            rehearsal.procedure.text(name)

    def local(self) -> Report:
        rehearsal, server = self._rehearsal, self._server
        self._make_root(server)
        with part():
            make_server(server, rehearsal.procedure, self._launch_for(server, None))
        runner = self._launch_for(server, rehearsal.uuid)()
        with self._gateway(runner) as port:
            order = GatewayOrder(Gateway(LOCAL_HOST, None), port, rehearsal.seconds)
            made = self._make_device(server, rehearsal.uuid, order)
            if made.gateway is None:
                raise Failed("no root.crt was fetched", hint="run the command again")
            self._make_stranger(made.gateway.content)
            rows = (_fetched_row(made.gateway), *self._tried(runner, LOCAL_HOST, port))
        return Report(rows, ())

    def against(self, gateway: Gateway) -> Report:
        rehearsal, server = self._rehearsal, self._server
        real_dir = rehearsal.server.device_path(rehearsal.uuid)
        _check_device(rehearsal.server, rehearsal.uuid)
        device_dir = server.device_path(rehearsal.uuid)
        device_dir.mkdir(parents=True)
        for path in real_dir.iterdir():
            # The private key stays where it is.
            (device_dir / path.name).symlink_to(path)
        has_root = (device_dir / GATEWAY_ROOT_NAME).exists()
        order = RootOrder(
            server=server,
            procedure=rehearsal.procedure,
            gateway=GatewayOrder(gateway, rehearsal.fetching_port, rehearsal.seconds, rehearsal.pins),
            uuid=None if has_root else rehearsal.uuid,
            out=_FETCHED_NAME if has_root else "",
        )
        with part():
            fetched = save_root(order, self._launch_for(server, rehearsal.uuid)).fetched
        self._make_stranger(fetched.content)
        runner = self._launch_for(server, rehearsal.uuid)()
        named = "it is" if fetched.is_name_right else "it is not"
        rows = [
            _fetched_row(fetched),
            Row(f"the gateway's certificate is for {gateway.host}", "it is", named, fetched.is_name_right),
        ]
        if has_root:
            is_same = read_bounded(device_dir / GATEWAY_ROOT_NAME) == fetched.content
            rows.append(Row("the device's own root.crt", "is used", "the same" if is_same else "another one", True))
        rows += self._tried(runner, gateway.host, rehearsal.connecting_port)
        return Report(tuple(rows), fetched.warnings)

    @contextmanager
    def _gateway(self, runner: Runner) -> Iterator[int]:
        """A gateway that demands a certificate of the fleet root CA, and its port."""
        wanted = self._rehearsal.port
        for attempt in range(1, _PORT_ATTEMPTS + 1):
            port = free_port() if wanted is None else wanted
            places = gateway_places(self._server, self._rehearsal.uuid, LOCAL_HOST, port)
            command = gateway_step(self._text).bind(places).commands[0]
            seconds = self._rehearsal.seconds
            serving = runner.serving(command, cwd=self._server.project_dir, mark=b"ACCEPT", seconds=seconds)
            with ExitStack() as stack:
                try:
                    stack.enter_context(serving)
                except Failed as error:
                    if wanted is None and attempt < _PORT_ATTEMPTS:
                        continue
                    words = f"no gateway on {LOCAL_HOST}:{port}: {error.message}"
                    raise Failed(words, hint="where another program listens there, choose '--port PORT'") from error
                yield port
                return

    def _make_device(self, server: Server, uuid: DeviceUUID, gateway: GatewayOrder | None) -> devices.Device:
        order = devices.Order(server, uuid, DeviceID(uuid), self._rehearsal.procedure, gateway)
        with part():
            return devices.make_device(order, self._launch_for(server, uuid))

    def _make_root(self, server: Server) -> None:
        with part():
            make_root(server, self._rehearsal.procedure, self._launch_for(server, None), if_missing=False)

    def _make_stranger(self, root_crt: bytes) -> None:
        """A device that trusts the gateway, and whose fleet root CA the gateway does not know."""
        self._make_root(self._stranger)
        self._make_device(self._stranger, STRANGER, None)
        (self._stranger.device_path(STRANGER) / GATEWAY_ROOT_NAME).write_bytes(root_crt)

    def _tried(self, runner: Runner, host: GatewayHost, port: int) -> list[Row]:
        trials = trials_of(self._text)
        places = {
            Who.STRANGER: gateway_places(self._stranger, STRANGER, host, port),
            Who.DEVICE: gateway_places(self._server, self._rehearsal.uuid, host, port),
        }
        outcomes = [
            attempted(
                trial,
                places.get(trial.who, places[Who.DEVICE]),
                runner,
                self._server.project_dir,
                self._rehearsal.seconds,
            )
            for trial in trials
        ]
        return [
            Row(trial.name, trial.expected, outcome.shown(), is_good)
            for trial, outcome, is_good in zip(trials, outcomes, verdicts(trials, outcomes), strict=True)
        ]


def _check_device(server: Server, uuid: DeviceUUID) -> None:
    """Raise Unfit unless the device has what it connects with."""
    directory = server.device_path(uuid)
    if not directory.is_dir():
        hint = "make the device first: otaopenssl device; the gateway must know its fleet root CA"
        raise Unfit(f"no device {quoted(uuid)}: {quoted(server.shown(directory))} is not there", hint=hint)
    for name in (CERTIFICATE_NAME, KEY_NAME, GATEWAY_ROOT_NAME):
        path = directory / name
        if name == GATEWAY_ROOT_NAME and not path.exists():
            continue
        try:
            found = pem_blocks(read_bounded(path))
        except OSError as error:
            words = f"{quoted(server.shown(path))} cannot be read: {reason(error)}"
            hint = (
                "check the device's files; one that was signed from a CSR has its key alone, and is tried on the device"
            )
            raise Unfit(words, hint=hint) from error
        if not found:
            raise Unfit(f"{quoted(server.shown(path))} is no PEM file", hint="check the device's files")


def _fetched_row(fetched: Fetched) -> Row:
    count = len(fetched.chain)
    root = "the root among them" if any(c.role is Role.ROOT for c in fetched.chain) else "no root among them"
    what = f"{GATEWAY_ROOT_NAME} by the guide's s_client line"
    return Row(what, "fetched", f"fetched: {count} certificates, {root}", is_good=True)


@contextmanager
def _directory(rehearsal: Rehearsal) -> Iterator[Path]:
    """The directory of the rehearsal, private; one that is to be kept is removed as well where nothing came of it."""
    path = rehearsal.kept_dir
    if path is None:
        with scratch.directory() as temporary:
            yield temporary
        return
    is_made = False
    try:
        with held():
            try:
                path.mkdir(mode=0o700)
                is_made = True
            except FileExistsError:
                raise Unfit(f"{quoted(path)} is there already", hint="name a directory that is not there yet") from None
            except OSError as error:
                raise not_writable(error, str(path)) from error
        yield path
    except BaseException:
        with held():
            if is_made:
                shutil.rmtree(path)
        raise


def _copy_configs(server: Server, directory: Path) -> None:
    """Rehearse with the team's own configuration files where there are some."""
    if not server.certs_dir.is_dir():
        return
    try:
        copied = directory / "certs"
        shutil.copytree(server.certs_dir, copied, ignore=_special_files)
        # Missing files are rendered beside the copies, and all of it is removed at the end.
        for path in (copied, *copied.rglob("*")):
            if path.is_dir() and not path.is_symlink():
                path.chmod(path.stat().st_mode & 0o777 | 0o700)
    except (OSError, shutil.Error) as error:
        raise Unfit(
            f"{quoted(server.shown(server.certs_dir))} cannot be copied for the rehearsal",
            hint="check its files' modes",
        ) from error


def _special_files(directory: str, names: list[str]) -> list[str]:
    return [name for name in names if not ((path := Path(directory, name)).is_file() or path.is_dir())]
