"""What is said of a fleet in the end, to people and programs, and with which error it ends."""

from typing import TYPE_CHECKING, Optional

from otaopenssl.account import Result
from otaopenssl.cli import terminal
from otaopenssl.cli.options import Running
from otaopenssl.errors import Error, Interrupted, NotApproved, PartlyFailed
from otaopenssl.fleet import FleetOrder, Summary
from otaopenssl.shellwords import shell_quoted

if TYPE_CHECKING:
    # Most fleets have nothing follow, and what that takes would be a part of their time.
    from otaopenssl.cli.following_fleet import Followed

STANDARD_STREAM = "-"
_SHOWN_HINTS = 3


def plan_of(order: FleetOrder, summary: Summary) -> str | None:
    """The plan file as it is shown, None where there is none."""
    return None if summary.plan_path is None else order.server.shown(summary.plan_path)


def again_words(plan: str | None, quantity: str | None) -> str:
    """How to have the rest made; the other options are to be as they were."""
    if plan is None:
        return "the same command again"
    return f"the same command with '--ids {shell_quoted(plan)}' in place of '--count {quantity}'"


def report(
    running: Running,
    order: FleetOrder,
    summary: Summary,
    out: str | None,
    again: str,
    followed: Optional["Followed"] = None,
) -> None:
    """Say what came of the fleet; raises PartlyFailed or Interrupted where not all that was asked for is done."""
    server = order.server
    directory = server.shown(server.devices_dir)
    plan = plan_of(order, summary)
    made, there, failed, _ = (summary.counts[result] for result in Result)
    by_followed = [] if followed is None else followed.words()
    for warning in [*summary.warnings, *([] if followed is None else followed.warnings)]:
        terminal.warn(warning)
    if running.json:
        terminal.result_json(_document(order, summary, out, directory, plan, followed))
    else:
        rate = f"{made / summary.seconds:.1f} a second" if made and summary.seconds else ""
        counts = [f"{made} made", *([f"{there} there already"] if there else []), *([rate] if rate else [])]
        terminal.note(f"fleet of {_devices(summary.quantity)}: {', '.join([*counts, *by_followed])}")
        if plan is not None:
            terminal.note(f"  its UUIDs: {plan}")
        if out != STANDARD_STREAM:
            terminal.result(directory)
    if summary.is_interrupted:
        words = "".join(f", {said}" for said in by_followed)
        raise Interrupted(
            f"interrupted: {made + there} of {_devices(summary.quantity)} are whole{words}, nothing else was left"
            f" behind; for the rest: {again}"
        )
    if failed or summary.stopped is not None or (followed is not None and followed.failed):
        raise _failure(summary, again, followed)


def _document(
    order: FleetOrder,
    summary: Summary,
    out: str | None,
    directory: str,
    plan: str | None,
    followed: Optional["Followed"],
) -> dict[str, object]:
    """What came of the fleet, for programs."""
    made, there, failed, _ = (summary.counts[result] for result in Result)
    failures = summary.failures if followed is None else [*summary.failures, *followed.failures]
    return {
        "directory": directory,
        "devices": summary.quantity,
        "made": made,
        "there_already": there,
        "failed": failed if followed is None else failed + followed.failed,
        "not_tried": summary.untried,
        "is_interrupted": summary.is_interrupted,
        "stopped": None if summary.stopped is None else summary.stopped.message,
        "seconds": round(summary.seconds, 3),
        "jobs": order.jobs,
        "plan": plan,
        "out": out,
        "warnings": summary.warnings if followed is None else [*summary.warnings, *followed.warnings],
        "failures": [
            {**failure.identity._asdict(), "reason": failure.reason, "hint": failure.hint} for failure in failures
        ],
        **({} if followed is None else followed.document()),
    }


def _devices(quantity: int) -> str:
    return f"{quantity} device{'' if quantity == 1 else 's'}"


def _failure(summary: Summary, again: str, followed: Optional["Followed"]) -> Error:
    failed, failures = summary.counts[Result.FAILED], summary.failures
    stopped: Error | None = summary.stopped
    if followed is not None:
        failed, failures = failed + followed.failed, [*failures, *followed.failures]
        stopped = stopped or followed.given_up
    words = [f"{failed} of {_devices(summary.quantity)} failed"] if failed else []
    if summary.untried:
        words.append(f"{summary.untried} not tried")
    message = ": ".join(filter(None, (", ".join(words), stopped.message if stopped else "")))
    details = []
    hints: set[str] = set()
    for failure in failures:
        details.append(f"{failure.identity.uuid}: {failure.reason}")
        if failure.hint not in hints and len(hints) < _SHOWN_HINTS:
            hints.add(failure.hint)
            details.append(f"  {failure.hint}")
    if failed > len(failures):
        details.append(f"and {failed - len(failures)} more")
    if isinstance(stopped, NotApproved):
        hint = f"{stopped.hint}; then run {again}"
        return NotApproved(message, hint=hint, details=[*stopped.details, *details])
    hint = "mend what is told above" if stopped is None else stopped.hint
    return PartlyFailed(message, hint=f"{hint}, then run {again}", details=details)
