"""Alarm rates on simulated streams: asked for and got."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from streamforest.detectors.isolation_forest import StreamDetector  # noqa: E402 - the path comes first
from streamforest.models.model_file import Model, load_model  # noqa: E402
from streamforest.models.shipped import SHIPPED_MODEL  # noqa: E402
from streamforest.simulation.streams import Season, SimulatedStream, StreamProfile  # noqa: E402

RATES = (0.01, 0.001, 0.0001)
#: Points of the long streams, those at their beginning that are counted apart, and streams that these are counted in.
LONG, FIRST, FIRST_STREAMS = 1_000_000, 1000, 200


def profiles() -> dict[str, StreamProfile]:
    """The kinds of normal life that alarm rates are counted in."""
    cycle = 8.0 * np.sin(2.0 * np.pi * np.arange(200) / 200)
    return {
        "seasonal": StreamProfile(seasons=(Season(200, cycle),)),
        "drifting": StreamProfile(drift=3.0, drift_points=3000.0),
        "heavy-tailed (t, 3 degrees)": StreamProfile(noise="heavy-tailed"),
        "counts (Poisson, mean 20)": StreamProfile(level=20.0, noise="counts"),
        "autocorrelated": StreamProfile(noise="autocorrelated"),
    }


def flagged(model: Model, profile: StreamProfile, seed: int, points: int, rate: float) -> np.ndarray:
    """Whether each point of an anomaly-free stream was flagged."""
    values, _ = SimulatedStream(profile, seed).take(points)
    return np.asarray(StreamDetector(model, rate).update_many(values)["is_anomaly"])


def rate_rows(model: Model) -> Iterator[str]:
    """A row a kind of stream: the share of points flagged over what was asked for."""
    for name, profile in profiles().items():
        cells = [flagged(model, profile, 7, LONG, rate)[FIRST:].mean() / rate for rate in RATES]
        for rate in RATES[:2]:
            seeds = range(1000, 1000 + FIRST_STREAMS)
            cells.append(np.mean([flagged(model, profile, seed, FIRST, rate).mean() for seed in seeds]) / rate)
        yield f"| {name} | " + " | ".join(f"{cell:.2f}" for cell in cells) + " |"


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=SHIPPED_MODEL)
    model = load_model(parser.parse_args().model)
    print("| stream | 0.01 | 0.001 | 0.0001 | first 1,000 at 0.01 | at 0.001 |\n|---|---|---|---|---|---|")
    for row in rate_rows(model):
        print(row, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
