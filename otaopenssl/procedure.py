"""An audited text → its steps, without touching anything outside.

The grammar is what the guide needs; anything else is refused with file, line and reason, so that bash and the tool
cannot differ on what a text means.
"""

import re
from collections.abc import Iterable
from typing import NoReturn

from otaopenssl.errors import quoted
from otaopenssl.shellwords import Place, Reader, Token, Word, literal, refuse, shell_joined
from otaopenssl.steps import Step, Text, after, subcommand

# The one editing that the guide asks of sed: keep the PEM blocks of certificates.
SED_WORDS = ("sed", "-n", "/-BEGIN CERTIFICATE-/,/-END CERTIFICATE-/p")

_PLACES_OF_OUTPUTS = frozenset({"device_dir", "DEVICES_DIR", "SERVER_DIR", "sealed_dir", "export_dir"})
# Those whose options are known to write no file but the ones that are looked for here.
_SUBCOMMANDS = frozenset(
    {"cms", "ec", "ecparam", "genpkey", "genrsa", "pkcs8", "pkcs12", "pkey", "req", "rsa", "verify", "x509"}
    | {"s_client", "s_server"}
)
# openssl's other options that write a file: one would miss the workbench and the checks.
_WRITING_OPTIONS = frozenset(
    {"-CAserial", "-keylogfile", "-keyout", "-msgfile", "-outpubkey", "-sess_out", "-writerand"}
)
# openssl's options that read a file: a relative path would be looked for in the workbench.
_READING_OPTIONS = frozenset(
    {"-CA", "-CAfile", "-CAkey", "-cert", "-cert_chain", "-certfile", "-config", "-extfile", "-in", "-inkey", "-key"}
    | {"-CApath", "-CRL", "-cert2", "-chainCAfile", "-chainCApath", "-dcert", "-dhparam", "-dkey", "-key2"}
    | {"-requestCAfile", "-signer", "-trusted", "-untrusted", "-verifyCAfile", "-verifyCApath"}
)
_LARGEST_TEXT = 64 * 1024


def parse_text(content: bytes, file: str) -> Text:
    """The steps of an audited text.

    ``content`` is the file as it is, at most 64 KiB of UTF-8; ``file`` is its name for messages.
    Raises BadInput with file, line and reason for anything outside the grammar.
    """
    if len(content) > _LARGEST_TEXT:
        refuse(file, 1, f"the text has {len(content)} bytes, at most {_LARGEST_TEXT} are allowed")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        refuse(file, content.count(b"\n", 0, error.start) + 1, "the text is not UTF-8")
    lines: list[list[Token]] = [[]]
    for token in Reader(text, file).tokens():
        if token.operator == "\n":
            lines.append([])
        else:
            lines[-1].append(token)
    steps = tuple(_step(line, text, file) for line in lines if line)
    if not steps:
        refuse(file, 1, "the text holds no command")
    return Text(file, steps)


def _step(tokens: list[Token], text: str, file: str) -> Step:
    """The step that the tokens of one command line make, checked to be one that the tool carries out as bash would."""
    line = tokens[0].line
    source = text[tokens[0].start : tokens[-1].end]
    may_fail = len(tokens) > 2 and tokens[-2].operator == "||" and tokens[-1].word == ("true",)
    if may_fail:
        tokens = tokens[:-2]
    redirect = None
    if len(tokens) > 2 and tokens[-2].operator == ">" and not tokens[-1].operator:
        redirect = tokens[-1].word
        tokens = tokens[:-2]
    commands: list[tuple[Word, ...]] = [()]
    for token in tokens:
        if token.operator == "|":
            commands.append(())
        elif token.operator == ">":
            refuse(file, token.line, "'>' may stand only once, as '> file' at the end of a command line")
        elif token.operator:
            refuse(file, token.line, "'||' may stand only as '|| true' at the end of a command line")
        else:
            commands[-1] += (token.word,)
    if not all(commands):
        refuse(file, line, "a command is missing beside '|' or '>'")
    step = Step(tuple(commands), redirect, may_fail, source, line)
    _Check(step, file).all()
    return step


class _Check:
    """Refuses what is well-formed shell but not what the tool can carry out to the same end as bash."""

    def __init__(self, step: Step, file: str) -> None:
        self.step = step
        self.file = file

    def refuse(self, reason: str) -> NoReturn:
        refuse(self.file, self.step.line, reason)

    def all(self) -> None:
        for index, (words, program) in enumerate(zip(self.step.commands, self.step.programs, strict=True)):
            if program == "openssl":
                self.openssl(words)
            elif program == "sed":
                self.sed(words, index)
            elif program == "cat":
                self.cat(words)
            elif program == "ln":
                self.ln(words)
            else:
                self.refuse(f"the program {quoted(_shown(words[0]))} is none of openssl, cat, ln and sed")
        for word in self.step.output_words:
            self.output(word)
            if self.step.may_fail:
                self.refuse("'|| true' may not follow a command that writes a file")

    def openssl(self, words: tuple[Word, ...]) -> None:
        if subcommand(words) not in _SUBCOMMANDS:
            self.refuse(f"'openssl' must be followed by one of the subcommands {', '.join(sorted(_SUBCOMMANDS))}")
        for word in words[2:]:
            start = word[0] if isinstance(word[0], str) else ""
            if literal(word) in _WRITING_OPTIONS:
                self.refuse(f"option {quoted(literal(word))} writes a file; only '-out' and '>' may name one")
            if start.startswith("--") or re.match(r"-\w+=", start):
                self.refuse(f"option {quoted(start)} must be written as the guide writes one: '-name value'")
        if words[-1] == ("-out",):
            self.refuse("'-out' without a file")
        for option in ("-out", *_READING_OPTIONS):
            if words.count((option,)) > 1:
                self.refuse(f"option '{option}' stands twice")
        for option in _READING_OPTIONS:
            if any(not _is_anchored(word) for word in after(words, option)):
                self.refuse(f"the file of '{option}' must begin with a place or a '/'")

    def sed(self, words: tuple[Word, ...], index: int) -> None:
        if tuple(literal(word) for word in words) != SED_WORDS:
            self.refuse(f"sed may be used only as in the guide: {shell_joined(SED_WORDS)}")
        if index != 1 or len(self.step.commands) != 2 or self.step.programs[0] != "openssl":
            self.refuse("sed may only follow one openssl command in a pipe")
        if self.step.redirect is None:
            self.refuse("sed needs a '> file'")

    def cat(self, words: tuple[Word, ...]) -> None:
        if len(self.step.commands) != 1 or self.step.redirect is None or len(words) < 2:
            self.refuse("cat may be used only as 'cat FILE… > FILE'")
        self.operands(words[1:])

    def ln(self, words: tuple[Word, ...]) -> None:
        alone = len(self.step.commands) == 1 and self.step.redirect is None
        if not alone or len(words) != 4 or words[1] != ("-s",):
            self.refuse("ln may be used only as 'ln -s TARGET LINK'")
        self.operands(words[2:])
        self.output(words[3])

    def operands(self, words: Iterable[Word]) -> None:
        if not all(_is_anchored(word) for word in words):
            self.refuse("the name of a file must begin with a place or a '/'")

    def output(self, word: Word) -> None:
        """An output must lie where it is staged: below the device, devices or server directory."""
        first, *rest = word
        path = "".join(part if isinstance(part, str) else "x" for part in rest)
        is_name = path.startswith("/") and "/" not in path[1:] and path[1:] not in ("", ".", "..")
        if not (isinstance(first, Place) and first.name in _PLACES_OF_OUTPUTS and is_name):
            self.refuse("an output must be ${device_dir}/NAME, ${DEVICES_DIR}/NAME or ${SERVER_DIR}/NAME")


def _is_anchored(word: Word) -> bool:
    """Whether a file's name means the same in a workbench as in the project directory."""
    return isinstance(word[0], Place) or word[0].startswith("/")


def _shown(word: Word) -> str:
    return "".join(part if isinstance(part, str) else f"${{{part.name}}}" for part in word)
