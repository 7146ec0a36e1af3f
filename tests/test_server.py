"""`otaopenssl server`: a server CA and a certificate under it, staged, checked and published whole."""

import subprocess
import sys
from pathlib import Path

import pytest

from otaopenssl.layout import SERVER_NAMES
from tests.conftest import GUIDE_PATH, openssl, run, tree, write_program

NAME = "ota.example"
MADE = {".gitignore", "devices", "server.csr", "server_ca.srl", *SERVER_NAMES}


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """The server directory of a server that was just made."""
    done = run("server", "--server-name", NAME, cwd=tmp_path)
    assert done.status == 0, done.err
    assert done.out == f"./{NAME}/server.chain.pem\n"
    return tmp_path / NAME


@pytest.mark.real
def test_what_is_made(made: Path) -> None:
    """Keys are private, the rest is public, and the chain is what a gateway and its clients can use."""
    assert {path.name for path in made.iterdir()} == MADE
    modes = {path.name: path.stat().st_mode & 0o777 for path in made.iterdir() if path.is_file()}
    private = {name for name, mode in modes.items() if mode == 0o600}
    assert private == {"ca.key", "server.key"}
    assert {mode for name, mode in modes.items() if name not in private} == {0o644}
    chain = (made / "server.crt").read_bytes() + (made / "server_ca.pem").read_bytes()
    assert (made / "server.chain.pem").read_bytes() == chain
    arguments = ["-purpose", "sslserver", "-verify_hostname", NAME, "-CAfile", "server_ca.pem", "server.crt"]
    openssl("verify", *arguments, cwd=made)
    assert openssl("x509", "-in", "server.crt", "-noout", "-pubkey", cwd=made) == openssl(
        "pkey", "-in", "server.key", "-pubout", cwd=made
    )


@pytest.mark.real
def test_argv_is_what_the_text_says(tmp_path: Path, logging_openssl: tuple[Path, Path]) -> None:
    """The commands are those of the dry-run's argv style, in order; beside them the tool only asks."""
    program, log = logging_openssl
    printed = run("server", "-n", "--style", "argv", cwd=tmp_path).out
    expected = [line for line in printed.splitlines() if line.startswith("openssl ")]
    assert run("server", "--openssl", str(program), cwd=tmp_path).status == 0
    argv = [line.split("\x1f")[1:] for line in log.read_text().splitlines() if line.startswith("argv")]
    ours = [" ".join(words) for words in argv]
    for line in expected:
        for command in line.split(" | "):
            assert command.removeprefix("openssl ") in ours
    others = [words for words in ours if not any(words in line for line in expected)]
    assert {words.split()[0] for words in others} <= {"version", "x509", "pkey", "verify"}
    assert all("-noout" in words for words in others if words.split()[0] in ("x509", "pkey"))


@pytest.mark.real
@pytest.mark.parametrize("style", ["guide", "argv"])
def test_dry_run_makes_the_same_tree(tmp_path: Path, style: str) -> None:
    """The printed script, alone in an empty environment, makes the names, types and modes that the real run makes."""
    real, scripted = tmp_path / "real", tmp_path / "scripted"
    for directory in (real, scripted):
        directory.mkdir()
    printed = run("server", "-n", "--style", style, cwd=scripted)
    assert tree(scripted) == {}
    command = ["env", "-i", f"PATH={GUIDE_PATH}", "bash"]
    done = subprocess.run(command, input=printed.out, cwd="/", text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "./myservername/server.chain.pem\n"
    assert run("server", cwd=real).status == 0
    ours, theirs = ({name: what.split()[:2] for name, what in tree(where).items()} for where in (real, scripted))
    assert ours == theirs


def test_nothing_is_overwritten(made: Path) -> None:
    """A server CA that is there is kept, by the tool and by the script; half a one is named, and kept too."""
    before = tree(made)
    again = run("server", "--server-name", NAME, cwd=made.parent)
    assert again.status == 4
    assert "a server CA is there already" in again.error_lines[0]
    script = run("server", "--server-name", NAME, "-n", cwd=made.parent).out
    assert subprocess.run(["bash"], input=script, text=True, capture_output=True, check=False).returncode == 4
    assert tree(made) == before
    (made / "server.crt").unlink()
    half = run("server", "--server-name", NAME, cwd=made.parent)
    assert half.status == 4
    assert "half a server CA" in half.error_lines[0]
    assert "server_ca.srl" in half.error_lines[0]
    assert (made / "server.key").exists()


@pytest.mark.real
@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        ("server.ext", "serverAuth", "clientAuth", "not fit for a gateway"),
        ("server_ca.cnf", "CA:TRUE", "CA:FALSE", "not fit for a gateway"),
        ("server_ca.cnf", "serverAuth", "clientAuth", "not fit for a gateway"),
        ("server.cnf", "[dn]", "[nd]", "distinguished_name"),
    ],
)
def test_unfit_certificates_are_not_published(tmp_path: Path, file: str, old: str, new: str, words: str) -> None:
    """What clients would refuse is an error, and leaves nothing but the team's own configuration files."""
    assert run("config", "render", cwd=tmp_path).status == 0
    path = tmp_path / "certs" / file
    path.write_text(path.read_text().replace(old, new))
    before = tree(tmp_path)
    refused = run("server", cwd=tmp_path)
    assert refused.status in (1, 2)
    assert words in refused.error_lines[0]
    assert "hint:" in refused.err
    assert tree(tmp_path) == before


@pytest.mark.real
def test_a_certificate_for_another_name_is_told(tmp_path: Path) -> None:
    """A team's own names are its own, but a certificate that is not for the server's name is warned of."""
    assert run("config", "render", cwd=tmp_path).status == 0
    path = tmp_path / "certs" / "server.ext"
    path.write_text(path.read_text().replace("$ENV::SERVER_NAME", "gateway.example"))
    done = run("server", cwd=tmp_path)
    assert done.status == 0
    assert "warning: the server certificate is not for 'myservername'" in done.err


def test_an_openssl_that_leaves_an_empty_file(tmp_path: Path, real_openssl: str) -> None:
    """A file that openssl left empty, as on a full disk, is an error, and nothing is published."""
    program = write_program(
        tmp_path / "openssl",
        f'#!/bin/bash\n"{real_openssl}" "$@" || exit\n'
        'for word in "$@"; do case $word in */server.crt) :>"$word";; esac; done\n',
    )
    project = tmp_path / "project"
    project.mkdir()
    failed = run("server", "--openssl", str(program), cwd=project)
    assert failed.status == 1
    assert "server.crt" in failed.error_lines[0]
    assert tree(project) == {}


def test_devices_link_to_the_server_ca(made: Path) -> None:
    """A device that is made beside it has a ca.pem that leads to server_ca.pem."""
    for arguments in (["root"], ["device", "--uuid", "d"]):
        assert run(*arguments, "--server-name", NAME, cwd=made.parent).status == 0
    assert (made / "devices" / "d" / "ca.pem").read_bytes() == (made / "server_ca.pem").read_bytes()


def test_a_key_that_is_not_the_certificates(tmp_path: Path) -> None:
    """A team's own text that signs another key than server.key's is found out."""
    assert run("procedure", "export", "ota-connect-2019.7", "own", cwd=tmp_path).status == 0
    path = tmp_path / "own" / "server.sh"
    path.write_text(
        path.read_text().replace('req -new -key "${SERVER_DIR}/server.key"', 'req -new -key "${SERVER_DIR}/ca.key"')
    )
    failed = run("server", "--procedure", "own", cwd=tmp_path)
    assert failed.status == 1
    assert "'server.key' is not the private key of 'server.crt'" in failed.error_lines[0]
    assert not (tmp_path / "myservername").exists()


def test_keys_are_published_first(tmp_path: Path) -> None:
    """Where a power loss comes between, what is missing is a certificate, never the key of one that is there."""
    script = (
        "import os, sys\n"
        "from otaopenssl import workbench\n"
        "real = os.link\n"
        "os.link = lambda source, target: (real(source, target), print(os.path.basename(target)))\n"
        "from otaopenssl.cli import run\n"
        "sys.exit(run(['server']))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    published = [name for name in done.stdout.splitlines() if name in MADE - {".gitignore"}]
    assert published[:2] == ["ca.key", "server.key"]
    assert set(published) == MADE - {".gitignore", "devices"}
