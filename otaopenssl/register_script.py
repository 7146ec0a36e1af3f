"""The dry-run of a registering: a bash script that sends the same request by curl; or its part in a fleet's script."""

from pathlib import Path
from typing import NamedTuple

from otaopenssl.registration import DEFAULT_TYPE, LARGEST_REPLY
from otaopenssl.registry import Registry
from otaopenssl.script import Style
from otaopenssl.shellwords import shell_joined, shell_quoted

_MARK = "EOF"
_CLIENT_NOTE = "# Of '--passphrase-file' curl knows nothing: it asks for the passphrase of the client's key."
_HEADERS = {"Content-Type": "application/json", "Accept": "application/json, */*"}
_IS_GOOD = '[ "${status:0:1}" = 2 ]'


class Files(NamedTuple):
    """The files that the options name, from the project directory."""

    ca: str | None
    client_cert: str | None
    client_key: str | None


class Registering(NamedTuple):
    """How a script registers: by curl, which is told nothing by its configuration and no proxy.

    It asks once, and does not know the answers that mean that a device is there already.
    """

    registry: Registry
    files: Files
    seconds: float
    project_dir: Path
    has_passphrase_file: bool = False

    def curl(self) -> str:
        """The command that sends its standard input; it prints the status alone, and the answer as an error."""
        scheme = self.registry.scheme
        words = ["curl", "--disable", "--noproxy", "*", "--silent", "--show-error", "--proto", f"={scheme}"]
        words += ["--max-time", f"{self.seconds:g}", "--max-filesize", str(LARGEST_REPLY)]
        if self.registry.is_secure:
            words.append("--tlsv1.2")
        for option, file in zip(("--cacert", "--cert", "--key"), self.files, strict=True):
            if file is not None:
                path = str(self.project_dir / file)
                # What follows a colon curl takes for a passphrase.
                words += [option, path.replace("\\", "\\\\").replace(":", "\\:") if option == "--cert" else path]
        for name, value in _HEADERS.items():
            words += ["--header", f"{name}: {value}"]
        words += ["--output", "/dev/stderr", "--write-out", "%{http_code}"]
        # Of what it sends, --data leaves out the newline that a here-document ends with.
        return shell_joined([*words, "--request", "PUT", "--data", "@-", "--", self.registry.url])

    def function_lines(self) -> list[str]:
        """The shell function that registers the device of the guide's variables, by its client.pem."""
        keys = ("credentials", "deviceId", "deviceName", "deviceType", "uuid")
        form = ",".join(f'"{key}":"%s"' for key in keys)
        return [
            "register_device() {",
            "  local credentials status",
            "  credentials=$(sed -z 's/\\n/\\\\n/g' \"${device_dir}/client.pem\") || return",
            f'  status=$(printf \'{{{form}}}\' "${{credentials}}" "${{device_id}}" "${{device_id}}" {DEFAULT_TYPE}'
            f' "${{DEVICE_UUID}}" | (unset SSL_CERT_FILE; {self.curl()})) || return',
            '  echo "status ${status}" >&2',
            f"  {_IS_GOOD}",
            "}",
        ]

    def device_lines(self) -> list[str]:
        """Lines that register a device that is there, and count it as failed where that fails."""
        return [
            'if [ -s "${device_dir}/client.pem" ] && ! register_device; then',
            '  echo "device ${DEVICE_UUID} is not registered" >&2; failed=$((failed + 1))',
            "fi",
        ]


class RegisterScript(NamedTuple):
    """What a dry-run shows of a registering; ``body`` is what would be sent. It is the same in both styles."""

    registering: Registering
    body: bytes

    def text_in(self, _style: Style) -> str:
        """The script, with a newline at its end."""
        lines = [
            "#!/usr/bin/env bash",
            "# What 'otaopenssl register' sends, once; the tool asks again after 5xx and refused connections, and"
            " knows the answers that",
            "# mean 'there already', a plain 409 for one, which end this with 1. Nothing was sent.",
            *([_CLIENT_NOTE] if self.registering.has_passphrase_file else []),
            "set -e -o pipefail",
            "{",
            f"cd -- {shell_quoted(str(self.registering.project_dir))}",
            f"status=$({self.registering.curl()} <<'{_MARK}'",
            self.body.decode("ascii"),
            _MARK,
            ")",
            'echo "status ${status}" >&2',
            f"{_IS_GOOD} || exit 1",
            "}",
        ]
        return "\n".join(lines) + "\n"

    def document(self, style: Style) -> dict[str, object]:
        """The same for programs: the request, and the script."""
        return {
            "command": "otaopenssl register",
            "method": "PUT",
            "url": self.registering.registry.url,
            "headers": _HEADERS,
            "body": self.body.decode("ascii"),
            "script": self.text_in(style),
        }
