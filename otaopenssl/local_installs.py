"""Devices of a fleet installed as they finish: each into a directory of its own, which is the root of its image."""

from pathlib import Path
from typing import NamedTuple

from otaopenssl.ids import Identity
from otaopenssl.install import InstallOrder, install_local
from otaopenssl.installed_files import GATEWAY_URL_NAME
from otaopenssl.layout import CERTIFICATE_NAME, GATEWAY_ROOT_NAME, KEY_NAME, Server
from otaopenssl.runner import Runner
from otaopenssl.shellwords import shell_quoted
from otaopenssl.steps import Text

_MOST_WARNINGS = 10


class LocalInstalls(NamedTuple):
    """Where devices go: below ``root`` a directory for each, named by its UUID; in it ``directory``.

    ``text`` is the device.sh that made them, ``url`` that of their gateway.
    """

    server: Server
    text: Text
    url: str
    root: Path
    directory: str

    def order(self, identity: Identity) -> InstallOrder:
        """The installation of one device."""
        return InstallOrder(self.server, self.text, identity.uuid, self.url, self.directory)

    def function_lines(self) -> list[str]:
        """The shell function that installs the device of the guide's variables, where it is not installed yet."""
        sources = (
            (KEY_NAME, 600, f'"${{device_dir}}/{KEY_NAME}"'),
            (GATEWAY_ROOT_NAME, 644, f'"${{device_dir}}/{GATEWAY_ROOT_NAME}"'),
            (GATEWAY_URL_NAME, 644, f"<(printf %s {shell_quoted(self.url)})"),
            (CERTIFICATE_NAME, 644, f'"${{device_dir}}/{CERTIFICATE_NAME}"'),
        )
        new = '"${target}/.new"'
        key_move, *others = (
            f'install -m {mode} -- {source} {new} && mv -f -- {new} "${{target}}/{name}"'
            for name, mode, source in sources
        )
        return [
            "install_device() {",
            f'  local target={shell_quoted(str(self.root))}"/${{DEVICE_UUID}}"{shell_quoted(self._inner())}',
            f'  if [ -e "${{target}}/{CERTIFICATE_NAME}" ] || [ -L "${{target}}/{CERTIFICATE_NAME}" ]; then',
            f'    cmp -- "${{target}}/{CERTIFICATE_NAME}" "${{device_dir}}/{CERTIFICATE_NAME}" >&2; return',
            "  fi",
            '  mkdir -p -- "${target}" && chmod 700 -- "${target}" || return',
            f'  if [ -e "${{device_dir}}/{KEY_NAME}" ]; then',
            f'    if [ -e "${{target}}/{KEY_NAME}" ] || [ -L "${{target}}/{KEY_NAME}" ]; then',
            f'      cmp -- "${{target}}/{KEY_NAME}" "${{device_dir}}/{KEY_NAME}" >&2 || return',
            "    fi",
            f"    {key_move} || return",
            "  fi",
            f"  {' && '.join(others)}",
            "}",
        ]

    def device_lines(self) -> list[str]:
        """Lines that install a device that is there, and count it as failed where that fails."""
        return [
            f'if [ -s "${{device_dir}}/{CERTIFICATE_NAME}" ] && ! install_device; then',
            '  echo "device ${DEVICE_UUID} is not installed" >&2; failed=$((failed + 1))',
            "fi",
        ]

    def _inner(self) -> str:
        return f"/{self.directory.strip('/')}".rstrip("/")


class LocalInstaller:
    """Installs devices that are whole, one a call, from any thread; ``warnings`` are the first of many."""

    def __init__(self, installs: LocalInstalls, runner: Runner) -> None:
        self._installs = installs
        self._runner = runner
        self.warnings: list[str] = []

    def __call__(self, identity: Identity) -> None:
        """Install the device, its directories made where they are missing. Raises as ``install_local``."""
        root = self._installs.root / identity.uuid
        found = install_local(self._installs.order(identity), self._runner, root, is_making_directories=True)
        for warning in found.warnings:
            if warning not in self.warnings and len(self.warnings) < _MOST_WARNINGS:
                self.warnings.append(warning)
