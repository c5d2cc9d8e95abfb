"""The newest episodes of a stream and its state now, as the figure shows them."""

from __future__ import annotations

from streamforest.figures.axes import EARLIEST, LATEST
from streamforest.figures.header import News, warm_up_text
from streamforest.figures.text_parts import ENDED, waiting_text
from streamforest.moments import short_time
from streamforest.protocols import Status, Verdict, Verdicts
from streamforest.verdicts.episodes import UNUSUAL, Episode
from streamforest.verdicts.history import History
from streamforest.verdicts.recent_episodes import RecentEpisodes
from streamforest.wording import MINUS, duration_text, kind_text, reason_text, spread_text

LONGEST_WHEN = 24  # characters beside a duration
MOST_EPISODES = 200  # that are listed, the newest


class StreamNews:
    """What happened on a stream, followed as its history grows.

    Parameters
    ----------
    history : History
        Of the stream; also while a view of it stands still.

    Attributes
    ----------
    newest : structured array of shape (0,) or (1,)
        The newest verdict.
    """

    def __init__(self, history: History) -> None:
        self._history = history
        self._episodes = RecentEpisodes(most=MOST_EPISODES)
        self.newest: Verdicts = history.newest(0)

    def follow(self) -> None:
        """Take over what is new."""
        begin = int(self.newest["index"][0]) + 1 if len(self.newest) else 0
        rows = self._history.view(begin, self._history.end)
        if len(rows):
            self._episodes.write(rows)
            self.newest = rows[-1:].copy()

    @property
    def episodes(self) -> list[Episode]:
        """Those of which a point is still kept, the newest first, the open one among them."""
        first = self._history.first
        return [episode for episode in reversed(self._episodes.kept) if episode.last.index >= first]

    def peak_of(self, verdict: Verdict) -> Verdict:
        """The peak of the episode that a point is in, with the list's reason; the point where none is known."""
        episodes = reversed(self._episodes.kept)
        return next((one.peak for one in episodes if one.start.index <= verdict.index <= one.last.index), verdict)

    @property
    def now(self) -> float:
        """Time of the newest point, seconds, UTC epoch; NaN where it has none."""
        return float(self.newest["time"][0]) if len(self.newest) else float("nan")

    def when_and_like(self, episode: Episode) -> str:
        """When an episode began, and when the earlier one did that it is like, if there is one and space for it."""
        when = when_text(episode.start, self.now)
        seen = self._history.seen
        like = None if seen is None else seen.of_start(episode.start.index)
        if like is None:
            return when
        past = like.past
        has_time = past.start is not None and EARLIEST < past.start < LATEST
        before = short_time(past.start, self.now) if past.start is not None and has_time else f"{past.first:,}"
        text = f"{when}, like {before}"
        return text if len(text) <= LONGEST_WHEN else f"{when}, seen before"

    def news(self, status: Status) -> News:
        """The state of the stream, and its last alarm."""
        kept = self._episodes.kept
        alarm = "no alarm yet" if not status.episodes else "no alarm among the points that are kept"
        if status.has_ended:
            self._episodes.close()
        if self._episodes.open:
            episode = self._episodes.open[0]
            return News(f"anomalous since {when_text(episode.start, self.now)}", "anomaly", why_of(episode))
        if kept:
            alarm = f"last alarm {when_text(kept[-1].start, self.now)}, {why_of(kept[-1])}"
        if status.has_ended:
            return News(ENDED, "quiet", alarm)
        if not len(self.newest):
            return News(waiting_text(), "quiet", "")
        if status.warm_up < 1:
            return News(warm_up_text(status.warm_up), "quiet", alarm if kept else "")
        if self.newest["p_value"][0] < UNUSUAL:
            return News("unusual", "threshold", alarm)
        return News("calm", "label", alarm)


def when_text(verdict: Verdict, now: float) -> str:
    """When a point was, seen from a time in seconds: the time of its day, with the date if that was not of late."""
    if verdict.time is None or not EARLIEST < verdict.time < LATEST:
        return f"point {verdict.index:,}"
    return short_time(verdict.time, now)


def size_text(episode: Episode) -> str:
    """How far the peak of an episode is off what was expected; empty where either is unknown."""
    value, expected = episode.peak.value, episode.peak.expected
    if value is None or expected is None:
        return ""
    return f"{MINUS if value < expected else '+'}{spread_text(abs(value - expected))}"


def length_text(episode: Episode) -> str:
    """How long an episode is, from its first anomalous point to its last: by the times of these, or in points."""
    begin, end = episode.start.time, episode.last.time
    if episode.start.index == episode.last.index:
        return "1 point"
    if begin is None or end is None or end <= begin:
        return f"{episode.last.index - episode.start.index + 1:,} points"
    return duration_text(end - begin)


def why_of(episode: Episode) -> str:
    """Why an episode is one, with the numbers of its peak."""
    return reason_text(episode.peak) or "anomalous"


def kind_of(episode: Episode) -> str:
    """What kind of event an episode is."""
    return kind_text(episode.peak) or "anomalous"
