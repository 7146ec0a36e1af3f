"""Whether a machine and a project are fit: each check made ok, a warning and a problem by planting the real fault."""

import errno
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from otaopenssl import doctor as doctors
from otaopenssl import file_system, interrupts, locks
from otaopenssl.cnf import parse_config
from otaopenssl.errors import Error, Interrupted, Unfit
from otaopenssl.layout import SERVER_NAMES
from otaopenssl.providers import Provider, asks_for_fips, parse_providers
from otaopenssl.room import Room
from tests.conftest import CHECKOUT, Resign, openssl, require, run, tree, write_program
from tests.git import Repository
from tests.test_hostile import in_namespace

Told = dict[str, tuple[str, str, str]]
DAY = 24 * 60 * 60
# Root may read everything, unless that is taken from it.
POWERLESS = ["setpriv", "--inh-caps=-all", "--bounding-set=-all"] if os.geteuid() == 0 else []


def doctor(project: Path, *arguments: str) -> Told:
    """State, words and hint of each check; the exit status and the error line are what they must be of these."""
    ran = run("doctor", "--json", *arguments, cwd=project)
    assert ran.out, ran.err
    document = json.loads(ran.out)
    told = {one["check"]: (one["state"], one["words"], one["hint"]) for one in document["checks"]}
    problems = [name for name, (state, _, _) in told.items() if state == "problem"]
    assert list(told) == list(doctors.CHECKS)
    assert all((state == "ok") is (hint == "") for state, _, hint in told.values())
    assert document["fit"] is (not problems)
    assert ran.status == (1 if problems else 0), ran.err
    quantity = f"{len(problems)} problem{'' if len(problems) == 1 else 's'}"
    assert ran.error_lines == ([f"otaopenssl: error: {quantity}"] if problems else [])
    assert "Traceback" not in ran.err
    return told


def others(told: Told) -> dict[str, str]:
    """What is not ok."""
    return {name: state for name, (state, _, _) in told.items() if state != "ok"}


def printing(path: Path, real: str, **answers: str) -> Path:
    """A program in openssl's place that gives these answers to subcommands, and is the real one for the rest."""
    cases = "".join(f"{name}) cat <<'END'\n{text}\nEND\nexit;;\n" for name, text in answers.items())
    return write_program(path, f'#!/bin/bash\ncase "$1" in\n{cases}esac\nexec -a openssl {real} "$@"\n')


# A good project.


def test_a_good_project(project: Path) -> None:
    """One with a CA, devices, certs/ and records has no problem and no warning, and is left as it is to the byte."""
    for arguments in (["device"], ["server"], ["config", "render"]):
        assert run(*arguments, cwd=project).status == 0
    shutil.copytree(project, project.parent / "before", symlinks=True)
    assert others(doctor(project)) == {}
    assert tree(project) == tree(project.parent / "before")


def test_a_fresh_directory(tmp_path: Path) -> None:
    """Nothing but the fleet root CA is missing, and the hint says how to have one; nothing is made."""
    told = doctor(tmp_path)
    unknown = ("fleet-root-trust", "fleet-root-expiry", "fleet-root-key-type", "fleet-root-revocation")
    assert others(told) == {"fleet-root-ca": "problem", **dict.fromkeys(unknown, "warning")}
    assert "run 'otaopenssl root' first" in told["fleet-root-ca"][2]
    assert list(tmp_path.iterdir()) == []


def test_the_table(project: Path, devices: Path) -> None:
    """Each check is one line that begins with its state and name; a hint stands under what is not ok."""
    (devices / "ca.key").chmod(0o640)
    ran = run("doctor", cwd=project)
    assert (ran.status, ran.err) == (0, "")
    rows = [line.split(maxsplit=2) for line in ran.out.splitlines()]
    assert [row[1] for row in rows if row[0] != "hint:"] == list(doctors.CHECKS)
    line = next(number for number, row in enumerate(rows) if row[1] == "ca-key-mode")
    assert rows[line][0] == "warning"
    assert " ".join(rows[line + 1]) == "hint: chmod 600 ./myservername/devices/ca.key"


def test_dry_run(project: Path, logging_openssl: tuple[Path, Path]) -> None:
    """It prints every command that would be asked, runs none, and the script runs."""
    program, log = logging_openssl
    ran = run("doctor", "-n", "--openssl", str(program), cwd=project)
    assert ran.status == 0
    assert not log.exists()
    printed = json.loads(run("doctor", "-n", "--json", cwd=project).out)
    said = subprocess.run(["bash", "-e"], input=ran.out, text=True, capture_output=True, check=True, cwd=project).stdout
    assert "OPENSSLDIR" in said
    assert "Public-Key" in said
    log.unlink()
    doctor(project, "--openssl", str(program))
    asked = [line.split("\x1f")[1:] for line in log.read_text().splitlines() if line.startswith("argv")]
    assert asked == [one["command"][1:] for one in printed["commands"]]


def test_documentation() -> None:
    """docs/doctor.md has a row for every check, in the order in which they are told, and no others."""
    page = (CHECKOUT / "docs" / "doctor.md").read_text()
    assert re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE) == list(doctors.CHECKS)


def test_accepted(project: Path, devices: Path) -> None:
    """A problem of a check that is accepted is told and does not count; others do; an unknown name is refused."""
    (devices / "ca.key").chmod(0o604)
    (devices / "ca.srl").write_text("garbage\n")
    ran = run("doctor", "--accept", "ca-key-mode", "--accept", "clock", "--json", cwd=project)
    document = json.loads(ran.out)
    states = {one["check"]: one["state"] for one in document["checks"] if one["state"] != "ok"}
    assert states == {"ca-key-mode": "accepted", "serials": "problem"}
    assert (ran.status, document["fit"], ran.error_lines) == (1, False, ["otaopenssl: error: 1 problem"])
    ran = run("doctor", "--accept", "ca-key-mode", "--accept", "serials", cwd=project)
    assert (ran.status, ran.err) == (0, "")
    assert {line.split()[0] for line in ran.out.splitlines()} == {"ok", "accepted", "hint:"}
    ran = run("doctor", "--accept", "nothing", "--accept", "clock", cwd=project)
    assert (ran.status, ran.out) == (2, "")
    assert ran.error_lines == ["otaopenssl: error: --accept 'nothing' is no check of doctor"]


# openssl.


def test_no_openssl(project: Path) -> None:
    """Without an openssl all that needs none is still looked at."""
    told = doctor(project, "--openssl", "/nonexistent/openssl")
    dependent = (
        "providers",
        "trust-bundle",
        "fleet-root-ca",
        "fleet-root-trust",
        "fleet-root-expiry",
        "fleet-root-key-type",
    )
    unknown = dict.fromkeys([*dependent, "fleet-root-revocation"], "warning")
    assert others(told) == {"openssl": "problem", **unknown}
    assert told["providers"][1:] == ("not tried", "mend first what 'openssl' tells")


def test_libressl(project: Path, tmp_path: Path, real_openssl: str) -> None:
    """LibreSSL cannot run the guide."""
    program = printing(tmp_path / "openssl", real_openssl, version="LibreSSL 3.9.2")
    state, words, _ = doctor(project, "--openssl", str(program))["openssl"]
    assert state == "problem"
    assert "is LibreSSL 3.9.2, expected OpenSSL" in words


def test_an_old_openssl(project: Path, tmp_path: Path, real_openssl: str) -> None:
    """1.1.1 works, and is out of support; it is not asked for providers, which it does not know."""
    answers = {"version": 'OpenSSL 1.1.1w  11 Sep 2023\nOPENSSLDIR: "/usr/lib/ssl"', "list": "list: Option unknown"}
    told = doctor(project, "--openssl", str(printing(tmp_path / "openssl", real_openssl, **answers)))
    assert others(told) == {"openssl": "warning"}
    assert told["providers"][1] == "none: they came with OpenSSL 3.0"


PROVIDERS = {
    ("default",): "ok",
    ("default", "legacy"): "ok",
    ("default", "fips"): "ok",
    ("base", "fips"): "warning",
    ("fips",): "problem",
    ("legacy",): "problem",
    (): "problem",
}


@pytest.mark.parametrize("active", PROVIDERS, ids=" ".join)
def test_providers(project: Path, tmp_path: Path, real_openssl: str, active: tuple[str, ...]) -> None:
    """Which providers are active says whether keys can be made and read, and whether FIPS is in force."""
    answer = "Providers:" + "".join(f"\n  {one}\n    name: N\n    version: 3.0.1\n    status: active" for one in active)
    program = printing(tmp_path / "openssl", real_openssl, list=answer)
    state, words, _ = doctor(project, "--openssl", str(program))["providers"]
    assert state == PROVIDERS[active]
    assert words.startswith(f"active: {', '.join(f'{one} 3.0.1' for one in active) or 'none'}; ")


def test_fips_by_openssl_cnf(project: Path, tmp_path: Path, real_openssl: str) -> None:
    """With both providers active, openssl.cnf says whether FIPS is in force."""
    (tmp_path / "openssl.cnf").write_text(FIPS_CNF)
    answer = "Providers:\n  default\n    status: active\n  fips\n    status: active"
    version = f'OpenSSL 3.0.19 27 Jan 2026\nOPENSSLDIR: "{tmp_path}"'
    program = printing(tmp_path / "openssl", real_openssl, list=answer, version=version)
    state, words, hint = doctor(project, "--openssl", str(program))["providers"]
    assert (state, "FIPS is in force" in words, "--pin" in hint) == ("warning", True, True)


FIPS_CNF = """openssl_conf = start
[start]
alg_section = algorithms
[algorithms]
default_properties = provider!=x, fips = yes
"""


@pytest.mark.parametrize(
    ("cnf", "expected"),
    [
        (FIPS_CNF, True),
        (FIPS_CNF.replace("= yes", "= no"), False),
        (FIPS_CNF.replace("openssl_conf", "other"), False),
        (FIPS_CNF.replace("fips = yes", "?fips=yes"), False),
        ("", False),
    ],
)
def test_asking_for_fips(cnf: str, expected: bool) -> None:
    """FIPS is in force where the section that is named first says so, and not where it is only preferred."""
    assert asks_for_fips(parse_config(cnf.encode(), "openssl.cnf")) is expected


def test_parse_providers() -> None:
    """The answer of OpenSSL 3.0 to 4.0; anything else is none."""
    text = (
        "Providers:\n  default\n    name: OpenSSL Default Provider\n    version: 3.0.19\n    status: active\n  legacy\n"
    )
    default, legacy = Provider("default", "3.0.19", is_active=True), Provider("legacy", "", is_active=False)
    assert parse_providers(text) == (default, legacy)
    assert parse_providers("Providers:\n") == ()
    assert parse_providers("list: Option unknown option -providers\n") is None


def test_an_answer_that_is_none(project: Path, tmp_path: Path, real_openssl: str) -> None:
    """An openssl that lists no providers is a problem, told with its command."""
    program = printing(tmp_path / "openssl", real_openssl, list="what?")
    assert doctor(project, "--openssl", str(program))["providers"][0] == "problem"


def test_trust_bundle(project: Path, tmp_path: Path, real_openssl: str) -> None:
    """What each x509 would load is told by its size and number."""
    (tmp_path / "cert.pem").write_bytes((project / "myservername" / "devices" / "ca.crt").read_bytes() * 3)
    version = f'OpenSSL 3.0.19 27 Jan 2026\nOPENSSLDIR: "{tmp_path}"'
    program = printing(tmp_path / "openssl", real_openssl, version=version)
    state, words, _ = doctor(project, "--openssl", str(program))["trust-bundle"]
    assert state == "ok"
    assert f"{tmp_path}/cert.pem: " in words
    assert "3 certificates" in words
    (tmp_path / "cert.pem").unlink()
    assert doctor(project, "--openssl", str(program))["trust-bundle"][:2] == ("ok", f"none in {tmp_path}/cert.pem")


# The place.


@pytest.mark.parametrize("where", [".", "myservername", "myservername/devices"])
def test_a_read_only_directory(project: Path, where: str) -> None:
    """Whichever directory cannot be written is named."""
    script = (
        f'mount --bind "$1" "$1"; mount -o remount,bind,ro "$1"; {sys.executable} -m otaopenssl doctor -C "$2" --json'
    )
    ran = in_namespace(script, str(project / where), str(project))
    told = {one["check"]: one for one in json.loads(ran.stdout)["checks"]}
    assert told["directories"]["state"] == "problem"
    assert "is not writable" in told["directories"]["words"]
    assert ran.returncode == 1


@pytest.mark.parametrize(("size", "state"), [("64m", "ok"), ("8m", "warning"), ("0", "problem")])
def test_space(project: Path, size: str, state: str) -> None:
    """A disk with room for few devices is a warning, a full one a problem."""
    script = f"""
mount -t tmpfs -o size={"256k" if size == "0" else size} tmpfs "$2"
cp -a "$1/." "$2"
[ {size} != 0 ] || {{ head -c 1M /dev/zero > "$2/filler" || true; }}
{sys.executable} -m otaopenssl doctor -C "$2" --json"""
    mount = project.parent / "mount"
    mount.mkdir()
    ran = in_namespace(script, str(project), str(mount))
    told = {one["check"]: one for one in json.loads(ran.stdout)["checks"]}
    assert told["space"]["state"] == state, told["space"]


def test_room() -> None:
    """Inodes count where the file system counts them."""
    assert Room(10**9, None).devices > Room(10**9, 800).devices == 100
    assert Room(10**6, 10**9).devices < 30


TRIALS: dict[str, tuple[str, OSError]] = {
    "fsync": ("fsync", OSError(22, "Invalid argument")),
    "hard link": ("link", OSError(1, "Operation not permitted")),
    "symbolic link": ("symlink", OSError(1, "Operation not permitted")),
    "rename": ("rename", OSError(18, "Invalid cross-device link")),
}


def inability(project: Path) -> Error:
    """What the file system of a directory cannot do."""
    (found,) = file_system.check_abilities(project / ".otaopenssl", project, "'here'")
    return found


@pytest.mark.parametrize("what", TRIALS)
def test_a_file_system_that_cannot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """What a file system refuses is told by its name, and what was tried is gone."""
    call, error = TRIALS[what]

    def refuse(*_arguments: object, **_more: object) -> None:
        raise error

    monkeypatch.setattr(os, call, refuse)
    found = inability(tmp_path)
    assert what in found.message
    assert str(error.args[1]).lower() in found.message
    assert ("keep the project" in found.hint) is (error.errno != errno.EXDEV)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """One that has no room left, or no inodes, is no other than one's own: the hint says what to do about it."""

    def refuse(_path: Path, _mode: int = 0) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "symlink", lambda *_a, **_m: refuse(tmp_path))
    assert inability(tmp_path).hint == "free some space on it, or inodes"


def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that supports no flock is told as what it is."""

    def refuse(_folder: Path) -> None:
        raise Unfit("'x' cannot be locked: function not implemented", hint="use another")

    monkeypatch.setattr(locks, "hidden_folder", refuse)
    with pytest.raises(Unfit, match="'x' cannot be locked"):
        inability(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_file_system_without_modes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that lets everybody read a private file is found out."""
    real = os.open

    def opened(path: Path, flags: int, mode: int = 0o777, **more: int) -> int:
        return real(path, flags, mode | 0o044, **more)

    monkeypatch.setattr(os, "open", opened)
    assert inability(tmp_path).message.endswith("it cannot keep a file private (mode 0600): expected 0600, got 0644")


def test_an_interrupted_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in the middle of what is tried ends the run once all of it is gone."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    real = os.link
    seen: list[list[Path]] = []

    def interrupted(source: Path, target: Path) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        seen.append(list(tmp_path.iterdir()))
        real(source, target)

    monkeypatch.setattr(os, "link", interrupted)
    try:
        with pytest.raises(Interrupted), interrupts.listening():
            file_system.check_abilities(tmp_path / ".otaopenssl", tmp_path, "'here'")
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert len(seen[0]) == 1
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_doctor_left(project: Path, devices: Path, tmp_path: Path) -> None:
    """It goes with the next one, where the trial was and where it was published; what others made stays."""
    (devices / ".doctor-01234567").mkdir()
    (devices / ".others").mkdir()
    for folder in (project, project / "myservername"):
        (folder / ".otaopenssl" / "run-doctor-01234567" / "staged").mkdir(parents=True)
    assert others(doctor(project)) == {}
    assert not (project / ".otaopenssl").exists()
    assert not (project / "myservername" / ".otaopenssl").exists()
    assert [path.name for path in devices.glob(".*")] == [".others"]
    (tmp_path / "fresh" / ".otaopenssl" / "run-doctor-01234567").mkdir(parents=True)
    doctor(tmp_path / "fresh")
    assert list((tmp_path / "fresh").iterdir()) == []


def test_a_killed_doctor(project: Path, devices: Path, tmp_path: Path, real_openssl: str) -> None:
    """Whatever one that dies in the middle of its trial leaves is no device, and the next one removes it."""
    script = """import os, signal, sys
real = os.rename
def rename(*a, **m):
    real(*a, **m)
    os.kill(os.getpid(), signal.SIGKILL)
os.rename = rename
from otaopenssl.__main__ import main
sys.argv = ["otaopenssl", "doctor"]
main()
"""
    ran = subprocess.run([sys.executable, "-c", script], cwd=project, capture_output=True, check=False)
    assert ran.returncode == -signal.SIGKILL, ran.stderr
    assert len(list(devices.glob(".doctor-*"))) == 1
    assert json.loads(run("list", "--json", cwd=project).out)["devices"] == []
    assert others(doctor(project)) == {}
    assert list(devices.glob(".*")) == []


PUBLISHING = {
    "devices on another mount": 'mount --bind "$1/myservername/devices" "$1/myservername/devices"',
    "devices on another file system": """cp -a "$1/myservername/devices" "$1/d"
mount -t tmpfs none "$1/myservername/devices"; cp -a "$1/d/." "$1/myservername/devices" """,
    "records that cannot be written": 'mount --bind "$1/myservername/records" "$1/myservername/records"; '
    'mount -o remount,bind,ro "$1/myservername/records"',
    "a chain that cannot be written": 'chain="$1/myservername/records/SHA256SUMS"; mount --bind "$chain" "$chain"; '
    'mount -o remount,bind,ro "$chain"',
    "a file for a hidden folder": 'touch "$1/myservername/.otaopenssl"',
}


@pytest.mark.parametrize("fault", PUBLISHING)
def test_where_no_device_can_be_published(project: Path, fault: str) -> None:
    """What ends 'otaopenssl device' is a problem."""
    script = f"""{PUBLISHING[fault]}
{sys.executable} -m otaopenssl device -C "$1" --uuid d0 >&2 && exit 99
{sys.executable} -m otaopenssl doctor -C "$1" --json"""
    ran = in_namespace(script, str(project))
    assert ran.returncode == 1, ran.stderr
    told = {one["check"]: one["state"] for one in json.loads(ran.stdout)["checks"]}
    expected = {"records"} if fault.endswith("written") else {"file-system"}
    assert {name for name, state in told.items() if state == "problem"} - {"directories"} == expected
    (project / "myservername" / ".otaopenssl").unlink(missing_ok=True)


@pytest.mark.parametrize("subcommand", ["version", "list", "x509", "pkey", "verify"])
def test_interrupted(project: Path, tmp_path: Path, real_openssl: str, subcommand: str) -> None:
    """Ctrl-C while openssl is asked ends it, with nothing printed and nothing left."""
    signalled = f'[ "$1" != {subcommand} ] || kill -INT $PPID\n'
    program = write_program(tmp_path / "openssl", f'#!/bin/bash\n{signalled}exec -a openssl {real_openssl} "$@"\n')
    before = tree(project)
    ran = run("doctor", "--openssl", str(program), cwd=project)
    assert ran == (130, "", "otaopenssl: interrupted, nothing was left behind\n")
    assert tree(project) == before


def test_the_trial_is_in_the_project_where_no_server_is(tmp_path: Path) -> None:
    """What a server directory will lie in is tried."""
    assert "the project directory" in doctor(tmp_path)["file-system"][1]


def test_a_clock_that_is_behind_openssl(project: Path, tmp_path: Path, real_openssl: str) -> None:
    """A clock that knows nothing yet of the day on which the running openssl was released is wrong."""
    answer = 'OpenSSL 3.0.19 27 Jan 2126\nOPENSSLDIR: "/usr/lib/ssl"'
    program = printing(tmp_path / "openssl", real_openssl, version=answer)
    state, words, _ = doctor(project, "--openssl", str(program))["clock"]
    assert state == "problem"
    assert "released on 2126-01-27" in words


def test_a_file_of_a_later_day(project: Path, devices: Path) -> None:
    """A CA that was written tomorrow and later was, or is, under a wrong clock; a few hours are none."""
    later = (devices / "ca.crt").stat().st_mtime + 10 * DAY
    os.utime(devices / "ca.crt", (later, later))
    state, words, _ = doctor(project)["clock"]
    assert (state, "ca.crt' is of a later day" in words) == ("warning", True)
    os.utime(devices / "ca.crt", (later - 9.5 * DAY,) * 2)
    assert doctor(project)["clock"][0] == "ok"


# The fleet root CA.


def renewed(devices: Path, *options: str) -> None:
    """Another ca.crt of the same key and usages, with these options in the making."""
    (devices.parent.parent / "ca.cnf").write_text(CA_CNF)
    arguments = ["req", "-new", "-x509", "-key", "ca.key", "-config", "../../ca.cnf", *options, "-out", "ca.crt"]
    openssl(*arguments, cwd=devices)


CA_CNF = """[req]
prompt = no
distinguished_name = dn
x509_extensions = ext
[dn]
CN = ota-devices-CA
[ext]
basicConstraints = CA:TRUE
keyUsage = keyCertSign
"""


def test_expiry(project: Path, devices: Path) -> None:
    """A CA that ends before what it signs today is a warning; an ended one is a problem, which is counted once."""
    renewed(devices, "-days", "300")
    told = doctor(project)
    assert others(told) == {"fleet-root-expiry": "warning"}
    assert "for 365 days" in told["fleet-root-expiry"][1]
    expired(devices)
    told = doctor(project)
    assert others(told) == {"fleet-root-expiry": "problem"}
    assert "expired on 2021-01-01" in told["fleet-root-expiry"][1]


def expired(devices: Path) -> None:
    """The same CA as if it had been made in 2020 for a year."""
    here = devices.parent.parent / "ca"
    here.mkdir()
    (here / "index.txt").touch()
    config = "[ca]\ndefault_ca = c\n[c]\ndatabase = index.txt\nserial = serial\nnew_certs_dir = .\npolicy = p\n"
    (here / "ca.cnf").write_text(f"{config}x509_extensions = ext\n[p]\ncommonName = supplied\n{CA_CNF}")
    key = ["-keyfile", str(devices / "ca.key")]
    openssl("req", "-new", "-config", "ca.cnf", "-key", str(devices / "ca.key"), "-out", "ca.csr", cwd=here)
    dates = ["-startdate", "20200101000000Z", "-enddate", "20210101000000Z", "-md", "sha256", "-create_serial"]
    arguments = ["-config", "ca.cnf", "-selfsign", *key, *dates, "-in", "ca.csr", "-out", str(devices / "ca.crt")]
    openssl("ca", "-batch", "-notext", *arguments, cwd=here)
    shutil.rmtree(here)


def test_expiry_by_the_teams_own_days(project: Path, devices: Path) -> None:
    """How long certificates will be valid is what the team's device.sh says."""
    assert run("procedure", "export", "ota-connect-2019.7", "own", cwd=project).status == 0
    renewed(devices, "-days", "300")
    text = project / "own" / "device.sh"
    text.write_text(text.read_text().replace("-days 365", "-days 90"))
    told = doctor(project, "--procedure", "own")
    assert others(told) == {}
    assert told["procedure"][1] == "own, of your own: differs from ota-connect-2019.7 in device.sh"
    text.write_text(text.read_text().replace("-days 90", "-days 301"))
    assert others(doctor(project, "--procedure", "own")) == {"fleet-root-expiry": "warning"}


@pytest.mark.parametrize(
    ("extensions", "saying"),
    [
        ("basicConstraints = CA:TRUE\nkeyUsage = keyCertSign\nextendedKeyUsage = serverAuth", "not fit for client"),
        ("basicConstraints = CA:FALSE", "no CA certificate"),
    ],
)
def test_an_unfit_ca(project: Path, resign: Resign, extensions: str, saying: str) -> None:
    """What no gateway accepts devices under is a problem."""
    resign(extensions)
    told = doctor(project)
    assert told["fleet-root-ca"][0] == "problem"
    assert saying in told["fleet-root-ca"][1]
    assert others(told) == {"fleet-root-ca": "problem"}


GATEWAY_FAULTS = {
    "an unknown critical extension": ("1.2.3.4 = critical,DER:0500", "problem", "error 34, "),
    "name constraints": ("nameConstraints = critical,permitted;DNS:example.com", "warning", "has name constraints"),
}


@pytest.mark.parametrize("fault", GATEWAY_FAULTS)
def test_a_ca_that_gateways_refuse(project: Path, resign: Resign, fault: str) -> None:
    """What openssl refuses ca.crt for is told, whatever its usages say; what depends on devices is a warning."""
    extension, state, words = GATEWAY_FAULTS[fault]
    resign(f"basicConstraints = CA:TRUE\nkeyUsage = keyCertSign\n{extension}")
    told = doctor(project)
    assert others(told) == {"fleet-root-trust": state}
    assert words in told["fleet-root-trust"][1]


def test_an_intermediate_ca(project: Path, devices: Path, tmp_path: Path) -> None:
    """One that another CA has signed may be meant, and a gateway that has it alone refuses all under it."""
    (tmp_path / "ext").write_text("basicConstraints = CA:TRUE\nkeyUsage = keyCertSign\n")
    openssl(
        "req",
        "-new",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-subj",
        "/CN=top",
        "-keyout",
        "k",
        "-out",
        "c",
        cwd=tmp_path,
    )
    key = str(devices / "ca.key")
    openssl("req", "-new", "-key", key, "-subj", "/CN=ota-devices-CA", "-out", "r", cwd=tmp_path)
    signing = ["-req", "-in", "r", "-CA", "c", "-CAkey", "k", "-CAcreateserial", "-extfile", "ext", "-days", "3650"]
    openssl("x509", *signing, "-out", str(devices / "ca.crt"), cwd=tmp_path)
    told = doctor(project)
    assert others(told) == {"fleet-root-trust": "warning"}
    assert told["fleet-root-trust"][1].startswith("it is not self-signed")


def test_revocation_lists(project: Path, resign: Resign) -> None:
    """A CA that may sign them is told; the guide's own may not, and that is no fault."""
    assert "may sign no revocation lists" in doctor(project)["fleet-root-revocation"][1]
    resign("basicConstraints = CA:TRUE\nkeyUsage = keyCertSign, cRLSign")
    assert doctor(project)["fleet-root-revocation"][:2] == ("ok", "may sign revocation lists")


def _another_key(devices: Path) -> None:
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "ca.key", cwd=devices)


def _encrypted(devices: Path) -> None:
    openssl("pkcs8", "-topk8", "-in", "ca.key", "-passout", "pass:x", "-out", "ca.enc", cwd=devices)
    (devices / "ca.enc").rename(devices / "ca.key")


def _dangling(devices: Path) -> None:
    (devices / "ca.crt").unlink()
    (devices / "ca.crt").symlink_to("gone")


CA_FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "another key": (_another_key, "is not the private key of"),
    "encrypted": (_encrypted, "is encrypted"),
    "garbage": (lambda devices: (devices / "ca.crt").write_bytes(b"garbage"), "expected a PEM certificate"),
    "half": (lambda devices: (devices / "ca.crt").unlink(), "'./myservername/devices/ca.crt' is missing"),
    "a link that leads nowhere": (_dangling, "is missing"),
}


@pytest.mark.parametrize("fault", CA_FAULTS)
def test_a_broken_ca(project: Path, devices: Path, fault: str) -> None:
    """What keeps the CA from signing is one problem, in the words of every other command."""
    plant, saying = CA_FAULTS[fault]
    plant(devices)
    (devices / "ca.key").chmod(0o600)
    told = doctor(project)
    assert saying in told["fleet-root-ca"][1]
    assert [name for name, state in others(told).items() if state == "problem"] == ["fleet-root-ca"]


@pytest.mark.parametrize("key", ["rsa:2048", "secp384r1", "secp256k1", "prime239v1"])
def test_other_keys(project: Path, devices: Path, key: str) -> None:
    """A CA of another type of key is told as a warning; a curve of the same size is another."""
    kind = ["-newkey", key] if key.startswith("rsa") else ["-newkey", "ec", "-pkeyopt", f"ec_paramgen_curve:{key}"]
    (project / "ca.cnf").write_text(CA_CNF)
    arguments = ["-nodes", "-days", "3650", "-config", "../../ca.cnf", "-keyout", "ca.key", "-out", "ca.crt"]
    openssl("req", "-new", "-x509", *kind, *arguments, cwd=devices)
    (devices / "ca.key").chmod(0o600)
    told = doctor(project)
    assert others(told) == {"fleet-root-key-type": "warning"}
    assert "expected EC P-256" in told["fleet-root-key-type"][1]


@pytest.mark.parametrize(
    ("mode", "state"),
    [(0o600, "ok"), (0o400, "ok"), (0o640, "warning"), (0o660, "warning"), (0o604, "problem"), (0o666, "problem")],
)
def test_key_mode(project: Path, devices: Path, mode: int, state: str) -> None:
    """A key that the group can read may be meant; one that everybody can is a problem."""
    (devices / "ca.key").chmod(mode)
    told = doctor(project)
    assert told["ca-key-mode"][0] == state
    assert others(told) == ({} if state == "ok" else {"ca-key-mode": state})


def test_key_in_git(project: Path) -> None:
    """The .gitignore of the tool keeps the key out; without it, or once it was added, it is a problem."""
    assert doctor(project)["ca-key-git"][1].endswith("is in no git repository")
    repository = Repository(project)
    told = doctor(project)
    assert told["ca-key-git"][:2] == ("ok", "'./myservername/devices/ca.key' is ignored by git")
    (project / "myservername" / ".gitignore").unlink()
    told = doctor(project)
    assert others(told) == {"ca-key-git": "problem", "other-keys": "problem"}
    subprocess.run(["bash", "-ec", told["ca-key-git"][2]], cwd=project, check=True)
    assert others(doctor(project)) == {}
    repository.git("add", "-f", "myservername/devices/ca.key")
    told = doctor(project)
    assert others(told) == {"ca-key-git": "problem"}
    assert told["ca-key-git"][1].endswith("is tracked by git")


def obeyed(told: Told, name: str, cwd: Path) -> None:
    """Carry out the first command of a hint."""
    require(shutil.which("git") is not None, "no git program in PATH")
    subprocess.run(["bash", "-ec", told[name][2].partition(", and")[0]], cwd=cwd, check=True, capture_output=True)


def test_hints_hold_from_elsewhere(project: Path, devices: Path, tmp_path: Path) -> None:
    """With '-C' as well, and through links, what a hint says mends what is told."""
    repository = Repository(project)
    repository.git("add", "-f", "myservername/devices/ca.key")
    (devices / "ca.key").chmod(0o644)
    (project / "myservername" / ".gitignore").rename(tmp_path / "patterns")
    (project / "myservername" / ".gitignore").symlink_to(tmp_path / "patterns")
    for name in ("ca-key-mode", "ca-key-git", "ca-key-git"):
        obeyed(json_of(tmp_path, project), name, tmp_path)
    assert others(doctor(project)) == {}
    assert (tmp_path / "patterns").read_text() == "*\n"


def test_a_key_in_another_repository(project: Path, devices: Path, tmp_path: Path) -> None:
    """The hint is for the repository in which the key lies, wherever the link to it stands."""
    keys = Repository(tmp_path / "keys")
    (devices / "ca.key").rename(keys.top / "ca.key")
    (devices / "ca.key").symlink_to(keys.top / "ca.key")
    keys.git("add", "ca.key")
    for state in ("tracked by git", "not ignored by git"):
        told = doctor(project)
        assert told["ca-key-git"][1].endswith(f"is {state}")
        obeyed(told, "ca-key-git", project)
    assert others(doctor(project)) == {}


def json_of(cwd: Path, project: Path) -> Told:
    """What doctor tells of a project from elsewhere."""
    document = json.loads(run("doctor", "--json", "-C", str(project), cwd=cwd).out)
    return {one["check"]: (one["state"], one["words"], one["hint"]) for one in document["checks"]}


def test_another_name_of_the_key(project: Path, devices: Path, tmp_path: Path) -> None:
    """A hard link is the key itself, wherever it lies."""
    os.link(devices / "ca.key", tmp_path / "copy")
    told = doctor(project)
    assert others(told) == {"ca-key-mode": "warning"}
    assert "has 2 names (hard links)" in told["ca-key-mode"][1]


def test_other_private_keys(project: Path) -> None:
    """The server's keys are held to the same, and so is what git has of the devices'."""
    for arguments in (["server"], ["device", "--uuid", "d0"]):
        assert run(*arguments, cwd=project).status == 0
    server_dir = project / "myservername"
    assert others(doctor(project)) == {}
    for name in ("ca.key", "server.key"):
        for mode, state in ((0o666, "problem"), (0o640, "warning")):
            (server_dir / name).chmod(mode)
            assert others(doctor(project)) == {"other-keys": state}
        (server_dir / name).chmod(0o600)
    repository = Repository(project)
    for path in ("ca.key", "server.key", "devices/d0/pkey.pem", "devices/d0/pkey.ec.pem"):
        repository.git("add", "-f", f"myservername/{path}")
        told = doctor(project)
        assert others(told) == {"other-keys": "problem"}, path
        assert "more such" not in told["other-keys"][1]
        obeyed(told, "other-keys", project)
    repository.git("add", "-f", "myservername/devices/d0/client.pem")
    assert others(doctor(project)) == {}
    (server_dir / ".gitignore").write_text("/devices/ca.key\n/*.key\n")
    told = doctor(project)
    assert others(told) == {"other-keys": "problem"}
    assert "'./myservername/devices/…/pkey.pem' is not ignored by git" in told["other-keys"][1]


def test_an_index_that_cannot_be_read(project: Path) -> None:
    """What cannot be told is said, as a warning."""
    Repository(project).write(".git/index", "garbage")
    told = doctor(project)
    assert others(told) == {"ca-key-git": "warning", "other-keys": "warning"}
    assert told["ca-key-git"][1].startswith("cannot tell whether git tracks")


# Who can replace what devices are made by.


WRITABLE = [".", "myservername", "myservername/devices", "myservername/devices/ca.crt", "certs", "certs/client.ext"]


@pytest.mark.parametrize("place", [*WRITABLE, "approval.json", "own", "own/device.sh"])
def test_what_others_can_write(project: Path, place: str) -> None:
    """What everybody can write is a problem, what a group of others can a warning; the hint mends either."""
    for arguments in (["procedure", "export", "ota-connect-2019.7", "own"], ["config", "render"]):
        assert run(*arguments, cwd=project).status == 0
    assert run("approve", "--procedure", "own", cwd=project).status == 0
    path = project / place
    mode = path.stat().st_mode
    states = {0o002: "problem", 0o1002: "problem"}
    if os.geteuid() == 0:
        os.chown(path, -1, GROUP)
        states[0o020] = "warning"
    for more, state in states.items():
        path.chmod(mode | more)
        told = doctor(project, "--procedure", "own")
        assert others(told) == {"owners": state}
        subprocess.run(["bash", "-ec", told["owners"][2]], cwd=project, check=True)
    assert others(doctor(project, "--procedure", "own")) == {}


# In which nobody is.
GROUP = 54321


@pytest.mark.parametrize(("mode", "state"), [(0o777, "problem"), (0o1777, "ok"), (0o755, "ok")])
def test_directories_above(project: Path, tmp_path: Path, mode: int, state: str) -> None:
    """One that everybody can write is a problem, since the project can be renamed; with a sticky bit it is none."""
    above = tmp_path / "above"
    above.mkdir()
    project.rename(above / "project")
    above.chmod(mode)
    assert doctor(above / "project")["owners"][0] == state
    (tmp_path / "link").symlink_to(above / "project")
    assert doctor(tmp_path / "link")["owners"][0] == state


def test_owners(project: Path, devices: Path) -> None:
    """What another owns is a problem; where all of the project is another's, whoever runs it knows; his own is fine."""
    require(os.geteuid() == 0, "this is not root, who alone can give files away")
    os.chown(devices / "ca.key", GROUP, GROUP)
    told = doctor(project)
    assert others(told) == {"owners": "problem"}
    assert told["owners"][1] == f"'./myservername/devices/ca.key' is owned by user {GROUP}, expected 0"
    subprocess.run(["bash", "-ec", told["owners"][2]], cwd=project, check=True)
    assert others(doctor(project)) == {}
    for path in (project, *project.rglob("*")):
        os.chown(path, GROUP, GROUP)
    told = doctor(project)
    assert others(told) == {"owners": "warning"}
    assert told["owners"][2].startswith(f"run as user {GROUP}, ")


# What else is in the server directory.


def test_serials(project: Path, devices: Path) -> None:
    """A ca.srl that no number can be taken from is a problem."""
    (devices / "ca.srl").write_text("garbage\n")
    assert others(doctor(project)) == {"serials": "problem"}
    (devices / "ca.srl").write_text("7F" + "FF" * 19 + "\n")
    assert others(doctor(project)) == {"serials": "problem"}
    (devices / "ca.srl").write_text("1000\n")
    assert others(doctor(project)) == {}


def test_server_ca(project: Path) -> None:
    """Whether there is one is told; half of one is a warning."""
    server_dir = project / "myservername"
    assert doctor(project)["server-ca"][1] == "no server_ca.pem: devices get no ca.pem"
    assert run("server", cwd=project).status == 0
    assert doctor(project)["server-ca"][1] == "a server CA and a server certificate are there"
    for name in set(SERVER_NAMES) - {"server_ca.pem"}:
        (server_dir / name).unlink()
    assert doctor(project)["server-ca"][1] == "server_ca.pem is there"
    (server_dir / "server.key").touch(0o600)
    assert others(doctor(project)) == {"server-ca": "warning"}


def test_previous(project: Path, devices: Path) -> None:
    """Devices that a renewal has replaced are counted, and one that a dead run left half-way; they are no devices."""
    assert doctor(project)["previous"][:2] == ("ok", "no device was renewed")
    for command in ("device --uuid u1", "renew u1", "renew u1"):
        assert run(*command.split(), cwd=project).status == 0
    told = doctor(project)["previous"][:2]
    assert told == ("ok", "2 that were renewed are kept in ./myservername/previous, keys included")
    previous = devices.parent / "previous"
    kept = min(previous.glob("u1/*"))
    (previous / ".renewing").mkdir()
    kept.rename(previous / ".renewing" / f"u1,{'0' * 64}")
    told = doctor(project)["previous"][:2]
    assert told == ("ok", "renewals: 1 under way, or left by runs that died, which the next run finishes")
    assert run("device", cwd=project).status == 0
    assert len(list(previous.glob("u1/*"))) == 2
    assert not (previous / ".renewing").exists()


def test_workbenches(project: Path) -> None:
    """What a dead run left is told; a living one's is not."""
    folder = project / "myservername" / ".otaopenssl"
    for name in ("run-1", "run-2"):
        (folder / name).mkdir(parents=True)
    held = locks.take(folder / "run-2" / "lock")
    assert doctor(project)["workbenches"][:2] == ("ok", "1 left by runs that died, which the next run removes")
    os.close(held)
    shutil.rmtree(folder)


def test_devices_that_may_not_be_read(project: Path, devices: Path) -> None:
    """Where the devices directory cannot be looked into, nobody is told to make a fleet root CA."""
    require(not POWERLESS or shutil.which("setpriv") is not None, "no setpriv in PATH, and this is root")
    devices.chmod(0)
    for command in (["doctor", "--json"], ["device"]):
        words = [*POWERLESS, sys.executable, "-m", "otaopenssl", *command]
        ran = subprocess.run(words, cwd=project, capture_output=True, text=True, check=False)
        assert "'./myservername/devices' cannot be read: permission denied" in ran.stdout + ran.stderr
        assert "otaopenssl root" not in ran.stdout + ran.stderr
        assert "such as ext4" not in ran.stdout
    devices.chmod(0o755)


BROKEN = b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize("content", [b"garbage", None, BROKEN])
def test_a_server_ca_that_is_none(project: Path, content: bytes | None) -> None:
    """What each device's ca.pem would lead to must be a certificate: junk and a link that leads nowhere are none."""
    path = project / "myservername" / "server_ca.pem"
    if content is None:
        path.symlink_to("gone")
    else:
        path.write_bytes(content)
    assert others(doctor(project)) == {"server-ca": "problem"}


def test_records_that_are_gone(project: Path) -> None:
    """Records without the chain that names them are a problem, and so is a chain that names what is not there."""
    assert run("device", cwd=project).status == 0
    records = project / "myservername" / "records"
    sums = (records / "SHA256SUMS").read_bytes()
    for plant in (lambda: (records / "SHA256SUMS").write_bytes(b""), (records / "SHA256SUMS").unlink):
        plant()
        told = doctor(project)
        assert others(told) == {"records": "problem"}
        assert "is empty or gone, and there are records" in told["records"][1]
        assert run("device", cwd=project).status == 4
    (records / "SHA256SUMS").write_bytes(sums)
    assert others(doctor(project)) == {}
    for path in records.glob("2*"):
        shutil.rmtree(path)
    told = doctor(project)
    assert others(told) == {"records": "problem"}
    assert told["records"][1].startswith(f"{len(sums.splitlines())} that SHA256SUMS names are gone: 2")


def test_records(project: Path) -> None:
    """A cut chain of records is a problem; a dead run's record a warning."""
    sums = project / "myservername" / "records" / "SHA256SUMS"
    (sums.parent / ".open").mkdir()
    marker = sums.parent / ".open" / "20261129T120000Z-0123456789ab"
    marker.write_text("")
    told = doctor(project)
    assert others(told) == {"dead-runs": "warning"}
    assert marker.name in told["dead-runs"][1]
    marker.unlink()
    held = locks.take(marker)
    assert others(doctor(project)) == {}
    marker.unlink()
    os.close(held)
    sums.write_bytes(sums.read_bytes()[:-5])
    assert others(doctor(project)) == {"records": "problem"}


# What is audited.


def test_config_files(project: Path) -> None:
    """A file of the team's own is a warning, which may be approved; one that cannot be used is a problem."""
    assert run("config", "render", cwd=project).status == 0
    extensions = project / "certs" / "client.ext"
    extensions.write_text(extensions.read_text() + "# our own\n")
    told = doctor(project)
    assert others(told) == {"config-difference": "warning"}
    assert "certs/client.ext differs" in told["config-difference"][1]
    extensions.write_text("")
    assert others(doctor(project)) == {"config-difference": "warning", "config-files": "problem"}


def test_files_that_no_device_needs(project: Path) -> None:
    """Where certs/ cannot be written only what devices are made by has to be there; another's fault is a warning."""
    require(not POWERLESS or shutil.which("setpriv") is not None, "no setpriv in PATH, and this is root")
    assert run("config", "render", cwd=project).status == 0
    certs = project / "certs"
    for name in ("server.cnf", "server.ext", "client.ext"):
        path = certs / name
        content = path.read_bytes()
        path.unlink()
        certs.chmod(0o555)
        words = [*POWERLESS, sys.executable, "-m", "otaopenssl", "doctor", "--json"]
        ran = subprocess.run(words, cwd=project, capture_output=True, text=True, check=False)
        certs.chmod(0o755)
        told = {one["check"]: one["state"] for one in json.loads(ran.stdout)["checks"]}
        assert told["config-files"] == ("problem" if name == "client.ext" else "ok")
        path.write_bytes(b"[")
        assert doctor(project)["config-files"][0] == ("problem" if name == "client.ext" else "warning")
        path.write_bytes(content)


def test_files_of_a_root_that_is_to_come(project: Path, devices: Path) -> None:
    """What root.sh names keeps a project from devices only where there is no fleet root CA yet."""
    assert run("config", "render", cwd=project).status == 0
    (project / "certs" / "device_ca.cnf").write_text("[")
    assert doctor(project)["config-files"][0] == "warning"
    (devices / "ca.crt").unlink()
    assert doctor(project)["config-files"][0] == "problem"


def test_a_text_that_is_refused(project: Path) -> None:
    """A team's own text that does not parse is a problem with file and line."""
    assert run("procedure", "export", "ota-connect-2019.7", "own", cwd=project).status == 0
    (project / "own" / "device.sh").write_text("rm -rf /\n")
    told = doctor(project, "--procedure", "own")
    assert others(told)["procedure"] == "problem"
    assert "own/device.sh, line 1: the program 'rm'" in told["procedure"][1]
    assert doctor(project, "--procedure", "none")["procedure"][0] == "problem"


def test_approval(project: Path) -> None:
    """None is told, one that holds as well; where today differs it is a problem with the first difference."""
    assert "no approval.json" in doctor(project)["approval"][1]
    for arguments in (["config", "render"], ["approve"]):
        assert run(*arguments, cwd=project).status == 0
    told = doctor(project)
    assert others(told) == {}
    assert told["approval"][1] == "nothing differs from approval.json"
    (project / "certs" / "client.ext").write_text("extendedKeyUsage = clientAuth\n")
    told = doctor(project)
    assert others(told) == {"approval": "problem", "config-difference": "warning"}
    assert "1 difference from approval.json: certs/client.ext: expected sha256" in told["approval"][1]
    (project / "approval.json").write_text("{")
    told = doctor(project)
    assert {name for name, state in others(told).items() if state == "problem"} == {"approval", "openssl"}


def test_an_openssl_that_is_not_approved(project: Path, logging_openssl: tuple[Path, Path]) -> None:
    """It is never started; what would need it is not tried, and the rest is looked at."""
    program, log = logging_openssl
    for arguments in (["config", "render"], ["approve"]):
        assert run(*arguments, cwd=project).status == 0
    told = doctor(project, "--openssl", str(program))
    assert not log.exists()
    assert told["openssl"][0] == "problem"
    assert told["openssl"][1].startswith("not approved: ")
    assert told["fleet-root-ca"][:2] == ("warning", "not tried")
    assert told["ca-key-mode"][0] == "ok"


def test_a_policy(project: Path, tmp_path: Path) -> None:
    """What the host demands is told, and a demand that is not met is a problem."""
    (tmp_path / "policy.json").write_text('{"require_approval": true}')
    script = f"""
mkdir -p "$2"; mount -t tmpfs none "$2"; cp -r /etc/ssl "$2/" 2>/dev/null || true
mkdir "$2/otaopenssl"; cp "$1/policy.json" "$2/otaopenssl/"
mount --bind "$2" /etc
{sys.executable} -m otaopenssl doctor --json -C "$3" """
    ran = in_namespace(script, str(tmp_path), str(tmp_path / "etc"), str(project))
    told = {one["check"]: one for one in json.loads(ran.stdout)["checks"]}
    assert told["policy"]["words"] == "this host demands an approval"
    assert told["approval"]["state"] == "problem"
    assert "there is no approval.json" in told["approval"]["words"]


def test_defaults(project: Path) -> None:
    """A malformed otaopenssl.toml, which ends every other command, is a problem beside the others."""
    (project / "otaopenssl.toml").write_text("jobs = 'many'\n")
    told = doctor(project)
    assert others(told) == {"defaults": "problem"}
    (project / "otaopenssl.toml").write_text("server_name = 'other'\n")
    assert "'./other/devices'" in doctor(project)["fleet-root-ca"][1]


# Whatever the project looks like.


def _to(kind: str) -> Callable[[Path], object]:
    """What puts something else in the place of a path."""

    def plant(path: Path) -> None:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        if kind == "file":
            path.write_bytes(b"\0\xff garbage")
        elif kind == "directory":
            path.mkdir()
        elif kind == "loop":
            path.symlink_to(path.name)
        elif kind == "dangling":
            path.symlink_to("nowhere")
        elif kind == "fifo":
            os.mkfifo(path)
        else:
            with socket.socket(socket.AF_UNIX) as one:
                here = Path.cwd()
                os.chdir(path.parent)
                one.bind(path.name)
                os.chdir(here)

    return plant


PLACES = (
    "myservername",
    "myservername/devices",
    "myservername/devices/ca.key",
    "myservername/devices/ca.crt",
    "myservername/devices/ca.srl",
    "myservername/.otaopenssl",
    "myservername/.otaopenssl/run-1",
    "myservername/.otaopenssl/run-1/lock",
    "myservername/records",
    "myservername/records/.open",
    "myservername/records/.open/20261129T120000Z-0123456789ab",
    "myservername/records/SHA256SUMS",
    "myservername/.gitignore",
    "myservername/server_ca.pem",
    "certs",
    "certs/client.cnf",
    "approval.json",
    "approval.json.p7s",
    "otaopenssl.toml",
    ".git",
    ".git/index",
    ".git/info/exclude",
    ".git/commondir",
)


@pytest.mark.parametrize("kind", ["file", "directory", "loop", "dangling", "fifo", "socket"])
def test_anything_in_the_place_of_anything(project: Path, kind: str) -> None:
    """Every check comes to something, whatever lies where, and nothing is left or changed."""
    for number, place in enumerate(PLACES):
        here = project.parent / f"p{number}"
        shutil.copytree(project, here, symlinks=True)
        if place.startswith(".git/"):
            Repository(here)
        _to(kind)(here / place)
        if place.startswith("myservername/.otaopenssl/"):
            # A run that died in the folder had made its lock.
            (here / "myservername" / ".otaopenssl" / "lock").touch(0o600)
        before = tree(here)
        doctor(here)
        # An empty hidden folder is what a dead run leaves: whoever holds it next removes it.
        if (kind, place) == ("directory", "myservername/.otaopenssl"):
            del before[place]
        assert tree(here) == before, place


@pytest.mark.parametrize("mode", [0o000, 0o500], ids=oct)
def test_what_may_not_be_read(project: Path, mode: int) -> None:
    """Of what may not be read, or not be written, the same: every check comes to something, and without a traceback."""
    require(not POWERLESS or shutil.which("setpriv") is not None, "no setpriv in PATH, and this is root")
    for arguments in (["device"], ["config", "render"], ["approve"]):
        assert run(*arguments, cwd=project).status == 0
    Repository(project)
    (project / "myservername" / ".otaopenssl" / "run-1").mkdir(parents=True)
    (project / "myservername" / "records" / ".open").mkdir()
    command = [*POWERLESS, sys.executable, "-m", "otaopenssl", "doctor", "--json"]
    problems = set()
    for place in (".", *PLACES):
        path = project / place
        if not path.exists():
            continue
        before = path.stat().st_mode
        path.chmod(mode)
        # The working directory is given up where it may not be entered.
        ran = subprocess.run([*command, "-C", str(project)], cwd="/", capture_output=True, text=True, check=False)
        path.chmod(before)
        assert "Traceback" not in ran.stderr, (place, ran.stderr)
        assert ran.returncode in (0, 1, 2), (place, ran.stderr)
        if ran.stdout:
            found = {one["check"]: one["state"] for one in json.loads(ran.stdout)["checks"]}
            problems |= {name for name, state in found.items() if state == "problem"}
    assert {"directories", "file-system"} <= problems
    assert mode or {"fleet-root-ca", "config-files", "records", "serials", "approval"} <= problems
    shutil.rmtree(project / "myservername" / ".otaopenssl")
