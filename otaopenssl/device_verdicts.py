"""What ``openssl verify`` says of device certificates under the fleet root CA, as a gateway would judge them."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from otaopenssl.errors import Failed
from otaopenssl.layout import Server
from otaopenssl.questions import DEVICES_CHECK
from otaopenssl.runner import Finished, Runner, failure

# X509_V_ERR_INVALID_PURPOSE. Source: openssl-verification-options(1), x509_vfy.h.
_INVALID_PURPOSE = 26


class Verdict(NamedTuple):
    """Whether a certificate is accepted, else why not: openssl's error and how far above the certificate it is.

    ``broken`` is for a program that broke down over it.
    """

    is_accepted: bool
    error: int = 0
    depth: int = 0
    words: str = ""
    broken: Failed | None = None

    @property
    def is_of_purpose(self) -> bool:
        """Whether what the certificates may be used for is all that speaks against it."""
        return self.error == _INVALID_PURPOSE


def accepted_of(runner: Runner, server: Server, paths: Iterable[str]) -> set[str]:
    """Those of the certificates that ca.crt has signed for clients, by one openssl for all; when is told apart.

    ``paths`` are as the command names them, from the project directory.
    """
    return _accepted(_verified(runner, server, paths))


def judged(runner: Runner, server: Server, path: str) -> Verdict:
    """What openssl says of one certificate."""
    said = _verified(runner, server, [path])
    if path in _accepted(said):
        return Verdict(is_accepted=True)
    if min(said.statuses) < 0:
        return Verdict(is_accepted=False, broken=failure("verify", said))
    return refusal(said) or Verdict(is_accepted=False, words="it is not a device's that ca.crt has signed")


def refusal(said: Finished) -> Verdict | None:
    """Why ``openssl verify`` refuses a certificate, by the first error that it prints; None where it prints none."""
    why = re.search(rb"^error (\d+) at (\d+) depth lookup: ?(.*)", said.stdout + said.stderr, re.MULTILINE)
    if why is None:
        return None
    return Verdict(is_accepted=False, error=int(why[1]), depth=int(why[2]), words=why[3].decode("ascii", "replace"))


def _verified(runner: Runner, server: Server, paths: Iterable[str]) -> Finished:
    question = DEVICES_CHECK.argv(*paths, trusted=server.shown(server.ca_crt_path))
    return runner.run([question], cwd=server.project_dir)


def _accepted(said: Finished) -> set[str]:
    lines = said.stdout.decode("utf-8", "surrogateescape").split("\n")
    return {line.removesuffix(": OK") for line in lines if line.endswith(": OK")}
