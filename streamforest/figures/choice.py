"""Which figure draws what is kept of a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from streamforest.figures.live_figure import LiveFigure
from streamforest.figures.ranking_figure import RankingFigure
from streamforest.figures.stream_figure import StreamFigure
from streamforest.protocols import Status, VerdictMemory
from streamforest.verdicts.history import History
from streamforest.verdicts.ranking import StreamRanking

#: Name of what is kept -> the figure that draws it.
FIGURES: dict[str, Callable[..., LiveFigure[Any]]] = {History.name: StreamFigure, StreamRanking.name: RankingFigure}


def figure_of(memory: VerdictMemory, status: Callable[[], Status], **options: Any) -> LiveFigure[Any]:
    """The figure that draws what is kept; ``options`` are those of :class:`LiveFigure`."""
    return FIGURES[memory.name](memory, status, **options)
