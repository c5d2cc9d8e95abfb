"""The newest values held against those at every lag before: shapes that were never seen, and the season."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamforest.compiled import Record, compiled

#: Points kept, and so the longest season that is found.
LONGEST_SEASON = 512
SHORTEST_SEASON = 4
#: Points that the difference at each lag is averaged over.
LAG_MEMORY = 2048
#: Lags looked at a point when the season is searched; a search is spread over the points of a round.
SEARCH_STEP = 32
#: Points beyond two seasons and a quarter that are seen before a season is believed.
SEARCH_START = 24
#: Points after which no lag has to be waited for.
FULLY_SEEN = 2 * LONGEST_SEASON + LONGEST_SEASON // 4 + SEARCH_START
#: Gain of the cycle's shape.
CYCLE_GAIN = 0.15

#: Points that a short and a long shape are made of, exponentially weighted, and the shortest lag at which a
#: shape may have a likeness: the shape itself is no likeness of its own.
SHAPE_POINTS = (3.0, 16.0)
SHORTEST_LAG = 10

INFINITY_BITS = np.float32(np.inf).view(np.int32)

FIELDS = [
    ("count", "i8"),  # readings seen since the warm-up, missing ones included
    ("season", "i8"),  # its length, 0 while none is known
    ("phase", "i8"),
    ("search", "i8"),  # next lag to look at
    ("search_most", "f8"),
    ("search_best", "f8"),
    ("search_lag", "i8"),
    ("found_lag", "i8"),
    ("found_times", "i8"),
    ("ring", "f4", (2 * LONGEST_SEASON,)),  # written twice, so that any stretch is in one piece
    ("lags", "f4", (LONGEST_SEASON,)),  # mean difference at each lag, most recent last
    ("shapes", "f4", (2, LONGEST_SEASON)),  # mean squared difference of the last few points at each lag
    ("cycle", "f4", (LONGEST_SEASON,)),  # the season's shape, mean 0
]


@compiled
def least(values: NDArray[np.float32]) -> np.float32:
    """The least of values, shape (n,), none negative or NaN; infinity where there are none.

    Such numbers are in the order of their bits read as integers, whose least is found eight at a time.
    """
    bits = values.view(np.int32)
    lowest = INFINITY_BITS
    for i in range(bits.size):
        lowest = min(lowest, bits[i])
    return np.int32(lowest).view(np.float32)


@compiled
def extremes(values: NDArray[np.float32]) -> tuple[np.float32, np.float32]:
    """The least and the greatest of values, shape (n,), none negative or NaN; infinity and 0 where there are none."""
    bits = values.view(np.int32)
    lowest, highest = INFINITY_BITS, np.int32(0)
    for i in range(bits.size):
        lowest = min(lowest, bits[i])
        highest = max(highest, bits[i])
    return np.int32(lowest).view(np.float32), np.int32(highest).view(np.float32)


@compiled
def _follow(short: NDArray[np.float32], long: NDArray[np.float32], past: NDArray[np.float32], here: np.float32) -> None:
    """Bring the squared difference at each lag of the last few and the last tens of points up to date, shapes (n,)."""
    short_gain, long_gain = np.float32(1.0 / SHAPE_POINTS[0]), np.float32(1.0 / SHAPE_POINTS[1])
    for i in range(past.size):
        off = past[i] - here
        square = off * off
        short[i] += short_gain * (square - short[i])
        long[i] += long_gain * (square - long[i])


@compiled
def hold_against_past(state: Record, y: float, clip: float, distances: NDArray[np.float64]) -> None:
    """Take a value into the ring, and find how far the last points are from their nearest likeness before.

    Parameters
    ----------
    state : record with FIELDS
    y : float
        The value, in the stream's unit.
    clip : float
        Differences above this are held to it where the season is looked for.
    distances : float64 array, shape (2,)
        Output, in the stream's unit: root of the mean squared distance of the last few and of the last tens
        of points from their nearest earlier neighbour; NaN before there is one.

    Notes
    -----
    A left discord by exponentially weighted instead of cut-out windows, which makes each lag's distance
    cost two operations a point, however long the shape. O(LONGEST_SEASON).

    References
    ----------
    Left discords: Lu, Wu, Mueen, Zuluaga and Keogh, "Matrix Profile XXIV (DAMP)", KDD 2022,
    doi 10.1145/3534678.3539271.
    """
    n = state.count
    at = n % LONGEST_SEASON
    # past[i] is the value LONGEST_SEASON - i points back
    past = state.ring[at : at + LONGEST_SEASON]
    first = max(LONGEST_SEASON - n, 0)
    here = np.float32(y)
    _learn_lags(state, past, here, first, np.float32(clip))
    # cut out, so that the loop counts from 0
    _follow(state.shapes[0][first:], state.shapes[1][first:], past[first:], here)
    for k in range(2):
        # a lag counts once it has been followed for a whole shape
        start = max(LONGEST_SEASON - n + int(SHAPE_POINTS[k]), 0)
        stop = LONGEST_SEASON - SHORTEST_LAG + 1
        distances[k] = np.sqrt(least(state.shapes[k][start:stop])) if start < stop else np.nan
    state.ring[at] = here
    state.ring[at + LONGEST_SEASON] = here


@compiled
def _learn_lags(state: Record, past: NDArray[np.float32], here: np.float32, first: int, clip: np.float32) -> None:
    lags = state.lags
    n = state.count
    if n >= LONGEST_SEASON + LAG_MEMORY:
        gain = np.float32(1.0 / LAG_MEMORY)
        for i in range(LONGEST_SEASON):
            lags[i] += gain * (min(abs(past[i] - here), clip) - lags[i])
    else:
        for i in range(first, LONGEST_SEASON):
            gain = np.float32(1.0) / np.float32(min(n - LONGEST_SEASON + i + 1, LAG_MEMORY))
            lags[i] += gain * (min(abs(past[i] - here), clip) - lags[i])


@compiled
def begin_season(state: Record) -> None:
    """Set what does not start at 0."""
    state.search = SHORTEST_SEASON
    state.search_best = np.inf


@compiled
def seasonal(state: Record) -> float:
    """What the season adds to the next value; 0 where none is known."""
    added: float = state.cycle[state.phase] if state.season else 0.0
    return added


@compiled
def learn_season(state: Record, y: float, level: float, reach: float) -> bool:
    """Take the value, held against the past before, into the cycle; go on with the search for the season.

    Returns
    -------
    bool
        Whether the season has changed: levels without the season are to be found anew.
    """
    if state.season:
        off = min(max(y - level - state.cycle[state.phase], -reach), reach)
        state.cycle[state.phase] += np.float32(CYCLE_GAIN * off)
        state.phase = (state.phase + 1) % state.season
    state.count += 1
    return _search_season(state)


@compiled
def _search_season(state: Record) -> bool:
    """Look at the next few lags; after a round, take the lag whose difference is clearly the least.

    A slow wandering stream differs the more the longer the lag, a seasonal one comes back: the difference at
    the season is clearly below the greatest at any shorter lag.
    """
    n = state.count
    lag = state.search
    most, best, best_lag = state.search_most, state.search_best, state.search_lag
    last = lag + SEARCH_STEP
    if last <= LONGEST_SEASON and n >= FULLY_SEEN:
        # nearly always none of them is better than the best: that is seen from their least and their greatest
        lowest, highest = extremes(state.lags[LONGEST_SEASON - last + 1 : LONGEST_SEASON - lag + 1])
        greatest = max(most, float(highest))
        if not lowest < 0.7 * greatest or not lowest < 0.95 * best:
            state.search, state.search_most = last, greatest
            return False
    is_over = False
    for _ in range(SEARCH_STEP):
        is_over = lag >= LONGEST_SEASON or n < 2 * lag + lag // 4 + SEARCH_START
        if is_over:
            break
        difference = float(state.lags[LONGEST_SEASON - lag])
        most = max(most, difference)
        if difference < 0.7 * most and difference < 0.95 * best:
            best, best_lag = difference, lag
        lag += 1
    state.search, state.search_most, state.search_best, state.search_lag = lag, most, best, best_lag
    return _end_round(state) if is_over else False


@compiled
def _end_round(state: Record) -> bool:
    """Take a season that was found twice and is clearly better than the one in use; drop one that is gone."""
    changed = False
    lag = _sharpest(state, state.search_lag)
    if lag == 0:
        state.found_times = 0
        if state.season and state.lags[LONGEST_SEASON - state.season] > 0.85 * state.search_most:
            state.season = 0
            changed = True
    elif abs(state.found_lag - lag) <= 1:
        state.found_times += 1
        # a lag beside the season in use is the same season measured better
        enough = 0.998 if abs(lag - state.season) <= 2 else 0.9
        here, now = state.lags[LONGEST_SEASON - lag], state.lags[LONGEST_SEASON - state.season]
        if state.found_times >= 2 and lag != state.season and (state.season == 0 or here < enough * now):
            _take_season(state, lag)
            changed = True
    else:
        state.found_times = 0
    state.found_lag = lag
    state.search = SHORTEST_SEASON
    state.search_most = 0.0
    state.search_best = np.inf
    state.search_lag = 0
    return changed


@compiled
def _sharpest(state: Record, lag: int) -> int:
    """The lag with the least difference around a lag that the search stopped at; 0 for 0."""
    best = lag
    if lag:
        for near in range(lag, min(lag + lag // 8 + 3, LONGEST_SEASON)):
            if state.lags[LONGEST_SEASON - near] < state.lags[LONGEST_SEASON - best] and state.count > 2 * near:
                best = near
    return best


@compiled
def _take_season(state: Record, period: int) -> None:
    """Start the cycle from the last two seasons in the ring (one where only one is kept), mean 0."""
    newest = (state.count - 1) % LONGEST_SEASON + LONGEST_SEASON
    cycles = 2 if 2 * period <= LONGEST_SEASON else 1
    mean = 0.0
    for i in range(period):
        total = 0.0
        for c in range(cycles):
            total += state.ring[newest - (period - 1 - i) - c * period]
        state.cycle[i] = total / cycles
        mean += total / cycles / period
    for i in range(period):
        state.cycle[i] -= np.float32(mean)
    state.season = period
    state.phase = 0
