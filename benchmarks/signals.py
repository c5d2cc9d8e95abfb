"""A signal at random moments of a run: how it ends, how soon, and whether all that it wrote is whole."""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

PROJECT = Path(__file__).resolve().parents[1]
LINE = re.compile(
    r"^\S+ (start|worse|end) episode=\d+ .*reason=\"[^\"]*\" id=[0-9a-f]{16}"
    r"( seen_before=\S+ seen_id=[0-9a-f]{16})?$"
)
LONGEST = 5.0  # seconds to the latest moment
OPTIONS = (
    *("simulated:web", "--delay", "0.0005", "--format", "json", "--no-visualization", "--detector", "z-score"),
    *("--alarm-rate", "0.05", "--cool-down", "0", "--log", "a.log", "--report", "r.csv", "--summary", "s.html"),
)


class End(NamedTuple):
    """How one run ended: the moment of the signal, its name, exit code, seconds to the end, and what is wrong."""

    moment: float
    name: str
    code: int
    seconds: float
    wrong: str


def interrupted(moment: float, number: signal.Signals, folder: Path) -> End:
    """Start a run, send a signal after so many seconds, and look at what is left of it."""
    command = [sys.executable, str(PROJECT / "main.py"), *OPTIONS]
    with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
        run = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        try:
            caught = wait_for_handler(run.pid, number)
            time.sleep(moment)
            run.send_signal(number)
            sent = time.monotonic()
            code = run.wait(60)
        finally:
            run.kill()
            run.wait()
    seconds = time.monotonic() - sent
    return End(moment, number.name, code, seconds, faults(folder, code) if caught else "the handler is never there")


def wait_for_handler(pid: int, number: int) -> bool:
    """Wait until main.py has taken the signal over: Python's own start, some milliseconds, is nobody's."""
    for _ in range(4000):
        status = Path(f"/proc/{pid}/status").read_text()
        caught = re.search(r"^SigCgt:\s*(\w+)", status, re.MULTILINE)
        handlers = int(caught[1], 16) if caught else 0
        if handlers >> (signal.SIGTERM - 1) & 1 and handlers >> (number - 1) & 1:
            return True
        time.sleep(0.005)
    return False


def faults(folder: Path, code: int) -> str:
    """What is wrong with a run that was ended: empty where nothing is."""
    found = [] if code == 0 else [f"exit code {code}"]
    err, out = ((folder / name).read_text(encoding="utf-8") for name in ("err", "out"))
    if "Traceback" in err or "Exception" in err:
        found.append(err)
    if out and not out.endswith("\n"):
        found.append("half a line on standard output")
    points = [json.loads(line) for line in out.splitlines()]
    if [point["index"] for point in points] != list(range(len(points))):
        found.append("points are missing")
    log, report, page = (folder / name for name in ("a.log", "r.csv", "s.html"))
    lines = log.read_text(encoding="utf-8") if log.exists() else ""
    starts, ends = lines.count(" start episode="), lines.count(" end episode=")
    if not all(map(LINE.match, lines.splitlines())) or starts != ends or (lines and not lines.endswith("\n")):
        found.append(f"the log is not whole: {starts} starts, {ends} ends")
    if report.exists() and report.stat().st_size:
        with report.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        if len(rows) != sum(point["is_anomaly"] for point in points):
            found.append("the report has other points than standard output")
    if points and not page.read_text(encoding="utf-8").endswith("</html>\n"):
        found.append("the page is not whole")
    if list(folder.glob(".*")):
        found.append("hidden files are left")
    return "; ".join(found)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the ends that were not well and a summary; 1 where there are some."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--moments", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args(arguments)
    rng = random.Random(asked.seed)
    ends = []
    for _ in range(asked.moments):
        moment, number = rng.uniform(0.0, LONGEST), rng.choice([signal.SIGINT, signal.SIGTERM])
        with tempfile.TemporaryDirectory() as folder:
            ends.append(interrupted(moment, number, Path(folder)))
        if ends[-1].wrong:
            print(ends[-1], flush=True)
    slowest = max(end.seconds for end in ends)
    bad = sum(bool(end.wrong) for end in ends)
    print(
        f"{len(ends)} signals, {bad} ends that were not well, the slowest after {slowest:.2f} s, {os.cpu_count()} cores"
    )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
