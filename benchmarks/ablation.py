"""What each part of the default detector is worth and costs: the boards' figures without it, and its time alone."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from benchmarks.boards import Board, read_board  # noqa: E402 - the path comes first
from benchmarks.marks import measure  # noqa: E402
from benchmarks.peers import Outcome  # noqa: E402
from streamforest.features import observe as features  # noqa: E402
from streamforest.features.novelty import N_SIGNALS, SIGNALS, hold_against_centres, learn_novelty, novelty  # noqa: E402
from streamforest.features.season import hold_against_past  # noqa: E402
from streamforest.features.tails import gains_of, learn_tail, surprise  # noqa: E402
from streamforest.features.vector import VECTOR_NAMES, new_buffers, vectorise  # noqa: E402
from streamforest.judging import threshold  # noqa: E402
from streamforest.judging.evidence import carry_on, new_evidence, weigh  # noqa: E402
from streamforest.models.forest import Forest, flatten, forest_scores, isolation  # noqa: E402
from streamforest.program.training import (  # noqa: E402
    CALM_POINTS,
    FIT_OUTLIERS,
    FIT_POINTS,
    FIT_STREAMS,
    TREES,
    calibrate,
    streams,
)

CALM_STREAMS = 400  # of the training's, enough to compare by
TIMED = 200_000  # points that a part's time is measured over
ALARM_RATE = 0.001


class Parts(NamedTuple):
    """What the features say of a stream's points, n of them, before anything is weighed."""

    known: NDArray[np.bool_]
    surprises: NDArray[np.float64]  # (n, N_FEATURES)
    novelties: NDArray[np.float64]  # (n, N_SIGNALS)
    strangeness: NDArray[np.float64]


@numba.njit
def _observe(
    states: NDArray[np.void],
    values: NDArray[np.float64],
    times: NDArray[np.float64],
    parts: Parts,
) -> None:
    scratch = new_buffers()
    for i in range(values.size):
        buffers = scratch[0]
        parts.known[i] = features.observe(states[0], values[i], times[i], ALARM_RATE, buffers)
        if parts.known[i]:
            parts.surprises[i], parts.novelties[i] = buffers.surprises, buffers.novelties
            parts.strangeness[i] = buffers.outlook[features.STRANGENESS]


def look_at(values: NDArray[np.float64], times: NDArray[np.float64] | None = None) -> Parts:
    """The parts of a stream of shape (n,)."""
    n = values.size
    parts = Parts(np.zeros(n, dtype=bool), np.zeros((n, features.N_FEATURES)), np.zeros((n, N_SIGNALS)), np.zeros(n))
    _observe(features.new_state(), values, np.full(n, np.nan) if times is None else times, parts)
    return parts


def without(parts: Parts, dropped: frozenset[str]) -> Parts:
    """The parts with some of them silenced."""
    surprises, novelties = parts.surprises.copy(), parts.novelties.copy()
    for name in dropped:
        kind, _, which = name.partition(": ")
        if kind == "surprise":
            surprises[:, [features.FEATURE_NAMES.index(which)] if which else slice(None)] = 0.0
        if kind == "novelty":
            novelties[:, [SIGNALS.index(which)] if which else slice(None)] = 0.0
    strangeness = np.zeros_like(parts.strangeness) if "shape of the last points" in dropped else parts.strangeness
    return Parts(parts.known, surprises, novelties, strangeness)


@numba.njit
def _vectorise(parts: Parts, vectors: NDArray[np.float32]) -> None:
    for i in range(parts.known.size):
        vectorise(parts.surprises[i], parts.strangeness[i], vectors[i])


def vectors_of(parts: Parts) -> NDArray[np.float32]:
    """The vectors that the forest sees, shape (n, len(VECTOR_NAMES))."""
    vectors = np.empty((parts.known.size, len(VECTOR_NAMES)), dtype=np.float32)
    _vectorise(parts, vectors)
    return vectors


@numba.njit
def _weigh(
    evidence: NDArray[np.void],
    parts: Parts,
    isolations: NDArray[np.float64],
    stillness: NDArray[np.float64],
    scores: NDArray[np.float64],
) -> None:
    for i in range(scores.size):
        if parts.known[i]:
            scores[i] = weigh(evidence[0], isolations[i], parts.strangeness[i], stillness[i], parts.novelties[i])


@numba.njit
def _carry_on(isolations: NDArray[np.float64], highest: NDArray[np.float64]) -> NDArray[np.float64]:
    carried = np.empty_like(isolations)
    for i in range(carried.size):
        carried[i] = carry_on(isolations[i], highest[i])
    return carried


class Weighing(NamedTuple):
    """The two loops in which what is known of points is weighed, compiled."""

    carry_on: Callable[..., NDArray[np.float64]] = _carry_on
    weigh: Callable[..., None] = _weigh


def scores_of(parts: Parts, forest: Forest, known: NDArray[np.float64], with_forest: bool) -> NDArray[np.float64]:
    """The detector's score of each point, 0 in the warm-up; ``known``: the forest's calibration."""
    vectors = vectors_of(parts)
    isolations = np.interp(forest_scores(forest, vectors), *known.T) if with_forest else np.zeros(len(vectors))
    return weighed(parts, vectors, isolations, Weighing())


def weighed(
    parts: Parts, vectors: NDArray[np.float32], isolations: NDArray[np.float64], weighing: Weighing
) -> NDArray[np.float64]:
    """The same where the forest has seen the vectors; ``isolations``: what it says of each, by its calibration."""
    stillness = vectors[:, [features.GAP, features.REPEAT]].max(axis=1).astype(np.float64)
    scores = np.zeros(len(vectors))
    highest = vectors[:, VECTOR_NAMES.index("highest")].astype(np.float64)
    weighing.weigh(new_evidence(), parts, weighing.carry_on(isolations, highest), stillness, scores)
    return scores


@numba.njit
def _decide(
    states: NDArray[np.void], surprises: NDArray[np.float64], is_known: NDArray[np.bool_], flags: NDArray[np.bool_]
) -> None:
    for i in range(surprises.size):
        if is_known[i]:
            limit = threshold.limit(states[0], ALARM_RATE)
            flags[i] = surprises[i] > limit
            threshold.learn(states[0], surprises[i], limit, ALARM_RATE, flags[i])


def outcome(parts: Parts, scores: NDArray[np.float64], calibration: NDArray[np.float64]) -> Outcome:
    """Scores and decisions, as the benchmark of quality takes them."""
    knots, values = calibration.T
    slope = (values[-1] - values[-2]) / (knots[-1] - knots[-2])
    surprises = np.interp(scores, knots, values) + np.maximum(scores - knots[-1], 0.0) * slope
    flags = np.zeros(scores.size, dtype=bool)
    _decide(threshold.new_thresholds(), surprises, parts.known, flags)
    return Outcome(scores, flags, 0.0)


def judge(
    dropped: frozenset[str], fit: Iterable[Parts], calm: Iterable[Parts], boards: dict[str, tuple[Board, list[Parts]]]
) -> list[float]:
    """NAB, VUS-PR and F1 on each board of a detector that is trained and run without some parts."""
    from sklearn.ensemble import IsolationForest  # noqa: PLC0415 - heavy, needed only here

    with_forest = "isolation forest" not in dropped
    rows = np.concatenate([vectors_of(without(parts, dropped))[parts.known] for parts in fit])
    forest = flatten(IsolationForest(n_estimators=TREES, random_state=1).fit(rows))
    calm = [without(parts, dropped) for parts in calm]
    known = calibrate(np.concatenate([forest_scores(forest, vectors_of(parts)[parts.known]) for parts in calm]))
    calibration = calibrate(
        np.concatenate([scores_of(parts, forest, known, with_forest)[parts.known] for parts in calm])
    )
    figures = []
    for board, all_parts in boards.values():
        outcomes = {}
        for series, whole in zip(board.series, all_parts, strict=True):
            parts = without(whole, dropped)
            outcomes[series.name] = outcome(parts, scores_of(parts, forest, known, with_forest), calibration)
        marks = measure(board, outcomes, ALARM_RATE)
        figures += [marks.nab_standard, marks.vus_pr, marks.f1]
    return figures


def seconds_a_point(run: Callable[[], object]) -> float:
    """Median over five runs, after one that compiles."""
    run()
    taken = []
    for _ in range(5):
        begun = time.perf_counter()
        run()
        taken.append((time.perf_counter() - begun) / TIMED)
    return float(np.median(taken))


@numba.njit
def _time_past(states: NDArray[np.void], values: NDArray[np.float64]) -> float:
    distances, total = np.empty(2), 0.0
    for i in range(values.size):
        hold_against_past(states[0], values[i], values[i], 1.0, 3.0, distances)
        states[0].count += 1
        total += distances[1]
    return total


@numba.njit
def _time_novelty(states: NDArray[np.void], values: NDArray[np.float64]) -> float:
    state, total = states[0], 0.0
    signals, nearest = np.empty(N_SIGNALS), np.empty(N_SIGNALS)
    for i in range(values.size):
        signals[:] = values[i]
        hold_against_centres(state, signals, nearest)
        for k in range(N_SIGNALS):
            total += novelty(nearest[k], state.radii[k])
            learn_novelty(state, k, values[i], nearest[k])
    return total


@numba.njit
def _time_tails(tails: NDArray[np.float64], values: NDArray[np.float64]) -> float:
    total = 0.0
    for i in range(values.size):
        for tail in tails:
            known = surprise(abs(values[i]), tail)
            total += known
            learn_tail(tail, abs(values[i]), known, gains_of(1000.0, 1.0, 1.0), 0.01, 0.1)
    return total


@numba.njit
def _time_forest(forest: Forest, vectors: NDArray[np.float32]) -> float:
    total = 0.0
    for i in range(len(vectors)):
        total += isolation(forest, vectors[i])
    return total


def costs(forest: Forest) -> list[tuple[str, float]]:
    """Seconds a point of the parts, each alone."""
    values = np.random.default_rng(1).normal(size=TIMED)
    parts = look_at(values)
    vectors = vectors_of(parts)
    tails = np.tile([1.0, 2.0, 3.2], (features.N_FEATURES, 1))
    evidence, scores, ones = new_evidence(), np.zeros(TIMED), np.ones(TIMED)
    states, flags = threshold.new_thresholds(), np.zeros(TIMED, dtype=bool)
    return [
        ("all features", seconds_a_point(lambda: look_at(values))),
        ("of these: lags, shapes and season", seconds_a_point(lambda: _time_past(features.new_state(), values))),
        ("of these: novelty", seconds_a_point(lambda: _time_novelty(features.new_state(), values))),
        ("of these: surprises", seconds_a_point(lambda: _time_tails(tails, values))),
        ("isolation forest", seconds_a_point(lambda: _time_forest(forest, vectors))),
        ("weighing", seconds_a_point(lambda: _weigh(evidence, parts, ones, ones, scores))),
        ("threshold", seconds_a_point(lambda: _decide(states, np.abs(values), parts.known, flags))),
    ]


def variants() -> list[frozenset[str]]:
    """Nothing left out, then each part by itself, then whole kinds."""
    singles = [f"surprise: {name}" for name in features.FEATURE_NAMES] + [f"novelty: {name}" for name in SIGNALS]
    kinds = ["novelty: ", "surprise: ", "shape of the last points", "isolation forest"]
    return [frozenset(), *(frozenset([name]) for name in [*kinds, *singles])]


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("boards", nargs="+", type=Path, help="NAB's folder, or a folder of CSV files with labels")
    options = parser.parse_args()
    boards = {}
    for path in options.boards:
        board = read_board(path)
        boards[board.name] = (board, [look_at(series.values, series.times) for series in board.series])
    fit = [look_at(s.take(FIT_POINTS)[0]) for s in streams([1, 0], FIT_STREAMS, FIT_OUTLIERS, "looking at streams")]
    calm = [look_at(s.take(CALM_POINTS)[0]) for s in streams([1, 1], CALM_STREAMS, 0.0, "looking at calm ones")]
    print("without".ljust(28), *(f"{name + ' ' + mark:>13}" for name in boards for mark in ("NAB", "VUS-PR", "F1")))
    for dropped in variants():
        figures = judge(dropped, fit, calm, boards)
        name = ", ".join(dropped).replace("novelty: ", "novelty: ") or "(nothing)"
        name = {"novelty: ": "all novelty", "surprise: ": "all surprises"}.get(name, name)
        print(name.ljust(28), *(f"{figure:13.3f}" for figure in figures), flush=True)
    from sklearn.ensemble import IsolationForest  # noqa: PLC0415 - heavy, needed only here

    rows = np.concatenate([vectors_of(parts)[parts.known] for parts in fit])
    forest = flatten(IsolationForest(n_estimators=TREES, random_state=1).fit(rows))
    print(f"\n{'part':<36} microseconds a point")
    for name, seconds in costs(forest):
        print(f"{name:<36} {1e6 * seconds:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
