"""The clocks of streams: whether a time goes on, goes back, or shows that the clock was wrong before."""

from __future__ import annotations

import math
from bisect import bisect_right
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from streamforest.state import check_ranges

#: Times of a stream that are kept.
KEPT_TIMES = 32
#: Readings in a row that make a clock one that was set back.
TURNED = 20

#: What is known of the times of a stream, seconds, UTC epoch; minus infinity before its first one.
CLOCK_DTYPE = np.dtype(
    [
        ("last", "f8"),
        ("times", "f8", (KEPT_TIMES,)),  # the newest ones, a ring
        ("taken", "i8"),  # into the ring so far
        ("back", "i8"),  # readings in a row that were refused for their times, though these were in order
        ("back_time", "f8"),  # of the last of them
    ]
)


class Clocks:
    """What is known of the times of n streams, by number.

    Parameters
    ----------
    n : int
        Streams; none has a time yet.

    Attributes
    ----------
    records : array of CLOCK_DTYPE, shape (n,)
    last : float64 array, shape (n,)
        The newest time of each, seconds, UTC epoch; minus infinity before the first. A view of the records.
    """

    def __init__(self, n: int = 1) -> None:
        self._set(np.zeros(n, CLOCK_DTYPE))
        self.forget(slice(None))

    def _set(self, records: NDArray[np.void]) -> None:
        self.records = records
        # a field of a record takes four times as long to get as an element of an array
        self.last: NDArray[np.float64] = records["last"]
        self._times, self._taken = records["times"], records["taken"]
        self._back, self._back_time = records["back"], records["back_time"]

    def __len__(self) -> int:
        return len(self.records)

    def forget(self, which: int | slice) -> None:
        """Let streams have no time yet."""
        self.records[which] = np.zeros((), CLOCK_DTYPE)
        self.last[which] = self._back_time[which] = -math.inf

    def extend(self, n: int) -> None:
        """Add streams without a time yet."""
        first = len(self)
        self._set(np.append(self.records, np.zeros(n, CLOCK_DTYPE)))
        self.forget(slice(first, None))

    def restore(self, records: NDArray[np.void]) -> None:
        """Go on from saved records of CLOCK_DTYPE, shape (n,); raises ValueError where they are none."""
        check_ranges(records, {})
        self._set(records.copy())

    def follow(self, stream: int, time: float) -> bool:
        """Take a known time as the last one of a stream; False where it goes back.

        Notes
        -----
        A clock that was wrong does not make a run go blind. A time that goes back is taken all the same

        - where it goes on from an earlier one of those that are kept, and what stood between was ahead by more than
          the largest step before it. So readings with wild times cost none of those behind them;
        - where it is the 20th in a row that goes back, and these were in order among themselves: the clock was set
          back.
        """
        if time < self.last[stream] and not self._was_wrong(stream, time):
            return False
        taken = int(self._taken[stream])
        self._times[stream, taken % KEPT_TIMES] = self.last[stream] = time
        self._taken[stream] = taken + 1
        self._back[stream], self._back_time[stream] = 0, -math.inf
        return True

    def _was_wrong(self, stream: int, time: float) -> bool:
        """Whether a time that goes back shows that times before it were wrong; forgets these if so."""
        taken = int(self._taken[stream])
        kept = np.arange(max(taken - KEPT_TIMES, 0), taken) % KEPT_TIMES
        times = self._times[stream, kept].tolist()
        place = bisect_right(times, time)
        steady, ahead = times[:place], times[place:]
        if steady and ahead:
            step = max(b - a for a, b in pairwise([*steady, time]))
            if 0.0 < step < ahead[0] - steady[-1]:
                self._times[stream, : len(steady)], self._taken[stream] = steady, len(steady)
                return True
        self._back[stream] = self._back[stream] + 1 if time >= self._back_time[stream] else 1
        self._back_time[stream] = time
        if self._back[stream] < TURNED:
            return False
        self._taken[stream] = 0
        return True

    def go_on(self, stream: int, seconds: NDArray[np.float64]) -> bool:
        """Keep times of a stream, float64 array of shape (n,), finite, if none goes back; else keep none of them."""
        n = len(seconds)
        if n == 0:
            return True
        if not (seconds[0] >= self.last[stream] and (seconds[1:] >= seconds[:-1]).all()):
            return False
        newest = np.arange(max(n - KEPT_TIMES, 0), n)
        taken = int(self._taken[stream])
        self._times[stream, (taken + newest) % KEPT_TIMES] = seconds[newest]
        self.last[stream], self._taken[stream] = seconds[-1], taken + n
        self._back[stream], self._back_time[stream] = 0, -math.inf
        return True

    def go_on_all(self, streams: NDArray[np.int64], seconds: NDArray[np.float64]) -> bool:
        """Keep times of many streams if none goes back in its own; else keep none of them.

        Parameters
        ----------
        streams, seconds : int64 and float64 arrays, shape (n,)
            Finite times in the order of their readings.
        """
        n = len(seconds)
        if n == 0:
            return True
        order = np.argsort(streams, kind="stable")
        streams, seconds = streams[order], seconds[order]
        is_first = np.concatenate(([True], streams[1:] != streams[:-1]))
        before = np.concatenate(([-math.inf], seconds[:-1]))
        before[is_first] = self.last[streams[is_first]]
        if not (seconds >= before).all():
            return False
        firsts = np.flatnonzero(is_first)
        lengths = np.diff(np.append(firsts, n))
        ranks = np.arange(n) - np.repeat(firsts, lengths)
        is_kept = ranks >= np.repeat(lengths, lengths) - KEPT_TIMES
        kept = streams[is_kept]
        self._times[kept, (self._taken[kept] + ranks[is_kept]) % KEPT_TIMES] = seconds[is_kept]
        of = streams[firsts]
        self.last[of], self._back[of], self._back_time[of] = seconds[firsts + lengths - 1], 0, -math.inf
        self._taken[of] += lengths
        return True
