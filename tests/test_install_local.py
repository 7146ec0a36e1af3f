"""A device is installed into a mounted image as on a device, and nothing outside of the image is ever touched."""

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from otaopenssl import interrupts, scratch
from otaopenssl.destination import Copies
from otaopenssl.environment import environment
from otaopenssl.errors import Interrupted, Unfit
from otaopenssl.ids import ServerName
from otaopenssl.image import ImageDirectory
from otaopenssl.inside import opened_inside
from otaopenssl.install import install_local
from otaopenssl.installation import State
from otaopenssl.installed_files import InstalledFile
from otaopenssl.runner import Runner
from tests.conftest import Ran, run, tree
from tests.installations import GATEWAY, Fleet, check_installed
from tests.test_hostile import in_namespace
from tests.test_install import OTHERS, STRANGE, put_strange, refused

WHERE = "var/sota/import"


@pytest.fixture
def image(tmp_path: Path) -> Path:
    root = tmp_path / "image"
    (root / WHERE).mkdir(parents=True)
    return root


def install(fleet: Fleet, image: Path, *more: str) -> Ran:
    return run("install", "u1", "--local", str(image), *GATEWAY, *more, cwd=fleet.project)


def test_an_image(fleet: Fleet, image: Path) -> None:
    """The files lie where the device will find them; the same again changes nothing."""
    ran = install(fleet, image)
    assert ran.status == 0, ran.err
    assert ran.out == f"{image / WHERE}\n"
    check_installed(image / WHERE, fleet.device("u1"))
    before = {path: path.stat().st_ino for path in (image / WHERE).iterdir()}
    assert json.loads(install(fleet, image, "--json").out)["state"] == "already there"
    assert {path: path.stat().st_ino for path in (image / WHERE).iterdir()} == before


def test_the_image_itself(fleet: Fleet, image: Path) -> None:
    """With '--directory /' the directory is the image's root; a relative one is from the project."""
    (image / "plain").mkdir()
    ran = run("install", "u1", "--local", "plain", "--directory", "/", *GATEWAY, "-C", str(fleet.project), cwd=image)
    refused(ran, 4, f"{fleet.project}/plain", "is not there", "mkdir -p")
    assert install(fleet, image / "plain", "--directory", "/").status == 0
    check_installed(image / "plain", fleet.device("u1"))


@pytest.mark.parametrize("umask", ["0000", "0777"])
def test_modes_under_any_umask(fleet: Fleet, image: Path, umask: str) -> None:
    """The user's umask changes no mode."""
    command = [sys.executable, "-m", "otaopenssl", "install", "u1", "--local", str(image), *GATEWAY]
    ran = subprocess.run(["bash", "-c", 'umask "$0"; exec "$@"', umask, *command], cwd=fleet.project, check=False)
    assert ran.returncode == 0
    check_installed(image / WHERE, fleet.device("u1"))


@pytest.mark.parametrize("case", OTHERS)
def test_another_identity(fleet: Fleet, image: Path, tmp_path: Path, case: str) -> None:
    """It is refused as on a device, and --replace writes over it."""
    plant, words = OTHERS[case]
    plant(fleet, image / WHERE, tmp_path)
    before = tree(image)
    refused(install(fleet, image), 4, "has another identity", words)
    assert tree(image) == before
    assert install(fleet, image, "--replace").status == 0
    check_installed(image / WHERE, fleet.device("u1"))


def test_an_earlier_certificate(fleet: Fleet, image: Path) -> None:
    """What a renewal has replaced here is replaced there."""
    fleet.put(fleet.earlier, image / WHERE)
    assert json.loads(install(fleet, image, "--json").out)["state"] == "replaced"
    check_installed(image / WHERE, fleet.device("u1"))


def test_missing_directory(fleet: Fleet, image: Path) -> None:
    """It is told, and not made."""
    (image / WHERE).rmdir()
    before = tree(image)
    refused(install(fleet, image), 4, "is not there", f"mkdir -p {image / WHERE}")
    assert tree(image) == before


@pytest.mark.parametrize("link", ["/data/sota", "../data/sota", "../../../../data/sota", "/loop/../data/./sota"])
def test_links_inside(fleet: Fleet, image: Path, link: str) -> None:
    """A link in the image leads to where it will lead on the device, never to the machine's own."""
    (image / "data/sota/import").mkdir(parents=True)
    (image / "loop").mkdir()
    (image / WHERE).rmdir()
    (image / "var/sota").rmdir()
    (image / "var/sota").symlink_to(link)
    assert install(fleet, image).status == 0
    check_installed(image / "data/sota/import", fleet.device("u1"))


def test_links_that_lead_nowhere(fleet: Fleet, image: Path, tmp_path: Path) -> None:
    """A link to a directory outside of the image is one to nothing; one to itself is an error; a file is none."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (image / WHERE).rmdir()
    for target, words in ((str(outside), "is not there"), ("import", "cannot be gone to"), ("/file", "cannot be gone")):
        (image / "file").write_text("")
        (image / WHERE).symlink_to(target)
        ran = install(fleet, image)
        refused(ran, 4, words, "links" if "gone" in words else "a link on the way leads to what is not in the image")
        assert "mkdir" not in ran.err
        (image / WHERE).unlink()
    assert list(outside.iterdir()) == []


def test_links_in_place_of_files(fleet: Fleet, image: Path, tmp_path: Path) -> None:
    """Neither a file nor a temporary one is written through a link."""
    outside = tmp_path / "outside"
    outside.write_text("as it was")
    for name in ("root.crt", "gateway.url", ".pkey.pem.otaopenssl", ".client.pem.otaopenssl"):
        (image / WHERE / name).symlink_to(outside)
    assert install(fleet, image).status == 0
    check_installed(image / WHERE, fleet.device("u1"))
    assert outside.read_text() == "as it was"


def test_special_files(fleet: Fleet, image: Path) -> None:
    """A FIFO in a file's place is not waited for."""
    os.mkfifo(image / WHERE / "client.pem")
    refused(install(fleet, image), 4, "its client.pem is a special file")
    assert install(fleet, image, "--replace").status == 0


@pytest.mark.parametrize("blocks", range(1, 6))
def test_a_full_image(fleet: Fleet, tmp_path: Path, blocks: int) -> None:
    """Wherever the room ends the directory is as it was; with room enough it works."""
    (tmp_path / "mount").mkdir()
    script = f"""
mount -t tmpfs -o size={blocks * 4}k tmpfs "$1"
mkdir -p "$1/{WHERE}"
status=0
{sys.executable} -m otaopenssl install u1 --local "$1" {" ".join(GATEWAY)} -C "$2" || status=$?
ls -A "$1/{WHERE}" | wc -l
exit "$status"
"""
    ran = in_namespace(script, str(tmp_path / "mount"), str(fleet.project))
    if blocks < 4:
        assert ran.returncode == 4, ran.stderr
        assert "cannot be written: no space left on device" in ran.stderr
        assert ran.stdout == "0\n"
    else:
        assert ran.returncode == 0, ran.stderr
        assert ran.stdout.endswith("\n4\n")


def test_a_read_only_image(fleet: Fleet, image: Path) -> None:
    """It is told, and nothing is changed."""
    before = tree(image)
    script = f"""
mount --bind "$1" "$1"; mount -o remount,bind,ro "$1"
{sys.executable} -m otaopenssl install u1 --local "$1" {" ".join(GATEWAY)} -C "$2"
"""
    ran = in_namespace(script, str(image), str(fleet.project))
    assert ran.returncode == 4
    assert "cannot be written: read-only file system" in ran.stderr
    assert tree(image) == before


def test_the_dry_run(fleet: Fleet, image: Path) -> None:
    """The script installs the same, whatever the image is called, and refuses another certificate."""
    odd = image.with_name("an 'odd' $name")
    image.rename(odd)
    script = install(fleet, odd, "--dry-run", "--toml").out
    assert list((odd / WHERE).iterdir()) == []
    for _ in range(2):
        ran = subprocess.run(["bash"], input=script, check=False, capture_output=True, text=True, cwd="/")
        assert ran.returncode == 0, ran.stderr
        check_installed(odd / WHERE, fleet.device("u1"), "sota-device-cred.toml")
    for what in STRANGE:
        shutil.rmtree(odd / WHERE)
        (odd / WHERE).mkdir()
        put_strange(fleet, odd / WHERE, what)
        before = tree(odd)
        assert subprocess.run(["bash"], input=script, check=False, capture_output=True, text=True).returncode == 4
        assert tree(odd) == before


def test_another_configuration_and_gateway(fleet: Fleet, image: Path) -> None:
    """A configuration that differs is kept, a gateway.url that does is replaced and told of, as on a device."""
    (image / WHERE / "config.toml").write_text("[uptane]\n")
    (image / WHERE / "gateway.url").write_text("https://other.example")
    before = tree(image)
    refused(install(fleet, image, "--toml", "--ota-ce"), 4, "another configuration")
    assert tree(image) == before
    ran = install(fleet, image, "--toml", "--ota-ce", "--replace")
    assert ran.status == 0, ran.err
    assert "warning: another gateway.url was there, and was replaced" in ran.err
    check_installed(image / WHERE, fleet.device("u1"), "config.toml")


def test_another_install_at_once(fleet: Fleet, image: Path, tmp_path: Path) -> None:
    """What takes a temporary name after the directory was looked at is told as what it may be."""
    directory = ImageDirectory(image, f"/{WHERE}")
    copies = Copies(tmp_path / "copies")
    copies.directory.mkdir()
    file = InstalledFile("root.crt", b"content", 0o644)
    copies.prepare([file])
    assert directory.look([], copies) == {}
    directory.stage([file], [], copies)
    with pytest.raises(Unfit) as raised:
        directory.stage([file], [], copies)
    assert "another install may run there" in raised.value.hint


def test_making_directories(fleet: Fleet, tmp_path: Path, real_openssl: str) -> None:
    """For a fleet each device's root is made, the directory of the key for its owner alone, the others for all."""
    root = tmp_path / "roots" / "u1"
    runner = Runner(real_openssl, environment(ServerName("myservername")))
    order = fleet.order(Path("/var/sota/import"))
    was = os.umask(0o077)
    try:
        found = install_local(order, runner, root, is_making_directories=True)
    finally:
        os.umask(was)
    assert found.state is State.INSTALLED
    check_installed(root / WHERE, fleet.device("u1"))
    modes = [stat.S_IMODE((root / name).stat().st_mode) for name in ("var", "var/sota", WHERE)]
    assert modes == [0o755, 0o755, 0o700]


@pytest.fixture
def handlers() -> Iterator[None]:
    """What signals did before is what they do after the test."""
    numbers = (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_from_several_threads(handlers: None, fleet: Fleet, tmp_path: Path, real_openssl: str) -> None:
    """Devices may be installed at once from threads: none disturbs another, or keeps the run from being interrupted."""
    runner = Runner(real_openssl, environment(ServerName("myservername")))

    def installed(number: int) -> State:
        order = fleet.order(Path("/var/sota/import"), ("u1", "u2")[number % 2])
        return install_local(order, runner, tmp_path / str(number), is_making_directories=True).state

    with interrupts.listening(), ThreadPoolExecutor(6) as pool:
        assert set(pool.map(installed, range(24))) == {State.INSTALLED}
        with pytest.raises(Interrupted):
            signal.raise_signal(signal.SIGTERM)
    for number in range(24):
        check_installed(tmp_path / str(number) / WHERE, fleet.device(("u1", "u2")[number % 2]))


def test_private_directories_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is being removed is taken for a dead run's by another at times, which does neither any harm."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def used(_number: int) -> bool:
        with scratch.directory() as directory:
            return directory.is_dir()

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(used, range(600)))
    assert list(tmp_path.iterdir()) == []


def test_opened_inside(tmp_path: Path) -> None:
    """However a path goes up, and however long links are, no descriptor is of a directory outside."""
    root = tmp_path / "root"
    (root / "a" / "b").mkdir(parents=True)
    (root / "up").symlink_to("../../../../..")
    (root / "a" / "deep").symlink_to("/up/up/a/./b/../b")
    for path, expected in (("/", "."), ("/../..", "."), ("/up", "."), ("/a/deep", "a/b"), ("/a/../up/a", "a")):
        with opened_inside(root, path) as descriptor:
            assert os.path.samestat(os.fstat(descriptor), (root / expected).stat()), path
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(FileNotFoundError), opened_inside(root, "/a/b/missing"):
        pass
    assert len(list(Path("/proc/self/fd").iterdir())) == before
