"""What a detector's outcomes on a board are worth: the figures of the quality benchmark."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks import nab_score
from benchmarks.boards import Board, Series
from benchmarks.peers import Outcome
from benchmarks.vus import usual_period, vus_pr
from streamforest.verdicts.episodes import EPISODE_GAP

_DAY = 86_400.0
#: Rows that a place may be off an anomaly and still be right, in the UCR archive's contest.
NEAR = 100


class Marks(NamedTuple):
    """The figures of one detector on one board; NaN where there is nothing to measure by.

    Nothing in the probation of a series counts, except for the time.

    Attributes
    ----------
    nab_standard, nab_low_fp, nab_low_fn : float
        NAB's score of the alarms (``nab_score.alarm_scores``) for its three profiles.
    nab_threshold, nab_detections, nab_false_alarms : float, int, int
        How the standard one comes about.
    nab_raw_standard, nab_raw_low_fp, nab_raw_low_fn : float
        The same with every row an alarm of its own.
    vus_pr : float
        Mean over the series with anomalies.
    precision, recall, f1 : float
        At the default settings: right episodes of all episodes, found windows of all windows.
    episodes, windows, found : int
        Those numbers.
    false_alarms_per_day, false_alarms_per_1000 : float
        Episodes a day, and for 1,000 points, on the series without anomalies.
    flagged_over_asked : float
        Share of flagged points on the series without anomalies, over the alarm rate asked for.
    median_delay : float
        Points from a found window's first one to its first flagged one.
    us_per_point : float
        CPU time, microseconds.
    series, failed : int
        Series measured, and series that the detector could not be run on.
    whole_vus_pr : float
        Mean VUS-PR as TSB-AD counts it: over all rows of a series, its beginning too.
    found_near : float
        Share of the series with one anomaly whose highest score behind the training rows is on it, or no more than
        NEAR rows from it, as the UCR archive counts it.
    """

    nab_standard: float
    nab_low_fp: float
    nab_low_fn: float
    nab_threshold: float
    nab_detections: int
    nab_false_alarms: int
    nab_raw_standard: float
    nab_raw_low_fp: float
    nab_raw_low_fn: float
    vus_pr: float
    precision: float
    recall: float
    f1: float
    episodes: int
    windows: int
    found: int
    false_alarms_per_day: float
    false_alarms_per_1000: float
    flagged_over_asked: float
    median_delay: float
    us_per_point: float
    series: int
    failed: int
    whole_vus_pr: float
    found_near: float


class _Decisions(NamedTuple):
    """Of one series: its episodes, those that are right, its windows, and the delays of the found ones."""

    episodes: int
    right: int
    windows: int
    delays: list[int]


def measure(board: Board, outcomes: Mapping[str, Outcome], alarm_rate: float) -> Marks:
    """All figures of one detector.

    Parameters
    ----------
    board : Board
        All its series; one that ``outcomes`` lacks is counted as failed.
    outcomes : mapping of str to Outcome
        By the name of the series.
    alarm_rate : float
        What was asked for.
    """
    measured = [series for series in board.series if series.name in outcomes]
    alarms = {name: nab_score.alarm_scores(outcome.scores) for name, outcome in outcomes.items()}
    sweeps = _sweeps(measured, alarms)
    raw = _sweeps(measured, {name: outcome.scores for name, outcome in outcomes.items()})
    decisions = [decide(series, outcomes[series.name].flagged) for series in measured]
    episodes = sum(one.episodes for one in decisions)
    right = sum(one.right for one in decisions)
    windows = sum(one.windows for one in decisions)
    delays = [delay for one in decisions for delay in one.delays]
    precision, recall = _ratio(right, episodes), _ratio(len(delays), windows)
    seconds = sum(outcome.seconds for outcome in outcomes.values())
    return Marks(
        sweeps[0].score,
        sweeps[1].score,
        sweeps[2].score,
        sweeps[0].threshold,
        sweeps[0].detections,
        sweeps[0].false_alarms,
        raw[0].score,
        raw[1].score,
        raw[2].score,
        _mean_vus(measured, outcomes),
        precision,
        recall,
        # 0, not unknown, where nothing is flagged but something should be
        2.0 * precision * recall / (precision + recall) if right else _ratio(0, windows),
        episodes,
        windows,
        len(delays),
        *_calm_figures(measured, outcomes, alarm_rate),
        float(np.median(delays)) if delays else np.nan,
        1e6 * _ratio(seconds, sum(series.values.size for series in measured)),
        len(measured),
        len(board.series) - len(measured),
        _mean_vus(measured, outcomes, is_whole=True),
        _found_near(measured, outcomes),
    )


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else np.nan


def _sweeps(measured: list[Series], scores: Mapping[str, NDArray[np.float64]]) -> list[nab_score.Sweep]:
    windows = {series.name: series.windows for series in measured}
    return [nab_score.sweep(scores, windows, profile) for profile in nab_score.PROFILES.values()]


def _mean_vus(measured: list[Series], outcomes: Mapping[str, Outcome], is_whole: bool = False) -> float:
    volumes = []
    for series in measured:
        start = 0 if is_whole else series.probation
        scores, labels = outcomes[series.name].scores[start:], series.labels[start:]
        if labels.any() and not labels.all():
            volumes.append(vus_pr(scores, labels, usual_period(series.values)))
    return float(np.mean(volumes)) if volumes else np.nan


def _found_near(measured: list[Series], outcomes: Mapping[str, Outcome]) -> float:
    found = []
    for series in measured:
        if len(series.windows) == 1:
            left, right = series.windows[0]
            place = series.train + int(np.argmax(outcomes[series.name].scores[series.train :]))
            found.append(left - NEAR <= place <= right + NEAR)
    return _ratio(sum(found), len(found))


def decide(series: Series, flagged: NDArray[np.bool_]) -> _Decisions:
    """Hold the decisions on one series against its windows."""
    rows = flagged_rows(series, flagged)
    episodes, labels = split_episodes(rows), series.labels
    delays = []
    for left, right in series.counted_windows:
        inside = rows[(rows >= left) & (rows <= right)]
        if inside.size:
            delays.append(int(inside[0]) - left)
    n_right = sum(bool(labels[episode].any()) for episode in episodes)
    return _Decisions(len(episodes), n_right, len(series.counted_windows), delays)


def flagged_rows(series: Series, flagged: NDArray[np.bool_]) -> NDArray[np.intp]:
    """The flagged rows behind the probation."""
    return np.flatnonzero(flagged[series.probation :]) + series.probation


def split_episodes(rows: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """Flagged rows, cut where more normal ones lie between two of them than an episode survives.

    Examples
    --------
    >>> [episode.tolist() for episode in split_episodes(np.array([3, 4, 10, 17]))]
    [[3, 4, 10], [17]]
    """
    cuts = np.flatnonzero(np.diff(rows) > EPISODE_GAP + 1) + 1
    return np.split(rows, cuts) if rows.size else []


def _calm_figures(
    measured: list[Series], outcomes: Mapping[str, Outcome], alarm_rate: float
) -> tuple[float, float, float]:
    """False alarms a day and for 1,000 points, and flagged points over those asked for, without anomalies."""
    episodes = points = flagged = 0
    days = 0.0
    for series in measured:
        if series.windows:
            continue
        rows = flagged_rows(series, outcomes[series.name].flagged)
        episodes += len(split_episodes(rows))
        flagged += rows.size
        points += series.values.size - series.probation
        days += float(series.times[-1] - series.times[series.probation]) / _DAY
    return _ratio(episodes, days), 1000.0 * _ratio(episodes, points), _ratio(flagged, points * alarm_rate)
