"""`make bench`: the tool beside what it replaces, turn by turn in one run; prints CPU times and their ratios.

Whole processes with all their children, user and system time together. Machines differ and are noisy: the ratios count.
"""

import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

HELLO = "import typer\napp = typer.Typer()\n@app.command()\ndef main(name: str = 'x'):\n    print(name)\napp()\n"
GUIDE = r"""
export SERVER_NAME=myservername
export DEVICES_DIR="./${SERVER_NAME}/devices" CWD="${PWD}"
export SERVER_DIR="${CWD}/${SERVER_NAME}"
export DEVICE_UUID=$(cat /proc/sys/kernel/random/uuid | tr "[:upper:]" "[:lower:]")
export device_id=${DEVICE_ID:-${DEVICE_UUID}} device_dir="${DEVICES_DIR}/${DEVICE_UUID}"
mkdir -p "${device_dir}"
"""
BUDGETS = {"otaopenssl --version": 1.35, "otaopenssl device": 2.0}


def cpu_seconds(command: list[str], cwd: Path) -> float:
    """User and system time of one run of a command and its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=cwd, check=True, stdin=subprocess.DEVNULL, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main(rounds: int) -> None:
    """Run each pair ``rounds`` times in turn and print the medians."""
    program = str(Path(sys.executable).with_name("otaopenssl"))
    text = Path(__file__).parent.parent / "templates" / "procedures" / "ota-connect-2019.7" / "device.sh"
    with tempfile.TemporaryDirectory() as directory:
        project = Path(directory)
        for preparation in (["root"], ["config", "render"], ["device"]):
            subprocess.run([program, *preparation], cwd=project, check=True, capture_output=True)
        pairs: dict[str, tuple[list[str], str, list[str]]] = {
            "otaopenssl --version": ([program, "--version"], "a bare typer program", [sys.executable, "-c", HELLO]),
            "otaopenssl device": ([program, "device"], "the guide's script", ["bash", "-c", GUIDE + text.read_text()]),
        }
        say: Callable[[str], int] = sys.stdout.write
        say(f"CPU in ms, median of {rounds} rounds, each pair in turn\n")
        for name, (ours, other, theirs) in pairs.items():
            times = [(cpu_seconds(ours, project), cpu_seconds(theirs, project)) for _ in range(rounds)]
            mine, its = (statistics.median(column) * 1000 for column in zip(*times, strict=True))
            ratio = statistics.median(a / b for a, b in times)
            say(f"{name:<22} {mine:6.1f}   {other:<22} {its:6.1f}   ratio {ratio:.2f} (at most {BUDGETS[name]})\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
