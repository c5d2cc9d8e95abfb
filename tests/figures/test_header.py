from itertools import pairwise

import pytest

from streamforest.figures.header import counters
from streamforest.protocols import REASONS
from tests.pictures import shown, status, stream


def test_the_header_follows_the_status_at_most_four_times_a_second():
    now = [0.0]
    points = [1]
    history, view = shown(stream(85), lambda: status(points=points[0]), clock=lambda: now[0])
    points[0] = 2_345
    history.write(stream(1, 85))
    view.refresh()
    assert view.header.counter_values[0].get_text() == "1"
    now[0] = 0.3
    assert view.refresh()
    assert view.header.counter_values[0].get_text() == "2,345"


def test_what_is_not_known_yet_is_never_shown_as_zero():
    unknown = {"realised_rate": None, "precision": None, "recall": None, "warm_up": 0.66}
    _, view = shown(stream(20), lambda: status(anomalies=0, points_per_second=0.0, **unknown))
    assert dict(counters(view._numbers))["alarm rate"] == "none yet"
    assert view.header.now.get_text().endswith("warming up: 66 %")
    assert "episodes right" not in [text.get_text() for text in view.header.counter_names]
    assert "warming up" in view.scores.no_score.get_text()
    assert not any(text.get_text().startswith("0 ") for text in view.header.counter_values)


def test_no_alarm_yet_is_no_rate_of_zero_and_a_rate_has_an_honest_unit():
    assert dict(counters(status(anomalies=0, realised_rate=0.0, precision=None)))["alarm rate"] == "none yet"
    assert dict(counters(status(realised_rate=0.0)))["normal marked"] == "none"
    assert dict(counters(status(points_per_second=1 / 300)))["points/h"] == "12"
    assert dict(counters(status(points_per_second=0.0)))["points/s"] == "\N{EN DASH}"


def test_the_state_and_the_last_alarm_stand_above_the_counters_and_a_long_reason_is_cut():
    for size in ((12.8, 8.0), (6.4, 4.8), (5.2, 3.6)):
        rows = stream(300)
        rows["value"][260] = 31_253_712.7
        rows["reason"][260] = REASONS.index("season break")
        _, view = shown(rows, size=size)
        header = view.header
        assert header.now.get_text().endswith(" calm")
        assert header.alarm.get_text().startswith("last alarm 02:53:20, season break: 31,253,712.7, expected")
        boxes = [text.get_window_extent() for text in (header.now, header.alarm)]
        assert boxes[0].x1 < boxes[1].x0
        assert boxes[1].x1 <= header.axes.bbox.x1 + 1
        assert header.name.get_window_extent().y0 > boxes[0].y1 - 1
        assert boxes[0].y0 > header.counter_names[0].get_window_extent().y1 - 1


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
