"""Real servers on 127.0.0.1 for the tests of the gateway: a PKI, openssl s_server, nginx, and peers without TLS."""

import contextlib
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.conftest import openssl, require

_DEADLINE_SECONDS = 30.0

CONFIG = """[ca]
default_ca = this
[this]
database = index.txt
serial = serial
new_certs_dir = issued
policy = any_name
unique_subject = no
x509_extensions = extensions
[any_name]
commonName = supplied
[req]
prompt = no
distinguished_name = name
[name]
CN = {subject}
[extensions]
basicConstraints = critical, CA:{is_ca}
{more}
"""


class Spec(NamedTuple):
    """How a certificate is made; ``issuer`` and ``key_of`` name others, and are itself where they are not given."""

    subject: str
    issuer: str = ""
    is_ca: bool = False
    names: str = "DNS:localhost,IP:127.0.0.1"
    key: str = "ec"
    key_of: str = ""
    digest: str = "sha256"
    usage: str = ""
    start: str = "20200101000000Z"
    end: str = "20490101000000Z"


SPECS = {
    "root": Spec("Example Root", is_ca=True),
    "intermediate": Spec("Example Intermediate", "root", is_ca=True),
    "leaf": Spec("gateway", "intermediate"),
    "direct": Spec("gateway", "root"),
    "expired": Spec("expired gateway", "root", end="20210101000000Z"),
    "future": Spec("future gateway", "root", start="20480101000000Z"),
    "alone": Spec("lonely gateway"),
    "rsa1024": Spec("weak gateway", "root", key="rsa"),
    "sha1": Spec("old gateway", "root", digest="sha1"),
    "other name": Spec("other gateway", "root", names="DNS:other.example"),
    "begin": Spec("-----BEGIN CERTIFICATE-----", "root"),
    # The root as an older CA has signed it.
    "old root": Spec("Older Root", is_ca=True),
    "cross": Spec("Example Root", "old root", is_ca=True, key_of="root"),
    "attacker's root": Spec("Attacker Root", is_ca=True),
    "attacker's leaf": Spec("gateway", "attacker's root"),
    # Another key under the genuine root's name.
    "forged root": Spec("Example Root", is_ca=True),
    "forged leaf": Spec("gateway", "forged root"),
    # The genuine root's name and key, signed by an attacker who has neither.
    "forged cross": Spec("Example Root", "attacker's root", is_ca=True, key_of="root"),
    # The genuine root's name and key, and what an attacker says of it.
    "forged expired": Spec("Example Root", "forged root", is_ca=True, key_of="root", end="20210101000000Z"),
    "client": Spec("device-4711", "root", usage="critical, clientAuth"),
    # Signed by the key of a leaf, which is no CA.
    "under a leaf": Spec("gateway", "direct"),
}


class Pki:
    """Every certificate of SPECS, made by the real openssl in ``directory``, where NAME.pem and NAME.key lie."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        (directory / "index.txt").touch()
        (directory / "issued").mkdir()
        for name, spec in SPECS.items():
            self._make(name, spec)

    def pem(self, *names: str) -> bytes:
        """The certificates one after another."""
        return b"".join((self.directory / f"{name}.pem").read_bytes() for name in names)

    def sha256(self, name: str) -> str:
        """The certificate's SHA-256 fingerprint as openssl prints it, with colons."""
        return openssl("x509", "-in", f"{name}.pem", "-noout", "-fingerprint", "-sha256", cwd=self.directory)[-96:-1]

    def spki_sha256(self, name: str) -> str:
        """The SHA-256 digest of the public key in DER, with colons."""
        public_key = openssl("x509", "-in", f"{name}.pem", "-noout", "-pubkey", cwd=self.directory)
        (self.directory / "public.pem").write_text(public_key)
        openssl("pkey", "-pubin", "-in", "public.pem", "-outform", "DER", "-out", "public.der", cwd=self.directory)
        return openssl("dgst", "-sha256", "-c", "public.der", cwd=self.directory)[-96:-1]

    def _make(self, name: str, spec: Spec) -> None:
        config, request, key = f"{name}.cnf", f"{name}.csr", f"{spec.key_of or name}.key"
        more = "" if spec.is_ca else f"subjectAltName = {spec.names}"
        more += f"\nextendedKeyUsage = {spec.usage}" if spec.usage else ""
        text = CONFIG.format(subject=spec.subject, is_ca="TRUE" if spec.is_ca else "FALSE", more=more)
        (self.directory / config).write_text(text)
        new_keys = {"ec": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"], "rsa": ["-newkey", "rsa:1024"]}
        keys = ["-key", key] if spec.key_of else [*new_keys[spec.key], "-nodes", "-keyout", key]
        openssl("req", "-new", "-config", config, *keys, "-out", request, cwd=self.directory)
        issuer = ["-keyfile", f"{spec.issuer}.key", "-cert", f"{spec.issuer}.pem"]
        signing = issuer if spec.issuer else ["-selfsign", "-keyfile", key]
        dates = ["-startdate", spec.start, "-enddate", spec.end, "-md", spec.digest, "-create_serial"]
        arguments = ["-config", config, *signing, *dates, "-in", request, "-out", f"{name}.pem"]
        openssl("ca", "-batch", "-notext", *arguments, cwd=self.directory)


@contextmanager
def s_server(pki: Pki, *names: str, options: tuple[str, ...] = ()) -> Iterator[int]:
    """The port of an ``openssl s_server`` that sends the named certificates, the first with its key."""
    with tempfile.TemporaryDirectory() as directory:
        arguments = list(options)
        if names:
            chain = Path(directory) / "chain.pem"
            chain.write_bytes(pki.pem(*names[1:]))
            arguments += ["-cert", f"{names[0]}.pem", "-key", f"{names[0]}.key"]
            # Weak keys and digests are what some tests are about.
            arguments += ["-cipher", "DEFAULT:@SECLEVEL=0"]
            arguments += ["-cert_chain", str(chain)] if names[1:] else []
        log = Path(directory) / "log"
        with (
            log.open("wb") as out,
            # It stops at the end of its standard input, which therefore stays open.
            _running(
                ["openssl", "s_server", "-accept", "127.0.0.1:0", *arguments], pki.directory, out.fileno()
            ) as is_up,
        ):
            port = ""
            while not port:
                is_up(log)
                ready = [line for line in log.read_text("latin-1").splitlines(True) if line.startswith("ACCEPT ")]
                port = ready[0].rpartition(":")[2] if ready and ready[0].endswith("\n") else ""
            yield int(port)


@contextmanager
def nginx(directory: Path, chain: Path, key: Path, client_ca: Path, protocols: str) -> Iterator[int]:
    """The port of an nginx that is set up as OTA Community Edition's gateway; it answers with the device's CN."""
    program = shutil.which("nginx", path="/usr/local/sbin:/usr/sbin:/sbin") or shutil.which("nginx")
    require(program is not None, "no nginx program")
    directory.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = " ".join(f"{kind}_temp_path {directory}/{kind};" for kind in kinds)
    config = directory / "nginx.conf"
    config.write_text(f"""daemon off; master_process off; pid {directory}/pid; error_log {directory}/log;
events {{}}
http {{
  access_log off; {temporary}
  map $ssl_client_s_dn $device {{ ~CN=(?<cn>.*) $cn; }}
  server {{
    listen 127.0.0.1:{port} ssl; ssl_protocols {protocols};
    ssl_certificate {chain}; ssl_certificate_key {key};
    ssl_client_certificate {client_ca}; ssl_verify_client on; ssl_verify_depth 10;
    location / {{ return 200 $device; }}
  }}
}}
""")
    log = directory / "log"
    log.touch()
    command = [str(program), "-p", str(directory), "-e", str(log), "-c", str(config)]
    with _running(command, directory, subprocess.DEVNULL) as is_up:
        while True:
            is_up(log)
            with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
                break
        yield port


@contextmanager
def _running(command: list[str], cwd: Path, stdout: int) -> Iterator[Callable[[Path], None]]:
    """Have a process for the block; what is yielded waits a moment, and fails once it has ended or time is up."""
    deadline = time.monotonic() + _DEADLINE_SECONDS
    process = subprocess.Popen(command, cwd=cwd, stdin=subprocess.PIPE, stdout=stdout, stderr=subprocess.STDOUT)

    def is_up(log: Path) -> None:
        assert process.poll() is None, log.read_text("latin-1")
        assert time.monotonic() < deadline, f"{command[0]} did not begin to listen"
        time.sleep(0.005)

    with process:
        try:
            yield is_up
        finally:
            process.kill()


Talk = Callable[[socket.socket, threading.Event], None]


def _says_nothing(peer: socket.socket, stopped: threading.Event) -> None:
    stopped.wait()


def _trickles(peer: socket.socket, stopped: threading.Event) -> None:
    """A TLS record of a handshake message, a byte at a time."""
    for byte in b"\x16\x03\x03\x40\x00\x02\x00\x3f\xf0" + bytes(10_000):
        peer.sendall(bytes([byte]))
        if stopped.wait(0.05):
            return


def _speaks_http(peer: socket.socket, stopped: threading.Event) -> None:
    peer.recv(4096)
    peer.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


def _closes(peer: socket.socket, stopped: threading.Event) -> None:
    return


def _resets(peer: socket.socket, stopped: threading.Event) -> None:
    # To linger for no time sends RST in place of FIN.
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _speaks_ssh(peer: socket.socket, stopped: threading.Event) -> None:
    peer.sendall(b"SSH-2.0-OpenSSH_9.2p1\r\n")
    peer.recv(4096)


def _floods(peer: socket.socket, stopped: threading.Event) -> None:
    while not stopped.is_set():
        peer.sendall(b"-----BEGIN CERTIFICATE-----\n\x00\xff\x1b[31m" * 2000)


CLOSE_NOTIFY = b"\x15\x03\x03\x00\x02\x01\x00"


def replaying(*certificates: bytes, ending: bytes = b"") -> Talk:
    """Sends certificates (DER) whose keys it has not, by the plain messages of TLS 1.2 (RFC 5246), then ``ending``."""

    def sized(content: bytes, length: int) -> bytes:
        return len(content).to_bytes(length, "big") + content

    def talk(peer: socket.socket, stopped: threading.Event) -> None:
        peer.recv(65536)
        # ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, and the extension without which OpenSSL 3 refuses a server (RFC 5746).
        hello = b"\x03\x03" + bytes(32) + b"\x00\xc0\x2b\x00" + sized(b"\xff\x01\x00\x01\x00", 2)
        chain = sized(b"".join(sized(certificate, 3) for certificate in certificates), 3)
        for kind, message in ((b"\x02", hello), (b"\x0b", chain)):
            peer.sendall(b"\x16\x03\x03" + sized(kind + sized(message, 3), 2))
        peer.sendall(ending)

    return talk


PEERS: dict[str, Talk] = {
    "silent": _says_nothing,
    "trickling": _trickles,
    "plain HTTP": _speaks_http,
    "closes at once": _closes,
    "resets": _resets,
    "SSH": _speaks_ssh,
    "floods": _floods,
}


@contextmanager
def tcp_server(talk: Talk) -> Iterator[int]:
    """The port of a server that does with each connection what ``talk`` does, then closes it."""
    stopped = threading.Event()
    threads: list[threading.Thread] = []

    def converse(peer: socket.socket) -> None:
        with contextlib.suppress(OSError), peer:
            peer.settimeout(_DEADLINE_SECONDS)
            talk(peer, stopped)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threads.append(threading.Thread(target=converse, args=(listener.accept()[0],)))
                threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield listener.getsockname()[1]
        finally:
            stopped.set()
            # Wakes accept(), which closing does not.
            listener.shutdown(socket.SHUT_RDWR)
            for thread in (accepting, *threads):
                thread.join()


@contextmanager
def refusing(address: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    """A port that refuses connections and that nobody else can come to listen on: it is bound, no more."""
    with socket.socket() as bound:
        try:
            bound.bind((address, port))
        except OSError:
            require(False, f"somebody listens on port {port}")
        yield bound.getsockname()[1]
