"""What many streams cost on Spark: points a second and bytes a key by keys and cores, beside StreamDetectors."""

from __future__ import annotations

import argparse
import csv
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow
import pyspark
from numpy.typing import NDArray
from pyarrow import parquet

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from benchmarks.kills import descendants  # noqa: E402 - the path comes first
from streamforest import StreamDetectors  # noqa: E402
from streamforest.engines.spark import METRICS, SECONDS, SHARDS, Shards, detect, new_session  # noqa: E402
from streamforest.models.shipped import SHIPPED_MODEL  # noqa: E402

SEED = 1
#: Files of a table.
FILES = 10
#: Of the readings.
SCHEMA = "key long, time double, value double"
#: Of the columns of numbers.
WIDTHS = 8, 7, 6, 10, 12, 10, 12
#: Keys, times and values of one batch.
Batch = tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]


class Cost(NamedTuple):
    """What a number of keys costs; all of the measured batches.

    Attributes
    ----------
    where : str
        What ran.
    points, keys, cores : int
        How many of each; points are those of a key in a batch.
    points_a_second : float
        By the clock on the wall, at the median batch.
    us_a_point : float
        Processor time of all processes, microseconds.
    detector : float
        Share of that which the detector itself takes, as Spark's metrics tell; NaN where nothing else is done.
    bytes_a_key : float
        What is written of a key at each batch; or, on one machine, kept in memory.
    """

    where: str
    points: int
    keys: int
    cores: int
    points_a_second: float
    us_a_point: float
    detector: float
    bytes_a_key: float


def make_batches(keys: int, points: Sequence[int]) -> list[Batch]:
    """Batches in each of which every key has so many readings."""
    rng = np.random.default_rng(SEED)
    made: list[Batch] = []
    before = 0
    for more in points:
        names = rng.permutation(np.repeat(np.arange(keys), more))
        times = 1.7e9 + 60.0 * (before + more * np.sort(rng.random(names.size)))
        made.append((names, times, rng.normal(size=names.size)))
        before += more
    return made


def sizes(batches: Sequence[Batch]) -> tuple[int, int]:
    """Readings of a batch, and of how many keys they are."""
    names = batches[-1][0]
    return len(names), int(names.max()) + 1


def processor_seconds() -> float:
    """Processor time so far of this process, Java and its workers, and of the programs that these ran."""
    ticks = 0
    for number in (os.getpid(), *(number for number, _ in descendants(os.getpid()))):
        try:
            fields = Path(f"/proc/{number}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def write_files(batches: Sequence[Batch], folder: Path) -> None:
    """A file of each batch."""
    folder.mkdir()
    for number, (names, times, values) in enumerate(batches):
        place = folder / f"{number:04d}.parquet"
        parquet.write_table(pyarrow.table({"key": names, "time": times, "value": values}), place)
        os.utime(place, (number, number))  # the order in which they are taken


def on_spark(asked: argparse.Namespace, cores: int, batches: Sequence[Batch]) -> Cost:
    """Judge the batches, each a file, in a streaming query whose verdicts nobody keeps."""
    with tempfile.TemporaryDirectory() as folder:
        session = new_session("scale", cores, f"local[{cores}]", folder)
        session.sparkContext.setLogLevel("OFF")
        parts = [Path(folder) / name for name in ("in", "later")]
        write_files(batches[: asked.known], parts[0])
        write_files(batches[asked.known :], parts[1])
        readings = session.readStream.schema(SCHEMA).option("maxFilesPerTrigger", 1).parquet(str(parts[0]))
        verdicts = detect(readings, model=asked.model, shards=Shards(asked.shards)).writeStream.format("noop")
        query = verdicts.option("checkpointLocation", f"{folder}/checkpoint").start()
        query.processAllAvailable()
        used = -processor_seconds()
        for file in sorted(parts[1].iterdir()):
            file.rename(parts[0] / f"later {file.name}")
        query.processAllAvailable()
        used += processor_seconds()
        query.stop()
        measured = [batch for batch in query.recentProgress if batch.numInputRows][asked.known - len(batches) :]
        seconds = [batch.durationMs["triggerExecution"] / 1000.0 for batch in measured]
        detector = sum(batch.observedMetrics[METRICS][SECONDS] for batch in measured)
        state = sum(file.stat().st_size for file in Path(folder, "checkpoint", "state").rglob("*") if file.is_file())
        session.stop()
    readings, keys = sizes(batches)
    return Cost(
        "Spark",
        readings // keys,
        keys,
        cores,
        readings / statistics.median(seconds),
        1e6 * used / (readings * len(seconds)),
        detector / used,
        state / (keys * len(batches)),
    )


def on_spark_at_once(asked: argparse.Namespace, cores: int, batches: Sequence[Batch]) -> Cost:
    """Judge all batches as one table, after the first one alone."""
    session = new_session("scale", cores, f"local[{cores}]")
    session.sparkContext.setLogLevel("OFF")
    with tempfile.TemporaryDirectory() as folder:
        write_files(batches[:1], Path(folder) / "first")
        write_files(batches, Path(folder) / "all")
        for part in ("first", "all"):
            before, begun = processor_seconds(), time.perf_counter()
            verdicts = detect(session.read.schema(SCHEMA).parquet(f"{folder}/{part}"), model=asked.model)
            verdicts.write.format("noop").mode("append").save()
            seconds, used = time.perf_counter() - begun, processor_seconds() - before
    session.stop()
    readings, keys = sum(len(names) for names, _, _ in batches), sizes(batches)[1]
    where = "Spark, a table"
    return Cost(where, readings // keys, keys, cores, readings / seconds, 1e6 * used / readings, np.nan, 0.0)


def on_one_machine(asked: argparse.Namespace, cores: int, batches: Sequence[Batch]) -> Cost:
    """Judge the same batches by StreamDetectors."""
    detectors = StreamDetectors.load(asked.model, threads=cores)
    seconds, used = [], []
    for names, times, values in batches:
        before, begun = time.process_time(), time.perf_counter()
        detectors.update(names, values, times)
        seconds.append(time.perf_counter() - begun)
        used.append(time.process_time() - before)
    readings, keys = sizes(batches)
    return Cost(
        "StreamDetectors",
        readings // keys,
        keys,
        cores,
        readings / statistics.median(seconds[asked.known :]),
        1e6 * sum(used[asked.known :]) / (readings * (len(batches) - asked.known)),
        np.nan,
        StreamDetectors.bytes_per_stream,
    )


def main(arguments: Sequence[str]) -> int:
    """Measure and print a row each; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--model", type=Path, default=SHIPPED_MODEL, help="made by model_prod.py (default the shipped one)"
    )
    parser.add_argument("--keys", type=int, nargs="+", default=[1_000, 10_000, 100_000], help="default %(default)s")
    parser.add_argument("--cores", type=int, nargs="+", default=[1, 2], help="default %(default)s")
    parser.add_argument(
        "--points", type=int, nargs="+", default=[20, 1], help="readings of a key in a batch (default %(default)s)"
    )
    parser.add_argument(
        "--history", type=int, default=0, help="readings of a key in the first batch, instead of as many as in others"
    )
    parser.add_argument(
        "--known",
        type=int,
        default=8,
        help="batches before those that are measured: the workers start, and Java compiles (default %(default)s)",
    )
    parser.add_argument(
        "--batches", type=int, default=16, help="with these, at most 100 that are measured (default %(default)s)"
    )
    parser.add_argument("--shards", type=int, default=SHARDS, help="of Spark's streams (default %(default)s)")
    parser.add_argument(
        "--table", type=int, help=f"readings of a key in a table of {FILES} files: judged at once, and by batches"
    )
    parser.add_argument("--output", type=Path, help="CSV file of the table")
    asked = parser.parse_args(arguments)
    if not 0 < asked.batches - asked.known <= 100:
        parser.error(f"--batches is {asked.batches}: it must be {asked.known + 1} to {asked.known + 100}")
    print(
        f"{datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}, Spark {pyspark.__version__}"
    )
    rows = [Cost._fields]
    heads = zip(("keys", "points", "cores", "points/s", "us a point", "detector", "bytes a key"), WIDTHS, strict=True)
    print(f"{'where':16}" + "".join(f"{head:>{width}}" for head, width in heads))
    for points, keys in product(asked.points if asked.table is None else [asked.table], asked.keys):
        if asked.table is None:
            batches = make_batches(keys, [asked.history or points, *[points] * (asked.batches - 1)])
        else:
            batches = make_batches(keys, [points // FILES] * FILES)
        on_cluster = on_spark if asked.table is None else on_spark_at_once
        for run, cores in product((on_one_machine, on_cluster), asked.cores):
            cost = run(asked, cores, batches)
            rows.append(tuple(map(str, cost)))
            share = "" if np.isnan(cost.detector) else f"{100.0 * cost.detector:.1f} %"
            print(
                f"{cost.where:16}{cost.keys:8,}{cost.points:7}{cost.cores:6}{cost.points_a_second:10,.0f}"
                f"{cost.us_a_point:12,.1f}{share:>10}{cost.bytes_a_key:12,.0f}",
                flush=True,
            )
    if asked.output is not None:
        with asked.output.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
