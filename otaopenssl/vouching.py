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
from otaopenssl.complaints import first_complaint
from otaopenssl.credentials import Credentials
from otaopenssl.digest import sha256
from otaopenssl.errors import Failed, quoted
from otaopenssl.outputs import CERTIFICATE, PemBlock, is_name_match, pem_blocks
from otaopenssl.questions import (
    ADDRESS_CHECK,
    ARCHIVED_CAS,
    HOST_CHECK,
    LEGACY_ARCHIVED_CAS,
    PUBLIC_KEY,
    SELF_SIGNED_CHECK,
    SERVER_USAGE_CHECK,
    SIGNER_CHECK,
)
from otaopenssl.reports import ask_report
from otaopenssl.runner import Runner

_ANCHORS_NAME = "anchors.pem"
_STANDARD_INPUT = "/dev/stdin"
# Two for each certificate, and more than enough for those of one name that have a reason to be there.
_MOST_SIGNER_CHECKS = 400
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
    """The certificates of one answer, which openssl is asked about in ``directory``, that is the caller's own.

    ``chain`` are the certificates, ``is_server`` says whether the leaf's usages let it be a server's. Raises Failed
    where openssl cannot read one, or it is written in another way than openssl would.
    """

    def __init__(self, blocks: Sequence[PemBlock], runner: Runner, directory: Path) -> None:
        self._runner = runner
        self._directory = directory
        self._checks_left = _MOST_SIGNER_CHECKS
        found = [self._found(block, index) for index, block in enumerate(blocks)]
        self._signers = self._signers_of(found)
        self.chain = tuple(one._replace(role=self._role(found, index)) for index, one in enumerate(found))
        self.is_server = runner.ask(SERVER_USAGE_CHECK, _name(0), cwd=directory).is_good

    def is_for(self, gateway: Gateway) -> bool:
        """Whether the leaf is for the gateway's name, as openssl matches names (RFC 6125)."""
        if gateway.is_address:
            finished = self._runner.ask(ADDRESS_CHECK, _name(0), cwd=self._directory, address=gateway.host)
        else:
            finished = self._runner.ask(HOST_CHECK, _name(0), cwd=self._directory, host=gateway.host)
        return is_name_match(finished.stdout)

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
            vouched |= self._vouched(ca, shown, "the CA in credentials.zip")
            by.append("the CA in credentials.zip")
        if pins:
            vouched |= self._vouched(Anchors(b"", frozenset(pins), frozenset(pins)), shown, "a pinned certificate")
            by.append("the pin" if len(pins) == 1 else "a pin")
        if not by:
            return Trust((), ())
        if any(certificate.role is Role.UNRELATED for certificate in self.chain):
            raise self._refused(f"gateway {quoted(shown)} sent a certificate that does not belong to its chain")
        if not self.is_server:
            raise self._refused(f"gateway {quoted(shown)}: its certificate is not one of a server")
        above = [certificate for index, certificate in enumerate(self.chain) if index not in vouched]
        is_pinned = not {self.chain[0].sha256, self.chain[0].key_sha256}.isdisjoint(pins)
        if above and not (is_proven and (is_pinned or is_meant)):
            unproven = "" if is_proven else ", and it did not finish the handshake"
            words = f"{' and '.join(by)} cannot vouch for the {above[-1].role} that it sent{unproven}"
            hint = "ask the gateway's operator for the fingerprint of the topmost certificate, and pin that as well"
            raise self._refused(f"gateway {quoted(shown)}: {words}", hint=hint)
        return Trust(tuple(by), tuple(above))

    def is_led_to(self, ca: Anchors) -> bool:
        """Whether the leaf leads to a CA. Raises Failed where it has more certificates than are looked at."""
        return self._reached(ca)[1]

    def _vouched(self, anchors: Anchors, shown: str, what: str) -> set[int]:
        """Which certificates the anchors vouch for. Raises Failed where the leaf leads to none of them."""
        vouched, is_leaf_reached = self._reached(anchors)
        if not is_leaf_reached:
            raise self._refused(f"gateway {quoted(shown)}: its chain does not lead to {what}")
        return vouched

    def _reached(self, anchors: Anchors) -> tuple[set[int], bool]:
        """Which certificates the anchors vouch for, and whether the leaf leads to one.

        They are among the anchors, or an anchor's key has signed them. One that has an anchor's key and another's
        signature leads to the anchor, as a CA does that another CA has signed, but what it says is nobody's word.
        """
        exact = {i for i, c in enumerate(self.chain) if c.sha256 in anchors.digests}
        # Those whose keys are trusted; of these, those whose content is.
        keys = exact | {i for i, c in enumerate(self.chain) if c.key_sha256 in anchors.key_digests}
        vouched = exact | {i for i in keys if self.chain[i].is_self_signed}
        if anchors.pem:
            (self._directory / _ANCHORS_NAME).write_bytes(anchors.pem)
            vouched |= {i for i in self._signers if i not in keys and self._is_signed_by(i, _ANCHORS_NAME)}
        grows = True
        while grows:
            new = {i for i, signers in self._signers.items() if i not in vouched and signers & (keys | vouched)}
            vouched, grows = vouched | new, bool(new)
        return vouched, 0 in keys | vouched

    def _signers_of(self, found: Sequence[Certificate]) -> dict[int, set[int]]:
        """For the leaf and every certificate that it leads to: which of the others have signed it."""
        signers: dict[int, set[int]] = {}
        waiting = [0]
        while waiting:
            index = waiting.pop(0)
            if index in signers:
                continue
            signers[index] = {
                other
                for other, candidate in enumerate(found)
                # openssl takes a trusted copy of a certificate for its signer.
                if candidate.sha256 != found[index].sha256
                and _plain(candidate.report.subject) == _plain(found[index].report.issuer)
                and self._is_signed_by(index, _name(other))
            }
            waiting += sorted(signers[index])
        # A copy of what belongs to the chain belongs to it.
        copies = {found[index].sha256: index for index in signers}
        return {i: signers[copies[one.sha256]] for i, one in enumerate(found) if one.sha256 in copies}

    def _is_signed_by(self, index: int, trusted: str) -> bool:
        """Whether one of the certificates in the file ``trusted`` has signed a certificate, or is it."""
        self._checks_left -= 1
        if self._checks_left < 0:
            raise Failed("the gateway sent more certificates of one name than are looked at", hint=_OPERATOR_HINT)
        return self._runner.ask(SIGNER_CHECK, _name(index), cwd=self._directory, trusted=trusted).is_good

    def _found(self, block: PemBlock, index: int) -> Certificate:
        """What openssl says of one certificate; its role is known once all are."""
        name = _name(index)
        (self._directory / name).write_bytes(block.text + b"\n")
        report, _ = ask_report(self._runner, name, cwd=self._directory, shown=f"certificate {index + 1}")
        key_digest, printed = _key_digest(self._runner, name, self._directory)
        if printed != block.der:
            raise Failed(f"certificate {index + 1} that the gateway sent is not in DER", hint=_OPERATOR_HINT)
        is_self_signed = (
            report.subject == report.issuer and self._runner.ask(SELF_SIGNED_CHECK, name, cwd=self._directory).is_good
        )
        return Certificate(sha256(block.der), key_digest, report, Role.UNRELATED, is_self_signed)

    def _role(self, found: Sequence[Certificate], index: int) -> Role:
        if found[index].sha256 == found[0].sha256:
            return Role.LEAF
        if index not in self._signers:
            return Role.UNRELATED
        return Role.ROOT if found[index].is_self_signed else Role.INTERMEDIATE

    def _refused(self, words: str, *, hint: str = _OPERATOR_HINT) -> Failed:
        return Failed(words, hint=hint, details=[certificate.shown() for certificate in self.chain])


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
        key_digests = frozenset(_key_digest(runner, _STANDARD_INPUT, cwd, stdin=block)[0] for block in blocks)
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


def _key_digest(runner: Runner, name: str, cwd: Path, *, stdin: bytes = b"") -> tuple[str, bytes]:
    """The SHA-256 digest of a certificate's SubjectPublicKeyInfo, and the certificate, both as openssl writes them.

    Raises Failed.
    """
    finished = runner.ask(PUBLIC_KEY, name, cwd=cwd, stdin=stdin)
    ders = {block.label: block.der for block in pem_blocks(finished.stdout)}
    key, certificate = ders.get("PUBLIC KEY"), ders.get(CERTIFICATE)
    if not finished.is_good or len(ders) != 2 or key is None or certificate is None:
        words = first_complaint(finished.stderr) or "it prints no public key"
        hint = f"the command was: {finished.shown()}"
        raise Failed(f"openssl cannot read a certificate's public key: {words}", hint=hint)
    return sha256(key), certificate


def _plain(name: str) -> str:
    """A name as far as names are compared (RFC 5280, 7.1); whether they match is openssl's to say."""
    return " ".join(name.casefold().split())


def _name(index: int) -> str:
    return f"{index + 1}.pem"
