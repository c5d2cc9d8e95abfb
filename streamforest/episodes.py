"""Anomalous points with no calm between them as one event with a start, a peak and an end."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from streamforest.protocols import VERDICT_DTYPE, Verdict, Verdicts, verdict_from_row

#: Calm points in a row that an episode survives, where no cool-down is asked for; after one more it is over.
EPISODE_GAP = 5
#: A point with a p-value below this is not calm, even where it is no anomaly: an event does not end before its
#: stream has settled, or one that ebbs away would be told again and again.
UNUSUAL = 0.02

_INDEX, _IS_ANOMALY = ((VERDICT_DTYPE.names or ()).index(name) for name in ("index", "is_anomaly"))

Happening = Literal["start", "end"]


@dataclass(frozen=True)
class Episode:
    """Anomalous points that are one event, as far as it is known.

    Attributes
    ----------
    number : int
        The detector's number for it, from 1.
    start, peak, last : Verdict
        Its first point, the (first) point with the highest score, and its newest anomalous point.
    points : int
        Anomalous points in it.
    """

    number: int
    start: Verdict
    peak: Verdict
    last: Verdict
    points: int

    def joined_by(self, verdict: Verdict) -> Episode:
        """The episode with one more anomalous point."""
        peak = verdict if _height(verdict) > _height(self.peak) else self.peak
        return replace(self, peak=peak, last=verdict, points=self.points + 1)


def _height(verdict: Verdict) -> float:
    return -1.0 if verdict.score is None else verdict.score


class EpisodeFold:
    """Verdicts -> the starts and ends of episodes; the same ones however the stream is cut into blocks.

    Parameters
    ----------
    gap : int
        Calm points in a row that an episode survives, at least 0.

    Notes
    -----
    Only unusual points cost time; constant memory.
    """

    def __init__(self, gap: int = EPISODE_GAP) -> None:
        self._gap = gap
        self._open: Episode | None = None
        self._alive = 0  # index of the newest point that is not calm

    @property
    def open(self) -> Episode | None:
        """The episode that is not over yet, if there is one."""
        return self._open

    def add(self, verdicts: Verdicts) -> list[tuple[Happening, Episode]]:
        """Take one block of verdicts, shape (n,), n >= 1; returns what started and ended in it, in order."""
        happenings: list[tuple[Happening, Episode]] = []
        for row in verdicts[verdicts["is_anomaly"] | (verdicts["p_value"] < UNUSUAL)].tolist():
            self._take(row, happenings)
        self._end_if_before(int(verdicts["index"][-1]), happenings)
        return happenings

    def finish(self) -> list[tuple[Happening, Episode]]:
        """End the open episode, if there is one, because the stream has ended."""
        episode, self._open = self._open, None
        return [] if episode is None else [("end", episode)]

    def _take(self, row: tuple[Any, ...], happenings: list[tuple[Happening, Episode]]) -> None:
        index, is_anomaly = row[_INDEX], row[_IS_ANOMALY]
        self._end_if_before(index - 1, happenings)
        self._alive = index
        if not is_anomaly:
            return
        verdict = verdict_from_row(row)
        number = verdict.episode or 0
        if self._open is not None and self._open.number == number:
            self._open = self._open.joined_by(verdict)
            return
        happenings += self.finish()
        self._open = Episode(number, verdict, verdict, verdict, 1)
        happenings.append(("start", self._open))

    def _end_if_before(self, index: int, happenings: list[tuple[Happening, Episode]]) -> None:
        """End the open episode where more than ``gap`` calm points lie behind it up to ``index``."""
        if self._open is not None and index - self._alive > self._gap:
            happenings += self.finish()
