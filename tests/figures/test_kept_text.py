import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from streamforest.figures.kept_text import KeptText, letters


def drawn(kind, text="spike: 5 $ _ ^", dpi=100, **style):
    """Where there are dark pixels of a text in the middle of a figure: rows and columns; and the text."""
    figure = Figure((4, 1), dpi=dpi, facecolor="white")
    canvas = FigureCanvasAgg(figure)
    artist = kind(0.5, 0.5, text, transform=figure.transFigure, parse_math=False, figure=figure, **style)
    figure.add_artist(artist)
    canvas.draw()
    return np.argwhere(np.asarray(canvas.buffer_rgba())[..., :3].min(axis=-1) < 128), artist


@pytest.mark.parametrize("dpi", [96, 192])
@pytest.mark.parametrize("ha", ["left", "center", "right"])
@pytest.mark.parametrize("va", ["top", "center", "bottom", "baseline"])
def test_letters_stand_where_matplotlib_puts_them(dpi, ha, va):
    ours, _ = drawn(KeptText, dpi=dpi, ha=ha, va=va, fontsize=11)
    theirs, _ = drawn(Text, dpi=dpi, ha=ha, va=va, fontsize=11)
    assert np.abs(ours.min(axis=0) - theirs.min(axis=0)).max() <= 2
    assert np.abs(ours.max(axis=0) - theirs.max(axis=0)).max() <= 2
    assert len(ours) == pytest.approx(len(theirs), rel=0.5)


@pytest.mark.parametrize("style", [{"rotation": 90}, {"bbox": {"facecolor": "yellow"}}])
def test_what_is_no_plain_line_is_drawn_as_matplotlib_does(style):
    ours, theirs = drawn(KeptText, **style)[0], drawn(Text, **style)[0]
    assert np.array_equal(ours, theirs)
    assert np.array_equal(drawn(KeptText, "a\nb")[0], drawn(Text, "a\nb")[0])


def test_a_line_is_laid_out_once_and_colour_weight_and_size_are_others():
    before = letters.cache_info().hits
    first = drawn(KeptText, "once and again", color="#0072b2")[0]
    assert np.array_equal(drawn(KeptText, "once and again", color="#0072b2")[0], first)
    assert letters.cache_info().hits == before + 1
    kept = letters("x", 10.0, "normal", ("sans-serif",), (1.0, 0.0, 0.0, 1.0), 100.0)
    assert kept.pixels[..., :3].reshape(-1, 3)[kept.pixels[..., 3].ravel() > 200].tolist()[0] == [255, 0, 0]
    assert letters("x", 20.0, "normal", ("sans-serif",), (1.0, 0.0, 0.0, 1.0), 100.0).width > 1.5 * kept.width


def test_an_empty_text_and_a_hidden_one_draw_nothing():
    assert len(drawn(KeptText, "")[0]) == 0
    assert len(drawn(KeptText, visible=False)[0]) == 0
