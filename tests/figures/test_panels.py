from functools import partial
from math import ceil

import numpy as np
import pytest
from matplotlib.text import Text

from streamforest.figures.panels import MARK_LINE
from streamforest.figures.themes import THEMES
from streamforest.verdicts.honesty import BY_BAND
from tests.pictures import (
    AGREEMENT,
    marked,
    marks_at,
    near_colour,
    pixels,
    place_of,
    shown,
    status,
    stream,
    widen_to,
)


def test_labels_are_ringed_and_underlined_only_where_the_source_has_them():
    for labels in (True, False):
        rows = stream(470, labels=labels)
        _, view = shown(rows)
        row, column = place_of(view, 260, rows["value"][260])
        ring = pixels(view)[row - 9 : row + 10, column - 9 : column + 10]
        assert near_colour(ring, THEMES["light"].label).any() == labels


def test_the_decimated_picture_has_each_columns_extremes_and_every_anomaly():
    rows = stream(20_000)
    _, view = shown(rows)
    widen_to(view, 20_000)
    per_column = ceil(view.navigation.view.width / view.stream.axes.bbox.width)
    assert per_column > 10
    first, last = view.visible
    values = rows["value"][first : last + 1]
    corners = view.stream.value_columns.get_path().vertices
    thin = view.stream.thinnest
    for start in range(-(-first // per_column) * per_column, last - per_column, per_column):
        inside = corners[(corners[:, 0] > start - 0.6) & (corners[:, 0] < start + per_column - 0.4), 1]
        group = values[start - first : start - first + per_column]
        if np.isfinite(group).any():
            assert inside.min() <= np.nanmin(group) - thin + 1e-9
            assert inside.max() >= np.nanmax(group) + thin - 1e-9
    flagged = rows["index"][first : last + 1][rows["is_anomaly"][first : last + 1]]
    assert view.stream.marks.get_xdata().tolist() == flagged.tolist()
    assert all(marked(view, index, rows["value"][index]) for index in flagged[1:-1])


def test_a_crowd_of_anomalies_is_marked_by_each_columns_lowest_and_highest():
    rows = stream(20_000)
    rows["is_anomaly"] = True
    _, view = shown(rows)
    widen_to(view, 20_000)
    heights = view.stream.marks.get_ydata()
    visible = rows["value"][view.visible[0] :]
    assert len(heights) < 5_000
    assert np.nanmax(heights) == np.nanmax(visible)
    assert np.nanmin(heights) == np.nanmin(visible)


@pytest.mark.parametrize("span", [500, 4_000])
def test_the_threshold_is_one_line_and_a_point_that_its_band_marks_is_hollow_below_it(span):
    rows = stream(4_600)
    alone = rows["is_anomaly"] & (rows["index"] % 500 == 150) & (rows["index"] > 4_000)
    rows["score"][alone] = 0.3
    rows["threshold"][alone] = BY_BAND * rows["score"][alone]
    _, view = shown(rows)
    widen_to(view, span)
    panel = view.scores
    assert set(panel.threshold.get_ydata()) == {0.66}
    assert not np.isnan(panel.threshold.get_xdata()).any()
    (place,) = np.flatnonzero(alone & (rows["index"] > view.visible[1] - 500))
    assert place in panel.by_band.get_xdata()
    assert place not in panel.marks.get_xdata()
    row, column = place_of(view, place, 0.3, panel.axes)
    assert near_colour(pixels(view)[row, column], THEMES["light"].page), "hollow in the middle"
    assert near_colour(pixels(view)[row - 4 : row + 5, column - 4 : column + 5], THEMES["light"].anomaly, 60).any()


def test_marks_side_by_side_do_not_cut_one_another():
    rows = stream(470)
    rows["value"][300:330], rows["is_anomaly"][300:330], rows["episode"][300:330] = 20.0, True, 99
    _, view = shown(rows)
    row, first = place_of(view, 303, 20.0)
    _, last = place_of(view, 326, 20.0)
    assert near_colour(pixels(view)[row, first : last + 1], THEMES["light"].anomaly).all()


def test_both_points_of_a_labelled_pair_are_ringed_and_none_of_a_longer_stretch():
    rows = stream(470)
    rows["label"] = 0
    rows["label"][[300, 301, 320, *range(340, 360)]] = 2
    _, view = shown(rows)
    assert list(view.stream.rings.get_xdata()) == [300, 301, 320]


def test_an_isolated_point_between_missing_ones_is_visible():
    rows = stream(470)
    rows["value"][297:304] = np.nan
    rows["value"][300] = 24.0
    _, view = shown(rows)
    row, column = place_of(view, 300, 24.0)
    assert near_colour(pixels(view)[row - 2 : row + 3, column - 2 : column + 3], THEMES["light"].value, 40).any()


def test_an_anomaly_without_a_value_is_marked_where_the_value_was_expected():
    rows = stream(470)
    rows["is_anomaly"][203] = True
    _, view = shown(rows)
    assert marked(view, 203, rows["expected"][203])


@pytest.mark.parametrize("span", [500, 4_000])
def test_detectors_that_judge_along_have_their_marks_and_their_agreement_in_a_strip(span):
    rows = stream(4_950)
    now = partial(status, agreement=AGREEMENT)
    history, view = shown(rows[:4_700], now, marks=marks_at(4_600))
    widen_to(view, span)
    history.write(rows[4_700:])
    view.refresh()
    assert [text.get_text() for text in view.others.names] == [
        "z-score marks 3 of these 4 episodes too",
        "sliding-forest marks 4 of these 4 episodes too",
    ]
    image = near_colour(pixels(view), THEMES["light"].anomaly)
    height = image.shape[0]
    for row, is_flagged in ((0, True), (1, False)):
        x, y = view.others.axes.transData.transform((4_600, row + MARK_LINE)).round().astype(int)
        assert image[height - y - 3 : height - y + 4, x - 3 : x + 4].any() == is_flagged
    blitted = pixels(view)
    view.figure.canvas.draw()
    assert np.array_equal(blitted, pixels(view))
    assert view.picture().others is not None


def test_the_shade_of_an_episode_does_not_hide_what_is_written_in_the_strip():
    rows = stream(470)
    written = []
    for episode in (0, 99):
        rows["episode"][:300] = episode
        _, view = shown(rows, partial(status, agreement=AGREEMENT), marks=marks_at(5))
        box = view.others.names[0].get_window_extent()
        image = pixels(view)[::-1][int(box.y0) : int(box.y1), int(box.x0) : int(box.x1)]
        written.append(near_colour(image, THEMES["light"].quiet, 40).sum())
    assert written[1] > 0.7 * written[0] > 20


def test_the_strip_lies_between_the_panels_at_every_size_and_is_not_there_without_other_detectors():
    assert shown(stream(470))[1].others is None
    for size in ((12.8, 8.0), (6.4, 4.0)):
        _, view = shown(stream(470), partial(status, agreement=AGREEMENT), marks=marks_at(5), size=size)
        upper, strip, lower = (axes.bbox for axes in (view.stream.axes, view.others.axes, view.scores.axes))
        assert upper.y0 > strip.y1 > strip.y0 > lower.y1 > lower.y0
        for text in view.others.names:
            box = text.get_window_extent()
            assert strip.y0 <= box.y0 <= box.y1 <= strip.y1
            assert strip.x0 - 1 <= box.x0 <= box.x1 <= strip.x1


@pytest.mark.parametrize(("width", "title"), [(12.8, "stream"), (6.4, "stream"), (5.2, "")])
def test_a_title_gives_way_to_the_keys_beside_it_where_both_have_no_space(width, title):
    _, view = shown(stream(470), size=(width, 4.0))
    renderer = view.figure.canvas.get_renderer()
    assert view.stream.axes.get_title(loc="left") == title
    keys = view.stream.axes.get_legend().get_window_extent(renderer)
    written = next((text for text in view.stream.axes.findobj(Text) if title and text.get_text() == title), None)
    assert written is None or written.get_window_extent(renderer).x1 < keys.x0


@pytest.mark.parametrize("size", [(12.8, 8.0), (6.4, 4.8)])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_the_number_of_the_newest_value_stands_at_its_end_in_the_margin(size, scale):
    rows = stream(470)
    for name in ("value", "expected", "lower", "upper"):
        rows[name] *= scale
    history, view = shown(rows, size=size)
    newest = view.stream.newest
    box, panel = newest.get_window_extent(), view.stream.axes.bbox
    assert panel.x1 < box.x0 < box.x1 <= size[0] * 100
    value = float(newest.get_text().replace(",", "").replace("\N{MINUS SIGN}", "-"))
    assert value == pytest.approx(rows["value"][-1], rel=1e-2)
    middle = view.stream.axes.transData.transform((0, rows["value"][-1]))[1]
    assert (box.y0 + box.y1) / 2 == pytest.approx(middle, abs=3)
    view.command("back")
    view.refresh()
    assert (newest.get_text() == "") == (view.visible[1] < 469)
    history.write(stream(3, 470))
    view.command("live")
    view.refresh()
    assert newest.get_text() != ""


def test_keys_that_have_no_space_are_left_out():
    _, view = shown(stream(470), size=(4.0, 4.0))
    legend = view.stream.axes.get_legend().get_window_extent(view.figure.canvas.get_renderer())
    assert legend.x0 >= 0


def test_the_newest_alarm_in_view_says_why_at_its_place_until_a_point_is_selected():
    _, view = shown(stream(2_990))
    reason = view.stream.reason
    index = int(view._memory.last_anomaly())
    assert reason.text.startswith("spike: ")
    assert "expected" in reason.text
    left, low, right, high = reason.box
    panel = view.stream.axes
    x, y = panel.transData.transform((index, view._memory.view(index, index)["value"][0]))
    assert panel.bbox.x0 <= left <= right <= panel.bbox.x1
    assert low <= y <= high
    assert 0 < left - x < 40, "it stands to the right of the mark"
    view.select(float(index))
    view.refresh()
    assert reason.text == ""


def test_the_reason_is_that_of_the_peak_and_stands_there():
    rows = stream(600)
    rows["is_anomaly"][500:504], rows["episode"][500:504], rows["reason"][500:504] = True, 9, 2
    rows["value"][501], rows["score"][501], rows["reason"][501] = -9.0, 0.95, 2
    view = shown(rows)[1]
    assert view.stream.reason.text.startswith("dip: \N{MINUS SIGN}9")
    left, low, right, high = view.stream.reason.box
    x, y = view.stream.axes.transData.transform((501, -9.0))
    assert low <= y <= high
    assert min(abs(left - x), abs(right - x)) < 40


@pytest.mark.parametrize("seed", range(6))
def test_a_reason_covers_no_value(seed):
    rng = np.random.default_rng(seed)
    rows = stream(500)
    far = np.sort(rng.choice(np.arange(30, 500), 5 * (seed + 1), replace=False))
    rows["value"][far] += rng.choice([-1, 1], len(far)) * rng.uniform(4, 25, len(far))
    rows["is_anomaly"][far], rows["reason"][far], rows["score"][far] = True, 1, 0.8
    rows["episode"][far] = 100 + np.arange(len(far))
    view = shown(rows)[1]
    left, low, right, high = view.stream.reason.box
    at = np.linspace(0, 499, 20_000)  # the line that is drawn
    known = np.isfinite(rows["value"])
    x, y = view.stream.axes.transData.transform(
        np.column_stack((at, np.interp(at, rows["index"][known], rows["value"][known])))
    ).T
    is_covered = (x >= left) & (x <= right) & (y >= low) & (y <= high)
    assert not view.stream.reason.text or not is_covered.any()


def test_a_reason_that_would_cover_values_wherever_it_stands_is_left_out():
    rows = stream(500)
    rows["value"] = 20 + 15 * (-1.0) ** rows["index"]
    view = shown(rows)[1]
    assert rows["is_anomaly"].any()
    assert view.stream.reason.text == ""


def test_a_small_picture_or_one_without_an_alarm_has_no_reason_in_it():
    assert shown(stream(100))[1].stream.reason.text == ""
    assert shown(stream(470), size=(6.4, 4.8))[1].stream.reason.text == ""


def test_the_reason_in_the_picture_is_that_of_the_list_once_the_episode_is_over():
    rows = stream(300)
    rows["value"][280:] += 9
    for name in ("expected", "lower", "upper"):
        rows[name][287:] += 9
    rows["is_anomaly"][280:287], rows["episode"][280:287], rows["reason"][280:287] = True, 50, 3
    rows["score"][280:287], rows["p_value"][280:287], rows["reason"][280:283] = 0.8, 1e-4, 1
    rows["score"][280] = 0.9  # the peak
    _, view = shown(rows[:283])
    assert "shift" not in view.stream.reason.text
    _, view = shown(rows)
    assert view.stream.reason.text.startswith("level shift up: ")
