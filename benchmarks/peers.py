"""Who takes part in the quality benchmark: own detectors, baselines and other libraries', behind one protocol."""

from __future__ import annotations

import math
import time
from bisect import insort
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.boards import Series
from streamforest.detectors import DETECTORS, DetectorOptions, make_detector

#: Scores that a peer must have given before the common rule flags anything.
LEAST_SCORES = 200

#: Seed of every peer that draws random numbers.
SEED = 1

_MOVING_WINDOW, _LEAST_WINDOW = 500, 30
_SHINGLE, _TREES = 8, 50

#: Finite values in order, and the rows of the probation -> one score a value, NaN before the first.
Scorer = Callable[[NDArray[np.float64], int], Iterable[float]]


class Outcome(NamedTuple):
    """What a detector said of one series.

    Attributes
    ----------
    scores : float64 array, shape (n,)
        For ranking: higher = more anomalous, at least 0, 0 where there is none.
    flagged : bool array, shape (n,)
        Its decisions at the alarm rate asked for.
    seconds : float
        CPU time for the scores; with own detectors, for the decisions as well.
    """

    scores: NDArray[np.float64]
    flagged: NDArray[np.bool_]
    seconds: float


class Peer(NamedTuple):
    """A scorer without a decision of its own.

    Attributes
    ----------
    score : callable
        A :data:`Scorer`: scores each value before it learns it, as its library's own examples do.
    packages : tuple of str
        What must be installed, by the names that pip knows.
    kind : str
        "baseline" or "peer".
    """

    score: Scorer
    packages: tuple[str, ...] = ()
    kind: str = "peer"


def _null(values: NDArray[np.float64], _probation: int) -> Iterable[float]:
    """The same score for all: what a measure gives for knowing nothing."""
    return np.full(values.size, 0.5)


def _random(values: NDArray[np.float64], _probation: int) -> Iterable[float]:
    """Uniform scores: what a measure gives for guessing."""
    return np.random.default_rng(SEED).random(values.size)


def _moving_z_score(values: NDArray[np.float64], _probation: int) -> Iterator[float]:
    """Distance from the mean of the values before, in their standard deviations."""
    for at, value in enumerate(values):
        past = values[max(at - _MOVING_WINDOW, 0) : at]
        if past.size < _LEAST_WINDOW:
            yield math.nan
            continue
        spread = float(past.std())
        distance = abs(float(value - past.mean()))
        # after a constant stretch any other value is as unusual as can be
        yield distance / spread if spread > 0.0 else 1e6 * (distance > 0.0)


def _half_space_trees(values: NDArray[np.float64], _probation: int) -> Iterator[float]:
    from river import anomaly, compose, preprocessing  # noqa: PLC0415 - only where it is installed

    trees = anomaly.HalfSpaceTrees(seed=SEED)
    model = compose.Pipeline(preprocessing.MinMaxScaler(), trees)
    for at, value in enumerate(values.tolist()):
        point = {"value": value}
        score = model.score_one(point)
        # before the first window is full it says 0, which is no score yet
        yield score if at >= trees.window_size else math.nan
        model.learn_one(point)


def _gaussian_scorer(values: NDArray[np.float64], _probation: int) -> Iterator[float]:
    from river import anomaly  # noqa: PLC0415

    model = anomaly.GaussianScorer()
    for at, value in enumerate(values.tolist()):
        score = model.score_one(None, value)
        yield score if at >= model.grace_period else math.nan
        model.learn_one(None, value)


def _random_cut_forest(values: NDArray[np.float64], _probation: int) -> Iterator[float]:
    import krcf  # noqa: PLC0415

    forest = krcf.RandomCutForest({"dimensions": 1, "shingle_size": _SHINGLE, "num_trees": _TREES, "random_seed": SEED})
    for value in values.tolist():
        yield forest.score([value]) if forest.is_output_ready() else math.nan
        forest.update([value])


def _knn_cad(values: NDArray[np.float64], probation: int) -> Iterator[float]:
    from pysad.models import KNNCAD  # noqa: PLC0415

    learning = max(probation, 48)  # the least that it takes
    model = KNNCAD(learning)
    for at, value in enumerate(values.tolist()):
        score = float(model.fit_score_partial(value))
        yield score if at >= learning else math.nan


def _frozen_forest(values: NDArray[np.float64], probation: int) -> Iterable[float]:
    """A forest of the first raw values that learns nothing more, so that all rows may be scored at once."""
    from sklearn.ensemble import IsolationForest  # noqa: PLC0415

    if values.size <= probation or probation < 1:
        return np.full(values.size, math.nan)
    forest = IsolationForest(random_state=SEED).fit(values[:probation, None])
    scores = -forest.score_samples(values[probation:, None])
    return np.concatenate((np.full(probation, math.nan), scores))


#: Name -> baseline or peer.
PEERS = {
    "null": Peer(_null, kind="baseline"),
    "random": Peer(_random, kind="baseline"),
    "moving-z-score": Peer(_moving_z_score, kind="baseline"),
    "frozen-forest": Peer(_frozen_forest, ("scikit-learn",)),
    "river-half-space-trees": Peer(_half_space_trees, ("river",)),
    "river-gaussian": Peer(_gaussian_scorer, ("river",)),
    "krcf": Peer(_random_cut_forest, ("krcf",)),
    "pysad-knncad": Peer(_knn_cad, ("pysad",)),
}


def names() -> list[str]:
    """Every detector's name: own ones, baselines, peers."""
    return [*DETECTORS, *PEERS]


def kind_of(name: str) -> str:
    """Whether a detector is "own", a "baseline" or a "peer"."""
    return PEERS[name].kind if name in PEERS else "own"


def installed(package: str) -> str | None:
    """A package's version, None where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def packages_of(name: str) -> tuple[str, ...]:
    """What a detector needs beside the project's own requirements."""
    return PEERS[name].packages if name in PEERS else DETECTORS[name].packages


def missing_packages(name: str) -> list[str]:
    """What would have to be installed for a detector to run."""
    return [package for package in packages_of(name) if installed(package) is None]


def run(name: str, series: Series, model: Path, alarm_rate: float) -> Outcome:
    """Run a fresh detector over one series, each point once and in order; ``model`` is its own, if it needs one."""
    warm_up(name, model, alarm_rate)
    if name in PEERS:
        return _run_peer(PEERS[name], series, alarm_rate)
    return _run_own(name, series, model, alarm_rate)


@cache
def warm_up(name: str, model: Path, alarm_rate: float) -> None:
    """Import and compile what a detector needs, which is no part of its time; once a program."""
    values = np.sin(np.arange(60.0))
    if name in PEERS:
        list(PEERS[name].score(values, 50))
    else:
        make_detector(name, DetectorOptions(model, alarm_rate, lstm_model=model)).update_many(
            values, 300.0 * np.arange(60.0)
        )


def _run_own(name: str, series: Series, model: Path, alarm_rate: float) -> Outcome:
    detector = make_detector(name, DetectorOptions(model, alarm_rate, lstm_model=model))
    begun = time.process_time()
    verdicts = detector.update_many(series.values, series.times)
    seconds = time.process_time() - begun
    return Outcome(np.nan_to_num(verdicts["score"]), verdicts["is_anomaly"].copy(), seconds)


def _run_peer(peer: Peer, series: Series, alarm_rate: float) -> Outcome:
    """Missing values are kept from a peer: they are neither scored nor learned."""
    known = np.isfinite(series.values)
    begun = time.process_time()
    given = np.fromiter(peer.score(series.values[known], series.probation), np.float64, int(known.sum()))
    seconds = time.process_time() - begun
    scores = np.full(known.size, math.nan)
    scores[known] = given
    return Outcome(np.nan_to_num(scores), flag(scores, alarm_rate), seconds)


def flag(scores: NDArray[np.float64], alarm_rate: float) -> NDArray[np.bool_]:
    """The common decision: a score above the (1 - alarm rate) quantile of all scores before it.

    Parameters
    ----------
    scores : float64 array, shape (n,)
        NaN where there is none: never flagged, and left out of the quantile.
    alarm_rate : float
        Wanted share of flagged points.

    Notes
    -----
    Nothing is flagged before LEAST_SCORES scores. The quantile is one of the scores, the smallest that at most
    the alarm rate of them exceed. A score costs O(log n) comparisons and one move of memory.
    """
    flagged = np.zeros(scores.size, dtype=bool)
    seen: list[float] = []
    for at in np.flatnonzero(~np.isnan(scores)).tolist():
        score = float(scores[at])
        if len(seen) >= LEAST_SCORES:
            flagged[at] = score > seen[-1 - int(alarm_rate * len(seen))]
        insort(seen, score)
    return flagged
