"""Serial numbers: reserved in the real ca.srl under the server's lock, each handed out once.

ca.srl holds the number that was used last, as openssl keeps it (x509(1), -CAcreateserial). A number that a failed run
reserved is not used again: a certificate that carries it may have been seen.
"""

import os
import re
from typing import NamedTuple

from otaopenssl.durable import not_writable, replace
from otaopenssl.errors import Error, Unfit, quoted
from otaopenssl.layout import Server
from otaopenssl.locks import hidden_folder
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
    def seed(self) -> bytes:
        """The content of a ca.srl from which openssl goes on to ``first``."""
        return _content(self.first - 1)


def reserve(server: Server, quantity: int) -> Reservation:
    """Serial numbers for ``quantity`` certificates, taken from the real ca.srl for good.

    Raises Unfit where ca.srl is garbage, used up or cannot be written.
    """
    with hidden_folder(server.hidden_dir):
        last = _last_used(server)
        first = _random_first() if last is None else last + 1
        if first + quantity - 1 > _LARGEST:
            raise _used_up(server)
        try:
            replace(server.ca_srl_path, _content(first + quantity - 1))
        except OSError as error:
            raise not_writable(error, server.shown(server.ca_srl_path)) from error
    return Reservation(first, quantity, last is None)


def give_back(server: Server, reservation: Reservation) -> None:
    """Take the ca.srl of a run that made nothing away again, if there was none before and no other run went on from it.

    The next run then draws another random number, so that no number is used twice.
    """
    with hidden_folder(server.hidden_dir):
        if reservation.is_new and _last_used(server) == reservation.first + reservation.quantity - 1:
            server.ca_srl_path.unlink()


def check(server: Server) -> list[Error]:
    """No error, or the one for a ca.srl that cannot be gone on from."""
    try:
        last = _last_used(server)
    except Unfit as problem:
        return [problem]
    return [] if last is None or last < _LARGEST else [_used_up(server)]


def _last_used(server: Server) -> int | None:
    try:
        content = server.ca_srl_path.read_bytes()[:1024]
    except FileNotFoundError:
        return None
    except OSError as error:
        raise not_writable(error, server.shown(server.ca_srl_path)) from error
    line = content.partition(b"\n")[0].rstrip(b"\r")
    if not re.fullmatch(rb"(?:[0-9A-Fa-f]{2})+", line):
        raise Unfit(
            f"{quoted(server.shown(server.ca_srl_path))} is no serial number, expected pairs of hexadecimal digits",
            hint="put the serial number used last into it, or move it away to begin at a random one",
        )
    return int(line, 16)


def _used_up(server: Server) -> Unfit:
    return Unfit(
        f"{quoted(server.shown(server.ca_srl_path))} has no serial numbers left: the largest has 20 bytes",
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
