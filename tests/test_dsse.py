"""The DSSE envelope beside a seal: made where the extra is installed, signed as openssl verifies it, and audited."""

import base64
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Ran, openssl, run
from tests.test_records import records

NAME = "statement.dsse.json"
KEYS = {
    "EC P-256": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "EC P-384": ["ec", "-pkeyopt", "ec_paramgen_curve:P-384"],
    "RSA": ["rsa:2048"],
}
DIGESTS = {
    "EC P-256": ["-sha256"],
    "EC P-384": ["-sha384"],
    "RSA": ["-sha256", "-sigopt", "rsa_padding_mode:pss"],
}
# As if the extra were not installed.
_WITHOUT = "import sys; sys.modules['securesystemslib'] = None; from otaopenssl.__main__ import main; main()"


def sealing(directory: Path, key: list[str], *protection: str) -> list[str]:
    """The options of a new sealing certificate and its key."""
    make = ["-x509", "-newkey", *key, *(protection or ["-nodes"]), "-subj", "/CN=sealer", "-days", "2"]
    openssl("req", *make, "-keyout", "seal.key", "-out", "seal.crt", cwd=directory)
    return ["--seal", str(directory / "seal.crt"), str(directory / "seal.key")]


def audited(project: Path, trust: Path) -> Ran:
    return run("audit", records(project)[-1].name, "--trust", str(trust), cwd=project)


@pytest.mark.parametrize("kind", KEYS)
def test_an_envelope(project: Path, tmp_path: Path, kind: str) -> None:
    """It holds the statement, and openssl verifies what DSSE says is signed."""
    seal = sealing(tmp_path, KEYS[kind])
    assert run("device", *seal, cwd=project).status == 0
    record = records(project)[-1]
    envelope = json.loads((record / NAME).read_text())
    statement = (record / "statement.json").read_bytes()
    assert envelope["payloadType"] == "application/vnd.in-toto+json"
    assert base64.b64decode(envelope["payload"]) == statement
    (signature,) = envelope["signatures"]
    # The protocol's pre-authentication encoding.
    (tmp_path / "signed").write_bytes(b"DSSEv1 28 application/vnd.in-toto+json %d %b" % (len(statement), statement))
    (tmp_path / "signature").write_bytes(base64.b64decode(signature["sig"]))
    (tmp_path / "public").write_text(openssl("x509", "-in", "seal.crt", "-noout", "-pubkey", cwd=tmp_path))
    openssl("dgst", *DIGESTS[kind], "-verify", "public", "-signature", "signature", "signed", cwd=tmp_path)
    assert audited(project, tmp_path / "seal.crt").status == 0


def test_an_encrypted_key(project: Path, tmp_path: Path) -> None:
    """Its passphrase opens it, and is left nowhere."""
    seal = sealing(tmp_path, KEYS["RSA"], "-passout", "pass:CANARYPASS")
    (tmp_path / "passphrase").write_text("CANARYPASS\n")
    ran = run("device", *seal, "--passphrase-file", str(tmp_path / "passphrase"), cwd=project)
    assert ran.status == 0, ran.err
    assert (records(project)[-1] / NAME).is_file()
    assert audited(project, tmp_path / "seal.crt").status == 0
    for path in project.rglob("*"):
        assert not path.is_file() or b"CANARYPASS" not in path.read_bytes()


def test_a_key_that_cannot_sign_one(project: Path, devices: Path, tmp_path: Path) -> None:
    """It is told before anything is made."""
    seal = sealing(tmp_path, ["ec", "-pkeyopt", "ec_paramgen_curve:secp256k1"])
    ran = run("device", "--uuid", "d1", *seal, cwd=project)
    assert (ran.status, len(ran.error_lines)) == (4, 1), ran.err
    assert "DSSE" in ran.err
    assert "hint:" in ran.err
    assert not (devices / "d1").exists()


def test_without_the_extra(project: Path, tmp_path: Path) -> None:
    """There is the seal alone, and it holds; of an envelope that another machine has made the payload is compared."""
    seal = sealing(tmp_path, KEYS["RSA"])

    def run_without(*arguments: str) -> int:
        command = [sys.executable, "-c", _WITHOUT, *arguments]
        return subprocess.run(command, cwd=project, check=False, capture_output=True).returncode

    assert run_without("device", *seal) == 0
    assert not (records(project)[-1] / NAME).exists()
    assert (records(project)[-1] / "statement.json.p7s").is_file()
    assert run("device", *seal, cwd=project).status == 0
    assert run_without("audit") == 0
    path = records(project)[-1] / NAME
    path.write_text(path.read_text().replace('"payload": "e', '"payload": "f'))
    assert run_without("audit") == 1


def _signature(envelope: dict[str, Any]) -> None:
    found = base64.b64decode(envelope["signatures"][0]["sig"])
    envelope["signatures"][0]["sig"] = base64.b64encode(found[:-1] + bytes([found[-1] ^ 1])).decode()


CHANGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "payload": lambda it: it.update(payload=base64.b64encode(b"{}").decode()),
    "payload, no Base64": lambda it: it.update(payload="*"),
    "payload type": lambda it: it.update(payloadType="text/plain"),
    "signature": _signature,
    "no signature": lambda it: it.update(signatures=[]),
    "no signatures": lambda it: it.pop("signatures"),
    "a signature that is none": lambda it: it["signatures"][0].update(sig=7),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_envelope(project: Path, tmp_path: Path, name: str) -> None:
    """The audit finds it."""
    assert run("device", *sealing(tmp_path, KEYS["EC P-256"]), cwd=project).status == 0
    path = records(project)[-1] / NAME
    envelope = json.loads(path.read_text())
    CHANGES[name](envelope)
    path.write_text(json.dumps(envelope))
    ran = audited(project, tmp_path / "seal.crt")
    assert (ran.status, len(ran.error_lines)) == (1, 1), ran.err
    assert NAME in ran.err


def test_an_envelope_by_another_key(project: Path, tmp_path: Path) -> None:
    """An envelope is of the key that sealed, and of this statement; where nobody has sealed there is none."""
    assert run("device", *sealing(tmp_path, KEYS["RSA"]), cwd=project).status == 0
    (tmp_path / "seal.crt").rename(tmp_path / "first.crt")
    assert run("device", *sealing(tmp_path, KEYS["RSA"]), cwd=project).status == 0
    first, second = records(project)[-2:]
    own = (second / NAME).read_text()
    (second / NAME).write_text((first / NAME).read_text())
    assert "is of another statement" in audited(project, tmp_path / "seal.crt").err
    other = json.loads(own) | {"signatures": json.loads((first / NAME).read_text())["signatures"]}
    (second / NAME).write_text(json.dumps(other))
    assert "is not signed by the sealing certificate" in audited(project, tmp_path / "seal.crt").err
    assert run("device", cwd=project).status == 0
    (records(project)[-1] / NAME).write_text(own)
    assert "a seal that the statement does not name" in run("audit", cwd=project).err


def test_a_key_that_cannot_seal(project: Path, devices: Path, tmp_path: Path) -> None:
    """Of an Ed25519 key this openssl may make no seal: that is told, with what to use, before anything is made."""
    ran = run("device", "--uuid", "d1", *sealing(tmp_path, ["ed25519"]), cwd=project)
    if ran.status != 0:
        assert "use an RSA or EC key" in ran.err
        assert not (devices / "d1").exists()
