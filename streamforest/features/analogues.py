"""Earlier moments of a stream that were like the present one, and whether they went on as it does."""

from __future__ import annotations

import numpy as np

from streamforest.compiled import Record, compiled
from streamforest.features.season import LONGEST_SEASON

#: Points before a value that an earlier moment has in common with it.
CONTEXT = 3
#: Earlier moments that went on alike, and their share of all that began alike, from which on a value is usual after
#: what came before it. On simulated streams with one anomaly in ten points hardly any has so many, of the false alarms
#: on a real device that switches between three states at no time half have.
FEWEST, LEAST_SHARE = 3, 0.1


@compiled
def has_analogues(state: Record, y: float, tolerance: float) -> bool:
    """Whether a value comes after the last few as it often did before.

    Where nothing moves, neither before nor now, the answer is no: that nothing happens has its precedents always.

    Parameters
    ----------
    state : record with season.FIELDS
        The value is not in its ring yet.
    y, tolerance : float
        The value, and how near to it another one is alike; units.

    References
    ----------
    Lorenz, "Atmospheric predictability as revealed by naturally occurring analogues", Journal of the Atmospheric
    Sciences 26 (1969).
    """
    kept = min(state.count, LONGEST_SEASON)
    if kept <= CONTEXT:
        return False
    past = np.empty(kept, dtype=np.float32)
    for i in range(kept):
        past[i] = state.ring[(state.count - kept + i) % LONGEST_SEASON]
    least = most = np.float32(y)
    for back in range(1, CONTEXT + 1):
        least, most = min(least, past[kept - back]), max(most, past[kept - back])
    if most - least <= 2.0 * tolerance:
        return False
    near, value = np.float32(tolerance), np.float32(y)
    begun = went_on = 0
    for i in range(CONTEXT, kept):
        is_alike = True
        for back in range(1, CONTEXT + 1):
            if not abs(past[i - back] - past[kept - back]) <= near:
                is_alike = False
                break
        if is_alike:
            begun += 1
            went_on += abs(past[i] - value) <= near
    return went_on >= FEWEST and went_on >= LEAST_SHARE * begun
