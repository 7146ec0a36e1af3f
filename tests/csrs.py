"""CSRs for the tests, made by the real openssl as a device elsewhere makes its own."""

from collections.abc import Sequence
from pathlib import Path

from tests.conftest import openssl

KEYS: dict[str, list[str]] = {
    "EC P-256": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "EC P-384": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
    "RSA 2048": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
    "Ed25519": ["-algorithm", "ED25519"],
    "RSA 1024": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"],
    "EC P-224": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-224"],
    "EC P-521": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"],
    "EC secp256k1": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:secp256k1"],
    "EC P-256 in its parameters": [
        *("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-pkeyopt", "ec_param_enc:explicit")
    ],
    "RSA-PSS": ["-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048"],
    "Ed448": ["-algorithm", "ED448"],
}
_CONFIG = """[req]
prompt = no
distinguished_name = name
{extensions}
[name]
{name}
[asked]
{asked}
"""


def key(path: Path, kind: str = "EC P-256") -> Path:
    """A private key of that kind."""
    openssl("genpkey", *KEYS[kind], "-out", path.name, cwd=path.parent)
    return path


def csr(
    path: Path, *names: str, kind: str = "EC P-256", asked: str = "", form: str = "PEM", key_path: Path | None = None
) -> Path:
    """A CSR with these lines of a name (``CN=…``), of a new key or that of ``key_path``, in its form.

    ``asked`` are the lines of extensions that it asks for.
    """
    made = key_path or key(path.with_name(f"{path.name}.key"), kind)
    config = path.with_name(f"{path.name}.cnf")
    extensions = "req_extensions = asked" if asked else ""
    config.write_text(_CONFIG.format(extensions=extensions, name="\n".join(names), asked=asked))
    arguments = ["-new", "-config", str(config), "-key", str(made), "-outform", form, "-out", path.name]
    openssl("req", *arguments, cwd=path.parent)
    return path


def csr_directory(directory: Path, uuids: Sequence[str]) -> Path:
    """A new directory with the CSR of each device, named after it."""
    directory.mkdir()
    work = directory.with_name(f"{directory.name}.work")
    work.mkdir()
    for uuid in uuids:
        csr(work / f"{uuid}.csr", f"CN={uuid}").rename(directory / f"{uuid}.csr")
    return directory
