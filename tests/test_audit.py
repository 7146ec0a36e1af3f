"""Every change to a record, or to a certificate that one tells of, is found."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from otaopenssl.digest import sha256
from otaopenssl.merkle import MerkleTree
from tests.conftest import CHECKOUT, Ran, openssl, run, tree
from tests.fleets import ended, names, program_that, started, until, waiting_for, write_ids
from tests.test_records import records


@pytest.fixture(scope="session")
def _sealed(_pristine: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with an approval, and a sealed record each of a root, a fleet, a device and a refused device."""
    project = tmp_path_factory.mktemp("sealed") / "project"
    project.mkdir()
    for name in ("sealer", "stranger"):
        subject = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}"]
        openssl("req", *subject, "-keyout", f"{name}.key", "-out", f"{name}.crt", "-days", "2", cwd=project.parent)
    seal = ["--seal", "../sealer.crt", "../sealer.key"]
    assert run("root", *seal, cwd=project).status == 0
    assert run("approve", cwd=project).status == 0
    write_ids(project / "ids", [f"d{number}" for number in range(5)])
    assert run("fleet", "--ids", "ids", *seal, cwd=project).status == 0
    assert run("device", "--uuid", "last", *seal, cwd=project).status == 0
    return project


@pytest.fixture
def sealed(_sealed: Path, tmp_path: Path) -> Path:
    """A copy of that project; records name the place of the first one, which does not matter to an audit."""
    shutil.copytree(_sealed.parent, tmp_path / "copy", symlinks=True)
    return tmp_path / "copy" / "project"


def audited(project: Path, *arguments: str) -> Ran:
    before = tree(project.parent)
    ran = run("audit", *(arguments or ("--trust", "../sealer.crt")), cwd=project)
    assert tree(project.parent) == before
    assert "Traceback" not in ran.err
    return ran


def found(project: Path, words: str) -> None:
    """The audit ends with 1 and says so."""
    ran = audited(project)
    assert ran.status == 1, ran.err
    assert words in ran.err, ran.err
    assert len(ran.error_lines) == 1


def test_good_records_hold(sealed: Path) -> None:
    """Nothing is found in records that nobody has changed, also by name and by path, with and without trust."""
    ran = audited(sealed)
    assert (ran.status, ran.out) == (0, "3 records of 7 lines hold, sealed by whom ../sealer.crt vouches for\n"), (
        ran.err
    )
    assert audited(sealed, records(sealed)[1].name, str(records(sealed)[2])).status == 0
    document = json.loads(audited(sealed, "--json").out)
    assert document == {"records": 3, "lines": 7, "findings": []}


def lines_changed(change: Callable[[list[bytes]], list[bytes]]) -> Callable[[Path], None]:
    def apply(project: Path) -> None:
        path = records(project)[1] / "devices.jsonl"
        path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))

    return apply


LINES = {
    "edited": lambda lines: [*lines[:2], lines[2].replace(b'"made"', b'"lost"'), *lines[3:]],
    "one byte": lambda lines: [lines[0].replace(b"-days", b"-dayz"), *lines[1:]],
    "deleted": lambda lines: [*lines[:2], *lines[3:]],
    "first deleted": lambda lines: lines[1:],
    "last deleted": lambda lines: lines[:-1],
    "reordered": lambda lines: [lines[1], lines[0], *lines[2:]],
    "twice": lambda lines: [*lines, lines[-1]],
    "truncated": lambda lines: [*lines[:-1], lines[-1][:100]],
    "no end": lambda lines: [*lines[:-1], lines[-1][:-1]],
    "empty": lambda lines: [],
    "garbage": lambda lines: [*lines, b"\xff\0\n"],
}


@pytest.mark.parametrize("change", LINES.values(), ids=LINES.keys())
def test_changed_lines(sealed: Path, change: Callable[[list[bytes]], list[bytes]]) -> None:
    """A line that is edited, deleted, moved, doubled or cut is found."""
    lines_changed(change)(sealed)
    found(sealed, "devices.jsonl is another than the statement's subject")


def resealed(project: Path, change: Callable[[dict[str, Any]], None], by: str = "sealer") -> None:
    """Change the last statement, seal it anew, and put it into the chain: what only its content can betray."""
    record = records(project)[-1]
    path = record / "statement.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
    (record / "statement.json.p7s").unlink()
    (record / "statement.dsse.json").unlink()
    signing = ["-signer", str(project.parent / f"{by}.crt"), "-inkey", str(project.parent / f"{by}.key")]
    files = ["-in", "statement.json", "-outform", "DER", "-out", "statement.json.p7s"]
    openssl("cms", "-sign", "-binary", "-cades", *signing, *files, cwd=record)
    sums = project / "myservername" / "records" / "SHA256SUMS"
    *others, _ = sums.read_text().splitlines(keepends=True)
    sums.write_text("".join(others) + f"{sha256(path.read_bytes())}  {record.name}/statement.json\n")


def definition(document: dict[str, Any]) -> Any:
    return document["predicate"]["buildDefinition"]


def _another_dependency(name: str) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        for one in definition(document)["resolvedDependencies"]:
            if one["name"] == name:
                one["digest"]["sha256"] = "0" * 64

    return change


def _byproduct(number: int) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        document["predicate"]["runDetails"]["byproducts"][number]["digest"]["sha256"] = "1" * 64

    return change


def _text(document: dict[str, Any]) -> None:
    lines = definition(document)["internalParameters"]["procedure"]["texts"][0]["lines"]
    lines[-1] = lines[-1].replace("-noout", "-nout")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_another_dependency("openssl"), "openssl is none of the approved builds"),
        (_another_dependency("libcrypto"), "openssl is none of the approved builds"),
        (_another_dependency("openssl.cnf"), "openssl is none of the approved builds"),
        (_another_dependency("certs/client.cnf"), "certs/client.cnf is not the approved one"),
        (_another_dependency("ca.crt"), "ca.crt is not the approved one"),
        (_another_dependency("procedure/device.sh"), "another digest than procedure/device.sh"),
        (_another_dependency("approval.json"), "approval.json is gone, or another"),
        (_another_dependency("seal"), "sealed by another certificate"),
        (_byproduct(0), "merkle-root is another"),
        (_byproduct(1), "last-line is another"),
        (_byproduct(2), "names another before it"),
        (_text, "its lines are not those of its digest"),
        (lambda d: definition(d)["internalParameters"]["environment"].update(PATH="/x"), "environment is not the appr"),
        (lambda d: definition(d)["externalParameters"]["places"].update(CWD="/x"), "device.sh:6: expected"),
        (lambda d: d["subject"][0]["digest"].update(sha256="0" * 64), "another than the statement's subject"),
        (lambda d: d.update(predicateType="x"), "'predicateType' is not"),
    ],
)
def test_changed_statements(sealed: Path, change: Callable[[dict[str, Any]], None], words: str) -> None:
    """A statement that does not fit its record is found, even where it is sealed and chained anew by its owner."""
    resealed(sealed, change)
    found(sealed, words)


def test_another_seal(sealed: Path) -> None:
    """A seal by another key is found, as is one that is gone or cut."""
    resealed(sealed, lambda _document: None, by="stranger")
    found(sealed, "its seal does not hold")
    assert "sealed by another certificate" in audited(sealed, records(sealed)[-1].name).err
    (records(sealed)[-1] / "statement.json.p7s").write_bytes(b"0")
    found(sealed, "its seal is cut")
    (records(sealed)[-1] / "statement.json.p7s").unlink()
    found(sealed, "its seal is gone")


def test_a_statement_without_a_seal(sealed: Path) -> None:
    """Where somebody must have sealed, a record without a seal is found."""
    assert run("device", "--uuid", "unsealed", cwd=sealed).status == 0
    found(sealed, "it is not sealed")


def test_commands_that_are_none_of_the_texts(sealed: Path) -> None:
    """A line whose command is another than its text's is found, where all digests and the seal were made anew."""
    path = records(sealed)[-1] / "devices.jsonl"
    line = path.read_bytes().replace(b'"365"', b'"999"')[:-1]
    path.write_bytes(line + b"\n")
    merkle = MerkleTree()
    merkle.add(line)

    def change(document: dict[str, Any]) -> None:
        document["subject"][0]["digest"]["sha256"] = sha256(line + b"\n")
        byproducts = document["predicate"]["runDetails"]["byproducts"]
        byproducts[0]["digest"]["sha256"] = merkle.root()
        byproducts[1]["digest"]["sha256"] = sha256(line)

    resealed(sealed, change)
    found(sealed, "device.sh:7: expected")
    assert len(audited(sealed).err.splitlines()) == 3


@pytest.mark.parametrize("change", ["edited", "deleted", "reordered", "emptied", "gone"])
def test_the_chain_of_statements(sealed: Path, change: str) -> None:
    """SHA256SUMS that is edited, cut or reordered is found."""
    path = sealed / "myservername" / "records" / "SHA256SUMS"
    lines = path.read_text().splitlines(keepends=True)
    changed = {
        "edited": ["0" * 64 + lines[0][64:], *lines[1:]],
        "deleted": [lines[0], lines[2]],
        "reordered": [lines[1], lines[0], lines[2]],
        "emptied": [],
    }
    path.write_text("".join(changed.get(change, [])))
    if change == "gone":
        path.unlink()
    found(sealed, "SHA256SUMS")


def test_certificates_and_records(sealed: Path) -> None:
    """A certificate that is gone, exchanged or recorded nowhere is found; so is a record that is gone."""
    devices = sealed / "myservername" / "devices"
    shutil.copytree(devices / "d1", devices / "more")
    found(sealed, "device more: its certificate is issued, but not recorded")
    shutil.rmtree(devices / "more")
    shutil.copy(devices / "d1" / "client.pem", devices / "d2" / "client.pem")
    found(sealed, "device d2: its certificate is issued, but not recorded")
    shutil.rmtree(devices / "d2")
    found(sealed, "device d2: its certificate is recorded, but gone")


def test_a_record_that_is_in_no_list(sealed: Path) -> None:
    """A record that is named and is not in SHA256SUMS does not pass for one that was checked."""
    name = "20260101T000000Z-0123456789ab"
    shutil.copytree(records(sealed)[1], sealed / "myservername" / "records" / name)
    ran = audited(sealed, name)
    assert ran.status == 1
    assert f"{name}: it is not in SHA256SUMS" in ran.err


def test_a_record_elsewhere(sealed: Path, tmp_path: Path) -> None:
    """A copy is not passed for the project's own record of that name."""
    name = records(sealed)[1].name
    shutil.copytree(records(sealed)[1], tmp_path / name)
    (tmp_path / name / "statement.json").write_text("junk")
    ran = audited(sealed, str(tmp_path / name))
    assert (ran.status, "verify.sh" in ran.err) == (2, True)


def test_an_audit_while_a_fleet_is_made(sealed: Path, real_openssl: str, tmp_path: Path) -> None:
    """What a run has made that goes on is in its record soon."""
    (sealed / "approval.json").rename(sealed / "aside")
    program = program_that(
        tmp_path / "slow", real_openssl, f'[ "$DEVICE_UUID" = e005 ] && {{ {waiting_for(tmp_path / "go")}; }}'
    )
    write_ids(sealed / "ids", names(9, "e"))
    with started("--openssl", str(program), "fleet", "--ids", "ids", "--jobs", "1", cwd=sealed) as process:
        until(lambda: (sealed / "myservername" / "devices" / "e004").exists(), process)
        ran = run("audit", *(record.name for record in records(sealed)), cwd=sealed)
        assert (ran.status, ran.err) == (0, "")
        ran = run("audit", cwd=sealed)
        assert (ran.status, ran.err) == (0, "")
        (tmp_path / "go").touch()
        assert ended(process).status == 0
    assert "it was held to no approval" in run("audit", cwd=sealed).err


def test_a_proof_is_of_the_certificate(sealed: Path) -> None:
    """Where a later run was refused, the line that tells of the certificate is proven."""
    assert run("device", "--uuid", "d3", cwd=sealed).status == 4
    proof = json.loads(run("audit", "--proof", "d3", cwd=sealed).out)
    assert json.loads(proof["line"])["result"] == "made"


def test_a_run_without_an_approval(sealed: Path) -> None:
    """A run that was held to no approval, after one that was, is found; so is a changed file beside a certificate."""
    (sealed / "approval.json").rename(sealed / "aside")
    assert run("device", "--uuid", "d9", "--seal", "../sealer.crt", "../sealer.key", cwd=sealed).status == 0
    (sealed / "aside").rename(sealed / "approval.json")
    found(sealed, "it was held to no approval")


def test_what_checks_is_held_to_the_approval(sealed: Path, real_openssl: str, tmp_path: Path) -> None:
    """An openssl that was not approved does not check a seal either."""
    other = program_that(tmp_path / "other", real_openssl, f"touch {tmp_path}/started")
    ran = run("--openssl", str(other), "audit", "--trust", "../sealer.crt", cwd=sealed)
    assert (ran.status, len(ran.error_lines)) == (3, 1), ran.err
    assert not (tmp_path / "started").exists()


@pytest.mark.parametrize(
    "place", [".open/0123456789ab.0123456789ab.part", "20260101T000000Z-0123456789ab/devices.jsonl"]
)
def test_what_nobody_has_recorded(sealed: Path, place: str) -> None:
    """A line that lies where one of a run would that goes on excuses no certificate."""
    devices = sealed / "myservername" / "devices"
    shutil.copytree(devices / "d1", devices / "more")
    (line,) = [one for one in (records(sealed)[1] / "devices.jsonl").read_text().splitlines() if '"uuid":"d1"' in one]
    path = sealed / "myservername" / "records" / place
    path.parent.mkdir()
    path.write_text(line.replace('"uuid":"d1"', '"uuid":"more"') + "\n")
    assert audited(sealed).status == 1


def test_a_record_that_is_gone(sealed: Path) -> None:
    """A record that was taken out is found."""
    shutil.rmtree(records(sealed)[1])
    found(sealed, "statement.json")


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["nonsense"], 2),
        (["20260101T000000Z-0123456789ab"], 4),
        (["--trust", "none"], 4),
        (["--trust", "ids"], 4),
        (["--proof", "nobody"], 4),
        (["--proof", "a b"], 2),
        (["--proof", "d1", "--trust", "x"], 2),
        (["--server-name", "none"], 4),
    ],
)
def test_bad_input(sealed: Path, arguments: list[str], status: int) -> None:
    """What cannot be audited is told in one line, with a hint."""
    ran = audited(sealed, *arguments)
    assert ran.status == status, ran.err
    assert len(ran.error_lines) == 1
    assert "hint:" in ran.err


def test_an_openssl_that_is_too_old(sealed: Path, real_openssl: str, tmp_path: Path) -> None:
    """Before OpenSSL 3.0 there was no CAdES: neither to seal, nor to sign an approval, nor to check; that is told."""
    lines = """echo 'OpenSSL 1.1.1w  11 Sep 2023'; echo 'OPENSSLDIR: "/usr/lib/ssl"'; exit"""
    old = program_that(tmp_path / "old", real_openssl, f'[ "$1" = version ] && {{ {lines}; }}')
    (sealed / "approval.json").unlink()
    signer = ["../sealer.crt", "../sealer.key"]
    for command in (["audit"], ["device", "--seal", *signer]):
        ran = run("--openssl", str(old), *command, cwd=sealed)
        assert (ran.status, len(ran.error_lines)) == (4, 1), ran.err
        assert "expected OpenSSL 3.0 or newer" in ran.err
        assert "hint:" in ran.err
    assert run("--openssl", str(old), "approve", cwd=sealed).status == 0
    ran = run("--openssl", str(old), "approve", "--sign", *signer, cwd=sealed)
    assert (ran.status, "expected OpenSSL 3.0 or newer" in ran.err) == (4, True)


def test_a_proof_leads_to_the_root(sealed: Path) -> None:
    """A device's proof leads from its line to the Merkle root of the statement."""
    proof = json.loads(run("audit", "--proof", "d3", cwd=sealed).out)
    record = sealed / "myservername" / "records" / proof["record"]
    assert proof["statement_sha256"] == sha256((record / "statement.json").read_bytes())
    assert json.loads(proof["line"])["uuid"] == "d3"
    assert proof["size"] == 5
    assert proof["line"].encode() == (record / "devices.jsonl").read_bytes().splitlines()[proof["index"]]


def verified(project: Path, record: Path, *proof: str) -> subprocess.CompletedProcess[str]:
    """What docs/verify.sh says, which knows nothing of the tool."""
    command = ["bash", str(CHECKOUT / "docs" / "verify.sh"), str(record), "../sealer.crt", *proof]
    return subprocess.run(command, cwd=project, check=False, capture_output=True, text=True)


def test_verify_sh_accepts_what_the_tool_has_written(sealed: Path) -> None:
    """The script for third parties accepts each record and a proof, with and without the lines of the others."""
    for record in records(sealed):
        checked = verified(sealed, record)
        assert checked.returncode == 0, checked.stdout + checked.stderr
        assert "FAIL" not in checked.stdout
    record = records(sealed)[1]
    (sealed / "proof").write_text(run("audit", "--proof", "d3", cwd=sealed).out)
    assert verified(sealed, record, "proof").returncode == 0
    (record / "devices.jsonl").unlink()
    proven = verified(sealed, record, "proof")
    assert proven.returncode == 0, proven.stdout
    assert "d3 made" in proven.stdout


@pytest.mark.parametrize("change", LINES.values(), ids=LINES.keys())
def test_verify_sh_finds_changed_lines(sealed: Path, change: Callable[[list[bytes]], list[bytes]]) -> None:
    """What the audit finds the script finds, too."""
    lines_changed(change)(sealed)
    checked = verified(sealed, records(sealed)[1])
    assert checked.returncode == 1
    assert "FAIL" in checked.stdout


@pytest.mark.parametrize("uuid", ["", '"uuid":["u9"],'])
def test_a_record_that_is_not_listed_and_malformed(project: Path, devices: Path, uuid: str) -> None:
    """It is told, whatever its lines are."""
    assert run("device", "--uuid", "u1", cwd=project).status == 0
    (devices / "u1").rename(devices / "u2")
    stray = project / "myservername" / "records" / "20991231T235959Z-0123456789ab"
    stray.mkdir()
    (stray / "devices.jsonl").write_text(f'{{{uuid}"certificate_sha256":"{"00" * 32}"}}\n')
    ran = run("audit", cwd=project)
    assert (ran.status, len(ran.error_lines)) == (1, 1)
    assert "a line of a run that goes on is none of a record" in ran.err
    assert "device u2: its certificate is issued, but not recorded" in ran.err
