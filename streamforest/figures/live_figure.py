"""What the figures of the live view have in common: canvas, colours, header, list of keys, commands, their picture."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from textwrap import wrap
from typing import Any, ClassVar, Generic, Literal, Self, TypeVar

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from streamforest.figures.header import Header
from streamforest.figures.honesty_text import honesty_lines
from streamforest.figures.layers import STREAM, X_AXIS, Layers
from streamforest.figures.navigation import check_command
from streamforest.figures.themes import theme_of
from streamforest.protocols import Status, VerdictMemory
from streamforest.verdicts.panel import OpenPanel
from streamforest.wording import cut

#: Characters of the longest line below the keys.
HELP_WIDTH = 60
NOTICE_SECONDS = 4.0  # for which the answer to a key is shown
NOTICE_LETTER = 0.6  # width of a letter of a notice, in sizes of its text

Memory = TypeVar("Memory", bound=VerdictMemory)


class LiveFigure(ABC, Generic[Memory]):
    """A figure that shows what is kept of a run, hosted by any canvas: a window, a file.

    Every method belongs to the thread that draws; only the memory is written by another.

    Parameters
    ----------
    memory : VerdictMemory
        What is kept of the run.
    status : callable
        Gives the run's Status; called up to 4 times a second.
    theme : {"light", "dark"}
        Colours.
    size : tuple of float
        Width and height in inches; text keeps its size whatever it is.
    dpi : float
        Pixels an inch.
    clock : callable
        Seconds that only grow.

    Attributes
    ----------
    figure : matplotlib.figure.Figure
        Give it to a canvas; it has an Agg canvas until then.
    theme : str
        The name of the colours.
    header : Header
        The line of numbers.
    keys : matplotlib.text.Text
        The list of keys, empty where it is not shown.
    shows_notices : bool
        Whether lines for people are shown at the lower edge for some seconds; off, for saved pictures.
    notice : matplotlib.text.Text
        The one that is shown, or empty.
    choices : callable
        Gives what stands behind the panel of choices that is open; None where none is.

    Raises
    ------
    ValueError
        theme is unknown.
    """

    #: The list of keys.
    HELP: ClassVar[str]
    #: Numbers in the header, at most.
    MOST_COUNTERS: ClassVar[int]
    #: Whether a frame draws only the layers that changed; otherwise each is drawn whole.
    DRAWS_BY_LAYER: ClassVar[bool]
    keys: Text

    def __init__(
        self,
        memory: Memory,
        status: Callable[[], Status],
        *,
        theme: Literal["light", "dark"] | str = "light",
        size: tuple[float, float] = (12.8, 8.0),
        dpi: float = 100,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.theme, self._theme = theme, theme_of(theme)
        self._memory, self._status, self._clock = memory, status, clock
        self.figure = Figure(size, dpi=dpi, facecolor=self._theme.page)
        FigureCanvasAgg(self.figure)
        self._layers = Layers(self.figure, self._theme, is_animated=self.DRAWS_BY_LAYER)
        self._help = self._is_honesty_shown = False
        self.shows_notices = False
        self._reply = (float("-inf"), "")  # an answer to a key, and until when it is shown
        self._notice_letters = 0
        self.choices: OpenPanel = lambda: None
        self._numbers = status()
        self._heard = self._numbers.notice  # the newest of the run: what was said before is no news here
        self.header = Header(self.figure, self._layers, self._theme, self.MOST_COUNTERS)
        place: dict[str, Any] = {"va": "bottom", "transform": self.figure.transFigure, "clip_on": False}
        self.notice = self._layers.text(self.header.axes, X_AXIS, visible=False, **place)
        self._build()
        self.figure.canvas.mpl_connect("resize_event", lambda _event: self._resize())

    def tell(self, text: str, seconds: float = NOTICE_SECONDS) -> None:
        """Show a line for people for some seconds, or until a newer one comes from the run."""
        self._reply = (self._clock() + seconds, text)

    def _notice_text(self) -> str:
        """The line for people that is to be shown now; of the run's and the view's own the newer one."""
        if not self.shows_notices:
            return ""
        until, text = self._reply
        return cut(text if self._clock() < until else self._heard, self._notice_letters)

    def _hear(self, notice: str) -> None:
        """Take the newest line of the run for people; a new one takes the place of what the view itself told."""
        if notice and notice != self._heard:
            self._reply = (float("-inf"), "")
        self._heard = notice

    def _write_notice(self) -> None:
        """Show the line for people, or none."""
        text = self._notice_text()
        if text != self.notice.get_text():
            self.notice.set(text=text, visible=bool(text))
            self._layers.touch(X_AXIS)

    def _place_notice(self, left: float, right: float, line: float) -> None:
        """Give the line for people its place; margins and the height of a line of text in inches."""
        width, height = (float(n) for n in self.figure.get_size_inches())
        self.notice.set(x=left / width, y=0.3 * line / height, fontsize=72 * line)
        self._notice_letters = max(10, int((width - left - right) / line / NOTICE_LETTER))

    def _help_text(self) -> str:
        """The keys, and how the source is understood, or alarms asked for and got; empty where both are hidden."""
        if self._is_honesty_shown:
            return "\n".join(honesty_lines(self._numbers.honesty))
        if not self._help:
            return ""
        return "\n".join([self.HELP, "", *wrap(self._numbers.understood, HELP_WIDTH)]).rstrip()

    @property
    def box(self) -> Literal["", "help", "honesty"]:
        """What lies over the picture, as the command that shows and hides it; empty where nothing does."""
        return "honesty" if self._is_honesty_shown else "help" if self._help else ""

    @property
    @abstractmethod
    def visible(self) -> tuple[int, int]:
        """Indices of the first and last point in view; (0, -1) where there is none."""

    @property
    @abstractmethod
    def paused(self) -> bool:
        """Whether the view stands still."""

    def command(self, name: str) -> None:
        """Change the view; the next ``refresh`` shows it.

        Parameters
        ----------
        name : str
            One of COMMANDS.

        Raises
        ------
        ValueError
            name is none of them.
        """
        check_command(name)
        if name == "help":
            self._help, self._is_honesty_shown = not self._help, False
        if name == "honesty":
            self._help, self._is_honesty_shown = False, not self._is_honesty_shown
        self._navigate(name)

    @abstractmethod
    def show_all(self) -> None:
        """Hold the view on all that is kept."""

    def show(self, index: int) -> bool:  # noqa: ARG002 - for those that can
        """Hold the view around a point, by its index, and show its numbers; False if it cannot be shown."""
        return False

    def select(self, x_data: float | None) -> None:
        """Show the numbers of the point nearest to a place on the x axis, if there is one; None hides them."""

    def follow_mouse(self) -> None:
        """Heed the mouse on the canvas from now on, if this figure does anything with it."""

    @abstractmethod
    def refresh(self) -> bool:
        """Bring the figure up to date and draw what changed; returns whether anything was drawn."""

    def picture(self) -> Self:
        """The same view in a figure of its own on an Agg canvas, up to date, to be saved."""
        width, height = self.figure.get_size_inches()
        other = type(self)(self._memory, self._status, theme=self.theme, size=(width, height), dpi=self.figure.dpi)
        other._look_as(self)
        other._update()
        return other

    @abstractmethod
    def _build(self) -> None:
        """Make what is drawn, once."""

    @abstractmethod
    def _resize(self) -> None:
        """The figure has another size."""

    @abstractmethod
    def _navigate(self, name: str) -> None:
        """Carry out a command; the list of keys is switched already."""

    @abstractmethod
    def _look_as(self, other: Self) -> None:
        """Show the part of the stream that another figure shows."""

    @abstractmethod
    def _update(self) -> None:
        """Bring what is drawn up to date."""

    def _keys_on(self, axes: Axes) -> Text:
        """The empty list of keys in the middle of the figure, drawn with axes."""
        style: dict[str, Any] = {"family": "monospace", "linespacing": 1.7, "multialignment": "left"}
        style |= {"ha": "center", "va": "center", "transform": self.figure.transFigure, "clip_on": False}
        box = {"boxstyle": "round,pad=1.2", "facecolor": self._theme.page, "edgecolor": self._theme.quiet}
        keys = self._layers.text(axes, STREAM, zorder=10, bbox=box, **style)
        keys.set_position((0.5, 0.5))
        return keys
