"""The devices of a fleet are installed as they finish, each into a directory that is the root of its image."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import openssl, run, tree
from tests.csrs import csr_directory
from tests.servers import Pki, s_server

URL = "https://localhost:443"
NAMES = ["client.pem", "gateway.url", "pkey.pem", "root.crt"]


def names_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


@pytest.fixture
def ids(project: Path) -> Path:
    """A list of three devices."""
    (project / "ids").write_text("d1\nd2\nd3\n")
    return project / "ids"


@pytest.mark.usefixtures("ids")
def test_installs_as_devices_finish(project: Path, devices: Path, pki: Pki) -> None:
    """Key, certificate, gateway root and URL, each in its place and mode; the same command again changes nothing."""
    with s_server(pki, "leaf", "root") as port:
        arguments = ["fleet", "--ids", "ids", "--gateway", URL, "--port", str(port), "--install-local", "images"]
        ran = run(*arguments, "--json", cwd=project)
        assert ran.status == 0, ran.err
        assert json.loads(ran.out)["installed"] == 3
        there = project / "images" / "d2" / "var" / "sota" / "import"
        assert names_in(there) == NAMES
        assert (there / "gateway.url").read_text() == URL
        assert {oct(path.stat().st_mode & 0o777) for path in there.glob("pkey.pem")} == {"0o600"}
        for name in ("client.pem", "pkey.pem", "root.crt"):
            assert (there / name).read_bytes() == (devices / "d2" / name).read_bytes()
        before = tree(project)
        ran = run(*arguments, cwd=project)
        assert (ran.status, tree(project)) == (0, before), ran.err
        assert "3 there already, 3 installed" in ran.err


@pytest.mark.usefixtures("ids")
def test_what_fails_is_told_and_finished_by_the_next_run(project: Path, pki: Pki) -> None:
    """The device stays made; the others are installed; once it is mended the same command installs it."""
    with s_server(pki, "leaf", "root") as port:
        arguments = ["fleet", "--ids", "ids", "--gateway", URL, "--port", str(port), "--install-local", "images"]
        (project / "images" / "d2").mkdir(parents=True)
        (project / "images" / "d2" / "var").write_text("no directory")
        ran = run(*arguments, cwd=project)
        assert ran.status == 5
        assert "d2: not installed: " in ran.err
        assert names_in(project / "images" / "d3" / "var" / "sota" / "import") == NAMES
        (project / "images" / "d2" / "var").unlink()
        ran = run(*arguments, cwd=project)
        assert ran.status == 0, ran.err
        assert names_in(project / "images" / "d2" / "var" / "sota" / "import") == NAMES


def test_devices_without_a_key_and_another_directory(project: Path, tmp_path: Path, pki: Pki) -> None:
    """Of a CSR's device no key is installed, which a warning tells; the directory may be the root itself."""
    directory = csr_directory(tmp_path / "csrs", ["d1"])
    with s_server(pki, "leaf", "root") as port:
        arguments = ["--gateway", URL, "--port", str(port), "--install-local", "images", "--directory", "/"]
        ran = run("fleet", "--csrs", str(directory), *arguments, cwd=project)
    assert ran.status == 0, ran.err
    assert names_in(project / "images" / "d1") == ["client.pem", "gateway.url", "root.crt"]
    assert "no pkey.pem is installed" in ran.err


@pytest.mark.usefixtures("ids")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--install-local", "images"], "no gateway is named"),
        (["--install-local", "images", "--gateway", "gateway.example"], "gateway"),
        (["--install-local", "", "--gateway", URL], "--install-local '' is no directory"),
        (["--install-local", "images", "--gateway", URL, "--directory", "../x"], "directory"),
        (["--directory", "/x"], "'--directory' is given without '--install-local'"),
    ],
)
def test_bad_options(project: Path, arguments: list[str], words: str) -> None:
    """They are told before anything is made."""
    before = tree(project)
    ran = run("fleet", "--ids", "ids", *arguments, cwd=project)
    assert (ran.status, len(ran.error_lines), tree(project)) == (2, 1, before), ran.err
    assert words in ran.err


@pytest.mark.usefixtures("ids")
@pytest.mark.parametrize("style", ["guide", "argv"])
def test_the_dry_run_does_the_same(project: Path, pki: Pki, style: str) -> None:
    """The script, run by bash in an empty environment, makes and installs the same files in the same modes."""
    with s_server(pki, "leaf", "root") as port:
        arguments = ["fleet", "--ids", "ids", "--gateway", URL, "--port", str(port), "--install-local", "images"]
        script = run(*arguments, "-n", "--style", style, cwd=project)
        assert script.status == 0, script.err
        ran = subprocess.run(["bash"], input=script.out, text=True, cwd="/", env={}, check=False, capture_output=True)
        assert ran.returncode == 0, ran.stderr
        (project / "images").rename(project / "by-script")
        for uuid in ("d1", "d2", "d3"):
            shutil.rmtree(project / "myservername" / "devices" / uuid)
        assert run(*arguments, cwd=project).status == 0
    shapes = [{name: what.split()[:2] for name, what in tree(project / one).items()} for one in ("by-script", "images")]
    assert shapes[0] == shapes[1]
    found = project / "by-script" / "d1" / "var" / "sota" / "import"
    assert (found / "gateway.url").read_text() == URL
    assert openssl("x509", "-in", "client.pem", "-noout", "-subject", cwd=found).replace(" ", "") == "subject=CN=d1\n"
    assert (found / "pkey.pem").stat().st_mode & 0o777 == 0o600


def test_the_dry_run_keeps_another_key(project: Path, pki: Pki) -> None:
    """The script writes over no pkey.pem that is not the device's, whatever else is there or not."""
    (project / "one").write_text("d1\n")
    there = project / "images" / "d1" / "var" / "sota" / "import"
    there.mkdir(parents=True)
    (there / "pkey.pem").write_text("another's")
    with s_server(pki, "leaf", "root") as port:
        arguments = ["fleet", "--ids", "one", "--gateway", URL, "--port", str(port), "--install-local", "images"]
        script = run(*arguments, "-n", cwd=project).out
        ran = subprocess.run(["bash"], input=script, text=True, cwd="/", env={}, check=False, capture_output=True)
    assert "device d1 is not installed" in ran.stderr
    assert {path.name: path.read_text() for path in there.iterdir()} == {"pkey.pem": "another's"}
