"""VUS-PR: the area under the precision-recall curve with tolerant window ends, averaged over the tolerances."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from benchmarks.boards import label_runs

#: Thresholds along the curve, at equally spaced ranks of the scores.
THRESHOLDS = 250

# Where a series has no period between these, this one is used.
_SHORTEST, _LONGEST, _USUAL = 3, 300, 125
_LAGS, _ROWS = 400, 20_000


def vus_pr(scores: NDArray[np.float64], labels: NDArray[np.bool_], longest: int) -> float:
    """Volume under the precision-recall surface of one series.

    Parameters
    ----------
    scores : float64 array, shape (n,)
        Higher = more anomalous, no NaN.
    labels : bool array, shape (n,)
        Whether a row is anomalous.
    longest : int
        Tolerances are 0, 1, ..., ``longest`` rows, half of them on either side of an anomaly.

    Returns
    -------
    float
        In [0, 1]; NaN where no row or every row is labelled.

    Notes
    -----
    Follows the authors' own program (``RangeAUC_volume_opt`` of TSB-AD 1.5) also where that differs from the
    paper: the tolerance is split between both sides, and a row near two anomalies counts for both, up to 1. Instead
    of one pass over the series for every threshold and tolerance, each row is given the first threshold that it
    reaches, and sums over rows become running sums over thresholds: O(n log n + longest * (tolerated rows + 250)).

    References
    ----------
    Paparrizos, Boniol, Palpanas, Tsay, Elmore and Franklin, PVLDB 15(11), 2022, doi 10.14778/3551793.3551830.
    """
    runs = label_runs(labels)
    if not runs or labels.all():
        return float("nan")
    ranks = np.linspace(0, scores.size - 1, THRESHOLDS).astype(np.int64)
    limits = -np.sort(-scores)[ranks]
    # the first limit, of falling ones, that a score is not below
    reached = np.searchsorted(-limits, -scores)
    starts, ends = np.array(runs).T
    curves = _areas(reached, np.ascontiguousarray(labels), starts.copy(), ends.copy(), longest, THRESHOLDS)
    return float(curves.mean())


@numba.njit(cache=True)
def _areas(
    reached: NDArray[np.int64],
    labels: NDArray[np.bool_],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    longest: int,
    n_limits: int,
) -> NDArray[np.float64]:
    """Area under the curve for each tolerance, shape (longest + 1,)."""
    predicted, hits = np.zeros(n_limits), np.zeros(n_limits)
    for row in range(reached.size):
        predicted[reached[row]] += 1.0
        if labels[row]:
            hits[reached[row]] += 1.0
    predicted, hits = np.cumsum(predicted), np.cumsum(hits)
    first = _first_reached(reached, starts, ends)
    areas = np.empty(longest + 1)
    near = np.zeros(reached.size)
    for tolerance in range(longest + 1):
        half = tolerance // 2
        if half and tolerance % 2 == 0:
            _widen(reached, starts, ends, half, first)
        extra = np.cumsum(_near_hits(reached, labels, starts, ends, tolerance, near, n_limits))
        found = _found_share(starts, ends, half, first, n_limits)
        area = before = 0.0
        for limit in range(n_limits):
            true = hits[limit] + extra[limit]
            recall = min(true / (hits[-1] + extra[limit] / 2.0), 1.0) * found[limit]
            area += (recall - before) * true / predicted[limit]
            before = recall
        areas[tolerance] = area
    return areas


@numba.njit(cache=True)
def _first_reached(reached: NDArray[np.int64], starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each anomaly, the first limit at which one of its rows is predicted."""
    first = np.empty(starts.size, dtype=np.int64)
    for at in range(starts.size):
        first[at] = reached[starts[at] : ends[at] + 1].min()
    return first


@numba.njit(cache=True)
def _widen(
    reached: NDArray[np.int64],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    half: int,
    first: NDArray[np.int64],
) -> None:
    """Take the rows ``half`` before and behind each anomaly into its first limit, in place."""
    for at in range(starts.size):
        if starts[at] - half >= 0:
            first[at] = min(first[at], reached[starts[at] - half])
        if ends[at] + half < reached.size:
            first[at] = min(first[at], reached[ends[at] + half])


@numba.njit(cache=True)
def _near_hits(
    reached: NDArray[np.int64],
    labels: NDArray[np.bool_],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    tolerance: int,
    near: NDArray[np.float64],
    n_limits: int,
) -> NDArray[np.float64]:
    """What the rows beside the anomalies are worth, by the limit that they reach; ``near`` is zeros, before and after.

    A row counts the root of 1 - distance / tolerance, for each anomaly that it is near to, and at most 1.
    """
    half, n = tolerance // 2, reached.size
    for at in range(starts.size):
        for distance in range(1, half + 1):
            worth = np.sqrt(1.0 - distance / tolerance)
            if starts[at] - distance >= 0:
                near[starts[at] - distance] += worth
            if ends[at] + distance < n:
                near[ends[at] + distance] += worth
    extra = np.zeros(n_limits)
    for at in range(starts.size):
        for row in range(max(starts[at] - half, 0), min(ends[at] + half + 1, n)):
            if not labels[row]:
                extra[reached[row]] += min(near[row], 1.0)
            near[row] = 0.0
    return extra


@numba.njit(cache=True)
def _found_share(
    starts: NDArray[np.int64], ends: NDArray[np.int64], half: int, first: NDArray[np.int64], n_limits: int
) -> NDArray[np.float64]:
    """The share of anomalies that are found at each limit; those whose tolerated ends touch are one."""
    found = np.zeros(n_limits)
    groups, lowest = 1, first[0]
    for at in range(1, starts.size):
        if ends[at - 1] + half < starts[at] - half:
            found[lowest] += 1.0
            groups, lowest = groups + 1, first[at]
        else:
            lowest = min(lowest, first[at])
    found[lowest] += 1.0
    return np.cumsum(found) / groups


def usual_period(values: NDArray[np.float64]) -> int:
    """The period of a series that sets its longest tolerance, as TSB-AD finds it (``find_length_rank``).

    The lag of the highest inner peak of the autocorrelation of the first 20,000 values, from lag 4 on; 125 where
    there is none or it is short or long. It looks at the whole series, which a measure may and a detector may not.

    Parameters
    ----------
    values : float64 array, shape (n,)
        Missing ones (NaN) are left out.
    """
    known = values[np.isfinite(values)][:_ROWS]
    if known.size <= _SHORTEST + 2 or np.ptp(known) == 0.0:
        return _USUAL
    centred = known - known.mean()
    spectrum = np.fft.rfft(centred, 2 * known.size)
    correlation = np.fft.irfft(np.abs(spectrum) ** 2)[: min(_LAGS + 1, known.size)]
    tail = (correlation / correlation[0])[_SHORTEST:]
    peaks = np.flatnonzero((tail[1:-1] > tail[:-2]) & (tail[1:-1] > tail[2:])) + 1
    if not peaks.size:
        return _USUAL
    peak = int(peaks[np.argmax(tail[peaks])])
    return peak + _SHORTEST if _SHORTEST <= peak <= _LONGEST else _USUAL
