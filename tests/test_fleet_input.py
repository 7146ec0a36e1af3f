"""Bad input to a fleet: one error line with a hint, the documented status, and nothing left or changed."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.conftest import run, tree
from tests.fleets import names, run_all, there, whole, write_ids
from tests.test_hostile import cli, in_namespace, refused

LARGEST_SERIAL = "7F" + 19 * "FF"

BAD_LISTS = {
    "empty": (b"", "names no device"),
    "only comments": (b"# nothing\n\n  \n", "names no device"),
    "only a header": (b"uuid,device_id\n", "names no device"),
    "bytes": (bytes(range(256)), "bad"),
    "zeros": (bytes(100), "line 1: "),
    "a long line": (b"a" * 5000, "line 1: it is longer than 4096 bytes"),
    "long zeros": (bytes(5000), "line 1: it is not text"),
    "utf-16": ("u1\nu2\n".encode("utf-16"), "bad lines"),
    "a bad id": (b"u1\nu 2\nu3\n", "line 2: device UUID 'u 2' may hold only"),
    "the name of the key": (b"u1\nca.key\n", "line 2: device UUID 'ca.key' is the name of a file of the fleet root CA"),
    "up": (b"../u1\n", "line 1: device UUID '../u1' must begin with a letter or a digit"),
    "a duplicate": (b"u1\nu2\nu1\n", "line 3: device UUID 'u1' stands in line 1 already"),
    "no uuid column": (b"vin,device_id\na,b\n", "line 1: 'vin,device_id' has columns, but none is named 'uuid'"),
    "a field too many": (
        b"uuid,device_id\na,b,c\n",
        "line 2: 'a,b,c' has another number of fields than the header: 3, expected 2",
    ),
    "a bad device id": (b"uuid,device_id\na,b/c\n", "line 2: device ID 'b/c' may hold only"),
}


def check_refusals(project: Path, cases: Mapping[str, tuple[Sequence[str], str]]) -> None:
    """Assert that each command line is refused with status 2 and the words, and that the tree stays as it was."""
    before = tree(project)
    refusals = run_all([["fleet", *arguments] for arguments, _ in cases.values()], cwd=project)
    for (case, (_, saying)), ran in zip(cases.items(), refusals, strict=True):
        assert (ran.status, ran.out, len(ran.error_lines)) == (2, "", 1), (case, ran)
        assert saying in ran.err, (case, ran)
        assert "\nhint: " in ran.err, (case, ran)
        assert len(ran.err) < 3000, (case, ran)
        assert all(character.isprintable() or character == "\n" for character in ran.err), (case, ran)
    assert tree(project) == before


def test_bad_lists(project: Path) -> None:
    """A list in which anything is wrong is refused as a whole, and the line is named."""
    for case, (content, _) in BAD_LISTS.items():
        (project / case).write_bytes(content)
    check_refusals(project, {case: (["--ids", case], saying) for case, (_, saying) in BAD_LISTS.items()})


def test_every_bad_line_is_listed(project: Path) -> None:
    """All that is wrong is told at once, in the order of the lines, duplicates among them."""
    write_ids(project / "ids", ["a", "b c", "a", "-d", "e", "a"])
    err = refused(project, "fleet", "--ids", "ids", status=2, saying="ids file 'ids' has 4 bad lines")
    shown = [line.split(":")[0].strip() for line in err.splitlines() if line.startswith("  line ")]
    assert shown == ["line 2", "line 3", "line 4", "line 6"]


def test_of_many_bad_lines_the_first_are_listed(project: Path) -> None:
    """A list of another kind does not flood the terminal."""
    write_ids(project / "ids", [f"- {number}" for number in range(3000)])
    err = refused(project, "fleet", "--ids", "ids", status=2, saying="ids file 'ids' has 3000 bad lines")
    assert err.count("\n  line ") == 20
    assert "\n  and 2980 more\n" in err


def test_no_list(project: Path) -> None:
    """A list that is not there, or a directory, is missing rather than malformed."""
    refused(project, "fleet", "--ids", "nowhere", status=4, saying="ids file 'nowhere' cannot be read: no such file")
    refused(project, "fleet", "--ids", "certs", status=4, saying="ids file 'certs' cannot be read: is a directory")
    refused(project, "fleet", "--ids", "", status=4, saying="ids file '' cannot be read")
    refused(project, "fleet", "--ids", "-", status=2, saying="standard input names no device")


BAD_OPTIONS: list[tuple[list[str], str]] = [
    ([], "no devices are named"),
    (["--ids", "ids", "--count", "2"], "both '--count' and '--ids' are given"),
    (["--count", "0"], "--count '0' is no number from 1 to 10000000"),
    (["--count", "-1"], "--count '-1' is no number"),
    (["--count", "10000001"], "--count '10000001' is no number"),
    (["--count", "9" * 400], "is no number"),
    (["--count", "1e3"], "--count '1e3' is no number"),
    (["--count", " 1"], "--count ' 1' is no number"),
    (["--count", "٣"], "--count '٣' is no number"),
    (["--count", ""], "--count '' is no number"),
    (["--count", "2", "--jobs", "0"], "--jobs '0' is no number from 1 to 256"),
    (["--count", "2", "--jobs", "257"], "--jobs '257' is no number"),
    (["--count", "2", "--jobs", "x"], "--jobs 'x' is no number"),
    (["--count", "2", "--jobs", "-3"], "--jobs '-3' is no number"),
    (["--count", "2", "--out", ""], "--out '' is no name of a file"),
    (["--count", "2", "--out", "-", "--json"], "'--out -' and '--json' both want standard output"),
    (["--count", "2", "--server-name", "../x"], "server name '../x'"),
    (["--count", "2", "--procedure", "nowhere"], "nowhere"),
    (["--count", "2", "--pin", "sha256:00"], "pin"),
]


def test_bad_options(project: Path) -> None:
    """A malformed option is named, with what it may be."""
    write_ids(project / "ids", ["u1"])
    check_refusals(project, {" ".join(arguments): (arguments, saying) for arguments, saying in BAD_OPTIONS})


def test_all_bad_options_at_once(project: Path) -> None:
    """Several are one error with all of them."""
    arguments = ["--count", "0", "--jobs", "0", "--server-name", "a/b", "--out", ""]
    err = refused(project, "fleet", *arguments, status=2)
    for words in ("--count '0'", "--jobs '0'", "server name 'a/b'", "--out ''"):
        assert words in err


@pytest.mark.parametrize(
    ("content", "saying"),
    [
        ("garbage\n", "is no serial number"),
        ("", "is no serial number"),
        ("123\n", "is no serial number"),
        ("00" * 2_000_000, "cannot be read"),
        (f"{LARGEST_SERIAL}\n", "has no serial numbers left"),
    ],
    ids=["garbage", "empty", "odd", "huge", "largest"],
)
def test_unfit_serial_file(project: Path, devices: Path, content: str, saying: str) -> None:
    """A ca.srl that cannot be gone on from is refused before a key is made, and before a plan is written."""
    (devices / "ca.srl").write_text(content)
    refused(project, "fleet", "--count", "2", status=4, saying=saying)


def test_a_directory_in_place_of_the_serial_file(project: Path, devices: Path) -> None:
    """It is refused as garbage is."""
    (devices / "ca.srl").mkdir()
    refused(project, "fleet", "--count", "2", status=4, saying="ca.srl' cannot be read: is a directory")


def test_a_used_up_serial_file_does_not_matter_where_all_are_there(project: Path, devices: Path) -> None:
    """Numbers are needed only for devices that are to be made."""
    write_ids(project / "ids", names(2))
    assert run("fleet", "--ids", "ids", cwd=project).status == 0
    (devices / "ca.srl").write_text(f"{LARGEST_SERIAL}\n")
    again = run("fleet", "--ids", "ids", cwd=project)
    assert (again.status, again.err) == (0, "fleet of 2 devices: 0 made, 2 there already\n")


@pytest.mark.parametrize("missing", ["ca.key", "ca.crt", "both", "devices"])
def test_no_fleet_root_ca(project: Path, devices: Path, missing: str) -> None:
    """Without a whole fleet root CA nothing is made, and no plan is written."""
    for name in ("ca.key", "ca.crt"):
        if missing in (name, "both", "devices"):
            (devices / name).unlink()
    if missing == "devices":
        devices.rmdir()
    refused(project, "fleet", "--count", "2", status=4)


def test_no_openssl(project: Path) -> None:
    """A program that is none is named before anything is made."""
    refused(project, "fleet", "--count", "2", "--openssl", "./nowhere", status=4, saying="no usable openssl")


@pytest.mark.parametrize("where", ["myservername", "myservername/devices"])
def test_unwritable_directory(project: Path, where: str) -> None:
    """A read-only directory is named before anything runs."""
    before = tree(project)
    script = f'mount --bind "$1" "$1"; mount -o remount,bind,ro "$1"; {cli()} fleet --count 2 -C "$2"'
    ran = in_namespace(script, str(project / where), str(project))
    assert ran.returncode == 4, ran.stderr
    assert ran.stderr.count("otaopenssl: error:") == 1
    assert "is not writable" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert tree(project) == before


@pytest.mark.parametrize(
    "place", ["certs", "nowhere/list.csv", "certs/device_ca.cnf", "myservername/devices/ca.key", "other.csv", "new/"]
)
def test_no_place_for_a_list(project: Path, place: str) -> None:
    """``--out`` never overwrites what is not an earlier list of the same devices."""
    (project / "other.csv").write_text("uuid,device_id,serial,not_after,sha256,directory\nanother,x,1,2,3,4\n")
    status = 2 if place == "new/" else 4
    write_ids(project / "ids", ["u1"])
    refused(project, "fleet", "--ids", "ids", "--out", place, status=status, saying=f"'{place}' is ")


def test_the_list_is_not_written_over_by_what_was_issued(project: Path, devices: Path) -> None:
    """The file that names the devices is no list of them as they were issued; one that is may be both."""
    write_ids(project / "ids", ["u1"])
    refused(project, "fleet", "--ids", "ids", "--out", "ids", status=4, saying="is no list of a fleet")
    assert run("fleet", "--ids", "ids", "--out", "issued.csv", cwd=project).status == 0
    issued = (project / "issued.csv").read_text()
    again = run("fleet", "--ids", "issued.csv", "--out", "issued.csv", cwd=project)
    assert again.status == 0, again.err
    assert (project / "issued.csv").read_text() == issued
    assert there(devices) == set(whole(devices)) == {"u1"}
    write_ids(project / "ids", ["u0", "u1"])
    assert run("fleet", "--ids", "ids", "--out", "issued.csv", cwd=project).status == 0
    assert sorted(line.split(",")[0] for line in (project / "issued.csv").read_text().splitlines()) == [
        "u0",
        "u1",
        "uuid",
    ]


def test_a_list_that_was_cut_off(project: Path) -> None:
    """A list whose last row a full disk has cut off is an earlier list all the same, and is written anew."""
    write_ids(project / "ids", ["device-1"])
    assert run("fleet", "--ids", "ids", "--out", "issued.csv", cwd=project).status == 0
    issued = (project / "issued.csv").read_text()
    (project / "issued.csv").write_text(issued[: issued.index("device-1") + 5])
    again = run("fleet", "--ids", "ids", "--out", "issued.csv", cwd=project)
    assert again.status == 0, again.err
    assert (project / "issued.csv").read_text() == issued
