"""Real shells in which a key is pressed: what becomes of the line that is being typed."""

import os
import pty
import select
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Tab completes, Ctrl-X writes the line down, Ctrl-U wipes it out.
_SETUP = {
    "bash": """
PS1='ready> '; bind 'set bell-style none'; bind 'set show-all-if-ambiguous on'; bind 'set page-completions off'
bind -x '"\\C-x": printf "%s\\n" "$READLINE_LINE" >line.new; mv line.new line'
source <(otaopenssl --show-completion)
""",
    "zsh": """
PS1='ready> '; unsetopt beep; LISTMAX=1000
autoload -Uz compinit; compinit -u -D
write_line() { print -r -- "$BUFFER" >line.new; mv line.new line }
zle -N write_line; bindkey '^X' write_line; bindkey '^U' kill-whole-line
source <(otaopenssl --show-completion)
""",
}
_COMMAND = {"bash": ["bash", "--noprofile", "--rcfile", "setup"], "zsh": ["zsh", "-i"]}
_SECONDS = 30.0


class Shell:
    """An interactive shell in a pseudo-terminal, with completion as its user sets it up."""

    def __init__(self, controller: int, cwd: Path) -> None:
        self._controller = controller
        self._cwd = cwd

    def completed(self, begun: str) -> tuple[str, str]:
        """The line after Tab, and what was shown meanwhile."""
        line = self._cwd / "line"
        line.unlink(missing_ok=True)
        os.write(self._controller, f"{begun}\t\x18".encode())
        shown = self.shown_until(line.exists)
        typed = line.read_text().removesuffix("\n")
        os.write(self._controller, b"\x15")
        return typed, shown

    def shown_until(self, is_done: "object") -> str:
        """What the terminal got until something is so."""
        assert callable(is_done)
        shown = b""
        deadline = time.monotonic() + _SECONDS
        while not is_done():
            assert time.monotonic() < deadline, shown
            if select.select([self._controller], [], [], 0.05)[0]:
                shown += os.read(self._controller, 65536)
        return shown.decode(errors="replace")


@contextmanager
def interactive(name: str, cwd: Path, path: str, **environment: str) -> Iterator[Shell]:
    """The shell of that name, started in a directory with a PATH, its own configuration left out."""
    home = cwd / f"home of {name}"
    home.mkdir()
    (home / ".zshrc").write_text(f"{_SETUP['zsh']}cd {cwd}\n: >started\n")
    (home / "setup").write_text(f"{_SETUP['bash']}cd {cwd}\n: >started\n")
    child, controller = pty.fork()
    if child == 0:
        os.chdir(home)
        variables = {"PATH": path, "HOME": str(home), "TERM": "xterm", "LC_ALL": "C.UTF-8", **environment}
        os.execvpe(_COMMAND[name][0], _COMMAND[name], variables)
    shell = Shell(controller, cwd)
    try:
        shell.shown_until((cwd / "started").exists)
        yield shell
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(controller)
