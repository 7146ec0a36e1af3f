"""Issuing a device in a workbench: the guide's steps, checked and published; alone or as one of a fleet."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, Optional

from otaopenssl import configs, fleet_root, serials, server_directory
from otaopenssl.account import Account
from otaopenssl.errors import Error, Failed, Unfit, quoted, raise_all
from otaopenssl.execution import Execution
from otaopenssl.fleet_root import FleetRoot
from otaopenssl.given import Given, Source
from otaopenssl.ids import Identity
from otaopenssl.layout import CERTIFICATE_NAME, Server
from otaopenssl.leaf_rules import leaf_faults, leaf_warnings
from otaopenssl.outputs import CertificateReport
from otaopenssl.permission import Watch
from otaopenssl.program import Launch
from otaopenssl.reports import ask_report, read_report
from otaopenssl.runner import Runner
from otaopenssl.signing_steps import SIGNING_KIND
from otaopenssl.steps import BoundStep, Step, Text
from otaopenssl.text_rules import CERTIFICATE_WORD
from otaopenssl.texts import Procedure
from otaopenssl.wholeness import Issued, check_whole
from otaopenssl.workbench import Workbench

if TYPE_CHECKING:
    # Most runs ask no gateway and renew nothing, and what that takes would be a part of a device's time.
    from otaopenssl.gateway_root import Fetched, Fetching, GatewayOrder
    from otaopenssl.replacing import Replaced


class Issuance(NamedTuple):
    """What is the same for every device of a run, found fit before the first one is made.

    ``source`` tells where keys or CSRs are from that are not made by the text; ``watch`` knows the files that must not
    change meanwhile; ``run_id`` is of a run that leaves a record. It is plain, so that it can be sent to another
    process.
    """

    server: Server
    text: Text
    program: str
    ca: FleetRoot
    fetching: Optional["Fetching"]
    source: Source | None = None
    watch: Watch | None = None
    run_id: str = ""

    @property
    def is_of_renewals(self) -> bool:
        """Whether the devices are there already, and new ones take their place."""
        return self.source is not None and self.source.is_of_renewals

    def given(self, identity: Identity) -> Given:
        """What there is of a device before its first step, and the steps that are carried out for it."""
        if self.source is None:
            return Given(self.text, {})
        given = self.source.given(self.text, self.places(identity))
        if given.public_key is not None and self.ca.has_key(given.public_key):
            words = f"device {quoted(identity.uuid)} has the key of ca.crt, by its CSR"
            raise Failed(words, hint="have the device make a key of its own")
        return given

    def places(self, identity: Identity) -> dict[str, str]:
        """The values of the places of device.sh."""
        return self.server.device_places(identity.uuid, identity.device_id)


class Made(NamedTuple):
    """A device that was published: openssl's report of its certificate, what is told of it, and what a gateway sent.

    ``replaced`` is what was in its place before, where it was renewed.
    """

    report: CertificateReport
    issued: Issued
    warnings: tuple[str, ...]
    gateway: Optional["Fetched"]
    replaced: Optional["Replaced"] = None


def prepared(
    server: Server,
    procedure: Procedure,
    gateway: Optional["GatewayOrder"],
    launch: Launch,
    *,
    source: Source | None = None,
    quantity: int = 1,
    found: Sequence[Error] = (),
) -> tuple[Issuance, Runner]:
    """What ``quantity`` devices are issued by, and a runner of the program that does it.

    Raises, all at once and ``found`` among them, BadInput (texts, configuration files) or Unfit (openssl, fleet root
    CA, serial numbers, not writable).
    """
    text = procedure.text("device.sh")
    if source is not None:
        source.check(text)
    if gateway is not None:
        gateway.text(procedure)  # a text that is refused is told before anything is made
    runner, ca = _ready(server, text, launch, quantity, found)
    fetching = None
    if gateway is not None:
        from otaopenssl import gateway_root

        fetching = gateway_root.prepared(gateway, procedure, runner, server.project_dir)
    return Issuance(server, text, runner.program, ca, fetching, source), runner


def issue(
    issuance: Issuance,
    identity: Identity,
    runner: Runner,
    bench: Workbench,
    take_serial: Callable[[], int],
    commit: Callable[[Issued], None],
    account: Account,
) -> Made:
    """The device, published whole by one rename, or exchange, after every check has passed.

    ``take_serial`` gives a serial number that nobody else gets, and is called as late as possible, since a number is
    used up even if the run then fails; ``commit`` is called just before the rename, and may still raise. What is done
    is told to ``account``. Raises Failed, Unfit where the device is there by now, and NotApproved. Source: guide
    steps 1 and 2, and 3 and 4 where there is a gateway.
    """
    server, places = issuance.server, issuance.places(identity)
    if issuance.watch is not None:
        issuance.watch.check()
    given = issuance.given(identity)
    bench.prepare_device(identity.uuid, issuance.text.names_in("DEVICES_DIR"))
    steps = [step.bind(places) for step in issuance.text.steps]
    execution = Execution(runner, bench.root, issuance.text, account)
    execution.put(given.files)
    carried_out = [step.bind(places) for step in given.text.steps]
    report, serial = _carried_out(carried_out, execution, runner, bench, take_serial)
    raise_all(leaf_faults(report, identity.uuid, issuance.ca.report, serial))
    fetched = None
    if issuance.fetching is not None:
        from otaopenssl import gateway_root

        examined_dir = bench.prepare_examination()
        fetched = gateway_root.fetch(issuance.fetching, places, runner, bench.root, examined_dir, account)
    try:
        issued = check_whole(steps, execution.written, identity.uuid, issuance.ca.name)
    except Failed as error:
        words = f"the commands ended with exit status 0, but the device is not whole: {error.message}"
        raise Failed(words, hint="check which openssl runs, and the text: otaopenssl procedure show") from error
    execution.check_still_there()
    issuance.ca.check_unchanged(server)
    warnings = (*given.warnings, *leaf_warnings(report, issuance.ca.report))
    if given.replaces is not None:
        from otaopenssl.device_files import links
        from otaopenssl.replacing import Replacement, replace_device

        linked = {name for name, _ in links(steps)}
        has_key = bool(given.files)
        one = Replacement(identity.uuid, issued.sha256, given.replaces, linked, has_key, issuance.run_id)
        replaced = replace_device(bench, one, runner, lambda: commit(issued))
        return Made(report, issued, (*warnings, *replaced.warnings), fetched, replaced)
    bench.publish_device(identity.uuid, lambda: commit(issued))
    return Made(report, issued, warnings, fetched)


def _ready(
    server: Server, text: Text, launch: Launch, quantity: int, found: Sequence[Error]
) -> tuple[Runner, FleetRoot]:
    """A runner and the fleet root CA, once nothing is found that keeps devices from being made; else all of it."""
    rendered = configs.missing(server, text)
    problems: list[Error] = []
    runner: Runner | None = None
    try:
        runner = launch()
    except Unfit as problem:
        problems.append(problem)
    ca, unfit = fleet_root.examine(server, runner)
    problems += unfit
    problems += found
    problems += configs.examine(server, text, rendered)
    problems += configs.check_writable(server, rendered)
    if server.devices_dir.is_dir():
        problems += server_directory.check_publishing(server)
        problems += serials.check(server, quantity)
    raise_all(problems)
    if runner is None or ca is None:
        raise Unfit("the fleet root CA cannot be judged", hint="run the command again")
    return runner, ca


def _carried_out(
    steps: Sequence[BoundStep],
    execution: Execution,
    runner: Runner,
    bench: Workbench,
    take_serial: Callable[[], int],
) -> tuple[CertificateReport, int | None]:
    """The facts of the new certificate and the serial number that was taken for it, once every step has run."""
    serial: int | None = None
    report: CertificateReport | None = None
    for bound in steps:
        if bound.step.kind == SIGNING_KIND:
            serial = take_serial()
            bench.seed_serials(serials.seed_for(serial))
        finished = execution.perform(bound)
        if finished is not None and bound.step.has("-text") and _is_report_of_certificate(bound.step):
            report = read_report(finished, str(bound.value("-in")))
    if report is None:
        path = next(output for output in execution.written if output.endswith(f"/{CERTIFICATE_NAME}"))
        report, _ = ask_report(runner, path, cwd=bench.root, shown=path)
    return report, serial


def _is_report_of_certificate(step: Step) -> bool:
    """Whether the step prints the report that the checks need: the guide's last line, its options in any order."""
    (words, *others) = step.commands
    options = sorted(words, key=str)
    report = sorted([("openssl",), ("x509",), ("-in",), CERTIFICATE_WORD, ("-text",), ("-noout",)], key=str)
    return not others and step.redirect is None and options == report
