import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamforest.protocols import VERDICT_DTYPE
from streamforest.verdicts.history import History, Marks
from streamforest.verdicts.honesty import BY_BAND
from streamforest.views.chart_rows import (
    MOST_MARKS,
    WIRE,
    StreamCuts,
    chart_places,
    past_rows,
    per_column,
    wire_body,
    wire_frame,
)
from tests.visits import ranking


def chart_rows(rows, shared):
    return rows[chart_places(rows, np.zeros(len(rows), np.uint8), shared)]


def taken_apart(message):
    """Facts and columns of a message, as the page reads them."""
    length = int.from_bytes(message[:4], "little")
    facts = json.loads(message[4 : 4 + length])
    columns, at = {}, 4 + length
    for name, kind in WIRE:
        assert at % np.dtype(kind).itemsize == 0, "a browser reads an array only where it is aligned"
        columns[name] = np.frombuffer(message, kind, facts["n"], at)
        at += columns[name].nbytes
    assert at == len(message)
    return facts, columns


@st.composite
def verdicts(draw, most=300):
    n, first = draw(st.integers(1, most)), draw(st.integers(0, 1000))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    rows = np.zeros(n, VERDICT_DTYPE)
    rows["index"] = np.arange(first, first + n)
    rows["value"] = rng.integers(-5, 5, n) * draw(st.sampled_from([0.0, 1.0, 1e300]))
    rows["score"], rows["threshold"] = rng.integers(0, 4, n) / 4, 0.5
    rows["value"][rng.random(n) < draw(st.sampled_from([0, 0.3, 1]))] = np.nan
    rows["score"][rng.random(n) < draw(st.sampled_from([0, 0.3, 1]))] = np.nan
    rows["is_anomaly"] = rng.random(n) < draw(st.sampled_from([0, 0.1]))
    return rows


@given(verdicts(), st.sampled_from([1, 2, 4, 16, 512]))
@settings(max_examples=60, deadline=None)
def test_a_chart_gets_the_extremes_of_each_column_every_anomaly_and_the_newest_point(rows, shared):
    found = chart_rows(rows, shared)
    assert (np.diff(found["index"]) > 0).all()
    assert set(rows["index"][rows["is_anomaly"]]) <= set(found["index"])
    assert found["index"][-1] == rows["index"][-1]
    assert np.array_equal(rows[found["index"] - rows["index"][0]].tobytes(), found.tobytes())
    for column in np.unique(rows["index"] // shared):
        whole, part = (one[one["index"] // shared == column] for one in (rows, found))
        for name in ("value", "score"):
            assert np.array_equal(np.fmax.reduce(whole[name]), np.fmax.reduce(part[name]), equal_nan=True)
        assert np.array_equal(np.fmin.reduce(whole["value"]), np.fmin.reduce(part["value"]), equal_nan=True)
        if shared > 1:
            assert len(part) <= 4 + whole["is_anomaly"].sum() + 1


def test_a_point_that_its_band_alone_marks_is_sent_without_a_threshold():
    rows = np.zeros(3, VERDICT_DTYPE)
    rows["score"], rows["threshold"], rows["is_anomaly"] = [0.3, 0.3, 0.7], 0.5, [False, True, True]
    rows["threshold"][1] = BY_BAND * rows["score"][1]
    body = wire_body(rows, np.zeros(3, np.uint8))
    _, columns = taken_apart(wire_frame({}, 3, body))
    assert columns["threshold"].tolist() == pytest.approx([0.5, np.nan, 0.5], nan_ok=True)
    assert rows["threshold"][1] > 0, "what is kept stays as it is"


def test_no_points_need_no_rows():
    assert len(chart_rows(np.zeros(0, VERDICT_DTYPE), 8)) == 0


def test_more_anomalies_than_can_be_counted_are_thinned_and_their_extremes_stay():
    rows = np.zeros(100_000, VERDICT_DTYPE)
    rows["index"], rows["is_anomaly"] = np.arange(100_000), True
    rows["value"] = np.random.default_rng(3).normal(size=100_000)
    found = chart_rows(rows, 128)
    assert len(found) <= 3 * 782 + 1 < 100_000, "of each column lowest, highest and first"
    assert MOST_MARKS < 100_000
    assert {rows["value"].argmin(), rows["value"].argmax()} <= set(found["index"])


@given(st.integers(1, 10**6), st.integers(1, 3000))
@settings(max_examples=60, deadline=None)
def test_columns_hold_a_power_of_two_points_and_are_no_more_than_there_is_space_for(points, columns):
    shared = per_column(points, columns)
    assert shared & (shared - 1) == 0
    assert points <= shared * columns
    assert shared == 1 or points > shared // 2 * columns


@given(verdicts(most=40), st.text(max_size=9))
@settings(max_examples=60, deadline=None)
def test_a_message_can_be_taken_apart(rows, text):
    others = np.arange(len(rows)).astype(np.uint8)
    facts, columns = taken_apart(wire_frame({"text": text}, len(rows), wire_body(rows, others)))
    assert facts == {"text": text, "n": len(rows)}
    assert np.array_equal(columns.pop("others"), others)
    for name, column in columns.items():
        assert np.array_equal(column, rows[name].astype(dict(WIRE)[name]), equal_nan=True)


@pytest.mark.parametrize("n", [1000, 100_000])
def test_what_others_flagged_and_where_labels_begin_and_end_is_kept(n):
    rows = np.zeros(n, VERDICT_DTYPE)
    rows["index"] = np.arange(n)
    rows["label"][100:220] = 2
    rows["label"][n - 1] = 1
    others = (np.arange(n) % 7 == 3).astype(np.uint8)
    places = set(chart_places(rows, others, 64).tolist())
    assert {100, 219, n - 1} <= places
    found = {place // 64 for place in places if others[place]}
    assert found == set((np.flatnonzero(others) // 64).tolist())
    assert n > 1000 or set(np.flatnonzero(others).tolist()) <= places


def test_the_marks_of_detectors_that_judge_along_are_sent_with_the_points():
    history = History(100)
    history.marks = Marks(100, ["z-score", "matrix-profile"])
    rows = np.zeros(150, VERDICT_DTYPE)
    rows["index"] = np.arange(150)
    history.write(rows)
    flags = np.zeros((2, 150), bool)
    flags[0, 120], flags[1, [120, 130]] = True, True
    history.marks.write(0, flags)
    n, body = StreamCuts(history).cut(0, 150, 1)
    _, columns = taken_apart(wire_frame({}, n, body))
    found = dict(zip(columns["index"].tolist(), columns["others"].tolist(), strict=True))
    assert {index: bits for index, bits in found.items() if bits} == {120: 0b11, 130: 0b10}


def test_visitors_who_look_at_the_same_share_a_piece_until_the_stream_goes_on():
    history = History(1000)
    rows = np.zeros(1100, VERDICT_DTYPE)
    rows["index"] = np.arange(1100)
    history.write(rows[:900])
    cuts = StreamCuts(history)
    assert cuts.cut(0, 900, 2) is cuts.cut(0, 900, 2)
    history.write(rows[900:])
    assert (cuts.first, cuts.end) == (0, 900), "all visitors see the same points at a time"
    cuts.refresh()
    assert (cuts.first, cuts.end) == (100, 1100)
    assert cuts.cut(1000, 1100, 1)[0] == 100


def test_the_past_of_one_of_many_streams_has_the_numbers_that_are_kept_and_no_others():
    rows = past_rows(ranking(["pump", "valve"], 300), 1)
    assert rows["index"].tolist() == list(range(120))
    assert np.isfinite(rows["value"]).all()
    assert rows["lower"][0] == pytest.approx(rows["upper"][0] - 4)
    for name in ("expected", "score", "threshold", "p_value"):
        assert np.isnan(rows[name]).all()
