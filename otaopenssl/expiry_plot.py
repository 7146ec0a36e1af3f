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
_YEARS = (1, 2, 5)
# What ends later, such as in 9999, is meant never to end, and what ended earlier was never meant.
_NEAR = timedelta(50 * 365)
# One of so many devices may be drawn at the edge, and one of a fleet of at least so many.
_FEW = 20
_LEAST_FLEET = 5
_FINE = ("day", "week", "month", "quarter")


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
    """A bar chart; ``unit`` is the span of a bar, such as "month", and ``today_at`` where on the x axis today is.

    ``ca_at`` is where the fleet root CA ends, None where that is not within the plot; ``is_cut`` is whether a bar at an
    edge stands for all that ends before or after.
    """

    unit: str
    bars: tuple[Bar, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    today_at: float
    ca_at: float | None
    is_cut: bool


class _Unit(NamedTuple):
    """A span of time: its name, the number of the span that a day is in, the first day of one, and its label."""

    name: str
    number: Callable[[date], int]
    first: Callable[[int], date]
    label: Callable[[int], str]


def expiry_plot(
    expired: Mapping[date, int], left: Mapping[date, int], today: date, ca_end: date | None = None
) -> Plot | None:
    """How many devices expire when, from the first end or today to the last, in at most MOST_BARS spans.

    ``expired`` and ``left`` are numbers of devices by the day (UTC) on which their certificates end. The few that end
    far from all others, and those that are meant never to end, are one bar at the edge. None where there are none.
    """
    if not expired and not left:
        return None
    window = _window(Counter(expired) + Counter(left), today)
    gone, kept = window.counted(expired), window.counted(left)
    numbers = sorted({*gone, *kept, *window.span})
    first, slot = numbers[0], 100 / len(numbers)
    step = _step(max((gone + kept).values()))
    steps = -(-max((gone + kept).values()) // step)
    bars = tuple(
        _bar(window.label(number), (gone[number], kept[number]), ((number - first) * slot, slot), steps * step)
        for number in sorted(gone | kept)
    )
    y_ticks = tuple(Tick(100 - 100 * value / steps, f"{value * step:,}") for value in range(steps + 1))
    today_at, ca_at = (
        None if day is None or window.number(day) not in window.span else round((window.place(day) - first) * slot, 2)
        for day in (today, ca_end)
    )
    is_cut = len(numbers) > len(window.span)
    return Plot(window.unit.name, bars, _x_ticks(window, numbers, slot), y_ticks, today_at or 0.0, ca_at, is_cut)


class _Window(NamedTuple):
    """The spans of a unit that are drawn; what lies outside counts to the one before the first, or after the last."""

    unit: _Unit
    span: range

    def number(self, day: date) -> int:
        return min(max(self.unit.number(day), self.span.start - 1), self.span.stop)

    def counted(self, days: Mapping[date, int]) -> Counter[int]:
        return _counted(days, self.number)

    def label(self, number: int) -> str:
        if number in self.span:
            return self.unit.label(number)
        if number < self.span.start:
            return f"before {self.unit.first(self.span.start)}"
        return f"from {self.unit.first(self.span.stop)} on"

    def short_label(self, number: int) -> str:
        if number in self.span:
            return self.unit.label(number)
        return "earlier" if number < self.span.start else "later"

    def place(self, day: date) -> float:
        """The number of a day's span and how much of it has passed at noon."""
        number = self.unit.number(day)
        begun = self.unit.first(number)
        end = self.unit.first(number + 1) if number < self.unit.number(date.max) else date.max
        return number + min((day - begun + timedelta(hours=12)) / max(end - begun, timedelta(1)), 1.0)


def _window(devices: Mapping[date, int], today: date) -> _Window:
    """The shortest spans in which all devices have room, or shorter ones where that takes but a few away."""
    near = {day: count for day, count in devices.items() if abs(day - today) <= _NEAR}
    total = sum(near.values())
    room = MOST_BARS if len(near) == len(devices) else MOST_BARS - 2
    few = max(total // _FEW, total >= _LEAST_FLEET)
    for unit in _units():
        numbers = [unit.number(day) for day in (*near, today)]
        if max(numbers) - min(numbers) < room:
            break
    if unit.name in _FINE:
        return _Window(unit, range(min(numbers), max(numbers) + 1))
    for finer in _units():
        if finer.name == unit.name:
            break
        counts = _counted(near, finer.number)
        now = finer.number(today)
        spans = [range(start, start + MOST_BARS - 2) for start in range(now - MOST_BARS + 3, now + 1)]
        most = max(spans, key=lambda span: sum(counts[number] for number in span))
        inside = [number for number in most if counts[number]]
        if total - sum(counts[number] for number in inside) <= few:
            return _Window(finer, range(min([*inside, now]), max([*inside, now]) + 1))
    return _Window(unit, range(min(numbers), max(numbers) + 1))


def _counted(days: Mapping[date, int], number: Callable[[date], int]) -> Counter[int]:
    found: Counter[int] = Counter()
    for day, devices in days.items():
        found[number(day)] += devices
    return found


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


def _x_ticks(window: _Window, numbers: Sequence[int], slot: float) -> tuple[Tick, ...]:
    last = len(numbers) - 1
    every = -(-len(numbers) // _MOST_LABELS)
    places = list(range(0, last + 1, every))
    if numbers[last] not in window.span:
        # Both ends are named, also where every other label is left out.
        labels = 5 if last >= 4 else min(last + 1, 3)
        places = [round(count * last / max(labels - 1, 1)) for count in range(labels)]
    are_few = len(places) <= 3
    return tuple(
        Tick(round((place + 0.5) * slot, 2), window.short_label(numbers[place]), bool(count % 2) and not are_few)
        for count, place in enumerate(places)
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

    name = "year" if years == 1 else f"span of {years} years"
    return _Unit(name, lambda day: day.year // years, lambda number: date(max(number * years, 1), 1, 1), label)
