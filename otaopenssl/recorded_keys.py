"""Whose keys were made here: without them a device is not whole, while one that was signed from a CSR has none."""

from otaopenssl.account import Result
from otaopenssl.errors import Failed, reason
from otaopenssl.layout import Server
from otaopenssl.recorded_lines import RecordedLine, recorded_lines
from otaopenssl.records import ordered_records
from otaopenssl.statement import LINES_NAME


def keys_made_here(server: Server) -> set[str]:
    """The devices whose keys a run has made, by what the records tell. Raises Failed where one cannot be read."""
    found: set[str] = set()
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


def take_in(line: RecordedLine, found: set[str]) -> None:
    """Have ``found`` be the devices whose keys were made here, with what the next line of the records tells."""
    if line.uuid is None or line.result != Result.MADE or line.is_key_made is None:
        return
    if line.is_key_made:
        found.add(line.uuid)
    else:
        found.discard(line.uuid)
