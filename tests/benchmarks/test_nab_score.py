import csv
import doctest
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import boards, marks, nab_score
from benchmarks.boards import Board, Series, probation_rows, read_board
from benchmarks.nab_score import PROFILES, alarm_scores, check_published, row_weights, sweep, write_results

NAB = Path(__file__).parents[3] / "shared" / "data" / "nab"

every_profile = pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)


def naive_weight(row, windows):
    """What one detected row is worth, and the number of its window or None; one row at a time."""

    def sigmoid(x):
        return 2 / (1 + math.exp(5 * x)) - 1

    before = None
    for number, (left, right) in enumerate(windows):
        if left <= row <= right:
            return sigmoid(-(right - row + 1) / (right - left + 1)) / sigmoid(-1), number
        if right < row:
            before = (left, right)
    if before is None:
        return -1.0, None
    behind = (row - before[1]) / max(before[1] - before[0], 1)
    return (-1.0 if behind > 3 else sigmoid(behind)), None


def naive_outcome(scores, windows, profile, threshold):
    """Points, found windows and false alarms at one threshold."""
    points, found, false_alarms = 0.0, 0, 0
    for name, row_scores in scores.items():
        start = probation_rows(row_scores.size)
        worth = {n: None for n, (_, right) in enumerate(windows[name]) if right >= start}
        for row in range(start, row_scores.size):
            if row_scores[row] < threshold:
                continue
            weight, number = naive_weight(row, windows[name])
            if number is None:
                points += profile.false_alarm * weight
                false_alarms += 1
            else:
                worth[number] = weight if worth[number] is None else max(worth[number], weight)
        points += sum(-profile.miss if weight is None else weight for weight in worth.values())
        found += sum(weight is not None for weight in worth.values())
    return points, found, false_alarms


def naive_sweep(scores, windows, profile):
    """The best score of all thresholds, each tried from the beginning."""
    n = sum(right >= probation_rows(scores[name].size) for name in scores for _, right in windows[name])
    thresholds = {math.inf, *np.concatenate(list(scores.values())).tolist()}
    best = max(naive_outcome(scores, windows, profile, threshold)[0] for threshold in thresholds)
    nothing = -profile.miss * n
    return 100 * (best - nothing) / (n - nothing)


@st.composite
def labelled_scores(draw):
    """Scores of few levels, so that many are equal, and windows that do not overlap."""
    n = draw(st.integers(10, 60))
    ends = draw(st.lists(st.integers(0, n - 1), max_size=6, unique=True).map(sorted))
    windows = list(zip(ends[::2], ends[1::2], strict=False))
    windows += [(row, row) for row in ends[len(ends) // 2 * 2 :]]
    scores = draw(st.lists(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]), min_size=n, max_size=n))
    return np.array(scores), windows


@every_profile
@settings(deadline=None)
@given(st.lists(labelled_scores(), min_size=1, max_size=3))
def test_the_sweep_equals_its_slow_twin(profile, drawn):
    scores = {str(at): one for at, (one, _) in enumerate(drawn)}
    windows = {str(at): one for at, (_, one) in enumerate(drawn)}
    found = sweep(scores, windows, profile)
    if not any(right >= probation_rows(scores[name].size) for name in scores for _, right in windows[name]):
        assert math.isnan(found.score)
        return
    assert found.score == pytest.approx(naive_sweep(scores, windows, profile), abs=1e-9)
    _, detections, false_alarms = naive_outcome(scores, windows, profile, found.threshold)
    assert (detections, false_alarms) == (found.detections, found.false_alarms)


@every_profile
def test_every_window_at_its_first_row_is_100_and_nothing_is_0(profile):
    scores = np.zeros(200)
    windows = {"a": [(60, 80), (120, 130)]}
    scores[[60, 120]] = 1.0
    assert sweep({"a": scores}, windows, profile) == (pytest.approx(100.0), 1.0, 2, 0)
    assert sweep({"a": np.full(200, 0.5)}, windows, profile) == (0.0, math.inf, 0, 0)


def test_a_late_row_earns_less_than_an_early_one():
    def score_at(row):
        return sweep({"a": (np.arange(200) == row).astype(float)}, {"a": [(60, 99)]}).score

    assert score_at(60) == pytest.approx(100.0)
    assert score_at(60) > score_at(80) > score_at(99) > 50.0


def test_rows_of_the_probation_count_for_nothing():
    scores = np.zeros(200)
    scores[40] = 1.0
    quiet = sweep({"a": scores}, {"a": [(40, 50)]})
    scores[:30] = 2.0
    assert sweep({"a": scores}, {"a": [(40, 50)]}) == quiet
    assert math.isnan(sweep({"a": scores}, {"a": [(5, 20)]}).score)


def test_a_false_alarm_costs_little_just_behind_a_window_and_all_far_behind():
    weights, numbers = row_weights(400, [(50, 60)])
    assert weights[50] == 1.0
    assert (weights[:50] == -1.0).all()
    assert -0.3 < weights[61] < 0.0
    assert (np.diff(weights[50:91]) < 0.0).all()
    assert (weights[91:] == -1.0).all()
    assert numbers.tolist() == [-1] * 50 + [0] * 11 + [-1] * 339


def naive_alarm_scores(scores, cool_down):
    kept = []
    for at, score in enumerate(scores):
        before = scores[max(0, at - cool_down) : at]
        kept.append(score if all(score > other for other in before) else 0.0)
    return kept


short_scores = st.lists(st.sampled_from([0.0, 0.2, 0.4, 0.6, 0.8]), max_size=60)


@given(short_scores, st.integers(1, 12))
def test_an_alarm_is_a_record_of_the_last_rows(scores, cool_down):
    assert alarm_scores(np.array(scores), cool_down).tolist() == naive_alarm_scores(scores, cool_down)


@given(short_scores, st.integers(0, 60))
def test_an_alarm_needs_no_later_row(scores, cut):
    whole = alarm_scores(np.array(scores), 5)
    assert alarm_scores(np.array(scores[:cut]), 5).tolist() == whole[:cut].tolist()


@given(short_scores, st.sampled_from([0.2, 0.4, 0.6, 0.8]))
def test_at_any_threshold_the_first_row_after_a_calm_stretch_is_an_alarm(scores, threshold):
    alarms = alarm_scores(np.array(scores), 5)
    for at, score in enumerate(scores):
        if score >= threshold and all(other < threshold for other in scores[max(0, at - 5) : at]):
            assert alarms[at] == score


def series_of(name="real/one.csv", n=4):
    stamps = tuple(f"2024-01-01 00:0{at}:00" for at in range(n))
    return Series(name, np.arange(float(n)), 60.0 * np.arange(n), stamps, ((1, 2),))


def test_results_are_written_where_and_as_nab_reads_them(tmp_path):
    path = write_results(tmp_path, "mine", series_of(), np.array([0.0, 1.0, 3.0, 700.0]))
    assert path == tmp_path / "mine" / "real" / "mine_one.csv"
    header, *rows = csv.reader(path.read_text(encoding="utf-8").splitlines())
    assert header == ["timestamp", "value", "anomaly_score", "label"]
    assert rows[1] == ["2024-01-01 00:01:00", "1.0", "0.5", "1"]
    assert [row[3] for row in rows] == ["0", "1", "1", "0"]
    scores = [float(row[2]) for row in rows]
    assert scores == sorted(scores)
    assert scores[0] == 0.0
    assert scores[-1] < 1.0


def test_published_scores_beside_a_board_are_scored(tmp_path):
    one = Series("a.csv", np.zeros(100), np.zeros(100), (), ((50, 60),))
    np.savez(tmp_path / "scores_somebody.npz", **{"a.csv": (np.arange(100) == 50).astype(float)})
    ((name, score, published),) = check_published(Board("b", tmp_path, (one,)))
    assert (name, score) == ("somebody", pytest.approx(100.0))
    assert math.isnan(published)


@pytest.mark.skipif(not list(NAB.glob("scores_*.npz")), reason="NAB's data and published row scores are not here")
def test_the_published_scores_are_reproduced():
    for _, score, published in check_published(read_board(NAB)):
        assert score == pytest.approx(published, abs=0.01)


@pytest.mark.parametrize("module", [boards, marks, nab_score])
def test_examples_in_the_docstrings(module):
    failed, tried = doctest.testmod(module)
    assert tried > 0
    assert failed == 0
