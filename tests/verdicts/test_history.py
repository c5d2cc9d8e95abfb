import threading
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamforest.protocols import VERDICT_DTYPE
from streamforest.verdicts.history import History, Marks, column_starts, columns


def verdicts(n, start=0, anomalies=()):
    rows = np.zeros(n, VERDICT_DTYPE)
    rows["index"] = np.arange(start, start + n)
    rows["value"] = rows["index"] * 0.5
    rows["is_anomaly"] = np.isin(rows["index"], anomalies)
    return rows


@given(
    capacity=st.integers(1, 40),
    blocks=st.lists(st.integers(0, 100), max_size=12),
    start=st.integers(0, 1000),
    ask=st.tuples(st.integers(-20, 1500), st.integers(-20, 1500)),
)
def test_a_history_is_the_end_of_an_unbounded_list(capacity, blocks, start, ask):
    history, everything = History(capacity), verdicts(sum(blocks), start)
    done = 0
    for n in blocks:
        history.write(everything[done : done + n])
        done += n
    kept = everything[-capacity:]
    assert history.written == done
    assert np.array_equal(history.newest(capacity), kept)
    assert np.array_equal(history.newest(3), kept[-3:])
    inside = kept[(kept["index"] >= ask[0]) & (kept["index"] <= ask[1])]
    assert np.array_equal(history.view(*ask), inside)
    if done:
        assert (history.first, history.end) == (kept["index"][0], start + done)


@given(flagged=st.sets(st.integers(0, 99)), near=st.integers(-5, 110), capacity=st.integers(1, 120))
def test_the_neighbouring_anomalies_are_those_a_search_of_all_kept_points_finds(flagged, near, capacity):
    history = History(capacity)
    history.write(verdicts(70, anomalies=sorted(flagged)))
    history.write(verdicts(30, 70, anomalies=sorted(flagged)))
    kept = {index for index in flagged if index >= history.first}
    assert history.last_anomaly() == max(kept, default=None)
    assert history.previous_anomaly(near) == max((i for i in kept if i < near), default=None)
    assert history.next_anomaly(near) == min((i for i in kept if i > near), default=None)


def test_reading_copies_so_that_a_view_does_not_change_while_it_is_drawn():
    history = History(10)
    history.write(verdicts(10))
    view = history.newest(10)
    history.write(verdicts(10, 10))
    assert view["index"].tolist() == list(range(10))


def test_a_reader_never_sees_a_torn_or_disordered_view_while_another_thread_writes():
    history = History(1000)
    history.write(verdicts(1))

    def write():
        for start in range(1, 200_001, 400):
            history.write(verdicts(400, start))

    writer = threading.Thread(target=write)
    writer.start()
    while writer.is_alive():
        rows = history.newest(700)
        assert (np.diff(rows["index"]) == 1).all()
        assert (rows["value"] == rows["index"] * 0.5).all()
    writer.join()


def test_memory_is_flat_over_a_million_points():
    history, block = History(5_000), verdicts(1_000)
    history.write(block)
    tracemalloc.start()
    for _ in range(1_000):
        history.write(block)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert history.written == 1_001_000
    assert peak < 50_000


def test_a_capacity_below_one_is_refused_with_its_value():
    with pytest.raises(ValueError, match="capacity is 0"):
        History(0)


@given(
    values=st.lists(st.floats(allow_infinity=False), max_size=60),
    first=st.integers(0, 10_000),
    per_column=st.integers(1, 17),
)
def test_each_column_has_the_extremes_of_its_values_and_missing_ones_do_not_poison_it(values, first, per_column):
    found = columns(np.array(values, dtype=float), first, per_column)
    groups = {}
    for offset, value in enumerate(values):
        groups.setdefault((first + offset) // per_column, []).append(value)
    assert len(found.x) == len(groups)
    for (number, group), x, low, high in zip(groups.items(), *found, strict=True):
        known = [value for value in group if value == value]
        assert x == number * per_column + (per_column - 1) / 2
        assert (low, high) == (min(known), max(known)) if known else np.isnan(low) and np.isnan(high)


def test_columns_hold_the_same_values_wherever_the_view_begins():
    values = np.random.default_rng(3).normal(size=100)
    whole, later = columns(values, 0, 7), columns(values[10:], 10, 7)
    assert np.array_equal(whole.high[2:], later.high[1:])
    assert column_starts(10, 5, 7).tolist() == [0, 4]


@given(st.integers(1, 30), st.lists(st.integers(1, 40), min_size=1, max_size=8), st.integers(0, 100))
def test_marks_are_the_flags_of_the_newest_points_and_none_where_they_are_not_kept(capacity, blocks, first):
    rng = np.random.default_rng(capacity)
    marks, kept = Marks(capacity, ("a", "b")), {}
    for n in blocks:
        flags = rng.random((2, n)) < 0.5
        marks.write(first, flags)
        kept |= {first + i: flags[:, i].tolist() for i in range(n)}
        first += n
    newest = set(list(kept)[-capacity:])
    low = first - sum(blocks) - 3
    found = marks.view(low, first + 2)
    expected = [kept[i] if i in newest else [False, False] for i in range(low, first + 3)]
    assert found.T.tolist() == expected
