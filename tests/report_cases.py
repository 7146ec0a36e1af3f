"""A project about which there is all to tell, with names in it that would do harm in a page that took them for more."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.conftest import openssl, run
from tests.faults import Device

SCRIPT = "<script>alert(1)</script>"
IMAGE = '"><img src=x onerror=alert(1)>'
STYLE = "</style></pre></textarea><svg onload=alert(1)>"
# Turns the direction of writing.
BIDI = "\u202e"
ENDS = {"gone": -75.5, "late": -2.5, "today": 0.3, "soon": 12.5, "spring": 100.5, "summer": 190.5, "autumn": 280.5}


def at(days: float) -> str:
    """The moment so many days from now, as openssl ca takes it."""
    return f"{datetime.now(UTC) + timedelta(days=days):%Y%m%d%H%M%SZ}"


def hostile_project(directory: Path) -> Path:
    """A project of devices that expire at different times, with faults, own texts, records and seals."""
    project, work = directory / "project", directory / "made"
    project.mkdir()
    work.mkdir()
    assert run("procedure", "export", "ota-connect-2019.7", "texts", cwd=project).status == 0
    text = project / "texts" / "device.sh"
    text.write_text(f"# {STYLE} {SCRIPT} {{{{ 7 * 7 }}}}\n{text.read_text()}")
    assert run("config", "render", cwd=project).status == 0
    config = project / "certs" / "device_ca.cnf"
    config.write_text(config.read_text().replace("ota-devices-CA", "<b id=injected>CA</b>"))
    subject = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=sealer"]
    openssl("req", *subject, "-keyout", "sealer.key", "-out", "sealer.crt", "-days", "2", cwd=work)
    (project / "ids.csv").write_text("uuid,device_id\nscripted,\nwithout,\n" + "".join(f"{name},\n" for name in ENDS))
    seal = ["--seal", str(work / "sealer.crt"), str(work / "sealer.key")]
    for command in (["root"], ["fleet", "--ids", "ids.csv", *seal]):
        made = run(*command, "--procedure", "texts", cwd=project)
        assert made.status == 0, made.err
    _spoil(project, work)
    return project


def _spoil(project: Path, work: Path) -> None:
    devices = project / "myservername" / "devices"
    for name, days in ENDS.items():
        Device(devices / name, work).sign(start=at(-400), end=at(days))
    scripted = Device(devices / "scripted", work)
    # RFC 5280's upper bounds of a name are 64 characters.
    request = scripted.request(f"/CN={SCRIPT.replace('/', chr(92) + '/')}/O={IMAGE}")
    scripted.sign(csr=request, end=at(190.5))
    (devices / "without" / "client.pem").unlink()
    (devices / IMAGE).mkdir()
    (devices / f"evil{BIDI}txt").mkdir()
    (devices / "ca.key").chmod(0o644)
    shutil.copytree(devices / "spring", devices / "twin")
