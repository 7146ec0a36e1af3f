"""The layers hold: imports go down, and processes, locks, words and printing each have one place."""

import ast
import re
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT

PACKAGE = CHECKOUT / "otaopenssl"

# A module imports only from rows above its own.
ROWS = [
    row.split()
    for row in """
errors
address departures der digest elf exchange expiry_plot file_state findings git_ignore git_index ids interrupts
merkle questions refusal_words resources shellwords statement strict_json
registration registry wire
approval cnf distinguished_name environment key_kind layout login outputs render settings steps
certificate_request chain complaints device_files durable given leaf leaf_rules output_rules id_list procedure providers
own_places signing_steps targets
answer attempt carried request_rules room runner text_rules
credentials git_tree inside locks measured page_file policy program reports request_source script sftp_complaints
signing stock texts
wholeness
registry_client registry_trust
register register_script
export_script pkcs12 device_tar
device_answers device_index device_verdicts file_rules included inventory twins
belonging certificate_rules gateway_root_rules previous
account approvers builds configs dsse file_system fleet_expiry fleet_root plan records recorded_lines
recorded_keys scratch serials server_directory vouching workbench
archived_root doctor_check execution materials present_device recovery
differences doctor_ca doctor_keys doctor_openssl doctor_owners doctor_place doctor_server gateway_root installed_files
permission record
renewal_choice renewal_source replacing
dead_runs destination rehearsal trials
evidence gate gateway image installed_identity issuance proof server sftp_batch show statement_rules
approve device doctor_texts fleet_block installation line_rules record_rules root seal_rules sftp
fleet_summary install
device_script doctor fleet follow_up install_script issued_list local_installs recorded_devices rehearse renew
export
audit fleet_script page_certificates recorded_certificates rehearse_script renewal_script
device_check recorded_runs
verify
fleet_page
page_verdict
cli
__main__
""".strip().split("\n")
]
ROW = {module: number for number, row in enumerate(ROWS) for module in row}
ONLY_PLACE = {
    "subprocess": {"runner"},
    "securesystemslib": {"dsse"},
    "cryptography": {"dsse"},
    "fcntl": {"locks"},
    "jinja2": {"render"},
    "typer": {"cli"},
    "shlex": {"shellwords"},
    "http": {"registry_client"},
    "ssl": {"registry_client", "registry_trust", "wire"},
    "signal": {"__main__", "interrupts", "runner"},
}
SOURCES = sorted(PACKAGE.rglob("*.py"))


def module_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """The top-level packages that a source imports, its own project's as otaopenssl.MODULE."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "otaopenssl":
            found |= {f"otaopenssl.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def names(path: Path) -> set[str]:
    return {".".join(name.split(".")[: 2 if name.startswith("otaopenssl.") else 1]) for name in imported(path)}


def test_every_module_has_a_row() -> None:
    """A new module must be given its place."""
    assert {module_of(path) for path in SOURCES} - {"__init__"} == set(ROW)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down(path: Path) -> None:
    """No module imports from its own row or one below it."""
    module = module_of(path)
    for name in names(path):
        other = name.removeprefix("otaopenssl.")
        if name.startswith("otaopenssl.") and other != module and other != "__version__":
            assert ROW[other] < ROW[module], f"{module} imports {other}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_each_effect_has_its_place(path: Path) -> None:
    """subprocess, fcntl, jinja2 and typer are imported in one module each."""
    for package, modules in ONLY_PLACE.items():
        if package in names(path):
            assert module_of(path) in modules


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_cli_prints_and_ends(path: Path) -> None:
    """print, sys.exit and the standard streams belong to cli; the entry point ends the process."""
    if module_of(path) not in ("cli", "__main__"):
        assert not re.search(r"\bprint\(|sys\.(exit|stdout|stderr)", path.read_text())


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_sizes(path: Path) -> None:
    """No file passes 300 lines, no function 40 beside its docstring."""
    assert len(path.read_text().splitlines()) <= 300
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef) and node.end_lineno is not None:
            docstring = node.body[0] if ast.get_docstring(node) else None
            lines = node.end_lineno - node.body[0].lineno + 1
            if docstring is not None and docstring.end_lineno is not None:
                lines -= docstring.end_lineno - docstring.lineno + 1
            assert lines <= 40, f"{node.name} has {lines} lines"


def test_no_shell() -> None:
    """Nothing is ever given to a shell."""
    for path in SOURCES:
        assert not re.search(r"shell\s*=\s*True|os\.system|os\.popen", path.read_text())


def test_the_entry_point_imports_nothing_that_loads_libcrypto() -> None:
    """Before the environment is clean only gc, os, signal and sys are imported."""
    tree = ast.parse((PACKAGE / "__main__.py").read_text())
    top = {alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names}
    top |= {str(node.module) for node in tree.body if isinstance(node, ast.ImportFrom)}
    assert top == {"gc", "os", "signal", "sys"}
    package = ast.parse((PACKAGE / "__init__.py").read_text())
    assert not [node for node in package.body if isinstance(node, ast.Import | ast.ImportFrom)]
