"""Runs that are killed at random moments and resumed leave behind what one that never was leaves, byte for byte."""

from __future__ import annotations

import argparse
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import product
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from streamforest.protocols import LABELS  # noqa: E402 - the path comes first
from streamforest.simulation import SimulatedStream, StreamProfile  # noqa: E402

POINTS = 40_000  # of the simulated stream, or of many together
PAUSE = 200  # points that one of many streams lets pass, again and again
DELAYS = (0.0004, 0.0)  # seconds between points, in turn: whole blocks and single points
JUDGING = (0.02, 0.6)  # seconds after the run began to judge when it is killed
STARTING = 0.25  # share of kills before that: while it loads, and cuts back what it wrote
STUCK = 1800  # seconds after which a run that does not end has failed

#: Of many streams with keys: one reads each minute, and is dropped in each pause.
KEYED = ("--key-column", "pump", "--drop-after", "6000")
#: What a run says at its end, without what depends on how long it took.
COUNTS = re.compile(
    rb"^ +(?:points  [\d,]+|(?:streams|readings|anomalous|alarm rate|precision|recall|F1|delay|found)  .*)", re.M
)
#: Small, so that a checkpoint and a rotated log are never far from any kill.
SMALL = ("--checkpoint-every", "0.05", "--alarm-rate", "0.01", "--log-bytes", "4000", "--log-files", "3")


@dataclass
class Outcome:
    """What came of all kills.

    Attributes
    ----------
    starting, judging : int
        Kills before the run had written its first checkpoint, and after.
    runs : int
        Runs that came to their end, with all the kills on the way.
    different : list of str
        Files of these that are not as they should be, by run and name.
    """

    starting: int = 0
    judging: int = 0
    runs: int = 0
    different: list[str] | None = None

    @property
    def kills(self) -> int:
        """All of them."""
        return self.starting + self.judging


def write_streams(path: Path, n: int, seed: int) -> None:
    """Write simulated streams with keys, times and labels, mixed, of which each falls silent now and then."""
    rounds = POINTS // n
    streams = [SimulatedStream(StreamProfile(10.0 * (k + 1)), seed + k, 0.02).take(rounds) for k in range(n)]
    with path.open("w", encoding="utf-8") as file:
        file.write("time,pump,value,label\n")
        for i, k in product(range(rounds), range(n)):
            values, labels = streams[k]
            if (i // PAUSE + k) % 5:
                file.write(f"{1_700_000_000 + 60 * i},pump {k},{values[i]:.4f},{LABELS[labels[i]]}\n")


def command(source: Sequence[str], *more: str) -> list[str]:
    """The command line of a run in the folder that it is started in."""
    outputs = ("--no-visualization", "--format", "json", "--log", "log.txt", "--report", "report.csv")
    return [sys.executable, str(PROJECT / "main.py"), *source, *outputs, *SMALL, *more]


def begin(words: Sequence[str], folder: Path) -> subprocess.Popen[bytes]:
    """Start a run; its standard output is added to a file."""
    with (folder / "out.json").open("ab") as out, (folder / "err.txt").open("ab") as err:
        return subprocess.Popen(words, cwd=folder, stdout=out, stderr=err, stdin=subprocess.DEVNULL)


def left_behind(folder: Path) -> dict[str, bytes]:
    """What a run wrote, by file: log with rotated ones, report and standard output; and the counts at its end."""
    kept = [path for path in folder.iterdir() if path.name.startswith(("log.txt", "report.csv", "out.json"))]
    # one that was killed while it told them tells them again: the same, or each line that differs stands here too
    counts = b"".join(dict.fromkeys(COUNTS.findall((folder / "err.txt").read_bytes())))
    return {path.name: path.read_bytes() for path in sorted(kept)} | {"counts at the end": counts}


def written(checkpoint: Path) -> int:
    """When a checkpoint was written last, in nanoseconds; 0 where there is none."""
    with suppress(OSError):
        return checkpoint.stat().st_mtime_ns
    return 0


def killed(process: subprocess.Popen[bytes], checkpoint: Path, rng: random.Random, startup: float) -> str:
    """Kill a run at a random moment; "starting" or "judging", or "" where it ended before that by itself."""
    since = written(checkpoint)
    began = time.monotonic()
    if rng.random() < STARTING:
        moment = began + rng.uniform(0.0, startup)
        when = "starting"
    else:
        while process.poll() is None and written(checkpoint) == since and time.monotonic() < began + STUCK:
            time.sleep(0.002)
        moment = time.monotonic() + rng.uniform(*JUDGING)
        when = "judging"
    with suppress(subprocess.TimeoutExpired):
        code = process.wait(max(0.0, moment - time.monotonic()))
        if code:
            raise RuntimeError(f"the run failed with exit code {code}")
        return ""
    process.kill()
    process.wait()
    return when


def crash(source: Sequence[str], kills: int, seed: int, folder: Path) -> Outcome:
    """Kill runs of a source so many times, resume each until it is at its end, and compare.

    Parameters
    ----------
    source : sequence of str
        Words of the command line: source, model, detector.
    kills : int
        In all; the last run is let to its end.
    seed : int
        Of the moments.
    folder : Path
        Where runs are made, in folders of their own.
    """
    rng = random.Random(seed)
    outcome = Outcome(different=[])
    whole, short = folder / "whole", folder / "short"
    for place, more in ((whole, ()), (short, ("--max-points", "1"))):  # what compiles is the first, not the timed one
        place.mkdir()
        began = time.monotonic()
        if begin(command(source, "--delay", "0", *more), place).wait(STUCK):
            raise RuntimeError((place / "err.txt").read_text())
        startup = time.monotonic() - began
    expected = left_behind(whole)
    while outcome.kills < kills or not outcome.runs:
        place = folder / f"run {outcome.runs}"
        place.mkdir()
        delay = DELAYS[outcome.runs % len(DELAYS)]
        words = command(source, "--delay", str(delay), "--checkpoint", "kept")
        while True:
            process = begin(words, place)
            if outcome.kills >= kills:
                if process.wait(STUCK):
                    raise RuntimeError((place / "err.txt").read_text())
                break
            when = killed(process, place / "kept", rng, startup)
            if not when:
                break
            setattr(outcome, when, getattr(outcome, when) + 1)
        found = left_behind(place)
        wrong = [name for name in sorted({*expected, *found}) if found.get(name) != expected.get(name)]
        print(f"run {outcome.runs} is at its end, {outcome.kills} kills so far, {len(wrong)} files differ", flush=True)
        outcome.different += [f"run {outcome.runs}: {name}" for name in wrong]
        outcome.runs += 1
    return outcome


def main(arguments: Sequence[str]) -> int:
    """Print what came of the kills; returns 1 where anything is not as it should be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", nargs="?", help="path of a labelled stream (default: the simulated stream)")
    parser.add_argument("--keys", type=int, default=0, help="so many streams with keys in one file, simulated")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="where the runs are kept (default: nowhere)")
    parser.add_argument("--option", action="append", default=[], help="one more word of main.py's command line")
    asked = parser.parse_args(arguments)
    source = [os.path.abspath(asked.source)] if asked.source else ["--max-points", str(POINTS)]  # noqa: PTH100
    with tempfile.TemporaryDirectory() as made:
        folder = asked.folder or Path(made)
        folder.mkdir(parents=True, exist_ok=True)
        if asked.keys:
            write_streams(folder / "streams.csv", asked.keys, asked.seed)
            source = [str(folder.resolve() / "streams.csv"), *KEYED]
        began = time.monotonic()
        outcome = crash([*source, *asked.option], asked.kills, asked.seed, folder)
    print(
        f"{outcome.kills} kills in {time.monotonic() - began:.0f} s: {outcome.starting} while starting, "
        f"{outcome.judging} while judging; {outcome.runs} runs came to their end, "
        f"{len(outcome.different or [])} files differ"
    )
    for name in outcome.different or []:
        print(name)
    return 1 if outcome.different else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
