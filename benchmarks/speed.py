"""What judging a point costs: this program and public peers on the same streams, alternating, in one run."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from benchmarks import speed_chart, speed_growth, speed_memory, speed_processes, speed_report  # noqa: E402
from benchmarks.peers import installed  # noqa: E402 - the path comes first
from benchmarks.speed_contenders import SEED, in_arrays, one_by_one, side_by_side  # noqa: E402
from benchmarks.speed_rounds import KNOWN, LEAST_ROUNDS, Contender, Cost, Values, measure, single_calls  # noqa: E402
from streamforest.models.forest import ModelError  # noqa: E402
from streamforest.models.model_file import load_model  # noqa: E402
from streamforest.models.shipped import SHIPPED_MODEL  # noqa: E402
from streamforest.simulation.streams import SimulatedStream, default_profile  # noqa: E402

OUTPUT = PROJECT / "benchmarks" / "results" / "speed"
STREAMS, PEER_STREAMS = 10_000, 100
PACKAGES = ("numpy", "numba", "scikit-learn", "river", "krcf", "rrcf")

T = TypeVar("T", Contender, speed_processes.Program)


class Run(NamedTuple):
    """What all parts of the benchmark are given.

    Attributes
    ----------
    model : Path
        As trained by ``python model_prod.py``.
    rounds : int
        That every figure is a median of.
    rows : int
        Of the files that the program reads.
    longest, most_streams : int
        Where the growth with length and number of streams ends.
    stream : float64 array
        The values that all are given, the same for all.
    folder : Path
        For files that are needed meanwhile.
    """

    model: Path
    rounds: int
    rows: int
    longest: int
    most_streams: int
    stream: Values
    folder: Path


def points(run: Run) -> Iterator[list[Cost]]:
    """One by one, single calls, in arrays."""
    everybody = usable(one_by_one(run.model))
    quick = [one for one in everybody if one.points >= 1000]
    yield measure("one by one", everybody, run.stream, run.rounds)
    yield single_calls("single calls", quick, run.stream, run.rounds)
    yield measure("in arrays", usable(in_arrays(run.model)), run.stream, run.rounds)


def streams(run: Run) -> Iterator[list[Cost]]:
    """Many streams side by side."""
    everybody = side_by_side(run.model, STREAMS, (1, 2, os.cpu_count() or 1), PEER_STREAMS)
    yield measure(f"{STREAMS:,} streams", usable(everybody), run.stream, run.rounds, time.perf_counter)


def programs(run: Run) -> Iterator[list[Cost]]:
    """Whole processes: first verdict, lines, rows."""
    everybody = usable(speed_processes.programs(run.model, run.stream[:KNOWN], run.folder))
    yield speed_processes.first_verdicts(everybody, run.rounds)
    yield speed_processes.lines(everybody, run.stream, run.rounds)
    yield speed_processes.files(run.model, run.stream, run.rows, run.rounds, run.folder)


def memory(run: Run) -> Iterator[list[Cost]]:
    """Resident memory of contenders and programs; models on disk."""
    kept = run.folder / "stream.npy"
    np.save(kept, run.stream)
    alone = usable([*one_by_one(run.model), *side_by_side(run.model, STREAMS, (1,), PEER_STREAMS)])
    everybody = usable(speed_processes.programs(run.model, run.stream[:KNOWN], run.folder))
    names = [one.name for one in alone]
    yield [
        *speed_memory.memories(names, run.model, kept, run.rounds, STREAMS, PEER_STREAMS),
        *speed_processes.memories(everybody, run.rounds),
    ]
    yield speed_memory.models(run.model, run.stream[:KNOWN], run.rounds, run.folder, has_river=has_river())


def growth(run: Run) -> Iterator[list[Cost]]:
    """How the cost grows with trees, features, window, length and number of streams."""
    for what, make in speed_growth.IN_ROUNDS.items():
        yield measure(f"growth: {what}", usable(make(run.model)), run.stream, run.rounds)
    yield speed_growth.lengths(run.model, run.longest, run.stream, run.rounds, has_river=has_river())
    yield speed_growth.streams(run.model, run.most_streams, run.stream, run.rounds, has_river=has_river())


#: What is measured, a topic or two at a time.
PARTS: dict[str, Callable[[Run], Iterator[list[Cost]]]] = {
    "points": points,
    "streams": streams,
    "programs": programs,
    "memory": memory,
    "growth": growth,
}


def has_river() -> bool:
    """Whether the peer of most parts is there."""
    return installed("river") is not None


def usable(everybody: Sequence[T]) -> list[T]:
    """Those whose packages are installed."""
    return [one for one in everybody if all(installed(package) for package in one.packages)]


def main(words: Sequence[str] | None = None) -> int:
    """Measure, print and write what is asked for; returns the exit code."""
    asked = parse(words)
    head = f"{speed_report.machine()}\n{speed_report.versions(PACKAGES)}"
    print(f"{head}\nmedians of {asked.rounds} alternating rounds", flush=True)
    for package in PACKAGES:
        if not installed(package):
            print(f"left out: {package}; python -m pip install -r benchmarks/requirements.txt")
    stream = SimulatedStream(default_profile(), SEED).take(KNOWN + 100_000)[0]
    costs: list[Cost] = []
    try:
        load_model(asked.model)
        with tempfile.TemporaryDirectory() as folder:
            limits = (asked.rounds, asked.rows, asked.longest, asked.most_streams)
            run = Run(asked.model.resolve(), *limits, stream, Path(folder))
            for name in asked.only:
                print(f"measuring {name} ...", file=sys.stderr, flush=True)
                for found in PARTS[name](run):
                    print_tables(found)
                    costs += found
                    write(asked.output, head, costs)
    except (ModelError, speed_memory.ProcessError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; what was measured is printed and written", file=sys.stderr)
        return 130
    print(f"\n### asked and got\n\n{speed_report.markdown(speed_report.asked_and_got(costs))}")
    print(f"\nwritten: {asked.output}.csv and .png")
    return 0


def parse(words: Sequence[str] | None) -> argparse.Namespace:
    """The command line; exits with code 2 where it is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--model", type=Path, default=SHIPPED_MODEL, help="made by model_prod.py (default the shipped one)"
    )
    parser.add_argument("--rounds", type=int, default=LEAST_ROUNDS, help="at least 5 (default %(default)s)")
    parser.add_argument("--only", default=",".join(PARTS), help="parts, separated by commas (default %(default)s)")
    parser.add_argument("--rows", type=int, default=2_000_000, help="of the files that are read (default %(default)s)")
    parser.add_argument("--longest", type=int, default=10**7, help="points of the longest stream (default %(default)s)")
    parser.add_argument("--most-streams", type=int, default=10**5, help="side by side (default %(default)s)")
    parser.add_argument("--output", type=Path, default=OUTPUT, metavar="PREFIX", help="of the CSV file and the picture")
    asked = parser.parse_args(words)
    for name, least in (("rounds", LEAST_ROUNDS), ("rows", 1000), ("longest", 1000), ("most_streams", 1)):
        number = getattr(asked, name)
        if number < least:
            parser.error(f"--{name.replace('_', '-')} is {number}: it must be at least {least}")
    asked.only = asked.only.split(",")
    for name in asked.only:
        if name not in PARTS:
            parser.error(f"--only has {name!r}, allowed are {', '.join(PARTS)}")
    return asked


def print_tables(costs: Sequence[Cost]) -> None:
    """Print what was found as soon as it is known."""
    for title, rows in speed_report.tables(costs).items():
        print(f"\n### {title}\n\n{speed_report.markdown(rows)}", flush=True)


def write(prefix: Path, head: str, costs: Sequence[Cost]) -> None:
    """Write all figures so far, and their picture."""
    prefix.parent.mkdir(parents=True, exist_ok=True)
    speed_report.write_csv(prefix.with_name(f"{prefix.name}.csv"), costs)
    speed_chart.draw(prefix.with_name(f"{prefix.name}.png"), head, costs)


if __name__ == "__main__":
    sys.exit(main())
