"""Spark: readings from one Kafka topic, judged into another; the message's key is the stream, its text the value."""

from __future__ import annotations

import argparse
import sys
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


def run(session: Any, asked: argparse.Namespace) -> None:
    """Judge until the end of what is there (``--once``) or until the program is stopped."""
    messages = (
        session.readStream.format("kafka")
        .option("kafka.bootstrap.servers", asked.servers)
        .option("subscribe", asked.readings)
        .option("startingOffsets", "earliest")
        .option("maxOffsetsPerTrigger", asked.messages_per_batch)
        .load()
    )
    # Kafka's own time; what is no number is a missing reading
    readings = messages.selectExpr(
        "string(key) AS key", "timestamp AS time", "try_cast(string(value) AS double) AS value"
    )
    verdicts = detect(
        readings,
        model=asked.model,
        alarm_rate=asked.alarm_rate,
        holidays=asked.holidays and public_holidays(asked.holidays, zone_of(asked.time_zone) or UTC),
        silences=Silences(asked.gap, asked.silence),
        shards=Shards(asked.shards),
    )
    if asked.only_alarms:
        verdicts = verdicts.where("is_anomaly")
    query = (
        verdicts.selectExpr("key", "to_json(struct(*)) AS value")
        .writeStream.format("kafka")
        .option("kafka.bootstrap.servers", asked.servers)
        .option("topic", asked.verdicts)
        .option("checkpointLocation", asked.checkpoint)
    )
    (query.trigger(availableNow=True) if asked.once else query).start().awaitTermination()


def main(arguments: Sequence[str]) -> int:
    """Read the command line and run; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("servers", help="HOST:PORT[,HOST:PORT...] of Kafka")
    parser.add_argument("readings", help="topic that is read from its start, then from where the checkpoint is")
    parser.add_argument("verdicts", help="topic that verdicts are written to, as JSON")
    parser.add_argument("checkpoint", help="folder of the checkpoint")
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
    parser.add_argument("--messages-per-batch", type=int, default=1_000_000, help="at most (default %(default)s)")
    parser.add_argument("--only-alarms", action="store_true", help="write anomalous readings only")
    parser.add_argument("--once", action="store_true", help="end when all messages that are there are judged")
    asked = parser.parse_args(arguments)
    if asked.once and (asked.gap is not None or asked.silence is not None):
        parser.error("--once goes with neither --gap nor --silence: a query that waits for silence does not end")
    try:
        session = new_session("streamforest", asked.partitions, checkpoint=asked.checkpoint)
        session.sparkContext.setLogLevel("ERROR")
        run(session, asked)
    except KeyboardInterrupt:
        return 0
    except (PySparkException, DetectorError, MissingPackageError, ValueError) as error:
        print(f"spark_kafka.py: {reason_of(error)}", file=sys.stderr)
        return 1
    session.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
