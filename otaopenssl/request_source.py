"""CSRs that were made elsewhere, as what devices are made of: one that was read, or a directory of them."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from otaopenssl.certificate_request import CertificateRequest, parse_request, request_faults
from otaopenssl.durable import read_bounded
from otaopenssl.errors import Unfit, quoted, raise_all, reason
from otaopenssl.given import Given
from otaopenssl.ids import DeviceUUID
from otaopenssl.signing_steps import from_request
from otaopenssl.steps import Text, filled

SUFFIXES = (".csr", ".pem", ".der")


class OneRequest(NamedTuple):
    """The CSR of one device, found fit for it; ``shown`` names it in messages."""

    request: CertificateRequest
    shown: str

    def check(self, text: Text) -> None:
        """Raise BadInput unless the text can sign a CSR that it has not made."""
        from_request(text)

    def given(self, text: Text, places: Mapping[str, str]) -> Given:
        """The CSR in its place, and the steps from the signing on."""
        part = from_request(text)
        (word,) = part.given
        return Given(part.text, {filled(word, places): self.request.pem}, tuple(self.request.warnings()))


class RequestDirectory(NamedTuple):
    """A directory of CSRs, each named after its device: UUID.csr, UUID.pem or UUID.der."""

    directory: Path
    shown: str

    def check(self, text: Text) -> None:
        """Raise BadInput unless the text can sign a CSR that it has not made."""
        from_request(text)

    def given(self, text: Text, places: Mapping[str, str]) -> Given:
        """The device's CSR in its place. Raises Unfit where it cannot be read, Failed where it is not to be signed."""
        found = self.of(DeviceUUID(places["DEVICE_UUID"]))
        raise_all(request_faults(found.request, DeviceUUID(places["DEVICE_UUID"]), found.shown))
        return found.given(text, places)

    def of(self, uuid: DeviceUUID) -> OneRequest:
        """The CSR of that device. Raises Unfit where there is none that can be read, BadInput where it is no CSR."""
        for suffix in SUFFIXES:
            name = f"{uuid}{suffix}"
            try:
                content = read_bounded(self.directory / name)
            except FileNotFoundError:
                continue
            except OSError as error:
                words = f"CSR {quoted(name)} cannot be read: {reason(error)}"
                raise Unfit(words, hint="check what it is, its owner and mode") from error
            shown = f"CSR {quoted(name)}"
            return OneRequest(parse_request(content, shown), shown)
        raise Unfit(f"{quoted(self.shown)} holds no CSR of {quoted(uuid)} any more", hint="put it back")
