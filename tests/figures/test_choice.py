import pytest

from streamforest.figures.choice import FIGURES, figure_of
from streamforest.figures.ranking_figure import RankingFigure
from streamforest.figures.stream_figure import StreamFigure
from streamforest.stream_names import StreamNames
from streamforest.verdicts.history import History
from streamforest.verdicts.ranking import StreamRanking
from tests.pictures import status


def test_what_is_kept_says_which_figure_draws_it():
    assert isinstance(figure_of(History(10), status), StreamFigure)
    assert isinstance(figure_of(StreamRanking(StreamNames()), status, dpi=50), RankingFigure)
    assert {*FIGURES} == {"history", "ranking"}


def test_options_go_to_the_figure():
    with pytest.raises(ValueError, match="theme is 'pink'"):
        figure_of(StreamRanking(StreamNames()), status, theme="pink")
