"""The dry-run of a registering: a bash script that sends the same request by curl."""

from pathlib import Path
from typing import NamedTuple

from otaopenssl.registration import LARGEST_REPLY
from otaopenssl.registry import Registry
from otaopenssl.script import Style
from otaopenssl.shellwords import shell_joined, shell_quoted

_MARK = "EOF"


class Files(NamedTuple):
    """The files that the options name, from the project directory."""

    ca: str | None
    client_cert: str | None
    client_key: str | None


class RegisterScript(NamedTuple):
    """What a dry-run shows of a registering; ``body`` is what would be sent. It is the same in both styles.

    It asks once, and does not know the answers that mean that a device is there already.
    """

    registry: Registry
    files: Files
    seconds: float
    project_dir: Path
    body: bytes

    def text_in(self, _style: Style) -> str:
        """The script, with a newline at its end."""
        lines = [
            "#!/usr/bin/env bash",
            "# What 'otaopenssl register' sends, once; the tool asks again after 5xx and refused connections. Nothing"
            " was sent.",
            "set -e -o pipefail",
            "{",
            f"cd -- {shell_quoted(str(self.project_dir))}",
            f"status=$({self.curl()} <<'{_MARK}'",
            self.body.decode("ascii"),
            _MARK,
            ")",
            *checking_lines("exit 1"),
            "}",
        ]
        return "\n".join(lines) + "\n"

    def document(self, style: Style) -> dict[str, object]:
        """The same for programs: the request, and the script."""
        return {
            "command": "otaopenssl register",
            "method": "PUT",
            "url": self.registry.url,
            "headers": {"Content-Type": "application/json", "Accept": "application/json, */*"},
            "body": self.body.decode("ascii"),
            "script": self.text_in(style),
        }

    def curl(self) -> str:
        """The command that sends its standard input; it prints the status alone, and the answer as an error."""
        words = [
            "curl",
            "--disable",
            "--noproxy",
            "*",
            "--silent",
            "--show-error",
            "--proto",
            f"={self.registry.scheme}",
        ]
        words += ["--max-time", f"{self.seconds:g}", "--max-filesize", str(LARGEST_REPLY)]
        if self.registry.is_secure:
            words.append("--tlsv1.2")
        for option, file in zip(("--cacert", "--cert", "--key"), self.files, strict=True):
            if file is not None:
                # curl takes what follows a colon for a passphrase, and a name for something else than a file.
                path = str(self.project_dir / file)
                words += [option, path.replace("\\", "\\\\").replace(":", "\\:") if option == "--cert" else path]
        words += ["--header", "Content-Type: application/json", "--header", "Accept: application/json, */*"]
        words += ["--output", "/dev/stderr", "--write-out", "%{http_code}"]
        # As it comes but for the newline that a here-document ends with.
        return shell_joined([*words, "--request", "PUT", "--data", "@-", "--", self.registry.url])


def checking_lines(otherwise: str) -> list[str]:
    """Lines of shell that do ``otherwise`` unless the status says that the device is registered."""
    return ['echo "status ${status}" >&2', f'[ "${{status:0:1}}" = 2 ] || {otherwise}']
