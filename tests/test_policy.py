"""What a host demands: an approval, and who has to have signed it. In a mount namespace with an /etc of its own."""

import json
import os
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from tests.conftest import Ran, openssl, require, run

# /etc of the namespace has what openssl needs, and the policy.
_IN_NAMESPACE = """
set -e
mount -t tmpfs none "$1/mount"
for name in passwd ld.so.cache nsswitch.conf ssl; do
  [ ! -e "/etc/$name" ] || cp -r "/etc/$name" "$1/mount/" 2>/dev/null || true
done
cp -a "$1/otaopenssl" "$1/mount/otaopenssl"
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


@pytest.mark.parametrize("document", [[], {"require_approval": "yes"}, {"more": 1}, {"approvers": {}}])
def test_a_malformed_policy_permits_nothing(host: Host, document: object) -> None:
    """A policy that nobody understands permits nothing."""
    host.policy(document)
    ran = host.run("device")
    assert ran.status == 3, ran.err
    assert "/etc/otaopenssl/policy.json" in ran.err


def test_a_policy_that_others_can_write(host: Host) -> None:
    """A policy that others than root can write is none, and permits nothing."""
    host.policy({})
    (host.directory / "otaopenssl" / "policy.json").chmod(0o666)
    ran = host.run("device")
    assert ran.status == 3
    assert "0666" in ran.err


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


def test_a_stranger_has_signed(host: Host, people: Path, real_openssl: str) -> None:
    """A signature by a certificate of another CA is refused, also beside good ones."""
    approvers(host, people, 1, os.path.realpath(real_openssl))
    assert run("approve", cwd=host.project).status == 0
    sign(host, people, "stranger")
    assert host.run("device", "--uuid", "d1").status == 3
    sign(host, people, "alice")
    ran = host.run("device", "--uuid", "d1")
    assert ran.status == 3
    assert "do not hold" in ran.err


def test_signatures_of_an_earlier_approval(host: Host, people: Path, real_openssl: str) -> None:
    """A signature is of the approval's bytes."""
    approvers(host, people, 1, os.path.realpath(real_openssl))
    assert run("approve", cwd=host.project).status == 0
    sign(host, people, "alice")
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
