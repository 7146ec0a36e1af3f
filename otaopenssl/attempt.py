"""What came of one connection to a gateway, from what s_client printed; for OpenSSL 1.1.1 to 4.0.

With TLS 1.3 a client has finished before the server has judged its certificate, so that only an answer to a request
tells that it was accepted. An HTTP gateway may also refuse by its answer, as nginx does (400).
"""

import re
from enum import StrEnum
from typing import NamedTuple

from otaopenssl.complaints import complaint_words

REFUSING_STATUSES = ("400", "401", "403", "495", "496")
# TLS alerts by number (RFC 8446, section 6).
_ALERTS = {
    40: "handshake failure",
    42: "bad certificate",
    43: "unsupported certificate",
    44: "certificate revoked",
    45: "certificate expired",
    46: "certificate unknown",
    48: "unknown ca",
    49: "access denied",
    51: "decrypt error",
    80: "internal error",
    112: "unrecognized name",
    116: "certificate required",
}
NOT_OFFERED = r"alert number 70$|no protocols available|unsupported protocol|no ciphers available"
_OUT_OF_REACH = (
    "Connection refused|Network is unreachable|No route to host|Connection timed out|Name or service not known"
)


class Came(StrEnum):
    """What the connection came to."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    NOT_OFFERED = "not offered"
    DISTRUSTED = "not trusted"
    NO_ANSWER = "no answer"


class Outcome(NamedTuple):
    """What a connection came to, and why, in words; nothing of what was received but the line of the HTTP status."""

    came: Came
    why: str

    def shown(self) -> str:
        """Both in one line."""
        return f"{self.came}: {self.why}" if self.why else str(self.came)


def parse_attempt(stdout: bytes, stderr: bytes) -> Outcome:
    """The outcome of a request by s_client with ``-quiet -verify_return_error``."""
    status = re.match(rb"HTTP/\d(?:\.\d)? (\d{3})([ -~]{0,60})", stdout)
    if status is not None:
        code = status[1].decode()
        came = Came.REFUSED if code in REFUSING_STATUSES else Came.ACCEPTED
        return Outcome(came, f"HTTP {code}{status[2].decode().rstrip()}")
    text = _without_names(stderr)
    if distrusted := re.search(r"^verify error:num=\d+:(.*)", text, re.MULTILINE):
        return Outcome(Came.DISTRUSTED, f"the client does not trust the gateway: {distrusted[1]}")
    if re.search(NOT_OFFERED, text, re.MULTILINE):
        return Outcome(Came.NOT_OFFERED, "one of the two sides does not speak it")
    if alert := re.search(r"alert number (\d+)", text):
        number = int(alert[1])
        return Outcome(Came.REFUSED, f"TLS alert {number} {_ALERTS.get(number, '')}".rstrip())
    if unreached := re.search(_OUT_OF_REACH, text, re.IGNORECASE):
        return Outcome(Came.NO_ANSWER, unreached[0].lower())
    if re.search("^verify return:1$", text, re.MULTILINE):
        # The gateway's certificate was there and trusted: what follows is its judgement of the client's.
        return Outcome(Came.REFUSED, "the gateway hung up")
    return Outcome(Came.NO_ANSWER, complaint_words(stderr) or "it hung up before it had sent a certificate")


def _without_names(stderr: bytes) -> str:
    """Standard error without the lines that show names of certificates, which may hold any words."""
    lines = stderr.decode("utf-8", "replace").split("\n")
    return "\n".join(line for line in lines if not line.startswith(("depth=", "issuer=", "subject=")))
