"""Each supported OpenSSL does what it can: all of them issue, those that know CAdES seal as well."""

from pathlib import Path

import pytest

from otaopenssl.outputs import parse_version
from tests.conftest import openssl, run, tree

pytestmark = pytest.mark.real
NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "seal.key")


def test_a_seal(tmp_path: Path) -> None:
    """From 3.0 on records are sealed and the audit accepts them; 1.1.1 is refused for that before anything is made."""
    version = parse_version(openssl("version", cwd=tmp_path))
    assert version is not None
    openssl("req", "-x509", *NEW_KEY, "-subj", "/CN=seal", "-days", "9", "-out", "seal.crt", cwd=tmp_path)
    before = tree(tmp_path)
    sealed = ["--seal", "seal.crt", "seal.key"]
    if version.number < (3, 0):
        ran = run("root", *sealed, cwd=tmp_path)
        assert (ran.status, len(ran.error_lines)) == (4, 1), ran.err
        assert "expected OpenSSL 3.0 or newer" in ran.err
        assert tree(tmp_path) == before
        return
    for command in (["root", *sealed], ["device", "--uuid", "u1", *sealed], ["audit", "--trust", "seal.crt"]):
        ran = run(*command, cwd=tmp_path)
        assert ran.status == 0, ran.err
