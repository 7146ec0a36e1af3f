"""What the lines of a record must be: chained, well-formed, and of commands that are those of its texts.

Source: docs/records.md.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from otaopenssl.account import Result
from otaopenssl.approval import ApprovedText
from otaopenssl.digest import sha256
from otaopenssl.durable import opened_bounded
from otaopenssl.errors import Error, quoted
from otaopenssl.ids import parse_device_id, parse_device_uuid
from otaopenssl.layout import CERTIFICATE_NAME, GATEWAY_ROOT_NAME
from otaopenssl.merkle import MerkleTree
from otaopenssl.procedure import parse_text
from otaopenssl.records import MOST_LINES
from otaopenssl.signing_steps import from_keys, from_request
from otaopenssl.statement import LINE_SCHEMA, MOST_LINES_BYTES, NO_DIGEST
from otaopenssl.statement_rules import Statement, is_time
from otaopenssl.steps import Step, Text

_DIGEST = re.compile(r"[0-9a-f]{64}")
_SERIAL = re.compile(r"(?:[0-9A-F]{2}){1,20}")
_DAY_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_WITH_CERTIFICATE = (Result.MADE, Result.THERE)
_LONGEST_LINE = 1024 * 1024


class Told(NamedTuple):
    """What a record tells of one device: None for ``uuid`` is a fleet root CA; the digest is of its certificate.

    ``files`` are the digests of what was written into the device directory, by name.
    """

    uuid: str | None
    certificate_sha256: str
    result: Result
    files: Mapping[str, str]


class _BadLineError(Exception):
    """Something about a line that the format does not say."""


class LineCheck:
    """Checks the lines of a record, one after another; ``told`` is what they tell of certificates."""

    def __init__(self, statement: Statement) -> None:
        self._statement = statement
        self._texts: list[tuple[str, Text]] | None = None
        self._seen: set[str] = set()
        self.told: list[Told] = []
        self.results: set[str] = set()
        self.size = 0

    @property
    def is_refused(self) -> bool:
        """Whether nothing was carried out for any device."""
        return self.results == {Result.REFUSED}

    def config_names(self) -> list[str]:
        """The configuration files that the texts name, as far as lines had their steps compared with them."""
        return [name for _, text in self._texts or [] for name in text.config_names()]

    def findings(self, path: Path) -> Iterator[str]:
        """What is wrong with devices.jsonl."""
        import hashlib

        tree, whole, previous = MerkleTree(), hashlib.sha256(), NO_DIGEST
        try:
            with (
                opened_bounded(path, MOST_LINES_BYTES) as (descriptor, _),
                os.fdopen(descriptor, "rb", closefd=False) as file,
            ):
                while line := file.readline(_LONGEST_LINE):
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
            if self._statement.byproducts[name] != digest:
                yield f"{name} is another than the statement's"
        if whole.hexdigest() != self._statement.subject:
            yield f"{path.name} is another than the statement's subject"
        if not self.size == self._statement.size <= MOST_LINES or not self.size:
            yield f"{self.size} lines, the statement says {self._statement.size}, a record has 1 to {MOST_LINES}"

    def _line(self, line: bytes, previous: str) -> Iterator[str]:
        try:
            facts = json.loads(line)
            if type(facts["sequence"]) is not int or facts["sequence"] != self.size or facts["previous"] != previous:
                yield "it does not follow the line before it"
            result = Result(facts["result"])
            self.results.add(result)
            self._check_form(facts, result)
            uuid = facts["uuid"]
            if uuid in self._seen:
                yield f"device {uuid} has two lines"
            self._seen.add(uuid)
            yield from self._steps(uuid, facts["device_id"], result, facts["steps"])
            if result in _WITH_CERTIFICATE:
                files = _files([*facts["steps"], {"outputs": facts.get("given", [])}], is_root=uuid is None)
                self.told.append(Told(uuid, facts["certificate_sha256"], result, files))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, Error, _BadLineError) as error:
            yield f"it is no line of a record: {quoted(error) if isinstance(error, KeyError) else error}"

    def _check_form(self, facts: Mapping[str, Any], result: Result) -> None:
        _must(facts["schema"] == LINE_SCHEMA, "schema")
        begin, end = facts["begin"], facts["end"]
        _must(is_time(begin) and is_time(end) and begin <= end, "begin and end")
        uuid, device_id = facts["uuid"], facts["device_id"]
        if uuid is None or device_id is None:
            _must(uuid is device_id, "uuid and device_id")
            _must(self._statement.command == "root" or result is Result.REFUSED, "uuid")
        else:
            _must(self._statement.command != "root", "uuid")
            parse_device_uuid(uuid)
            parse_device_id(device_id)
        values = [facts["serial"], facts["not_after"], facts["certificate_sha256"]]
        if result in _WITH_CERTIFICATE:
            forms = (_SERIAL, _DAY_TIME, _DIGEST)
            _must(all(form.fullmatch(value) for form, value in zip(forms, values, strict=True)), "its certificate")
            _must("reason" not in facts, "reason")
        else:
            _must(values == [None, None, None], "a certificate that there is none of")
            _must(isinstance(facts["reason"], str), "reason")
        if "given" in facts:
            _must(self._statement.command in ("sign", "renew"), "given")
            _check_outputs(facts["given"])
        else:
            _must(result is not Result.MADE or self._statement.command != "sign", "given")

    def _steps(self, uuid: str | None, device_id: str, result: Result, steps: Sequence[Any]) -> Iterator[str]:
        _must(isinstance(steps, list), "steps")
        if result in (Result.THERE, Result.REFUSED):
            if steps:
                yield f"a device that is {result} has steps"
            return
        places = dict(self._statement.places)
        if uuid is not None:
            places |= {"DEVICE_UUID": uuid, "device_id": device_id, "device_dir": f"{places['DEVICES_DIR']}/{uuid}"}
        if self._texts is None:
            self._texts = [_parsed(name, text) for name, text in self._statement.texts.items()]
        wanted = self._wanted(steps)
        if len(steps) > len(wanted) or (result is Result.MADE and len(steps) < len(wanted)):
            yield f"{len(steps)} commands, the texts have {len(wanted)}"
            return
        for found, (name, step) in zip(steps, wanted, strict=False):
            bound = step.bind(places)
            argv = tuple(tuple(words) for words in found["argv"])
            if argv != bound.commands or found.get("to") != bound.redirect or found["step"] != f"{name}:{step.line}":
                yield f"{found['step']}: expected {bound.quoted()}, got {found['argv']}"
            # What was interrupted, or did not end, has no exit status.
            may_lack = result is Result.FAILED and found is steps[-1] and "statuses" not in found
            _check_outcome(found, 0 if may_lack else sum(words[0] == "openssl" for words in bound.commands))
        if result is Result.MADE:
            name = CERTIFICATE_NAME if uuid is not None else f"{places['DEVICES_DIR']}/ca.crt"
            outputs = [output for step in steps for output in step["outputs"]]
            _must(any(one["path"] == name and "sha256" in one for one in outputs), f"it has not written {name}")

    def _wanted(self, steps: Sequence[Any]) -> list[tuple[str, Step]]:
        """The steps that are carried out for a device, with the names of their texts: all, or some by the command.

        Which of those that a renewal may carry out is told by the first of ``steps``.
        """
        (name, text), *others = self._texts or []
        parts = [text]
        if self._statement.command == "sign":
            parts = [from_request(text).text]
        elif self._statement.command == "renew":
            parts += [from_keys(text).text, from_request(text).text]
        first = steps[0]["step"] if steps else ""
        part = next((one for one in parts if f"{name}:{one.steps[0].line}" == first), parts[0])
        return [(name, step) for name, text in [(name, part), *others] for step in text.steps]


def _check_outcome(step: Mapping[str, Any], processes: int) -> None:
    statuses = step.get("statuses", [])
    _must(len(statuses) == processes and all(type(one) is int for one in statuses), "statuses")
    _check_outputs(step["outputs"])


def _check_outputs(outputs: Sequence[Mapping[str, Any]]) -> None:
    for output in outputs:
        is_known = _DIGEST.fullmatch(output["sha256"]) if "sha256" in output else isinstance(output["mode"], str)
        _must(is_known and isinstance(output["path"], str) and _is_size(output["size"]), "outputs")


def _is_size(value: object) -> bool:
    return type(value) is int and value >= 0


def _files(steps: Sequence[Mapping[str, Any]], *, is_root: bool) -> dict[str, str]:
    """The digest of each file that steps have left in the device directory; root.crt may be fetched again."""
    outputs = {output["path"]: output.get("sha256") for step in steps for output in step["outputs"]}
    if is_root:
        outputs = {path.rpartition("/")[2]: digest for path, digest in outputs.items()}
    return {
        path: digest for path, digest in outputs.items() if digest and "/" not in path and path != GATEWAY_ROOT_NAME
    }


def _must(holds: object, what: str) -> None:
    if not holds:
        raise _BadLineError(what)


def _parsed(name: str, text: ApprovedText) -> tuple[str, Text]:
    return name, parse_text("\n".join([*text.lines, ""]).encode("utf-8", "surrogatepass"), name)
