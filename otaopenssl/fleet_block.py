"""A block of a fleet's devices: the plain task that one worker gets, and what came of it."""

import os
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from functools import cache
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from otaopenssl import configs, locks, previous, workbench
from otaopenssl.account import Account, Result
from otaopenssl.device_verdicts import Verdict, accepted_of, judged
from otaopenssl.durable import check_writable, not_writable
from otaopenssl.environment import environment
from otaopenssl.errors import Error, Failed, Interrupted, quoted, reason
from otaopenssl.ids import Identity
from otaopenssl.interrupts import check
from otaopenssl.issuance import Issuance, Made, issue
from otaopenssl.layout import CERTIFICATE_NAME, Server
from otaopenssl.measured import certificate_digest
from otaopenssl.record import Part
from otaopenssl.room import check_room
from otaopenssl.runner import Runner
from otaopenssl.wholeness import Issued, not_whole
from otaopenssl.workbench import Workbench

if TYPE_CHECKING:
    from otaopenssl.replacing import Replaced


class Outcome(NamedTuple):
    """What came of one device: what is told of its certificate, or why there is none; and its line in a record.

    ``replaced`` is what was in its place before, where it was renewed.
    """

    identity: Identity
    result: Result
    issued: Issued | None = None
    reason: str = ""
    hint: str = ""
    warnings: tuple[str, ...] = ()
    line: bytes = b""
    replaced: "Replaced | None" = None

    def told(self) -> bytes:
        """Its line in a record, which the worker has made of a device that it tried to make."""
        return self.line or Account(self.identity).told(self.result, self.issued, self.reason)


class Block(NamedTuple):
    """Devices for one worker: those to make, with as many serial numbers from ``first_serial`` on, those to look at.

    In ``part_path`` it writes down each device that it makes just before it is published.
    """

    issuance: Issuance
    to_make: tuple[Identity, ...]
    first_serial: int
    there: tuple[Identity, ...]
    part_path: Path | None = None

    @property
    def identities(self) -> tuple[Identity, ...]:
        """All of its devices."""
        return self.there + self.to_make

    @property
    def is_at_work(self) -> bool:
        """Whether a worker that was given up goes on, which may publish still: the next run takes over its part."""
        return self.part_path is not None and locks.is_held(self.part_path)


def make_block(block: Block) -> tuple[Outcome, ...]:
    """What came of each device of the block, as far as it was tried before an interruption or a loss of ground.

    Every device directory is whole or absent, whenever this ends.
    """
    outcomes: list[Outcome] = []
    try:
        with closing(_outcomes(block)) as found:
            for outcome in found:
                outcomes.append(outcome)
                if outcome.result is Result.FAILED and lost_ground(block.issuance):
                    break
    except Interrupted:
        # Whoever gave out the block knows of it, and is told what was made before.
        return tuple(outcomes)
    except (Error, OSError) as error:
        outcomes += [not_made(identity, error) for identity in block.identities[len(outcomes) :]]
    return tuple(outcomes)


def examined(
    issuance: Issuance, identity: Identity, made_here: Callable[[], Mapping[str, bool]] | None = None
) -> Outcome:
    """What there is of a device of which something is there, by its files alone; ``made_here`` as in whole_device."""
    # Imported here because most fleets are of devices that are not there yet.
    from otaopenssl.present_device import named, whole_device

    fetching, source = issuance.fetching, issuance.source
    more = () if fetching is None else fetching.steps(issuance.places(identity))
    sought = identity
    if source is not None:
        # CSRs tell no device ID, and keys are not looked for.
        sought, made_here = named(issuance.server, issuance.text, identity.uuid), dict
    try:
        found = whole_device(issuance.server, issuance.text, sought, issuance.ca.name, more, made_here)
    except Failed as error:
        return _not_whole(issuance, identity, error)
    if source is not None:
        try:
            source.check_made(identity.uuid, found.public_key)
        except Error as error:
            return not_made(identity, error)
    return Outcome(sought, Result.THERE, found.issued)


def lost_ground(issuance: Issuance) -> list[Error]:
    """What no device can be made without, and has gone since the fleet began: nothing, after a failure of one alone."""
    server = issuance.server
    try:
        if issuance.watch is not None:
            issuance.watch.check()
        issuance.ca.check_unchanged(server)
        full = check_room(server.devices_dir, server.shown(server.server_dir))
    except Error as problem:
        return [problem]
    except OSError as error:
        return [not_writable(error, server.shown(server.devices_dir))]
    if full:
        return full
    writable = check_writable(server.devices_dir, server.shown(server.devices_dir))
    return [*writable, *configs.examine(server, issuance.text, {})]


def after_death(block: Block, identity: Identity, died: Error, written: Mapping[str, bytes]) -> Outcome:
    """What there is of a device whose worker has died; ``written`` is what that had in its part of the record."""
    with suppress(Error):
        previous.finish(block.issuance.server)
    if not os.path.lexists(block.issuance.server.device_path(identity.uuid)):
        return not_made(identity, died)
    try:
        found = examined(block.issuance, identity)
    except Exception:  # what a worker has died of may happen here again
        return not_made(identity, died)
    if found.issued is None or identity not in block.to_make:
        return found
    if block.part_path is None:
        return found._replace(result=Result.MADE)
    line = written.get(found.issued.sha256)
    if line is None and block.issuance.is_of_renewals:
        return not_made(identity, died)
    # What the worker had not written down another run has made.
    return found if line is None else found._replace(result=Result.MADE, line=line)


def not_made(identity: Identity, error: Error | OSError) -> Outcome:
    """The outcome of a device that could not be made."""
    if isinstance(error, OSError):
        what = f"{quoted(error.filename)}: " if error.filename else ""
        error = Failed(
            f"{what}{reason(error)}", hint="check the file system, its permissions, and the limits of the shell"
        )
    return Outcome(identity, Result.FAILED, reason=error.message, hint=error.hint)


def _outcomes(block: Block) -> Generator[Outcome]:
    yield from _looked_at(block.issuance, block.there)
    if not block.to_make:
        return
    numbers = count(block.first_serial)
    with workbench.opened(block.issuance.server) as bench, _part(block) as part:
        for identity in block.to_make:
            yield _made(block.issuance, identity, bench, lambda: next(numbers), part)


@contextmanager
def _part(block: Block) -> Iterator[Part | None]:
    part = None if block.part_path is None else Part(block.part_path)
    try:
        yield part
    finally:
        if part is not None:
            part.close()


def _looked_at(issuance: Issuance, identities: Sequence[Identity]) -> Iterator[Outcome]:
    """What there is of devices of which something is there, their signatures verified by one openssl for all."""
    server = issuance.server
    runner = Runner(issuance.program, environment(server.name))
    outcomes = []
    # Asked for, if at all, once for all.
    made_here = cache(lambda: _keys_made_here(server))
    for identity in identities:
        check()
        outcomes.append(examined(issuance, identity, made_here))
    paths = {one.identity: _certificate(issuance, one.identity) for one in outcomes if one.result is Result.THERE}
    accepted = accepted_of(runner, server, paths.values()) if paths else set()
    for outcome in outcomes:
        path = paths.get(outcome.identity)
        if path is None or path in accepted:
            yield outcome
        else:
            yield _judged(issuance, outcome, judged(runner, server, path))


def _keys_made_here(server: Server) -> Mapping[str, bool]:
    from otaopenssl.recorded_keys import keys_made_here

    return keys_made_here(server)


def _judged(issuance: Issuance, outcome: Outcome, verdict: Verdict) -> Outcome:
    """The outcome of a device that is there, by what openssl says of its certificate alone."""
    if verdict.is_accepted:
        return outcome
    if verdict.broken is not None:
        return not_made(outcome.identity, verdict.broken)
    refusal = not_whole(f"openssl verify refuses {quoted(CERTIFICATE_NAME)}: {verdict.words}")
    return _not_whole(issuance, outcome.identity, refusal)


def _certificate(issuance: Issuance, identity: Identity) -> str:
    return f"{issuance.places(identity)['device_dir']}/{CERTIFICATE_NAME}"


def _not_whole(issuance: Issuance, identity: Identity, error: Failed) -> Outcome:
    where = quoted(issuance.server.shown(issuance.server.device_path(identity.uuid)))
    words = f"{where} is there, but not whole: {error.message}"
    return Outcome(identity, Result.FAILED, reason=words, hint=error.hint)


def _made(
    issuance: Issuance, identity: Identity, bench: Workbench, take_serial: Callable[[], int], part: Part | None
) -> Outcome:
    server = issuance.server
    account = Account(identity, issuance.places(identity)["device_dir"])
    line = b""
    told: Issued | None = None

    def commit(issued: Issued) -> None:
        nonlocal line, told
        told = issued
        if part is not None:
            line = account.told(Result.MADE, issued)
            part.write(line)
        check()

    problem: Error | OSError
    try:
        runner = Runner(issuance.program, environment(server.name, identity.uuid))
        made = issue(issuance, identity, runner, bench, take_serial, commit, account)
    except (Error, OSError) as error:
        problem = error
    else:
        warnings = made.warnings + _gateway_warnings(made)
        return Outcome(identity, Result.MADE, made.issued, warnings=warnings, line=line, replaced=made.replaced)
    bench.discard_device(identity.uuid)
    outcome = not_made(identity, problem)
    if issuance.is_of_renewals:
        there = server.device_path(identity.uuid) / CERTIFICATE_NAME
        if told is not None and certificate_digest(there) == told.sha256:
            # What went wrong after it was published does not make it one that failed.
            return Outcome(identity, Result.MADE, told, warnings=(outcome.reason,), line=line)
    elif os.path.lexists(server.device_path(identity.uuid)):
        # Another run has made it meanwhile.
        return next(_looked_at(issuance, [identity]))
    return outcome if part is None else outcome._replace(line=account.told(Result.FAILED, reason=outcome.reason))


def _gateway_warnings(made: Made) -> tuple[str, ...]:
    if made.gateway is None:
        return ()
    fetched = made.gateway
    if fetched.trust.by:
        return fetched.warnings
    unvouched = (
        f"nothing vouches for gateway {fetched.address}; '{fetched.advised_options}' has it checked from then on"
    )
    return (*fetched.warnings, unvouched)
