"""What a dry-run shows of an installation: openssl's questions, and sftp's batches or the commands for an image."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from otaopenssl.destination import TEMPORARY_NAMES, temporary_name
from otaopenssl.environment import environment, environment_for
from otaopenssl.install import InstallOrder, certificate_shown
from otaopenssl.installed_files import InstalledFile, installed_files
from otaopenssl.layout import CERTIFICATE_NAME, GATEWAY_ROOT_NAME, KEY_NAME
from otaopenssl.present_device import present_device
from otaopenssl.questions import DEVICES_CHECK, KEY_CHECK
from otaopenssl.script import Style
from otaopenssl.sftp import SshOptions
from otaopenssl.sftp_batch import Batch, discard_batch, look_batch, publish_batch, stage_batch
from otaopenssl.shellwords import shell_joined, shell_quoted

_OF_THE_DEVICE = (KEY_NAME, GATEWAY_ROOT_NAME, CERTIFICATE_NAME)
_BESIDES = """\
# Besides, the tool checks by reading them that the device and root.crt are whole, and that root.crt is of the CA in
# credentials.zip; it compares modes, takes an earlier certificate of the same device and CA for what it is, leaves what
# is right, removes what is in the way of a server's rename, and temporary files where it fails.""".splitlines()


class InstallScript(NamedTuple):
    """What ``otaopenssl install`` would run: on a device by ``ssh``, or in the image at ``root`` where that is given.

    ``program`` is the openssl to run where the search path of the child would find another.
    """

    order: InstallOrder
    ssh: SshOptions | None
    root: Path | None
    program: str | None

    def text_in(self, _style: Style) -> str:
        """The script; there are no audited lines in it that could be shown in another style."""
        server = self.order.server
        files = self._files()
        lines = [
            "#!/usr/bin/env bash",
            "# What 'otaopenssl install' runs. Nothing has run.",
            *_BESIDES,
            "set -e -o pipefail",
            "{",
            f"cd -- {shell_quoted(str(server.project_dir))}",
            "umask 077",
            'copies="$(mktemp -d)"',
            "trap 'rm -rf -- \"${copies}\"' EXIT",
            'mkdir "${copies}"/{source,there,staged,published}',
            self._asked(self._verify()),
            *(line for file in files for line in self._prepared(file)),
            *self._own_key(files),
        ]
        lines += self._remote(files, self.ssh) if self.ssh is not None else self._local(files)
        return "\n".join([*lines, f"echo {shell_quoted(self._place())}", "}"]) + "\n"

    def document(self, style: Style) -> dict[str, object]:
        """The same for programs: openssl's questions, the sftp command with its batches, and the script."""
        files = self._files()
        batches = [] if self.ssh is None else [batch.commands for batch in self._batches(files)]
        return {
            "command": "otaopenssl install",
            "place": self._place(),
            "working_directory": str(self.order.server.project_dir),
            "environment": environment(self.order.server.name),
            "questions": [self._verify(), *([KEY_CHECK.argv(file=KEY_NAME)] if files[0].is_key else [])],
            "sftp": None if self.ssh is None else self.ssh.argv(),
            "batches": batches,
            "script": self.text_in(style),
        }

    def _files(self) -> tuple[InstalledFile, ...]:
        """The files to install; the gateway's root is not read, since its content is not shown."""
        order = self.order
        device = present_device(order.server, order.text, order.uuid)
        return installed_files(device, b"", order.url, order.configuration, order.directory)

    def _place(self) -> str:
        if self.ssh is not None:
            return f"{self.ssh.login.shown}:{self.order.directory}"
        return str(self._target())

    def _target(self) -> Path:
        return Path(self.root or "/") / self.order.directory.lstrip("/")

    def _verify(self) -> tuple[str, ...]:
        server = self.order.server
        return DEVICES_CHECK.argv(certificate_shown(self.order), trusted=server.shown(server.ca_crt_path))

    def _asked(self, argv: Sequence[str]) -> str:
        """A question, with its whole environment."""
        variables = environment_for(argv, environment(self.order.server.name))
        given = [f"{name}={value}" for name, value in variables.items()]
        return shell_joined(["env", "-i", *given, self.program or argv[0], *argv[1:]])

    def _prepared(self, file: InstalledFile) -> Iterator[str]:
        """The lines that make a file as it is to be on the device."""
        path = f'"${{copies}}/source/{file.name}"'
        if file.name in _OF_THE_DEVICE:
            own = self.order.server.shown(self.order.server.device_path(self.order.uuid) / file.name)
            yield f"install -m {file.mode:o} -- {shell_quoted(own)} {path}"
        else:
            content = file.content.decode("ascii")
            # A here-document ends with a line's end, which gateway.url has not.
            is_text = content.endswith("\n")
            yield f"cat > {path} <<'EOF'\n{content}EOF" if is_text else f"printf %s {shell_quoted(content)} > {path}"
            yield f"chmod {file.mode:o} {path}"

    def _own_key(self, files: Sequence[InstalledFile]) -> list[str]:
        if not files[0].is_key:
            return []
        server = self.order.server
        own = server.shown(server.device_path(self.order.uuid) / KEY_NAME)
        return [f'public_key="$({self._asked(KEY_CHECK.argv(file=own))})"']

    def _batches(self, files: Sequence[InstalledFile]) -> tuple[Batch, Batch, Batch]:
        directory = self.order.directory
        looked = [file.name for file in files if not file.is_key or not self.order.is_replacing]
        cleared = discard_batch(directory, TEMPORARY_NAMES)
        staged = stage_batch(directory, files, ())
        names = [file.name for file in files]
        return (
            look_batch(directory, looked),
            Batch((*cleared.commands, *staged.commands[1:])),
            publish_batch(directory, names, names),
        )

    def _remote(self, files: Sequence[InstalledFile], ssh: SshOptions) -> Iterator[str]:
        sftp = shell_joined(ssh.argv())
        look, stage, publish = (f"<<'EOF'\n{batch.text()}EOF" for batch in self._batches(files))
        yield 'cd -- "${copies}"'
        yield f'listed="$({sftp} {look}\n)"'
        yield """printf '%s\\n' "${listed}" >&2"""
        yield from self._refusals(files, "there", self.order.directory)
        yield f"{sftp} >&2 {stage}"
        yield from self._compared(files, "staged/", temporary=True)
        yield f"{sftp} >&2 {publish}"
        yield from self._compared(files, "published/", temporary=False)

    def _local(self, files: Sequence[InstalledFile]) -> Iterator[str]:
        target = shell_quoted(str(self._target()))
        yield f"target={target}  # the tool follows no link out of the image"
        yield '[ -d "${target}" ] || { echo "${target} is not there" >&2; exit 4; }'
        yield 'cd -- "${copies}"'
        yield from self._refusals(files, '"${target}"', str(self._target()))
        yield from (f'rm -f -- "${{target}}/{name}"' for name in TEMPORARY_NAMES)
        for file in files:
            path = f'"${{target}}/{temporary_name(file.name)}"'
            yield f"install -m {file.mode:o} -- source/{file.name} {path}; sync -- {path}"
        yield from self._compared(files, '"${target}"/', temporary=True)
        yield from (f'mv -fT -- "${{target}}/{temporary_name(file.name)}" "${{target}}/{file.name}"' for file in files)
        yield 'sync -- "${target}"'
        yield from self._compared(files, '"${target}"/', temporary=False)

    def _refusals(self, files: Sequence[InstalledFile], there: str, shown: str) -> Iterator[str]:
        """The lines that end the script where a name is taken by what is not the device's own, and no move undoes."""
        if self.order.is_replacing:
            return
        for file in files:
            if file.is_of_gateway:
                continue
            path = f"{there}/{file.name}"
            pattern = file.name.replace(".", "\\.")
            if self.ssh is not None:
                # Whatever else has a line in the listing that ends so is refused as well.
                is_taken = f"grep -q ' {pattern}$' <<< \"${{listed}}\" || [ -e {path} ]"
                is_file = f"! grep -q '^[^-].* {pattern}$' <<< \"${{listed}}\""
            else:
                is_taken = f"[ -e {path} ] || [ -L {path} ]"
                is_file = f"[ ! -L {path} ]"
            words = shell_quoted(f"{shown} has another {file.name}")
            yield f"if {is_taken}; then"
            yield f"  {{ {is_file} && [ -f {path} ] && {self._is_same(file, path)}; }} ||"
            yield f"    {{ echo {words} >&2; exit 4; }}"
            yield "fi"

    def _is_same(self, file: InstalledFile, path: str) -> str:
        """The command that compares a file with what was prepared; a key is compared by its public half."""
        if not file.is_key:
            return f"cmp -- {path} source/{file.name} >&2"
        # What is asked about comes as standard input, whose name needs no quoting.
        return f'[ "$({self._asked(KEY_CHECK.argv(file="/dev/stdin"))} < {path})" = "${{public_key}}" ]'

    def _compared(self, files: Sequence[InstalledFile], prefix: str, *, temporary: bool) -> Iterator[str]:
        """The lines that end the script where a copy is not what was sent; a key is compared by its public half."""
        for file in files:
            name = temporary_name(file.name) if temporary else file.name
            differs = '{ echo "the key differs from what was sent" >&2; exit 1; }'
            yield self._is_same(file, f"{prefix}{name}") + (f" || {differs}" if file.is_key else "")
