"""What a statement of a record must be, to the word. Source: docs/records.md."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from otaopenssl.approval import ApprovedText
from otaopenssl.builds import OPENSSL_CNF
from otaopenssl.digest import sha256
from otaopenssl.durable import read_bounded
from otaopenssl.errors import Error, Failed, reason
from otaopenssl.statement import (
    BUILD_TYPE,
    BUILDER_ID,
    BYPRODUCTS,
    LINES_NAME,
    PREDICATE_TYPE,
    STATEMENT_NAME,
    STATEMENT_TYPE,
)
from otaopenssl.strict_json import Members, read_json

_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z")
_HINT = "see docs/records.md for what it must be"
# The texts that a command carries out; those of device and fleet, a gateway's as well where one was asked.
_TEXTS = {"root": "root.sh"} | dict.fromkeys(("device", "fleet", "sign", "renew"), "device.sh")
_GATEWAY_TEXTS = ("gateway.sh", "gateway-port.sh")
_PLACES = ("CWD", "SERVER_NAME", "SERVER_DIR", "DEVICES_DIR")


class Statement(NamedTuple):
    """What a statement says; ``dependencies`` are names with digests and, where they were told, URIs."""

    sha256: str
    command: str
    places: Mapping[str, str]
    procedure: str
    texts: Mapping[str, ApprovedText]
    environment: Mapping[str, str]
    dependencies: Sequence[tuple[str, str, str | None]]
    openssl_version: str
    run_id: str
    byproducts: Mapping[str, str]
    size: int
    subject: str
    finished: str

    def digest(self, name: str) -> str | None:
        """The digest of the dependency of that name."""
        return next((digest for found, digest, _ in self.dependencies if found == name), None)


def read_statement(directory: Path) -> Statement:
    """The statement of a record. Raises Failed where it is not what docs/records.md says."""
    try:
        content = read_bounded(directory / STATEMENT_NAME)
    except OSError as error:
        raise _fault(f"{STATEMENT_NAME}: it cannot be read: {reason(error)}") from error
    top = read_json(content, STATEMENT_NAME, _fault)
    _constant(top, "_type", STATEMENT_TYPE)
    _constant(top, "predicateType", PREDICATE_TYPE)
    subjects = top.list_inside("subject")
    if len(subjects) != 1:
        top.refuse("it has not one subject")
    _constant(subjects[0], "name", LINES_NAME)
    predicate = top.inside("predicate")
    definition, details = predicate.inside("buildDefinition"), predicate.inside("runDetails")
    _constant(definition, "buildType", BUILD_TYPE)
    external, internal = definition.inside("externalParameters"), definition.inside("internalParameters")
    command, places = external.string("command"), external.inside("places").each(Members.string)
    builder, metadata = details.inside("builder"), details.inside("metadata")
    procedure = internal.inside("procedure")
    _constant(builder, "id", BUILDER_ID)
    finished = _times(metadata)
    byproducts, size = _byproducts(details)
    statement = Statement(
        sha256(content),
        command,
        places,
        procedure.string("name"),
        dict(_text(one) for one in procedure.list_inside("texts")),
        internal.inside("environment").each(Members.string),
        [_dependency(one) for one in definition.list_inside("resolvedDependencies")],
        _versions(builder),
        metadata.string("invocationId"),
        byproducts,
        size,
        subjects[0].inside("digest").digest("sha256"),
        finished,
    )
    _check_internal(internal)
    _check_sense(top, statement)
    return statement


def _check_internal(internal: Members) -> None:
    for key in ("host", "user"):
        internal.string(key)
    internal.strings("departures")
    internal.string_or_null("site")
    internal.boolean("is_complete")


def _check_sense(top: Members, statement: Statement) -> None:
    """Raise Failed where members do not fit each other."""
    if statement.command not in _TEXTS:
        top.refuse("'command' is none that leaves records")
    if not statement.places.keys() >= set(_PLACES):
        top.refuse(f"'places' does not hold all of {', '.join(_PLACES)}")
    wanted = (_TEXTS[statement.command],)
    has_gateway = statement.command != "root" and "device_gateway" in statement.places
    found = tuple(statement.texts)
    if found not in [(*wanted, name) for name in _GATEWAY_TEXTS] if has_gateway else found != wanted:
        top.refuse("'texts' are not those that the command carries out")
    names = [name for name, _, _ in statement.dependencies if name != OPENSSL_CNF]
    if len(names) != len(set(names)):
        top.refuse("a dependency stands twice")


def _versions(builder: Members) -> str:
    versions = builder.inside("version").each(Members.string)
    if not versions.keys() >= {"otaopenssl", "openssl", "python"}:
        builder.refuse("'version' does not hold all of otaopenssl, openssl, python")
    return versions["openssl"]


def _times(metadata: Members) -> str:
    started, finished = metadata.string("startedOn"), metadata.string("finishedOn")
    if not (is_time(started) and is_time(finished) and started <= finished):
        metadata.refuse("'startedOn' and 'finishedOn' are no times, one after the other")
    return finished


def is_time(text: str) -> bool:
    """Whether it is a time as records hold it."""
    try:
        return bool(_TIME.fullmatch(text) and datetime.fromisoformat(text))
    except ValueError:
        return False


def _byproducts(details: Members) -> tuple[Mapping[str, str], int]:
    found, size = {}, 0
    listed = details.list_inside("byproducts")
    for one in listed:
        name = one.string("name")
        found[name] = one.inside("digest").digest("sha256")
        if name == BYPRODUCTS[0]:
            size = one.inside("annotations").integer("size")
    if sorted(found) != sorted(BYPRODUCTS) or len(listed) != len(BYPRODUCTS):
        details.refuse(f"'byproducts' are not {', '.join(BYPRODUCTS)}")
    return found, size


def _text(one: Members) -> tuple[str, ApprovedText]:
    return one.string("name"), ApprovedText(one.digest("sha256"), one.strings("lines"))


def _dependency(one: Members) -> tuple[str, str, str | None]:
    uri = one.string("uri") if one.has("uri") else None
    return one.string("name"), one.inside("digest").digest("sha256"), uri


def _constant(members: Members, key: str, value: str) -> None:
    if members.string(key) != value:
        members.refuse(f"'{key}' is not '{value}'")


def _fault(words: str) -> Error:
    return Failed(words, hint=_HINT)
