"""What a file that a step has written must hold, by its bytes alone: an exit status of openssl says little."""

from otaopenssl.outputs import expected_label, is_whole_der, pem_blocks
from otaopenssl.procedure import BoundStep


def output_fault(bound: BoundStep, content: bytes) -> str | None:
    """What is wrong with an output of the step, in words that follow the file's name; None where nothing is."""
    if not content:
        return "empty"
    if bound.step.programs == ("cat",):
        return None
    expected = expected_label(bound.step.kind, is_encrypted=not bound.step.has("-nocrypt"))
    if expected is None:
        return None
    blocks = pem_blocks(content)
    label = blocks[0].label if blocks else None
    if label != expected or not all(is_whole_der(block.der) for block in blocks):
        return f"as {label or 'no whole PEM file'}, expected {expected}"
    return None
