"""Batches of readings as they come to an engine, and what one machine says of them."""

import math

import numpy as np

from streamforest.detectors.isolation_forest import StreamDetector
from streamforest.features.holidays import HOLIDAY_DTYPE
from streamforest.judging.rules import Rules
from streamforest.protocols import Reading
from streamforest.reading.validation import Validator
from streamforest.stream_names import StreamNames

RULES = Rules(direction="up", cool_down=2)
RATE = 0.01


def shuffled(n_streams, n, n_batches, seed=1):
    """Batches of rows (stream, time, value) with late, repeated, missing and impossible readings among them."""
    rng = np.random.default_rng(seed)
    streams = rng.integers(0, n_streams, n)
    values = (10.0 * streams + rng.normal(size=n)).round(6)
    values[rng.random(n) < 0.01] += 50.0
    values[rng.random(n) < 0.02] = np.nan
    values[rng.random(n) < 0.001] = np.inf
    times = 1.7e9 + np.arange(n).astype(float)
    batches = np.minimum((np.arange(n) * n_batches) // n + (rng.random(n) < 0.05), n_batches - 1)
    rows = list(zip(streams.tolist(), times.tolist(), values.tolist(), batches.tolist(), strict=True))
    rows += [rows[i] for i in rng.integers(0, n, n // 50)]
    rng.shuffle(rows)
    return [[row[:3] for row in rows if row[3] == batch] for batch in range(n_batches)]


def alone(model, batches, rate=RATE, rules=RULES):
    """What one machine says of the same batches: a validator and a detector a stream, one reading at a time.

    As a dict of stream -> verdicts of its readings, None for a refused one, each with the fault.
    """
    parts = {}
    for batch in batches:
        for stream, moment, value in sorted(batch, key=lambda row: (row[1], math.isnan(row[2]), row[2])):
            if stream not in parts:
                parts[stream] = StreamDetector(model, rate, rules), Validator(StreamNames()), []
            detector, validator, found = parts[stream]
            before = validator.reasons.copy()
            points, _ = validator.check([Reading(value, moment, key="one of many")])
            fault = next(iter(validator.reasons - before), None)
            verdict = detector.update_many(points["value"], points["time"]) if points.size else None
            found.append((None if verdict is None else verdict[0].tobytes(), fault))
    return {stream: found for stream, (_, _, found) in parts.items()}


def free_thursday():
    """Readings each quarter of an hour, the last ones of a Thursday that is like a Sunday: times, values, holidays."""
    day, monday = 86_400.0, 1_704_067_200.0  # 2024-01-01
    times = monday + np.arange(0.0, 32.0 * day, 900.0)
    number = (times - monday) // day
    works = (number % 7 < 5) & (number != 31)
    daytime = np.sin(np.pi * (times % day) / day) ** 2
    values = 10.0 + 50.0 * works * daytime + np.random.default_rng(4).normal(size=times.size)
    return times, values, np.array([(monday + 31 * day, monday + 32 * day, 3)], HOLIDAY_DTYPE)
