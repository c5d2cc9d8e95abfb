import numpy as np
import pytest
from matplotlib.backend_bases import LocationEvent, MouseButton, MouseEvent

from streamforest.figures.mouse import ZOOM_STEP
from streamforest.figures.themes import THEMES
from tests.pictures import near_colour, pixels, shown, stream


class Hand:
    """A mouse on the canvas of a view, which is drawn after each movement."""

    def __init__(self, view):
        self.view, self.canvas = view, view.figure.canvas
        view.follow_mouse()

    def place(self, index, value=20.0):
        return self.view.stream.axes.transData.transform((index, value))

    def _do(self, name, place, *what, **how):
        MouseEvent(name, self.canvas, *place, *what, **how)._process()
        self.view.refresh()

    def point(self, index, value=20.0):
        self._do("motion_notify_event", self.place(index, value))

    def press(self, index, **how):
        self._do("button_press_event", self.place(index), MouseButton.LEFT, **how)

    def release(self, index):
        self._do("button_release_event", self.place(index), MouseButton.LEFT)

    def turn(self, index, notches):
        self._do("scroll_event", self.place(index), step=notches)

    def leave(self):
        LocationEvent("figure_leave_event", self.canvas, 1, 1)._process()
        self.view.refresh()


@pytest.fixture
def history_and_hand():
    history, view = shown(stream(3_000))
    return history, Hand(view)


@pytest.fixture
def hand(history_and_hand):
    return history_and_hand[1]


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(("size", "dpi"), [((12.8, 8.0), 100), ((6.4, 4.8), 96), ((13.3, 7.5), 192)])
def test_the_point_under_the_mouse_is_shown_above_the_picture_and_leaves_no_trace(theme, size, dpi):
    _, view = shown(stream(470), theme=theme, size=size, dpi=dpi)
    hand = Hand(view)
    before = pixels(view)
    hand.point(261.3)  # an anomalous point near by is meant
    assert view.pointed.text.get_text().startswith("spike\npoint 260, ")
    column = round(hand.place(260)[0])
    for axes in (view.stream.axes, view.scores.axes):
        rows = slice(round(before.shape[0] - axes.bbox.y1), round(before.shape[0] - axes.bbox.y0))
        line = pixels(view)[rows, column - 1 : column + 2]
        assert near_colour(line, THEMES[theme].quiet, 60).any(axis=1).mean() > 0.5
    blitted = pixels(view)
    view.figure.canvas.draw()
    assert np.array_equal(blitted, pixels(view))
    hand.leave()
    assert np.array_equal(before, pixels(view))


def test_the_stream_is_not_drawn_again_while_only_the_mouse_moves(hand):
    hand.view.command("pause")
    hand.point(2_700)
    drawn = []
    hand.view.stream.value.draw = lambda _renderer: drawn.append(1)
    for index in range(2_600, 2_900, 50):
        hand.point(index)
        assert f"point {index:,}, " in hand.view.pointed.text.get_text()
    assert drawn == []
    assert not hand.view.refresh()


def test_what_is_pointed_at_changes_as_the_stream_moves_below_the_mouse(history_and_hand):
    history, hand = history_and_hand
    hand.point(2_800)
    first = hand.view.pointed.text.get_text()
    history.write(stream(300, 3_000))
    hand.view.refresh()
    assert hand.view.pointed.text.get_text() not in ("", first)


def test_a_click_holds_the_numbers_and_one_beside_the_panels_lets_them_go(hand):
    hand.point(2_650)
    hand.press(2_650)
    hand.release(2_650)
    view = hand.view
    assert view.navigation.selected == 2_650
    assert "point 2,650, " in view.selected.text.get_text()
    assert view.pointed.text.get_text() == ""  # it would say the same
    hand._do("button_press_event", (3, 3), MouseButton.LEFT)
    assert view.selected.text.get_text() == ""


@pytest.mark.parametrize("index", [2_560, 2_700, 2_990])
def test_the_wheel_zooms_around_the_point_under_the_mouse(hand, index):
    view = hand.view
    hand.turn(index, 0)
    width = view.navigation.view.width
    before = hand.place(index)[0]
    hand.turn(index, 3)
    assert view.navigation.view.width == pytest.approx(width / ZOOM_STEP**3, abs=1)
    pixels_a_point = view.stream.axes.bbox.width / view.navigation.view.width
    if index < 2_900:  # the view ends with the stream
        assert hand.place(index)[0] == pytest.approx(before, abs=2 * pixels_a_point)
    assert view.visible[0] <= index <= view.visible[1]
    hand.turn(index, -60)
    assert view.visible == (0, 2_999)
    hand.turn(index, 60)
    assert view.navigation.view.width == 20


def test_dragging_moves_the_view_with_the_mouse_and_a_double_click_goes_live(history_and_hand):
    history, hand = history_and_hand
    view = hand.view
    left = view.visible[0]
    hand.press(2_600)
    hand.point(2_600 + 200)
    assert view.visible[0] == pytest.approx(left - 200, abs=2)
    assert view.paused
    assert view.pointed.text.get_text() != ""
    hand.release(view.visible[0] + 300)
    assert view.navigation.selected is None
    history.write(stream(100, 3_000))
    view.refresh()
    assert view.visible[1] < 2_999
    hand.press(view.visible[0] + 100, dblclick=True)
    hand.release(view.visible[0] + 100)
    assert not view.paused
    assert view.visible[1] == 3_099
    assert view.navigation.selected is None


def test_dragging_stops_where_the_kept_points_end(hand):
    view = hand.view
    for _ in range(20):
        left = view.visible[0]
        hand.press(left + 10)
        hand.point(left + 400)
        hand.release(left + 400)
    assert view.visible[0] == 0
    for _ in range(20):
        left = view.visible[0]
        hand.press(left + 400)
        hand.point(left + 10)
        hand.release(left + 10)
    assert view.visible[1] == 2_999
    assert view.navigation.view.right == 3_000


def test_a_key_that_goes_elsewhere_hides_what_the_mouse_points_at_until_it_moves(hand):
    hand.point(2_700)
    hand.view.command("last-anomaly")
    hand.view.refresh()
    assert hand.view.pointed.text.get_text() == ""
    assert hand.view.selected.text.get_text() != ""
    hand.point(hand.view.visible[0] + 40)
    assert hand.view.pointed.text.get_text() != ""


@pytest.mark.parametrize(
    ("panel", "key", "colour"),
    [("stream", "usual band", "band"), ("stream", "value", "value"), ("scores", "threshold", "threshold")],
)
def test_a_click_on_a_key_of_the_legend_hides_its_layer_and_another_one_shows_it_again(hand, panel, key, colour):
    view = hand.view
    panel = getattr(view, panel)
    box = panel.axes.bbox
    rows = slice(int(view.figure.bbox.height - box.y1) + 1, int(view.figure.bbox.height - box.y0))

    def share():
        inside = pixels(view)[rows, int(box.x0) : int(box.x1)]
        return near_colour(inside, getattr(THEMES["light"], colour)).mean()

    def click():
        text = next(text for text in panel.axes.get_legend().get_texts() if text.get_text() == key)
        extent = text.get_window_extent()
        place = (extent.x0 + extent.width / 2, extent.y0 + extent.height / 2)
        hand._do("button_press_event", place, MouseButton.LEFT)
        hand._do("button_release_event", place, MouseButton.LEFT)

    before = share()
    assert before > 0
    click()
    assert share() < before / 3
    assert key in view.picture().stream.hidden, "a saved picture looks the same"
    click()
    assert share() == pytest.approx(before, rel=0.05)
    assert not view.paused
    assert view.navigation.selected is None
