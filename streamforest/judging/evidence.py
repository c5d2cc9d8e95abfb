"""The score of a point: what the forest, the shape and the novelty say of it, weighed in the stream's own scale."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamforest.compiled import Record, compiled
from streamforest.features.tails import gains_of, learn_tail, surprise

#: Share of the shape's strangeness, beside the forest's surprise, in what is said of the last few points.
SHAPE_SHARE = 0.5
#: The highest surprise, as the forest sees surprises, beyond which a forest is carried on; and what share of it counts.
FAR_OUT, FAR_SHARE = 1.2, 0.75
#: Share of the surprise of silence, which has no shape: readings that are missing or all the same.
STILL_SHARE = 0.75
#: Share and gain of the mean over the last points: what goes on weighs more than what flashes by.
RECENT_SHARE, RECENT_GAIN = 0.3, 0.3
#: Where the quantiles of that start, and how much slower than those of a deviation they move.
FIRST_TAIL = (0.58, 1.32, 2.0)
TAIL_FINEST, TAIL_MEMORY, TAIL_PRIOR = 0.01, 10.0, 100.0
#: Weight of a surprise beside novelty, and where it begins to count less.
SURPRISE_WEIGHT, SURPRISE_BEND = 0.04, 4.0
#: What exceeds a usual surprise, one in six, counts as much in its mean over hundreds of points: trouble has more than
#: its worst points. Gain of the mean, and what one point counts there at most, as one in 20,000 does. On the
#: development boards VUS-PR is 0.333 and 0.762 without, 0.360 and 0.766 so; gains of 0.02 and above take from the
#: second.
LASTING_GAIN, USUAL, MOST_LASTING = 0.005, 1.5, 3.5
#: Points after which novelty counts a half: where little has been seen, new says little.
NOVELTY_POINTS = 2000.0
#: Evidence that gives a score of a half.
HALF = 0.25

#: What is remembered of a stream.
EVIDENCE_DTYPE = np.dtype(
    [
        ("points", "f8"),
        ("recent", "f8"),
        ("lasting", "f8"),  # mean of what exceeded a usual surprise in the last hundreds of points
        ("tail", "f8", (3,)),
    ]
)


def new_evidence(n: int = 1) -> NDArray[np.void]:
    """Fresh states of EVIDENCE_DTYPE for n streams, shape (n,)."""
    states = np.zeros(n, dtype=EVIDENCE_DTYPE)
    states["tail"] = FIRST_TAIL
    return states


@compiled
def carry_on(isolation: float, highest: float) -> float:
    """What the forest says of a point, carried on by the highest surprise, both at least 0.

    A forest sees no farther than its training: beyond the last cut all points fall into the same leaves, at 20
    standard deviations as at 2,000.
    """
    carried: float = (isolation + 3.0) * np.exp(FAR_SHARE * max(highest - FAR_OUT, 0.0)) - 3.0
    return carried


@compiled
def weigh(
    state: Record, isolation: float, strangeness: float, stillness: float, novelties: NDArray[np.float64]
) -> float:
    """Score of a point, in [0, 1), higher = more anomalous; learns how the stream's evidence usually is.

    Parameters
    ----------
    state : record of EVIDENCE_DTYPE
    isolation : float
        ``-ln`` of the share of normal training points that the forest isolates as easily, see :func:`carry_on`.
    strangeness : float
        Of the shape of the last few points, at least 0.
    stillness : float
        Surprise of readings that are missing or all the same, as the forest sees surprises.
    novelties : float64 array, shape (n_signals,)
        How new each signal is, in radii, at least 0.

    Notes
    -----
    Surprise says how rare a point is in its stream, and is learned away where it comes often. Novelty says
    how far it is from all that the stream ever was, against the range of that: it is what makes scores comparable
    between streams, since a heavy tail has a wide range.
    What exceeded the usual in the last hundreds of points ranks a point of a time of trouble above its like on a calm
    day.
    """
    local = (1.0 - SHAPE_SHARE) * np.log1p(isolation / 3.0) + SHAPE_SHARE * max(strangeness, stillness)
    local = max(local, STILL_SHARE * stillness)
    state.recent += max(RECENT_GAIN, 1.0 / (state.points + 1.0)) * (local - state.recent)
    local = (1.0 - RECENT_SHARE) * local + RECENT_SHARE * state.recent
    surprise_now = surprise(local, state.tail)
    rarity = SURPRISE_BEND * np.log1p(surprise_now / SURPRISE_BEND)
    state.lasting += LASTING_GAIN * (min(max(rarity - USUAL, 0.0), MOST_LASTING) - state.lasting)
    learn_tail(state.tail, local, surprise_now, gains_of(state.points, TAIL_MEMORY, TAIL_PRIOR), TAIL_FINEST, 1.0)
    new = 0.0
    for k in range(novelties.size):
        if novelties[k] > 0.0:  # it seldom is
            new += np.log1p(novelties[k])
    new *= state.points / (state.points + NOVELTY_POINTS) / novelties.size
    state.points += 1.0
    total = new + SURPRISE_WEIGHT * (rarity + state.lasting)
    score: float = total / (total + HALF)
    return score
