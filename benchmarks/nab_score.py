"""The Numenta Anomaly Benchmark's score, as published, and files that its own scorer can read."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from benchmarks.boards import Board, Series, Window, probation_rows

#: Rows in a row that a score must exceed to be an alarm, see :func:`alarm_scores`.
COOL_DOWN = 100

#: Standard scores that NAB's authors publish, by the name of the detector.
PUBLISHED = {"numenta": 70.10, "ARTime": 74.85, "contextOSE": 69.90, "randomCutForest": 51.72}

# A false alarm this many window widths after a window costs as much as one far from any.
_FAR = 3.0


class Profile(NamedTuple):
    """What a missed window and a false alarm cost; a window found at its first row earns 1."""

    miss: float
    false_alarm: float


PROFILES = {
    "standard": Profile(1.0, 0.11),
    "reward_low_FP": Profile(1.0, 0.22),
    "reward_low_FN": Profile(2.0, 0.11),
}


class Sweep(NamedTuple):
    """The best that one threshold for all series gives.

    Attributes
    ----------
    score : float
        At most 100; 0 where detecting nothing is best. NaN without a window.
    threshold : float
        Rows that score at least this are detected; infinite where none is.
    detections : int
        Windows in which a row is detected.
    false_alarms : int
        Detected rows outside the windows.
    """

    score: float
    threshold: float
    detections: int
    false_alarms: int


def alarm_scores(scores: NDArray[np.float64], cool_down: int = COOL_DOWN) -> NDArray[np.float64]:
    """Scores that are a new record, all others 0: one alarm an event, at whatever threshold.

    NAB pays once for a window and charges every detected row outside of one, so that rows of one event
    must not be alarms each. A row keeps its score where that exceeds all of the last ``cool_down`` scores: at any
    threshold, that holds for the row where the scores first rise above it. It needs no row that comes later.

    Parameters
    ----------
    scores : float64 array, shape (n,)
        At least 0, higher = more anomalous.
    cool_down : int
        Rows that are looked back at, at least 1.

    Examples
    --------
    >>> alarm_scores(np.array([1.0, 3.0, 2.0, 3.0, 4.0, 2.0, 3.0]), 2).tolist()
    [1.0, 3.0, 0.0, 0.0, 4.0, 0.0, 0.0]
    """
    kept = np.zeros(scores.size)
    falling: deque[tuple[int, float]] = deque()  # each is higher than all that came after it
    for at, score in enumerate(scores.tolist()):
        if falling and falling[0][0] < at - cool_down:
            falling.popleft()
        if not falling or score > falling[0][1]:
            kept[at] = score
        while falling and falling[-1][1] <= score:
            falling.pop()
        falling.append((at, score))
    return kept


def row_weights(n: int, windows: Sequence[Window]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """What detecting a row is worth, and the number of its window.

    Parameters
    ----------
    n : int
        Rows of the series.
    windows : sequence of (int, int)
        First and last row of each, in order.

    Returns
    -------
    weights : float64 array, shape (n,)
        In (0, 1] inside a window, 1 at its first row; in [-1, 0] outside, 0 just behind a window.
    numbers : int64 array, shape (n,)
        Of the window, from 0; -1 outside.

    Notes
    -----
    A window of one row has no width to measure what follows by, for which NAB has no rule; here it counts as one of
    two rows.

    References
    ----------
    Lavin and Ahmad, ICMLA 2015, arXiv 1510.03336, section III.
    """
    weights, numbers = np.full(n, -1.0), np.full(n, -1)
    rows = np.arange(n)
    for number, (left, right) in enumerate(windows):
        width = right - left + 1
        behind = (rows[right + 1 :] - right) / max(width - 1, 1)
        weights[right + 1 :] = np.where(behind > _FAR, -1.0, _sigmoid(behind))
        weights[left : right + 1] = _sigmoid(-(right - rows[left : right + 1] + 1) / width) / _sigmoid(-1.0)
        numbers[left : right + 1] = number
    return weights, numbers


def _sigmoid(position: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """1 far before a window's end, 0 at it, -1 far behind."""
    # the exponential of a long way past a short window would overflow, where the result is -1 already
    return np.asarray(2.0 / (1.0 + np.exp(5.0 * np.minimum(position, 100.0))) - 1.0)


def sweep(
    alarm_scores_by_series: Mapping[str, NDArray[np.float64]],
    windows_by_series: Mapping[str, Sequence[Window]],
    profile: Profile = PROFILES["standard"],
) -> Sweep:
    """Try every distinct score as the one threshold for all series and return the best outcome.

    Parameters
    ----------
    alarm_scores_by_series : mapping of str to float64 array of shape (n,)
        Higher = more anomalous. The probation at the beginning is left out here.
    windows_by_series : mapping of str to sequence of (int, int)
        Of at least the same series.
    profile : Profile
        What a miss and a false alarm cost.
    """
    scores, weights, numbers = [np.empty(0)], [np.empty(0)], [np.empty(0, dtype=np.int64)]
    n_windows = 0
    for name, row_scores in alarm_scores_by_series.items():
        start = probation_rows(row_scores.size)
        windows = windows_by_series[name]
        row_weight, row_window = row_weights(row_scores.size, windows)
        row_window[row_window >= 0] += n_windows
        scores.append(row_scores[start:])
        weights.append(row_weight[start:])
        numbers.append(row_window[start:])
        n_windows += len(windows)
    every_score, every_number = np.concatenate(scores), np.concatenate(numbers)
    n_counted = np.unique(every_number[every_number >= 0]).size
    order = np.argsort(-every_score, kind="stable")
    gain, threshold, found, false_alarms = _best(
        every_score[order], np.concatenate(weights)[order], every_number[order], n_windows, *profile
    )
    # where nothing is detected all windows are missed: gains are counted from there
    score = 100.0 * gain / (n_counted * (1.0 + profile.miss)) if n_counted else np.nan
    return Sweep(score, threshold, found, false_alarms)


@numba.njit(cache=True)
def _best(
    scores: NDArray[np.float64],
    weights: NDArray[np.float64],
    numbers: NDArray[np.int64],
    n_windows: int,
    miss: float,
    false_alarm: float,
) -> tuple[float, float, int, int]:
    """The largest gain over detecting nothing, for rows in the order of falling scores."""
    earned = np.full(n_windows, -miss)
    gain = best = 0.0
    threshold = np.inf
    found = false_alarms = best_found = best_false_alarms = 0
    for at in range(scores.size):
        number = numbers[at]
        if number < 0:
            gain += false_alarm * weights[at]
            false_alarms += 1
        elif weights[at] > earned[number]:
            found += earned[number] == -miss
            gain += weights[at] - earned[number]
            earned[number] = weights[at]
        # rows of one score are detected together
        is_last = at + 1 == scores.size or scores[at + 1] < scores[at]
        if is_last and gain > best:
            best, threshold, best_found, best_false_alarms = gain, scores[at], found, false_alarms
    return best, threshold, best_found, best_false_alarms


def check_published(board: Board) -> list[tuple[str, float, float]]:
    """Score the published detectors whose row scores lie beside the board as ``scores_NAME.npz``.

    Returns
    -------
    list of (str, float, float)
        Detector, its standard score computed here, and as published (NaN where that is not known).
    """
    windows = {series.name: series.windows for series in board.series}
    outcomes = []
    for path in sorted(board.folder.glob("scores_*.npz")):
        name = path.stem.removeprefix("scores_")
        with np.load(path) as kept:
            score = sweep({key: kept[key] for key in kept.files}, windows).score
        outcomes.append((name, score, PUBLISHED.get(name, np.nan)))
    return outcomes


def write_results(folder: Path, detector: str, series: Series, scores: NDArray[np.float64]) -> Path:
    """Write one series' scores as NAB's own programs name and read them; returns the file's path.

    Scores are brought into [0, 1] by s / (1 + s), the same rising map for all series and detectors.
    """
    category, _, file = series.name.rpartition("/")
    path = folder / detector / category / f"{detector}_{file}"
    path.parent.mkdir(parents=True, exist_ok=True)
    positive = np.maximum(scores, 0.0)
    rows = zip(series.stamps, series.values, positive / (1.0 + positive), series.labels, strict=True)
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(("timestamp", "value", "anomaly_score", "label"))
        writer.writerows((stamp, float(value), float(score), int(label)) for stamp, value, score, label in rows)
    return path
