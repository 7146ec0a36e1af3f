"""The files of one device on their way to a directory: looked for, written, compared, moved, and looked at again."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from pathlib import Path

from otaopenssl.destination import REGULAR, TEMPORARY_NAMES, TRIED_NAME, Copies, Destination, Entries, temporary_name
from otaopenssl.errors import Error, Failed, Interrupted, Unfit, quoted
from otaopenssl.installed_files import InstalledFile
from otaopenssl.installed_identity import OwnIdentity, Standing, Whose, copied
from otaopenssl.interrupts import hold_for_good, tidying
from otaopenssl.layout import KEY_NAME
from otaopenssl.runner import Runner

_AGAIN = "run the same command again, while no other install runs there: it finishes what was begun"
_OTHERS_BITS = 0o077


class State(Enum):
    """What came of it: the files were put there, all of them were there and right, or an identity was replaced."""

    INSTALLED = "installed"
    THERE = "already there"
    REPLACED = "replaced"


class Installation:
    """One installation, of files in the order in which they are moved; ``warnings`` tell what was found there."""

    def __init__(
        self,
        files: Sequence[InstalledFile],
        identity: OwnIdentity,
        runner: Runner,
        destination: Destination,
        copies: Copies,
    ) -> None:
        self._files = files
        self._identity = identity
        self._runner = runner
        self._destination = destination
        self._copies = copies
        self._names = [file.name for file in files]
        self.warnings: list[str] = []

    def carry_out(self, *, is_replacing: bool) -> State:
        """Look, write under temporary names, compare, move, compare. What is right is left where it is.

        Raises Unfit and Failed.
        """
        public = [file.name for file in self._files if not file.is_key]
        entries = self._destination.look(public, self._copies)
        self._check_kinds(entries)
        standing = self._standing(entries, is_replacing=is_replacing)
        if standing.whose is Whose.OTHERS and not is_replacing:
            raise standing.refusal(self._destination.shown)
        wrong = [file for file in self._files if not self._is_right(file, entries, standing)]
        if not is_replacing:
            self._check_configuration(wrong, entries)
        left = [name for name in TEMPORARY_NAMES if name in entries]
        if wrong:
            with self._tidying(wrong):
                self._put(wrong, left)
        elif left:
            self._destination.discard(left)
        self.warnings += self._found(wrong, entries, standing)
        if not wrong:
            return State.THERE
        return State.REPLACED if standing.whose in (Whose.EARLIER, Whose.OTHERS) else State.INSTALLED

    def _put(self, wrong: Sequence[InstalledFile], left: Sequence[str]) -> None:
        entries = self._destination.stage(wrong, left, self._copies)
        self._check_copies(wrong, entries, self._copies.staged, temporary_name, "was written")
        # What is moved is moved as a whole, and then looked at.
        hold_for_good()
        entries = self._destination.publish([file.name for file in wrong], self._names, self._copies)
        self._check_copies(self._files, entries, self._copies.published, str, "was moved to its place")

    def _standing(self, entries: Entries, *, is_replacing: bool) -> Standing:
        def fetch(name: str) -> None:
            self._destination.fetch(name, self._copies)

        try:
            return self._identity.standing(entries, self._copies, fetch, self._runner)
        except Unfit:
            # A key that cannot be read is somebody's.
            if not is_replacing:
                raise
            return Standing(Whose.OTHERS)

    def _check_kinds(self, entries: Entries) -> None:
        """Raise Unfit where what is no file has the name of one: no move could take its place."""
        for name in (*self._names, *TEMPORARY_NAMES):
            if name in entries and entries[name].kind == "a directory":
                words = f"{quoted(name)} in {quoted(self._destination.shown)} is a directory, expected {REGULAR}"
                raise Unfit(words, hint="move it away")

    def _check_configuration(self, wrong: Sequence[InstalledFile], entries: Entries) -> None:
        """Raise Unfit where a configuration is there that somebody has written otherwise."""
        for file in wrong:
            if file.is_configuration and file.name in entries and not self._is_same(file, entries):
                shown = f"{quoted(file.name)} in {quoted(self._destination.shown)}"
                hint = "leave out '--toml' to keep it; '--replace' writes over it, and over another identity as well"
                raise Unfit(f"{shown} is another configuration than the one to install", hint=hint)

    def _is_same(self, file: InstalledFile, entries: Entries) -> bool:
        """Whether a file with this content is there already, by its copy."""
        return entries[file.name].kind == REGULAR and copied(self._copies.there / file.name) == file.content

    def _is_right(self, file: InstalledFile, entries: Entries, standing: Standing) -> bool:
        if file.name not in entries or entries[file.name] != (REGULAR, file.mode):
            return False
        return standing.has_key if file.is_key else self._is_same(file, entries)

    def _found(self, wrong: Sequence[InstalledFile], entries: Entries, standing: Standing) -> Iterator[str]:
        """What to know of the files that were there."""
        for file in wrong:
            is_known = file.is_of_gateway and file.name in entries and standing.whose is not Whose.OTHERS
            if is_known and copied(self._copies.there / file.name) != file.content:
                yield f"another {file.name} was there, and was replaced"
        if KEY_NAME in self._names or KEY_NAME not in entries:
            return
        entry = entries[KEY_NAME]
        yield f"{entry.kind} {KEY_NAME} is there and was not looked at: it has to be the key of this device"
        if entry.kind == REGULAR and entry.mode & _OTHERS_BITS:
            yield f"{KEY_NAME} that is there has mode {entry.mode:04o}, expected 0600: others may read it"

    @contextmanager
    def _tidying(self, files: Sequence[InstalledFile]) -> Iterator[None]:
        """Remove what has temporary names where the block fails, as far as the connection allows; else tell of it."""
        try:
            yield
        except (Error, Interrupted) as error:
            left = f"temporary files may be left in {quoted(self._destination.shown)}; the next try removes them"
            try:
                with tidying():
                    self._destination.discard([*(temporary_name(file.name) for file in files), TRIED_NAME])
            except Error:
                if isinstance(error, Interrupted):
                    error.message = f"interrupted, {left}"
                else:
                    error.details = (*error.details, left)
            raise

    def _check_copies(
        self, files: Sequence[InstalledFile], entries: Entries, into: Path, named: Callable[[str], str], what: str
    ) -> None:
        """Raise Failed where a file at the far side is not as it was sent."""
        for file in files:
            name = named(file.name)
            where = f"{quoted(name)} in {quoted(self._destination.shown)}, as it {what},"
            entry = entries.get(name)
            if entry is None or entry.kind != REGULAR:
                found = "not there" if entry is None else entry.kind
                raise Failed(f"{where} is {found}, expected {REGULAR}", hint=_AGAIN)
            if entry.mode != file.mode:
                raise Failed(f"{where} has mode {entry.mode:04o}, expected {file.mode:04o}", hint=_AGAIN)
            if file.is_key:
                is_right = self._identity.is_own_key(into / name, self._runner)
            else:
                is_right = copied(into / name) == file.content
            if not is_right:
                raise Failed(f"{where} is not what was sent", hint=_AGAIN)
