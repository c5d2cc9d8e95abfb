"""Excursions that stand out of the band and come again: at a regular interval, or always of one size."""

from __future__ import annotations

import math

import numpy as np

from streamforest.compiled import Record, compiled
from streamforest.features.sorting import ordered

#: Excursions kept: their first points and sizes.
EXCURSIONS = 64
#: An excursion may come again as one of its sign that it exceeds by less than this factor.
ALIKE = 2.0
#: Intervals that are tried: those to the newest excursions alike.
INTERVALS = 12
#: An interval may vary by a point, or by one of these shares of it: a quarter of an hour of a day, and two hours.
FINE_SLACK, SLACK = 1.0 / 96.0, 1.0 / 12.0
#: How much better than chance a regular interval explains the excursions, in nats, and the share of them that it
#: explains. That chance finds such an interval among the 36 tried is 1 in 600 (exp(-10) for each).
EVIDENCE, REGULAR = 10.0, 0.6
#: What an excursion was: short and unforeseen; long, or foreseen; or the first points of a new level.
OUTLIER, USUAL, NEW_LEVEL = range(3)
#: Excursions as large as one, and larger ones, are outliers as a rule where this share of them were: of a device's
#: or a job's hardly any is, of those on the simulated streams nearly all are. Where points stand out at random with
#: share q, q^2 of the excursions have three points or more; 1.5 allows for its error.
ISOLATED, BY_CHANCE = 0.8, 1.5
#: So they are where others come at less than this share of the points; points that it remembers.
RARE, RARE_MEMORY = 0.0015, 2000.0
#: Excursions that are none of outliers count once in so many points: a burst is one event.
APART = 32
#: Excursions, all of outliers, that a side starts with.
FIRST_EXCURSIONS = 3
#: Beside so many larger excursions one below this share of them stands out to nobody; a few wild readings are too few.
LARGER, LEAST_SHARE = 16, 0.2
#: Of the newest excursions so many of one size, to within this share of it, make it a state of the stream, if such
#: points are this share of all; the second one where most of them are single points, as no state is, and come at
#: random: their gaps vary by more than this share of their mean (at random by 0.9 of it).
NEWEST, LEAST_SAME, SAME, STATE_SHARE, SINGLE_SHARE, EVEN = 16, 8, 0.15, 0.05, 0.25, 0.46

FIELDS = [
    ("excursions", "i8"),  # seen so far
    ("excursion_at", "i8", (EXCURSIONS,)),
    ("excursion_off", "f4", (EXCURSIONS,)),  # in units, with its sign
    ("ended_as", "u1", (EXCURSIONS,)),  # OUTLIER, USUAL or NEW_LEVEL
    ("excursion_points", "u1", (EXCURSIONS,)),  # how many it had, up to 255
]


@compiled
def remember_excursion(state: Record, off: float) -> None:
    """Write down the beginning of an excursion at the present point."""
    at = state.excursions % EXCURSIONS
    state.excursion_at[at] = state.count
    state.excursion_off[at] = np.float32(off)
    state.ended_as[at] = OUTLIER
    state.excursion_points[at] = 1
    state.excursions += 1


@compiled
def end_excursion(state: Record, kind: int) -> None:
    """Write down what the last excursion was."""
    if state.excursions:
        state.ended_as[(state.excursions - 1) % EXCURSIONS] = kind


@compiled
def count_points(state: Record, points: int) -> None:
    """Write down how many points the last excursion has so far."""
    state.excursion_points[(state.excursions - 1) % EXCURSIONS] = min(points, 255)


@compiled
def forget_usual(state: Record) -> None:
    """Forget the excursions that were none of outliers: one of no size is like no other."""
    for at in range(EXCURSIONS):
        if state.ended_as[at] != OUTLIER:
            state.excursion_off[at] = np.float32(0.0)


@compiled
def are_outliers(state: Record, off: float, share: float) -> bool:
    """Whether excursions as large as one that is ``off``, in units, are outliers as a rule; ``share`` stand out."""
    others, usual, recent = FIRST_EXCURSIONS, 0, 0.0
    event = state.count + APART  # beginning of the usual one that was counted last
    for back in range(1, min(state.excursions, EXCURSIONS) + 1):
        at = (state.excursions - back) % EXCURSIONS
        other, begun = float(state.excursion_off[at]), state.excursion_at[at]
        if other * off <= 0.0 or ALIKE * abs(other) < abs(off):
            continue
        if state.ended_as[at] == OUTLIER:
            others += 1
        elif event - begun >= APART:
            event = begun
            others += 1
            usual += 1
            recent += math.exp((begun - state.count) / RARE_MEMORY)
    return usual <= (1.0 - ISOLATED + BY_CHANCE * share**2) * others or recent <= RARE * RARE_MEMORY


@compiled
def largest_usual(state: Record, sign: float, share: float) -> float:
    """Size of the largest excursion of a sign that was none of an outlier and comes too often to be one; units."""
    largest = 0.0
    for at in range(min(state.excursions, EXCURSIONS)):
        off = float(state.excursion_off[at])
        if off * sign > largest and state.ended_as[at] != OUTLIER and not are_outliers(state, off, share):
            largest = off * sign
    return largest


@compiled
def least_outlier(state: Record) -> float:
    """Size below which an excursion is none of an outlier beside those that were before it, in units."""
    kept = min(state.excursions, EXCURSIONS)
    sizes = ordered(np.abs(state.excursion_off[:kept]))
    return LEAST_SHARE * float(sizes[kept - LARGER]) if kept >= LARGER else 0.0


@compiled
def _foretells(state: Record, at: int, off: float) -> bool:
    """Whether an excursion may come again as one that is ``off``: as a new level none does."""
    other = float(state.excursion_off[at])
    return other * off > 0.0 and abs(off) < ALIKE * abs(other) and state.ended_as[at] != NEW_LEVEL


@compiled
def is_usual_size(state: Record, off: float, share: float) -> bool:
    """Whether excursions of this very size are a state of the stream; ``share`` of the points stand out."""
    same = single = 0
    gaps = squares = 0.0
    last = state.count
    for back in range(1, min(state.excursions, NEWEST) + 1):
        at = (state.excursions - back) % EXCURSIONS
        if abs(abs(float(state.excursion_off[at])) - abs(off)) <= SAME * abs(off):
            same += 1
            single += state.excursion_points[at] == 1
            gap = float(last - state.excursion_at[at])
            gaps += gap
            squares += gap * gap
            last = state.excursion_at[at]
    is_even = same * squares <= (1.0 + EVEN**2) * gaps * gaps
    least = SINGLE_SHARE if 2 * single > same and not is_even else STATE_SHARE
    return state.excursions >= NEWEST and same >= LEAST_SAME and same * share > least * NEWEST


@compiled
def _explained(state: Record, off: float, alike: int, span: float, interval: int, slack: int) -> bool:
    """Whether more excursions than chance explains lie an interval apart, back from the present point."""
    kept = min(state.excursions, EXCURSIONS)
    width = 2.0 * slack + 1.0
    if width > 0.5 * interval:
        return False
    chance = min(max(1.0 - (1.0 - min(alike / span, 0.9)) ** width, 1e-3), 0.95)
    oldest = state.excursion_at[(state.excursions - kept) % EXCURSIONS]
    due = state.count - interval
    steps = hits = 0
    back = 1
    while due >= oldest - slack and steps < EXCURSIONS:
        steps += 1
        found = -1
        while back <= kept:
            at = (state.excursions - back) % EXCURSIONS
            there = state.excursion_at[at]
            if there < due - slack:
                break
            if there <= due + slack and _foretells(state, at, off):
                found = there
            back += 1
            if found >= 0:
                break
        hits += found >= 0
        due = (found if found >= 0 else due) - interval
        share = hits / steps
        if share >= REGULAR and hits >= 3 and share > chance:
            evidence = hits * math.log(share / chance)
            if hits < steps:
                evidence += (steps - hits) * math.log((1.0 - share) / (1.0 - chance))
            if evidence > EVIDENCE:
                return True
        elif steps - hits > 3:
            break
    return False


@compiled
def is_foreseen(state: Record, off: float) -> bool:
    """Whether an excursion that begins at the present point comes as others have before it.

    Parameters
    ----------
    state : record with FIELDS
    off : float
        How far the point is from what is usual, in units, with its sign.

    Notes
    -----
    Going back by an interval, each step hits an excursion alike or not; the hits are held against those that points
    strewn by chance at the same density would bring about (the logarithm of the ratio of binomial likelihoods).
    """
    kept = min(state.excursions, EXCURSIONS)
    alike = 0
    for back in range(1, kept + 1):
        alike += _foretells(state, (state.excursions - back) % EXCURSIONS, off)
    if alike < 2:
        return False
    span = float(max(state.count - state.excursion_at[(state.excursions - kept) % EXCURSIONS], 1))
    tried = 0
    for back in range(1, kept + 1):
        at = (state.excursions - back) % EXCURSIONS
        if not _foretells(state, at, off):
            continue
        interval = state.count - state.excursion_at[at]
        if interval >= 3:
            for slack in (1, 1 + int(FINE_SLACK * interval), 1 + int(SLACK * interval)):
                if _explained(state, off, alike, span, interval, slack):
                    return True
        tried += 1
        if tried == INTERVALS:
            break
    return False
