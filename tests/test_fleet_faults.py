"""Faults in a fleet: one bad device keeps no other from being made; what would come to the same stops it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Resign, run, tree
from tests.fleets import ended, failing, names, program_that, started, there, until, waiting_for, whole, write_ids
from tests.test_hostile import cli, in_namespace


def test_a_failing_device_does_not_stop_the_others(
    project: Path, devices: Path, tmp_path: Path, real_openssl: str
) -> None:
    """The rest is made, the failures are listed with their reason, and the same command makes them later."""
    write_ids(project / "ids", names(8))
    program = failing(tmp_path / "openssl", real_openssl, ["d002", "d005"])
    ran = run("fleet", "--ids", "ids", "--openssl", str(program), cwd=project)
    assert (ran.status, ran.out, len(ran.error_lines)) == (5, "./myservername/devices\n", 1)
    assert ran.error_lines == ["otaopenssl: error: 2 of 8 devices failed"]
    told = [line for line in ran.err.splitlines() if line.startswith("  d0")]
    assert sorted(told) == [f"  {uuid}: step 'req -new' ended with exit status 7: no luck" for uuid in ("d002", "d005")]
    assert "hint: mend what is told above, then run the same command again\n" in ran.err
    made = whole(devices)
    assert sorted(made) == [uuid for uuid in names(8) if uuid not in ("d002", "d005")]
    again = run("fleet", "--ids", "ids", cwd=project)
    assert again.status == 0, again.err
    assert "2 made, 6 there already" in again.err
    assert {uuid: serial for uuid, serial in whole(devices).items() if uuid in made} == made


@pytest.mark.parametrize("step", ["ecparam", "ec", "pkcs8", "x509"])
def test_a_failure_at_any_step(project: Path, devices: Path, tmp_path: Path, real_openssl: str, step: str) -> None:
    """Whichever command fails, nothing of its device is left, and its neighbours in the workbench are whole."""
    write_ids(project / "ids", names(3))
    program = failing(tmp_path / "openssl", real_openssl, ["d001"], step)
    ran = run("fleet", "--ids", "ids", "--jobs", "1", "--openssl", str(program), cwd=project)
    assert ran.status == 5, ran.err
    assert "  d001: step '" in ran.err
    assert sorted(whole(devices)) == ["d000", "d002"]


def test_a_failed_device_leaves_its_space(project: Path, tmp_path: Path, real_openssl: str) -> None:
    """What was staged of a device that failed is gone before the next one begins in the same workbench."""
    seen = tmp_path / "seen"
    failing(tmp_path / "fails", real_openssl, ["d000", "d001"], "x509")
    look = f'[ "$1" = ecparam ] && echo myservername/devices/d* >> {seen}'
    program = program_that(tmp_path / "openssl", str(tmp_path / "fails"), look)
    write_ids(project / "ids", names(8))
    assert run("fleet", "--ids", "ids", "-j", "1", "--openssl", str(program), cwd=project).status == 5
    assert seen.read_text().splitlines() == [f"myservername/devices/{uuid}" for uuid in names(8)]


def test_an_empty_certificate_is_a_failure(project: Path, devices: Path, tmp_path: Path, real_openssl: str) -> None:
    """An openssl that exits 0 and writes nothing, or another device's certificate, does not make a device."""
    other = tmp_path / "other.pem"
    program = program_that(
        tmp_path / "openssl",
        real_openssl,
        f"""out=${{@: -1}}
if [ "$1 $2" = "x509 -req" ]; then
  case $DEVICE_UUID in
    d000) {real_openssl} "$@" && cp "$out" {other}; exit;;
    d001) : > "$out"; exit 0;;
    d002) cp {other} "$out"; exit 0;;
  esac
fi""",
    )
    write_ids(project / "ids", names(4))
    ran = run("fleet", "--ids", "ids", "--jobs", "1", "--openssl", str(program), cwd=project)
    assert ran.status == 5, ran.err
    assert "  d001: step 'x509 -req' left './myservername/devices/d001/client.pem' empty" in ran.err
    assert "  d002: " in ran.err
    assert sorted(whole(devices)) == ["d000", "d003"]


def test_fail_fast(project: Path, devices: Path, tmp_path: Path, real_openssl: str) -> None:
    """``--fail-fast`` tries none after the first failure; what is there is whole."""
    write_ids(project / "ids", names(20))
    # The one that has begun by then is slow enough for what waits behind it to be dropped.
    failing(tmp_path / "fails", real_openssl, ["d002"])
    slow = '[ "$1 $DEVICE_UUID" = "pkcs8 d003" ] && sleep 1'
    program = program_that(tmp_path / "openssl", str(tmp_path / "fails"), slow)
    ran = run("fleet", "--ids", "ids", "-j", "1", "--fail-fast", "--openssl", str(program), cwd=project)
    assert ran.status == 5, ran.err
    (line,) = ran.error_lines
    assert "error: 1 of 20 devices failed" in line
    assert line.endswith(": a device failed, and '--fail-fast' was given")
    made = whole(devices)
    assert {"d000", "d001"} <= set(made) <= {"d000", "d001", "d003"}
    assert f" {19 - len(made)} not tried: " in line


def test_a_fleet_that_cannot_be_made(project: Path, devices: Path, tmp_path: Path, real_openssl: str) -> None:
    """Where none of the first 20 devices can be made the others are not tried, and a plan stays to go on from."""
    program = program_that(tmp_path / "openssl", real_openssl, '[ "$1" = ecparam ] && { echo no luck >&2; exit 7; }')
    ran = run("fleet", "--count", "400", "-j", "2", "--openssl", str(program), cwd=project)
    assert ran.status == 5, ran.err
    (line,) = ran.error_lines
    assert "not tried: none of the first " in line
    failed = int(line.split("error: ")[1].split()[0])
    assert 20 <= failed < 120
    assert there(devices) == set()
    (plan,) = devices.parent.glob("fleet-*.ids")
    assert len(plan.read_text().splitlines()) == 401
    again = f"the same command with '--ids ./myservername/{plan.name}' in place of '--count 400'"
    assert f", then run {again}\n" in ran.err


def when_made(count: int, name: str, lines: str, tmp_path: Path, real: str, devices: Path) -> Path:
    """A program in openssl's place that does the lines once, at a key, when ``count`` devices are there."""
    return program_that(
        tmp_path / name,
        real,
        f'[ "$1" = ecparam ] && [ "$(ls -d {devices}/d* 2>/dev/null | wc -l)" -ge {count} ]'
        f" && mkdir {tmp_path}/{name}.once 2>/dev/null && {{ {lines}; }}",
    )


@pytest.mark.parametrize("what", ["devices/ca.key", "devices/ca.crt", "client.ext"])
def test_what_vanishes(project: Path, devices: Path, tmp_path: Path, real_openssl: str, what: str) -> None:
    """A CA or a config file that goes halfway ends the fleet with the reason; once it is back the rest is made."""
    path = project / ("certs" if what == "client.ext" else "myservername") / what
    assert run("config", "render", cwd=project).status == 0
    write_ids(project / "ids", names(80))
    program = when_made(4, "openssl", f"mv {path} {tmp_path}/away", tmp_path, real_openssl, devices)
    ran = run("fleet", "--ids", "ids", "-j", "2", "--openssl", str(program), cwd=project)
    assert (ran.status, len(ran.error_lines)) == (5, 1), ran.err
    if what == "client.ext":
        assert "'./certs/client.ext'" in ran.error_lines[0] or "'certs/client.ext'" in ran.error_lines[0]
    else:
        assert f"'./myservername/{what}' cannot be read, and could when the run began" in ran.error_lines[0]
    assert " not tried: " in ran.error_lines[0]
    (tmp_path / "away").rename(path)
    made = whole(devices)
    assert 4 <= len(made) < 40
    write_ids(project / "ids", sorted(made) + names(4, "more"))
    again = run("fleet", "--ids", "ids", cwd=project)
    assert again.status == 0, again.err
    assert f"4 made, {len(made)} there already" in again.err
    assert whole(devices, but=made).keys() == set(names(4, "more"))


def test_a_ca_that_is_exchanged(
    project: Path, devices: Path, tmp_path: Path, real_openssl: str, resign: Resign
) -> None:
    """Another ca.crt halfway ends the fleet; no device is of two CAs."""
    kept = (devices / "ca.crt").read_bytes()
    resign("basicConstraints = critical, CA:true\n")
    other = tmp_path / "other.crt"
    (devices / "ca.crt").rename(other)
    (devices / "ca.crt").write_bytes(kept)
    write_ids(project / "ids", names(80))
    program = when_made(3, "openssl", f"mv {other} {devices}/ca.crt", tmp_path, real_openssl, devices)
    ran = run("fleet", "--ids", "ids", "-j", "2", "--openssl", str(program), cwd=project)
    assert ran.status == 5, ran.err
    assert "'./myservername/devices/ca.crt' is another file than when the run began" in ran.error_lines[0]
    (devices / "ca.crt").write_bytes(kept)
    assert 3 <= len(whole(devices)) < 40


def test_config_files_are_rendered_once(project: Path, devices: Path) -> None:
    """A fleet renders certs/ where it is missing, and keeps what is there."""
    shutil.rmtree(project / "certs")
    assert run("fleet", "--count", "2", cwd=project).status == 0
    before = tree(project / "certs")
    assert set(before) == {"client.cnf", "client.ext"}
    assert run("fleet", "--count", "2", cwd=project).status == 0
    assert tree(project / "certs") == before
    assert len(whole(devices)) == 4


@pytest.mark.parametrize("options", ["", "--out issued.csv"])
def test_full_disk(project: Path, options: str) -> None:
    """On a full disk every device is whole or absent, the reason is told once, and with space the rest is made."""
    write_ids(project / "ids", names(24))
    assert run("config", "render", cwd=project).status == 0
    script = f"""
mount -t tmpfs -o size=440k tmpfs "$2"
cp -a "$1/." "$2"
cd "$2"
status=0; {cli()} fleet --ids ids -j 2 {options} >out 2>/dev/shm/first.$$ || status=$?
cat /dev/shm/first.$$ >&2; rm /dev/shm/first.$$
ls -A myservername
mount -o remount,size=8m "$2"
devices=$(cd myservername/devices; ls -d d*)
echo "$status" $devices
for device in $devices; do
  openssl verify -purpose sslclient -CAfile myservername/devices/ca.crt myservername/devices/"$device"/client.pem
  [ -s myservername/devices/"$device"/pkey.pem ]
done
status=0; {cli()} fleet --ids ids {options} || status=$?
echo "$status" $(ls myservername/devices | grep -c ^d) $(cat issued.csv | wc -l)
openssl verify -purpose sslclient -CAfile myservername/devices/ca.crt myservername/devices/d*/client.pem
"""
    mount = project.parent / "mount"
    mount.mkdir()
    ran = in_namespace(script, str(project), str(mount))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    lines = ran.stdout.splitlines()
    assert ".otaopenssl" not in lines
    status, *made = next(line for line in lines if line.startswith(("0 ", "1 ", "4 ", "5 "))).split()
    assert status == "5"
    assert 0 < len(made) < 24
    assert "is full" in ran.stderr
    rows = "25" if options else "0"
    assert f"0 24 {rows}" in lines, ran.stdout + ran.stderr
    assert ran.stdout.count("client.pem: OK") == len(made) + 24
    assert ran.stderr.count("otaopenssl: error:") == 1
    assert "Traceback" not in ran.stderr


def test_a_list_that_cannot_be_written_stops_the_fleet(project: Path, devices: Path) -> None:
    """Where ``--out`` fails, what was made is whole, and the error says which file it was."""
    write_ids(project / "ids", names(30))
    command = [sys.executable, "-m", "otaopenssl", "fleet", "--ids", "ids", "--out", "-", "-j", "2"]
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(command, cwd=project, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert ran.returncode == 5, ran.stderr
    assert "standard output' cannot be written: no space left on device" in ran.stderr
    assert ran.stderr.count("otaopenssl: error:") == 1
    assert "Traceback" not in ran.stderr
    assert 0 < len(whole(devices)) <= 30


def test_devices_that_another_run_makes_meanwhile(
    project: Path, devices: Path, tmp_path: Path, real_openssl: str
) -> None:
    """A device that another run publishes while this one is at it is there already, and is not made over."""
    go = tmp_path / "go"
    program = program_that(
        tmp_path / "openssl",
        real_openssl,
        f'[ "$1 $DEVICE_UUID" = "req d001" ] && {{ touch {go}; {waiting_for(devices / "d001")}; }}',
    )
    write_ids(project / "ids", names(3))
    with started("fleet", "--ids", "ids", "-j", "1", "--openssl", str(program), cwd=project) as process:
        until(go.exists, process)
        assert run("device", "--uuid", "d001", cwd=project).status == 0
        first = tree(devices / "d001")
        ran = ended(process)
    assert ran.status == 0, ran.err
    assert "fleet of 3 devices: 2 made, 1 there already" in ran.err
    assert tree(devices / "d001") == first
    assert len(whole(devices)) == 3


def test_left_over_workbenches(project: Path, devices: Path, tmp_path: Path, real_openssl: str) -> None:
    """The next fleet removes the workbenches of dead runs, never those of a live one."""
    program = program_that(
        tmp_path / "openssl",
        real_openssl,
        f'[ "$1" = pkcs8 ] && {{ touch {tmp_path}/at.$DEVICE_UUID; {waiting_for(tmp_path / "go")}; }}',
    )
    write_ids(project / "slow", names(2, "slow"))
    with started("fleet", "--ids", "slow", "-j", "2", "--openssl", str(program), cwd=project) as live:
        until(lambda: len(list(tmp_path.glob("at.*"))) == 2, live)
        hidden = devices.parent / ".otaopenssl"
        living = {path.name for path in hidden.glob("run-*")}
        assert len(living) == 2
        with started("fleet", "--count", "2", "-j", "2", "--openssl", str(program), cwd=project) as dead:
            until(lambda: len(list(tmp_path.glob("at.*"))) == 4, dead)
            dead.kill()
            dead.wait()
        assert len(list(hidden.glob("run-*"))) == 4
        assert run("fleet", "--count", "1", cwd=project).status == 0
        assert {path.name for path in hidden.glob("run-*")} == living
        (tmp_path / "go").touch()
        ran = ended(live)
    assert ran.status == 0, ran.err
    assert set(names(2, "slow")) < set(whole(devices))
    assert len(there(devices)) == 3
