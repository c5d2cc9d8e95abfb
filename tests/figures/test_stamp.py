import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from streamforest.figures.stamp import Stamp
from streamforest.figures.themes import THEMES
from tests.pictures import near_colour


def stamped(text, theme="light", place=(2.0, 5.0), dpi=100):
    """A figure with a stamp on it, its pixels, and the stamp."""
    figure = Figure((4, 3), dpi=dpi, facecolor="#ff0000")
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, 10), ylim=(0, 10))
    axes.axis("off")
    stamp = Stamp(axes, THEMES[theme])
    stamp.text, stamp.place = text, place
    axes.add_artist(stamp)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3], stamp, canvas


def test_the_text_stands_to_the_right_of_its_place_on_a_veil():
    for theme in THEMES:
        image, stamp, _ = stamped("spike: 5 $ _ ^", theme)
        assert near_colour(image, THEMES[theme].text).any()
        left, low, right, high = stamp.box
        assert left == 80
        assert low < 150 < high
        inside = image[300 - high : 300 - low, left:right]
        assert not near_colour(inside, "#ff0000", 5).any()
        outside = image.copy()
        outside[300 - high : 300 - low, left:right] = (255, 0, 0)
        assert near_colour(outside, "#ff0000", 5).all()


def test_the_letters_are_laid_out_once_as_long_as_they_stay_the_same():
    _, stamp, canvas = stamped("spike")
    drawn = stamp._pixels
    stamp.place = (5.0, 5.0)
    canvas.draw()
    assert stamp._pixels is drawn
    stamp.text = "dip"
    canvas.draw()
    assert stamp._pixels is not drawn


def test_an_empty_text_or_a_hidden_one_draws_nothing():
    assert near_colour(stamped("")[0], "#ff0000", 5).all()
    _, stamp, canvas = stamped("spike")
    stamp.set_visible(False)
    canvas.draw()
    assert near_colour(np.asarray(canvas.buffer_rgba())[..., :3], "#ff0000", 5).all()
