"""Numbers that options give."""

import os
import re

from otaopenssl.cli.options import MOST_JOBS
from otaopenssl.errors import BadInput, quoted

_MOST_DAYS = 36_500


def number(name: str, value: str, largest: int, smallest: int = 1) -> int:
    """The whole number that ``--name`` was given. Raises BadInput where it is none, or not within its bounds."""
    if not re.fullmatch(r"[0-9]{1,9}", value) or not smallest <= int(value) <= largest:
        words = f"--{name} {quoted(value)} is no number from {smallest} to {largest}"
        raise BadInput(words, hint=f"give '--{name} N'")
    return int(value)


def jobs_of(value: str | None) -> int:
    """How many devices at a time ``--jobs`` means, by default as many as there are cores. Raises BadInput."""
    return len(os.sched_getaffinity(0)) if value is None else number("jobs", value, MOST_JOBS)


def days_of(value: str) -> int:
    """How many days ``--expiring`` means. Raises BadInput."""
    return number("expiring", value, _MOST_DAYS, smallest=0)
