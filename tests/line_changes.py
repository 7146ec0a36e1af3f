"""What may be wrong with lines, commands, certificates, the list of records and a proof; see record_changes."""

import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import replace

from tests.record_changes import (
    CERTIFICATES,
    CHAIN,
    COMMANDS,
    LINES,
    PROOF,
    RUN,
    Case,
    append,
    byproduct,
    case,
    dependency,
    each,
    edit,
    install,
    put,
    remove,
)
from tests.records import ZEROS, Bent, Json, Record, Tree, nothing

NO_LINES = remove("devices.jsonl")
# Which of the steps of device.sh make the CSR, and sign it.
REQUESTING, SIGNING = 2, 3


def line(index: int, **members: object) -> Callable[[Record], None]:
    """Changes members of a line; None for ``reason`` takes it out."""

    def change(record: Record) -> None:
        record.lines[index].update(members)
        if members.get("reason", "") is None:
            del record.lines[index]["reason"]

    return change


def step(index: int, number: int, **members: object) -> Callable[[Record], None]:
    """Changes members of a step of a line."""
    return lambda record: record.lines[index]["steps"][number].update(members)


def word(index: int, number: int, old: str, new: str) -> Callable[[Record], None]:
    """Replaces a word in the first process of a step."""

    def change(record: Record) -> None:
        argv = record.lines[index]["steps"][number]["argv"][0]
        argv[argv.index(old)] = new

    return change


def linked_otherwise(number: int, **members: object) -> Callable[[Record], None]:
    """Changes a line that is linked, and has the later ones name it as it is then."""

    def change(record: Record) -> None:
        record.lines[number].update(members)
        record.relink(number + 1)

    return change


def in_lines(change: Callable[[list[bytes]], object]) -> Callable[[bytes], bytes]:
    """Changes the bytes of devices.jsonl line by line, with the digest of it all right."""

    def body(content: bytes) -> bytes:
        lines = content.splitlines(keepends=True)
        change(lines)
        return b"".join(lines)

    return body


def unlisted(tree: Tree) -> None:
    """A certificate that only a directory tells of which is in no list."""
    install("stray", "stray/client.pem")(tree)
    directory = tree.record_dir.with_name("20261125T052409Z-00000000000f")
    directory.mkdir()
    told = {"result": "made", "uuid": "stray", "certificate_sha256": tree.pki.digest("stray")}
    (directory / "devices.jsonl").write_text(json.dumps(told) + "\n")


def swap(items: list[str]) -> None:
    items[0], items[1] = items[1], items[0]


def swapped(record: Record) -> None:
    record.lines[0], record.lines[1] = record.lines[1], record.lines[0]


def twice(record: Record) -> None:
    record.lines.append(dict(record.lines[4]))


def carried_out(index: int) -> Callable[[Record], None]:
    """Gives a device the first of its steps."""

    def change(record: Record) -> None:
        text = json.dumps(record.lines[0]["steps"][:1])
        record.lines[index]["steps"] = json.loads(text.replace("/v1/", f"/{record.lines[index]['uuid']}/"))

    return change


def empty_commands(record: Record) -> None:
    for index in (0, 1):
        record.lines[index]["steps"].append({"step": "device.sh:12", "argv": [[], []], "outputs": []})


def no_certificate(record: Record) -> None:
    for step in record.lines[0]["steps"]:
        step["outputs"] = [output for output in step["outputs"] if output["path"] != "client.pem"]


def lines() -> Iterator[tuple[str, Case]]:
    """The lines of a fleet are v1 and v2 made, v0 there already, v3 failed, v4 refused."""
    yield "lines: edited", case(Bent(files=edit("devices.jsonl", "not to be", "to be")), LINES)
    subject = put("subject", 0, "digest", "sha256", ZEROS)
    yield "lines: subject", case(Bent(statement=subject), LINES)
    yield "lines: truncated", case(Bent(body=lambda body: body[:-20]), LINES, COMMANDS, CERTIFICATES)
    bodies: dict[str, Callable[[list[bytes]], object]] = {
        "deleted": lambda lines: lines.pop(3),
        "duplicated": lambda lines: lines.insert(4, lines[3]),
        "reordered": lambda lines: lines.insert(0, lines.pop(1)),
        "one more at the end": lambda lines: lines.append(lines[-1]),
        "the last one deleted": lambda lines: lines.pop(),
    }
    for name, change in bodies.items():
        yield f"lines: {name}", case(Bent(body=in_lines(change)), LINES)
    yield "lines: no newline at the end", case(Bent(at=2, body=lambda body: body[:-1]), LINES)
    yield "lines: a zero byte", case(Bent(body=lambda body: body.replace(b"not", b"n\0ot", 1)), LINES)
    yield "lines: gone", case(Bent(files=NO_LINES), LINES, COMMANDS, CERTIFICATES)
    yield "lines: none", case(Bent(body=lambda _: b""), LINES, CERTIFICATES)
    yield (
        "lines: exchanged before they were linked",
        case(Bent(lines=swapped, linked=linked_otherwise(0, sequence=2)), LINES),
    )
    yield "lines: a device twice", case(Bent(lines=twice), LINES)
    yield "lines: sequence", case(Bent(linked=linked_otherwise(3, sequence=5)), LINES)
    yield "lines: sequence is no number", case(Bent(linked=linked_otherwise(0, sequence=True)), LINES)
    yield "lines: previous", case(Bent(linked=linked_otherwise(3, previous="1" * 64)), LINES)
    yield "lines: first previous", case(Bent(linked=linked_otherwise(0, previous="1" * 64)), LINES)
    for name in ("merkle-root", "last-line"):
        yield f"lines: {name}", case(Bent(statement=byproduct(name)), LINES)
    members: list[tuple[int, Json]] = [
        (0, {"schema": "otaopenssl-device/2"}),
        (0, {"begin": "2001"}),
        (0, {"end": "2001-01-01T00:00:00.000Z"}),
        (0, {"reason": "none"}),
        (0, {"serial": 7}),
        (0, {"not_after": None}),
        (4, {"uuid": "../v4"}),
        (4, {"uuid": "v4\n"}),
        (4, {"uuid": None}),
        (4, {"device_id": None}),
        (0, {"serial": "4f"}),
        (0, {"serial": "F"}),
        (0, {"not_after": "2027-11-25"}),
        (4, {"device_id": "a b"}),
        (4, {"reason": None}),
        (4, {"certificate_sha256": "7" * 64}),
    ]
    for index, changed in members:
        yield f"lines: {changed}", case(Bent(lines=line(index, **changed)), LINES)
    sizeless = partly("sign", SIGNING, lambda record: record.lines[0]["given"][0].pop("size"))
    yield "lines: given, of no size", case(sizeless, LINES)
    yield "lines: lost", case(Bent(lines=line(4, result="lost")), LINES)
    nulls = {"serial": None, "not_after": None, "certificate_sha256": None}
    yield "lines: made, no certificate", case(Bent(lines=line(0, **nulls)), LINES, CERTIFICATES)
    yield "lines: refused, with a serial", case(Bent(lines=line(4, serial="4F")), LINES)
    yield "lines: made, of no device", case(Bent(lines=line(2, uuid=None, device_id=None)), LINES, CERTIFICATES)
    yield "lines: {'certificate_sha256': '7'}", case(Bent(lines=line(0, certificate_sha256="7")), LINES, CERTIFICATES)
    yield "lines: root with a uuid", case(Bent(at=0, lines=line(0, uuid="v9", device_id="v9")), LINES, CERTIFICATES)
    for outputs in (
        None,
        [{"path": "x", "size": 1}],
        [{"path": "x", "size": 1, "sha256": "x"}],
        [{"path": "x", "mode": "0"}],
        [{"path": "x", "size": -1, "mode": "0"}],
    ):
        found_by = (LINES, COMMANDS) if outputs is None else (LINES,)
        yield f"lines: outputs {outputs}", case(Bent(lines=step(0, 2, outputs=outputs)), *found_by)


def partly(command: str, first: int | None = None, more: Callable[[Record], object] = nothing) -> Bent:
    """A run of another command: the steps from ``first`` on, for which what those before them wrote was given."""

    def change(record: Record) -> None:
        record.lines = [line for line in record.lines if line["result"] != "failed"]
        for line in record.lines:
            if line["steps"] and first is not None:
                before, line["steps"] = line["steps"][:first], line["steps"][first:]
                line["given"] = [one for step in before[-1:] if first == SIGNING for one in step["outputs"]]
                line["given"] = line["given"] or [one for step in before for one in step["outputs"]]
        more(record)

    return Bent(lines=change, statement=put("predicate", "buildDefinition", "externalParameters", "command", command))


def commands() -> Iterator[tuple[str, Case]]:
    """What a run with another procedure would have recorded, every digest and the seal made anew."""

    def steps(index: int, change: Callable[[list[Json]], object]) -> Bent:
        return Bent(lines=lambda record: change(record.lines[index]["steps"]))

    bents = {
        "argv": Bent(lines=word(0, 3, "365", "3650")),
        "another device's file": Bent(
            lines=word(0, 2, "./myservername/devices/v1/pkey.pem", "./myservername/devices/v2/pkey.pem")
        ),
        "a place not filled in": Bent(lines=word(0, 2, "./myservername/devices/v1/pkey.pem", "${device_dir}/pkey.pem")),
        "one word more": Bent(lines=lambda record: record.lines[0]["steps"][2]["argv"][0].append("-x509")),
        "one process more": Bent(lines=lambda record: record.lines[0]["steps"][5]["argv"].append(["cat"])),
        "to": Bent(lines=step(0, 4, to="/srv/x")),
        "no to": Bent(lines=lambda record: record.lines[0]["steps"][4].pop("to")),
        "step": Bent(lines=step(0, 3, step="device.sh:8")),
        "of another text": Bent(lines=step(0, 3, step="root.sh:7")),
        "one more": steps(0, lambda found: found.append(found[0])),
        "one less": steps(0, lambda found: found.pop()),
        "one left out": steps(0, lambda found: found.pop(1)),
        "other order": steps(0, lambda found: found.insert(0, found.pop(1))),
        "failed, one left out": steps(3, lambda found: found.pop(0)),
        "failed, other argv": Bent(lines=word(3, 1, "-nocrypt", "-passout")),
        "failed, one more than all": steps(3, lambda found: found.extend(found * 3)),
        "there already": Bent(lines=carried_out(2)),
        "refused": Bent(lines=carried_out(4)),
        "no statuses": Bent(lines=lambda record: record.lines[0]["steps"][0].pop("statuses")),
        "a status more": Bent(lines=step(0, 0, statuses=[0, 0, 0])),
        "a status that is none": Bent(lines=step(0, 0, statuses=[0, "0"])),
        "a configuration file that is not named": Bent(statement=dependency("certs/client.ext")),
        "root": Bent(at=0, lines=word(0, 1, "3650", "36500")),
        "gateway": Bent(at=2, lines=step(0, 7, to="./myservername/devices/d1/other.crt")),
        "places": Bent(statement=put("predicate", "buildDefinition", "externalParameters", "places", "CWD", "/tmp")),
    }

    def less(number: int) -> Callable[[Record], object]:
        return lambda record: record.lines[0]["steps"].pop(number)

    bents |= {
        "sign, from the request on": partly("sign", REQUESTING),
        "sign, all": partly("sign", more=lambda record: [one.update(given=[]) for one in record.lines]),
        "sign, nothing given": partly("sign", SIGNING, lambda record: record.lines[0].pop("given")),
        "sign, other argv": partly("sign", SIGNING, word(0, 0, "365", "3650")),
        "renew, one left out": partly("renew", REQUESTING, less(1)),
        "renew, the last left out": partly("renew", SIGNING, less(-1)),
        "fleet, something given": Bent(lines=line(0, given=[])),
    }
    bents["no certificate"] = Bent(lines=no_certificate)
    bents["a stray quote"] = Bent(stray='"\n')
    bents["no command"] = Bent(stray="|\n", lines=empty_commands)
    for name, bent in bents.items():
        yield f"commands: {name}", case(bent, COMMANDS)


def certificates() -> Iterator[tuple[str, Case]]:
    bents = {
        "swapped": Bent(files=install("stray", "v1/client.pem")),
        "swapped, there already": Bent(files=install("stray", "v0/client.pem")),
        "of another device": Bent(files=install("v2", "v1/client.pem")),
        "another text beside it": Bent(files=append("../../devices/v1/client.pem", "x")),
        "another chain": Bent(files=install("v2", "v1/id-v1.chain.pem")),
        "another request": Bent(files=install("v2", "v1/id-v1.csr")),
        "another request, signed": replace(partly("sign", SIGNING), files=install("v2", "v1/id-v1.csr")),
        "another CA than that of the last run": Bent(at=2, files=install("stray", "ca.crt")),
        "no CA any more": Bent(at=2, files=remove("../../devices/ca.crt")),
        "deleted": Bent(files=remove("../../devices/v1/client.pem")),
        "directory deleted": Bent(files=remove("../../devices/v0")),
        "no PEM": Bent(files=edit("../../devices/v1/client.pem", "BEGIN", "BEGIM")),
        "no base64": Bent(files=edit("../../devices/v1/client.pem", "M", "*")),
        "not recorded": Bent(files=install("stray", "stray/client.pem")),
        "not recorded, of another one's name": Bent(files=install("v1", "stray/client.pem")),
        "not recorded, hidden": Bent(files=install("stray", ".stray/client.pem")),
        "not recorded, told of in no listed record": Bent(files=unlisted),
        "another digest": Bent(lines=line(0, certificate_sha256="7" * 64)),
        "root": Bent(at=0, files=install("stray", "ca.crt")),
        "root deleted": Bent(at=0, files=remove("../../devices/ca.crt")),
        "more in the file of the root": Bent(at=0, only=True, files=append("../../devices/ca.crt", "x")),
        "found, another": Bent(at=2, lines=of_v1("there already"), files=again),
        "a pipe in the place of a chain": Bent(files=pipe("../../devices/v1/id-v1.chain.pem")),
        "found by a later record": Bent(at=2, checked=1, lines=of_v1("there already"), files=again),
    }
    for name, bent in bents.items():
        yield f"certificates: {name}", case(bent, CERTIFICATES)


def of_v1(result: str) -> Callable[[Record], None]:
    """The record of a device is one of v1, whose certificate is another one since."""

    def change(record: Record) -> None:
        record.texts = ["device.sh"]
        certificate = record.lines[0]["certificate_sha256"]
        # As a name, not within a digest.
        text = re.sub(r"(?<![0-9a-f])d1(?![0-9a-f])", "v1", json.dumps(record.lines[0]))
        record.lines[0] = {**json.loads(text), "result": result, "certificate_sha256": certificate}
        record.lines[0]["steps"] = record.lines[0]["steps"][:7] if result == "made" else []

    return change


def again(tree: Tree) -> None:
    """A later certificate of v1."""
    install("d1", "v1/client.pem")(tree)
    remove("../../devices/d1")(tree)


def pipe(name: str) -> Callable[[Tree], None]:
    return lambda tree: os.mkfifo(tree.record_dir / name)


def list_of_records() -> Iterator[tuple[str, Case]]:
    def sums(change: Callable[[list[str]], object], at: int = 1) -> Bent:
        return Bent(at=at, sums=change)

    def exchange(found: list[str]) -> None:
        found[0], found[1] = found[1], found[0]

    other = "7" * 64
    bents = {
        "its digest": sums(lambda found: found.insert(1, other + found.pop(1)[64:])),
        "the digest before": sums(lambda found: found.insert(0, other + found.pop(0)[64:])),
        "the digest after": sums(lambda found: found.insert(2, other + found.pop(2)[64:])),
        "order": sums(exchange),
        "the one before deleted": sums(lambda found: found.pop(0)),
        "a first one that has a predecessor": sums(lambda found: found.insert(0, found[2]), at=0),
        "the next one's statement edited": Bent(
            files=edit("../20261125T052403Z-000000000003/statement.json", "line", "x")
        ),
        "the next one's statement gone": Bent(files=remove("../20261125T052403Z-000000000003/statement.json")),
        "the one before gone": Bent(files=remove("../20261125T052401Z-000000000001/statement.json")),
        "previous-statement": Bent(statement=byproduct("previous-statement")),
        "previous-statement of the first": Bent(at=0, statement=byproduct("previous-statement")),
        "previous-statement of the next": Bent(at=2, checked=1, statement=byproduct("previous-statement")),
    }
    for name, bent in bents.items():
        yield f"list: {name}", case(bent, CHAIN)
    yield (
        "list: of another run",
        case(Bent(statement=put(*RUN, "metadata", "invocationId", "f" * 12)), CHAIN, CERTIFICATES),
    )
    yield "list: no approval, unlike the run before", case(Bent(is_approved=False), CHAIN)
    yield "list: gone", case(Bent(files=remove("../SHA256SUMS")), CHAIN, CERTIFICATES)
    yield "list: twice", case(sums(lambda found: found.append(found[1])), CHAIN, CERTIFICATES)
    yield "list: deleted", case(sums(lambda found: found.pop(1)), CHAIN, CERTIFICATES)
    path = sums(lambda found: found.insert(0, f"{other}  ../x/statement.json"), at=2)
    yield "list: path", case(path, CHAIN, CERTIFICATES)


def proofs() -> Iterator[tuple[str, Case]]:
    """The proof is of v0, the third line of five."""

    def path(change: Callable[[list[str]], object]) -> Callable[[Json], object]:
        return lambda proof: change(proof["path"])

    changes: dict[str, Callable[[Json], object]] = {
        "format": put("format", "otaopenssl-proof/2"),
        "record": put("record", "20261125T052401Z-000000000001"),
        "statement_sha256": put("statement_sha256", ZEROS),
        "index": put("index", 3),
        "index below": put("index", -1),
        "index as text": put("index", "a[$(exit 9)]"),
        "index in parts": put("index", 2.5),
        "size": put("size", 9),
        "size below": put("size", 2),
        "size, far too many": put("size", 10001),
        "line": lambda proof: proof.update(line=proof["line"].replace("v0", "v9")),
        "line, a space more": lambda proof: proof.update(line=proof["line"] + " "),
        "line, none": put("line", "[]"),
        "path, edited": path(lambda found: found.insert(0, ZEROS if found.pop(0) else "")),
        "path, reordered": path(lambda found: found.insert(0, found.pop(1))),
        "path, shorter": path(lambda found: found.pop()),
        "path, longer": path(lambda found: found.append(ZEROS)),
        "path, none": put("path", None),
        "path, in capitals": path(lambda found: found.insert(0, found.pop(0).upper())),
    }
    for name, change in changes.items():
        yield f"proof: {name}", case(Bent(proof=change, files=NO_LINES), PROOF)
        if name in ("index", "line"):
            yield f"proof: {name}, lines there", case(Bent(proof=change), PROOF)

    def good(_: Json) -> None:
        pass

    two = each(NO_LINES, append("../../proof.json", "{}"))
    yield "proof: twice", case(Bent(proof=good, files=two), PROOF)
    yield "proof: merkle-root", case(Bent(proof=good, statement=byproduct("merkle-root"), files=NO_LINES), PROOF)
    for name, bent_line in {
        "argv": lambda record: line(2, result="made")(record),
        "schema": line(2, schema="x"),
        "uuid": line(2, uuid="-rf"),
    }.items():
        yield f"proof: of a bad line, {name}", case(Bent(proof=good, lines=bent_line, files=NO_LINES), PROOF)
