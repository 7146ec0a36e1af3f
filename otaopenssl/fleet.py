"""One use case: many devices, each whole or absent, by workers that are reached through an Executor alone.

A worker gets a plain, picklable block: which devices, their serial numbers, the project. It has a workbench of its own
and shares nothing with the others but the file system, so that an executor of another engine may stand in the place of
this process's threads. Threads are enough here: the work is in openssl.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple, Optional

from otaopenssl import configs, plan, serials
from otaopenssl.account import Account, Result
from otaopenssl.errors import Error, Failed, Interrupted, NotApproved
from otaopenssl.evidence import Evidence, kept
from otaopenssl.fleet_block import Block, Outcome, after_death, lost_ground, make_block
from otaopenssl.fleet_summary import Summary
from otaopenssl.given import Source
from otaopenssl.id_list import IDList
from otaopenssl.ids import Identity
from otaopenssl.interrupts import held, hold_for_good
from otaopenssl.issuance import Issuance, prepared
from otaopenssl.layout import Server
from otaopenssl.program import Launch
from otaopenssl.recovery import written
from otaopenssl.texts import Procedure

if TYPE_CHECKING:
    from otaopenssl.gateway_root import GatewayOrder
    from otaopenssl.renewal_source import RenewalSource
    from otaopenssl.request_source import RequestDirectory

# Small enough to end soon and to tell of devices as they finish, large enough to share out the cost of a workbench.
_LARGEST_BLOCK = 16
# Devices that are there are looked at in no time, and verified by one openssl a block.
_LARGEST_LOOK = 200
# Blocks that wait beside those at work, so that no worker waits for this process.
_WAITING_BLOCKS = 2
_SECONDS_BETWEEN_TELLING = 1.0
# Where none of so many could be made, the others could not either.
_TELLING_FAILURES = 20

# Is told what came of devices, in the order in which they finish, and at least about once a second; may raise an Error.
Tell = Callable[[Sequence[Outcome]], None]


class FleetOrder(NamedTuple):
    """Which devices are to be made, and how.

    ``has_plan`` is for IDs that stand nowhere else: they are then written to a plan file before the first device.
    ``renewal`` is for devices that are there, whose place new ones take.
    ``csrs`` is where the devices' CSRs are from, where the text makes none.
    """

    server: Server
    procedure: Procedure
    ids: IDList
    jobs: int
    has_plan: bool = False
    is_fail_fast: bool = False
    gateway: Optional["GatewayOrder"] = None
    renewal: Optional["RenewalSource"] = None
    csrs: Optional["RequestDirectory"] = None

    @property
    def source(self) -> Source | None:
        """Where keys or CSRs are from that are not made by the text."""
        return self.csrs if self.renewal is None else self.renewal

    def is_to_make(self, identity: Identity) -> bool:
        """Whether a device is not there, or is to be renewed."""
        return self.renewal is not None or not os.path.lexists(self.server.device_path(identity.uuid))


def make_fleet(
    order: FleetOrder,
    launch: Launch,
    tell: Tell,
    executor: Executor | None = None,
    evidence: Evidence | None = None,
) -> Summary:
    """What came of each device of the order; ``tell`` is called as they finish.

    ``executor`` runs the blocks, by default with a thread for each job. Whatever happens, a device directory is whole
    or absent, and a record tells of it. Before the first command, and all at once, raises NotApproved, BadInput or
    Unfit as ``make_device`` does; later only Interrupted, where a signal came before anything was made.
    """
    with kept(evidence, Account()):
        return _fleet(order, launch, tell, executor, evidence)


def _fleet(
    order: FleetOrder, launch: Launch, tell: Tell, executor: Executor | None, evidence: Evidence | None
) -> Summary:
    server, started = order.server, time.monotonic()
    to_make = sum(map(order.is_to_make, order.ids))
    issuance, runner = prepared(server, order.procedure, order.gateway, launch, source=order.source, quantity=to_make)
    with configs.provided(server, issuance.text):
        if evidence is not None:
            issuance = issuance._replace(watch=evidence.begin(runner), run_id=evidence.run_id)
        run = _Run(order, issuance, tell, evidence)
        with run.begun():
            run.through(executor)
            if run.summary.is_interrupted and not run.summary.counts[Result.MADE]:
                raise Interrupted
    run.summary.seconds = time.monotonic() - started
    return run.summary


class _Run:
    """One fleet being made: what waits, what is at work, and what came of it."""

    def __init__(self, order: FleetOrder, issuance: Issuance, tell: Tell, evidence: Evidence | None) -> None:
        self.summary = Summary(order.ids.quantity)
        self._order = order
        self._issuance = issuance
        self._tell = tell
        self._evidence = evidence
        self._identities = iter(order.ids)
        self._given_out = 0
        self._not_makable = 0
        self._has_new_serials = False
        self._last_serial = 0
        self._next: Block | None = None
        self._at_work: dict[Future[tuple[Outcome, ...]], Block] = {}

    @contextmanager
    def begun(self) -> Iterator[None]:
        """Have the plan written and the first serial numbers reserved; where the block fails nothing was made."""
        try:
            if self._order.has_plan:
                with held():
                    self.summary.plan_path = plan.write_plan(self._order.server, self._order.ids)
            self._next = self._block()
            yield
        except BaseException:
            if not self.summary.counts[Result.MADE]:
                with held():
                    self._take_back()
            raise

    def _take_back(self) -> None:
        # What made the fleet fail is told, not what fails here because of it.
        if self.summary.plan_path is not None:
            with suppress(Error, OSError):
                plan.take_back(self.summary.plan_path)
        if self._has_new_serials:
            with suppress(Error, OSError):
                serials.take_back(self._order.server, self._last_serial)

    def through(self, executor: Executor | None) -> None:
        """Have every block made, or as many as there are until something stops the fleet; never raises Interrupted."""
        workers = executor or ThreadPoolExecutor(self._order.jobs)
        try:
            try:
                while self._next is not None or self._at_work:
                    self._submit(workers)
                    # A signal in it could leave the lock of a future held for ever; the workers hear of it themselves.
                    with held():
                        done = wait(self._at_work, _SECONDS_BETWEEN_TELLING, FIRST_COMPLETED).done
                    self._finish(done)
            finally:
                with held(), ExitStack() as at_last:
                    if executor is None:
                        at_last.callback(workers.shutdown)
                    self._drop_waiting()
                    self._finish(wait(self._at_work).done)
            hold_for_good()
            if self._issuance.watch is not None:
                self._issuance.watch.check_again()
        except (NotApproved, Failed) as error:
            self.summary.stopped = self.summary.stopped or error
        except Interrupted:
            self.summary.is_interrupted = True

    def _submit(self, workers: Executor) -> None:
        """Give out blocks until every worker has one, and a few wait."""
        while self._next is not None and len(self._at_work) < self._order.jobs + _WAITING_BLOCKS:
            try:
                with held():
                    self._at_work[workers.submit(make_block, self._next)] = self._next
                self._next = self._block()
            except RuntimeError as error:  # a BrokenExecutor, or what one says that was shut down
                self._stop(Failed(f"the workers have died: {error}", hint="run the command again"))
            except Error as error:
                self._stop(error)

    def _block(self) -> Block | None:
        """The next devices, with serial numbers for those that are to be made; None where there are no more."""
        server, jobs = self._order.server, self._order.jobs
        left = self._order.ids.quantity - self._given_out
        size = 1 if self._order.is_fail_fast else max(1, min(_LARGEST_BLOCK, left // (2 * jobs)))
        to_make: list[Identity] = []
        there: list[Identity] = []
        while len(to_make) < size and len(there) < _LARGEST_LOOK and (one := next(self._identities, None)):
            (to_make if self._order.is_to_make(one) else there).append(one)
        self._given_out += len(to_make) + len(there)
        if not to_make:
            return Block(self._issuance, (), 0, tuple(there)) if there else None
        with held():
            reservation = serials.reserve(server, len(to_make))
            self._has_new_serials |= reservation.is_new
            self._last_serial = reservation.last
        part_path = None if self._evidence is None else self._evidence.part_path()
        return Block(self._issuance, tuple(to_make), reservation.first, tuple(there), part_path)

    def _finish(self, done: Iterable[Future[tuple[Outcome, ...]]]) -> None:
        """Count and tell what came of the blocks that are done."""
        outcomes: list[Outcome] = []
        # A signal in between would have devices made of which nobody is told.
        with held():
            for future in done:
                block = self._at_work.pop(future)
                found = self._outcomes(future, block)
                is_given_up = future.cancelled() or future.exception() is not None
                if not (is_given_up and block.is_at_work):
                    self._record(block, found)
                outcomes += found
            self.summary.add(outcomes)
            if any(outcome.result is Result.FAILED for outcome in outcomes):
                self._judge()
        # Whoever is told may take his time, and a signal must be heard.
        tell, self._tell = self._tell, lambda _outcomes: None
        try:
            tell(outcomes)
        except Error as error:
            self._stop(error)
        else:
            self._tell = tell

    def _record(self, block: Block, outcomes: Sequence[Outcome]) -> None:
        """Have the outcomes in the record; what cannot be written there the next run finds in the worker's part."""
        if self._evidence is None:
            return
        try:
            self._evidence.add([outcome.told() for outcome in outcomes])
            if block.part_path is not None:
                block.part_path.unlink(missing_ok=True)
        except Error as error:
            self._evidence = None
            self._stop(error)

    def _outcomes(self, future: Future[tuple[Outcome, ...]], block: Block) -> Sequence[Outcome]:
        """What a block has come to; where its worker has died, what is on the disk tells."""
        error = CancelledError() if future.cancelled() else future.exception()
        if error is None:
            outcomes = future.result()
        else:
            died = Failed(f"its worker has died: {error or type(error).__name__}", hint="run the command again")
            told = {} if block.part_path is None else written(block.part_path)
            outcomes = tuple(after_death(block, identity, died, told) for identity in block.identities)
        if self._order.csrs is None:  # what is wrong with some CSRs says nothing of the others
            self._not_makable += sum(one.result is Result.FAILED and one.identity in block.to_make for one in outcomes)
        return outcomes

    def _judge(self) -> None:
        """After a failure: stop where the other devices would come to the same."""
        if self._order.is_fail_fast:
            self._stop(Failed("a device failed, and '--fail-fast' was given", hint="mend what made it fail"))
        elif self._not_makable >= _TELLING_FAILURES and not self.summary.counts[Result.MADE]:
            words = f"none of the first {self._not_makable} devices could be made"
            self._stop(Failed(words, hint="mend what made them fail"))
        else:
            for problem in lost_ground(self._issuance):
                self._stop(problem)

    def _stop(self, why: Error) -> None:
        """Give out no more; what is at work is finished."""
        self.summary.stopped = self.summary.stopped or why
        self._next = None
        self._drop_waiting()

    def _drop_waiting(self) -> None:
        self._at_work = {future: block for future, block in self._at_work.items() if not future.cancel()}
