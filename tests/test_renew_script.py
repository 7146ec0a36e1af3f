"""The dry-run of renewals: a script of the same lines that makes the same tree, and nothing until it runs."""

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.conftest import run, tree
from tests.fleets import whole
from tests.test_fleet import read_log
from tests.test_fleet_script import STYLES, bash, shape
from tests.test_renew import kept, made, signed


def times_left_out(found: dict[str, str]) -> dict[str, str]:
    """A tree with the moments in its names made one."""
    return {re.sub(r"[0-9]{8}T[0-9]{6}Z", "TIME", name): what for name, what in found.items()}


@pytest.fixture
def filled(project: Path, devices: Path) -> Path:
    """A project with a device, and one whose key is elsewhere; both hold more than the text makes."""
    server_ca = devices.parent / "server_ca.pem"
    server_ca.write_text("a certificate\n")
    made(project, "device", "--uuid", "u1", "--device-id", "body-1")
    signed(project)
    server_ca.unlink()
    for uuid in ("u1", "s1"):
        (devices / uuid / "root.crt").write_bytes((devices / "ca.crt").read_bytes())
        (devices / uuid / ".own file").write_text("x")
        (devices / uuid / ".own file").chmod(0o640)
        (devices / uuid / "link").symlink_to("root.crt")
    return project


@pytest.mark.parametrize("arguments", [["u1"], ["s1"], ["u1", "--new-key"], ["u1", "s1"]], ids=" ".join)
@pytest.mark.parametrize("style", STYLES)
def test_the_script_makes_the_same_tree(filled: Path, devices: Path, style: str, arguments: list[str]) -> None:
    """Names, types and modes are those of the run, what is kept and what is carried over among them."""
    copy = filled.parent / "copy"
    shutil.copytree(filled, copy, symlinks=True)
    before = tree(filled)
    script = run("renew", *arguments, "-n", "--style", style, cwd=filled).out
    assert tree(filled) == before
    ran = bash(script, Path("/"))
    assert ran.returncode == 0, ran.stderr
    printed = [f"./myservername/devices/{uuid}" for uuid in ("u1", "s1") if uuid in arguments]
    assert [line for line in ran.stdout.splitlines() if line.startswith("./")] == printed
    by_script = times_left_out(shape(filled))
    if "u1" in arguments:
        whole(devices, but=["s1"])
    for uuid in ("u1", "s1"):
        if uuid in arguments:
            assert tree(kept(filled, uuid)[0]) == tree(copy / "myservername" / "devices" / uuid)
    shutil.rmtree(filled)
    copy.rename(filled)
    made(filled, "renew", *arguments)
    assert times_left_out(shape(filled)) == by_script


@pytest.mark.parametrize("style", STYLES)
def test_the_script_runs_the_same_commands(filled: Path, logging_openssl: tuple[Path, Path], style: str) -> None:
    """The argv of each command is that of the run."""
    program, log = logging_openssl
    options = ["--openssl", str(program)]
    script = made(filled, "renew", "u1", "s1", "-n", "--style", style, *options).out
    assert bash(script, Path("/")).returncode == 0
    by_script = [words for words, _ in read_log(log)]
    log.unlink()
    made(filled, "renew", "u1", "s1", "-j", "1", *options)
    by_run = [words for words, _ in read_log(log)]
    own = [words for words in by_run if words[0] in ("req", "x509") and words[-1] != "-text"]
    assert sorted(by_script) == sorted(words for words in own if "ca.crt" not in words[2])


def test_a_script_that_fails_leaves_the_device(filled: Path, devices: Path) -> None:
    """Where a command fails the old device is there as before, the others are renewed, and the status is 5."""
    script = made(filled, "renew", "s1", "u1", "-n").out
    before = tree(devices / "s1")
    (devices / "s1" / "s1.csr").rename(filled / "away")
    ran = bash(script, Path("/"))
    assert ran.returncode == 5, ran.stderr
    assert "device s1 was not renewed" in ran.stderr
    (filled / "away").rename(devices / "s1" / "s1.csr")
    assert tree(devices / "s1") == before
    assert len(kept(filled)) == 1
    assert not kept(filled, "s1")
    assert not list(devices.parent.glob(".renewal*"))


def test_for_programs(filled: Path) -> None:
    """``--json`` has the steps of each device, and the script."""
    document = json.loads(made(filled, "renew", "u1", "s1", "-n", "--json").out)
    assert document["command"] == "otaopenssl renew"
    assert [(step["uuid"], step["line"]) for step in document["steps"]] == [
        *(("u1", line) for line in (6, 7, 9, 10, 11)),
        *(("s1", line) for line in (7, 9, 10, 11)),
    ]
    assert document["script"].startswith("#!/usr/bin/env bash\n")


def test_a_device_that_cannot_be_renewed(filled: Path, devices: Path) -> None:
    """Alone it is an error; beside others the script says so in its place."""
    (devices / "u1" / "pkey.pem").unlink()
    ran = run("renew", "u1", "-n", cwd=filled)
    assert (ran.status, ran.out, "is not whole: 'pkey.pem' is missing" in ran.err) == (1, "", True)
    script = made(filled, "renew", "u1", "s1", "-n").out
    ran_script = bash(script, Path("/"))
    assert ran_script.returncode == 5
    assert "'./myservername/devices/u1' is not whole: 'pkey.pem' is missing" in ran_script.stderr
    assert len(kept(filled, "s1")) == 1
