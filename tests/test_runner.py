"""Processes: started without a shell, fed nothing, bounded, ended with all that they started, and judged."""

import gc
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from pytest_subprocess import FakeProcess

from otaopenssl.environment import environment, environment_for
from otaopenssl.errors import Failed, Unfit
from otaopenssl.ids import DeviceUUID, ServerName
from otaopenssl.program import find_program, launch
from otaopenssl.questions import CERTIFICATE_REPORT
from otaopenssl.runner import Finished, Flooded, Runner, TimedOut, failure
from otaopenssl.runner.pipe import Pipe, drain
from tests.conftest import run, write_program

# bash in openssl's place: argv[0] stays openssl, and -c makes it do anything.
BASH = Runner("/bin/bash", {"PATH": "/usr/bin:/bin"})


def bash(*scripts: str, cwd: Path, **options: object) -> Finished:
    return BASH.run([("openssl", "-c", script) for script in scripts], cwd=cwd, **options)  # type: ignore[arg-type]


def test_argv_0_is_openssl_whatever_runs(tmp_path: Path) -> None:
    """The audited first word is what the process is started by, though another path is executed."""
    assert bash("echo $0; readlink /proc/$$/exe", cwd=tmp_path).stdout.decode().splitlines()[0] == "openssl"


def test_environment(tmp_path: Path) -> None:
    """Only s_client and verify get a trust bundle; the rest is what was given and nothing more."""
    built = environment(ServerName("s"), DeviceUUID("u"))
    assert built == {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "SERVER_NAME": "s", "DEVICE_UUID": "u"}
    assert environment_for(["openssl", "x509"], built) == built | {"SSL_CERT_FILE": "/dev/null"}
    for subcommand in ("s_client", "verify"):
        assert environment_for(["openssl", subcommand], built) == built
    seen = bash("cat /proc/$$/environ", cwd=tmp_path).stdout
    # cat's, which bash started: bash adds PWD, SHLVL, OLDPWD and _ of its own.
    added = (b"PWD=", b"SHLVL=", b"OLDPWD=", b"_=")
    inherited = [variable for variable in seen.split(b"\0")[:-1] if not variable.startswith(added)]
    assert sorted(inherited) == [b"PATH=/usr/bin:/bin", b"SSL_CERT_FILE=/dev/null"]


def test_standard_input_is_empty_and_the_terminal_out_of_reach(tmp_path: Path) -> None:
    """A process reads nothing, leads a session of its own and cannot open /dev/tty."""
    script = "cat; ps -o sid= -p $$ 2>/dev/null || cut -d' ' -f6 /proc/$$/stat; echo $$; exec 3</dev/tty || echo none"
    lines = bash(script, cwd=tmp_path).stdout.decode().split()
    assert lines[0] == lines[1]
    assert lines[2] == "none"


def test_working_directory_and_umask(tmp_path: Path) -> None:
    """Commands run where they are told to; what a private step makes is 0600 from its first byte."""
    bash("echo x > private", cwd=tmp_path, is_private=True)
    bash("echo x > public", cwd=tmp_path)
    mask = os.umask(0o022)
    os.umask(mask)
    assert (tmp_path / "private").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "public").stat().st_mode & 0o777 == 0o666 & ~mask


def test_pipe_ends_are_both_judged(tmp_path: Path) -> None:
    """A pipeline is good only if each of its processes is; the first that really failed is named."""
    good = bash("echo secret", "cat", cwd=tmp_path)
    assert (good.is_good, good.stdout) == (True, b"secret\n")
    first = bash("echo key; echo lost it >&2; exit 3", "cat > /dev/null", cwd=tmp_path)
    assert (first.statuses, first.is_good) == ((3, 0), False)
    assert failure("a | b", first).message == "step 'a | b' 'openssl -c' ended with exit status 3: lost it"
    second = bash("yes", "exit 4", cwd=tmp_path)
    assert (second.statuses[1], second.is_good) == (4, False)
    assert failure("a | b", second).message == "step 'a | b' 'openssl -c' ended with exit status 4"


def test_the_pipe_does_not_pass_through_the_tool(tmp_path: Path) -> None:
    """What the first process prints goes to the second and is in nothing that the tool holds."""
    finished = bash("echo canary", "cat > kept", cwd=tmp_path)
    assert (tmp_path / "kept").read_text() == "canary\n"
    assert b"canary" not in finished.stdout + finished.stderr
    assert "canary" not in repr(finished)


def test_output_into_a_descriptor(tmp_path: Path) -> None:
    """Redirected output goes into the file and not into the result."""
    with (tmp_path / "f").open("wb") as file:
        finished = bash("echo canary", cwd=tmp_path, stdout_fd=file.fileno())
    assert ((tmp_path / "f").read_bytes(), finished.stdout) == (b"canary\n", b"")


def test_a_process_that_does_not_end_is_ended_with_its_children(tmp_path: Path) -> None:
    """The time-out ends the process and what it started, and says the seconds."""
    os.mkfifo(tmp_path / "alive")
    descriptor = os.open(tmp_path / "alive", os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(Failed, match=r"^'openssl -c' did not end within 0.5 seconds$"):
        bash("(exec 3> alive; echo started >&3; sleep 1000) & wait", cwd=tmp_path, seconds=0.5)
    os.set_blocking(descriptor, True)
    # The end of the stream comes when the last process that holds it has ended.
    with os.fdopen(descriptor) as stream:
        assert stream.read() == "started\n"


def test_a_stream_that_stays_open_is_not_waited_for(tmp_path: Path) -> None:
    """A process that left the session keeps the stream open, not the tool."""
    script = "setsid bash -c 'echo $$ > pid; exec sleep 1000' & while [ ! -s pid ]; do :; done; echo done"
    with pytest.raises(Failed, match="did not end"):
        bash(script, cwd=tmp_path, seconds=0.5)
    os.kill(int((tmp_path / "pid").read_text()), 9)


@pytest.mark.parametrize("stream", ["", ">&2"])
def test_a_flood_is_stopped(tmp_path: Path, stream: str) -> None:
    """At most 1 MiB of either stream is taken."""
    with pytest.raises(Failed, match="printed more than 1048576 bytes"):
        bash(f"yes {stream}", cwd=tmp_path)


def test_much_on_both_streams_does_not_block(tmp_path: Path) -> None:
    """Both streams are read at once."""
    script = "head -c 900000 /dev/zero; head -c 900000 /dev/zero >&2; head -c 100000 /dev/zero"
    finished = bash(script, cwd=tmp_path)
    assert (len(finished.stdout), len(finished.stderr)) == (1_000_000, 900_000)


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    """Neither a good run nor one that fails at its start keeps a descriptor or a thread."""
    bash("true", "true", cwd=tmp_path)
    gc.collect()
    before = len([*Path("/proc/self/fd").iterdir()]), threading.active_count()
    for _ in range(5):
        bash("true", "false", cwd=tmp_path)
        with pytest.raises(Failed, match="does not start"):
            Runner("/nonexistent", {}).run([("openssl",), ("openssl",)], cwd=tmp_path)
        with pytest.raises(Failed, match="does not start"):
            BASH.run([("openssl", "-c", "yes"), ("openssl", "a\0b")], cwd=tmp_path)
    assert (len([*Path("/proc/self/fd").iterdir()]), threading.active_count()) == before


def test_what_has_not_started_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the second program does not start, the streams of both are at their end as soon as the first is ended."""
    left_open: list[Pipe] = []

    def observed(pipes: list[Pipe], deadline: float) -> None:
        drain(pipes, deadline)
        left_open.extend(pipe for pipe in pipes if pipe.is_open)

    monkeypatch.setattr("otaopenssl.runner.pipeline.drain", observed)
    for commands in ([("openssl", "a\0b")], [("openssl", "-c", "yes"), ("openssl", "a\0b")]):
        with pytest.raises(Failed, match="does not start"):
            BASH.run(commands, cwd=tmp_path)
    assert left_open == []


def test_secrets_stay_out_of_errors(tmp_path: Path) -> None:
    """A key on standard error or output is in no error."""
    key = "-----BEGIN PRIVATE KEY-----\nY2FuYXJ5\n-----END PRIVATE KEY-----"
    finished = bash(f"echo '{key}'; echo '{key}' >&2; exit 1", cwd=tmp_path)
    error = failure("x", finished)
    # The command to paste repeats its own argv; nothing else may hold the key.
    assert "Y2FuYXJ5" not in error.message
    assert "Y2FuYXJ5" not in repr(finished)


def test_find_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path is taken as it is, a name is searched; what is found is absolute, and links keep their name."""
    program = write_program(tmp_path / "openssl", "#!/bin/sh\n")
    (tmp_path / "link").symlink_to(program)
    (tmp_path / "plain").write_text("")
    assert find_program(None, f"/nonexistent::{tmp_path}", tmp_path) == str(program)
    assert find_program("link", str(tmp_path), tmp_path) == str(tmp_path / "link")
    monkeypatch.chdir(tmp_path)
    assert find_program("./openssl", "", tmp_path) == str(program)
    for option in (str(tmp_path / "plain"), "plain", "./nosuch", str(tmp_path), "", "a\0b", "./a\0b"):
        with pytest.raises(Unfit, match="no usable openssl"):
            find_program(option, str(tmp_path), tmp_path)


@pytest.mark.parametrize(
    ("printed", "status", "saying"),
    [
        ("OpenSSL 1.1.1 (FIPS) 11 Sep 2018\n", 0, None),
        ("OpenSSL 4.0.3 29 Sep 2026 (Library: OpenSSL 4.0.3 29 Sep 2026)\n", 0, None),
        ("OpenSSL 1.1.0l  10 Sep 2019\n", 0, "expected 1.1.1 or newer"),
        ("LibreSSL 4.3.2\n", 0, "is LibreSSL 4.3.2, expected OpenSSL"),
        ("OpenSSL 3.0.19\n", 1, "exit status 1"),
        ("OpenSSL 3.0.19\n", -11, "signal 11"),
        ("\xff\xfe", 0, "does not say its version"),
        ("", 0, "does not say its version"),
    ],
)
def test_versions_of_programs(
    fake_process: FakeProcess, tmp_path: Path, printed: str, status: int, saying: str | None
) -> None:
    """Programs that are not on this machine: only OpenSSL 1.1.1 and newer is used."""
    fake_process.register(["openssl", "version", "-v", "-d"], stdout=printed.encode(), returncode=status)
    if saying is None:
        runner = launch("/bin/bash", "", {}, lambda finished: None, tmp_path)
        assert runner.program == "/bin/bash"
    else:
        with pytest.raises(Unfit, match=saying):
            launch("/bin/bash", "", {}, lambda finished: None, tmp_path)
    assert [list(call) for call in fake_process.calls] == [["openssl", "version", "-v", "-d"]]


def test_questions_make_nothing_and_are_told(fake_process: FakeProcess, tmp_path: Path) -> None:
    """A question is asked with its own argv, and whoever listens is told of it."""
    told: list[Finished] = []
    fake_process.register(["openssl", "x509", "-in", "a b", "-noout", "-text"], stdout=b"report")
    finished = Runner("/bin/bash", {}, told.append).ask(CERTIFICATE_REPORT, "a b", cwd=tmp_path)
    assert told == [finished]
    assert finished.shown() == "openssl x509 -in 'a b' -noout -text"
    assert finished.stdout == b"report"


def test_an_encrypted_key_fails_at_once_at_a_terminal(project: Path, tmp_path: Path, real_openssl: str) -> None:
    """Though the tool has a controlling terminal, openssl cannot ask at it for a passphrase."""
    devices = project / "myservername" / "devices"
    encrypt = [real_openssl, "pkcs8", "-topk8", "-in", "ca.key", "-passout", "pass:canary", "-out", "encrypted"]
    subprocess.run(encrypt, cwd=devices, check=True)
    # Let the reading of ca.key pass, so that openssl itself meets the encrypted one.
    program = write_program(
        tmp_path / "openssl",
        f'#!/bin/bash\n[ "$1 $2" = "x509 -req" ] && set -- "${{@/*ca.key/{devices}/encrypted}}"\n'
        f'exec {real_openssl} "$@"\n',
    )
    command = f"{sys.executable} -m otaopenssl device --openssl {program}"
    ran = subprocess.run(
        ["script", "-qec", command, "/dev/null"],
        cwd=project, check=False, capture_output=True, text=True, timeout=50, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert ran.returncode == 1, ran.stdout
    assert "otaopenssl: error: step 'x509 -req' ended with exit status 1: " in ran.stdout
    assert "canary" not in ran.stdout


def test_verbose_shows_each_command_with_its_time(project: Path) -> None:
    """-v shows the commands as they ran, keys left out."""
    made = run("device", "--uuid", "u1", "-v", cwd=project)
    shown = [line for line in made.err.splitlines() if line.startswith("$ openssl ")]
    assert len(shown) == 8
    assert all(line.endswith(" ms)") for line in shown)
    assert "PRIVATE KEY" not in made.err + made.out


def test_standard_input_from_memory(tmp_path: Path) -> None:
    """What a process is given to read is all that it reads, and lies on no disk."""
    secret = b"a secret\n" * 100_000
    runner = Runner("/bin/bash", {"PATH": "/usr/bin:/bin"})
    ran = runner.run([["openssl", "-c", "readlink /proc/self/fd/0; wc -c"]], cwd=tmp_path, stdin=secret)
    assert ran.stdout.decode().split() == ["/memfd:input", "(deleted)", str(len(secret))]


def test_a_server_is_ended_with_its_block(tmp_path: Path) -> None:
    """The block begins when the server has said that it is ready, and leaves no process of it."""
    script = "sleep 100 & echo $! > child; echo $$ > pid; echo not yet; echo READY; wait"
    with Runner("/bin/bash", {"PATH": "/usr/bin:/bin"}).serving(
        ["openssl", "-c", script], cwd=tmp_path, mark=b"READY", seconds=60
    ):
        pids = [int((tmp_path / name).read_text()) for name in ("pid", "child")]
        assert all(Path(f"/proc/{pid}/cmdline").read_bytes() for pid in pids)
    # What was killed is gone, or a zombie until its new parent has looked.
    assert not any(is_running(pid) for pid in pids)


def is_running(pid: int) -> bool:
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize(
    ("script", "seconds", "words"),
    [
        ("echo it broke >&2", 60, "did not begin to serve: it broke"),
        ("exit 0", 60, "did not begin to serve"),
        ("echo READ; sleep 100", 0.2, "did not begin to serve: not within 0.2 seconds"),
    ],
)
def test_a_server_that_does_not_begin(tmp_path: Path, script: str, seconds: float, words: str) -> None:
    """A server that ends, whatever its exit status, or says nothing in time is an error, and ended."""
    runner = Runner("/bin/bash", {"PATH": "/usr/bin:/bin"})
    with (
        pytest.raises(Failed, match=words),
        runner.serving(["openssl", "-c", script], cwd=tmp_path, mark=b"READY", seconds=seconds),
    ):
        pytest.fail("the block began")


def test_a_server_may_print_for_ever(tmp_path: Path) -> None:
    """What a server prints is read and dropped, so that it never waits for somebody to read it."""
    script = "echo READY; head -c 4000000 /dev/zero; echo > done; sleep 100"
    runner = Runner("/bin/bash", {"PATH": "/usr/bin:/bin"})
    with runner.serving(["openssl", "-c", script], cwd=tmp_path, mark=b"READY", seconds=60):
        deadline = time.monotonic() + 60
        while not (tmp_path / "done").exists():
            assert time.monotonic() < deadline, "it waits for a reader"


def test_what_ended_a_pipeline_has_a_class_of_its_own(tmp_path: Path) -> None:
    """A time-out and a flood can be told from other failures, since a server, not the program, causes them."""
    runner = Runner("/bin/bash", {"PATH": "/usr/bin:/bin"})
    with pytest.raises(TimedOut):
        runner.run([["openssl", "-c", "sleep 100"]], cwd=tmp_path, seconds=0.1)
    with pytest.raises(Flooded):
        runner.run([["openssl", "-c", "yes"]], cwd=tmp_path)


def test_what_an_ended_process_has_left_is_ended(tmp_path: Path) -> None:
    """Also where the process itself has ended at once: a pipeline that is given up leaves nothing of its groups."""
    script = "sleep 100 & echo $! >> pids"
    with pytest.raises(Failed, match="did not end"):
        # The second one lasts until the first has surely ended.
        bash(
            f"{script}; echo $$ > first",
            f"{script}; while kill -0 $(cat first); do sleep 0.05; done",
            cwd=tmp_path,
            seconds=1,
        )
    pids = [int(line) for line in (tmp_path / "pids").read_text().split()]
    assert len(pids) == 2
    assert not any(is_running(pid) for pid in pids)
