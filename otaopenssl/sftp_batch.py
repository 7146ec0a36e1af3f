"""Batches of sftp and what it prints of them, without running anything.

All names in a batch are of letters that stand for themselves in sftp, and local ones are relative to its working
directory, so that nothing in it is ever quoted. Source: sftp(1).
"""

import re
import stat
from collections.abc import Sequence
from typing import NamedTuple

from otaopenssl.destination import DIRECTORY, LINK, REGULAR, SPECIAL, TRIED_NAME, Entry, temporary_name
from otaopenssl.installed_files import InstalledFile

PROMPT = "sftp> "
_LIST = "ls -lan"
# As ls(1) prints it: kind and permissions, links, user, group, size, time in three words, name.
_LISTED = re.compile(r"([-dlbcps])([r-][w-][xsS-][r-][w-][xsS-][r-][w-][xtT-])\S? +(?:\S+ +){4}(?:\S+ +){3}(\S+)")
_KINDS = {"-": REGULAR, "l": LINK, "d": DIRECTORY}


class Batch(NamedTuple):
    """Commands for one session of sftp; the first that fails ends it, but for those that begin with a ``-``."""

    commands: tuple[str, ...]

    def text(self) -> str:
        """The commands as sftp reads them, a line each."""
        return "".join(f"{command}\n" for command in self.commands)


def look_batch(directory: str, names: Sequence[str]) -> Batch:
    """See what is in a directory, and get the named files of those that are there."""
    return Batch((f"cd {directory}", _LIST, *(f"-get {name} there/{name}" for name in names)))


def fetch_batch(directory: str, name: str) -> Batch:
    """Get one file."""
    return Batch((f"cd {directory}", f"get {name} there/{name}"))


def stage_batch(directory: str, files: Sequence[InstalledFile], left: Sequence[str]) -> Batch:
    """Put files under temporary names, on the disk, and get them back.

    A file that is there keeps its mode when it is written: what is ``left`` goes first. That a key is private from its
    first byte is by the mode of the local file; the modes after it are for a server with another umask.
    """
    commands = [f"cd {directory}", *(f"rm {name}" for name in left)]
    for file in files:
        temporary = temporary_name(file.name)
        commands += [f"put -f source/{file.name} {temporary}", f"chmod {file.mode:o} {temporary}"]
    commands += [_LIST, *(f"get {name} staged/{name}" for name in (temporary_name(file.name) for file in files))]
    return Batch(tuple(commands))


def publish_batch(directory: str, moved: Sequence[str], names: Sequence[str]) -> Batch:
    """Move files from their temporary names to their own, one after the other, and get all that are named once more."""
    return Batch((f"cd {directory}", *(_move(name) for name in moved), *_published(names)))


def replace_batch(directory: str, moved: Sequence[str], names: Sequence[str]) -> Batch:
    """As ``publish_batch``, for a server that renames nothing onto a file that is there: each is removed before.

    That the server renames at all is tried first, so that nothing is removed for which nothing can come.
    """
    first = temporary_name(moved[0])
    tried = (f"rename {first} {TRIED_NAME}", f"rename {TRIED_NAME} {first}")
    moves = (command for name in moved for command in (f"-rm {name}", _move(name)))
    return Batch((f"cd {directory}", *tried, *moves, *_published(names)))


def unmoved(command: str, moved: Sequence[str]) -> Sequence[str]:
    """Those that were still to be moved when a session of ``publish_batch`` came to this command; none after all."""
    commands = [_move(name) for name in moved]
    return moved[commands.index(command) :] if command in commands else ()


def discard_batch(directory: str, temporary: Sequence[str]) -> Batch:
    """Remove temporary files, those that are there."""
    return Batch((f"cd {directory}", *(f"-rm {name}" for name in temporary)))


def _move(name: str) -> str:
    return f"rename {temporary_name(name)} {name}"


def _published(names: Sequence[str]) -> tuple[str, ...]:
    return (_LIST, *(f"get {name} published/{name}" for name in names))


def parse_entries(printed: str) -> dict[str, Entry]:
    """What the listing in a session's output tells, by name.

    sftp prints a line's end in a name as it is, which may make a line of it that looks like another's: what is listed
    twice is taken for no file.
    """
    found: dict[str, Entry] = {}
    for line in printed.split("\n"):
        match = _LISTED.fullmatch(line)
        if match is not None:
            kind = SPECIAL if match[3] in found else _KINDS.get(match[1], SPECIAL)
            found[match[3]] = Entry(kind, _mode(match[2]))
    return found


def last_command(printed: str) -> str:
    """The command that a session came to; empty where there was no session."""
    commands = [line.removeprefix(PROMPT) for line in printed.split("\n") if line.startswith(PROMPT)]
    return commands[-1] if commands else ""


def _mode(letters: str) -> int:
    mode = sum(1 << (8 - number) for number, letter in enumerate(letters) if letter not in "-ST")
    special = {2: stat.S_ISUID, 5: stat.S_ISGID, 8: stat.S_ISVTX}
    return mode | sum(bit for number, bit in special.items() if letters[number] in "sStT")
