"""What is audited is what runs: the texts are the guide's, and so is every argv; the dry-run does the same."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT, GUIDE_PATH, openssl, run, tree

pytestmark = pytest.mark.real

TEXTS = CHECKOUT / "templates" / "procedures" / "ota-connect-2019.7"
UUID = "4e7cdc4f-b7dc-4fb0-900f-a237ba3e804c"

# Guide step 2 and step 4, as the guide prints them (without its indentation).
GUIDE_STEP_2 = r"""
openssl ecparam -genkey -name prime256v1 | openssl ec -out "${device_dir}/pkey.ec.pem"
openssl pkcs8 -topk8 -nocrypt -in "${device_dir}/pkey.ec.pem" -out "${device_dir}/pkey.pem"
openssl req -new -config "${CWD}/certs/client.cnf" -key "${device_dir}/pkey.pem" -out "${device_dir}/${device_id}.csr"
openssl x509 -req -days 365 -extfile "${CWD}/certs/client.ext" -in "${device_dir}/${device_id}.csr" \
  -CAkey "${DEVICES_DIR}/ca.key" -CA "${DEVICES_DIR}/ca.crt" -CAcreateserial -out "${device_dir}/client.pem"
cat "${device_dir}/client.pem" "${DEVICES_DIR}/ca.crt" > "${device_dir}/${device_id}.chain.pem"
ln -s "${SERVER_DIR}/server_ca.pem" "${device_dir}/ca.pem" || true
openssl x509 -in "${device_dir}/client.pem" -text -noout
"""
GUIDE_STEP_4 = r"""
openssl s_client -connect ${device_gateway}:8000 -servername $device_gateway -showcerts | \
  sed -n '/-BEGIN CERTIFICATE-/,/-END CERTIFICATE-/p' > ${device_dir}/root.crt
"""
# The guide's step 1, its slips mended (departures devices-dir-typo and server-dir-unset).
GUIDE_STEP_1 = """
export SERVER_NAME=myservername
export DEVICES_DIR="./${SERVER_NAME}/devices" CWD="${PWD}"
export SERVER_DIR="${CWD}/${SERVER_NAME}"
export device_id=${DEVICE_ID:-${DEVICE_UUID}} device_dir="${DEVICES_DIR}/${DEVICE_UUID}"
mkdir -p "${device_dir}"
"""
OWN_QUESTIONS = re.compile(r"version -v -d|x509 -in \S+ -noout -text|pkey -in \S+ -noout -text_pub")


def logged(log: Path, kind: str) -> list[list[str]]:
    """The argv or environments that the logging program saw, in order."""
    lines = [line.split("\x1f") for line in log.read_text().splitlines()]
    return [line[1:] for line in lines if line[0] == kind]


def commands_of(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if line and not line.startswith("#"))


def test_device_text_is_the_guides_step_2() -> None:
    """device.sh holds the guide's step 2 and no other command, character for character."""
    assert commands_of((TEXTS / "device.sh").read_text()) == GUIDE_STEP_2.strip("\n")


def test_gateway_text_is_the_guides_step_4() -> None:
    """gateway.sh holds the guide's step 4; gateway-port.sh differs in the port alone."""
    assert commands_of((TEXTS / "gateway.sh").read_text()) == GUIDE_STEP_4.strip("\n")
    with_port = GUIDE_STEP_4.replace(":8000", ":${device_gateway_port}")
    assert commands_of((TEXTS / "gateway-port.sh").read_text()) == with_port.strip("\n")


@pytest.mark.parametrize("device_id", ["", "SAJWA1C78D8V38055"])
def test_argv_is_that_of_the_guides_own_script(
    project: Path, logging_openssl: tuple[Path, Path], device_id: str
) -> None:
    """Apart from questions that make nothing, the tool starts what bash starts on the guide, in the same order."""
    program, log = logging_openssl
    assert run("config", "render", cwd=project).status == 0
    variables = {"DEVICE_UUID": UUID} | ({"DEVICE_ID": device_id} if device_id else {})
    made = run("device", "--openssl", str(program), cwd=project, env=variables)
    assert made.status == 0, made.err
    ours = logged(log, "argv")
    log.unlink()
    (project / "myservername" / "devices" / UUID).rename(project / "ours")
    subprocess.run(
        ["bash", "-c", GUIDE_STEP_1 + GUIDE_STEP_2],
        cwd=project,
        env={"PATH": f"{program.parent}:{GUIDE_PATH}", **variables},
        check=True,
        capture_output=True,
    )
    guides = logged(log, "argv")
    # The two halves of the first pipe start at the same time, in either order.
    assert sorted(guides[:2]) == sorted(ours_without_questions(ours)[:2])
    assert guides[2:] == ours_without_questions(ours)[2:]
    assert len(guides) == 6


def ours_without_questions(ours: list[list[str]]) -> list[list[str]]:
    return [argv for argv in ours if not OWN_QUESTIONS.fullmatch(" ".join(argv))]


def test_environment_is_built_from_nothing(project: Path, logging_openssl: tuple[Path, Path]) -> None:
    """Every openssl process gets the audited variables and no other, whatever the caller's environment holds."""
    program, log = logging_openssl
    hostile = {"OPENSSL_CONF": "/dev/null", "SSL_CERT_DIR": "/x", "HOME": "/x", "RANDFILE": "/x", "LD_BIND_NOW": "1"}
    made = run("device", "--uuid", UUID, "--openssl", str(program), cwd=project, env=hostile | {"BASH_ENV": "/x"})
    assert made.status == 0, made.err
    expected = {
        "PATH": "/usr/bin:/bin",
        "LC_ALL": "C",
        "SERVER_NAME": "myservername",
        "DEVICE_UUID": UUID,
        "SSL_CERT_FILE": "/dev/null",
    }
    for variables in logged(log, "env"):
        seen = dict(variable.split("=", 1) for variable in variables)
        # Bash, which stands in openssl's place, adds these of its own.
        added = {name: value for name, value in seen.items() if name not in expected}
        assert set(added) <= {"PWD", "SHLVL", "_", "OLDPWD"}
        assert {name: seen.get(name) for name in expected} == expected
    assert len(logged(log, "env")) == 9


def test_dropped_variables_are_named(project: Path) -> None:
    """OPENSSL_CONF and its like are dropped, which one line says: one that would break openssl changes nothing."""
    broken = project.parent / "openssl.cnf"
    broken.write_text("openssl_conf = init\n[init]\nproviders = none\n[none]\nnosuch = here\n[here]\nactivate = 1\n")
    made = run("device", cwd=project, env={"OPENSSL_CONF": str(broken), "LD_BIND_NOW": "1"})
    assert made.status == 0, made.err
    assert "otaopenssl: warning: not passed on from the environment: LD_BIND_NOW, OPENSSL_CONF\n" in made.err


@pytest.mark.parametrize("style", ["guide", "argv"])
@pytest.mark.parametrize("with_server_ca", [False, True])
def test_dry_run_makes_the_same_tree(project: Path, style: str, with_server_ca: bool) -> None:
    """The printed script, alone in an empty environment, makes the names, types and modes that the real run makes."""
    if with_server_ca:
        (project / "myservername" / "server_ca.pem").write_text("a server CA")
    before = tree(project)
    printed = run("device", "--uuid", UUID, "--dry-run", "--style", style, cwd=project)
    assert printed.status == 0, printed.err
    assert tree(project) == before
    scripted = project.parent / "scripted"
    subprocess.run(["cp", "-a", str(project), str(scripted)], check=True)
    script = printed.out.replace(str(project), str(scripted))
    done = subprocess.run(
        ["env", "-i", f"PATH={GUIDE_PATH}", "bash"], input=script, cwd="/", text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"./myservername/devices/{UUID}"
    assert run("device", "--uuid", UUID, cwd=project).status == 0
    ours, theirs = ({name: what.split()[:2] for name, what in tree(where).items()} for where in (project, scripted))
    assert [*ours] == [*theirs]
    for name, what in ours.items():
        expected = theirs[name]
        if what[0] == "link":
            expected = [expected[0], expected[1].replace(str(scripted), str(project))]
        assert what == expected, name
    assert ("ca.pem" in [path.name for path in (project / "myservername/devices" / UUID).iterdir()]) is with_server_ca
    certificate = f"myservername/devices/{UUID}/client.pem"
    openssl("verify", "-purpose", "sslclient", "-CAfile", "myservername/devices/ca.crt", certificate, cwd=scripted)


def test_dry_run_holds_the_guides_lines(tmp_path: Path) -> None:
    """The guide's lines stand in the script as they are, one after another, with nothing but comments between them."""
    printed = run("device", "--dry-run", cwd=tmp_path)
    assert printed.status == 0, printed.err
    assert tree(tmp_path) == {}
    assert GUIDE_STEP_2.strip("\n") in commands_of(printed.out)


def test_dry_run_names_the_departures_beside_the_lines(tmp_path: Path) -> None:
    """What the tool does otherwise stands as a comment beside the line that it concerns."""
    printed = run("device", "--dry-run", cwd=tmp_path).out
    lines = printed.splitlines()
    assert "private-serial" in lines[next(i for i, line in enumerate(lines) if "x509 -req" in line) - 1]
    assert "no-dangling-link" in lines[next(i for i, line in enumerate(lines) if line.startswith("ln ")) - 1]


def test_dry_run_without_a_ca_runs_into_a_clear_end(tmp_path: Path) -> None:
    """The script says that the fleet root CA is missing, exits 4 and makes nothing."""
    script = run("device", "--dry-run", cwd=tmp_path).out
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, text=True, capture_output=True, check=False)
    assert done.returncode == 4
    assert "no fleet root CA" in done.stderr
    assert tree(tmp_path) == {}


def test_dry_run_of_root_makes_the_same_tree(tmp_path: Path) -> None:
    """The script of `root` makes what `root` makes, on a project that holds nothing."""
    ours, scripted = tmp_path / "ours", tmp_path / "scripted"
    for directory in (ours, scripted):
        directory.mkdir()
    script = run("root", "-n", cwd=scripted).out
    assert tree(scripted) == {}
    subprocess.run(["env", "-i", f"PATH={GUIDE_PATH}", "bash", "-c", script], check=True, capture_output=True)
    assert run("root", cwd=ours).status == 0
    assert {name: what.split()[:2] for name, what in tree(ours).items()} == {
        name: what.split()[:2] for name, what in tree(scripted).items()
    }
    again = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert (again.returncode, "is there already" in again.stderr) == (4, True)


def test_a_strange_project_directory_stays_one_argument(tmp_path: Path) -> None:
    """A directory whose name looks like options is a directory, in the run and in both scripts."""
    project = tmp_path / 'x" -out /etc/passwd "$(id)`id`\n*'
    project.mkdir(parents=True)
    assert run("root", cwd=project).status == 0
    made = run("device", "--uuid", UUID, cwd=project)
    assert made.status == 0, made.err
    for style in ("guide", "argv"):
        script = run("device", "--uuid", f"scripted-{style}", "-n", "--style", style, cwd=project).out
        subprocess.run(["env", "-i", f"PATH={GUIDE_PATH}", "bash", "-c", script], check=True, capture_output=True)
        assert (project / f"myservername/devices/scripted-{style}/client.pem").stat().st_size > 0
    assert (project / "certs" / "client.cnf").is_file()
