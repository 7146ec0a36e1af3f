"""What may be wrong with a record, a change each, with the checks that are to find it and no others."""

import shutil
from collections.abc import Callable, Iterator
from typing import TypeVar

from tests.records import BUILD, ZEROS, Bent, Json, Tree

# What a check is called in the lines that verify.sh prints.
STATEMENT, SEAL, TEXTS, APPROVAL = "statement.json", "seal", "texts", "approval.json"
LINES, COMMANDS, CHAIN, CERTIFICATES, PROOF = "devices.jsonl", "commands", "SHA256SUMS", "certificates", "PROOF"
T = TypeVar("T")
Case = tuple[Bent, frozenset[str]]
Keys = tuple[str | int, ...]
BUILT: Keys = ("predicate", "buildDefinition")
INTERNAL: Keys = (*BUILT, "internalParameters")
RUN: Keys = ("predicate", "runDetails")
DEPENDENCIES: Keys = (*BUILT, "resolvedDependencies")


def case(bent: Bent, *found_by: str) -> Case:
    return bent, frozenset(found_by)


def put(*keys_and_value: object) -> Callable[[Json], None]:
    """Sets a member, by its keys."""
    *keys, last, value = keys_and_value

    def change(document: Json) -> None:
        inside: object = document
        for key in keys:
            inside = inside[key]  # type: ignore[index]
        inside[last] = value  # type: ignore[index]

    return change


def take(*keys: str | int) -> Callable[[Json], None]:
    """Takes a member out."""

    def change(document: Json) -> None:
        inside: object = document
        for key in keys[:-1]:
            inside = inside[key]  # type: ignore[index]
        del inside[keys[-1]]  # type: ignore[attr-defined]

    return change


def dependency(name: str, **members: object) -> Callable[[Json], None]:
    """Changes a dependency, or takes it out where no members are given."""

    def change(document: Json) -> None:
        found = document["predicate"]["buildDefinition"]["resolvedDependencies"]
        (it,) = [one for one in found if one["name"] == name]
        it.update(members)
        if not members:
            found.remove(it)

    return change


def also(extra: Json) -> Callable[[Json], None]:
    """Adds a dependency."""
    return lambda document: document["predicate"]["buildDefinition"]["resolvedDependencies"].append(extra)


def byproduct(name: str) -> Callable[[Json], None]:
    """Gives a byproduct another digest."""

    def change(document: Json) -> None:
        found = document["predicate"]["runDetails"]["byproducts"]
        (it,) = [one for one in found if one["name"] == name]
        it["digest"] = {"sha256": "1" * 64}

    return change


def edit(name: str, old: str, new: str) -> Callable[[Tree], None]:
    """Edits a file, by its name in the record directory; what is to be edited must be there."""

    def change(tree: Tree) -> None:
        path = tree.record_dir / name
        content = path.read_bytes()
        assert old.encode() in content, f"{name} has no {old}"
        path.write_bytes(content.replace(old.encode(), new.encode(), 1))

    return change


def rewrite(name: str, change: Callable[[bytes], bytes]) -> Callable[[Tree], None]:
    """Changes the bytes of a file, by its name in the record directory."""

    def apply(tree: Tree) -> None:
        path = tree.record_dir / name
        path.write_bytes(change(path.read_bytes()))

    return apply


def append(name: str, text: str) -> Callable[[Tree], None]:
    def change(tree: Tree) -> None:
        path = tree.record_dir / name
        path.write_text(path.read_text() + text)

    return change


def remove(name: str) -> Callable[[Tree], None]:
    def change(tree: Tree) -> None:
        path = tree.record_dir / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return change


def install(certificate: str, name: str) -> Callable[[Tree], None]:
    """Puts a certificate below the devices directory."""

    def change(tree: Tree) -> None:
        path = tree.server / "devices" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(tree.pki.certificate(certificate).read_bytes())

    return change


def sealed_by(*signers: str, options: tuple[str, ...] = ("-cades",)) -> Callable[[Tree], None]:
    return lambda tree: tree.pki.seal(tree.record_dir / "statement.json", *signers, options=options)


def each(*changes: Callable[[T], object]) -> Callable[[T], None]:
    def change(changed: T) -> None:
        for one in changes:
            one(changed)

    return change


def statements() -> Iterator[tuple[str, Case]]:
    """Every member that the format names, changed in a statement that is sealed as it is."""
    subject = {"name": "devices.jsonl", "digest": {"sha256": ZEROS}}
    changes: list[tuple[object, ...]] = [
        ("_type", "https://in-toto.io/Statement/v0.1"),
        ("predicateType", "https://slsa.dev/provenance/v0.2"),
        ("subject", []),
        ("subject", [subject, subject]),
        ("subject", 0, "name", "others.jsonl"),
        ("subject", 0, "digest", {"sha1": "0" * 40}),
        (*BUILT, "buildType", "urn:otaopenssl:record:2"),
        (*BUILT, "externalParameters", "command", "server"),
        (*BUILT, "externalParameters", "places", "CWD", None),
        (*BUILT, "externalParameters", "places", "device_gateway", "gateway.example"),
        (*INTERNAL, "procedure", "name", None),
        (*INTERNAL, "procedure", "texts", []),
        (*INTERNAL, "procedure", "texts", 0, "name", "root.sh"),
        (*INTERNAL, "procedure", "texts", 0, "lines", 0, 1),
        (*INTERNAL, "environment", "PATH", 1),
        (*INTERNAL, "departures", [1]),
        (*INTERNAL, "host", None),
        (*INTERNAL, "user", 0),
        (*INTERNAL, "site", 5),
        (*INTERNAL, "is_complete", "yes"),
        (*DEPENDENCIES, 0, "digest", {"sha256": "A" * 64}),
        (*DEPENDENCIES, 4, "name", "certs/client.cnf"),
        (*RUN, "builder", "id", "urn:other"),
        (*RUN, "builder", "version", "openssl", None),
        (*RUN, "metadata", "invocationId", None),
        (*RUN, "metadata", "startedOn", "9999-01-01T00:00:00.000Z"),
        (*RUN, "metadata", "finishedOn", "now"),
        (*RUN, "byproducts", 0, "name", "last-line"),
        (*RUN, "byproducts", 0, "digest", {"sha256": "0" * 64 + "\n"}),
        (*RUN, "byproducts", 0, "annotations", {"size": "5"}),
        (*RUN, "byproducts", 0, "annotations", {"size": 0}),
        (*RUN, "byproducts", 0, "annotations", {}),
    ]
    for change in changes:
        yield f"statement: {change[-2]} {change[-1]}", case(Bent(statement=put(*change)), STATEMENT)
    for name in ("openssl", "ca.crt"):
        yield f"statement: without {name}", case(Bent(statement=dependency(name)), STATEMENT)
    size = put(*RUN, "byproducts", 0, "annotations", {"size": 4})
    yield "statement: annotations {'size': 4}", case(Bent(statement=size), LINES)
    yield "statement: twice", case(Bent(files=append("statement.json", "{}")), STATEMENT)
    yield "statement: gone", case(Bent(files=remove("statement.json")), STATEMENT)


def seals() -> Iterator[tuple[str, Case]]:
    old = put(*RUN, "metadata", {"invocationId": f"{2:012x}", "startedOn": "2001-01-01T00:00:00.000Z",
                                 "finishedOn": "2001-01-01T00:00:00.000Z"})  # fmt: skip
    yield "seal: by another", case(Bent(files=sealed_by("other")), SEAL)
    yield "seal: removed", case(Bent(files=remove("statement.json.p7s")), SEAL)
    yield "seal: something behind it", case(Bent(files=rewrite("statement.json.p7s", lambda seal: seal + b"\0")), SEAL)
    yield "seal: cut", case(Bent(files=rewrite("statement.json.p7s", lambda seal: seal[:-1])), SEAL)
    yield "seal: of a foreign CA", case(Bent(sealer="foreign"), SEAL)
    yield "seal: of another than TRUST_CERT", case(Bent(trust="other"), SEAL)
    yield "seal: by two", case(Bent(files=sealed_by("seal", "other")), SEAL)
    yield "seal: by two, the other one is named", case(Bent(sealer="other", files=sealed_by("seal", "other")), SEAL)
    yield "seal: does not name its certificate", case(Bent(files=sealed_by("seal", options=())), SEAL)
    yield "seal: of another time", case(Bent(statement=old), SEAL)
    bare = Bent(statement=dependency("seal"), files=each(remove("statement.json.p7s"), remove("statement.dsse.json")))
    yield "seal: none, and not named", case(bare, SEAL)
    yield "seal: not named", case(Bent(statement=dependency("seal")), SEAL)
    other = each(edit("statement.json", '"line"', '"mine"'), remove("statement.dsse.json"))
    yield "seal: of other bytes", case(Bent(files=other), SEAL, CHAIN)
    envelope = Bent(files=edit("statement.dsse.json", '"payload": "ey', '"payload": "fy'))
    yield "seal: an envelope of other bytes", case(envelope, SEAL)
    for signers in (("seal",), ("seal", "other")):
        options = ("-cades", "-nodetach")
        bent = Bent(files=each(sealed_by(*signers, options=options), edit("statement.json", '"line"', '"mine"')))
        yield f"seal: holds another content, {len(signers)}", case(bent, SEAL, CHAIN)


def texts_and_approvals() -> Iterator[tuple[str, Case]]:
    other = {"sha256": "7" * 64}
    text: Keys = (*INTERNAL, "procedure", "texts", 0)
    yield "text: another comment", case(Bent(statement=put(*text, "lines", 0, "# x")), TEXTS)
    yield "text: another digest", case(Bent(statement=put(*text, "sha256", "7" * 64)), TEXTS, APPROVAL)
    yield "text: procedure/TEXT", case(Bent(statement=dependency("procedure/device.sh", digest=other)), TEXTS)
    yield "approval: edited", case(Bent(files=edit("approval.json", "0.5.0", "0.5.1")), APPROVAL)
    for name, bent in {
        "edited": Bent(files=edit("approval.json.p7s", "those", "these")),
        "gone": Bent(files=remove("approval.json.p7s")),
        "not named": Bent(statement=dependency("approval.json.p7s")),
    }.items():
        yield f"approval: signatures {name}", case(bent, APPROVAL)
    yield "approval: gone", case(Bent(files=remove("approval.json")), APPROVAL)
    neither = each(dependency("approval.json"), dependency("approval.json.p7s"))
    bare = Bent(statement=neither, files=remove("approval.json.p7s"), are_others_approved=False)
    yield "approval: neither it nor its signatures are named", case(bare, APPROVAL)
    yield "approval: not named", case(Bent(statement=dependency("approval.json"), are_others_approved=False), APPROVAL)
    changes: dict[str, tuple[object, ...]] = {
        "format": ("format", "otaopenssl-approval/2"),
        "another text": ("procedure", "texts", "device.sh", "sha256", "7" * 64),
        "another client.cnf": ("files", "certs/client.cnf", "7" * 64),
        "another root": ("files", "ca.crt", "7" * 64),
        "another PATH": ("environment", "PATH", "/tmp"),
        "another procedure": ("procedure", "name", "other"),
        "another version": ("openssl", [{**BUILD, "version": "OpenSSL 3.0.20"}]),
        "another program": ("openssl", [{**BUILD, "program": "7" * 64}]),
        "a libssl": ("openssl", [{**BUILD, "libssl": "7" * 64}]),
        "no libcrypto": ("openssl", [{**BUILD, "libcrypto": None}]),
        "no openssl.cnf": ("openssl", [{**BUILD, "openssl.cnf": {}}]),
        "one openssl.cnf more": ("openssl", [{**BUILD, "openssl.cnf": {**BUILD["openssl.cnf"], "/x.cnf": "7" * 64}}]),
    }
    for name, change in changes.items():
        yield f"approval: {name}", case(Bent(approval=put(*change)), APPROVAL)
    for name in ("certs/client.ext", "ca.crt", "openssl", "libcrypto"):
        yield f"approval: another {name}", case(Bent(statement=dependency(name, digest=other)), APPROVAL)
    for name in ("certs/other.cnf", "libssl", "/etc/included.cnf"):
        extra = {"name": name, "digest": other, "uri": "file:///x"}
        yield f"approval: also {name}", case(Bent(statement=also(extra)), APPROVAL)
