"""The command that makes a device known to a registry; and how the options mean one."""

from pathlib import Path
from typing import NamedTuple

from otaopenssl.cli import gating, session, terminal
from otaopenssl.cli.defaults import Defaults
from otaopenssl.cli.fetching import parse_seconds
from otaopenssl.cli.options import Running
from otaopenssl.cli.registry_options import RegistryOptions
from otaopenssl.errors import BadInput, Error, Failed, Interrupted, quoted, raise_all
from otaopenssl.ids import parse_device_uuid, parse_server_name
from otaopenssl.interrupts import hold_for_good
from otaopenssl.layout import CERTIFICATE_NAME
from otaopenssl.present_device import present_device
from otaopenssl.register import Registered, register
from otaopenssl.register_script import Files, Registering, RegisterScript
from otaopenssl.registration import DEFAULT_TYPE, Registration, parse_device_name, parse_device_type
from otaopenssl.registry import Registry, parse_registry
from otaopenssl.registry_client import DEFAULT_SECONDS, Client
from otaopenssl.registry_trust import ClientFiles, trust

_WHICH_HINT = "give its UUID, or set DEVICE_UUID"
_MAY_KNOW = "interrupted, and the registry may have been told of the device: the same command again makes sure"


class Telling(NamedTuple):
    """What a registry is told of a device besides who it is: the options as they were given."""

    device_name: str | None
    device_type: str | None


def run_register(running: Running, options: RegistryOptions, telling: Telling, uuid: str | None) -> None:
    """Register a device that is whole, and print what came of it."""
    running = Defaults(running.place).running(running)
    named = session.device_uuid(uuid)
    problems = session.refusals(
        [
            (parse_server_name, session.server_name(running)),
            (parse_device_uuid, named),
            (parse_device_name, telling.device_name),
            (parse_device_type, telling.device_type),
        ]
    )
    if named is None:
        problems.append(BadInput("no device is named", hint=_WHICH_HINT))
    raise_all([*problems, *option_problems(options)])
    server = session.server(running)
    procedure = session.procedure(running)
    if not running.dry_run:
        gating.admitted(running, server, procedure, ("device.sh",))
    device = present_device(server, procedure.text("device.sh"), parse_device_uuid(named or ""))
    identity = device.identity
    registration = Registration(
        identity,
        name=identity.device_id if telling.device_name is None else telling.device_name,
        kind=DEFAULT_TYPE if telling.device_type is None else telling.device_type,
        certificate=_text(device.files[CERTIFICATE_NAME]),
    )
    if running.dry_run:
        script = RegisterScript(in_script(options, server.project_dir), registration.body())
        session.print_script(script, running)
        return
    asking = client(options, server.project_dir)
    try:
        done = register(asking, registration)
        hold_for_good()
    except Interrupted as interruption:
        raise Interrupted(_MAY_KNOW) from interruption
    if done.warning:
        terminal.warn(done.warning)
    _tell(running, registration, parse_registry(options.url), done)


def option_problems(options: RegistryOptions) -> list[Error]:
    """What is wrong with the options, by themselves."""
    problems = session.refusals([(parse_registry, options.url), (parse_seconds, options.timeout)])
    files = {"--ca": options.ca, "--client-cert": options.client_cert, "--client-key": options.client_key}
    for option, value in files.items():
        if value is None:
            continue
        if not value or "\0" in value:
            problems.append(BadInput(f"{option} {quoted(value)} is no name of a file", hint=f"give '{option} FILE'"))
        elif options.url.lower().startswith("http:"):
            words = f"'{option}' is given for a registry that is reached without TLS"
            problems.append(BadInput(words, hint="give its URL with 'https:', or leave the option out"))
    if options.client_cert is None:
        needless = {"--client-key": options.client_key, "--passphrase-file": options.passphrase_file}
        problems += [
            BadInput(f"'{option}' is given without '--client-cert'", hint="give '--client-cert FILE'")
            for option, value in needless.items()
            if value is not None
        ]
    return problems


def client(options: RegistryOptions, here: Path) -> Client:
    """Who asks the registry, once everything that it takes was found usable. Raises BadInput or Unfit."""
    registry = parse_registry(options.url)
    context = None
    if registry.is_secure:
        files = None
        if options.client_cert is not None:
            key = options.client_cert if options.client_key is None else options.client_key
            passphrase = gating.passphrase(here, key, options.passphrase_file)
            files = ClientFiles(here / options.client_cert, here / key, passphrase)
        context = trust(None if options.ca is None else here / options.ca, files)
    return Client(registry, context, _seconds(options))


def in_script(options: RegistryOptions, here: Path) -> Registering:
    """The same for a script."""
    files = Files(options.ca, options.client_cert, options.client_key)
    has_passphrase_file = options.passphrase_file is not None
    return Registering(parse_registry(options.url), files, _seconds(options), here, has_passphrase_file)


def _seconds(options: RegistryOptions) -> float:
    """How long one attempt may take as a whole."""
    return DEFAULT_SECONDS if options.timeout is None else parse_seconds(options.timeout)


def _text(certificate: bytes) -> str:
    try:
        return certificate.decode("ascii")
    except UnicodeDecodeError as error:
        hint = "move its directory away to have it made again"
        raise Failed(f"{quoted(CERTIFICATE_NAME)} is no PEM: it is not ASCII", hint=hint) from error


def _tell(running: Running, registration: Registration, registry: Registry, done: Registered) -> None:
    identity, reply = registration.identity, done.reply
    if running.json:
        terminal.result_json(
            {
                **identity._asdict(),
                "registry": registry.url,
                "state": done.state,
                "status": reply.status,
                "attempts": done.attempts,
                "reply": reply.text or None,
                "warnings": [done.warning] if done.warning else [],
            }
        )
        return
    times = f", at attempt {done.attempts}" if done.attempts > 1 else ""
    terminal.note(f"registry {quoted(registry.url)} answered {reply.shown()}{times}")
    terminal.result(f"{done.state} {identity.uuid}")
