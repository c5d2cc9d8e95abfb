"""Names of streams: which number a key stands for, where a source holds many streams, and each one's newest time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from streamforest.clocks import CLOCK_DTYPE, Clocks
from streamforest.protocols import State
from streamforest.state import copied, packed, saved_array, unpacked
from streamforest.text import escaped, is_whole

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
    clocks : Clocks
        By number: what is known of the times of the stream.
    dropped : int
        Streams that were dropped so far.
    """

    def __init__(self, most: int = MOST_STREAMS) -> None:
        self.most = most
        self.dropped = 0
        self.clocks = Clocks(0)
        self._numbers: dict[str, int] = {}
        self._keys: list[str | None] = []  # by number
        self._free: list[int] = []
        self._packed: tuple[int, NDArray[np.uint8]] | None = None  # numbers in use so far, and keys, until one changes

    def __len__(self) -> int:
        return len(self._numbers)

    def numbers_of(self, keys: Sequence[str]) -> list[int] | None:
        """Numbers of keys, new ones where they are needed; None, and nothing is changed, where these cannot be given.

        They would be too many, or one has half a character: :func:`~streamforest.text.is_whole`.

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
        if len(numbers) + len(fresh) > self.most or not all(map(is_whole, fresh)):
            return None
        self._packed = None
        for key in fresh:
            self._add(key)
        return [numbers[key] for key in keys]

    def _add(self, key: str) -> None:
        if not self._free:
            first, n = len(self._keys), max(256, len(self._keys) // 2)
            self._keys += [None] * n
            self.clocks.extend(n)
            self._free += range(first + n - 1, first - 1, -1)
        number = self._free.pop()
        self._numbers[key], self._keys[number] = number, key

    def drop(self, numbers: Iterable[int]) -> None:
        """Forget streams that there are; their numbers may go to others.

        In which order they are given makes no difference to which number is used next.
        """
        self._packed = None
        for number in sorted(numbers):
            key, self._keys[number] = self._keys[number], None
            if key is not None:
                del self._numbers[key]
                self.clocks.forget(number)
                self._free.append(number)
                self.dropped += 1

    def state(self) -> State:
        """A copy of all that is remembered: keys and clocks by number, and which numbers are free."""
        if self._packed is None:
            n, free = len(self._keys), self._free
            # numbers that no stream had yet are the first of the free ones; a run that goes on makes them anew
            unused = next((at for at, number in enumerate(free) if number != n - 1 - at), len(free))
            self._packed = n - unused, packed([self.dropped, self._keys[: n - unused], free[unused:]])
        used, facts = self._packed
        return {"facts": facts, "clocks": copied(self.clocks.records[:used])}

    def restore(self, state: State) -> None:
        """Go on from a state, in place of all that is remembered; raises ValueError where it is none."""
        dropped, keys, free = unpacked(state, "facts", tuple[int, list[str | None], list[int]])
        numbers = {key: number for number, key in enumerate(keys) if key is not None}
        is_complete = sorted([*numbers.values(), *free]) == [*range(len(keys))] and all(map(is_whole, numbers))
        if not is_complete or dropped < 0 or max(map(len, numbers), default=0) > LONGEST_KEY:
            raise ValueError("the saved keys of the streams are not of this version")
        self.clocks.restore(saved_array(state, "clocks", np.empty(len(keys), CLOCK_DTYPE)))
        self.dropped, self._keys, self._free, self._numbers, self._packed = dropped, keys, free, numbers, None

    def has(self, number: object) -> bool:
        """Whether it is the number of a stream that is there; a bool or a float is none."""
        return type(number) is int and 0 <= number < len(self._keys) and self._keys[number] is not None

    def number_of(self, key: str) -> int | None:
        """The number of the stream of a key; None where there is none, which stays so."""
        return self._numbers.get(key)

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
    return "" if key is None else escaped(key)
