"""A connection to a server on which every wait ends: at a deadline, and soon after an interruption in any thread.

The standard library bounds each wait for itself, so that a server which sends a byte now and then would never end.
"""

import errno
import io
import math
import os
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from otaopenssl.errors import Failed
from otaopenssl.interrupts import check

# Signals reach the main thread alone; the others ask this often, in seconds.
_LONGEST_DEAFNESS = 0.2
_READ = select.POLLIN
_WRITTEN = select.POLLOUT
_T = TypeVar("_T")
_Address = tuple[socket.AddressFamily, tuple[object, ...]]


class TooMuch(Failed):
    """A server sent more than is ever read of one."""


class Wire:
    """The connection: as much of a socket as ``http.client`` needs one.

    ``deadline`` is on the monotonic clock; each method raises TimeoutError once it has passed. At most ``largest``
    bytes are taken from the server: then TooMuch is raised. ``has_ended`` is whether the server was heard to its end.
    """

    def __init__(self, connected: socket.socket, deadline: float, largest: int) -> None:
        self._socket = connected
        self._deadline = deadline
        self._left = largest
        self._largest = largest
        self.has_ended = False

    def start_tls(self, context: ssl.SSLContext, host: str) -> None:
        """Speak TLS from here on, with a server that proves to be ``host``. Raises ssl.SSLError where it does not."""
        secured = context.wrap_socket(self._socket, server_hostname=host, do_handshake_on_connect=False)
        self._socket = secured
        self._until(secured.do_handshake, _READ)

    def sendall(self, content: bytes) -> None:
        """Send all of the bytes."""
        rest = memoryview(content)
        while rest:
            rest = rest[self._until(partial(self._socket.send, rest), _WRITTEN) :]

    def receive_into(self, buffer: memoryview) -> int:
        """How many bytes have come, which are then in the buffer; 0 at the end."""
        count = self._until(lambda: self._socket.recv_into(buffer), _READ)
        self._left -= count
        self.has_ended = self.has_ended or not count
        if self._left < 0:
            raise TooMuch(f"sent more than {self._largest} bytes", hint="check the address")
        return count

    def makefile(self, _mode: str) -> io.BufferedReader:
        """What the server sends, as a file to read."""
        return io.BufferedReader(_Incoming(self))

    def close(self) -> None:
        """Do nothing: what was sent before is still to be read. The block of ``connected`` ends the connection."""

    def _until(self, operation: Callable[[], _T], awaited: int) -> _T:
        """What the operation returns, once it need not wait; ``awaited`` is what a plain socket then waits for."""
        while True:
            try:
                return operation()
            except ssl.SSLWantReadError:
                _wait(self._socket, _READ, self._deadline)
            except ssl.SSLWantWriteError:
                _wait(self._socket, _WRITTEN, self._deadline)
            except BlockingIOError:
                _wait(self._socket, awaited, self._deadline)

    def end(self) -> None:
        """Let the connection go."""
        self._socket.close()


class _Incoming(io.RawIOBase):
    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # a BufferedReader gives no other
        return self._wire.receive_into(buffer)


@contextmanager
def connected(host: str, port: int, deadline: float, largest: int) -> Iterator[Wire]:
    """A connection for the block to the first address of the host that accepts one.

    Raises TimeoutError, socket.gaierror where the name is not known, or the last address's OSError; of addresses some
    of which refuse, another's.
    """
    wire = Wire(_first_accepting(host, port, deadline), deadline, largest)
    try:
        yield wire
    finally:
        wire.end()


def _first_accepting(host: str, port: int, deadline: float) -> socket.socket:
    addresses = _addresses(host, port, deadline)
    failure: OSError | None = None
    for index, address in enumerate(addresses):
        # One that never answers must leave time for the others.
        share = (deadline - time.monotonic()) / (len(addresses) - index)
        try:
            return _accepting(address, time.monotonic() + share)
        except OSError as error:
            if failure is None or isinstance(failure, ConnectionRefusedError):
                failure = error
    raise failure or TimeoutError


def _accepting(address: _Address, deadline: float) -> socket.socket:
    family, place = address
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setblocking(False)
        code = made.connect_ex(place)
        if code == errno.EINPROGRESS:
            _wait(made, _WRITTEN, deadline)
            code = made.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, os.strerror(code))
    except BaseException:
        made.close()
        raise
    return made


def _addresses(host: str, port: int, deadline: float) -> list[_Address]:
    """The addresses of the host. The resolver knows no deadline, and is left alone where it takes longer."""
    found: list[_Address] = []
    failures: list[OSError] = []

    def resolve() -> None:
        try:
            for family, _, _, _, place in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
                found.append((family, place))
        except OSError as error:
            failures.append(error)

    resolving = threading.Thread(target=resolve, daemon=True)
    resolving.start()
    while resolving.is_alive():
        check()
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        resolving.join(min(left, _LONGEST_DEAFNESS))
    if failures:
        raise failures[0]
    return found


def _wait(waiting: socket.socket, events: int, deadline: float) -> None:
    """Return once the socket is ready. Raises TimeoutError, and Interrupted where a signal has come."""
    poller = select.poll()
    poller.register(waiting, events)
    while True:
        check()
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        if poller.poll(math.ceil(min(left, _LONGEST_DEAFNESS) * 1000)):
            return
