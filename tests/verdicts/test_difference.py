import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streamforest.protocols import VERDICT_DTYPE
from streamforest.verdicts.difference import alarms_text, difference, has_counterpart, spans_of


def verdicts(n, *alarms):
    """Verdicts with alarms, each a range of points."""
    rows = np.zeros(n, VERDICT_DTYPE)
    rows["index"] = np.arange(100, 100 + n)
    for number, (first, last) in enumerate(alarms, 1):
        rows["is_anomaly"][first : last + 1] = True
        rows["episode"][first : last + 1] = number
    return rows


def test_alarms_are_told_apart_by_their_numbers_and_named_by_the_streams_indices():
    spans = spans_of(verdicts(50, (3, 3), (4, 9), (20, 21)))
    assert spans.first.tolist() == [103, 104, 120]
    assert spans.last.tolist() == [103, 109, 121]
    assert len(spans_of(verdicts(5)).first) == 0


def test_what_was_dropped_and_what_is_new_is_counted_and_placed():
    found = difference(verdicts(200, (10, 12), (50, 50), (90, 95)), verdicts(200, (13, 13), (150, 151)))
    assert (found.before, found.after, found.dropped, found.new) == (3, 2, 2, 1)
    assert found.kept_points.tolist() == [113]
    assert found.new_points.tolist() == [250, 251]
    assert found.dropped_points.tolist() == [150, *range(190, 196)]
    assert found.words == "2 alarms instead of 3: 2 dropped, 1 new"


def test_alarms_that_become_one_are_neither_dropped_nor_new():
    several, one = verdicts(99, (10, 10), (20, 20), (30, 30)), verdicts(99, (10, 30))
    assert difference(several, one).words == "1 alarm instead of 3: 2 joined to others"
    assert difference(one, several).words == "3 alarms instead of 1: 2 cut off others"


def test_no_difference_is_said_to_be_none():
    assert difference(verdicts(9, (3, 3)), verdicts(9, (3, 3))).words == "the same 1 alarm"
    assert difference(verdicts(9), verdicts(9)).words == "no alarm, as before"
    assert alarms_text(2000) == "2,000 alarms"


spans = st.lists(st.tuples(st.integers(0, 12), st.integers(1, 9)), max_size=12)


def placed(lengths):
    """Alarms one after the other: calm points before each, and its length."""
    alarms, at = [], 0
    for calm, length in lengths:
        alarms.append((at + calm, at + calm + length - 1))
        at += calm + length
    return verdicts(300, *alarms), alarms


@given(spans, spans)
def test_a_counterpart_is_found_where_one_is_at_most_five_points_away(some, others):
    (rows, alarms), (other_rows, other_alarms) = placed(some), placed(others)
    found = has_counterpart(spans_of(rows), spans_of(other_rows))
    slow = [any(low - 5 <= last and first <= high + 5 for first, last in other_alarms) for low, high in alarms]
    assert found.tolist() == slow
    both = difference(rows, other_rows)
    assert both.dropped == slow.count(False)
    assert len(both.kept_points) + len(both.new_points) == sum(last - first + 1 for first, last in other_alarms)
