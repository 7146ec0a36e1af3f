"""The gateway's root certificate from real servers: to the byte what the guide's pipe writes, or nothing at all."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.conftest import GUIDE_PATH, plain_names, run, tree, write_program
from tests.servers import Pki, nginx, refusing, s_server
from tests.test_guide import GUIDE_STEP_4, UUID, logged

GATEWAY = ("gateway", "root", "--gateway", "localhost")
# What each warning is known by.
WARNINGS = {
    "no root": "no self-signed root in the chain",
    "self-signed": "the gateway's certificate is self-signed",
    "name": "is not for",
    "expired": "expired on 2021-01-01 00:00:00 UTC",
    "future": "is not valid before 2048-01-01 00:00:00 UTC",
    "weak key": "has a weak key: rsaEncryption of 1024 bits",
    "weak signature": "has a weak signature: ecdsa-with-SHA1",
    "unrelated": "does not belong to the leaf's chain",
}


@pytest.fixture(autouse=True)
def _usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def guides_pipe(directory: Path, host: str, port: int) -> bytes:
    """The root.crt of the guide's own line in bash, with its standard input empty and another port."""
    directory.mkdir()
    line = GUIDE_STEP_4.replace(":8000", f":{port}")
    variables = {"PATH": GUIDE_PATH, "device_gateway": host, "device_dir": str(directory)}
    # With pipefail off, as in the guide: s_client may exit 1 at a server that demands a client certificate.
    command = ["bash", "-c", line]
    subprocess.run(command, env=variables, stdin=subprocess.DEVNULL, check=True, capture_output=True, timeout=60)
    return (directory / "root.crt").read_bytes()


def holds(
    tmp_path: Path, pki: Pki, port: int, sent: list[str], roles: list[str], warnings: set[str], host: str
) -> None:
    """Fetch from a good server, twice, and compare with the guide's pipe, openssl's fingerprints and the roles."""
    arguments = ["gateway", "root", "--gateway", host, "--port", str(port), "--out", "root.crt"]
    ran = run(*arguments, cwd=tmp_path)
    assert (ran.status, ran.out) == (0, "root.crt\n"), ran.err
    root = tmp_path / "root.crt"
    assert root.read_bytes() == guides_pipe(tmp_path / "guide", host, port) == pki.pem(*sent)
    assert root.stat().st_mode & 0o7777 == 0o644
    assert {name for name, words in WARNINGS.items() if words in ran.err} == warnings
    assert ran.err.count("otaopenssl: warning:") == len(warnings)
    document = json.loads(run(*arguments, "--json", cwd=tmp_path).out)
    assert (document["state"], document["gateway"], document["port"]) == ("unchanged", host, port)
    assert len(document["warnings"]) == len(warnings)
    assert [found["role"] for found in document["certificates"]] == roles
    for name, found in zip(sent, document["certificates"], strict=True):
        assert found["sha256"] == pki.sha256(name).replace(":", "").lower()
        assert found["spki_sha256"] == pki.spki_sha256(name).replace(":", "")


class Good(NamedTuple):
    """A good server: what it sends, what each is, and what is to be said of it."""

    sent: list[str]
    roles: list[str]
    warnings: set[str]
    options: tuple[str, ...] = ()
    host: str = "localhost"


WITH_ROOT = (["direct", "root"], ["leaf", "root"])
GOOD = {
    "leaf and root": Good(*WITH_ROOT, set()),
    "TLS 1.2": Good(*WITH_ROOT, set(), ("-tls1_2",)),
    "TLS 1.3": Good(*WITH_ROOT, set(), ("-tls1_3",)),
    "leaf": Good(["direct"], ["leaf"], {"no root"}),
    "three": Good(["leaf", "intermediate", "root"], ["leaf", "intermediate", "root"], set()),
    "without root": Good(["leaf", "intermediate"], ["leaf", "intermediate"], {"no root"}),
    "another order": Good(["leaf", "root", "intermediate"], ["leaf", "root", "intermediate"], set()),
    "root twice": Good(["direct", "root", "root"], ["leaf", "root", "root"], set()),
    "cross-signed": Good(["leaf", "intermediate", "cross", "old root"], ["leaf", *["intermediate"] * 2, "root"], set()),
    "unrelated": Good(["direct", "root", "attacker's root"], ["leaf", "root", "unrelated"], {"unrelated"}),
    "forged root": Good(["direct", "forged root"], ["leaf", "unrelated"], {"no root", "unrelated"}),
    "Verify, TLS 1.2": Good(*WITH_ROOT, set(), ("-Verify", "1", "-tls1_2")),
    "Verify, TLS 1.3": Good(*WITH_ROOT, set(), ("-Verify", "1", "-tls1_3")),
    "expired": Good(["expired", "root"], ["leaf", "root"], {"expired"}),
    "future": Good(["future", "root"], ["leaf", "root"], {"future"}),
    "self-signed": Good(["alone"], ["leaf"], {"self-signed"}),
    "RSA 1024": Good(["rsa1024", "root"], ["leaf", "root"], {"weak key"}),
    "SHA-1": Good(["sha1", "root"], ["leaf", "root"], {"weak signature"}),
    "other name": Good(["other name", "root"], ["leaf", "root"], {"name"}),
    "IPv4": Good(*WITH_ROOT, set(), host="127.0.0.1"),
    "IPv4, other name": Good(["other name", "root"], ["leaf", "root"], {"name"}, host="127.0.0.1"),
    "upper case": Good(*WITH_ROOT, set(), host="LOCALHOST"),
}


# Of what each OpenSSL says in words of its own.
EVERYWHERE = ("TLS 1.2", "TLS 1.3", "Verify, TLS 1.2", "Verify, TLS 1.3", "expired", "self-signed", "RSA 1024", "SHA-1")


@pytest.mark.parametrize(
    "good",
    [
        pytest.param(good, id=name, marks=[pytest.mark.real] if name in EVERYWHERE else [])
        for name, good in GOOD.items()
    ],
)
def test_good_servers(tmp_path: Path, pki: Pki, good: Good) -> None:
    """Whatever certificates a server sends, root.crt is what the guide's pipe writes, and what is odd is warned of."""
    with s_server(pki, *good.sent, options=good.options) as port:
        holds(tmp_path, pki, port, good.sent, good.roles, good.warnings, good.host)


@pytest.mark.parametrize("protocols", ["TLSv1.2", "TLSv1.3", "TLSv1.2 TLSv1.3"])
def test_nginx_that_verifies_its_clients(tmp_path: Path, pki: Pki, protocols: str) -> None:
    """The gateway of OTA Community Edition, which demands a client certificate, shows its own without one."""
    chain = tmp_path / "server.chain.pem"
    chain.write_bytes(pki.pem("direct", "root"))
    with nginx(tmp_path / "nginx", chain, pki.directory / "direct.key", pki.directory / "root.pem", protocols) as port:
        holds(tmp_path, pki, port, *WITH_ROOT, set(), "localhost")


@pytest.mark.parametrize("form", ["uuid", "out", "device", "device, variable", "root, variables"])
def test_where_root_crt_goes(
    project: Path, devices: Path, pki: Pki, logging_openssl: tuple[Path, Path], form: str
) -> None:
    """For a device that is there, into a file, with a new device; and s_client is started once, by the guide's argv."""
    program, log = logging_openssl
    is_new = form.startswith("device")
    expected = {"out": project / "a dir" / "root of it"}.get(form, devices / UUID / "root.crt")
    (project / "a dir").mkdir()
    assert is_new or run("device", "--uuid", UUID, cwd=project).status == 0
    variables = {"device_gateway": "https://localhost:443/", "DEVICE_UUID": UUID} if "variable" in form else {}
    arguments = {
        "uuid": [*GATEWAY, "--uuid", UUID],
        "out": [*GATEWAY, "--out", "a dir/root of it"],
        "device": ["device", "--gateway", "localhost", "--uuid", UUID],
        "device, variable": ["device"],
        "root, variables": ["gateway", "root"],
    }[form]
    with s_server(pki, "direct", "root") as port:
        place = ["-C", str(project), "--openssl", str(program)]
        ran = run(*arguments, "--port", str(port), *place, cwd=project.parent, env=variables)
    assert ran.status == 0, ran.err
    told = expected.parent if is_new else expected
    assert ran.out == ("" if form == "out" else "./") + f"{told.relative_to(project)}\n"
    assert expected.read_bytes() == pki.pem("direct", "root")
    assert expected.stat().st_mode & 0o7777 == 0o644
    asked = [argv for argv in logged(log, "argv") if argv[0] == "s_client"]
    assert asked == [["s_client", "-connect", f"localhost:{port}", "-servername", "localhost", "-showcerts"]]


def test_port_8000_is_the_guides_own(tmp_path: Path, logging_openssl: tuple[Path, Path]) -> None:
    """Without --port gateway.sh runs with port 8000, whatever port a URL names, and then --port is what is advised."""
    program, log = logging_openssl
    arguments = ["gateway", "root", "--gateway", "https://127.0.0.9:30443", "--out", "root.crt"]
    with refusing("127.0.0.9", 8000):
        ran = run(*arguments, "--openssl", str(program), cwd=tmp_path)
    assert (ran.status, ran.out) == (1, "")
    assert ran.error_lines == ["otaopenssl: error: gateway '127.0.0.9:8000' refused the connection"]
    assert "\nhint: the gateway's address names port 30443: try '--port 30443'\n" in ran.err
    asked = [argv for argv in logged(log, "argv") if argv[0] == "s_client"]
    assert asked == [["s_client", "-connect", "127.0.0.9:8000", "-servername", "127.0.0.9", "-showcerts"]]


def scripted(script: str, before: Path, after: Path) -> subprocess.CompletedProcess[str]:
    """Run a dry-run's script in an empty environment, on a copy of the project."""
    shutil.copytree(before, after, symlinks=True)
    command = ["env", "-i", f"PATH={GUIDE_PATH}", "bash"]
    text = script.replace(str(before), str(after))
    return subprocess.run(command, input=text, cwd="/", text=True, capture_output=True, check=False, timeout=60)


FORMS = {
    "uuid": [*GATEWAY, "--uuid", UUID],
    "out": [*GATEWAY, "--out", "a dir/root of it"],
    "device": ["device", "--gateway", "localhost", "--uuid", "new"],
}


@pytest.mark.parametrize("style", ["guide", "argv"])
@pytest.mark.parametrize("form", FORMS)
def test_dry_run_makes_the_same_tree(project: Path, pki: Pki, style: str, form: str) -> None:
    """The script makes the same root.crt in the same tree; where the gateway refuses, it fails without one."""
    assert run("device", "--uuid", UUID, cwd=project).status == 0
    (project / "a dir").mkdir()
    before, copy = tree(project), project.parent
    with s_server(pki, "direct", "root") as port, refusing() as closed:
        script, refused = (
            run(*FORMS[form], "--port", str(number), "-n", "--style", style, cwd=project).out
            for number in (port, closed)
        )
        assert tree(project) == before
        done, failed = scripted(script, project, copy / "done"), scripted(refused, project, copy / "failed")
        ran = run(*FORMS[form], "--port", str(port), cwd=project)
    assert (done.returncode, ran.status) == (0, 0), done.stderr + ran.err
    assert done.stdout.splitlines()[-1] == ran.out.strip()
    ours, theirs = tree(project), tree(copy / "done")
    roots = {name for name in ours if Path(name).name in ("root.crt", "root of it")}
    assert len(roots) == 1
    for name in {*ours, *theirs}:
        same = None if name in roots else 2
        assert ours.get(name, "").split()[:same] == theirs.get(name, "").split()[:same], name
    assert failed.returncode == 1
    assert not roots & tree(copy / "failed").keys()
    assert form == "device" or tree(copy / "failed") == before


Putting = Callable[[Path], object]


def _copy(name: str) -> Putting:
    return lambda path: path.write_bytes((path.parent / name).read_bytes())


# What is there, then the exit status without --force and with it, and what is said without it.
EXISTING: dict[str, tuple[Putting, int, int, str]] = {
    "same": (_copy("same"), 0, 0, "-root: unchanged"),
    "differs": (_copy("another"), 4, 0, "is there already and differs"),
    "another order": (_copy("turned"), 4, 0, "the same certificates in another order"),
    "empty": (Path.touch, 4, 0, "  - it is empty\n"),
    "garbage": (lambda path: path.write_bytes(b"\x00\xff\x1b[31m\n" * 99), 4, 0, "is there already and differs"),
    "directory": (Path.mkdir, 4, 4, "cannot be read: is a directory"),
    "pipe": (os.mkfifo, 4, 4, "cannot be read: no regular file"),
    "link to the same": (lambda path: path.symlink_to("same"), 0, 0, "-root: unchanged"),
    "link to another": (lambda path: path.symlink_to("another"), 4, 0, "is there already and differs"),
    "link to nothing": (lambda path: path.symlink_to("nothing"), 4, 4, "is a link that leads nowhere"),
    "private key": (_copy("key"), 4, 4, "holds 'PRIVATE KEY': it is no root.crt"),
}


@pytest.mark.parametrize("force", [[], ["--force"]], ids=["kept", "force"])
@pytest.mark.parametrize(("put", "kept", "forced", "saying"), EXISTING.values(), ids=EXISTING.keys())
def test_a_root_crt_that_is_there(
    tmp_path: Path, pki: Pki, put: Putting, kept: int, forced: int, saying: str, force: list[str]
) -> None:
    """One that is the same is not touched, another is kept; with --force it is replaced. The dry-run does the same."""
    project = tmp_path / "project"
    project.mkdir()
    for name, sent in {"same": ["direct", "root"], "turned": ["root", "direct"], "another": ["old root"]}.items():
        (project / name).write_bytes(pki.pem(*sent))
    (project / "key").write_bytes(pki.pem("root") + (pki.directory / "root.key").read_bytes())
    # To a program in the script it must not be an option; and its mode is not the one that a new file gets.
    root = project / "-root"
    put(root)
    if root.exists():
        root.chmod(0o750)
    before, inode = tree(project), root.lstat().st_ino
    status = forced if force else kept
    with s_server(pki, "direct", "root") as port:
        arguments = [*GATEWAY, "--out=-root", "--port", str(port), *force]
        script = run(*arguments, "-n", cwd=project).out
        # A copy of a pipe would wait for somebody to write into it.
        done = None if root.is_fifo() else scripted(script, project, tmp_path / "scripted")
        ran = run(*arguments, cwd=project, timeout=30)
    assert (ran.status, len(ran.error_lines), "Traceback" in ran.err) == (status, int(status != 0), False), ran.err
    after = tree(project)
    if force and kept and not forced:
        assert "-root: replaced\n" in ran.err
        assert after == before | {"-root": before["same"].replace("file 644 ", "file 750 ")}
    else:
        assert saying in ran.err
        assert (after, root.lstat().st_ino) == (before, inode)
    if done is not None:
        assert tree(tmp_path / "scripted") == after
        assert done.returncode == status, done.stderr


@pytest.mark.real
def test_how_a_root_crt_differs(project: Path, devices: Path, pki: Pki) -> None:
    """Both fingerprints are shown, when it is kept and when it is replaced; a certificate of both is not."""
    assert run("device", "--uuid", UUID, cwd=project).status == 0
    root = devices / UUID / "root.crt"
    root.write_bytes(pki.pem("old root", "root"))
    lost, gained, both = (pki.sha256(name).replace(":", "").lower() for name in ("old root", "direct", "root"))
    lines = [f"- 'CN=Older Root' sha256:{lost}", f"+ 'CN=gateway' sha256:{gained}"]
    with s_server(pki, "direct", "root") as port:
        arguments = [*GATEWAY, "--uuid", UUID, "--port", str(port)]
        kept = run(*arguments, cwd=project)
        assert (kept.status, kept.out, root.read_bytes()) == (4, "", pki.pem("old root", "root"))
        document = json.loads(run(*arguments, "--force", "--json", cwd=project).out)
    assert [line[2:] for line in plain_names(kept.err).splitlines()[1:3]] == lines
    assert both not in kept.err
    assert (document["state"], list(map(plain_names, document["difference"]))) == ("replaced", lines)
    assert root.read_bytes() == pki.pem("direct", "root")


def test_a_root_crt_that_somebody_else_writes_meanwhile(tmp_path: Path, pki: Pki, real_openssl: str) -> None:
    """What is replaced is what was compared and shown, even with --force."""
    body = f'case "$*" in *before.pem*) echo theirs > {tmp_path}/root.crt;; esac\nexec {real_openssl} "$@"\n'
    program = write_program(tmp_path / "openssl", f"#!/bin/bash\n{body}")
    (tmp_path / "root.crt").write_bytes(pki.pem("old root"))
    with s_server(pki, "direct", "root") as port:
        arguments = ["--out", "root.crt", "--port", str(port), "--force", "--openssl", str(program)]
        ran = run(*GATEWAY, *arguments, cwd=tmp_path)
    assert (ran.status, ran.out, "was changed by somebody else meanwhile" in ran.err) == (4, "", True), ran.err
    assert (tmp_path / "root.crt").read_text() == "theirs\n"
