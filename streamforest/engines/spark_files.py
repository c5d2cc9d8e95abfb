"""Spark: files dropped into a folder, judged into a table of verdicts and one of alarms, both Parquet, exactly once."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from datetime import UTC
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT))

from streamforest.engines.spark import (  # noqa: E402 - the path comes first
    SHARDS,
    PySparkException,
    Shards,
    Silences,
    detect,
    new_session,
    reason_of,
)
from streamforest.features.holidays import public_holidays  # noqa: E402
from streamforest.models.shipped import SHIPPED_MODEL  # noqa: E402
from streamforest.optional import MissingPackageError  # noqa: E402
from streamforest.protocols import DetectorError  # noqa: E402
from streamforest.reading.time_form import zone_of  # noqa: E402

#: Of the CSV files, which have a header.
COLUMNS = "key string, time timestamp, value double"


def write(rows: Any, table: str, checkpoint: str, once: bool) -> Any:
    """Start a query that appends to a table; what is there and no more with ``once``."""
    writer = rows.writeStream.format("parquet").option("checkpointLocation", checkpoint)
    return (writer.trigger(availableNow=True) if once else writer).start(table)


def has_begun(query: Any) -> bool:
    """Whether the first batch of a query is in its table, in this run or an earlier one."""
    progress = query.lastProgress
    return progress is not None and (progress.batchId > 0 or progress.numInputRows > 0)


def run(session: Any, asked: argparse.Namespace) -> None:
    """Judge until the end of what is there (``--once``) or until the program is stopped."""
    readings = (
        session.readStream.schema(COLUMNS)
        .option("header", True)
        .option("maxFilesPerTrigger", asked.files_per_batch)
        .csv(asked.folder)
    )
    verdicts = detect(
        readings,
        model=asked.model,
        alarm_rate=asked.alarm_rate,
        holidays=asked.holidays and public_holidays(asked.holidays, zone_of(asked.time_zone) or UTC),
        silences=Silences(asked.gap, asked.silence),
        shards=Shards(asked.shards),
    )
    table = f"{asked.output}/verdicts"
    judged = write(verdicts, table, f"{asked.output}/checkpoints/verdicts", asked.once)
    if asked.once:
        judged.awaitTermination()
    # before its first batch the folder does not tell which of its files count
    while judged.isActive and not has_begun(judged):
        time.sleep(0.5)
    if has_begun(judged):
        alarms = session.readStream.schema(verdicts.schema).parquet(table).where("is_anomaly")
        written = write(alarms, f"{asked.output}/alarms", f"{asked.output}/checkpoints/alarms", asked.once)
        if asked.once:
            written.awaitTermination()
    if not asked.once:
        session.streams.awaitAnyTermination()


def main(arguments: Sequence[str]) -> int:
    """Read the command line and run; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", help="CSV files with a header: key,time,value; moved in whole, under a new name each")
    parser.add_argument("output", help="folder of the tables verdicts and alarms, and of the checkpoints")
    parser.add_argument(
        "--model",
        type=Path,
        default=SHIPPED_MODEL,
        help="made by model_prod.py (default the shipped one)",
    )
    parser.add_argument("--alarm-rate", type=float, default=0.001, help="wanted share of alarms (default %(default)s)")
    parser.add_argument("--holidays", metavar="COUNTRY", help="whose public holidays are judged as Sundays, as DE-BY")
    parser.add_argument("--time-zone", metavar="ZONE", help="whose midnights they begin at (default UTC)")
    parser.add_argument("--gap", type=float, help="seconds of silence that count as a missing reading")
    parser.add_argument("--silence", type=float, help="seconds of silence after which a stream is forgotten")
    parser.add_argument("--partitions", type=int, default=2, help="2 or 3 times the cores (default %(default)s)")
    parser.add_argument(
        "--shards", type=int, default=SHARDS, help="parts of the streams, of 1,000 to 10,000 each (default %(default)s)"
    )
    parser.add_argument("--files-per-batch", type=int, default=100, help="at most (default %(default)s)")
    parser.add_argument("--once", action="store_true", help="end when all files that are there are judged")
    asked = parser.parse_args(arguments)
    if asked.once and (asked.gap is not None or asked.silence is not None):
        parser.error("--once goes with neither --gap nor --silence: a query that waits for silence does not end")
    try:
        session = new_session("streamforest", asked.partitions, checkpoint=asked.output)
        session.sparkContext.setLogLevel("ERROR")
        run(session, asked)
    except KeyboardInterrupt:
        return 0
    except (PySparkException, DetectorError, MissingPackageError, ValueError) as error:
        print(f"spark_files.py: {reason_of(error)}", file=sys.stderr)
        return 1
    session.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
