"""What openssl says of a gateway's certificates, and who vouches for them: a pin, or the CA in credentials.zip.

The guide trusts whoever answers, and a device trusts every certificate of root.crt. So where somebody has to vouch, he
has to vouch for each: anyone can send well-known certificates beside his own, and can even have his own root sign the
public key of another's. What s_client prints before the server has proved to have the leaf's key proves nothing.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from otaopenssl.address import Gateway
from otaopenssl.chain import Certificate, Role
from otaopenssl.credentials import Credentials
from otaopenssl.digest import sha256
from otaopenssl.errors import Failed, quoted
from otaopenssl.outputs import CERTIFICATE, PemBlock, first_complaint, is_name_match, pem_blocks
from otaopenssl.questions import (
    ADDRESS_CHECK,
    ARCHIVED_CAS,
    CHAIN_CHECK,
    HOST_CHECK,
    LEGACY_ARCHIVED_CAS,
    PUBLIC_KEY,
    SELF_SIGNED_CHECK,
    SERVER_CHAIN_CHECK,
    Question,
)
from otaopenssl.reports import ask_report
from otaopenssl.runner import Runner

_ANSWER_NAME = "answer.pem"
_ANCHORS_NAME = "anchors.pem"
_STANDARD_INPUT = "/dev/stdin"
_OPERATOR_HINT = "compare the fingerprints with the gateway's operator: another server may have answered"


class Trust(NamedTuple):
    """Who vouches for the leaf, in words, and the certificates above for which the gateway's own key alone does."""

    by: tuple[str, ...]
    unvouched: tuple[Certificate, ...]


class Anchors(NamedTuple):
    """What vouches for certificates: certificates in PEM, and SHA-256 digests of certificates and of public keys."""

    pem: bytes
    digests: frozenset[str]
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
        return is_name_match(finished.stdout)

    @property
    def is_server(self) -> bool:
        """Whether the leaf's usages let it be a server's."""
        return self._leads(0, _name(0), SERVER_CHAIN_CHECK, chain=_name(0))

    def trust(self, pins: Sequence[str], ca: Anchors | None, shown: str, *, is_proven: bool, is_meant: bool) -> Trust:
        """Who vouches for the chain; ``pins`` are digests, any one of which is enough, ``ca`` is that of an archive.

        Certificates above the pinned ones are taken from the gateway itself, where it ``is_proven`` to have the leaf's
        key, and that leaf is pinned, or ``is_meant``: for the gateway's name, and valid. Raises Failed where a pin or a
        CA is given and does not vouch for the leaf as a server's, or another certificate came along. ``shown`` names
        the gateway.
        """
        by = []
        vouched: set[int] = set()
        if ca is not None:
            vouched |= self._under(ca, shown, "the CA in credentials.zip")
            by.append("the CA in credentials.zip")
        if pins:
            vouched |= self._under(Anchors(b"", frozenset(pins), frozenset(pins)), shown, "a pinned certificate")
            by.append("the pin" if len(pins) == 1 else "a pin")
        if not by:
            return Trust((), ())
        if any(certificate.role is Role.UNRELATED for certificate in self.chain):
            raise self._refused(f"gateway {quoted(shown)} sent a certificate that does not belong to its chain")
        above = [certificate for index, certificate in enumerate(self.chain) if index not in vouched]
        is_pinned = not {self.chain[0].sha256, self.chain[0].key_sha256}.isdisjoint(pins)
        if above and not (is_proven and (is_pinned or is_meant)):
            words = f"gateway {quoted(shown)}: {' and '.join(by)} cannot vouch for the {above[-1].role} that it sent"
            hint = "ask the gateway's operator for the fingerprint of the topmost certificate, and pin that as well"
            raise self._refused(words, hint=hint)
        return Trust(tuple(by), tuple(above))

    def _under(self, anchors: Anchors, shown: str, what: str) -> set[int]:
        """Which certificates the anchors vouch for: they are among them, or an anchor's key has signed them.

        One that has an anchor's key and another's signature leads to the anchor, as a CA does that another CA has
        signed, but what it says is nobody's word. Raises Failed where the leaf leads to none, or is no server's.
        """
        by_digest = {index for index, c in enumerate(self.chain) if c.sha256 in anchors.digests}
        by_key = {index for index, c in enumerate(self.chain) if c.key_sha256 in anchors.key_digests}
        matching = by_digest | by_key
        if not self._leads(0, self._trusted(anchors, matching)):
            raise self._refused(f"gateway {quoted(shown)}: its chain does not lead to {what}")
        if not self._leads(0, self._trusted(anchors, matching), SERVER_CHAIN_CHECK):
            raise self._refused(f"gateway {quoted(shown)}: its certificate is not one of a server")
        vouched = by_digest | {index for index in by_key if self.chain[index].is_self_signed}
        for index, certificate in enumerate(self.chain):
            others = {other for other in matching if self.chain[other].sha256 != certificate.sha256}
            if index not in vouched and self._leads(index, self._trusted(anchors, others)):
                vouched.add(index)
        return vouched

    def _trusted(self, anchors: Anchors, indexes: set[int]) -> str:
        """The name of a file with the anchors and those certificates."""
        self._write(_ANCHORS_NAME, b"".join([anchors.pem, *(self.chain[index].pem for index in sorted(indexes))]))
        return _ANCHORS_NAME

    def _leads(self, index: int, trusted: str, question: Question = CHAIN_CHECK, *, chain: str = _ANSWER_NAME) -> bool:
        """Whether a certificate leads to one in the file ``trusted``; to none, where that is empty."""
        return self._runner.ask(question, _name(index), cwd=self._directory, trusted=trusted, chain=chain).is_good

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

    def _refused(self, words: str, *, hint: str = _OPERATOR_HINT) -> Failed:
        return Failed(words, hint=hint, details=[certificate.shown() for certificate in self.chain])

    def _write(self, name: str, content: bytes) -> None:
        (self._directory / name).write_bytes(content)


def server_ca(credentials: Credentials, runner: Runner, cwd: Path) -> Anchors | None:
    """The CA of the gateway's certificate that the archive carries; None where it carries none.

    server_ca.pem, else the CA certificates in autoprov_credentials.p12. Raises BadInput where it cannot be read: a
    chain must not be taken on faith because of that. Source: HERE OTA Connect, provisioning credentials.
    """
    content = credentials.server_ca()
    if content is None and (archive := credentials.pkcs12()) is not None:
        content = _archived_cas(credentials, archive, runner, cwd)
    if content is None:
        return None
    blocks = [block.text + b"\n" for block in pem_blocks(content) if block.label == CERTIFICATE]
    try:
        key_digests = frozenset(_key_digest(runner, _STANDARD_INPUT, cwd, stdin=block) for block in blocks)
    except Failed as error:
        raise credentials.unreadable_server_ca() from error
    digests = frozenset(sha256(block.der or b"") for block in pem_blocks(b"".join(blocks)))
    return Anchors(b"".join(blocks), digests, key_digests) if blocks else None


def _archived_cas(credentials: Credentials, archive: bytes, runner: Runner, cwd: Path) -> bytes:
    try:
        finished = runner.ask(ARCHIVED_CAS, cwd=cwd, stdin=archive)
        if not finished.is_good and b"unsupported" in finished.stderr:
            finished = runner.ask(LEGACY_ARCHIVED_CAS, cwd=cwd, stdin=archive)
    except Failed as error:
        raise credentials.unreadable_pkcs12() from error
    if not finished.is_good:
        raise credentials.unreadable_pkcs12()
    return finished.stdout


def _key_digest(runner: Runner, name: str, cwd: Path, *, stdin: bytes = b"") -> str:
    """The SHA-256 digest of a certificate's SubjectPublicKeyInfo in DER. Raises Failed."""
    finished = runner.ask(PUBLIC_KEY, name, cwd=cwd, stdin=stdin)
    blocks = pem_blocks(finished.stdout)
    if not finished.is_good or len(blocks) != 1 or blocks[0].der is None:
        words = first_complaint(finished.stderr) or "it prints no public key"
        hint = f"the command was: {finished.shown()}"
        raise Failed(f"openssl cannot read a certificate's public key: {words}", hint=hint)
    return sha256(blocks[0].der)


def _name(index: int) -> str:
    return f"{index + 1}.pem"
