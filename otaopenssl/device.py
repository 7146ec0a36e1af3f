"""One use case: a device certificate, by the guide's steps 1 and 2, and its gateway's root by steps 3 and 4."""

import os
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from otaopenssl import configs, durable, gateway_root, serials, workbench
from otaopenssl.errors import Error, Failed, Unfit, quoted, raise_all
from otaopenssl.execution import Execution
from otaopenssl.fleet_root import examine
from otaopenssl.gateway_root import Fetched, GatewayOrder
from otaopenssl.ids import DeviceID, DeviceUUID
from otaopenssl.interrupts import hold_for_good
from otaopenssl.layout import CERTIFICATE_NAME, Server, listing
from otaopenssl.outputs import CLIENT_AUTH, CertificateReport, serial_hex
from otaopenssl.procedure import Step, Text
from otaopenssl.program import Launch
from otaopenssl.reports import ask_report, read_report
from otaopenssl.runner import Runner
from otaopenssl.script import Body, Script, here_documents, steps_of
from otaopenssl.shellwords import written
from otaopenssl.text_rules import CERTIFICATE_WORD
from otaopenssl.texts import Procedure
from otaopenssl.workbench import Workbench

# Clocks of an openssl process and of this one read the same time, but not the same fraction of a second.
_CLOCK_TOLERANCE = timedelta(seconds=5)


class Order(NamedTuple):
    """What is to be made: one device of one server, by one procedure; with a gateway's root where one is named."""

    server: Server
    uuid: DeviceUUID
    device_id: DeviceID
    procedure: Procedure
    gateway: GatewayOrder | None = None

    def places(self) -> dict[str, str]:
        """The values of the places of device.sh."""
        return self.server.device_places(self.uuid, self.device_id)


class Device(NamedTuple):
    """A device that was made, and the facts of its certificate.

    ``directory`` is the guide's ``${device_dir}``; ``files`` are the names in it with their modes; ``warnings`` tell of
    what works today and fails later; ``gateway`` is what a gateway has sent, where one was asked.
    """

    uuid: DeviceUUID
    device_id: DeviceID
    server: Server
    directory: str
    report: CertificateReport
    files: dict[str, str]
    warnings: tuple[str, ...]
    gateway: Fetched | None


def make_device(order: Order, launch: Launch) -> Device:
    """The device of the order, published whole by one rename after every check has passed.

    Before the first command, and all at once, raises BadInput (texts, configuration files) or Unfit (openssl, fleet
    root CA, there already, not writable); after it Failed (openssl, checks, the gateway). Source: guide steps 1 and 2,
    and 3 and 4 where the order names a gateway.
    """
    server = order.server
    text = order.procedure.text("device.sh")
    if order.gateway is not None:
        order.gateway.text(order.procedure)  # a text that is refused is told before anything is made
    rendered = configs.missing(server, text)
    runner, ca = _ready(order, text, rendered, launch)
    fetching = None
    if order.gateway is not None:
        fetching = gateway_root.prepared(order.gateway, order.procedure, runner, server.project_dir)
    with configs.provided(server, text), workbench.opened(server) as bench, ExitStack() as reservations:
        report, serial = _issue(order, text, runner, bench, reservations)
        raise_all(_faults(order, report, ca, serial))
        fetched = None
        if fetching is not None:
            examined_dir = bench.prepare_examination()
            fetched = gateway_root.fetch(fetching, order.places(), runner, bench.root, examined_dir)
        files = listing(bench.staged.device_path(order.uuid))
        bench.publish_device(order.uuid, hold_for_good)
    return Device(
        uuid=order.uuid,
        device_id=order.device_id,
        server=server,
        directory=order.places()["device_dir"],
        report=report,
        files=files,
        warnings=tuple(_warnings(report, ca)),
        gateway=fetched,
    )


def script(order: Order, program: str | None) -> Script:
    """What ``otaopenssl device`` would run, without running or writing anything; it needs no fleet root CA."""
    text = order.procedure.text("device.sh")
    rendered = configs.missing(order.server, text)
    return Script(
        command="otaopenssl device",
        server=order.server,
        texts=[text] if order.gateway is None else [text, order.gateway.text(order.procedure)],
        body=script_body(order, text, rendered),
        rendered=rendered,
        uuid=order.uuid,
        device_id=order.device_id,
        program=program,
    )


def script_body(order: Order, text: Text, rendered: dict[str, bytes]) -> Body:
    """The lines of that script after its exports."""
    links = [written(word) for step in text.steps if (word := step.link_word())]
    body: Body = [
        'for file in "${DEVICES_DIR}/ca.key" "${DEVICES_DIR}/ca.crt"; do',
        '  [ -s "${file}" ] || { echo "no fleet root CA: ${file} is missing" >&2; exit 4; }',
        "done",
        'mkdir -m 700 "${device_dir}"',
        *here_documents(rendered),
        *steps_of(text, order.places()),
        "",
        *(f"[ -e {link} ] || rm -f {link}  # departure no-dangling-link" for link in links),
    ]
    if order.gateway is not None:
        body += gateway_root.script_body(order.gateway, order.gateway.text(order.procedure), order.places())
    return [*body, 'echo "${device_dir}"']


def _ready(order: Order, text: Text, rendered: dict[str, bytes], launch: Launch) -> tuple[Runner, CertificateReport]:
    """A runner and the facts of ca.crt, once nothing is found that keeps the device from being made; else all of it."""
    server = order.server
    problems: list[Error] = []
    runner: Runner | None = None
    try:
        runner = launch()
    except Unfit as problem:
        problems.append(problem)
    ca, unfit = examine(server, runner)
    problems += unfit
    if os.path.lexists(server.device_path(order.uuid)):
        problems.append(workbench.device_exists(server, order.uuid))
    problems += configs.examine(server, text, rendered)
    problems += configs.check_writable(server, rendered)
    if server.devices_dir.is_dir():
        problems += durable.check_writable(server.server_dir, server.shown(server.server_dir))
        problems += durable.check_writable(server.devices_dir, server.shown(server.devices_dir))
        problems += _file_systems(server)
        problems += serials.check(server)
    raise_all(problems)
    if runner is None or ca is None:
        raise Unfit("the fleet root CA cannot be judged", hint="run the command again")
    return runner, ca


def _file_systems(server: Server) -> list[Error]:
    if server.devices_dir.stat().st_dev == server.server_dir.stat().st_dev:
        return []
    shown = quoted(server.shown(server.devices_dir)), quoted(server.shown(server.server_dir))
    return [Unfit(f"{shown[0]} is on another file system than {shown[1]}", hint="a device is published by one rename")]


def _issue(
    order: Order, text: Text, runner: Runner, bench: Workbench, reservations: ExitStack
) -> tuple[CertificateReport, int | None]:
    """The facts of the new certificate and the serial number that was reserved for it, once every step has run."""
    bench.prepare_device(order.uuid, text.names_in("DEVICES_DIR"))
    execution = Execution(runner, bench.root)
    path = f"{order.places()['device_dir']}/{CERTIFICATE_NAME}"
    serial: int | None = None
    report: CertificateReport | None = None
    for step in text.steps:
        if step.kind == "x509 -req":
            # As late as possible: a number is used up even if the run then fails.
            reservation = reservations.enter_context(serials.reserved(order.server, 1))
            bench.seed_serials(reservation.seed)
            serial = reservation.first
        finished = execution.perform(step.bind(order.places()))
        if _is_report_of_certificate(step) and finished is not None:
            report = read_report(finished, path)
    if report is None:
        report, _ = ask_report(runner, path, cwd=bench.root, shown=path)
    return report, serial


def _is_report_of_certificate(step: Step) -> bool:
    """Whether the step prints the report that the checks need: the guide's last line, its options in any order."""
    (words, *others) = step.commands
    options = sorted(words, key=str)
    report = sorted([("openssl",), ("x509",), ("-in",), CERTIFICATE_WORD, ("-text",), ("-noout",)], key=str)
    return not others and step.redirect is None and options == report


def _faults(order: Order, report: CertificateReport, ca: CertificateReport, serial: int | None) -> list[Error]:
    """Each check that the certificate does not pass; expected, then got."""
    now = datetime.now(UTC)
    usage = report.extended_key_usage
    checks = [
        (report.common_names == (order.uuid,), f"subject is {quoted(report.subject)}, expected 'CN={order.uuid}'"),
        (
            report.issuer == ca.subject,
            f"issuer is {quoted(report.issuer)}, expected the subject of ca.crt",
        ),
        (
            report.not_before - _CLOCK_TOLERANCE <= now < report.not_after,
            f"validity is {report.not_before} to {report.not_after}, which is not now",
        ),
        (report.version == 3, f"version is {report.version}, expected 3"),
        (not report.is_ca, "basic constraints make it a CA"),
        (
            report.key_usage is None or "Digital Signature" in report.key_usage,
            f"key usage is {quoted(', '.join(report.key_usage or ()))}, expected 'Digital Signature' in it",
        ),
        (
            usage is not None and CLIENT_AUTH in usage,
            f"extended key usage is {quoted(', '.join(usage)) if usage else 'absent'}, expected '{CLIENT_AUTH}'",
        ),
        (
            serial is None or report.serial == serial,
            f"serial number is {serial_hex(report.serial)}, expected {serial_hex(serial or 0)}, its reserved one",
        ),
    ]
    hint = "look at ./certs/client.cnf and ./certs/client.ext: otaopenssl config diff"
    return [Failed(f"the certificate's {words}", hint=hint) for holds, words in checks if not holds]


def _warnings(report: CertificateReport, ca: CertificateReport) -> list[str]:
    warnings = []
    if report.not_after > ca.not_after:
        warnings.append(
            f"the certificate is valid until {report.not_after:%Y-%m-%d},"
            f" the fleet root CA only until {ca.not_after:%Y-%m-%d}: the device is refused from then on"
        )
    if "," in report.subject:
        warnings.append(
            f"the subject {quoted(report.subject)} has more than a CN; OTA Community Edition's gateway takes"
            " everything after 'CN=' as the device"
        )
    return warnings
