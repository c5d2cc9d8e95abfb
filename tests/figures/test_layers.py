import numpy as np
import pytest
from matplotlib import text
from matplotlib.backends.backend_agg import FigureCanvasAgg

from streamforest.figures import layers
from streamforest.figures.layers import MOST_MEASURES
from streamforest.figures.themes import THEMES
from tests.pictures import marked, pixels, shown, stream, widen_to


@pytest.mark.parametrize(("theme", "span"), [*zip(THEMES, (500, 4_000), strict=True)])
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


@pytest.mark.skipif(not hasattr(text, "_get_text_metrics_function"), reason="an older matplotlib keeps none so")
def test_the_measures_of_few_texts_are_kept(monkeypatch):
    history, view = shown(stream(470))
    measures = text._get_text_metrics_function(view.figure.canvas.get_renderer())
    assert 0 < measures.cache_info().currsize < MOST_MEASURES
    monkeypatch.setattr(layers, "MOST_MEASURES", 5)
    history.write(stream(1, 470))
    assert view.refresh()
    assert measures.cache_info().currsize == 0


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
