"""What a file that a step has written must hold, by its bytes alone: an exit status of openssl says little."""

from typing import NamedTuple

from otaopenssl.outputs import CERTIFICATE, PemBlock, expected_label, is_whole_der, pem_blocks
from otaopenssl.steps import BoundStep


class Written(NamedTuple):
    """What a step has written into a file, as it was read again: its bytes, and the PEM blocks in them."""

    content: bytes
    blocks: tuple[PemBlock, ...]


def written(content: bytes) -> Written:
    """The content of an output, parsed."""
    return Written(content, pem_blocks(content))


def output_fault(bound: BoundStep, found: Written) -> str | None:
    """What is wrong with an output of the step, in words that follow the file's name; None where nothing is."""
    if not found.content:
        return "empty"
    if bound.step.programs == ("cat",):
        return None
    if bound.step.programs[-1] == "sed":
        is_good = found.blocks and all(one.label == CERTIFICATE and is_whole_der(one.der) for one in found.blocks)
        return None if is_good else "no whole certificates"
    expected = expected_label(bound.step.kind, is_encrypted=not bound.step.has("-nocrypt"))
    if expected is None:
        return None
    label = found.blocks[0].label if found.blocks else None
    if label != expected or not all(is_whole_der(block.der) for block in found.blocks):
        return f"as {label or 'no whole PEM file'}, expected {expected}"
    return None
