"""Alarms a day for many streams together: which of their episodes are alarms, so that about so many a day are false."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from streamforest.compiled import Record, Records, compiled
from streamforest.judging import threshold
from streamforest.judging.rules import DAY

#: Days after which an episode, and the time that it came in, count for 1 / e in how many there are a day.
MEMORY_DAYS = 3.0
#: Half widths of the band beyond which values are counted: how many of those beyond the inner one lie beyond the outer
#: one says how heavy the stream's tail is.
INNER, OUTER = 0.5, 1.0
#: Values beyond these that a new stream is taken to have had, and how many are remembered.
INNER_PRIOR, OUTER_PRIOR, MOST_COUNTED = 10.0, 1.0, 1000.0
#: Range of the power with which a tail falls.
LEAST_POWER, MOST_POWER = 2.0, 9.0
#: Of the surprise of a score no more counts than this, and where the value says nothing: on streams with heavy tails
#: scores of 200 simulated streams without anomalies went up to a surprise of 16 in three days.
MOST_OF_SCORE, MOST_WITHOUT_VALUE = 4.0, 8.0
#: Of the evidence, so that it falls by a factor of e a unit in the tail: on the same streams.
EVIDENCE_UNIT = 0.7
#: Where the correction of the limit starts: the evidence of young streams is heavier than it is later.
FIRST_CORRECTION = 0.8
#: Readings of a stream of which none is an alarm: its band and its tail are guesses at first.
YOUNG = 100
#: Of each alarm so much is earned for further ones, and spent over so many episodes that come next.
EARNED, SPENT_OVER = 0.1, 20.0

#: What is remembered of all streams.
POOL_DTYPE = np.dtype(
    [
        ("streams", "i8"),
        ("days", "f8"),  # that have passed for a stream in the mean; old ones count less
        ("episodes", "f8"),  # in these; old ones count less
        ("earned", "f8"),  # level of the next episode beside that of the budget
        ("tail", threshold.THRESHOLD_DTYPE),  # of the evidence for an episode
    ]
)

#: What is remembered of a stream.
SHARE_DTYPE = np.dtype(
    [
        ("is_there", "i8"),  # whether it counts among the streams
        ("time", "f8"),  # of its newest reading, NaN before the first one with a time
        ("inner", "f8"),  # values beyond INNER half widths of the band
        ("outer", "f8"),  # and beyond OUTER
        ("episodes", "f8"),  # so far; old ones count less
        ("candidate", "i8"),  # the detector's number of its newest episode
        ("last", "i8"),  # index of the newest anomalous point of that
        ("evidence", "f8"),  # the strongest of its points
        ("is_open", "i8"),  # whether it goes on, as far as can be seen
        ("is_alarm", "i8"),
        ("alarms", "i8"),  # so far
    ]
)


def new_pool() -> NDArray[np.void]:
    """A fresh record of POOL_DTYPE, shape (1,)."""
    pool = np.zeros(1, POOL_DTYPE)
    pool["tail"] = threshold.new_thresholds(1)
    pool["tail"]["correction"] = FIRST_CORRECTION
    return pool


def new_shares(n: int) -> NDArray[np.void]:
    """Fresh records of SHARE_DTYPE for n streams, shape (n,)."""
    shares = np.zeros(n, SHARE_DTYPE)
    shares["time"] = np.nan
    return shares


@compiled
def _level(pool: Record, alarms_a_day: float) -> float:
    """Share of the episodes of normal streams that may be alarms: what the budget gives, and what was earned."""
    given = alarms_a_day * pool.days / pool.episodes if pool.episodes > 0.0 else 0.0
    level: float = given + pool.earned
    return level


@compiled
def _pass_time(pool: Record, share: Record, time: float) -> None:
    """Let the time pass that a stream tells; none of them moves it by more than its part."""
    if time > share.time:
        own = min((time - share.time) / DAY, 1.0)
        share.episodes *= 1.0 - own / (own + MEMORY_DAYS)
        days = own / max(pool.streams, 1)
        kept = 1.0 - days / (days + MEMORY_DAYS)
        pool.days = pool.days * kept + days
        pool.episodes *= kept
    share.time = time


@compiled
def _distance(share: Record, verdict: Record) -> float:
    """Distance of a value from what was expected, in half widths of its band; counts it. 0 where it is unknown."""
    half = verdict.upper / 2.0 - verdict.lower / 2.0
    if not (half > 0.0 and abs(verdict.value - verdict.expected) < np.inf):
        return 0.0
    distance: float = abs(verdict.value - verdict.expected) / half
    if distance > INNER:
        share.inner += 1.0
        share.outer += 1.0 if distance > OUTER else 0.0
        if share.inner > MOST_COUNTED:
            share.inner *= 0.5
            share.outer *= 0.5
    return distance


@compiled
def _evidence(share: Record, verdict: Record, distance: float, rate: float) -> float:
    """How strongly an anomalous point speaks against a normal stream.

    The value counts by the share of the stream's values that would be as far out if its tail fell with the same power
    as it does at the edge of the band; the score a little; and the more episodes the stream has, the less each says.
    """
    of_score = math.log(rate / max(verdict.p_value, 1e-300))
    if distance > 0.0:
        power = math.log((share.inner + INNER_PRIOR) / (share.outer + OUTER_PRIOR)) / math.log(OUTER / INNER)
        power = min(max(power, LEAST_POWER), MOST_POWER)
        found = min(of_score, MOST_OF_SCORE) + power * math.log(max(distance, 1.0))
    else:
        found = min(of_score, MOST_WITHOUT_VALUE)
    evidence: float = EVIDENCE_UNIT * max(found - math.log(max(share.episodes, 1.0)), 0.0)
    return evidence


@compiled
def _learn(pool: Record, share: Record, alarms_a_day: float) -> None:
    """Learn the evidence for an episode that is over, whatever became of it."""
    share.is_open = 0
    level = min(_level(pool, alarms_a_day), 0.5)
    if level > 0.0:
        limit = threshold.limit(pool.tail, level)
        threshold.learn(pool.tail, share.evidence, limit, level, share.is_alarm > 0)


@compiled
def _decide(pool: Record, share: Record, alarms_a_day: float) -> bool:
    """Whether the evidence for an episode is strong enough for the level that there is now."""
    level = _level(pool, alarms_a_day)
    if level <= 0.0:
        return False
    return bool(level >= 1.0 or share.evidence > threshold.limit(pool.tail, level))


@compiled
def _begin_episode(pool: Record, share: Record, number: int) -> None:
    share.candidate, share.is_open, share.is_alarm, share.evidence = number, 1, 0, 0.0
    pool.episodes += 1.0
    share.episodes += 1.0
    pool.earned *= 1.0 - 1.0 / SPENT_OVER


@compiled
def spend(
    pools: Records,
    shares: Records,
    alarms_a_day: float,
    rate: float,
    cool_down: int,
    verdicts: Records,
) -> None:
    """Take verdicts in their order, and let only those episodes be alarms for which the budget of all streams suffices.

    An episode is tested at each of its anomalous points until it is an alarm; the points before that are none. How much
    evidence the episodes of normal streams have is learned from the episodes themselves, as
    :mod:`streamforest.judging.threshold` learns it from scores: so p-values need not be right far out, neither those of
    scores nor those of outliers, which are anomalies whatever the alarm rate.

    The level follows LORD++ with two changes for streams that do not end. In place of an initial wealth that is spent
    once there is a steady income: that of the alarms a day, shared among the episodes that there are a day. What an
    alarm earns is spent by a geometric sequence, which one number can remember. Where all alarms are false there are
    so 1 / (1 - EARNED) times as many as were asked for.

    Parameters
    ----------
    pools : records of POOL_DTYPE, shape (1,)
    shares : records of SHARE_DTYPE
        By the number of the stream.
    alarms_a_day : float
        False ones wanted, of all streams together, above 0.
    rate : float
        The alarm rate that each stream is judged with, in (0, 0.5).
    cool_down : int
        Calm points in a row that an episode survives.
    verdicts : records of STREAM_VERDICT_DTYPE, shape (n,)
        Changed in place: episodes are numbered anew, by the alarms of their stream.

    References
    ----------
    Ramdas, Yang, Wainwright and Jordan, "Online control of the false discovery rate with decaying memory", NeurIPS
    2017, arXiv 1710.00499.
    """
    pool = pools[0]
    for i in range(verdicts.size):
        verdict = verdicts[i]
        share = shares[verdict.stream]
        if verdict.index == 0:
            share.time, share.is_open, share.candidate, share.alarms = np.nan, 0, 0, 0
            share.inner = share.outer = share.episodes = 0.0
            pool.streams += 1 - share.is_there
            share.is_there = 1
        if verdict.time == verdict.time:
            _pass_time(pool, share, verdict.time)
        distance = _distance(share, verdict)
        if share.is_open and verdict.index - share.last > cool_down + 1:
            _learn(pool, share, alarms_a_day)
        if not verdict.is_anomaly:
            continue
        if verdict.index < YOUNG and verdict.time == verdict.time:
            verdict.is_anomaly = False
            verdict.episode = verdict.reason = 0
            continue
        if verdict.episode != share.candidate:
            if share.is_open:
                _learn(pool, share, alarms_a_day)
            _begin_episode(pool, share, verdict.episode)
        share.last = verdict.index
        share.evidence = max(share.evidence, _evidence(share, verdict, distance, rate))
        if not share.is_alarm and (verdict.time != verdict.time or _decide(pool, share, alarms_a_day)):
            share.is_alarm = 1
            share.alarms += 1
            pool.earned += EARNED / SPENT_OVER
        if share.is_alarm:
            verdict.episode = share.alarms
        else:
            verdict.is_anomaly = False
            verdict.episode = verdict.reason = 0
