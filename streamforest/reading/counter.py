"""A total that only grows -> how fast it grows, with resets understood."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from streamforest.protocols import POINT_DTYPE, Points, State, streams_of
from streamforest.state import packed, unpacked

#: A total that falls below this share of what it was has begun anew; one that falls by less has gone back.
RESET = 0.5

#: A step back is at least so many times the fastest growth before it, or the usual swings of a growth would hide it.
LOUD = 10.0
#: Readings that tell whether a column with the name of a counter is one, and the most that are waited for.
FIRST, MOST = 12, 48
#: Smallest steps that a total grows by from reading to reading where its growth is judged: that of a coarser one jumps
#: from one multiple of its step to the next (47 false alarms in 4,000 readings of a meter in steps of a third of its
#: growth, 0.8 where the steps are 300 times as fine).
FINE = 8.0
_MOST_PLACES = 6  # behind the decimal point

# Readings without which nothing is taken for a counter, and those that are enough where its name does not say so.
_LEAST, _ENOUGH = 100, 300
# Shares of steps: least that go up, most that go back.
_UP, _BACK = 0.2, 0.005
_NAMES = re.compile(
    r"total|count|bytes|packets|energy|meter|odo|_sum$|sum_|kwh|z(ae|\u00e4)hler|verbrauch", re.IGNORECASE
)
_WAY = r"recv|receive[ds]?|sent|transmit\w*|rx|tx|in|out|read|written"
_BYTES = r"bytes|octets|packets|pkts"
_OF_COUNTERS = re.compile(
    rf"(?:^|[\W_])total(?:$|[\W_])|counter|odometer|z(?:ae|\u00e4)hler|meter.?reading|(?:^|[\W_])(?:{_WAY})[\W_]?(?:{_BYTES})|"
    rf"(?:{_BYTES})[\W_]?(?:{_WAY})(?:$|[\W_])",
    re.IGNORECASE,
)
_OF_ENERGY = re.compile(r"energy|kwh|(?<![a-z])meter|verbrauch|consumption|_count$|_sum$", re.IGNORECASE)


def is_counter(values: Sequence[float] | NDArray[np.float64], name: str = "") -> bool:
    """Whether readings are those of a counter: many, in order, that go up by steps of different sizes and hardly back.

    Parameters
    ----------
    values : sequence of float
        The first readings; NaN for missing ones.
    name : str
        Of their column: one such as ``bytes_total`` needs fewer of them.

    Examples
    --------
    >>> is_counter([k + k % 7 / 10 for k in range(400)]), is_counter(range(400))
    (True, False)
    """
    given = np.asarray(values, dtype=np.float64)
    given = given[np.isfinite(given)]
    if len(given) < (_LEAST if _NAMES.search(name) else _ENOUGH) or given.min() < 0:
        return False
    steps = np.diff(given)
    is_reset = (steps < 0) & (given[1:] < RESET * given[:-1])
    back = np.count_nonzero((steps < 0) & ~is_reset)
    up = steps[steps > 0]
    is_rare = back <= max(1, _BACK * len(steps)) and np.count_nonzero(is_reset) <= max(1, len(steps) // 50)
    return bool(is_rare and len(up) > _UP * len(steps) and up.max() > (1 + 1e-6) * up.min())


def begins_as_counter(values: Sequence[float] | NDArray[np.float64], name: str) -> bool | None:
    """Whether the first readings of a column are those of a counter whose growth is to be judged; None: it takes more.

    Its name has to say so, and it grows from each reading to the next, by many of its smallest steps. Where the name
    may also be that of what is used from reading to reading, the total is greater than what it grows by meanwhile.

    Examples
    --------
    >>> begins_as_counter([70.0, 95.0, 110.0], "bytes_total"), begins_as_counter([70.0, 95.0, 90.0], "bytes_total")
    (None, False)
    >>> begins_as_counter([5000 + 3.7 * k + k % 3 for k in range(12)], "kWh"), begins_as_counter(range(12), "total")
    (True, False)
    """
    is_named = bool(_OF_COUNTERS.search(name))
    if not (is_named or _OF_ENERGY.search(name)):
        return False
    given = np.asarray(values[:MOST], dtype=np.float64)
    given = given[np.isfinite(given)][:FIRST]
    steps = np.diff(given)
    if (given < 0).any() or (steps <= 0).any():
        return False
    if len(given) < FIRST:
        return None if len(values) < MOST else False
    is_large = is_named or given[0] >= given[-1] - given[0]
    return bool(is_large and np.median(steps) >= FINE * _smallest_step(given))


def _smallest_step(values: NDArray[np.float64]) -> float:
    """What all differences of values are multiples of, by their decimals; 0 where they have too many to tell."""
    for places in range(_MOST_PLACES + 1):
        scaled = values * 10.0**places
        if (np.abs(scaled - np.round(scaled)) <= 1e-12 * np.abs(scaled) + 1e-9).all():
            return math.gcd(*np.diff(np.round(scaled)).astype(np.int64).tolist()) / 10.0**places
    return 0.0


class JudgedValues:
    """What is judged of readings: their values, or how fast they grow where they are those of a counter.

    If nobody says which, the first readings tell, in a pipe as in a file: those of a column with the name of a counter
    are held back until they do, and what is judged then stays.

    Parameters
    ----------
    is_counter : bool or None
        None: the first readings tell.
    name : callable
        Gives the name of the value column, once there is a reading.

    Attributes
    ----------
    is_counter : bool or None
        Whether the growth is judged; None while that cannot be told.
    """

    def __init__(self, is_counter: bool | None, name: Callable[[], str]) -> None:
        self.is_counter = is_counter
        self._name = name
        self._rates = CounterRates()
        self._held = np.empty(0, POINT_DTYPE)

    def of(self, points: Points, *, is_last: bool = False) -> Points:
        """The points that can be judged now, behind those that were held back; all of them if no more come."""
        if self.is_counter is None:
            points = np.concatenate([self._held, points])
            self.is_counter = begins_as_counter(points["value"], self._name())
            if self.is_counter is None and is_last:
                self.is_counter = False  # too few to tell
            if self.is_counter is None:
                self._held = points
                return points[:0]
            self._held = points[:0]
        return self._rates.of(points) if self.is_counter else points

    def rest(self) -> Points:
        """The points that are held back when the source has ended."""
        return self.of(self._held[:0], is_last=True) if self.is_counter is None else self._held

    def forget(self, streams: Iterable[int]) -> None:
        """Forget the totals of streams."""
        self._rates.forget(streams)

    def state(self) -> State:
        """A copy of all that is remembered; empty where values are judged."""
        if self.is_counter is False:
            return {}
        return self._rates.state() | {"held": self._held.copy(), "counter": packed(self.is_counter)}

    def restore(self, state: State) -> None:
        """Go on from a state; raises ValueError where it is none."""
        if not state:
            self.is_counter = False
            return
        held = state.get("held")
        if held is None or held.dtype != POINT_DTYPE or held.ndim != 1 or len(held) > MOST:
            raise ValueError("the saved state has no points that were held back")
        self._rates.restore(state)
        self.is_counter, self._held = unpacked(state, "counter", bool | None), held.copy()


class CounterRates:
    """Turns the readings of counters into their growth: a second where there are times, else a reading.

    The first reading of a stream gives none, which is a missing one. Behind a reset the growth is counted from zero. A
    counter that goes back by less, which none should, gives a negative growth: what it went back by, or LOUD times its
    fastest growth so far if that is more.
    """

    def __init__(self) -> None:
        # by stream: value, time, readings since, fastest growth
        self._last: dict[int, tuple[float, float, int, float]] = {}

    def of(self, points: Points) -> Points:
        """The points with their growth in place of their values, in a new array."""
        found = points.copy()
        rates = found["value"]
        rows = zip(streams_of(points).tolist(), points["time"].tolist(), points["value"].tolist(), strict=True)
        for at, (stream, time, value) in enumerate(rows):
            rates[at] = self._rate(stream, time, value)
        return found

    def _rate(self, stream: int, time: float, value: float) -> float:
        before = self._last.get(stream)
        if value != value:
            if before is not None:
                self._last[stream] = (*before[:2], before[2] + 1, before[3])
            return math.nan
        if before is None:
            self._last[stream] = value, time, 0, 0.0
            return math.nan
        last, since, missing, fastest = before
        growth = value if value < RESET * last else value - last
        span = time - since if time == time and since == since else float(missing + 1)
        if span <= 0:
            return math.nan  # two readings at one time: the next one shows the growth
        rate = growth / span
        self._last[stream] = value, time, 0, max(fastest, rate)
        return rate if rate >= 0 else min(rate, -LOUD * fastest)

    def forget(self, streams: Iterable[int]) -> None:
        """Forget the totals of streams."""
        for stream in streams:
            self._last.pop(stream, None)

    def state(self) -> State:
        """A copy of all that is remembered."""
        return {"last": packed([[stream, *facts] for stream, facts in self._last.items()])}

    def restore(self, state: State) -> None:
        """Go on from a state; raises ValueError where it is none."""
        saved = unpacked(state, "last", list[tuple[int, float, float, int, float]])
        self._last = {stream: (*facts,) for stream, *facts in saved}
