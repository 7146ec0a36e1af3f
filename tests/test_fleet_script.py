"""The dry-run of a fleet: a script that makes the same tree, one device after another, and nothing until it runs."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import GUIDE_PATH, run, tree, write_program
from tests.fleets import failing, there, whole, write_ids
from tests.test_fleet import read_log

STYLES = ("guide", "argv")
LIST = "uuid,device_id\nv1,id-1\nv2,\nV3:a.b,v3\n"


def shape(directory: Path) -> dict[str, str]:
    """Names, types, modes and where links lead, without what the files hold."""
    return {
        name: what if what.startswith("link") else what.rpartition(" ")[0] or what
        for name, what in tree(directory).items()
    }


def bash(script: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    """Run a script in an environment that holds the guide's PATH alone."""
    command = ["env", "-i", f"PATH={GUIDE_PATH}", "bash", "-c", script]
    return subprocess.run(command, cwd=cwd, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)


@pytest.mark.parametrize("has_server_ca", [False, True], ids=["", "server_ca"])
@pytest.mark.parametrize("style", STYLES)
def test_the_script_makes_the_same_tree(project: Path, devices: Path, style: str, has_server_ca: bool) -> None:
    """Names, types and modes are those of the run with the same list, also where certs/ is rendered first."""
    (project / "ids.csv").write_text(LIST)
    shutil.rmtree(project / "certs")
    if has_server_ca:
        (devices.parent / "server_ca.pem").write_text("a certificate\n")
    kept = project.parent / "kept"
    shutil.copytree(project, kept, symlinks=True)
    script = run("fleet", "-n", "--style", style, "--ids", "ids.csv", cwd=project).out
    ran = bash(script, Path("/"))
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.endswith("\n./myservername/devices\n")
    by_script = shape(project)
    assert set(whole(devices)) == {"v1", "v2", "V3:a.b"}
    shutil.rmtree(project)
    kept.rename(project)
    made = run("fleet", "--ids", "ids.csv", cwd=project)
    assert made.status == 0, made.err
    assert shape(project) == by_script
    assert sum(name.endswith("/ca.pem") for name in by_script) == (3 if has_server_ca else 0)


@pytest.mark.parametrize("style", STYLES)
def test_the_script_runs_the_same_commands(project: Path, logging_openssl: tuple[Path, Path], style: str) -> None:
    """Each device's commands have the argv and the DEVICE_UUID that they have in the run."""
    program, log = logging_openssl
    (project / "ids.csv").write_text(LIST)
    arguments = ["fleet", "--ids", "ids.csv", "--openssl", str(program)]
    script = run(*arguments, "-n", "--style", style, cwd=project).out
    assert not log.exists()
    assert bash(script, Path("/")).returncode == 0
    by_script = sorted((environment["DEVICE_UUID"], argv) for argv, environment in read_log(log))
    log.unlink()
    for name in ("v1", "v2", "V3:a.b"):
        shutil.rmtree(project / "myservername" / "devices" / name)
    assert run(*arguments, cwd=project).status == 0
    by_run = sorted(
        (environment["DEVICE_UUID"], argv) for argv, environment in read_log(log) if "DEVICE_UUID" in environment
    )
    assert len(by_run) == 18
    assert by_script == by_run


@pytest.mark.parametrize("style", STYLES)
def test_a_device_that_fails_in_the_script(
    project: Path, devices: Path, tmp_path: Path, real_openssl: str, style: str
) -> None:
    """It leaves nothing, the others are made, and the script ends with 5; run again it makes the rest."""
    write_ids(project / "ids", ["u1", "u2", "u3", "u4"])
    mark = tmp_path / "mended"
    failing(tmp_path / "fails", real_openssl, ["u2", "u3"], "req")
    program = write_program(
        tmp_path / "openssl", f'#!/bin/bash\n[ -e {mark} ] && exec {real_openssl} "$@"\nexec {tmp_path}/fails "$@"\n'
    )
    script = run("fleet", "-n", "--style", style, "--ids", "ids", "--openssl", str(program), cwd=project).out
    ran = bash(script, Path("/"))
    assert ran.returncode == 5, ran.stderr
    assert "device u2 failed\n" in ran.stderr
    assert "device u3 failed\n" in ran.stderr
    assert ran.stderr.endswith("2 devices failed\n")
    first = whole(devices)
    assert set(first) == {"u1", "u4"}
    mark.touch()
    again = bash(script, Path("/"))
    assert again.returncode == 0, again.stderr
    assert "./myservername/devices/u1 is there already\n" in again.stderr
    after = whole(devices)
    assert set(after) == {"u1", "u2", "u3", "u4"}
    assert first.items() <= after.items()


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("options", [["--ids", "ids"], ["--count", "3", "--json"]], ids=["ids", "count"])
def test_a_dry_run_does_nothing(project: Path, tmp_path: Path, options: list[str], style: str) -> None:
    """It writes nothing, no plan either, starts no openssl, and needs no fleet root CA."""
    mark = tmp_path / "mark"
    program = write_program(tmp_path / "openssl", f"#!/bin/bash\ntouch {mark}\n")
    write_ids(project / "ids", ["u1"])
    shutil.rmtree(project / "myservername")
    before = tree(project)
    ran = run("fleet", "-n", "--style", style, *options, "--openssl", str(program), cwd=project)
    assert (ran.status, ran.err) == (0, "")
    assert ran.out
    assert not mark.exists()
    assert tree(project) == before


def test_the_script_without_a_fleet_root_ca(project: Path, devices: Path) -> None:
    """It ends with 4 before anything is made."""
    write_ids(project / "ids", ["u1"])
    script = run("fleet", "-n", "--ids", "ids", cwd=project).out
    (devices / "ca.key").unlink()
    before = tree(project)
    ran = bash(script, Path("/"))
    assert ran.returncode == 4
    assert "no fleet root CA: ./myservername/devices/ca.key is missing" in ran.stderr
    assert tree(project) == before


@pytest.mark.parametrize("style", STYLES)
def test_the_steps_of_each_device_for_programs(project: Path, style: str) -> None:
    """``--json`` has the steps of every device with its own argv and environment, in the order of the list."""
    (project / "ids.csv").write_text(LIST)
    ran = run("fleet", "-n", "--json", "--style", style, "--ids", "ids.csv", cwd=project)
    document = json.loads(ran.out)
    steps = document["steps"]
    assert [step["uuid"] for step in steps] == ["v1"] * 7 + ["v2"] * 7 + ["V3:a.b"] * 7
    for uuid, device_id in (("v1", "id-1"), ("v2", "v2"), ("V3:a.b", "v3")):
        mine = json.dumps([step for step in steps if step["uuid"] == uuid])
        assert f"./myservername/devices/{uuid}/{device_id}.csr" in mine
        assert f'"DEVICE_UUID": "{uuid}"' in mine
        others = {"v1", "v2", "V3:a.b"} - {uuid}
        assert not any(re.search(rf"devices/{re.escape(other)}/", mine) for other in others)


def test_the_guides_lines_stand_once(project: Path) -> None:
    """In the guide's style the script is a loop over the list: the lines stand once, each device is a line."""
    write_ids(project / "ids", [f"u{number}" for number in range(50)])
    script = run("fleet", "-n", "--ids", "ids", cwd=project).out
    assert script.count("openssl req -new") == 1
    assert sum(bool(re.fullmatch(r"u\d+", line)) for line in script.splitlines()) == 50
    bound = run("fleet", "-n", "--style", "argv", "--ids", "ids", cwd=project).out
    assert bound.count("openssl req -new") == 50


def test_the_script_draws_no_uuid_twice(project: Path, devices: Path) -> None:
    """With ``--count`` the script holds the UUIDs that were drawn."""
    script = run("fleet", "-n", "--count", "3", cwd=project).out
    drawn = set(re.findall(r"^[0-9a-f]{8}-[0-9a-f-]{27}$", script, re.MULTILINE))
    assert len(drawn) == 3
    assert bash(script, Path("/")).returncode == 0
    assert there(devices) == set(whole(devices)) == drawn


@pytest.mark.parametrize("style", STYLES)
def test_the_script_removes_nothing_of_another_run(project: Path, devices: Path, style: str) -> None:
    """What appears in a device's place while the script runs is none of the script's, and stays."""
    write_ids(project / "ids", ["u1"])
    script = run("fleet", "-n", "--style", style, "--ids", "ids", cwd=project).out
    making = 'mkdir -m 700 "${device_dir}"'
    assert script.count(making) == 1
    ran = bash(
        script.replace(making, f'/bin/mkdir "${{device_dir}}"; echo kept > "${{device_dir}}/file"\n{making}'), project
    )
    assert ran.returncode == 5
    assert (devices / "u1" / "file").read_text() == "kept\n"
    shutil.rmtree(devices / "u1")
