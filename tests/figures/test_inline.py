import base64
import io

import matplotlib.image
import numpy as np
import pytest

from streamforest.figures.inline import inline_picture
from streamforest.figures.themes import THEMES
from streamforest.verdicts.history import History
from tests.pictures import near_colour, status, stream


@pytest.mark.parametrize("theme", THEMES)
def test_the_whole_picture_is_a_png_without_the_line_of_numbers(theme):
    history = History()
    history.write(stream(470))
    kind, _, text = inline_picture(history, status, theme, 6.0, 4.0, 100.0).partition(",")
    assert kind == "data:image/png;base64"
    pixels = (255 * matplotlib.image.imread(io.BytesIO(base64.b64decode(text)))[..., :3]).round()
    height, width, _ = pixels.shape
    assert width == 600
    assert 300 < height < 400
    assert near_colour(pixels.astype(np.uint8), THEMES[theme].anomaly).sum() > 20
