"""The picture of what is kept as an address that holds it, for pages and notebooks."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable

from matplotlib.transforms import Bbox

from streamforest.figures.choice import figure_of
from streamforest.protocols import Status, VerdictMemory


def inline_picture(
    memory: VerdictMemory,
    status: Callable[[], Status],
    theme: str,
    width: float,
    height: float,
    dpi: float,
) -> str:
    """The whole picture without its line of numbers, as a ``data:`` address of a PNG.

    Parameters
    ----------
    memory : VerdictMemory
        What is drawn.
    status : callable
        Gives the run's Status.
    theme : str
        A key of THEMES.
    width, height : float
        Inches, the line of numbers among them.
    dpi : float
        Pixels an inch.
    """
    stream = figure_of(memory, status, theme=theme, size=(width, height), dpi=dpi)
    stream.show_all()
    figure = stream.picture().figure
    header = figure.axes[0]
    header.set_visible(False)
    box = Bbox.from_bounds(0, 0, width, height * (1 - header.get_position().height))
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi="figure", facecolor=figure.get_facecolor(), bbox_inches=box)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
