"""Whether a device directory is whole, by reading its files, without starting openssl.

The same rule says what may be published and what a later run may skip. Whether a signature is right only openssl can
tell; of a certificate that it has just written nobody need ask.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from otaopenssl.digest import sha256
from otaopenssl.durable import read_bounded
from otaopenssl.errors import Failed, quoted, reason
from otaopenssl.ids import DeviceUUID
from otaopenssl.layout import CERTIFICATE_NAME, GATEWAY_ROOT_NAME, KEY_NAME
from otaopenssl.leaf import Leaf, is_private_half, parse_leaf
from otaopenssl.output_rules import Written, output_fault, written
from otaopenssl.outputs import CERTIFICATE, PKCS8_KEY, RSA_KEY, SEC1_KEY, PemBlock, is_whole_der
from otaopenssl.steps import BoundStep
from otaopenssl.text_rules import CA_CERTIFICATE_WORD


class Issued(NamedTuple):
    """What is told of a device's certificate: its serial number, its end (aware UTC), and the digest of its DER."""

    serial: int
    not_after: datetime
    sha256: str


def read_outputs(steps: Sequence[BoundStep], cwd: Path, absent: Collection[str] = ()) -> dict[str, Written]:
    """What is in each file that the steps write, by its path, which is below ``cwd`` where it is relative.

    Those that are ``absent`` are left out. Raises Failed where another is missing, or does not hold what the last step
    that writes it writes.
    """
    outputs = {}
    for output, step in _writers(steps).items():
        if output in absent:
            continue
        outputs[output] = written(_content(cwd, output))
        fault = output_fault(step, outputs[output])
        if fault is not None:
            raise not_whole(f"{quoted(_name(output))} is {fault}")
    return outputs


def check_whole(
    steps: Sequence[BoundStep], outputs: Mapping[str, Written], uuid: DeviceUUID, ca_name: bytes | None
) -> Issued:
    """The facts of the certificate among what the steps have written, once all of it is found to belong together.

    ``outputs`` need not hold the keys, which may be on the device alone. Key and CSR are the certificate's, the
    certificate is the device's, its issuer is ``ca_name`` (a name in DER; None where it is not known), and joined files
    hold what they join. Raises Failed with what is wrong.
    """
    writers = _writers(steps)
    for output, step in writers.items():
        if step.step.programs == ("cat",) and not _is_joined(step, outputs[output], outputs):
            raise not_whole(f"{quoted(_name(output))} is not what '{step.quoted()}' writes")
    der = outputs[_path_of(outputs, CERTIFICATE_NAME)].blocks[0].der or b""
    try:
        leaf = parse_leaf(der)
    except ValueError as error:
        raise not_whole(f"{quoted(CERTIFICATE_NAME)} is no certificate: {error}") from error
    _check_certificate(leaf, uuid, ca_name)
    _check_belonging(writers, outputs, leaf)
    return Issued(leaf.serial, leaf.not_after, sha256(der))


def _writers(steps: Sequence[BoundStep]) -> dict[str, BoundStep]:
    """The step that writes each output, the last one of several."""
    return {output: step for step in steps for output in step.outputs}


def _check_certificate(leaf: Leaf, uuid: DeviceUUID, ca_name: bytes | None) -> None:
    if leaf.common_names != (uuid,):
        names = quoted(", ".join(leaf.common_names))
        raise not_whole(f"{quoted(CERTIFICATE_NAME)} is the certificate of {names}")
    if ca_name is not None and leaf.issuer != ca_name:
        raise not_whole(f"the issuer of {quoted(CERTIFICATE_NAME)} is not the subject of ca.crt")


def _check_belonging(writers: Mapping[str, BoundStep], outputs: Mapping[str, Written], leaf: Leaf) -> None:
    """The key, what it was made from, and the CSR hold the public key of the certificate."""
    certificate_path, key_path = (_path_of(writers, name) for name in (CERTIFICATE_NAME, KEY_NAME))
    key = outputs.get(key_path)
    if key is not None and not is_whole_der(key.content) and not any(map(_is_pkcs8_key, key.blocks)):
        raise not_whole(f"{quoted(KEY_NAME)} is no private key")
    for path in (key_path, writers[key_path].value("-in") or ""):
        if not all(_is_key(leaf, block) for block in _blocks(outputs, path)):
            raise not_whole(f"{quoted(_name(path))} is not the key of {quoted(CERTIFICATE_NAME)}")
    path = writers[certificate_path].value("-in") or ""
    if not all(leaf.public_key in (block.der or b"") for block in _blocks(outputs, path)):
        raise not_whole(f"{quoted(_name(path))} is not the request for {quoted(CERTIFICATE_NAME)}")


def _is_pkcs8_key(block: PemBlock) -> bool:
    """Whether it is a key in PKCS#8, encrypted or not."""
    return block.label.endswith(PKCS8_KEY)


def _blocks(outputs: Mapping[str, Written], path: str) -> tuple[PemBlock, ...]:
    """The PEM blocks of an output; none of a file that is not one."""
    return outputs[path].blocks if path in outputs else ()


def _is_key(leaf: Leaf, block: PemBlock) -> bool:
    """Whether the block may be the certificate's key; of one that is encrypted, or no key, nothing can be said."""
    if block.der is None or block.label not in (SEC1_KEY, PKCS8_KEY, RSA_KEY):
        return True
    try:
        return is_private_half(leaf, block.der)
    except ValueError:
        return False


def _is_joined(step: BoundStep, joined: Written, outputs: Mapping[str, Written]) -> bool:
    """Whether a joined file holds the device's own files of those it joins, and a certificate for ca.crt.

    Which one is not compared: the CA's may have been renewed since, and whether it has signed only openssl can tell.
    """
    own = [outputs[path] for path in step.commands[0][1:] if path in outputs]
    has_ca = CA_CERTIFICATE_WORD in step.step.commands[0]
    missing = len(joined.blocks) < sum(len(one.blocks) for one in own) + has_ca
    is_whole = all(is_whole_der(block.der) for block in joined.blocks if block.label == CERTIFICATE)
    return not missing and is_whole and all(one.content in joined.content for one in own)


def _content(cwd: Path, path: str) -> bytes:
    try:
        return read_bounded(cwd / path)
    except FileNotFoundError:
        missing = f"{quoted(_name(path))} is missing"
        if _name(path) == GATEWAY_ROOT_NAME:
            raise Failed(missing, hint="have it fetched: otaopenssl gateway root --uuid UUID") from None
        raise not_whole(missing) from None
    except OSError as error:
        raise not_whole(f"{quoted(_name(path))} cannot be read: {reason(error)}") from error


def _path_of(paths: Iterable[str], name: str) -> str:
    """The output of that name; a device's text writes one, as is checked when it is loaded."""
    return next(path for path in paths if _name(path) == name)


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def not_whole(what: str) -> Failed:
    """The error for a device directory that is there and not whole: what is wrong, in words that follow it."""
    return Failed(what, hint="move its directory away to have it made again")
