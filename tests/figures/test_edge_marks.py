from itertools import pairwise

import numpy as np
import pytest

from streamforest.figures.edge_marks import MOST_NUMBERS
from streamforest.figures.themes import THEMES
from tests.pictures import near_colour, pixels, shown, stream


def wild(*places, value=5_012.3, n=470, flagged=True):
    rows = stream(n)
    rows["value"][list(places)] = value
    rows["is_anomaly"][list(places)] = flagged
    return rows


def edge_of(view, index, is_above, height=14):
    """Pixels around the upper or lower edge of the stream's panel, at a point."""
    panel = view.stream.axes.bbox
    x = round(view.stream.axes.transData.transform((index, 0))[0])
    y = round(view.figure.bbox.height - (panel.y1 if is_above else panel.y0))
    rows = slice(y, y + height) if is_above else slice(y - height, y)
    return pixels(view)[rows, x - 6 : x + 7]


@pytest.mark.parametrize(("size", "dpi"), [((12.8, 8.0), 100), ((6.4, 4.8), 96), ((13.3, 7.5), 192)])
@pytest.mark.parametrize(
    ("theme", "value", "text"), [("light", 5_012.3, "5,012.3"), ("dark", -3e6, "\N{MINUS SIGN}3,000,000")]
)
def test_a_wild_anomaly_is_marked_at_the_edge_with_its_number_and_the_rest_is_not_flattened(
    theme, size, dpi, value, text
):
    calm = shown(stream(470), theme=theme, size=size, dpi=dpi)[1].stream.axes.get_ylim()
    _, view = shown(wild(300, value=value), theme=theme, size=size, dpi=dpi)
    assert view.stream.axes.get_ylim() == calm
    spot = edge_of(view, 300, value > 0, height=round(0.14 * dpi))
    assert near_colour(spot, THEMES[theme].anomaly).sum() >= 12
    shown_numbers = [number for number in view.stream.outside.numbers if number.get_text()]
    assert [number.get_text() for number in shown_numbers] == [text]
    box, panel = shown_numbers[0].get_window_extent(), view.stream.axes.bbox
    assert panel.x0 <= box.x0 < box.x1 <= panel.x1
    assert panel.y0 - 1 <= box.y0 < box.y1 <= panel.y1 + 1


def test_a_wild_value_that_is_no_anomaly_is_marked_in_the_colour_of_values():
    _, view = shown(wild(300, flagged=False))
    assert near_colour(edge_of(view, 300, is_above=True), THEMES["light"].value).sum() >= 12
    assert not near_colour(edge_of(view, 300, is_above=True), THEMES["light"].anomaly).any()


def test_marks_and_numbers_go_when_the_wild_values_have_left_the_view():
    history, view = shown(wild(300))
    history.write(stream(1_000, 470))
    view.refresh()
    assert view.visible[0] > 300
    assert not any(number.get_text() for number in view.stream.outside.numbers)
    assert not any(len(line.get_xdata()) for line in view.stream.outside.marks.values())


def test_numbers_never_cover_one_another_and_the_wildest_has_its_own():
    rows = wild(*range(100, 460, 3))
    rows["value"][100:460:3] = np.linspace(1e3, 1e6, 120)
    _, view = shown(rows)
    shown_numbers = [number for number in view.stream.outside.numbers if number.get_text()]
    assert 2 <= len(shown_numbers) <= MOST_NUMBERS
    assert "1,000,000" in [number.get_text() for number in shown_numbers]
    boxes = sorted((number.get_window_extent() for number in shown_numbers), key=lambda box: box.x0)
    assert all(one.x1 < other.x0 for one, other in pairwise(boxes))
