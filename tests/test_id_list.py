"""Lists of devices: every form that is accepted, every fault that is told with its line."""

import io
import subprocess
import sys
from pathlib import Path

import pytest

from otaopenssl.errors import BadInput
from otaopenssl.id_list import MOST_DEVICES, IDList, drawn_ids, read_ids


def read(content: bytes) -> IDList:
    return read_ids(io.BytesIO(content), "the list")


def pairs(content: bytes) -> list[tuple[str, str]]:
    """The devices of a list as plain pairs."""
    with read(content) as ids:
        found = [(str(identity.uuid), str(identity.device_id)) for identity in ids]
        assert ids.quantity == len(found)
    return found


def faults(content: bytes) -> str:
    """The message and the details of what is wrong with a list."""
    with pytest.raises(BadInput) as caught:
        read(content)
    assert "'#' is a comment" in caught.value.hint
    return "\n".join([caught.value.message, *caught.value.details])


GOOD = {
    "lines": b"a\nb\n",
    "no newline at the end": b"a\nb",
    "CRLF": b"a\r\nb\r\n",
    "BOM": b"\xef\xbb\xbfa\nb\n",
    "comments": b"# two\n\na\n  # one more\nb\n#",
    "trailing comments": b"a # first\nb#second\n",
    "space around": b"  a\t\n b  \n",
    "header of one": b"uuid\na\nb\n",
    "BOM and header": b"\xef\xbb\xbfuuid,device_id\r\na,\r\nb,b\r\n",
    "empty device ids": b"uuid,device_id\na,\nb,  \n",
    "other order": b"device_id,uuid\n,a\nb,b\n",
    "header in capitals": b" UUID , Device_ID \na , a\nb,\n",
    "quoted": b'"uuid","device_id"\n"a","a"\n"b",""\n',
    "comments in a CSV": b"# devices\nuuid,device_id\n# the first\na,a\n\nb,b\n",
    "more columns": b'plant,uuid,note\nx,a,"1, 2"\ny,b,\n',
}


@pytest.mark.parametrize("content", GOOD.values(), ids=GOOD.keys())
def test_every_form_of_a_list(content: bytes) -> None:
    """However two devices are written down, they are the same two in the same order; no device ID means the UUID."""
    assert pairs(content) == [("a", "a"), ("b", "b")]


def test_device_ids() -> None:
    """A device ID goes with its UUID; two devices may share one, for it names files in their own directories."""
    assert pairs(b"uuid,device_id\na,x\nb,x\nc,\n") == [("a", "x"), ("b", "x"), ("c", "c")]


def test_unused_columns() -> None:
    """Columns that nothing is taken from are named, so that a misspelt one is seen."""
    with read(b"uuid,deviceid,note\na,x,y\n") as ids:
        assert ids.unused == ("deviceid", "note")
        assert [identity.device_id for identity in ids] == ["a"]
    with read(b"uuid,device_id\na,x\n") as ids:
        assert ids.unused == ()


def test_any_id_scheme() -> None:
    """What ``device --uuid`` takes is taken from a list: up to 64 of the allowed characters."""
    schemes = ["SAJWA1C78D8V38055", "0" * 64, "a.b_c:d-e", "d780545e-0312-4d73-9dc4-16f25586bea9", "A", "a"]
    assert [uuid for uuid, _ in pairs("\n".join(schemes).encode())] == schemes


BAD = {
    "empty": (b"", "the list names no device"),
    "comments alone": (b"#\n\n", "the list names no device"),
    "header alone": (b"uuid\n", "the list names no device"),
    "semicolons": (b"uuid;device_id\na;x\n", "the list has 2 bad lines\nline 1: device UUID 'uuid;device_id'"),
    "tabs": (b"uuid\tdevice_id\na\tx\n", "the list has 2 bad lines\nline 1: device UUID"),
    "no header": (b"a,x\nb,y\n", "the list, line 1: 'a,x' has columns, but none is named 'uuid' in a header line"),
    "a column twice": (b"uuid,uuid\na,b\n", "the list, line 1: a column of the header stands twice"),
    "too many fields": (
        b"uuid,device_id\na,b\na2,b,c\n",
        "the list, line 3: 'a2,b,c' has another number of fields than the header: 3, expected 2",
    ),
    "too few fields": (
        b"uuid,device_id\na\nb,b\n",
        "the list, line 2: 'a' has another number of fields than the header: 1, expected 2",
    ),
    "no end of a quote": (b'uuid,device_id\n"a,b\nc,d\n', "the list, line 2: '\"a,b' is no line of a CSV"),
    "text after a quote": (b'uuid,device_id\n"a"b,c\n', "the list, line 2: '\"a\"b,c' is no line of a CSV"),
    "an empty uuid": (b"uuid,device_id\n,x\n", "the list, line 2: device UUID is empty"),
    "NUL": (b"a\nb\0\n", "the list, line 2: "),
    "not UTF-8": (b"a\n\xff\xfe\n", "the list, line 2: it is not UTF-8 text"),
    "Latin-1": ("a\ngrün\n".encode("latin-1"), "the list, line 2: it is not UTF-8 text"),
    "UTF-8 that is no ID": ("a\ngrün\n".encode(), "the list, line 2: device UUID 'grün' may hold only"),
    "UTF-16": ("a\nb\n".encode("utf-16"), "the list has"),
    "a BOM in the middle": (b"a\n\xef\xbb\xbfb\n", "the list, line 2: "),
    "65 characters": (b"a" * 65, "the list, line 1: device UUID 'aaa"),
    "4096 and a newline": (b"a" * 4096 + b"\n", "the list, line 1: it is longer than 4096 bytes"),
    "4097 bytes": (b"a" * 4097, "the list, line 1: it is longer than 4096 bytes"),
    "without end": (b"a" * 1_000_000, "the list, line 1: it is longer than 4096 bytes"),
    "binary": (b"\x7fELF\0" + bytes(10_000), "the list, line 1: it is not text"),
    "a file of the CA": (b"a\nCA.SRL\n", "the list, line 2: device UUID 'CA.SRL' is the name of a file"),
    "a duplicate": (b"a\nb\na\n", "the list, line 3: device UUID 'a' stands in line 1 already"),
    "a duplicate in a CSV": (
        b"uuid,device_id\na,x\na,y\n",
        "the list, line 3: device UUID 'a' stands in line 2 already",
    ),
}


@pytest.mark.parametrize(("content", "words"), BAD.values(), ids=BAD.keys())
def test_every_fault_of_a_list(content: bytes, words: str) -> None:
    """A list that is not one is refused, and the message names the line."""
    assert faults(content).startswith(words)


def test_the_longest_line() -> None:
    """A line of 4096 bytes with its newline is read."""
    assert pairs(b"a #" + b"x" * 4092 + b"\n") == [("a", "a")]


def test_lines_are_counted_as_an_editor_does() -> None:
    """Comments, empty lines and the header count."""
    assert faults(b"# one\n\nuuid\na\n\n# six\n-b\n").startswith("the list, line 7: ")


def test_three_of_one_device() -> None:
    """Each repetition is told with the first line of that device, and bad lines among them in their order."""
    assert faults(b"a\n-\na\nb\na\nb\n").splitlines() == [
        "the list has 4 bad lines",
        "line 2: device UUID '-' must begin with a letter or a digit",
        "line 3: device UUID 'a' stands in line 1 already",
        "line 5: device UUID 'a' stands in line 1 already",
        "line 6: device UUID 'b' stands in line 4 already",
    ]


def test_duplicates_in_a_long_list() -> None:
    """In 100,000 lines the three that are repeated are found, and no other is taken for one."""
    lines = [b"d%d\n" % number for number in range(100_000)]
    lines[99_999] = lines[0]
    lines[70_000] = lines[3]
    lines[5] = lines[4]
    assert faults(b"".join(lines)).splitlines() == [
        "the list has 3 bad lines",
        "line 6: device UUID 'd4' stands in line 5 already",
        "line 70001: device UUID 'd3' stands in line 4 already",
        "line 100000: device UUID 'd0' stands in line 1 already",
    ]


def test_case_matters() -> None:
    """Two UUIDs that differ in case are two devices, as two directories are."""
    assert [uuid for uuid, _ in pairs(b"abc\nABC\n")] == ["abc", "ABC"]


def test_two_readings_at_once() -> None:
    """A list may be gone through by several at once, each from the first device to the last."""
    count = 5000
    with read(b"".join(b"d%d\n" % number for number in range(count))) as ids:
        first, second = iter(ids), iter(ids)
        steps = []
        for number in range(count):
            steps.append(next(first).uuid)
            if number % 2:
                steps.append(next(second).uuid)
        assert steps[:3] == ["d0", "d1", "d0"]
        rest = [identity.uuid for identity in second]
        assert rest == [f"d{number}" for number in range(count // 2, count)]
        assert next(first, None) is None
        assert [number for number, _ in ids.numbered()] == list(range(1, count + 1))


def test_drawn_uuids() -> None:
    """Random UUIDs are different, are their own device IDs, and stay the same however often they are read."""
    with drawn_ids(500) as ids:
        drawn = list(ids)
        assert list(ids) == drawn
    assert len({identity.uuid for identity in drawn}) == ids.quantity == 500
    assert all(str(identity.uuid) == str(identity.device_id) for identity in drawn)


def test_a_stream_is_read_once(tmp_path: Path) -> None:
    """A list may come through a pipe, and nothing of it is left in the directory of temporary files."""
    script = "import sys; from otaopenssl.id_list import read_ids; print(read_ids(sys.stdin.buffer, 'x').quantity)"
    ran = subprocess.run(
        [sys.executable, "-c", script], input=b"a\n" + b"# \n" * 50_000 + b"b\n", env={"TMPDIR": str(tmp_path)},
        check=True, capture_output=True,
    )  # fmt: skip
    assert ran.stdout == b"2\n"
    assert list(tmp_path.iterdir()) == []


def test_a_long_list_is_no_large_object() -> None:
    """Of 200,000 lines no object a line is kept: memory grows by less than 64 bytes for each."""
    script = (
        "import io, re\n"
        "from otaopenssl.id_list import read_ids\n"
        "def peak(): return int(re.search(r'VmHWM:\\s+(\\d+) kB', open('/proc/self/status').read())[1])\n"
        "class Lines:\n"
        "    number = 0\n"
        "    def readline(self, _most):\n"
        "        self.number += 1\n"
        "        return b'%036d\\n' % self.number if self.number <= 200_000 else b''\n"
        "read_ids(io.BytesIO(b'a\\n'), 'x')\n"
        "before = peak()\n"
        "with read_ids(Lines(), 'x') as ids:\n"
        "    assert sum(1 for _ in ids) == 200_000\n"
        "print((peak() - before) * 1024)\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert int(ran.stdout) < 64 * 200_000


def test_more_devices_than_there_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """A list of more than ten million devices is refused at that line, not read to its end."""
    assert MOST_DEVICES == 10_000_000
    monkeypatch.setattr("otaopenssl.id_list.MOST_DEVICES", 3)
    assert faults(b"a\nb\nc\nd\n-\n") == "the list, line 4: there are more than 3 devices"
