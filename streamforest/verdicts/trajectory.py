"""What an episode turned out to be, by the trajectory of its first points: told at its end, when more is known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from math import isfinite
from statistics import correlation, linear_regression, median
from typing import Any

from streamforest.protocols import Verdict, Verdicts, explained
from streamforest.state import fits

#: Points that are looked at. Level shifts, ramps and bursts that alarm show themselves in fewer; an episode's end comes
#: with more only if it goes on, and then its kind has been clear for long.
MOST_POINTS = 32
#: Points without which there is no trajectory: two anomalous ones and three behind them.
LEAST_POINTS = 5
#: Reasons that say by themselves what a point is; what most points of an episode say of these is what it was.
OBVIOUS = ("variance down", "flat line", "gap", "too long", "counter went back")
STILL = ("variance down", "flat line")  # those of values that hardly move
SUDDEN = ("spike", "dip")
STEADY = ("level shift up", "level shift down", "season break")  # which the beginning of a ramp is taken for

# The numbers below are in halves of the band at the episode's start. They were chosen on 375 simulated streams of eight
# kinds of anomalies (``benchmarks/simulated.py`` measures on others), for the share of episodes with the right name.

#: From here on a point counts as far; a burst changes its side at least so often, is so far off in the median, and at
#: most so many times as far anywhere: spikes with calm between them are no burst.
FAR, BURST_TURNS, BURST_MEDIAN, BURST_RATIO = 0.5, 2, 0.4, 6.0
#: Points of a shift; shares of the first one's deviation in which the second is off what was expected for it, the
#: median is, all behind the second are, and none is beyond: a spike in what stays has its own name.
SHIFT_POINTS, SHIFT_SECOND, SHIFT_MEDIAN, SHIFT_LEAST, SHIFT_MOST = 10, 0.4, 0.5, 0.3, 3.0
#: Points of a rise, how straight it is (a correlation) and how high; the same of one that ends with a jump back.
RISE_POINTS, STRAIGHT, RISE = 5, 0.8, 0.8
JUMP, BROKEN_STRAIGHT, BROKEN_RISE = 1.0, 0.6, 0.25


class Trajectory:
    """How the first points of an episode lie to what was expected when it began, and to what was expected of each.

    Parameters
    ----------
    start : Verdict
        The episode's first point.
    """

    def __init__(self, start: Verdict) -> None:
        self._next = start.index
        self._base = start.expected
        half = None if start.lower is None or start.upper is None else (start.upper - start.lower) / 2
        self._half = half if half is not None and isfinite(half) and half > 0.0 else None
        self._offs: list[tuple[float, float]] = []  # off the level at the start, and off what was expected of the point
        self._reasons: Counter[str] = Counter()

    def count(self, verdict: Verdict) -> None:
        """Take the reason of an anomalous point of the episode."""
        self._reasons[_kind(verdict)] += 1

    def follow(self, verdicts: Verdicts, end: int) -> None:
        """Take the points of a block up to a stream index, those that were taken before and too many left out."""
        if self._half is None or self._base is None or len(self._offs) >= MOST_POINTS or end < self._next:
            return
        first = int(verdicts["index"].searchsorted(self._next))
        last = int(verdicts["index"].searchsorted(end, "right"))
        rows = verdicts[first : min(last, first + MOST_POINTS - len(self._offs))]
        self._next = end + 1
        for value, expected in zip(rows["value"].tolist(), rows["expected"].tolist(), strict=True):
            pair = (value - self._base) / self._half, (value - expected) / self._half
            if all(map(isfinite, pair)):
                self._offs.append(pair)

    def kind(self, peak: Verdict) -> str:
        """What the episode was, in the words of REASONS; the reason of its peak where nothing else shows."""
        own = _kind(peak)
        most = max(self._reasons, key=self._reasons.__getitem__, default=own)
        if most in OBVIOUS:
            return most
        if len(self._offs) < LEAST_POINTS:
            return own
        level, alone = zip(*self._offs, strict=True)
        if own in SUDDEN:
            return _burst(alone) or _shift(level, alone) or own
        return (own in STEADY and _ramp(level, alone)) or own

    def facts(self) -> list[Any]:
        """All that is remembered, as JSON can hold it."""
        return [self._next, self._base, self._half, self._offs, dict(self._reasons)]

    @classmethod
    def of(cls, start: Verdict, facts: Any) -> Trajectory:
        """The one that had these facts; raises ValueError where they are none."""
        if not fits(facts, tuple[int, float | None, float | None, list[tuple[float, float]], dict[str, int]]):
            raise ValueError("the saved trajectory of an episode is not of this version")
        trajectory = cls(start)
        trajectory._next, trajectory._base, trajectory._half, offs, reasons = facts
        trajectory._offs, trajectory._reasons = [tuple(pair) for pair in offs], Counter(reasons)
        return trajectory


def seen_alone(verdict: Verdict) -> Verdict:
    """A point far outside its band, which is a spike or a dip even where the points before it all had one value."""
    value, lower, upper = verdict.value, verdict.lower, verdict.upper
    if _kind(verdict) not in STILL or value is None or lower is None or upper is None or lower <= value <= upper:
        return verdict
    return verdict._replace(reason=explained("spike" if value > upper else "dip", verdict))


def _kind(verdict: Verdict) -> str:
    return verdict.reason.partition(":")[0]


def _side(kind: str, rises: bool) -> str:
    return f"{kind} {'up' if rises else 'down'}"


def _burst(alone: Sequence[float]) -> str:
    """Whether the points lie far off to both sides in turn, and all of them."""
    sizes = [abs(off) for off in alone]
    turns = sum(one * other < 0 for one, other in pairwise(off for off in alone if abs(off) > FAR))
    usual = median(sizes)
    is_burst = turns >= BURST_TURNS and usual > BURST_MEDIAN and max(sizes) < BURST_RATIO * usual
    return "variance up" if is_burst else ""


def _shift(level: Sequence[float], alone: Sequence[float]) -> str:
    """Whether the points stay where the first one went, though nothing foretold the second."""
    way = 1.0 if level[0] > 0 else -1.0
    size = abs(level[0])
    offs = [way * off for off in level[:SHIFT_POINTS]]
    stays = median(offs) > SHIFT_MEDIAN * size and SHIFT_LEAST * size < min(offs[2:]) and max(offs) < SHIFT_MOST * size
    return _side("level shift", way > 0) if stays and way * alone[1] > SHIFT_SECOND * size else ""


def _ramp(level: Sequence[float], alone: Sequence[float]) -> str:
    """Whether the points rise or fall on a line, up to the jump back if there is one."""
    jumps = (i for i in range(RISE_POINTS, len(level)) if min(abs(alone[i]), abs(level[i] - level[i - 1])) > JUMP)
    end = next(jumps, len(level))
    rise = level[:end]
    if len(rise) < RISE_POINTS or len({*rise}) == 1:
        return ""
    times = range(len(rise))
    straight = abs(correlation(times, rise))
    height = linear_regression(times, rise).slope * (len(rise) - 1)
    is_broken = (
        end < len(level) and straight > BROKEN_STRAIGHT and abs(height) > BROKEN_RISE and height * alone[end] < 0
    )
    is_clear = straight > STRAIGHT and abs(height) > RISE and height * level[0] >= 0
    return _side("ramp", height > 0) if is_clear or is_broken else ""
