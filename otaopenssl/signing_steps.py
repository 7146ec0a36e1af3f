"""Which steps of device.sh are carried out where a device's CSR or its keys are there already.

Steps are only left out, and never before the signing alone: what is carried out stands in the audited text, to the
letter and in its order. Source: docs/records.md, which says the same to whoever checks a record.
"""

from collections.abc import Iterator
from typing import NamedTuple

from otaopenssl.shellwords import Word, refuse
from otaopenssl.steps import Step, Text

SIGNING_KIND = "x509 -req"


class Part(NamedTuple):
    """The steps that are carried out, and the words for the files that have to be there before the first of them."""

    text: Text
    given: tuple[Word, ...]


def from_request(text: Text) -> Part:
    """The signing and what follows it, for a CSR that is there. The keys need not be.

    Raises BadInput, with file and line, for a text that makes no CSR to sign, uses keys after the signing, or copies
    what a CSR asks for into the certificate.
    """
    index = _signing_index(text)
    signing = text.steps[index]
    request = _request(text, index)
    copied = signing.option("-copy_extensions")
    if copied is not None and copied != ("none",):
        words = "'-copy_extensions' would give a certificate what the CSR of a stranger asks for"
        refuse(text.file, signing.line, words)
    gone = {word for step in text.steps[:index] for word in step.output_words} - {request}
    for step in text.steps[index:]:
        for word in _words(step):
            if word in gone:
                refuse(text.file, step.line, "a step after the signing uses a file that is not there without the keys")
    return Part(text._replace(steps=text.steps[index:]), (request,))


def from_keys(text: Text) -> Part:
    """The making of the CSR, the signing and what follows it, for keys that are there.

    Raises BadInput, with file and line, for a text that makes no CSR to sign.
    """
    index = _signing_index(text)
    request = _request(text, index)
    requesting = next(step for step in reversed(text.steps[:index]) if request in step.output_words)
    given = (word for step in text.steps[:index] if step is not requesting for word in step.output_words)
    return Part(text._replace(steps=(requesting, *text.steps[index:])), tuple(dict.fromkeys(given)))


def _signing_index(text: Text) -> int:
    """Where the signing stands; each device.sh has one, as is checked when it is loaded."""
    return next(index for index, step in enumerate(text.steps) if step.kind == SIGNING_KIND)


def _request(text: Text, index: int) -> Word:
    """The word for the CSR that the step signs."""
    request = text.steps[index].option("-in")
    if request is None or not any(request in step.output_words for step in text.steps[:index]):
        refuse(text.file, text.steps[index].line, "the step signs no CSR that a step before it writes")
    return request


def _words(step: Step) -> Iterator[Word]:
    for command in step.commands:
        yield from command
