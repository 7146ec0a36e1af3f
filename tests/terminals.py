"""A real terminal of a given size, and what a program shows on it."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path


def on_terminal(command: list[str], cwd: Path, columns: int, **environment: str) -> str:
    """What a pseudo-terminal of so many columns gets of the program's standard output; a failure fails the test."""
    controller, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "TERM": "xterm-256color", **environment},
        stdin=subprocess.DEVNULL,
        stdout=terminal,
        stderr=subprocess.PIPE,
    )
    os.close(terminal)
    shown = bytearray()
    try:
        while chunk := os.read(controller, 65536):
            shown += chunk
    except OSError:
        # Linux says so that the program has closed its end.
        pass
    os.close(controller)
    assert process.stderr is not None
    words = process.stderr.read().decode()
    process.stderr.close()
    assert process.wait(60) == 0, words
    return shown.decode().replace("\r\n", "\n")


def otaopenssl_on_terminal(*arguments: str, cwd: Path, columns: int, **environment: str) -> str:
    """The same of ``otaopenssl``."""
    return on_terminal([sys.executable, "-m", "otaopenssl", *arguments], cwd, columns, **environment)


def without_colours(shown: str) -> str:
    """The text without the sequences that set colours; any other sequence stays, to be found."""
    return re.sub(r"\x1b\[[0-9;]*m", "", shown)
