import pytest

from streamforest.figures.stream_figure import StreamFigure
from streamforest.verdicts.history import History
from tests.pictures import status


def test_an_unknown_theme_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="theme is 'pink'; it must be one of light, dark"):
        StreamFigure(History(1), status, theme="pink")
