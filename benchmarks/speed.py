"""What judging a point costs: this program and public peers on the same stream, alternating, in one run."""

from __future__ import annotations

import argparse
import csv
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from benchmarks import peers  # noqa: E402 - the path comes first
from streamforest import StreamDetector, StreamDetectors  # noqa: E402
from streamforest.compiled import compiled  # noqa: E402
from streamforest.forest import Forest, isolation  # noqa: E402
from streamforest.model_file import load_model  # noqa: E402
from streamforest.simulation import SimulatedStream, default_profile  # noqa: E402
from streamforest.vector import N_VECTOR  # noqa: E402

#: Points that every contender has seen before the clock starts.
KNOWN = 2000
ROUNDS = 7
STREAMS = 10_000
SEED = 1

#: Judges the values, one by one or at once.
Judge = Callable[[list[float]], None]


class Contender(NamedTuple):
    """Something whose cost a point is measured.

    Attributes
    ----------
    name : str
        For the table.
    make : callable
        Gives a fresh one that has seen the values it is given.
    points : int
        That a round judges: as many as take long enough to be timed.
    packages : tuple of str
        What must be installed, by the names that pip knows.
    """

    name: str
    make: Callable[[list[float]], Judge]
    points: int
    packages: tuple[str, ...] = ()


class Cost(NamedTuple):
    """Microseconds a point of one contender over the rounds."""

    name: str
    median: float
    lowest: float
    highest: float


@compiled
def _isolate(forest: Forest, vectors: NDArray[np.float32]) -> float:
    total = 0.0
    for i in range(len(vectors)):
        total += isolation(forest, vectors[i])
    return total


def contenders(model: Path) -> list[Contender]:
    """Everybody, the own ones first; each by its library's own idiom, scored before it is learned."""

    def one_by_one(step: Callable[[float], object]) -> Judge:
        def judge(values: list[float]) -> None:
            for value in values:
                step(value)

        return judge

    def update(known: list[float]) -> Judge:
        detector = StreamDetector.load(model)
        detector.update_many(np.array(known))
        return one_by_one(detector.update)

    def update_many(known: list[float]) -> Judge:
        detector = StreamDetector.load(model)
        detector.update_many(np.array(known))
        return lambda values: void(detector.update_many(np.array(values)))

    def forest_alone(_known: list[float]) -> Judge:
        forest = load_model(model).forest
        vectors = np.random.default_rng(SEED).exponential(0.5, (100_000, N_VECTOR)).astype(np.float32)
        return lambda values: void(_isolate(forest, vectors[: len(values)]))

    def gaussian(known: list[float]) -> Judge:
        from river import anomaly  # noqa: PLC0415 - only where it is installed

        scorer = anomaly.GaussianScorer()

        def step(value: float) -> None:
            scorer.score_one(None, value)
            scorer.learn_one(None, value)

        one_by_one(step)(known)
        return one_by_one(step)

    def half_space_trees(known: list[float]) -> Judge:
        from river import anomaly, compose, preprocessing  # noqa: PLC0415

        pipeline = compose.Pipeline(preprocessing.MinMaxScaler(), anomaly.HalfSpaceTrees(seed=SEED))

        def step(value: float) -> None:
            point = {"value": value}
            pipeline.score_one(point)
            pipeline.learn_one(point)

        one_by_one(step)(known)
        return one_by_one(step)

    def random_cut_forest(known: list[float]) -> Judge:
        import krcf  # noqa: PLC0415

        forest = krcf.RandomCutForest({"dimensions": 1, "shingle_size": 8, "num_trees": 30, "random_seed": SEED})

        def step(value: float) -> None:
            forest.score([value])
            forest.update([value])

        one_by_one(step)(known)
        return one_by_one(step)

    def scikit_learn(known: list[float]) -> Judge:
        from sklearn.ensemble import IsolationForest  # noqa: PLC0415

        forest = IsolationForest(random_state=SEED).fit(np.array(known)[:, None])
        return one_by_one(lambda value: forest.score_samples(np.array([[value]])))

    return [
        Contender("StreamDetector.update", update, 20_000),
        Contender("StreamDetector.update_many", update_many, 100_000),
        Contender("its forest alone, in arrays", forest_alone, 100_000),
        Contender("river GaussianScorer", gaussian, 20_000, ("river",)),
        Contender("river HalfSpaceTrees", half_space_trees, 5_000, ("river",)),
        Contender("krcf, 30 trees", random_cut_forest, 5_000, ("krcf",)),
        Contender("scikit-learn, one row", scikit_learn, 30, ("scikit-learn",)),
    ]


def void(_result: object) -> None:
    """Drop a result."""


def cost_of_nothing(values: list[float]) -> float:
    """Seconds a point that the loop itself takes."""
    begun = time.perf_counter()
    for value in values:
        void(value)
    return (time.perf_counter() - begun) / len(values)


def measure(everybody: Sequence[Contender], stream: NDArray[np.float64], rounds: int) -> list[Cost]:
    """Each contender's cost, the rounds alternating between all, the loop's own cost taken off."""
    known, rest = stream[:KNOWN].tolist(), stream[KNOWN:]
    judges = [contender.make(known) for contender in everybody]
    seconds: list[list[float]] = [[] for _ in everybody]
    for turn in range(rounds + 1):
        for contender, judge, taken in zip(everybody, judges, seconds, strict=True):
            values = np.resize(np.roll(rest, -turn * contender.points), contender.points).tolist()
            idle = cost_of_nothing(values)
            begun = time.perf_counter()
            judge(values)
            taken.append(max((time.perf_counter() - begun) / contender.points - idle, 0.0))
    # the first round warms up
    micro = [[1e6 * second for second in taken[1:]] for taken in seconds]
    return [
        Cost(contender.name, statistics.median(taken), min(taken), max(taken))
        for contender, taken in zip(everybody, micro, strict=True)
    ]


def single_calls(model: Path, stream: NDArray[np.float64]) -> tuple[float, float]:
    """Median and 99th percentile of single calls of ``update``, microseconds, the clock's own cost taken off."""
    detector = StreamDetector.load(model)
    detector.update_many(stream[:KNOWN])
    clock, update = time.perf_counter_ns, detector.update
    taken, idle = [], []
    for value in stream[KNOWN : KNOWN + 50_000].tolist():
        begun = clock()
        middle = clock()
        update(value)
        idle.append(middle - begun)
        taken.append(clock() - middle)
    clear = (np.array(taken) - statistics.median(idle)) / 1000.0
    return float(np.median(clear)), float(np.quantile(clear, 0.99))


def many_streams(model: Path, streams: int, threads: int) -> float:
    """Points a second of StreamDetectors: a batch of one reading a stream, again and again; the best of three."""
    detectors = StreamDetectors.load(model, threads=threads)
    rng = np.random.default_rng(SEED)
    ids = np.arange(streams)
    for _ in range(30):  # past the warm-up
        detectors.update(ids, rng.normal(size=streams))
    batches = [rng.normal(size=streams) for _ in range(max(1, 300_000 // streams))]
    best = 0.0
    for _ in range(3):
        begun = time.perf_counter()
        for batch in batches:
            detectors.update(ids, batch)
        best = max(best, streams * len(batches) / (time.perf_counter() - begun))
    return best


def table(costs: Sequence[Cost]) -> list[list[str]]:
    """Rows of text, the first is the header; how many times the first contender's cost."""
    base = costs[0].median
    rows = [["who", "us a point, median", "lowest", "highest", "times the first"]]
    for cost in costs:
        numbers = (cost.median, cost.lowest, cost.highest, cost.median / base)
        rows.append([cost.name, *(f"{number:,.{2 if number < 100 else 0}f}" for number in numbers)])
    return rows


def main(arguments: Sequence[str]) -> int:
    """Measure, print and write the table; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=PROJECT / "isolation_forest.joblib", help="made by model_prod.py")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="at least 5 (default %(default)s)")
    parser.add_argument("--output", type=Path, help="CSV file of the table")
    asked = parser.parse_args(arguments)
    if asked.rounds < 5:
        parser.error(f"--rounds is {asked.rounds}: it must be at least 5")
    everybody = contenders(asked.model)
    there = [one for one in everybody if all(peers.installed(package) for package in one.packages)]
    packages = sorted({package for one in there for package in one.packages} | {"numpy", "numba", "scikit-learn"})
    versions = ", ".join(f"{package} {peers.installed(package)}" for package in packages)
    print(f"{datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, Python {platform.python_version()}, {versions}")
    for one in set(everybody) - set(there):
        print(f"left out: {one.name}; needs {', '.join(one.packages)}")
    stream = SimulatedStream(default_profile(), SEED).take(KNOWN + 100_000)[0]
    rows = table(measure(there, stream, asked.rounds))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        first, *others = zip(row, widths, strict=True)
        print("  ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]))
    middle, late = single_calls(asked.model, stream)
    print(f"single calls of update: median {middle:.2f} us, 99 % within {late:.2f} us ({late / middle:.1f} times)")
    one, all_cores = (many_streams(asked.model, STREAMS, threads) for threads in (1, os.cpu_count() or 1))
    print(
        f"{STREAMS:,} streams: {one:,.0f} points a second on one core, {all_cores:,.0f} on {os.cpu_count()} "
        f"({all_cores / one:.2f} times); {StreamDetectors.bytes_per_stream:,} bytes a stream"
    )
    if asked.output is not None:
        with asked.output.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
