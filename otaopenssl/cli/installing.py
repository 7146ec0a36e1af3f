"""The command that installs a device: where, with which gateway, and what is said of it."""

import os
import shutil
from pathlib import Path
from typing import NamedTuple

from otaopenssl import install as installs
from otaopenssl.address import parse_gateway_url
from otaopenssl.cli import gating, session, terminal
from otaopenssl.cli.defaults import Defaults
from otaopenssl.cli.fetching import parse_seconds
from otaopenssl.cli.image_options import ImageOptions
from otaopenssl.cli.options import Asking, Running
from otaopenssl.credentials import Credentials
from otaopenssl.digest import sha256
from otaopenssl.errors import BadInput, Error, Unfit, quoted, raise_all
from otaopenssl.ids import parse_device_uuid, parse_server_name
from otaopenssl.install import Installed, InstallOrder
from otaopenssl.install_script import InstallScript
from otaopenssl.installed_files import Configuration
from otaopenssl.layout import Server
from otaopenssl.local_installs import LocalInstalls
from otaopenssl.login import SSH_PORT, parse_directory, parse_login, parse_ssh_port
from otaopenssl.permission import Permission
from otaopenssl.runner import Client
from otaopenssl.sftp import LARGEST_FILE, RemoteDirectory, SshOptions
from otaopenssl.steps import Text

# All that ssh gets of the environment, with LC_ALL=C: who the user is, the agent, and where proxies are found.
_VARIABLES = ("HOME", "USER", "LOGNAME", "SSH_AUTH_SOCK", "PATH")
_WHERE_HINT = "give '--to [USER@]HOST' for a device, or '--local DIR' for a mounted image"
_GATEWAY_HINT = "give the whole URL, as autoprov.url has it: '--gateway https://HOST:PORT', or '--credentials ZIP'"


class Ssh(NamedTuple):
    """The options that say how to connect, as they were given."""

    port: str | None
    accepts_new: bool
    config: str | None
    timeout: str | None

    def given(self) -> list[str]:
        """Those that are given."""
        options = {
            "--port": self.port is not None,
            "--accept-new-host-key": self.accepts_new,
            "--ssh-config": self.config is not None,
            "--timeout": self.timeout is not None,
        }
        return [name for name, is_given in options.items() if is_given]


class Installing(NamedTuple):
    """The arguments and options that this command alone has, as they were given."""

    uuid: str | None
    to: str | None
    local: str | None
    directory: str
    gateway: str | None
    credentials: str | None
    is_replacing: bool
    toml: bool
    ota_ce: bool
    ssh: Ssh


def install(running: Running, options: Installing) -> None:
    """Install a device and print where."""
    defaults = Defaults(running.place)
    running = defaults.running(running)
    order, permission = _order(running, options, defaults)
    ssh = None if options.to is None else _ssh_options(running, options.to, options.ssh)
    root = None if options.local is None else (session.project_dir(running.place) / options.local).resolve()
    if permission is None:
        program = session.program_for_script(running.place)
        session.print_script(InstallScript(order, ssh, root, program), running)
        return
    client = None if ssh is None else _client(running)
    runner = gating.launcher(running, order.server, permission)()
    if ssh is not None and client is not None:
        found = installs.install(order, runner, RemoteDirectory(ssh, order.directory, client))
    else:
        found = installs.install_local(order, runner, Path(str(root)))
    _tell(found, running)


def _order(running: Running, options: Installing, defaults: Defaults) -> tuple[InstallOrder, Permission | None]:
    """The installation that the options and the guide's variables mean, and what it may be made of; None of a dry-run.

    Raises every problem of theirs at once, then NotApproved.
    """
    here = session.project_dir(running.place)
    server_name = session.server_name(running)
    uuid = session.device_uuid(options.uuid)
    problems = [*_place_problems(options), *session.refusals([(parse_server_name, server_name)])]
    if uuid is None:
        problems.append(BadInput("no device is named", hint="give its UUID"))
    problems += session.refusals([(parse_device_uuid, uuid), (parse_directory, options.directory)])
    if options.ota_ce and not options.toml:
        words = "'--ota-ce' is given without '--toml'"
        problems.append(BadInput(words, hint="give both for a config.toml of OTA Community Edition"))
    url = ""
    try:
        url = gateway_url(here, options.gateway, options.credentials, defaults)
    except Error as problem:
        problems.append(problem)
    raise_all(problems)
    server = Server(here, parse_server_name(server_name))
    procedure = session.procedure(running)
    permission = None if running.dry_run else gating.admitted(running, server, procedure, ("device.sh",))
    configuration = Configuration.OTA_CE if options.ota_ce else Configuration.AKTUALIZR
    order = InstallOrder(
        server=server,
        text=procedure.text("device.sh"),
        uuid=parse_device_uuid(str(uuid)),
        url=url,
        directory=parse_directory(options.directory),
        configuration=configuration if options.toml else None,
        is_replacing=options.is_replacing,
        credentials=None
        if options.credentials is None
        else Credentials(here / options.credentials, options.credentials),
    )
    return order, permission


def _place_problems(options: Installing) -> list[Error]:
    problems: list[Error] = []
    if (options.to is None) == (options.local is None):
        words = "no place to install to" if options.to is None else "both '--to' and '--local' are given"
        problems.append(BadInput(words, hint=_WHERE_HINT))
    if options.to is None and options.local is not None and (given := options.ssh.given()):
        problems.append(BadInput(f"{quoted(given[0])} is for '--to'", hint=_WHERE_HINT))
    if options.local is not None and (not options.local or "\0" in options.local):
        problems.append(BadInput(f"--local {quoted(options.local)} is no directory", hint=_WHERE_HINT))
    ssh = options.ssh
    checks = [(parse_login, options.to), (parse_ssh_port, ssh.port), (parse_seconds, ssh.timeout)]
    return problems + session.refusals(checks)


def gateway_url(here: Path, gateway: str | None, credentials: str | None, defaults: Defaults) -> str:
    """The URL that gateway.url is to hold, by the options or what they default to. Raises BadInput and Unfit."""
    if gateway is not None and credentials is not None:
        raise BadInput("'--gateway' and '--credentials' both name a gateway", hint=_GATEWAY_HINT)
    if credentials is not None:
        return Credentials(here / credentials, credentials).url()
    asking = defaults.asking(Asking(gateway, None, None, (), None))
    what = "gateway" if asking.gateway == gateway else "gateway of otaopenssl.toml"
    text = asking.gateway
    if text is None:
        what, text = "variable device_gateway", os.environ.get("device_gateway")  # noqa: SIM112 - the guide's own name
    if not text:
        raise BadInput("no gateway is named", hint=_GATEWAY_HINT)
    try:
        parse_gateway_url(text, what)
    except BadInput as error:
        raise BadInput(error.message, hint=_GATEWAY_HINT) from error
    if not text.isascii():
        raise BadInput(f"{what} {quoted(text)} has other letters than ASCII", hint="give the name in A-labels: 'xn--…'")
    return text


def _ssh_options(running: Running, to: str, ssh: Ssh) -> SshOptions:
    config = None if ssh.config is None else session.project_dir(running.place) / ssh.config
    if config is not None and ("\0" in str(config) or not os.access(config, os.R_OK)):
        raise Unfit(f"ssh configuration {quoted(ssh.config)} cannot be read", hint="check its path, owner and mode")
    return SshOptions(
        login=parse_login(to),
        port=SSH_PORT if ssh.port is None else parse_ssh_port(ssh.port),
        seconds=30.0 if ssh.timeout is None else parse_seconds(ssh.timeout),
        config=config,
        accepts_new=ssh.accepts_new,
    )


def _client(running: Running) -> Client:
    """The user's own sftp, in the user's environment as far as ssh needs it. Raises Unfit where there is none."""
    variables = {name: os.environ[name] for name in _VARIABLES if name in os.environ} | {"LC_ALL": "C"}
    found = shutil.which("sftp", path=os.environ.get("PATH", os.defpath))
    if found is None:
        raise Unfit("no sftp in PATH", hint="install the client of OpenSSH")
    return Client(str(Path(found).absolute()), variables, LARGEST_FILE, session.telling(running))


def _tell(found: Installed, running: Running) -> None:
    if running.json:
        files = [
            {
                "name": file.name,
                "mode": f"{file.mode:04o}",
                "sha256": None if file.is_key else sha256(file.content),
            }
            for file in found.files
        ]
        document = {"place": found.place, "state": found.state.value, "files": files, "warnings": found.warnings}
        terminal.result_json(document)
        return
    for warning in found.warnings:
        terminal.warn(warning)
    names = ", ".join(file.name for file in found.files)
    terminal.note(f"{names}: {found.state.value}")
    terminal.result(found.place)


def image_problems(options: ImageOptions) -> list[Error]:
    """What is wrong with the options, by themselves."""
    problems = session.refusals([(parse_directory, options.directory)])
    if not options.root or "\0" in options.root:
        problems.append(BadInput(f"--install-local {quoted(options.root)} is no directory", hint="name a directory"))
    return problems


def local_installs(options: ImageOptions, server: Server, text: Text, url: str) -> LocalInstalls:
    """Where the devices of a fleet go, by options that were found right."""
    return LocalInstalls(server, text, url, (server.project_dir / options.root).resolve(), options.directory)
