"""What s_client printed → the certificates that a gateway sent, or why there are none.

Its exit status says little: a server that demands a client certificate gives 0 or 1 by chance with the whole chain
printed, and "Verify return code: 0 (ok)" stands there when nothing came at all. So the PEM blocks are judged, whole
lines only, since a subject may hold the words that begin one. What s_client prints holds session secrets: no message
here repeats a word of its standard output.
"""

import base64
import re

from otaopenssl.complaints import complaint_words
from otaopenssl.outputs import CERTIFICATE, PemBlock, is_whole_der, pem_blocks

MOST_CERTIFICATES = 100

# What s_client's standard error tells, in the order in which it is looked for, for OpenSSL 1.1.1 to 4.0.
_REASONS = (
    ("Connection refused", "refused the connection"),
    ("Name or service not known|No address associated|nodename nor servname", "is not known by that name"),
    ("Temporary failure in name resolution|Non-recoverable failure", "cannot be looked up: no name server answers"),
    ("Network is unreachable|No route to host|Network is down", "is out of reach: there is no way to it"),
    ("Connection timed out", "did not answer"),
    ("alert number 40", "refused the handshake, before it had sent a certificate"),
    ("alert number 112", "does not know this server name (SNI)"),
    ("alert number 70|unsupported protocol|protocol version", "speaks only versions of TLS that openssl refuses"),
    ("wrong version number|http request|packet length too long|record layer failure", "does not speak TLS"),
    ("excessive message size", "sent more certificates than openssl takes"),
    ("write:errno=|read:errno=|unexpected eof|Connection reset", "hung up before it had sent a certificate"),
)


def is_handshake_finished(stderr: bytes) -> bool:
    """Whether a server that s_client left with exit status 0 has finished the handshake, with its standard input empty.

    The status alone does not tell: a close_notify in the middle of a handshake ends s_client with 0 as well. But it
    looks at its standard input only after the handshake, and says DONE where that has ended.
    """
    return b"DONE" in stderr.splitlines()


def parse_answer(stdout: bytes) -> tuple[PemBlock, ...]:
    """The certificates that the server sent, in its order; empty where what the guide's sed keeps is anything else.

    s_client encodes each anew, so that what is written in any other way did not come from it.
    """
    blocks = tuple(block for block in pem_blocks(stdout) if _is_encoded_by_openssl(block))
    kept = b"".join(block.text + b"\n" for block in blocks)
    return blocks if kept == certificate_lines(stdout) and len(blocks) <= MOST_CERTIFICATES else ()


def answer_fault(stdout: bytes, stderr: bytes) -> str | None:
    """What the server did instead of sending certificates, as a verb phrase; None where it sent them."""
    if parse_answer(stdout):
        return None
    if certificate_lines(stdout):
        count = sum(block.label == CERTIFICATE for block in pem_blocks(stdout))
        if count > MOST_CERTIFICATES:
            return f"sent {count} certificates, at most {MOST_CERTIFICATES} are taken"
        return "sent something that begins like a certificate and is none"
    text = stderr.decode("utf-8", "replace")
    for pattern, words in _REASONS:
        if re.search(pattern, text, re.IGNORECASE):
            return words
    complaint = complaint_words(stderr)
    return f"sent no certificate: {complaint}" if complaint else "sent no certificate"


def certificate_lines(content: bytes) -> bytes:
    """What the guide's ``sed -n '/-BEGIN CERTIFICATE-/,/-END CERTIFICATE-/p'`` keeps of ``content``, to the byte."""
    kept = []
    is_inside = False
    for line in re.findall(rb"[^\n]*\n|[^\n]+\Z", content):
        if is_inside:
            kept.append(line)
            is_inside = b"-END CERTIFICATE-" not in line
        elif b"-BEGIN CERTIFICATE-" in line:
            kept.append(line)
            is_inside = True
    return b"".join(kept)


def _is_encoded_by_openssl(block: PemBlock) -> bool:
    """Whether it is a certificate, in lines of 64 characters (RFC 7468)."""
    if block.label != CERTIFICATE or block.der is None or not is_whole_der(block.der):
        return False
    body = base64.b64encode(block.der)
    lines = [body[start : start + 64] for start in range(0, len(body), 64)]
    return block.text == b"\n".join([b"-----BEGIN CERTIFICATE-----", *lines, b"-----END CERTIFICATE-----"])
