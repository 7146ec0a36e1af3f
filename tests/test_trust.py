"""Who vouches for a gateway, what stays secret while it is asked, and that devices and gateways take what was made."""

import base64
import json
import re
import socket
import ssl
import subprocess
import zipfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pytest

from otaopenssl import vouching
from otaopenssl.environment import environment
from otaopenssl.errors import Failed
from otaopenssl.ids import ServerName
from otaopenssl.outputs import pem_blocks
from otaopenssl.runner import Runner
from otaopenssl.vouching import Examination
from tests.conftest import Ran, openssl, plain_names, require, run, tree, write_program
from tests.servers import CLOSE_NOTIFY, Pki, nginx, replaying, s_server, tcp_server
from tests.test_guide import UUID
from tests.test_hostile import refused

ROOT = ("gateway", "root", "--out", "root.crt")
GENUINE = ("leaf", "intermediate", "root")


@pytest.fixture(scope="session")
def ports(pki: Pki) -> Iterator[dict[tuple[str, ...], int]]:
    """The port of a server for every answer that a test here names."""
    answers = {GENUINE, *(sent for sent, _, _ in [*VOUCHED.values(), *ATTACKS.values()]), *ADVISED}
    with ExitStack() as stack:
        yield {sent: stack.enter_context(s_server(pki, *sent)) for sent in answers}


def pins_of(pki: Pki, *names: str) -> list[str]:
    """``--pin`` for each of the certificates, or for its key where KEY: stands before the name."""
    digests = [pki.spki_sha256(name[4:]) if name.startswith("KEY:") else pki.sha256(name) for name in names]
    return [f"--pin=sha256:{digest}" for digest in digests]


def zipped(path: Path, pki: Pki, *members: str) -> str:
    """A credentials.zip with server_ca.pem of the certificates, or, after P12:, autoprov_credentials.p12 with them."""
    with zipfile.ZipFile(path / "credentials.zip", "w") as archive:
        archive.writestr("autoprov.url", "https://localhost:443")
        if members and members[0] == "P12:":
            (path / "cas.pem").write_bytes(pki.pem(*members[1:]))
            own = ["-in", str(pki.directory / "alone.pem"), "-inkey", str(pki.directory / "alone.key")]
            export = ["pkcs12", "-export", *own, "-certfile", "cas.pem", "-passout", "pass:", "-out", "a.p12"]
            openssl(*export, cwd=path)
            archive.write(path / "a.p12", "autoprov_credentials.p12")
            (path / "a.p12").unlink()
            (path / "cas.pem").unlink()
        elif members:
            archive.writestr("server_ca.pem", pki.pem(*members))
    return "credentials.zip"


# What a gateway sends, what is pinned, and what the archive holds, which vouch for it.
Case = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...] | None]
BOTH = ("leaf", "intermediate", "root", "cross", "old root")
CROSS = ("leaf", "intermediate", "cross", "old root")
VOUCHED: dict[str, Case] = {
    **{f"pin of {name}": (GENUINE, (name,), None) for name in GENUINE},
    **{f"pin of the key of {name}": (GENUINE, (f"KEY:{name}",), None) for name in GENUINE},
    "leaf only": (("direct",), ("direct",), None),
    "self-signed": (("alone",), ("KEY:alone",), None),
    "leaf for another name": (("other name", "root"), ("other name",), None),
    "root twice": (("direct", "root", "root"), ("root",), None),
    "one of three pins": (GENUINE, ("attacker's root", "root", "alone"), None),
    "key of a root that is sent as cross-signed": (CROSS, ("KEY:root",), None),
    "root and cross, pin of the root": (BOTH, ("root",), None),
    "root and cross, pin of the other root": (BOTH, ("old root",), None),
    "root and cross, pin of the leaf": (BOTH, ("leaf",), None),
    "root and cross, CA": (BOTH, (), ("old root",)),
    "root and cross, turned": (("leaf", "old root", "root", "cross", "intermediate"), ("old root",), None),
    "expired": (("expired", "root"), ("root",), None),
    "server_ca.pem": (GENUINE, (), ("root",)),
    "server_ca.pem, of the intermediate": (GENUINE, (), ("intermediate",)),
    "server_ca.pem, of two": (GENUINE, (), ("attacker's root", "root")),
    "server_ca.pem, root not sent": (("leaf", "intermediate"), (), ("root",)),
    "server_ca.pem, cross-signed": (CROSS, (), ("root",)),
    "server_ca.pem and pin": (GENUINE, ("leaf",), ("root",)),
    "PKCS#12": (GENUINE, (), ("P12:", "root")),
    "PKCS#12, two": (GENUINE, (), ("P12:", "old root", "root")),
    "archive without a CA, and a pin": (GENUINE, ("root",), ()),
}
ATTACKS: dict[str, Case] = {
    "wrong pin": (GENUINE, ("old root",), None),
    "wrong pins": (GENUINE, ("old root", "KEY:alone"), None),
    "pinned root beside another leaf": (("attacker's leaf", "attacker's root", "root"), ("root",), None),
    "pinned key beside another leaf": (("attacker's leaf", "root"), ("KEY:root",), None),
    "pinned root of the same name": (("forged leaf", "root"), ("root",), None),
    "pinned root and a forged one of its name": (("forged leaf", "forged root", "root"), ("root",), None),
    "pinned leaf, not as the leaf": (("attacker's leaf", "attacker's root", "leaf"), ("leaf",), None),
    "signed by a leaf": (("under a leaf", "direct", "root"), ("root",), None),
    "signed by a pinned leaf": (("under a leaf", "direct", "root"), ("direct",), None),
    "one more root, pin": ((*GENUINE, "attacker's root"), ("root",), None),
    "one more root, pin of the leaf": ((*GENUINE, "attacker's root"), ("leaf",), None),
    "one more root, both pinned": ((*GENUINE, "forged root"), ("root",), None),
    "one more root, CA": ((*GENUINE, "attacker's root"), (), ("root",)),
    "a client's certificate, CA": (("client", "root"), (), ("root",)),
    "a client's certificate, pin": (("client", "root"), ("root",), None),
    "above the pin, for another name": (("other name", "cross", "old root"), ("KEY:root",), None),
    "above the pin, expired": (("expired", "cross", "old root"), ("KEY:root",), None),
    "above the CA, for another name": (("other name", "cross", "old root"), (), ("root",)),
    "wrong server_ca.pem": (GENUINE, (), ("old root",)),
    "server_ca.pem beside another leaf": (("attacker's leaf", "root"), (), ("root",)),
    "right pin, wrong server_ca.pem": (GENUINE, ("root",), ("old root",)),
    "wrong pin, right server_ca.pem": (GENUINE, ("old root",), ("root",)),
    "wrong PKCS#12": (GENUINE, (), ("P12:", "old root")),
    "right pin, wrong PKCS#12": (GENUINE, ("root",), ("P12:", "old root")),
}


# What one can send who has the key of none of it, so that the handshake does not finish.
UNPROVEN: dict[str, Case] = {
    "forged cross, CA": (("direct", "forged cross", "attacker's root"), (), ("root",)),
    "forged cross, pin of the leaf": (("direct", "forged cross", "attacker's root"), ("direct",), None),
    "forged cross, pin of the leaf's key": (("direct", "forged cross", "attacker's root"), ("KEY:direct",), None),
    "forged cross, pin of the root's key": (("direct", "forged cross", "attacker's root"), ("KEY:root",), None),
    "forged cross and root, pin and CA": (("direct", "forged cross", "root", "attacker's root"), ("root",), ("root",)),
    "forged cross as the leaf, CA": (("forged cross", "attacker's root"), (), ("root",)),
    "forged cross as the leaf, pin": (("forged cross", "attacker's root"), ("KEY:root",), None),
    "forged root with the key, CA": (("direct", "forged expired"), (), ("root",)),
    "forged root with the key, pin": (("direct", "forged expired"), ("KEY:root",), None),
    "forged root with the key beside root": (("direct", "forged expired", "root"), ("root",), None),
    "one more root, pin": (("direct", "root", "attacker's root"), ("root",), None),
    "genuine, pin of the leaf": (("direct", "root"), ("direct",), None),
}
# The same, but nothing in it is anybody else's.
UNPROVEN_GENUINE: dict[str, Case] = {
    "pin of the root": (("direct", "root"), ("root",), None),
    "CA": (("direct", "root"), (), ("root",)),
    "pin of the root's key": (("direct", "root"), ("KEY:root",), None),
    "pins of both": (("direct", "root"), ("direct", "root"), None),
}


def asking(tmp_path: Path, pki: Pki, case: Case, ports: dict[tuple[str, ...], int]) -> list[str]:
    sent, pins, archive = case
    gateway = "--gateway=localhost" if archive is None else f"--credentials={zipped(tmp_path, pki, *archive)}"
    return [gateway, f"--port={ports[sent]}", *pins_of(pki, *pins)]


@pytest.mark.parametrize("case", VOUCHED.values(), ids=VOUCHED.keys())
def test_gateways_that_are_vouched_for(tmp_path: Path, pki: Pki, ports: dict[tuple[str, ...], int], case: Case) -> None:
    """A chain that leads to a pin, and to the CA of the archive where it holds one, is taken; and it is said why."""
    arguments = asking(tmp_path, pki, case, ports)
    before = tree(tmp_path)
    ran = run(*ROOT, *arguments, cwd=tmp_path)
    assert ran.status == 0, ran.err
    assert (tmp_path / "root.crt").read_bytes() == pki.pem(*case[0])
    assert {*tree(tmp_path)} == {*before, "root.crt"}
    _, pins, archive = case
    by = ["the CA in credentials.zip"] * bool(archive) + ["a pin" if len(pins) > 1 else "the pin"] * bool(pins)
    assert f"\n  vouched for by {' and '.join(by)}\n" in ran.err
    assert "nothing vouches" not in ran.err
    document = json.loads(run(*ROOT, *arguments, "--json", cwd=tmp_path).out)
    assert document["vouched_for_by"] == by


@pytest.mark.parametrize("case", ATTACKS.values(), ids=ATTACKS.keys())
def test_gateways_that_are_not(tmp_path: Path, pki: Pki, ports: dict[tuple[str, ...], int], case: Case) -> None:
    """Whatever is sent along, a leaf that does not lead to all that has to vouch for it is refused, and named."""
    err = refused(tmp_path, *ROOT, *asking(tmp_path, pki, case, ports), status=1, saying=f"localhost:{ports[case[0]]}")
    for name in set(case[0]):
        assert pki.sha256(name).replace(":", "").lower() in err


def replayed(pki: Pki, case: Case, ending: bytes = b"") -> AbstractContextManager[int]:
    ders = [block.der or b"" for block in pem_blocks(pki.pem(*case[0]))]
    return tcp_server(replaying(*ders, ending=ending))


# After a close_notify s_client ends with exit status 0, as after a good handshake.
@pytest.mark.parametrize("ending", [b"", CLOSE_NOTIFY], ids=["hangs up", "close_notify"])
@pytest.mark.parametrize("case", UNPROVEN.values(), ids=UNPROVEN.keys())
def test_certificates_of_others_prove_nothing(tmp_path: Path, pki: Pki, case: Case, ending: bytes) -> None:
    """Who has the key of none of them cannot have a certificate of his own accepted beside those of others."""
    with replayed(pki, case, ending) as port:
        arguments = asking(tmp_path, pki, case, {case[0]: port})
        err = refused(tmp_path, *ROOT, *arguments, status=1)
    assert re.search("cannot vouch for|does not (lead|belong) to", err)
    # Nobody is told to pin what may be an attacker's.
    assert "--pin sha256:" not in err


@pytest.mark.parametrize("case", UNPROVEN_GENUINE.values(), ids=UNPROVEN_GENUINE.keys())
def test_certificates_that_are_all_vouched_for_need_no_proof(tmp_path: Path, pki: Pki, case: Case) -> None:
    """A gateway that demands a certificate ends the handshake; what it sent is good where each of it is vouched for."""
    with replayed(pki, case) as port:
        ran = run(*ROOT, *asking(tmp_path, pki, case, {case[0]: port}), cwd=tmp_path)
    assert ran.status == 0, ran.err
    assert (tmp_path / "root.crt").read_bytes() == pki.pem(*case[0])


def examined(tmp_path: Path, real_openssl: str, content: bytes) -> Examination:
    runner = Runner(real_openssl, environment(ServerName("s")))
    return Examination(pem_blocks(content), runner, tmp_path)


def test_a_certificate_that_is_not_in_der(tmp_path: Path, pki: Pki, real_openssl: str) -> None:
    """Openssl takes a certificate in another form for its signed twin, so that only one form is looked at."""
    assert len(examined(tmp_path, real_openssl, pki.pem("direct", "root")).chain) == 2
    (der,) = (block.der or b"" for block in pem_blocks(pki.pem("root")))
    # The same length in three bytes where two are enough.
    twin = der[:1] + b"\x83\x00" + der[2:4] + der[4:]
    body = base64.b64encode(twin).decode()
    lines = [body[start : start + 64] for start in range(0, len(body), 64)]
    pem = "\n".join(["-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""]).encode()
    (tmp_path / "twin.pem").write_bytes(pem)
    assert der[1] == 0x82
    openssl("x509", "-in", "twin.pem", "-noout", cwd=tmp_path)
    with pytest.raises(Failed, match="not in DER"):
        examined(tmp_path, real_openssl, pki.pem("direct", "root") + pem)


def test_how_much_is_looked_at_is_bounded(
    tmp_path: Path, pki: Pki, real_openssl: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many certificates of one name must not keep the tool busy for ever."""
    monkeypatch.setattr(vouching, "_MOST_SIGNER_CHECKS", 2)
    with pytest.raises(Failed, match="more certificates of one name"):
        examined(tmp_path, real_openssl, pki.pem(*BOTH))


def test_a_device_needs_the_pin_too(project: Path, pki: Pki, ports: dict[tuple[str, ...], int]) -> None:
    """With `device`, a wrong pin leaves no device, and the right one a whole device whose document tells of it."""
    arguments = ["device", "--uuid", UUID, "--gateway", "localhost", f"--port={ports[GENUINE]}"]
    names = {*tree(project)}
    ran = run(*arguments, *pins_of(pki, "old root"), cwd=project)
    assert (ran.status, ran.out, len(ran.error_lines)) == (1, "", 1), ran.err
    assert {*tree(project)} - names <= {"myservername/devices/ca.srl"}
    made = run(*arguments, *pins_of(pki, "root"), "--json", cwd=project)
    document = json.loads(made.out)
    assert document["gateway"]["vouched_for_by"] == ["the pin"]
    mode = (project / "myservername/devices" / UUID / "root.crt").stat().st_mode
    assert document["files"]["root.crt"] == f"{mode & 0o7777:04o}"


def test_what_is_above_a_pin_is_warned_of(tmp_path: Path, pki: Pki, ports: dict[tuple[str, ...], int]) -> None:
    """What stands above a pin is taken where the gateway has proved to be the one that is meant, with a warning."""
    arguments = [*ROOT, "--gateway=localhost", f"--port={ports[GENUINE]}"]
    ran = run(*arguments, *pins_of(pki, "intermediate"), cwd=tmp_path)
    assert ran.err.count("otaopenssl: warning:") == 1
    digest = pki.sha256("root").replace(":", "").lower()
    assert f"nothing but the gateway itself vouches for the root 'CN=Example Root' sha256:{digest}" in plain_names(
        ran.err
    )


@pytest.mark.parametrize("form", ["base64", "upper case", "plain"])
def test_forms_of_a_pin(tmp_path: Path, pki: Pki, ports: dict[tuple[str, ...], int], form: str) -> None:
    """A pin may be written as openssl, as sha256sum or as curl writes it."""
    digest = pki.spki_sha256("root").replace(":", "")
    pin = {"base64": base64.b64encode(bytes.fromhex(digest)).decode(), "upper case": digest.upper(), "plain": digest}
    arguments = ["--gateway=localhost", f"--port={ports[GENUINE]}", f"--pin=sha256:{pin[form]}"]
    assert run(*ROOT, *arguments, cwd=tmp_path).status == 0


# What a gateway sends → whose pin is advised.
ADVISED = {
    GENUINE: "root",
    ("leaf", "intermediate"): "intermediate",
    ("direct",): "direct",
    ("leaf", "root", "intermediate"): "root",
    ("direct", "attacker's root"): "direct",
    ("direct", "root", "attacker's root"): "root",
}


@pytest.mark.parametrize(("sent", "advised"), ADVISED.items())
def test_the_pin_that_is_advised(
    tmp_path: Path, pki: Pki, ports: dict[tuple[str, ...], int], sent: tuple[str, ...], advised: str
) -> None:
    """Where nothing vouches, everything is taken, strangers with a warning; the advised pin is of the leaf's chain."""
    arguments = [*ROOT, "--gateway=localhost", f"--port={ports[sent]}"]
    ran = run(*arguments, cwd=tmp_path)
    assert ran.status == 0, ran.err
    assert "nothing vouches for it" in ran.err
    has_stranger = "attacker's root" in sent
    assert ("'CN=Attacker Root' does not belong to the leaf's chain" in plain_names(ran.err)) is has_stranger
    (pin,) = re.findall("'(--pin sha256:[0-9a-f]{64})'", ran.err)
    assert [f"--pin=sha256:{pki.sha256(advised).replace(':', '').lower()}"] == [pin.replace(" ", "=")]
    assert run(*arguments, *pin.split(), cwd=tmp_path).status == (1 if has_stranger else 0)


def test_secrets_are_kept(project: Path, pki: Pki, real_openssl: str) -> None:
    """What s_client prints of the session is in no output and no file, in whatever way it is asked, good or bad."""
    seen, temporary = project.parent / "seen", project.parent / "temporary"
    temporary.mkdir()
    body = f'[ "$1" = s_client ] || exec {real_openssl} "$@"\n{real_openssl} "$@" | tee -a {seen}\n'
    program = write_program(project.parent / "openssl", f"#!/bin/bash\n{body}")
    said: list[Ran] = []
    for options in (["-tls1_2"], ["-tls1_3"]):
        for names in (("direct", "root"), ("begin", "root")):
            with s_server(pki, *names, options=tuple(options)) as port:
                arguments = ["--gateway=localhost", f"--port={port}", f"--openssl={program}", "-v"]
                for command in (ROOT, ("device",)):
                    for form in ([], ["--json"], pins_of(pki, "alone")):
                        said.append(run(*command, *arguments, *form, cwd=project, env={"TMPDIR": str(temporary)}))
    assert {ran.status for ran in said} == {0, 1}
    assert tree(temporary) == {}
    printed = seen.read_text("latin-1")
    secrets = re.findall(r"^ +(?:Master-Key|Session-ID|Resumption PSK): ([0-9A-F]{32,})$", printed, re.MULTILINE)
    assert len(set(secrets)) >= 12
    told = "".join(ran.out + ran.err for ran in said)
    files = b"".join(path.read_bytes() for path in project.rglob("*") if path.is_file() and path.suffix != ".key")
    held = told + files.decode("latin-1")
    for secret in (*secrets, "Master-Key", "Session-ID", "Resumption PSK", "TLS session ticket"):
        assert secret not in held
    assert "PRIVATE KEY" not in told


def test_secrets_of_the_archive_are_kept(
    tmp_path: Path, pki: Pki, ports: dict[tuple[str, ...], int], logging_openssl: tuple[Path, Path]
) -> None:
    """The private key in autoprov_credentials.p12 reaches no argument, environment, output or disk."""
    program, log = logging_openssl
    arguments = asking(tmp_path, pki, (GENUINE, (), ("P12:", "root")), ports)
    ran = run(*ROOT, *arguments, "-v", f"--openssl={program}", cwd=tmp_path)
    assert ran.status == 0, ran.err
    key = (pki.directory / "alone.key").read_text().splitlines()[1]
    assert "PRIVATE KEY" not in ran.out + ran.err + log.read_text()
    assert key not in ran.out + ran.err + log.read_text()


def device_cn(port: int, root: Path, device: Path, version: ssl.TLSVersion) -> str:
    """What the gateway answers to Python's ssl as a device that trusts ``root``."""
    context = ssl.create_default_context(cafile=str(root))
    # The basic constraints of OTA Community Edition's CA are not critical, which Python 3.13 minds and no device does.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.minimum_version = context.maximum_version = version
    context.load_cert_chain(device / "client.pem", device / "pkey.pem")
    with (
        socket.create_connection(("127.0.0.1", port), 30) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as tls,
    ):
        tls.sendall(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
        answer = b"".join(iter(lambda: tls.recv(4096), b""))
    return answer.decode().partition("\r\n\r\n")[2]


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_third_parties(project: Path, version: str) -> None:
    """curl and Python's ssl, with the device directory alone, are let in by the gateway as the device that they are."""
    server = ("--server-name", "localhost")
    assert run("root", *server, cwd=project).status == 0
    assert run("server", *server, cwd=project).status == 0
    files = project / "localhost"
    chain, key, ca = files / "server.chain.pem", files / "server.key", files / "devices" / "ca.crt"
    with nginx(project.parent / "nginx", chain, key, ca, f"TLSv{version}") as port:
        made = run("device", *server, "--uuid", UUID, "--gateway", "localhost", f"--port={port}", cwd=project)
        assert made.status == 0, made.err
        device = project / made.out.strip()
        exactly = ssl.TLSVersion.TLSv1_2 if version == "1.2" else ssl.TLSVersion.TLSv1_3
        assert device_cn(port, device / "root.crt", device, exactly) == UUID
        curl = ["curl", "-sS", "-m", "30", "--noproxy", "*", f"--tlsv{version}", "--tls-max", version]
        curl += ["--cacert", "root.crt", "-w", " %{http_code}", f"https://localhost:{port}/"]

        def asked(*own: str) -> str:
            return subprocess.run([*curl, *own], cwd=device, check=True, capture_output=True, text=True).stdout

        require(subprocess.run(["curl", "--version"], check=False, capture_output=True).returncode == 0, "no curl")
        assert asked("--cert", "client.pem", "--key", "pkey.pem") == f"{UUID} 200"
        assert asked().endswith(" 400")
