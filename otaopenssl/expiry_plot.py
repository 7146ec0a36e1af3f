"""When devices expire → a bar chart as numbers: what is drawn where, in per cent of the plot's width and height.

Nothing is drawn here; templates/expiry_plot.svg.j2 does that.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import NamedTuple

MOST_BARS = 40
# What a bar of one device among thousands keeps, so that it is seen; and what a lone bar takes of the width.
_LEAST_HEIGHT = 1.5
_MOST_WIDTH = 12.0
_BAR_OF_ITS_SLOT = 0.76
_MOST_LABELS = 6
_Y_STEPS = 4
_YEARS = (1, 2, 5, 10, 20, 50, 100, 200, 500)


class Part(NamedTuple):
    """The part of a bar of those that have expired, or of those that have not: from ``y`` down, ``height`` high."""

    is_expired: bool
    y: float
    height: float


class Bar(NamedTuple):
    """The devices whose certificates end in one span of time; ``label`` names it, ``x`` is the bar's left edge."""

    label: str
    expired: int
    left: int
    x: float
    width: float
    parts: tuple[Part, ...]

    @property
    def devices(self) -> int:
        """How many devices the bar stands for."""
        return self.expired + self.left


class Tick(NamedTuple):
    """A label on an axis, and where; one that is minor may be left out where there is little room."""

    at: float
    label: str
    is_minor: bool = False


class Plot(NamedTuple):
    """A bar chart; ``unit`` is the span of a bar, such as "month", and ``today_at`` where on the x axis today is."""

    unit: str
    bars: tuple[Bar, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    today_at: float


class _Unit(NamedTuple):
    """A span of time: its name, the number of the span that a day is in, the first day of one, and its label."""

    name: str
    number: Callable[[date], int]
    first: Callable[[int], date]
    label: Callable[[int], str]


def expiry_plot(expired: Mapping[date, int], left: Mapping[date, int], today: date) -> Plot | None:
    """How many devices expire when, from the first end or today to the last, in at most MOST_BARS spans.

    ``expired`` and ``left`` are numbers of devices by the day (UTC) on which their certificates end. None where there
    are no devices.
    """
    if not expired and not left:
        return None
    days = [*expired, *left, today]
    unit = next(unit for unit in _units() if unit.number(max(days)) - unit.number(min(days)) < MOST_BARS)
    gone, kept = _by_span(unit, expired), _by_span(unit, left)
    first, last = unit.number(min(days)), unit.number(max(days))
    step = _step(max((gone + kept).values()))
    steps = -(-max((gone + kept).values()) // step)
    slot = 100 / (last - first + 1)
    bars = tuple(
        _bar(unit.label(number), (gone[number], kept[number]), ((number - first) * slot, slot), steps * step)
        for number in sorted(gone | kept)
    )
    y_ticks = tuple(Tick(100 - 100 * value / steps, f"{value * step:,}") for value in range(steps + 1))
    today_at = round((unit.number(today) - first + _passed(unit, today)) * slot, 2)
    return Plot(unit.name, bars, _x_ticks(unit, range(first, last + 1), slot), y_ticks, today_at)


def _by_span(unit: _Unit, days: Mapping[date, int]) -> Counter[int]:
    found: Counter[int] = Counter()
    for day, devices in days.items():
        found[unit.number(day)] += devices
    return found


def _passed(unit: _Unit, today: date) -> float:
    """How much of its span has passed when the day begins."""
    number = unit.number(today)
    begun = unit.first(number)
    end = unit.first(number + 1) if number < unit.number(date.max) else date.max
    return (today - begun) / max(end - begun, timedelta(1))


def _bar(label: str, counts: tuple[int, int], place: tuple[float, float], top: int) -> Bar:
    """A bar in the middle of its slot, of which ``place`` are the left edge and the width."""
    (expired, left), (start, slot) = counts, place
    width = min(slot * _BAR_OF_ITS_SLOT, _MOST_WIDTH)
    return Bar(label, expired, left, round(start + (slot - width) / 2, 2), round(width, 2), tuple(_parts(counts, top)))


def _parts(counts: tuple[int, int], top: int) -> Iterator[Part]:
    floor = 100.0
    for is_expired, devices in zip((True, False), counts, strict=True):
        if devices:
            height = max(100 * devices / top, _LEAST_HEIGHT)
            # Where both are drawn the least height of one must not push the other out.
            top_edge = max(floor - height, 0.0)
            yield Part(is_expired, round(top_edge, 2), round(floor - top_edge, 2))
            floor = top_edge


def _step(most: int) -> int:
    """The round number between two lines of the y axis."""
    power = 1
    while True:
        for factor in (1, 2, 5):
            if factor * power * _Y_STEPS >= most:
                return factor * power
        power *= 10


def _x_ticks(unit: _Unit, numbers: Sequence[int], slot: float) -> tuple[Tick, ...]:
    every = -(-len(numbers) // _MOST_LABELS)
    return tuple(
        Tick(round((place + 0.5) * slot, 2), unit.label(numbers[place]), is_minor=bool(count % 2))
        for count, place in enumerate(range(0, len(numbers), every))
    )


def _units() -> Iterable[_Unit]:
    """The spans that a bar may have, the shortest first; weeks begin on Mondays, as in ISO 8601."""
    yield _Unit("day", date.toordinal, date.fromordinal, lambda number: date.fromordinal(number).isoformat())
    yield _Unit("week", lambda day: (day.toordinal() - 1) // 7, _monday, lambda number: _monday(number).isoformat())
    yield _Unit("month", lambda day: day.year * 12 + day.month - 1, _month, lambda number: f"{_month(number):%Y-%m}")
    yield _Unit("quarter", lambda day: day.year * 4 + (day.month - 1) // 3, lambda number: _month(number * 3), _quarter)
    for years in _YEARS:
        yield _years(years)


def _monday(week: int) -> date:
    return date.fromordinal(week * 7 + 1)


def _month(month: int) -> date:
    return date(month // 12, month % 12 + 1, 1)


def _quarter(number: int) -> str:
    return f"{number // 4} Q{number % 4 + 1}"


def _years(years: int) -> _Unit:
    def label(number: int) -> str:
        # X.509 knows no year 0, nor one after 9999.
        return str(number) if years == 1 else f"{max(number * years, 1)}–{min((number + 1) * years - 1, 9999)}"

    name = "year" if years == 1 else f"{years} years"
    return _Unit(name, lambda day: day.year // years, lambda number: date(max(number * years, 1), 1, 1), label)
