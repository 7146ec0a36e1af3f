"""An expiry is told everywhere in the same words: UTC, and how far it is from now."""

import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import NamedTuple

import pytest

from otaopenssl.cli.facts import time_left, valid_until
from tests.conftest import run

NOW = datetime(2026, 11, 25, 12, 0, 0, tzinfo=UTC)
UNTIL = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC \(\d+ days left\)"


class Ending(NamedTuple):
    """Anything that has an end."""

    not_after: datetime


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (timedelta(days=364, hours=9), "364 days left"),
        (timedelta(days=2), "2 days left"),
        (timedelta(days=2, seconds=-1), "1 day left"),
        (timedelta(days=1), "1 day left"),
        (timedelta(days=1, seconds=-1), "23 hours left"),
        (timedelta(hours=1), "1 hour left"),
        (timedelta(minutes=59, seconds=59), "less than an hour left"),
        (timedelta(0), "less than an hour left"),
        (timedelta(seconds=-1), "expired less than an hour ago"),
        (timedelta(hours=-1, seconds=-1), "expired 1 hour ago"),
        (timedelta(hours=-23), "expired 23 hours ago"),
        (timedelta(days=-1), "expired 1 day ago"),
        (timedelta(days=-3, hours=-5), "expired 3 days ago"),
    ],
)
def test_words(left: timedelta, words: str) -> None:
    """Whole days, on the last day hours, and one is one day."""
    assert time_left(NOW + left, NOW) == words


def test_utc() -> None:
    """The moment is told in UTC, whatever zone it came in."""
    moment = datetime(2027, 11, 24, 22, 23, 23, tzinfo=timezone(timedelta(hours=1)))
    assert valid_until(Ending(moment), NOW) == "2027-11-24 21:23:23 UTC (364 days left)"


def test_every_command(tmp_path: Path, real_openssl: str) -> None:
    """The fleet root CA, a server, a device and what is shown of it tell their end in these words."""
    root = run("root", cwd=tmp_path)
    assert re.search(rf"ca\.crt, valid until {UNTIL}$", root.err, re.MULTILINE), root.err
    server = run("server", "--server-name", "ota.example", cwd=tmp_path)
    assert re.search(rf"that is valid until {UNTIL}$", server.err, re.MULTILINE), server.err
    device = run("device", "--uuid", "VIN1", cwd=tmp_path)
    assert re.search(rf", valid until {UNTIL}$", device.err, re.MULTILINE), device.err
    assert re.search(rf"^not after +{UNTIL}$", run("show", "VIN1", cwd=tmp_path).out, re.MULTILINE)
