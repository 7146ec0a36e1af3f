"""`make bench`: the tool beside what it replaces, turn by turn in one run; prints what each costs, ratios and limits.

Whole processes with all their children, user and system time together. Machines differ and are noisy: the ratios count.
Those that are compared take turns, and a ratio is the median of the turns' ratios, so that noise meets all alike. Ends
with exit status 1 where a limit is exceeded, or where one of them does not make what it must.

A fleet of 10,000 devices is set against one of 100, and in the minutes that it takes the speed of a machine drifts. So
its run is stopped (SIGSTOP) at even intervals, and in each pause a fleet of 100 and a baseline of 100 are made, in
projects of their own: they see the same machine. What the big run takes is a sum over all that time, so it is set
against the mean of theirs. How far the baseline's turns lie apart tells how noisy the machine was.
"""

import argparse
import datetime
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from tests.bench_fleet import BARE, BY_TWO, FLEET, GUIDE, TEXT, Bench, BrokenRunError, Turn, measured
from tests.bench_overview import Fleet, listed
from tests.bench_records import audit_of, pair

HELLO = "import typer\napp = typer.Typer()\n@app.command()\ndef main(name: str = 'x'):\n    print(name)\napp()\n"
PAIR_LIMITS = {"otaopenssl --version": 1.35, "otaopenssl device": 2.0}
PAIR_TURNS_A_ROUND = 3
CPU_LIMIT = 1.20
WALL_LIMIT = 0.50
GROWTH_LIMIT = 1.10
# Python keeps a table of the words that paths are made of, which grows by some 2 MiB once and then no more.
PEAK_GROWTH_LIMIT = 1.15
PEAK_LIMIT_MIB = 80
RECORD_LIMIT_MS = 1.0
RECORD_LIMIT_BYTES = 3500
RECORD_PAIRS_A_ROUND = 2
AUDIT_LIMIT_SECONDS = 60
AUDIT_LIMIT_MIB = 200
VERIFY_LIMIT = 1.5
LIST_LIMIT_SECONDS = 15
LIST_AGAIN_LIMIT_SECONDS = 2
LISTED = 10_000
GROWN = 10
BIG, BIG_IF_QUICK = 10_000, 1_000
AUDITED, AUDITED_IF_QUICK = 100_000, 10_000
SMALL = 100


class Limits:
    """Puts figures beside their limits, and knows which were exceeded."""

    def __init__(self) -> None:
        self.exceeded: list[str] = []

    def judge(self, what: str, value: float, most: float) -> str:
        """The words for a figure that may be ``most``."""
        if value > most:
            self.exceeded.append(f"{what}: {value:.2f}, at most {most:.2f}")
        return f"{value:.2f} (at most {most:.2f})"


def say(text: str) -> None:
    """Print at once: the whole takes minutes."""
    sys.stdout.write(text)
    sys.stdout.flush()


def header() -> str:
    """When and on what this is measured."""
    now = datetime.datetime.now(datetime.UTC)
    openssl = subprocess.run(["openssl", "version"], check=True, capture_output=True, text=True).stdout.split()[:2]
    cores = len(os.sched_getaffinity(0))
    return f"{now:%Y-%m-%d %H:%M} UTC, {cores} cores, {' '.join(openssl)}, Python {platform.python_version()}\n"


def spread(values: Iterable[float]) -> str:
    """From the least to the greatest."""
    ordered = sorted(values)
    return f"{ordered[0]:.2f} to {ordered[-1]:.2f}"


def compare_pairs(bench: Bench, quantity: int, limits: Limits) -> None:
    """The start of the program and one device, each in turn with what it is set against."""
    script = ["bash", "-c", GUIDE + TEXT.read_text()]
    pairs: dict[str, tuple[list[str], str, list[str]]] = {
        "otaopenssl --version": ([bench.program, "--version"], "a bare typer program", [sys.executable, "-c", HELLO]),
        "otaopenssl device": ([bench.program, "device"], "the guide's script", script),
    }
    say(f"\nCPU in ms, median of {quantity} turns, each pair in turn\n")
    for name, (ours, other, theirs) in pairs.items():
        times = [(measured(ours, bench.project).cpu, measured(theirs, bench.project).cpu) for _ in range(quantity)]
        mine, its = (statistics.median(column) * 1000 for column in zip(*times, strict=True))
        ratio = limits.judge(name, statistics.median(a / b for a, b in times), PAIR_LIMITS[name])
        say(f"{name:<22} {mine:6.1f}   {other:<22} {its:6.1f}   ratio {ratio}\n")


def compare_fleets(bench: Bench, quantity: int, devices: int, limits: Limits) -> float:
    """Each way to make a fleet in turn; returns the ms that a device of the tool's took."""
    title = f"{devices:,} devices, median of {quantity} rounds"
    say(f"\n{title:<44} wall ms   CPU ms  devices/s  usable\n")
    turns = bench.rounds(quantity, devices)
    for name, its in turns.items():
        wall, cpu = statistics.median(turn.wall for turn in its), statistics.median(turn.cpu for turn in its)
        usable = sum(turn.usable for turn in its)
        say(f"{name:<44} {wall:7.2f}  {cpu:7.2f}  {1000 / wall:9.1f}  {usable:,} of {devices * quantity:,}\n")
    cpu_ratios = [tool.cpu / bare.cpu for tool, bare in zip(turns[FLEET], turns[BARE], strict=True)]
    wall_ratios = [tool.wall / guide.wall for tool, guide in zip(turns[FLEET], turns[BY_TWO], strict=True)]
    kinds = (("CPU, fleet to baseline", cpu_ratios, CPU_LIMIT), ("wall, fleet to xargs", wall_ratios, WALL_LIMIT))
    for what, ratios, most in kinds:
        say(f"{what:<44} {limits.judge(what, statistics.median(ratios), most)}, rounds {spread(ratios)}\n")
    return statistics.median(turn.wall for turn in turns[FLEET])


def compare_sizes(bench: Bench, big: int, interval: float, limits: Limits) -> None:
    """A big fleet, and small ones in the pauses of its run, one each ``interval`` seconds."""
    small: list[Turn] = []
    bare: list[Turn] = []

    def pause() -> None:
        small.append(bench.turn(FLEET, SMALL))
        bare.append(bench.turn(BARE, SMALL))

    title = "sizes in turn, mean"
    say(f"\n{title:<44} wall ms   CPU ms  devices/s  peak MiB\n")
    large = bench.turn(FLEET, big, interval, pause)
    if not small:
        raise BrokenRunError("the big fleet was made before its first pause: try more --rounds")
    small_peak = statistics.median(turn.peak for turn in small)
    rows = {
        f"fleet of {big:,}, stopped {len(small)} times": [large],
        f"fleet of {SMALL}, in each pause": small,
        f"baseline of {SMALL}, in each pause": bare,
    }
    for name, turns in rows.items():
        wall, cpu = statistics.mean(turn.wall for turn in turns), statistics.mean(turn.cpu for turn in turns)
        peak = "" if turns is bare else f"{statistics.median(turn.peak for turn in turns):8.1f}"
        say(f"{name:<44} {wall:7.2f}  {cpu:7.2f}  {1000 / wall:9.1f}  {peak}\n")
    growth = large.cpu / statistics.mean(turn.cpu for turn in small)
    highest = max(large.peak, *(turn.peak for turn in small))
    for what, value, most in (
        (f"CPU, {big:,} to {SMALL}", growth, GROWTH_LIMIT),
        (f"peak memory, {big:,} to {SMALL}", large.peak / small_peak, PEAK_GROWTH_LIMIT),
        ("peak memory in MiB", highest, PEAK_LIMIT_MIB),
    ):
        say(f"{what:<44} {limits.judge(what, value, most)}\n")
    floor = bench.least_peak()
    say(f"{'peak memory in MiB, least that can be told':<44} {floor:.2f}\n")
    say(f"{'CPU of the baseline in ms, least to greatest':<44} {spread(turn.cpu for turn in bare)}\n")
    if small_peak <= floor:
        limits.exceeded.append("peak memory: it cannot be told")


def compare_records(bench: Bench, quantity: int, devices: int, audited: int, limits: Limits) -> None:
    """What a record costs a device, and what an audit of many devices costs."""
    title = f"{devices:,} devices, median of {quantity * RECORD_PAIRS_A_ROUND} pairs in turn"
    say(f"\n{title:<44}  own CPU ms\n")
    pairs = [pair(bench, devices, is_first=number % 2 == 0) for number in range(quantity * RECORD_PAIRS_A_ROUND)]
    say(f"{'fleet with a record':<44} {statistics.median(one.with_record for one in pairs):7.2f}\n")
    say(f"{'fleet without':<44} {statistics.median(one.without for one in pairs):7.2f}\n")
    more = statistics.median(one.with_record - one.without for one in pairs)
    cost = audit_of(bench, audited)
    for what, value, most in (
        ("a record in ms CPU a device", more, RECORD_LIMIT_MS),
        ("a record in bytes a device", max(one.size for one in pairs), RECORD_LIMIT_BYTES),
        (f"audit of {audited:,} devices in seconds", cost.wall, AUDIT_LIMIT_SECONDS),
        (f"audit of {audited:,} devices, peak MiB", cost.peak, AUDIT_LIMIT_MIB),
    ):
        say(f"{what:<44} {limits.judge(what, value, most)}\n")


def compare_overview(bench: Bench, quantity: int, devices: int, limits: Limits) -> None:
    """What it costs to verify devices beside asking openssl the same, and to list many."""
    title = f"verify of {devices:,} devices, median of {quantity} pairs in turn"
    say(f"\n{title:<44}  CPU ms\n")
    fleet = Fleet(bench, devices)
    pairs = [fleet.verified() for _ in range(quantity)]
    shutil.rmtree(fleet.project)
    for name, cpu in (
        ("otaopenssl verify --all", [one.tool.cpu for one in pairs]),
        ("baseline: openssl alone, by two", [one.bare.cpu for one in pairs]),
    ):
        say(f"{name:<44} {statistics.median(cpu) * 1000 / devices:7.2f}\n")
    large = Fleet(bench, devices * GROWN)
    peak = large.verified().tool.peak
    shutil.rmtree(large.project)
    first, again = listed(bench, LISTED)
    for what, value, most in (
        ("CPU, verify to baseline", statistics.median(one.tool.cpu / one.bare.cpu for one in pairs), VERIFY_LIMIT),
        ("wall, verify to baseline", statistics.median(one.tool.wall / one.bare.wall for one in pairs), VERIFY_LIMIT),
        (
            f"peak memory, verify of {devices * GROWN:,} to {devices:,}",
            peak / statistics.median(one.tool.peak for one in pairs),
            PEAK_GROWTH_LIMIT,
        ),
        (f"list of {LISTED:,} devices in seconds", first.wall, LIST_LIMIT_SECONDS),
        ("the same when nothing has changed", again.wall, LIST_AGAIN_LIMIT_SECONDS),
    ):
        say(f"{what:<44} {limits.judge(what, value, most)}\n")


def positive(text: str) -> int:
    """A number from 1 on; raises ValueError."""
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(prog="make bench ARGS=…", description="Measure the tool; takes some minutes.")
    parser.add_argument("--rounds", type=positive, default=5, help="how often all take their turn (default: 5)")
    parser.add_argument("--devices", type=positive, default=200, help="how many a turn makes (default: 200)")
    quick = f"make a big fleet of {BIG_IF_QUICK:,} devices in place of {BIG:,}, and audit a tenth"
    parser.add_argument("--quick", action="store_true", help=quick)
    return parser.parse_args()


def end(number: int, _frame: object) -> None:
    """End as by an error, so that what runs is stopped and what was made is removed."""
    sys.exit(128 + number)


def main() -> int:
    """Measure and print all; the exit status."""
    chosen = arguments()
    limits = Limits()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    say(header())
    with tempfile.TemporaryDirectory() as directory:
        try:
            bench = Bench(Path(directory))
            compare_pairs(bench, chosen.rounds * PAIR_TURNS_A_ROUND, limits)
            per_device = compare_fleets(bench, chosen.rounds, chosen.devices, limits)
            big = BIG_IF_QUICK if chosen.quick else BIG
            # As many pauses as there were rounds, as evenly as can be known before.
            interval = per_device / 1000 * big / (chosen.rounds + 1)
            compare_sizes(bench, big, interval, limits)
            audited = AUDITED_IF_QUICK if chosen.quick else AUDITED
            compare_records(bench, chosen.rounds, chosen.devices, audited, limits)
            compare_overview(bench, chosen.rounds, SMALL, limits)
        except BrokenRunError as error:
            sys.stderr.write(f"bench: {error}\n")
            return 1
    for line in limits.exceeded:
        sys.stderr.write(f"limit exceeded: {line}\n")
    return 1 if limits.exceeded else 0


if __name__ == "__main__":
    sys.exit(main())
