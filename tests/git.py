"""Real git repositories for the tests, made by the real git program, without the settings of whoever runs them."""

import os
import shutil
import subprocess
from pathlib import Path

from tests.conftest import require


class Repository:
    """A work tree of git's at ``top``, new and empty."""

    def __init__(self, top: Path, *options: str) -> None:
        require(shutil.which("git") is not None, "no git program in PATH")
        self.top = top
        self.git("init", "-q", *options, str(top), cwd=top.parent)

    def git(self, *arguments: str, cwd: Path | None = None, stdin: bytes = b"") -> bytes:
        """What git prints; a failure fails the test, but for the 1 by which check-ignore says that it found none."""
        ran = subprocess.run(
            [
                "git",
                "-c",
                "user.name=t",
                "-c",
                "user.email=t@t.example",
                "-c",
                "protocol.file.allow=always",
                *arguments,
            ],
            cwd=cwd or self.top,
            env={"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"},
            input=stdin,
            capture_output=True,
            check=False,
        )
        assert ran.returncode == 0 or (ran.returncode == 1 and "check-ignore" in arguments), ran.stderr
        return ran.stdout

    def ignored(self, paths: list[str]) -> set[str]:
        """Those of the paths that git leaves out, whether it tracks them or not."""
        stdin = b"".join(os.fsencode(path) + b"\0" for path in paths)
        out = self.git("check-ignore", "--no-index", "-z", "--stdin", stdin=stdin)
        return {os.fsdecode(path) for path in out.split(b"\0") if path}

    def tracked(self) -> set[str]:
        """The paths that git tracks."""
        return {os.fsdecode(path) for path in self.git("ls-files", "-z").split(b"\0") if path}

    def write(self, path: str, content: str = "") -> Path:
        """A file in the work tree."""
        file = self.top / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
        return file
