import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from streamforest.figures import kept_text
from streamforest.figures.kept_text import KeptText, letters

MATPLOTLIB = tuple(map(int, matplotlib.__version__.split(".")[:2]))


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


def near(pixels):
    """These pixels and, where matplotlib puts letters at whole pixels, those beside them."""
    reach = 0 if MATPLOTLIB >= (3, 11) else 1
    return {(row, column + step) for row, column in pixels for step in range(-reach, reach + 1)}


@pytest.mark.parametrize("text", ["dip: 18.8, expected 36.8 \N{PLUS-MINUS SIGN} 11.3", "AVATAR (j) Ty.", "Ångström ÄÖ"])
def test_a_line_put_together_from_kept_letters_looks_as_matplotlib_writes_it(text):
    for style in ({}, {"fontweight": "bold", "fontsize": 11.2}):
        place = {"ha": "left", "va": "baseline", **style}
        ours, theirs = ({*map(tuple, drawn(kind, text, **place)[0])} for kind in (KeptText, Text))
        assert len(ours - near(theirs)) + len(theirs - near(ours)) <= 0.1 * len(theirs)


def test_of_a_number_that_changes_no_letter_is_drawn_again():
    for number in range(1_000, 3_000):
        letters(f"{number:,}", 9.0, "normal", ("sans-serif",), (0.0, 0.0, 0.0, 1.0), 100.0)
    before = kept_text._ink.cache_info().misses
    letters("2,000 1,999", 9.0, "normal", ("sans-serif",), (0.0, 0.0, 0.0, 1.0), 100.0)
    assert kept_text._ink.cache_info().misses <= before + 4, (
        "behind a space they may stand elsewhere between two pixels"
    )


def test_an_empty_text_and_a_hidden_one_draw_nothing():
    assert len(drawn(KeptText, "")[0]) == 0
    assert len(drawn(KeptText, visible=False)[0]) == 0
