"""What a run may be made of: what was approved, else what was there when it began; and that it stays so."""

from collections.abc import Sequence
from typing import NamedTuple

from otaopenssl.approval import Approval, Build
from otaopenssl.errors import Error, Failed, NotApproved, quoted
from otaopenssl.file_state import is_roots_alone, state_of
from otaopenssl.layout import Server
from otaopenssl.materials import Materials
from otaopenssl.measured import Measured, measure

_HINT = "put it back as it was, or have the change approved: otaopenssl approve"


class ApprovalFile(NamedTuple):
    """approval.json as it was read, with its signatures, and what it says."""

    content: bytes
    signatures: bytes | None
    approval: Approval
    files: tuple[Measured, ...]


class Watch(NamedTuple):
    """The files that must not change as long as a run lasts; plain, so that it can be sent to another process."""

    server: Server
    files: tuple[Measured, ...]
    is_approved: bool

    def check(self) -> None:
        """Raise NotApproved (Failed without an approval) where a file looks different by now; nothing is read."""
        self._raise([one for one in self.files if not one.is_unchanged])

    def check_again(self) -> None:
        """The same, with every file read again where there is an approval."""
        if self.is_approved:
            self._raise([one for one in self.files if measure(one.path).sha256 != one.sha256])
        self.check()

    def _raise(self, changed: list[Measured]) -> None:
        if changed:
            details = [f"{one.path}: {_difference(one)}" for one in changed]
            names = ", ".join(quoted(self.server.shown(one.path)) for one in changed)
            gone = all(state_of(one.path) is None for one in changed)
            what = "cannot be read, and could" if gone else "is another file than"
            kind: type[Error] = NotApproved if self.is_approved else Failed
            raise kind(f"{names} {what} when the run began", hint=_HINT, details=details)


def _difference(one: Measured) -> str:
    got = measure(one.path).sha256
    if got == one.sha256:
        return f"renamed or written anew meanwhile, with the same content, sha256 {got}"
    return f"expected sha256 {one.sha256}, got {got or 'no such file'}"


class Permission(NamedTuple):
    """What a run is made of, and the approval that it was found equal to, where there is one."""

    materials: Materials
    approval: ApprovalFile | None

    def settled(self) -> "Permission":
        """The same, once the run has rendered its configuration files. Raises NotApproved where they are others."""
        settled = self.materials.settled()
        if self.approval is not None:
            for name in self.materials.rendered:
                expected, got = self.approval.approval.files.get(name), settled.files[name].sha256
                if expected != got:
                    words = f"{name}: expected {expected or 'not approved'}, got sha256 {got}"
                    raise NotApproved(f"not approved: {words}", hint=_HINT)
        return self._replace(materials=settled)

    def builds(self) -> list[Build]:
        """The approved builds that the program is of."""
        program = self.materials.program
        if self.approval is None or program is None:
            return []
        return self.approval.approval.builds_of(program.program.sha256)

    def watch(self) -> Watch:
        """What must not change from now on."""
        files = self.materials.measured_files()
        if self.approval is None:
            return Watch(self.materials.server, files, is_approved=False)
        return Watch(self.materials.server, (*files, *self.approval.files, *self._directories(files)), is_approved=True)

    def _directories(self, files: Sequence[Measured]) -> list[Measured]:
        """The directories of the files, since another may be put in the place of one for a moment.

        Not those that a run itself writes to, nor those in which root alone can do so.
        """
        server = self.materials.server
        found = {one.path.parent for one in files} - {server.project_dir, server.devices_dir}
        return [measure(one) for one in sorted(found) if one == server.certs_dir or not is_roots_alone(one)]
