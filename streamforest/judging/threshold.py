"""The moving limit of a stream's scores, which keeps the alarm rate that was asked for, and p-values."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from streamforest.compiled import Record, compiled

#: Shares of scores above each tracked quantile, and the points that each remembers and starts with.
BODY_SHARES = (0.5, 0.1, 0.02)
BODY_MEMORY = (500.0, 2000.0, 5000.0)
BODY_PRIOR = (20.0, 40.0, 80.0)
#: The surprise of normal scores at each of them, and from one to the next: the shares fall by the same factor.
BODY_SURPRISES = tuple(math.log(1.0 / share) for share in BODY_SHARES)
BODY_STEP = math.log(BODY_SHARES[0] / BODY_SHARES[1])

#: Alarms that the correction remembers; where it starts, and alarms' worth of trust in that. A new stream is
#: given the benefit of the doubt: its first points all look newer than they are.
ALARM_MEMORY, ALARM_PRIOR = 30.0, 6.0
FIRST_CORRECTION = 0.4
#: Beyond this surprise the guess overshoots by FAR_SLOPE per e-fold: training pools streams of all kinds, and the
#: farthest of their scores come from the few with the heaviest tails.
GUESSED_WELL, FAR_SLOPE = 6.9, -0.7
#: An alarm this far above the limit (in e-foldings of the tail) begins to count less, down to the least
#: weight at twice as far: it tells of an anomaly more than of a limit set too low. Where alarms are so many
#: that they are this share of the last points, they are the stream's new life, and count in full.
FULL_EXCESS = 1.0
LEAST_WEIGHT = 0.02
#: Mean weight of an alarm where the excess is exponential, as it is among normal points.
MEAN_WEIGHT = 0.9
FULL_SHARE = 0.3
#: Alarms with no more points than this between them are one event: its n-th counts by the root of 1 / n.
CLUSTER_GAP = 10
#: The limit is not below this surprise: what one in ten normal points is does not alarm, however even a stream is.
LEAST_LIMIT = 2.3
SHARE_GAIN = 0.01

#: What is remembered of a stream's scores, all in surprise: ``-ln`` of the share of normal training
#: points that score at least as much.
THRESHOLD_DTYPE = np.dtype(
    [
        ("count", "i8"),
        ("body", "f8", (3,)),
        ("correction", "f8"),
        ("alarms", "f8"),  # share of alarms among the last points
        ("cluster", "f8"),  # alarms in the last event
        ("calm", "i8"),  # points since the last alarm
        ("high", "f8"),  # scores above the last quantile in the last event
        ("low", "i8"),  # points since the last of them
    ]
)


def new_thresholds(n: int = 1) -> NDArray[np.void]:
    """Fresh states of THRESHOLD_DTYPE for n streams, shape (n,): they start from the training's scores."""
    states = np.zeros(n, dtype=THRESHOLD_DTYPE)
    states["body"] = -np.log(BODY_SHARES)
    states["correction"] = FIRST_CORRECTION
    return states


@compiled
def interpolate(x: float, xs: NDArray[np.float64], ys: NDArray[np.float64]) -> float:
    """Piecewise linear through rising knots, going on with the last slope beyond them, at least ``ys[0]`` before."""
    at_least: float = ys[0]
    if x <= xs[0]:
        return at_least
    # without branches: which half it is, nobody can foretell
    low, left = 0, xs.size - 1
    while left > 1:
        half = left // 2
        low += half * (xs[low + half] <= x)
        left -= half
    y: float = ys[low] + (x - xs[low]) * (ys[low + 1] - ys[low]) / (xs[low + 1] - xs[low])
    return y


@compiled
def _slope(state: Record) -> float:
    """Surprise of the stream's scores for one e-folding of their share, in the tail."""
    slope: float = (state.body[2] - state.body[1]) / BODY_STEP
    held: float = min(max(slope, 0.7), 1.3)
    return held


@compiled
def _least_limit(rate: float) -> float:
    """Below this the limit does not fall; half way to the rate where alarms are everyday points."""
    least: float = min(LEAST_LIMIT, -0.5 * np.log(rate))
    return least


@compiled
def limit(state: Record, rate: float) -> float:
    """The surprise above which a score is anomalous: known before the score.

    The tracked quantiles give a first guess, carried on beyond them along an exponential tail; the
    correction makes up for what the guess is off.
    """
    wanted = -np.log(rate)
    if wanted >= BODY_SURPRISES[2]:
        guess = state.body[2] + _slope(state) * (wanted - BODY_SURPRISES[2])
    elif wanted >= BODY_SURPRISES[1]:
        share = (wanted - BODY_SURPRISES[1]) / BODY_STEP
        guess = state.body[1] + share * (state.body[2] - state.body[1])
    else:
        share = (wanted - BODY_SURPRISES[0]) / BODY_STEP
        guess = state.body[0] + share * (state.body[1] - state.body[0])
    guess += FAR_SLOPE * max(wanted - GUESSED_WELL, 0.0)
    corrected: float = max(guess + state.correction, _least_limit(rate))
    return corrected


@compiled
def p_value(state: Record, surprise: float, limit_now: float, rate: float) -> float:
    """Share of normal points whose score is at least this surprising, in [0, 1]; ``rate`` at the limit."""
    if surprise > limit_now:
        return rate * math.exp(-(surprise - limit_now) / _slope(state))
    below_at, below = 0.0, 1.0
    for k in range(3):
        at = state.body[k]
        if BODY_SHARES[k] <= rate or at >= limit_now:
            break
        if surprise <= at:
            return _between(surprise, below_at, below, at, BODY_SHARES[k])
        below_at, below = at, BODY_SHARES[k]
    return _between(surprise, below_at, below, limit_now, rate)


@compiled
def _between(x: float, x0: float, p0: float, x1: float, p1: float) -> float:
    if x <= x0 or x1 <= x0:
        return p0
    share: float = (p1 / p0) ** ((x - x0) / (x1 - x0))
    return p0 * share


@compiled
def learn(state: Record, surprise: float, limit_now: float, rate: float, is_anomaly: bool) -> None:
    """Learn a score, whatever was said of it.

    Every quantile is moved by stochastic approximation (a score above it lifts it by a step, one below
    lowers it by the step times the share): in the long run as many scores lie above as were asked for,
    whatever the scores do. The correction does the same for the limit itself, as in adaptive conformal
    inference.

    References
    ----------
    Gibbs and Candes, "Adaptive conformal inference under distribution shift", NeurIPS 2021,
    arXiv 2106.00170, equation 2.
    """
    n = float(state.count)
    weight = 1.0
    state.calm = min(state.calm + 1, CLUSTER_GAP + 1)
    if is_anomaly:
        state.cluster = state.cluster + 1.0 if state.calm <= CLUSTER_GAP else 1.0
        state.calm = 0
        excess = (surprise - limit_now) / (_slope(state) * FULL_EXCESS)
        own_weight = min(max(2.0 - excess, LEAST_WEIGHT), 1.0)
        weight = min(max(own_weight, (state.alarms / FULL_SHARE) ** 2), 1.0)
        alarm = own_weight / math.sqrt(state.cluster)
    else:
        alarm = 0.0
    state.alarms += SHARE_GAIN * ((1.0 if is_anomaly else 0.0) - state.alarms)
    state.low = min(state.low + 1, CLUSTER_GAP + 1)
    if surprise > state.body[2]:
        state.high = state.high + 1.0 if state.low <= CLUSTER_GAP else 1.0
        state.low = 0
        weight = min(weight, max(1.0 / state.high, (state.alarms / FULL_SHARE) ** 2))
    mean_weight = MEAN_WEIGHT
    if rate > BODY_SHARES[2]:
        # alarms are everyday points then, and close together by chance
        weight = mean_weight = 1.0
        alarm = 1.0 if is_anomaly else 0.0
    for k in range(3):
        share = BODY_SHARES[k]
        gain = 1.0 / (share * min(n + BODY_PRIOR[k], BODY_MEMORY[k]))
        state.body[k] += gain * weight * ((1.0 if surprise > state.body[k] else 0.0) - share)
    state.body[1] = max(state.body[1], state.body[0])
    state.body[2] = max(state.body[2], state.body[1])
    step = _slope(state) / min(n * rate + ALARM_PRIOR, ALARM_MEMORY)
    if is_anomaly or limit_now > _least_limit(rate):
        # a limit that is held where it is must not wind up what would lower it
        state.correction += step * (alarm - mean_weight * rate)
    state.count += 1
