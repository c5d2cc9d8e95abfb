"""Incidents across streams: how many planted ones are found as one, with their first mover, and how many are false."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from streamforest.models.shipped import SHIPPED_MODEL  # noqa: E402
from streamforest.program.judges import ManyStreamsJudge  # noqa: E402 - the path comes first
from streamforest.protocols import STREAM_POINT_DTYPE  # noqa: E402
from streamforest.simulation.streams import SimulatedStream, random_profile  # noqa: E402
from streamforest.stream_names import StreamNames  # noqa: E402
from streamforest.streams import StreamDetectors  # noqa: E402
from streamforest.verdicts.incidents import IncidentFold  # noqa: E402

BEGIN, DAY, DAYS = 1_699_920_000.0, 86_400.0, 7
ROWS = 48  # readings of each stream in a block
#: A planted incident: streams, readings that each follows the first one by (from, to), and the size of the shifts in
#: standard deviations of the noise, which last so many readings.
HIT, LAGS, SIZE, LASTS = 50, (2, 6), 15.0, 20


def main(arguments: Sequence[str]) -> int:
    """Print what was found of the planted incidents; returns 1 where it is less than asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=500)
    parser.add_argument("--points", type=int, default=288, help="of each stream a day")
    parser.add_argument("--planted", type=int, default=20)
    parser.add_argument("--size", type=float, default=SIZE)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args(arguments)
    began, rng = time.process_time(), np.random.default_rng([asked.seed, 47])
    profiles = [random_profile(np.random.default_rng([asked.seed, stream, 53])) for stream in range(asked.streams)]
    n = DAYS * asked.points
    values = np.array([SimulatedStream(p, asked.seed * 10_000 + k).take(n)[0] for k, p in enumerate(profiles)]).T
    noise = np.array([p.level**0.5 if p.noise == "counts" else p.noise_scale for p in profiles])
    moments = asked.points + np.arange(asked.planted) * (n - 2 * asked.points) // max(asked.planted, 1)
    movers = []
    for at in moments.tolist():
        streams = rng.choice(asked.streams, HIT, replace=False)
        movers.append(f"s{streams[0]}")
        for stream, lag in zip(streams.tolist(), [0, *rng.integers(*LAGS, HIT - 1).tolist()], strict=True):
            values[at + lag : at + lag + LASTS, stream] += rng.choice([-1, 1]) * asked.size * noise[stream]
    names = StreamNames()
    numbers = np.array(names.numbers_of([f"s{k}" for k in range(asked.streams)]))
    judge = ManyStreamsJudge(StreamDetectors.load(SHIPPED_MODEL, 0.001), names)
    fold, found = IncidentFold(names, "simulated", 0.001), []
    for first in range(0, n, ROWS):
        part = values[first : first + ROWS]
        points = np.zeros(part.size, STREAM_POINT_DTYPE)
        points["value"], points["stream"], points["label"] = part.ravel(), np.tile(numbers, len(part)), -1
        points["time"] = np.repeat(BEGIN + (first + np.arange(len(part))) * DAY / asked.points, asked.streams)
        for verdicts in judge.judge(points):
            found += fold.add(verdicts)
    found += fold.finish()
    seen, right = np.zeros(asked.planted, int), 0
    false = 0
    for incident in found:
        if incident.is_over:
            continue  # each comes twice: complete, and over
        at = (incident.members[0].start or 0.0) - BEGIN
        index = at * asked.points / DAY
        of = np.flatnonzero((index >= moments - 5) & (index <= moments + LASTS))
        false += not len(of)
        seen[of] += 1
        right += any(movers[k] == incident.members[0].key for k in of.tolist())
        where = f"planted, first {movers[of[0]]}" if len(of) else "false"
        print(f"{index:8.1f} {len(incident.members):4d} streams, first {incident.members[0].key}, {where}")
    once = int((seen == 1).sum())
    print(f"found as one: {once} of {asked.planted}; first mover right in {right}; false: {false} in {DAYS} days")
    print(f"{time.process_time() - began:.0f} s of processor time")
    return 0 if once >= 0.9 * asked.planted and right >= 0.8 * asked.planted and false <= 1 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
