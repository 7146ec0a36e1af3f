"""What follows the devices of a fleet, by its options: who does it, how far it is, and what came of it."""

from collections.abc import Callable, Sequence

from otaopenssl.cli import registering, terminal
from otaopenssl.cli.progress import progress
from otaopenssl.cli.registry_options import RegistryOptions
from otaopenssl.environment import environment
from otaopenssl.errors import Error, Interrupted
from otaopenssl.fleet import FleetOrder
from otaopenssl.fleet_block import Outcome
from otaopenssl.fleet_summary import Summary
from otaopenssl.follow_up import Following, FollowUp
from otaopenssl.interrupts import part
from otaopenssl.local_installs import LocalInstaller, LocalInstalls
from otaopenssl.register import Registrar
from otaopenssl.runner import Runner


def followed(
    registry: RegistryOptions | None, installs: LocalInstalls | None, program: str, order: FleetOrder
) -> "Followed":
    """What the options have follow, once all that it takes was found usable. Raises BadInput or Unfit."""
    follow_ups: list[FollowUp] = []
    warnings: list[list[str]] = []
    if installs is not None:
        installer = LocalInstaller(installs, Runner(program, environment(order.server.name)))
        follow_ups.append(FollowUp("installed", installer))
        warnings.append(installer.warnings)
    if registry is not None:
        registrar = Registrar(registering.client(registry, order.server.project_dir), order.server)
        follow_ups.append(FollowUp("registered", registrar))
        warnings.append(registrar.warnings)
    return Followed(follow_ups, warnings, is_fail_fast=order.is_fail_fast)


class Followed:
    """A fleet's follow-ups: what is shown of them, and how they end the run."""

    def __init__(
        self, follow_ups: Sequence[FollowUp], warnings: Sequence[Sequence[str]], *, is_fail_fast: bool
    ) -> None:
        self._warnings = warnings
        self._is_fail_fast = is_fail_fast
        self._following = Following(follow_ups, is_fail_fast=is_fail_fast)

    @property
    def warnings(self) -> list[str]:
        """What is to be known of the devices, so far."""
        return [warning for told in self._warnings for warning in told]

    @property
    def failed(self) -> int:
        """How many devices that are whole a follow-up was not done for."""
        return self._following.failed

    @property
    def failures(self) -> list[Outcome]:
        """The first of them."""
        return self._following.failures

    @property
    def given_up(self) -> Error | None:
        """Why the rest of the devices was not tried, where that is so."""
        return self._following.given_up

    def add(self, outcomes: Sequence[Outcome]) -> None:
        """Have the follow-ups done for devices that are whole. With ``is_fail_fast`` raises Failed after a failure."""
        self._following.add(outcomes)
        if self._is_fail_fast and self.given_up is not None:
            raise self.given_up

    def made(self, make: Callable[[], Summary]) -> Summary:
        """What came of the fleet that ``make`` makes, after which signals are still heard."""
        summary: Summary | None = None
        try:
            with part():
                summary = make()
        except Interrupted:
            if summary is None:
                raise
            summary.is_interrupted = True
        return summary

    def finish(self, summary: Summary) -> None:
        """Wait for what is still to follow, unless the fleet was interrupted; one meanwhile is noted in its summary."""
        following = self._following
        if summary.is_interrupted or not following.left:
            return
        done = " and ".join(following.counts)
        terminal.note(f"{following.left} of {following.quantity} devices are still to be {done}")
        try:
            with progress(following.quantity) as shown:
                following.finish(shown.show)
        except Interrupted:
            summary.is_interrupted = True

    def words(self) -> list[str]:
        """How many devices were followed by what."""
        return [f"{count} {done}" for done, count in self._following.counts.items()]

    def document(self) -> dict[str, object]:
        """The same for programs."""
        given_up = self.given_up
        return {
            **self._following.counts,
            "not_followed": self.failed,
            "given_up": None if given_up is None else given_up.message,
        }
