"""Records that are to hold, and changes that are to be found, by verify.sh and by the audit."""

from tests import line_changes, record_changes
from tests.line_changes import REQUESTING, SIGNING, again, of_v1, partly
from tests.record_changes import INTERNAL, Case, dependency, each, put, remove
from tests.records import Bent, Json, Record

CASES: dict[str, Case] = {
    name: case
    for cases in (
        record_changes.statements,
        record_changes.seals,
        record_changes.texts_and_approvals,
        line_changes.lines,
        line_changes.commands,
        line_changes.certificates,
        line_changes.list_of_records,
        line_changes.proofs,
    )
    for name, case in cases()
}


def refused(record: Record) -> None:
    """A run that was refused: of what it would have been made of, some was not there, some was not approved."""
    reason: Json = {
        "reason": "not approved",
        "serial": None,
        "not_after": None,
        "certificate_sha256": None,
        "steps": [],
    }
    record.lines = [record.lines[0] | {"uuid": None, "device_id": None, "result": "refused"} | reason]


def unsealed(statement: Json) -> None:
    for name in ("seal", "openssl", "ca.crt"):
        dependency(name)(statement)
    put(*INTERNAL, "environment", "PATH", "/tmp")(statement)


GOOD = {
    "root": Bent(at=0),
    "fleet": Bent(),
    "device with a gateway": Bent(at=2),
    "trusted by the certificate itself": Bent(trust="seal"),
    "another certificate of the same CA": Bent(sealer="other"),
    "sign": partly("sign", SIGNING),
    "renew, keys that are here": partly("renew", REQUESTING),
    "renew, keys that are elsewhere": partly("renew", SIGNING),
    "renew, with new keys": partly("renew"),
    "no approval": Bent(is_approved=False, are_others_approved=False),
    "no approval yet": Bent(at=0, is_approved=False),
    "a text without a newline at its end": Bent(texts=(("-text -noout\n", "-text -noout"),)),
    "refused as a whole": Bent(
        at=2,
        lines=refused,
        statement=unsealed,
        files=each(*map(remove, ("statement.json.p7s", "statement.dsse.json", "../../devices/d1"))),
    ),
    "made again later": Bent(at=2, checked=1, lines=of_v1("made"), files=again),
}
