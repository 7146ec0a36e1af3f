"""The dry-run of a command that only asks openssl: its questions as a bash script, or for programs."""

from collections.abc import Sequence

from otaopenssl.cli import session, terminal
from otaopenssl.cli.options import Running
from otaopenssl.environment import environment, environment_for
from otaopenssl.layout import Server
from otaopenssl.shellwords import shell_joined


def print_questions(running: Running, server: Server, questions: Sequence[tuple[str, ...]]) -> None:
    """Print the commands, each with its whole environment."""
    variables = environment(server.name)
    if running.json:
        commands = [{"environment": environment_for(argv, variables), "command": argv} for argv in questions]
        terminal.result_json({"directory": str(server.project_dir), "commands": commands})
        return
    program = session.program_for_script(running.place) or "openssl"
    lines = ["#!/usr/bin/env bash", f"cd -- {shell_joined([str(server.project_dir)])} || exit"]
    for argv in questions:
        given = [f"{name}={value}" for name, value in environment_for(argv, variables).items()]
        lines.append(shell_joined(["env", "-i", *given, program, *argv[1:]]))
    terminal.result("\n".join(lines))
