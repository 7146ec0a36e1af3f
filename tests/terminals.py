"""A real terminal of a given size, and what a program shows on it."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Sequence
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


def typed(command: list[str], cwd: Path, answers: Sequence[tuple[str, bytes]], **environment: str) -> tuple[int, str]:
    """How a program ends that is typed each answer at its only terminal once it shows the prompt, and all it shows.

    One that asks for more is killed after a while.
    """
    outer, inner = pty.openpty()
    variables = os.environ | environment
    with subprocess.Popen(
        command, cwd=cwd, env=variables, stdin=inner, stdout=inner, stderr=inner, start_new_session=True
    ) as process:
        os.close(inner)
        killer = threading.Timer(30, process.kill)
        killer.start()
        seen = b""
        left = list(answers)
        try:
            while more := os.read(outer, 1024):
                seen += more
                if left and left[0][0].encode() in seen:
                    os.write(outer, left.pop(0)[1])
        except OSError:
            # Linux says so that the program has closed its end.
            pass
        status = process.wait(60)
        killer.cancel()
    os.close(outer)
    return status, seen.decode("utf-8", "replace")


def otaopenssl_on_terminal(*arguments: str, cwd: Path, columns: int, **environment: str) -> str:
    """The same of ``otaopenssl``."""
    return on_terminal([sys.executable, "-m", "otaopenssl", *arguments], cwd, columns, **environment)


def without_colours(shown: str) -> str:
    """The text without the sequences that set colours; any other sequence stays, to be found."""
    return re.sub(r"\x1b\[[0-9;]*m", "", shown)
