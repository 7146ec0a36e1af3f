"""Certificates for the seals of records, and for the devices that they tell of."""

import json
import os
from base64 import b64encode
from datetime import UTC, datetime
from pathlib import Path

from otaopenssl.digest import sha256
from tests.certificates import der_in
from tests.conftest import openssl


class Pki:
    """Certificates for seals and devices, made once."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        (directory / "sign.cnf").write_text("[ext]\nbasicConstraints = CA:FALSE\n")
        for name in ("seal-ca", "foreign-ca", "ca"):
            self.make(name, "")
        # All signatures of an RSA key have one length, so that those of two signers are in one order.
        self.make("seal", "seal-ca", "rsa:2048")
        self.make("other", "seal-ca", "rsa:2048")
        self.make("foreign", "foreign-ca")
        for name in ("v0", "v1", "v2", "d1", "stray"):
            self.make(name, "ca")
        self.now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.123Z")

    def make(self, name: str, issuer: str, kind: str = "ec") -> None:
        by = ["-CA", f"{issuer}.crt", "-CAkey", f"{issuer}.key", "-config", "sign.cnf", "-extensions", "ext"]
        curve = ["-pkeyopt", "ec_paramgen_curve:P-256"] if kind == "ec" else []
        key = ["-newkey", kind, *curve, "-nodes", "-keyout", f"{name}.key"]
        openssl("req", "-x509", *key, "-subj", f"/CN={name}", "-days", "99", "-out", f"{name}.crt",
                *(by if issuer else []), cwd=self.directory)  # fmt: skip

    def certificate(self, name: str) -> Path:
        return self.directory / f"{name}.crt"

    def digest(self, name: str) -> str:
        return sha256(der_in(self.certificate(name)))

    def envelope(self, statement: Path, signer: str) -> None:
        """The DSSE envelope of a statement."""
        content, kind = statement.read_bytes(), "application/vnd.in-toto+json"
        # Trees are made several at a time.
        mark = os.urandom(8).hex()
        encoded, signed = self.directory / f"{mark}.encoded", self.directory / f"{mark}.signed"
        encoded.write_bytes(b"DSSEv1 %d %b %d %b" % (len(kind), kind.encode(), len(content), content))
        padding = ["-sigopt", "rsa_padding_mode:pss"] if signer in ("seal", "other") else []
        sign = ["-sha256", *padding, "-sign", f"{signer}.key", "-out", signed.name, encoded.name]
        openssl("dgst", *sign, cwd=self.directory)
        signature = b64encode(signed.read_bytes()).decode()
        document = {
            "payload": b64encode(content).decode(),
            "payloadType": kind,
            "signatures": [{"keyid": signer, "sig": signature}],
        }
        statement.with_suffix(".dsse.json").write_text(json.dumps(document))

    def seal(self, statement: Path, *signers: str, options: tuple[str, ...] = ("-cades",)) -> None:
        """Seal a statement, by one or more."""
        keys = [word for name in signers for word in ("-signer", f"{name}.crt", "-inkey", f"{name}.key")]
        names = ["-in", str(statement), "-out", f"{statement}.p7s"]
        openssl("cms", "-sign", "-binary", *options, "-outform", "DER", *keys, *names, cwd=self.directory)
