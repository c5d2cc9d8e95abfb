"""Whether alarms are as frequent as asked for: rates with their intervals, alarms a day, and the spread of p-values."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from streamforest.protocols import NORMAL, Honesty, RateGot, State, Verdict, Verdicts, streams_of
from streamforest.state import check_ranges, packed, saved_array, unpacked

HOUR, DAY_HOURS = 3600.0, 24
#: Equal parts of [0, 1] in which p-values are counted.
STRIP = 20
#: Verdicts that wait until they are counted in one go: one by one that takes ten times as long.
WAITING = 256
#: The threshold of a point that its band alone marks, as a share of its score: see ``judging.decide``.
BY_BAND = 0.999
#: Standard deviations of a Gaussian on each side of which 2.5 % lie.
TWO_SIDED_95 = 1.959963984540054
#: Hours from the epoch that a saved hour may be away.
FARTHEST_HOUR = 2**40
NO_EPISODE = (0, 0)  # number of a stream's newest episode, and its flagged points, before the first one

#: What is counted of the points of an hour, and of all.
COUNTS_DTYPE = np.dtype(
    [
        ("hour", "i8"),  # from the epoch
        ("scored", "i8"),  # points with a score that are not labelled as anomalous
        ("flagged", "i8"),  # those of them that are anomalous by their score
        ("by_band", "i8"),  # those that only their band, or a broken habit, makes anomalous
        ("squares", "i8"),  # sum of the squares of how many flagged points an episode has
        ("begun", "i8"),  # episodes, whatever their label
    ]
)


def marked_by_band(verdicts: Verdicts) -> NDArray[np.bool_]:
    """Which points, shape (n,), are anomalous by their band or a broken habit alone: their score does not say so."""
    alone: NDArray[np.bool_] = verdicts["is_anomaly"] & (verdicts["threshold"] == BY_BAND * verdicts["score"])
    return alone


def is_marked_by_band(verdict: Verdict) -> bool:
    """The same of one point."""
    return verdict.is_anomaly and verdict.score is not None and verdict.threshold == BY_BAND * verdict.score


def interval_of(flagged: float, scored: float, squares: float) -> tuple[float, float]:
    """The 95 % interval of a rate by Wilson's score method, for points that come in episodes.

    Points of one episode do not come independently: both numbers are divided by the design effect, the mean of the
    squares of the episodes' sizes over the mean of their sizes.

    Parameters
    ----------
    flagged, scored : float
        Points that were flagged, and of how many, at least as many.
    squares : float
        Sum over the episodes of the square of their flagged points.

    References
    ----------
    Wilson, "Probable inference, the law of succession, and statistical inference", Journal of the American Statistical
    Association 22, 1927, doi 10.1080/01621459.1927.10502953.

    Examples
    --------
    >>> [round(edge, 5) for edge in interval_of(10, 10_000, 10)], [round(edge, 5) for edge in interval_of(0, 100, 0)]
    ([0.00054, 0.00184], [0.0, 0.03699])
    """
    if scored <= 0.0:
        return 0.0, 1.0
    effect = max(squares / flagged, 1.0) if flagged else 1.0
    n, share, z2 = scored / effect, min(flagged / scored, 1.0), TWO_SIDED_95**2
    middle = (share + z2 / (2.0 * n)) / (1.0 + z2 / n)
    half = TWO_SIDED_95 / (1.0 + z2 / n) * math.sqrt(share * (1.0 - share) / n + z2 / (4.0 * n * n))
    return max(middle - half, 0.0), min(middle + half, 1.0)


def left_of(alarms_a_day: float, begun_today: int, since_last: float) -> int:
    """Alarms that may still come today (UTC), by the rule that limits them; see ``judging.rules.may_begin``.

    Parameters
    ----------
    alarms_a_day : float
        As asked for.
    begun_today : int
        Episodes that began today.
    since_last : float
        Seconds since the newest of all began; infinite where none did.
    """
    if alarms_a_day < 1.0 and since_last < DAY_HOURS * HOUR / alarms_a_day:
        return 0
    return max(0, max(math.floor(alarms_a_day), 1) - begun_today)


class HonestyCounts:
    """A sink that counts how often points are flagged and how their p-values are spread; constant memory a stream.

    The day is that of the points' times, in whole hours; for points without a time that of the clock.

    Parameters
    ----------
    alarm_rate : float
        Wanted share of normal points that are flagged.
    alarms_a_day : float, optional
        Wanted in its place.
    clock : callable
        Seconds, UTC epoch.
    """

    name = "rates asked for and got"

    def __init__(
        self, alarm_rate: float, alarms_a_day: float | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self._alarm_rate, self._alarms_a_day, self._clock = alarm_rate, alarms_a_day, clock
        self._lock = threading.Lock()  # the thread that judges writes, the one that draws asks
        self._waiting: list[Verdicts] = []
        self._n_waiting = 0
        self._hours = np.zeros(DAY_HOURS + 1, COUNTS_DTYPE)
        self._hours["hour"] = -FARTHEST_HOUR
        self._total = np.zeros(1, COUNTS_DTYPE)
        self._strip = np.zeros(STRIP, np.int64)
        self._newest: dict[int, tuple[int, int]] = {}  # by stream, its newest episode and the flagged points of that
        self._now, self._last_begun = -math.inf, -math.inf  # times of the newest point and of the newest episode

    def write(self, verdicts: Verdicts) -> None:
        """Take one block of verdicts, shape (n,), n >= 1."""
        with self._lock:
            self._waiting.append(verdicts)
            self._n_waiting += len(verdicts)
            if self._n_waiting >= WAITING:
                self._count_waiting()

    def close(self) -> None:
        """Nothing is held back."""

    def numbers(self) -> Honesty:
        """What was asked for and got so far."""
        with self._lock:
            self._count_waiting()
            hour = math.floor(self._now / HOUR) if math.isfinite(self._now) else -FARTHEST_HOUR
            hours = self._hours["hour"]
            day = self._hours[(hours > hour - DAY_HOURS) & (hours <= hour)]
            today = self._hours[(hours // DAY_HOURS == hour // DAY_HOURS) & (hours <= hour)]
            begun_today, left = int(today["begun"].sum()), None
            if self._alarms_a_day is not None:
                left = left_of(self._alarms_a_day, begun_today, self._now - self._last_begun)
            return Honesty(
                self._alarm_rate,
                self._alarms_a_day,
                _rate_got(day),
                _rate_got(self._total),
                tuple(self._strip.tolist()),
                begun_today,
                left,
            )

    def state(self) -> State:
        """A copy of all that is counted."""
        with self._lock:
            self._count_waiting()
            times = np.array([self._now, self._last_begun])
            newest = packed([(stream, *newest) for stream, newest in self._newest.items()])
            arrays = {"hours": self._hours.copy(), "total": self._total.copy(), "strip": self._strip.copy()}
            return {**arrays, "times": times, "newest": newest}

    def restore(self, state: State, *, cut: bool) -> str:  # noqa: ARG002 - it writes nowhere
        """Count on from a state; raises ValueError where it is none."""
        hours, total = saved_array(state, "hours", self._hours), saved_array(state, "total", self._total)
        for counts in (hours, total):
            check_ranges(counts, {"hour": (-FARTHEST_HOUR, FARTHEST_HOUR)})
        strip, times = saved_array(state, "strip", self._strip), saved_array(state, "times", np.zeros(2))
        if (strip < 0).any() or np.isnan(times).any():
            raise ValueError("the saved spread of p-values is none")
        newest = {stream: (episode, n) for stream, episode, n in unpacked(state, "newest", list[tuple[int, int, int]])}
        self._hours, self._total, self._strip = hours.copy(), total.copy(), strip.copy()
        self._now, self._last_begun = times.tolist()
        self._newest = newest
        return ""

    def _count_waiting(self) -> None:
        if self._waiting:
            waiting, self._waiting, self._n_waiting = self._waiting, [], 0
            self._count(waiting[0] if len(waiting) == 1 else np.concatenate(waiting))

    def _count(self, verdicts: Verdicts) -> None:
        times = np.where(np.isnan(verdicts["time"]), self._clock(), verdicts["time"])
        hours = np.floor(times / HOUR).astype(np.int64)
        self._now = float(times[-1])
        is_anomaly = verdicts["is_anomaly"]
        counts = np.zeros(len(verdicts), COUNTS_DTYPE)
        counts["scored"] = (verdicts["score"] == verdicts["score"]) & (verdicts["label"] <= NORMAL)
        by_band = marked_by_band(verdicts)
        counts["by_band"] = counts["scored"] & by_band
        counts["flagged"] = counts["scored"] & is_anomaly & ~by_band
        self._follow_episodes(verdicts, times, counts)
        for hour in np.unique(hours).tolist():
            place = hour % len(self._hours)
            if self._hours["hour"][place] != hour:
                self._hours[place] = np.zeros((), COUNTS_DTYPE)
                self._hours["hour"][place] = hour
            _add(counts[hours == hour], self._hours[place : place + 1])
        _add(counts, self._total)
        shares = verdicts["p_value"][counts["scored"] > 0]
        self._strip += np.bincount(np.minimum((shares * STRIP).astype(np.int64), STRIP - 1), minlength=STRIP)

    def _follow_episodes(self, verdicts: Verdicts, times: NDArray[np.float64], counts: NDArray[np.void]) -> None:
        """Fill in which points begin an episode, and what they add to the squares of the episodes' sizes."""
        streams = streams_of(verdicts)
        rows = np.flatnonzero(verdicts["is_anomaly"] | (verdicts["index"] == 0))
        fields = (streams, verdicts["index"], verdicts["is_anomaly"], verdicts["episode"], counts["flagged"])
        for row, stream, index, is_anomaly, episode, flagged in zip(
            rows.tolist(), *(field[rows].tolist() for field in fields), strict=True
        ):
            if not index:
                self._newest.pop(stream, None)  # the number was another stream's before
            if not is_anomaly:
                continue
            newest, n = self._newest.get(stream, NO_EPISODE)
            if newest != episode:
                n, self._last_begun = 0, float(times[row])
                counts["begun"][row] = 1
            counts["squares"][row] = (2 * n + 1) * flagged
            self._newest[stream] = episode, n + flagged


def _add(counts: NDArray[np.void], to: NDArray[np.void]) -> None:
    """Add counts of points, shape (n,), to others of shape (1,)."""
    for name in (COUNTS_DTYPE.names or ())[1:]:
        to[name] += counts[name].sum()


def _rate_got(counts: NDArray[np.void]) -> RateGot:
    """What counts of shape (n,) are together."""
    scored, flagged, by_band, squares, begun = (int(counts[name].sum()) for name in (COUNTS_DTYPE.names or ())[1:])
    return RateGot(scored, flagged, by_band, begun, *interval_of(flagged, scored, squares))
