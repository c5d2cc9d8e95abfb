"""Whether detect-limits is right: what it calls caught in 9 of 10, planted into fresh parts of simulated streams."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from streamforest.detectors.isolation_forest import StreamDetector  # noqa: E402 - the path comes first
from streamforest.models.model_file import Model, load_model  # noqa: E402
from streamforest.models.shipped import SHIPPED_MODEL  # noqa: E402
from streamforest.program.detect_limits import PLACES, Trials, history_of, kinds_of  # noqa: E402
from streamforest.protocols import POINT_DTYPE, Points  # noqa: E402
from streamforest.simulation.streams import SimulatedStream, random_profile  # noqa: E402

POINTS = 4000  # of the history, and of the fresh part behind it
ASKED = (0.85, 0.95)  # share that shall be caught


def points_of(seed: int) -> Points:
    """A simulated stream without anomalies, of any make: history and fresh part."""
    points = np.zeros(2 * POINTS, POINT_DTYPE)
    profile = random_profile(np.random.default_rng([seed, 17]))
    points["value"], points["time"] = SimulatedStream(profile, seed).take(2 * POINTS)[0], np.nan
    return points


def caught(model: Model, rate: float, seed: int) -> dict[str, tuple[int, int]]:
    """By kind how many were caught of how many planted, at the size that the history's limits name."""
    points = points_of(seed)

    def make() -> StreamDetector:
        return StreamDetector(model, rate)

    history = history_of(points[:POINTS])
    trials = Trials(history, make, seed)
    whole = replace(history, values=points["value"].copy(), times=points["time"].copy())
    whole = replace(whole, normal=np.ones(len(points), dtype=bool))
    fresh = Trials(whole, make, seed + 1, first=POINTS)
    found = {}
    for kind, later in zip(kinds_of(history), kinds_of(whole), strict=True):
        limit = trials.limit(kind)
        if np.isfinite(limit.size):
            if limit.tenths != 9:
                continue  # it says that more are caught
            hits = sum(fresh.delay(later, place, limit.size) >= 0 for place in fresh.places)
            found[kind.name] = (hits, len(fresh.places))
    return found


def main(arguments: Sequence[str]) -> int:
    """Print the share that was caught, by kind and in all; returns 1 where it is not as asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--alarm-rate", type=float, default=0.001)
    parser.add_argument("--model", type=Path, default=SHIPPED_MODEL)
    asked = parser.parse_args(arguments)
    model, began = load_model(asked.model), time.monotonic()
    sums: dict[str, list[int]] = {}
    for seed in range(asked.streams):
        for name, (hits, planted) in caught(model, asked.alarm_rate, seed).items():
            row = sums.setdefault(name, [0, 0, 0])
            row[0], row[1], row[2] = row[0] + hits, row[1] + planted, row[2] + 1
        share = sum(row[0] for row in sums.values()) / max(sum(row[1] for row in sums.values()), 1)
        print(f"{seed + 1} of {asked.streams} streams: {share:.3f}", file=sys.stderr, flush=True)
    total = [sum(row[at] for row in sums.values()) for at in range(2)]
    for name, (hits, planted, streams) in sums.items():
        print(f"{name:>18}  {hits / planted:.3f} of {planted:,} on {streams} streams")
    share = total[0] / total[1]
    seconds = time.monotonic() - began
    print(f"{'all':>18}  {share:.3f}, asked for {ASKED[0]} to {ASKED[1]}; {seconds:.0f} s, {PLACES} places a stream")
    return 0 if ASKED[0] <= share <= ASKED[1] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
