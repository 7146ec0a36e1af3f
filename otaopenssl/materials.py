"""What a run is made of, as files with their digests: texts, configuration files, the fleet root CA, the program.

It is what an approval is compared with, and what a record says that the run was made of.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from otaopenssl import __version__, configs
from otaopenssl.approval import Approval, ApprovedText, Build, approved_text
from otaopenssl.builds import ProgramFiles, openssl_configs
from otaopenssl.digest import sha256
from otaopenssl.environment import NO_TRUST_BUNDLE, environment
from otaopenssl.errors import Error, Unfit, quoted
from otaopenssl.file_state import state_of
from otaopenssl.ids import DeviceUUID
from otaopenssl.included import included
from otaopenssl.layout import Server
from otaopenssl.measured import Measured, measure, measured
from otaopenssl.texts import Procedure

CA_CRT = "ca.crt"


class Materials(NamedTuple):
    """The files that a run is made of, as they were when they were read.

    ``procedure`` is None of a run that carries out no text. ``texts`` are those of the procedure, by name,
    ``text_files`` where they lie; ``files`` the configuration files that they name (certs/NAME, those included by the
    name in the line) and ca.crt, where it is there. ``rendered`` are the names of those files that the run will
    render. ``program`` is None where there is none; ``openssl_configs`` are openssl.cnf and what it includes.
    """

    server: Server
    procedure: str | None
    texts: Mapping[str, ApprovedText]
    text_files: Mapping[str, Measured]
    files: Mapping[str, Measured]
    rendered: frozenset[str]
    program: ProgramFiles | None
    openssl_configs: Mapping[str, Measured]

    def settled(self) -> "Materials":
        """The same, once the run has rendered what it was to render: from then on those files must not change."""
        return self._replace(
            files={name: measure(one.path) if name in self.rendered else one for name, one in self.files.items()},
            rendered=frozenset(),
        )

    def measured_files(self) -> tuple[Measured, ...]:
        """Every file that must stay as it is; not those that are to be rendered yet."""
        return (
            *self.text_files.values(),
            *(one for name, one in self.files.items() if name not in self.rendered),
            *(self.program.all() if self.program is not None else ()),
            *self.openssl_configs.values(),
        )


def gathered(
    server: Server,
    procedure: Procedure | None,
    names: Sequence[str],
    rendering: Sequence[str],
    program: ProgramFiles | None,
    openssl_cnf: Path | None,
) -> Materials:
    """The materials as they are now; of what cannot be read the digest is None.

    ``names`` are the texts that count; ``rendering`` those whose configuration files are rendered where they are
    missing. Never raises: what is wrong with a file is said where it is used.
    """
    configs_found = {} if openssl_cnf is None else openssl_configs(openssl_cnf)
    if procedure is None:
        return Materials(server, None, {}, {}, {}, frozenset(), program, configs_found)
    names = [name for name in procedure.text_names() if name in names]
    texts = {name: approved_text(procedure.content(name)) for name in names}
    files, rendered = _configs(server, procedure, names, rendering)
    if os.path.lexists(server.ca_crt_path):
        files[CA_CRT] = measure(server.ca_crt_path)
    return Materials(
        server,
        procedure_name(procedure, server.project_dir),
        texts,
        {name: _known(procedure.directory / name, text) for name, text in texts.items()},
        files,
        rendered,
        program,
        configs_found,
    )


def procedure_name(procedure: Procedure, project_dir: Path) -> str:
    """The name by which an approval knows a procedure: a built-in one's own, else where its directory lies."""
    if procedure.is_built_in:
        return procedure.name
    path = os.path.normpath(procedure.directory)
    return os.path.relpath(path, project_dir) if Path(path).is_relative_to(project_dir) else path


def this_tool() -> str:
    """The tool and its version, as approvals hold it."""
    return f"otaopenssl {__version__}"


def as_approval(materials: Materials, builds: Iterable[Build]) -> Approval:
    """The approval of these materials and builds. Raises Unfit where one of the files cannot be read."""
    files = {}
    for name, found in materials.files.items():
        if found.sha256 is None:
            hint = "name it by a path that can be read, or take its line away"
            raise Unfit(f"{quoted(name)} cannot be read, so that it cannot be approved", hint=hint)
        files[name] = found.sha256
    return Approval(
        this_tool(),
        materials.procedure or "",
        materials.texts,
        dict(sorted(files.items())),
        tuple(builds),
        whole_environment(materials.server),
    )


def whole_environment(server: Server) -> dict[str, str]:
    """The whole environment of an openssl process, as an approval and a record hold it."""
    return environment(server.name, DeviceUUID("${DEVICE_UUID}")) | NO_TRUST_BUNDLE


def _known(path: Path, text: ApprovedText) -> Measured:
    """A text's file, which was read when the text was."""
    return Measured(path, text.sha256, state_of(path))


def _configs(
    server: Server, procedure: Procedure, names: Sequence[str], rendering: Sequence[str]
) -> tuple[dict[str, Measured], frozenset[str]]:
    """The configuration files that texts name, and those that they include; and which of them are to be rendered."""
    files: dict[str, Measured] = {}
    rendered: set[str] = set()
    for name in names:
        try:
            text = procedure.text(name)
        except Error:
            # Its digest is no approved one, or it is refused when it is to run.
            continue
        missing = configs.missing(server, text) if name in rendering else {}
        for config in text.config_names():
            shown, path = f"certs/{config}", server.certs_dir / config
            if config in missing:
                files[shown] = Measured(path, sha256(missing[config]), None)
                rendered.add(shown)
            elif shown not in files and (name in rendering or os.path.lexists(path)):
                files[shown], content = measured(path)
                files |= {line: measure(where) for line, where in included(content, server.project_dir)}
    return files, frozenset(rendered)
