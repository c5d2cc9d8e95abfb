"""How rare a deviation is: three tracked quantiles of what was seen so far, and an exponential tail beyond."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from streamforest.compiled import compiled

#: Shares of normal deviations above each of the three tracked quantiles.
TAIL_SHARES = (0.2, 0.02, 0.002)
#: The surprise at the first and the second of them, and from each to the next: the shares fall by the same factor.
FIRST_SURPRISE, SECOND_SURPRISE = math.log(1.0 / TAIL_SHARES[0]), math.log(1.0 / TAIL_SHARES[1])
SURPRISE_STEP = math.log(TAIL_SHARES[0] / TAIL_SHARES[1])
#: Points that each quantile remembers, and points' worth of trust in the values that they start with.
TAIL_MEMORY = (250.0, 1000.0, 5000.0)
TAIL_PRIOR = (10.0, 40.0, 400.0)
#: Density of the deviations' logarithm over each quantile, were they exponential.
TAIL_DENSITIES = tuple(share * -math.log(share) for share in TAIL_SHARES)
#: Where the quantiles of a deviation start, in multiples of the first.
TAIL_START = (1.0, 2.0, 3.2)
#: A surprise above this counts as an anomaly, and is learned with FAR_WEIGHT.
FAR = 9.0
FAR_WEIGHT = 0.1
#: The way from the second quantile to the third, in ways from the first to the second: 0.7 for a Gaussian, 1
#: for an exponential tail, 2 for Student's t with 3 degrees. What seems longer is anomalies among the values.
SHORTEST_TAIL, LONGEST_TAIL = 0.3, 2.0


@compiled
def surprise(deviation: float, tail: NDArray[np.float64]) -> float:
    """``-ln`` of the share of normal deviations above this one, from three tracked quantiles.

    Between the quantiles it is linear, beyond the last it goes on with the slope before it, which is an
    exponential tail.
    """
    a: float = tail[0]
    b: float = tail[1]
    c: float = tail[2]
    if deviation <= a:
        return FIRST_SURPRISE * deviation / a
    if deviation <= b:
        return FIRST_SURPRISE + SURPRISE_STEP * (deviation - a) / (b - a)
    return SECOND_SURPRISE + SURPRISE_STEP * (deviation - b) / (c - b)


@compiled
def deviation_at(surprise_wanted: float, tail: NDArray[np.float64]) -> float:
    """The deviation that has this surprise: the inverse of :func:`surprise`."""
    a: float = tail[0]
    b: float = tail[1]
    c: float = tail[2]
    if surprise_wanted <= FIRST_SURPRISE:
        return a * surprise_wanted / FIRST_SURPRISE
    if surprise_wanted <= SECOND_SURPRISE:
        return a + (b - a) * (surprise_wanted - FIRST_SURPRISE) / SURPRISE_STEP
    return b + (c - b) * (surprise_wanted - SECOND_SURPRISE) / SURPRISE_STEP


@compiled
def gains_of(count: float, memory: float, prior: float) -> tuple[float, float, float]:
    """How far each quantile moves in its logarithm, for a tail that has learned so many deviations.

    Parameters
    ----------
    count : float
        Deviations learned before.
    memory, prior : float
        Factors of TAIL_MEMORY and TAIL_PRIOR.

    Notes
    -----
    The best gain at a share p is 1 / (n p kappa), kappa the density of the logarithm over p; for an
    exponential distribution kappa = -ln p, which serves as the guess.

    References
    ----------
    Robbins and Monro, "A stochastic approximation method", Ann. Math. Statist. 22 (1951),
    doi 10.1214/aoms/1177729586.
    """
    return (
        1.0 / (TAIL_DENSITIES[0] * min(count + prior * TAIL_PRIOR[0], memory * TAIL_MEMORY[0])),
        1.0 / (TAIL_DENSITIES[1] * min(count + prior * TAIL_PRIOR[1], memory * TAIL_MEMORY[1])),
        1.0 / (TAIL_DENSITIES[2] * min(count + prior * TAIL_PRIOR[2], memory * TAIL_MEMORY[2])),
    )


@compiled
def learn_tail(
    tail: NDArray[np.float64],
    deviation: float,
    surprise_now: float,
    gains: tuple[float, float, float],
    finest: float,
    far_weight: float,
) -> None:
    """Move each quantile by stochastic approximation in the logarithm.

    Parameters
    ----------
    tail : float64 array, shape (3,)
        The quantiles, rising; changed in place.
    deviation : float
        At least 0.
    surprise_now : float
        Its :func:`surprise`.
    gains : tuple of three float
        See :func:`gains_of`.
    finest : float
        Below this the first quantile does not fall.
    far_weight : float
        Weight of a deviation that is farther out than FAR, in the second and third quantile.
    """
    is_far = surprise_now > FAR
    for k in range(3):
        share = TAIL_SHARES[k]
        # an anomaly tells little of how far normal values go; if it comes to stay, the first quantile follows
        weight = far_weight if is_far and k > 0 else 1.0
        tail[k] *= 1.0 + gains[k] * weight * ((1.0 if deviation > tail[k] else 0.0) - share)
    tail[0] = max(tail[0], finest)
    tail[1] = max(tail[1], 1.2 * tail[0])
    reach = tail[1] - tail[0]
    tail[2] = min(max(tail[2], tail[1] + SHORTEST_TAIL * reach), tail[1] + LONGEST_TAIL * reach)
