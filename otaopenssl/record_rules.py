"""What one record must be, by its own files: digests, the chain of its lines, and commands that are those of its texts.

Source: docs/records.md.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from otaopenssl.account import Result
from otaopenssl.approval import APPROVAL_NAME, Approval, ApprovedText, Build, is_text_of, parse_approval
from otaopenssl.builds import LIBRARIES, OPENSSL_CNF
from otaopenssl.digest import sha256
from otaopenssl.errors import Error
from otaopenssl.ids import parse_device_id, parse_device_uuid
from otaopenssl.materials import CA_CRT
from otaopenssl.merkle import MerkleTree
from otaopenssl.procedure import parse_text
from otaopenssl.records import MOST_LINES
from otaopenssl.statement import (
    BUILD_TYPE,
    LINE_SCHEMA,
    LINES_NAME,
    NO_DIGEST,
    PREDICATE_TYPE,
    STATEMENT_NAME,
    STATEMENT_TYPE,
)
from otaopenssl.steps import Text

_MOST_FINDINGS = 20


class Told(NamedTuple):
    """What a record tells of one device: None for ``uuid`` is a fleet root CA; the digest is of its certificate."""

    uuid: str | None
    certificate_sha256: str


class Statement(NamedTuple):
    """What is read of a statement; ``dependencies`` are its names with their digests, a name may stand twice."""

    sha256: str
    command: str
    places: Mapping[str, str]
    texts: Sequence[Mapping[str, Any]]
    environment: Mapping[str, str]
    dependencies: Sequence[tuple[str, str]]
    byproducts: Mapping[str, str]
    subject: str
    finished: str

    def digest(self, name: str) -> str | None:
        """The digest of the dependency of that name."""
        return next((digest for found, digest in self.dependencies if found == name), None)


def read_statement(directory: Path) -> Statement:
    """The statement of a record. Raises ValueError where it is none."""
    try:
        content = (directory / STATEMENT_NAME).read_bytes()
        document = json.loads(content)
        (subject,) = document["subject"]
        predicate = document["predicate"]
        definition, details = predicate["buildDefinition"], predicate["runDetails"]
        kinds = (document["_type"], document["predicateType"], definition["buildType"], subject["name"])
        if kinds != (STATEMENT_TYPE, PREDICATE_TYPE, BUILD_TYPE, LINES_NAME):
            raise ValueError("it is of another kind")
        return Statement(
            sha256(content),
            definition["externalParameters"]["command"],
            definition["externalParameters"]["places"],
            definition["internalParameters"]["procedure"]["texts"],
            definition["internalParameters"]["environment"],
            [(one["name"], one["digest"]["sha256"]) for one in definition["resolvedDependencies"]],
            {one["name"]: one["digest"]["sha256"] for one in details["byproducts"]},
            subject["digest"]["sha256"],
            details["metadata"]["finishedOn"],
        )
    except OSError as error:
        raise ValueError(f"it cannot be read: {error.strerror}") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"it is no statement of a record: {error}") from error


def text_findings(statement: Statement) -> Iterator[str]:
    """What is wrong with the texts that a statement carries."""
    for one in statement.texts:
        name, digest = one.get("name"), one.get("sha256")
        if digest != statement.digest(f"procedure/{name}"):
            yield f"text {name} has another digest than procedure/{name}"
        if not is_text_of(ApprovedText(str(digest), tuple(one.get("lines", ())))):
            yield f"text {name}: its lines are not those of its digest"


def approval_findings(directory: Path, statement: Statement) -> Iterator[str]:
    """How what ran differs from the approval that lies beside it."""
    digest = statement.digest(APPROVAL_NAME)
    path = directory / APPROVAL_NAME
    if digest is None:
        if path.exists():
            yield f"{APPROVAL_NAME} lies beside a statement that names none"
        return
    content = path.read_bytes() if path.is_file() else b""
    if sha256(content) != digest:
        yield f"{APPROVAL_NAME} is gone or another than the one that the statement names"
        return
    try:
        approval = parse_approval(content)
    except Error as error:
        yield error.message
        return
    yield from _unapproved(approval, statement)


def _unapproved(approval: Approval, statement: Statement) -> Iterator[str]:
    for one in statement.texts:
        approved = approval.texts.get(str(one.get("name")))
        if approved is None or approved.sha256 != one.get("sha256"):
            yield f"text {one.get('name')} is not the approved one"
    for name, found in statement.dependencies:
        if (name.startswith("certs/") or name == CA_CRT) and approval.files.get(name) != found:
            yield f"{name} is not the approved one"
    if approval.environment != statement.environment:
        yield "the environment is not the approved one"
    configs = sorted(digest for name, digest in statement.dependencies if name == OPENSSL_CNF)
    ran = (*map(statement.digest, ("openssl", *LIBRARIES)), configs)
    if ran not in [(one.program, one.libssl, one.libcrypto, _known(one)) for one in approval.builds]:
        yield "openssl is none of the approved builds"


def _known(build: Build) -> list[str]:
    return sorted(digest for digest in build.configs.values() if digest is not None)


class LineCheck:
    """Checks the lines of a record, one after another; ``told`` is what they tell of certificates."""

    def __init__(self, statement: Statement) -> None:
        self._statement = statement
        self._texts = [_parsed(one) for one in statement.texts]
        self.told: list[Told] = []
        self.results: set[str] = set()
        self.size = 0

    def findings(self, path: Path) -> Iterator[str]:
        """What is wrong with devices.jsonl."""
        import hashlib

        tree, whole, previous = MerkleTree(), hashlib.sha256(), NO_DIGEST
        try:
            with path.open("rb") as file:
                for line in file:
                    whole.update(line)
                    bare = line.removesuffix(b"\n")
                    self.size += 1
                    if bare == line:
                        yield f"line {self.size} has no end"
                    yield from (f"line {self.size}: {fault}" for fault in self._line(bare, previous))
                    previous = sha256(bare)
                    tree.add(bare)
        except OSError as error:
            yield f"{path.name} cannot be read: {error.strerror}"
            return
        found = {"last-line": previous, "merkle-root": tree.root()}
        for name, digest in found.items():
            if self._statement.byproducts.get(name) != digest:
                yield f"{name} is another than the statement's"
        if whole.hexdigest() != self._statement.subject:
            yield f"{path.name} is another than the statement's subject"
        if self.size > MOST_LINES:
            yield f"{self.size} lines, at most {MOST_LINES} are allowed"

    def _line(self, line: bytes, previous: str) -> Iterator[str]:
        try:
            facts = json.loads(line)
            is_next = facts["schema"] == LINE_SCHEMA and facts["sequence"] == self.size
            if not is_next or facts["previous"] != previous:
                yield "it does not follow the line before it"
            result, steps = Result(facts["result"]), facts["steps"]
            self.results.add(result)
            uuid, digest = facts["uuid"], facts["certificate_sha256"]
            if (result in (Result.MADE, Result.THERE)) != (digest is not None):
                yield f"a device that is {result} and the digest of its certificate do not fit"
            elif digest is not None:
                self.told.append(Told(uuid, digest))
            yield from self._steps(uuid, facts["device_id"], result, steps)
        except (ValueError, KeyError, TypeError, Error) as error:
            yield f"it is no line of a record: {error}"

    def _steps(self, uuid: str | None, device_id: str | None, result: Result, steps: Any) -> Iterator[str]:
        if result in (Result.THERE, Result.REFUSED):
            if steps:
                yield f"a device that is {result} has steps"
            return
        places = dict(self._statement.places)
        if uuid is not None:
            places |= {"DEVICE_UUID": parse_device_uuid(uuid), "device_id": parse_device_id(str(device_id))}
            places["device_dir"] = f"{places['DEVICES_DIR']}/{uuid}"
        wanted = ((name, step) for name, text in self._texts for step in text.steps)
        quantity = sum(len(text.steps) for _, text in self._texts)
        if len(steps) > quantity or (result is Result.MADE and len(steps) < quantity):
            yield f"{len(steps)} commands, the texts have {quantity}"
            return
        for found, (name, step) in zip(steps, wanted, strict=False):
            bound = step.bind(places)
            argv = tuple(tuple(words) for words in found["argv"])
            if argv != bound.commands or found.get("to") != bound.redirect or found["step"] != f"{name}:{step.line}":
                yield f"{found['step']}: expected {bound.quoted()}, got {found['argv']}"


def bounded(findings: Iterator[str]) -> list[str]:
    """The first findings of many; each says enough."""
    found: list[str] = []
    for finding in findings:
        if len(found) == _MOST_FINDINGS:
            return [*found, "and more"]
        found.append(finding)
    return found


def _parsed(text: Mapping[str, Any]) -> tuple[str, Text]:
    name = str(text["name"])
    return name, parse_text("\n".join([*text["lines"], ""]).encode("utf-8", "surrogatepass"), name)
