"""The picture on the terminal that the run was started in, made of characters."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import Any

from streamforest.figures.braille import ASCII, BLOCKS, BRAILLE, Glyphs
from streamforest.figures.canvas import palette
from streamforest.figures.navigation import Navigation
from streamforest.figures.ranking_text import RankingText
from streamforest.figures.stream_text import StreamText
from streamforest.figures.text_parts import TextFigure
from streamforest.terminal.console import HeldLines, newest_notice
from streamforest.terminal.screen import Screen, colours_of, has_dark_page, stream_to_draw_on
from streamforest.verdicts.episodes import CoolDown
from streamforest.verdicts.history import History
from streamforest.verdicts.ranking import StreamRanking
from streamforest.views.watched import Watched

FRAME = 1 / 20  # seconds between two frames, at least
SHARE = 0.015  # of a core may go into drawing: where it is slow, frames are fewer
HEADER_SECONDS = 0.5  # from which on a header is drawn again though no point came
HINT_SECONDS = 10.0  # in which the keys are shown
#: Name of what is kept -> the picture that draws it.
FIGURES: dict[str, Callable[..., TextFigure[Any]]] = {History.name: StreamText, StreamRanking.name: RankingText}


class TerminalView:
    """The terminal's whole screen as a picture of the stream; all methods belong to the main thread.

    Lines for people that would be written to the terminal meanwhile are written once the picture is taken away; the
    newest one is shown below it for some seconds.

    Parameters
    ----------
    watched : Watched
        What is shown, and what keys can ask for.
    cool_down : int or CoolDown
        Calm points in a row that an episode survives.
    environment : mapping
        Environment variables.
    clock : callable
        Seconds that only go forward.

    Attributes
    ----------
    navigation : Navigation or None
        The stretch of the stream in view, where there is one stream.

    Raises
    ------
    OSError
        There is no terminal to draw on.
    """

    name = "terminal"

    def __init__(
        self,
        watched: Watched,
        *,
        cool_down: int | CoolDown,
        environment: Mapping[str, str] = os.environ,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        stream = stream_to_draw_on()
        if stream is None:
            raise OSError("there is no terminal to draw on")
        colours = colours_of(environment)
        is_dark = colours < 256 or has_dark_page(stream.fileno(), environment)
        self._memory, self._actions, self._clock = watched.memory, watched.actions, clock
        self._figure = FIGURES[watched.memory.name](
            watched.memory,
            watched.status,
            glyphs=glyphs_for(stream.encoding, environment),
            shades=colours == 256,
            cool_down=cool_down,
            clock=clock,
        )
        self._figure.choices = getattr(watched, "choices", self._figure.choices)
        self.navigation: Navigation | None = getattr(self._figure, "navigation", None)
        self.is_open = True
        self._begun = self._due = clock()
        self._drawn: tuple[Any, ...] = ()
        self._heard = newest_notice()  # stands in the terminal already
        self._screen = Screen(stream, palette(colours, is_dark))
        self._held = HeldLines()

    def poll(self, seconds: float) -> None:
        """Draw if it is time, and wait for about so long, less if an action is asked for."""
        self._draw_if_due()
        self.is_open = not self._screen.is_gone
        self._actions.wait(max(0.0, min(seconds, self._due - self._clock())))

    def command(self, name: str) -> None:
        """Change what is shown; by one of ``figures.navigation.COMMANDS``."""
        self._figure.command(name)
        self._drawn, self._due = (), self._clock()

    @property
    def box(self) -> str:
        """What lies over the picture, as the command that shows and hides it; empty where nothing does."""
        return self._figure.box

    def close(self) -> None:
        """Give the screen back, and write what was said meanwhile."""
        self.is_open = False
        self._screen.close()
        self._held.let_go()

    def _draw_if_due(self) -> None:
        now = self._clock()
        if now < self._due:
            return
        size, notice, hints = self._screen.size, newest_notice(), now - self._begun < HINT_SECONDS
        if notice == self._heard:
            notice = ""
        choices = self._figure.choices()
        panel = None if choices is None else choices.panel()
        version = None if panel is None else panel.version
        state = (size, notice, hints, self._memory.end, now // HEADER_SECONDS, version)
        self._due = now + FRAME
        if not self._screen.is_ready or state == self._drawn:
            return
        self._drawn = state
        spent = time.thread_time()
        canvas = self._figure.draw(*size, notice, hints=hints)
        self._screen.show(canvas.codes, canvas.styles)
        self._due = now + max(FRAME, (time.thread_time() - spent) / SHARE)


def glyphs_for(encoding: str | None, environment: Mapping[str, str]) -> Glyphs:
    """What a terminal can show, by the encoding of its stream and its kind."""
    for glyphs in (BLOCKS, BRAILLE) if environment.get("TERM") == "linux" else (BRAILLE, BLOCKS):
        try:
            "".join((glyphs.table, *glyphs.marks, glyphs.rule, glyphs.tick, glyphs.shade)).encode(encoding or "ascii")
        except (UnicodeEncodeError, LookupError):
            continue
        return glyphs
    return ASCII
