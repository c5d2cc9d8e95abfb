"""How the cost of a point grows: with trees, features, window, length of the stream and number of streams."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import speed_memory
from benchmarks.speed_contenders import (
    SEED,
    after,
    half_space_trees,
    on_rows,
    refitted,
    score_and_learn,
    threads_name,
    trees_name,
)
from benchmarks.speed_rounds import Contender, Cost, Step, Sweep, Values, cost, measure, show

TREES = (10, 30, 100, 300, 1000)
FEATURES = (1, 3, 10, 30, 100)
WINDOWS = (100, 1000, 10_000)
#: Rows that forests of other sizes are fitted on.
ROWS = 2000
#: Longest stream, and most streams at a time, of the peers: more of them take minutes and gigabytes.
PEER_LENGTH, PEER_STREAMS = 100_000, 100
#: Points that a long stream is taken through at a time.
PIECE = 100_000
RIVER = ("river",)


def trees(model: Path, numbers: Sequence[int]) -> list[Contender]:
    """With other forests in the default detector, and the same ones in scikit-learn's hands, in arrays."""

    def forest(known: Values, n: int) -> Any:
        from streamforest.program.training import vectors_of  # noqa: PLC0415 - only where it is measured

        return _fit(vectors_of([known]), n)

    def detector(known: Values, n: int) -> Sweep:
        from streamforest import StreamDetector  # noqa: PLC0415
        from streamforest.models.forest import flatten  # noqa: PLC0415
        from streamforest.models.model_file import load_model  # noqa: PLC0415

        # the calibration is another forest's: the verdicts mean nothing, their cost is the same
        made = StreamDetector(load_model(model)._replace(forest=flatten(forest(known, n))))
        made.update_many(known)
        return made.update_many

    def scikit_learn(known: Values, n: int) -> Sweep:
        from streamforest.program.training import vectors_of  # noqa: PLC0415

        return on_rows(forest(known, n).score_samples, vectors_of([known]))

    def river(known: Values, n: int) -> Step:
        return after(score_and_learn(half_space_trees(n_trees=n)), known[:300])

    made = []
    for n in numbers:
        made += [
            Contender("StreamDetector.update_many", 20_000, sweep=partial(detector, n=n), at=n),
            Contender("scikit-learn, its forest alone", 2000, sweep=partial(scikit_learn, n=n), at=n),
            Contender("river HalfSpaceTrees", max(20_000 // n, 20), step=partial(river, n=n), packages=RIVER, at=n),
        ]
    return made


def features(numbers: Sequence[int]) -> list[Contender]:
    """Forests of 50 trees on vectors of so many features: the default detector's own number of them is fixed."""

    def rows(n: int) -> Any:
        return np.random.default_rng(SEED).exponential(0.5, (ROWS, n)).astype(np.float32)

    def own(_known: Values, n: int) -> Sweep:
        from streamforest.models.forest import flatten, forest_scores  # noqa: PLC0415

        forest = flatten(_fit(rows(n)))
        return on_rows(lambda some: forest_scores(forest, some), rows(n))

    def scikit_learn(_known: Values, n: int) -> Sweep:
        return on_rows(_fit(rows(n)).score_samples, rows(n))

    def river(known: Values, n: int) -> Step:
        step = score_and_learn(half_space_trees(), tuple(f"value {i}" for i in range(n)))
        return after(step, known[:300])

    made = []
    for n in numbers:
        made += [
            Contender("its forest alone", 20_000, sweep=partial(own, n=n), at=n),
            Contender("scikit-learn, its forest alone", 2000, sweep=partial(scikit_learn, n=n), at=n),
            Contender("river HalfSpaceTrees", 500, step=partial(river, n=n), packages=RIVER, at=n),
        ]
    return made


def _fit(rows: Any, n_trees: int = 50) -> Any:
    from sklearn.ensemble import IsolationForest  # noqa: PLC0415

    return IsolationForest(n_estimators=n_trees, random_state=SEED).fit(rows)


def windows(numbers: Sequence[int]) -> list[Contender]:
    """The sliding forest with its fits, every 250 points, each waited for; scikit-learn fitted again at every point."""

    def sliding(known: Values, n: int) -> Sweep:
        from streamforest.detectors.sliding_forest import SlidingForestDetector  # noqa: PLC0415

        detector = SlidingForestDetector(window=n)
        detector.update_many(np.resize(known, n + 500))
        return detector.update_many

    def river(known: Values, n: int) -> Step:
        return after(score_and_learn(half_space_trees(window_size=n)), np.resize(known, n + 50))

    def fitted_again(known: Values, n: int) -> Step:
        return refitted(np.resize(known, n))

    made = []
    for n in numbers:
        made += [
            Contender("sliding-forest", 1000, sweep=partial(sliding, n=n), at=n),
            Contender("scikit-learn, fitted again", 3, step=partial(fitted_again, n=n), at=n),
            Contender("river HalfSpaceTrees", 2000, step=partial(river, n=n), packages=RIVER, at=n),
        ]
    return made


def lengths(model: Path, longest: int, stream: Values, rounds: int, *, has_river: bool) -> list[Cost]:
    """One stream that gets longer and longer: the points that follow its first thousand, ten thousand and so on."""
    from streamforest import StreamDetector  # noqa: PLC0415

    detector, step = StreamDetector.load(model), score_and_learn(half_space_trees()) if has_river else None
    seen = 0
    costs = []
    for length in _decades(1000, longest):
        while seen < length:
            show(f"length of the stream: {seen:,} of {length:,} points")
            points = min(PIECE, length - seen)
            detector.update_many(np.resize(stream, points))
            if step is not None and length <= PEER_LENGTH:
                after(step, np.resize(stream, points))
            seen += points
        everybody = [Contender("StreamDetector.update_many", 20_000, sweep=lambda _: detector.update_many, at=length)]
        if step is not None and length <= PEER_LENGTH:
            everybody.append(Contender("river HalfSpaceTrees", 1000, step=lambda _: step, at=length))
        costs += measure("growth: length of the stream", everybody, stream, rounds)
    return costs


def streams(model: Path, most: int, stream: Values, rounds: int, *, has_river: bool) -> list[Cost]:
    """Ever more streams side by side, each number in a process of its own: microseconds a point, MiB of the process."""
    cores = os.cpu_count() or 1
    costs = []
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder) / "stream.npy"
        np.save(kept, stream)
        for n in _decades(1, most):
            if (lacking := _lacking(n)) is not None:
                print(f"left out: {n:,} streams; {lacking}")
                break
            asked = {"StreamDetectors": threads_name(n, cores)}
            if has_river and n <= PEER_STREAMS:
                asked["river HalfSpaceTrees"] = trees_name(n)
            for who, name in asked.items():
                show(f"number of streams: {n:,}, {who}")
                found, mib = speed_memory.alone(name, model, kept, rounds, n, n)
                costs.append(found._replace(topic="growth: number of streams", who=who, at=n))
                costs.append(cost("growth: memory of the streams", who, "MiB", [mib], n))
    show("")
    return costs


def _lacking(n: int) -> str | None:
    """Why so many streams cannot be tried here, None where they can."""
    from streamforest import StreamDetectors  # noqa: PLC0415

    needed = n * (StreamDetectors.bytes_per_stream + 600) + 2**29  # what a batch of all of them takes comes on top
    free = speed_memory.available()
    if free is not None and free < needed:
        return f"they need {needed / 2**30:.1f} GiB of memory, {free / 2**30:.1f} are free"
    return None


def _decades(first: int, last: int) -> list[int]:
    """The first, ten times it and so on, up to the last."""
    found = []
    while first <= last:
        found.append(first)
        first *= 10
    return found


#: What grows -> who is measured, given the model.
IN_ROUNDS: dict[str, Callable[[Path], list[Contender]]] = {
    "trees": lambda model: trees(model, TREES),
    "features": lambda _model: features(FEATURES),
    "window": lambda _model: windows(WINDOWS),
}
