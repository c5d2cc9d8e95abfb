from itertools import pairwise

import numpy as np
import pytest
from matplotlib import text
from matplotlib.colors import to_rgb

from streamforest.figures import layers
from streamforest.figures.navigation import COMMANDS
from streamforest.figures.ranking_figure import FEWER_PANELS, FRAME_SECONDS, MOST_PANELS, RankingFigure
from streamforest.figures.themes import THEMES
from streamforest.protocols import STREAM_VERDICT_DTYPE, Status
from streamforest.stream_names import StreamNames
from streamforest.verdicts.ranking import StreamRanking

N, POINTS = 20, 60


def status(**changes):
    known = Status(
        "pumps.csv", "forest", ("forest",), 1200, 0, 0, 4, 4, 10.0, 0.001, 0.0012, None, None, 1.0, streams=N
    )
    return known._replace(**changes)


def ranking(keys=None, times=True):
    """Twenty streams of different size; of each fifth one the last point is an anomaly, ever rarer ones."""
    names = StreamNames()
    found = StreamRanking(names)
    numbers = names.numbers_of(keys or [f"pump {k}" for k in range(N)])
    for k, number in enumerate(numbers):
        rows = np.zeros(POINTS, STREAM_VERDICT_DTYPE)
        rows["stream"], rows["index"] = number, np.arange(POINTS)
        rows["time"] = 1.7e9 + 60.0 * rows["index"] if times else np.nan
        rows["expected"] = 10.0 ** (k % 5)
        rows["value"] = rows["expected"] * (1 + 0.02 * np.sin(rows["index"]))
        rows["lower"], rows["upper"], rows["p_value"] = 0.9 * rows["expected"], 1.1 * rows["expected"], 0.5
        if k % 5 == 0:
            rows["value"][-1] *= 2
            rows["is_anomaly"][-1], rows["episode"][-1], rows["reason"][-1] = True, 1, 1
            rows["p_value"][-1] = 10.0 ** -(3 + k / 5)
        found.write(rows)
    return found


def shown(known=None, now=None, clock=lambda: 0.0, **options):
    figure = RankingFigure(known or ranking(), now or status, clock=clock, **options)
    assert figure.refresh()
    return figure


def titles(figure):
    return [panel.key.get_text() for panel in figure.panels if panel.axes.get_visible()]


def has_colour(figure, axes, colour):
    box = axes.get_window_extent()
    pixels = np.asarray(figure.figure.canvas.buffer_rgba())[..., :3].astype(int)
    height = len(pixels)
    part = pixels[height - int(box.y1) - 6 : height - int(box.y0) + 6, int(box.x0) - 6 : int(box.x1) + 6]
    return (np.abs(part - np.round(255 * np.array(to_rgb(colour)))) <= 12).all(axis=-1).sum()


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(("size", "panels"), [((12.8, 8.0), MOST_PANELS), ((6.4, 4.0), FEWER_PANELS)])
def test_the_worst_streams_have_a_panel_each_with_its_anomaly_and_its_band(theme, size, panels):
    figure = shown(theme=theme, size=size)
    assert len(titles(figure)) == panels
    assert titles(figure)[:4] == ["1  pump 15", "2  pump 10", "3  pump 5", "4  pump 0"]
    for panel in figure.panels[:4]:
        assert has_colour(figure, panel.axes, THEMES[theme].anomaly) >= 10
        assert has_colour(figure, panel.axes, THEMES[theme].band) >= 50
        assert panel.state.get_text() == "anomalous"
        assert panel.reason.get_text().startswith("spike: ")


@pytest.mark.parametrize("size", [(12.8, 8.0), (6.4, 4.0), (5.8, 5.8), (4.2, 4.0)])
def test_no_text_of_the_ranking_or_of_a_title_covers_another(size):
    figure = shown(size=size)
    renderer = figure.figure.canvas.get_renderer()
    rows = [row.texts for row in figure.rows if row.texts[0].get_text()]
    assert len(rows) >= 4
    panels = [panel for panel in figure.panels if panel.axes.get_visible()]
    moments = [[panel.first, panel.last] for panel in panels if panel.first.get_visible()]
    lines = [*rows, *([panel.key, panel.state] for panel in panels), *moments]
    for line in lines:
        boxes = [text.get_window_extent(renderer) for text in line if text.get_text()]
        for one, other in pairwise(boxes):
            assert one.x1 <= other.x0, [text.get_text() for text in line]
    bottoms = [row[1].get_window_extent(renderer) for row in rows]
    assert all(below.y1 <= above.y0 + 1 for above, below in pairwise(bottoms))


def test_keys_from_outside_are_shown_as_text():
    keys = ["\x1b[31mred", "$x$ y$", "a" * 150, "<b>", *(f"pump {k}" for k in range(4, N))]
    figure = shown(ranking(keys))
    keys_shown = " ".join(row.texts[1].get_text() for row in figure.rows)
    assert r"\x1b[31mred" in keys_shown
    assert "$x$ y$" in keys_shown
    assert "a" * 60 not in keys_shown


def test_the_figure_is_drawn_again_once_a_second_and_only_where_something_is_new():
    now, known = [0.0], ranking()
    figure = shown(known, clock=lambda: now[0], size=(6.4, 4.0))
    now[0] += 2 * FRAME_SECONDS
    assert not figure.refresh()
    row = np.zeros(1, STREAM_VERDICT_DTYPE)
    row["index"] = POINTS
    known.write(row)
    assert figure.refresh()
    row["index"] += 1
    known.write(row)
    assert not figure.refresh()
    now[0] += FRAME_SECONDS
    assert figure.refresh()


@pytest.mark.skipif(not hasattr(text, "_get_text_metrics_function"), reason="an older matplotlib keeps none so")
def test_the_measures_of_few_texts_are_kept(monkeypatch):
    view = shown()
    measures = text._get_text_metrics_function(view.figure.canvas.get_renderer())
    assert 0 < measures.cache_info().currsize < layers.MOST_MEASURES
    monkeypatch.setattr(layers, "MOST_MEASURES", 5)
    view.command("help")
    assert view.refresh()
    assert measures.cache_info().currsize == 0


def test_commands_turn_pages_and_hold_the_view():
    known = ranking()
    figure = shown(known, size=(6.4, 4.0))
    for command, first in (("forward", "5"), ("forward", "9"), ("back", "5"), ("last-anomaly", "1"), ("back", "1")):
        figure.command(command)
        assert figure.refresh()
        assert titles(figure)[0].split()[0] == first
    for _ in range(9):
        figure.command("forward")
    figure.refresh()
    assert titles(figure)[-1].split()[0] == "20"
    figure.command("live")
    figure.command("pause")
    figure.refresh()
    row = np.zeros(1, STREAM_VERDICT_DTYPE)
    row["index"], row["stream"] = POINTS, 3
    known.write(row)
    figure.command("help")
    figure.refresh()
    assert figure.paused
    assert figure.header.state.get_text() == "paused, 1 new points"
    assert "Esc" in figure.keys.get_text()
    for command in COMMANDS:
        figure.command(command)
    with pytest.raises(ValueError, match="command is 'jump'"):
        figure.command("jump")


def test_before_the_first_point_it_waits_and_without_times_it_counts_points():
    figure = shown(StreamRanking(StreamNames()))
    assert titles(figure) == []
    assert figure.waiting.get_text() == "waiting for the first point"
    assert figure.visible == (0, -1)
    figure = shown(ranking(times=False))
    assert figure.panels[0].last.get_text() == "point 59"
    assert figure.visible == (0, N * POINTS - 1)


def test_a_saved_picture_is_the_live_one():
    figure = shown(size=(6.4, 4.0))
    other = figure.picture()
    other.figure.canvas.draw()
    assert np.array_equal(figure.figure.canvas.buffer_rgba(), other.figure.canvas.buffer_rgba())
