"""`otaopenssl register` against real servers on 127.0.0.1, each good answer and each bad one."""

import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from otaopenssl.errors import BadInput, Failed, OutOfReach
from otaopenssl.ids import DeviceID, DeviceUUID, Identity
from otaopenssl.register import PAUSES, register
from otaopenssl.registration import Registration, Reply, State, judged
from otaopenssl.registry import DEFAULT_PATH, parse_registry
from otaopenssl.registry_client import Client
from otaopenssl.registry_trust import ClientFiles, trust
from tests.conftest import CHECKOUT, Ran, openssl, require, run, tree
from tests.registries import (
    OK,
    Asked,
    answer,
    both,
    drips,
    floods,
    floods_headers,
    key,
    never_begins,
    pem,
    registry,
    says_nothing,
    tls,
)
from tests.servers import Pki, Talk, refusing
from tests.terminals import typed

UUID = "SAJWA1C78D8V38055"
CONFLICT = '{"code":"conflicting_device","description":"deviceId or deviceName is already in use"}'
HTML = "<html><body>welcome</body></html>"
SAMPLE = Registration(Identity(DeviceUUID("u1"), DeviceID("i1")), "i1", "Other", "PEM\n")


class Made(NamedTuple):
    """A project with one whole device."""

    directory: Path

    @property
    def certificate(self) -> str:
        return (self.directory / "myservername" / "devices" / UUID / "client.pem").read_text()

    def register(self, url: str, *options: str) -> Ran:
        return run("register", UUID, "--registry", url, *options, cwd=self.directory)


@pytest.fixture(scope="session")
def made(_pristine: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A project with one whole device, which no registering changes."""
    directory = tmp_path_factory.mktemp("registered") / "project"
    shutil.copytree(_pristine, directory, symlinks=True)
    ran = run("device", "--uuid", UUID, "--device-id", "body-4711", cwd=directory)
    assert ran.status == 0, ran.err
    return Made(directory)


def url(asked: Asked) -> str:
    return f"http://127.0.0.1:{asked.port}"


def asked_of(asked: Asked, seconds: float = 30.0) -> tuple[Client, list[float], Callable[[float], None]]:
    """A client of the registry, what it has paused so far, and what makes it pause without waiting."""
    pauses: list[float] = []
    return Client(parse_registry(url(asked)), None, seconds), pauses, pauses.append


def never(_seconds: float) -> None:
    pytest.fail("it is asked again")


def test_the_request(made: Made) -> None:
    """What is sent is gen-device.sh's PUT, with the certificate and no key, and nothing of the project changes."""
    before = tree(made.directory)
    with registry(answer("200 OK", f'"{UUID}"')) as asked:
        ran = made.register(url(asked))
    assert (ran.status, ran.out) == (0, f"registered {UUID}\n"), ran.err
    (request,) = asked.requests
    assert request.line == f"PUT {DEFAULT_PATH} HTTP/1.1"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["host"] == f"127.0.0.1:{asked.port}"
    assert list(request.document) == ["credentials", "deviceId", "deviceName", "deviceType", "uuid"]
    assert request.document == {
        "credentials": made.certificate,
        "deviceId": "body-4711",
        "deviceName": "body-4711",
        "deviceType": "Other",
        "uuid": UUID,
    }
    assert b"PRIVATE" not in request.body
    assert tree(made.directory) == before


def test_names_and_json(made: Made) -> None:
    """A name, a type and a path of the user's own are sent, DEVICE_UUID names the device, --json tells it all."""
    with registry(answer("201 Created", '{"id": "x"}')) as asked:
        options = [
            "--registry",
            f"{url(asked)}/own/path",
            "--device-name",
            "Büro",
            "--device-type",
            "Vehicle",
            "--json",
        ]
        ran = run("register", *options, cwd=made.directory, env={"DEVICE_UUID": UUID})
    assert ran.status == 0, ran.err
    (request,) = asked.requests
    assert request.line == "PUT /own/path HTTP/1.1"
    assert (request.document["deviceName"], request.document["deviceType"]) == ("Büro", "Vehicle")
    told = json.loads(ran.out)
    assert told == {
        "uuid": UUID,
        "device_id": "body-4711",
        "registry": f"{url(asked)}/own/path",
        "state": "registered",
        "status": 201,
        "attempts": 1,
        "reply": '{"id": "x"}',
        "warnings": [],
    }


def test_there_already(made: Made) -> None:
    """A device that the registry knows is no failure, and told apart from one that is new."""
    with registry(answer("409 Conflict", '{"code":"entity_already_exists"}')) as asked:
        ran = made.register(url(asked))
        document = json.loads(made.register(url(asked), "--json").out)
    assert (ran.status, ran.out) == (0, f"there already {UUID}\n"), ran.err
    assert (document["state"], document["status"], document["attempts"]) == ("there already", 409, 1)


def test_another_device(made: Made) -> None:
    """Where another device has the ID or the name, as OTA Community Edition says it, nothing is registered."""
    with registry(answer("409 Conflict", CONFLICT)) as asked:
        ran = made.register(url(asked))
    assert (ran.status, ran.out, len(ran.error_lines), len(asked.requests)) == (1, "", 1, 1), ran.err
    assert "another device has its ID" in ran.err
    assert "conflicting_device" in ran.err


@pytest.mark.parametrize("body", ['"0c9e0f2c-1"', '{"uuid": "0c9e0f2c-1"}', '{"device": {"deviceUuid": "0c9e0f2c-1"}}'])
def test_another_uuid(made: Made, body: str) -> None:
    """A registry that has the device ID under another UUID is warned of, in whatever form it says so."""
    with registry(answer("200 OK", body)) as asked:
        ran = made.register(url(asked))
    assert ran.status == 0
    assert "warning: registry" in ran.err
    assert "0c9e0f2c" in ran.err


def test_500_then_200(made: Made) -> None:
    """A server that fails itself is asked again, and the success that follows counts."""
    with registry(answer("500 Internal Server Error", "oops", "text/plain"), OK) as asked:
        ran = made.register(url(asked), "--json")
    assert ran.status == 0, ran.err
    assert (json.loads(ran.out)["attempts"], len(asked.requests)) == (2, 2)
    assert asked.requests[0].body == asked.requests[1].body


def test_an_answer_of_headers_alone() -> None:
    """A success that is whole with its headers, and then the end of the connection, is one."""
    with registry(b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.0 204 No Content\r\nServer: x\r\n\r\n") as asked:
        for _ in range(2):
            client, _, pause = asked_of(asked)
            assert register(client, SAMPLE, pause).state is State.REGISTERED


def test_attempts_end() -> None:
    """A server that goes on failing is asked five times, with growing pauses, and then it is told what it said."""
    with registry(answer("503 Service Unavailable", "\x1b[31mdown\x00", "text/plain")) as asked:
        client, pauses, pause = asked_of(asked)
        with pytest.raises(
            OutOfReach, match=r"answered 503 'Service Unavailable': '\\x1b\[31mdown\\x00', after 5 attempts"
        ):
            register(client, SAMPLE, pause)
    assert len(asked.requests) == 5
    assert pauses == list(PAUSES) == sorted(PAUSES)
    assert sum(PAUSES) < 10


def test_refused_then_there() -> None:
    """A registry that does not listen yet is asked again until it does."""
    with refusing() as port:
        client = Client(parse_registry(f"http://127.0.0.1:{port}"), None)
        pauses: list[float] = []
        with pytest.raises(OutOfReach, match="refuses connections, 5 times"):
            register(client, SAMPLE, pauses.append)
        assert pauses == list(PAUSES)


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (answer("400 Bad Request", '{"code":"request_needs_credentials"}'), "request_needs_credentials"),
        (answer("401 Unauthorized"), "answered 401 'Unauthorized', and nothing else"),
        (answer("403 Forbidden", "already registered"), "answered 403"),
        (answer("404 Not Found", "not here: already exists", "text/plain"), "not here"),
        (answer("409 Conflict", HTML, "text/html"), "answered 409"),
        (answer("200 OK", HTML, "text/html"), "it is no device registry"),
        (answer("200 OK", HTML, "application/json"), "it is no device registry"),
        (answer("200 OK", "[" * 60_000), "it is no device registry"),
        (answer("301 Moved", "", "text/html", "Location: http://evil.example/\x07"), r"to 'http://evil.example/\x07'"),
        (answer("301 Moved", "", "text/html", "Location: https://u:s3cret@x/@y"), "to 'https://x/@y'"),
        (answer("301 Moved", "", "text/html", "Location: //u:s3cr@et@x/y"), "to '//x/y'"),
        (answer("308 Permanent Redirect", "", "text/html", "Location: https://x/" + "y" * 999), "y'…"),
        (answer("304 Not Modified"), "answered 304, a redirect, which is never followed"),
        (b"", "closed the connection without an answer"),
        (answer("200 OK", '"known"')[:-3], "closed the connection halfway"),
        (b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n"kno', "closed the connection halfway"),
        (b"HTTP/1.1 200 OK\r\nContent-Ty", "closed the connection halfway"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n", "closed the connection halfway"),
        (b"HTTP/1.1 200 OK", "closed the connection halfway"),
        (b"HTTP/1.1 409 Conflict\r\nContent-Type: app", "closed the connection halfway"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n", "closed the connection halfway"),
        (b"SSH-2.0-OpenSSH_9.2p1\r\n", "no HTTP"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n[]\r\n0\r\n\r\n", "no HTTP"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-" + b"f" * 99 + b"\r\n[]\r\n", "no HTTP"),
        (answer("200 OK", '"' + "x" * 65536 + '"'), "sent more than 65536 bytes"),
        (floods, "sent more than 65536 bytes"),
        (floods_headers, "sent more than 65536 bytes"),
        (never_begins, "sent more than 65536 bytes"),
    ],
)
def test_failures_are_not_asked_again(reply: bytes | Talk, words: str) -> None:
    """What will not get better is asked once, and told in one line without control characters."""
    with registry(reply) as asked:
        client, pauses, pause = asked_of(asked)
        with pytest.raises(Failed) as raised:
            register(client, SAMPLE, pause)
    assert words in raised.value.message
    assert "s3cr" not in raised.value.message
    assert raised.value.message.isprintable()
    assert len(raised.value.message) < 700
    assert (len(asked.requests), pauses) == (1, [])


@pytest.mark.parametrize("talk", [drips, says_nothing])
def test_time_passes(talk: Talk) -> None:
    """A server that says nothing, or a byte now and then, has the whole time once, and is not asked again."""
    with registry(talk) as asked:
        client, pauses, pause = asked_of(asked, seconds=0.3)
        with pytest.raises(OutOfReach, match=r"did not answer within 0\.3 seconds"):
            register(client, SAMPLE, pause)
    assert (len(asked.requests), pauses) == (1, [])


def test_an_interruption_ends_it(made: Made) -> None:
    """Ctrl-C ends a registering at once, in a pause or waiting for an answer, and nothing is said to be undone."""
    for reply in (answer("500 Oops"), says_nothing):
        with registry(reply) as asked:
            command = [sys.executable, "-m", "otaopenssl", "register", UUID, "--registry", url(asked)]
            with subprocess.Popen(command, cwd=made.directory, stderr=subprocess.PIPE, text=True) as process:
                deadline = time.monotonic() + 30
                while not asked.requests:
                    assert time.monotonic() < deadline
                    time.sleep(0.01)
                process.send_signal(signal.SIGINT)
                _, said = process.communicate(timeout=20)
        assert process.returncode == 130
        assert said.startswith("otaopenssl: interrupted, and the registry may have been told of the device")


def test_tls(made: Made, pki: Pki) -> None:
    """A registry whose certificate is of the CA that is named, and for the host, is registered with by TLS."""
    with registry(OK, context=tls(pki, "direct")) as asked:
        ran = made.register(f"https://localhost:{asked.port}", "--ca", pem(pki, "root"))
        assert ran.status == 0, ran.err
        by_address = made.register(f"https://127.0.0.1:{asked.port}", "--ca", pem(pki, "root"))
        assert by_address.status == 0, by_address.err
    assert len(asked.requests) == 2


@pytest.mark.parametrize(
    ("name", "ca", "words"),
    [
        ("direct", "attacker's root", "unable to get local issuer certificate"),
        ("direct", None, "does not hold"),
        ("alone", "root", "does not hold: self"),
        ("other name", "root", "hold: hostname mismatch"),
        ("expired", "root", "expired"),
    ],
)
def test_who_is_not_believed(pki: Pki, name: str, ca: str | None, words: str) -> None:
    """A registry of an unknown CA, for another name or expired is told nothing, once."""
    with registry(OK, context=tls(pki, name)) as asked:
        context = trust(None if ca is None else Path(pem(pki, ca)), None)
        client = Client(parse_registry(f"https://localhost:{asked.port}"), context)
        with pytest.raises(OutOfReach, match=words):
            register(client, SAMPLE, never)
    assert asked.requests == []


def test_tls_and_plain_mixed_up(pki: Pki) -> None:
    """https to a plain server and http to one of TLS end with a word about it."""
    with registry(OK) as asked:
        client = Client(parse_registry(f"https://localhost:{asked.port}"), trust(Path(pem(pki, "root")), None), 5)
        with pytest.raises(Failed, match=r"TLS|answer"):
            register(client, SAMPLE, never)
    with registry(OK, context=tls(pki, "direct")) as asked:
        client, _, pause = asked_of(asked)
        with pytest.raises(Failed, match=r"no HTTP|without an answer"):
            register(client, SAMPLE, pause)


def test_mutual_tls(made: Made, pki: Pki, tmp_path: Path) -> None:
    """A registry that wants to know who asks gets the client's certificate; without one it fails with a hint."""
    files = ["--client-cert", pem(pki, "client"), "--client-key", key(pki, "client")]
    with registry(OK, context=tls(pki, "direct", client_ca="root")) as asked:
        there = f"https://localhost:{asked.port}"
        refused = made.register(there, "--ca", pem(pki, "root"))
        assert (refused.status, len(refused.error_lines), asked.requests) == (1, 1, []), refused.err
        assert "--client-cert" in refused.err
        for own in (files, ["--client-cert", both(pki, "client", tmp_path / "both.pem")]):
            ran = made.register(there, "--ca", pem(pki, "root"), *own)
            assert ran.status == 0, ran.err


def test_an_encrypted_client_key(made: Made, pki: Pki, tmp_path: Path) -> None:
    """The passphrase comes from a file; without a terminal nobody is asked, and a wrong one is one clear error."""
    (tmp_path / "good").write_text("tiger\n")
    (tmp_path / "bad").write_text("lion\n")
    encrypted = str(tmp_path / "encrypted.key")
    words = ["pkey", "-in", key(pki, "client"), "-aes256", "-passout", f"file:{tmp_path}/good", "-out", encrypted]
    openssl(*words, cwd=tmp_path)
    with registry(OK, context=tls(pki, "direct", client_ca="root")) as asked:
        options = ["--ca", pem(pki, "root"), "--client-cert", pem(pki, "client"), "--client-key", encrypted]
        there = f"https://localhost:{asked.port}"
        good = made.register(there, *options, "--passphrase-file", str(tmp_path / "good"))
        assert good.status == 0, good.err
        for more in ([], ["--passphrase-file", str(tmp_path / "bad")], ["--passphrase-file", str(tmp_path / "none")]):
            ran = made.register(there, *options, *more)
            assert (ran.status, len(ran.error_lines), "lion" in ran.err) == (4, 1, False), ran.err
    assert len(asked.requests) == 1


def test_the_end_of_the_input_is_no_passphrase(made: Made, pki: Pki, tmp_path: Path) -> None:
    """Ctrl-D where the passphrase of the client's key is asked for is one error."""
    words = ["pkey", "-in", key(pki, "client"), "-aes256", "-passout", "pass:tiger", "-out", "encrypted.key"]
    openssl(*words, cwd=tmp_path)
    command = [sys.executable, "-m", "otaopenssl", "register", UUID, "--registry", "https://localhost:1"]
    command += ["--client-cert", pem(pki, "client"), "--client-key", str(tmp_path / "encrypted.key")]
    status, seen = typed(command, made.directory, [("encrypted.key: ", b"\x04")])
    assert (status, seen.count("otaopenssl: error: ")) == (2, 1), seen


def test_the_library_never_asks(pki: Pki, tmp_path: Path) -> None:
    """An encrypted key without a passphrase is refused, not asked about, even with a terminal there."""
    encrypted = tmp_path / "encrypted.key"
    openssl(
        *["pkey", "-in", key(pki, "client"), "-aes256", "-passout", "pass:tiger", "-out", str(encrypted)], cwd=tmp_path
    )
    done: list[BaseException | None] = []

    def load() -> None:
        try:
            trust(None, ClientFiles(Path(pem(pki, "client")), encrypted, b""))
        except Exception as error:
            done.append(error)

    loading = threading.Thread(target=load, daemon=True)
    loading.start()
    loading.join(20)
    assert len(done) == 1
    assert "passphrase is another" in str(done[0])


@pytest.mark.parametrize("option", ["--ca", "--client-cert"])
@pytest.mark.parametrize("content", [None, "garbage", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_wrong_files(made: Made, tmp_path: Path, option: str, content: str | None) -> None:
    """A file that is absent or not what it must be is one error of exit 4, and nobody is asked anything."""
    path = tmp_path / "file"
    if content is not None:
        path.write_text(content)
    ran = made.register("https://127.0.0.1:1", option, str(path))
    assert (ran.status, len(ran.error_lines)) == (4, 1), ran.err


def test_the_environment_counts_for_nothing(made: Made, pki: Pki) -> None:
    """Neither proxies nor CAs of the environment are used, and no session keys are written for it."""
    log = made.directory.parent / "keys.log"
    environment = {
        "SSL_CERT_FILE": pem(pki, "root"),
        "SSLKEYLOGFILE": str(log),
        "http_proxy": "http://127.0.0.1:1",
        "https_proxy": "http://127.0.0.1:1",
        "ALL_PROXY": "http://127.0.0.1:1",
    }
    with registry(OK, context=tls(pki, "direct")) as asked:
        there = f"https://localhost:{asked.port}"
        unknown = run("register", UUID, "--registry", there, cwd=made.directory, env=environment)
        options = ["--registry", there, "--ca", pem(pki, "root")]
        known = run("register", UUID, *options, cwd=made.directory, env=environment)
    assert (unknown.status, known.status, log.exists()) == (1, 0, False), unknown.err + known.err


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("http://deviceregistry.ota.ce", "http://deviceregistry.ota.ce/api/v1/devices"),
        ("HTTPS://Registry.example:443/", "https://Registry.example/api/v1/devices"),
        ("https://10.1.2.3:8443/a/b%20c", "https://10.1.2.3:8443/a/b%20c"),
        ("http://[::1]:9001", "http://[::1]:9001/api/v1/devices"),
    ],
)
def test_urls(value: str, expected: str) -> None:
    """A URL without a path gets that of OTA Community Edition; hosts are names, IPv4 or IPv6 addresses."""
    assert parse_registry(value).url == expected


@pytest.mark.parametrize(
    "value",
    [
        *[
            "",
            "registry.example",
            "ftp://x",
            "http:/x",
            "http://",
            "http://:80",
            "http://x:",
            "http://x:0",
            "http://x:1:2",
        ],
        *["http://x:65536", "http://x y", "http://x/\n", "http://x/?token=s3cret", "http://x/#s3cret", "http://x/../y"],
        *["http://user:s3cret@x", "http://s3cret%40x", "http://[::1", "http://[::1%25eth0]", "http://[1.2.3.4]"],
        *["http://1.2.3", "http://x_y", "http://-x", "http://x/%zz", "http://x\\y", "http://ex\u00e4mple", "http://x."],
        *["http://x/" + "y" * 3000],
    ],
)
def test_what_is_no_registry(value: str) -> None:
    """Anything but a plain http or https URL is refused, and what may be a secret is not in the message."""
    with pytest.raises(BadInput) as raised:
        parse_registry(value)
    assert "s3cret" not in raised.value.message
    assert raised.value.message.isprintable()
    if "://" not in value:
        assert "expected 'http://' or 'https://'" in raised.value.message


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--registry", "http://x", "--timeout", "0"],
        ["--registry", "http://x", "--device-name", "a\nb"],
        ["--registry", "http://x", "--device-type", ""],
        ["--registry", "http://x", "--ca", "ca.pem"],
        ["--registry", "https://x", "--client-key", "k.pem"],
        ["--registry", "https://x", "--passphrase-file", "k.pem"],
        ["--registry", "https://x", "--ca", ""],
    ],
)
def test_wrong_usage(made: Made, options: list[str]) -> None:
    """Options that mean nothing, or not together, are wrong usage."""
    ran = run("register", UUID, *options, cwd=made.directory)
    assert (ran.status, len(ran.error_lines)) == (2, 1), ran.err


def test_a_device_must_be_whole(project: Path, devices: Path) -> None:
    """What is not there is exit 4, what is not whole exit 1, and the registry hears of neither."""
    assert run("device", "--uuid", "u1", cwd=project).status == 0
    (devices / "u1" / "pkey.pem").write_bytes(b"")
    with registry(OK) as asked:
        absent = run("register", "u2", "--registry", url(asked), cwd=project)
        broken = run("register", "u1", "--registry", url(asked), cwd=project)
        unnamed = run("register", "--registry", url(asked), cwd=project)
    assert (absent.status, broken.status, unnamed.status) == (4, 1, 2), absent.err + broken.err + unnamed.err
    assert asked.requests == []


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (409, ""),
        (409, "{}"),
        (409, "Conflict"),
        (409, "le dispositif est connu"),
        (409, '"already registered"'),
        (409, '{"timestamp":"2026-01-02T03:04:05.6+00:00","status":409,"error":"Conflict","path":"/api/v1/devices"}'),
        (409, '{"code":"conflict","errorId":"0c9e0f2c-aaaa-bbbb-cccc-dddddddddddd","deviceType":"Other"}'),
        (409, '{"uuid":"U1"}'),
        (409, '{"code":"entity_already_exists"}'),
        (409, '{"code":"conflicting_device","description":"already exists"}'),
        (400, "Device already registered"),
        (400, "device 'i1' is already registered; see u1"),
        (422, '{"error": "device already exists"}'),
        (422, '{"errors": ["A device with this UUID already exists."], "uuid": "u1"}'),
    ],
)
def test_a_refusal_that_means_there_already(status: int, body: str) -> None:
    """An empty or plain 409, and a refusal that says of this device that it is there, is no failure."""
    reply = Reply(status, "", "application/json", None, body.encode())
    assert judged(reply, SAMPLE.identity) is State.THERE


@pytest.mark.parametrize(
    ("status", "body", "is_another"),
    [
        (429, "too many devices already registered", False),
        (429, "device already registered", False),
        (400, "too many devices already registered", False),
        (422, "certificate already exists", False),
        (409, "certificate already exists", False),
        (400, '{"error":"deviceId already exists","uuid":"other-uuid"}', True),
        (409, '{"device":{"uuid":"other-uuid"}}', True),
        (409, '"0c9e0f2c-0000-0000-0000-000000000000"', True),
        (409, "deviceId belongs to UUID 1234", True),
        (409, "device already registered, uuid 1234", True),
        (409, "concurrent update, try again", False),
        (409, "device already exists? retry", False),
        (400, "device is not already registered", False),
        (409, "device isn't registered", False),
        (400, "device name x already exists", True),
        (409, CONFLICT, True),
        (409, '{"code":"conflicting_device"}', True),
        (409, "registered to another device", True),
        (400, "{}", False),
        (400, "", False),
        (401, "device already registered", False),
        (404, "device already exists", False),
        (101, "", False),
    ],
)
def test_a_refusal_that_is_a_failure(status: int, body: str, is_another: bool) -> None:
    """What says nothing of this device being there, or speaks against it, is none; another device's is told as such."""
    with pytest.raises(Failed) as raised:
        judged(Reply(status, "", "application/json", None, body.encode()), SAMPLE.identity)
    assert ("another device has its ID" in raised.value.message) == is_another


def test_a_proxy_that_wants_a_certificate() -> None:
    """Where a server says that it was shown no certificate the hint names the option, whatever its status."""
    page = "<html><head><title>400 No required SSL certificate was sent</title></head></html>"
    with pytest.raises(Failed) as raised:
        judged(Reply(400, "Bad Request", "text/html", None, page.encode()), SAMPLE.identity)
    assert "--client-cert FILE" in raised.value.hint


def test_an_acronym_stays_one(pki: Pki) -> None:
    """What the library says of an address is told as it says it."""
    with registry(OK, context=tls(pki, "other name")) as asked:
        client = Client(parse_registry(f"https://127.0.0.1:{asked.port}"), trust(Path(pem(pki, "root")), None))
        with pytest.raises(OutOfReach, match="hold: IP address mismatch"):
            register(client, SAMPLE, never)


def test_success_has_no_words() -> None:
    """A 2xx with JSON or nothing is success."""
    for status, body in ((200, ""), (204, ""), (200, " \n"), (201, "{}")):
        assert judged(Reply(status, "", "text/plain", None, body.encode()), SAMPLE.identity) is State.REGISTERED


def test_dry_run(made: Made, pki: Pki) -> None:
    """The script needs no network to be printed, and run by bash it sends the same by curl."""
    require(shutil.which("curl") is not None, "no curl")
    with registry(OK, context=tls(pki, "direct")) as asked:
        options = ["--ca", pem(pki, "root"), "--device-name", "it's 'mine'"]
        there = f"https://localhost:{asked.port}"
        printed = made.register(there, *options, "--dry-run")
        assert (printed.status, asked.requests) == (0, []), printed.err
        done = subprocess.run(
            ["bash"], input=printed.out, cwd="/", capture_output=True, text=True, timeout=30, check=False
        )
        assert done.returncode == 0, done.stderr
        assert made.register(there, *options).status == 0
    by_curl, by_tool = asked.requests
    assert (by_curl.line, by_curl.body) == (by_tool.line, by_tool.body)
    for header in ("content-type", "accept"):
        assert by_curl.headers[header] == by_tool.headers[header]
    document = json.loads(made.register(there, *options, "--dry-run", "--json").out)
    assert (document["body"].encode(), document["script"]) == (by_tool.body, printed.out)


def test_what_the_script_leaves_out(made: Made, pki: Pki) -> None:
    """The script says of a passphrase file that curl is not given one, where one is named."""
    own = ["--client-cert", pem(pki, "client"), "--client-key", key(pki, "client")]
    for more, count in (([], 0), (["--passphrase-file", "secret"], 1)):
        printed = made.register("https://localhost:1", *own, *more, "--dry-run")
        assert (printed.status, printed.out.count("# Of '--passphrase-file'")) == (0, count), printed.err


def test_an_approval_holds(made: Made, tmp_path: Path) -> None:
    """Where texts and ca.crt were approved, a registry hears of no device by others; a dry-run is not refused."""
    directory = tmp_path / "approved"
    shutil.copytree(made.directory, directory, symlinks=True)
    approved = made._replace(directory=directory)
    assert run("approve", cwd=directory).status == 0
    own = directory / "own"
    shutil.copytree(CHECKOUT / "templates/procedures/ota-connect-2019.7", own)
    with registry(OK) as asked:
        assert approved.register(url(asked)).status == 0
        ran = approved.register(url(asked), "--procedure", "own")
        assert (ran.status, "procedure: expected" in ran.err) == (3, True), ran.err
        assert approved.register(url(asked), "--procedure", "own", "--dry-run").status == 0
        (directory / "myservername/devices/ca.crt").write_bytes(b"another\n")
        assert approved.register(url(asked)).status == 3
    assert len(asked.requests) == 1


def test_the_script_fails_as_well(made: Made) -> None:
    """Where the registry refuses, the script of a dry-run fails."""
    require(shutil.which("curl") is not None, "no curl")
    with registry(answer("404 Not Found")) as asked:
        printed = made.register(url(asked), "--dry-run")
        done = subprocess.run(
            ["bash"], input=printed.out, cwd="/", capture_output=True, text=True, timeout=30, check=False
        )
    assert (done.returncode, "404" in done.stderr, len(asked.requests)) == (1, True, 1)
