"""What checkpoints of many streams cost: points a second with and without them, in turn, and how soon SIGTERM ends."""

from __future__ import annotations

import argparse
import re
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np

PROJECT = Path(__file__).resolve().parents[1]
EVERY = 10.0  # seconds between two checkpoints
#: What is asked for: share of the rate without checkpoints, and seconds from SIGTERM to the end.
LEAST_RATE, MOST_SECONDS = 0.9, 2.0
RATE = re.compile(r"^ +points +([\d,]+) in .*, ([\d,]+) a second$", re.M)


class Run(NamedTuple):
    """A run to its end: points a second, processor time a million points, in seconds, and what it said."""

    rate: float
    cost: float
    said: str


def write_rows(path: Path, streams: int, points: int) -> None:
    """Write rows of so many streams, which read each minute."""
    rng = np.random.default_rng(1)
    with path.open("w", encoding="utf-8") as file:
        file.write("time,value,key\n")
        for turn in range(-(-points // streams)):
            values, time_text = rng.normal(size=streams).tolist(), 1_700_000_000 + 60 * turn
            file.write("".join([f"{time_text},{value:.3f},key {k}\n" for k, value in enumerate(values)]))


def command(path: Path, *more: str) -> list[str]:
    """The command line of a run."""
    columns = ("--column", "value", "--time-column", "time", "--key-column", "key")
    outputs = ("--no-visualization", "--format", "quiet", "--log", "none", "--delay", "0")
    return [sys.executable, str(PROJECT / "main.py"), str(path), *columns, *outputs, *more]


def kept(folder: Path) -> list[str]:
    """Options of a run with checkpoints; those of one before are removed."""
    shutil.rmtree(folder / "state.pages", ignore_errors=True)
    for path in folder.glob("state*"):
        path.unlink()
    return ["--checkpoint", str(folder / "state"), "--checkpoint-every", str(EVERY)]


def to_the_end(words: Sequence[str]) -> Run:
    """Let a run come to its end."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = RATE.search(done.stderr)
    if found is None:
        raise RuntimeError(done.stderr)
    points, rate = (float(text.replace(",", "")) for text in found.groups())
    took = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Run(rate, 1e6 * took / points, done.stderr)


def seconds_to_the_end(words: Sequence[str], folder: Path) -> tuple[float, str]:
    """Seconds from SIGTERM to the end of a run that has written a checkpoint of all streams, and what it said."""
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        written: set[int] = set()
        while len(written) < 2 and process.poll() is None:  # the first one is written before the first point
            with suppress(FileNotFoundError):
                written.add((folder / "state").stat().st_mtime_ns)
            time.sleep(0.05)
        time.sleep(EVERY / 2)
        if process.poll() is not None:
            raise RuntimeError("the run was over before SIGTERM: give it more --points")
        sent = time.monotonic()
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    return time.monotonic() - sent, said


def main(arguments: Sequence[str]) -> int:
    """Print the table; returns 1 where checkpoints cost more than allowed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, nargs="+", default=[10_000, 100_000], help="default %(default)s")
    parser.add_argument("--points", type=int, default=8_000_000, help="of a run (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="with and without, in turn (default %(default)s)")
    asked = parser.parse_args(arguments)
    is_right = True
    print(
        f"{'streams':>8} {'points/s without':>17} {'with':>9} {'s a million':>12} {'with':>6} {'of a processor':>15} "
        f"{'SIGTERM, s':>11}"
    )
    for streams in asked.streams:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            write_rows(folder / "in.csv", streams, asked.points)
            words = command(folder / "in.csv")
            pairs = [(to_the_end(words), to_the_end([*words, *kept(folder)])) for _ in range(asked.rounds)]
            took, said = seconds_to_the_end([*words, *kept(folder)], folder)
        bare, with_them = ([pair[k] for pair in pairs] for k in (0, 1))
        rates = [statistics.median(run.rate for run in runs) for runs in (bare, with_them)]
        costs = [statistics.median(run.cost for run in runs) for runs in (bare, with_them)]
        share = (costs[1] - costs[0]) * rates[1] / 1e6  # of the time of one; other programs do not change it
        is_met = rates[1] >= LEAST_RATE * rates[0] and took < MOST_SECONDS + 0.2
        is_right = is_right and is_met
        print(
            f"{streams:>8,} {rates[0]:>17,.0f} {rates[1]:>9,.0f} {costs[0]:>12.2f} {costs[1]:>6.2f} {share:>15.1%} "
            f"{took:>11.2f}"
            f"   {'' if is_met else 'MISSED'}",
            flush=True,
        )
        lines = (with_them[-1].said + said).splitlines()
        print("".join(f"  {line}\n" for line in dict.fromkeys(lines) if "checkpoint" in line), end="", flush=True)
    return 0 if is_right else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
