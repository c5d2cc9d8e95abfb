"""Runs that are killed at random moments and resumed leave behind what one that never was leaves, byte for byte."""

from __future__ import annotations

import argparse
import gzip
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from streamforest.protocols import LABELS  # noqa: E402 - the path comes first
from streamforest.simulation.streams import SimulatedStream, StreamProfile  # noqa: E402
from streamforest.storage import rotation  # noqa: E402

POINTS = 40_000  # of the simulated stream, or of many together
STREAMS = 20  # with keys
ROWS_A_FILE, ROWS_A_SECOND = 1500, 3000  # of a file that grows and is rotated
MOST_FILES = 40  # rotated ones that are kept: a run that was killed may be some behind
PAUSE = 200  # points that one of many streams lets pass, again and again
DELAYS = (0.0004, 0.0)  # seconds between points, in turn: whole blocks and single points
JUDGING = (0.02, 0.6)  # seconds after the run began to judge when it is killed
STARTING = 0.25  # share of kills before that: while it loads, and cuts back what it wrote
STUCK = 1800  # seconds after which a run that does not end has failed

#: Ways to run; each writes JSON behind what stands in a file (``>>``), a log that is rotated and a report.
WAYS = ("simulated", "plain", "keyed", "gzip", "follow")
#: Columns of one stream.
ONE = ("--column", "value", "--time-column", "time", "--label-column", "label")
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


class Grower:
    """A file that grows piece by piece, not at the ends of lines, and is rotated every ROWS_A_FILE rows.

    Parameters
    ----------
    path : Path
        The file; it begins with this object.
    text : bytes
        All rows.
    checkpoint : Path
        Nothing is rotated before it is there: a run without one begins with the newest file.
    """

    def __init__(self, path: Path, text: bytes, checkpoint: Path) -> None:
        self._path, self._text, self._checkpoint = path, text, checkpoint
        self._is_over = threading.Event()
        path.touch()
        self._thread = threading.Thread(target=self._grow, daemon=True)
        self._thread.start()

    def _grow(self) -> None:
        lines = self._text.splitlines(keepends=True)
        for first in range(0, len(lines), ROWS_A_FILE):
            while first and not self._checkpoint.exists():
                if self._is_over.wait(0.01):
                    return
            if first:
                rotation.rotate(self._path, MOST_FILES)
            some = b"".join(lines[first : first + ROWS_A_FILE])
            pieces = [some[at : at + len(some) // 17 + 1] for at in range(0, len(some), len(some) // 17 + 1)]
            with self._path.open("ab", buffering=0) as file:
                for piece in pieces:
                    file.write(piece)
                    if self._is_over.wait(ROWS_A_FILE / ROWS_A_SECOND / len(pieces)):
                        return

    def close(self) -> None:
        """Write no more."""
        self._is_over.set()
        self._thread.join()


@dataclass
class Way:
    """One kind of run to kill.

    Attributes
    ----------
    source : sequence of str
        Words of the command line: source, model, detector.
    grows : bytes
        What is written to ``in.csv`` in the folder of each run while that goes on; nothing where the source is there.
    """

    source: Sequence[str]
    grows: bytes = b""

    def begin(self, place: Path, *, at_once: bool) -> Grower | None:
        """Let the source of a run begin in its folder; ``at_once``: it is all there from the start, in one file."""
        if self.grows and at_once:
            (place / "in.csv").write_bytes(self.grows)
        return Grower(place / "in.csv", self.grows, place / "kept") if self.grows and not at_once else None


def way_of(name: str, seed: int, folder: Path) -> Way:
    """The way of a name; its files are written to a folder."""
    if name == "simulated":
        return Way(["--max-points", str(POINTS)])
    path = folder / "streams.csv"
    write_streams(path, STREAMS if name == "keyed" else 1, seed)
    if name == "gzip":
        packed = folder / "streams.csv.gz"
        packed.write_bytes(gzip.compress(path.read_bytes()))
        path = packed
    words = [str(path.resolve()), *(KEYED if name == "keyed" else ONE)]
    if name != "follow":
        return Way(words)
    text = path.read_bytes()
    return Way(["in.csv", *ONE, "--follow", "--max-points", str(text.count(b"\n") - 1)], text)


def crash(way: Way, kills: int, seed: int, folder: Path) -> Outcome:
    """Kill runs so many times, resume each until it is at its end, and compare.

    Parameters
    ----------
    way : Way
        Kind of the runs.
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
        way.begin(place, at_once=True)
        began = time.monotonic()
        if begin(command(way.source, "--delay", "0", *more), place).wait(STUCK):
            raise RuntimeError((place / "err.txt").read_text())
        startup = time.monotonic() - began
    expected = left_behind(whole)
    while outcome.kills < kills or not outcome.runs:
        place = folder / f"run {outcome.runs}"
        place.mkdir()
        delay = DELAYS[outcome.runs % len(DELAYS)]
        words = command(way.source, "--delay", str(delay), "--checkpoint", "kept")
        grower = way.begin(place, at_once=False)
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
        if grower is not None:
            grower.close()
        found = left_behind(place)
        wrong = [name for name in sorted({*expected, *found}) if found.get(name) != expected.get(name)]
        print(f"run {outcome.runs} is at its end, {outcome.kills} kills so far, {len(wrong)} files differ", flush=True)
        outcome.different += [f"run {outcome.runs}: {name}" for name in wrong]
        outcome.runs += 1
    return outcome


def main(arguments: Sequence[str]) -> int:
    """Print what came of the kills; returns 1 where anything is not as it should be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ways", nargs="*", help=f"of {', '.join(WAYS)} (default: all)")
    parser.add_argument("--kills", type=int, default=300, help="all ways together (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="where the runs are kept (default: nowhere)")
    parser.add_argument("--option", action="append", default=[], help="one more word of main.py's command line")
    asked = parser.parse_args(arguments)
    ways, different = asked.ways or WAYS, []
    with tempfile.TemporaryDirectory() as made:
        for name in ways:
            folder = (asked.folder or Path(made)) / name
            folder.mkdir(parents=True)
            way = way_of(name, asked.seed, folder)
            began = time.monotonic()
            outcome = crash(
                replace(way, source=[*way.source, *asked.option]), asked.kills // len(ways), asked.seed, folder
            )
            seconds = time.monotonic() - began
            print(
                f"{name}: {outcome.kills} kills in {seconds:.0f} s: {outcome.starting} while starting, "
                f"{outcome.judging} while judging; {outcome.runs} runs came to their end, "
                f"{len(outcome.different or [])} files differ",
                flush=True,
            )
            different += [f"{name}, {one}" for one in outcome.different or []]
    for one in different:
        print(one)
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
