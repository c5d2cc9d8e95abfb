"""Alarms a day of many streams together: how many are false, and which planted spikes are found."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from streamforest.judging.rules import DAY  # noqa: E402 - the path comes first
from streamforest.models.shipped import SHIPPED_MODEL  # noqa: E402
from streamforest.program.budget import BudgetJudge  # noqa: E402
from streamforest.program.judges import ManyStreamsJudge  # noqa: E402
from streamforest.protocols import STREAM_POINT_DTYPE  # noqa: E402
from streamforest.simulation.streams import SimulatedStream, random_profile  # noqa: E402
from streamforest.stream_names import StreamNames  # noqa: E402
from streamforest.streams import StreamDetectors  # noqa: E402

BEGIN = 1_699_920_000.0  # a midnight
ROWS = 48  # readings of each stream in a block
ASKED = (0.3, 2.0)  # false alarms a day for each that is asked for
#: Sizes of the planted spikes, in standard deviations of the noise.
SIZES = (10.0, 20.0, 40.0)
SPIKE = 2


def main(arguments: Sequence[str]) -> int:
    """Print alarms day by day and what was found; returns 1 where false ones are not as asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--days", type=int, default=10)
    parser.add_argument("--points", type=int, default=288, help="of each stream a day")
    parser.add_argument("--alarms-a-day", type=float, default=1.0)
    parser.add_argument("--planted", type=int, default=0, help="spikes a day, from the second day on")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args(arguments)
    began = time.process_time()
    rng = np.random.default_rng([asked.seed, 41])
    profiles = [random_profile(np.random.default_rng([asked.seed, stream, 43])) for stream in range(asked.streams)]
    streams = [SimulatedStream(profile, asked.seed * 10_000 + k) for k, profile in enumerate(profiles)]
    noise = np.array([p.level**0.5 if p.noise == "counts" else p.noise_scale for p in profiles])
    names = StreamNames()
    numbers = np.array(names.numbers_of([f"s{k}" for k in range(asked.streams)]))
    judge = BudgetJudge(
        ManyStreamsJudge(StreamDetectors.load(SHIPPED_MODEL, 0.001), names), names, asked.alarms_a_day, 0.001, 5
    )
    n = asked.days * asked.points
    wanted = asked.planted * (asked.days - 1)
    spikes = zip(
        rng.integers(asked.points, n, wanted).tolist(),
        rng.integers(0, asked.streams, wanted).tolist(),
        np.resize(SIZES, wanted).tolist(),
        strict=True,
    )
    planted = {(at, stream): size for at, stream, size in spikes}
    stream_of = {number: stream for stream, number in enumerate(numbers.tolist())}
    alarms_of = [0] * asked.streams
    false, found = np.zeros(asked.days, int), dict.fromkeys(SIZES, 0)
    for first in range(0, n, ROWS):
        rows = min(ROWS, n - first)
        values = np.array([stream.take(rows)[0] for stream in streams]).T
        here = {place: size for place, size in planted.items() if first <= place[0] < first + rows}
        for (at, stream), size in here.items():
            values[at - first, stream] += rng.choice([-1.0, 1.0]) * size * noise[stream]
        points = np.zeros(values.size, STREAM_POINT_DTYPE)
        points["value"], points["stream"], points["label"] = values.ravel(), np.tile(numbers, rows), -1
        points["time"] = np.repeat(BEGIN + (first + np.arange(rows)) * DAY / asked.points, asked.streams)
        at = np.repeat(first + np.arange(rows), asked.streams)
        offset = 0
        for verdicts in judge.judge(points):
            for row in np.flatnonzero(verdicts["is_anomaly"]).tolist():
                stream, episode = stream_of[int(verdicts["stream"][row])], int(verdicts["episode"][row])
                if episode == alarms_of[stream]:
                    continue
                alarms_of[stream] = episode
                moment = int(at[offset + row])
                size = next((planted[k, stream] for k in range(moment, moment - 4, -1) if (k, stream) in planted), None)
                if size is None:
                    false[moment // asked.points] += 1
                else:
                    found[size] += 1
            offset += len(verdicts)
    share = false.sum() / asked.days / asked.alarms_a_day
    print(f"false alarms by day: {' '.join(map(str, false.tolist()))}; {share:.2f} a day for each asked for")
    print(f"asked for {ASKED[0]:g} to {ASKED[1]:g}; {asked.streams:,} streams of {asked.points:,} points a day")
    for size, hits in found.items() if wanted else ():
        of = sum(one == size for one in planted.values())
        print(f"spikes of {size:g} deviations: {hits} of {of} found")
    print(f"{time.process_time() - began:.0f} s of processor time")
    return 0 if ASKED[0] <= share <= ASKED[1] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
