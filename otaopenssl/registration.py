"""What is said to a device registry, and what its answer means; without a network.

Source: OTA Community Edition, scripts/gen-device.sh; ota-device-registry, PublicCredentialsResource, DeviceRepository
and Errors. There a PUT of a device that is there under its device ID is answered with 200, and sets its credentials
anew; ``conflicting_device`` (409) means that another device has its name or its UUID.
"""

import json
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from otaopenssl.errors import BadInput, Failed, OutOfReach, quoted
from otaopenssl.ids import Identity
from otaopenssl.refusal_words import Said, named_uuid, said

LARGEST_REPLY = 64 * 1024
DEFAULT_TYPE = "Other"
_LONGEST_NAME = 200
_CONFLICT = 409
# By the others a server speaks of who asks, how often or where; not of a device.
_ABOUT_DEVICES = frozenset({400, _CONFLICT, 422})
_NO_CERTIFICATE = re.compile(r"\bno required ssl certificate\b", re.IGNORECASE)
# As far as a client could take it for one: what stands before the last '@' of the authority.
_USER = re.compile(r"^((?:[A-Za-z][A-Za-z0-9+.-]*:)?[/\\]*)[^/?#\\]*@")
_HINTS: Mapping[int, str] = {
    401: "the registry wants to know who asks: '--client-cert FILE', or ask its operator",
    403: "the registry does not let this client register devices: ask its operator",
    404: "check the path of the registry's URL",
}


class State(StrEnum):
    """What a registry knows of a device by now."""

    REGISTERED = "registered"
    THERE = "there already"


class Registration(NamedTuple):
    """A device as a registry is told of it; ``certificate`` is the text of client.pem."""

    identity: Identity
    name: str
    kind: str
    certificate: str

    def body(self) -> bytes:
        """The JSON of the request, its keys in gen-device.sh's order, in ASCII and one line."""
        document = {
            "credentials": self.certificate,
            "deviceId": self.identity.device_id,
            "deviceName": self.name,
            "deviceType": self.kind,
            "uuid": self.identity.uuid,
        }
        return json.dumps(document, separators=(",", ":"), ensure_ascii=True).encode("ascii")


class Reply(NamedTuple):
    """What a registry has answered; the body is at most ``LARGEST_REPLY`` bytes."""

    status: int
    phrase: str
    content_type: str
    location: str | None
    body: bytes

    @property
    def text(self) -> str:
        """The body as text, whatever it holds."""
        return self.body.decode("utf-8", "replace").strip()

    @property
    def is_server_fault(self) -> bool:
        """Whether the server says that it failed itself, so that another try may succeed."""
        return 500 <= self.status <= 599

    @property
    def is_page(self) -> bool:
        """Whether it is a page for people, as servers and proxies make one that know nothing of devices."""
        return "html" in self.content_type.lower() or self.text.startswith("<")

    def shown(self) -> str:
        """Status and body for people, in one line of bounded length without control characters."""
        phrase = f" {quoted(self.phrase)}" if self.phrase else ""
        said = f": {quoted(' '.join(self.text.split()))}" if self.text else ", and nothing else"
        return f"{self.status}{phrase}{said}"

    def uuid(self) -> str | None:
        """The UUID under which the registry has the device, where it says one, as OTA Community Edition does."""
        return named_uuid(self.text)


def parse_device_name(value: str) -> str:
    """The value as the name of a device in a registry: 1 to 200 printable characters. Raises BadInput."""
    if not value.strip() or not value.isprintable() or len(value) > _LONGEST_NAME:
        words = f"device name {quoted(value)} must be 1 to {_LONGEST_NAME} printable characters"
        raise BadInput(words, hint="give '--device-name NAME'")
    return value


def parse_device_type(value: str) -> str:
    """The value as the type of a device in a registry, such as Other or Vehicle. Raises BadInput."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", value):
        words = f"device type {quoted(value)} must be 1 to 64 letters, digits, '.', '_' and '-'"
        raise BadInput(words, hint="give '--device-type TYPE', such as 'Other' or 'Vehicle'")
    return value


def judged(reply: Reply, identity: Identity) -> State:
    """Whether the answer says that the device is registered now, or was already.

    Success is a 2xx with JSON or nothing: a page in HTML comes from something else than a registry. A 409, 400 or 422
    means that the device was there where it says so; a 409 also where it says nothing against it. Raises
    Failed where the answer says neither; OutOfReach where the server says that it failed itself.
    """
    if 200 <= reply.status <= 299:
        if not reply.text or _is_json(reply.body):
            return State.REGISTERED
        kind = quoted(reply.content_type) if reply.content_type else "no type"
        words = f"answered {reply.status} with something else than JSON ({kind}): {quoted(reply.text)}"
        raise Failed(f"{words}; it is no device registry", hint="check the registry's URL")
    if 300 <= reply.status <= 399:
        raise _redirected(reply)
    if reply.status in _ABOUT_DEVICES and not reply.is_page:
        what = said(reply.text, *identity)
        if what is Said.ANOTHER:
            hint = "look it up in the registry; '--device-name NAME' gives this one another name"
            raise Failed(f"answered {reply.shown()}: {what.value}", hint=hint)
        if what is Said.THERE or (what is Said.NOTHING and reply.status == _CONFLICT):
            return State.THERE
    raise _refused(reply)


def _refused(reply: Reply) -> Failed:
    words = f"answered {reply.shown()}"
    if reply.is_server_fault:
        return OutOfReach(words, hint="try again later, or ask the registry's operator")
    # nginx says it with status 400.
    status = 401 if _NO_CERTIFICATE.search(reply.text) else reply.status
    return Failed(words, hint=_HINTS.get(status, "see what the registry says"))


def _redirected(reply: Reply) -> Failed:
    words = f"answered {reply.status}, a redirect, which is never followed"
    if reply.location is None:
        return Failed(words, hint="check the registry's URL")
    hint = "give the URL that is meant, if you trust it"
    if reply.location.lower().startswith("http:"):
        hint = "give the URL that is meant; by 'http:' anybody on the way can read and change what is said"
    # A user name and a password are nobody's business.
    shown = _USER.sub(r"\1", reply.location)
    return Failed(f"{words}, to {quoted(shown)}", hint=hint)


def _is_json(content: bytes) -> bool:
    try:
        json.loads(content)
    except (ValueError, RecursionError):
        return False
    return True
