import warnings
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backend_bases import ResizeEvent
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.image import imread
from matplotlib.text import _get_text_metrics_function

from streamforest import figure
from streamforest.figure import (
    COMMANDS,
    HELP,
    MARK_LINE,
    THEMES,
    StreamFigure,
    counters,
    live_view,
)
from streamforest.history import History, Marks
from streamforest.protocols import UNLABELLED, VERDICT_DTYPE, Status

SPIKES = (150, 260, 333, 410)


def stream(n, start=0, times=True, labels=True):
    """A seasonal stream with noise, spikes and missing readings."""
    rng = np.random.default_rng(7)
    index = np.arange(start + n)
    expected = 20 + 6 * np.sin(2 * np.pi * index / 120)
    rows = np.zeros(start + n, VERDICT_DTYPE)
    rows["index"] = index
    rows["time"] = 1.4e9 + 1800.0 * index if times else np.nan
    rows["value"] = expected + rng.normal(0, 0.8, len(index))
    rows["label"] = 0 if labels else UNLABELLED
    rows["score"], rows["threshold"], rows["p_value"] = 0.4 + 0.1 * rng.random(len(index)), 0.66, 0.5
    rows["expected"], rows["lower"], rows["upper"] = expected, expected - 2.5, expected + 2.5
    spikes = index[(index % 500 == 150) | np.isin(index, SPIKES)]
    rows["value"][spikes] += 9
    rows["score"][spikes], rows["p_value"][spikes], rows["is_anomaly"][spikes] = 0.8, 1e-4, True
    rows["episode"][spikes] = np.arange(1, len(spikes) + 1)
    rows["reason"][spikes] = 1
    if labels:
        rows["label"][spikes] = 2
    rows["value"][200:206] = np.nan
    for name in ("score", "threshold", "p_value"):
        rows[name][:30] = np.nan
    return rows[start:]


def status(**changes):
    known = Status("pump.csv", "forest", ("forest",), 470, 0, 6, 4, 4, 10.0, 0.001, 0.0012, 0.92, 0.88, 1.0)
    return known._replace(**changes)


def shown(rows, now=None, capacity=50_000, clock=lambda: 0.0, marks=None, **options):
    history = History(capacity)
    history.marks = marks
    if len(rows):
        history.write(rows)
    view = StreamFigure(history, now or status, clock=clock, **options)
    view.refresh()
    return history, view


def pixels(view):
    return np.asarray(view.figure.canvas.buffer_rgba())[..., :3].copy()


def near_colour(image, colour, tolerance=12):
    return (np.abs(image.astype(int) - np.round(255 * np.array(to_rgb(colour)))) <= tolerance).all(axis=-1)


def place_of(view, index, value, axes=None):
    """Row and column of the pixel of a point."""
    x, y = (axes or view._upper).transData.transform((index, value))
    return round(view.figure.bbox.height - y), round(x)


def marked(view, index, value, axes=None):
    row, column = place_of(view, index, value, axes)
    around = pixels(view)[row - 3 : row + 4, column - 3 : column + 4]
    return near_colour(around, THEMES[view._theme_name].anomaly).sum() >= 5


def widen_to(view, span):
    view._span, view._span_chosen = span, True
    view.refresh()


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(("size", "dpi"), [((12.8, 8.0), 100), ((6.4, 4.0), 100), ((12.8, 8.0), 200)])
@pytest.mark.parametrize("times", [True, False])
def test_anomalies_carry_the_anomaly_colour_in_both_panels_at_every_size(theme, size, dpi, times):
    rows = stream(470, times=times)
    _, view = shown(rows, theme=theme, size=size, dpi=dpi)
    for index in SPIKES:
        assert marked(view, index, rows["value"][index])
        assert marked(view, index, rows["score"][index], view._lower)
    assert pixels(view).shape == (round(size[1] * dpi), round(size[0] * dpi), 3)


def test_labels_are_ringed_and_underlined_only_where_the_source_has_them():
    for labels in (True, False):
        rows = stream(470, labels=labels)
        _, view = shown(rows)
        row, column = place_of(view, 260, rows["value"][260])
        ring = pixels(view)[row - 9 : row + 10, column - 9 : column + 10]
        assert near_colour(ring, THEMES["light"].label).any() == labels


@pytest.mark.parametrize("span", [500, 4_000])
@pytest.mark.parametrize("theme", THEMES)
def test_a_blitted_frame_is_a_full_frame_pixel_for_pixel(span, theme):
    rows = stream(5_000)
    history, view = shown(rows[:450], theme=theme)
    widen_to(view, span)
    full_draws = []
    view.figure.canvas.mpl_connect("draw_event", lambda _event: full_draws.append(1))
    for first in range(450, 4_900, 89):
        history.write(rows[first : first + 89])
        view.refresh()
    view.command("last-anomaly")
    view.refresh()
    view.command("help")
    view.refresh()
    assert len(full_draws) < 10
    blitted = pixels(view)
    view.figure.canvas.draw()
    assert np.array_equal(blitted, pixels(view))


def test_a_frame_where_nothing_changed_is_not_drawn():
    history, view = shown(stream(470))
    assert not view.refresh()
    history.write(stream(1, 470))
    assert view.refresh()
    assert not view.refresh()


def test_the_measures_of_few_texts_are_kept(monkeypatch):
    history, view = shown(stream(470))
    measures = _get_text_metrics_function(view.figure.canvas.get_renderer())
    assert 0 < measures.cache_info().currsize < figure.MOST_MEASURES
    monkeypatch.setattr(figure, "MOST_MEASURES", 5)
    history.write(stream(1, 470))
    assert view.refresh()
    assert measures.cache_info().currsize == 0


def test_the_header_follows_the_status_at_most_four_times_a_second():
    now = [0.0]
    points = [1]
    history, view = shown(stream(100), lambda: status(points=points[0]), clock=lambda: now[0])
    points[0] = 2_345
    history.write(stream(1, 100))
    view.refresh()
    assert view._counter_values[0].get_text() == "1"
    now[0] = 0.3
    assert view.refresh()
    assert view._counter_values[0].get_text() == "2,345"


def test_the_decimated_picture_has_each_columns_extremes_and_every_anomaly():
    rows = stream(20_000)
    _, view = shown(rows)
    widen_to(view, 20_000)
    per_column = view._per_column
    assert per_column > 10
    first, last = view.visible
    values = rows["value"][first : last + 1]
    corners = view._value_columns.get_path().vertices
    thin = 0.6 * view._pixel_height(view._upper)
    for start in range(-(-first // per_column) * per_column, last - per_column, per_column):
        inside = corners[(corners[:, 0] > start - 0.6) & (corners[:, 0] < start + per_column - 0.4), 1]
        group = values[start - first : start - first + per_column]
        if np.isfinite(group).any():
            assert inside.min() <= np.nanmin(group) - thin + 1e-9
            assert inside.max() >= np.nanmax(group) + thin - 1e-9
    flagged = rows["index"][first : last + 1][rows["is_anomaly"][first : last + 1]]
    assert view._marks.get_xdata().tolist() == flagged.tolist()
    assert all(marked(view, index, rows["value"][index]) for index in flagged[1:-1])


def test_a_crowd_of_anomalies_is_marked_by_each_columns_lowest_and_highest():
    rows = stream(20_000)
    rows["is_anomaly"] = True
    _, view = shown(rows)
    widen_to(view, 20_000)
    heights = view._marks.get_ydata()
    visible = rows["value"][view.visible[0] :]
    assert len(heights) < 5_000
    assert np.nanmax(heights) == np.nanmax(visible)
    assert np.nanmin(heights) == np.nanmin(visible)


def test_a_saved_picture_is_the_live_one_and_saving_leaves_the_live_canvas_as_it_was(tmp_path):
    history, view = shown(stream(470))
    before = pixels(view)
    view.figure.savefig(tmp_path / "live.png")
    assert np.array_equal(before, np.round(255 * imread(tmp_path / "live.png")[..., :3]))
    history.write(stream(10, 470))
    view.refresh()
    blitted = pixels(view)
    view.figure.canvas.draw()
    assert np.array_equal(blitted, pixels(view))


def test_a_canvas_that_cannot_blit_is_asked_to_draw_and_shows_all_of_it():
    class Plain(FigureCanvasAgg):
        supports_blit = False
        asked = 0

        def draw_idle(self):
            self.asked += 1
            self.draw()

    rows = stream(470)
    _, view = shown(rows)
    canvas = Plain(view.figure)
    view.refresh()
    assert view.refresh() is False or canvas.asked >= 1
    view.command("help")
    view.refresh()
    assert canvas.asked >= 1
    view.command("help")
    view.refresh()
    assert marked(view, 260, rows["value"][260])


def test_a_change_of_size_draws_anew_and_stays_within_the_figure():
    history, view = shown(stream(470))
    view.figure.set_size_inches(6.4, 4.0)
    view.figure.canvas.callbacks.process("resize_event", ResizeEvent("resize_event", view.figure.canvas))
    history.write(stream(1, 470))
    assert view.refresh()
    blitted = pixels(view)
    assert blitted.shape == (400, 640, 3)
    view.figure.canvas.draw()
    assert np.array_equal(blitted, pixels(view))
    for text in (view._name, view._state, *view._counter_values, *view._counter_names):
        box = text.get_window_extent()
        assert box.x0 >= 0
        assert box.x1 <= 640
        assert box.y1 <= 400


def odd_streams():
    seasonal = stream(120)
    for name, values in (
        ("huge", 1e308 * (-1.0) ** np.arange(120)),
        ("tiny", 1e-300 * np.arange(120)),
        ("constant", np.full(120, 5.0)),
        ("constant zero", np.zeros(120)),
        ("all missing", np.full(120, np.nan)),
        ("every other missing", np.where(np.arange(120) % 2, np.nan, 3.0 * np.arange(120))),
        ("offset", 1e9 + 1e-3 * np.arange(120)),
    ):
        rows = seasonal.copy()
        rows["value"] = values
        rows["expected"] = rows["lower"] = rows["upper"] = np.nan
        yield name, rows
    for name, times in (
        ("equal times", np.full(120, 1.4e9)),
        ("some times missing", np.where(np.arange(120) % 7, 1.4e9, np.nan)),
        ("irregular times", 1.4e9 + np.cumsum(np.random.default_rng(1).pareto(0.7, 120) * 60)),
        ("fast times", 1.4e9 + 1e-4 * np.arange(120)),
        ("times beyond calendars", 1e15 + np.arange(120.0)),
        ("times long ago", -6.1e10 + 3e7 * np.arange(120)),
        ("four thousand years", 1e9 * np.arange(120)),
    ):
        rows = seasonal.copy()
        rows["time"] = times
        yield name, rows
    yield "no points", seasonal[:0]
    yield "one point", seasonal[:1]
    yield "one missing point", stream(1, 200)
    yield "warm-up only", seasonal[:25]


@pytest.mark.parametrize(("name", "rows"), list(odd_streams()), ids=lambda v: v if isinstance(v, str) else "")
def test_odd_streams_are_drawn_without_a_warning(name, rows):
    history, view = shown(rows, lambda: status(warm_up=0.4))
    for command in COMMANDS:
        view.command(command)
        view.refresh()
    view.command("live")
    if len(rows):
        history.write(rows[-1:])
    view.refresh()
    blitted = pixels(view)
    assert len(np.unique(blitted.reshape(-1, 3), axis=0)) > 10, name
    view.figure.canvas.draw()
    assert np.array_equal(blitted, pixels(view))


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


def test_ticks_are_times_where_there_are_times_and_point_numbers_where_not():
    _, timed = shown(stream(470))
    _, numbered = shown(stream(470, times=False))
    labels = [text.get_text() for text in numbered._tick_labels if text.get_visible()]
    assert labels[:3] == ["0", "100", "200"]
    assert timed._date.get_text() == "2014-May UTC"
    assert numbered._date.get_text() == ""
    for text in timed._tick_labels:
        if text.get_visible():  # a round time stands at the point that has it
            index = text.get_position()[0]
            assert (1.4e9 + 1800 * index) % 43_200 == pytest.approx(0, abs=1e-3)


def test_a_spike_flattens_the_axis_only_while_it_is_in_view():
    rows = stream(2_000)
    rows["value"][600] = 5_000
    history, view = shown(rows[:590])
    calm = view._upper.get_ylim()
    history.write(rows[590:700])
    view.refresh()
    assert view._upper.get_ylim()[1] > 5_000
    history.write(rows[700:])
    view.refresh()
    assert view._upper.get_ylim()[1] < 2 * calm[1]


def test_pausing_keeps_the_points_in_view_though_the_history_has_dropped_them():
    rows = stream(5_000)
    history, view = shown(rows[:900], capacity=1_000)
    view.command("pause")
    view.refresh()
    before, image = view.visible, pixels(view)[120:]
    history.write(rows[900:])
    assert not view.refresh()
    assert view.visible == before
    assert np.array_equal(image, pixels(view)[120:])
    view.command("pause")
    view.refresh()
    assert view.visible[1] == 4_999


def test_back_and_forward_stay_within_what_is_kept():
    _, view = shown(stream(3_000))
    ends = set()
    for _ in range(20):
        view.command("back")
        view.refresh()
    assert view.visible[0] == 0
    for _ in range(20):
        view.command("forward")
        view.refresh()
        ends.add(view.visible[1])
    assert max(ends) == 2_999
    assert view.paused
    view.command("live")
    assert not view.paused


def test_wider_and_narrower_change_the_width_within_bounds():
    history, view = shown(stream(3_000), capacity=2_000)
    for _ in range(15):
        view.command("wider")
        view.refresh()
    assert view._view.width == history.capacity
    for _ in range(15):
        view.command("narrower")
        view.refresh()
    assert view._view.width == 20
    assert view.visible[1] == 2_999


def test_last_anomaly_goes_to_it_and_then_to_the_one_before_and_tells_the_reason():
    _, view = shown(stream(490))
    for index in (410, 333, 260):
        view.command("last-anomaly")
        view.refresh()
        assert view.visible[0] <= index <= view.visible[1]
        assert view._note.get_text().startswith(f"point {index}, 2014-")
        assert "spike: " in view._note.get_text()


def test_last_anomaly_without_one_leaves_the_view_live():
    _, view = shown(stream(100))
    view.command("last-anomaly")
    assert not view.paused


def test_an_unknown_command_is_refused_with_the_known_ones():
    _, view = shown(stream(10))
    with pytest.raises(ValueError, match=r"command is 'jump'.*last-anomaly"):
        view.command("jump")


def test_an_unknown_theme_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="theme is 'pink'; it must be one of light, dark"):
        StreamFigure(History(1), status, theme="pink")


def test_help_shows_and_hides_every_key():
    _, view = shown(stream(100))
    view.command("help")
    view.refresh()
    assert view._keys.get_text() == HELP
    view.command("help")
    view.refresh()
    assert view._keys.get_text() == ""


def test_a_click_describes_the_point_there_and_prefers_an_anomalous_one():
    rows = stream(470)
    _, view = shown(rows)
    x, y = view._upper.transData.transform((261.3, 20.0))
    text = view.describe_at(x, y)
    assert text is not None
    assert text.startswith("point 260, 2014-05-19 ")
    assert "label: spike" in text
    assert view.describe_at(1, 1) is None


@pytest.mark.parametrize("index", [0, 150, 235, 260, 469])
def test_the_note_of_a_selected_point_lies_inside_the_panel(index):
    for size in ((12.8, 8.0), (6.4, 4.0)):
        _, view = shown(stream(470), size=size)
        view.select(index)
        view.refresh()
        note, panel = view._note.get_bbox_patch().get_window_extent(), view._upper.bbox
        assert panel.x0 - 5 <= note.x0
        assert note.x1 <= panel.x1 + 5
        assert panel.y0 <= note.y0
        assert note.y1 <= panel.y1
        view.select(None)
        view.refresh()
        assert view._note.get_text() == ""


@settings(max_examples=200)
@given(first=st.integers(0, 10**9), n=st.integers(0, 200_000), span=st.integers(20, 50_000))
def test_the_live_view_has_the_newest_point_and_is_never_wider_than_asked(first, n, span):
    view = live_view(first, first + n, span)
    assert view.width <= span
    assert view.right >= first + n
    assert view.right - (first + n) <= max(64, view.width)
    if n >= 2 * span:  # at most one step is blank
        assert view.right - (first + n) <= view.width // 8 + 1


def test_the_view_grows_by_itself_for_fast_streams_until_the_user_chooses():
    _, view = shown(stream(3_000), lambda: status(points_per_second=10_000.0))
    view.refresh()
    assert view._span == 50_000
    view.command("narrower")
    width = view._span
    view.refresh()
    assert view._span == width


def test_warm_up_and_missing_rates_are_shown_as_unknown_not_as_zero():
    _, view = shown(stream(20), lambda: status(realised_rate=None, precision=None, recall=None, warm_up=0.66))
    texts = [text.get_text() for text in view._counter_values]
    assert texts[4] == "\N{EN DASH}"
    assert view._state.get_text() == "warming up: 66 %"
    assert "precision" not in [text.get_text() for text in view._counter_names]
    assert "warming up" in view._no_score.get_text()


def test_no_module_of_the_figure_imports_pyplot_or_warns():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _, view = shown(stream(10))
    assert view.figure.canvas.manager is None


def test_a_shown_point_is_in_the_middle_with_its_numbers_and_one_that_is_not_kept_is_refused():
    _, view = shown(stream(1500), capacity=1000)
    assert view.show(1000)
    view.refresh()
    assert view.visible == (750, 1249)
    assert view._selected == 1000
    assert not view.show(499)
    assert not view.show(1500)


def test_what_was_asked_for_is_a_share_or_a_number_a_day():
    assert dict(counters(status()))["asked for"] == "0.1 %"
    assert dict(counters(status(alarms_a_day=0.5)))["asked for"] == "0.5 a day"


AGREEMENT = (("z-score", 3, 4), ("sliding-forest", 4, 4))


def marks_at(*places, n=5_000):
    """Marks of two detectors, the first flags these places, the second none."""
    marks, flags = Marks(n, ("z-score", "sliding-forest")), np.zeros((2, n), bool)
    flags[0, list(places)] = True
    marks.write(0, flags)
    return marks


@pytest.mark.parametrize("span", [500, 4_000])
def test_detectors_that_judge_along_have_their_marks_and_their_agreement_in_a_strip(span):
    rows = stream(4_950)
    now = partial(status, agreement=AGREEMENT)
    history, view = shown(rows[:4_700], now, marks=marks_at(4_600))
    widen_to(view, span)
    history.write(rows[4_700:])
    view.refresh()
    assert [text.get_text() for text in view._other_names] == [
        "z-score: 3 of 4 episodes too",
        "sliding-forest: 4 of 4 episodes too",
    ]
    image = near_colour(pixels(view), THEMES["light"].anomaly)
    height = image.shape[0]
    for row, is_flagged in ((0, True), (1, False)):
        x, y = view._others.transData.transform((4_600, row + MARK_LINE)).round().astype(int)
        assert image[height - y - 3 : height - y + 4, x - 3 : x + 4].any() == is_flagged
    blitted = pixels(view)
    view.figure.canvas.draw()
    assert np.array_equal(blitted, pixels(view))
    assert view.picture()._others is not None


def test_the_strip_lies_between_the_panels_at_every_size_and_is_not_there_without_other_detectors():
    assert shown(stream(470))[1]._others is None
    for size in ((12.8, 8.0), (6.4, 4.0)):
        _, view = shown(stream(470), partial(status, agreement=AGREEMENT), marks=marks_at(5), size=size)
        upper, strip, lower = (axes.bbox for axes in (view._upper, view._others, view._lower))
        assert upper.y0 > strip.y1 > strip.y0 > lower.y1 > lower.y0
        for text in view._other_names:
            box = text.get_window_extent()
            assert strip.y0 <= box.y0 <= box.y1 <= strip.y1
            assert strip.x0 - 1 <= box.x0 <= box.x1 <= strip.x1


@pytest.mark.parametrize(("n", "capacity"), [(3, 500), (2000, 50_000), (2000, 700)])
def test_all_that_is_kept_can_be_shown(n, capacity):
    _, view = shown(stream(n), capacity=capacity)
    view.show_all()
    view.refresh()
    assert view.visible == (max(0, n - capacity), n - 1)
    assert view.picture().visible == view.visible
