import numpy as np
import pytest
from matplotlib.backend_bases import MouseEvent

from streamforest.figures.themes import THEMES
from streamforest.verdicts.difference import difference
from streamforest.verdicts.panel import Panel, Row
from tests.pictures import near_colour, pixels, place_of, shown, stream

HINT = "up, down: choose   left, right: change   Enter: take over   Esc: change nothing"


class Choices:
    """A panel that a test changes."""

    def __init__(self, rows):
        after = rows.copy()
        gone = [150, 260]
        after["is_anomaly"][gone], after["episode"][gone] = False, 0
        after["is_anomaly"][300], after["episode"][300] = True, 99
        self.set = []
        self.now = Panel(
            "what if",
            (
                Row("alarm rate", "0.1 %", 0.5),
                Row("direction", "up only", 1.0, is_changed=True),
                Row("rule", "drops 3"),
            ),
            1,
            "3 alarms instead of 4: 2 dropped, 1 new",
            HINT,
            difference(rows, after),
            1,
        )

    def panel(self):
        return self.now

    def choose(self, row):
        pass

    def set_share(self, row, share):
        self.set.append((row, round(share, 1)))


@pytest.fixture(params=["light", "dark"])
def view(request):
    _, view = shown(stream(470), theme=request.param)
    rows = stream(470)
    choices = Choices(rows)
    view.choices = lambda: choices
    view.follow_mouse()
    view.refresh()
    view.at = choices
    return view


def texts(view):
    panel = view.choice_panel
    return [text.get_text() for row in panel.rows for text in (row.name, row.value) if row.name.get_visible()]


def test_the_panel_stands_beside_the_stream_with_its_rows_and_their_sliders(view):
    panel = view.choice_panel
    assert panel.axes.get_visible()
    assert texts(view) == ["alarm rate", "0.1 %", "direction", "up only", "rule", "drops 3"]
    first, second, third = (row.knob.get_xdata() for row in panel.rows[:3])
    assert first[0] < second[0]
    assert len(third) == 0
    lines = [line.get_text() for line in panel.lines if line.get_visible() and line.get_text()]
    assert lines[0].startswith("3 alarms instead of 4")
    assert lines[-1] == "Esc: change nothing"
    assert view.stream.axes.bbox.x1 < panel.axes.bbox.x0
    place = panel.axes.transData.transform((second[0], panel.rows[1].knob.get_ydata()[0]))
    around = pixels(view)[int(view.figure.bbox.height - place[1]), int(place[0]) - 2 : int(place[0]) + 2]
    assert near_colour(around, THEMES[view.theme].anomaly).any()


def test_the_second_row_of_marks_tells_what_stays_what_is_new_and_what_is_dropped(view):
    trial = view.trial
    assert trial.axes.bbox.y1 < view.stream.axes.bbox.y0
    assert trial.axes.bbox.y0 > view.scores.axes.bbox.y1
    assert [line.get_xdata().tolist() for line in (trial.kept, trial.new, trial.dropped)] == [
        [333, 410],
        [300],
        [150, 260],
    ]
    row, column = place_of(view, 300, 0.5, trial.axes)
    assert near_colour(pixels(view)[row - 2 : row + 3, column - 2 : column + 3], THEMES[view.theme].threshold).any()


def test_a_click_moves_a_slider_and_a_click_elsewhere_does_not(view):
    axes, canvas = view.choice_panel.axes, view.figure.canvas
    knob = view.choice_panel.rows[0].knob
    place = axes.transData.transform((knob.get_xdata()[0], knob.get_ydata()[0]))
    for where in (place, (place[0] + 1000, place[1]), (place[0], axes.bbox.y0 + 2)):
        MouseEvent("button_press_event", canvas, *where, button=1)._process()
        MouseEvent("button_release_event", canvas, *where, button=1)._process()
        MouseEvent("motion_notify_event", canvas, *place)._process()
    assert view.at.set == [(0, 0.5)]


def test_a_slider_is_dragged_wherever_the_mouse_goes_until_it_is_let_go(view):
    axes, canvas = view.choice_panel.axes, view.figure.canvas
    knob = view.choice_panel.rows[1].knob
    x, y = axes.transData.transform((knob.get_xdata()[0], knob.get_ydata()[0]))
    MouseEvent("button_press_event", canvas, x, y, button=1)._process()
    MouseEvent("motion_notify_event", canvas, axes.bbox.x0 - 300, y + 200)._process()
    MouseEvent("button_release_event", canvas, x, y, button=1)._process()
    MouseEvent("motion_notify_event", canvas, x, y)._process()
    assert view.at.set == [(1, 1.0), (1, 0.0)]


def test_once_closed_all_is_as_before(view):
    before = pixels(view)
    view.choices = lambda: None
    view.refresh()
    assert not view.choice_panel.axes.get_visible()
    assert not view.trial.axes.get_visible()
    _, fresh = shown(stream(470), theme=view.theme)
    assert np.array_equal(pixels(view), pixels(fresh))
    assert not np.array_equal(before, pixels(view))
