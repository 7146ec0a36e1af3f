"""What a run is made of must stay as it is until the run's end: whatever changes in the middle is noticed."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import run
from tests.fleets import program_that, write_ids

Prepared = Callable[[str, str], Path]


@pytest.fixture
def project(project: Path) -> Path:
    """A project with texts of its own and configuration files that include others."""
    assert run("procedure", "export", "ota-connect-2019.7", "procedure", cwd=project).status == 0
    assert run("config", "render", cwd=project).status == 0
    (project / "certs" / "more").mkdir()
    (project / "certs" / "more" / "a.cnf").write_text(".include certs/inner.cnf\n")
    (project / "certs" / "inner.cnf").write_text("# nothing\n")
    with (project / "certs" / "client.ext").open("a") as file:
        file.write("\n# a letter\n")
    for name in ("client.cnf", "server.cnf"):
        with (project / "certs" / name).open("a") as file:
            file.write("\n.include certs/more\n")
    return project


@pytest.fixture
def approved(project: Path, real_openssl: str) -> Prepared:
    """Approves a program that, at a step, does what is told, once; as bash, where the file $FILE is."""

    def prepare(step: str, bash: str) -> Path:
        once = f"[ ! -e {project.parent}/done ] && touch {project.parent}/done && {{ {bash}; }}"
        program = program_that(project.parent / "openssl", real_openssl, f'[ "$1" = {step} ] && {once}')
        ran = run("--openssl", str(program), "approve", "--procedure", "procedure", cwd=project)
        assert ran.status == 0, ran.err
        return program

    return prepare


# One letter of a comment, written over in its file, whose time is put back.
SAME_SIZE = "touch -r {0} ../time; sed s/letter/lettre/ {0} >../new; cat ../new >{0}; touch -r ../time {0}"
CHANGES = {
    "a text": "echo >>{project}/procedure/device.sh",
    "another text": "echo >>{project}/procedure/rehearse.sh",
    "a configuration file": "echo >>{project}/certs/client.ext",
    "one byte, with the times put back": f"(cd {{project}}; {SAME_SIZE.format('certs/client.ext')})",
    "a file that another includes": "echo >>{project}/certs/inner.cnf",
    "a file more in a directory that one includes": "echo >{project}/certs/more/b.cnf",
    "the fleet root CA": "echo >>{project}/myservername/devices/ca.crt",
    "the approval": "echo >>{project}/approval.json",
    "signatures": "echo >{project}/approval.json.p7s",
    "the program": "echo >>{project}/../openssl",
}


@pytest.mark.parametrize("step", ["ecparam", "pkcs8"])
@pytest.mark.parametrize("name", CHANGES)
def test_a_change_while_a_device_is_made(
    project: Path, devices: Path, approved: Prepared, name: str, step: str
) -> None:
    """Whenever it happens, the device is not published."""
    program = approved(step, CHANGES[name].format(project=project))
    ran = run("--openssl", str(program), "device", "--uuid", "d1", "--procedure", "procedure", cwd=project)
    assert (project.parent / "done").exists()
    assert (ran.status, len(ran.error_lines)) == (3, 1), ran.err
    assert not (devices / "d1").exists()


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_at_the_last_device_of_a_fleet(project: Path, approved: Prepared, name: str) -> None:
    """The fleet ends with exit 3, though there is no device after it."""
    change = CHANGES[name].format(project=project)
    program = approved('x509 ] && [ "$DEVICE_UUID" = d3 ] && [ "$2" = -in', change)
    write_ids(project / "ids", ["d1", "d2", "d3"])
    command = ["fleet", "--ids", "ids", "--jobs", "1", "--procedure", "procedure"]
    ran = run("--openssl", str(program), *command, cwd=project)
    assert (project.parent / "done").exists()
    assert (ran.status, len(ran.error_lines)) == (3, 1), ran.err


def test_a_change_while_a_server_is_made(project: Path, approved: Prepared) -> None:
    """Nothing of it is published."""
    program = approved("req", f"echo >>{project}/certs/server.ext")
    ran = run("--openssl", str(program), "server", "--procedure", "procedure", cwd=project)
    assert (ran.status, len(ran.error_lines)) == (3, 1), ran.err
    assert not (project / "myservername" / "server.crt").exists()


def test_files_that_are_included(project: Path, real_openssl: str) -> None:
    """Each is approved, however deep and however many; one that is changed, taken away or added is refused."""
    for number in range(150):
        (project / "certs" / "more" / f"{number:03}.cnf").write_text("# nothing\n")
    own = ["--procedure", "procedure"]
    assert run("approve", *own, cwd=project).status == 0
    assert run("device", *own, cwd=project).status == 0
    for name in ("inner.cnf", "more/a.cnf", "more/140.cnf"):
        path = project / "certs" / name
        before = path.read_bytes()
        path.write_bytes(before + b"#\n")
        assert f"certs/{name}" in run("device", *own, cwd=project).err
        path.unlink()
        assert f"certs/{name}" in run("device", *own, cwd=project).err
        path.write_bytes(before)
        assert run("device", *own, cwd=project).status == 0
    (project / "certs" / "more" / "zzz.cnf").write_text("# nothing\n")
    ran = run("device", *own, cwd=project)
    assert ran.status == 3
    assert "certs/more/zzz.cnf" in ran.err


def test_a_pragma_that_moves_names(project: Path) -> None:
    """With it a name means a file elsewhere, which nobody has approved."""
    with (project / "certs" / "inner.cnf").open("a") as file:
        file.write(f".pragma includedir:{project.parent}\n")
    ran = run("approve", "--procedure", "procedure", cwd=project)
    assert (ran.status, "includedir" in ran.err) == (4, True), ran.err
    with (project / "certs" / "client.ext").open("a") as file:
        file.write(f".pragma includedir:{project.parent}\n")
    ran = run("device", "--procedure", "procedure", cwd=project)
    assert (ran.status, "includedir" in ran.err) == (2, True), ran.err


def test_an_included_file_that_is_no_file(project: Path) -> None:
    """Without an approval openssl reads what it can."""
    with (project / "certs" / "inner.cnf").open("a") as file:
        file.write(".include /dev/null\n")
    ran = run("device", "--procedure", "procedure", cwd=project)
    assert ran.status == 0, ran.err


def test_a_loader_that_was_not_approved(project: Path, tmp_path: Path, real_openssl: str) -> None:
    """A program that was not approved names its loader itself: that is not started either."""
    loader = tmp_path / "ld-own.so"
    loader.write_text(f"#!/bin/bash\ntouch {tmp_path}/started\n")
    loader.chmod(0o755)
    content = Path(real_openssl).read_bytes()
    start = content.index(b"/lib64/ld-linux")
    name = bytes(loader)
    assert run("approve", "--procedure", "procedure", cwd=project).status == 0
    other = tmp_path / "other"
    # The name is put at the end of the file, where the program header is made to point to it.
    header = content.index(start.to_bytes(8, "little"))
    patched = bytearray(content + name + b"\0")
    patched[header : header + 8] = len(content).to_bytes(8, "little")
    size = (len(name) + 1).to_bytes(8, "little")
    for offset in (24, 32):
        patched[header + offset : header + offset + 8] = size
    other.write_bytes(patched)
    other.chmod(0o755)
    for approval in ("there", "malformed"):
        if approval == "malformed":
            (project / "approval.json").write_text("{")
        assert run("--openssl", str(other), "device", "--procedure", "procedure", cwd=project).status == 3
        assert not (tmp_path / "started").exists()
    (project / "approval.json").unlink()
    run("--openssl", str(other), "device", "--procedure", "procedure", cwd=project)
    assert (tmp_path / "started").exists(), "the test's own loader cannot be started"


# How openssl reads them, certs/x.cnf is brought in.
INCLUDES = {
    "letters behind": ".includes = certs/x.cnf",
    "a section before": "foo::.include = certs/x.cnf",
    "behind a comment that ends in three backslashes": "# a \\\\\\\n.include = certs/x.cnf",
    "quotes": ".include 'certs/x.cnf'",
    "a file of object identifiers": "oid_file = certs/x.cnf",
    "a module": "[more]\nmodule = certs/x.cnf",
}


@pytest.mark.parametrize("name", INCLUDES)
def test_every_writing_of_an_include(project: Path, name: str) -> None:
    """What openssl reads is approved, and a change of it refused."""
    own = ["--procedure", "procedure"]
    path = project / "certs" / "x.cnf"
    path.write_text("# x\n")
    with (project / "certs" / "inner.cnf").open("a") as file:
        file.write(f"{INCLUDES[name]}\n")
    assert run("approve", *own, cwd=project).status == 0
    assert "certs/x.cnf" in json.loads((project / "approval.json").read_text())["files"]
    path.write_text("# y\n")
    ran = run("device", *own, cwd=project)
    assert (ran.status, "certs/x.cnf" in ran.err) == (3, True), ran.err


@pytest.mark.parametrize("line", [".include certs/x\\.cnf", '.include certs/"x".cnf', ".include $dir/x.cnf"])
def test_an_include_that_means_another_file(project: Path, line: str) -> None:
    """A name that openssl makes another of cannot be approved, whatever lies at the name itself."""
    (project / "certs" / "x\\.cnf").write_text("# a decoy\n")
    with (project / "certs" / "inner.cnf").open("a") as file:
        file.write(f"{line}\n")
    ran = run("approve", "--procedure", "procedure", cwd=project)
    assert (ran.status, "cannot be approved" in ran.err) == (4, True), ran.err


def test_a_name_in_capitals(project: Path) -> None:
    """openssl reads files of a directory without regard to the case of their endings."""
    own = ["--procedure", "procedure"]
    assert run("approve", *own, cwd=project).status == 0
    (project / "certs" / "more" / "z.CNF").write_text("# nothing\n")
    ran = run("device", *own, cwd=project)
    assert (ran.status, "certs/more/z.CNF" in ran.err) == (3, True), ran.err


def test_a_directory_in_the_place_of_another(project: Path, devices: Path, approved: Prepared) -> None:
    """Put in its place for a moment, and taken away again, it is noticed."""
    shutil.copytree(project / "certs", project / "evil")
    with (project / "evil" / "client.ext").open("a") as file:
        file.write("nsComment=EVIL\n")
    there, back = "mv certs c2 && mv evil certs", "mv certs evil && mv c2 certs"
    bash = f'(cd {project}; {there}); {shutil.which("openssl")} "$@"; status=$?; (cd {project}; {back}); exit $status'
    program = approved('x509 ] && [ "$2" = -req', bash)
    ran = run("--openssl", str(program), "device", "--uuid", "d1", "--procedure", "procedure", cwd=project)
    assert (project.parent / "done").exists()
    assert (ran.status, len(ran.error_lines)) == (3, 1), ran.err
    assert not (devices / "d1").exists()
