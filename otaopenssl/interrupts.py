"""Ctrl-C, Ctrl-\\, SIGTERM and SIGHUP become one ``Interrupted``, raised where the run can bear it.

Between the start of a process or the making of a directory and the line that remembers it, an exception would leave
something behind; ``held()`` keeps a signal waiting over such lines. A second signal never disturbs the tidying up.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from otaopenssl.errors import Interrupted

_SIGNALS = (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP)


class _State:
    """What the handler knows; signals belong to the process, so there is one."""

    def __init__(self) -> None:
        self.depth = 0
        self.is_asked = False
        self.is_deaf = False


_state = _State()


def _on_signal(_number: int, _frame: FrameType | None) -> None:
    if _state.is_asked:
        return
    _state.is_asked = True
    if not _state.depth and not _state.is_deaf:
        raise Interrupted


@contextmanager
def listening() -> Iterator[None]:
    """Turn the first interrupting signal in the block into ``Interrupted``; one that the caller ignores stays ignored.

    After the block a signal changes nothing any more: what remains is to end with the status that is known.
    """
    _state.is_asked = _state.is_deaf = False
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _on_signal)
    try:
        yield
    finally:
        _state.is_deaf = True


@contextmanager
def held() -> Iterator[None]:
    """Keep an interrupting signal waiting until the block has ended, then raise ``Interrupted``.

    Signals reach the main thread alone; in any other the block is as it is.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    was_asked = _state.is_asked
    _state.depth += 1
    try:
        yield
    finally:
        _state.depth -= 1
    if not was_asked and not _state.depth:
        check()


@contextmanager
def part() -> Iterator[None]:
    """Make the block one part of a longer run: ``hold_for_good`` holds to its end alone, where it is asked again.

    Raises ``Interrupted`` there where a signal came meanwhile.
    """
    was_deaf = _state.is_deaf
    try:
        yield
    finally:
        _state.is_deaf = was_deaf
    check()


@contextmanager
def tidying() -> Iterator[None]:
    """Let the block run to its end after a signal has asked for the end: it takes back what was done, in bounded time.

    In any other thread than the main one the block is as it is, as with ``held``.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    was_deaf = _state.is_deaf
    _state.is_deaf = True
    try:
        yield
    finally:
        _state.is_deaf = was_deaf


def check() -> None:
    """Raise ``Interrupted`` where a signal has asked for it, also if the exception of that time was lost.

    Python drops an exception that a signal raises in a destructor or a callback; so what starts work asks again.
    """
    if _state.is_asked and not _state.is_deaf:
        raise Interrupted


def hold_for_good() -> None:
    """From here on the run is finished rather than interrupted; raises ``Interrupted`` where a signal came before.

    It is for the main thread to say; in any other this only raises.
    """
    check()
    if threading.current_thread() is threading.main_thread():
        _state.is_deaf = True
