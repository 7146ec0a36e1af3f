"""report: the page is written whole or not at all, over nothing else, and tells what the other commands tell."""

import json
import os
import re
import shutil
import signal
import stat
from pathlib import Path

import pytest

from otaopenssl.fleet_page import MOST_EXPIRING, MOST_FAULTS, MOST_WARNINGS
from tests.conftest import CHECKOUT, Ran, openssl, run, tree
from tests.faults import Device
from tests.fleets import ended, program_that, started, until, waiting_for, write_ids
from tests.report_cases import at
from tests.test_verify import verified_json

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def reported(project: Path, *arguments: str, status: int = 0) -> Ran:
    """A run of the command, and that no half of a page is left."""
    ran = run("report", *arguments, cwd=project)
    assert ran.status == status, ran.err
    assert len(ran.error_lines) == (status != 0)
    assert "Traceback" not in ran.err
    assert not list(project.rglob(".*.new"))
    return ran


def page_of(project: Path, *arguments: str) -> str:
    """The page, without its markup's spaces."""
    return re.sub(r"\s+", " ", reported(project, "--out", "-", *arguments).out)


def text_of(page: str) -> str:
    """What of it is no markup, with entities as they are."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page))


@pytest.fixture
def device(project: Path, devices: Path, tmp_path: Path) -> Device:
    """A device of the project."""
    assert run("device", "--uuid", "u1", cwd=project).status == 0
    return Device(devices / "u1", tmp_path)


def test_the_page_and_its_path(project: Path, device: Device) -> None:
    """It is written to the project directory, its path printed, and nothing else is changed."""
    before = tree(project)
    ran = reported(project)
    assert (ran.out, ran.err) == ("./report.html\n", "")
    after = tree(project)
    after.pop("myservername/.devices.index", None)
    assert after.pop("report.html").startswith("file 644")
    before.pop("myservername/.devices.index", None)
    assert after == before
    page = (project / "report.html").read_text()
    assert page.startswith('<!DOCTYPE html>\n<html lang="en">')
    assert f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}' in page
    assert "<title>Fleet report: myservername</title>" in page


def test_another_place(project: Path, device: Device, tmp_path: Path) -> None:
    """``--out`` names the file from the project directory on; ``-`` prints the page itself."""
    assert reported(project, "--out", "../page.html").out == "../page.html\n"
    printed = reported(project, "--out", "-").out
    assert moments_out((tmp_path / "page.html").read_text()) == moments_out(printed)
    assert not (project / "report.html").exists()


def moments_out(page: str) -> str:
    """The page without the moment at which it was made, which it tells twice."""
    page, count = re.subn(r'(<p class="quiet">|was so at )<time.*?</time>', r"\1NOW", page)
    assert count == 2
    return page


def test_it_is_the_same_for_the_same(project: Path, device: Device) -> None:
    """Two pages of one state differ in nothing but the moment."""
    first, second = (reported(project, "--out", "-").out for _ in range(2))
    assert moments_out(first) == moments_out(second)


def test_an_earlier_page_is_replaced(project: Path, device: Device) -> None:
    """So is an empty file; the mode stays. What is something else stays, unless ``--force`` is given."""
    path = project / "report.html"
    path.touch()
    path.chmod(0o640)
    reported(project)
    first = path.stat()
    reported(project)
    assert path.stat().st_ino != first.st_ino
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    for content in (b"<html>somebody's own</html>", b"\0" * 5000):
        path.write_bytes(content)
        ran = reported(project, status=4)
        assert "'./report.html' is there and is no report of otaopenssl" in ran.err
        assert "--force" in ran.err
        assert path.read_bytes() == content
    reported(project, "--force")
    assert b"Fleet report" in path.read_bytes()


def test_a_link_is_no_page(project: Path, device: Device) -> None:
    """A link is not written through; with ``--force`` the page takes its place, and what it led to stays."""
    (project / "report.html").symlink_to("elsewhere.html")
    reported(project, status=4)
    assert not (project / "elsewhere.html").exists()
    reported(project, "--out", "elsewhere.html")
    before = tree(project)
    assert "is no report" in reported(project, status=4).err
    assert tree(project) == before
    reported(project, "--force")
    assert not (project / "report.html").is_symlink()
    assert tree(project)["elsewhere.html"] == before["elsewhere.html"]


@pytest.mark.parametrize(("out", "status"), [("nowhere/report.html", 4), ("certs", 4), ("fifo", 4), ("a/", 2), ("", 2)])
def test_no_place_for_a_page(project: Path, device: Device, out: str, status: int) -> None:
    """One error tells what cannot be written, before any device is looked at."""
    os.mkfifo(project / "fifo")
    before = tree(project)
    ran = reported(project, "--out", out, status=status)
    assert "hint:" in ran.err
    assert tree(project) == before


@pytest.mark.parametrize(
    "out",
    [
        *("myservername/devices/ca.key", "myservername/devices/u1/pkey.pem", "myservername/devices/new.html"),
        *("myservername/report.html", "certs/client.ext", "certs/new.html", "approval.json", "approval.json.p7s"),
        *("otaopenssl.toml", "way/ca.crt", "own.key", "fifo", "other/records/SHA256SUMS"),
    ],
)
def test_what_no_force_replaces(project: Path, device: Device, tmp_path: Path, out: str) -> None:
    """The server's directory, certs/, the project's own files, private keys and what is no file stay as they are."""
    os.mkfifo(project / "fifo")
    (project / "way").symlink_to(project / "myservername" / "devices")
    shutil.copy(device["pkey.pem"], project / "own.key")
    (project / "approval.json.p7s").touch()
    shutil.copytree(project / "myservername", project / "other")
    before = tree(project)
    for force in ([], ["--force"]):
        ran = reported(project, "--out", out, *force, status=4)
        assert f"'{out}'" in ran.err
        assert "--force" not in ran.err
    assert tree(project) == before


def test_no_devices_directory(tmp_path: Path) -> None:
    """There is nothing to tell of: exit 4, and no page."""
    ran = reported(tmp_path, status=4)
    assert "there are no devices: './myservername/devices' is not there" in ran.err
    assert not list(tmp_path.iterdir())


def test_names_that_are_no_text(project: Path, device: Device, devices: Path, tmp_path: Path) -> None:
    """The page is written where the project lies at no UTF-8, and shows names with line ends or turned writing so."""
    (devices / "n\nl\tt").mkdir()
    elsewhere = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xe2\x80\xae"))
    project.rename(elsewhere)
    reported(elsewhere)
    page = (elsewhere / "report.html").read_text("utf-8")
    assert "/\\udcff\\u202e</span>" in page
    assert "n\\nl\\tt" in page
    assert "\u202e" not in page
    assert "Fleet report" in reported(elsewhere, "--out", "-").out


def test_a_fleet_root_that_ends(project: Path, device: Device, devices: Path) -> None:
    """Where ca.crt ends within 30 days the page begins with that; one that lasts is told with its digest alone."""
    for days, is_ending in ((20, True), (40, False)):
        path = devices / "ca.crt"
        signed = openssl("x509", "-in", "ca.crt", "-signkey", "ca.key", "-days", str(days), cwd=devices)
        path.write_text(signed)
        page = text_of(page_of(project))
        assert ("The fleet root CA expires on" in page.partition("Expiry over time")[0]) is is_ending
        digest = openssl("x509", "-in", "ca.crt", "-noout", "-fingerprint", "-sha256", cwd=devices)
        assert digest.strip().partition("=")[2].replace(":", "").lower() in page


def test_wrong_options(project: Path) -> None:
    """All of them are told at once."""
    ran = reported(project, "--jobs", "0", "--server-name", "a/b", status=2)
    assert "jobs" in ran.err
    assert "a/b" in ran.err
    assert "cannot be read" in reported(project, "--trust", "none.crt", status=4).err


def test_findings_are_those_of_verify(project: Path, device: Device) -> None:
    """Every code that verify tells stands in the page, and a fault does not change the exit status."""
    device["pkey.pem"].chmod(0o644)
    device["client.pem"].unlink()
    codes = set().union(*verified_json(project, "--all").values())
    page = page_of(project)
    assert codes >= {"key-mode", "file-missing"}
    for code in codes:
        assert f'<td class="code whole">{code}</td>' in page
    assert "1 device has no certificate that can be read" in text_of(page)


def test_the_commands_are_the_texts(project: Path, device: Device) -> None:
    """Each text stands there to the letter, with its digest."""
    page = reported(project, "--out", "-").out
    shown = json.loads(run("procedure", "show", "ota-connect-2019.7", "--json", cwd=project).out)
    for name, text in shown["texts"].items():
        written = text["text"].replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        written = written.replace('"', "&#34;").replace("'", "&#39;")
        assert f'">{written}</pre>' in page, name
        assert text["sha256"] in page


def test_what_doctor_tells(project: Path, device: Device, devices: Path) -> None:
    """Its problems stand there with their hints; where there is none the page says so."""
    assert "of <code>otaopenssl doctor</code>: all is well." in page_of(project)
    (devices / "ca.key").chmod(0o644)
    page = page_of(project)
    assert "chmod 600 ./myservername/devices/ca.key" in page
    assert 'of the project</dt><dd class="figure bad">1</dd>' in page


def test_warnings_are_counted(project: Path, device: Device) -> None:
    """Those of doctor stand among the numbers at the top, without a red word of the verdict."""

    def counted() -> int:
        (number,) = re.findall(r'<dt>Warnings</dt><dd class="figure(?: warning)?">(\d+)</dd>', page_of(project))
        return int(number)

    before = counted()
    config = project / "certs" / "client.ext"
    config.write_text(config.read_text() + "\n# ours\n")
    assert counted() == before + 1
    assert "all that must hold holds" in page_of(project)


def test_runs_and_builds(project: Path, device: Device) -> None:
    """The runs that records tell of, the last first, and the openssl that they were made with, with digests."""
    page = page_of(project)
    statements = sorted((project / "myservername" / "records").glob("*/statement.json"))
    commands = [json.loads(path.read_text())["predicate"]["buildDefinition"] for path in statements]
    digests = {one["name"]: one["digest"]["sha256"] for one in commands[0]["resolvedDependencies"]}
    assert re.findall(r'<td class="code">(root|device|fleet)</td>', page) == ["device", "root"]
    for name in ("openssl", "libssl", "libcrypto"):
        assert f'{name} <span class="code">{digests[name]}</span>' in page
    version = openssl("version", cwd=project).split(" (Library")[0].strip()
    assert version in page
    own = text_of(page).partition("OpenSSL of this report")[2].partition("Approval")[0]
    assert version in own
    assert digests["openssl"] in own
    assert '2 records of 2 lines, 0 with a seal. <strong class="good">An audit found nothing amiss.</strong>' in page
    assert "Who has sealed was not checked: <code>otaopenssl audit --trust CERT</code>" in page


def test_seals(project: Path, device: Device, tmp_path: Path) -> None:
    """A seal holds only where ``--trust`` names who has to have made it, which the page then names as well."""
    for name in ("sealer", "stranger"):
        subject = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}"]
        openssl("req", *subject, "-keyout", f"{name}.key", "-out", f"{name}.crt", "-days", "2", cwd=tmp_path)
    made = run("device", "--uuid", "u2", "--seal", "../sealer.crt", "../sealer.key", cwd=project)
    assert made.status == 0, made.err
    page = page_of(project)
    assert "3 records of 3 lines, 1 with a seal." in page
    assert seals_in(page) == ["not checked"]
    page = page_of(project, "--trust", "../sealer.crt")
    assert "1 with a seal, of which 1 holds." in page
    assert seals_in(page) == ["holds"]
    assert text_of(page).count("it is not sealed") == 2
    assert "its seal does not hold" not in page
    digest = openssl("x509", "-in", "sealer.crt", "-noout", "-fingerprint", "-sha256", cwd=tmp_path)
    assert f"CN=sealer {digest.strip().partition('=')[2].replace(':', '').lower()}" in text_of(page)
    page = page_of(project, "--trust", "../stranger.crt")
    assert seals_in(page) == ["does not hold"]
    assert "1 with a seal, of which 0 hold." in page
    assert "its seal does not hold" in page
    assert "CN=stranger" in page
    (seal,) = (project / "myservername" / "records").glob("*/statement.json.p7s")
    seal.write_bytes(b"0\x00")
    for trust in ([], ["--trust", "../sealer.crt"]):
        page = page_of(project, *trust)
        assert seals_in(page) == ["does not hold"]
        assert re.search(r"An audit of the records found \d things? amiss", page)
        assert "all that must hold holds" not in page


def seals_in(page: str) -> list[str]:
    """What the table of the runs says of their seals, besides that there is none."""
    table = page.partition('id="runs"')[2].partition("</table>")[0]
    return re.findall(r'<span class="word \w+">([^<]*)</span>', table)


def test_a_record_that_was_changed(project: Path, device: Device) -> None:
    """The audit's findings stand there; a record that cannot be read is told in its row."""
    records = project / "myservername" / "records"
    first, last = sorted(path for path in records.iterdir() if path.is_dir() and path.name[0] != ".")
    lines = first / "devices.jsonl"
    lines.write_bytes(lines.read_bytes().replace(b"-days", b"-dayz"))
    (last / "statement.json").write_text("{")
    page = page_of(project)
    assert "An audit found" in page
    assert f'<th scope="row" class="code">{first.name}</th>' in page
    assert '<td colspan="5" class="bad words">statement.json: no JSON' in page


def test_a_run_that_goes_on(project: Path, device: Device, tmp_path: Path, real_openssl: str) -> None:
    """The record of a run is told as one that runs, and as not closed once it was killed, not as a broken one."""
    go, come = tmp_path / "go", tmp_path / "come"
    waiting = f'[ "$DEVICE_UUID" = u2 ] && {{ touch {come}; {waiting_for(go)}; }}'
    program = program_that(tmp_path / "slow", real_openssl, waiting)
    write_ids(project / "ids", ["u2"])
    with started("fleet", "--ids", "ids", "--openssl", str(program), cwd=project) as process:
        until(come.exists, process)
        page = page_of(project)
        process.kill()
        go.touch()
        process.wait()
    assert '<td colspan="5" class="words">running</td>' in page
    assert "all that must hold holds" in page
    page = page_of(project)
    assert '<td colspan="5" class="words">not closed: its run died' in page
    assert "it is of a run that died" in page
    assert run("device", "--uuid", "u3", cwd=project).status == 0
    assert "not closed" not in page_of(project)


def test_records_that_are_gone(project: Path, device: Device, tmp_path: Path) -> None:
    """Where SHA256SUMS names records that are not there, or ``--trust`` asks for some, the page begins with that."""
    records = project / "myservername" / "records"
    named = [path for path in records.iterdir() if path.is_dir() and path.name[0] != "."]
    for path in named:
        shutil.rmtree(path)
    page = text_of(page_of(project))
    top, _, rest = page.partition("Expiry over time")
    assert "An audit of the records found" in top
    assert "all that must hold holds" not in top
    assert all(path.name in rest for path in named)
    shutil.rmtree(records)
    shutil.copy(project / "myservername" / "devices" / "ca.crt", tmp_path / "trusted.crt")
    page = text_of(page_of(project, "--trust", "../trusted.crt"))
    assert "The records were not audited." in page
    assert "there are no records: './myservername/records' is not there" in page.replace("&#39;", "'")


def test_without_records(project: Path, device: Device) -> None:
    """A server that has none says so."""
    for path in sorted((project / "myservername" / "records").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (project / "myservername" / "records").rmdir()
    assert "There are no records." in page_of(project)


def test_without_a_fleet_root(project: Path, device: Device, devices: Path) -> None:
    """The page is written, and tells why devices were not verified; when they expire is known all the same."""
    (devices / "ca.crt").unlink()
    page = text_of(page_of(project))
    assert "The devices were not verified: " in page
    assert "The devices were not verified. Findings" in page
    assert "Fleet root CA cannot be used : &#39;./myservername/devices/ca.crt&#39; is missing" in page
    assert "364 days left" in page


def test_without_openssl(project: Path, device: Device) -> None:
    """The page is written, and tells that there is none."""
    page = text_of(page_of(project, "--openssl", "/nowhere/openssl"))
    assert "The devices were not verified: " in page
    assert "/nowhere/openssl" in page
    told = page.partition("Fleet root CA")[2].partition("Approval")[0]
    assert "not examined: " in told
    assert "ca.crt" not in told
    assert "until " in told


def test_what_is_not_approved_is_not_run(project: Path, device: Device, logging_openssl: tuple[Path, Path]) -> None:
    """Where another openssl than the approved one would run there is no page: exit 3, and none is started."""
    assert run("approve", cwd=project).status == 0
    page = page_of(project)
    assert "nothing differs from approval.json" in page
    assert "These texts are what is audited" in page
    program, log = logging_openssl
    ran = reported(project, "--openssl", str(program), status=3)
    assert "not approved" in ran.err
    assert not log.exists()
    assert not (project / "report.html").exists()


def test_what_differs_from_the_approval_is_told(project: Path, device: Device) -> None:
    """Texts and configuration files make no report: it is written, begins with what differs, and praises nothing."""
    assert run("procedure", "export", "ota-connect-2019.7", "texts", cwd=project).status == 0
    assert run("approve", "--procedure", "texts", cwd=project).status == 0
    config, text = project / "certs" / "client.ext", project / "texts" / "device.sh"
    config.write_text(config.read_text() + "\n# changed\n")
    text.write_text(text.read_text().replace("-days 365", "-days 3650"))
    assert run("device", "--uuid", "u2", "--procedure", "texts", cwd=project).status == 3
    page = text_of(page_of(project, "--procedure", "texts"))
    top, _, rest = page.partition("Expiry over time")
    assert "No device can be made: not approved: 2 differences from approval.json" in top
    assert "certs/client.ext: expected sha256" in top
    assert "text device.sh: expected sha256" in top
    assert "all that must hold holds" not in top
    assert "nothing differs" not in page
    assert "what is audited" not in rest


def test_dry_run(project: Path, device: Device, logging_openssl: tuple[Path, Path]) -> None:
    """It prints the questions, starts nothing and writes nothing; a run asks openssl nothing else."""
    program, log = logging_openssl
    before = tree(project)
    ran = reported(project, "-n", "--openssl", str(program))
    assert ran.out.startswith("#!/usr/bin/env bash\n")
    assert "pkey -in" in ran.out
    assert not log.exists()
    assert tree(project) == before
    reported(project, "--openssl", str(program))
    asked = {line.split("\x1f")[1] for line in log.read_text().splitlines() if line.startswith("argv")}
    printed = set(re.findall(rf"{re.escape(str(program))} (\S+)", ran.out))
    assert asked <= printed


def test_long_tables_are_cut(project: Path, device: Device, devices: Path) -> None:
    """A page of many devices has so many rows and says how many more there are; what is first is what counts."""
    count = MOST_FAULTS + 7
    for number in range(count):
        # Each is a fault, without being a device.
        (devices / f"-{number:04}").mkdir()
    for number in range(MOST_EXPIRING + 4):
        (devices / f"d{number:04}").mkdir()
        (devices / f"d{number:04}" / "client.pem").write_bytes(device["client.pem"].read_bytes())
    device.sign(start=at(-9), end=at(-3.5))
    for number in range(MOST_EXPIRING + 4):
        (devices / f"e{number:04}").mkdir()
        (devices / f"e{number:04}" / "client.pem").write_bytes(device["client.pem"].read_bytes())
    device.sign(end=at(3.5))
    page = page_of(project)
    expiring = page.partition('id="first"')[2].partition("</table>")[0]
    assert expiring.count("<tr>") == MOST_EXPIRING + 1
    assert expiring.index(">u1<") < expiring.index(">d0000<")
    assert "And 5 more: <code>otaopenssl list --expiring 30</code>" in page
    gone_table = page.partition('id="expired"')[2].partition("</table>")[0]
    assert gone_table.count(">expired<") == MOST_EXPIRING
    assert expiring.count(">expired<") == 0
    assert "And 4 more: <code>otaopenssl list --expired</code>" in page
    found = page.partition('id="found"')[2].partition("</table>")[0]
    assert found.count(">fault<") == MOST_FAULTS
    assert found.count(">warning<") == MOST_WARNINGS
    assert re.search(r"And [0-9,]+ more: <code>otaopenssl verify --all</code>", page)
    assert f'<td class="count">{count}</td>' in page


def test_an_interruption_leaves_the_earlier_page(
    project: Path, device: Device, tmp_path: Path, real_openssl: str
) -> None:
    """A signal while devices are verified ends the run with 130; the page is as it was."""
    reported(project)
    before = tree(project)
    go, come = tmp_path / "go", tmp_path / "come"
    program = program_that(tmp_path / "slow", real_openssl, f"touch {come}; {waiting_for(go)}")
    with started("report", "--openssl", str(program), cwd=project) as process:
        until(come.exists, process)
        process.send_signal(signal.SIGINT)
        go.touch()
        ran = ended(process)
    assert ran.status == 130, ran.err
    assert tree(project) == before


def test_defaults_of_the_project(project: Path, device: Device) -> None:
    """otaopenssl.toml names the server, as for other commands."""
    (project / "myservername").rename(project / "theirs")
    (project / "otaopenssl.toml").write_text('server_name = "theirs"\nsite = "line <7>"\n')
    page = page_of(project)
    assert "<title>Fleet report: theirs</title>" in page
    assert "<dt>Site</dt> <dd>line &lt;7&gt;</dd>" in page


def test_the_template_asks_for_nothing() -> None:
    """Neither the page nor its style names anything that a browser would fetch, nor a script."""
    for path in (CHECKOUT / "templates").glob("*report*"):
        text = path.read_text()
        assert not re.search(r"https?:|//|@import|<script|\bon[a-z]+=|\|\s*safe|url\((?!#)", text), path
