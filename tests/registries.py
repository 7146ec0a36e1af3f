"""Real device registries on 127.0.0.1: servers that answer each request as a test wants, by HTTP or HTTPS."""

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.servers import Pki, Talk, tcp_server


class Request(NamedTuple):
    """What a registry was asked: the first line, the headers by lower-case name, the body."""

    line: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


class Asked(NamedTuple):
    """A registry for a block: its port, and what it was asked so far."""

    port: int
    requests: list[Request]

    @property
    def uuids(self) -> list[str]:
        return [request.document["uuid"] for request in self.requests]


def answer(status: str, body: str = "", content_type: str = "application/json", *headers: str) -> bytes:
    """An HTTP answer as it goes over the wire."""
    content = body.encode()
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {content_type}", f"Content-Length: {len(content)}", *headers]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode() + content


class By(NamedTuple):
    """An answer that depends on what was asked."""

    choose: Callable[[Request], bytes]


OK = answer("200 OK", '"known"')


def drips(peer: socket.socket, stopped: threading.Event) -> None:
    """A good answer, a byte at a time, which would take minutes."""
    for byte in answer("200 OK", '"' + "x" * 5000 + '"'):
        peer.sendall(bytes([byte]))
        if stopped.wait(0.03):
            return


def says_nothing(peer: socket.socket, stopped: threading.Event) -> None:
    """No answer, and the connection stays."""
    stopped.wait()


def floods(peer: socket.socket, stopped: threading.Event) -> None:
    """An answer without end."""
    peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
    while not stopped.is_set():
        peer.sendall(b"[" * 65536)


def floods_headers(peer: socket.socket, stopped: threading.Event) -> None:
    """Headers without end."""
    peer.sendall(b"HTTP/1.1 200 OK\r\n")
    while not stopped.is_set():
        peer.sendall(b"X: " + b"y" * 60_000 + b"\r\n")


def never_begins(peer: socket.socket, stopped: threading.Event) -> None:
    """Announcements of an answer, without end."""
    peer.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    while not stopped.is_set():
        peer.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)


@contextmanager
def registry(*answers: bytes | Talk | By, context: ssl.SSLContext | None = None) -> Iterator[Asked]:
    """A registry that gives each request the next of the answers, and the last one from then on."""
    requests: list[Request] = []
    lock = threading.Lock()

    def talk(peer: socket.socket, stopped: threading.Event) -> None:
        if context is not None:
            with contextlib.suppress(OSError), context.wrap_socket(peer, server_side=True) as secured:
                converse(secured, stopped)
        else:
            converse(peer, stopped)

    def converse(peer: socket.socket, stopped: threading.Event) -> None:
        request = _read(peer)
        with lock:
            chosen = answers[min(len(requests), len(answers) - 1)]
            requests.append(request)
        if isinstance(chosen, By):
            chosen = chosen.choose(request)
        if isinstance(chosen, bytes):
            peer.sendall(chosen)
        else:
            chosen(peer, stopped)

    with tcp_server(talk) as port:
        yield Asked(port, requests)


def tls(pki: Pki, name: str, client_ca: str | None = None) -> ssl.SSLContext:
    """How a registry of that certificate speaks TLS; with ``client_ca`` it wants to know who asks."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.directory / f"{name}.pem", pki.directory / f"{name}.key")
    if client_ca is not None:
        context.load_verify_locations(pki.directory / f"{client_ca}.pem")
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def pem(pki: Pki, name: str) -> str:
    """The path of a certificate."""
    return str(pki.directory / f"{name}.pem")


def key(pki: Pki, name: str) -> str:
    """The path of a key."""
    return str(pki.directory / f"{name}.key")


def both(pki: Pki, name: str, path: Path) -> str:
    """The path of a file that holds a certificate and its key."""
    path.write_bytes((pki.directory / f"{name}.pem").read_bytes() + (pki.directory / f"{name}.key").read_bytes())
    return str(path)


def _read(peer: socket.socket) -> Request:
    content = b""
    while b"\r\n\r\n" not in content:
        more = peer.recv(65536)
        if not more:
            raise ConnectionError("no request")
        content += more
    head, _, body = content.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    while len(body) < int(headers.get("content-length", "0")):
        body += peer.recv(65536)
    return Request(first, headers, body)
