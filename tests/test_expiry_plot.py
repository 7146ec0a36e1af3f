"""The plot of expiries: every device is in one bar, bars are few, and all of it lies within the plot."""

import random
from collections import Counter
from datetime import date, timedelta
from itertools import pairwise

import pytest

from otaopenssl.expiry_plot import MOST_BARS, Plot, expiry_plot

TODAY = date(2027, 5, 12)
FIRST, LAST = date(1, 1, 1), date(9999, 12, 31)


def plotted(*ends: date, today: date = TODAY) -> Plot:
    """The plot of a device for each end."""
    counts = Counter(ends)
    gone = {day: count for day, count in counts.items() if day < today}
    plot = expiry_plot(gone, {day: count for day, count in counts.items() if day >= today}, today)
    assert plot is not None
    check(plot, len(ends))
    return plot


def check(plot: Plot, devices: int) -> None:
    """What holds of every plot."""
    assert sum(bar.devices for bar in plot.bars) == devices
    assert 0 < len(plot.bars) <= MOST_BARS
    assert len({bar.label for bar in plot.bars}) == len(plot.bars)
    edges = [(bar.x, bar.x + bar.width) for bar in plot.bars]
    assert all(0 <= start < end <= 100 for start, end in edges)
    assert all(end < start for (_, end), (start, _) in pairwise(edges))
    for bar in plot.bars:
        assert len(bar.parts) == (bar.expired > 0) + (bar.left > 0)
        floor = 100.0
        for part in bar.parts:
            assert part.height > 0
            assert part.y >= 0
            assert part.y + part.height == pytest.approx(floor, abs=0.02)
            floor = part.y
    assert 0 <= plot.today_at <= 100
    ticks = [*plot.x_ticks, *plot.y_ticks]
    assert all(0 <= tick.at <= 100 for tick in ticks)
    assert len(plot.x_ticks) <= 6
    assert 2 <= len(plot.y_ticks) <= 5
    assert not plot.x_ticks[0].is_minor


def test_no_devices() -> None:
    """There is nothing to draw."""
    assert expiry_plot({}, {}, TODAY) is None


@pytest.mark.parametrize(
    ("days", "unit", "label"),
    [
        (0, "day", "2027-05-12"),
        (39, "day", "2027-06-20"),
        (40, "week", "2027-06-21"),
        (277, "week", "2028-02-07"),
        (278, "month", "2028-02"),
        (365, "month", "2028-05"),
        (3 * 365, "month", "2030-05"),
        (4 * 365, "quarter", "2031 Q2"),
        (12 * 365, "year", "2039"),
        (50 * 365, "span of 2 years", "2076–2077"),
        (300 * 365, "day", "from 2027-05-13 on"),
    ],
)
def test_the_span_of_a_bar(days: int, unit: str, label: str) -> None:
    """It is the shortest with which there are at most 40 from today to the last end."""
    plot = plotted(TODAY + timedelta(days))
    assert (plot.unit, plot.bars[-1].label) == (unit, label)


def test_today_is_on_the_axis() -> None:
    """Within its span by the day, to the right of what has expired in spans before it, to the left of later ones."""
    plot = plotted(date(2027, 4, 30), date(2027, 4, 1), TODAY, date(2028, 1, 5))
    assert plot.unit == "month" or plot.unit == "week"
    first, *_, last = plot.bars
    assert first.x + first.width < plot.today_at < last.x
    # At noon of a lone day.
    assert plotted(TODAY).today_at == 50


def test_a_bar_of_both_kinds() -> None:
    """What has expired stands below what has not, each as high as it is many."""
    plot = expiry_plot({TODAY: 1}, {TODAY: 3}, TODAY)
    assert plot is not None
    check(plot, 4)
    (bar,) = plot.bars
    assert [(part.is_expired, part.height) for part in bar.parts] == [(True, 25), (False, 75)]


def test_one_device_among_many_is_seen() -> None:
    """A bar of one has a height, whatever the others' are."""
    plot = expiry_plot({}, {TODAY: 1, TODAY + timedelta(1): 1_000_000}, TODAY)
    assert plot is not None
    check(plot, 1_000_001)
    assert plot.bars[0].parts[0].height > 1
    assert [tick.label for tick in plot.y_ticks] == ["0", "500,000", "1,000,000"]


def test_the_widest_span() -> None:
    """All of the time that a certificate can name has room, what is far from today at the edges."""
    plot = plotted(FIRST, LAST)
    assert [bar.label for bar in plot.bars] == ["before 2027-05-12", "from 2027-05-13 on"]
    assert [tick.label for tick in plot.x_ticks if not tick.is_minor] == ["earlier", "2027-05-12", "later"]
    assert plotted(LAST, today=LAST).bars[0].label == "9999-12-31"


@pytest.mark.parametrize("far", [[LAST] * 30, [date(1950, 1, 1), LAST], [TODAY + timedelta(30 * 365)]])
def test_what_ends_far_from_the_others(far: list[date]) -> None:
    """What never ends, ended long ago, or is one device of many, leaves the others their months, and is counted."""
    near = [TODAY + timedelta(12 * number) for number in range(30)]
    plot = plotted(*near, *far)
    assert plot.unit == "month"
    assert plot.is_cut
    assert {"2027-05", "2028-04"} <= {bar.label for bar in plot.bars}
    assert sum(bar.devices for bar in plot.bars if bar.label[0] in "bf") == len(far)
    assert plot.x_ticks[-1].label == "later"
    assert not plot.x_ticks[-1].is_minor
    assert not plotted(*near).is_cut


def test_where_the_fleet_root_ends() -> None:
    """Its end is on the axis as today is, unless it lies beyond what is drawn."""
    days = {TODAY: 1, TODAY + timedelta(20): 1}
    plot = expiry_plot({}, days, TODAY, TODAY + timedelta(10))
    assert plot is not None
    assert plot.ca_at == pytest.approx(50, abs=0.1)
    plot = expiry_plot({}, days, TODAY, TODAY + timedelta(400))
    assert plot is not None
    assert plot.ca_at is None


def test_few_labels_stay() -> None:
    """Of three or fewer labels none is left out on a phone."""
    assert [tick.is_minor for tick in plotted(TODAY, TODAY + timedelta(1)).x_ticks] == [False, False]


@pytest.mark.parametrize("seed", range(200))
def test_any_fleet(seed: int) -> None:
    """Whatever the ends are, what holds of every plot holds."""
    chance = random.Random(seed)
    span = 10 ** chance.uniform(0, 5.5)
    ends = [TODAY + timedelta(chance.uniform(-span / 3, span)) for _ in range(chance.randint(1, 60))]
    plotted(*ends)
