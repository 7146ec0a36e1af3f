"""openssl's standard error → what it complains of, for OpenSSL 1.1.1 to 4.0."""

import re

from otaopenssl.outputs import without_blocks

# What openssl writes to standard error when all is well, and its prompts.
_CHATTER = (
    r"read EC key|writing EC key|Signature ok|subject ?=.*|Getting CA Private Key|Getting Private key|"
    r"Certificate request self-signature ok|Enter pass phrase for .*:?|Connecting to .*|-----|"
    r"You are about to be asked .*|into your certificate request.*|What you are about to enter .*|"
    r"There are quite a few .*|For some fields there .*|If you enter '\.'.*|depth=.*|verify .*|DONE"
)
_CONFIG_FAULT = (
    r"configuration file routines|X509 V3 routines|x509v3 routines|on line \d+ of config|config file|"
    r"extension section|unknown extension|error in extension|distinguished_name|problems? making certificate request|"
    r"error making certificate request|No template, please set one up|"
    r"no objects specified in config|string mask"
)


def first_complaint(stderr: bytes) -> str:
    """The first line of openssl's standard error that tells of a failure, cleaned and at most 200 characters; or "".

    PEM blocks are removed, control characters escaped: the line may be shown and recorded.
    """
    text = without_blocks(stderr).partition(b"-----BEGIN ")[0].decode("utf-8", "replace")
    for line in text.splitlines():
        line = line.strip()
        if line and not re.fullmatch(_CHATTER, line):
            shown = "".join(c if c.isprintable() else repr(c)[1:-1] for c in line[:200])
            return shown + ("…" if len(line) > 200 else "")
    return ""


def complaint_words(stderr: bytes) -> str:
    """The words of the first complaint alone, without the numbers, routines and files that openssl puts around."""
    complaint = first_complaint(stderr)
    match = re.fullmatch(r"[0-9A-Fa-f]+:error:[0-9A-Fa-f]+:[^:]*:[^:]*:([^:]+):.*", complaint)
    return match[1] if match else complaint


def is_config_fault(stderr: bytes) -> bool:
    """Whether openssl complains of what a configuration file says, rather than of anything else."""
    return re.search(_CONFIG_FAULT, stderr.decode("utf-8", "replace"), re.IGNORECASE) is not None
