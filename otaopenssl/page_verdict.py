"""What a page says first: everything that is wrong, in a few words each, and where the page tells more of it."""

from collections.abc import Iterator
from datetime import timedelta
from typing import NamedTuple

from otaopenssl.doctor_check import State
from otaopenssl.findings import Severity
from otaopenssl.fleet_page import Page
from otaopenssl.inventory import SOON_DAYS


class Trouble(NamedTuple):
    """Something that is wrong; ``part`` is the id of the part of the page that tells more."""

    words: str
    part: str


def troubles(page: Page) -> list[Trouble]:
    """What is wrong, besides what is not approved, which is told in full; empty where all that must hold holds."""
    return [*_of_devices(page), *_of_fleet_root(page), *_of_place(page), *_of_records(page)]


def is_ending(page: Page) -> bool:
    """Whether ca.crt has expired, or does so soon."""
    end = page.ca_crt.not_after
    return end is not None and end - page.now < timedelta(SOON_DAYS)


def problems(page: Page) -> int:
    """How many checks of the machine and the project came to a problem."""
    return sum(check.state is State.PROBLEM for check in page.checks)


def warnings(page: Page) -> int:
    """How many warnings there are, of devices and of the machine and the project."""
    of_devices = sum(kind.findings for kind in page.findings.kinds if kind.code.severity is Severity.WARNING)
    return of_devices + sum(check.state is State.WARNING for check in page.checks)


def _of_devices(page: Page) -> Iterator[Trouble]:
    verified = page.findings.verified
    if verified is None:
        yield Trouble("the devices were not verified", "findings")
    elif verified.faults:
        found, devices = _many(verified.faults, "fault"), _many(page.expiry.devices, "device")
        yield Trouble(f"{found} found in {devices} and what belongs to them", "findings")


def _of_fleet_root(page: Page) -> Iterator[Trouble]:
    end = page.ca_crt.not_after
    if end is not None and is_ending(page):
        words = "has expired" if end < page.now else f"expires on {end:%Y-%m-%d}"
        yield Trouble(f"the fleet root CA {words}, and no device works without it", "ca")


def _of_place(page: Page) -> Iterator[Trouble]:
    if problems(page):
        yield Trouble(f"{_many(problems(page), 'problem')} of the machine and the project", "place")


def _of_records(page: Page) -> Iterator[Trouble]:
    if page.runs.not_audited is not None:
        yield Trouble("the records were not audited", "records")
    elif page.runs.findings:
        yield Trouble(f"an audit of the records found {_many(len(page.runs.findings), 'thing')} amiss", "records")


def _many(quantity: int, what: str) -> str:
    return f"{quantity:,} {what}" if quantity == 1 else f"{quantity:,} {what}s"
