"""A parsed text: its steps, and what a step is with its places filled in.

Values are filled in word by word after the text was split into words (``Step.bind``), so that a value never meets a
tokenizer: a directory named ``x" -out /etc/passwd "`` stays one argument.
"""

from collections.abc import Mapping
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

from otaopenssl.shellwords import Place, Word, literal, shell_joined, shell_quoted


class BoundStep(NamedTuple):
    """A step with its places filled in: one argv a process, and the paths it writes, as the commands name them."""

    step: "Step"
    commands: tuple[tuple[str, ...], ...]
    redirect: str | None
    outputs: tuple[str, ...]

    def value(self, option: str) -> str | None:
        """The argument after an option, or None; the first one where it stands twice."""
        return next((value for words in self.commands for name, value in pairwise(words) if name == option), None)

    def quoted(self) -> str:
        """The step as one line of shell, every argument quoted, ready to paste."""
        line = " | ".join(shell_joined(command) for command in self.commands)
        if self.redirect is not None:
            line += f" > {shell_quoted(self.redirect)}"
        return line + (" || true" if self.step.may_fail else "")


class _Parsed(NamedTuple):
    commands: tuple[tuple[Word, ...], ...]
    redirect: Word | None
    may_fail: bool
    source: str
    line: int


class Step(_Parsed):
    """One command line of a procedure: a pipeline, perhaps with ``> file`` or ``|| true``.

    ``source`` holds the text's own characters, continuations included; ``line`` is the first one's number. What follows
    from these is found once, however many devices the step is carried out for.
    """

    @cached_property
    def kind(self) -> str:
        """Each openssl subcommand, with -new, -req, -x509, -sign where they matter; cat, ln, sed."""
        return " | ".join(_command_kind(command) for command in self.commands)

    @cached_property
    def name(self) -> str:
        """What the step is called in messages: its kind, and -text where it prints a report."""
        return f"{self.kind} -text" if self.has("-text") else self.kind

    @cached_property
    def makes_public_files(self) -> bool:
        """Whether what the step writes can hold no private key: x509 and req write none, since -keyout is refused."""
        return all(subcommand(words) in ("req", "x509") for words in self.commands)

    @cached_property
    def programs(self) -> tuple[str, ...]:
        """The program of each command: openssl, cat, ln or sed."""
        return tuple(literal(words[0]) or "" for words in self.commands)

    def link_word(self) -> Word | None:
        """The word that names the link which an ``ln -s`` makes."""
        return self.commands[0][3] if self.programs == ("ln",) else None

    @cached_property
    def output_words(self) -> tuple[Word, ...]:
        """The words that name what the step writes: each ``-out``, then the ``>``."""
        named = tuple(word for words in self.commands for word in after(words, "-out"))
        return named if self.redirect is None else (*named, self.redirect)

    def places(self) -> tuple[str, ...]:
        """The names of the places that the step uses, each once, in order."""
        words = [word for command in self.commands for word in command]
        parts = [part for word in (*words, self.redirect or ()) for part in word]
        return tuple(dict.fromkeys(part.name for part in parts if isinstance(part, Place)))

    def option(self, name: str) -> Word | None:
        """The word after option ``name``, or None; the first one where it stands twice."""
        return next((word for words in self.commands for word in after(words, name)), None)

    def has(self, name: str) -> bool:
        """Whether a command of the step has the word ``name``."""
        return any((name,) in words for words in self.commands)

    def bind(self, places: Mapping[str, str]) -> BoundStep:
        """The step with each place replaced by its value; a value becomes part of one argument, whatever it holds."""
        commands = tuple(
            tuple([word if isinstance(word, str) else filled(word, places) for word in words])
            for words in self._literal_or_open
        )
        redirect = None if self.redirect is None else filled(self.redirect, places)
        return BoundStep(self, commands, redirect, tuple([filled(word, places) for word in self.output_words]))

    @cached_property
    def _literal_or_open(self) -> tuple[tuple[str | Word, ...], ...]:
        """The commands, each word without a place as the text that it stands for."""
        return tuple(
            tuple(word if (text := literal(word)) is None else text for word in words) for words in self.commands
        )


class Text(NamedTuple):
    """One audited text of a procedure, parsed: ``file`` names it in messages, ``steps`` are in the text's order."""

    file: str
    steps: tuple[Step, ...]

    def names_in(self, place: str) -> tuple[str, ...]:
        """Names in the directory of ``place`` that the commands name, each once, in the text's order."""
        return self._names_after(place, "/")

    def config_names(self) -> tuple[str, ...]:
        """Names of the files in certs/ that the commands read, each once, in the text's order."""
        return self._names_after("CWD", "/certs/")

    def _names_after(self, place: str, prefix: str) -> tuple[str, ...]:
        words = (word for step in self.steps for command in step.commands for word in command)
        literals = (word[1] for word in words if len(word) > 1 and word[0] == Place(place) and isinstance(word[1], str))
        names = (path.removeprefix(prefix).partition("/")[0] for path in literals if path.startswith(prefix))
        return tuple(dict.fromkeys(name for name in names if name not in ("", ".", "..")))


def after(words: tuple[Word, ...], option: str) -> tuple[Word, ...]:
    """The words that stand after an option."""
    return tuple(following for word, following in pairwise(words) if word == (option,))


def subcommand(words: tuple[Word, ...]) -> str | None:
    """The openssl subcommand; None for another program."""
    return literal(words[1]) if words[0] == ("openssl",) and len(words) > 1 else None


def filled(word: Word, places: Mapping[str, str]) -> str:
    """The word with each place replaced by its value."""
    return "".join(part if isinstance(part, str) else places[part.name] for part in word)


def _command_kind(words: tuple[Word, ...]) -> str:
    name = subcommand(words)
    if name is None:
        return literal(words[0]) or ""
    return " ".join([name, *(option for option in ("-new", "-req", "-x509", "-sign", "-resign") if (option,) in words)])
