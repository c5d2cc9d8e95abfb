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
#: little more than chance makes of two that are alike. A point counts by how much nearer one came than the other, in
#: median residuals, up to MOST; the share remembers so many median residuals. On a plateau between two edges the median
#: is nearer at most points and tells nothing of the edges: those are what a forecast is for.
BETTER, MOST, MEMORY = 0.55, 10.0, 300.0

FIELDS = [
    ("recent", "f8", (POINTS,)),
    ("recent_at", "i8"),  # the oldest of them
    ("running_median", "f8"),
    ("median_wins", "f8"),  # share of the last points, weighed, at which it came nearer
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
    """Count which came nearer to a value, the median or another forecast, and by how much."""
    nearer = (abs(y - other) - abs(y - state.running_median)) / state.scale
    won = 1.0 if nearer > 0.0 else 0.0
    state.median_wins += min(abs(nearer), MOST) / MEMORY * (won - state.median_wins)


@compiled
def learn_median(state: Record, y: float) -> None:
    """Take a usual value in."""
    state.recent[state.recent_at] = y
    state.recent_at = (state.recent_at + 1) % POINTS
    state.running_median = ordered(state.recent)[POINTS // 2]
