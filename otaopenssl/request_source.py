"""CSRs that were made elsewhere, as what devices are made of: one that was read, or a directory of them."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from otaopenssl.certificate_request import CertificateRequest, parse_request
from otaopenssl.durable import read_bounded
from otaopenssl.errors import BadInput, Error, Failed, Unfit, quoted, raise_all, reason
from otaopenssl.given import Given
from otaopenssl.id_list import IDList
from otaopenssl.ids import DeviceID, DeviceUUID, Identity, is_accepted, parse_device_uuid
from otaopenssl.leaf import is_same_key
from otaopenssl.request_rules import request_faults, request_warnings
from otaopenssl.signing_steps import from_request
from otaopenssl.steps import Text, filled

SUFFIXES = (".csr", ".pem", ".der")
_SHOWN_FAULTS = 20


class OneRequest(NamedTuple):
    """The CSR of one device, found fit for it; ``shown`` names it in messages."""

    request: CertificateRequest
    shown: str

    @property
    def is_of_renewals(self) -> bool:
        """No: its devices are new."""
        return False

    def check(self, text: Text) -> None:
        """Raise BadInput unless the text can sign a CSR that it has not made."""
        from_request(text)

    def given(self, text: Text, places: Mapping[str, str]) -> Given:
        """The CSR in its place, and the steps from the signing on."""
        part = from_request(text)
        (word,) = part.given
        files = {filled(word, places): self.request.pem}
        return Given(part.text, files, request_warnings(self.request, self.shown), self.request.public_key)

    def faults(self, uuid: DeviceUUID) -> list[Error]:
        """Each reason why it is not signed for this device."""
        return request_faults(self.request, uuid, self.shown)

    def check_made(self, uuid: DeviceUUID, public_key: bytes) -> None:
        """Raise Failed unless the device that is there was signed from this CSR, or from another of its key."""
        if not is_same_key(self.request.public_key, public_key):
            words = f"device {quoted(uuid)} is there, with another key than {self.shown}"
            raise Failed(words, hint="move its directory away to have this CSR signed")


class RequestDirectory(NamedTuple):
    """A directory of CSRs, each named after its device: UUID.csr, UUID.pem or UUID.der."""

    directory: Path
    shown: str

    @property
    def is_of_renewals(self) -> bool:
        """No: its devices are new."""
        return False

    def check(self, text: Text) -> None:
        """Raise BadInput unless the text can sign a CSR that it has not made."""
        from_request(text)

    def given(self, text: Text, places: Mapping[str, str]) -> Given:
        """The device's CSR in its place. Raises Unfit where it cannot be read, Failed where it is not to be signed."""
        return self.checked(DeviceUUID(places["DEVICE_UUID"])).given(text, places)

    def checked(self, uuid: DeviceUUID) -> OneRequest:
        """The device's CSR, found fit for it. Raises as ``given``."""
        found = self.of(uuid)
        raise_all(found.faults(uuid))
        return found

    def check_made(self, uuid: DeviceUUID, public_key: bytes) -> None:
        """Raise Failed unless the device that is there was signed from its CSR, or from another of its key."""
        self.of(uuid).check_made(uuid, public_key)

    def of(self, uuid: DeviceUUID) -> OneRequest:
        """The CSR of that device. Raises Unfit where there is none that can be read, BadInput where it is no CSR."""
        for suffix in SUFFIXES:
            name = f"{uuid}{suffix}"
            try:
                content = read_bounded(self.directory / name)
            except OSError as error:
                if not os.path.lexists(self.directory / name):
                    continue
                words = f"CSR {quoted(name)} cannot be read: {reason(error)}"
                raise Unfit(words, hint="check what it is, its owner and mode") from error
            shown = f"CSR {quoted(name)}"
            return OneRequest(parse_request(content, shown), shown)
        raise Unfit(f"{quoted(self.shown)} holds no CSR of {quoted(uuid)} any more", hint="put it back")


def request_ids(directory: Path, shown: str) -> IDList:
    """The devices that a directory holds CSRs of, in the order of their names; ``shown`` names it in messages.

    Hidden files are none. Raises BadInput with each name that is not that of a device's CSR, and Unfit where the
    directory cannot be read or holds none.
    """
    try:
        names = sorted(name for name in os.listdir(directory) if not name.startswith("."))  # noqa: PTH208 - many
    except (OSError, ValueError) as error:
        why = reason(error) if isinstance(error, OSError) else "it is no name of a directory"
        raise Unfit(f"{shown} cannot be read: {why}", hint="give '--csrs DIR'") from error
    faults: list[str] = []
    found: dict[str, None] = {}
    for name in names:
        stem, dot, suffix = name.rpartition(".")
        if dot + suffix not in SUFFIXES:
            faults.append(f"{quoted(name)} ends with none of {', '.join(SUFFIXES)}")
        elif not is_accepted(parse_device_uuid, stem):
            faults.append(f"{quoted(name)} is not named after a device UUID")
        elif stem in found:
            faults.append(f"{quoted(name)} is a second CSR of that device")
        else:
            found[stem] = None
    if faults:
        raise _faulty(shown, faults)
    if not found:
        raise Unfit(f"{shown} holds no CSR", hint="put the CSRs there, each named UUID.csr")
    ids = IDList()
    for number, stem in enumerate(found, start=1):
        ids.add(number, Identity(DeviceUUID(stem), DeviceID(stem)))
    return ids


def _faulty(shown: str, faults: Sequence[str]) -> BadInput:
    hint = "name each CSR UUID.csr, UUID.pem or UUID.der, and move other files away"
    if len(faults) == 1:
        return BadInput(f"{shown}: {faults[0]}", hint=hint)
    details = list(faults[:_SHOWN_FAULTS])
    if len(faults) > len(details):
        details.append(f"and {len(faults) - len(details)} more")
    return BadInput(f"{shown} holds {len(faults)} files of other names", hint=hint, details=details)
