"""The median of the last usual values: a forecast that bears with many outliers among the points it is made of.

Levels and the season learn what is taken as usual. Where outliers once were, both are led astray, and what they
foretell makes the next ones usual too: a way back needs a forecast that learned nothing else.
"""

from __future__ import annotations

from streamforest.compiled import Record, compiled
from streamforest.features.sorting import ordered

#: Values that it is the median of: of nine, four may be anything.
POINTS = 9
#: It is the forecast where it came nearer than the best of the others at more than this share of the last points, a
#: little more than chance makes of two that are alike, and how many these points are.
BETTER = 0.55
MEMORY = 100.0
#: Nearer by less than this, in units of the stream, is not nearer: in another unit rounding might say otherwise.
NEARER = 0.001

FIELDS = [
    ("recent", "f8", (POINTS,)),
    ("recent_at", "i8"),  # the oldest of them
    ("running_median", "f8"),
    ("median_wins", "f8"),  # share of the last points at which it came nearer
]


@compiled
def move_median(state: Record, y: float) -> None:
    """Go on from a value, or a new level, as if it had been the same before."""
    for i in range(POINTS):
        state.recent[i] = y
    state.running_median = y


@compiled
def begin_median(state: Record, y: float) -> None:
    """Start from the first value."""
    move_median(state, y)
    state.median_wins = 0.5


@compiled
def is_median_better(state: Record) -> bool:
    """Whether the median of the last values is the better forecast of the next one."""
    return bool(state.median_wins > BETTER)


@compiled
def compare_median(state: Record, y: float, other: float) -> None:
    """Count which came nearer to a value: the median or another forecast."""
    won = 1.0 if abs(y - state.running_median) < abs(y - other) - NEARER else 0.0
    state.median_wins += (won - state.median_wins) / min(float(state.count) + 2.0, MEMORY)


@compiled
def learn_median(state: Record, y: float) -> None:
    """Take a usual value in."""
    state.recent[state.recent_at] = y
    state.recent_at = (state.recent_at + 1) % POINTS
    state.running_median = ordered(state.recent)[POINTS // 2]
