"""What a team's own text must hold beyond the grammar: each breach is refused with file, line and reason."""

from pathlib import Path

import pytest

from otaopenssl.texts import DEFAULT_PROCEDURE, find_procedure
from tests.conftest import run, tree

BUILT_IN = find_procedure(DEFAULT_PROCEDURE, Path("/"))
ROOT_CRT = "> ${device_dir}/root.crt"


@pytest.mark.parametrize(
    ("name", "old", "new", "words"),
    [
        ("gateway.sh", "${device_gateway}:8000", "gateway.example:8000", "must be ${device_gateway}: and a port"),
        ("gateway.sh", "${device_gateway}:8000", "${device_gateway}", "must be ${device_gateway}: and a port"),
        ("gateway.sh", "${device_gateway}:8000", "x${device_gateway}:8000", "must be ${device_gateway}: and a port"),
        ("gateway.sh", "${device_gateway}:8000", "${device_gateway}:https", "must be ${device_gateway}: and a port"),
        ("gateway.sh", "-connect ${device_gateway}:8000", "", "must be ${device_gateway}: and a port"),
        ("gateway.sh", ROOT_CRT, "> ${device_dir}/other.crt", "and it alone, must write ${device_dir}/root.crt"),
        ("gateway.sh", ROOT_CRT, "> \"${SERVER_DIR}/root.crt\"", "must begin with ${device_dir}/"),
        ("gateway.sh", ROOT_CRT, f"{ROOT_CRT}\ncat /x {ROOT_CRT}", "and it alone, must write ${device_dir}/root.crt"),
        ("gateway.sh", "openssl s_client", "openssl x509 -in /x", "and it alone, must write ${device_dir}/root.crt"),
        ("gateway.sh", "8000", "${device_gateway_port}", "${device_gateway_port} has no value in gateway.sh"),
        ("gateway.sh", "-showcerts", "-showcerts -cert ${DEVICES_DIR}/x", "${DEVICES_DIR} has no value in gateway.sh"),
        ("gateway.sh", "-showcerts", "-showcerts -sess_out /x", "writes a file"),
        ("gateway.sh", "-showcerts", "-showcerts -prexit", "belongs to another handshake"),
        ("gateway-port.sh", ROOT_CRT, "> ${device_dir}/other.crt", "and it alone, must write ${device_dir}/root.crt"),
        ("server.sh", "${SERVER_DIR}/server.key", "${SERVER_DIR}/other.key", "writes ${SERVER_DIR}/server.key"),
        ("server.sh", "> \"${SERVER_DIR}", "> \"${DEVICES_DIR}", "must begin with ${SERVER_DIR}/"),
        ("server.sh", "${SERVER_DIR}/ca.key", "${device_dir}/ca.key", "${device_dir} has no value in server.sh"),
    ],
)  # fmt: skip
def test_refused(tmp_path: Path, name: str, old: str, new: str, words: str) -> None:
    """The text is refused before anything runs, and nothing is left."""
    text = BUILT_IN.content(name).decode()
    assert old in text
    own = tmp_path / "own"
    own.mkdir()
    (own / name).write_text(text.replace(old, new))
    before = tree(tmp_path)
    command = ["server"] if name == "server.sh" else ["gateway", "root", "--gateway", "127.0.0.1", "--out", "x"]
    refused = run(*command, "--procedure", "own", cwd=tmp_path)
    assert refused.status == 2, refused.err
    assert f"error: own/{name}, line " in refused.err
    assert words in refused.err
    assert tree(tmp_path) == before


def test_a_second_fetching_is_refused(tmp_path: Path) -> None:
    """root.crt is what one gateway sent once."""
    text = BUILT_IN.content("gateway.sh").decode()
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "gateway.sh").write_text(text + text)
    refused = run("gateway", "root", "--gateway", "127.0.0.1", "--out", "x", "--procedure", "own", cwd=tmp_path)
    assert refused.status == 2
    assert "would write root.crt again" in refused.err
