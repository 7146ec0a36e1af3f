"""A team's otaopenssl.toml: what each key does, what wins over it, and every way in which it can be wrong."""

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from otaopenssl.errors import BadInput, Several
from otaopenssl.settings import Seal, Settings, parse_settings
from tests.conftest import CHECKOUT, Ran, require, run, tree
from tests.servers import Pki, s_server

FILE = "otaopenssl.toml"
WHOLE = """
server_name = "fleet.example"
gateway = "https://gateway.example:443"
port = 30443
openssl = "tools/openssl"
procedure = "./procedure"
jobs = 256
site = "Werk Süd, Linie 3"

[seal]
certificate = "seal/seal.crt"
key = "seal/seal.key"
passphrase_file = "/run/secrets/seal"
"""
SEAL = '[seal]\ncertificate = "c"\nkey = "k"\n'


def parse(content: bytes) -> Settings:
    return parse_settings(content, FILE, 256)


def refused(content: bytes) -> list[BadInput]:
    """Every problem of a file that is refused, each with its file and an action."""
    with pytest.raises((BadInput, Several)) as caught:
        parse(content)
    problems = [problem for problem in caught.value.problems if isinstance(problem, BadInput)]
    assert len(problems) == len(caught.value.problems)
    for problem in problems:
        assert problem.message.startswith(FILE)
        assert problem.hint
    return problems


def test_every_key() -> None:
    """Each key is taken as it stands."""
    assert parse(WHOLE.encode()) == Settings(
        server_name="fleet.example",
        gateway="https://gateway.example:443",
        port=30443,
        openssl="tools/openssl",
        procedure="./procedure",
        jobs=256,
        site="Werk Süd, Linie 3",
        seal=Seal("seal/seal.crt", "seal/seal.key", "/run/secrets/seal"),
    )


def test_the_example_of_the_readme() -> None:
    """It has every key, and is accepted."""
    example = (CHECKOUT / "README.md").read_text().partition("```toml\n")[2].partition("```")[0]
    assert None not in parse(example.encode())
    assert None not in (parse(example.encode()).seal or [None])


@pytest.mark.parametrize("content", [b"", b"# nothing\n", b"\xef\xbb\xbf", b"\r\n"])
def test_every_key_is_optional(content: bytes) -> None:
    """A file may say nothing."""
    assert parse(content) == Settings(None, None, None, None, None, None, None, None)


def test_a_seal_without_a_passphrase() -> None:
    """A key without a passphrase needs no file for one; a byte order mark and CRLF are read over."""
    assert parse(b"\xef\xbb\xbf" + SEAL.replace("\n", "\r\n").encode()).seal == Seal("c", "k", None)


@pytest.mark.parametrize("content", ["port = 1\njobs = 1", 'port = 65535\nsite = "' + "x" * 64 + '"', 'site = " "'])
def test_the_ends_of_what_is_accepted(content: str) -> None:
    """The least and the greatest that is taken."""
    assert parse(content.encode()) != Settings()


BAD = {
    "unknown key": ("x = 1", "otaopenssl.toml: unknown key 'x'"),
    "unknown table": ("[seals]", "otaopenssl.toml: unknown key 'seals'"),
    "key in capitals": ('Server_name = "a"', "unknown key 'Server_name'"),
    "unknown key in the seal": (f"{SEAL}x = 1", "otaopenssl.toml: unknown key 'x' in [seal]"),
    "a key that steers a terminal": ('"\\u001b[2J" = 1', "unknown key '\\x1b[2J'"),
    "number for a text": ("server_name = 1", "server_name is an integer, expected a string"),
    "text for a number": ('port = "8000"', "port is a string, expected an integer"),
    "boolean for a number": ("jobs = true", "jobs is a boolean, expected an integer"),
    "float for a number": ("port = 8000.0", "port is a float, expected an integer"),
    "date for a text": ("site = 2026-11-25", "site is a date or a time, expected a string"),
    "array for a text": ('gateway = ["a"]', "gateway is an array, expected a string"),
    "table for a text": ('procedure.name = "a"', "procedure is a table, expected a string"),
    "text for the seal": ('seal = "a"', "seal is a string, expected a table"),
    "seals": ("[[seal]]", "seal is an array, expected a table"),
    "number in the seal": ('[seal]\ncertificate = 1\nkey = "k"', "certificate in [seal] is an integer"),
    "server name": ('server_name = "a b"', "server name 'a b' may hold only"),
    "server name of the config files": ('server_name = "certs"', "server name 'certs' is the directory"),
    "no gateway": ('gateway = "http://a"', "gateway begins with 'http://', expected 'https://'"),
    "gateway with a password": ('gateway = "https://u:secret@a"', "has a user name or a password in it (not shown)"),
    "port 0": ("port = 0", "port is no number from 1 to 65535"),
    "port -1": ("port = -1", "port is no number from 1 to 65535"),
    "port 65536": ("port = 65536", "port is no number from 1 to 65535"),
    "a port without end": (f"port = 0x{'f' * 4000}", "port is no number from 1 to 65535"),
    "no openssl": ('openssl = ""', "openssl '' is no path"),
    "NUL in openssl": ('openssl = "a\\u0000"', "openssl 'a\\x00' is no path"),
    "no procedure": ('procedure = ""', "procedure '' is no name"),
    "procedure of two lines": ('procedure = "a\\nb"', "procedure 'a\\nb' is no name"),
    "jobs 0": ("jobs = 0", "jobs is no number from 1 to 256"),
    "jobs 257": ("jobs = 257", "jobs is no number from 1 to 256"),
    "no site": ('site = ""', "site '' is no label of 1 to 64 printable characters"),
    "long site": (f'site = "{"x" * 65}"', "is no label of 1 to 64 printable characters"),
    "site of two lines": ('site = """a\nb"""', "site 'a\\nb' is no label"),
    "seal without a key": ('[seal]\ncertificate = "c"', "otaopenssl.toml: no key 'key' in [seal]"),
    "seal without a certificate": ('[seal]\nkey = "k"', "otaopenssl.toml: no key 'certificate' in [seal]"),
    "seal of an empty path": ('[seal]\ncertificate = ""\nkey = "k"', "certificate in [seal] '' is no path"),
    "passphrase of no path": (f'{SEAL}passphrase_file = ""', "passphrase_file in [seal] '' is no path"),
    "malformed": ("port 8000", "otaopenssl.toml is malformed: expected '=' after a key"),
    "twice": ("port = 1\nport = 2", "otaopenssl.toml is malformed: cannot overwrite a value"),
    "a long name twice": (f"[{'a' * 4000}]\n" * 2, "otaopenssl.toml is malformed: cannot declare ('aaa"),
    "deep": (f"x = {'[' * 4000}", "otaopenssl.toml is malformed: a number is too long, or arrays"),
    "key of many parts": (".".join("a" * 30000) + " = 1", "is malformed: a line has more than 4096 bytes"),
}


@pytest.mark.parametrize(("content", "saying"), BAD.values(), ids=BAD.keys())
def test_bad_files(content: str, saying: str) -> None:
    """Each fault is one problem, which names the file and the key; no secret and no control character is shown."""
    (problem,) = refused(content.encode())
    assert saying in problem.message
    assert "secret" not in problem.message
    assert problem.message.isprintable()
    assert len(problem.message) < 400


@pytest.mark.parametrize("content", [b"site = '\xff'", "site = 'a'".encode("utf-16"), b"\0"])
def test_no_text(content: bytes) -> None:
    """Bytes that are no UTF-8, or hold what no text holds."""
    (problem,) = refused(content)
    assert problem.message.startswith("otaopenssl.toml is malformed: ")


def test_an_integer_that_python_refuses() -> None:
    """Where Python takes no integer of so many digits, which is no error of TOML's, the file is refused as well."""
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(640)
    try:
        (problem,) = refused(b"port = " + b"9" * 1000)
    finally:
        sys.set_int_max_str_digits(limit)
    assert "a number is too long" in problem.message


def test_every_problem_at_once() -> None:
    """All that is wrong is told, in the order of the keys; what is unknown comes last."""
    content = 'x = 1\nport = 0\nserver_name = "a b"\njobs = "2"\n[seal]\ny = 1\n'
    told = [problem.message.removeprefix("otaopenssl.toml: ").split(", ")[0] for problem in refused(content.encode())]
    assert told == [
        "server name 'a b' may hold only letters",
        "port is no number from 1 to 65535",
        "jobs is a string",
        "no key 'certificate' in [seal]",
        "no key 'key' in [seal]",
        "unknown key 'y' in [seal]",
        "unknown key 'x'",
    ]


def write(project: Path, content: str) -> Path:
    """The project's otaopenssl.toml."""
    path = project / FILE
    path.write_text(content)
    return path


def bound(ran: Ran) -> dict[str, str]:
    """The guide's variables in a script that was printed, by their names."""
    assert ran.status == 0, ran.err
    lines = (line.removeprefix("export ") for line in ran.out.splitlines() if line.startswith("export "))
    words = (word.partition("=") for line in lines for word in line.split())
    return {name: value for name, _, value in words}


@pytest.mark.parametrize(
    ("option", "variable", "file", "name"),
    [
        ("a", "b", "c", "a"),
        (None, "b", "c", "b"),
        (None, None, "c", "c"),
        (None, None, None, "myservername"),
        ("a", None, "c", "a"),
    ],
)
def test_server_name(tmp_path: Path, option: str | None, variable: str | None, file: str | None, name: str) -> None:
    """The option, else the guide's variable, else the file, else the guide's example."""
    write(tmp_path, "" if file is None else f'server_name = "{file}"')
    options = [] if option is None else ["--server-name", option]
    env = {} if variable is None else {"SERVER_NAME": variable}
    for command in ("root", "server", "device"):
        assert bound(run(command, "-n", *options, cwd=tmp_path, env=env))["SERVER_NAME"] == name
    assert f"\nexport SERVER_NAME={name}\n" in run("rehearse", "-n", *options, cwd=tmp_path, env=env).out
    assert f"'./{name}/devices/u1' is not there" in run("show", "u1", *options, cwd=tmp_path, env=env).err


@pytest.mark.parametrize(
    ("option", "variable", "file", "gateway"),
    [
        ("a", "b", "c", "a"),
        (None, "b", "c", "b"),
        (None, None, "https://c:443/x", "c"),
        (None, "", "c", "c"),
        (None, None, None, None),
        ("a", None, "c", "a"),
    ],
)
def test_gateway(tmp_path: Path, option: str | None, variable: str | None, file: str | None, gateway: str) -> None:
    """The option, else the guide's variable, else the file, else none; the port is that of the file's gateway alone."""
    write(tmp_path, "port = 30443\n" + ("" if file is None else f'gateway = "{file}"'))
    (tmp_path / "ids").write_text("u1\n")
    options = [] if option is None else ["--gateway", option]
    env = {} if variable is None else {"device_gateway": variable}
    commands = [("device",), ("fleet", "--ids", "ids"), *([("gateway", "root", "--uuid", "u1")] if gateway else [])]
    for command in commands:
        ran = run(*command, "-n", *options, cwd=tmp_path, env=env)
        assert bound(ran).get("device_gateway") == gateway
        is_files = gateway == "c"
        assert bound(ran).get("device_gateway_port") == ("30443" if is_files else None)
        with_port = run(*command, "-n", *options, "--port", "1", cwd=tmp_path, env=env)
        if gateway is None:
            assert (with_port.status, "'--port' needs a gateway" in with_port.err) == (2, True)
        else:
            assert bound(with_port)["device_gateway_port"] == "1"


def test_credentials_take_the_place_of_the_gateway(tmp_path: Path) -> None:
    """An archive names its own gateway: that of the file, and its port, are not used."""
    write(tmp_path, 'gateway = "c"\nport = 30443')
    with zipfile.ZipFile(tmp_path / "credentials.zip", "w") as archive:
        archive.writestr("autoprov.url", "https://a:443")
    variables = bound(run("device", "-n", "--credentials", "credentials.zip", cwd=tmp_path))
    assert (variables["device_gateway"], variables.get("device_gateway_port")) == ("a", None)


def test_the_gateway_is_asked(project: Path, devices: Path, pki: Pki) -> None:
    """device, fleet and gateway root fetch from the gateway and the port of the file."""
    (project / "ids").write_text("u2\n")
    with s_server(pki, "direct", "root") as port:
        write(project, f'gateway = "localhost"\nport = {port}')
        for command in ("device --uuid u1", "fleet --ids ids", "gateway root --out root.crt"):
            ran = run(*command.split(), cwd=project)
            assert ran.status == 0, ran.err
    for path in (devices / "u1" / "root.crt", devices / "u2" / "root.crt", project / "root.crt"):
        assert path.read_bytes() == pki.pem("direct", "root")


def test_a_rehearsal_has_its_own_gateway(tmp_path: Path) -> None:
    """The gateway of the file is none to rehearse with; '--against' names one."""
    write(tmp_path, 'gateway = "gateway.example"\nport = 30443')
    for options, host in (([], "127.0.0.1"), (["--against", "real.example"], "real.example")):
        ran = run("rehearse", "-n", "--uuid", "u1", "--port", "40000", *options, cwd=tmp_path)
        assert (ran.status, host in ran.out, "=40000" in ran.out) == (0, True, True), ran.err
        assert "gateway.example" not in ran.out
        assert "=30443" not in ran.out


def test_openssl(project: Path, tmp_path: Path, logging_openssl: tuple[Path, Path]) -> None:
    """A relative path is looked up from the project directory; the option wins, before the command or after it."""
    program, log = logging_openssl
    (project / "tools").symlink_to(program.parent)
    write(project, 'openssl = "tools/openssl"')
    for command in (["device", "--uuid", "u1"], ["show", "u1"], ["root", "--if-missing"], ["server"], ["rehearse"]):
        ran = run("-C", "project", *command, cwd=tmp_path)
        assert ran.status == 0, ran.err
        assert log.read_text(), command
        log.unlink()
    assert f"{project}/tools/openssl" in run("device", "-n", "--style", "argv", cwd=project).out
    write(project, 'openssl = "tools/nosuch"')
    ran = run("device", cwd=project)
    assert (ran.status, len(ran.error_lines), "'tools/nosuch' is no executable file" in ran.err) == (4, 1, True)
    for arguments in (("--openssl", "openssl", "device"), ("device", "--openssl", "openssl")):
        assert run(*arguments, cwd=project).status == 0


def test_procedure(tmp_path: Path) -> None:
    """A team's own text is taken from the project directory; the option wins; one that is not there is told."""
    assert run("procedure", "export", "ota-connect-2019.7", "own", cwd=tmp_path).status == 0
    text = tmp_path / "own" / "device.sh"
    text.write_text(text.read_text().replace("-days 365", "-days 730"))
    write(tmp_path, 'procedure = "own"')
    for command in (["device"], ["fleet", "--count", "1"], ["rehearse"]):
        assert " -days 730 " in run("-C", tmp_path.name, *command, "-n", cwd=tmp_path.parent).out
    assert " -days 365 " in run("device", "-n", "--procedure", "ota-connect-2019.7", cwd=tmp_path).out
    write(tmp_path, 'procedure = "nosuch"')
    ran = run("device", "-n", cwd=tmp_path)
    assert (ran.status, len(ran.error_lines), "no procedure 'nosuch'" in ran.err) == (2, 1, True)


def test_jobs(project: Path) -> None:
    """A fleet works at so many at a time; the option wins, and without both it is one a core."""
    (project / "ids").write_text("u1\n")
    cores = len(os.sched_getaffinity(0))
    for content, options, jobs in (("jobs = 7", [], 7), ("jobs = 7", ["-j", "2"], 2), ("", [], cores)):
        write(project, content)
        ran = run("fleet", "--ids", "ids", "--json", *options, cwd=project)
        assert ran.status == 0, ran.err
        assert json.loads(ran.out)["jobs"] == jobs


def test_what_the_commands_do_not_use_yet(project: Path) -> None:
    """A site and a seal change nothing."""
    arguments = ["device", "-n", "--uuid", "u1"]
    before = run(*arguments, cwd=project)
    write(project, f'site = "Werk"\n{SEAL}')
    assert run(*arguments, cwd=project) == before


USERS = [
    ("root",),
    ("server",),
    ("device",),
    ("fleet", "--count", "1"),
    ("rehearse",),
    ("show", "u1"),
    ("gateway", "root", "--out", "root.crt"),
]


def fails(project: Path, status: int, saying: str, *command: str) -> None:
    """One error line, a hint, no traceback, nothing on standard output, and nothing made or changed."""
    before = tree(project)
    for options in ((), ("-n",)):
        ran = run(*command, *options, cwd=project)
        assert (ran.status, ran.out) == (status, ""), ran.err
        assert len(ran.error_lines) == 1
        assert saying in ran.error_lines[0]
        assert "\nhint: " in ran.err
        assert "Traceback" not in ran.err
        assert "\x1b" not in ran.err
    assert tree(project) == before


@pytest.mark.parametrize("command", USERS, ids=" ".join)
def test_every_command_that_uses_the_file_checks_it(project: Path, command: tuple[str, ...]) -> None:
    """Also where it uses none of the keys that are wrong."""
    write(project, "x = 1")
    fails(project, 2, "otaopenssl: error: otaopenssl.toml: unknown key 'x'", *command)


@pytest.mark.parametrize(("content", "saying"), BAD.values(), ids=BAD.keys())
def test_bad_files_end_a_run(project: Path, content: str, saying: str) -> None:
    """Whatever is wrong with the file, the run ends before anything is made."""
    write(project, content)
    fails(project, 2, saying, "device")


def test_several_problems_of_a_run(project: Path) -> None:
    """The first is the error line, the others stand under it, and each hint is told once."""
    write(project, "x = 1\ny = 1\nport = 0\n")
    ran = run("device", cwd=project)
    assert ran.status == 2
    assert ran.err.splitlines() == [
        "otaopenssl: error: otaopenssl.toml: port is no number from 1 to 65535",
        "  otaopenssl.toml: unknown key 'x'",
        "  otaopenssl.toml: unknown key 'y'",
        "hint: give 'port = N'",
        "hint: the keys are server_name, gateway, port, openssl, procedure, jobs, site, seal",
    ]


def make_directory(path: Path) -> None:
    path.mkdir()


def make_fifo(path: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    # Its name may be longer than what an address holds.
    program = f"import socket; socket.socket(socket.AF_UNIX).bind('{path.name}')"
    subprocess.run([sys.executable, "-c", program], cwd=path.parent, check=True)


def make_large(path: Path) -> None:
    path.write_text("# a comment\n" * 5462)
    assert path.stat().st_size == 65544


def make_dangling_link(path: Path) -> None:
    path.symlink_to("nosuch")


def make_loop(path: Path) -> None:
    path.symlink_to(path.name)


@pytest.mark.parametrize(
    ("make", "status", "saying"),
    [
        (make_directory, 2, "is a directory"),
        (make_fifo, 2, "no regular file"),
        (make_socket, 2, "no such device or address"),
        (make_large, 2, "more than 65536 bytes"),
        (make_dangling_link, 4, "no such file or directory"),
        (make_loop, 4, "too many levels of symbolic links"),
    ],
)
def test_what_cannot_be_read(project: Path, make: Callable[[Path], None], status: int, saying: str) -> None:
    """What is no file, and what is there and cannot be read, is told; it never counts as absent."""
    make(project / FILE)
    fails(project, status, f"otaopenssl: error: otaopenssl.toml cannot be read: {saying}", "device")


def test_a_file_that_may_not_be_read(project: Path) -> None:
    """Its owner or mode is to be mended."""
    write(project, "").chmod(0)
    arguments = [sys.executable, "-m", "otaopenssl", "device"]
    if os.geteuid() == 0:
        # Without the right to read what others may not.
        arguments = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all", *arguments]
        found = subprocess.run(["setpriv", "--dump"], check=False, capture_output=True)
        require(found.returncode == 0, "no setpriv (util-linux)")
    ran = subprocess.run(arguments, cwd=project, check=False, capture_output=True, text=True)
    assert ran.returncode == 4
    assert "otaopenssl: error: otaopenssl.toml cannot be read: permission denied\n" in ran.stderr


@pytest.mark.parametrize(("command", "option"), [("device", "--seal"), ("root", "--seal"), ("approve", "--sign")])
def test_a_passphrase_for_nothing(project: Path, command: str, option: str) -> None:
    """It is told that no key was named, rather than found later that nothing was sealed."""
    ran = run(command, "--passphrase-file", "x", cwd=project)
    assert (ran.status, ran.error_lines) == (
        2,
        [f"otaopenssl: error: '--passphrase-file' is given without '{option}'"],
    )
    assert "hint: " in ran.err


def test_the_largest_file(tmp_path: Path) -> None:
    """64 KiB are read, and a link to a file elsewhere is followed."""
    (tmp_path / "team.toml").write_text(("# a comment\n" * 5459).ljust(65514, "#") + '\nserver_name = "team"\n')
    assert (tmp_path / "team.toml").stat().st_size == 65536
    (tmp_path / FILE).symlink_to("team.toml")
    assert bound(run("device", "-n", cwd=tmp_path))["SERVER_NAME"] == "team"


@pytest.mark.parametrize("command", [("config", "diff"), ("procedure", "show"), ("procedure", "list"), ("--version",)])
def test_commands_that_do_not_use_the_file(project: Path, command: tuple[str, ...]) -> None:
    """They work beside a file that is wrong."""
    write(project, "x")
    assert run(*command, cwd=project).status == 0


@pytest.mark.parametrize("is_there", [True, False])
def test_what_an_absent_file_costs(tmp_path: Path, is_there: bool) -> None:
    """Neither the parser nor tomllib is loaded where there is no file."""
    if is_there:
        write(tmp_path, "")
    program = "import sys; from otaopenssl.cli import run; run(sys.argv[1:]); print(*sys.modules, file=sys.stderr)"
    for command in (["device", "-n"], ["fleet", "--count", "1", "-n"]):
        arguments = [sys.executable, "-c", program, *command]
        ran = subprocess.run(arguments, cwd=tmp_path, check=True, capture_output=True, text=True)
        loaded = {"tomllib", "otaopenssl.settings"} & set(ran.stderr.split())
        assert loaded == ({"tomllib", "otaopenssl.settings"} if is_there else set())
