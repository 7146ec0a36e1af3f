"""One request to a device registry and its answer, bounded in time and size; nothing is followed, proxied or kept."""

import http.client
import socket
import ssl
import time
from contextlib import suppress
from typing import NamedTuple

from otaopenssl import __version__
from otaopenssl.errors import Failed, OutOfReach, reason
from otaopenssl.registration import LARGEST_REPLY, Reply
from otaopenssl.registry import Registry
from otaopenssl.wire import TooMuch, Wire, connected

DEFAULT_SECONDS = 30.0
# Of status line and headers, and of what frames the pieces of a body.
_LARGEST_FRAME = 64 * 1024
_HEADERS = {
    "Content-Type": "application/json",
    "Accept": "application/json, */*",
    "Connection": "close",
    "User-Agent": f"otaopenssl/{__version__}",
}
_REACH_HINT = "check the registry's URL and the network"
_SCHEME_HINT = f"{_REACH_HINT}: 'https' or 'http', and which port"
_NO_ANSWER = "closed the connection without an answer"
_CLIENT_HINT = "'--client-cert FILE' is for a registry that wants a client certificate"


class Refused(OutOfReach):
    """Nobody listens there now; perhaps soon."""


class Client(NamedTuple):
    """Who asks a registry; ``context`` is how it has to prove itself where it is reached by TLS.

    ``seconds`` bound one request as a whole, from the resolver to the last byte.
    """

    registry: Registry
    context: ssl.SSLContext | None
    seconds: float = DEFAULT_SECONDS

    def put(self, body: bytes) -> Reply:
        """What the registry answers to the PUT of a JSON body, whatever it is.

        Raises Refused, OutOfReach (no address, no connection, no TLS, no answer in time) or Failed (an answer that is
        too large, cut off or no HTTP); the message is what the registry did, as a verb phrase.
        """
        deadline = time.monotonic() + self.seconds
        host, port = self.registry.host, self.registry.port
        try:
            with connected(host, port, deadline, LARGEST_REPLY + _LARGEST_FRAME) as wire:
                if self.context is not None:
                    wire.start_tls(self.context, host)
                return self._exchanged(wire, body)
        except (OSError, http.client.HTTPException, TooMuch) as error:
            raise _failure(error, self.seconds) from error

    def _exchanged(self, wire: Wire, body: bytes) -> Reply:
        connection = http.client.HTTPConnection(self.registry.host, self.registry.port)
        connection.sock = wire
        # Who does not want to hear all of it may have answered all the same.
        with suppress(ConnectionError, ssl.SSLEOFError):
            connection.request("PUT", self.registry.path, body, {"Host": self.registry.authority, **_HEADERS})
        response = connection.getresponse()
        if wire.has_ended:
            # The library takes an end for the empty line behind the headers, which is read without looking further.
            raise http.client.IncompleteRead(b"")
        content = _body(response)
        if len(content) > LARGEST_REPLY:
            raise _too_much()
        if response.length:
            # Of so many bytes that were announced and never came.
            raise http.client.IncompleteRead(content, response.length)
        return Reply(
            response.status,
            response.reason,
            response.headers.get("Content-Type", ""),
            response.headers.get("Location"),
            content,
        )


def _body(response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read(LARGEST_REPLY + 1)
    except ConnectionError as error:
        raise http.client.IncompleteRead(b"") from error
    except (ValueError, OverflowError) as error:
        # The library reads a piece of a size that is negative.
        raise http.client.HTTPException("the size of a piece is none") from error


def _too_much() -> Failed:
    return Failed(f"sent more than {LARGEST_REPLY} bytes", hint="check the registry's URL: no registry says so much")


def _failure(error: Exception, seconds: float) -> Failed:
    """What a failed exchange says of the registry; the order counts, since most of these errors are OSErrors."""
    match error:
        case TimeoutError():
            hint = f"{_REACH_HINT}; '--timeout SECONDS' waits longer"
            return OutOfReach(f"did not answer within {seconds:g} seconds", hint=hint)
        case ssl.SSLCertVerificationError():
            return _not_accepted(error.verify_message)
        case ConnectionRefusedError():
            return Refused("refuses connections", hint=_REACH_HINT)
        case ssl.SSLEOFError() | ConnectionError():
            # http.client.RemoteDisconnected is one, where there was no answer at all.
            return Failed(_NO_ANSWER, hint=f"{_SCHEME_HINT}; {_CLIENT_HINT}")
        case ssl.SSLError():
            return _tls_failure(error.reason or str(error))
        case TooMuch():
            return _too_much()
        case socket.gaierror():
            return OutOfReach(f"has no address: {reason(error)}", hint=_REACH_HINT)
        case http.client.IncompleteRead():
            return Failed("closed the connection halfway through its answer", hint="ask the registry's operator")
        case OSError():
            return OutOfReach(f"cannot be reached: {reason(error)}", hint=_REACH_HINT)
    return Failed("answered something that is no HTTP", hint=_SCHEME_HINT)


def _not_accepted(why: str) -> OutOfReach:
    """The error for a registry whose certificate is not accepted; ``why`` are the library's words."""
    words = why.rstrip(".")
    hint = "name the CA that the registry's certificate is of with '--ca FILE'"
    if "mismatch" in words:
        hint = "give the name that its certificate is for"
    elif "expired" in words or "not yet valid" in words:
        hint = "have the registry's certificate renewed, and check this machine's clock"
    # 'Hostname mismatch', but 'IP address mismatch'.
    said = words[:1].lower() + words[1:] if words[1:2].islower() else words
    return OutOfReach(f"has a certificate that does not hold: {said}", hint=hint)


def _tls_failure(why: str) -> OutOfReach:
    """The error for a registry that does not speak TLS as this client does, or does not accept whom it speaks to."""
    said = why.lower().replace("_", " ")
    hint = _SCHEME_HINT
    if any(word in said for word in ("certificate", "handshake failure", "unknown ca")):
        hint = f"{_CLIENT_HINT}, or for another one"
    return OutOfReach(f"does not agree on TLS: {said}", hint=hint)
