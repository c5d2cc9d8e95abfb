"""The picture of one stream made of characters: the stream above, its score below, the episodes beside or below."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, floor
from typing import Any, NamedTuple

import numpy as np

from streamforest.figures.braille import Trace, characters, places_of, raster, trace
from streamforest.figures.canvas import SHADED, SPACE, Canvas, Style, columns_of, cut
from streamforest.figures.choice_text import DROPPED, NEW, STAYS, rows_of, write_marks, write_panel
from streamforest.figures.honesty_text import limit_text
from streamforest.figures.navigation import COMMANDS, Navigation, View
from streamforest.figures.ranges import extremes, usual_range
from streamforest.figures.text_parts import Limits, Part, TextFigure, round_seconds, round_step, waiting_text
from streamforest.moments import FARTHEST, RECENT, short_time
from streamforest.protocols import Status, Verdict, Verdicts, verdict_from_row
from streamforest.verdicts.difference import Difference
from streamforest.verdicts.episodes import UNUSUAL, Episode
from streamforest.verdicts.history import Floats, History
from streamforest.verdicts.honesty import marked_by_band
from streamforest.verdicts.recent_episodes import RecentEpisodes
from streamforest.wording import duration_text, expected_text, half_width, kind_text, number_text, p_text, reason_text

#: Columns from which on the episodes stand beside the picture, their share of it and their most.
BESIDE, SHARE_BESIDE, MOST_BESIDE = 120, 0.36, 64
#: Rows from which on they stand below it where there is no space beside, and the most that they take there.
BELOW, MOST_BELOW = 20, 10
#: Rows of picture from which on the score has a part of its own.
WITH_SCORE = 7
#: Rows that a panel of choices leaves for the picture.
LEAST_PICTURE = 3
#: Columns between two times below the picture, from the start of one to that of the next.
BETWEEN_TIMES, BETWEEN_NUMBERS = 16, 10
#: Numbers of values outside the picture that are written at each edge, the newest.
MOST_FAR = 3
#: Larger numbers are drawn as this one: differences of theirs would be infinite.
LARGEST = 1e150

HELP = """q        save a picture
space    pause the view, go on
← →      back and forth
+ -      zoom in, zoom out
g        newest alarm, then the one before
, .      previous alarm, next alarm
e        show or hide the episodes
f        what is expected next
i        alarms asked for and got
w        what other settings would change
t        what would be caught, of which size
n y m    alarm was nothing, real, missed
u        take the newest rule back
d        next detector
r        write the report
c        write a case file of this alarm
h        show or hide this
Esc      close what is open, then the picture
Ctrl+C   stop the run"""
HINTS = (
    *("h keys", "q picture", "space pause", "← → move", "+ - zoom", "g newest alarm", ", . alarms", "e list"),
    *("w what if", "n y m your say", "d detector", "r report", "c case", "Esc stop watching", "Ctrl+C end"),
)


STEPS = 8  # a full view moves on by this part of its width: all of it is written anew then


class Layout(NamedTuple):
    """Where the parts are, in rows and columns from the top left; a part of no rows is not there."""

    stream: tuple[int, int]  # first row, rows
    score: tuple[int, int]
    axis: int  # row of the times
    columns: int  # of the picture, the labels at its left among them
    list: tuple[int, int, int, int]  # first row, first column, rows, columns


class Area(NamedTuple):
    """A part of the canvas that a line is drawn in, and what stands at its left, right, bottom and top edge."""

    row: int
    column: int
    rows: int
    columns: int
    view: View
    bottom: float
    top: float

    def places(self, index: Any, dots: int) -> Any:
        """Where points stand, by their stream indices, in dots from the left edge."""
        return (np.asarray(index) - self.view.left + 0.5) * (dots / self.view.width)

    def rows_of(self, values: Floats) -> Any:
        """Row of the canvas for each value."""
        return self.row + places_of(values, self.bottom, self.top, self.rows)

    def columns_of(self, index: Any) -> Any:
        """Column of the canvas for each stream index."""
        return self.column + np.clip(self.places(index, self.columns).astype(np.intp), 0, self.columns - 1)


def layout(columns: int, top: int, bottom: int, has_list: bool, choices: int = 0) -> Layout:
    """Where the parts go in rows ``top`` to ``bottom``, which is outside.

    A panel of choices with so many rows takes the place of the list, and what it needs where there is none.
    """
    width, end, place = columns, bottom, (0, 0, 0, 0)
    if choices and columns < BESIDE:
        rows = min(choices, max(1, bottom - top - LEAST_PICTURE))
        end = bottom - rows
        place = (end, 0, rows, columns)
    elif has_list and columns >= BESIDE:
        beside = min(MOST_BESIDE, int(SHARE_BESIDE * columns))
        width = columns - beside - 2
        place = (top, width + 2, max(0, bottom - top), beside)
    elif has_list and bottom - top >= BELOW - 4:
        rows = min(MOST_BELOW, max(3, (bottom - top) // 4))
        end = bottom - rows
        place = (end, 0, rows, columns)
    free = end - top - 1
    score = max(2, free // 4) if free >= WITH_SCORE else 0
    stream = max(1, free - score)
    return Layout((top, stream), (top + stream, score), top + stream + score, width, place)


class StreamText(TextFigure[History]):
    """The picture of one stream; parameters and methods are those of :class:`TextFigure`.

    Attributes
    ----------
    navigation : Navigation
        The stretch of the stream in view.
    """

    HELP = HELP
    HINTS = HINTS

    def __init__(self, memory: History, status: Callable[[], Status], **options: Any) -> None:
        super().__init__(memory, status, **options)
        self.navigation = Navigation(memory, STEPS)
        self._episodes = RecentEpisodes(self._cool_down)
        self._seen: int | None = None  # stream index behind the newest point that the episodes know
        self._newest: Verdict | None = None
        self._has_list = True
        self._limits, self._score_limits = Limits(), Limits()

    def command(self, name: str) -> None:
        """Change what is shown."""
        if name in ("help", "honesty"):
            self._open_panel(name)
        elif name == "episodes":
            self._has_list = not self._has_list
        elif name in COMMANDS:
            self.navigation.command(name)

    def _fill(self, canvas: Canvas, status: Status, top: int, bottom: int) -> None:
        self.navigation.advance(status.points_per_second)
        rows = self.navigation.in_view()
        for name in ("value", "expected", "lower", "upper", "score", "threshold"):
            np.clip(rows[name], -LARGEST, LARGEST, out=rows[name])
        floor = self._memory.floor
        for name in ("expected", "lower", "upper"):
            np.maximum(rows[name], floor, out=rows[name])
        choices = self.choices()
        panel = None if choices is None else choices.panel()
        has_list = self._has_list or panel is not None
        parts = layout(canvas.columns, top, bottom, has_list, 0 if panel is None else rows_of(panel))
        if parts.columns < 12 or bottom <= top:
            return
        self._follow(rows, parts)
        stream, score = self._areas(parts)
        if panel is not None and panel.has_choice and stream.rows > 2:
            stream = stream._replace(rows=stream.rows - 1)
            self._mark_trial(canvas, stream, rows, panel.marks)
        self._draw_ahead(canvas, stream, floor)
        self._draw_stream(canvas, stream, rows)
        if score.rows:
            self._draw_score(canvas, score, rows)
        if parts.axis < bottom:
            self._write_times(canvas, parts.axis, stream, rows)
        self._mark_selected(canvas, stream, score)
        if panel is None:
            self._list_episodes(canvas, parts.list, status)
        else:
            write_panel(canvas, parts.list, panel, self._glyphs)

    # Words

    def _learn(self, rows: int) -> None:  # noqa: ARG002 - what all such pictures take
        """Take in what is new, also while the view stands still."""
        new = self._memory.view(self._memory.first if self._seen is None else self._seen, self._memory.end)
        if len(new):
            self._episodes.write(new)
            self._seen = int(new["index"][-1]) + 1
            self._newest = verdict_from_row(new[-1].item())

    def _state(self, status: Status, columns: int) -> list[Part]:
        newest, mark = self._newest, self._glyphs.marks[0]
        if newest is None:
            return [self._silence(status) or (waiting_text(), Style.QUIET)]
        opened = self._open_episode(status)
        if silence := self._silence(status):
            parts = [silence]
        elif opened:
            parts = [(f"{mark} anomalous since {self._moment(opened.start)}", Style.ANOMALY)]
        elif status.warm_up < 1:
            parts = [(f"warming up: {int(100 * status.warm_up)} %", Style.QUIET)]
        elif newest.p_value is not None and newest.p_value < UNUSUAL:
            parts = [("unusual", Style.THRESHOLD)]
        else:
            parts = [("calm", Style.CALM)]
        reading, expected = self._reading(newest), self._expected(newest)
        kept = self._episodes.kept
        last = "no alarm so far" if not status.episodes else "no alarm among the points that are kept"
        if kept:
            when = "" if opened and not silence else f"last alarm {self._moment(kept[-1].start)}, "
            last = f"{when}{self._why(kept[-1].peak)}"
        longer = f"{reading}, {expected}" if expected else reading
        if sum(columns_of(text) + 3 for text in (parts[0][0], longer, last)) <= columns + 3:
            reading = longer
        return [*parts, (f"   {reading}", Style.TEXT), (f"   {last}", Style.QUIET)]

    def _open_episode(self, status: Status) -> Episode | None:
        kept = self._episodes.kept
        if not kept or self._newest is None or status.has_ended:
            return None
        return kept[-1] if self._newest.index - kept[-1].last.index <= self._cool_down.points else None

    def _view_state(self, status: Status) -> str:  # noqa: ARG002 - what all such pictures take
        if self.navigation.paused:
            return f"paused, {self.navigation.unseen:,} new"
        return "live"

    def _below(self, columns: int) -> str:
        """The numbers of the point that is selected, as many as fit, and what kind of anomaly it is."""
        index = self.navigation.selected
        if index is None:
            return ""
        rows = self.navigation.kept.view(index, index)
        if not len(rows):
            return ""
        verdict = verdict_from_row(rows[0].item())
        parts = [self._moment(verdict)]
        if kind_text(verdict):
            parts.append(self._why(verdict))
        else:
            parts += [text for text in (self._reading(verdict), self._expected(verdict)) if text]
        if verdict.score is not None and verdict.threshold is not None:
            parts.append(f"score {verdict.score:.3f}, {limit_text(verdict)}")
        if verdict.p_value is not None:
            parts.append(self._worded(f"p {p_text(verdict.p_value)}"))
        while len(parts) > 2 and columns_of("   ".join(parts)) > columns:
            parts.pop()
        return "   ".join(parts)

    def _moment(self, verdict: Verdict) -> str:
        if verdict.time is None:
            return f"point {verdict.index:,}"
        newest = verdict if self._newest is None or self._newest.time is None else self._newest
        return short_time(verdict.time, newest.time or verdict.time)

    def _why(self, verdict: Verdict) -> str:
        return self._worded(reason_text(verdict))

    def _reading(self, verdict: Verdict) -> str:
        if verdict.value is None:
            return "no reading"
        return self._worded(number_text(verdict.value, half_width(verdict)))

    def _expected(self, verdict: Verdict) -> str:
        """What was expected, in words; empty where that is unknown."""
        return "" if half_width(verdict) is None else f"expected {self._worded(expected_text(verdict))}"

    # Picture

    def _follow(self, rows: Verdicts, parts: Layout) -> None:
        """Let the axes show what is in view."""
        field = {name: np.ascontiguousarray(rows[name]) for name in ("value", "lower", "upper", "score", "threshold")}
        is_anomaly = np.ascontiguousarray(rows["is_anomaly"])
        usual = usual_range(field["value"], field["lower"], field["upper"], is_anomaly)
        self._limits.follow(*usual, min(6, max(2, parts.stream[1] // 3)))
        self._score_limits.follow(*extremes(field["score"], field["threshold"]), 1 if parts.score[1] < 5 else 2)

    def _areas(self, parts: Layout) -> tuple[Area, Area]:
        """Where the stream and its score are drawn, behind the labels of their axes."""
        labels = [limits.label(tick) for limits in (self._limits, self._score_limits) for tick in limits.ticks()]
        left = min(max(map(len, ["score", *labels])) + 1, parts.columns // 3)
        width, view = parts.columns - left, self.navigation.view
        (row, n), (score_row, score_n) = parts.stream, parts.score
        limits, scores = self._limits, self._score_limits
        return (
            Area(row, left, n, width, view, limits.bottom, limits.top),
            Area(score_row, left, score_n, width, view, scores.bottom, scores.top),
        )

    def _draw_stream(self, canvas: Canvas, area: Area, rows: Verdicts) -> None:
        self._shade_band(canvas, area, rows)
        self._draw_line(canvas, area, rows["index"], rows["value"], Style.VALUE)
        _label(canvas, area, self._limits)
        self._mark_anomalies(canvas, area, rows[rows["is_anomaly"]])
        self._write_far(canvas, area, rows)

    def _draw_ahead(self, canvas: Canvas, area: Area, floor: float) -> None:
        """Draw what is expected of the next points: its band, and a line with gaps."""
        ahead = self.navigation.ahead_in_view()
        for name in ("expected", "lower", "upper"):
            np.clip(ahead[name], max(floor, -LARGEST), LARGEST, out=ahead[name])
        self._shade_band(canvas, area, ahead)
        is_gap = area.columns_of(ahead["index"]) % 3 == 0
        self._draw_line(canvas, area, ahead["index"], np.where(is_gap, np.nan, ahead["expected"]), Style.QUIET)

    def _shade_band(self, canvas: Canvas, area: Area, rows: Verdicts) -> None:
        """Shade the cells that lie in the band, at least one a column."""
        places = area.places(rows["index"], area.columns)
        low = trace(np.ascontiguousarray(rows["lower"]), places, area.columns)
        high = trace(np.ascontiguousarray(rows["upper"]), places, area.columns)
        lower, upper = (low.low + low.high) / 2, (high.low + high.high) / 2
        first = places_of(upper, area.bottom, area.top, area.rows)
        last = places_of(lower, area.bottom, area.top, area.rows)
        row = np.arange(area.rows)[:, None]
        is_seen = np.isfinite(lower) & np.isfinite(upper) & (lower < area.top) & (upper > area.bottom)
        shaded = (row >= first) & (row <= last) & is_seen
        codes, styles = _cells(canvas, area)
        styles[shaded] = Style.TEXT + SHADED if self._shades else Style.QUIET
        if not self._shades:
            codes[shaded] = ord(self._glyphs.shade)

    def _draw_line(self, canvas: Canvas, area: Area, index: Any, values: Any, style: Style) -> None:
        """Draw a line in dots over what is there."""
        glyphs = self._glyphs
        dots = area.columns * glyphs.across
        line: Trace = trace(np.ascontiguousarray(values), area.places(index, dots), dots)
        drawn = characters(raster(line, area.bottom, area.top, area.rows * glyphs.down), glyphs)
        codes, styles = _cells(canvas, area)
        there = drawn != SPACE
        codes[there] = drawn[there]
        styles[there] = (styles[there] & SHADED) | style

    def _mark_anomalies(self, canvas: Canvas, area: Area, marked: Verdicts) -> None:
        """Put a sign at each anomalous point: above or below what was expected; one without a value is in the band."""
        above, below, missing = (ord(sign) for sign in self._glyphs.marks)
        values, middles = marked["value"], marked["lower"] / 2 + marked["upper"] / 2
        signs = np.where(values >= marked["expected"], above, below)
        signs = np.where(np.isnan(values), missing, np.where(np.isnan(marked["expected"]), above, signs))
        at = np.where(np.isnan(values), np.where(np.isnan(middles), area.bottom, middles), values)
        row, column = area.rows_of(at), area.columns_of(marked["index"])
        canvas.codes[row, column] = signs
        canvas.styles[row, column] = (canvas.styles[row, column] & SHADED) | Style.ANOMALY

    def _write_far(self, canvas: Canvas, area: Area, rows: Verdicts) -> None:
        """Write the numbers of the newest values outside the picture at the edge, an arrow at each."""
        values = rows["value"]
        above, below, _ = self._glyphs.marks
        for edge, sign, is_far in ((area.row, above, values > area.top), (-1, below, values < area.bottom)):
            row = area.row + area.rows - 1 if edge < 0 else edge
            free = area.column + area.columns
            for far in rows[is_far][: -MOST_FAR - 1 : -1]:
                column, text = int(area.columns_of(far["index"])), self._worded(number_text(float(far["value"])))
                style = Style.ANOMALY if far["is_anomaly"] else Style.VALUE
                canvas.write(row, column, sign, style)
                start = column + 1 if column + 1 + len(text) <= free else column - len(text)
                if start + len(text) <= free and start >= area.column:
                    canvas.write(row, start, text, style)
                    free = min(start, column) - 1

    def _draw_score(self, canvas: Canvas, area: Area, rows: Verdicts) -> None:
        """Draw the score, and its threshold as a rule behind it."""
        places = area.places(rows["index"], area.columns)
        limit = trace(np.where(marked_by_band(rows), np.nan, rows["threshold"]), places, area.columns)
        columns = np.flatnonzero(np.isfinite(limit.high))
        at = places_of(limit.high[columns], area.bottom, area.top, area.rows)
        codes, styles = _cells(canvas, area)
        codes[at, columns], styles[at, columns] = ord(self._glyphs.rule), Style.THRESHOLD
        self._draw_line(canvas, area, rows["index"], rows["score"], Style.SCORE)
        marked = area.columns_of(rows["index"][rows["is_anomaly"]]) - area.column
        is_score = styles[:, marked] == Style.SCORE
        styles[:, marked] = np.where(is_score, Style.ANOMALY, styles[:, marked])
        _label(canvas, area, self._score_limits)
        canvas.write(area.row, 0, "score".ljust(area.column - 1), Style.QUIET, area.column - 1)

    def _write_times(self, canvas: Canvas, row: int, area: Area, rows: Verdicts) -> None:
        """Write below the picture when its points were, or which they are where they have no time."""
        if not len(rows):
            return
        is_dated = np.abs(rows["time"]) <= FARTHEST
        times, indices = rows["time"][is_dated], rows["index"][is_dated]
        a_column = area.view.width / area.columns  # points
        if len(times) > 1 and times[-1] > times[0]:
            oldest, newest = float(times[0]), float(times[-1])
            now = newest if newest - oldest < RECENT else float("inf")  # all of them with their date
            step = round_seconds(BETWEEN_TIMES * a_column * (newest - oldest) / float(indices[-1] - indices[0]))
            at = np.arange(ceil(oldest / step), floor(newest / step) + 1) * step
            places = np.interp(at, times, indices).tolist()
            ticks = [(place, short_time(moment, now)) for place, moment in zip(places, at.tolist(), strict=True)]
        else:
            points, first = max(1, round(round_step(BETWEEN_NUMBERS * a_column))), int(rows["index"][0])
            numbers = range(-(-first // points) * points, int(rows["index"][-1]) + 1, points)
            ticks = [(float(number), f"{number:,}") for number in numbers]
        free = area.column
        for index, words in ticks:
            column, text = int(area.columns_of(index)), self._glyphs.tick + words
            if free <= column <= area.column + area.columns - columns_of(text):
                canvas.write(row, column, text, Style.QUIET)
                free = column + columns_of(text) + 1
        if is_dated[-1] and area.column >= 4:
            canvas.write(row, 0, "UTC", Style.QUIET)

    def _mark_selected(self, canvas: Canvas, *areas: Area) -> None:
        """Mark the column of the point whose numbers are shown."""
        index, view = self.navigation.selected, self.navigation.view
        if index is None or not view.left <= index < view.right:
            return
        for area in areas:
            column = int(area.columns_of(index)) - area.column
            codes, styles = _cells(canvas, area)
            free = codes[:, column] == SPACE
            codes[free, column] = ord("│" if self._glyphs.rule == "─" else "|")
            styles[free, column] = (styles[free, column] & SHADED) | Style.QUIET

    def _mark_trial(self, canvas: Canvas, area: Area, rows: Verdicts, marks: Difference | None) -> None:
        """Write below the stream what would alarm, and what would not any more."""
        places = {}
        for sign, name in ((STAYS, "kept_points"), (NEW, "new_points"), (DROPPED, "dropped_points")):
            points = np.empty(0, np.int64) if marks is None else getattr(marks, name)
            if len(rows):
                points = points[(points >= rows["index"][0]) & (points <= rows["index"][-1])]
                places[sign] = area.columns_of(points)
        write_marks(canvas, area.row + area.rows, area.column, area.columns, places)

    def _list_episodes(self, canvas: Canvas, place: tuple[int, int, int, int], status: Status) -> None:
        """Write the newest episodes, a row each."""
        row, column, rows, columns = place
        if rows < 2 or columns < 12:
            return
        kept, total = self._episodes.kept, status.episodes
        title = f"episodes ({total:,}, newest first)" if total else "episodes: none so far"
        canvas.write(row, column, cut(title, columns), Style.STRONG)
        opened = self._open_episode(status)
        for number, episode in enumerate(reversed(kept[-(rows - 1) :]), 1):
            self._write_episode(canvas, (row + number, column, columns), episode, episode is opened)

    def _write_episode(self, canvas: Canvas, place: tuple[int, int, int], episode: Episode, is_open: bool) -> None:
        row, column, columns = place
        start, last = episode.start, episode.last
        lasted = f"{episode.points:,} point{'' if episode.points == 1 else 's'}"
        if start.time is not None and last.time is not None and last.time > start.time:
            lasted = duration_text(last.time - start.time)
        lasted = f"{lasted}, now" if is_open else lasted
        selected = self.navigation.selected
        is_chosen = selected is not None and start.index <= selected <= last.index
        style = Style.STRONG if is_chosen else Style.TEXT
        text = f"{self._moment(start)}  {self._why(episode.peak)}"
        canvas.write(row, column, self._glyphs.marks[0], Style.ANOMALY)
        space = columns - 4 - columns_of(lasted)
        if space < 16:
            space, lasted = columns - 2, ""
        if columns_of(text) > space:  # the half of a number says less than none
            text = text.partition(", expected ")[0]
        canvas.write(row, column + 2, cut(text, space), style)
        canvas.write(row, column + columns - columns_of(lasted), lasted, Style.QUIET)


def _cells(canvas: Canvas, area: Area) -> tuple[Any, Any]:
    """Codes and styles of an area, to be changed."""
    where = slice(area.row, area.row + area.rows), slice(area.column, area.column + area.columns)
    return canvas.codes[where], canvas.styles[where]


def _label(canvas: Canvas, area: Area, limits: Limits) -> None:
    """Write the round numbers of an axis at the left of an area."""
    ticks = np.array(limits.ticks())
    taken = -1
    for tick, row in zip(ticks.tolist(), area.rows_of(ticks).tolist(), strict=True):
        if row != taken:
            text = limits.label(tick)
            canvas.write(row, max(0, area.column - 1 - len(text)), text, Style.QUIET, area.column - 1)
            taken = row
