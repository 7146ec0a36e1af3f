"""What is built is whole: the wheel runs away from the checkout and carries the audited texts; so does the sdist."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT, tree


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the wheel and the sdist of the files that git tracks."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    for name in sources():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes((CHECKOUT / name).read_bytes())
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(source)]
    subprocess.run(command, check=True, capture_output=True)
    return out


def sources() -> list[str]:
    """The files of the project: those that git does not ignore, or in an unpacked sdist all but what running made."""
    if not (CHECKOUT / ".git").exists():
        made = ("__pycache__", ".openssl", ".venv", ".mypy_cache", ".pytest_cache", ".ruff_cache")
        names = [name for name, what in tree(CHECKOUT).items() if what.startswith("file")]
        return [name for name in names if not set(made) & set(Path(name).parts)]
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=CHECKOUT, check=True, capture_output=True, text=True).stdout
    return [name for name in listed.split("\0") if name]


def tracked(*directories: str) -> set[str]:
    """The files of these directories of the checkout."""
    return {
        f"{directory}/{name}"
        for directory in directories
        for name, what in tree(CHECKOUT / directory).items()
        if what.startswith("file") and "__pycache__" not in name
    }


def test_wheel(built: Path) -> None:
    """The wheel holds the package, with templates/ inside it, its licence and metadata, and nothing else."""
    (wheel,) = built.glob("*.whl")
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    templates = {f"otaopenssl/{name}" for name in tracked("templates")}
    assert names == tracked("otaopenssl") | templates
    assert "otaopenssl/templates/procedures/ota-connect-2019.7/device.sh" in names
    assert "otaopenssl/templates/client.cnf.j2" in names
    assert "otaopenssl/templates/report.html.j2" in names
    info = {name.rsplit("/", 1)[1] for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" in name}
    assert info == {"METADATA", "WHEEL", "RECORD", "LICENSE", "entry_points.txt"}


def test_sdist(built: Path) -> None:
    """The sdist holds all that is needed to test and build again."""
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    top = {"Makefile", "README.md", "LICENSE", "CHANGELOG.md", "pyproject.toml", "PKG-INFO", ".gitignore"}
    assert names == tracked("otaopenssl", "templates", "docs", "tests", ".ci") | top


def test_the_wheel_runs(built: Path, tmp_path: Path) -> None:
    """Installed away from the checkout, it makes a fleet root CA and a device from its own templates."""
    (wheel,) = built.glob("*.whl")
    site, project = tmp_path / "site", tmp_path / "project"
    project.mkdir()
    zipfile.ZipFile(wheel).extractall(site)
    for command in (["root"], ["device", "--uuid", "u1"]):
        script = (
            f"import sys; sys.path[:] = [{str(site)!r}] + [p for p in sys.path if p not in ('', {str(CHECKOUT)!r})];"
            f" import otaopenssl; assert otaopenssl.__file__.startswith({str(site)!r});"
            f" from otaopenssl.cli import run; sys.exit(run({command!r}))"
        )
        arguments = [sys.executable, "-I", "-c", script]
        ran = subprocess.run(arguments, cwd=project, check=False, capture_output=True, text=True)
        assert ran.returncode == 0, ran.stderr
    assert (project / "myservername" / "devices" / "u1" / "client.pem").is_file()


def test_run_time_dependencies() -> None:
    """typer and jinja2, and nothing else."""
    import tomllib

    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    assert project["dependencies"] == ["typer>=0.26,<0.29", "jinja2>=3.1"]
    assert project["requires-python"] == ">=3.11"
