"""Where the time of a replayed file goes: microseconds a row of reading, validating, judging, counting and writing."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from streamforest import StreamDetector  # noqa: E402 - the path comes first
from streamforest.connections.pipes import CHUNK  # noqa: E402
from streamforest.models.shipped import SHIPPED_MODEL  # noqa: E402
from streamforest.reading.line_reader import RowReader  # noqa: E402
from streamforest.reading.validation import Validator  # noqa: E402
from streamforest.simulation.streams import SimulatedStream, default_profile  # noqa: E402
from streamforest.sinks.terminal import json_lines  # noqa: E402
from streamforest.verdicts.counts import RunCounts  # noqa: E402

ROWS = 2_000_000
START = 1_700_000_000  # of the times, seconds, UTC epoch
STAGES = ("read bytes", "rows of them", "validate", "judge", "count", "write json", "to a file")

T = TypeVar("T")


def make_file(path: Path, rows: int) -> None:
    """Write a simulated stream with its times, a row a minute."""
    values, _ = SimulatedStream(default_profile(), 1, 0.001).take(rows)
    times = np.datetime_as_string(np.datetime64(START, "s") + 60 * np.arange(rows))
    with path.open("w", encoding="utf-8") as file:
        file.write("timestamp,value\n")
        file.writelines(f"{moment},{value:.3f}\n" for moment, value in zip(times, values.tolist(), strict=True))


def stages(path: Path, model: Path) -> dict[str, float]:
    """Microseconds of this process a row of a file, by what they go to: the loop's parts in turn."""
    spent = dict.fromkeys(STAGES, 0.0)

    def timed(stage: str, work: Callable[[], T]) -> T:
        before = time.process_time()
        result = work()
        spent[stage] += time.process_time() - before
        return result

    reader, validator, counts = RowReader(path.name), Validator(), RunCounts(0.001)
    detector = StreamDetector.load(model)
    detector.update_many(np.zeros(2))
    with path.open("rb", buffering=0) as file, Path(os.devnull).open("w", encoding="utf-8") as sink:
        while chunk := timed("read bytes", lambda: file.read(CHUNK)):
            rows = timed("rows of them", lambda chunk=chunk: reader.feed(chunk))
            points, _ = timed("validate", lambda rows=rows: validator.check(rows))
            if not len(points):
                continue
            verdicts = timed("judge", lambda points=points: detector.update_many(points["value"], points["time"]))
            verdicts["label"] = points["label"]
            timed("count", lambda verdicts=verdicts: counts.add(verdicts))
            text = timed("write json", lambda verdicts=verdicts: json_lines(verdicts))
            timed("to a file", lambda text=text: sink.write(text))
    return {stage: seconds / counts.points * 1e6 for stage, seconds in spent.items()}


def main(arguments: Sequence[str]) -> None:
    """Measure a file; print what its rows cost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS, help="rows of the file that is made")
    parser.add_argument("--file", type=Path, help="replay this file instead of a simulated one")
    parser.add_argument("--model", type=Path, default=SHIPPED_MODEL)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        path = options.file or Path(folder) / "big.csv"
        if options.file is None:
            make_file(path, options.rows)
        spent = stages(path, options.model)
        print("microseconds of the processor a row")
        print("\n".join(f"{stage:>14}  {cost:6.3f}" for stage, cost in spent.items()))


if __name__ == "__main__":
    main(sys.argv[1:])
