"""One use case: a device certificate, by the guide's steps 1 and 2."""

import os
import stat
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from otaopenssl import configs, durable, serials, workbench
from otaopenssl.errors import Error, Failed, Unfit, quoted, raise_all
from otaopenssl.execution import Execution
from otaopenssl.fleet_root import examine
from otaopenssl.ids import DeviceID, DeviceUUID
from otaopenssl.layout import CERTIFICATE_NAME, Server
from otaopenssl.outputs import CLIENT_AUTH, CertificateReport, parse_certificate_report, serial_hex
from otaopenssl.procedure import Step, Text
from otaopenssl.program import Launch
from otaopenssl.runner import CERTIFICATE_REPORT, Finished, Runner
from otaopenssl.script import Script
from otaopenssl.shellwords import Place
from otaopenssl.texts import Procedure
from otaopenssl.workbench import Workbench

# Clocks of an openssl process and of this one read the same time, but not the same fraction of a second.
_CLOCK_TOLERANCE = timedelta(seconds=5)


class Order(NamedTuple):
    """What is to be made: one device of one server, by one procedure."""

    server: Server
    uuid: DeviceUUID
    device_id: DeviceID
    procedure: Procedure

    def places(self) -> dict[str, str]:
        return self.server.device_places(self.uuid, self.device_id)


class Device(NamedTuple):
    """A device that was made, and the facts of its certificate.

    ``directory`` is the guide's ``${device_dir}``; ``files`` are the names in it with their modes; ``warnings`` tell of
    what works today and fails later.
    """

    uuid: DeviceUUID
    device_id: DeviceID
    server: Server
    directory: str
    report: CertificateReport
    files: dict[str, str]
    warnings: tuple[str, ...]


def make_device(order: Order, launch: Launch) -> Device:
    """The device of the order, published whole by one rename after every check has passed.

    Before the first command, and all at once, raises BadInput (texts, configuration files) or Unfit (openssl, fleet
    root CA, there already, not writable); after it Failed (openssl, checks). Source: guide steps 1 and 2.
    """
    server = order.server
    text = order.procedure.text("device.sh")
    rendered = configs.missing(server, text)
    runner, ca = _ready(order, text, rendered, launch)
    with configs.provided(server, text), workbench.opened(server) as bench:
        report, warnings = _issue(order, text, runner, bench, ca)
        files = _files(bench, order)
        bench.publish_device(order.uuid)
    return Device(order.uuid, order.device_id, server, order.places()["device_dir"], report, files, tuple(warnings))


def script(order: Order, program: str | None) -> Script:
    """What ``otaopenssl device`` would run, without running or writing anything; it needs no fleet root CA."""
    text = order.procedure.text("device.sh")
    before = [
        'for file in "${DEVICES_DIR}/ca.key" "${DEVICES_DIR}/ca.crt"; do',
        '  [ -s "${file}" ] || { echo "no fleet root CA: ${file} is missing" >&2; exit 4; }',
        "done",
        'mkdir -m 700 "${device_dir}"',
    ]
    after = []
    if any(step.programs == ("ln",) for step in text.steps):
        after.append('[ -e "${device_dir}/ca.pem" ] || rm -f "${device_dir}/ca.pem"  # departure no-dangling-link')
    return Script(
        command="otaopenssl device",
        server=order.server,
        text=text,
        places=order.places(),
        rendered=configs.missing(order.server, text),
        before=before,
        after=[*after, 'echo "${device_dir}"'],
        uuid=order.uuid,
        device_id=order.device_id,
        program=program,
    )


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
    order: Order, text: Text, runner: Runner, bench: Workbench, ca: CertificateReport
) -> tuple[CertificateReport, list[str]]:
    """The facts of the new certificate, once every step has run and every check has passed, and the warnings."""
    bench.prepare_device(order.uuid)
    execution = Execution(runner, bench.root)
    reservation: serials.Reservation | None = None
    report: CertificateReport | None = None
    try:
        for step in text.steps:
            if _signs_certificate(step):
                # As late as possible: a number is used up even if the run then fails.
                reservation = serials.reserve(order.server, 1)
                bench.staged.ca_srl_path.write_bytes(reservation.seed)
            finished = execution.perform(step.bind(order.places()))
            if _is_report_of_certificate(step) and finished is not None:
                report = _parsed(finished)
        if report is None:
            path = f"{order.places()['device_dir']}/{CERTIFICATE_NAME}"
            report = _parsed(runner.ask(CERTIFICATE_REPORT, path, cwd=bench.root))
        serial = None if reservation is None else reservation.first
        raise_all(_faults(order, report, ca, serial))
    except BaseException:
        if reservation is not None:
            serials.give_back(order.server, reservation)
        raise
    return report, _warnings(report, ca)


def _signs_certificate(step: Step) -> bool:
    """Whether the step takes its serial number from ca.srl for the device certificate."""
    certificate = (Place("device_dir"), f"/{CERTIFICATE_NAME}")
    return step.name == "x509 -req" and step.option("-out") == certificate and not step.has("-set_serial")


def _is_report_of_certificate(step: Step) -> bool:
    certificate = (Place("device_dir"), f"/{CERTIFICATE_NAME}")
    return step.name == "x509 -text" and step.option("-in") == certificate and step.redirect is None


def _parsed(finished: Finished) -> CertificateReport:
    report = parse_certificate_report(finished.stdout.decode("utf-8", "replace"))
    if report is None:
        raise Failed(f"openssl's report of {CERTIFICATE_NAME} cannot be read", hint=f"look at: {finished.shown()}")
    return report


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


def _files(bench: Workbench, order: Order) -> dict[str, str]:
    """The names of the device's files with their modes, or where they link to."""
    found = {}
    for path in sorted(bench.staged.device_path(order.uuid).iterdir()):
        mode = f"{stat.S_IMODE(path.lstat().st_mode):04o}"
        found[path.name] = f"-> {path.readlink()}" if path.is_symlink() else mode
    return found
