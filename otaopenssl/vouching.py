"""What openssl says of a gateway's certificates, and who vouches for them: a pin, or the CA in credentials.zip.

The guide trusts whoever answers. Anyone can send a well-known root beside a certificate of his own, and a device trusts
every certificate of root.crt; so the leaf must lead to what is pinned, and no other certificate may come along.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from otaopenssl.address import Gateway
from otaopenssl.chain import Certificate, Role
from otaopenssl.credentials import Credentials
from otaopenssl.errors import Failed, quoted
from otaopenssl.outputs import CERTIFICATE, PemBlock, first_complaint, pem_blocks
from otaopenssl.questions import (
    ADDRESS_CHECK,
    ARCHIVED_CAS,
    CHAIN_CHECK,
    HOST_CHECK,
    LEGACY_ARCHIVED_CAS,
    PUBLIC_KEY,
    SELF_SIGNED_CHECK,
)
from otaopenssl.reports import ask_report
from otaopenssl.runner import Runner
from otaopenssl.texts import sha256

_ANSWER_NAME = "answer.pem"
_ANCHORS_NAME = "anchors.pem"
_OPERATOR_HINT = "compare the fingerprints with the gateway's operator: another server may have answered"


class Trust(NamedTuple):
    """Who vouches for the leaf, in words, and the certificates above the pinned one, for which nobody does."""

    by: tuple[str, ...]
    unvouched: tuple[Certificate, ...]


class Anchors(NamedTuple):
    """Certificates that vouch for others: in PEM, and the SHA-256 digests of their public keys."""

    pem: bytes
    key_digests: frozenset[str]


class Examination:
    """The certificates of one answer, which openssl is asked about in ``directory``, that is the caller's own."""

    def __init__(self, blocks: Sequence[PemBlock], runner: Runner, directory: Path) -> None:
        self._runner = runner
        self._directory = directory
        (directory / _ANSWER_NAME).write_bytes(b"".join(block.text + b"\n" for block in blocks))
        for index, block in enumerate(blocks):
            self._write(_name(index), block.text + b"\n")
        self.chain = tuple(self._certificate(blocks, index) for index in range(len(blocks)))

    def is_for(self, gateway: Gateway) -> bool:
        """Whether the leaf is for the gateway's name, as openssl matches names (RFC 6125)."""
        if gateway.is_address:
            finished = self._runner.ask(ADDRESS_CHECK, _name(0), cwd=self._directory, address=gateway.host)
        else:
            finished = self._runner.ask(HOST_CHECK, _name(0), cwd=self._directory, host=gateway.host)
        # The exit status tells it from 3.5 on, the words in every version.
        return b"does match certificate" in finished.stdout

    def trust(self, pins: Sequence[str], ca: Anchors | None, shown: str) -> Trust:
        """Who vouches for the chain; ``pins`` are digests, any one of which is enough, ``ca`` is that of an archive.

        Raises Failed where a pin or a CA is given and does not vouch for the leaf, or where a certificate came along
        that does not belong to its chain. ``shown`` names the gateway.
        """
        by = []
        vouched: set[int] = set()
        if ca is not None:
            # By its key, too: a server may send its CA as another CA has signed it.
            vouched |= self._under(ca.pem, ca.key_digests)
            if 0 not in vouched:
                raise self._refused(f"gateway {quoted(shown)}: its chain does not lead to the CA in credentials.zip")
            by.append("the CA in credentials.zip")
        if pins:
            pinned = self._under(b"", frozenset(pins))
            if 0 not in pinned:
                raise self._refused(f"gateway {quoted(shown)}: its chain does not lead to a pinned certificate")
            vouched |= pinned
            by.append("the pin" if len(pins) == 1 else "a pin")
        if not by:
            return Trust((), self.chain)
        others = [certificate for index, certificate in enumerate(self.chain) if index not in vouched]
        if any(certificate.role is Role.UNRELATED for certificate in others):
            raise self._refused(f"gateway {quoted(shown)} sent a certificate that does not belong to its chain")
        return Trust(tuple(by), tuple(others))

    def _under(self, anchors: bytes, digests: frozenset[str]) -> set[int]:
        """Which certificates lead to one of ``anchors`` (PEM), or to one of the chain with one of the digests."""
        matching = [c.pem for c in self.chain if not digests.isdisjoint((c.sha256, c.key_sha256))]
        content = b"".join([anchors, *matching])
        if not content:
            return set()
        self._write(_ANCHORS_NAME, content)
        return {index for index in range(len(self.chain)) if self._leads(index, _ANCHORS_NAME)}

    def _leads(self, index: int, trusted: str) -> bool:
        finished = self._runner.ask(CHAIN_CHECK, _name(index), cwd=self._directory, trusted=trusted, chain=_ANSWER_NAME)
        return finished.is_good

    def _certificate(self, blocks: Sequence[PemBlock], index: int) -> Certificate:
        name = _name(index)
        report, _ = ask_report(self._runner, name, cwd=self._directory, shown=f"certificate {index + 1}")
        is_self_signed = (
            report.subject == report.issuer and self._runner.ask(SELF_SIGNED_CHECK, name, cwd=self._directory).is_good
        )
        der = blocks[index].der or b""
        if der == blocks[0].der:
            role = Role.LEAF
        elif not self._leads(0, name):
            role = Role.UNRELATED
        else:
            role = Role.ROOT if is_self_signed else Role.INTERMEDIATE
        return Certificate(
            blocks[index].text + b"\n",
            sha256(der),
            _key_digest(self._runner, name, self._directory),
            report,
            role,
            is_self_signed,
        )

    def _refused(self, words: str) -> Failed:
        return Failed(words, hint=_OPERATOR_HINT, details=[certificate.shown() for certificate in self.chain])

    def _write(self, name: str, content: bytes) -> None:
        (self._directory / name).write_bytes(content)


def server_ca(credentials: Credentials, runner: Runner, directory: Path) -> Anchors | None:
    """The CA of the gateway's certificate that the archive carries; None where it carries none.

    server_ca.pem, else the CA certificates in autoprov_credentials.p12; openssl is asked in ``directory``. Raises
    BadInput where it cannot be read: a chain must not be taken on faith because of that. Source: HERE OTA Connect,
    provisioning credentials.
    """
    content = credentials.server_ca()
    if content is None and (archive := credentials.pkcs12()) is not None:
        content = _archived_cas(credentials, archive, runner, directory)
    if content is None:
        return None
    blocks = [block.text + b"\n" for block in pem_blocks(content) if block.label == CERTIFICATE]
    digests = []
    for block in blocks:
        (directory / _ANCHORS_NAME).write_bytes(block)
        try:
            digests.append(_key_digest(runner, _ANCHORS_NAME, directory))
        except Failed as error:
            raise credentials.unreadable_server_ca() from error
    return Anchors(b"".join(blocks), frozenset(digests)) if blocks else None


def _archived_cas(credentials: Credentials, archive: bytes, runner: Runner, directory: Path) -> bytes:
    try:
        finished = runner.ask(ARCHIVED_CAS, cwd=directory, stdin=archive)
        if not finished.is_good and b"unsupported" in finished.stderr:
            finished = runner.ask(LEGACY_ARCHIVED_CAS, cwd=directory, stdin=archive)
    except Failed as error:
        raise credentials.unreadable_pkcs12() from error
    if not finished.is_good:
        raise credentials.unreadable_pkcs12()
    return finished.stdout


def _key_digest(runner: Runner, name: str, directory: Path) -> str:
    """The SHA-256 digest of a certificate's SubjectPublicKeyInfo in DER. Raises Failed."""
    finished = runner.ask(PUBLIC_KEY, name, cwd=directory)
    blocks = pem_blocks(finished.stdout)
    if not finished.is_good or len(blocks) != 1 or blocks[0].der is None:
        words = first_complaint(finished.stderr) or "it prints no public key"
        hint = f"the command was: {finished.shown()}"
        raise Failed(f"openssl cannot read a certificate's public key: {words}", hint=hint)
    return sha256(blocks[0].der)


def _name(index: int) -> str:
    return f"{index + 1}.pem"
