"""Who takes part in the speed benchmark: this program and other libraries, each by its own idiom."""

# Each one's packages are imported where it is made: a process that measures one holds nothing of the others.
# ruff: noqa: PLC0415

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.speed_rounds import Contender, Step, Sweep, Values

SEED = 1
SHINGLE = 8
#: Trees and points of each in rrcf's own example of a stream.
RRCF_TREES, RRCF_POINTS = 40, 256
#: Newest points that scikit-learn's forest is fitted on again at every point.
REFITTED = 256
#: Readings of each of many streams before the clock starts: more than the warm-up.
WARM = 30
#: The same for half-space trees, which score nothing before their first window of 250 is full.
WARM_TREES = 300


def half_space_trees(**settings: int) -> Any:
    """River's half-space trees behind the scaler that its documentation asks for."""
    from river import anomaly, compose, preprocessing

    return compose.Pipeline(preprocessing.MinMaxScaler(), anomaly.HalfSpaceTrees(seed=SEED, **settings))


def score_and_learn(pipeline: Any, names: tuple[str, ...] = ("value",)) -> Step:
    """A step of one of river's; with several names all features have the same value."""

    def step(value: float) -> None:
        point = dict.fromkeys(names, value)
        pipeline.score_one(point)
        pipeline.learn_one(point)

    return step


def after(step: Step, known: Values) -> Step:
    """The step, once it has seen the known values."""
    for value in known.tolist():
        step(value)
    return step


def one_by_one(model: Path) -> list[Contender]:
    """Point by point, scored before it is learned; the first is this program."""

    def update(known: Values) -> Step:
        from streamforest import StreamDetector

        detector = StreamDetector.load(model)
        detector.update_many(known)
        return detector.update

    def gaussian(known: Values) -> Step:
        from river import anomaly

        scorer = anomaly.GaussianScorer()

        def step(value: float) -> None:
            scorer.score_one(None, value)
            scorer.learn_one(None, value)

        return after(step, known)

    def krcf_forest(known: Values) -> Step:
        import krcf

        forest = krcf.RandomCutForest({"dimensions": 1, "shingle_size": SHINGLE, "num_trees": 30, "random_seed": SEED})

        def step(value: float) -> None:
            forest.score([value])
            forest.update([value])

        return after(step, known)

    def frozen(known: Values) -> Step:
        forest = fit(known)
        return lambda value: forest.score_samples(np.array([[value]]))

    return [
        Contender("StreamDetector.update", 20_000, step=update),
        Contender("river GaussianScorer", 20_000, step=gaussian, packages=("river",)),
        Contender(
            "river HalfSpaceTrees",
            5_000,
            step=lambda known: after(score_and_learn(half_space_trees()), known),
            packages=("river",),
        ),
        Contender("krcf, 30 trees", 5_000, step=krcf_forest, packages=("krcf",)),
        Contender(f"rrcf, {RRCF_TREES} trees", 30, step=_rrcf, packages=("rrcf",)),
        Contender("scikit-learn, one row", 30, step=frozen),
        Contender("scikit-learn, fitted again", 3, step=lambda known: refitted(known[-REFITTED:])),
    ]


def _rrcf(known: Values) -> Step:
    import rrcf

    trees = [rrcf.RCTree(random_state=SEED + i) for i in range(RRCF_TREES)]
    newest = [0.0] * SHINGLE
    count = 0

    def step(value: float) -> float:
        nonlocal count
        newest.append(value)
        del newest[0]
        total = 0.0
        for tree in trees:
            if count >= RRCF_POINTS:
                tree.forget_point(count - RRCF_POINTS)
            tree.insert_point(np.array(newest), index=count)
            total += tree.codisp(count)
        count += 1
        return total / RRCF_TREES

    return after(step, known[-RRCF_POINTS - SHINGLE :])


def fit(known: Values) -> Any:
    """scikit-learn's forest of raw values, as the usual script fits it."""
    from sklearn.ensemble import IsolationForest

    return IsolationForest(random_state=SEED).fit(known[:, None])


def refitted(window: Values) -> Step:
    """Another forest at every point, of the window before it."""
    window = window.copy()

    def step(value: float) -> float:
        score = -float(fit(window).score_samples(np.array([[value]]))[0])
        window[:-1] = window[1:]
        window[-1] = value
        return score

    return step


def in_arrays(model: Path) -> list[Contender]:
    """Arrays of values; the forest alone, and scikit-learn's own walk of it, take ready vectors of real points."""

    def update_many(known: Values) -> Sweep:
        from streamforest import StreamDetector

        detector = StreamDetector.load(model)
        detector.update_many(known)
        return detector.update_many

    def forest_alone(known: Values) -> Sweep:
        from streamforest.models.forest import forest_scores
        from streamforest.models.model_file import load_model
        from streamforest.program.training import vectors_of

        forest = load_model(model).forest
        return on_rows(lambda rows: forest_scores(forest, rows), vectors_of([known]))

    def forest_by_vectors(known: Values) -> Sweep:
        import numba

        from streamforest.models.forest import isolation
        from streamforest.models.model_file import load_model
        from streamforest.program.training import vectors_of

        @numba.njit(nogil=True)
        def walk(forest: Any, rows: Any, scores: Any) -> None:
            for i in range(scores.size):
                scores[i] = isolation(forest, rows[i])

        forest = load_model(model).forest
        return on_rows(lambda rows: walk(forest, rows, np.empty(len(rows))), vectors_of([known]))

    def same_forest(known: Values) -> Sweep:
        import joblib

        from streamforest.program.training import vectors_of

        return on_rows(joblib.load(model)["forest"].score_samples, vectors_of([known]))

    def frozen(known: Values) -> Sweep:
        forest = fit(known)
        return lambda values: forest.score_samples(values[:, None])

    return [
        Contender("StreamDetector.update_many", 100_000, sweep=update_many),
        Contender("its forest alone", 100_000, sweep=forest_alone),
        Contender("its forest alone, vector by vector", 100_000, sweep=forest_by_vectors),
        Contender("scikit-learn, its forest alone", 10_000, sweep=same_forest),
        Contender("scikit-learn, raw values", 10_000, sweep=frozen),
    ]


def on_rows(score: Callable[[Any], object], rows: Any) -> Sweep:
    """A sweep that scores as many of the rows, again from the first where they are too few, as it is given values."""
    kept: dict[int, Any] = {}

    def sweep(values: Values) -> object:
        if values.size not in kept:  # in the round that warms up
            kept[values.size] = np.resize(rows, (values.size, rows.shape[1]))
        return score(kept[values.size])

    return sweep


def side_by_side(model: Path, streams: int, threads: tuple[int, ...], peers: int) -> list[Contender]:
    """A reading of each stream, again and again, by so many threads; with fewer streams for the peers."""

    def detectors(known: Values, n: int) -> Sweep:
        from streamforest import StreamDetectors

        made = StreamDetectors.load(model, threads=n)
        ids = np.arange(streams)
        for first in range(WARM):
            made.update(ids, np.resize(known[first:], streams))

        def sweep(values: Values) -> None:
            for batch in values.reshape(-1, streams):
                made.update(ids, batch)

        return sweep

    def trees(known: Values) -> Sweep:
        steps = [after(score_and_learn(half_space_trees()), known[:WARM_TREES]) for _ in range(peers)]

        def sweep(values: Values) -> None:
            for batch in values.reshape(-1, peers).tolist():
                for step, value in zip(steps, batch, strict=True):
                    step(value)

        return sweep

    points = streams * max(1, min(200_000 // streams, 200))
    made = [Contender(threads_name(streams, n), points, sweep=partial(detectors, n=n)) for n in dict.fromkeys(threads)]
    return [*made, Contender(trees_name(peers), max(5000 // peers, 1) * peers, sweep=trees, packages=("river",))]


def threads_name(streams: int, threads: int) -> str:
    """Many streams, as tables have them."""
    return f"StreamDetectors, {_some(streams, 'stream')}, {_some(threads, 'thread')}"


def trees_name(streams: int) -> str:
    """The peer of many streams, as tables have it."""
    return f"river HalfSpaceTrees, {_some(streams, 'stream')}"


def _some(n: int, what: str) -> str:
    return f"{n:,} {what}" + "s" * (n > 1)


def is_own(name: str) -> bool:
    """Whether a row of the tables is about this program."""
    return not name.startswith(("river", "krcf", "rrcf", "scikit-learn", "a script", "Python", "numpy"))
