"""`otaopenssl fleet --register` against real registries: devices are made whatever the registry does."""

import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from otaopenssl.account import Result
from otaopenssl.errors import Failed, OutOfReach
from otaopenssl.fleet_block import Outcome
from otaopenssl.follow_up import Following, FollowUp
from otaopenssl.ids import DeviceID, DeviceUUID, Identity
from tests.conftest import Ran, require, run, tree
from tests.fleets import names, there, whole, write_ids
from tests.registries import OK, By, answer, pem, registry, says_nothing, tls
from tests.servers import Pki


def fleet(project: Path, uuids: list[str], url: str, *options: str) -> Ran:
    write_ids(project / "ids", uuids)
    return run("fleet", "--ids", "ids", "--jobs", "2", "--register", url, *options, cwd=project)


def test_devices_are_registered(project: Path, devices: Path) -> None:
    """Each device is registered with its own certificate; the records are as without, and another run does it again."""
    uuids = names(6)
    with registry(OK) as asked:
        url = f"http://127.0.0.1:{asked.port}"
        ran = fleet(project, uuids, url)
        assert (ran.status, ran.out) == (0, "./myservername/devices\n"), ran.err
        assert "6 made" in ran.err
        assert "6 registered" in ran.err
        assert sorted(asked.uuids) == uuids
        for request in asked.requests:
            uuid = request.document["uuid"]
            assert request.document["credentials"] == (devices / uuid / "client.pem").read_text()
        again = fleet(project, uuids, url, "--json")
    assert again.status == 0, again.err
    told = json.loads(again.out)
    assert (told["made"], told["there_already"], told["registered"], told["failed"]) == (0, 6, 6, 0)
    assert sorted(asked.uuids[6:]) == uuids
    assert run("audit", cwd=project).status == 0


def test_one_that_fails(project: Path, devices: Path) -> None:
    """A device that the registry refuses stays made and is a failure in the end; the same command finishes it."""
    uuids = names(5)
    refused = By(lambda request: answer("400 Bad Request", "no\x1b") if request.document["uuid"] == "d003" else OK)
    with registry(refused) as asked:
        ran = fleet(project, uuids, f"http://127.0.0.1:{asked.port}")
        assert (ran.status, len(ran.error_lines)) == (5, 1), ran.err
        assert "error: 1 of 5 devices failed" in ran.err
        assert "d003: not registered: registry" in ran.err
        assert "\x1b" not in ran.err
        document = json.loads(fleet(project, uuids, f"http://127.0.0.1:{asked.port}", "--json").out)
    assert [failure["uuid"] for failure in document["failures"]] == ["d003"]
    assert (document["registered"], document["not_followed"], document["failed"]) == (4, 1, 1)
    assert set(whole(devices)) == set(uuids)
    with registry(OK) as asked:
        assert fleet(project, uuids, f"http://127.0.0.1:{asked.port}").status == 0


def test_500_then_200(project: Path) -> None:
    """A device is asked for again where the registry failed itself."""
    with registry(answer("500 Oops"), OK) as asked:
        ran = fleet(project, ["d1"], f"http://127.0.0.1:{asked.port}")
    assert (ran.status, len(asked.requests)) == (0, 2), ran.err


def test_a_registry_out_of_reach(project: Path, devices: Path, pki: Pki) -> None:
    """Where nobody is reached for some devices the others are not tried, which is said; every device is made."""
    uuids = names(24)
    with registry(OK, context=tls(pki, "direct")) as asked:
        # Its CA is not named.
        ran = fleet(project, uuids, f"https://localhost:{asked.port}", "--json")
    told = json.loads(ran.out)
    assert (ran.status, told["made"], told["failed"], told["registered"]) == (5, 24, 24, 0), ran.err
    assert "has a certificate that does not hold" in told["given_up"]
    assert asked.requests == []
    given_up = [failure for failure in told["failures"] if failure["reason"] == "not registered: not tried any more"]
    assert len(given_up) >= 24 - 8
    assert set(whole(devices)) == set(uuids)


def test_a_registry_that_is_down(project: Path, devices: Path) -> None:
    """A registry that fails itself for some devices after one another is not asked for every other one."""
    uuids = names(20)
    with registry(answer("503 Service Unavailable")) as asked:
        told = json.loads(fleet(project, uuids, f"http://127.0.0.1:{asked.port}", "--json").out)
    assert "answered 503" in told["given_up"]
    assert (told["made"], told["failed"]) == (20, 20)
    assert len(set(asked.uuids)) <= 8
    assert set(whole(devices)) == set(uuids)


def test_an_interruption(project: Path, devices: Path) -> None:
    """A silent registry does not keep devices from being made, and Ctrl-C then ends the run soon."""
    uuids = names(8)
    write_ids(project / "ids", uuids)
    with registry(says_nothing) as asked:
        url = f"http://127.0.0.1:{asked.port}"
        command = [sys.executable, "-m", "otaopenssl", "fleet", "--ids", "ids", "--register", url]
        with subprocess.Popen(command, cwd=project, stderr=subprocess.PIPE, text=True) as process:
            deadline = time.monotonic() + 30
            while there(devices) != set(uuids) or not asked.requests:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=20)
    assert process.returncode == 130, said
    assert "interrupted: " in said
    assert "0 registered" in said
    assert set(whole(devices)) == set(uuids)


def test_fail_fast(project: Path, devices: Path) -> None:
    """With --fail-fast a device that cannot be registered stops the fleet, and those made are whole."""
    with registry(answer("403 Forbidden")) as asked:
        ran = fleet(project, names(40), f"http://127.0.0.1:{asked.port}", "--fail-fast")
    assert ran.status == 5, ran.err
    assert "'--fail-fast' was given" in ran.err
    assert len(whole(devices)) < 40


def test_fail_fast_stops_what_follows() -> None:
    """With it no other device is tried after the first that failed, nor one that is made later."""
    tried: list[str] = []

    def fails(identity: Identity) -> None:
        tried.append(identity.uuid)
        raise Failed("it is full", hint="empty it")

    following = Following([FollowUp("registered", fails)], workers=1, is_fail_fast=True)
    following.add(outcomes(9))
    following.finish(lambda _done, _failed: None)
    following.add(outcomes(2))
    assert (tried, following.failed, following.left) == (["d000"], 11, 0)
    assert str(following.given_up) == "d000: not registered: it is full, and '--fail-fast' was given"


def test_the_time_of_an_attempt(project: Path, pki: Pki) -> None:
    """--timeout is the registry's, with or without a gateway; without either it is wrong usage."""
    with registry(says_nothing) as asked:
        ran = fleet(project, ["d1"], f"http://127.0.0.1:{asked.port}", "--timeout", "0.3")
    assert (ran.status, "did not answer within 0.3 seconds" in ran.err) == (5, True), ran.err
    wrong = fleet(project, ["d1"], "http://x", "--timeout", "0")
    assert (wrong.status, len(wrong.error_lines)) == (2, 1), wrong.err
    ran = run("fleet", "--ids", "ids", "--timeout", "2", cwd=project)
    assert (ran.status, "'--timeout' needs a gateway" in ran.err) == (2, True), ran.err


def test_by_tls(project: Path, pki: Pki) -> None:
    """The registry's CA is named as for a single device, and so is who asks."""
    with registry(OK, context=tls(pki, "direct", client_ca="root")) as asked:
        own = ["--ca", pem(pki, "root"), "--client-cert", pem(pki, "client")]
        ran = fleet(
            project, ["d1"], f"https://localhost:{asked.port}", *own, "--client-key", f"{pem(pki, 'client')[:-3]}key"
        )
    assert ran.status == 0, ran.err
    assert asked.uuids == ["d1"]


@pytest.mark.parametrize(
    ("options", "status"),
    [
        (["--ca", "ca.pem"], 2),
        (["--register", "ftp://x"], 2),
        (["--register", "http://x", "--client-cert", "x"], 2),
        (["--register", "https://x", "--ca", "absent.pem"], 4),
        (["--register", "https://x", "--client-cert", "absent.pem"], 4),
    ],
)
def test_before_anything_is_made(project: Path, options: list[str], status: int) -> None:
    """What is wrong with the registry's options is told before the first key, and nothing is left behind."""
    write_ids(project / "ids", ["d1"])
    before = tree(project)
    ran = run("fleet", "--ids", "ids", *options, cwd=project)
    assert (ran.status, len(ran.error_lines)) == (status, 1), ran.err
    assert tree(project) == before


def test_a_fleet_without_registry_loads_none_of_it(project: Path) -> None:
    """What registering takes is no part of a fleet that does without."""
    write_ids(project / "ids", ["d1"])
    command = [sys.executable, "-X", "importtime", "-m", "otaopenssl", "fleet", "--ids", "ids"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=True)
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "otaopenssl.fleet" in loaded
    assert not loaded & {"ssl", "socket", "http.client", "otaopenssl.follow_up", "otaopenssl.cli.registering"}


@pytest.mark.parametrize("style", ["guide", "argv"])
def test_dry_run(project: Path, devices: Path, pki: Pki, style: str) -> None:
    """The script makes the devices and registers each by curl, and counts one that the registry refuses."""
    require(shutil.which("curl") is not None, "no curl")
    (project / "ids").write_text("uuid,device_id\nd1,\nd2,other-2\nd3,\n")
    refused = By(lambda request: answer("404 Not Found") if request.document["uuid"] == "d3" else OK)
    with registry(refused, context=tls(pki, "direct")) as asked:
        options = ["--register", f"https://localhost:{asked.port}", "--ca", pem(pki, "root"), "--style", style]
        printed = run("fleet", "--ids", "ids", *options, "--dry-run", cwd=project)
        assert (printed.status, asked.requests) == (0, []), printed.err
        done = subprocess.run(["bash"], input=printed.out, cwd="/", capture_output=True, text=True, check=False)
        assert (done.returncode, "device d3 is not registered" in done.stderr) == (5, True), done.stderr
        by_script = list(asked.requests)
        assert run("fleet", "--ids", "ids", *options[:4], cwd=project).status == 5
        by_tool = asked.requests[3:]
    assert sorted(request.body for request in by_script) == sorted(request.body for request in by_tool)
    assert {request.document["deviceId"] for request in by_tool} == {"d1", "other-2", "d3"}


def outcomes(count: int, result: Result = Result.MADE) -> list[Outcome]:
    return [Outcome(Identity(DeviceUUID(name), DeviceID(name)), result) for name in names(count)]


def test_what_follows_is_done_for_whole_devices_alone() -> None:
    """Devices that failed are left alone, and each follow-up of a device counts for itself."""
    seen: list[str] = []

    def no_third(identity: Identity) -> None:
        if identity.uuid == "d002":
            raise Failed("it is full", hint="empty it")

    follow_ups = [FollowUp("installed", no_third), FollowUp("registered", lambda one: seen.append(one.uuid))]
    following = Following(follow_ups)
    following.add(outcomes(2, Result.FAILED))
    following.add(outcomes(3) + outcomes(0))
    following.finish(lambda _done, _failed: None)
    assert sorted(seen) == names(3)
    assert following.counts == {"installed": 2, "registered": 3}
    assert [(one.identity.uuid, one.reason) for one in following.failures] == [("d002", "not installed: it is full")]
    assert (following.quantity, following.failed, following.left, following.given_up) == (3, 1, 0, None)


def test_what_breaks_down_is_a_failure() -> None:
    """An error that nobody thought of is told of its device, and the others go on."""

    def breaks(identity: Identity) -> None:
        if identity.uuid == "d001":
            raise ZeroDivisionError("oh")

    following = Following([FollowUp("registered", breaks)], workers=1)
    # One after another, so that the thread waits in between.
    for outcome in outcomes(3):
        following.add([outcome])
        following.finish(lambda _done, _failed: None)
    assert [one.reason for one in following.failures] == ["not registered: it broke down: ZeroDivisionError: oh"]
    assert following.counts == {"registered": 2}


def test_giving_up_needs_failures_after_one_another() -> None:
    """Somebody who is reached now and then is tried for every device; somebody who is not, for no more than some."""
    tried: list[str] = []

    def reached_sometimes(identity: Identity) -> None:
        tried.append(identity.uuid)
        if int(identity.uuid[1:]) % 3:
            raise OutOfReach("nobody there", hint="wait")

    following = Following([FollowUp("registered", reached_sometimes)], workers=1)
    following.add(outcomes(12))
    following.finish(lambda _done, _failed: None)
    assert (len(tried), following.failed, following.given_up) == (12, 8, None)

    def never_reached(identity: Identity) -> None:
        tried.append(identity.uuid)
        raise OutOfReach("nobody there", hint="wait")

    tried.clear()
    following = Following([FollowUp("registered", never_reached)], workers=1)
    following.add(outcomes(12))
    following.finish(lambda _done, _failed: None)
    following.add(outcomes(5))
    assert (len(tried), following.failed, following.left, following.quantity) == (4, 17, 0, 17)
    assert str(following.given_up) == "nobody there"


def test_adding_waits_for_nobody() -> None:
    """However long a follow-up takes, devices are taken in; a few at a time are worked on."""
    gate = threading.Event()
    at_work: list[str] = []

    def waits(identity: Identity) -> None:
        at_work.append(identity.uuid)
        gate.wait(30)

    following = Following([FollowUp("registered", waits)], workers=3)
    following.add(outcomes(50))
    deadline = time.monotonic() + 30
    while len(at_work) < 3 and time.monotonic() < deadline:
        time.sleep(0.001)
    assert (len(at_work), following.left) == (3, 50)
    gate.set()
    following.finish(lambda _done, _failed: None)
    assert following.counts == {"registered": 50}
