"""Alarm rates and reasons on simulated streams: asked for and got, and which reason each kind of anomaly was given."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from streamforest.detectors.isolation_forest import StreamDetector  # noqa: E402 - the path comes first
from streamforest.models.model_file import Model, load_model  # noqa: E402
from streamforest.program.training import events_in  # noqa: E402
from streamforest.protocols import LABELS, Verdict  # noqa: E402
from streamforest.simulation.streams import (  # noqa: E402
    KINDS,
    SHORT_KINDS,
    Season,
    SimulatedStream,
    StreamProfile,
    random_profile,
)
from streamforest.terminal.progress import progress  # noqa: E402
from streamforest.verdicts.episodes import EPISODE_GAP, EpisodeFold  # noqa: E402
from streamforest.wording import kind_text  # noqa: E402

RATES = (0.01, 0.001, 0.0001)
#: Points of the long streams, those at their beginning that are counted apart, and streams that these are counted in.
LONG, FIRST, FIRST_STREAMS = 1_000_000, 1000, 200
#: Held-out streams for each kind, points of each, and those before the first event that counts.
KIND_STREAMS, KIND_POINTS, KIND_START = 300, 4000, 500
DEFAULT_RATE = 0.001
#: Probabilities that a point begins an anomaly: so rare that each is the first of its kind for a long while.
SHORT_PROBABILITY, LONG_PROBABILITY = 0.002, 0.0002
#: What is right for each kind.
RIGHT = {"variance burst": "variance up", "missing": "gap"}


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


def reasons_of(model: Model, kind: str) -> tuple[int, list[tuple[str, str]]]:
    """How many anomalies of a kind there were, and the reason of each episode that found one, at its start and end."""
    events, reasons = 0, []
    children = np.random.SeedSequence([99, LABELS.index(kind)]).spawn(KIND_STREAMS)
    for child in progress(children, kind):
        rng = np.random.default_rng(child)
        profile, seed = random_profile(rng), int(rng.integers(2**63))
        if kind == "season break" and not profile.seasons:
            continue
        probability = SHORT_PROBABILITY if kind in SHORT_KINDS else LONG_PROBABILITY
        values, labels = SimulatedStream(profile, seed, probability, (kind,)).take(KIND_POINTS)
        verdicts = StreamDetector(model, DEFAULT_RATE).update_many(values)
        fold = EpisodeFold()
        over = {one.number: one for happening, one in fold.add(verdicts) + fold.finish() if happening == "end"}
        for _, start, end in events_in(labels):
            if start < KIND_START:
                continue
            events += 1
            hits = np.flatnonzero(verdicts["is_anomaly"][start : end + EPISODE_GAP])
            if hits.size:
                episode = over[int(verdicts["episode"][start + hits[0]])]
                reasons.append((_without_way(episode.start, kind), _without_way(episode.peak, kind)))
    return events, reasons


def _without_way(verdict: Verdict, kind: str) -> str:
    """What a point is, without up and down where it is of a kind that the table has in one row."""
    reason = kind_text(verdict)
    return reason.removesuffix(" up").removesuffix(" down") if kind in reason else reason


def reason_rows(model: Model) -> Iterator[str]:
    """A row a kind of anomaly: found, reason right at start and end, and what else was said; then a row for all."""
    found, right = 0, np.zeros(2)
    for kind in KINDS:
        events, reasons = reasons_of(model, kind)
        wanted = RIGHT.get(kind, kind)
        here = np.array([[reason == wanted for reason in pair] for pair in reasons]).reshape(-1, 2).sum(axis=0)
        found, right = found + len(reasons), right + here
        else_said = Counter(reason for _, reason in reasons if reason != wanted)
        others = ", ".join(f"{name} {count}" for name, count in else_said.most_common(4))
        start, end = here / max(len(reasons), 1)
        share = f"{len(reasons)} of {events} ({len(reasons) / events:.0%})"
        yield f"| {kind} | {share} | {start:.0%} | {end:.0%} | {others} |"
    start, end = right / found
    yield f"| all | {found} | {start:.0%} | {end:.0%} | |"


def main() -> int:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=PROJECT / "isolation_forest.joblib")
    model = load_model(parser.parse_args().model)
    print("| stream | 0.01 | 0.001 | 0.0001 | first 1,000 at 0.01 | at 0.001 |\n|---|---|---|---|---|---|")
    for row in rate_rows(model):
        print(row, flush=True)
    print("\n| kind | found | reason right at the start | at the end | else |\n|---|---|---|---|---|")
    for row in reason_rows(model):
        print(row, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
