"""The left matrix profile: how far the last points are from their nearest likeness in a long stretch before."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamforest.compiled import Record, Records, compiled
from streamforest.features import observe as features
from streamforest.features.vector import new_buffers
from streamforest.judging.decide import CompiledDetector
from streamforest.judging.harness import HARNESS_DTYPE, LEAST_SCORES, begin, calibration, conclude, new_harness
from streamforest.judging.rules import NO_RULES, RuleNumbers, Rules
from streamforest.protocols import Verdicts

#: Points in a window, rising, multiples of four: a short one sees at once what a long one sees better, and longer.
WINDOWS = (8, 48)
N_WINDOWS = len(WINDOWS)
#: Newest points that are kept, those of the newest window included.
HISTORY = 2000

RECORD_DTYPE = np.dtype(
    [
        ("harness", HARNESS_DTYPE),
        ("kept", "i8"),  # points taken into the ring so far
        ("ring", "f8", (2 * HISTORY,)),  # written twice, so that any stretch is in one piece; in the stream's unit
    ]
)


class Judge(NamedTuple):
    """What the step needs besides the stream's record: the calibration, the alarm rate and rules."""

    scores: NDArray[np.float64]
    surprises: NDArray[np.float64]
    rate: float
    rules: RuleNumbers


@compiled
def least_lag(window: int) -> int:
    """The shortest lag at which a window may have a neighbour: more than a quarter of it, as stumpy has it."""
    return (window + 3) // 4 + 1


@compiled
def _add_four(squares: NDArray[np.float64], past: NDArray[np.float64], here: NDArray[np.float64]) -> None:
    """Add to each of n sums, shape (n,), the squared differences of four points; shapes (n + 3,) and (4,)."""
    a, b, c, d = here[0], here[1], here[2], here[3]
    for i in range(squares.size):
        p, q, r, s = past[i] - a, past[i + 1] - b, past[i + 2] - c, past[i + 3] - d
        squares[i] += (p * p + q * q) + (r * r + s * s)


@compiled
def _least(values: NDArray[np.float64]) -> float:
    """The least of values, NaN left out, infinity where nothing is left; four side by side, or each would wait."""
    a = b = c = d = np.inf
    whole = values.size - values.size % 4
    for i in range(0, whole, 4):
        a = values[i] if values[i] < a else a
        b = values[i + 1] if values[i + 1] < b else b
        c = values[i + 2] if values[i + 2] < c else c
        d = values[i + 3] if values[i + 3] < d else d
    for i in range(whole, values.size):
        a = values[i] if values[i] < a else a
    least: float = min(a, b, c, d)
    return least


@compiled
def left_distances(points: NDArray[np.float64], squares: NDArray[np.float64], distances: NDArray[np.float64]) -> None:
    """Distances of the newest windows from their nearest neighbours before: the newest entries of left profiles.

    Parameters
    ----------
    points : float64 array, shape (n,)
        Oldest first, NaN where one is missing.
    squares : float64 array, shape (n,) or longer
        Scratch.
    distances : float64 array, shape (N_WINDOWS,)
        Output: Euclidean, of each of WINDOWS; NaN where it has no neighbour, or a missing point.

    Notes
    -----
    Summed anew each time, O(n) times the longest window: sums that are carried on, as stumpy's, lose all their
    digits when a huge value leaves a window.
    """
    n = points.size
    squares[:n] = 0.0
    summed = 0
    for w in range(N_WINDOWS):
        window = WINDOWS[w]
        # where neighbours end
        first, stop = window - 1, n - least_lag(window)
        distances[w] = np.nan
        if first >= stop:
            continue
        for back in range(summed, window, 4):
            _add_four(squares[first:stop], points[first - back - 3 : stop - back], points[n - back - 4 : n - back])
        summed = window
        nearest = _least(squares[first:stop])
        distances[w] = np.sqrt(nearest) if nearest < np.inf else np.nan


@compiled
def strangeness(distances: NDArray[np.float64]) -> float:
    """Mean of the windows' distances, a point each; of those that are known, NaN where none is."""
    total, found = 0.0, 0
    for w in range(N_WINDOWS):
        if distances[w] == distances[w]:
            total += distances[w] / np.sqrt(WINDOWS[w])
            found += 1
    return total / found if found else np.nan


@compiled
def judge_stream(
    records: Records, values: NDArray[np.float64], times: NDArray[np.float64], judge: Judge, verdicts: Records
) -> None:
    """Take the stream through its readings; ``verdicts`` of shape (n,) is filled in."""
    record, scratch = records[0], new_buffers()
    squares, distances = np.empty(HISTORY), np.empty(N_WINDOWS)
    for i in range(values.size):
        buffers = scratch[0]
        if not begin(record.harness, values[i], times[i], judge.rate, buffers, verdicts[i]):
            continue
        _take(record, features.scaled(record.harness.features, values[i]))
        kept, newest = min(record.kept, HISTORY), (record.kept - 1) % HISTORY + HISTORY
        left_distances(record.ring[newest - kept + 1 : newest + 1], squares, distances)
        raw = strangeness(distances)
        conclude(record.harness, raw, judge.scores, judge.surprises, judge.rate, judge.rules, buffers, verdicts[i])


@compiled
def _take(record: Record, y: float) -> None:
    at = record.kept % HISTORY
    record.ring[at] = record.ring[at + HISTORY] = y
    record.kept += 1


class MatrixProfileDetector(CompiledDetector):
    """Judges a point by how far the last few and the last tens of points are from all that was there before.

    A left discord: the distance of the newest window from its nearest earlier neighbour within the newest HISTORY
    points. It is the plain Euclidean one: held against their own mean and deviation, windows of noise are all alike,
    and another level or spread is lost (measured: docs/benchmarks.md). A window with a missing reading has no distance,
    so that a missing reading itself is not scored.

    Parameters
    ----------
    alarm_rate : float
        Wanted share of normal points that are flagged, in [1e-6, 0.2].
    rules : Rules
        What else a point needs to be an alarm.

    Raises
    ------
    ValueError
        alarm_rate is outside its range.

    References
    ----------
    Yeh and others, "Matrix Profile I", ICDM 2016, doi 10.1109/ICDM.2016.0179; left discords: Lu and others, KDD 2022,
    doi 10.1145/3534678.3539271.

    Examples
    --------
    >>> detector = MatrixProfileDetector(alarm_rate=0.001)
    >>> values = np.random.default_rng(1).normal(size=2000)
    >>> values[1900] += 20.0
    >>> bool(detector.update_many(values)["is_anomaly"][1900])
    True
    """

    name = "matrix-profile"
    warm_up_points = features.WARM_UP + WINDOWS[0] + WINDOWS[0] // 4 + LEAST_SCORES

    def __init__(self, alarm_rate: float = 0.001, rules: Rules = NO_RULES) -> None:
        super().__init__(alarm_rate, rules)
        self._parts = Judge(*calibration(), alarm_rate, self._rules)
        self._records = np.zeros(1, dtype=RECORD_DTYPE)
        self._records["harness"] = new_harness()

    def _judge(self, values: NDArray[np.float64], times: NDArray[np.float64], verdicts: Verdicts) -> None:
        judge_stream(self._records, values, times, self._parts, verdicts)
