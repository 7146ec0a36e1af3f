"""Records made by docs/records.md, in a project with real certificates; any stage of the making can be bent."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from otaopenssl.digest import sha256
from otaopenssl.procedure import parse_text
from tests.conftest import CHECKOUT
from tests.seals import Pki

Json = dict[str, Any]
ZEROS = "0" * 64
TEXTS = CHECKOUT / "templates" / "procedures" / "ota-connect-2019.7"
GATEWAY = {"device_gateway": "gateway.example", "device_gateway_port": "8443"}
FILES = {f"certs/{name}": hashlib.sha256(name.encode()).hexdigest() for name in ("client.cnf", "client.ext")}
BUILD: Json = {
    "version": "OpenSSL 3.0.19 27 Jan 2026",
    "program": "a" * 64,
    "libssl": None,
    "libcrypto": "c" * 64,
    "openssl.cnf": {"/usr/lib/ssl/openssl.cnf": "d" * 64, "/etc/more.cnf": "e" * 64, "/etc/absent.cnf": None},
}
MADE = ("v0", "v1", "v2", "d1")
SIGNATURES = b"those of whoever approved"
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "SERVER_NAME": "myservername", "DEVICE_UUID": "${DEVICE_UUID}"}


def merkle(leaves: list[bytes]) -> bytes:
    """RFC 9162, 2.1.1, as it is written there."""
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + merkle(leaves[:split]) + merkle(leaves[split:])).digest()


def merkle_path(index: int, leaves: list[bytes]) -> list[str]:
    """RFC 9162, 2.1.3.1, as it is written there."""
    if len(leaves) == 1:
        return []
    split = 1 << (len(leaves) - 1).bit_length() - 1
    if index < split:
        return [*merkle_path(index, leaves[:split]), merkle(leaves[split:]).hex()]
    return [*merkle_path(index - split, leaves[split:]), merkle(leaves[:split]).hex()]


@dataclass
class Record:
    """A record that is being made: what will be in its files."""

    name: str
    texts: list[str]
    lines: list[Json]
    statement: Json = field(default_factory=dict)
    approval: Json | None = None

    def encoded(self) -> list[bytes]:
        return [json.dumps(line).encode() for line in self.lines]

    def link(self) -> None:
        for number, line in enumerate(self.lines, start=1):
            line["sequence"] = number
        self.relink()

    def relink(self, start: int = 0) -> None:
        """Let each line from ``start`` on name the one before."""
        for index in range(start, len(self.lines)):
            before = sha256(json.dumps(self.lines[index - 1]).encode()) if index else ZEROS
            self.lines[index]["previous"] = before

    def proof(self, index: int) -> Json:
        leaves = self.encoded()
        return {
            "format": "otaopenssl-proof/1",
            "record": self.name,
            "index": index,
            "size": len(leaves),
            "line": leaves[index].decode(),
            "path": merkle_path(index, leaves),
        }


def nothing(_: Any) -> None:
    """The stage as it should be."""


@dataclass(frozen=True)
class Bent:
    """What one change does, a callable a stage, to the record ``at``; all later stages follow from it as they should.

    ``lines`` comes before the lines are linked, ``linked`` after it, ``statement`` before the statement is written and
    sealed; ``sums`` changes the lines of SHA256SUMS; ``files`` comes last and is given the whole tree. ``body`` makes
    the bytes of devices.jsonl; ``checked`` is the record to check, where it is not the bent one. ``texts`` are
    replacements in device.sh; ``stray`` stands at its end but is never carried out.
    ``only`` leaves the bent record without the others.
    """

    lines: Callable[[Record], object] = nothing
    linked: Callable[[Record], object] = nothing
    statement: Callable[[Json], object] = nothing
    sums: Callable[[list[str]], object] = nothing
    files: Callable[["Tree"], object] = nothing
    body: Callable[[bytes], bytes] = bytes
    proof: Callable[[Json], object] | None = None
    approval: Callable[[Json], object] = nothing
    at: int = 1
    checked: int | None = None
    sealer: str = "seal"
    trust: str = "seal-ca"
    is_approved: bool = True
    are_others_approved: bool = True
    only: bool = False
    texts: tuple[tuple[str, str], ...] = ()
    stray: str = ""


class Tree:
    """A project directory with four devices and the records of a root, a fleet and a device, bent in one point."""

    def __init__(self, pki: Pki, directory: Path, bent: Bent) -> None:
        self.pki = pki
        self.bent = bent
        self.server = directory / "project" / "myservername"
        self.places = {
            "CWD": f"{directory}/project \" -out 'x",
            "SERVER_NAME": "myservername",
            "SERVER_DIR": f"{directory}/project/myservername",
            "DEVICES_DIR": "./myservername/devices",
        }
        self.approved = self._approval()
        self.records = self._records()
        if bent.only:
            self.records = [self.records[bent.at]]
        self._make_devices()
        self.sums: list[str] = []
        for number, record in enumerate(self.records):
            self._write(record, bent if bent.only or number == bent.at else Bent(is_approved=bent.are_others_approved))
        bent.sums(self.sums)
        (self.server / "records" / "SHA256SUMS").write_text("".join(f"{line}\n" for line in self.sums))
        self.checked = self.records[-1 if bent.only else bent.at if bent.checked is None else bent.checked]
        self.record_dir = self.server / "records" / self.checked.name
        self.proof_path = self._proof()
        bent.files(self)

    def arguments(self) -> list[str]:
        proof = [] if self.proof_path is None else [str(self.proof_path)]
        return [str(self.record_dir), str(self.pki.certificate(self.bent.trust)), *proof]

    def content(self, name: str) -> bytes:
        """A text of the procedure, bent as the change says."""
        content = (TEXTS / name).read_text()
        for old, new in self.bent.texts if name == "device.sh" else ():
            assert old in content
            content = content.replace(old, new)
        return content.encode()

    def stated(self, name: str) -> bytes:
        """A text as the statement has it."""
        return self.content(name) + (self.bent.stray.encode() if name == "device.sh" else b"")

    def _text(self, name: str) -> Json:
        lines = self.stated(name).decode().removesuffix("\n").replace("\\\n", "\0").split("\n")
        return {"sha256": sha256(self.stated(name)), "lines": [line.replace("\0", "\\\n") for line in lines]}

    def _approval(self) -> Json:
        return {
            "format": "otaopenssl-approval/1",
            "tool": "otaopenssl 0.5.0",
            "procedure": {"name": "ota", "texts": {path.name: self._text(path.name) for path in TEXTS.iterdir()}},
            "files": FILES
            | {"certs/device_ca.cnf": "b" * 64, "ca.crt": sha256(self.pki.certificate("ca").read_bytes())},
            "openssl": [{**BUILD, "program": "0" * 64}, BUILD],
            "environment": ENVIRONMENT,
        }

    def _records(self) -> list[Record]:
        def name(number: int) -> str:
            return f"20261125T05240{number}Z-{number:012x}"

        root = Record(name(1), ["root.sh"], [])
        root.lines = [self._line(root, None, "made", "ca")]
        fleet = Record(name(2), ["device.sh"], [])
        results = {"v1": "made", "v2": "made", "v0": "there already", "v3": "failed", "v4": "refused"}
        fleet.lines = [self._line(fleet, uuid, result, uuid) for uuid, result in results.items()]
        device = Record(name(3), ["device.sh", "gateway-port.sh"], [])
        device.lines = [self._line(device, "d1", "made", "d1")]
        return [root, fleet, device]

    def _line(self, record: Record, uuid: str | None, result: str, certificate: str) -> Json:
        has_certificate = result in ("made", "there already")
        steps = self._steps(record, uuid) if result in ("made", "failed") else []
        line: Json = {
            "schema": "otaopenssl-device/1",
            "sequence": 0,
            "previous": ZEROS,
            "begin": self.pki.now,
            "end": self.pki.now,
            "uuid": uuid,
            "device_id": uuid and f"id-{uuid}",
            "result": result,
            "serial": "4F" if has_certificate else None,
            "not_after": "2027-11-25T05:24:00Z" if has_certificate else None,
            "certificate_sha256": self.pki.digest(certificate) if has_certificate else None,
            "steps": steps[:3] if result == "failed" else steps,
        }
        return line if has_certificate else line | {"reason": "it was not to be"}

    def _steps(self, record: Record, uuid: str | None) -> list[Json]:
        own = {"DEVICE_UUID": uuid, "device_id": f"id-{uuid}", "device_dir": f"{self.places['DEVICES_DIR']}/{uuid}"}
        places = {**self.places, **GATEWAY, **({} if uuid is None else own)}
        found = []
        for name in record.texts:
            for step in parse_text(self.content(name), name).steps:
                bound = step.bind({key: str(value) for key, value in places.items()})
                made: Json = {"step": f"{name}:{step.line}", "argv": [list(words) for words in bound.commands]}
                if bound.redirect is not None:
                    made["to"] = bound.redirect
                if statuses := [0 for words in bound.commands if words[0] == "openssl"]:
                    made["statuses"] = statuses
                paths = (path.removeprefix(f"{own['device_dir']}/") for path in bound.outputs)
                made["outputs"] = [self._output(path, uuid) for path in paths]
                found.append(made)
        return found

    def _output(self, path: str, uuid: str | None) -> Json:
        if "key" in path:
            return {"path": path, "size": 1, "mode": "0600"}
        certificate = self.pki.certificate(uuid if path == "client.pem" and uuid in MADE else "ca")
        return {"path": path, "size": 1, "sha256": sha256(certificate.read_bytes())}

    def _make_devices(self) -> None:
        devices = self.server / "devices"
        devices.mkdir(parents=True)
        (devices / "ca.crt").write_bytes(self.pki.certificate("ca").read_bytes())
        for name in () if self.bent.only else MADE:
            (devices / name).mkdir()
            (devices / name / "client.pem").write_bytes(self.pki.certificate(name).read_bytes())

    def _statement(self, record: Record) -> Json:
        command = {"root.sh": "root", "gateway-port.sh": "device"}.get(record.texts[-1], "fleet")
        texts = [{"name": name, **self._text(name)} for name in record.texts]
        lines = record.encoded()
        size = {"annotations": {"size": len(lines)}}
        previous = self.sums[-1][:64] if self.sums else ZEROS
        digests = {"merkle-root": merkle(lines).hex(), "last-line": sha256(lines[-1]), "previous-statement": previous}
        build = {
            "buildType": "urn:otaopenssl:record:1",
            "externalParameters": {
                "command": command,
                "places": self.places | (GATEWAY if command == "device" else {}),
            },
            "internalParameters": {
                "procedure": {"name": "ota", "texts": texts},
                "environment": ENVIRONMENT,
                "departures": ["gateway-port"],
                "host": "line",
                "user": "maker",
                "site": None,
                "is_complete": True,
            },
            "resolvedDependencies": self._dependencies(record, command),
        }
        run = {
            "builder": {
                "id": "urn:otaopenssl",
                "version": {"otaopenssl": "1", "openssl": BUILD["version"], "python": "3"},
            },
            "metadata": {"invocationId": record.name[17:], "startedOn": self.pki.now, "finishedOn": self.pki.now},
            "byproducts": [
                {"name": name, "digest": {"sha256": digest}, **(size if name == "merkle-root" else {})}
                for name, digest in digests.items()
            ],
        }
        return {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"name": "devices.jsonl", "digest": {"sha256": ZEROS}}],
            "predicateType": "https://slsa.dev/provenance/v1",
            "predicate": {"buildDefinition": build, "runDetails": run},
        }

    def _dependencies(self, record: Record, command: str) -> list[Json]:
        approved = {}
        if record.approval is not None:
            approved["approval.json"] = sha256(json.dumps(record.approval).encode())
            approved["approval.json.p7s"] = sha256(SIGNATURES)
        texts = {f"procedure/{name}": sha256(self.stated(name)) for name in record.texts}
        files = {key: value for key, value in self.approved["files"].items() if command != "root" or key != "ca.crt"}
        found: list[Json] = [
            {"name": name, "digest": {"sha256": digest}}
            for name, digest in (approved | texts | files | {"seal": self.pki.digest(self.bent.sealer)}).items()
        ]
        uris = {BUILD["program"]: "openssl", BUILD["libcrypto"]: "libcrypto"}
        found += [{"name": name, "uri": f"file:///{name}", "digest": {"sha256": key}} for key, name in uris.items()]
        configs = {path: digest for path, digest in BUILD["openssl.cnf"].items() if digest}
        return found + [
            {"name": "openssl.cnf", "uri": f"file://{path}", "digest": {"sha256": digest}}
            for path, digest in configs.items()
        ]

    def _write(self, record: Record, bent: Bent) -> None:
        directory = self.server / "records" / record.name
        directory.mkdir(parents=True)
        if bent.is_approved:
            record.approval = json.loads(json.dumps(self.approved))
            bent.approval(record.approval)
            (directory / "approval.json").write_text(json.dumps(record.approval))
            (directory / "approval.json.p7s").write_bytes(SIGNATURES)
        bent.lines(record)
        record.link()
        bent.linked(record)
        record.statement = json.loads(json.dumps(self._statement(record)))
        body = bent.body(b"".join(line + b"\n" for line in record.encoded()))
        (directory / "devices.jsonl").write_bytes(body)
        record.statement["subject"][0]["digest"]["sha256"] = sha256(body)
        bent.statement(record.statement)
        path = directory / "statement.json"
        path.write_text(json.dumps(record.statement))
        self.pki.seal(path, self.bent.sealer)
        self.pki.envelope(path, self.bent.sealer)
        self.sums.append(f"{sha256(path.read_bytes())}  {record.name}/statement.json")

    def _proof(self) -> Path | None:
        if self.bent.proof is None:
            return None
        document = self.checked.proof(min(2, len(self.checked.lines) - 1))
        document["statement_sha256"] = sha256((self.record_dir / "statement.json").read_bytes())
        self.bent.proof(document)
        path = self.server / "proof.json"
        path.write_text(json.dumps(document))
        return path
