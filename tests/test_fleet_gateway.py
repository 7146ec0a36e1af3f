"""A fleet whose gateway is named: each device has the gateway's root, or is not there."""

import subprocess
from pathlib import Path

from tests.conftest import GUIDE_PATH, run
from tests.fleets import names, there, whole, write_ids
from tests.servers import PEERS, Pki, refusing, s_server, tcp_server


def test_each_device_has_the_root(project: Path, devices: Path, pki: Pki) -> None:
    """root.crt is in each device to the byte, what is to be known of it is said once, and a second run skips all."""
    write_ids(project / "ids", names(5))
    with s_server(pki, "direct", "root") as port:
        arguments = ["fleet", "--ids", "ids", "--gateway", "localhost", "--port", str(port)]
        made = run(*arguments, cwd=project)
        assert made.status == 0, made.err
        again = run(*arguments, "--pin", f"sha256:{pki.sha256('root')}", cwd=project)
    assert {(devices / name / "root.crt").read_bytes() for name in whole(devices)} == {pki.pem("direct", "root")}
    assert made.err.count(f"--pin sha256:{pki.sha256('root').replace(':', '').lower()}") == 1
    assert (again.status, "5 there already" in again.err) == (0, True)


def test_without_the_root_there_is_no_device(project: Path, devices: Path, pki: Pki) -> None:
    """A gateway that refuses, is not the pinned one, or says nothing: each device fails with the reason."""
    write_ids(project / "ids", names(3))
    fleet = ["fleet", "--ids", "ids", "--gateway", "localhost"]
    with refusing() as port:
        refused = run(*fleet, "--port", str(port), cwd=project)
    with s_server(pki, "direct", "root") as port:
        unpinned = run(*fleet, "--port", str(port), "--pin", f"sha256:{'0' * 64}", cwd=project)
    with tcp_server(PEERS["silent"]) as port:
        silent = run(*fleet, "--port", str(port), "--timeout", "0.5", cwd=project)
    for ran, reason in ((refused, "refused the connection"), (unpinned, "pin"), (silent, "did not answer within 0.5")):
        assert (ran.status, len(ran.error_lines)) == (5, 1), ran.err
        assert sum(line.startswith("  d") and reason in line for line in ran.err.splitlines()) == 3, ran.err
    assert there(devices) == set()


def test_a_device_without_the_root_is_not_whole(project: Path, devices: Path, pki: Pki) -> None:
    """One that was made without a gateway is left as it is, and the hint is how to get the root."""
    write_ids(project / "ids", names(1))
    assert run("fleet", "--ids", "ids", cwd=project).status == 0
    with s_server(pki, "direct", "root") as port:
        ran = run("fleet", "--ids", "ids", "--gateway", "localhost", "--port", str(port), cwd=project)
        assert (ran.status, "'root.crt' is missing" in ran.err) == (5, True), ran.err
        assert "otaopenssl gateway root --uuid" in ran.err
        fetch = ["gateway", "root", "--uuid", "d000", "--gateway", "localhost", "--port", str(port)]
        assert run(*fetch, cwd=project).status == 0
        assert run("fleet", "--ids", "ids", "--gateway", "localhost", "--port", str(port), cwd=project).status == 0
    assert (devices / "d000" / "root.crt").is_file()


def test_the_script_fetches_for_each(project: Path, devices: Path, pki: Pki) -> None:
    """The dry-run's loop has the guide's step 4 in it, and makes the same files."""
    write_ids(project / "ids", names(2))
    with s_server(pki, "direct", "root") as port:
        arguments = ["fleet", "--ids", "ids", "--gateway", "localhost", "--port", str(port)]
        for style in ("guide", "argv"):
            script = run(*arguments, "-n", "--style", style, cwd=project).out
            command = ["env", "-i", f"PATH={GUIDE_PATH}", "bash", "-c", script]
            ran = subprocess.run(command, check=False, capture_output=True, text=True)
            assert ran.returncode == 0, ran.stderr
            assert {(devices / name / "root.crt").read_bytes() for name in names(2)} == {pki.pem("direct", "root")}
            again = run(*arguments, cwd=project)
            assert "2 there already" in again.err, again.err
            for name in names(2):
                for path in (devices / name).iterdir():
                    path.unlink()
                (devices / name).rmdir()
