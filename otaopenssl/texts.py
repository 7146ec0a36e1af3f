"""The audited texts as files: the tool's own under templates/procedures/, or a team's in a directory of its own."""

import os
from pathlib import Path

from otaopenssl.durable import not_writable, read_bounded, sync_file, write_new
from otaopenssl.errors import BadInput, Unfit, quoted, raise_all, reason
from otaopenssl.interrupts import hold_for_good
from otaopenssl.procedure import parse_text
from otaopenssl.resources import templates_dir
from otaopenssl.steps import Text
from otaopenssl.text_rules import TEXT_NAMES, check_text

DEFAULT_PROCEDURE = "ota-connect-2019.7"


class Procedure:
    """A set of audited texts by its name and directory; each text is read once, so that what is shown is what runs."""

    def __init__(self, name: str, directory: Path, *, is_built_in: bool = False) -> None:
        self.name = name
        self.directory = directory
        self.is_built_in = is_built_in
        self._contents: dict[str, bytes] = {}
        self._texts: dict[str, Text] = {}

    def text_names(self) -> tuple[str, ...]:
        """The names of the texts that it has, in the order of the guide."""
        return tuple(name for name in TEXT_NAMES if (self.directory / name).is_file())

    def content(self, name: str) -> bytes:
        """The bytes of a text. Raises Unfit where it is missing or cannot be read."""
        if name not in self._contents:
            try:
                self._contents[name] = read_bounded(self.directory / name)
            except OSError as error:
                raise Unfit(
                    f"procedure {quoted(self.name)} has no readable {quoted(name)}: {reason(error)}",
                    hint="start from the tool's own texts: otaopenssl procedure export",
                ) from error
        return self._contents[name]

    def text(self, name: str) -> Text:
        """The parsed text ``name``, checked to make what its command publishes.

        Raises BadInput with file, line and reason; Unfit where the text is missing.
        """
        if name not in self._texts:
            text = parse_text(self.content(name), str(Path(self.name) / name))
            check_text(text, name)
            self._texts[name] = text
        return self._texts[name]

    def check_all(self) -> None:
        """Raise BadInput, with every reason at once, unless each text of the directory can be run."""
        problems = []
        for name in self.text_names():
            try:
                self.text(name)
            except BadInput as error:
                problems.append(error)
        raise_all(problems)


def built_in_procedures() -> tuple[Procedure, ...]:
    """The procedures that come with the tool, by name."""
    directories = sorted((templates_dir() / "procedures").iterdir())
    return tuple(
        Procedure(directory.name, directory, is_built_in=True) for directory in directories if directory.is_dir()
    )


def find_procedure(option: str, cwd: Path) -> Procedure:
    """The procedure that ``--procedure NAME|DIR`` means: a built-in name, else a directory, from ``cwd``.

    A team's own texts must all parse. Raises BadInput where there is neither, or a text is refused.
    """
    procedure = located_procedure(option, cwd)
    if not procedure.is_built_in:
        procedure.check_all()
    return procedure


def located_procedure(option: str, cwd: Path) -> Procedure:
    """The procedure that ``--procedure NAME|DIR`` means, its texts not looked at yet. Raises BadInput."""
    built_in = {procedure.name: procedure for procedure in built_in_procedures()}
    if option in built_in:
        return built_in[option]
    hint = f"give a directory or one of: {', '.join(built_in)}"
    if not option.isprintable():
        raise BadInput(f"the name of procedure {quoted(option)} must be printable", hint="rename the directory")
    if not option or not (cwd / option).is_dir():
        raise BadInput(f"no procedure {quoted(option)}: neither a built-in name nor a directory", hint=hint)
    procedure = Procedure(option, cwd / option)
    if not procedure.text_names():
        raise BadInput(f"no procedure {quoted(option)}: the directory holds none of {', '.join(TEXT_NAMES)}", hint=hint)
    return procedure


def export(procedure: Procedure, directory: Path) -> tuple[str, ...]:
    """The names of a procedure's texts, copied into the new directory ``directory``, all or none.

    Raises Unfit where the directory is there already or cannot be made.
    """
    contents = {name: procedure.content(name) for name in procedure.text_names()}
    if os.path.lexists(directory):
        raise Unfit(f"{quoted(directory)} is there already", hint="name a directory that is not there yet")
    # From here to the rename is a moment; a signal that comes in it finds the export done.
    hold_for_good()
    staging = directory.with_name(f".{directory.name}.{os.getpid()}.new")
    try:
        staging.mkdir()
        try:
            for name, content in contents.items():
                write_new(staging / name, content)
            staging.rename(directory)
        except BaseException:
            for name in contents:
                (staging / name).unlink(missing_ok=True)
            staging.rmdir()
            raise
        sync_file(directory.parent)
    except OSError as error:
        raise not_writable(error, str(directory)) from error
    return tuple(contents)
