"""One use case: a new certificate for a device that is there, by the same lines, in the place of the old one."""

from typing import NamedTuple

from otaopenssl.account import Account
from otaopenssl.device import issue_alone
from otaopenssl.evidence import Evidence, kept
from otaopenssl.ids import Identity
from otaopenssl.issuance import Made, prepared
from otaopenssl.layout import Server, listing
from otaopenssl.outputs import CertificateReport
from otaopenssl.program import Launch
from otaopenssl.renewal_source import RenewalSource
from otaopenssl.replacing import Replaced
from otaopenssl.texts import Procedure


class Order(NamedTuple):
    """Which device is to be renewed, by which procedure."""

    server: Server
    identity: Identity
    procedure: Procedure
    source: RenewalSource

    def places(self) -> dict[str, str]:
        """The values of the places of device.sh."""
        return self.server.device_places(*self.identity)


class Renewed(NamedTuple):
    """A device that was renewed: as ``device.Device``, and what was in its place before."""

    identity: Identity
    directory: str
    report: CertificateReport
    files: dict[str, str]
    warnings: tuple[str, ...]
    replaced: Replaced


def renew_device(order: Order, launch: Launch, evidence: Evidence | None = None) -> Renewed:
    """The device of the order, renewed, and told of in a record; the old one is kept whole.

    Before the first command, and all at once, raises NotApproved, BadInput (texts, configuration files, a CSR), Unfit
    (openssl, fleet root CA, not writable) or Failed (the device is not whole); after it Failed (openssl, checks) and
    Unfit where another run has changed the device meanwhile.
    """
    server, directory = order.server, order.places()["device_dir"]
    account = Account(order.identity, directory)
    with kept(evidence, account):
        made = _made(order, launch, evidence, account)
    if made.replaced is None:
        raise AssertionError("a device of a source of renewals replaces one")
    files = listing(server.device_path(order.identity.uuid))
    return Renewed(order.identity, directory, made.report, files, made.warnings, made.replaced)


def _made(order: Order, launch: Launch, evidence: Evidence | None, account: Account) -> Made:
    server, source = order.server, order.source
    text = order.procedure.text("device.sh")
    source.check(text)
    # Before anything runs: most of what keeps a device from being renewed is seen by its files.
    source.given(text, order.places())
    issuance, runner = prepared(server, order.procedure, None, launch, source=source)
    return issue_alone(issuance, order.identity, runner, evidence, account)
