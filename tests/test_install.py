"""A device is installed by the user's own sftp: all of it, as it was sent, and nothing of another identity is lost."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import Ran, require, run, tree
from tests.installations import GATEWAY, NAMES, Fleet, check_installed, check_keys_are_private
from tests.servers import PEERS, refusing, tcp_server
from tests.sshd import SFTP_SERVER, Sshd, generate_key, proxy_command, sshd


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Sshd]:
    with sshd(tmp_path / "sshd") as server:
        yield server


@pytest.fixture
def target(tmp_path: Path) -> Path:
    directory = tmp_path / "import"
    directory.mkdir()
    return directory


def install(fleet: Fleet, device: Sshd, target: Path, *more: str, uuid: str = "u1") -> Ran:
    options = [*device.options, "--directory", str(target), *GATEWAY]
    return run("install", uuid, *options, *more, cwd=fleet.project, env={"HOME": "/nonexistent"})


def refused(ran: Ran, status: int, *saying: str) -> None:
    """One error line and a hint, nothing on standard output, no secret."""
    assert ran.status == status, ran.err
    assert ran.out == ""
    assert len(ran.error_lines) == 1, ran.err
    assert "\nhint: " in ran.err
    assert "PRIVATE KEY" not in ran.err
    for words in saying:
        assert words in ran.err, ran.err


def test_an_empty_directory(fleet: Fleet, device: Sshd, target: Path) -> None:
    """The device gets its files with their modes and the URL without a line's end, by three connections."""
    ran = install(fleet, device, target)
    assert ran.status == 0, ran.err
    assert ran.out == f"127.0.0.1:{target}\n"
    check_installed(target, fleet.device("u1"))
    assert device.connections == 3
    assert "temporary" not in ran.err


def test_the_document(fleet: Fleet, device: Sshd, target: Path) -> None:
    """--json tells the place, the state and each file, without a digest of the key; the same again changes nothing."""
    told = json.loads(install(fleet, device, target, "--json").out)
    assert (told["place"], told["state"], told["warnings"]) == (f"127.0.0.1:{target}", "installed", [])
    assert [file["name"] for file in told["files"]] == NAMES
    assert [file["mode"] for file in told["files"]] == ["0600", "0644", "0644", "0644"]
    assert [len(file["sha256"] or "") for file in told["files"]] == [0, 64, 64, 64]
    before = {path: path.stat() for path in target.iterdir()}
    assert json.loads(install(fleet, device, target, "--json").out)["state"] == "already there"
    assert {path: path.stat().st_ino for path in target.iterdir()} == {
        path: found.st_ino for path, found in before.items()
    }


@pytest.mark.parametrize("umask", ["0000", "0027", "0077", "0777"])
def test_modes_under_any_umask(fleet: Fleet, device: Sshd, target: Path, umask: str) -> None:
    """Neither the user's umask nor the device's changes a mode."""
    device.behave([SFTP_SERVER, "-u", umask])
    command = [sys.executable, "-m", "otaopenssl", "install", "u1", *device.options, "--directory", str(target)]
    script = 'umask "$0"; exec "$@"'
    ran = subprocess.run(["bash", "-c", script, umask, *command, *GATEWAY], cwd=fleet.project, check=False)
    assert ran.returncode == 0
    check_installed(target, fleet.device("u1"))


@pytest.mark.parametrize("options", [[], ["--ota-ce"]])
def test_a_configuration(fleet: Fleet, device: Sshd, target: Path, options: list[str]) -> None:
    """--toml installs a configuration that names the files as they are installed."""
    import tomllib

    ran = install(fleet, device, target, "--toml", *options)
    assert ran.status == 0, ran.err
    name = "config.toml" if options else "sota-device-cred.toml"
    check_installed(target, fleet.device("u1"), name)
    told = tomllib.loads((target / name).read_text())
    imported = {"tls_cacert_path": "root.crt", "tls_clientcert_path": "client.pem", "tls_pkey_path": "pkey.pem"}
    assert told["import"] == imported | {"base_path": "." if options else str(target)}
    assert told["tls"]["server_url_path"] == ("gateway.url" if options else f"{target}/gateway.url")
    assert ("provision" in told) == ("pacman" in told) == bool(options)


def test_an_earlier_certificate(fleet: Fleet, device: Sshd, target: Path) -> None:
    """What a renewal has replaced here is replaced on the device, key and all, without --replace."""
    fleet.put(fleet.earlier, target)
    ran = install(fleet, device, target, "--json")
    assert ran.status == 0, ran.err
    told = json.loads(ran.out)
    assert told["state"] == "replaced"
    assert "keeps its first identity" in told["warnings"][0]
    check_installed(target, fleet.device("u1"))


def take(fleet: Fleet, target: Path, *names: str) -> None:
    for name in names:
        shutil.copyfile(fleet.device("u2") / name, target / name)


def own_with_a_strange_key(fleet: Fleet, target: Path) -> None:
    fleet.put(fleet.device("u1"), target)
    take(fleet, target, "pkey.pem")


def make_stranger(fleet: Fleet, target: Path, tmp_path: Path) -> None:
    """A certificate of the same CN, under a CA of the same name that is not the fleet's."""
    project = tmp_path / "stranger"
    project.mkdir()
    for words in (["root"], ["device", "--uuid", "u1"]):
        assert run(*words, cwd=project).status == 0
    shutil.copyfile(project / "myservername/devices/u1/client.pem", target / "client.pem")


OTHERS: dict[str, tuple[Callable[[Fleet, Path, Path], object], str]] = {
    "certificate of another device": (
        lambda fleet, target, _: take(fleet, target, "client.pem", "pkey.pem"),
        "subject of its client.pem is 'CN=u2', expected 'CN=u1'",
    ),
    "key of another device": (
        lambda fleet, target, _: take(fleet, target, "pkey.pem"),
        "its pkey.pem is another key, expected this device's",
    ),
    "garbage for a certificate": (
        lambda fleet, target, _: (target / "client.pem").write_text("garbage\n"),
        "its client.pem is no certificate that openssl can read, expected 'CN=u1'",
    ),
    "garbage for a key": (
        lambda fleet, target, _: (target / "pkey.pem").write_bytes(b"\0" * 100),
        "its pkey.pem is no private key that openssl can use, expected this device's",
    ),
    "a certificate with another's key": (
        lambda fleet, target, _: own_with_a_strange_key(fleet, target),
        "its pkey.pem is another key, expected this device's",
    ),
    "a link for a certificate": (
        lambda fleet, target, _: (target / "client.pem").symlink_to(fleet.device("u1") / "client.pem"),
        "its client.pem is a link, expected a regular file",
    ),
    "a link for a key": (
        lambda fleet, target, _: (target / "pkey.pem").symlink_to(fleet.device("u1") / "pkey.pem"),
        "its pkey.pem is a link, expected a regular file",
    ),
    "a certificate of another CA": (make_stranger, "its client.pem of 'CN=u1' is of another CA"),
    "a later certificate": (
        lambda fleet, target, tmp_path: fleet.sign_later(target, tmp_path),
        "its client.pem is of 2040-01-01 00:00:00 UTC, expected none after this device's of 20",
    ),
}


@pytest.mark.parametrize("case", OTHERS)
def test_another_identity(fleet: Fleet, device: Sshd, target: Path, tmp_path: Path, case: str) -> None:
    """It is refused with what was expected and what is there, and left as it is; --replace writes over it."""
    plant, words = OTHERS[case]
    plant(fleet, target, tmp_path)
    before = tree(target)
    refused(install(fleet, device, target), 4, "has another identity", words, "--replace")
    assert tree(target) == before
    ran = install(fleet, device, target, "--replace")
    assert ran.status == 0, ran.err
    check_installed(target, fleet.device("u1"))


def test_what_is_missing_or_wrong_is_put_right(fleet: Fleet, device: Sshd, target: Path) -> None:
    """A device with its own certificate gets what it lacks, what differs, and right modes."""
    for change in (
        lambda: (target / "root.crt").unlink(),
        lambda: (target / "gateway.url").write_text("https://gateway.example:443\n"),
        lambda: (target / "pkey.pem").chmod(0o644),
        lambda: (target / "client.pem").chmod(0o600),
        lambda: (target / "pkey.pem").unlink(),
        lambda: (target / "client.pem").unlink(),
    ):
        fleet.put(fleet.device("u1"), target)
        change()
        ran = install(fleet, device, target, "--json")
        assert json.loads(ran.out)["state"] == "installed", ran.err
        check_installed(target, fleet.device("u1"))


def test_files_of_an_earlier_try(fleet: Fleet, device: Sshd, target: Path) -> None:
    """What a try left under temporary names goes, whatever it is; also where all is there already."""
    for state in ("installed", "already there"):
        (target / ".pkey.pem.otaopenssl").write_text("PRIVATE KEY of an earlier try")
        (target / ".root.crt.otaopenssl").symlink_to("/etc/passwd")
        (target / ".config.toml.otaopenssl").write_text("left")
        assert json.loads(install(fleet, device, target, "--json").out)["state"] == state
        check_installed(target, fleet.device("u1"))


def test_directories_in_the_way(fleet: Fleet, device: Sshd, target: Path) -> None:
    """A directory with the name of a file cannot be replaced, and is told of."""
    for name in ("client.pem", ".root.crt.otaopenssl"):
        (target / name).mkdir()
        before = tree(target)
        refused(install(fleet, device, target, "--replace"), 4, f"'{name}'", "is a directory, expected a regular file")
        assert tree(target) == before
        (target / name).rmdir()


def test_a_link_to_the_directory(fleet: Fleet, device: Sshd, target: Path, tmp_path: Path) -> None:
    """On a device a link to the directory is followed, as the device's own programs do."""
    (tmp_path / "link").symlink_to(target)
    assert install(fleet, device, tmp_path / "link").status == 0
    check_installed(target, fleet.device("u1"))


# --- connections


def test_unreachable(fleet: Fleet, device: Sshd, target: Path) -> None:
    """A port that nobody listens on is told in ssh's words."""
    with refusing() as port:
        ran = install(fleet, device, target, "--port", str(port))
    refused(ran, 1, "no session with '127.0.0.1'", "Connection refused", "check the host, the port, the network")


def test_no_such_host(fleet: Fleet, device: Sshd, target: Path) -> None:
    """A name that nobody knows is told."""
    refused(install(fleet, device, target, "--to", "host.invalid"), 1, "no session with 'host.invalid'")


@pytest.mark.parametrize("peer", ["silent", "closes at once", "resets", "plain HTTP", "floods"])
def test_a_peer_that_is_no_ssh_server(fleet: Fleet, device: Sshd, target: Path, peer: str) -> None:
    """Whatever else listens there, the run ends in the time that it was given."""
    with tcp_server(PEERS[peer]) as port:
        ran = install(fleet, device, target, "--port", str(port), "--timeout", "2")
    refused(ran, 1, "no session with '127.0.0.1'")


def test_a_refused_login(fleet: Fleet, device: Sshd, target: Path, tmp_path: Path) -> None:
    """A key that the device does not know, and a user that it has not."""
    refused(install(fleet, device, target, "--to", "nobody-here@127.0.0.1"), 1, "Permission denied (publickey)")
    generate_key(tmp_path / "other")
    device.configure(identity=tmp_path / "other")
    refused(install(fleet, device, target), 1, "Permission denied (publickey)", "try: ssh -p")
    assert list(target.iterdir()) == []


def test_an_unknown_host_key(fleet: Fleet, device: Sshd, target: Path) -> None:
    """It is refused, whatever the ssh configuration says; --accept-new-host-key accepts it and remembers it."""
    device.know()
    device.configure("StrictHostKeyChecking no", "NoHostAuthenticationForLocalhost yes")
    refused(install(fleet, device, target), 1, "No ED25519 host key is known", "--accept-new-host-key")
    assert list(target.iterdir()) == []
    assert install(fleet, device, target, "--accept-new-host-key").status == 0
    assert "ssh-ed25519" in device.known_hosts.read_text()
    assert install(fleet, device, target).status == 0


def test_a_changed_host_key(fleet: Fleet, device: Sshd, target: Path, tmp_path: Path) -> None:
    """It is refused, with --accept-new-host-key as well."""
    generate_key(tmp_path / "other")
    device.know(tmp_path / "other.pub")
    for options in ([], ["--accept-new-host-key"]):
        ran = install(fleet, device, target, *options)
        refused(ran, 1, "has changed", f"ssh-keygen -R '[127.0.0.1]:{device.port}'")
        assert "@@@" not in ran.err
    assert list(target.iterdir()) == []


def test_no_sftp_on_the_device(fleet: Fleet, device: Sshd, target: Path) -> None:
    """A device whose ssh server knows no sftp, and one whose sftp server does not start."""
    device.behave(["/nonexistent/sftp-server"])
    refused(install(fleet, device, target), 1, "no session with '127.0.0.1'")
    device.behave(["/bin/echo", "Welcome to this device!"])
    refused(install(fleet, device, target), 1, "no session with '127.0.0.1'", "Received message too long")


@pytest.mark.parametrize(
    "line", ["ForceCommand sh -c 'echo no >&2; exit 7'", "ForceCommand kill -9 $$", "ChrootDirectory /nonexistent"]
)
def test_an_sftp_server_that_ends(fleet: Fleet, device: Sshd, target: Path, line: str) -> None:
    """Of one that ends at once ssh tells nothing: that is said, and where the reason stands."""
    device.behave(["internal-sftp\n", line])
    refused(install(fleet, device, target), 1, "no session with '127.0.0.1', and neither", "its ssh server's log")


@pytest.mark.parametrize("line", ["RequestTTY force", "RemoteCommand tmux attach"])
def test_a_configuration_for_logging_in(fleet: Fleet, device: Sshd, target: Path, line: str) -> None:
    """What a user's configuration has for a session by hand does not disturb that of sftp."""
    device.configure(line)
    ran = install(fleet, device, target, "--timeout", "5")
    assert ran.status == 0, ran.err
    check_installed(target, fleet.device("u1"))


def test_no_sftp_here(fleet: Fleet, device: Sshd, target: Path, tmp_path: Path) -> None:
    """Without an sftp program nothing is begun."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "openssl").symlink_to(str(shutil.which("openssl")))
    options = [*device.options, "--directory", str(target), *GATEWAY]
    ran = run("install", "u1", *options, cwd=fleet.project, env={"PATH": str(tmp_path / "bin")})
    refused(ran, 4, "no sftp in PATH")


def test_what_ssh_gets(fleet: Fleet, device: Sshd, target: Path, tmp_path: Path) -> None:
    """sftp gets of the environment what ssh needs and nothing else; no secret is in its arguments."""
    log = tmp_path / "log"
    wrapper = tmp_path / "bin" / "sftp"
    wrapper.parent.mkdir()
    real = shutil.which("sftp")
    script = f"#!/bin/bash\n{{ printf '%s\\n' \"$@\"; env -0 | tr '\\0' '\\n'; }} >> {log}\nexec {real} \"$@\"\n"
    wrapper.write_text(script)
    wrapper.chmod(0o755)
    path = f"{wrapper.parent}:/usr/bin:/bin"
    given = {"PATH": path, "HOME": "/h", "USER": "u", "LOGNAME": "l", "SSH_AUTH_SOCK": "/s", "SSH_ASKPASS": "/a"}
    options = [*device.options, "--directory", str(target), *GATEWAY]
    ran = run("install", "u1", *options, cwd=fleet.project, env={**given, "DISPLAY": ":0", "SECRET": "x"})
    assert ran.status == 0, ran.err
    lines = set(log.read_text().splitlines())
    names = {line.partition("=")[0] for line in lines if "=" in line and line[0].isupper()}
    options_of_ssh = {name for name in names if f"{name}=" in " ".join(lines) and not name.isupper()}
    # Those of bash itself are no part of what it was started with.
    assert names - options_of_ssh - {"PWD", "SHLVL", "_"} == {
        "PATH", "HOME", "USER", "LOGNAME", "SSH_AUTH_SOCK", "LC_ALL"
    }  # fmt: skip
    assert {"BatchMode=yes", "StrictHostKeyChecking=yes", "ControlPath=none", "LC_ALL=C"} <= lines
    assert "PRIVATE KEY" not in log.read_text()


# --- the far side


def test_no_such_directory(fleet: Fleet, device: Sshd, target: Path) -> None:
    """A directory that is missing, and one that is none, are told and not made."""
    refused(install(fleet, device, target / "missing"), 4, "cannot be gone to", "No such file", "mkdir -p", "a link")
    assert not (target / "missing").exists()
    (target / "file").write_text("")
    ran = install(fleet, device, target / "file")
    refused(ran, 4, "is not a directory", "name a directory")
    assert "mkdir" not in ran.err


@pytest.mark.parametrize("denied", ["opendir,readdir", "readdir"])
def test_a_directory_that_cannot_be_listed(fleet: Fleet, device: Sshd, target: Path, denied: str) -> None:
    """sftp takes it for an empty one; it is told, and nothing is written."""
    device.behave([SFTP_SERVER, "-P", denied])
    refused(install(fleet, device, target), 4, "cannot be listed", "Permission denied")
    assert list(target.iterdir()) == []


def test_a_server_that_replaces_nothing(fleet: Fleet, device: Sshd, target: Path) -> None:
    """Where a server moves no file onto another what is in the way is removed, and all is there after one run."""
    device.behave([SFTP_SERVER, "-P", "posix-rename"])
    fleet.put(fleet.earlier, target)
    ran = install(fleet, device, target)
    assert ran.status == 0, ran.err
    check_installed(target, fleet.device("u1"))
    (target / "root.crt").unlink()
    (target / "client.pem").unlink()
    assert install(fleet, device, target).status == 0
    check_installed(target, fleet.device("u1"))


@pytest.mark.parametrize("options", [[], ["--ota-ce"]])
def test_another_configuration(fleet: Fleet, device: Sshd, target: Path, options: list[str]) -> None:
    """One that somebody has written is kept; --replace writes over it."""
    name = "config.toml" if options else "sota-device-cred.toml"
    (target / name).write_text("[uptane]\npolling_sec = 5\n")
    before = tree(target)
    refused(install(fleet, device, target, "--toml", *options), 4, f"'{name}'", "another configuration", "--replace")
    assert tree(target) == before
    assert install(fleet, device, target).status == 0
    check_installed_with_own(target, fleet, name)
    assert install(fleet, device, target, "--toml", *options, "--replace").status == 0
    assert "tls_clientcert_path" in (target / name).read_text()


def check_installed_with_own(target: Path, fleet: Fleet, name: str) -> None:
    """The device's files are there, beside somebody's configuration."""
    check_installed(target, fleet.device("u1"), name)
    assert "polling_sec" in (target / name).read_text()


def test_another_gateway(fleet: Fleet, device: Sshd, target: Path) -> None:
    """A gateway.url or a root.crt that differs is replaced, and told of; one that is missing is no word worth."""
    fleet.put(fleet.device("u1"), target)
    (target / "gateway.url").write_text("https://other.example")
    (target / "root.crt").write_bytes((fleet.device("u2") / "root.crt").read_bytes())
    ran = install(fleet, device, target)
    assert ran.status == 0, ran.err
    check_installed(target, fleet.device("u1"))
    for name in ("root.crt", "gateway.url"):
        assert f"warning: another {name} was there, and was replaced" in ran.err
        (target / name).unlink()
    assert "another" not in install(fleet, device, target).err


@contextmanager
def mounted(mount: Path, script: str) -> Iterator[tuple[list[str], Path]]:
    """A mount in a namespace of its own: what a command is entered into it by, and where it is seen from outside."""
    mount.mkdir()
    probe = subprocess.run(["unshare", "-rm", "true"], check=False, capture_output=True)
    require(probe.returncode == 0, "unshare -rm does not work here: no mount can be made for the test")
    command = ["unshare", "-rm", "bash", "-ec", f"{script}; echo ready; read", "bash", str(mount)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "ready\n"
        entered = ["nsenter", "-t", str(holder.pid), "-U", "-m", "--preserve-credentials"]
        yield entered, Path(f"/proc/{holder.pid}/root{mount}")
        holder.kill()


@pytest.mark.parametrize("blocks", range(1, 5))
def test_a_full_device(fleet: Fleet, device: Sshd, tmp_path: Path, blocks: int) -> None:
    """Wherever the room ends what was there is there still, and nothing else; with room enough it works."""
    # Four files and the directory itself; each takes a block.
    script = f'mount -t tmpfs -o size={blocks * 4}k,nr_inodes=20 tmpfs "$1"; chmod 755 "$1"'
    with mounted(tmp_path / "mount", script) as (entered, seen):
        device.behave([*entered, SFTP_SERVER])
        ran = install(fleet, device, tmp_path / "mount")
        if blocks < 4:
            refused(ran, 4, "cannot be written", "Failure'", "has room")
            assert list(seen.iterdir()) == []
        else:
            assert ran.status == 0, ran.err
            check_installed(seen, fleet.device("u1"))


def test_a_read_only_device(fleet: Fleet, device: Sshd, tmp_path: Path) -> None:
    """It is told, and that it may be mounted so."""
    script = 'mount -t tmpfs tmpfs "$1"; mount -o remount,ro "$1"'
    with mounted(tmp_path / "mount", script) as (entered, seen):
        device.behave([*entered, SFTP_SERVER])
        refused(install(fleet, device, tmp_path / "mount"), 4, "cannot be written", "read-only", "no other install")
        assert list(seen.iterdir()) == []


@pytest.mark.parametrize(
    ("fault", "needle"),
    [
        ("writes", "BEGIN"),
        ("writes", "PRIVATE"),
        ("writes", "https://"),
        ("reads", "BEGIN"),
        ("reads", "PRIVATE"),
    ],
)
def test_a_device_that_damages(
    fleet: Fleet, device: Sshd, target: Path, tmp_path: Path, fault: str, needle: str
) -> None:
    """What comes back is compared before anything is moved: nothing takes its place, and nothing is left."""
    device.behave(proxy_command(tmp_path / "count", fault, needle))
    refused(install(fleet, device, target), 1, "is not what was sent", "while no other install runs there")
    assert list(target.iterdir()) == []


@pytest.mark.parametrize(
    ("fault", "words"), [("lies-of-modes", "has mode 0600, expected 0644"), ("lies-of-moves", "is not what was sent")]
)
def test_a_device_that_lies(fleet: Fleet, device: Sshd, target: Path, tmp_path: Path, fault: str, words: str) -> None:
    """What a device says it has done is looked at: modes before the moves, contents after them."""
    fleet.put(fleet.earlier, target)
    before = tree(target)
    device.behave(proxy_command(tmp_path / "count", fault))
    refused(install(fleet, device, target), 1, words)
    assert tree(target) == before


def test_huge_files_on_the_device(fleet: Fleet, device: Sshd, target: Path) -> None:
    """A file that is no device's is not fetched to its end."""
    with (target / "client.pem").open("wb") as file:
        file.truncate(1 << 34)
    refused(install(fleet, device, target), 4, "holds far more than a device's files")


def test_names_on_the_device(fleet: Fleet, device: Sshd, target: Path) -> None:
    """Files with hostile names beside the device's are no matter; one that looks like another's has it refused."""
    names = ["sftp> rename", "a\nb", "\x1b[31mred", "*", "-rf", "x -> client.pem"]
    for name in names:
        (target / name).write_text("")
    ran = install(fleet, device, target)
    assert ran.status == 0, ran.err
    check_installed(target, fleet.device("u1"), *names)
    (target / "pkey.pem").chmod(0o644)
    (target / "a\n-rw------- 1 0 0 1 Nov 30 01:26 pkey.pem").write_text("")
    refused(install(fleet, device, target), 4, "its pkey.pem is a special file")


# --- interruptions


@contextmanager
def paused(fleet: Fleet, device: Sshd, target: Path, counter: Path, request: int) -> Iterator["subprocess.Popen[str]"]:
    """An installation that waits while the device is at this request."""
    for end in ("reached", "go"):
        os.mkfifo(f"{counter}.{end}")
    device.behave(proxy_command(counter, "pause", request))
    command = [sys.executable, "-m", "otaopenssl", "install", "u1", *device.options, "--directory", str(target)]
    with subprocess.Popen(
        [*command, *GATEWAY], cwd=fleet.project, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        Path(f"{counter}.reached").read_text()
        yield process


@pytest.fixture(scope="module")
def requests(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> int:
    """How many requests an installation takes."""
    directory = tmp_path_factory.mktemp("requests")
    (directory / "import").mkdir()
    with sshd(directory / "sshd") as server:
        server.behave(proxy_command(directory / "count", "none"))
        assert install(fleet, server, directory / "import").status == 0
    return len((directory / "count").read_bytes())


@pytest.mark.parametrize(("name", "part"), [("INT", 0.1), ("TERM", 0.3), ("HUP", 0.4), ("INT", 0.5), ("QUIT", 0.6)])
def test_a_signal_before_the_moves(
    fleet: Fleet, device: Sshd, target: Path, tmp_path: Path, requests: int, name: str, part: float
) -> None:
    """The run ends with 130, its sftp and ssh with it, and what was written is removed."""
    request = int(requests * part)
    with paused(fleet, device, target, tmp_path / "count", request) as process:
        process.send_signal(getattr(signal, f"SIG{name}"))
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, ""), err
    assert err == "otaopenssl: interrupted, nothing was left behind\n"
    assert [path.name for path in target.iterdir()] == []
    left = subprocess.run(["pgrep", "-f", str(device.config)], check=False, capture_output=True, text=True)
    assert left.stdout == ""


def test_a_signal_among_the_moves(fleet: Fleet, device: Sshd, target: Path, tmp_path: Path, requests: int) -> None:
    """What was begun is finished, and looked at."""
    request = int(requests * 0.75)
    with paused(fleet, device, target, tmp_path / "count", request) as process:
        process.send_signal(signal.SIGINT)
        Path(f"{tmp_path / 'count'}.go").write_text("")
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, f"127.0.0.1:{target}\n"), err
    check_installed(target, fleet.device("u1"))


@pytest.mark.parametrize("part", [0.4, 0.75])
def test_a_killed_run(fleet: Fleet, device: Sshd, target: Path, tmp_path: Path, requests: int, part: float) -> None:
    """After kill -9 no key can be read by others, and the next run finishes."""
    request = int(requests * part)
    with paused(fleet, device, target, tmp_path / "count", request) as process:
        process.kill()
    check_keys_are_private(target)
    device.behave([SFTP_SERVER])
    assert install(fleet, device, target).status == 0
    check_installed(target, fleet.device("u1"))


def test_a_server_that_is_killed(fleet: Fleet, device: Sshd, target: Path, tmp_path: Path, requests: int) -> None:
    """The connection is lost while the device writes: one error, exit 1, and the next run finishes."""
    request = requests // 2
    with paused(fleet, device, target, tmp_path / "count", request) as process:
        device.kill()
        out, err = process.communicate(timeout=60)
    refused(
        Ran(process.returncode, out, err), 1, "the connection to '127.0.0.1' was lost", "run the same command again"
    )
    check_keys_are_private(target)
    device.behave([SFTP_SERVER])
    assert install(fleet, device, target).status == 0
    check_installed(target, fleet.device("u1"))


# --- the dry-run


def test_the_dry_run(fleet: Fleet, device: Sshd, target: Path) -> None:
    """The script starts nothing while it is printed, and installs the same when it is run."""
    script = install(fleet, device, target, "--dry-run")
    assert script.status == 0, script.err
    assert device.connections == 0
    assert list(target.iterdir()) == []
    for _ in range(2):
        ran = subprocess.run(
            ["bash"],
            input=script.out,
            cwd="/",
            check=False,
            capture_output=True,
            text=True,
            env={"PATH": "/usr/bin:/bin"},
        )
        assert ran.returncode == 0, ran.stderr
        assert ran.stdout.endswith(f"127.0.0.1:{target}\n")
        check_installed(target, fleet.device("u1"))
    told = json.loads(install(fleet, device, target, "--dry-run", "--json").out)
    assert [batch[0] for batch in told["batches"]] == [f"cd {target}"] * 3
    assert told["sftp"][:3] == ["sftp", "-b", "-"]


def test_the_dry_run_of_another_identity(fleet: Fleet, device: Sshd, target: Path) -> None:
    """The script refuses another certificate as well."""
    fleet.put(fleet.device("u2"), target)
    before = tree(target)
    script = install(fleet, device, target, "--dry-run").out
    ran = subprocess.run(["bash"], input=script, check=False, capture_output=True, text=True)
    assert ran.returncode == 4, ran.stderr
    assert tree(target) == before
    script = install(fleet, device, target, "--dry-run", "--replace").out
    assert subprocess.run(["bash"], input=script, check=False, capture_output=True, text=True).returncode == 0
    check_installed(target, fleet.device("u1"))


def put_strange(fleet: Fleet, directory: Path, what: str) -> None:
    """Have something of another's in a directory where a device is to be installed."""
    strange = fleet.device("u2") / ("client.pem" if what == "client.pem" else "pkey.pem")
    if what == "a dangling link":
        (directory / "client.pem").symlink_to("nowhere")
    elif what == "a link to its own":
        (directory / "client.pem").symlink_to(fleet.device("u1") / "client.pem")
    elif what == "a directory":
        (directory / "client.pem").mkdir()
    else:
        shutil.copyfile(strange, directory / what)


STRANGE = ["pkey.pem", "client.pem", "sota-device-cred.toml", "a dangling link", "a link to its own", "a directory"]


def test_what_the_dry_run_keeps(fleet: Fleet, device: Sshd, target: Path) -> None:
    """The script writes over nothing that the tool would not write over, be it a key alone or no file at all."""
    script = install(fleet, device, target, "--toml", "--dry-run").out
    for what in STRANGE:
        put_strange(fleet, target, what)
        before = tree(target)
        ran = subprocess.run(["bash"], input=script, check=False, capture_output=True, text=True)
        assert ran.returncode == 4, (what, ran.stderr)
        assert "has another" in ran.stderr
        assert tree(target) == before
        (found,) = target.iterdir()
        found.rmdir() if what == "a directory" else found.unlink()
    shutil.copyfile(fleet.device("u1") / "pkey.pem", target / "pkey.pem")
    assert subprocess.run(["bash"], input=script, check=False, capture_output=True, text=True).returncode == 0
    check_installed(target, fleet.device("u1"), "sota-device-cred.toml")
