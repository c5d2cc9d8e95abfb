from itertools import pairwise

import pytest

from streamforest.figures.header import counters
from tests.pictures import shown, status, stream


def test_the_header_follows_the_status_at_most_four_times_a_second():
    now = [0.0]
    points = [1]
    history, view = shown(stream(100), lambda: status(points=points[0]), clock=lambda: now[0])
    points[0] = 2_345
    history.write(stream(1, 100))
    view.refresh()
    assert view.header.counter_values[0].get_text() == "1"
    now[0] = 0.3
    assert view.refresh()
    assert view.header.counter_values[0].get_text() == "2,345"


def test_warm_up_and_missing_rates_are_shown_as_unknown_not_as_zero():
    _, view = shown(stream(20), lambda: status(realised_rate=None, precision=None, recall=None, warm_up=0.66))
    texts = [text.get_text() for text in view.header.counter_values]
    assert texts[4] == "\N{EN DASH}"
    assert view.header.state.get_text() == "warming up: 66 %"
    assert "precision" not in [text.get_text() for text in view.header.counter_names]
    assert "warming up" in view.scores.no_score.get_text()


def test_what_was_asked_for_is_a_share_or_a_number_a_day():
    assert dict(counters(status()))["asked for"] == "0.1 %"
    assert dict(counters(status(alarms_a_day=0.5)))["asked for"] == "0.5 a day"


@pytest.mark.parametrize("size", [(12.8, 8.0), (6.4, 4.0), (5.2, 3.6)])
def test_no_text_of_the_header_covers_another_and_a_short_title_is_whole(size):
    _, view = shown(stream(470), lambda: status(points=1_234_567, detector="isolation-forest"), size=size)
    header = view.header
    renderer = view.figure.canvas.get_renderer()
    assert header.name.get_text() == "pump.csv  \N{MIDDLE DOT}  isolation-forest"
    for line in ([header.name, header.state], header.counter_names, header.counter_values):
        boxes = [text.get_window_extent(renderer) for text in line if text.get_text()]
        assert all(one.x1 < other.x0 for one, other in pairwise(boxes)), [text.get_text() for text in line]
