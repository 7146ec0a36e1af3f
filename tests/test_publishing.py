"""What a team's own text makes is checked and published as the guide's is: modes, serials, links, durability."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from otaopenssl.runner import STEP_SECONDS
from tests.conftest import CHECKOUT, GUIDE_PATH, openssl, require, run, tree, write_program


def own_text(project: Path, *lines: str, old: str = "", new: str = "") -> list[str]:
    """The options for a procedure whose device.sh is the guide's, changed and with further lines."""
    assert run("procedure", "export", "ota-connect-2019.7", "own", cwd=project).status == 0
    path = project / "own" / "device.sh"
    text = path.read_text()
    assert old in text
    path.write_text("\n".join([text.replace(old, new).rstrip("\n"), *lines, ""]))
    return ["--procedure", "./own"]


def modes(directory: Path) -> dict[str, str]:
    return {path.name: f"{path.lstat().st_mode & 0o777:o}" for path in directory.iterdir()}


def test_modes_of_what_own_commands_make(project: Path, devices: Path) -> None:
    """Whatever holds a private key is 0600, also among certificates or redirected; the rest follows the umask."""
    options = own_text(
        project,
        'openssl genpkey -algorithm ED25519 -out "${device_dir}/another.pem"',
        'openssl pkey -in "${device_dir}/pkey.pem" > "${device_dir}/printed.pem"',
        'cat "${device_dir}/client.pem" "${device_dir}/pkey.pem" > "${device_dir}/bundle.pem"',
        'openssl x509 -in "${device_dir}/client.pem" -out "${device_dir}/copy.pem"',
        'openssl x509 -in "${device_dir}/client.pem" -outform DER -out "${device_dir}/client.der"',
        'openssl x509 -in "${device_dir}/client.pem" -text -out "${device_dir}/text.pem"',
        'openssl ec -in "${device_dir}/pkey.ec.pem" -text -pubout -out "${device_dir}/words.pem"',
        'cat "${device_dir}/words.pem" "${device_dir}/client.pem" > "${device_dir}/both.pem"',
        'openssl x509 -in "${device_dir}/client.pem" -text | '
        "sed -n '/-BEGIN CERTIFICATE-/,/-END CERTIFICATE-/p' > ${device_dir}/only.pem",
    )
    made = run("device", "--uuid", "u1", *options, cwd=project)
    assert made.status == 0, made.err
    found = modes(devices / "u1")
    assert {name for name, mode in found.items() if mode == "600"} == {
        "pkey.ec.pem",
        "pkey.pem",
        "another.pem",
        "printed.pem",
        "bundle.pem",
        "words.pem",
        "both.pem",
    }
    assert set(found.values()) == {"600", "644"}
    certificate = (devices / "u1" / "client.pem").read_bytes()
    assert (devices / "u1" / "only.pem").read_bytes() == certificate
    assert (devices / "u1" / "copy.pem").read_bytes() == certificate
    key = openssl("pkey", "-in", "pkey.pem", cwd=devices / "u1")
    assert (devices / "u1" / "printed.pem").read_text() == key


def test_keys_are_private_from_their_first_byte(project: Path, tmp_path: Path, real_openssl: str) -> None:
    """Also with an openssl that creates its outputs by the umask, as LibreSSL and others do."""
    seen = tmp_path / "seen"
    program = write_program(
        tmp_path / "openssl",
        f"""#!/bin/bash
out=; words=()
for word in "$@"; do
  if [ "$previous" = -out ]; then out=$word; unset 'words[-1]'; else words+=("$word"); fi
  previous=$word
done
[ -n "$out" ] || exec {real_openssl} "$@"
: > "$out"; stat -c "%a $(basename "$out")" "$out" >> {seen}
{real_openssl} "${{words[@]}}" > "$out"
""",
    )
    script = f"umask 000; exec {sys.executable} -m otaopenssl device --uuid u1 --openssl {program}"
    made = subprocess.run(["bash", "-c", script], cwd=project, check=False, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    assert seen.read_text().split("\n")[:-1] == ["600 pkey.ec.pem", "600 pkey.pem", "666 u1.csr", "666 client.pem"]


@pytest.mark.parametrize(
    ("old", "new"), [("x509 -req -days", "x509 -req -text -days"), ("x509 -req -days", "x509 -days 7 -req -days")]
)
def test_the_signing_step_is_known_however_it_is_written(project: Path, devices: Path, old: str, new: str) -> None:
    """Another option on the signing line changes nothing of its serial number or its checks."""
    (devices / "ca.srl").write_text("1000\n")
    made = run("device", "--uuid", "u1", *own_text(project, old=old, new=new), cwd=project)
    assert made.status == 0, made.err
    assert openssl("x509", "-in", "u1/client.pem", "-noout", "-serial", cwd=devices) == "serial=1001\n"
    assert (devices / "ca.srl").read_text() == "1001\n"


def test_a_file_beside_the_ca_is_there_for_an_own_text(project: Path, devices: Path) -> None:
    """An intermediate in the devices directory can be part of the chain."""
    (devices / "up.crt").write_bytes((devices / "ca.crt").read_bytes())
    options = own_text(
        project, old='"${DEVICES_DIR}/ca.crt" >', new='"${DEVICES_DIR}/up.crt" "${DEVICES_DIR}/ca.crt" >'
    )
    made = run("device", "--uuid", "u1", *options, cwd=project)
    assert made.status == 0, made.err
    chain = (devices / "u1" / "u1.chain.pem").read_bytes()
    assert chain == (devices / "u1" / "client.pem").read_bytes() + 2 * (devices / "ca.crt").read_bytes()


def test_an_own_text_cannot_reach_the_real_serial_file(project: Path, devices: Path) -> None:
    """A text that names ca.srl gets the workbench's own, so that the real one is changed by a reservation alone."""
    (devices / "ca.srl").write_text("1000\n")
    (devices / "ca.srl").chmod(0o640)
    options = own_text(project, 'cat "${DEVICES_DIR}/ca.srl" > "${device_dir}/serial.txt"')
    inode = (devices / "ca.srl").stat().st_ino
    preparation = f"""
from otaopenssl import workbench
real = workbench.Workbench.seed_serials
def seed_serials(self, content):
    before = open({str(devices / "ca.srl")!r}).read()
    real(self, content)
    assert open({str(devices / "ca.srl")!r}).read() == before == "1001\\n"
workbench.Workbench.seed_serials = seed_serials
"""
    made = in_process(project, preparation, "device", "--uuid", "u1", *options)
    assert made.returncode == 0, made.stderr
    assert (devices / "u1" / "serial.txt").read_text() == (devices / "ca.srl").read_text() == "1001\n"
    assert (devices / "ca.srl").stat().st_ino != inode


def test_a_report_is_asked_for_where_the_text_prints_none(project: Path) -> None:
    """A text without the last line of the guide is checked all the same."""
    options = own_text(project, old='openssl x509 -in "${device_dir}/client.pem" -text -noout\n')
    made = run("device", "--uuid", "u1", "-v", *options, cwd=project)
    assert made.status == 0, made.err
    assert made.err.count(" -noout -text  (") == 2


@pytest.mark.parametrize("options", ["-nameopt RFC2253", "-certopt no_serial,no_pubkey", "-subject"])
def test_a_report_of_another_form_is_not_read(project: Path, options: str) -> None:
    """Where the text prints its report otherwise than the guide, the tool asks its own question."""
    own = own_text(project, old="-text -noout", new=f"-text -noout {options}")
    made = run("device", "--uuid", "u1", *own, cwd=project)
    assert made.status == 0, made.err


def test_nothing_is_written_through_a_link(project: Path, devices: Path) -> None:
    """A name that the text itself has linked somewhere cannot be written."""
    outside = project / "outside"
    outside.write_text("precious")
    options = own_text(
        project,
        f'ln -s "{outside}" "${{device_dir}}/link.pem"',
        'openssl x509 -in "${device_dir}/client.pem" -out "${device_dir}/link.pem"',
    )
    ran = run("device", "--uuid", "u1", *options, cwd=project)
    assert (ran.status, "would write through the link" in ran.err) == (1, True)
    assert outside.read_text() == "precious"
    assert not (devices / "u1").exists()


def test_links_of_an_own_text(project: Path, devices: Path) -> None:
    """A second link is made or left out as the guide's is, in the run and in the script."""
    options = own_text(project, 'ln -s "${SERVER_DIR}/server_ca.pem" "${device_dir}/ca2.pem"')
    assert run("device", "--uuid", "u1", *options, cwd=project).status == 0
    script = run("device", "-n", "--uuid", "u2", *options, cwd=project).out
    subprocess.run(["env", "-i", f"PATH={GUIDE_PATH}", "bash", "-c", script], check=True, capture_output=True)
    assert len(modes(devices / "u1")) == len(modes(devices / "u2")) == 5
    (devices.parent / "server_ca.pem").touch()
    assert run("device", "--uuid", "u3", *options, cwd=project).status == 0
    assert (devices / "u3" / "ca2.pem").readlink() == devices.parent / "server_ca.pem"


def test_a_linked_serial_file_is_shared(project: Path, devices: Path) -> None:
    """Two servers that share a CA and its ca.srl by links go on from one number and never use one twice."""
    shared = project / "shared.srl"
    shared.write_text("1000\n")
    second = project / "second" / "devices"
    second.mkdir(parents=True)
    for name in ("ca.key", "ca.crt"):
        (second / name).symlink_to(devices / name)
    for directory in (devices, second):
        (directory / "ca.srl").symlink_to("../../shared.srl")
    for number, server in enumerate(("myservername", "second", "myservername")):
        made = run("device", "--uuid", f"u{number}", "--server-name", server, cwd=project)
        assert made.status == 0, made.err
        directory = project / server / "devices"
        serial = openssl("x509", "-in", f"u{number}/client.pem", "-noout", "-serial", cwd=directory)
        assert serial == f"serial={0x1001 + number:04X}\n"
    assert (devices / "ca.srl").is_symlink()
    assert shared.read_text() == "1003\n"


def test_devices_on_another_file_system_are_refused(project: Path, devices: Path) -> None:
    """A device is published by one rename, which works on one file system."""
    probe = subprocess.run(["unshare", "-rm", "true"], check=False, capture_output=True)
    require(probe.returncode == 0, "unshare -rm does not work here: no mount can be made for the test")
    script = (
        'mkdir "$1/keep"; cp "$2"/ca.* "$1/keep"; mount -t tmpfs tmpfs "$2"; cp "$1/keep"/ca.* "$2"; rm -r "$1/keep"\n'
        f'exec {sys.executable} -m otaopenssl device -C "$1"'
    )
    command = ["unshare", "-rm", "bash", "-ec", script, "bash", str(project), str(devices)]
    ran = subprocess.run(command, cwd=CHECKOUT, check=False, capture_output=True, text=True)
    assert ran.returncode == 4, ran.stderr
    assert "is on another file system than" in ran.stderr


def in_process(project: Path, preparation: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a Python process in which something was replaced before."""
    script = (
        f"import errno, os, sys\n{preparation}\nfrom otaopenssl.cli import run\nsys.exit(run({list(arguments)!r}))\n"
    )
    return subprocess.run([sys.executable, "-c", script], cwd=project, check=False, capture_output=True, text=True)


def test_everything_is_on_the_disk_before_the_rename(project: Path, devices: Path) -> None:
    """Each file and the directory are synced before the device appears, the devices directory after it."""
    log = project.parent / "log"
    preparation = f"""
from pathlib import Path
log = open({str(log)!r}, "w")
real_fsync, real_rename = os.fsync, Path.rename
def fsync(descriptor):
    log.write("sync " + os.readlink(f"/proc/self/fd/{{descriptor}}") + "\\n")
    real_fsync(descriptor)
def rename(self, target):
    log.write(f"rename {{self}}\\n")
    return real_rename(self, target)
os.fsync, Path.rename = fsync, rename
"""
    made = in_process(project, preparation, "device", "--uuid", "u1")
    assert made.returncode == 0, made.stderr
    lines = log.read_text().splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("rename ") and line.endswith("/u1"))
    before, after = lines[:at], lines[at + 1 :]
    staged = lines[at].removeprefix("rename ")
    for name in ("pkey.ec.pem", "pkey.pem", "u1.csr", "client.pem", "u1.chain.pem"):
        assert f"sync {staged}/{name}" in before
    assert f"sync {staged}" in before
    assert f"sync {devices}" in after
    assert any(line.endswith("/.ca.srl.new") for line in before)


def test_half_a_root_is_taken_back(tmp_path: Path) -> None:
    """Where ca.crt cannot be put beside ca.key, neither is left."""
    preparation = """
real = os.link
def link(source, target, **options):
    if str(target).endswith("devices/ca.crt"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(source), None, str(target))
    return real(source, target, **options)
os.link = link
"""
    ran = in_process(tmp_path, preparation, "root")
    assert ran.returncode == 4, ran.stderr
    assert "no space left on device" in ran.stderr
    assert tree(tmp_path) == {}


def test_another_program_in_the_script(project: Path, tmp_path: Path, real_openssl: str) -> None:
    """Where --openssl names another program than the script's PATH has, the script runs that one."""
    mark = tmp_path / "mark"
    program = write_program(tmp_path / "open ssl", f'#!/bin/bash\necho "$1" >> {mark}\nexec {real_openssl} "$@"\n')
    for style in ("guide", "argv"):
        printed = run("device", "-n", "--uuid", style, "--style", style, "--openssl", str(program), cwd=project).out
        assert not mark.exists()
        subprocess.run(["env", "-i", f"PATH={GUIDE_PATH}", "bash", "-c", printed], check=True, capture_output=True)
        assert sorted(mark.read_text().split()) == ["ec", "ecparam", "pkcs8", "req", "x509", "x509"]
        mark.unlink()
    in_script = shutil.which("openssl", path=GUIDE_PATH)
    require(in_script is not None, f"no openssl in {GUIDE_PATH}")
    assert "openssl()" not in run("device", "-n", "--openssl", str(in_script), cwd=project).out


def test_the_script_keeps_a_configuration_file_made_meanwhile(project: Path) -> None:
    """A file that is not there when the script is printed is not overwritten if it is there when it runs."""
    script = run("device", "-n", "--uuid", "u1", cwd=project).out
    assert run("config", "render", cwd=project).status == 0
    own = project / "certs" / "client.ext"
    own.write_text(own.read_text() + "# mine\n")
    subprocess.run(["env", "-i", f"PATH={GUIDE_PATH}", "bash", "-c", script], check=True, capture_output=True)
    assert own.read_text().endswith("# mine\n")


def test_a_step_has_a_minute() -> None:
    """As the README says."""
    assert STEP_SECONDS == 60
    assert "A step may take 60 seconds." in (CHECKOUT / "README.md").read_text()


def test_a_hidden_folder_that_is_a_dangling_link(project: Path, devices: Path) -> None:
    """It is an error, not an endless loop."""
    (devices.parent / ".otaopenssl").symlink_to("/nonexistent/folder")
    ran = run("device", cwd=project, timeout=30)
    assert (ran.status, len(ran.error_lines)) == (4, 1)
    (devices.parent / ".otaopenssl").unlink()


@pytest.mark.parametrize("stream", ["1", "2"])
@pytest.mark.parametrize("where", ["&-", "/dev/full"])
def test_streams_that_are_closed_or_full(project: Path, devices: Path, stream: str, where: str) -> None:
    """Without standard error the device is made in silence; without standard output nothing is made, or it is said."""
    script = f"exec {sys.executable} -m otaopenssl device --uuid u1 {stream}>{where}"
    environment = {"PATH": os.environ["PATH"]}
    command = ["bash", "-c", script]
    ran = subprocess.run(command, cwd=project, env=environment, check=False, capture_output=True, text=True)
    assert "Traceback" not in ran.stderr
    assert "Exception ignored" not in ran.stderr
    if stream == "2":
        assert (ran.returncode, ran.stdout, ran.stderr) == (0, "./myservername/devices/u1\n", "")
    else:
        assert ran.returncode == 4
        assert ran.stderr.count("otaopenssl: error: standard output ") == 1
    assert ((devices / "u1").exists()) is (stream == "2" or where == "/dev/full")


def test_names_that_steer_a_terminal_are_shown_as_escapes(project: Path, tmp_path: Path, real_openssl: str) -> None:
    """OpenSSL 3.5 and later print U+009B and line separators in a name as they are; here they arrive as escapes."""
    program = write_program(
        tmp_path / "openssl",
        f'#!/bin/bash\ncase "$*" in *"-text"*) {real_openssl} "$@" | '
        f"sed 's/ota-devices-CA/ota\\xc2\\x9b31m\\xe2\\x80\\xa8CA/g';; *) exec {real_openssl} \"$@\";; esac\n",
    )
    made = run("device", "--uuid", "u1", "--openssl", str(program), cwd=project)
    assert made.status == 0, made.err
    assert "ota\\x9b31m\\u2028CA" in made.err
    shown = run("show", "u1", "--openssl", str(program), cwd=project)
    assert "ota\\x9b31m\\u2028CA" in shown.out
    assert os.linesep.join(made.err.splitlines()) == made.err.rstrip("\n")
