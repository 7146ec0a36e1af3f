"""What the owner of a host demands of every run on it: /etc/otaopenssl/policy.json, which root alone can write.

No option and no variable names another place.
"""

import os
import stat
from pathlib import Path
from typing import NamedTuple

from otaopenssl.durable import read_bounded
from otaopenssl.errors import NotApproved, quoted, reason
from otaopenssl.strict_json import Members, read_json

POLICY_PATH = Path("/etc/otaopenssl/policy.json")


class Approvers(NamedTuple):
    """Who has to sign an approval: so many distinct people with certificates of one CA.

    ``verifier`` is the openssl program that checks the signatures, by its digest; never the one that an approval names.
    """

    ca_path: Path
    signers: int
    verifier: Path
    verifier_sha256: str


_TOP = Path("/")


class Policy(NamedTuple):
    """Whether an approval must be there, and who has to have signed it."""

    requires_approval: bool = False
    approvers: Approvers | None = None


def read_policy() -> Policy:
    """The policy of this host; without a file nothing is demanded.

    Raises NotApproved where there is one that is malformed, cannot be read, or that others than root can write.
    """
    try:
        content = read_bounded(POLICY_PATH)
    except (FileNotFoundError, NotADirectoryError) as error:
        if not POLICY_PATH.is_symlink():
            return Policy()
        raise _refusal(f"{quoted(POLICY_PATH)} is a link that leads nowhere") from error
    except OSError as error:
        raise _refusal(f"{quoted(POLICY_PATH)} cannot be read: {reason(error)}") from error
    check_is_roots(POLICY_PATH)
    top = read_json(content, str(POLICY_PATH), _refusal)
    requires_approval = top.boolean("require_approval") if top.has("require_approval") else False
    approvers = _approvers(top.inside("approvers")) if top.has("approvers") else None
    top.end()
    return Policy(requires_approval, approvers)


def check_is_roots(path: Path) -> None:
    """Raise NotApproved unless root alone can change the file, or put another in the place of it or of a directory."""
    real = Path(os.path.realpath(path))
    for one in dict.fromkeys((path, *path.parents, *real.parents)):
        if one == _TOP:
            continue
        try:
            found = one.stat()
        except OSError as error:
            raise _refusal(f"{quoted(one)} cannot be read: {reason(error)}") from error
        if found.st_uid:
            raise _refusal(f"{quoted(one)} is owned by user {found.st_uid}, expected root")
        # In a directory with the sticky bit nobody renames what is root's.
        if stat.S_IMODE(found.st_mode) & 0o022 and not (one != path and found.st_mode & stat.S_ISVTX):
            raise _refusal(f"{quoted(one)} has mode {stat.S_IMODE(found.st_mode):04o}: others than root can write it")


def _approvers(members: Members) -> Approvers:
    signers = members.integer("signers")
    if signers < 1:
        members.refuse(f"'signers' is {signers}, expected at least 1")
    verifier = members.inside("verifier")
    found = Approvers(_absolute(members, "ca"), signers, _absolute(verifier, "program"), verifier.digest("sha256"))
    verifier.end()
    members.end()
    return found


def _absolute(members: Members, key: str) -> Path:
    path = members.string(key)
    if not os.path.isabs(path) or "\0" in path:  # noqa: PTH117 - a NUL makes no Path
        members.refuse(f"{quoted(key)} is {quoted(path)}, expected an absolute path")
    return Path(path)


def _refusal(fault: str) -> NotApproved:
    return NotApproved(fault, hint="have the administrator of this host look at it: nothing runs against its policy")
