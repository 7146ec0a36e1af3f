"""An sftp server for tests that does as the real one does, but for one fault; its own program, run by sshd or sftp.

Arguments: the real server, a file that counts requests over all sessions, a fault, for which request it is or what it
is about, and the real server's own. Source of the messages: draft-ietf-secsh-filexfer-02.
"""

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO

_WRITE = 6
_SETSTAT = 9
_RENAMES = (18, 200)
_STATUS = 101
_DATA = 103


def packets(stream: IO[bytes]) -> "list[bytes]":
    """The next packet, or none at the end."""
    head = stream.read(4)
    if len(head) < 4:
        return []
    return [head + stream.read(int.from_bytes(head, "big"))]


def flipped(packet: bytes, needle: bytes) -> bytes:
    """The packet with a byte changed that follows the needle."""
    at = packet.find(needle)
    if at < 0:
        return packet
    at += len(needle) + 5
    return packet[:at] + (b"A" if packet[at : at + 1] != b"A" else b"B") + packet[at + 1 :]


class Proxy:
    """The real server, and what is between it and the client."""

    def __init__(self, server: str, counter: str, fault: str, which: str, *arguments: str) -> None:
        command = [server, "-u", "0077", *arguments]
        self._server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._counter = Path(counter)
        self._fault = fault
        self._which = which
        self._is_mute = False

    def run(self) -> None:
        replies = threading.Thread(target=self._reply)
        replies.start()
        while requests := packets(sys.stdin.buffer):
            self._ask(requests[0])
        assert self._server.stdin is not None
        self._server.stdin.close()
        replies.join()

    def _ask(self, request: bytes) -> None:
        with self._counter.open("ab") as counter:
            counter.write(b".")
            number = str(counter.tell())
        assert self._server.stdin is not None
        if self._fault == "writes" and request[4] == _WRITE:
            request = flipped(request, self._which.encode())
        if (self._fault, request[4]) == ("lies-of-modes", _SETSTAT) or (
            self._fault == "lies-of-moves" and request[4] in _RENAMES and b"rename" in request
        ):
            # That all is well, in no words of no language.
            answer = bytes([_STATUS]) + request[5:9] + bytes(12)
            sys.stdout.buffer.write(len(answer).to_bytes(4, "big") + answer)
            sys.stdout.buffer.flush()
            return
        if self._fault == "die" and int(number) >= int(self._which):
            os._exit(1)
        if number == self._which and self._fault == "die-after":
            self._is_mute = True
            self._server.stdin.write(request)
            self._server.stdin.close()
            self._server.wait()
            os._exit(1)
        if number == self._which and self._fault == "pause":
            # Each blocks until the test opens the other end.
            Path(f"{self._counter}.reached").write_text("")
            Path(f"{self._counter}.go").read_text()
        self._server.stdin.write(request)
        self._server.stdin.flush()

    def _reply(self) -> None:
        assert self._server.stdout is not None
        while answers := packets(self._server.stdout):
            answer = answers[0]
            if self._fault == "reads" and answer[4] == _DATA:
                answer = flipped(answer, self._which.encode())
            if not self._is_mute:
                sys.stdout.buffer.write(answer)
                sys.stdout.buffer.flush()


if __name__ == "__main__":
    Proxy(*sys.argv[1:]).run()
