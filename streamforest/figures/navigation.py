"""Which stretch of a stream is in view: it follows the stream, or stands still where the user put it."""

from __future__ import annotations

from math import ceil
from typing import NamedTuple

from streamforest.protocols import Verdicts
from streamforest.verdicts.episodes import EpisodeFold
from streamforest.verdicts.history import History

SPAN = 500  # points in view at first
NARROWEST = 20  # points
SECONDS_IN_VIEW = 10  # at least, as long as the user has not chosen a width
STEPS = 50  # a full view moves on by this part of its width: 2 % look smooth, and most frames leave the axis as it is

#: Commands that a figure takes.
COMMANDS = (
    *("pause", "live", "back", "forward", "wider", "narrower", "last-anomaly", "previous-anomaly", "next-anomaly"),
    *("episodes", "help", "honesty", "forecast"),
)
AHEAD = 5  # a view that follows the stream looks ahead by this part of its width: a sixth of what it shows then
GROWTH = 1.25  # of the width of a view that grows with its stream: no more than a fifth of it is empty


def check_command(name: str) -> None:
    """Raise ValueError where a command is none of COMMANDS."""
    if name not in COMMANDS:
        raise ValueError(f"command is {name!r}; it must be one of {', '.join(COMMANDS)}")


class View(NamedTuple):
    """The stretch of the stream in view, as stream indices; ``right`` is outside, and may lie beyond the newest."""

    left: int
    right: int

    @property
    def width(self) -> int:
        """Points from edge to edge."""
        return self.right - self.left


class Navigation:
    """The view on a stream: by itself it follows the newest points, a command holds it where it is wanted.

    Parameters
    ----------
    history : History
        Where the points come from.
    steps : int
        A full view that follows the stream moves on by this part of its width.

    Attributes
    ----------
    kept : History
        The points that may come into view. A copy, so that a view that stands still does not lose its points.
    view : View
        As of the last update.
    selected : int or None
        Stream index of the point whose numbers are shown.
    span : int
        Points that a view which follows the stream shows.
    looks_ahead : bool
        Whether a view that follows the stream shows what is expected of its next points too.
    """

    def __init__(self, history: History, steps: int = STEPS) -> None:
        self._history, self._steps = history, steps
        self.kept = History(history.capacity)
        self.view = View(0, 64)
        self.looks_ahead = False
        self.selected: int | None = None
        self.span, self._span_chosen = SPAN, False
        self._held: View | None = None
        self._last_gone_to: int | None = None  # the point that "last-anomaly" selected

    @property
    def paused(self) -> bool:
        """Whether the view stands still."""
        return self._held is not None

    @property
    def unseen(self) -> int:
        """Points that came since the view stands still."""
        return self._history.end - self.kept.end

    def command(self, name: str) -> None:
        """Change the view, by one of COMMANDS; those that do not move it change nothing."""
        if name == "live" or (name == "pause" and self.paused):
            self._held = self.selected = None
        elif name == "forecast":
            self.looks_ahead = not self.looks_ahead
        elif name == "last-anomaly":
            self._go_to_anomaly()
        elif name in ("previous-anomaly", "next-anomaly"):
            self._step_to_anomaly(is_back=name == "previous-anomaly")
        elif name in ("wider", "narrower"):
            self.choose_span(round(self.view.width * (2.0 if name == "wider" else 0.5)))
        elif name in ("pause", "back", "forward"):
            by = {"pause": 0.0, "back": -0.5, "forward": 0.5}[name]
            self._hold(self.view.left + round(by * self.view.width), self.view.width, moved=by != 0)

    def zoom(self, factor: float, around: float) -> None:
        """Hold the view, so many times as wide as it is; a place in it, as a stream index, stays where it is."""
        width = self._width_within(round(self.view.width * factor))
        share = (around - self.view.left) / self.view.width
        self._hold(round(around - share * width), width)

    def move_to(self, left: float) -> None:
        """Hold the view with its left edge at a stream index, as far as there are points; its width stays."""
        latest = max(self.view.left, self.kept.end - self.view.width)
        self._hold(max(self.kept.first, min(round(left), latest)), self.view.width, moved=False)

    def choose_span(self, points: int) -> None:
        """Show so many points, as far as so many are kept; a held view keeps its selected point, or its middle."""
        self._span_chosen = True
        self.span = max(NARROWEST, min(points, self._history.capacity))
        if self._held:
            left, right = self._held
            width, at = self._width_within(self.span), self.selected
            around = at if at is not None and left <= at < right else (left + right) / 2
            self._hold(round(around - (around - left) * width / (right - left)), width)

    def _width_within(self, points: int) -> int:
        """A width of a view that stands still: it shows no more than there is."""
        return max(NARROWEST, min(points, self.kept.end - self.kept.first))

    def show(self, index: int) -> bool:
        """Hold the view around a point, by its stream index, and select it; False where it is not kept."""
        self.follow()
        if not self.kept.first <= index < self.kept.end:
            return False
        self._hold(index - SPAN // 2, min(SPAN, self._history.capacity))
        self.selected = index
        return True

    def show_all(self) -> None:
        """Hold the view on all that is kept."""
        self.follow()
        self._hold(self.kept.first, max(NARROWEST, self.kept.end - self.kept.first), moved=False)

    def show_stretch(self, first: int, end: int) -> None:
        """Hold the view from one stream index to another, which is outside, as far as these are kept."""
        self.follow()
        left = max(self.kept.first, min(first, self.kept.end - NARROWEST))
        self._hold(left, max(NARROWEST, min(end, self.kept.end) - left), moved=False)

    def _hold(self, left: int, width: int, moved: bool = True) -> None:
        """Hold the view still, within what is kept where it moved."""
        if moved:
            left = max(self.kept.first, min(left, self.kept.end - width))
        self._held = View(left, left + width)

    def _go_to_anomaly(self) -> None:
        """Go to the newest episode; from there, and from wherever this led to, to the one before."""
        here = self.selected if self._held and self.selected == self._last_gone_to else None
        if here is None:
            self._held = None  # newer ones may have come since the view stands still
        self.follow()
        found = None if here is None else self.kept.previous_anomaly(self._episode_start(here))
        self._go_to_episode(self.kept.last_anomaly() if found is None else found)
        self._last_gone_to = self.selected

    def _step_to_anomaly(self, is_back: bool) -> None:
        """Go to the episode before or behind the selected point; where none is selected, the middle of the view."""
        self.follow()
        here = self.selected if self._held else None
        if here is None:
            here = self.view.left + self.view.width // 2 if self._held else self.kept.end
        if is_back:
            self._go_to_episode(self.kept.previous_anomaly(self._episode_start(here)))
        else:
            self._go_to_episode(self.kept.next_anomaly(self._episode_end(here)))

    def go_to(self, index: int) -> bool:
        """Hold the view, as wide as it is, around a point and select it; False where it is not kept."""
        if index >= self.kept.end:
            self._held = None  # it came since the view stands still
        self.follow()
        if not self.kept.first <= index < self.kept.end:
            return False
        self._go_to(index)
        return True

    def _go_to(self, index: int) -> None:
        self._hold(index - self.view.width // 2, self.view.width)
        self.selected = index

    def _go_to_episode(self, anomaly: int | None) -> None:
        """Go to the peak of the episode that an anomalous point belongs to, which lists of episodes tell of."""
        if anomaly is not None:
            rows = self.kept.view(self._episode_start(anomaly), self._episode_end(anomaly))
            self._go_to(peak_of(rows[rows["is_anomaly"]]))

    def _episode_start(self, index: int) -> int:
        """Index of the first kept point of the episode that a point belongs to; its own where it is no anomaly."""
        return same_episode(index, self.kept.view(self.kept.first, index))[0]

    def _episode_end(self, index: int) -> int:
        """Index of the last kept point of the same."""
        return same_episode(index, self.kept.view(index, self.kept.end))[-1]

    def twin(self) -> Navigation:
        """The same view, up to date, of the same points."""
        self.follow()
        other = Navigation(self._history, self._steps)
        other.kept, other._held, other.selected = self.kept, self._held, self.selected
        other.span, other._span_chosen = self.span, self._span_chosen
        other._last_gone_to = self._last_gone_to
        other.looks_ahead = self.looks_ahead
        return other

    def follow(self) -> None:
        """Take over what is new, unless the view stands still."""
        if self._held:
            return
        end = self.kept.end if self.kept.written else 0
        new = self._history.view(end, self._history.end)
        if len(new) and self.kept.written and new["index"][0] != end:
            self.kept = History(self._history.capacity)
        if len(new):
            self.kept.write(new)

    def advance(self, points_per_second: float) -> None:
        """Bring the view up to date with the stream, which comes so fast."""
        self.follow()
        self.view = self._next_view(points_per_second)

    def in_view(self) -> Verdicts:
        """The points in view."""
        return self.kept.view(self.view.left, self.view.right - 1)

    def ahead_in_view(self) -> Verdicts:
        """What is expected of the next points, as far as they come into view; none where that is not asked for."""
        if not self.looks_ahead or self.paused or not self.kept.written:
            return self.kept.newest(0)
        return self._history.ahead(self.view.right - self.kept.end)

    def _next_view(self, points_per_second: float) -> View:
        if self._held:
            return self._held
        if not self._span_chosen:
            wanted = min(points_per_second * SECONDS_IN_VIEW, self._history.capacity)
            while self.span < wanted:  # never narrower by itself
                self.span = min(2 * self.span, self._history.capacity)
        view = live_view(self.kept.first, self.kept.end, self.span, self._steps)
        return view._replace(right=view.right + view.width // AHEAD) if self.looks_ahead else view


def same_episode(index: int, rows: Verdicts) -> list[int]:
    """Indices of those of the rows that are in the episode of the point with an index; itself where it is in none."""
    episode = rows["episode"][rows["index"] == index]
    if not len(episode) or not episode[0]:
        return [index]
    same: list[int] = rows["index"][(rows["episode"] == episode[0]) & rows["is_anomaly"]].tolist()
    return same or [index]


def peak_of(rows: Verdicts) -> int:
    """Stream index of the peak of an episode, whose anomalous points these are, at least one."""
    fold = EpisodeFold(int(rows["index"][-1] - rows["index"][0]))
    *_, (_, episode) = [*fold.add(rows), *fold.finish()]
    return episode.peak.index


def live_view(first: int, end: int, span: int, steps: int) -> View:
    """The view that follows the stream: it grows with it from 64 points on, then moves in steps."""
    width = 64
    while width < min(end - first, span):
        width = round(GROWTH * width)
    width = min(width, span)
    if not first and end <= width:
        return View(0, width)
    step = max(1, width // steps)
    right = max(ceil(end / step) * step, width if not first else 0)
    return View(right - width, right)
