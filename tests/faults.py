"""Faults to plant into device directories, each by real files: certificates made by openssl, modes, links, bytes."""

import base64
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from otaopenssl.der import element, elements
from tests.certificates import der_in, encoded
from tests.conftest import openssl

KEY_USAGE = "keyUsage=critical, digitalSignature"
CLIENT = "extendedKeyUsage=critical, clientAuth"
# The text of an extension that looks like others in a report: openssl writes it as it is.
HIDING = (
    r"x\n            X509v3 Basic Constraints: critical\n                CA:FALSE"
    r"\n            X509v3 Key Usage: critical\n                Digital Signature"
    r"\n            X509v3 Extended Key Usage: critical\n                TLS Web Client Authentication"
)
_CA_CONFIG = """[ca]
default_ca = this
[this]
database = index.txt
serial = serial
new_certs_dir = .
policy = any
unique_subject = no
default_md = {digest}
[any]
commonName = supplied
organizationName = optional
[extensions]
{extensions}
"""


class Device:
    """A device directory of a project, and what can be done to it."""

    def __init__(self, path: Path, work: Path) -> None:
        self.path = path
        self.devices = path.parent
        self.project = path.parent.parent.parent
        self.uuid = path.name
        self._work = work

    def __getitem__(self, name: str) -> Path:
        """A file of the device, ``csr`` and ``chain`` being those named after it."""
        return self.path / {"csr": f"{self.uuid}.csr", "chain": f"{self.uuid}.chain.pem"}.get(name, name)

    def join(self) -> None:
        """Make the chain file of what is there now."""
        self["chain"].write_bytes(self["client.pem"].read_bytes() + (self.devices / "ca.crt").read_bytes())

    def sign(
        self,
        *,
        extensions: str = f"{KEY_USAGE}\n{CLIENT}",
        start: str = "20260101000000Z",
        end: str = "20300101000000Z",
        digest: str = "sha256",
        csr: str = "",
        ca: str = "ca",
        serial: str = "",
    ) -> None:
        """A certificate in the place of the device's, signed by a CA in the devices directory; the chain file fits."""
        work = self._work / os.urandom(4).hex()
        work.mkdir()
        (work / "index.txt").touch()
        (work / "serial").write_text(serial or os.urandom(16).hex().replace("0", "1", 1))
        (work / "ca.cnf").write_text(_CA_CONFIG.format(digest=digest, extensions=extensions))
        openssl(
            "ca", "-batch", "-notext", "-config", "ca.cnf", "-extensions", "extensions", "-startdate", start,
            "-enddate", end, "-in", csr or str(self["csr"]), "-cert", str(self.devices / f"{ca}.crt"),
            "-keyfile", str(self.devices / f"{ca}.key"), "-out", "client.pem", cwd=work,
        )  # fmt: skip
        self["client.pem"].write_bytes((work / "client.pem").read_bytes())
        self.join()

    def take_key(self, whose: Path) -> None:
        """Have the key of another device, or of a CA, and CSR and certificate made with it."""
        if whose.is_dir():
            for name in ("pkey.pem", "pkey.ec.pem"):
                self[name].write_bytes((whose / name).read_bytes())
        else:
            self["pkey.ec.pem"].write_bytes(whose.read_bytes())
            openssl("pkcs8", "-topk8", "-nocrypt", "-in", str(whose), "-out", str(self["pkey.pem"]), cwd=self._work)
        self["csr"].write_bytes(Path(self.request(f"/CN={self.uuid}")).read_bytes())
        self.sign()

    def request(self, subject: str, *key: str) -> str:
        """The path of a CSR for another subject, or by another key."""
        path = self._work / f"{os.urandom(4).hex()}.csr"
        words = key or ("-key", str(self["pkey.pem"]))
        openssl("req", "-new", *words, "-subj", subject, "-out", str(path), cwd=self._work)
        return str(path)

    def new_key(self, *kind: str) -> tuple[str, str]:
        """The paths of another key, SEC 1 (or what it is by its kind) and PKCS#8."""
        name = str(self._work / os.urandom(4).hex())
        words = kind or ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
        openssl("genpkey", *words, "-out", f"{name}.p8", cwd=self._work)
        openssl("pkey", "-in", f"{name}.p8", "-out", f"{name}.ec", cwd=self._work)
        return f"{name}.ec", f"{name}.p8"

    def use_key(self, *kind: str) -> None:
        """Have key, CSR and certificate of another key, all belonging together."""
        sec1, pkcs8 = self.new_key(*kind)
        openssl("ec", "-in", sec1, "-out", str(self["pkey.ec.pem"]), cwd=self._work)
        self["pkey.pem"].write_bytes(Path(pkcs8).read_bytes())
        openssl("req", "-new", "-key", str(self["pkey.pem"]), "-subj", f"/CN={self.uuid}", "-out", str(self["csr"]),
                cwd=self._work)  # fmt: skip
        self.sign()


def v1(device: Device) -> None:
    """The device's certificate as one of version 1, which has no extensions, signed anew by ca.key."""
    body, algorithm, _ = elements(element(der_in(device["client.pem"])).content)
    fields = [field.whole for field in elements(body.content) if field.tag not in (0xA0, 0xA3)]
    signed = encoded(0x30, b"".join(fields))
    work = device.path.parent
    (work / "tbs").write_bytes(signed)
    openssl("dgst", "-sha256", "-sign", "ca.key", "-out", "signature", "tbs", cwd=work)
    signature = encoded(0x03, b"\0" + (work / "signature").read_bytes())
    (work / "tbs").write_bytes(encoded(0x30, signed + algorithm.whole + signature))
    openssl("x509", "-inform", "DER", "-in", "tbs", "-out", str(device["client.pem"]), cwd=work)
    for name in ("tbs", "signature"):
        (work / name).unlink()
    device.join()


def flip_last(path: Path) -> None:
    """Change the signature at the end of a PEM file."""
    kind = path.read_text().split("-----")[1].removeprefix("BEGIN ")
    der = bytearray(der_in(path))
    der[-1] ^= 1
    raw = path.with_suffix(".der")
    raw.write_bytes(bytes(der))
    subcommand = "req" if kind == "CERTIFICATE REQUEST" else "x509"
    openssl(subcommand, "-inform", "DER", "-in", str(raw), "-out", str(path), cwd=path.parent)
    raw.unlink()


def cut(path: Path) -> None:
    """Keep the first half of a file."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def swap(device: Device, name: str) -> None:
    """Have the file of the good device in place of the device's own."""
    device[name].write_bytes((device.devices / "good" / name).read_bytes())


def each(*plants: "Plant") -> "Plant":
    """One after another."""

    def plant(device: Device) -> None:
        for one in plants:
            one(device)

    return plant


def other_csr(device: Device) -> None:
    shutil.copyfile(device.request(f"/CN={device.uuid}", "-key", device.new_key()[1]), device["csr"])


def wrong_point(device: Device) -> None:
    """A private key whose public point is that of the certificate, and whose secret is another."""
    own, (sec1, _) = der_in(device["pkey.ec.pem"]), device.new_key()
    other = der_in(Path(sec1)) if b"EC PRIVATE KEY" in Path(sec1).read_bytes() else _sec1(Path(sec1))
    fields = [field.whole for field in elements(element(own).content)]
    fields[1] = elements(element(other).content)[1].whole
    raw = device.path / "raw.der"
    raw.write_bytes(encoded(0x30, b"".join(fields)))
    device["pkey.ec.pem"].write_text(pem("EC PRIVATE KEY", raw.read_bytes()))
    raw.unlink()


def _sec1(pkcs8: Path) -> bytes:
    return elements(element(der_in(pkcs8)).content)[2].content


def pem(label: str, content: bytes) -> str:
    """A PEM block."""
    return f"-----BEGIN {label}-----\n{base64.encodebytes(content).decode()}-----END {label}-----\n"


def relink(target: str) -> "Plant":
    """Have ca.pem lead elsewhere."""
    return each(lambda d: d["ca.pem"].unlink(missing_ok=True), lambda d: d["ca.pem"].symlink_to(target))


def another_ca(devices: Path, name: str, *options: str) -> None:
    """A self-signed CA beside the fleet's: NAME.key and NAME.crt."""
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=other-CA"]
    openssl("req", "-new", "-x509", *kind, *options, "-keyout", f"{name}.key", "-out", f"{name}.crt", cwd=devices)


def expired_root(path: Path, work: Path, end: str = "20210101000000Z", start: str = "20200101000000Z") -> None:
    """A self-signed certificate of a CA, valid in the past, and its key beside it."""
    key, csr = path.with_suffix(".key"), work / "root.csr"
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", str(key), cwd=work)
    openssl("req", "-new", "-key", str(key), "-subj", "/CN=old-CA", "-out", str(csr), cwd=work)
    (work / "index.txt").touch()
    (work / "serial").write_text("01")
    extensions = "basicConstraints = critical, CA:TRUE"
    (work / "ca.cnf").write_text(_CA_CONFIG.format(digest="sha256", extensions=extensions))
    openssl(
        "ca", "-batch", "-notext", "-selfsign", "-config", "ca.cnf", "-extensions", "extensions", "-startdate", start,
        "-enddate", end, "-in", str(csr), "-keyfile", str(key), "-out", str(path), cwd=work,
    )  # fmt: skip


Plant = Callable[[Device], object]
# What is planted into a device of that name, and all that is to be found of it.
FAULTS: dict[str, tuple[Plant, set[str]]] = {
    "dir-mode": (lambda d: d.path.chmod(0o755), {"directory-mode"}),
    "key-missing": (lambda d: d["pkey.pem"].unlink(), {"file-missing"}),
    "sec1-missing": (lambda d: d["pkey.ec.pem"].unlink(), {"file-missing"}),
    "csr-missing": (lambda d: d["csr"].unlink(), {"file-missing"}),
    "cert-missing": (lambda d: d["client.pem"].unlink(), {"file-missing"}),
    "chain-missing": (lambda d: d["chain"].unlink(), {"file-missing"}),
    "key-link": (
        each(lambda d: d["pkey.pem"].rename(d.path / "elsewhere"), lambda d: d["pkey.pem"].symlink_to("elsewhere")),
        {"file-kind"},
    ),
    "cert-dir": (each(lambda d: d["client.pem"].unlink(), lambda d: d["client.pem"].mkdir()), {"file-kind"}),
    "cert-empty": (lambda d: d["client.pem"].write_bytes(b""), {"file-empty"}),
    "key-empty": (lambda d: d["pkey.pem"].write_bytes(b""), {"file-empty"}),
    "cert-mode": (lambda d: d["client.pem"].chmod(0o666), {"file-mode"}),
    "key-mode": (lambda d: d["pkey.pem"].chmod(0o644), {"key-mode"}),
    "sec1-mode": (lambda d: d["pkey.ec.pem"].chmod(0o640), {"key-mode"}),
    "cert-cut": (lambda d: cut(d["client.pem"]), {"pem-malformed"}),
    "key-cut": (lambda d: cut(d["pkey.pem"]), {"pem-malformed"}),
    "cert-garbage": (lambda d: d["client.pem"].write_bytes(os.urandom(500)), {"pem-malformed"}),
    "key-for-cert": (lambda d: d["client.pem"].write_bytes(d["pkey.pem"].read_bytes()),
                     {"pem-label", "key-mode"}),
    "cert-for-key": (lambda d: d["pkey.pem"].write_bytes(d["client.pem"].read_bytes()), {"pem-label"}),
    "sec1-for-key": (lambda d: d["pkey.pem"].write_bytes(d["pkey.ec.pem"].read_bytes()), {"pem-label"}),
    "two-certs": (lambda d: d["client.pem"].write_bytes(d["chain"].read_bytes()), {"pem-extra", "chain-other"}),
    "words-around": (lambda d: d["csr"].write_text(f"hello\n{d['csr'].read_text()}"), {"pem-extra"}),
    "cert-executable": (lambda d: d["client.pem"].chmod(0o744), {"file-mode"}),
    "key-executable": (lambda d: d["pkey.pem"].chmod(0o700), {"key-mode"}),
    "dir-group": (lambda d: d.path.chmod(0o750), {"directory-mode"}),
    "stray-end": (lambda d: d["client.pem"].write_bytes(d["client.pem"].read_bytes() + b"-----END CERTIFICATE-----\n"),
                  {"pem-malformed"}),
    "der-more": (lambda d: d["client.pem"].write_text(pem("CERTIFICATE", der_in(d["client.pem"]) + b"\0")),
                 {"pem-malformed"}),
    "root-crlf": (lambda d: d["root.crt"].write_bytes((d.devices / "ca.crt").read_bytes().replace(b"\n", b"\r\n")),
                  {"pem-crlf"}),
    "root-mode": (each(lambda d: d["root.crt"].write_bytes((d.devices / "ca.crt").read_bytes()),
                       lambda d: d["root.crt"].chmod(0o666)), {"file-mode"}),
    "two-faults": (each(lambda d: d.sign(start="20200101000000Z", end="20210101000000Z"),
                        lambda d: d["pkey.pem"].chmod(0o644)), {"expired", "key-mode"}),
    "cn-first": (lambda d: d.sign(csr=d.request(f"/CN={d.uuid}/CN=somebody")), {"certificate-name"}),
    "crlf": (lambda d: d["client.pem"].write_bytes(d["client.pem"].read_bytes().replace(b"\n", b"\r\n")),
             {"pem-crlf"}),
    "key-other": (lambda d: d["pkey.pem"].write_bytes(Path(d.new_key()[1]).read_bytes()), {"key-other"}),
    "sec1-other": (lambda d: openssl("ec", "-in", d.new_key()[0], "-out", str(d["pkey.ec.pem"]), cwd=d.path),
                   {"source-key-other"}),
    "wrong-point": (wrong_point, {"key-unusable"}),
    "csr-other": (other_csr, {"csr-other"}),
    "csr-name": (lambda d: shutil.copyfile(d.request("/CN=somebody"), d["csr"]), {"csr-name"}),
    "csr-changed": (lambda d: flip_last(d["csr"]), {"csr-signature"}),
    "cert-changed": (each(lambda d: flip_last(d["client.pem"]), Device.join), {"untrusted"}),
    "swapped": (each(*(lambda d, name=name: swap(d, name) for name in ("pkey.pem", "pkey.ec.pem", "client.pem")),
                     Device.join), {"certificate-name", "csr-other", "serial-duplicate", "key-shared"}),
    "cn-blank": (lambda d: d.sign(csr=d.request(f"/CN={d.uuid} ")), {"certificate-name"}),
    "cn-more": (lambda d: d.sign(csr=d.request(f"/CN={d.uuid}, O = x")), {"certificate-name"}),
    "cn-plus": (lambda d: d.sign(csr=d.request(f"/CN={d.uuid} \\+ O = x")), {"certificate-name"}),
    "no-cn": (lambda d: d.sign(csr=d.request(f"/CN=x, CN = {d.uuid}")), {"certificate-name"}),
    "two-in-one": (lambda d: d.sign(csr=d.request(f"/CN={d.uuid}+O=plant 3", "-key", str(d["pkey.pem"]),
                                                  "-multivalue-rdn")), {"certificate-subject"}),
    "hidden-ca": (lambda d: d.sign(extensions=f"nsComment={HIDING}\nbasicConstraints=critical, CA:TRUE\n"
                                   f"keyUsage=critical, digitalSignature, keyCertSign\n{CLIENT}"),
                  {"certificate-is-ca", "key-usage"}),
    "hidden-usages": (lambda d: d.sign(extensions=f"nsComment={HIDING}"), {"key-usage", "extended-key-usage"}),
    "unknown-critical": (lambda d: d.sign(extensions=f"{KEY_USAGE}\n{CLIENT}\n1.2.3.4=critical, ASN1:UTF8String:x"),
                         {"untrusted"}),
    "serial-zero": (lambda d: d.sign(serial="00"), {"serial-invalid"}),
    "serial-long": (lambda d: d.sign(serial="11" * 21), {"serial-invalid"}),
    "other-curve": (lambda d: d.use_key("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:secp256k1"), {"key-type"}),
    "shared-key": (lambda d: d.take_key(d.devices / "good"), {"key-shared"}),
    "ca-key": (lambda d: d.take_key(d.devices / "ca.key"), {"key-shared"}),
    "sec1-encrypted": (lambda d: openssl("ec", "-aes128", "-passout", "pass:x", "-in", str(d["pkey.ec.pem"]), "-out",
                                         str(d["pkey.ec.pem"]), cwd=d.path), {"key-unusable"}),
    "stray-key": (each(lambda d: d["pkey.pem.bak"].write_bytes(d["pkey.pem"].read_bytes()),
                       lambda d: d["pkey.pem.bak"].chmod(0o644)), {"key-mode"}),
    "cn": (lambda d: d.sign(csr=d.request("/CN=somebody")), {"certificate-name"}),
    "two-cns": (lambda d: d.sign(csr=d.request(f"/CN=somebody/CN={d.uuid}")), {"certificate-name"}),
    "v1": (v1, {"certificate-version", "key-usage", "extended-key-usage"}),
    "is-ca": (lambda d: d.sign(extensions=f"{KEY_USAGE}\n{CLIENT}\nbasicConstraints=critical, CA:TRUE"),
              {"certificate-is-ca"}),
    "no-eku": (lambda d: d.sign(extensions=KEY_USAGE), {"extended-key-usage"}),
    "server-eku": (lambda d: d.sign(extensions=f"{KEY_USAGE}\nextendedKeyUsage=critical, serverAuth"),
                   {"extended-key-usage", "purpose"}),
    "eku-not-critical": (lambda d: d.sign(extensions=f"{KEY_USAGE}\nextendedKeyUsage=clientAuth"),
                         {"extended-key-usage"}),
    "no-ku": (lambda d: d.sign(extensions=CLIENT), {"key-usage"}),
    "ku-not-critical": (lambda d: d.sign(extensions=f"keyUsage=digitalSignature\n{CLIENT}"), {"key-usage"}),
    "expired": (lambda d: d.sign(start="20200101000000Z", end="20210101000000Z"), {"expired"}),
    "future": (lambda d: d.sign(start="20290101000000Z"), {"not-yet-valid"}),
    "outlives": (lambda d: d.sign(end="20490101000000Z"), {"outlives-ca"}),
    "weak-key": (lambda d: d.use_key("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:prime192v1"), {"key-weak"}),
    "sha1": (lambda d: d.sign(digest="sha1"), {"signature-weak"}),
    "another-root": (lambda d: d.sign(ca="other"), {"untrusted"}),
    "same-serial": (lambda d: d.sign(serial=openssl("x509", "-in", "good/client.pem", "-noout", "-serial",
                                                    cwd=d.devices)[7:-1]), {"serial-duplicate"}),
    "chain-order": (lambda d: d["chain"].write_bytes((d.devices / "ca.crt").read_bytes()
                                                     + d["client.pem"].read_bytes()), {"chain-order"}),
    "chain-leaf": (lambda d: d["chain"].write_bytes(d["client.pem"].read_bytes()), {"chain-other"}),
    "chain-root": (lambda d: d["chain"].write_bytes(d["client.pem"].read_bytes()
                                                    + (d.devices / "other.crt").read_bytes()), {"chain-other"}),
    "dangling": (relink("/nowhere/server_ca.pem"), {"ca-link"}),
    "link-to-key": (relink("pkey.pem"), {"ca-link"}),
    "link-to-other": (relink("client.pem"), {"ca-link"}),
    "ca-pem-other": (each(lambda d: d["ca.pem"].unlink(),
                          lambda d: d["ca.pem"].write_bytes((d.devices / "ca.crt").read_bytes())), {"ca-link"}),
    "root-empty": (lambda d: d["root.crt"].write_bytes(b""), {"file-empty"}),
    "root-cut": (each(lambda d: d["root.crt"].write_bytes((d.devices / "ca.crt").read_bytes()),
                      lambda d: cut(d["root.crt"])), {"pem-malformed"}),
    "root-key": (each(lambda d: d["root.crt"].write_bytes(d["pkey.pem"].read_bytes()),
                      lambda d: d["root.crt"].chmod(0o600)), {"pem-label"}),
    "root-leaf": (lambda d: d["root.crt"].write_bytes(d["client.pem"].read_bytes()), {"root-crt-without-root"}),
    "root-second-cut": (each(lambda d: d["root.crt"].write_bytes((d.devices / "ca.crt").read_bytes() * 2),
                             lambda d: d["root.crt"].write_bytes(d["root.crt"].read_bytes()[:-100])),
                        {"pem-malformed"}),
    "root-future": (lambda d: d["root.crt"].write_bytes((d.devices / "new.crt").read_bytes()),
                    {"root-crt-not-yet-valid"}),
    "root-expired": (lambda d: d["root.crt"].write_bytes((d.devices / "old.crt").read_bytes()), {"root-crt-expired"}),
}  # fmt: skip
# What is done to a good device that leaves it one.
GOOD: dict[str, Plant] = {
    "good": lambda _: None,
    "with-id": lambda _: None,
    "with-root": lambda d: d["root.crt"].write_bytes((d.devices / "other.crt").read_bytes()),
    "without-link": lambda d: d["ca.pem"].unlink(),
    "link-from-before": each(
        lambda d: d["elsewhere.pem"].write_bytes((d.devices.parent / "server_ca.pem").read_bytes()),
        relink("elsewhere.pem"),
    ),
    "compressed-key": lambda d: openssl(
        "ec", "-in", str(d["pkey.ec.pem"]), "-conv_form", "compressed", "-out", str(d["pkey.ec.pem"]), cwd=d.path
    ),
    "old-leaf-in-root": lambda d: d["root.crt"].write_bytes(
        (d.devices / "old.leaf").read_bytes() + (d.devices / "other.crt").read_bytes()
    ),
    "read-only-key": lambda d: d["pkey.pem"].chmod(0o400),
    "group-file": lambda d: d["client.pem"].chmod(0o664),
    "a-b.c_d:e": lambda _: None,
}
