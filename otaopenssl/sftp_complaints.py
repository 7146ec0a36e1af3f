"""What ssh and sftp say on standard error → what went wrong, and what to do about it."""

import re
from typing import NamedTuple

_LONGEST = 200
# What is said beside a reason, and of files that were looked for and are not there.
_CHATTER = re.compile(r"@.*|Warning: .*|Connection closed\.?|Killed by signal .*")
# And of files that were looked for and are not there, which is no reason for the end of a session.
_ABSENT = re.compile(r"File \".*\" not found\.?|remote delete .*: No such file or directory")
_NO_ROOM = re.compile(r"(?:put|rm|chmod|rename) ")
# As sftp says it of a directory, where it ends with 0 nevertheless.
_NOT_LISTED = re.compile(r"remote readdir\(.*|Couldn't read directory: .*")


class Known(NamedTuple):
    """A complaint of ssh that asks for something else than another try: which line tells it, and a hint."""

    line: re.Pattern[str]
    hint: str


_KNOWN = (
    Known(
        re.compile(r"Host key for .* has changed.*|Host key .* revoked.*"),
        "find out why: another machine may answer; if the key is right remove the old one: ssh-keygen -R '{known}'",
    ),
    Known(
        re.compile(r"No .* host key is known for .*|.*authenticity of host .*"),
        "compare its key with the device's own, and add it to known_hosts; '--accept-new-host-key' adds it unseen",
    ),
    Known(
        re.compile(r".*Permission denied \(.*|.*Too many authentication failures.*"),
        "name the user and have a key that is accepted in the ssh agent or the configuration; try: ssh {words}",
    ),
    Known(re.compile(r"subsystem request failed.*"), "have an sftp server on the device, which its ssh server starts"),
    Known(
        re.compile(r"ssh: .*|.*Connection (?:timed out|refused).*|.*No route to host.*"),
        "check the host, the port, the network, and that an ssh server listens there",
    ),
    Known(re.compile(r".*[Bb]ad configuration option.*|Can't open user config file .*"), "mend the ssh configuration"),
)
_BY_HAND = "see by hand what is wrong: ssh {words}"
_NO_SFTP = (
    "see on the device, in its ssh server's log, whether its sftp server starts for that user: a missing program, "
    "a ForceCommand, a ChrootDirectory or a login shell may end it"
)


def connection_complaint(stderr: bytes, known: str, words: str) -> tuple[str, str]:
    """Why there is no session, or none any more, and what to do; empty words where nothing is said of it.

    ``known`` names the host as known_hosts does, ``words`` as ssh takes it.
    """
    lines = [line for line in _lines(stderr) if not _ABSENT.fullmatch(line)]
    for one in _KNOWN:
        for line in lines:
            if one.line.fullmatch(line):
                return line, one.hint.format(known=known, words=words)
    return (lines[0], _BY_HAND.format(words=words)) if lines else ("", _NO_SFTP)


def command_complaint(stderr: bytes) -> str:
    """What was said of the command that ended a batch, which is what was said last."""
    lines = _lines(stderr)
    return lines[-1] if lines else "no reason is given"


def listing_complaint(stderr: bytes) -> str:
    """Why a directory could not be listed; empty where nothing is said of it."""
    return next((line for line in _lines(stderr) if _NOT_LISTED.fullmatch(line)), "")


def directory_hint(said: str, directory: str) -> str:
    """What to do where a directory cannot be gone to, by what is said of it."""
    if "is not a directory" in said:
        return "name a directory by '--directory'"
    if "No such file" in said:
        made = f"have it made on the device first, which this does not do: mkdir -p {directory}"
        return f"{made}; where a link leads there, have made what it leads to"
    return "check the owners and modes of the directories that lead to it, on the device"


def hint_for(command: str) -> str:
    """What to do about a command of a batch that a server did not carry out."""
    if _NO_ROOM.match(command):
        return (
            "check its owner and mode, that its file system has room and is not mounted read-only, "
            "and that no other install runs there at the same time"
        )
    return "check the directory on the device, and the owners and modes of what is in it"


def _lines(stderr: bytes) -> list[str]:
    """The lines that say something, each of at most 200 printable characters."""
    lines = (line.strip() for line in stderr.decode("utf-8", "replace").splitlines())
    return [_shown(line) for line in lines if line and not _CHATTER.fullmatch(line)]


def _shown(line: str) -> str:
    printable = "".join(one if one.isprintable() else repr(one)[1:-1] for one in line[:_LONGEST])
    return printable + ("…" if len(line) > _LONGEST else "")
