"""What a host demands: an approval, and who has to have signed it. In a mount namespace with an /etc of its own."""

import json
import os
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from otaopenssl.approvers import distinct_signers
from tests.conftest import Ran, openssl, require, run

# /etc of the namespace has what openssl needs, and the policy.
_IN_NAMESPACE = """
set -e
mount -t tmpfs none "$1/mount"
for name in passwd ld.so.cache nsswitch.conf ssl; do
  [ ! -e "/etc/$name" ] || cp -r "/etc/$name" "$1/mount/" 2>/dev/null || true
done
cp -a "$1/otaopenssl" "$1/mount/otaopenssl"
[ ! -e "$1/trusted" ] || { rm -rf "$1/mount/ssl"; cp -a "$1/trusted" "$1/mount/ssl"; }
mount --bind "$1/mount" /etc
shift
exec "$@"
"""


class Host:
    """A host whose policy the tests write."""

    def __init__(self, directory: Path, project: Path) -> None:
        self.directory = directory
        self.project = project
        (directory / "otaopenssl").mkdir(parents=True)
        (directory / "mount").mkdir()

    def policy(self, document: object) -> None:
        (self.directory / "otaopenssl" / "policy.json").write_text(json.dumps(document))

    def run(self, *arguments: str) -> Ran:
        command = ["unshare", "-rm", "bash", "-c", _IN_NAMESPACE, "bash", str(self.directory)]
        ran = subprocess.run(
            [*command, sys.executable, "-m", "otaopenssl", *arguments],
            cwd=self.project,
            env={"PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=120,
            check=False,
        )
        return Ran(ran.returncode, ran.stdout, ran.stderr)


@pytest.fixture(scope="session")
def _namespaces() -> None:
    tried = subprocess.run(["unshare", "-rm", "true"], check=False, capture_output=True)
    require(tried.returncode == 0, "no mount namespaces here")


@pytest.fixture
def host(tmp_path: Path, project: Path, _namespaces: None) -> Host:
    return Host(tmp_path / "host", project)


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """A CA of approvers with three certificates, and one of a stranger."""
    directory = tmp_path / "people"
    directory.mkdir()

    def request(name: str, *more: str) -> None:
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key"]
        openssl("req", *more, *key, "-subj", f"/CN={name}", "-out", f"{name}.crt", cwd=directory)

    for name in ("ca", "stranger"):
        request(name, "-x509", "-days", "2")
    for name in ("alice", "bob"):
        request(name, "-new")
        signing = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2"]
        openssl("x509", "-req", "-in", f"{name}.crt", *signing, "-out", f"{name}.pem", cwd=directory)
    shutil.copy(directory / "stranger.crt", directory / "stranger.pem")
    return directory


def approvers(host: Host, people: Path, signers: int, program: str = "/usr/bin/openssl") -> None:
    shutil.copy(people / "ca.crt", host.directory / "otaopenssl" / "ca.pem")
    verifier = {"program": program, "sha256": sha256(Path(program).read_bytes()).hexdigest()}
    wanted = {"ca": "/etc/otaopenssl/ca.pem", "signers": signers, "verifier": verifier}
    host.policy({"require_approval": True, "approvers": wanted})


def approved_by(host: Host, people: Path, real_openssl: str, *names: str) -> None:
    """What is there is approved, where one person has to sign, and these have."""
    approvers(host, people, 1, os.path.realpath(real_openssl))
    assert run("approve", cwd=host.project).status == 0
    sign(host, people, *names)


def sign(host: Host, people: Path, *names: str) -> None:
    for name in names:
        ran = run("approve", "--sign", str(people / f"{name}.pem"), str(people / f"{name}.key"), cwd=host.project)
        assert ran.status == 0, ran.err


def test_a_policy_demands_an_approval(host: Host) -> None:
    """Where the policy says so nothing runs without an approval."""
    host.policy({"require_approval": True})
    ran = host.run("device", "--uuid", "d1")
    assert ran.status == 3, ran.err
    assert "there is no approval.json" in ran.err
    assert run("approve", cwd=host.project).status == 0
    assert host.run("device", "--uuid", "d1").status == 0


APPROVERS: dict[str, Any] = {
    "ca": "/etc/otaopenssl/ca.pem",
    "signers": 1,
    "verifier": {"program": "/usr/bin/openssl", "sha256": "0" * 64},
}


@pytest.mark.parametrize(
    "document",
    [
        [],
        {"require_approval": "yes"},
        {"more": 1},
        {"approvers": {}},
        {"approvers": APPROVERS | {"signers": 0}},
        {"approvers": APPROVERS | {"signers": True}},
        {"approvers": APPROVERS | {"more": 1}},
        {"approvers": APPROVERS | {"ca": "ca.pem"}},
        {"approvers": APPROVERS | {"verifier": APPROVERS["verifier"] | {"more": 1}}},
        {"approvers": APPROVERS | {"verifier": APPROVERS["verifier"] | {"program": "openssl"}}},
    ],
)
def test_a_malformed_policy_permits_nothing(host: Host, document: object) -> None:
    """A policy that nobody understands permits nothing."""
    host.policy(document)
    ran = host.run("device")
    assert ran.status == 3, ran.err
    assert "/etc/otaopenssl/policy.json" in ran.err


@pytest.mark.parametrize(("name", "mode"), [("policy.json", 0o666), ("policy.json", 0o664), (".", 0o777)])
def test_a_policy_that_others_can_write(host: Host, name: str, mode: int) -> None:
    """A policy that others than root can write, or replace, is none, and permits nothing."""
    host.policy({})
    assert host.run("device").status == 0
    (host.directory / "otaopenssl" / name).chmod(mode)
    ran = host.run("device")
    assert ran.status == 3
    assert f"{mode:04o}" in ran.err


@pytest.mark.parametrize("kind", ["a link to nothing", "a directory", "too large"])
def test_a_policy_that_cannot_be_read(host: Host, kind: str) -> None:
    """It is there, so that it is none that demands nothing."""
    path = host.directory / "otaopenssl" / "policy.json"
    if kind == "a directory":
        path.mkdir()
    elif kind == "too large":
        path.write_bytes(b"{}" + bytes(2_000_000))
    else:
        path.symlink_to("nothing")
    ran = host.run("device")
    assert (ran.status, len(ran.error_lines)) == (3, 1), ran.err


def test_a_policy_that_is_a_link(host: Host, tmp_path: Path) -> None:
    """Neither may others replace what it leads to."""
    elsewhere = tmp_path / "elsewhere" / "below"
    elsewhere.mkdir(parents=True)
    (elsewhere / "policy.json").write_text("{}")
    (host.directory / "otaopenssl" / "policy.json").symlink_to(elsewhere / "policy.json")
    for directory, mode, status in ((elsewhere, 0o755, 0), (elsewhere, 0o777, 3), (elsewhere.parent, 0o777, 3)):
        for one in (elsewhere, elsewhere.parent):
            one.chmod(0o755)
        directory.chmod(mode)
        ran = host.run("device")
        assert ran.status == status, ran.err


def test_approvers_demand_an_approval(host: Host, people: Path, real_openssl: str) -> None:
    """Where people have to sign, there has to be what they sign."""
    approvers(host, people, 1, os.path.realpath(real_openssl))
    document = json.loads((host.directory / "otaopenssl" / "policy.json").read_text())
    del document["require_approval"]
    host.policy(document)
    ran = host.run("device")
    assert ran.status == 3
    assert "there is no approval.json" in ran.err


def test_a_ca_that_others_can_write(host: Host, people: Path, real_openssl: str) -> None:
    """Whoever could change the approvers' CA could approve."""
    approved_by(host, people, real_openssl, "alice")
    (host.directory / "otaopenssl" / "ca.pem").chmod(0o666)
    ran = host.run("device")
    assert ran.status == 3
    assert "ca.pem" in ran.err


def test_the_authorities_of_the_host_approve_nothing(host: Host, people: Path, real_openssl: str) -> None:
    """A certificate of an authority that the whole host trusts is a stranger's."""
    approved_by(host, people, real_openssl, "stranger")
    hashed = openssl("x509", "-in", str(people / "stranger.crt"), "-noout", "-hash", cwd=people).strip()
    certs = host.directory / "trusted" / "certs"
    certs.mkdir(parents=True)
    shutil.copy(people / "stranger.crt", certs / f"{hashed}.0")
    shutil.copy(people / "stranger.crt", host.directory / "trusted" / "cert.pem")
    shutil.copy("/etc/ssl/openssl.cnf", host.directory / "trusted" / "openssl.cnf")
    # As far as openssl itself is concerned they are trusted.
    ran = host.run("device")
    assert ran.status == 3
    assert "do not hold" in ran.err


@pytest.mark.parametrize(
    ("certificates", "number"),
    [
        ([("a", 1)], 1),
        ([("a", 1), ("b", 2)], 2),
        ([("a", 1), ("a", 2)], 1),
        ([("a", 1), ("b", 1)], 1),
        ([("a", 1), ("a", 2), ("b", 2)], 1),
        ([("a", 1), ("b", 2), ("a", 2)], 1),
        ([("a", 1), ("a", 2), ("b", 2), ("c", 3)], 2),
        ([("a", 1), ("A ", 2)], 1),
        ([], 0),
    ],
)
def test_distinct_people(tmp_path: Path, certificates: list[tuple[str, int]], number: int) -> None:
    """Whoever shares a name or a key with another is the same person, as are all who are the same as one of both."""
    pem = b""
    for name, key in certificates:
        path = tmp_path / f"{key}.key"
        if not path.exists():
            openssl("genpkey", "-algorithm", "ed25519", "-out", path.name, cwd=tmp_path)
        made = openssl("req", "-x509", "-key", path.name, "-subj", f"/CN={name}", "-days", "2", cwd=tmp_path)
        pem += made.encode()
    assert distinct_signers(pem) == number
    assert distinct_signers(pem + b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n") == 0


def test_enough_people_have_signed(host: Host, people: Path, real_openssl: str) -> None:
    """Two signatures of two people of the approvers' CA are enough where two are demanded; fewer are not."""
    approvers(host, people, 2, os.path.realpath(real_openssl))
    assert run("approve", cwd=host.project).status == 0
    ran = host.run("device", "--uuid", "d1")
    assert ran.status == 3
    assert "is not signed" in ran.err
    sign(host, people, "alice")
    assert "expected the signatures of 2 people, got those of 1" in host.run("device", "--uuid", "d1").err
    again = run("approve", "--sign", str(people / "alice.pem"), str(people / "alice.key"), cwd=host.project)
    assert again.status == 4
    assert "has signed it already" in again.err
    sign(host, people, "bob")
    ran = host.run("device", "--uuid", "d1")
    assert ran.status == 0, ran.err
    with (host.project / "approval.json.p7s").open("ab") as file:
        file.write(b"x")
    ran = host.run("device", "--uuid", "d2")
    assert (ran.status, "has something behind it" in ran.err) == (3, True)


def test_a_stranger_has_signed(host: Host, people: Path, real_openssl: str) -> None:
    """A signature by a certificate of another CA is refused, also beside good ones."""
    approved_by(host, people, real_openssl, "stranger")
    assert host.run("device", "--uuid", "d1").status == 3
    sign(host, people, "alice")
    ran = host.run("device", "--uuid", "d1")
    assert ran.status == 3
    assert "do not hold" in ran.err


def test_signatures_of_an_earlier_approval(host: Host, people: Path, real_openssl: str) -> None:
    """A signature is of the approval's bytes."""
    approved_by(host, people, real_openssl, "alice")
    path = host.project / "approval.json"
    path.write_text(path.read_text() + "\n")
    assert host.run("device").status == 3


def test_another_verifier(host: Host, people: Path, real_openssl: str) -> None:
    """The program that checks signatures is the one whose digest the policy names."""
    approvers(host, people, 1, os.path.realpath(real_openssl))
    document = json.loads((host.directory / "otaopenssl" / "policy.json").read_text())
    document["approvers"]["verifier"]["sha256"] = "0" * 64
    host.policy(document)
    assert run("approve", cwd=host.project).status == 0
    sign(host, people, "alice")
    ran = host.run("device")
    assert ran.status == 3
    assert "verifier" in ran.err
