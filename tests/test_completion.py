"""Completion in the real shells: commands, options, and what is there in the project."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from otaopenssl.cli.completion import MOST_PROPOSALS
from otaopenssl.texts import DEFAULT_PROCEDURE
from tests.conftest import CHECKOUT, require, run, tree, write_program
from tests.shells import Shell, interactive

UUIDS = [
    "4e7cdc4f-b7dc-4fb0-900f-a237ba3e804c",
    "4e7d0000-1111-4222-8333-444455556666",
    "aa:bb:01",
    "aa:bb:02",
    "aa:cc:03",
]
RECORDS = ["20261125T052400Z-0123456789ab", "20261126T052400Z-0123456789ab"]
# Each shell, and how it is started without anybody's configuration.
BARE = {"bash": ["--norc"], "zsh": ["-f"], "fish": ["--no-config"]}
SHELLS = list(BARE)


@pytest.fixture(scope="module")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with the names of devices, records, a second server and a procedure."""
    directory = tmp_path_factory.mktemp("stocked")
    devices = directory / "myservername" / "devices"
    for uuid in UUIDS:
        (devices / uuid).mkdir(parents=True)
    for name in ("ca.key", "ca.crt", "ca.srl"):
        (devices / name).touch()
    (devices / "$(touch evil)").mkdir()
    (devices / "`touch evil`").mkdir()
    for name in RECORDS:
        (directory / "myservername" / "records" / name).mkdir(parents=True)
    (directory / "myservername" / "records" / ".open").mkdir()
    (directory / "ota.example" / "devices" / "VIN1").mkdir(parents=True)
    (directory / "certs").mkdir()
    (directory / "own").mkdir()
    (directory / "own" / "device.sh").touch()
    (directory / "$(touch evil)").mkdir()
    (directory / "$(touch evil)" / "device.sh").touch()
    return directory


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A PATH in which the program of this checkout stands."""
    directory = tmp_path_factory.mktemp("bin")
    command = f"#!/bin/sh\nPYTHONPATH='{CHECKOUT}' exec '{sys.executable}' -m otaopenssl \"$@\"\n"
    write_program(directory / "otaopenssl", command)
    return f"{directory}:{os.environ['PATH']}"


Propose = Callable[..., list[str]]


@pytest.fixture(params=SHELLS)
def propose(request: pytest.FixtureRequest, stocked: Path, path: str) -> Propose:
    """What a shell proposes for the last of the words, by the script that the program prints for it."""
    shell: str = request.param
    require(shutil.which(shell) is not None, f"no {shell} in PATH")
    return lambda line, cwd=stocked, **environment: proposals(shell, line, cwd, path, **environment)


# The shells' own ways to complete a line without a keyboard: each prints a proposal a line.
ASK = {
    "bash": r"""
source <(_OTAOPENSSL_COMPLETE=source_bash otaopenssl)
read -r -a COMP_WORDS <<<"$(sed 's/[:=]/ & /g' <<<"$1")"
[[ $1 != *' ' ]] || COMP_WORDS+=('')
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_otaopenssl_completion otaopenssl
printf '%s\n' "${COMPREPLY[@]}"
""",
    # What typer's function gives to zsh's own _arguments; the interactive test has the real one.
    "zsh": r"""
compdef() { :; }
_files() { print -r -- '"certs/"'; }
compset() { :; }
_arguments() { print -r -- "$1" }
source <(_OTAOPENSSL_COMPLETE=source_zsh otaopenssl)
words=(${=1}); [[ $1 != *' ' ]] || words+=(''); CURRENT=$#words
_otaopenssl_completion
""",
    "fish": r"""
_OTAOPENSSL_COMPLETE=source_fish otaopenssl | source
complete -C "$argv[1]" | string replace -r '\t.*' ''
""",
}


def proposals(shell: str, line: str, cwd: Path, path: str, **environment: str) -> list[str]:
    words = ["-c", ASK[shell], *(["bash"] if shell != "fish" else []), line]
    ran = subprocess.run(
        [shell, *BARE[shell], *words],
        cwd=cwd,
        env={"PATH": path, "HOME": str(cwd), "TERM": "dumb", "LC_ALL": "C.UTF-8", **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.stderr == ""
    printed = ran.stdout
    if shell == "zsh":
        printed = "\n".join(re.findall(r'"([^"]*)"(?::"[^"]*")?', printed)).replace(r"\\:", ":")
    # Here bash would propose files where there is nothing else.
    return sorted(name for name in printed.splitlines() if name)


def test_commands(propose: Propose) -> None:
    """Commands, those of a group, and options complete."""
    assert {"root", "device", "show", "gateway"} <= set(propose("otaopenssl "))
    assert propose("otaopenssl gateway ") == ["root", "url"]
    assert propose("otaopenssl device --st") == ["--style"]
    assert propose("otaopenssl device --style ") == ["argv", "guide"]


@pytest.mark.parametrize(
    "line", ["show", "rehearse --uuid", "gateway root --uuid", "audit --proof", "rehearse --against x --uuid"]
)
def test_devices(propose: Propose, line: str) -> None:
    """Where a device must be there, those that are there are proposed, and nothing that only looks like one."""
    assert propose(f"otaopenssl {line} ") == UUIDS
    assert propose(f"otaopenssl {line} 4e7c") == UUIDS[:1]


def test_a_new_device(propose: Propose) -> None:
    """A device that is to be made is none of those that are there."""
    assert propose("otaopenssl device --uuid ") == []
    assert propose("otaopenssl device --uuid=") == []


def test_records_procedures_and_servers(propose: Propose) -> None:
    """Records, procedures with a team's own, and directories that hold devices complete."""
    assert propose("otaopenssl audit ") == RECORDS
    assert propose(f"otaopenssl audit {RECORDS[1]} 20261125") == RECORDS[:1]
    assert propose("otaopenssl device --procedure ") == [DEFAULT_PROCEDURE, "own"]
    assert propose("otaopenssl procedure show o") == [DEFAULT_PROCEDURE, "own"]
    assert propose("otaopenssl root --server-name ") == ["myservername", "ota.example"]


def test_which_project(propose: Propose, stocked: Path, tmp_path: Path) -> None:
    """-C before and after the command, --server-name, SERVER_NAME and otaopenssl.toml say where to look."""
    project = tmp_path / "project"
    (project / "team" / "devices" / "VIN2").mkdir(parents=True)
    (project / "otaopenssl.toml").write_text('server_name = "team"\n')
    assert propose("otaopenssl show ", project) == ["VIN2"]
    assert propose(f"otaopenssl -C {project} show ") == ["VIN2"]
    assert propose(f"otaopenssl show -C {project} ") == ["VIN2"]
    assert propose("otaopenssl -C ~/project show ", HOME=str(tmp_path)) == ["VIN2"]
    assert propose("otaopenssl show --server-name ota.example ") == ["VIN1"]
    assert propose("otaopenssl show ", SERVER_NAME="ota.example") == ["VIN1"]


@pytest.mark.parametrize("line", ["rehearse --uuid", "root --server-name", "audit --server-name .. --proof"])
def test_nothing_is_said_of_what_is_wrong(propose: Propose, tmp_path: Path, line: str) -> None:
    """Where nothing can be found, not a word reaches the line; propose holds standard error empty."""
    (tmp_path / "otaopenssl.toml").write_text("server_name = [\n")
    assert propose(f"otaopenssl {line} ", tmp_path) == []
    assert propose(f"otaopenssl -C {tmp_path}/absent {line} ") == []
    assert propose("otaopenssl show 4e7c", LD_PRELOAD="", OPENSSL_CONF="/absent") == UUIDS[:1]


def test_wrong_settings(propose: Propose, tmp_path: Path) -> None:
    """Where otaopenssl.toml is wrong only the project's names are missing: all else completes, paths included."""
    (tmp_path / "otaopenssl.toml").write_text("server_name = [\n")
    (tmp_path / "certs").mkdir()
    (tmp_path / "myservername" / "devices" / "VIN1").mkdir(parents=True)
    assert {"root", "device", "show", "gateway"} <= set(propose("otaopenssl ", tmp_path))
    assert propose("otaopenssl show --js", tmp_path) == ["--json"]
    assert propose("otaopenssl device --style ", tmp_path) == ["argv", "guide"]
    assert propose("otaopenssl device --procedure ", tmp_path) == [DEFAULT_PROCEDURE]
    assert propose("otaopenssl root --server-name ", tmp_path) == ["myservername"]
    assert propose("otaopenssl rehearse --uuid ", tmp_path) == []


@pytest.mark.parametrize(
    ("line", "completed"),
    [
        ("root --server-name=", ["myservername", "ota.example"]),
        ("root --server-name=my", ["myservername"]),
        ("rehearse --uuid=aa:bb:", UUIDS[2:4]),
        ("device --style=", ["argv", "guide"]),
    ],
)
def test_equals_sign(request: pytest.FixtureRequest, propose: Propose, line: str, completed: list[str]) -> None:
    """The value after "--name=" completes, in the word in which the shell holds it."""
    option = line.split()[1].partition("=")[0] + "="
    # Bash has broken the word at the sign, and at a colon.
    if request.node.callspec.params["propose"] == "bash":
        begun = line.partition("=")[2].rpartition(":")
        completed, option = [name.removeprefix("".join(begun[:2])) for name in completed], ""
    assert propose(f"otaopenssl {line}") == [option + name for name in completed]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
@pytest.mark.parametrize(
    ("line", "is_path"),
    [
        (f"show {UUIDS[0]} ", False),
        ("device --gateway ", False),
        ("device --device-id=c", False),
        ("root nothing", False),
        ("show c", True),
        ("verify 4e7d0000-1111-4222-8333-444455556666 c", True),
        ("audit c", True),
        ("device --procedure c", True),
        ("device --credentials ", True),
        ("root --seal x.crt c", True),
        ("root --seal x.crt x.key ", False),
        ("procedure export own c", True),
        ("-C ", True),
        ("root -C c", True),
    ],
)
def test_files(stocked: Path, path: str, shell: str, line: str, is_path: bool) -> None:
    """Files are proposed where one is meant, and nowhere else."""
    require(shutil.which(shell) is not None, f"no {shell} in PATH")
    assert ("certs/" in proposals(shell, f"otaopenssl {line}", stocked, path)) == is_path


def test_every_option_that_takes_a_file(tmp_path: Path) -> None:
    """What an option or argument is called in the help is what completes: a path where it is one, and only there."""
    script = """
from otaopenssl.cli.app import application
from otaopenssl.cli.completion import _Asked
import re, typer

def walk(command):
    yield command
    for inner in getattr(command, "commands", {}).values():
        yield from walk(inner)

for command in walk(typer.main.get_command(application(None))):
    for parameter in command.params:
        context = command.make_context(command.name, [], resilient_parsing=True, obj=_Asked())
        parameter.shell_complete(context, "no-such-name")
        names_path = re.search("CSR|DIR|PATH|FILE|ZIP|CERT|RECORD", parameter.metavar or "") is not None
        print(command.name, parameter.name, context.obj.may_be_path == names_path, names_path)
"""
    ran = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT), "_OTAOPENSSL_COMPLETE": "complete_fish"},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [line.split() for line in ran.stdout.splitlines()]
    assert [line[:2] for line in lines if line[2] == "False"] == []
    assert sum(line[3] == "True" for line in lines) > 50


def test_nothing_is_run_or_written(propose: Propose, stocked: Path) -> None:
    """A directory whose name is a command is not proposed, and completing changes nothing."""
    before = tree(stocked)
    assert propose("otaopenssl show ") == UUIDS
    propose("otaopenssl show '$")
    assert tree(stocked) == before


def test_many_devices(propose: Propose, tmp_path: Path) -> None:
    """Of too many devices the first and the last are proposed, so that a shell completes no more than all share."""
    devices = tmp_path / "myservername" / "devices"
    names = [f"VIN{number:05d}" for number in range(MOST_PROPOSALS * 3)]
    assert {name[:-2] for name in names[:MOST_PROPOSALS]} == {"VIN000"}, "the first ones agree on more than all"
    for name in names:
        (devices / name).mkdir(parents=True)
    proposed = propose("otaopenssl show VIN", tmp_path)
    assert proposed == [*names[: MOST_PROPOSALS - 1], names[-1]]


@pytest.fixture(scope="module", params=["bash", "zsh"])
def shell(request: pytest.FixtureRequest, path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A shell whose user has set up completion and presses Tab, in a project of its own."""
    require(shutil.which(request.param) is not None, f"no {request.param} in PATH")
    directory = tmp_path_factory.mktemp(request.param)
    for uuid in UUIDS:
        (directory / "myservername" / "devices" / uuid).mkdir(parents=True)
    with interactive(request.param, directory, path) as started:
        yield started


@pytest.mark.parametrize(
    ("begun", "completed"),
    [
        ("otaopenssl reh", "otaopenssl rehearse "),
        ("otaopenssl show 4e7c", f"otaopenssl show {UUIDS[0]} "),
        ("otaopenssl show 4", "otaopenssl show 4e7"),
        ("otaopenssl show aa:c", "otaopenssl show aa:cc:03 "),
        ("otaopenssl show aa:b", "otaopenssl show aa:bb:0"),
        ("otaopenssl show aa", "otaopenssl show aa:"),
        ("otaopenssl rehearse --uuid aa:bb:", "otaopenssl rehearse --uuid aa:bb:0"),
        ("otaopenssl rehearse --uuid=aa:bb:", "otaopenssl rehearse --uuid=aa:bb:0"),
        ("otaopenssl root --server-name=my", "otaopenssl root --server-name=myservername "),
        ("otaopenssl device --style=a", "otaopenssl device --style=argv "),
        ("otaopenssl device --credentials=mys", "otaopenssl device --credentials=myservername/"),
        ("otaopenssl device --credentials mys", "otaopenssl device --credentials myservername/"),
        ("otaopenssl device --dr", "otaopenssl device --dry-run "),
    ],
)
def test_tab(shell: Shell, begun: str, completed: str) -> None:
    """Tab completes what is typed as far as all that fits agrees, also where an ID holds colons."""
    assert shell.completed(begun)[0].rstrip() == completed.rstrip()


@pytest.mark.parametrize("name", SHELLS)
def test_install(tmp_path: Path, path: str, name: str) -> None:
    """--install-completion writes a script for the shell that it is started from, into its user's directory."""
    require(shutil.which(name) is not None, f"no {name} in PATH")
    assert f"{name} completion installed in {tmp_path}/" in install(name, tmp_path, path)
    assert any("_OTAOPENSSL_COMPLETE" in file.read_text() for file in tmp_path.rglob("*otaopenssl*") if file.is_file())


def install(shell: str, home: Path, path: str) -> str:
    """What --install-completion prints where the shell of a user with that home starts it."""
    ran = subprocess.run(
        [shell, *BARE[shell], "-c", "otaopenssl --install-completion; true"],
        env={"PATH": path, "HOME": str(home)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    return ran.stdout


def test_install_again(tmp_path: Path, path: str) -> None:
    """Another installation leaves the user's own file as it is, and the first one adds to it."""
    rc = tmp_path / ".bashrc"
    rc.write_text("alias o=otaopenssl\n")
    contents = [rc.read_text()]
    for _ in range(3):
        install("bash", tmp_path, path)
        contents.append(rc.read_text())
    assert contents[1].startswith(contents[0])
    assert "/.bash_completions/otaopenssl.sh'" in contents[1]
    assert contents[1:] == [contents[1]] * 3


def test_install_beside_other_bytes(tmp_path: Path, path: str) -> None:
    """A file of the user that is in no UTF-8 stays as it is, and the error says what to do."""
    (tmp_path / ".bashrc").write_bytes(b"# caf\xe9\n")
    ran = subprocess.run(
        ["bash", *BARE["bash"], "-c", "otaopenssl --install-completion; exit $?"],
        env={"PATH": path, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (4, "")
    assert ran.stderr.splitlines() == [
        "otaopenssl: error: the file to which completion would be added is in no UTF-8",
        "hint: add what 'otaopenssl --show-completion' prints by hand",
    ]
    assert (tmp_path / ".bashrc").read_bytes() == b"# caf\xe9\n"


@pytest.mark.parametrize("option", ["--install-completion", "--show-completion"])
def test_a_word_too_many(tmp_path: Path, option: str) -> None:
    """What follows the option is an error, and nothing is installed."""
    ran = run(option, "nonsense", "more", cwd=tmp_path, env={"HOME": str(tmp_path)})
    assert (ran.status, ran.out) == (2, "")
    assert f"otaopenssl: error: '{option}' stands alone, and 'nonsense' follows" in ran.err
    assert "\nhint: " in ran.err
    assert list(tmp_path.iterdir()) == []


def test_apostrophes(path: str, tmp_path: Path) -> None:
    """What zsh shows beside a proposal is what the help says, apostrophes included."""
    require(shutil.which("zsh") is not None, "no zsh in PATH")
    with interactive("zsh", tmp_path, path) as started:
        _, shown = started.completed("otaopenssl sho")
        assert "otaopenssl show" in shown
        _, shown = started.completed("otaopenssl s")
    assert "Show what is in a device's certificate." in shown


def test_no_known_shell(tmp_path: Path) -> None:
    """Started from something else, --show-completion says from what it can be, in the form of every other error."""
    program = tmp_path / "sh"
    program.symlink_to(str(shutil.which("dash") or shutil.which("sh")))
    command = f"'{sys.executable}' -m otaopenssl --show-completion; exit $?"
    ran = subprocess.run([program, "-c", command], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert ran.returncode == 4
    assert ran.stdout == ""
    assert "otaopenssl: error: this was not started by a shell that completion is made for" in ran.stderr


def test_a_command_is_not_changed(project: Path) -> None:
    """An empty variable of the protocol asks for nothing."""
    assert run("procedure", "list", cwd=project, env={"_OTAOPENSSL_COMPLETE": ""}).out.startswith(DEFAULT_PROCEDURE)
