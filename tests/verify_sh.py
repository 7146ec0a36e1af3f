"""verify.sh run as a user runs it; and with one check made harmless, each with a case that is then not found."""

import os
import re
import subprocess
from pathlib import Path

from tests.conftest import CHECKOUT, Ran

SCRIPT = CHECKOUT / "docs" / "verify.sh"

# The must(…)s of the script in its order: what each says, and the case.
MUSTS = [
    ("a text is no command", "commands: no command"),
    (r"\($name): not in the language of texts", "commands: a stray quote"),
    (r"line \($n) is not what the format says", "lines: {'schema': 'otaopenssl-device/2'}"),
    (r"line \(.sequence): not the commands of the texts", "commands: argv"),
    (r"line \(.sequence): no certificate was written", "commands: no certificate"),
    (r"line \(.sequence): given", "commands: sign, nothing given"),
    (r"line \(.sequence): not an exit status for each openssl process", "commands: no statuses"),
    ("not one JSON document", "statement: twice"),
    ("_type", "statement: _type https://in-toto.io/Statement/v0.1"),
    ("predicateType", "statement: predicateType https://slsa.dev/provenance/v0.2"),
    ("buildType", "statement: buildType urn:otaopenssl:record:2"),
    ("subject", "statement: name others.jsonl"),
    ("command", "statement: command server"),
    ("places", "statement: CWD None"),
    ("texts", "statement: device_gateway gateway.example"),
    ("internalParameters", "statement: host None"),
    ("is_complete", "statement: is_complete yes"),
    ("resolvedDependencies", f"statement: digest {{'sha256': '{'A' * 64}'}}"),
    ("a dependency stands twice", "statement: name certs/client.cnf"),
    ("openssl or ca.crt", "statement: without openssl"),
    ("builder", "statement: id urn:other"),
    ("metadata", "statement: invocationId None"),
    ("byproducts", f"statement: digest {{'sha256': '{'0' * 64}\\n'}}"),
    ("size", "statement: annotations {'size': '5'}"),
    ("procedure/TEXT", "text: procedure/TEXT"),
    ("format", "approval: format"),
    ("the procedure", "approval: another procedure"),
    ("a text", "approval: another text"),
    ("the environment", "approval: another PATH"),
    ("a configuration file or ca.crt", "approval: another certs/client.ext"),
    ("openssl", "approval: another program"),
    (r"line \($n) does not name the one before", "lines: previous"),
    ("a device has two lines", "lines: a device twice"),
    (r"no \($missing) among the dependencies", "commands: a configuration file that is not named"),
    ("format", "proof: format"),
    ("of another record", "proof: record"),
    ("index or size", "proof: size"),
    ("path", "proof: path, in capitals"),
    ("line", "proof: of a bad line, schema"),
]
# What is replaced by what.
EDITS: list[tuple[str, str, str]] = [
    ('is "$tmp/signer.der" ', ": ", "seal: by another"),
    (" -cades ", " ", "seal: does not name its certificate"),
    (' -attime "$at"', "", "seal: of another time"),
    ("cms -verify -binary -cades", "cms -verify -noverify -binary", "seal: of a foreign CA"),
    ("cms -verify ", "cms -verify -no_content_verify ", "seal: of other bytes"),
    ("no 'more than one signer'", ":", "seal: by two|seal: by two, the other one is named"),
    ("no 'there is none'", "return 0", "seal: removed"),
    ('is "$tmp/text" ', ": ", "text: another comment"),
    ("is approval.json ", ": ", "approval: edited"),
    ("is approval.json.p7s ", ": ", "approval: signatures edited"),
    (" && ! -e approval.json.p7s ", " ", "approval: signatures not named"),
    ("| cmp - statement.json", "> /dev/null", "seal: an envelope of other bytes"),
    ("-e approval.json || ", "", "approval: neither it nor its signatures are named"),
    ("is devices.jsonl ", ": ", "lines: subject"),
    ('== "$(sha256sum <"$1")" ]]', "== * ]]", "lines: no newline at the end"),
    (" and .sequence == $n", "", "lines: sequence"),
    ("(.begin | time)", "true", "lines: {'begin': '2001'}"),
    (" and .begin <= .end", "", "lines: {'end': '2001-01-01T00:00:00.000Z'}"),
    ('(.result | IN("failed", "refused")) and ', "", "lines: lost"),
    (", .given[]?; (.path", "; (.path", "lines: given, of no size"),
    (", .given[]?) as $one", ") as $one", "certificates: another request, signed"),
    ('elif command == "sign" then from_request', "", "commands: sign, all"),
    ("(.uuid | id)", "true", "lines: {'uuid': '../v4'}"),
    ("(.device_id | id)", "true", "lines: {'device_id': 'a b'}"),
    ('else command != "root" and', "else", "lines: root with a uuid"),
    ('then command == "root" or .result == "refused"', "then true", "lines: made, of no device"),
    (' and (.reason | type == "string")', "", "lines: {'reason': None}"),
    (' and (has("reason") | not)', "", "lines: {'reason': 'none'}"),
    ("and (.certificate_sha256 | hex)", "", "lines: {'certificate_sha256': '7'}"),
    ('(.serial | matches("([0-9A-F]{2}){1,20}"))', "true", "lines: {'serial': 7}"),
    ('(.not_after | matches("[0-9-]{10}T[0-9:]{8}Z"))', "true", "lines: {'not_after': None}"),
    ("and [.serial, .not_after, .certificate_sha256] == [null, null, null]", "", "lines: refused, with a serial"),
    ("and all(.steps[].outputs[], .given[]?;", "and all(.given[]?;", "lines: outputs None"),
    ("no 'last-line'", ":", "lines: last-line"),
    ("no 'merkle-root'", ":", "lines: merkle-root"),
    ("made: ($all | length)", "made: (.steps | length)", "commands: one less"),
    ("[.result] // 0)", "[.result] // (.steps | length))", "commands: refused"),
    ('is "../${names[i]}/statement.json" "${sums[i]}"', ":", "list: the next one's statement edited"),
    ("no 'previous-statement is not the one before'", ":", "list: previous-statement"),
    ("no 'the next statement names another one'", ":", "list: previous-statement of the next"),
    ("no 'listed twice'", ":", "list: twice"),
    ("([0-9]{8}T[0-9]{6}Z-[0-9a-f]{12}(-[0-9]+)?)", "(.*)", "list: path"),
    (" || ${#others[@]} -gt 1", "", "list: gone"),
    ('no "gone or changed: $text"', ":", "certificates: deleted"),
    ('no "issued but not recorded: $text"', ":", "certificates: not recorded"),
    ("nullglob dotglob", "nullglob", "certificates: not recorded, hidden"),
    ('| select(.result == "made") | .uuid', "| .uuid", "certificates: found by a later record"),
    (
        '"${names[@]}" | sort >"$tmp/told"',
        '../*/devices.jsonl | sort >"$tmp/told"',
        "certificates: not recorded, told of in no listed record",
    ),
    ("no 'not as many lines as the statement says'", ":", "statement: annotations {'size': 4}"),
    ('no "$record is not named by its run"', ":", "list: of another run"),
    (".version == run.builder.version.openssl", "true", "approval: another version"),
    ('"$refused" && [[', "[[", "seal: none, and not named"),
    ("|| no 'cut, or something is behind it'", "|| true", "seal: something behind it"),
    (
        "|| no 'it was held to no approval, unlike one before'",
        "|| true",
        "list: no approval, unlike the run before",
    ),
    ('no "found with another certificate than was recorded before: $text"', ":", "certificates: found, another"),
    ('is ../../devices/ca.crt "$ca"', ":", "certificates: another CA than that of the last run"),
    ('sha256sum --check --quiet --strict "$tmp/files"', ":", "certificates: another chain"),
    ('== "$root" ]] || no \'not of', "== * ]] || no 'not of", "proof: merkle-root"),
    (".record == $record and ", "", "proof: record"),
    (" and .statement_sha256 == $sum", "", "proof: statement_sha256"),
    ("| well_formed($n) | by_the_texts", "| by_the_texts", "proof: of a bad line, schema"),
    ("| by_the_texts(all_commands) | true", "| true", "proof: of a bad line, argv"),
]


def verify(*arguments: str, script: Path = SCRIPT, cwd: Path | None = None, env: dict[str, str] | None = None) -> Ran:
    """Run verify.sh."""
    finished = subprocess.run(
        ["bash", str(script), *arguments],
        env={"PATH": os.environ["PATH"], **(env or {})},
        cwd=cwd,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
        check=False,
    )
    return Ran(finished.returncode, finished.stdout.decode("ascii"), finished.stderr.decode("ascii"))


def failed(ran: Ran) -> set[str]:
    """What the checks that fail are called."""
    return set(re.findall(r"^FAIL  ([^:]+):", ran.out, re.MULTILINE))


def _end(script: str, start: int) -> int:
    """Where the parenthesis that opens before ``start`` is closed; parentheses in strings and in \\(…) are in pairs."""
    depth = 1
    for offset in range(start, len(script)):
        depth += {"(": 1, ")": -1}.get(script[offset], 0)
        if depth == 0:
            return offset
    raise AssertionError(script[start:])


def musts(script: str) -> list[tuple[str, str]]:
    """What each must(…) says, and the script without it."""
    found = []
    start = script.index("def must(") + len("def must(")
    while (start := script.find("must(", start) + len("must(")) >= len("must("):
        end = _end(script, start)
        fault = re.search(r'"([^"]*?)\\?"$', script[start:end])
        assert fault is not None
        found.append((fault[1], f"{script[: start - len('must(')]}.{script[end + 1 :]}"))
    return found
