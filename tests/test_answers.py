"""What a server answers: judged from s_client's text alone, and from bad servers, which change nothing anywhere."""

import base64
import re
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from otaopenssl.answer import answer_fault, certificate_lines, parse_answer
from otaopenssl.chain import Certificate, Role, chain_warnings, parse_pin
from otaopenssl.errors import BadInput
from otaopenssl.outputs import CertificateReport
from tests.conftest import run, tree
from tests.servers import PEERS, Pki, refusing, s_server, tcp_server
from tests.test_hostile import refused


def block(content: bytes = bytes(150), label: str = "CERTIFICATE", line_end: str = "\n", width: int = 64) -> bytes:
    """A PEM block of one DER SEQUENCE."""
    body = base64.b64encode(b"\x30\x82" + len(content).to_bytes(2) + content).decode()
    lines = [body[start : start + width] for start in range(0, len(body), width)]
    return line_end.join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""]).encode()


ONE, TWO = block(), block(bytes(200))
BEGIN, END = b"-----BEGIN CERTIFICATE-----\n", b"-----END CERTIFICATE-----\n"
DONE = b"---\nVerify return code: 0 (ok)\n    Master-Key: 0123\n---\n"
WHOLE = {
    "one": (ONE, 1),
    "two": (ONE + TWO, 2),
    "words around": (b"CONNECTED(3)\n 0 s:CN = x\n" + ONE + b" 1 s:CN = y\n\n" + TWO + DONE, 2),
    "100": (ONE * 100, 100),
    "bytes around": (b"\x00\xff\x1b[31m\n" + ONE + b"\xfe\n" + TWO, 2),
}
SPOILT = {
    "carriage returns": ONE + block(line_end="\r\n"),
    "longer lines": ONE + block(width=76),
    "one long line": block(width=1000) + ONE,
    "garbage within": ONE[:60] + b"\n!!!\n" + ONE[60:],
    "a word within": ONE.replace(END, b"s:CN = x\n" + END),
    "no newline at the end": ONE + TWO[:-1],
    "cut off": ONE + TWO[:80],
    "cut off before another": ONE[:80] + b"\n" + TWO,
    "cut off in the last line": ONE + TWO[:-5],
    "base64 of something else": BEGIN + b"AAAA\n" + END,
    "no base64": BEGIN + b"?\n" + END,
    "empty": BEGIN + END,
    "der that goes on": block()[: -len(END)] + b"AAAA\n" + END,
    "der that is cut": BEGIN + b"".join(ONE.splitlines(True)[1:-2]) + END,
    "another label inside": BEGIN + block(label="PRIVATE KEY") + END,
    "another end": BEGIN + ONE.splitlines(True)[1] + b"-----END TRUSTED CERTIFICATE-----\n" + ONE,
    "begun in a subject": b" 0 s:CN = -----BEGIN CERTIFICATE-----\n" + ONE,
    "ended in a subject": ONE + b" 1 s:CN = -----BEGIN CERTIFICATE-----\n" + b"i:CN = -----END CERTIFICATE-----\n",
    "indented": b" " + ONE,
    "101": ONE * 101,
}


@pytest.mark.parametrize(("answer", "count"), WHOLE.values(), ids=WHOLE.keys())
def test_answers_that_are_taken(answer: bytes, count: int) -> None:
    """Whole certificates are taken, and what stands outside them is dropped."""
    blocks = parse_answer(answer)
    assert (len(blocks), answer_fault(answer, b"verify error")) == (count, None)
    assert {found.text + b"\n" for found in blocks} <= {ONE, TWO}


@pytest.mark.parametrize("answer", SPOILT.values(), ids=SPOILT.keys())
@pytest.mark.parametrize("around", [b"", DONE])
def test_answers_that_are_refused(answer: bytes, around: bytes) -> None:
    """Where sed would keep one line that is not a certificate's, all is refused; no word of it is repeated."""
    assert parse_answer(answer + around) == ()
    assert re.fullmatch(
        "sent something that begins like a certificate and is none|sent 101 certificates, at most 100 are taken",
        str(answer_fault(answer + around, b"s:CN = x")),
    )


@pytest.mark.parametrize("answer", [*(answer for answer, _ in WHOLE.values()), *SPOILT.values(), DONE, b"", b"\n\n"])
def test_what_sed_keeps(answer: bytes) -> None:
    """The lines that are kept are those that the guide's sed keeps, to the byte."""
    script = "/-BEGIN CERTIFICATE-/,/-END CERTIFICATE-/p"
    kept = subprocess.run(["sed", "-n", script], input=answer, capture_output=True, check=True, env={"LC_ALL": "C"})
    assert certificate_lines(answer) == kept.stdout


@pytest.mark.parametrize(
    ("stderr", "fault"),
    [
        (b"8000006F:system library:BIO_connect:Connection refused:calling connect()", "refused the connection"),
        (b"10080002:BIO routines:BIO_lookup_ex:system lib:Name or service not known", "is not known by that name"),
        (b"0A000458:SSL routines:ssl3_read_bytes:tlsv1 unrecognized name:SSL alert number 112", "does not know this"),
        (b"0A00010B:SSL routines:ssl3_get_record:wrong version number:", "does not speak TLS"),
        (b"0A00042E:SSL routines:ssl3_read_bytes:tlsv1 alert protocol version:SSL alert number 70", "speaks only"),
        (b"write:errno=104", "hung up before"),
        (b"Connecting to 127.0.0.1\nstrange \x1b[31m\xff", "sent no certificate: strange "),
        (b"", "sent no certificate"),
    ],
)
def test_why_there_is_no_certificate(stderr: bytes, fault: str) -> None:
    """The reason is told in words, from standard error alone, and nothing in it steers a terminal."""
    words = answer_fault(DONE, stderr)
    assert words is not None
    assert words.startswith(fault)
    assert words.isprintable()


DIGEST = "00ff" * 16
PINS = {
    "plain": DIGEST,
    "upper case": DIGEST.upper(),
    "colons": ":".join(["00", "FF"] * 16),
    "base64": base64.b64encode(bytes.fromhex(DIGEST)).decode(),
}


@pytest.mark.parametrize("value", PINS.values(), ids=PINS.keys())
@pytest.mark.parametrize("prefix", ["sha256:", "SHA256:"])
def test_pins(prefix: str, value: str) -> None:
    """Every form in which tools print a digest means the same digest."""
    assert parse_pin(prefix + value) == DIGEST


NO_PINS = ["", "sha256", "sha256:", DIGEST, f"sha1:{DIGEST[:40]}", f"sha256:{DIGEST[1:]}", f"sha256:{DIGEST}0"]
NO_PINS += [f"sha256:{DIGEST}\n", f"sha256: {DIGEST}", f"sha256:{DIGEST[1:]}g", f"sha256:{DIGEST[1:]}٣", "sha256:é"]
NO_PINS += [f"sha256:{PINS['base64'][:-1]}", f"sha256:{PINS['base64']}=", f"sha256//{PINS['base64']}", "pin\x1b[31m"]


@pytest.mark.parametrize("value", NO_PINS)
def test_malformed_pins(tmp_path: Path, value: str) -> None:
    """Anything else is refused, by the command too, before anything is asked."""
    with pytest.raises(BadInput):
        parse_pin(value)
    for command in (("gateway", "root", "--out", "root.crt"), ("device",)):
        refused(tmp_path, *command, "--gateway", "localhost", f"--pin={value}", status=2)


NOW = datetime(2026, 11, 24, tzinfo=UTC)
DAY = timedelta(days=1)


def certificate(role: Role, key: tuple[str, int | None], signature: str, begins: int, ends: int) -> Certificate:
    """A made-up one, valid from so many days from now to so many."""
    times = NOW + begins * DAY, NOW + ends * DAY
    report = CertificateReport(3, 1, "CN = x", "CN = y", *times, signature, *key, None, False, None, False, None)
    return Certificate("", "", report, role, role is Role.ROOT)


EC, SHA256 = ("id-ecPublicKey", 256), "ecdsa-with-SHA256"
WARNED: list[tuple[Role, tuple[str, int | None], str, int, int, str]] = [
    (Role.LEAF, EC, SHA256, -1, 1, ""),
    (Role.LEAF, EC, SHA256, 0, 0, ""),
    (Role.LEAF, EC, SHA256, -2, -1, "expired on 2026-11-23"),
    (Role.LEAF, EC, SHA256, 1, 2, "is not valid before 2026-11-25"),
    (Role.LEAF, ("rsaEncryption", 2048), "sha256WithRSAEncryption", -1, 1, ""),
    (Role.LEAF, ("rsaEncryption", 2047), "sha256WithRSAEncryption", -1, 1, "weak key: rsaEncryption of 2047 bits"),
    (Role.LEAF, ("id-ecPublicKey", 192), SHA256, -1, 1, "weak key: id-ecPublicKey of 192 bits"),
    (Role.LEAF, ("ED25519", None), "ED25519", -1, 1, ""),
    (Role.LEAF, EC, "sha1WithRSAEncryption", -1, 1, "weak signature: sha1WithRSAEncryption"),
    (Role.LEAF, EC, "ecdsa-with-SHA1", -1, 1, "weak signature"),
    (Role.LEAF, EC, "dsaWithSHA1", -1, 1, "weak signature"),
    (Role.LEAF, EC, "md5WithRSAEncryption", -1, 1, "weak signature"),
    (Role.LEAF, EC, "ecdsa-with-SHA3-512", -1, 1, ""),
    (Role.LEAF, EC, "RSA-SHA512/256", -1, 1, ""),
    (Role.INTERMEDIATE, EC, "sha1WithRSAEncryption", -1, 1, "weak signature"),
    (Role.ROOT, EC, "sha1WithRSAEncryption", -1, 1, ""),
    (Role.ROOT, ("rsaEncryption", 1024), SHA256, -1, 1, "weak key"),
    (Role.UNRELATED, EC, SHA256, -1, 1, "does not belong to the leaf's chain"),
]


@pytest.mark.parametrize(("role", "key", "signature", "begins", "ends", "saying"), WARNED)
def test_warnings(role: Role, key: tuple[str, int | None], signature: str, begins: int, ends: int, saying: str) -> None:
    """What will go wrong with one certificate of a chain is said once, and nothing else is."""
    chain = [certificate(Role.LEAF, EC, SHA256, -1, 1), certificate(Role.ROOT, EC, SHA256, -1, 1)]
    chain.insert(0 if role is Role.LEAF else 1, certificate(role, key, signature, begins, ends))
    found = chain_warnings(chain, "localhost", is_name_right=True, is_server=True, now=NOW)
    assert len(found) == (1 if saying else 0), found
    assert saying in "".join(found)


def _tls(*names: str, options: tuple[str, ...] = ()) -> Callable[[Pki], AbstractContextManager[int]]:
    return lambda pki: s_server(pki, *names, options=options)


def _peer(kind: str) -> Callable[[Pki], AbstractContextManager[int]]:
    return lambda pki: tcp_server(PEERS[kind])


SNI = ("-servername", "other.example", "-servername_fatal", "-cert2", "direct.pem", "-key2", "direct.key")
LATE = "did not answer within 0.7 seconds"
BAD: dict[str, tuple[Callable[[Pki], AbstractContextManager[int]], str]] = {
    "unknown": (lambda pki: nullcontext(443), "is not known by that name|cannot be looked up|did not answer"),
    "refuses": (lambda pki: refusing(), "refused the connection"),
    "silent": (_peer("silent"), LATE),
    "trickles": (_peer("trickling"), LATE),
    "plain HTTP": (_peer("plain HTTP"), "does not speak TLS"),
    "closes at once": (_peer("closes at once"), "hung up before it had sent a certificate"),
    "resets": (_peer("resets"), "hung up before it had sent a certificate"),
    "SSH": (_peer("SSH"), "does not speak TLS"),
    "floods": (_peer("floods"), f"does not speak TLS|{LATE}"),
    "no certificate": (_tls(options=("-nocert",)), "refused the handshake, .*|hung up before .*"),
    "SNI": (_tls("direct", "root", options=SNI), r"does not know this server name \(SNI\)"),
    "subject": (_tls("begin", "root"), "sent something that begins like a certificate and is none"),
    "101": (_tls("direct", *["root"] * 100), "sent 101 certificates, at most 100 are taken"),
}


@pytest.mark.parametrize(("server", "saying"), BAD.values(), ids=BAD.keys())
def test_bad_servers(
    project: Path, devices: Path, pki: Pki, server: Callable[[Pki], AbstractContextManager[int]], saying: str
) -> None:
    """One error says what the server did; no root.crt is made or replaced, and no device is."""
    assert run("device", "--uuid", "u1", cwd=project).status == 0
    root = ["gateway", "root"]
    host = "nosuch.invalid" if "known" in saying else "localhost"
    with server(pki) as port:
        arguments = ["--gateway", host, "--port", str(port), "--timeout", "0.7"]
        said = [refused(project, *root, "--uuid", "u1", *arguments, status=1)]
        said.append(refused(project, *root, "--out", "new.crt", *arguments, status=1))
        (devices / "u1" / "root.crt").write_text("an old one\n")
        said.append(refused(project, *root, "--uuid", "u1", "--force", *arguments, status=1))
        before = tree(project)
        ran = run("device", "--uuid", "u2", *arguments, cwd=project)
    assert (ran.status, ran.out) == (1, "")
    # A serial number that was signed with is used up.
    serial = str(devices.relative_to(project) / "ca.srl")
    assert tree(project) == before | {serial: tree(project)[serial]}
    for words in (*said, ran.err):
        assert re.match(f"otaopenssl: error: gateway '{host}:{port}' (?:{saying})\n", words), words


OPTIONS = [
    *(("--timeout", value) for value in ("0", "-0.0", "-1", "nan", "inf", "1e9", "86400.5", "abc", "")),
    *(("--port", value) for value in ("0", "-1", "65536", "99999999999999999999", "80.0", "https", "abc", "")),
]


@pytest.mark.parametrize(("option", "value"), OPTIONS)
def test_times_and_ports_that_are_none(project: Path, option: str, value: str) -> None:
    """A time-out is more than nothing and at most a day; a port, which openssl takes modulo, is one of 1 to 65535."""
    for command in (("gateway", "root", "--out", "root.crt"), ("device",)):
        refused(project, *command, "--gateway", "localhost", f"{option}={value}", status=2)
    refused(project, "device", "--dry-run", "--gateway", "localhost", f"{option}={value}", status=2)


def test_the_time_out_that_is_told(project: Path) -> None:
    """A silent gateway is given up after its seconds, which the error names."""
    with tcp_server(PEERS["silent"]) as port:
        arguments = ["--gateway", "localhost", "--port", str(port), "--timeout", "2"]
        saying = f"gateway 'localhost:{port}' did not answer within 2 seconds\n"
        refused(project, "gateway", "root", "--out", "root.crt", *arguments, status=1, saying=saying)
