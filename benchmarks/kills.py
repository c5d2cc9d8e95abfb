"""Kills Spark's driver or workers at random moments and holds the tables they leave against one machine's verdicts."""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from streamforest import StreamDetector  # noqa: E402 - the path comes first
from streamforest.engines.spark import COLUMNS, new_session  # noqa: E402
from streamforest.models.model_file import load_model  # noqa: E402
from streamforest.models.shipped import SHIPPED_MODEL  # noqa: E402
from streamforest.protocols import REASONS, Reading  # noqa: E402
from streamforest.reading.validation import Validator  # noqa: E402
from streamforest.simulation.streams import SimulatedStream, StreamProfile  # noqa: E402
from streamforest.stream_names import StreamNames  # noqa: E402

EXAMPLE = PROJECT / "streamforest" / "engines" / "spark_files.py"
RATE = 0.01
#: Seconds; the longest wait for a run's first batch, and the span of random moments after it began.
PATIENCE = 600.0
#: Files that are added before each start; each is a batch.
FILES_A_START = 3
#: A busy machine may need more than one: Spark gives a new worker 10 seconds to answer.
FINAL_STARTS = 3
ENVIRONMENT = {
    # they live too short for a compiler that optimises
    "JDK_JAVA_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    # a task may fail three times, as on a cluster; on one machine Spark's default is never
    "PYSPARK_SUBMIT_ARGS": "--master local[*,4] pyspark-shell",
}
#: A stream, its time in seconds and its value.
Row = tuple[str, float, float]


def make_batches(streams: int, batches: int, seed: int) -> list[list[Row]]:
    """Streams of 1 to 200 readings, silent in some batches; some readings missing, infinite, late or repeated."""
    rng = np.random.default_rng(seed)
    made: list[list[Row]] = [[] for _ in range(batches)]
    for number in range(streams):
        n = int(rng.integers(1, 201))
        values = SimulatedStream(StreamProfile(), seed + number, 0.02).take(n)[0] + float(rng.normal(scale=100.0))
        values[rng.random(n) < 0.01] = np.nan
        values[rng.random(n) < 0.001] = np.inf
        times = 1.7e9 + np.cumsum(rng.integers(0, 120, n))  # some are equal
        # where in the run it speaks: from a batch to another one, with holes of silence in between
        first, last = np.sort(rng.integers(0, batches, 2))
        speaks = np.flatnonzero(rng.random(last - first + 1) < 0.6) + first
        places = np.sort(rng.choice(speaks if speaks.size else [first], n))
        late = rng.random(n) < 0.03
        places = np.where(late, np.minimum(places + rng.integers(1, 4, n), batches - 1), places)
        rows = list(zip([f"s{number:04d}"] * n, times.tolist(), values.tolist(), places.tolist(), strict=True))
        rows += [rows[i] for i in np.flatnonzero(rng.random(n) < 0.02)]  # repeated in the same batch
        rows += [(*rows[i][:3], min(rows[i][3] + 1, batches - 1)) for i in np.flatnonzero(rng.random(n) < 0.02)]
        for *row, place in rows:
            made[place].append(tuple(row))
    for batch in made:
        rng.shuffle(batch)
    return made


def write_batch(batch: Sequence[Row], place: Path) -> None:
    """One CSV file, moved in whole."""
    hidden = place.with_name(f".{place.name}")
    with hidden.open("w", encoding="utf-8") as file:
        file.write("key,time,value\n")
        for name, moment, value in batch:
            stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))
            text = "" if math.isnan(value) else "Infinity" if math.isinf(value) else repr(value)
            file.write(f"{name},{stamp},{text}\n")
    # Spark takes files by their times, and those of one millisecond in any order
    os.utime(hidden, (int(place.stem), int(place.stem)))
    hidden.replace(place)


def one_machine(model: Path, batches: Sequence[Sequence[Row]]) -> tuple[set[tuple[Any, ...]], int]:
    """What a validator and a detector a stream say of the same batches: rows, and the number of refused readings."""
    loaded = load_model(model)
    parts: dict[str, tuple[StreamDetector, Validator]] = {}
    rows: set[tuple[Any, ...]] = set()
    refused = 0
    for batch in batches:
        for name, moment, value in sorted(batch, key=lambda row: (row[0], row[1], math.isnan(row[2]), row[2])):
            if name not in parts:
                parts[name] = StreamDetector(loaded, RATE), Validator(StreamNames())
            detector, validator = parts[name]
            points, refusals = validator.check([Reading(value, moment, key=name)])
            refused += len(refusals)
            if points.size:
                (verdict,) = detector.update_many(points["value"], points["time"])
                rows.add((name, *(_as_read(column, verdict) for column in list(COLUMNS)[:-1])))
    return rows, refused


def _as_read(column: str, verdict: Any) -> Any:
    """A field of a verdict as Spark tells it: bits for numbers, None for what is unknown."""
    value = verdict[column].item()
    if column == "reason":
        return REASONS[value] or None
    if column == "episode":
        return value or None
    return _bits(value)


def _bits(value: Any) -> Any:
    return (None if math.isnan(value) else value.hex()) if isinstance(value, float) else value


def table(output: Path) -> tuple[list[tuple[Any, ...]], int, int]:
    """The table's verdicts, the number of its refused readings, and that of the alarms' table."""
    session = new_session("table", 2)
    session.sparkContext.setLogLevel("ERROR")
    frame = session.read.parquet(str(output / "verdicts"))
    names = ["key", *list(COLUMNS)[:-1]]
    seconds = frame.where("refusal is null").selectExpr(
        *("double(time) time" if name == "time" else f"`{name}`" for name in names)
    )
    rows = [tuple(_bits(value) for value in row) for row in seconds.collect()]
    found = rows, frame.where("refusal is not null").count(), session.read.parquet(str(output / "alarms")).count()
    session.stop()
    return found


def start(asked: argparse.Namespace, folder: Path, output: Path) -> subprocess.Popen[bytes]:
    """Start the example."""
    command = [sys.executable, str(EXAMPLE), str(folder), str(output), "--once", "--files-per-batch", "1"]
    command += ["--model", str(asked.model), "--alarm-rate", str(RATE)]
    with (output.parent / "example.log").open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | ENVIRONMENT)


def descendants(ancestor: int) -> list[tuple[int, str]]:
    """The processes that a process started, and those that they did: number and command line."""
    children: dict[int, list[int]] = {}
    lines: dict[int, str] = {}
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            parent = int((place / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
            lines[int(place.name)] = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            children.setdefault(parent, []).append(int(place.name))
    found, waiting = [], children.get(ancestor, [])
    while waiting:
        number = waiting.pop()
        found.append((number, lines[number]))
        waiting += children.get(number, [])
    return found


def batches_begun(output: Path) -> int:
    """How many batches the checkpoint knows of."""
    return sum(1 for file in (output / "checkpoints" / "verdicts" / "offsets").glob("[0-9]*"))


def disturb(process: subprocess.Popen[bytes], output: Path, rng: random.Random, span: float) -> str | None:
    """Wait for a new batch and then for a random moment; kill the workers, or the driver with all that it started.

    Returns what was killed; None where the run ended before.
    """
    before, begun = batches_begun(output), time.monotonic()
    while process.poll() is None and batches_begun(output) == before and time.monotonic() - begun < PATIENCE:
        time.sleep(0.05)
    until = time.monotonic() + rng.uniform(0.0, span)
    while process.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    if process.poll() is not None:
        return None
    started = descendants(process.pid)
    workers = [number for number, line in started if "pyspark.daemon" in line]
    if workers and rng.random() < 0.5:
        kill(workers)  # Spark starts others and their tasks anew
        return "workers"
    kill([process.pid, *(number for number, _ in started)])
    process.wait()
    return "driver and workers"


def kill(numbers: Sequence[int]) -> None:
    """End processes at once; those that are gone already are passed over."""
    for number in numbers:
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)


def main(arguments: Sequence[str]) -> int:
    """Run, kill, restart, compare; returns 0 where the table is that of one machine."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="a new folder for all that the runs write")
    parser.add_argument(
        "--model", type=Path, default=SHIPPED_MODEL, help="made by model_prod.py (default the shipped one)"
    )
    parser.add_argument("--streams", type=int, default=2000, help="default %(default)s")
    parser.add_argument("--batches", type=int, default=60, help="files, one a batch (default %(default)s)")
    parser.add_argument("--kills", type=int, default=20, help="default %(default)s")
    parser.add_argument("--span", type=float, default=15.0, help="seconds after a batch begins in which it comes")
    parser.add_argument("--seed", type=int, default=1, help="default %(default)s")
    asked = parser.parse_args(arguments)
    folder, output, rng = asked.folder / "in", asked.folder / "out", random.Random(asked.seed)
    shutil.rmtree(asked.folder, ignore_errors=True)
    folder.mkdir(parents=True)
    batches = make_batches(asked.streams, asked.batches, asked.seed)
    n = sum(map(len, batches))
    print(f"{asked.streams:,} streams, {n:,} readings in {asked.batches} batches", flush=True)
    files = (write_batch(batch, folder / f"{number:04d}.csv") for number, batch in enumerate(batches))
    killed: list[str] = []
    process: subprocess.Popen[bytes] | None = None
    while len(killed) < asked.kills:
        if process is None:
            if sum(1 for _ in islice(files, FILES_A_START)) == 0:
                break
            process = start(asked, folder, output)
        what = disturb(process, output, rng, asked.span)
        if what is not None:
            killed.append(what)
            print(f"kill {len(killed)}: {what}, in batch {batches_begun(output)}", flush=True)
        if what != "workers":
            process = None
    if process is not None:
        process.wait()
    for _ in files:
        pass
    for _ in range(FINAL_STARTS):
        if start(asked, folder, output).wait() == 0:
            break
    else:
        print(f"the last runs failed: see {asked.folder / 'example.log'}")
        return 1
    expected, refused = one_machine(asked.model, batches)
    rows, refused_there, alarms = table(output)
    wanted_alarms = sum(row[1 + list(COLUMNS).index("is_anomaly")] for row in expected)
    print(
        f"{len(killed)} kills; one machine: {len(expected):,} verdicts, {refused:,} refused, {wanted_alarms:,} alarms; "
        f"the tables: {len(rows):,} verdicts, {refused_there:,} refused, {alarms:,} alarms; "
        f"{len(expected & set(rows)):,} verdicts are equal bit for bit, "
        f"{len(rows) - len(set(rows)):,} stand there twice, "
        f"{len(expected - set(rows)):,} are missing"
    )
    is_same = len(rows) == len(expected) and set(rows) == expected
    return 0 if is_same and refused == refused_there and alarms == wanted_alarms else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
