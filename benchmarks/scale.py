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
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow
import pyspark
from numpy.typing import NDArray
from pyarrow import parquet

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from benchmarks.kills import descendants  # noqa: E402 - the path comes first
from streamforest import StreamDetectors  # noqa: E402
from streamforest.detectors.isolation_forest import StreamDetector  # noqa: E402
from streamforest.engines.spark import Stream, detect, judge_readings, new_session  # noqa: E402

SEED = 1
#: Batches before those that are measured: the workers start, and every stream's record is made.
KNOWN = 1
#: Keys, times and values of one batch.
Batch = tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]


class Cost(NamedTuple):
    """What a number of keys costs; all of the measured batches.

    Attributes
    ----------
    where : str
        What ran.
    keys, cores : int
        How many of each.
    points_a_second : float
        By the clock on the wall, at the median batch.
    us_a_point : float
        Processor time of all processes, microseconds.
    detector : float
        Share of that which the detector itself takes, by the same calls on one core; NaN where nothing else is done.
    bytes_a_key : float
        What is written of a key at each batch; or, on one machine, kept in memory.
    """

    where: str
    keys: int
    cores: int
    points_a_second: float
    us_a_point: float
    detector: float
    bytes_a_key: float


def make_batches(keys: int, points: int, batches: int) -> list[Batch]:
    """Batches in which every key has as many readings."""
    rng = np.random.default_rng(SEED)
    n = keys * points
    made = []
    for number in range(batches):
        names = rng.permutation(np.repeat(np.arange(keys), points))
        times = 1.7e9 + 60.0 * points * (number + np.sort(rng.random(n)))
        made.append((names, times, rng.normal(size=n)))
    return made


def processor_seconds() -> float:
    """Processor time so far of this process, Java and its workers."""
    ticks = 0
    for number in (os.getpid(), *(number for number, _ in descendants(os.getpid()))):
        try:
            fields = Path(f"/proc/{number}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def detector_seconds(model: Path, batches: Sequence[Batch]) -> float:
    """Processor time of the detector's own calls for the measured batches: one a key and batch, as in a worker."""
    judge = StreamDetector.load(model).judge
    streams: dict[int, Stream] = {}
    taken = 0.0
    for number, (names, times, values) in enumerate(batches):
        order = np.argsort(names, kind="stable")
        found, starts = np.unique(names[order], return_index=True)
        for name, places in zip(found.tolist(), np.split(order, starts[1:]), strict=True):
            stream = streams.get(name) or Stream.read(None)
            begun = time.process_time()
            streams[name], _ = judge_readings(stream, times[places], values[places], judge)
            taken += (time.process_time() - begun) * (number >= KNOWN)
    return taken


def on_spark(model: Path, keys: int, cores: int, batches: Sequence[Batch]) -> Cost:
    """Judge the batches, each a file, in a streaming query whose verdicts nobody keeps."""
    session = new_session("scale", cores, f"local[{cores}]")
    session.sparkContext.setLogLevel("OFF")
    with tempfile.TemporaryDirectory() as folder:
        for number, (names, times, values) in enumerate(batches):
            table = pyarrow.table({"key": names, "time": times, "value": values})
            place = Path(folder) / "in" / f"{number:04d}.parquet"
            place.parent.mkdir(exist_ok=True)
            parquet.write_table(table, place)
            os.utime(place, (number, number))  # the order in which they are taken
        readings = session.readStream.schema("key long, time double, value double")
        readings = readings.option("maxFilesPerTrigger", 1).parquet(f"{folder}/in")
        clock = [processor_seconds()]

        def note(_batch: Any, _number: int) -> None:
            _batch.write.format("noop").mode("append").save()
            clock.append(processor_seconds())

        query = detect(readings, model=model).writeStream.foreachBatch(note)
        query = query.option("checkpointLocation", f"{folder}/checkpoint").trigger(availableNow=True).start()
        query.awaitTermination()
        seconds = [
            batch.durationMs["triggerExecution"] / 1000.0 for batch in query.recentProgress if batch.numInputRows
        ]
        state = sum(file.stat().st_size for file in Path(folder, "checkpoint", "state").rglob("*") if file.is_file())
    session.stop()
    points = len(batches[0][0])
    used = clock[-1] - clock[KNOWN]
    return Cost(
        "Spark",
        keys,
        cores,
        points / statistics.median(seconds[KNOWN:]),
        1e6 * used / (points * (len(batches) - KNOWN)),
        detector_seconds(model, batches) / used,
        state / (keys * len(batches)),
    )


def on_one_machine(model: Path, keys: int, cores: int, batches: Sequence[Batch]) -> Cost:
    """Judge the same batches by StreamDetectors."""
    detectors = StreamDetectors.load(model, threads=cores)
    seconds, used = [], []
    for names, times, values in batches:
        before, begun = time.process_time(), time.perf_counter()
        detectors.update(names, values, times)
        seconds.append(time.perf_counter() - begun)
        used.append(time.process_time() - before)
    points = len(batches[0][0])
    return Cost(
        "StreamDetectors",
        keys,
        cores,
        points / statistics.median(seconds[KNOWN:]),
        1e6 * sum(used[KNOWN:]) / (points * (len(batches) - KNOWN)),
        np.nan,
        StreamDetectors.bytes_per_stream,
    )


def main(arguments: Sequence[str]) -> int:
    """Measure and print a row each; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=PROJECT / "isolation_forest.joblib", help="made by model_prod.py")
    parser.add_argument("--keys", type=int, nargs="+", default=[1_000, 10_000, 100_000], help="default %(default)s")
    parser.add_argument("--cores", type=int, nargs="+", default=[1, 2], help="default %(default)s")
    parser.add_argument("--points", type=int, default=20, help="readings of a key in a batch (default %(default)s)")
    parser.add_argument(
        "--batches", type=int, default=4, help="of which the first is not counted (default %(default)s)"
    )
    parser.add_argument("--output", type=Path, help="CSV file of the table")
    asked = parser.parse_args(arguments)
    if asked.batches <= KNOWN:
        parser.error(f"--batches is {asked.batches}: it must be at least {KNOWN + 1}")
    print(
        f"{datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}, Spark {pyspark.__version__}; {asked.points} readings of a key in a batch"
    )
    rows = [Cost._fields]
    print(f"{'where':16}{'keys':>8}{'cores':>6}{'points/s':>10}{'us a point':>12}{'detector':>10}{'bytes a key':>12}")
    for keys in asked.keys:
        batches = make_batches(keys, asked.points, asked.batches)
        for run in (on_one_machine, on_spark):
            for cores in asked.cores:
                cost = run(asked.model, keys, cores, batches)
                rows.append(tuple(map(str, cost)))
                share = "" if np.isnan(cost.detector) else f"{100.0 * cost.detector:.1f} %"
                print(
                    f"{cost.where:16}{cost.keys:8,}{cost.cores:6}{cost.points_a_second:10,.0f}{cost.us_a_point:12,.1f}"
                    f"{share:>10}{cost.bytes_a_key:12,.0f}",
                    flush=True,
                )
    if asked.output is not None:
        with asked.output.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
