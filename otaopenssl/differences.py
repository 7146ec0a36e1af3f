"""How what would run differs from what was approved: each difference as expected and got."""

from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher

from otaopenssl.approval import Approval, ApprovedText, Build, is_text_of
from otaopenssl.builds import ProgramFiles
from otaopenssl.materials import CA_CRT, Materials, this_tool, whole_environment
from otaopenssl.measured import Measured
from otaopenssl.render import CONFIG_NAMES

_MOST_LINES = 10


def differences(approval: Approval, materials: Materials, *, needs_ca: bool) -> list[str]:
    """Every difference, a line each, with lines of a text that differ under it; empty where all is as approved.

    ``needs_ca`` is for runs that an approval without ca.crt does not permit.
    """
    return [
        *_unequal("tool", approval.tool, this_tool()),
        *(_audited(approval, materials, needs_ca) if materials.procedure is not None else ()),
        *_environment(approval.environment, whole_environment(materials.server)),
        *_openssl(approval, materials),
    ]


def _audited(approval: Approval, materials: Materials, needs_ca: bool) -> Iterator[str]:
    """What differs of the texts, and of the files that they name."""
    yield from _unequal("procedure", approval.procedure, str(materials.procedure))
    yield from _texts(approval, materials)
    yield from _files(approval, materials, needs_ca)


def _texts(approval: Approval, materials: Materials) -> Iterator[str]:
    for name in dict.fromkeys((*approval.texts, *materials.texts)):
        approved, found = approval.texts.get(name), materials.texts.get(name)
        if approved is not None and not is_text_of(approved):
            yield f"text {name}: expected its lines in approval.json to be those of their sha256, got others"
        if approved is None or found is None or approved.sha256 != found.sha256:
            yield from _unequal(f"text {name}", _digest_of(approved), _digest_of(found))
        if approved is not None and found is not None and approved.lines != found.lines:
            if approved.sha256 == found.sha256 and is_text_of(approved):
                yield f"text {name}: expected each of its commands to be one line of approval.json, got others"
            yield from _lines(approved, found)


def _lines(approved: ApprovedText, found: ApprovedText) -> Iterator[str]:
    shown = 0
    matcher = SequenceMatcher(None, approved.lines, found.lines, autojunk=False)
    for kind, first, last, other_first, other_last in matcher.get_opcodes():
        if kind != "equal" and shown < _MOST_LINES:
            shown += 1
            expected, got = approved.lines[first:last], found.lines[other_first:other_last]
            yield f"  expected: {_joined(expected)}"
            yield f"  got:      {_joined(got)}"


def _files(approval: Approval, materials: Materials, needs_ca: bool) -> Iterator[str]:
    for name in dict.fromkeys((*approval.files, *materials.files)):
        found = materials.files.get(name)
        if found is None and name.removeprefix("certs/") in CONFIG_NAMES:
            # This run does not use it. One that does renders it, and then it is compared.
            continue
        if name == CA_CRT and name not in approval.files:
            # Told once, below, of runs that need it.
            continue
        yield from _unequal(name, _sha256(approval.files.get(name), "not approved"), _got(found))
    if needs_ca and CA_CRT not in approval.files:
        got = _got(materials.files.get(CA_CRT))
        yield f"{CA_CRT}: expected not approved ('root' and 'server' alone are permitted without it), got {got}"


def _environment(approved: Mapping[str, str], found: Mapping[str, str]) -> Iterator[str]:
    for name in dict.fromkeys((*approved, *found)):
        expected, got = (values.get(name, "") for values in (approved, found))
        yield from _unequal(
            "environment",
            f"{name}={expected}" if name in approved else f"no {name}",
            f"{name}={got}" if name in found else f"no {name}",
        )


def _openssl(approval: Approval, materials: Materials) -> Iterator[str]:
    files = materials.program
    if files is None:
        return
    builds = approval.builds_of(files.program.sha256)
    if not builds:
        expected = " or ".join(f"{_sha256(build.program)} ({build.version})" for build in approval.builds)
        yield from _unequal(f"openssl {files.program.path}", expected or "none", _sha256(files.program.sha256))
        return
    each = [list(_build(build, files, materials.openssl_configs)) for build in builds]
    yield from min(each, key=len)


def _build(build: Build, files: ProgramFiles, configs: Mapping[str, Measured]) -> Iterator[str]:
    if not files.may_say(build.version):
        yield from _unequal("openssl's version", repr(build.version), " ".join(sorted(files.banners())))
    for name, approved in (("libssl", build.libssl), ("libcrypto", build.libcrypto)):
        found = files.libraries.get(name)
        shown = name if found is None else f"{name} {found.path}"
        yield from _unequal(shown, _sha256(approved), _got(found))
    for name in dict.fromkeys((*build.configs, *configs)):
        expected = _sha256(build.configs[name]) if name in build.configs else "not approved"
        yield from _unequal(f"openssl.cnf {name}", expected, _got(configs.get(name)))


def _unequal(what: str, expected: str, got: str) -> list[str]:
    return [] if expected == got else [_one_line(f"{what}: expected {expected}, got {got}")]


def _one_line(text: str) -> str:
    """The text where nothing in it can look like another line."""
    return text.replace("\r", "\\r").replace("\n", "\\n")


def _got(found: Measured | None) -> str:
    return _sha256(None if found is None else found.sha256)


def _digest_of(text: ApprovedText | None) -> str:
    return "no such text" if text is None else _sha256(text.sha256)


def _sha256(digest: str | None, absent: str = "no such file") -> str:
    return absent if digest is None else f"sha256 {digest}"


def _joined(lines: tuple[str, ...]) -> str:
    return _one_line(" ⏎ ".join(line.replace("\\\n", "").strip() for line in lines)) or "nothing"
