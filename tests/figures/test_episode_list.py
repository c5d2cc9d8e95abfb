from itertools import pairwise

import numpy as np
import pytest
from matplotlib.backend_bases import MouseButton, MouseEvent

from streamforest.figures.themes import THEMES
from tests.pictures import near_colour, pixels, shown, status, stream


def listed(n=3_000, **options):
    history, view = shown(stream(n), **options)
    view.follow_mouse()
    view.command("episodes")
    view.refresh()
    return history, view


def texts(view):
    return [tuple(text.get_text() for text in row) for row in view.episode_list.rows if row.kind.get_text()]


def click(view, row, times=1):
    x, y = row.kind.get_window_extent().min + 2
    for k in range(times):
        for name in ("button_press_event", "button_release_event"):
            MouseEvent(name, view.figure.canvas, x, y, MouseButton.LEFT, dblclick=k > 0)._process()
    view.refresh()


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(
    ("size", "dpi"), [((12.8, 8.0), 100), ((6.67, 5.0), 96), ((26.67, 15.0), 96), ((13.33, 7.5), 192)]
)
def test_the_list_is_beside_the_panels_the_newest_first_and_nothing_covers_another(theme, size, dpi):
    _, view = listed(theme=theme, size=size, dpi=dpi)
    found = texts(view)
    assert found[0] == ("spike", "+9.09", "2014-07-13 13:53", "1 point") or found[0][0] == "spike"
    assert len(found) >= 5
    box, panel = view.episode_list.axes.bbox, view.stream.axes.bbox
    newest = view.stream.newest.get_window_extent()
    assert panel.x1 < newest.x0 < newest.x1 <= box.x0
    extents = [[text.get_window_extent() for text in row] for row in view.episode_list.rows if row.kind.get_text()]
    for kind, how_far, when, how_long in extents:
        assert box.x0 <= kind.x0 < kind.x1 < how_far.x0 < how_far.x1 <= box.x1 + 1
        assert when.x1 < how_long.x0
        assert when.y1 <= kind.y0 + 1
    assert all(below[0].y1 < above[2].y0 for above, below in pairwise(extents))
    assert extents[-1][2].y0 >= box.y0
    column = pixels(view)[:, round(box.x0) : round(box.x1)]
    assert near_colour(column, THEMES[theme].anomaly, 40).any()
    blitted = pixels(view)
    view.figure.canvas.draw()
    assert np.array_equal(blitted, pixels(view))


def test_a_click_goes_to_the_episode_and_marks_it_and_the_key_takes_the_list_away():
    history, view = listed()
    width = view.navigation.view.width
    click(view, view.episode_list.rows[2])
    assert view.navigation.selected == 1_650
    assert view.visible[0] < 1_650 < view.visible[1]
    assert view.navigation.view.width == width
    assert len(view.episode_list._bar.get_xdata()) == 2
    late = stream(200, 3_000)
    history.write(late)
    view._header_due = -1
    view.refresh()
    click(view, view.episode_list.rows[0])  # it came while the view stood still
    assert view.navigation.selected == 3_150
    click(view, view.episode_list.rows[1], times=2)  # a double click is no wish to go live here
    assert view.navigation.selected == 2_650
    before = view.stream.axes.bbox.width
    view.command("episodes")
    view.refresh()
    assert view.stream.axes.bbox.width > before
    assert not view.episode_list.axes.get_visible()


def test_an_empty_list_says_so_and_a_long_one_how_many_more_there_are():
    assert listed(100)[1].episode_list.more.get_text() == "no alarm yet"
    _, view = listed(10_000, size=(6.67, 5.0), dpi=96)
    assert view.episode_list.more.get_text() == f"and {23 - len(texts(view))} before"


def test_an_episode_whose_points_are_gone_is_said_to_be():
    history, view = listed(1_000, capacity=1_000)
    view.shows_notices = True
    row = view.episode_list.rows[-1 + len(texts(view))]
    history.write(stream(900, 1_000))
    click(view, row)
    assert "not kept any more" in view.notice.get_text()


def test_a_picture_has_the_list_too():
    _, view = listed()
    other = view.picture()
    assert texts(other) == texts(view)
    assert status().notice == other.notice.get_text() == ""
