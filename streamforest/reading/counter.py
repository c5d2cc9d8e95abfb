"""A total that only grows -> how fast it grows, with resets understood."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from streamforest.protocols import Points, State, streams_of
from streamforest.state import packed, unpacked

#: A total that falls below this share of what it was has begun anew; one that falls by less has gone back.
RESET = 0.5

# Readings without which nothing is taken for a counter, and those that are enough where its name does not say so.
_LEAST, _ENOUGH = 100, 300
# Shares of steps: least that go up, most that go back.
_UP, _BACK = 0.2, 0.005
_NAMES = re.compile(
    r"total|count|bytes|packets|energy|meter|odo|_sum$|sum_|kwh|z(ae|\u00e4)hler|verbrauch", re.IGNORECASE
)


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


class CounterRates:
    """Turns the readings of counters into their growth: a second where there are times, else a reading.

    The first reading of a stream gives none, which is a missing one. Behind a reset the growth is counted from zero. A
    counter that goes back by less gives the negative growth that it shows, which no counter should.
    """

    def __init__(self) -> None:
        self._last: dict[int, tuple[float, float, int]] = {}  # by stream: value, time, readings since

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
                self._last[stream] = (*before[:2], before[2] + 1)
            return np.nan
        self._last[stream] = value, time, 0
        if before is None:
            return np.nan
        last, since, missing = before
        growth = value if value < RESET * last else value - last
        span = time - since if time == time and since == since else float(missing + 1)
        if span <= 0:
            self._last[stream] = last, since, missing  # two readings at one time: the next one shows the growth
            return np.nan
        return growth / span

    def forget(self, streams: Iterable[int]) -> None:
        """Forget the totals of streams."""
        for stream in streams:
            self._last.pop(stream, None)

    def state(self) -> State:
        """A copy of all that is remembered."""
        return {"last": packed([[stream, *facts] for stream, facts in self._last.items()])}

    def restore(self, state: State) -> None:
        """Go on from a state; raises ValueError where it is none."""
        saved = unpacked(state, "last", list[tuple[int, float, float, int]])
        self._last = {stream: (value, time, missing) for stream, value, time, missing in saved}
