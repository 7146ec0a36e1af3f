"""Serial numbers: reserved in the real ca.srl under the server's lock, each handed out once.

ca.srl holds the number that was used last, as openssl keeps it (x509(1), -CAcreateserial). A number that a failed run
reserved is not used again: a certificate that carries it may have been seen.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from otaopenssl.durable import not_writable, read_bounded, replace
from otaopenssl.errors import Error, Unfit, quoted, reason
from otaopenssl.interrupts import held
from otaopenssl.layout import Server
from otaopenssl.locks import directory, hidden_folder
from otaopenssl.outputs import serial_hex

# RFC 5280, 4.1.2.2: at most 20 octets, and positive, which leaves 159 bits.
_LARGEST = (1 << 159) - 1
# A first number has 158 random bits, so that the numbers after it last.
_FIRST_SHIFT = 2


class Reservation(NamedTuple):
    """Serial numbers ``first`` to ``first + quantity - 1``, which nobody else gets.

    ``is_new`` says that there was no ca.srl before.
    """

    first: int
    quantity: int
    is_new: bool

    @property
    def last(self) -> int:
        """The last of the numbers."""
        return self.first + self.quantity - 1


@contextmanager
def reserved(server: Server, quantity: int) -> Iterator[Reservation]:
    """Serial numbers for ``quantity`` certificates, taken from the real ca.srl for good.

    Where the block fails and there was no ca.srl before, it is taken away again, unless another run went on from it:
    the next run then draws another random number, so that no number is used twice. Raises Unfit where ca.srl is
    garbage, used up or cannot be written.
    """
    reservation = None
    try:
        with held():
            reservation = reserve(server, quantity)
        yield reservation
    except BaseException:
        if reservation is not None and reservation.is_new:
            take_back(server, reservation.last)
        raise


def take_back(server: Server, last: int) -> None:
    """Remove a ca.srl that this run has made, unless another went on from ``last``, the last that this one reserved.

    The next run then draws another random number, so that no number is used twice.
    """
    with _alone(server) as path:
        if _last_used(server) == last:
            path.unlink()


def seed_for(number: int) -> bytes:
    """The content of a ca.srl from which openssl goes on to ``number``."""
    return _content(number - 1)


def check(server: Server, quantity: int) -> list[Error]:
    """No error, or the one for a ca.srl from which ``quantity`` numbers cannot be taken."""
    try:
        last = _last_used(server)
    except Unfit as problem:
        return [problem]
    return [] if last is None or last + quantity <= _LARGEST else [_used_up(server, _LARGEST - last)]


def reserve(server: Server, quantity: int) -> Reservation:
    """The next ``quantity`` serial numbers, taken from the real ca.srl for good. Raises Unfit as ``reserved`` does."""
    with _alone(server) as path:
        last = _last_used(server)
        first = _random_first() if last is None else last + 1
        reservation = Reservation(first, quantity, last is None)
        if reservation.last > _LARGEST:
            raise _used_up(server, _LARGEST - reservation.first + 1)
        try:
            replace(path, _content(reservation.last))
        except OSError as error:
            raise not_writable(error, server.shown(server.ca_srl_path)) from error
    return reservation


@contextmanager
def _alone(server: Server) -> Iterator[Path]:
    """The path of the real ca.srl, held alone; servers that share one by a link are held off, too."""
    with hidden_folder(server.hidden_dir):
        if server.ca_srl_path.is_symlink():
            path = server.ca_srl_path.resolve()
            with directory(path.parent):
                yield path
        else:
            yield server.ca_srl_path


def _last_used(server: Server) -> int | None:
    try:
        content = read_bounded(server.ca_srl_path)
    except FileNotFoundError:
        return None
    except OSError as error:
        shown = quoted(server.shown(server.ca_srl_path))
        raise Unfit(f"{shown} cannot be read: {reason(error)}", hint="check what it is, its owner and mode") from error
    line = content.partition(b"\n")[0].rstrip(b"\r")
    if not re.fullmatch(rb"(?:[0-9A-Fa-f]{2})+", line):
        raise Unfit(
            f"{quoted(server.shown(server.ca_srl_path))} is no serial number, expected pairs of hexadecimal digits",
            hint="put the serial number used last into it, or move it away to begin at a random one",
        )
    return int(line, 16)


def _used_up(server: Server, left: int) -> Unfit:
    many = f"{left} of the serial numbers" if left > 0 else "no serial numbers"
    return Unfit(
        f"{quoted(server.shown(server.ca_srl_path))} has {many} left: the largest has 20 bytes",
        hint="make a new fleet root CA under another server name",
    )


def _random_first() -> int:
    """A random number to begin with: 158 bits of the system's generator, never so small as to be guessed."""
    while True:
        number = int.from_bytes(os.urandom(20), "big") >> _FIRST_SHIFT
        if number.bit_length() > 64:
            return number


def _content(last_used: int) -> bytes:
    return f"{serial_hex(last_used)}\n".encode("ascii")
