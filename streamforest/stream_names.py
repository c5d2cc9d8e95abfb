"""Names of streams: which number a key stands for, where a source holds many streams, and each one's newest time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from streamforest.plain import plain
from streamforest.protocols import State
from streamforest.state import packed, saved_array, unpacked

MOST_STREAMS = 1_000_000
#: Characters of the longest key: a million of them have to fit into memory.
LONGEST_KEY = 200


class StreamNames:
    """Numbers for keys, given in the order in which keys are first seen, and used again once a stream is dropped.

    One thread gives numbers, others may ask for keys.

    Parameters
    ----------
    most : int
        Streams at the same time, at least 1.

    Attributes
    ----------
    last_times : float64 array
        By number: newest time of the stream in seconds, UTC epoch; minus infinity before its first one.
    dropped : int
        Streams that were dropped so far.
    """

    def __init__(self, most: int = MOST_STREAMS) -> None:
        self.most = most
        self.dropped = 0
        self.last_times: NDArray[np.float64] = np.empty(0)
        self._numbers: dict[str, int] = {}
        self._keys: list[str | None] = []  # by number
        self._free: list[int] = []

    def __len__(self) -> int:
        return len(self._numbers)

    def numbers_of(self, keys: Sequence[str]) -> list[int] | None:
        """Numbers of keys, new ones where they are needed; None, and nothing is changed, where these would be too many.

        Parameters
        ----------
        keys : sequence of str
            Not empty, at most LONGEST_KEY characters each, without blanks around.
        """
        numbers = self._numbers
        found = [numbers.get(key, -1) for key in keys]
        if min(found, default=0) >= 0:
            return found
        fresh = dict.fromkeys(key for key, number in zip(keys, found, strict=True) if number < 0)
        if len(numbers) + len(fresh) > self.most:
            return None
        for key in fresh:
            self._add(key)
        return [numbers[key] for key in keys]

    def _add(self, key: str) -> None:
        if not self._free:
            first, n = len(self._keys), max(256, len(self._keys) // 2)
            self._keys += [None] * n
            self.last_times = np.append(self.last_times, np.full(n, -math.inf))
            self._free += range(first + n - 1, first - 1, -1)
        number = self._free.pop()
        self._numbers[key], self._keys[number] = number, key

    def drop(self, numbers: Iterable[int]) -> None:
        """Forget streams that there are; their numbers may go to others.

        In which order they are given makes no difference to which number is used next.
        """
        for number in sorted(numbers):
            key, self._keys[number] = self._keys[number], None
            if key is not None:
                del self._numbers[key]
                self.last_times[number] = -math.inf
                self._free.append(number)
                self.dropped += 1

    def state(self) -> State:
        """A copy of all that is remembered: keys and newest times by number, and which numbers are free."""
        facts = packed([self.dropped, self._keys, self._free])
        return {"facts": facts, "last_times": self.last_times.copy()}

    def restore(self, state: State) -> None:
        """Go on from a state, in place of all that is known; raises ValueError where it is none."""
        try:
            dropped, keys, free = unpacked(state, "facts")
            numbers = {str(key): number for number, key in enumerate(keys) if key is not None}
            are_whole = sorted([*numbers.values(), *free]) == [*range(len(keys))]
        except (TypeError, ValueError):
            are_whole = False
        if not are_whole:
            raise ValueError("the saved keys of the streams are not of this version")
        self.last_times = saved_array(state, "last_times", np.empty(len(keys))).copy()
        self.dropped, self._keys, self._free, self._numbers = dropped, keys, free, numbers

    def key_of(self, number: int) -> str | None:
        """The key of a stream as it came from outside; None where no stream has the number."""
        return self._keys[number] if number < len(self._keys) else None

    def shown(self, number: int) -> str:
        """The key of a stream as it may be shown to people: what does not print is escaped."""
        return shown_key(self.key_of(number))


def shown_key(key: str | None) -> str:
    r"""A key as it may be shown to people: what does not print is escaped.

    Examples
    --------
    >>> print(shown_key("pump 1"), shown_key("\x1b[31mred"))
    pump 1 \x1b[31mred
    """
    return "" if key is None else plain(key)
