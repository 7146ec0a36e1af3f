"""Devices that are there as what their renewals are made of: their keys, or the CSR of one whose key is elsewhere."""

from collections.abc import Mapping
from typing import NamedTuple

from otaopenssl.carried import check_carried
from otaopenssl.certificate_request import parse_request
from otaopenssl.errors import Failed, Unfit, quoted, raise_all
from otaopenssl.given import Given
from otaopenssl.ids import DeviceID, DeviceUUID, Identity
from otaopenssl.layout import CERTIFICATE_NAME, Server
from otaopenssl.present_device import PresentDevice, whole_device
from otaopenssl.request_rules import request_faults, request_warnings
from otaopenssl.signing_steps import Part, from_keys, from_request
from otaopenssl.steps import Text, filled


class RenewalSource(NamedTuple):
    """The devices of a server, each found whole before it is renewed; with ``has_new_key`` their keys are made anew.

    ``keyless`` are those that hold no keys and need not, since none were made for them here.
    """

    server: Server
    has_new_key: bool = False
    keyless: frozenset[str] = frozenset()

    @property
    def is_of_renewals(self) -> bool:
        """Yes: its devices are there already."""
        return True

    def check(self, text: Text) -> None:
        """Raise BadInput unless devices can be renewed by the text."""
        if not self.has_new_key:
            from_keys(text)

    def given(self, text: Text, places: Mapping[str, str]) -> Given:
        """The device's keys or CSR in their places, and the steps that renew it.

        Raises Failed where it is not whole, Unfit where a new key is asked for and not to be made here.
        """
        uuid = DeviceUUID(places["DEVICE_UUID"])
        found = self._whole(text, Identity(uuid, DeviceID(places["device_id"])))
        certificate = found.files[CERTIFICATE_NAME]
        check_carried(found.path, found.files.keys(), certificate, has_new_key=self.has_new_key)
        if self.has_new_key:
            if not found.has_key:
                hint = (
                    f"have a CSR made by the new key, move the device's directory away: otaopenssl sign --uuid {uuid}"
                )
                raise Unfit(f"the key of {quoted(uuid)} is not made here, which '--new-key' asks for", hint=hint)
            return Given(text, {}, replaces=found.files)
        part = from_keys(text) if found.has_key else from_request(text)
        return self._of_part(part, found, places)

    def check_made(self, uuid: DeviceUUID, public_key: bytes) -> None:
        """Nothing: whichever device is there is the one that was to be renewed."""

    def _of_part(self, part: Part, found: PresentDevice, places: Mapping[str, str]) -> Given:
        paths = [filled(word, places) for word in part.given]
        files = {path: found.files[path.rpartition("/")[2]] for path in paths}
        if found.has_key:
            return Given(part.text, files, replaces=found.files)
        ((path, content),) = files.items()
        shown = f"CSR {quoted(path)}"
        request = parse_request(content, shown)
        raise_all(request_faults(request, found.identity.uuid, shown))
        return Given(part.text, files, request_warnings(request, shown), request.public_key, found.files)

    def _whole(self, text: Text, identity: Identity) -> PresentDevice:
        uuid = identity.uuid
        path = self.server.device_path(uuid)
        made_here = {str(uuid): uuid not in self.keyless}
        try:
            if path.is_symlink():
                raise Failed("it is a link, expected a directory", hint="put the directory itself there")
            return whole_device(self.server, text, identity, made_here=lambda: made_here)
        except Failed as error:
            words = f"{quoted(self.server.shown(path))} is not whole: {error.message}"
            raise Failed(words, hint=f"see all that is wrong: otaopenssl verify {uuid}") from error
