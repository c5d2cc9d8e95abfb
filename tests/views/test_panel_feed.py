import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamforest.verdicts.difference import Difference
from streamforest.verdicts.panel import Panel, Row
from streamforest.views.panel_feed import MOST_MARKS, MOST_PANELS, PanelFeed, seen_of

SEEN = {"seen": [10.0, 500.0, None]}


class Choices:
    """What stands behind a panel, and what was done with it."""

    def __init__(self):
        points = np.arange(MOST_MARKS + 10)
        self.marks = Difference(31, 12, 20, 1, points, points[:1], points[:2])
        self.version, self.done = 1, []

    def panel(self):
        rows = (Row("direction", "up only", 0.5, is_changed=True), Row("rule", "drops 3"))
        return Panel("what if", rows, 0, self.marks.words, "keys", self.marks, self.version)

    def choose(self, row):
        self.done.append(("choose", row))

    def set_share(self, row, share):
        self.done.append((row, share))

    def command(self, name):
        self.done.append(name)
        return name not in ("take", "leave")


class Visitor:
    """A visitor who may act."""

    def __init__(self, others=None):
        self.opened, self.asked = [], []
        self.feed = PanelFeed(self.open, set() if others is None else others)

    def open(self, name, seen):
        self.asked.append((name, seen))
        if name == "undo":
            raise ValueError("there is no rule to take back")
        if name == "real":
            return None
        self.opened.append(Choices())
        return self.opened[-1]

    def due(self):
        found = self.feed.due()
        return None if found is None else json.loads(found)


def test_a_panel_is_sent_when_it_is_opened_changed_and_closed():
    visitor = Visitor()
    assert visitor.due() is None
    visitor.feed.heed("what-if", SEEN)
    assert visitor.asked == [("what-if", (10, 500, None))]
    sent = visitor.due()
    assert sent["kind"] == "panel"
    assert sent["panel"]["rows"] == [["direction", "up only", 0.5, True], ["rule", "drops 3", None, False]]
    assert sent["panel"]["result"] == "12 alarms instead of 31: 20 dropped, 1 new"
    kept, new, dropped = sent["panel"]["marks"]
    assert (len(kept), kept[-1], new, dropped) == (MOST_MARKS, MOST_MARKS + 9, [0], [0, 1])
    assert visitor.due() is None
    visitor.opened[0].version = 2
    assert visitor.due() is not None
    visitor.feed.heed("take", {})
    assert visitor.due() == {"kind": "panel", "panel": None, "said": ""}
    visitor.feed.heed("up", {})
    assert visitor.opened[0].done == ["take"], "what is closed heeds nothing"


def test_sliders_and_rows_are_moved_by_number():
    visitor = Visitor()
    visitor.feed.heed("nothing", SEEN)
    visitor.feed.heed("slide", {"row": 0.0, "share": 0.25})
    visitor.feed.heed("slide", {"row": 1.0, "share": 7.0})
    visitor.feed.heed("choose", {"row": 1.0})
    visitor.feed.heed("back", {})
    assert visitor.opened[0].done == [(0, 0.25), (1, 1.0), ("choose", 1), "back"]


def test_what_cannot_be_done_is_said_once():
    visitor = Visitor()
    visitor.feed.heed("undo", SEEN)
    assert visitor.due()["said"] == "there is no rule to take back"
    assert visitor.due() is None
    visitor.feed.heed("real", SEEN)
    assert visitor.due() is None


def test_another_panel_takes_the_place_of_the_open_one_and_a_visitor_who_leaves_leaves_his():
    others = set()
    visitor = Visitor(others)
    visitor.feed.heed("what-if", SEEN)
    visitor.feed.heed("missed", SEEN)
    assert visitor.opened[0].done == ["leave"]
    assert others == {visitor.feed}
    visitor.feed.close()
    visitor.feed.close()
    assert visitor.opened[1].done == ["leave"]
    assert others == set()


@pytest.mark.parametrize("name", ["what-if", "limits"])
def test_the_key_of_the_open_panel_closes_it_and_that_of_another_opens_that(name):
    others = set()
    visitor = Visitor(others)
    visitor.feed.heed(name, SEEN)
    visitor.feed.heed(name, SEEN)
    assert (visitor.opened[0].done, len(visitor.opened), others) == (["leave"], 1, set())
    visitor.feed.heed("limits" if name == "what-if" else "what-if", SEEN)
    visitor.feed.heed(name, SEEN)
    assert len(visitor.opened) == 3
    assert others == {visitor.feed}


def test_there_are_only_so_many_panels_at_once():
    others = set()
    visitors = [Visitor(others) for _ in range(MOST_PANELS + 1)]
    for visitor in visitors:
        visitor.feed.heed("what-if", SEEN)
    assert [len(visitor.opened) for visitor in visitors] == [1] * MOST_PANELS + [0]
    assert "have a panel open already" in visitors[-1].due()["said"]
    visitors[0].feed.close()
    visitors[-1].feed.heed("what-if", SEEN)
    assert len(visitors[-1].opened) == 1


JSON = st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda one: st.lists(one, max_size=4))


@given(st.sampled_from(["what-if", "slide", "choose", "up", "take", "other"]), JSON, JSON, JSON)
def test_whatever_a_visitor_sends_breaks_nothing(name, seen, row, share):
    visitor = Visitor()
    visitor.feed.heed("what-if", SEEN)
    visitor.feed.heed(name, {"seen": seen, "row": row, "share": share})
    visitor.due()


@pytest.mark.parametrize("seen", [None, [], [1.0, 2.0], [1.0, float("inf"), None], [1.0, 2.0, "x"], [1e300, 2.0, None]])
def test_what_is_no_view_is_none(seen):
    assert seen_of(seen) is None
