import math
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.boards import label_runs
from benchmarks.vus import usual_period, vus_pr


class Case(NamedTuple):
    """A made series and the VUS-PR that the authors' program (``generate_curve`` of TSB-AD 1.5) gives for it."""

    n: int
    runs: tuple
    longest: int
    lift: float
    volume: float

    def series(self, name):
        """Scores without a random number, higher by ``lift`` in the anomalies; and labels."""
        labels = np.zeros(self.n, dtype=bool)
        for left, right in self.runs:
            labels[left : right + 1] = True
        scores = np.arange(self.n) * 0.6180339887498949 % 1.0 + self.lift * labels
        return (np.round(4 * scores) / 4 if name == "few levels" else scores), labels


CASES = {
    "one anomaly": Case(300, ((120, 150),), 20, 0.6, 0.7735161749192768),
    "two near ones": Case(400, ((100, 110), (118, 130)), 24, 0.5, 0.6496183329506638),
    "at both ends": Case(250, ((0, 4), (240, 249)), 11, 0.4, 0.51632842329961),
    "single rows": Case(500, ((60, 60), (200, 200), (205, 205)), 30, 0.9, 0.5297298271412287),
    "few levels": Case(350, ((90, 140),), 16, 0.3, 0.4081714831812396),
    "no tolerance": Case(200, ((50, 60),), 0, 0.5, 0.6546244601177301),
    "useless": Case(300, ((30, 60),), 15, 0.0, 0.13500882660691071),
}


@pytest.mark.parametrize("name", CASES)
def test_the_authors_program_gives_the_same(name):
    case = CASES[name]
    assert vus_pr(*case.series(name), case.longest) == pytest.approx(case.volume, abs=1e-9)


def naive_tolerant_labels(labels, tolerance):
    """1 in an anomaly, less beside it."""
    tolerant = labels.astype(float)
    for left, right in label_runs(labels):
        for row in range(labels.size):
            distance = max(left - row, row - right)
            if 0 < distance <= tolerance // 2:
                tolerant[row] += math.sqrt(1 - distance / tolerance)
    return np.minimum(tolerant, 1.0)


def naive_groups(labels, half):
    """Anomalies with their tolerated rows, joined where those touch."""
    groups = []
    for left, right in label_runs(labels):
        if groups and groups[-1][1] >= left - half:
            groups[-1][1] = right + half
        else:
            groups.append([max(left - half, 0), right + half])
    return groups


def naive_vus_pr(scores, labels, longest):
    """One pass over the series for every tolerance and threshold."""
    ranked = sorted(scores.tolist(), reverse=True)
    limits = [ranked[int(at)] for at in np.linspace(0, len(ranked) - 1, 250)]
    areas = []
    for tolerance in range(longest + 1):
        tolerant = naive_tolerant_labels(labels, tolerance)
        groups = naive_groups(labels, tolerance // 2)
        area = before = 0.0
        for limit in limits:
            flagged = scores >= limit
            true = float(tolerant[flagged].sum())
            positives = labels.sum() + float(tolerant[flagged & ~labels].sum()) / 2
            found = sum(bool(flagged[left : right + 1].any()) for left, right in groups) / len(groups)
            recall = min(true / positives, 1.0) * found
            area += (recall - before) * true / flagged.sum()
            before = recall
        areas.append(area)
    return sum(areas) / len(areas)


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=5, max_size=60),
    st.integers(0, 12),
)
def test_the_fast_volume_equals_its_slow_twin(rows, longest):
    scores = np.array([float(score) for score, _ in rows])
    labels = np.array([label for _, label in rows])
    volume = vus_pr(scores, labels, longest)
    if labels.all() or not labels.any():
        assert math.isnan(volume)
    else:
        assert volume == pytest.approx(naive_vus_pr(scores, labels, longest), abs=1e-12)
        assert 0.0 <= volume <= 1.0


def test_only_the_order_of_the_scores_matters():
    scores, labels = CASES["one anomaly"].series("one anomaly")
    assert vus_pr(np.exp(5.0 * scores), labels, 20) == vus_pr(scores, labels, 20)


def test_perfect_scores_without_tolerance_are_1():
    labels = np.zeros(300, dtype=bool)
    labels[100:120] = True
    assert vus_pr(labels.astype(float), labels, 0) == pytest.approx(1.0)


@pytest.mark.parametrize("period", [12, 48, 250])
def test_the_period_is_found(period):
    # a sharp shape has its autocorrelation's peak at the period, not beside it
    values = (np.arange(4000) % period == 0).astype(float)
    assert usual_period(values) == period
    values[7::1000] = math.nan
    assert usual_period(values[np.isfinite(values)]) == usual_period(values)


@pytest.mark.parametrize(
    "values",
    [np.zeros(500), np.arange(500.0), np.array([1.0, 2.0]), np.full(100, math.nan)],
    ids=["constant", "rising", "short", "missing"],
)
def test_where_no_period_is_found_a_usual_one_is_taken(values):
    assert usual_period(values) == 125
