"""Pipes between this process and others, and input from memory."""

import math
import os
import select
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

_READ_AT_ONCE = 64 * 1024
_LONGEST_WAIT = 3600.0


class Pipe:
    """A pipe from processes to this one: what has come through it, and whether more may come."""

    def __init__(self) -> None:
        self.reading, writing = os.pipe()
        self.writing = os.fdopen(writing, "wb", buffering=0)
        self.content = bytearray()
        self.is_open = True

    def take(self) -> None:
        """Read once what is there; the end of the stream closes the pipe."""
        taken = os.read(self.reading, _READ_AT_ONCE)
        self.content += taken
        if not taken:
            self.close()

    def take_rest(self) -> None:
        """Read a little that is there, and the end of the stream where that is; without waiting."""
        os.set_blocking(self.reading, False)
        with suppress(BlockingIOError):
            self.take()
            if self.is_open:
                self.take()

    @contextmanager
    def reading_end(self) -> Iterator[int]:
        """The descriptor to read from, for another process; the pipe is closed here after the block."""
        try:
            yield self.reading
        finally:
            self.close()

    def close(self) -> None:
        """Let both ends go."""
        self.writing.close()
        if self.is_open:
            self.is_open = False
            os.close(self.reading)


def drain(pipes: Sequence[Pipe], deadline: float) -> None:
    """Read pipes to their ends, or until time has passed, and keep nothing of it."""
    while pipes and (left := deadline - time.monotonic()) > 0:
        for pipe in readable(pipes, left):
            pipe.take()
            pipe.content.clear()
        pipes = [pipe for pipe in pipes if pipe.is_open]


def readable(pipes: Sequence[Pipe], seconds: float) -> list[Pipe]:
    """Those pipes of which there is something to read, or the end; none after ``seconds``."""
    poller = select.poll()
    for pipe in pipes:
        poller.register(pipe.reading, select.POLLIN)
    ready = {descriptor for descriptor, _ in poller.poll(math.ceil(min(seconds, _LONGEST_WAIT) * 1000))}
    return [pipe for pipe in pipes if pipe.reading in ready]


@contextmanager
def input_from(content: bytes) -> Iterator[int]:
    """A descriptor to read ``content`` from and then its end; it is in memory, so that no secret in it is on a disk."""
    if not content:
        yield subprocess.DEVNULL
        return
    descriptor = os.memfd_create("input", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, content)
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor
    finally:
        os.close(descriptor)
