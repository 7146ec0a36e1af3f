"""verify: every fault is found under its own code, and nothing is found of a good device."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from otaopenssl.findings import Code
from tests.conftest import CHECKOUT, Resign, openssl, require, run, tree, write_program
from tests.faults import FAULTS, GOOD, Device, another_ca, expired_root

# One process makes what most of them look at.
pytestmark = pytest.mark.xdist_group("verify")


def found(document: dict[str, Any]) -> dict[str, set[str]]:
    """The codes by device, but that of a root.crt that is not there."""
    codes: dict[str, set[str]] = {}
    for finding in document["findings"]:
        if finding["code"] != "root-crt-missing":
            codes.setdefault(finding["device"], set()).add(finding["code"])
    return codes


def verified_json(project: Path, *arguments: str, status: int = 1) -> dict[str, set[str]]:
    """The codes that ``verify --json`` tells, by device."""
    ran = run("verify", "--json", *arguments, cwd=project)
    assert ran.status == status, ran.err
    return found(json.loads(ran.out))


@pytest.fixture(scope="session")
def faulty(_pristine: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a device for each fault, each planted, and some good ones; without records."""
    project = tmp_path_factory.mktemp("faulty") / "project"
    work = tmp_path_factory.mktemp("planting")
    shutil.copytree(_pristine, project, symlinks=True)
    devices = project / "myservername" / "devices"
    made = run("server", cwd=project)
    assert made.status == 0, made.err
    names = "".join(f"{name},{'body-4711' if name == 'with-id' else ''}\n" for name in (*FAULTS, *GOOD))
    (project / "ids.csv").write_text(f"uuid,device_id\n{names}")
    made = run("fleet", "--ids", "ids.csv", cwd=project)
    assert made.status == 0, made.err
    shutil.rmtree(project / "myservername" / "records")
    another_ca(devices, "other")
    past, future = work / "past", work / "future"
    past.mkdir()
    expired_root(devices / "old.crt", past)
    future.mkdir()
    expired_root(devices / "new.crt", future, start="20480101000000Z", end="20490101000000Z")
    leaf = Device(devices / "good", work)
    before = [leaf[name].read_bytes() for name in ("client.pem", "chain")]
    leaf.sign(start="20200101000000Z", end="20210101000000Z")
    leaf["client.pem"].rename(devices / "old.leaf")
    for name, content in zip(("client.pem", "chain"), before, strict=True):
        leaf[name].write_bytes(content)
    (devices / "notes.txt").write_text("a file that is no device's")
    for name, plant in GOOD.items():
        plant(Device(devices / name, work))
    for name, (plant, _) in FAULTS.items():
        plant(Device(devices / name, work))
    return project


@pytest.fixture(scope="session")
def verified(faulty: Path) -> dict[str, Any]:
    """What verify says of that project."""
    ran = run("verify", "--all", "--json", cwd=faulty)
    assert ran.status == 1, ran.err
    document: dict[str, Any] = json.loads(ran.out)
    return document


@pytest.mark.real
@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found(verified: dict[str, Any], name: str) -> None:
    """Under its own code, and nothing else is found of the device."""
    assert found(verified).get(name) == FAULTS[name][1]


@pytest.mark.real
@pytest.mark.parametrize("name", GOOD)
def test_nothing_is_found_of_a_good_device(verified: dict[str, Any], name: str) -> None:
    """Neither of one among faulty ones, with a device ID or a root.crt, nor where openssl writes things otherwise."""
    # Whose serial number and key others have taken is told of all.
    expected = {"serial-duplicate", "key-shared"} if name == "good" else None
    assert found(verified).get(name) == expected


def test_every_code_is_planted() -> None:
    """Each kind of finding of a device has a fault here; those of the fleet root CA and of records have tests below."""
    planted = {code for _, codes in FAULTS.values() for code in codes}
    others = {
        "directory-name",
        "directory-kind",
        "file-unreadable",
        "csr-unreadable",
        "certificate-unreadable",
    }
    others |= {"key-elsewhere", "root-crt-missing", "recorded-other", "not-recorded", "not-verified", "file-owner"}
    others |= {"ca-not-a-ca", "ca-purpose", "ca-expired", "ca-not-yet-valid", "ca-without-root"}
    assert planted | others == {code.value for code in Code}
    assert not planted & others


def test_the_table(faulty: Path) -> None:
    """Without --json there is a line for each fault, with its device, severity, code and words, and a count."""
    ran = run("verify", "--all", cwd=faulty)
    assert ran.status == 1
    lines = [re.split(r"  +", line, maxsplit=3) for line in ran.out.splitlines()]
    assert all(len(line) == 4 and line[1] == "fault" for line in lines)
    assert [line[0] for line in lines] == sorted(line[0] for line in lines)
    assert ["key-mode", "fault", "key-mode", "pkey.pem is mode 0644, expected 0600: it is a private key"] in lines
    devices, names = len(FAULTS) + len(GOOD), {line[0] for line in lines}
    words = f"{devices} devices verified, {len(names)} of them faulty: {len(lines)} faults"
    assert f"otaopenssl: error: {words}\nhint: docs/findings.md" in ran.err
    assert "\notaopenssl: warning: root-crt-without-root: 1 of " in f"\n{ran.err}"


def test_the_order_and_the_number_of_workers_change_nothing(faulty: Path) -> None:
    """One worker says what many say, to the byte."""
    one, many = (run("verify", "--all", "--jobs", jobs, cwd=faulty) for jobs in ("1", "7"))
    assert one == many


def test_nothing_is_changed(faulty: Path) -> None:
    """No file of the project is touched."""
    before = tree(faulty)
    run("verify", "--all", cwd=faulty)
    assert tree(faulty) == before


def test_what_is_accepted_does_not_count(faulty: Path) -> None:
    """A kind of fault that a team lives with is told still, and the others count."""
    ran = run("verify", "crlf", "--accept", "pem-crlf", cwd=faulty)
    assert ran.status == 0, ran.err
    assert re.search("^crlf +accepted +pem-crlf +client.pem has carriage returns", ran.out)
    ran = run("verify", "--all", "--json", "--accept", "pem-crlf", "--accept", "key-mode", cwd=faulty)
    severities = {finding["code"]: finding["severity"] for finding in json.loads(ran.out)["findings"]}
    assert (ran.status, severities["pem-crlf"], severities["key-mode"]) == (1, "accepted", "accepted")
    assert severities["expired"] == "fault"
    everything = [word for code in Code for word in ("--accept", code.value)]
    assert run("verify", "--all", *everything, cwd=faulty).status == 0


def test_faults_are_printed_beside_a_bar(faulty: Path) -> None:
    """On a terminal the bar is wiped away before a fault is printed, and lines are whole."""
    command = f"stty cols 200; {sys.executable} -m otaopenssl verify --all 2>&1"
    ran = subprocess.run(
        ["script", "-qec", command, "/dev/null"],
        cwd=faulty,
        env={"PATH": os.environ["PATH"], "TERM": "xterm"},
        stdin=subprocess.DEVNULL,
        check=False,
        capture_output=True,
        timeout=60,
    )
    shown = ran.stdout.decode().replace("\r\n", "\n")
    lines = [line.rpartition("\x1b[2K")[2] for line in shown.splitlines() if "fault\x1b" in line]
    assert [line.split(" ")[0] for line in lines] == sorted(line.split(" ")[0] for line in lines)
    assert any(re.match(r"crlf +\x1b\[31mfault\x1b\[0m +pem-crlf +client.pem has carriage", line) for line in lines)
    assert not any("\u2501" in line for line in lines)
    assert "devices verified, " in shown.rpartition("\x1b[2K")[2]


def test_devices_by_name_and_by_path(faulty: Path) -> None:
    """UUIDs and directories mean the same; each is verified once, and a good one is told of as well."""
    path = "myservername/devices/with-id"
    ran = run("verify", "with-id", path, f"./{path}/", "crlf", cwd=faulty)
    assert ran.status == 1
    rows = [line.split() for line in ran.out.splitlines()]
    assert [row[:3] for row in rows] == [
        ["with-id", "warning", "root-crt-missing"],
        ["crlf", "fault", "pem-crlf"],
        ["crlf", "warning", "root-crt-missing"],
    ]
    assert "error: 2 devices verified, 1 of them faulty: 1 fault" in ran.err
    good = run("verify", "with-root", cwd=faulty)
    assert (good.status, good.out, good.err) == (
        0,
        "with-root  ok\n",
        "1 device verified: all that must hold holds\n",
    )


def test_a_device_alone_is_compared_with_all_serial_numbers(faulty: Path) -> None:
    """A serial number that another device has is told of one device, too."""
    assert verified_json(faulty, "same-serial") == {"same-serial": {"serial-duplicate"}}


def test_a_copy_elsewhere(faulty: Path, tmp_path: Path) -> None:
    """A directory outside the project is held against the project's fleet root CA."""
    shutil.copytree(faulty / "myservername" / "devices" / "with-root", tmp_path / "with-root", symlinks=True)
    shutil.copytree(faulty / "myservername" / "devices" / "with-root", tmp_path / "renamed", symlinks=True)
    assert verified_json(faulty, str(tmp_path / "with-root"), status=0) == {}
    codes = {"certificate-name", "csr-name", "serial-duplicate", "key-shared"}
    assert verified_json(faulty, str(tmp_path / "renamed")) == {"renamed": codes}


def test_what_is_no_device_directory(project: Path, devices: Path) -> None:
    """Another name, a link and a file in the place of a directory are told."""
    assert run("device", "--uuid", "u1", cwd=project).status == 0
    (devices / "not a name!").mkdir()
    (devices / "linked").symlink_to(devices / "u1")
    (devices / "file").write_text("")
    expected = {"not a name!": {"directory-name"}, "linked": {"directory-kind"}}
    assert verified_json(project, "--all") == expected
    assert verified_json(project, "file") == {"file": {"directory-kind"}}


def test_what_cannot_be_read(project: Path, devices: Path) -> None:
    """A file that is too large, and PEM that holds no certificate and no CSR, are told."""
    assert run("fleet", "--ids", "-", cwd=project).status == 2
    for uuid in ("large", "cert", "csr"):
        assert run("device", "--uuid", uuid, cwd=project).status == 0
    shutil.rmtree(project / "myservername" / "records")
    (devices / "large" / "client.pem").write_bytes(b"x" * 2_000_000)
    nothing = "MAA=\n"
    for uuid, name, label in (("cert", "client.pem", "CERTIFICATE"), ("csr", "csr.csr", "CERTIFICATE REQUEST")):
        (devices / uuid / name).write_text(f"-----BEGIN {label}-----\n{nothing}-----END {label}-----\n")
    expected = {
        "large": {"file-unreadable"},
        "cert": {"certificate-unreadable", "chain-other"},
        "csr": {"csr-unreadable"},
    }
    assert verified_json(project, "--all") == expected


def test_more_than_a_cn(project: Path, devices: Path, tmp_path: Path) -> None:
    """A subject of more than a CN is a warning: some gateways read all of it."""
    assert run("device", "--uuid", "u1", cwd=project).status == 0
    shutil.rmtree(project / "myservername" / "records")
    device = Device(devices / "u1", tmp_path)
    device.sign(csr=device.request("/CN=u1/O=Example"))
    assert verified_json(project, "u1", status=0) == {"u1": {"certificate-subject"}}


def test_records(project: Path, devices: Path, tmp_path: Path) -> None:
    """Where there are records, the certificate is the one that was recorded last, and ca.crt is."""
    for uuid in ("u1", "u2"):
        assert run("device", "--uuid", uuid, cwd=project).status == 0
    assert verified_json(project, "--all", status=0) == {}
    Device(devices / "u1", tmp_path).sign()
    shutil.copytree(devices / "u2", devices / "u3")
    assert verified_json(project, "--all") == {
        "u1": {"recorded-other"},
        "u2": {"serial-duplicate", "key-shared"},
        "u3": {"certificate-name", "csr-name", "serial-duplicate", "key-shared", "not-recorded"},
    }


def test_a_record_that_cannot_be_read(project: Path) -> None:
    """It is told, since nothing can be compared with it, and the devices are verified all the same."""
    assert run("device", "--uuid", "u1", cwd=project).status == 0
    for lines in (project / "myservername" / "records").glob("*/devices.jsonl"):
        lines.write_text("{}\n")
    assert verified_json(project, "u1") == {"records/": {"not-verified"}}


def test_another_ca(project: Path, resign: Resign) -> None:
    """Where ca.crt is another than recorded, that is told once, of ca.crt; chain files hold the old one."""
    assert run("root", "--server-name", "new", cwd=project).status == 0
    assert run("device", "--server-name", "new", "--uuid", "u1", cwd=project).status == 0
    ca_crt = project / "new" / "devices" / "ca.crt"
    shutil.copyfile(project / "myservername" / "devices" / "ca.crt", ca_crt)
    got = verified_json(project, "--all", "--server-name", "new")
    assert got == {"ca.crt": {"recorded-other"}, "u1": {"untrusted", "chain-other"}}


@pytest.mark.real
@pytest.mark.parametrize(
    ("extensions", "of_ca", "of_device"),
    [
        ("basicConstraints = CA:TRUE\nextendedKeyUsage = critical, serverAuth", "ca-purpose", "purpose"),
        ("basicConstraints = CA:FALSE", "ca-not-a-ca", "untrusted"),
    ],
)
def test_a_ca_that_is_not_fit(
    project: Path, resign: Resign, devices: Path, tmp_path: Path, extensions: str, of_ca: str, of_device: str
) -> None:
    """What a plain verify hides is told: of ca.crt, and of the device that a gateway would refuse."""
    assert run("device", "--uuid", "u1", cwd=project).status == 0
    shutil.rmtree(project / "myservername" / "records")
    resign(extensions)
    Device(devices / "u1", tmp_path).join()
    if of_ca == "ca-purpose":
        openssl("verify", "-partial_chain", "-trusted", "../ca.crt", "client.pem", cwd=devices / "u1")
    assert verified_json(project, "u1") == {"ca.crt": {of_ca}, "u1": {of_device}}


def test_what_belongs_to_somebody_else(project: Path, devices: Path) -> None:
    """A key or a directory of another user is told; root's are nobody else's."""
    require(os.geteuid() == 0, "only root can give files away")
    for uuid in ("u1", "u2"):
        assert run("device", "--uuid", uuid, cwd=project).status == 0
    for path in (devices, devices / "u1"):
        os.chown(path, 1234, -1)
    os.chown(devices / "u2" / "pkey.pem", 1235, -1)
    assert verified_json(project, "--all") == {"u2": {"file-owner"}}
    shutil.copytree(devices / "u1", project / "u1")
    os.chown(project / "u1", 1236, -1)
    assert verified_json(project, "./u1", status=0) == {}
    os.chown(devices / "u2", 1235, -1)
    os.chown(devices, 1235, -1)
    assert verified_json(project, "--all") == {"u1": {"file-owner"}}


@pytest.mark.parametrize(
    ("change", "codes"),
    [
        (lambda path: path.chmod(0o666), {"file-mode"}),
        (lambda path: path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n")), {"pem-crlf"}),
        (lambda path: path.write_bytes(path.read_bytes() + path.with_suffix(".key").read_bytes()),
         {"pem-label", "key-mode"}),
        (lambda path: path.write_bytes(path.read_bytes() + path.read_bytes()[:300]), {"pem-malformed"}),
    ],
)  # fmt: skip
def test_the_file_of_ca_crt(project: Path, devices: Path, change: Any, codes: set[str]) -> None:
    """What is wrong with it as a file is told of it once, not of its certificate."""
    assert run("device", "--uuid", "u1", cwd=project).status == 0
    change(devices / "ca.crt")
    assert verified_json(project, "u1")["ca.crt"] == codes


@pytest.mark.real
def test_several_cas(project: Path, devices: Path, tmp_path: Path) -> None:
    """While a fleet root CA is exchanged both stand in ca.crt: each is judged, and a device by its own issuer."""
    for uuid in ("u1", "u2"):
        assert run("device", "--uuid", uuid, cwd=project).status == 0
    another_ca(devices, "new", "-days", "3")
    own = (devices / "ca.crt").read_bytes()
    (devices / "ca.crt").write_bytes((devices / "new.crt").read_bytes() + own)
    for uuid in ("u1", "u2"):
        Device(devices / uuid, tmp_path).join()
    assert verified_json(project, "--all", status=0) == {}
    expired_root(devices / "old.crt", tmp_path)
    (devices / "ca.crt").write_bytes(own + (devices / "old.crt").read_bytes())
    for uuid in ("u1", "u2"):
        Device(devices / uuid, tmp_path).join()
    assert verified_json(project, "--all") == {"ca.crt": {"ca-expired"}}


def test_a_ca_that_is_no_root(project: Path, devices: Path, tmp_path: Path) -> None:
    """An intermediate CA is a warning: a gateway that knows it alone refuses the devices."""
    assert run("device", "--uuid", "u1", cwd=project).status == 0
    shutil.rmtree(project / "myservername" / "records")
    another_ca(devices, "top")
    (tmp_path / "ca.ext").write_text("basicConstraints = critical, CA:TRUE\n")
    openssl("req", "-new", "-key", "ca.key", "-subj", "/CN=ota-devices-CA", "-out", "ca.csr", cwd=devices)
    words = ["-CA", "top.crt", "-CAkey", "top.key", "-set_serial", "7", "-extfile", str(tmp_path / "ca.ext")]
    openssl("x509", "-req", "-in", "ca.csr", *words, "-days", "3000", "-out", "ca.crt", cwd=devices)
    Device(devices / "u1", tmp_path).sign(end="20280101000000Z")
    assert verified_json(project, "u1", status=0) == {"ca.crt": {"ca-without-root"}}


def test_a_run_that_has_just_begun(project: Path) -> None:
    """A record without its lines is that of a run that begins; it is no fault."""
    assert run("device", "--uuid", "u1", cwd=project).status == 0
    (project / "myservername" / "records" / "20991231T235959Z-0123456789ab").mkdir()
    assert verified_json(project, "--all", status=0) == {}


def test_a_team_of_its_own_text(project: Path) -> None:
    """The text tells which files there are: without a chain file and SEC 1 key, with RSA, nothing is missed."""
    text = """openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "${device_dir}/pkey.pem"
openssl req -new -config "${CWD}/certs/client.cnf" -key "${device_dir}/pkey.pem" -out "${device_dir}/r-${device_id}"
openssl x509 -req -days 30 -extfile "${CWD}/certs/client.ext" -in "${device_dir}/r-${device_id}" \\
  -CAkey "${DEVICES_DIR}/ca.key" -CA "${DEVICES_DIR}/ca.crt" -CAcreateserial -out "${device_dir}/client.pem"
"""
    (project / "own").mkdir()
    (project / "own" / "device.sh").write_text(text.replace("\\\\", "\\"))
    made = run("device", "--uuid", "u1", "--device-id", "other", "--procedure", "own", cwd=project)
    assert made.status == 0, made.err
    assert verified_json(project, "u1", "--procedure", "own", status=0) == {}
    assert verified_json(project, "u1") == {"u1": {"file-missing"}}
    listed = json.loads(run("list", "--json", "--procedure", "own", cwd=project).out)["devices"]
    assert [(one["uuid"], one["device_id"]) for one in listed] == [("u1", "other")]


def test_an_openssl_that_breaks_down(project: Path, tmp_path: Path, real_openssl: str) -> None:
    """What could not be verified is a fault, and never passes for right."""
    assert run("device", "--uuid", "u1", cwd=project).status == 0
    for subcommand, code in {
        "verify": "not-verified",
        "req": "csr-unreadable",
        "pkey": "key-unusable",
    }.items():
        script = f'#!/bin/bash\n[ "$1" != {subcommand} ] || kill -SEGV $$\nexec {real_openssl} "$@"\n'
        program = write_program(tmp_path / subcommand, script)
        assert verified_json(project, "u1", "--openssl", str(program)) == {"u1": {code}}


def test_what_was_not_approved_is_not_started(
    project: Path, tmp_path: Path, logging_openssl: tuple[Path, Path]
) -> None:
    """Where there is an approval, another openssl is refused before it was started."""
    assert run("device", "--uuid", "u1", cwd=project).status == 0
    assert run("approve", cwd=project).status == 0
    program, log = logging_openssl
    ran = run("verify", "u1", "--openssl", str(program), cwd=project)
    assert (ran.status, ran.out) == (3, "")
    assert not log.exists()
    assert verified_json(project, "u1", status=0) == {}


@pytest.mark.parametrize(
    ("arguments", "status", "saying"),
    [
        ((), 2, "no devices are named"),
        (("--all", "u1"), 2, "both '--all' and devices are given"),
        (("u1",), 4, "no device or certificate 'u1'"),
        (("u1", "u2"), 4, "no device or certificate 'u2'"),
        (("certs/client.ext",), 4, "'certs/client.ext' is no device directory"),
        ((".",), 4, "'.' is no device directory"),
        (("myservername/devices",), 4, "is no device directory"),
        (("",), 2, "device UUID is empty"),
        (("--all", "--accept", "nosuch"), 2, "--accept 'nosuch' is no code of a finding"),
        (("--all", "--jobs", "0"), 2, "--jobs '0' is no number from 1 to 256"),
        (("--all", "--server-name", "empty"), 4, "there are no devices in './empty/devices'"),
        (("--all", "--server-name", "nosuch"), 4, "there are no devices: './nosuch/devices' is not there"),
        (("--all", "--server-name", "a b"), 2, "server name 'a b'"),
        (("--all", "--procedure", "nosuch"), 2, "no procedure 'nosuch'"),
        (("--all", "--openssl", "/nosuch"), 4, "no usable openssl"),
    ],
)
def test_bad_input(project: Path, arguments: tuple[str, ...], status: int, saying: str) -> None:
    """One error and a hint, with the status of the table, and nothing on standard output."""
    assert run("config", "render", cwd=project).status == 0
    assert run("device", "--uuid", "there", cwd=project).status == 0
    assert run("root", "--server-name", "empty", cwd=project).status == 0
    ran = run("verify", *arguments, cwd=project)
    assert (ran.status, ran.out, len(ran.error_lines)) == (status, "", 1)
    assert saying in ran.err
    assert "\nhint: " in ran.err


@pytest.mark.parametrize(
    ("plant", "saying"),
    [
        (Path.unlink, "'./myservername/devices/ca.crt' is missing"),
        (lambda path: path.write_text("garbage"), "is something else, expected a PEM certificate"),
        (lambda path: path.write_bytes(b""), "is empty"),
    ],
)
def test_without_a_fleet_root_ca(project: Path, devices: Path, plant: Any, saying: str) -> None:
    """There is nothing to hold devices against; ca.key is not needed."""
    assert run("device", "--uuid", "u1", cwd=project).status == 0
    (devices / "ca.key").unlink()
    assert verified_json(project, "u1", status=0) == {}
    plant(devices / "ca.crt")
    ran = run("verify", "u1", cwd=project)
    assert (ran.status, ran.out) == (4, "")
    assert saying in ran.err


def test_dry_run(project: Path, devices: Path, logging_openssl: tuple[Path, Path]) -> None:
    """It prints what openssl would be asked about the devices and starts nothing; the script, run, asks it."""
    made = run("device", "--uuid", "u1", "--device-id", "other", cwd=project)
    assert made.status == 0, made.err
    program, log = logging_openssl
    dry = run("verify", "u1", "--dry-run", "--openssl", str(program), cwd=project)
    assert (dry.status, log.exists()) == (0, False)
    script = subprocess.run(["bash"], input=dry.out, capture_output=True, text=True, check=False, env={}, cwd="/")
    assert script.returncode == 0, script.stderr
    asked = sorted(line for line in log.read_text().splitlines() if line.startswith("argv"))
    log.unlink()
    assert run("verify", "u1", "--openssl", str(program), cwd=project).status == 0
    really = {line for line in log.read_text().splitlines() if line.startswith("argv")}
    assert set(asked) == {line for line in really if "\x1fversion" not in line}
    document = json.loads(run("verify", "u1", "--dry-run", "--json", cwd=project).out)
    assert len(document["commands"]) == len(asked)


def test_the_codes_are_documented() -> None:
    """docs/findings.md has each code with its severity and meaning, in the program's order, and says what to do."""
    lines = (CHECKOUT / "docs" / "findings.md").read_text().splitlines()
    rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("| `")]
    assert [row[:3] for row in rows] == [[f"`{code.value}`", code.severity.value, code.meaning] for code in Code]
    assert all(len(row) == 4 and row[3] for row in rows)
