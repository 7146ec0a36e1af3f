"""approval.json: what may run in a project, as a file that a team reads, reviews as a diff, and commits.

Pure: bytes to an ``Approval`` and back. Strict, since what nobody understands nobody has approved.
"""

import json
from collections.abc import Mapping
from typing import NamedTuple

from otaopenssl.digest import sha256
from otaopenssl.errors import NotApproved, quoted
from otaopenssl.strict_json import Members, read_json

APPROVAL_NAME = "approval.json"
SIGNATURES_NAME = f"{APPROVAL_NAME}.p7s"
APPROVAL_FORMAT = "otaopenssl-approval/1"


class ApprovedText(NamedTuple):
    """A text of the procedure: its digest, and its commands for the reader, a line each with what continues it."""

    sha256: str
    lines: tuple[str, ...]


class Build(NamedTuple):
    """One build of openssl: what it says of its version, and the digests of the program and of what it loads.

    A digest is None where there is no such file: a statically linked program has no libraries. ``configs`` are
    openssl.cnf, first, and the files that it includes, by path.
    """

    version: str
    program: str
    libssl: str | None
    libcrypto: str | None
    configs: Mapping[str, str | None]


class Approval(NamedTuple):
    """What may run: ``files`` are the configuration files (certs/NAME, or the path of one that is included) and ca.crt.

    ``environment`` is the whole environment of an openssl process.
    """

    tool: str
    procedure: str
    texts: Mapping[str, ApprovedText]
    files: Mapping[str, str]
    builds: tuple[Build, ...]
    environment: Mapping[str, str]

    def builds_of(self, program_sha256: str | None) -> list[Build]:
        """The builds of the program with this digest."""
        return [build for build in self.builds if build.program == program_sha256]


def approved_text(content: bytes) -> ApprovedText:
    """A text as an approval holds it."""
    lines = content.decode("utf-8", "replace").removesuffix("\n").split("\n")
    commands: list[str] = []
    for line in lines:
        if commands and _is_continued(commands[-1]):
            commands[-1] += f"\n{line}"
        else:
            commands.append(line)
    return ApprovedText(sha256(content), tuple(commands))


def is_text_of(text: ApprovedText) -> bool:
    """Whether the lines that a reader has seen are the text of the digest."""
    joined = "\n".join(text.lines).encode("utf-8", "surrogatepass")
    return text.sha256 in (sha256(joined + b"\n"), sha256(joined))


def dump_approval(approval: Approval) -> bytes:
    """The approval as a file: one command a line, so that a diff reads as commands."""
    document = {
        "format": APPROVAL_FORMAT,
        "tool": approval.tool,
        "procedure": {
            "name": approval.procedure,
            "texts": {
                name: {"sha256": text.sha256, "lines": list(text.lines)} for name, text in approval.texts.items()
            },
        },
        "files": dict(approval.files),
        "openssl": [
            {
                "version": build.version,
                "program": build.program,
                "libssl": build.libssl,
                "libcrypto": build.libcrypto,
                "openssl.cnf": dict(build.configs),
            }
            for build in approval.builds
        ],
        "environment": dict(approval.environment),
    }
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode("utf-8", "surrogatepass")


def parse_approval(content: bytes) -> Approval:
    """The approval that a file holds. Raises NotApproved where it is not one to the letter."""
    top = read_json(content, APPROVAL_NAME, _malformed)
    found = top.string("format")
    if found != APPROVAL_FORMAT:
        top.refuse(f"'format' is {quoted(found)}, expected '{APPROVAL_FORMAT}'")
    tool = top.string("tool")
    procedure = top.inside("procedure")
    name = procedure.string("name")
    texts = procedure.inside("texts").each(lambda members, key: _text(members.inside(key)))
    procedure.end()
    files = top.inside("files").each(Members.digest)
    builds = tuple(_build(members) for members in top.list_inside("openssl"))
    environment = top.inside("environment").each(Members.string)
    top.end()
    return Approval(tool, name, texts, files, builds, environment)


def _text(members: Members) -> ApprovedText:
    text = ApprovedText(members.digest("sha256"), members.strings("lines"))
    members.end()
    return text


def _build(members: Members) -> Build:
    build = Build(
        members.string("version"),
        members.digest("program"),
        members.digest_or_null("libssl"),
        members.digest_or_null("libcrypto"),
        members.inside("openssl.cnf").each(Members.digest_or_null),
    )
    members.end()
    if not build.configs:
        members.refuse("'openssl.cnf' names no file")
    return build


def _is_continued(line: str) -> bool:
    return (len(line) - len(line.rstrip("\\"))) % 2 == 1


def _malformed(fault: str) -> NotApproved:
    return NotApproved(fault, hint="take it back from your repository, or run 'otaopenssl approve' anew")
