"""Training: streams simulated or the user's own, fitted, calibrated and checked on others."""

from __future__ import annotations

import math
import platform
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import cycle, pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamforest.detectors.isolation_forest import StreamDetector
from streamforest.detectors.lstm_autoencoder import LstmAutoencoderDetector
from streamforest.features.observe import new_state
from streamforest.features.vector import VECTOR_NAMES, describe_stream
from streamforest.models.forest import flatten, forest_scores
from streamforest.models.lstm import LstmModel, save_lstm
from streamforest.models.model_file import Model, save_model
from streamforest.protocols import LABELS, NORMAL, Detector, SourceError
from streamforest.reading.column_layout import Asked
from streamforest.reading.validation import Validator
from streamforest.simulation.streams import SimulatedStream, random_profile
from streamforest.sources.file import FileSource
from streamforest.terminal.progress import progress, show_bar
from streamforest.terminal.stop import StopFlag
from streamforest.verdicts.episodes import EPISODE_GAP

TREES = 50
#: Streams and points of each that the forest is fitted on, and the probabilities of anomalies that they take in turn:
#: rare in most (2 % of the points), in every fifth stream they recur.
FIT_STREAMS, FIT_POINTS = 300, 3000
FIT_OUTLIERS = (0.003, 0.003, 0.003, 0.003, 0.1, 0.003, 0.003, 0.003, 0.003, 0.2)
#: Streams and points of each, without anomalies, that give the normal scores.
CALM_STREAMS, CALM_POINTS = 1200, 1000
#: Held-out streams that the model is checked on; anomalies are rarer there, as in life: 1 % of the points.
CHECK_STREAMS, CHECK_POINTS, CHECK_OUTLIERS = 300, 5000, 0.0015
#: Highest scores among the normal ones that the calibration's last knot leaves above it.
TAIL_SCORES = 10
KNOTS = 60
#: Streams, points of each and windows taken of each at each scale that the LSTM autoencoder is trained on.
WINDOW_STREAMS, WINDOW_POINTS, WINDOWS_EACH = 400, 6000, 200
#: Normal readings that a file must have to be trained on, and the share of it that is held out for the check.
LEAST_READINGS, HELD_OUT = 1000, 0.2


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


def streams(
    seed: Sequence[int], n: int, outlier_probability: float | Sequence[float], what: str
) -> Iterator[SimulatedStream]:
    """Draw n different simulated streams; they take several probabilities in turn."""
    children = progress(np.random.SeedSequence(seed).spawn(n), what)
    probabilities: list[float] = np.atleast_1d(outlier_probability).tolist()
    for child, probability in zip(children, cycle(probabilities), strict=False):
        rng = np.random.default_rng(child)
        yield SimulatedStream(random_profile(rng), int(rng.integers(2**63)), probability)


def vectors_of(stream: Iterable[NDArray[np.float64]]) -> NDArray[np.float32]:
    """Feature vectors of several streams' values, one under another, without the warm-ups: (n, len(VECTOR_NAMES))."""
    parts = []
    for values in stream:
        vectors = np.empty((values.size, len(VECTOR_NAMES)), dtype=np.float32)
        describe_stream(new_state(), values, np.full(values.size, np.nan), vectors)
        parts.append(vectors[~np.isnan(vectors[:, 0])])
    return np.concatenate(parts)


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


class LabelledStream(NamedTuple):
    """A stream to check on: values and labels, shape (n,), and the first point that counts."""

    values: NDArray[np.float64]
    labels: NDArray[np.int8]
    start: int = 0


def check(model: Model, alarm_rate: float, seed: Sequence[int]) -> TrainingReport:
    """Judge held-out simulated streams and hold the verdicts against the ground truth."""
    return check_on(lambda: StreamDetector(model, alarm_rate), held_out_streams(seed))


def held_out_streams(seed: Sequence[int]) -> Iterator[LabelledStream]:
    """Simulated streams to check on."""
    for stream in streams(seed, CHECK_STREAMS, CHECK_OUTLIERS, "checking on other streams"):
        yield LabelledStream(*stream.take(CHECK_POINTS))


def check_on(make: Callable[[], Detector], labelled: Iterable[LabelledStream]) -> TrainingReport:
    """Judge each stream by a fresh detector and hold the verdicts against the ground truth."""
    from sklearn.metrics import average_precision_score  # noqa: PLC0415 - heavy, needed only here

    found, events = Counter[str](), Counter[str]()
    false_alarms = normal = 0
    all_labels, all_scores = [], []
    for values, labels, counts_from in labelled:
        verdicts = make().update_many(values)
        is_scored = ~np.isnan(verdicts["score"])
        is_scored[:counts_from] = False
        near = np.zeros(labels.size, dtype=bool)
        for kind, start, end in events_in(labels):
            near[start : end + EPISODE_GAP] = True
            if is_scored[start]:
                events[kind] += 1
                found[kind] += bool(verdicts["is_anomaly"][start : end + EPISODE_GAP].any())
        false_alarms += int(np.count_nonzero(verdicts["is_anomaly"] & is_scored & ~near))
        normal += int(np.count_nonzero(is_scored & ~near))
        all_labels.append(labels[is_scored] != NORMAL)
        all_scores.append(verdicts["score"][is_scored])
    truth = np.concatenate(all_labels)
    area = float(average_precision_score(truth, np.concatenate(all_scores))) if truth.any() else math.nan
    recall = {kind: found[kind] / events[kind] for kind in LABELS if events[kind]}
    return TrainingReport(0, false_alarms / max(normal, 1), area, recall, dict(events))


def events_in(labels: NDArray[np.int8]) -> list[tuple[str, int, int]]:
    """Stretches of one label that is not normal: its name, first index, index after the last."""
    edges = np.flatnonzero(np.diff(labels, prepend=NORMAL, append=NORMAL)).tolist()
    return [(LABELS[labels[start]], start, end) for start, end in pairwise(edges) if labels[start] != NORMAL]


def train(seed: int, alarm_rate: float, own: LabelledStream | None = None) -> tuple[Model, TrainingReport]:
    """Train and check the forest, on simulated streams or on the user's own; the same seed gives the same model."""
    import sklearn  # noqa: PLC0415 - heavy, needed only here
    from sklearn.ensemble import IsolationForest  # noqa: PLC0415

    if own is None:
        fit = streams([seed, 0], FIT_STREAMS, FIT_OUTLIERS, "simulating streams")
        rows = vectors_of(stream.take(FIT_POINTS)[0] for stream in fit)
        many = streams([seed, 1], CALM_STREAMS, 0.0, "simulating calm streams")
        calm = [stream.take(CALM_POINTS)[0] for stream in many]
        calm_rows = vectors_of(progress(calm, "describing calm streams"))
    else:
        rows = calm_rows = normal_vectors(fit_part(own))
    fitted = IsolationForest(n_estimators=TREES, random_state=seed).fit(rows)
    forest = flatten(fitted)
    forest_calibration = calibrate(forest_scores(forest, calm_rows))
    versions = {"python": platform.python_version(), "numpy": np.__version__, "scikit-learn": sklearn.__version__}
    # a score does not depend on its own calibration
    model = Model(forest, VECTOR_NAMES, forest_calibration, forest_calibration, seed, versions, {}, fitted)
    if own is None:
        scores = normal_scores(model, progress(calm, "scoring normal points"))
    else:
        values, labels, _ = fit_part(own)
        scores = StreamDetector(model).update_many(values)["score"]
        scores = scores[~np.isnan(scores) & (labels == NORMAL)]
    model = model._replace(calibration=calibrate(scores))
    held_out = held_out_streams([seed, 2]) if own is None else [own]
    report = check_on(lambda: StreamDetector(model, alarm_rate), held_out)._replace(rows=len(rows))
    return model._replace(report=report.figures()), report


def train_lstm(seed: int, alarm_rate: float, own: LabelledStream | None = None) -> tuple[LstmModel, TrainingReport]:
    """Train and check the LSTM autoencoder, on simulated streams or on the user's own.

    Raises
    ------
    MissingPackageError
        The framework is not installed.
    """
    from streamforest.models import lstm_training  # noqa: PLC0415 - of this detector only

    versions = lstm_training.versions()  # before any work: is it installed?
    rng = np.random.default_rng([seed, 4])
    if own is None:
        many = streams([seed, 0], WINDOW_STREAMS, 0.0, "simulating calm streams")
        samples = lstm_training.sample((stream.take(WINDOW_POINTS)[0] for stream in many), WINDOWS_EACH, rng)
    else:
        values, labels, _ = fit_part(own)
        samples = lstm_training.sample([np.where(labels == NORMAL, values, np.nan)], values.size, rng)
    weights = lstm_training.fit(samples.windows, seed, partial(show_bar, "training the autoencoder"))
    model = LstmModel(weights, lstm_training.usual_errors(weights, samples), seed, versions, {})
    held_out = held_out_streams([seed, 2]) if own is None else [own]
    report = check_on(lambda: LstmAutoencoderDetector(model, alarm_rate), held_out)
    report = report._replace(rows=len(samples.windows))
    return model._replace(report=report.figures()), report


def read_own(path: Path, options: SimpleNamespace) -> LabelledStream:
    """The user's own stream: where it has no labels all of it counts as normal.

    Raises
    ------
    SourceError
        It cannot be read, or is too short; the message says how many readings are needed.
    """
    source = FileSource(path, Asked(options.column, options.time_column, options.label_column))
    if source.live:
        source.close()
        raise SourceError(f"{path} is no regular file, and could go on for ever; --train-on needs a file")
    validator, stop = Validator(), StopFlag()
    try:
        parts = [validator.check(block)[0] for block in source.read(stop, 1000)]
    finally:
        source.close()
        stop.close()
    values = np.concatenate([part["value"] for part in parts] or [np.empty(0)])
    labels = np.maximum(np.concatenate([part["label"] for part in parts] or [np.empty(0, np.int8)]), NORMAL)
    usable = int(np.count_nonzero(np.isfinite(values) & (labels == NORMAL)))
    if usable < LEAST_READINGS:
        raise SourceError(
            f"{path} has {usable:,} normal readings that can be used, {LEAST_READINGS:,} are needed to train on it"
        )
    return LabelledStream(values, labels, int((1.0 - HELD_OUT) * values.size))


def fit_part(own: LabelledStream) -> LabelledStream:
    """What comes before the part that is held out for the check."""
    return LabelledStream(own.values[: own.start], own.labels[: own.start])


def normal_vectors(stream: LabelledStream) -> NDArray[np.float32]:
    """Feature vectors of a stream's points, without the warm-up and the labelled anomalies."""
    vectors = np.empty((stream.values.size, len(VECTOR_NAMES)), dtype=np.float32)
    describe_stream(new_state(), stream.values, np.full(stream.values.size, np.nan), vectors)
    normal: NDArray[np.float32] = vectors[~np.isnan(vectors[:, 0]) & (stream.labels == NORMAL)]
    return normal


def describe(report: TrainingReport, seconds: float, alarm_rate: float, own: str = "", what: str = "rows") -> str:
    """The training report in words; ``own`` names the user's file, ``what`` was fitted on."""
    held_out = f"the last {HELD_OUT:.0%} of it" if own else f"{CHECK_STREAMS} other streams"
    area = report.area_under_precision_recall
    lines = [
        f"fitted on {report.rows:,} {what} of {own or 'simulated streams'}, in {seconds:.0f} s",
        f"checked on {held_out} at an alarm rate of {alarm_rate:g}:",
        f"  false alarms           {report.false_alarm_rate:.5f} of the normal points",
    ]
    if area == area:
        lines += [f"  area under PR curve    {area:.3f} (by point)", "  anomalies found, by kind"]
    lines += [f"    {kind:<18} {share:6.1%} of {report.events[kind]}" for kind, share in report.recall.items()]
    return "\n".join(lines)


class Trained(NamedTuple):
    """A detector that is trained: what it is fitted on, and how to.

    ``train`` takes seed, alarm rate and the user's own stream or None; it gives a function that saves, and the report.
    """

    what: str
    train: Callable[[int, float, LabelledStream | None], tuple[Callable[[Path], None], TrainingReport]]


def _forest(seed: int, alarm_rate: float, own: LabelledStream | None) -> tuple[Callable[[Path], None], TrainingReport]:
    model, report = train(seed, alarm_rate, own)
    return partial(save_model, model), report


def _lstm(seed: int, alarm_rate: float, own: LabelledStream | None) -> tuple[Callable[[Path], None], TrainingReport]:
    model, report = train_lstm(seed, alarm_rate, own)
    return partial(save_lstm, model), report


#: Detectors that are trained.
TRAINED = {
    "isolation-forest": Trained("rows", _forest),
    "lstm-autoencoder": Trained("windows", _lstm),
}
