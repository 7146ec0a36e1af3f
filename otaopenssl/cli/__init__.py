"""Options → one call → what is printed; the only place for typer, for printing and for exit statuses."""

from otaopenssl.cli.app import run

__all__ = ["run"]
