"""What was refused leaves a record that holds: nothing ran, and nothing of it needs to be what was approved."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import run
from tests.seals import Pki
from tests.test_records import lines_of, records
from tests.verify_sh import verify

DEVICE = ("device", "--uuid", "d1")
FLEET = ("fleet", "--count", "3")


def edited(name: str, old: str, new: str) -> Callable[[Path], None]:
    def change(project: Path) -> None:
        path = project / name
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))

    return change


def without(*names: str) -> Callable[[Path], None]:
    def change(project: Path) -> None:
        for name in names:
            (project / name).unlink()

    return change


REFUSED: dict[str, tuple[tuple[str, ...], Callable[[Path], None], int]] = {
    "another config": (DEVICE, edited("certs/client.cnf", "digitalSignature", "keyAgreement"), 3),
    "another text": (DEVICE, edited("procedure/device.sh", "365", "3650"), 3),
    "a text that is none": (DEVICE, edited("procedure/device.sh", "openssl x509 -in", "rm -rf"), 3),
    "another root": (FLEET, edited("myservername/devices/ca.crt", "-----END", "x\n-----END"), 3),
    "an approval that is none": (DEVICE, edited("approval.json", '"format"', '"form"'), 3),
    "no root": (DEVICE, without("myservername/devices/ca.crt", "approval.json"), 4),
    "no key of the root": (FLEET, without("myservername/devices/ca.key"), 4),
    "a second root": (("root",), without(), 4),
    "no openssl": (("--openssl", "/nowhere/openssl", *DEVICE), without("approval.json"), 4),
    "no openssl, approved": (("--openssl", "/nowhere/openssl", *DEVICE), without(), 4),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_run(project: Path, record_pki: Pki, name: str) -> None:
    """It is told of in one line without steps, and neither the audit nor verify.sh finds anything wrong with it."""
    command, change, status = REFUSED[name]
    assert run("config", "render", cwd=project).status == 0
    assert run("procedure", "export", "ota-connect-2019.7", "procedure", cwd=project).status == 0
    certificate = record_pki.certificate("seal")
    own = ("--procedure", "./procedure")
    sealed = (*own, "--seal", str(certificate), str(certificate.with_suffix(".key")))
    assert run("approve", *own, cwd=project).status == 0
    change(project)
    ran = run(*command, *sealed, cwd=project)
    assert ran.status == status, ran.err
    record = records(project)[-1]
    (line,) = lines_of(record)
    assert (line["result"], line["steps"]) == ("refused", [])
    assert line["reason"]
    audited = run("audit", cwd=project)
    assert (audited.status, audited.err) == (0, "") or "ca.crt" in audited.err, audited.err
    shutil.rmtree(project / "myservername" / "devices")
    checked = verify(str(record), str(record_pki.certificate("seal-ca")))
    assert (checked.status, checked.err) == (0, ""), checked.out
    assert "skip  seal: all was refused" in checked.out
