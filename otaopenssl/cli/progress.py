"""How far a long run is: a bar where people look at a terminal, a plain line now and then elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Protocol

from otaopenssl.cli import terminal

_SECONDS_BETWEEN_LINES = 10.0


class Progress(Protocol):
    """What is told how many devices are done, of how many, and how many of them failed."""

    def show(self, done: int, failed: int) -> None:
        """Show it, where it is time to."""

    def aside(self) -> AbstractContextManager[None]:
        """Have nothing of it on the terminal for the block, which prints something there."""


@contextmanager
def progress(total: int) -> Iterator[Progress]:
    """A progress for the block; nothing of a bar is left behind."""
    # Rich comes with typer; where it was left out, lines do.
    try:
        bar = _Bar(total) if terminal.is_for_people(sys.stderr) else None
    except ImportError:
        bar = None
    if bar is None:
        yield _Lines(total)
    else:
        with bar.shown():
            yield bar


class _Pace:
    """How fast it goes, and how long it takes from here on."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._started = time.monotonic()

    def words(self, done: int, failed: int) -> str:
        seconds = max(time.monotonic() - self._started, 0.001)
        rate = done / seconds
        left = f", {_duration((self._total - done) / rate)} left" if done else ""
        some = f", {failed} failed" if failed else ""
        return f"{rate:.1f} a second{left}{some}"


class _Lines:
    """A line on standard error every ten seconds."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._pace = _Pace(total)
        self._last = time.monotonic()

    def show(self, done: int, failed: int) -> None:
        if time.monotonic() - self._last >= _SECONDS_BETWEEN_LINES:
            self._last = time.monotonic()
            terminal.note(f"{done} of {self._total} devices, {self._pace.words(done, failed)}")

    def aside(self) -> AbstractContextManager[None]:
        return nullcontext()


class _Bar:
    """A bar on standard error, drawn when there is something new to show."""

    def __init__(self, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
        from rich.progress import Progress as RichProgress

        self._bar = RichProgress(
            TextColumn("devices"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[pace]}"),
            console=Console(stderr=True),
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._pace = _Pace(total)
        self._task = self._bar.add_task("devices", total=total, pace="")

    @contextmanager
    def shown(self) -> Iterator[None]:
        # Where the terminal is gone there is nobody to show anything.
        with suppress(OSError):
            self._bar.start()
        try:
            yield
        finally:
            with suppress(OSError):
                self._bar.stop()

    def show(self, done: int, failed: int) -> None:
        with suppress(OSError):
            self._bar.update(self._task, completed=done, pace=self._pace.words(done, failed), refresh=True)

    @contextmanager
    def aside(self) -> Iterator[None]:
        with suppress(OSError):
            self._bar.stop()
        try:
            yield
        finally:
            with suppress(OSError):
                self._bar.start()


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
