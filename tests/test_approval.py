"""Only what was approved runs: every deviation is refused, shown, and starts no openssl."""

import json
import shutil
import subprocess
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Ran, openssl, run, tree, write_program


class Approved:
    """A project with an approval, run with a copy of openssl that notes each start."""

    def __init__(self, project: Path, real: str) -> None:
        self.project = project
        self.started = project.parent / "started"
        self.program = write_program(
            project.parent / "openssl", f'#!/bin/bash\necho "$*" >> {self.started}\nexec -a openssl {real} "$@"\n'
        )
        self.procedure = project / "procedure"
        assert run("procedure", "export", "ota-connect-2019.7", str(self.procedure), cwd=project).status == 0
        assert run("config", "render", cwd=project).status == 0
        assert self.run("approve").status == 0
        self.started.unlink()

    def run(self, *arguments: str, env: dict[str, str] | None = None) -> Ran:
        options = ["--openssl", str(self.program), *arguments]
        if arguments[0] != "show":
            options += ["--procedure", "./procedure"]
        return run(*options, cwd=self.project, env=env)

    def refused(self, *arguments: str, env: dict[str, str] | None = None) -> Ran:
        """A run that is refused, and has started nothing and made nothing."""
        before = tree(self.project / "myservername" / "devices")
        ran = self.run(*(arguments or ("device", "--uuid", "d1")), env=env)
        assert ran.status == 3, ran.err
        assert "expected" in ran.err
        assert "got" in ran.err
        assert "Traceback" not in ran.err
        assert len(ran.error_lines) == 1
        assert not self.started.exists(), self.started.read_text()
        assert tree(self.project / "myservername" / "devices") == before
        return ran

    def edit(self, change: dict[str, object]) -> None:
        path = self.project / "approval.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | change))


@pytest.fixture
def approved(project: Path, real_openssl: str) -> Approved:
    return Approved(project, real_openssl)


@pytest.mark.real
def test_what_was_approved_runs(approved: Approved) -> None:
    """With nothing changed a device is made, and each other command works."""
    for arguments in (["device", "--uuid", "d1"], ["fleet", "--count", "2"], ["show", "d1"], ["server"], ["rehearse"]):
        ran = approved.run(*arguments)
        assert ran.status == 0, ran.err


@pytest.mark.parametrize("name", ["device.sh", "root.sh", "gateway.sh", "rehearse.sh", "seal.sh", "export.sh"])
@pytest.mark.parametrize("place", [0, 0.5, -1])
def test_a_byte_of_a_text(approved: Approved, name: str, place: float) -> None:
    """A changed byte anywhere in any text, in a comment too, is refused, whatever the run carries out."""
    path = approved.procedure / name
    content = bytearray(path.read_bytes())
    content[int(place * len(content)) if place > 0 else int(place)] ^= 1
    path.write_bytes(content)
    assert f"text {name}" in approved.refused().err


@pytest.mark.parametrize("name", ["client.cnf", "client.ext", "server.cnf", "device_ca.cnf"])
def test_a_byte_of_a_configuration_file(approved: Approved, name: str) -> None:
    """A changed byte of a configuration file is refused."""
    path = approved.project / "certs" / name
    for place in range(0, path.stat().st_size, 25):
        content = bytearray(path.read_bytes())
        content[place] ^= 1
        path.write_bytes(content)
        assert f"certs/{name}" in approved.refused().err
        content[place] ^= 1
        path.write_bytes(content)


def test_the_fleet_root_ca(approved: Approved, devices: Path) -> None:
    """Another ca.crt is refused."""
    (devices / "ca.crt").write_bytes((devices / "ca.crt").read_bytes() + b"\n")
    assert "ca.crt" in approved.refused().err


@pytest.mark.real
def test_the_program(approved: Approved) -> None:
    """A program with one byte more is refused, and so is another one."""
    approved.program.write_text(approved.program.read_text() + "\n")
    assert f"openssl {approved.program}" in approved.refused().err
    other = approved.project.parent / "other"
    shutil.copy(approved.program, other)
    other.write_text("#!/bin/bash\nexit 0\n")
    assert run("--openssl", str(other), "show", "x", cwd=approved.project).status == 3


@pytest.mark.real
def test_a_library(project: Path, real_openssl: str) -> None:
    """A changed libcrypto of the program is refused, by what the dynamic loader says that it would load."""
    directory = project.parent / "built"
    directory.mkdir()
    listed = subprocess.run(["ldd", real_openssl], check=True, capture_output=True, text=True).stdout
    library = next(line.split()[2] for line in listed.splitlines() if "libcrypto" in line)
    assert run("approve", cwd=project).status == 0
    approval = json.loads((project / "approval.json").read_text())
    assert approval["openssl"][0]["libcrypto"] is not None
    approval["openssl"][0]["libcrypto"] = "0" * 64
    (project / "approval.json").write_text(json.dumps(approval))
    ran = run("device", cwd=project)
    assert ran.status == 3
    assert f"libcrypto {library}: expected sha256 000" in ran.err


def test_another_environment(approved: Approved) -> None:
    """Another server name, or an environment that is not the tool's, is refused."""
    (approved.project / "other").mkdir()
    shutil.copytree(approved.project / "myservername" / "devices", approved.project / "other" / "devices")
    assert "SERVER_NAME=other" in approved.refused("device", "--server-name", "other").err
    environment = json.loads((approved.project / "approval.json").read_text())["environment"]
    approved.edit({"environment": environment | {"PATH": "/opt/bin"}})
    assert "PATH=/opt/bin" in approved.refused().err


def test_another_procedure(approved: Approved) -> None:
    """The built-in procedure is another than the team's own that was approved."""
    ran = run("--openssl", str(approved.program), "device", cwd=approved.project)
    assert ran.status == 3
    assert "procedure: expected procedure, got ota-connect-2019.7" in ran.err
    assert not approved.started.exists()


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"format": "otaopenssl-approval/1"}', '{"format": "otaopenssl-approval/2"}', "\0", "null", "{}"],
)
def test_a_malformed_approval(approved: Approved, content: str) -> None:
    """What is no approval to the letter permits nothing."""
    (approved.project / "approval.json").write_text(content)
    ran = approved.run("device")
    assert ran.status == 3, ran.err
    assert len(ran.error_lines) == 1
    assert "hint:" in ran.err
    assert not approved.started.exists()


def _without(*keys: str) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        *path, last = keys
        for key in path:
            document = document[key]
        del document[last]

    return change


def _with(value: object, *keys: str | int) -> Callable[[dict[str, Any]], None]:
    def change(document: Any) -> None:
        *path, last = keys
        for key in path:
            document = document[key]
        document[last] = value

    return change


def _split(document: dict[str, Any]) -> None:
    lines = document["procedure"]["texts"]["device.sh"]["lines"]
    at = next(number for number, line in enumerate(lines) if "\n" in line)
    lines[at : at + 1] = lines[at].split("\n")


EDITS: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "another tool": (_with("otaopenssl 9", "tool"), "tool: expected otaopenssl 9"),
    "a text less": (_without("procedure", "texts", "rehearse.sh"), "text rehearse.sh: expected no such text"),
    "a text more": (
        _with({"sha256": sha256(b"x\n").hexdigest(), "lines": ["x"]}, "procedure", "texts", "more.sh"),
        "text more.sh: expected",
    ),
    "a command on two lines": (_split, "text device.sh: expected each of its commands to be one line"),
    "a file less": (_without("files", "certs/client.ext"), "certs/client.ext: expected not approved"),
    "a file more": (_with("0" * 64, "files", "certs/more.cnf"), "certs/more.cnf: expected sha256 000"),
    "no fleet root CA": (_without("files", "ca.crt"), "ca.crt: expected not approved"),
    "a variable more": (_with("x", "environment", "HOME"), "environment: expected HOME=x, got no HOME"),
    "a variable less": (_without("environment", "LC_ALL"), "environment: expected no LC_ALL, got LC_ALL=C"),
    "a variable of two lines": (_with("x\n  forged: yes", "environment", "LC_ALL"), "LC_ALL=x\\n  forged"),
    "a libssl": (_with("0" * 64, "openssl", 0, "libssl"), "libssl /"),
    "another openssl.cnf": (_with({"/nowhere.cnf": "0" * 64}, "openssl", 0, "openssl.cnf"), "openssl.cnf /nowhere.cnf"),
    "an openssl.cnf of no name": (_with({"/a\0b": "0" * 64}, "openssl", 0, "openssl.cnf"), "openssl.cnf"),
    "another version": (_with("OpenSSL 3.0.0 1 Jan 2020", "openssl", 0, "version"), "openssl's version: expected"),
    "no build": (_with([], "openssl"), "expected none"),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edited_approval(project: Path, real_openssl: str, name: str) -> None:
    """What it says, or does not say, is compared with everything there is; the difference is told."""
    change, words = EDITS[name]
    for command in ("config", "render"), ("approve",):
        assert run(*command, cwd=project).status == 0
    path = project / "approval.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
    for command in ("device",), ("approve", "--check"):
        ran = run(*command, cwd=project)
        assert (ran.status, len(ran.error_lines)) == (3, 1), ran.err
        assert words in ran.err
        assert " 0 differences" not in ran.err


def test_a_build_without_openssl_cnf(approved: Approved) -> None:
    """openssl reads one, so that one is named."""
    path = approved.project / "approval.json"
    document = json.loads(path.read_text())
    document["openssl"][0]["openssl.cnf"] = {}
    path.write_text(json.dumps(document))
    assert "'openssl.cnf' names no file" in approved.run("device").err
    assert not approved.started.exists()


@pytest.mark.parametrize("path", ["/nowhere/openssl.cnf", "/a\0b", "openssl.cnf"])
def test_another_place_of_openssl_cnf(project: Path, path: str) -> None:
    """The one that openssl reads is the one that was approved, not another that is not there."""
    for command in ("config", "render"), ("approve",):
        assert run(*command, cwd=project).status == 0
    approval = project / "approval.json"
    document = json.loads(approval.read_text())
    document["openssl"][0]["openssl.cnf"] = {path: None}
    approval.write_text(json.dumps(document))
    ran = run("device", cwd=project)
    assert (ran.status, len(ran.error_lines)) == (3, 1), ran.err
    assert "openssl.cnf: expected" in ran.err


def test_an_approval_that_is_a_link_to_nothing(approved: Approved) -> None:
    """It is there, so that it is none that demands nothing."""
    (approved.project / "approval.json").unlink()
    (approved.project / "approval.json").symlink_to("nothing")
    assert approved.run("device").status == 3
    assert not approved.started.exists()


def test_another_version_of_a_script(approved: Approved) -> None:
    """What a script starts is not pinned, but the version that it says."""
    version = approved.project.parent / "version"
    version.write_text("")
    lines = f'[ "$1" = version ] && [ -s {version} ] && {{ cat {version}; exit; }}\n'
    approved.program.write_text(approved.program.read_text().replace("exec", lines + "exec"))
    assert approved.run("approve").status == 0
    assert approved.run("device").status == 0
    version.write_text('OpenSSL 3.0.1 14 Dec 2021\nOPENSSLDIR: "/usr/lib/ssl"\n')
    ran = approved.run("device")
    assert (ran.status, "openssl's version: expected" in ran.err) == (3, True), ran.err


def test_a_program_that_is_not_there(approved: Approved) -> None:
    """approve --check tells that there is none, rather than that nothing differs."""
    ran = run("--openssl", "/nowhere/openssl", "approve", "--check", "--procedure", "procedure", cwd=approved.project)
    assert ran.status == 3
    assert "got none" in ran.err


def test_unknown_and_double_keys(approved: Approved) -> None:
    """An approval with a key that is unknown, or stands twice, is refused."""
    path = approved.project / "approval.json"
    content = path.read_text()
    path.write_text(content.replace('"tool":', '"more": 1, "tool":', 1))
    assert "unknown key 'more'" in approved.run("device").err
    path.write_text(content.replace('"tool":', '"tool": "x", "tool":', 1))
    assert "key 'tool' stands twice" in approved.run("device").err
    assert not approved.started.exists()


def test_a_line_that_is_not_the_texts(approved: Approved) -> None:
    """A line in the approval that is not the text of its digest would mislead its reader, and is refused."""
    path = approved.project / "approval.json"
    path.write_text(path.read_text().replace("-days 365", "-days 366"))
    assert "text device.sh: expected its lines in approval.json" in approved.refused().err


def test_an_approval_without_ca_permits_root_and_server(tmp_path: Path, real_openssl: str) -> None:
    """Before there is a fleet root CA an approval permits to make it; then it has to be approved itself."""
    assert run("approve", cwd=tmp_path).status == 0
    for command in ("root", "server"):
        assert run(command, cwd=tmp_path).status == 0
    assert run("device", cwd=tmp_path).status == 3
    assert run("approve", cwd=tmp_path).status == 0
    assert run("device", cwd=tmp_path).status == 0


def test_check_says_what_differs(approved: Approved) -> None:
    """approve --check is 0 where nothing differs, and tells each difference where something does."""
    assert approved.run("approve", "--check").status == 0
    with (approved.project / "certs" / "client.ext").open("a") as file:
        file.write("#\n")
    assert "certs/client.ext" in approved.refused("approve", "--check").err


def test_the_build_of_another_machine_is_added(approved: Approved, real_openssl: str) -> None:
    """approve --openssl-only adds a build and changes nothing else."""
    before = json.loads((approved.project / "approval.json").read_text())
    ran = run("approve", "--openssl-only", cwd=approved.project)
    assert ran.status == 0, ran.err
    after = json.loads((approved.project / "approval.json").read_text())
    assert after["openssl"][:1] == before["openssl"]
    assert len(after["openssl"]) == 2
    assert {**after, "openssl": 0} == {**before, "openssl": 0}
    assert run("device", "--procedure", "procedure", cwd=approved.project).status == 0
    assert approved.run("device").status == 0


def test_a_change_in_the_middle_of_a_fleet(approved: Approved, real_openssl: str) -> None:
    """A configuration file that changes while a fleet is made stops it with exit 3."""
    change = approved.project / "certs" / "client.ext"
    lines = f'[ "$DEVICE_UUID" = d5 ] && [ "$1" = req ] && printf "#\\n" >> {change}\n'
    approved.program.write_text(approved.program.read_text().replace("exec", lines + "exec"))
    assert approved.run("approve").status == 0
    (approved.project / "ids").write_text("".join(f"d{number}\n" for number in range(60)))
    ran = approved.run("fleet", "--ids", "ids", "--jobs", "1")
    assert ran.status == 3, ran.err
    assert "client.ext" in ran.err
    made = len(list((approved.project / "myservername" / "devices").glob("*/client.pem")))
    assert made < 30


def test_signing_is_by_several_people(approved: Approved, tmp_path: Path) -> None:
    """approve --sign adds a signature, which openssl verifies; one of an earlier approval is dropped."""
    for name in ("alice", "bob"):
        subject = ["-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-days", "2"]
        openssl("req", *subject, "-keyout", f"{name}.key", "-out", f"{name}.crt", cwd=tmp_path)
    for quantity, name in enumerate(("alice", "bob"), 1):
        ran = approved.run("approve", "--sign", str(tmp_path / f"{name}.crt"), str(tmp_path / f"{name}.key"))
        assert ran.status == 0, ran.err
        assert f"signed by {quantity} " in ran.err
    (tmp_path / "ca.pem").write_text((tmp_path / "alice.crt").read_text() + (tmp_path / "bob.crt").read_text())
    signatures = str(approved.project / "approval.json.p7s")
    content = str(approved.project / "approval.json")
    verification = ["cms", "-verify", "-binary", "-cades", "-inform", "DER", "-purpose", "any"]
    openssl(
        *verification, "-in", signatures, "-content", content, "-CAfile", "ca.pem", "-out", "/dev/null", cwd=tmp_path
    )
    approved.edit({})
    ran = approved.run("approve", "--sign", str(tmp_path / "bob.crt"), str(tmp_path / "bob.key"))
    assert "signed by 1 person" in ran.err
