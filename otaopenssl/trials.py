"""The connections of a rehearsal: who tries, by which step of rehearse.sh, and what has to come of it."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from otaopenssl.attempt import Came, Outcome, parse_attempt
from otaopenssl.runner import Flooded, Runner, TimedOut
from otaopenssl.steps import Step, Text


class Who(StrEnum):
    """Who connects."""

    DEVICE = "the device"
    NOBODY = "no certificate"
    STRANGER = "a certificate of another root"


class Trial(NamedTuple):
    """One connection: who tries it, by which step, and what it must come to."""

    who: Who
    step: Step

    @property
    def expected(self) -> Came:
        """What has to come of it."""
        return Came.ACCEPTED if self.who is Who.DEVICE else Came.REFUSED

    @property
    def name(self) -> str:
        """Who it is and which version of TLS is spoken."""
        versions = {"-tls1_2": "TLS 1.2", "-tls1_3": "TLS 1.3"}
        spoken = next((name for option, name in versions.items() if self.step.has(option)), "TLS")
        return f"{self.who}, {spoken}"


def gateway_step(text: Text) -> Step:
    """The step of rehearse.sh that starts a gateway."""
    return next(step for step in text.steps if step.has("s_server"))


def trials_of(text: Text) -> tuple[Trial, ...]:
    """The connections of rehearse.sh: the device's, nobody's, and the device's again with another's certificate."""
    clients = [step for step in text.steps if step.has("s_client")]
    with_certificate = [step for step in clients if step.option("-cert")]
    return (
        *(Trial(Who.DEVICE, step) for step in with_certificate),
        *(Trial(Who.NOBODY, step) for step in clients if not step.option("-cert")),
        *(Trial(Who.STRANGER, step) for step in with_certificate),
    )


def request(host: str) -> bytes:
    """The HTTP request that each connection sends."""
    return f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode("ascii")


def attempted(trial: Trial, places: Mapping[str, str], runner: Runner, cwd: Path, seconds: float) -> Outcome:
    """What came of the trial, which has ``seconds`` for it."""
    bound = trial.step.bind(places)
    try:
        stdin = request(places["device_gateway"])
        finished = runner.run(bound.commands, cwd=cwd, stdin=stdin, seconds=seconds, is_bound=True)
    except TimedOut:
        return Outcome(Came.NO_ANSWER, f"none within {seconds:g} seconds")
    except Flooded:
        return Outcome(Came.NO_ANSWER, "more than 1 MiB that is none")
    return parse_attempt(finished.stdout, finished.stderr)


def verdicts(trials: Sequence[Trial], outcomes: Sequence[Outcome]) -> tuple[bool, ...]:
    """Whether each outcome is what it must be; a version that is not offered may be, where another version did it."""
    done = {trial.who for trial, outcome in zip(trials, outcomes, strict=True) if outcome.came is trial.expected}
    return tuple(
        outcome.came is trial.expected or (outcome.came is Came.NOT_OFFERED and trial.who in done)
        for trial, outcome in zip(trials, outcomes, strict=True)
    )
