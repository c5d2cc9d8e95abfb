"""How new a value is: its distance from all that was seen before, in the resolution that the stream's range gives."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamforest.compiled import Record, compiled

#: The signals, in this order, all in units of the stream: the value, its level over the last few points,
#: short levels against longer ones, the value against the level of tens of points, and against its time of day.
SIGNALS = ("value", "level", "shift", "trend", "residual", "phase")
N_SIGNALS = len(SIGNALS)
VALUE, LEVEL, SHIFT, TREND, RESIDUAL, PHASE = range(N_SIGNALS)
#: Centres that must cover all that a signal was: the fewer, the coarser.
CENTRES = (16, 32, 32, 32, 8, 16)
MOST_CENTRES = max(CENTRES)
#: Where the centres run out, the radius grows by at least this, and those that are as close become one.
GROWTH = 1.2
#: What the radius loses a point: a range that was left long ago is forgotten, but for the centres in it.
SHRINKING = 3e-5
#: The radius is never below this share of the stream's unit: a hair's breadth is nothing new.
FINEST_RADIUS = 0.2

INFINITY_BITS = np.float32(np.inf).view(np.int32)

FIELDS = [
    ("centres", "f4", (N_SIGNALS, MOST_CENTRES)),  # infinitely far where unused
    ("centres_used", "i8", (N_SIGNALS,)),
    ("radii", "f8", (N_SIGNALS,)),
    ("novelties", "f8", (N_SIGNALS,)),  # of the newest reading
]


@compiled
def hold_against_centres(state: Record, signals: NDArray[np.float64], nearest: NDArray[np.float64]) -> None:
    """How far each signal's nearest centre is, in units; both arrays of shape (N_SIGNALS,), infinite where none is."""
    for k in range(N_SIGNALS):
        # as rounded as the centres, or a value far out would be off its own centre for ever
        here = np.float32(signals[k])
        bits = INFINITY_BITS
        # a length that only the run knows: one known beforehand is written out, centre by centre, for good
        for i in range(max(state.centres_used[k], MOST_CENTRES)):
            # the bits of such numbers, read as integers, are in their order, and eight are compared at a time
            bits = min(bits, np.float32(abs(state.centres[k, i] - here)).view(np.int32))
        nearest[k] = np.int32(bits).view(np.float32)


@compiled
def novelty(nearest: float, radius: float) -> float:
    """How many radii a signal is beyond the nearest centre's reach; 0 where it is nothing new, or the first."""
    if nearest == np.inf:
        return 0.0
    return max(nearest / max(radius, FINEST_RADIUS) - 1.0, 0.0)


@compiled
def learn_novelty(state: Record, k: int, signal: float, nearest: float) -> None:
    """Cover a signal: a new centre where none is near, and a coarser cover where centres have run out.

    References
    ----------
    The doubling algorithm for covering a stream by k centres, with another factor and with forgetting: Charikar,
    Chekuri, Feder and Motwani, "Incremental clustering and dynamic information retrieval", SIAM J. Comput. 33
    (2004), doi 10.1137/S0097539702418498.
    """
    radius = state.radii[k] * (1.0 - SHRINKING)
    if nearest > radius:
        centres = state.centres[k]
        used = state.centres_used[k]
        while used == CENTRES[k]:
            radius, used = _coarsen(centres, used, radius)
        centres[used] = np.float32(signal)
        state.centres_used[k] = used + 1
    state.radii[k] = radius


@compiled
def _coarsen(centres: NDArray[np.float32], used: int, radius: float) -> tuple[float, int]:
    """Grow the radius until at least two centres are one; one of the two stays."""
    closest = np.inf
    for i in range(used):
        for j in range(i):
            closest = min(closest, float(abs(centres[i] - centres[j])))
    radius = max(radius * GROWTH, closest * 1.0001)
    i = 0
    while i < used:
        j = i + 1
        while j < used:
            if abs(centres[i] - centres[j]) <= radius:
                used -= 1
                centres[j] = centres[used]
                centres[used] = np.float32(np.inf)
            else:
                j += 1
        i += 1
    return radius, used
