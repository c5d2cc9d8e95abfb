"""What the pictures made of text have in common: limits, the lines above and below, the keys."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from math import ceil, floor, isfinite, log10
from textwrap import wrap
from typing import ClassVar, Generic, TypeVar

from streamforest.compiled import is_compiling
from streamforest.figures.braille import ASCII, BLOCKS, BRAILLE, Glyphs
from streamforest.figures.canvas import Canvas, Style, columns_of, cut
from streamforest.figures.honesty_text import ASCII_BARS, BARS, HALF_BARS, honesty_lines
from streamforest.protocols import Status, VerdictMemory
from streamforest.verdicts.episodes import EPISODE_GAP, CoolDown
from streamforest.verdicts.panel import OpenPanel
from streamforest.wording import DASH, MINUS, PLUS_MINUS, duration_text, rate_text

#: Rows from which on there is space for all that stands above the picture.
TALL = 10
#: Seconds without a point, and periods, after which a stream is said to be silent.
SILENT_SECONDS, SILENT_PERIODS = 5.0, 3.0
#: Share of the height below which limits are drawn in.
FILLED = 0.6
#: The bars that each kind of terminal can show.
BARS_OF: dict[Glyphs, str] = {BRAILLE: BARS, BLOCKS: HALF_BARS, ASCII: ASCII_BARS}

Part = tuple[str, Style]
Memory = TypeVar("Memory", bound=VerdictMemory)


def waiting_text() -> str:
    """What a picture without points says of that."""
    return "compiling, once" if is_compiling() else "waiting for the first point"


def no_forecast_text() -> str:
    """What is said where a forecast was asked for and there is none."""
    return "no forecast now: compiling, once" if is_compiling() else "no forecast now from this detector"


#: What is said of a stream of which no point comes any more.
ENDED = "the stream has ended"


DAY = 86_400
#: Seconds between labels of a time axis: parts of minutes, hours and days.
PARTS, HOURS = (1, 2, 5, 10, 15, 30), (1, 2, 3, 6, 12)
CLOCK_STEPS = (*PARTS, *(60 * part for part in PARTS), *(3_600 * hours for hours in HOURS), DAY)


class Limits:
    """Limits of an axis, at round numbers; they seldom change, so that what is drawn stays where it is."""

    def __init__(self) -> None:
        self.bottom, self.top, self.step = 0.0, 1.0, 0.5

    def follow(self, low: float, high: float, ticks: int) -> None:
        """Take in what is to be shown, with about so many round numbers; nothing changes where it is unknown."""
        if not (isfinite(low) and isfinite(high) and isfinite(high - low)):
            return
        if high - low <= 1e-9 * max(abs(low), abs(high)):
            margin = 0.05 * abs(high) or 1.0
            low, high = low - margin, high + margin
        step = round_step((high - low) / max(1, ticks))
        fits = self.bottom <= low and high <= self.top
        if fits and high - low >= FILLED * (self.top - self.bottom) and step >= 0.4 * self.step:
            return
        self.step, part = step, step / 4
        self.bottom, self.top = part * floor(low / part), part * ceil(high / part)
        if self.top <= self.bottom:
            self.top = self.bottom + step

    def ticks(self) -> list[float]:
        """The round numbers within."""
        first = ceil(self.bottom / self.step - 1e-6)
        last = min(first + 100, floor(self.top / self.step + 1e-6))
        return [k * self.step for k in range(first, last + 1)]

    def label(self, tick: float) -> str:
        """A round number with the decimals that tell it from its neighbours."""
        if max(abs(self.top), abs(self.bottom)) >= 1e7 or self.step < 1e-5:
            return f"{tick:.4g}"
        return f"{tick + 0.0:,.{max(0, -floor(log10(self.step) + 1e-9))}f}"


def round_step(least: float) -> float:
    """The least of 1, 2 and 5 times a power of ten that is not below a number, which is above 0."""
    power = 10.0 ** floor(log10(least)) if least > 1e-300 else 1e-300
    return next((factor * power for factor in (1.0, 2.0, 5.0) if factor * power >= least * (1 - 1e-9)), 10.0 * power)


def round_seconds(least: float) -> float:
    """The least time in whole seconds that clocks and calendars count in, not below a number of seconds."""
    return next((float(step) for step in CLOCK_STEPS if step >= least), DAY * round_step(least / DAY))


class TextFigure(ABC, Generic[Memory]):
    """A picture of a run made of characters; every method belongs to the thread that draws.

    Parameters
    ----------
    memory : VerdictMemory
        What is kept of the run.
    status : callable
        Gives the run's Status.
    glyphs : Glyphs
        What there is to draw with.
    shades : bool
        Whether the band has a background; else it is a pattern.
    cool_down : int or CoolDown
        Calm points in a row that an episode survives.
    clock : callable
        Seconds that only grow.

    Attributes
    ----------
    choices : callable
        Gives what stands behind the panel of choices that is open; None where none is.
    """

    #: The list of keys, and what of it fits below the picture, the most useful first.
    HELP: ClassVar[str]
    HINTS: ClassVar[tuple[str, ...]]

    def __init__(
        self,
        memory: Memory,
        status: Callable[[], Status],
        *,
        glyphs: Glyphs = BRAILLE,
        shades: bool = True,
        cool_down: int | CoolDown = EPISODE_GAP,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._memory, self._status, self._clock = memory, status, clock
        self._glyphs, self._shades, self._cool_down = glyphs, shades, CoolDown.of(cool_down)
        self.choices: OpenPanel = lambda: None
        self.box = ""  # what stands in the box in the middle: help, honesty or nothing

    @abstractmethod
    def command(self, name: str) -> None:
        """Change what is shown: one of the commands of a LiveFigure, or ``episodes``; others do nothing."""

    @abstractmethod
    def _learn(self, rows: int) -> None:
        """Take in what is new, for a picture of so many rows."""

    @abstractmethod
    def _fill(self, canvas: Canvas, status: Status, top: int, bottom: int) -> None:
        """Draw the picture in the rows from ``top`` up to ``bottom``, which is outside."""

    @abstractmethod
    def _state(self, status: Status, columns: int) -> list[Part]:
        """How the stream stands now, for the line of so many columns below the title."""

    @abstractmethod
    def _view_state(self, status: Status) -> str:
        """Whether the view follows the stream."""

    def _below(self, columns: int) -> str:  # noqa: ARG002 - for those that have something to say
        """What stands in the last row, of so many columns, where there is nothing else to say."""
        return ""

    def draw(self, columns: int, rows: int, notice: str = "", *, hints: bool = False) -> Canvas:
        """The picture in a size, up to date.

        Parameters
        ----------
        columns, rows : int
            The size, at least 1 each.
        notice : str
            The newest line for people, which stands below the picture.
        hints : bool
            Whether the keys stand there too.
        """
        canvas = Canvas(columns, rows)
        status = self._status()
        self._learn(rows)
        top = self._write_header(canvas, status)
        lines: list[Part] = [(self.hint(columns), Style.STRONG)] if hints else []
        if notice:
            lines.append((notice, Style.STRONG))
        elif text := self._below(columns) or ("" if hints else self.hint(columns)):
            lines.append((text, Style.QUIET))
        lines = lines[: max(0, rows - top - 1)]
        bottom = rows - len(lines)
        self._fill(canvas, status, top, bottom)
        for place, (text, style) in enumerate(lines):
            canvas.write(bottom + place, 0, cut(text, columns), style)
        if self.box:
            self._write_panel(canvas, status)
        return canvas

    def hint(self, columns: int) -> str:
        """The keys as far as they fit in one row."""
        text = ""
        for hint in self.HINTS:
            longer = f"{text}   {hint}" if text else hint
            if columns_of(longer) > columns:
                break
            text = longer
        left, right = self._glyphs.arrows
        return text.replace("←", left).replace("→", right)

    def _write_header(self, canvas: Canvas, status: Status) -> int:
        """Write what stands above the picture; returns the row behind it."""
        if canvas.rows < TALL:
            canvas.write_parts(0, 0, self._state(status, canvas.columns))
            return 1
        view = self._view_state(status)
        name = f"{status.source} {self._glyphs.dot} {status.detector}"
        space = canvas.columns - columns_of(view) - 2
        canvas.write(0, 0, cut(name, max(space, canvas.columns // 2)), Style.STRONG)
        canvas.write(0, canvas.columns - columns_of(view), view, Style.QUIET)
        canvas.write_parts(1, 0, self._state(status, canvas.columns))
        self._write_counts(canvas, status)
        return 3

    def _write_counts(self, canvas: Canvas, status: Status) -> None:
        column = 0
        for name, text in counts(status):
            if column and column + columns_of(name) + columns_of(text) + 1 > canvas.columns:
                break
            column = canvas.write_parts(2, column, [(f"{name} ", Style.QUIET), (text, Style.TEXT)]) + 3

    def _open_panel(self, name: str) -> None:
        """Show what stands in the box, or hide it where it is shown."""
        self.box = "" if self.box == name else name

    def _panel_lines(self, status: Status) -> list[str]:
        """Alarms asked for and got; or the list of keys, and how the source is understood."""
        if self.box == "honesty":
            return honesty_lines(status.honesty, BARS_OF[self._glyphs])
        left, right = self._glyphs.arrows
        text = self.HELP.replace("←", left).replace("→", right)
        return [*text.splitlines(), *([""] if status.understood else []), *wrap(status.understood, 48)]

    def _write_panel(self, canvas: Canvas, status: Status) -> None:
        """Write a box in the middle."""
        lines = self._panel_lines(status)
        lines = lines[: max(1, canvas.rows - 2)]
        width = max(map(columns_of, lines)) + 4
        row, column = max(0, (canvas.rows - len(lines) - 2) // 2), max(0, (canvas.columns - width) // 2)
        canvas.clear(row, column, len(lines) + 2, width)
        rule = self._glyphs.rule * width
        for place, line in enumerate([rule, *(f"  {line}" for line in lines), rule]):
            canvas.write(row + place, column, line, Style.QUIET if line is rule else Style.TEXT)

    def _worded(self, text: str) -> str:
        """A text with the signs that the terminal can show."""
        return text.replace(MINUS, "-").replace(PLUS_MINUS, self._glyphs.plus_minus)

    def _silence(self, status: Status) -> Part | None:
        """That the stream has ended, or since when no point came where that is long for it; else None."""
        if status.has_ended:
            return ENDED, Style.QUIET
        since = status.seconds_since_last_point
        if since is None or since < SILENT_SECONDS or since * status.points_per_second < SILENT_PERIODS:
            return None
        return f"no point for {duration_text(floor(since))}", Style.THRESHOLD


def counts(status: Status) -> list[tuple[str, str]]:
    """Names and numbers of the line above the picture, the most important first."""
    name, got = marked(status)
    found = [] if status.streams is None else [("streams", f"{status.streams:,}")]
    found += [
        ("points", f"{status.points:,}"),
        (name, f"{got}, asked for {asked_for(status)}"),
        *([] if status.has_ended else [("rate", "/".join(rate_text(status.points_per_second)))]),
        ("episodes", f"{status.episodes:,}"),
    ]
    found += [] if not status.refused else [("refused", f"{status.refused:,}")]
    return found + hits(status)


def percent(share: float | None) -> str:
    """A share as text."""
    return DASH if share is None else f"{100 * share:.3g} %"


def marked(status: Status) -> tuple[str, str]:
    """What is held against the rate that is asked for, and its share: marked points, or of those labelled normal."""
    name = "alarm rate" if status.precision is None else "normal marked"
    if not status.anomalies:
        return name, "none yet"
    return name, percent(status.realised_rate) if status.realised_rate != 0 else "none"


def asked_for(status: Status) -> str:
    """What is asked for: a share of the normal points, or alarms a day."""
    return percent(status.alarm_rate) if status.alarms_a_day is None else f"{status.alarms_a_day:g} a day"


def hits(status: Status) -> list[tuple[str, str]]:
    """Precision, counted by episode, and recall, by labelled event; nothing without labels."""
    shares = (("episodes right", status.precision), ("events found", status.recall))
    return [(name, percent(share)) for name, share in shares if share is not None]
