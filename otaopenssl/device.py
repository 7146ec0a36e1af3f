"""One use case: a device certificate, by the guide's steps 1 and 2, and its gateway's root by steps 3 and 4."""

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple, Optional

from otaopenssl import configs, serials, workbench
from otaopenssl.account import Account
from otaopenssl.errors import Error, Failed
from otaopenssl.evidence import Evidence, kept, of_one
from otaopenssl.ids import DeviceID, DeviceUUID, Identity
from otaopenssl.interrupts import hold_for_good
from otaopenssl.issuance import Issuance, Made, issue, prepared
from otaopenssl.layout import Server, listing
from otaopenssl.outputs import CertificateReport
from otaopenssl.program import Launch
from otaopenssl.runner import Runner
from otaopenssl.texts import Procedure
from otaopenssl.wholeness import Issued

if TYPE_CHECKING:
    # Most devices need neither a gateway nor a CSR from elsewhere, and what those take would be a part of their time.
    from otaopenssl.gateway_root import Fetched, GatewayOrder
    from otaopenssl.request_source import OneRequest


class Order(NamedTuple):
    """What is to be made: one device of one server, by one procedure; with a gateway's root where one is named.

    ``source`` is where its CSR is from, where the text makes none.
    """

    server: Server
    uuid: DeviceUUID
    device_id: DeviceID
    procedure: Procedure
    gateway: Optional["GatewayOrder"] = None
    source: Optional["OneRequest"] = None

    def places(self) -> dict[str, str]:
        """The values of the places of device.sh."""
        return self.server.device_places(self.uuid, self.device_id)


class Device(NamedTuple):
    """A device that was made, and the facts of its certificate.

    ``directory`` is the guide's ``${device_dir}``; ``files`` are the names in it with their modes; ``warnings`` tell of
    what works today and fails later; ``gateway`` is what a gateway has sent, where one was asked.
    """

    uuid: DeviceUUID
    device_id: DeviceID
    server: Server
    directory: str
    report: CertificateReport
    files: dict[str, str]
    warnings: tuple[str, ...]
    gateway: Optional["Fetched"]


def make_device(order: Order, launch: Launch, evidence: Evidence | None = None) -> Device:
    """The device of the order, published whole by one rename after every check has passed, and told of in a record.

    Before the first command, and all at once, raises NotApproved, BadInput (texts, configuration files) or Unfit
    (openssl, fleet root CA, there already, not writable); after it Failed (openssl, checks, the gateway). Source:
    guide steps 1 and 2, and 3 and 4 where the order names a gateway.
    """
    account = Account(Identity(order.uuid, order.device_id), order.places()["device_dir"])
    with kept(evidence, account):
        made = _made(order, launch, evidence, account)
    return Device(
        uuid=order.uuid,
        device_id=order.device_id,
        server=order.server,
        directory=order.places()["device_dir"],
        report=made.report,
        files=listing(order.server.device_path(order.uuid)),
        warnings=made.warnings,
        gateway=made.gateway,
    )


def _made(order: Order, launch: Launch, evidence: Evidence | None, account: Account) -> Made:
    server = order.server
    is_there = os.path.lexists(server.device_path(order.uuid))
    found: list[Error] = [workbench.device_exists(server, order.uuid)] if is_there else []
    found += [] if order.source is None else order.source.faults(order.uuid)
    issuance, runner = prepared(server, order.procedure, order.gateway, launch, source=order.source, found=found)
    if order.source is not None:
        _check_signature(order.source, runner, server)
    return issue_alone(issuance, Identity(order.uuid, order.device_id), runner, evidence, account)


def issue_alone(
    issuance: Issuance, identity: Identity, runner: Runner, evidence: Evidence | None, account: Account
) -> Made:
    """The one device of a run, issued in a workbench of its own and told of in the run's record.

    Raises as ``issue`` does, and Unfit where the record cannot be written.
    """
    server = issuance.server
    with (
        configs.provided(server, issuance.text),
        of_one(evidence, account, runner) as (watch, told),
        workbench.opened(server) as bench,
        ExitStack() as reservations,
    ):

        def commit(issued: Issued) -> None:
            told(issued)
            hold_for_good()

        return issue(
            issuance._replace(watch=watch, run_id="" if evidence is None else evidence.run_id),
            identity,
            runner,
            bench,
            lambda: reservations.enter_context(serials.reserved(server, 1)).first,
            commit,
            account,
        )


def _check_signature(source: "OneRequest", runner: Runner, server: Server) -> None:
    """Raise Failed unless the CSR is signed by its own key: before a serial number is taken for it."""
    from otaopenssl import device_answers

    asked = device_answers.request(runner, device_answers.STANDARD_INPUT, server.project_dir, source.request.pem)
    if asked.fault:
        raise Failed(f"openssl cannot read {source.shown}: {asked.fault}", hint="have the CSR made again")
    if not asked.is_signed:
        words = f"{source.shown}: its own signature is wrong: it was changed, or another key has signed it"
        raise Failed(words, hint="have the CSR made again, by the key that it is for")
