import json

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from streamforest.verdicts.ranking import PAST_DTYPE, Rank
from streamforest.views.ranking_table import (
    LINE_HEIGHT,
    LINE_POINTS,
    MOST_SHOWN,
    SORTS,
    STATES,
    TableWish,
    line_of,
    table_facts,
    table_wish_of,
    wanted_ranks,
)
from tests.views.test_visitor_chart import json_values
from tests.visits import ranking


def rank(number, key, **facts):
    usual = {"state": "calm", "points": 9, "anomalies": 0, "episodes": 0, "worst_p": None, "p_value": 0.5, "time": 1.0}
    return Rank(number, key, **{**usual, "reason": "", **facts})


RANKS = [
    rank(4, "Pump 1", state="anomalous", worst_p=1e-6, episodes=2, reason="spike: 9"),
    rank(2, "valve", state="unusual", worst_p=1e-3, episodes=5, points=12),
    rank(0, "pump 2", state="warming up", p_value=None, time=None, points=1),
]


def numbers(**wish):
    return [one.number for _, one in wanted_ranks(RANKS, TableWish(**wish))]


def test_the_table_is_sorted_by_any_column_and_unknown_numbers_are_last():
    assert numbers() == [4, 2, 0]
    assert numbers(is_reversed=True) == [0, 2, 4]
    assert numbers(sort="worst_p") == [4, 2, 0]
    assert numbers(sort="episodes", is_reversed=True) == [2, 4, 0]
    assert numbers(sort="key") == [4, 0, 2]
    assert numbers(sort="p_value")[-1] == 0
    assert numbers(sort="time", is_reversed=True)[-1] == 0
    for name in SORTS:
        assert sorted(numbers(sort=name)) == [0, 2, 4]


def test_the_table_is_filtered_by_words_in_the_key_and_by_state_and_says_the_place_in_the_ranking():
    assert numbers(words="pump") == [4, 0]
    assert numbers(state="unusual") == [2]
    assert numbers(words="pump", state="calm") == []
    assert wanted_ranks(RANKS, TableWish(words="2"))[0][0] == 3


@given(json_values | st.tuples(st.floats(), st.text(), st.booleans(), st.text(), st.text()).map(list))
@settings(max_examples=60, deadline=None)
def test_whatever_a_visitor_wishes_for_is_refused_or_has_bounds(parts):
    wish = table_wish_of(parts)
    if wish is not None:
        assert 1 <= wish.rows <= MOST_SHOWN


def test_a_wish_is_understood():
    assert table_wish_of([20.0, "key", True, "PUMP", "calm"]) == TableWish(20, "key", True, "pump", "calm")
    wrong = ([20.0, "keys", True, "", ""], [20.0, "key", 1.0, "", ""], [20.0, "key", True, "x" * 101, ""])
    for parts in (*wrong, [20.0, "key", True, "", "dead"], [float("inf"), "key", True, "", ""]):
        assert table_wish_of(parts) is None
    assert table_wish_of([20.0, "state", False, "", STATES[0]]) is not None


@given(st.lists(st.floats(width=64), max_size=150), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_a_line_fits_its_row(values, random):
    past = np.zeros(len(values), PAST_DTYPE)
    past["value"] = values
    past["is_anomaly"] = [random.random() < 0.1 for _ in values]
    heights, marks = line_of(past)
    assert len(heights) == min(len(values), LINE_POINTS)
    assert all(height is None or 0 <= height <= LINE_HEIGHT for height in heights)
    assert [height is None for height in heights] == np.isnan(past["value"][-LINE_POINTS:]).tolist()
    assert all(past["is_anomaly"][-LINE_POINTS:][mark] for mark in marks)


def test_a_row_of_the_table_can_be_sent_and_no_key_forges_anything():
    found = ranking(["a\u202eb", "valve"], 130)
    facts = table_facts(found, found.ranks(0, 9), TableWish(rows=1))
    assert (facts["found"], facts["searched"]) == (2, 2)
    (row,) = json.loads(json.dumps(facts, allow_nan=False))["rows"]
    assert row[:4] == [1, 0, r"a\u202eb", "anomalous"]
    assert "spike" in row[10]
    assert len(row[11]) == LINE_POINTS
    assert row[12][-1] == LINE_POINTS - 1
