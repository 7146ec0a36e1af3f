"""Whose keys were made here: without them a device is not whole, while one that was signed from a CSR has none."""

from otaopenssl.account import Result
from otaopenssl.errors import Failed, reason
from otaopenssl.layout import Server
from otaopenssl.recorded_lines import RecordedLine, recorded_lines
from otaopenssl.records import ordered_records
from otaopenssl.statement import LINES_NAME


def keys_made_here(server: Server) -> dict[str, bool]:
    """For each device that the records tell of, whether a run has made its keys. Raises Failed where one is unreadable.

    One that was signed from a CSR has its keys alone.
    """
    found: dict[str, bool] = {}
    try:
        for directory in ordered_records(server):
            if (directory / LINES_NAME).exists():
                for line in recorded_lines(directory / LINES_NAME):
                    take_in(line, found)
    except (OSError, ValueError) as error:
        why = reason(error) if isinstance(error, OSError) else str(error)
        words = f"the records do not tell where keys were made: {why}"
        raise Failed(words, hint="run 'otaopenssl audit'") from error
    return found


def take_in(line: RecordedLine, found: dict[str, bool]) -> None:
    """Have ``found`` say whose keys were made here, with what the next line of the records tells."""
    if line.uuid is not None and line.result == Result.MADE and line.is_key_made is not None:
        found[line.uuid] = line.is_key_made
