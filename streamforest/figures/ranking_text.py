"""The picture of many streams made of characters: a row each, the worst first, with its newest points."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from streamforest.figures.braille import characters, raster, trace
from streamforest.figures.canvas import SPACE, Canvas, Style, columns_of, cut
from streamforest.figures.text_parts import Part, TextFigure, waiting_text
from streamforest.protocols import Status
from streamforest.stream_names import shown_key
from streamforest.verdicts.history import Floats
from streamforest.verdicts.ranking import PAST, Rank, StreamRanking
from streamforest.wording import PLUS_MINUS

#: Seconds from one ranking to the next: to rank a million streams takes a while.
RANK_SECONDS = 0.5
#: Columns of a key, at least and at most, and of the newest points, where there is space.
LEAST_KEY, MOST_KEY, LINE = 8, 20, 30
STATES = {
    "anomalous": Style.ANOMALY,
    "unusual": Style.THRESHOLD,
    "calm": Style.CALM,
    "warming up": Style.QUIET,
}

HELP = """q        save a picture
space    pause the view, go on
← →      the streams before and behind
g        the worst streams again
i        alarms asked for and got
r        write the report
h        show or hide this
Esc      close what is open, then the picture
Ctrl+C   stop the run"""
HINTS = (
    *("h keys", "q picture", "space pause", "← → streams", "g worst", "r report"),
    *("Esc stop watching", "Ctrl+C end"),
)


class RankingText(TextFigure[StreamRanking]):
    """The picture of the worst of many streams; parameters and methods are those of :class:`TextFigure`."""

    HELP = HELP
    HINTS = HINTS

    def __init__(self, memory: StreamRanking, status: Callable[[], Status], **options: Any) -> None:
        super().__init__(memory, status, **options)
        self._first = 0  # place in the ranking of the first stream in view
        self._page = 1  # streams in view
        self._paused_at: int | None = None  # points of all streams when the view was stopped
        self._ranks: list[Rank] = []
        self._due = 0.0

    def command(self, name: str) -> None:
        """Change what is shown; the time cannot be zoomed here."""
        if name in ("help", "honesty"):
            self._open_panel(name)
        elif name == "pause":
            self._paused_at = self._memory.end if self._paused_at is None else None
        elif name in ("live", "last-anomaly"):
            self._paused_at, self._first, self._due = None, 0, 0.0
        elif name in ("back", "forward"):
            last = max(0, (self._status().streams or 0) - 1) // self._page * self._page
            self._first = min(max(self._first + (self._page if name == "forward" else -self._page), 0), last)
            self._due = 0.0

    def _learn(self, rows: int) -> None:
        """Rank the streams, if it is time to."""
        now = self._clock()
        if now >= self._due and (self._paused_at is None or not self._due):
            self._due = now + RANK_SECONDS
            self._ranks = self._memory.ranks(self._first, rows)

    def _state(self, status: Status, columns: int) -> list[Part]:  # noqa: ARG002 - what all such pictures take
        if not self._ranks:
            return [self._silence(status) or (waiting_text(), Style.QUIET)]
        if silence := self._silence(status):
            return [silence]
        worst = self._ranks[0]
        if self._first:
            last = self._first + min(len(self._ranks), self._page)
            return [(f"streams {self._first + 1:,} to {last:,}", Style.TEXT)]
        key = cut(shown_key(worst.key), MOST_KEY)
        incident = [(f"   {status.incident}", Style.THRESHOLD)] if status.incident else []
        if worst.state == "anomalous":
            mark = self._glyphs.marks[0]
            parts = [(f"{mark} {key} is anomalous", Style.ANOMALY), (f"   {self._why(worst)}", Style.TEXT)]
            return [parts[0], *incident, *parts[1:]]
        return [("calm", Style.CALM), *incident, (f"   worst of late: {key}  {self._why(worst)}", Style.QUIET)]

    def _view_state(self, status: Status) -> str:  # noqa: ARG002
        return "live" if self._paused_at is None else f"paused, {self._memory.end - self._paused_at:,} new"

    def _why(self, rank: Rank) -> str:
        return self._worded(rank.reason.replace("+-", PLUS_MINUS))

    def _fill(self, canvas: Canvas, status: Status, top: int, bottom: int) -> None:  # noqa: ARG002
        self._page = max(1, bottom - top - 1)
        line = LINE if canvas.columns >= 100 else 12 if canvas.columns >= 60 else 0
        shown = self._ranks[: self._page]
        longest = max((columns_of(shown_key(rank.key)) for rank in shown), default=0)
        key = min(max(longest, LEAST_KEY), MOST_KEY)
        above = f"  {'stream':<{key}}  " + (f"{'newest points':<{line}}  " if line else "") + "state"
        canvas.write(top, 0, above, Style.QUIET)
        for place, rank in enumerate(shown):
            self._write_rank(canvas, top + 1 + place, rank, (key, line))

    def _write_rank(self, canvas: Canvas, row: int, rank: Rank, columns: tuple[int, int]) -> None:
        """Write a row, with so many columns for the key and for the newest points."""
        key, line = columns
        is_bad = rank.state == "anomalous"
        canvas.write(row, 0, self._glyphs.marks[0] if is_bad else " ", Style.ANOMALY)
        canvas.write(row, 2, cut(shown_key(rank.key), key), Style.STRONG if is_bad else Style.TEXT)
        column = 2 + key + 2
        if line:
            self._draw_past(canvas, row, column, line, rank.number)
            column += line + 2
        column = canvas.write(row, column, f"{rank.state:<11}", STATES.get(rank.state, Style.TEXT))
        counted = f"{rank.episodes:,} episode{'' if rank.episodes == 1 else 's'}" if rank.episodes else ""
        column = canvas.write(row, column, f"{counted:<13}", Style.QUIET)
        canvas.write(row, column, cut(self._why(rank), max(0, canvas.columns - column)), Style.TEXT)

    def _draw_past(self, canvas: Canvas, row: int, column: int, columns: int, number: int) -> None:
        """Draw the newest points of a stream as a line of one row, the anomalous ones in colour."""
        past, glyphs = self._memory.past(number), self._glyphs
        values: Floats = np.ascontiguousarray(past["value"])
        finite = values[np.isfinite(values)]
        if not len(finite) or column + columns > canvas.columns:
            return
        low, high = float(finite.min()), float(finite.max())
        margin = 0.5 * (high - low) * 0.05 or abs(high) * 0.05 or 1.0
        dots = columns * glyphs.across
        places: Floats = np.arange(PAST - len(past), PAST, dtype=np.float64) + 0.5
        places *= dots / PAST
        drawn = raster(trace(values, places, dots), low - margin, high + margin, glyphs.down)
        codes = characters(drawn, glyphs)[0]
        cells = slice(column, column + columns)
        canvas.codes[row, cells] = codes
        canvas.styles[row, cells] = np.where(codes == SPACE, Style.TEXT, Style.VALUE)
        marked = (places[past["is_anomaly"]] / glyphs.across).astype(np.intp)
        canvas.styles[row, column + np.clip(marked, 0, columns - 1)] = Style.ANOMALY
