"""Looking again and again at fixed times, for sources that have to be asked."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator

from streamforest.protocols import Reading, Refusal, Stop


def polled(
    look: Callable[[], Reading | Refusal | None],
    interval: float,
    stop: Stop,
    *,
    clock: Callable[[], float] = time.monotonic,
    is_first_at_once: bool = True,
) -> Iterator[list[Reading | Refusal]]:
    """Yield what each look finds, until ``stop`` is requested.

    Parameters
    ----------
    look : callable
        Takes one look; returns None where there is nothing new. What it raises ends the polling.
    interval : float
        Seconds between two looks, above 0.
    stop : Stop
        Ends every wait.
    clock : callable
        Seconds that only go forward, as ``stop.wait`` counts them.
    is_first_at_once : bool
        Whether the first look is now, and not after one interval.

    Notes
    -----
    Looks are due at whole intervals from the start, so that delays do not add up. Those that were missed, as while
    the machine slept or a look took long, are left out.
    """
    start = clock()
    tick = 0 if is_first_at_once else 1
    while not stop.requested:
        wait = start + tick * interval - clock()
        if wait > 0:
            stop.wait(wait)
            continue
        item = look()
        if item is not None:
            yield [item]
        tick = max(tick + 1, math.ceil((clock() - start) / interval))
