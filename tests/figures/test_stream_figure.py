import warnings

import numpy as np
import pytest
from matplotlib.backend_bases import ResizeEvent
from matplotlib.image import imread

from streamforest.figures.navigation import COMMANDS
from streamforest.figures.stream_figure import HELP
from streamforest.figures.themes import THEMES
from tests.pictures import (
    SPIKES,
    ahead_of,
    marked,
    near_colour,
    pixels,
    shown,
    status,
    stream,
)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(
    ("size", "dpi", "times"),
    [((12.8, 8.0), 100, True), ((12.8, 8.0), 100, False), ((6.4, 4.0), 100, False), ((12.8, 8.0), 200, True)],
)
def test_anomalies_carry_the_anomaly_colour_in_both_panels_at_every_size(theme, size, dpi, times):
    rows = stream(470, times=times)
    _, view = shown(rows, theme=theme, size=size, dpi=dpi)
    for index in SPIKES:
        assert marked(view, index, rows["value"][index])
        assert marked(view, index, rows["score"][index], view.scores.axes)
    assert pixels(view).shape == (round(size[1] * dpi), round(size[0] * dpi), 3)


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
    for text in (view.header.name, view.header.state, *view.header.counter_values, *view.header.counter_names):
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
    history, view = shown(rows, lambda: status(warm_up=0.4), size=(6.4, 4.0))  # quicker drawn than a large one
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


def test_help_shows_and_hides_every_key():
    _, view = shown(stream(100))
    view.command("help")
    view.refresh()
    assert view.keys.get_text() == HELP
    view.command("help")
    view.refresh()
    assert view.keys.get_text() == ""


def test_no_module_of_the_figure_imports_pyplot_or_warns():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _, view = shown(stream(10))
    assert view.figure.canvas.manager is None


def test_the_view_says_so_where_there_is_no_forecast():
    now = [0.0]
    history, view = shown(stream(470), clock=lambda: now[0])
    view.shows_notices = True
    view.command("forecast")
    for seconds, said in ((0.0, "no forecast now from this detector"), (1.0, "")):
        now[0] += seconds
        history.write(stream(1, history.end))
        if not said:
            history.ahead = lambda steps: ahead_of(history, steps)
        for _ in range(2):  # the line for people is written with the header
            now[0] += 0.3
            view.refresh()
        assert view.notice.get_text() == said


def test_what_is_expected_next_is_drawn_ahead_of_the_newest_point_when_it_is_asked_for():
    history, view = shown(stream(900))
    asked = []
    history.ahead = lambda steps: asked.append(steps) or ahead_of(history, steps)
    view.refresh()
    assert not asked
    assert not len(view.stream.ahead.get_xdata())
    before = view.navigation.view
    view.command("forecast")
    view.refresh()
    after = view.navigation.view
    assert after.left == before.left
    assert (after.right - before.right) / after.width == pytest.approx(1 / 6, abs=0.01)
    x = view.stream.ahead.get_xdata()
    assert (x[0], x[-1]) == (899, after.right - 1), "from the newest point to the edge of the view"
    assert near_colour(pixels(view), THEMES["light"].expected).any()
    calls = len(asked)
    view.refresh()
    assert len(asked) == calls, "nothing is computed where no point came"
    assert view.picture().stream.ahead.get_xdata().tolist() == x.tolist()
    history.write(stream(5, start=900))
    view.refresh()
    assert view.stream.ahead.get_xdata()[0] == 904
    view.command("forecast")
    view.refresh()
    assert not len(view.stream.ahead.get_xdata())


@pytest.mark.parametrize("lowest", [0.0, -1.0])
def test_no_band_is_drawn_below_zero_where_no_value_was_ever_negative(lowest):
    rows = stream(300)
    rows["value"] = np.abs(rows["value"] - 20.0)
    rows["value"][10] = lowest
    rows["lower"], rows["upper"], rows["expected"] = -4.0, 8.0, 3.0
    _, view = shown(rows)
    bottom = view.stream.band.get_path().vertices[:, 1].min()
    assert bottom == (0.0 if lowest == 0.0 else -4.0)
