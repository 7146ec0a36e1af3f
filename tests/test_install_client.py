"""What was installed is what a client connects with: by the paths of its configuration, through a real gateway."""

import os
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.conftest import require, run
from tests.servers import nginx


@pytest.mark.parametrize("options", [["--toml"], ["--toml", "--ota-ce"]], ids=["aktualizr", "OTA-CE"])
def test_a_client_connects_with_what_is_in_an_image(project: Path, devices: Path, options: list[str]) -> None:
    """curl, with the files that the client's configuration names in the image, is let in by nginx; nobody else is."""
    require(shutil.which("curl") is not None, "no curl in PATH")
    assert run("server", "--server-name", "localhost", cwd=project).status == 0
    server = project / "localhost"
    chain, key = server / "server.chain.pem", server / "server.key"
    with nginx(project.parent / "nginx", chain, key, devices / "ca.crt", "TLSv1.2 TLSv1.3") as port:
        made = run("device", "--uuid", "d1", "--gateway", "localhost", "--port", str(port), cwd=project)
        assert made.status == 0, made.err
        url = f"https://localhost:{port}"
        image = project.parent / "image"
        (image / "var" / "sota" / "import").mkdir(parents=True)
        installed = run("install", "d1", "--local", str(image), "--gateway", url, *options, cwd=project)
        assert installed.status == 0, installed.err
        directory = image / "var" / "sota" / "import"
        (configuration,) = directory.glob("*.toml")
        settings = tomllib.loads(configuration.read_text())["import"]
        base = Path(settings["base_path"])
        base = directory if not base.is_absolute() else image / base.relative_to("/")
        ca, certificate, private_key = (
            str(base / settings[f"tls_{name}_path"]) for name in ("cacert", "clientcert", "pkey")
        )
        asked = ["curl", "--silent", "--fail", "--max-time", "30", "--cacert", ca]
        asked += ["--noproxy", "*", (directory / "gateway.url").read_text()]
        env = {"PATH": os.environ["PATH"]}
        known = subprocess.run(
            [*asked, "--cert", certificate, "--key", private_key], env=env, check=False, capture_output=True
        )
        unknown = subprocess.run(asked, env=env, check=False, capture_output=True)
    assert (known.returncode, known.stdout, known.stderr) == (0, b"d1", b"")
    assert unknown.returncode != 0
