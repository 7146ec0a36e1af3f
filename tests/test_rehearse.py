"""`otaopenssl rehearse`: the whole guide against real gateways, openssl's own and nginx."""

import json
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from otaopenssl.texts import DEFAULT_PROCEDURE, find_procedure
from tests.conftest import GUIDE_PATH, Ran, openssl, require, run, tree, write_program
from tests.servers import nginx, refusing

TRIALS = [
    f"{who}, TLS {version}"
    for who in ("the device", "no certificate", "a certificate of another root")
    for version in ("1.2", "1.3")
]


def table(ran: Ran) -> dict[str, tuple[str, str, str]]:
    """The rows of the printed table: what was tried → its mark, what it must be and what it was."""
    rows = [re.split(r" {2,}", line) for line in ran.out.splitlines()[1:]]
    return {what: (mark, expected, found) for mark, what, expected, found in rows}


def processes() -> str:
    return subprocess.run(["pgrep", "-a", "openssl"], capture_output=True, text=True, check=False).stdout


@pytest.mark.real
def test_all_is_as_it_must_be(tmp_path: Path) -> None:
    """The device is accepted, both strangers are refused, with each version of TLS; nothing is left, nothing runs."""
    project, temporary = tmp_path / "project", tmp_path / "tmp"
    project.mkdir()
    temporary.mkdir()
    done = run("rehearse", cwd=project, env={"TMPDIR": str(temporary)})
    assert done.status == 0, done.err
    rows = table(done)
    assert list(rows) == ["root.crt by the guide's s_client line", *TRIALS]
    assert {mark for mark, _, _ in rows.values()} == {"ok"}
    assert rows["the device, TLS 1.3"][1:] == ("accepted", "accepted: HTTP 200 ok")
    assert rows["no certificate, TLS 1.3"][1:] == ("refused", "refused: TLS alert 116 certificate required")
    assert tree(project) == tree(temporary) == {}
    assert str(temporary) not in processes()


def test_kept(tmp_path: Path) -> None:
    """--keep DIR leaves everything there, the device whole; a directory that is there is refused."""
    done = run("rehearse", "--keep", "kept", "--uuid", "d1", "--server-name", "ota.example", "--json", cwd=tmp_path)
    assert done.status == 0, done.err
    document = json.loads(done.out)
    assert document["is_good"] is True
    assert [row["what"] for row in document["tried"]][1:] == TRIALS
    device = tmp_path / "kept" / "ota.example" / "devices" / "d1"
    assert (device / "root.crt").read_bytes() == (tmp_path / "kept/ota.example/server.chain.pem").read_bytes()
    assert (tmp_path / "kept").stat().st_mode & 0o777 == 0o700
    before = tree(tmp_path)
    again = run("rehearse", "--keep", "kept", cwd=tmp_path)
    assert again.status == 4
    assert "is there already" in again.error_lines[0]
    assert tree(tmp_path) == before


@pytest.mark.parametrize("style", ["guide", "argv"])
def test_dry_run_does_the_same(tmp_path: Path, style: str) -> None:
    """The printed script tries the same, with the same results, and makes the tree that --keep leaves."""
    done = run("rehearse", "--keep", "real", "--uuid", "d1", cwd=tmp_path)
    assert done.status == 0, done.err
    before = tree(tmp_path)
    printed = run("rehearse", "-n", "--style", style, "--keep", "scripted", "--uuid", "d1", cwd=tmp_path)
    assert printed.status == 0, printed.err
    assert tree(tmp_path) == before
    command = ["env", "-i", f"PATH={GUIDE_PATH}", "bash"]
    ran = subprocess.run(command, input=printed.out, cwd="/", text=True, capture_output=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert [line for line in ran.stdout.splitlines() if ", TLS 1." in line] == [
        f"{what}: {expected}" for what, (_, expected, _) in list(table(done).items())[1:]
    ]
    real, scripted = (
        {name: what.split()[:2] for name, what in tree(tmp_path / name).items()} for name in ("real", "scripted")
    )
    assert list(real) == list(scripted)
    for name, what in real.items():
        assert what == [scripted[name][0], scripted[name][1].replace("/scripted/", "/real/")], name
    assert str(tmp_path) not in processes()


def test_the_teams_own_configuration_is_rehearsed(project: Path) -> None:
    """certs/ of the project is what is rehearsed with, and stays as it is; so do the project's texts."""
    assert run("config", "render", cwd=project).status == 0
    for name in ("client.cnf", "client.ext"):
        path = project / "certs" / name
        path.write_text(path.read_text().replace("clientAuth", "clientAuth, emailProtection"))
    assert run("procedure", "export", "ota-connect-2019.7", "own", cwd=project).status == 0
    text = project / "own" / "device.sh"
    text.write_text(text.read_text().replace("-days 365", "-days 30"))
    before = tree(project)
    done = run("rehearse", "--procedure", "own", "--keep", "../kept", "--uuid", "d1", cwd=project)
    assert done.status == 0, done.err
    certificate = project.parent / "kept" / "myservername" / "devices" / "d1" / "client.pem"
    assert "E-mail Protection" in openssl("x509", "-in", str(certificate), "-noout", "-text", cwd=project)
    assert tree(project) == before


def test_no_network(tmp_path: Path) -> None:
    """Nothing but the loopback interface is needed."""
    probe = ["unshare", "-rn", "ip", "link", "set", "lo", "up"]
    found = shutil.which("unshare") and shutil.which("ip")
    can = found and subprocess.run(probe, capture_output=True, check=False).returncode == 0
    require(bool(can), "no network namespaces, or no unshare and ip programs")
    words = f"ip link set lo up && exec {sys.executable} -m otaopenssl rehearse"
    command = ["unshare", "-rn", "bash", "-c", words]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    """A port on which somebody listens is told with a hint, and nothing is left."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = run("rehearse", "--port", str(other.getsockname()[1]), cwd=tmp_path, env={"TMPDIR": str(tmp_path)})
    assert taken.status == 1
    assert "did not begin to serve: " in taken.error_lines[0]
    assert "--port" in taken.err
    assert tree(tmp_path) == {}


@pytest.mark.real
def test_a_gateway_that_accepts_everybody(tmp_path: Path, real_openssl: str) -> None:
    """A gateway that does not ask for a certificate is found out: exit 1, and the table says which."""
    words = '#!/bin/bash\nargs=("$@")\n[ "$1" = s_server ] && args=("${args[@]/-Verify/-verify}")\n'
    program = write_program(tmp_path / "openssl", f'{words}exec -a openssl {real_openssl} "${{args[@]}}"\n')
    done = run("rehearse", "--openssl", str(program), cwd=tmp_path)
    assert done.status == 1
    rows = table(done)
    assert rows["no certificate, TLS 1.2"] == ("NOT", "refused", "accepted: HTTP 200 ok")
    assert rows["the device, TLS 1.2"][0] == "ok"
    assert "2 of 7 were not as they must be" in done.error_lines[0]


@pytest.fixture
def gateway_files(project: Path) -> Path:
    """A project with a device and a server certificate for localhost's name; its server directory."""
    for arguments in (["server"], ["root"], ["device", "--uuid", "d1"]):
        done = run(*arguments, "--server-name", "localhost", cwd=project)
        assert done.status == 0, done.err
    return project / "localhost"


@pytest.mark.parametrize("protocols", ["TLSv1.2 TLSv1.3", "TLSv1.2", "TLSv1.3"])
@pytest.mark.parametrize("has_root", [False, True])
def test_against_nginx(project: Path, gateway_files: Path, protocols: str, has_root: bool) -> None:
    """A device of the project is tried at a gateway set up as OTA Community Edition's, and nothing of it is touched."""
    chain, key = gateway_files / "server.chain.pem", gateway_files / "server.key"
    devices = gateway_files / "devices"
    if has_root:
        (devices / "d1" / "root.crt").write_bytes((gateway_files / "server_ca.pem").read_bytes())
    before = tree(project)
    with nginx(project.parent / "nginx", chain, key, devices / "ca.crt", protocols) as port:
        options = ["--server-name", "localhost", "--uuid", "d1"]
        done = run("rehearse", "--against", f"https://localhost:{port}", *options, cwd=project)
        script = run("rehearse", "--against", f"https://localhost:{port}", *options, "-n", cwd=project).out
        ran = subprocess.run(["bash"], input=script, text=True, capture_output=True, check=False)
    assert done.status == 0, done.err + done.out
    rows = table(done)
    assert rows["the gateway's certificate is for localhost"] == ("ok", "it is", "it is")
    assert ("the device's own root.crt" in rows) is has_root
    for version in ("1.2", "1.3"):
        if f"TLSv{version}" in protocols:
            assert rows[f"the device, TLS {version}"][2] == "accepted: HTTP 200 OK"
            assert rows[f"no certificate, TLS {version}"][2] == "refused: HTTP 400 Bad Request"
            assert rows[f"a certificate of another root, TLS {version}"][2] == "refused: HTTP 400 Bad Request"
        else:
            assert rows[f"the device, TLS {version}"][2].startswith("not offered")
    assert ran.returncode == 0, ran.stderr
    assert tree(project) == before


def test_against_a_gateway_of_another_fleet(project: Path, gateway_files: Path) -> None:
    """A gateway that does not know the device's fleet root CA refuses it: exit 1."""
    chain, key = gateway_files / "server.chain.pem", gateway_files / "server.key"
    other = project / "myservername" / "devices" / "ca.crt"
    with nginx(project.parent / "nginx", chain, key, other, "TLSv1.2 TLSv1.3") as port:
        options = ["--against", f"localhost:{port}", "--server-name", "localhost", "--uuid", "d1"]
        done = run("rehearse", *options, cwd=project)
    assert done.status == 1
    assert table(done)["the device, TLS 1.3"] == ("NOT", "accepted", "refused: HTTP 400 Bad Request")
    assert "4 of" not in done.err
    assert "2 of 8 were not as they must be" in done.error_lines[0]


def test_against_a_gateway_that_the_device_does_not_trust(project: Path, gateway_files: Path) -> None:
    """A device whose own root.crt is another's does not trust the gateway, though what it sends today would do."""
    chain, key = gateway_files / "server.chain.pem", gateway_files / "server.key"
    devices = gateway_files / "devices"
    (devices / "d1" / "root.crt").write_bytes((devices / "ca.crt").read_bytes())
    with nginx(project.parent / "nginx", chain, key, devices / "ca.crt", "TLSv1.2 TLSv1.3") as port:
        options = ["--against", f"localhost:{port}", "--server-name", "localhost", "--uuid", "d1"]
        done = run("rehearse", *options, cwd=project)
    assert done.status == 1
    assert table(done)["the device, TLS 1.2"][2].startswith("not trusted")
    assert table(done)["the device's own root.crt"][2] == "another one"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("pkey.pem", None, "pkey.pem' cannot be read"),
        ("client.pem", b"garbage", "client.pem' is no PEM file"),
        ("root.crt", b"", "root.crt' is no PEM file"),
    ],
)
def test_against_with_a_device_that_cannot_connect(project: Path, name: str, content: bytes | None, words: str) -> None:
    """What is wrong with the device's own files is told before anybody is connected to."""
    assert run("device", "--uuid", "d1", cwd=project).status == 0
    path = project / "myservername" / "devices" / "d1" / name
    path.unlink(missing_ok=True)
    if content is not None:
        path.write_bytes(content)
    with refusing() as port:
        done = run("rehearse", "--against", f"127.0.0.1:{port}", "--uuid", "d1", cwd=project)
    assert done.status == 4
    assert words in done.error_lines[0]


def test_configuration_files_that_cannot_be_written_beside(project: Path) -> None:
    """A directory that is read-only in the project is not so in the rehearsal, where the missing files are rendered."""
    certs = project / "certs"
    certs.chmod(0o555)
    done = run("rehearse", "--keep", "../kept", cwd=project)
    certs.chmod(0o755)
    assert done.status == 0, done.err
    assert (project.parent / "kept" / "certs").stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["--pin", "sha256:00"], 2, "pin"),
        (["--pin", f"sha256:{'0' * 64}"], 2, "--against"),
        (["--against", "localhost"], 2, "--uuid"),
        (["--against", "https://u:secret@h", "--uuid", "d1"], 2, "password"),
        (["--against", "localhost", "--uuid", "nosuch"], 4, "nosuch"),
        (["--port", "0"], 2, "1 to 65535"),
        (["--port", "65536"], 2, "1 to 65535"),
        (["--port", "x"], 2, "port"),
        (["--timeout", "0"], 2, "time-out"),
        (["--timeout", "nan"], 2, "time-out"),
        (["--uuid", "a b"], 2, "device UUID"),
        (["--keep", ""], 2, "--keep"),
        (["--keep", "nosuch/dir"], 4, "nosuch"),
        (["--procedure", "nosuch"], 2, "nosuch"),
        (["--openssl", "nosuch"], 4, "nosuch"),
        (["--server-name", "a/b"], 2, "server name"),
    ],
)
def test_bad_input(tmp_path: Path, arguments: list[str], status: int, words: str) -> None:
    """One error line and a hint, the documented status, nothing left."""
    done = run("rehearse", *arguments, cwd=tmp_path, env={"TMPDIR": str(tmp_path)})
    assert done.status == status, done.err
    assert len(done.error_lines) == 1
    assert words in done.err
    assert "hint:" in done.err
    assert "secret" not in done.err
    assert tree(tmp_path) == {}


def test_against_a_gateway_that_is_not_there(project: Path) -> None:
    """A gateway that refuses connections ends it as `gateway root` does."""
    assert run("device", "--uuid", "d1", cwd=project).status == 0
    before = tree(project)
    with refusing() as port:
        done = run("rehearse", "--against", f"127.0.0.1:{port}", "--uuid", "d1", cwd=project)
    assert done.status == 1
    assert done.error_lines == [f"otaopenssl: error: gateway '127.0.0.1:{port}' refused the connection"]
    assert tree(project) == before


TEXT = find_procedure(DEFAULT_PROCEDURE, Path("/")).content("rehearse.sh").decode()


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("-Verify 10", "-Verify 10 -out x", "an output must be"),
        ("-www", "-www > ${device_dir}/log", "which write nothing"),
        ("openssl s_server -accept", "openssl s_client -accept", "must hold one s_server"),
        ('-cert "${device_dir}/client.pem"', "", "must hold one s_server"),
        ("openssl s_client -connect", "openssl x509 -in /x -connect", "alone"),
        ("-cert_chain ", "-cert_chain ./", "must begin with a place"),
        ("-www", "-www -keylogfile /x", "writes a file"),
    ],
)
def test_what_the_text_must_hold(tmp_path: Path, old: str, new: str, words: str) -> None:
    """A rehearse.sh that is not one is refused with file, line and reason."""
    assert old in TEXT
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "rehearse.sh").write_text(TEXT.replace(old, new))
    refused = run("rehearse", "--procedure", "own", cwd=tmp_path)
    assert refused.status == 2
    assert re.search(r"own/rehearse.sh', line \d+|own/rehearse.sh, line \d+", refused.err)
    assert words in refused.err


def test_s_server_stands_in_rehearse_alone(tmp_path: Path) -> None:
    """No other text may start a server, which would not end."""
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "root.sh").write_text("openssl s_server -accept 1\n")
    refused = run("root", "--procedure", "own", cwd=tmp_path)
    assert refused.status == 2
    assert "may stand in rehearse.sh alone" in refused.err
