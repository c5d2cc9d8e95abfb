import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamforest.verdicts.history import History
from streamforest.views.chart_rows import StreamCuts
from streamforest.views.visitor_chart import (
    MOST_COLUMNS,
    QUICK_FRAMES,
    SLOW,
    THINNEST,
    VisitorChart,
    Wish,
    wish_of,
)
from tests.views.test_chart_rows import taken_apart
from tests.visits import stream

ROWS = stream(5000)
json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=8,
)


@given(json_values | st.lists(st.floats() | st.none(), min_size=4, max_size=4))
@settings(max_examples=60, deadline=None)
def test_whatever_a_visitor_wishes_for_is_refused_or_has_bounds(parts):
    wish = wish_of(parts)
    if wish is not None:
        assert 16 <= wish.columns <= MOST_COLUMNS
        assert 2 <= wish.points <= 2**53


def test_a_wish_is_understood():
    assert wish_of([3.0, None, 500.0, 800.5]) == Wish(3, None, 500, 800)
    assert wish_of([3.0, 70.0, 0.0, 1e9]) == Wish(3, 70, 2, MOST_COLUMNS)
    for parts in ([3.0, None, 500.0], [3.0, "5", 500.0, 800.0], [float("nan"), None, 1.0, 1.0], [1e300] * 4, None):
        assert wish_of(parts) is None


class Page:
    """A chart with a stream behind it, and what a page has of it."""

    def __init__(self, capacity=1000):
        self.history = History(capacity)
        self.chart, self.cuts = VisitorChart(), StreamCuts(self.history)
        self.indices, self.values, self.facts = np.empty(0), np.empty(0), None

    def write(self, n):
        end = self.history.end
        self.history.write(ROWS[end : end + n])

    def read(self, now=0.0):
        self.cuts.refresh()
        frame = self.chart.next_frame(self.cuts, now)
        if frame is None:
            return None
        self.facts, columns = taken_apart(frame)
        kept = np.zeros(len(self.indices), bool) if self.facts["whole"] else self.indices < self.facts["from"]
        self.indices = np.append(self.indices[kept], columns["index"])
        self.values = np.append(self.values[kept], columns["value"])
        return frame


moves = st.one_of(
    st.tuples(st.just("write"), st.integers(1, 400)),
    st.tuples(st.just("read"), st.none()),
    st.tuples(st.just("live"), st.tuples(st.integers(2, 1500), st.integers(16, 300))),
    st.tuples(st.just("held"), st.tuples(st.integers(0, 3000), st.integers(2, 1500), st.integers(16, 300))),
)


@given(st.lists(moves, max_size=12))
@settings(max_examples=60, deadline=None)
def test_a_page_has_the_extremes_of_all_that_it_wants_to_see_however_the_stream_and_the_visitor_move(steps):
    page = Page()
    page.write(50)
    for name, what in [*steps, ("read", None)]:
        if name == "write":
            page.write(min(what, 5000 - page.history.end))
        elif name == "live":
            page.chart.wish = Wish(1, None, *what)
        elif name == "held":
            page.chart.wish = Wish(2, *what)
        else:
            page.read()
    wish = page.chart.wish
    if wish is None:
        assert page.facts is None
        return
    end = page.history.end
    points = min(wish.points, 1000)
    left = max(page.history.first, end - points if wish.first is None else wish.first)
    right = end if wish.first is None else min(wish.first + points, end)
    assert (np.diff(page.indices) > 0).all()
    assert np.array_equal(page.values, ROWS["value"][page.indices.astype(int)])
    shared = page.facts["shared"]
    for start in range(-(-left // shared) * shared, right - shared + 1, shared):  # columns that lie within
        within = (page.indices >= start) & (page.indices < start + shared)
        wanted = ROWS["value"][start : start + shared]
        assert page.values[within].min() == wanted.min()
        assert page.values[within].max() == wanted.max()
    alarms = np.flatnonzero(ROWS["is_anomaly"][left:right]) + left
    assert np.isin(alarms, page.indices).all()


def test_what_was_sent_is_not_sent_again():
    page = Page()
    page.write(300)
    assert page.read() is None, "nobody has asked for anything"
    page.chart.wish = Wish(7, None, 500, 800)
    page.read()
    assert (page.facts["view"], page.facts["whole"], page.facts["n"]) == (7, True, 300)
    assert page.read() is None
    page.write(5)
    page.read()
    assert (page.facts["whole"], page.facts["from"], page.facts["n"]) == (False, 300, 5)
    page.chart.wish = Wish(8, 100, 50, 800)
    page.read()
    assert (page.facts["whole"], page.facts["n"]) == (True, 50)
    page.write(5)
    assert page.read() is None, "what comes now lies outside"


def test_points_that_come_one_by_one_are_thinned_like_those_that_come_at_once():
    page = Page()
    page.write(300)
    page.chart.wish = Wish(1, None, 1000, 16)
    for _ in range(200):
        page.write(1)
        page.read()
    assert page.facts["shared"] == 64
    assert len(page.indices) <= 5 * (500 / 64 + 1)


def test_who_has_missed_more_than_is_in_view_gets_it_whole():
    page = Page()
    page.write(300)
    page.chart.wish = Wish(1, None, 100, 800)
    page.read()
    page.write(150)
    page.read()
    assert page.facts["whole"]
    assert page.indices.tolist() == list(range(350, 450))


def test_a_message_has_no_more_bytes_than_the_columns_need():
    page = Page(50_000)
    page.chart.wish = Wish(1, None, 50_000, MOST_COLUMNS)
    for _ in range(10):
        page.history.write(stream(5000))
    assert len(page.read()) < 600_000


def test_a_slow_link_gets_fewer_columns_and_a_quick_one_all_again():
    page = Page()
    page.write(1000)
    page.chart.wish = Wish(1, None, 1000, 512)
    page.read(0.0)
    assert (page.facts["thin"], page.facts["shared"]) == (1, 2)
    now = 0.0
    for thin in (2, 4, 8, THINNEST, THINNEST):
        now += 2 * SLOW
        page.chart.note_read(now)
        page.write(1)
        page.read(now)
        assert (page.facts["thin"], page.facts["shared"]) == (thin, 2 * thin)
    for _ in range(4 * QUICK_FRAMES):
        page.chart.note_read(now + 0.01)
        now += 0.02
        page.write(1)
        page.read(now)
    assert page.facts["thin"] == 1


@pytest.mark.parametrize("took", [0.5, 0.9])
def test_a_link_that_is_neither_slow_nor_quick_stays_as_it_is(took):
    chart = Page().chart
    chart.thinness, chart._sent_at = 4, 0.0
    for _ in range(3 * QUICK_FRAMES):
        chart.note_read(took)
        chart._sent_at = 0.0
    assert chart.thinness == 4
