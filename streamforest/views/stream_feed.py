"""What visitors of the page get of one stream: their charts, and the episodes with their reasons."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from streamforest.protocols import WITHOUT_BAND, Status, Verdict, verdict_from_row
from streamforest.verdicts.episodes import UNUSUAL, Episode
from streamforest.verdicts.history import History
from streamforest.verdicts.recent_episodes import RecentEpisodes
from streamforest.views.chart_rows import MOST_OTHERS, StreamCuts
from streamforest.views.page_downloads import verdicts_csv
from streamforest.views.panel_feed import OpenPanel, PanelFeed, Seen
from streamforest.views.visitor_chart import VisitorChart, wish_of

MOST_EPISODES = 200  # in the list, the newest
MOST_AHEAD = 10_000  # points that are looked ahead
BLOCK = 10_000  # points that are looked through for episodes at once


def _no_panel(_name: str, _seen: Seen) -> None:
    raise ValueError("there is nothing to choose here")


class StreamShown:
    """One stream, as all visitors share it.

    Parameters
    ----------
    history : History
        Where the points are.

    Attributes
    ----------
    cuts : StreamCuts
        The pieces that charts need.
    open_panel : callable
        Opens panels of choices.
    """

    kind = "stream"

    def __init__(self, history: History) -> None:
        self.open_panel: OpenPanel = _no_panel
        self.with_panel: set[PanelFeed] = set()  # of the visitors that have one open
        self.cuts = StreamCuts(history)
        self._history = history
        self._episodes = RecentEpisodes(most=MOST_EPISODES)
        self._seen = 0  # stream index up to which episodes were looked for
        self._ahead: dict[tuple[int, int], str] = {}  # of the newest point, by it and how far

    def new_feed(self) -> StreamFeed:
        """What one more visitor gets."""
        return StreamFeed(self)

    def refresh(self) -> None:
        """See the points that there are now."""
        self.cuts.refresh()

    def look_around(self) -> None:
        """Look for episodes among the points that are new."""
        self._seen = max(self._seen, self._history.first)
        while len(rows := self._history.view(self._seen, self._seen + BLOCK - 1)):
            self._episodes.write(rows)
            self._seen = int(rows["index"][-1]) + 1

    def ahead(self, steps: int) -> str:
        """What is expected of so many next points, as a message; empty where it is unknown."""
        key = self._history.end, steps
        if key not in self._ahead:
            rows = self._history.ahead(steps)
            if not len(rows) or not np.isfinite([rows["expected"], rows["lower"], rows["upper"]]).all():
                return ""
            self._ahead = {old: text for old, text in self._ahead.items() if old[0] == key[0]}
            arrays = {name: rows[name].tolist() for name in ("expected", "lower", "upper")}
            self._ahead[key] = json.dumps({"kind": "ahead", "first": int(rows["index"][0]), **arrays})
        return self._ahead[key]

    @property
    def ended(self) -> int:
        """Episodes that are over, of those that were found."""
        return self._episodes.ended

    def episodes(self, seen: int) -> list[list[Any]]:
        """The episodes after the first ``seen`` that were over, in order, as far as they are kept; and the open one."""
        kept = self._episodes.kept
        over = min(self.ended, MOST_EPISODES)
        fresh = min(self.ended - seen, over)
        return [self._facts_of(kept[place], is_open=place >= over) for place in range(over - fresh, len(kept))]

    def _facts_of(self, episode: Episode, *, is_open: bool) -> list[Any]:
        """An episode as the page's list takes it, see :func:`episode_facts`."""
        return episode_facts(episode, self._history.like_text(episode), is_open)

    def facts(self, status: Status) -> dict[str, Any]:
        """How the stream stands now: its state, since when, and how much of it is kept."""
        newest = self._history.newest(1)
        if status.has_ended:
            self._episodes.close()
        kept = self._episodes.kept
        is_open = len(kept) > min(self.ended, MOST_EPISODES)
        state, since = "calm", None
        if status.warm_up < 1:
            state = "warming up"
        elif is_open:
            state, since = "anomalous", kept[-1].start.time
        elif len(newest) and newest["p_value"][0] < UNUSUAL:
            state = "unusual"
        place: dict[str, float | None] = {"first": self._history.first, "end": self._history.end}
        place["capacity"] = self._history.capacity
        place["floor"] = 0.0 if self._history.floor == 0.0 else None  # of what is drawn of the band
        place["time"] = verdict_from_row(newest[0].item()).time if len(newest) else None
        last = _place_and_reason(kept[-1]) if kept else None
        marks = self._history.marks
        others = [] if marks is None else marks.names[:MOST_OTHERS]
        return {"state": state, "since": since, "last": last, "others": others, **place}

    def seen_csv(self, first: int, end: int) -> bytes:
        """The points with stream indices ``first`` to ``end``, which is outside, as CSV."""
        return verdicts_csv(self._history.view(first, end - 1))


def why(verdict: Verdict) -> dict[str, Any]:
    """Why a point is an alarm, in parts that the page puts into words; None where unknown or beside the point.

    Examples
    --------
    >>> why(Verdict(7, None, 83.1, None, 0.9, 0.6, 1e-6, True, 41.0, 34.0, 48.0, 1, "spike: 83.1, expected 41 +- 7"))
    {'name': 'spike', 'value': 83.1, 'expected': 41.0, 'half': 7.0}
    """
    name = verdict.reason.partition(":")[0] or "anomalous"
    expected, half = verdict.expected, None
    if verdict.lower is not None and verdict.upper is not None:
        half = (verdict.upper - verdict.lower) / 2
    if name in WITHOUT_BAND:
        expected = half = None
    return {"name": name, "value": verdict.value, "expected": expected, "half": half}


def _place_and_reason(episode: Episode) -> dict[str, Any]:
    """Why an episode is one, and where it began, which is its place in lists too."""
    return {**why(episode.peak), "time": episode.start.time, "index": episode.start.index}


def episode_facts(episode: Episode, like: str, is_open: bool) -> list[Any]:
    """An episode as the page's list takes it: where and when, why, points, what it is like, whether it goes on."""
    peak = episode.peak
    place = [episode.start.index, episode.last.index, peak.index, episode.start.time]
    return [*place, *why(peak).values(), episode.points, like, is_open]


class StreamFeed:
    """What one visitor gets of a stream.

    Parameters
    ----------
    shown : StreamShown
        The stream.
    """

    def __init__(self, shown: StreamShown) -> None:
        self._shown = shown
        self.chart = VisitorChart()
        self.panel = PanelFeed(shown.open_panel, shown.with_panel)
        self._seen = 0  # episodes that were over when the visitor got the list
        self._open: list[list[Any]] = []  # as the visitor knows it
        self._steps, self._ahead = 0, ""  # that the visitor looks ahead, and what is known of it

    def heed(self, message: dict[str, Any]) -> None:
        """Take what a visitor wants to see."""
        wish = wish_of(message.get("view"))
        if wish is not None:
            self.chart.wish = wish
        steps = message.get("ahead")
        if isinstance(steps, float) and 0 <= steps <= MOST_AHEAD:
            self._steps = int(steps)

    def heed_panel(self, name: str, message: dict[str, Any]) -> None:
        """Take what a visitor does with a panel of choices."""
        self.panel.heed(name, message)

    def close(self) -> None:
        """Leave what the visitor has open."""
        self.panel.close()

    def note_read(self, kind: str, now: float) -> None:
        """Note that the visitor has read the newest message of a kind."""
        if kind == "chart":
            self.chart.note_read(now)

    def due(self, is_ready: Callable[[str], bool], now: float) -> Iterator[tuple[str, str | bytes]]:
        """Kind and content of what the visitor has not got yet, of the kinds that it is ready for."""
        if is_ready("chart"):
            frame = self.chart.next_frame(self._shown.cuts, now)
            if frame is not None:
                yield "chart", frame
        if is_ready("ahead") and self._steps and (ahead := self._shown.ahead(self._steps)) not in ("", self._ahead):
            self._ahead = ahead
            yield "ahead", ahead
        if is_ready("panel") and (panel := self.panel.due()) is not None:
            yield "panel", panel
        if is_ready("episodes"):
            found = self._shown.episodes(self._seen)
            if found != self._open:
                self._seen, self._open = self._shown.ended, [one for one in found if one[-1]]
                yield "episodes", json.dumps({"kind": "episodes", "episodes": found}, allow_nan=False)
