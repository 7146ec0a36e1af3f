"""The statement of a record: in-toto Statement v1 with SLSA Provenance v1, as JSON. Source: docs/records.md."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "urn:otaopenssl:record:1"
BUILDER_ID = "urn:otaopenssl"
NO_DIGEST = "0" * 64
LINES_NAME = "devices.jsonl"
# Far more than 10,000 lines are.
MOST_LINES_BYTES = 1024 * 1024 * 1024
STATEMENT_NAME = "statement.json"
SEAL_NAME = f"{STATEMENT_NAME}.p7s"
BYPRODUCTS = ("merkle-root", "last-line", "previous-statement")
LINE_SCHEMA = "otaopenssl-device/1"


class Dependency(NamedTuple):
    """One thing that a run was made of: a name, its digest, and perhaps where it lay."""

    name: str
    sha256: str
    uri: str | None = None


class Beginning(NamedTuple):
    """All that is known of a run when it begins; plain, so that a later run can seal what is left of a dead one."""

    run_id: str
    command: str
    places: Mapping[str, str]
    procedure: str
    texts: Sequence[Mapping[str, Any]]
    environment: Mapping[str, str]
    departures: Sequence[str]
    host: str
    user: str
    site: str | None
    versions: Mapping[str, str | None]
    started: str
    dependencies: Sequence[Sequence[str | None]]
    is_to_be_sealed: bool = False

    def to_json(self) -> bytes:
        """The beginning as a file."""
        return json.dumps(self._asdict()).encode("ascii")

    @staticmethod
    def from_json(content: bytes) -> "Beginning":
        """The beginning that ``to_json`` made. Raises ValueError or TypeError for anything else."""
        return Beginning(**json.loads(content))


class End(NamedTuple):
    """What is known of a record at its end: digests of its lines, and what came before it."""

    finished: str
    is_complete: bool
    lines_sha256: str
    size: int
    merkle_root: str
    last_line: str
    previous_statement: str


def statement(beginning: Beginning, end: End, seal_sha256: str | None) -> bytes:
    """The statement as a file; ``seal_sha256`` is the digest of the certificate that it is to be sealed with."""
    dependencies = [Dependency(str(name), str(digest), uri) for name, digest, uri in beginning.dependencies]
    if seal_sha256 is not None:
        dependencies.append(Dependency("seal", seal_sha256))
    root = _described(Dependency("merkle-root", end.merkle_root))
    document = {
        "_type": STATEMENT_TYPE,
        "subject": [_described(Dependency(LINES_NAME, end.lines_sha256))],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {"command": beginning.command, "places": beginning.places},
                "internalParameters": {
                    "procedure": {"name": beginning.procedure, "texts": beginning.texts},
                    "environment": beginning.environment,
                    "departures": beginning.departures,
                    "host": beginning.host,
                    "user": beginning.user,
                    "site": beginning.site,
                    "is_complete": end.is_complete,
                },
                "resolvedDependencies": [_described(one) for one in dependencies],
            },
            "runDetails": {
                "builder": {"id": BUILDER_ID, "version": beginning.versions},
                "metadata": {
                    "invocationId": beginning.run_id,
                    "startedOn": beginning.started,
                    "finishedOn": end.finished,
                },
                "byproducts": [
                    # The size is what a proof of one line is checked against.
                    {**root, "annotations": {"size": end.size}},
                    _described(Dependency("last-line", end.last_line)),
                    _described(Dependency("previous-statement", end.previous_statement)),
                ],
            },
        },
    }
    return (json.dumps(document, indent=1) + "\n").encode("ascii")


def _described(one: Dependency) -> dict[str, Any]:
    """A ResourceDescriptor."""
    described: dict[str, Any] = {"name": one.name, "digest": {"sha256": one.sha256}}
    return described if one.uri is None else {**described, "uri": one.uri}
