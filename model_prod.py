"""The production model: simulate many streams, fit a forest on their surprises, check it, save it; runnable."""

from __future__ import annotations

import platform
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

import settings
from streamforest.compiled import compiled, is_first_run
from streamforest.detectors.isolation_forest import StreamDetector
from streamforest.episodes import EPISODE_GAP
from streamforest.features import new_state
from streamforest.forest import Forest, Model, flatten, isolation, save_model
from streamforest.options import OptionError, read_options
from streamforest.protocols import LABELS, NORMAL
from streamforest.simulation import SimulatedStream, random_profile
from streamforest.vector import VECTOR_NAMES, describe_stream

TREES = 50
#: Streams and points of each that the forest is fitted on, with anomalies among them.
FIT_STREAMS, FIT_POINTS, FIT_OUTLIERS = 300, 3000, 0.02
#: Streams and points of each, without anomalies, that give the normal scores.
CALM_STREAMS, CALM_POINTS = 1200, 1000
#: Held-out streams that the model is checked on; anomalies are rarer there, as in life.
CHECK_STREAMS, CHECK_POINTS, CHECK_OUTLIERS = 300, 5000, 0.01
#: Highest scores among the normal ones that the calibration's last knot leaves above it.
TAIL_SCORES = 10
KNOTS = 60

T = TypeVar("T")


class TrainingReport(NamedTuple):
    """What the check on held-out streams found."""

    rows: int
    false_alarm_rate: float
    area_under_precision_recall: float
    recall: dict[str, float]
    events: dict[str, int]

    def figures(self) -> dict[str, float]:
        """Flat, for the model's file."""
        flat = {
            "rows": float(self.rows),
            "false_alarm_rate": self.false_alarm_rate,
            "area_under_precision_recall": self.area_under_precision_recall,
        }
        return flat | {f"recall of {kind}": share for kind, share in self.recall.items()}


def progress(items: Sequence[T], what: str) -> Iterator[T]:
    """The items, with a bar on standard error if that is a terminal."""
    shows = sys.stderr.isatty()
    for done, item in enumerate(items):
        if shows:
            filled = 30 * done // len(items)
            print(f"\r{what:<28} [{'#' * filled:<30}] {100 * done // len(items):3d} %", end="", file=sys.stderr)
        yield item
    if shows:
        print(f"\r{what:<28} [{'#' * 30}] 100 %", file=sys.stderr)


def streams(seed: Sequence[int], n: int, outlier_probability: float, what: str) -> Iterator[SimulatedStream]:
    """Draw n different simulated streams."""
    for child in progress(np.random.SeedSequence(seed).spawn(n), what):
        rng = np.random.default_rng(child)
        yield SimulatedStream(random_profile(rng), int(rng.integers(2**63)), outlier_probability)


def vectors_of(stream: Iterable[NDArray[np.float64]]) -> NDArray[np.float32]:
    """Feature vectors of several streams' values, one under another, without the warm-ups: (n, len(VECTOR_NAMES))."""
    parts = []
    for values in stream:
        vectors = np.empty((values.size, len(VECTOR_NAMES)), dtype=np.float32)
        describe_stream(new_state(), values, np.full(values.size, np.nan), vectors)
        parts.append(vectors[~np.isnan(vectors[:, 0])])
    return np.concatenate(parts)


@compiled
def _isolate_rows(forest: Forest, vectors: NDArray[np.float32], scores: NDArray[np.float64]) -> None:
    for i in range(scores.size):
        scores[i] = isolation(forest, vectors[i])


def forest_scores(forest: Forest, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """The forest's score of each row of vectors, shape (n,)."""
    scores = np.empty(len(vectors))
    _isolate_rows(forest, vectors, scores)
    return scores


def calibrate(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Score and surprise (``-ln`` of the share of normal points that score as much), both rising, (n, 2)."""
    surprises = np.linspace(0.0, np.log(len(scores) / TAIL_SCORES), KNOTS)
    knots, first = np.unique(np.quantile(scores, 1.0 - np.exp(-surprises)), return_index=True)
    return np.column_stack([knots, surprises[first]])


def normal_scores(model: Model, stream: Iterable[NDArray[np.float64]]) -> NDArray[np.float64]:
    """The detector's scores of several streams' values, shape (n,), without the warm-ups."""
    parts = []
    for values in stream:
        scores = StreamDetector(model).update_many(values)["score"]
        parts.append(scores[~np.isnan(scores)])
    return np.concatenate(parts)


def check(model: Model, alarm_rate: float, seed: Sequence[int]) -> TrainingReport:
    """Judge held-out simulated streams and hold the verdicts against the ground truth."""
    from sklearn.metrics import average_precision_score  # noqa: PLC0415 - heavy, needed only here

    found, events = Counter[str](), Counter[str]()
    false_alarms = normal = 0
    all_labels, all_scores = [], []
    for stream in streams(seed, CHECK_STREAMS, CHECK_OUTLIERS, "checking on other streams"):
        values, labels = stream.take(CHECK_POINTS)
        verdicts = StreamDetector(model, alarm_rate).update_many(values)
        known = ~np.isnan(verdicts["score"])
        near = np.zeros(labels.size, dtype=bool)
        for kind, start, end in events_in(labels):
            near[start : end + EPISODE_GAP] = True
            if known[start]:
                events[kind] += 1
                found[kind] += bool(verdicts["is_anomaly"][start : end + EPISODE_GAP].any())
        false_alarms += int(np.count_nonzero(verdicts["is_anomaly"] & ~near))
        normal += int(np.count_nonzero(known & ~near))
        all_labels.append(labels[known] != NORMAL)
        all_scores.append(verdicts["score"][known])
    area = float(average_precision_score(np.concatenate(all_labels), np.concatenate(all_scores)))
    recall = {kind: found[kind] / events[kind] for kind in LABELS if events[kind]}
    return TrainingReport(CHECK_STREAMS * CHECK_POINTS, false_alarms / normal, area, recall, dict(events))


def events_in(labels: NDArray[np.int8]) -> list[tuple[str, int, int]]:
    """Stretches of one label that is not normal: its name, first index, index after the last."""
    edges = np.flatnonzero(np.diff(labels, prepend=NORMAL, append=NORMAL)).tolist()
    return [(LABELS[labels[start]], start, end) for start, end in pairwise(edges) if labels[start] != NORMAL]


def train(seed: int, alarm_rate: float) -> tuple[Model, TrainingReport]:
    """Train and check the production model; the same seed gives the same model."""
    import sklearn  # noqa: PLC0415 - heavy, needed only here
    from sklearn.ensemble import IsolationForest  # noqa: PLC0415

    fit = streams([seed, 0], FIT_STREAMS, FIT_OUTLIERS, "simulating streams")
    rows = vectors_of(stream.take(FIT_POINTS)[0] for stream in fit)
    forest = IsolationForest(n_estimators=TREES, random_state=seed).fit(rows)
    calm = [stream.take(CALM_POINTS)[0] for stream in streams([seed, 1], CALM_STREAMS, 0.0, "simulating calm streams")]
    forest_calibration = calibrate(forest_scores(flatten(forest), vectors_of(progress(calm, "scoring by the forest"))))
    versions = {"python": platform.python_version(), "numpy": np.__version__, "scikit-learn": sklearn.__version__}
    # a score does not depend on its own calibration
    model = Model(forest, VECTOR_NAMES, forest_calibration, forest_calibration, seed, versions, {})
    model = model._replace(calibration=calibrate(normal_scores(model, progress(calm, "scoring normal points"))))
    report = check(model, alarm_rate, [seed, 2])._replace(rows=len(rows))
    return model._replace(report=report.figures()), report


def describe(report: TrainingReport, seconds: float, alarm_rate: float) -> str:
    """The training report in words."""
    lines = [
        f"fitted on {report.rows:,} rows of {FIT_STREAMS} simulated streams, in {seconds:.0f} s",
        f"checked on {CHECK_STREAMS} other streams at an alarm rate of {alarm_rate:g}:",
        f"  false alarms           {report.false_alarm_rate:.5f} of the normal points",
        f"  area under PR curve    {report.area_under_precision_recall:.3f} (by point)",
        "  anomalies found, by kind",
    ]
    lines += [f"    {kind:<18} {share:6.1%} of {report.events[kind]}" for kind, share in report.recall.items()]
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    """Train, report, save; returns the exit code."""
    try:
        options = read_options(
            arguments,
            vars(settings),
            Path(__file__).parent,
            program="model_prod.py",
            description="Train the production model on simulated streams, check it and save it.",
            names=("SEED", "MODEL"),
            flags={"MODEL": "--output"},
        )
    except OptionError as error:
        print(error, file=sys.stderr)
        return 2
    if is_first_run():
        print("compiling, once: the first run takes about half a minute longer", file=sys.stderr)
    started = time.monotonic()
    model, report = train(options.seed, options.alarm_rate)
    print(describe(report, time.monotonic() - started, options.alarm_rate))
    try:
        save_model(model, options.model)
    except OSError as error:
        print(f"the model cannot be saved at {options.model}: {error.strerror}", file=sys.stderr)
        return 1
    print(f"saved {options.model}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        print("\nstopped: nothing was saved", file=sys.stderr)
        sys.exit(1)
