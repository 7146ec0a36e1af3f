"""Every run leaves a record: what it holds, that it is chained and sealed, and what a killed run leaves."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from otaopenssl.account import Account, Result
from otaopenssl.merkle import MerkleTree, inclusion_path, leaf_hash, node_hash
from otaopenssl.record import Part
from tests.conftest import openssl, require, run
from tests.fleets import names, program_that, started, until, write_ids

ZEROS = "0" * 64


def records(project: Path) -> list[Path]:
    """The records of the project, in the order in which they were sealed."""
    lines = (project / "myservername" / "records" / "SHA256SUMS").read_text().splitlines()
    return [project / "myservername" / "records" / line[66:].removesuffix("/statement.json") for line in lines]


def lines_of(record: Path) -> list[dict[str, Any]]:
    """The lines of a record, once its chain and digests are found right."""
    content = (record / "devices.jsonl").read_bytes()
    statement = json.loads((record / "statement.json").read_bytes())
    assert content.endswith(b"\n")
    assert statement["subject"] == [
        {"name": "devices.jsonl", "digest": {"sha256": hashlib.sha256(content).hexdigest()}}
    ]
    previous, tree, found = ZEROS, [], []
    for number, line in enumerate(content[:-1].split(b"\n"), 1):
        document = json.loads(line)
        assert (document["sequence"], document["previous"]) == (number, previous)
        previous = hashlib.sha256(line).hexdigest()
        tree.append(hashlib.sha256(b"\0" + line).digest())
        found.append(document)
    made = {one["name"]: one["digest"]["sha256"] for one in statement["predicate"]["runDetails"]["byproducts"]}
    assert made["last-line"] == previous
    assert made["merkle-root"] == root_of(tree).hex()
    return found


def root_of(leaves: list[bytes]) -> bytes:
    """RFC 9162, 2.1.1, to the letter."""
    if len(leaves) == 1:
        return leaves[0]
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    return hashlib.sha256(b"\1" + root_of(leaves[:half]) + root_of(leaves[half:])).digest()


def statements(project: Path) -> list[dict[str, Any]]:
    """The statements of the project, once each is found to name the one before it."""
    previous, found = ZEROS, []
    for record in records(project):
        content = (record / "statement.json").read_bytes()
        document = json.loads(content)
        byproducts = document["predicate"]["runDetails"]["byproducts"]
        assert byproducts[2] == {"name": "previous-statement", "digest": {"sha256": previous}}
        previous = hashlib.sha256(content).hexdigest()
        found.append(document)
    return found


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 8, 9, 31, 32, 33])
def test_merkle_trees(size: int) -> None:
    """The tree's root is RFC 9162's, and each leaf's path leads to it."""
    lines = [str(number).encode() for number in range(size)]
    tree = MerkleTree()
    for line in lines:
        tree.add(line)
    leaves = [leaf_hash(line) for line in lines]
    assert tree.root() == root_of(leaves).hex()
    for index in range(size):
        found, at, last = leaves[index], index, size - 1
        for beside in inclusion_path(leaves, index):
            if at % 2 or at == last:
                found = node_hash(beside, found)
                while at % 2 == 0 and at:
                    at, last = at // 2, last // 2
            else:
                found = node_hash(found, beside)
            at, last = at // 2, last // 2
        assert found.hex() == tree.root()


@pytest.mark.real
def test_every_run_leaves_a_record(project: Path, devices: Path) -> None:
    """root, device and fleet leave one each, chained; a refused device as well; each line tells what was made."""
    (project / "ids").write_text("uuid,device_id\nd1,i1\nd2,\nd3,\n")
    assert run("device", "--uuid", "d1", "--device-id", "i1", cwd=project).status == 0
    assert run("device", "--uuid", "d1", cwd=project).status == 4
    assert run("fleet", "--ids", "ids", cwd=project).status == 0
    found = [lines_of(record) for record in records(project)]
    assert [sorted(one["result"] for one in lines) for lines in found] == [
        ["made"], ["made"], ["refused"], ["made", "made", "there already"],
    ]  # fmt: skip
    commands = [one["predicate"]["buildDefinition"]["externalParameters"]["command"] for one in statements(project)]
    assert commands == ["root", "device", "device", "fleet"]
    line = found[1][0]
    certificate = devices / "d1" / "client.pem"
    printed = openssl("x509", "-in", str(certificate), "-noout", "-serial", "-fingerprint", "-sha256", cwd=project)
    assert line["serial"] in printed
    assert line["certificate_sha256"].upper() in printed.replace(":", "")
    assert (line["uuid"], line["device_id"]) == ("d1", "i1")
    assert len(line["steps"]) == 7
    for step in line["steps"]:
        for output in step["outputs"]:
            path = devices / "d1" / output["path"]
            assert output["size"] == path.stat().st_size
            if "PRIVATE" in path.read_text():
                assert set(output) == {"path", "size", "mode"}
            else:
                assert output["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.real
def test_the_argv_is_what_ran(project: Path, logging_openssl: tuple[Path, Path]) -> None:
    """The argument lists of a record are those that openssl was started with."""
    program, log = logging_openssl
    assert run("--openssl", str(program), "device", "--uuid", "d1", cwd=project).status == 0
    ran = [line.split("\x1f")[1:] for line in log.read_text().splitlines() if line.startswith("argv")]
    (line,) = lines_of(records(project)[-1])
    recorded = [argv[1:] for step in line["steps"] for argv in step["argv"] if argv[0] == "openssl"]
    assert all(argv in ran for argv in recorded)
    assert len(recorded) == 6


def test_a_failed_step_is_told_without_pem(project: Path, real_openssl: str, tmp_path: Path) -> None:
    """What openssl said is told of a failed step alone, without PEM blocks, bounded."""
    key = "-----BEGIN PRIVATE KEY-----\\nCANARY\\n-----END PRIVATE KEY-----"
    noise = "; ".join([f"printf -- '{key}\\n' >&2", "head -c 5000 /dev/zero | tr '\\0' x >&2", "exit 1"])
    program = program_that(tmp_path / "bad", real_openssl, f'[ "$1" = req ] && {{ {noise}; }}')
    assert run("--openssl", str(program), "device", "--uuid", "d1", cwd=project).status == 1
    (line,) = lines_of(records(project)[-1])
    assert line["result"] == "failed"
    assert line["steps"][-1]["statuses"] == [1]
    assert "(PEM)" in line["steps"][-1]["stderr"]
    assert len(line["steps"][-1]["stderr"]) <= 2000
    for path in (project / "myservername" / "records").rglob("*"):
        assert path.is_dir() or b"CANARY" not in path.read_bytes()


@pytest.mark.real
def test_no_key_and_no_digest_of_one_is_recorded(project: Path, devices: Path) -> None:
    """Neither a line of a private key nor any digest of a key file is in what a run leaves."""
    assert run("fleet", "--count", "5", cwd=project).status == 0
    left = b"".join(path.read_bytes() for path in (project / "myservername" / "records").rglob("*") if path.is_file())
    keys = [*devices.glob("*/pkey*"), devices / "ca.key"]
    assert len(keys) == 11
    for key in keys:
        content = key.read_bytes()
        for line in content.splitlines()[1:-1]:
            assert line not in left
        for name in ("md5", "sha1", "sha256", "sha512"):
            assert hashlib.new(name, content).hexdigest().encode() not in left


def test_malformed_input_leaves_no_record(project: Path) -> None:
    """A record begins once the input is valid."""
    assert run("device", "--uuid", "a b", cwd=project).status == 2
    assert len(records(project)) == 1


def test_a_killed_fleet_is_sealed_by_the_next_run(project: Path, devices: Path, real_openssl: str) -> None:
    """Every device that a killed run has published is in its record, which the next run seals."""
    write_ids(project / "ids", names(60))
    with started("fleet", "--ids", "ids", "--jobs", "2", cwd=project) as process:
        until(lambda: len(list(devices.glob("*/client.pem"))) > 20, process)
        process.send_signal(signal.SIGKILL)
    assert len(records(project)) == 1
    assert run("device", "--uuid", "next", cwd=project).status == 0
    _, dead, _ = records(project)
    made = {line["uuid"] for line in lines_of(dead) if line["result"] == "made"}
    assert made == {path.parent.name for path in devices.glob("d*/client.pem")}
    before = statements(project)[1]["predicate"]["buildDefinition"]
    assert before["internalParameters"]["is_complete"] is False
    assert before["externalParameters"]["command"] == "fleet"
    assert not (project / "myservername" / "records" / ".open").exists()


def mark_open(record: Path) -> None:
    """Let it look as if the run of a record had died over it."""
    statement = json.loads((record / "statement.json").read_text())
    beginning = {
        "run_id": record.name[-12:], "command": "device",
        "places": statement["predicate"]["buildDefinition"]["externalParameters"]["places"],
        "procedure": "x", "texts": [], "environment": {}, "departures": [], "host": "h", "user": "u", "site": None,
        "versions": {}, "started": "2026-01-01T00:00:00.000Z", "dependencies": [],
    }  # fmt: skip
    folder = record.parent / ".open"
    folder.mkdir()
    (folder / record.name).write_text(json.dumps(beginning))


def test_half_a_line_of_a_killed_run(project: Path) -> None:
    """What a killed run was just writing is cut off, and the record is whole."""
    assert run("device", "--uuid", "d1", cwd=project).status == 0
    record = records(project)[-1]
    sums = project / "myservername" / "records" / "SHA256SUMS"
    mark_open(record)
    sums.write_text(sums.read_text()[:-30])
    with (record / "devices.jsonl").open("a") as file:
        file.write('{"schema":"otaopen')
    assert run("device", "--uuid", "d2", cwd=project).status == 0
    assert [len(lines_of(one)) for one in records(project)] == [1, 1, 1]
    assert records(project)[1] == record
    statements(project)


def test_runs_side_by_side_are_one_chain(project: Path) -> None:
    """Runs that end at the same moment are chained one after another."""
    command = ["-c", f"import sys; from tests.conftest import run; sys.exit(run('device', cwd='{project}').status)"]
    running = [subprocess.Popen([sys.executable, *command]) for _ in range(6)]
    assert [process.wait() for process in running] == [0] * 6
    assert len(statements(project)) == 7
    assert all(len(lines_of(record)) == 1 for record in records(project))


def test_a_record_that_cannot_be_written(project: Path, devices: Path) -> None:
    """Without evidence there is no device."""
    folder = project / "myservername" / "records"
    (folder / "SHA256SUMS").rename(project / "sums")
    for path in folder.iterdir():
        path.rename(project / path.name)
    folder.rmdir()
    folder.write_text("in the way")
    ran = run("device", "--uuid", "d1", cwd=project)
    assert ran.status == 4, ran.err
    assert len(ran.error_lines) == 1
    assert not (devices / "d1").exists()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def halved(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"0123")


def fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def dangling(path: Path) -> None:
    path.unlink()
    path.symlink_to("nothing")


DAMAGES: dict[str, Callable[[Path], object]] = {
    "no newline at its end": cut,
    "half a line": halved,
    "noise": lambda path: path.write_bytes(bytes(range(256))),
    "other lines": lambda path: path.write_text(path.read_text().replace("statement", "sentence")),
    "carriage returns": lambda path: path.write_text(path.read_text().replace("\n", "\r\n")),
    "gone": lambda path: path.unlink(),
    "a pipe": fifo,
    "a directory": directory,
    "a link to nothing": dangling,
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_list_of_records(project: Path, devices: Path, name: str) -> None:
    """Nothing is made that could not be chained, nothing of the list is lost, and the audit says what is wrong."""
    assert run("device", "--uuid", "d1", cwd=project).status == 0
    path = project / "myservername" / "records" / "SHA256SUMS"
    DAMAGES[name](path)
    before = path.read_bytes() if path.is_file() else None
    for command in (["device", "--uuid", "d2"], ["fleet", "--count", "2"]):
        ran = run(*command, cwd=project)
        assert (ran.status, len(ran.error_lines)) == (4, 1), ran.err
        assert "SHA256SUMS" in ran.err
        assert "hint:" in ran.err
    assert {path.parent.name for path in devices.glob("*/client.pem")} == {"d1"}
    assert (path.read_bytes() if path.is_file() else None) == before
    audited = run("audit", cwd=project)
    assert (audited.status, len(audited.error_lines)) == (1, 1), audited.err


def test_other_files_among_the_open_records(project: Path) -> None:
    """What no run has put there is nobody's: it is neither read nor removed."""
    folder = project / "myservername" / "records" / ".open"
    (folder / "directory").mkdir(parents=True)
    os.mkfifo(folder / "pipe")
    os.mkfifo(folder / "20260101T000000Z-0123456789ab")
    (folder / "link").symlink_to("nothing")
    (folder / "file").write_text("of somebody's")
    assert run("device", cwd=project).status == 0
    assert len(list(folder.iterdir())) == 5


def test_a_part_is_written_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system takes a few bytes at a time, all of them are written."""
    write = os.write
    part = Part(tmp_path / "part")
    monkeypatch.setattr(os, "write", lambda descriptor, content: write(descriptor, content[:3]))
    part.write(b"0123456789")
    part.close()
    assert (tmp_path / "part").read_bytes() == b"0123456789\n"


def test_a_killed_run_that_was_to_be_sealed(project: Path, devices: Path, real_openssl: str, sealing: Path) -> None:
    """No run without a seal takes over its record: nobody is to get rid of a seal by a kill."""
    seal = ["--seal", str(sealing / "seal.crt"), str(sealing / "seal.key")]
    seal += ["--passphrase-file", str(sealing / "passphrase")]
    program = program_that(sealing / "openssl", real_openssl, '[ "$1" = pkcs8 ] && kill -9 $PPID')
    assert run("--openssl", str(program), "device", "--uuid", "d1", *seal, cwd=project).status == -signal.SIGKILL
    name = next(path.name for path in (project / "myservername" / "records" / ".open").iterdir() if path.suffix == "")
    assert run("device", "--uuid", "d2", cwd=project).status == 0
    assert run("device", "--uuid", "d2", cwd=project).status == 4
    assert name in {path.name for path in (project / "myservername" / "records" / ".open").iterdir()}
    audited = run("audit", cwd=project)
    assert (audited.status, f"{name}: it is of a run that died" in audited.err) == (1, True)
    assert run("device", "--uuid", "d3", *seal, cwd=project).status == 0
    assert not (project / "myservername" / "records" / ".open").exists()
    assert run("audit", cwd=project).status == 0


def test_a_clock_that_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line ends no sooner than it began."""
    told = Account()
    monkeypatch.setattr("otaopenssl.account.timestamp", lambda _now: "2001-01-01T00:00:00.000Z")
    line = json.loads(told.told(Result.FAILED, reason="x"))
    assert line["end"] == line["begin"] > "2001-01-01T00:00:00.000Z"


def test_an_interrupted_command_is_told(project: Path, real_openssl: str, tmp_path: Path) -> None:
    """A command that was interrupted, or hung, has no exit status; its line is one all the same."""
    program = program_that(
        tmp_path / "slow", real_openssl, f'[ "$1" = req ] && {{ touch {tmp_path}/there; sleep 60; }}'
    )
    with started("--openssl", str(program), "device", cwd=project) as process:
        until(lambda: (tmp_path / "there").exists(), process)
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 130
    (line,) = lines_of(records(project)[-1])
    assert line["result"] == "failed"
    assert "statuses" not in line["steps"][-1]
    assert run("audit", cwd=project).status == 0


@pytest.fixture
def sealing(tmp_path: Path) -> Path:
    """A sealing certificate and its key, encrypted by a passphrase."""
    make = ["-x509", "-newkey", "rsa:2048", "-passout", "pass:CANARYPASS", "-subj", "/CN=sealer", "-days", "2"]
    openssl("req", *make, "-keyout", "seal.key", "-out", "seal.crt", cwd=tmp_path)
    (tmp_path / "passphrase").write_text("CANARYPASS\n")
    return tmp_path


def test_a_record_is_sealed(project: Path, sealing: Path) -> None:
    """With --seal a statement carries a signature that openssl verifies, and names the sealing certificate."""
    seal = ["--seal", str(sealing / "seal.crt"), str(sealing / "seal.key")]
    passphrase = ["--passphrase-file", str(sealing / "passphrase")]
    ran = run("device", "--uuid", "d1", *seal, *passphrase, cwd=project)
    assert ran.status == 0, ran.err
    record = records(project)[-1]
    check = ["cms", "-verify", "-binary", "-cades", "-inform", "DER", "-in", "statement.json.p7s", "-purpose", "any"]
    trust = ["-content", "statement.json", "-CAfile", str(sealing / "seal.crt"), "-no-CApath", "-no-CAstore"]
    openssl(*check, *trust, "-out", "/dev/null", cwd=record)
    dependencies = json.loads((record / "statement.json").read_text())["predicate"]["buildDefinition"]
    digest = next(one["digest"]["sha256"] for one in dependencies["resolvedDependencies"] if one["name"] == "seal")
    printed = openssl("x509", "-in", str(sealing / "seal.crt"), "-noout", "-fingerprint", "-sha256", cwd=project)
    assert digest.upper() in printed.replace(":", "")
    for path in project.rglob("*"):
        assert path.is_dir() or path.is_symlink() or b"CANARYPASS" not in path.read_bytes()


def test_gnutls_accepts_the_seal(project: Path, sealing: Path) -> None:
    """GnuTLS verifies the signature, too."""
    require(shutil.which("certtool") is not None, "no certtool (gnutls-bin)")
    seal = ["--seal", str(sealing / "seal.crt"), str(sealing / "seal.key")]
    assert run("device", *seal, "--passphrase-file", str(sealing / "passphrase"), cwd=project).status == 0
    command = ["certtool", "--p7-verify", "--inder", "--load-ca-certificate", str(sealing / "seal.crt")]
    files = ["--load-data", "statement.json", "--infile", "statement.json.p7s"]
    checked = subprocess.run([*command, *files], cwd=records(project)[-1], check=False, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_gnupg_accepts_the_seal(project: Path, sealing: Path) -> None:
    """GnuPG's gpgsm verifies the signature, and refuses it for other bytes."""
    require(shutil.which("gpgsm") is not None, "no gpgsm")
    seal = ["--seal", str(sealing / "seal.crt"), str(sealing / "seal.key")]
    assert run("device", *seal, "--passphrase-file", str(sealing / "passphrase"), cwd=project).status == 0
    # Its agent listens at a socket in its home, whose path may not be long.
    with tempfile.TemporaryDirectory() as home:
        env = {"PATH": os.environ["PATH"], "GNUPGHOME": home}
        printed = openssl("x509", "-in", str(sealing / "seal.crt"), "-noout", "-fingerprint", "-sha1", cwd=project)
        (Path(home) / "trustlist.txt").write_text(f"{printed.strip().partition('=')[2]} S relax\n")
        try:
            subprocess.run(
                ["gpgsm", "--batch", "--import", sealing / "seal.crt"], env=env, check=True, capture_output=True
            )
            for name in ("statement.json", "devices.jsonl"):
                command = ["gpgsm", "--batch", "--disable-crl-checks", "--verify", "statement.json.p7s", name]
                checked = subprocess.run(command, cwd=records(project)[-1], env=env, check=False, capture_output=True)
                assert (checked.returncode == 0) == (name == "statement.json"), checked.stderr
        finally:
            subprocess.run(["gpgconf", "--kill", "all"], env=env, check=False)


def test_a_passphrase_is_in_no_process_list(project: Path, sealing: Path, logging_openssl: tuple[Path, Path]) -> None:
    """No openssl is given it as an argument or in its environment, for a seal as for an approval."""
    program, log = logging_openssl
    signer = [str(sealing / "seal.crt"), str(sealing / "seal.key")]
    passphrase = ["--passphrase-file", str(sealing / "passphrase")]
    for command in (
        ["device", "--verbose", "--seal", *signer, *passphrase],
        ["approve"],
        ["approve", "--sign", *signer, *passphrase],
    ):
        ran = run("--openssl", str(program), *command, cwd=project)
        assert ran.status == 0, ran.err
        assert "CANARY" not in ran.out + ran.err
    noted = log.read_text()
    assert noted.count("cms") >= 3
    assert "CANARY" not in noted


@pytest.mark.parametrize("fault", ["passphrase", "key", "certificate", "swapped"])
def test_a_seal_that_cannot_be_made(project: Path, devices: Path, sealing: Path, fault: str) -> None:
    """What is wrong with a seal is told before a key is made, and the passphrase is told nowhere."""
    certificate, key, passphrase = (sealing / name for name in ("seal.crt", "seal.key", "passphrase"))
    if fault == "passphrase":
        passphrase.write_text("CANARYWRONG\n")
    elif fault == "key":
        key = sealing / "none"
    elif fault == "certificate":
        certificate.write_text("no certificate")
    else:
        certificate, key = key, certificate
    seal = ["--seal", str(certificate), str(key), "--passphrase-file", str(passphrase)]
    ran = run("device", "--uuid", "d1", *seal, cwd=project)
    assert ran.status in (1, 4), ran.err
    assert len(ran.error_lines) == 1
    assert "hint:" in ran.err
    assert "CANARY" not in ran.err
    assert not (devices / "d1").exists()
