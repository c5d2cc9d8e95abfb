"""The newest values held against those at every lag before: shapes that were never seen, and the season."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamforest.compiled import Record, compiled
from streamforest.features.recurrence import BY_CHANCE
from streamforest.features.sorting import sort

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
#: A season that differs by no more points, or no more than this share, from the one in use is the same, measured
#: better.
SAME_SEASON, SAME_SHARE = 2, 0.025
#: Where there is no season, one is taken whose mean difference is below so many of that of the forecasts without it:
#: noise alone leaves 1.4, and with far more it would tell less than they do.
USEFUL = 1.75
#: A cycle whose forecasts err by more than so many of the mean difference a season apart (noise alone makes 0.7 of it)
#: is not that of the last seasons, and is found anew. The mean error then goes on from the second number.
STALE, FRESH = 1.1, 0.7
#: Gain of the cycle's shape.
CYCLE_GAIN = 0.15
#: Gain of the mean distance from the cycle at each of its points.
SPREAD_GAIN = 0.2
#: What the median of these distances moves by at each point, and the least it falls to, in units. It starts at so many
#: median residuals: a Gaussian's mean one.
MEDIAN_GAIN, FINEST_SPREAD, GAUSSIAN_MEAN = 0.02, 0.01, 1.2
#: Points that the phase is followed by.
PHASE_MEMORY = 400.0
#: Peaks of a new cycle, so many median residuals from the medians of so many points on either side (or a quarter of
#: it), are not believed where they are this share of it, and as many more as chance makes of a share of outliers: at
#: these points both seasons that the cycle is made of had one.
PEAK, BESIDE, FEW_PEAKS = 6.0, 12, 0.05
#: Where outliers are this share of the points, one alone tells nothing of the spread at its phase: in the five seasons
#: that a spread remembers, every other phase has one by chance. On simulated streams with one point in five an anomaly,
#: 0.92 of spikes and dips are found so (0.90 without), on the named profiles 0.73 (0.63).
MANY = 0.1
#: Outliers at one phase in a row that chance brings about less often than this are a part of the season.
CHANCE = 1e-4

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
    ("ring", "f4", (LONGEST_SEASON,)),  # the newest values
    ("outliers", "u1", (LONGEST_SEASON,)),  # 1 for those of them that the season does not learn
    ("difference", "f8"),  # mean difference from the forecasts
    ("lags", "f4", (LONGEST_SEASON,)),  # mean difference at each lag, most recent last
    ("shapes", "f4", (2, LONGEST_SEASON)),  # mean squared difference of the last few points at each lag
    ("cycle", "f4", (LONGEST_SEASON,)),  # the season's shape, mean 0
    ("phase_spread", "f4", (LONGEST_SEASON,)),  # mean distance from the cycle
    ("usual_spread", "f8"),  # median of those
    ("ahead", "f8"),  # mean product of residual and slope of the cycle, and mean squared slope
    ("slopes", "f8"),
    ("phase_off", "f4", (LONGEST_SEASON,)),  # outliers at each phase: how far off all the last in a row were
    ("phase_times", "u1", (LONGEST_SEASON,)),  # and how many those are
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
def hold_against_past(
    state: Record, y: float, is_outlier: bool, residual: float, clip: float, distances: NDArray[np.float64]
) -> None:
    """Take a value into the ring, and find how far the last points are from their nearest likeness before.

    Parameters
    ----------
    state : record with FIELDS
    y : float
        The value, in the stream's unit.
    is_outlier : bool
        Whether the season is looked for without it.
    residual : float
        Distance of the value from its forecast, in the stream's unit.
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
    # lag LONGEST_SEASON - i is at i, and the first of them that has been seen at first
    first = max(LONGEST_SEASON - n, 0)
    # the ring is cut where it is written next: in two pieces lie the values in the order of the lags
    cut = LONGEST_SEASON - at
    here = np.float32(y)
    if not is_outlier:
        state.difference += (min(residual, clip) - state.difference) / min(n + 1, LAG_MEMORY)
        _learn_lags(state, first, cut, here, np.float32(clip))
    _follow(state.shapes[0][first:cut], state.shapes[1][first:cut], state.ring[at + first :], here)
    _follow(state.shapes[0][cut:], state.shapes[1][cut:], state.ring[:at], here)
    for k in range(2):
        # a lag counts once it has been followed for a whole shape
        start = max(LONGEST_SEASON - n + int(SHAPE_POINTS[k]), 0)
        stop = LONGEST_SEASON - SHORTEST_LAG + 1
        distances[k] = np.sqrt(least(state.shapes[k][start:stop])) if start < stop else np.nan
    state.ring[at] = here
    state.outliers[at] = is_outlier


@compiled
def _learn_lags(state: Record, first: int, cut: int, here: np.float32, clip: np.float32) -> None:
    """Bring the mean difference at each lag up to date, in the pieces of :func:`hold_against_past`."""
    at = LONGEST_SEASON - cut
    seen = state.count - LONGEST_SEASON + 1
    is_full = seen > LAG_MEMORY
    begin = at + first
    _learn_piece(state.lags[first:cut], state.ring[begin:], state.outliers[begin:], here, clip, seen + first, is_full)
    _learn_piece(state.lags[cut:], state.ring[:at], state.outliers[:at], here, clip, seen + cut, is_full)


@compiled
def _learn_piece(
    lags: NDArray[np.float32],
    past: NDArray[np.float32],
    outliers: NDArray[np.uint8],
    here: np.float32,
    clip: np.float32,
    seen: int,
    is_full: bool,
) -> None:
    gain = np.float32(1.0 / LAG_MEMORY)
    if is_full:
        for i in range(lags.size):
            off = min(abs(past[i] - here), clip)
            # an outlier tells nothing
            lags[i] += np.float32(0.0) if outliers[i] else gain * (off - lags[i])
    else:
        for i in range(lags.size):
            gain = np.float32(1.0) / np.float32(min(seen + i, LAG_MEMORY))
            off = min(abs(past[i] - here), clip)
            lags[i] += np.float32(0.0) if outliers[i] else gain * (off - lags[i])


@compiled
def usual_point(state: Record, back: int) -> np.float32:
    """The value so many points back, from 1 on, in units; NaN for an outlier."""
    at = (state.count - back) % LONGEST_SEASON
    return np.float32(np.nan) if state.outliers[at] else np.float32(state.ring[at])


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
def _learn_spread(state: Record, size: float, reach: float) -> None:
    k = state.phase
    state.phase_spread[k] += np.float32(SPREAD_GAIN * (min(size, reach) - state.phase_spread[k]))
    step = 1.0 + MEDIAN_GAIN if state.phase_spread[k] > state.usual_spread else 1.0 / (1.0 + MEDIAN_GAIN)
    state.usual_spread = max(step * state.usual_spread, FINEST_SPREAD)


@compiled
def _follow_phase(state: Record, off: float) -> None:
    """Move on by a point where the stream is ahead of its cycle or behind, as where the season is no whole number.

    A value that is ``off`` because the stream is ahead by d points is off by d times the slope of the cycle.
    """
    k = state.phase
    slope = 0.5 * (float(state.cycle[(k + 1) % state.season]) - float(state.cycle[(k - 1) % state.season]))
    gain = 1.0 / PHASE_MEMORY
    state.ahead += gain * (off * slope - state.ahead)
    state.slopes += gain * (slope * slope - state.slopes)
    if abs(state.ahead) > 0.5 * state.slopes:
        step = 1 if state.ahead > 0.0 else -1
        state.phase = (state.phase + step) % state.season
        state.ahead -= step * state.slopes


@compiled
def learn_season(state: Record, y: float, level: float, reach: float, spread_reach: float) -> bool:
    """Take the value, held against the past before, into the cycle; go on with the search for the season.

    Returns
    -------
    bool
        Whether the season has changed: levels without the season are to be found anew.
    """
    if state.season:
        k = state.phase
        off = y - level - state.cycle[k]
        _learn_spread(state, abs(off), spread_reach)
        state.cycle[k] += np.float32(CYCLE_GAIN * min(max(off, -reach), reach))
        state.phase_times[k] = 0
        _follow_phase(state, min(max(off, -reach), reach))
    return _end_point(state)


@compiled
def learn_outlier(state: Record, off: float, share: float, spread_reach: float) -> bool:
    """Go on by an outlier, which is ``off`` from the cycle: learned where so many have come at its phase in a row.

    Parameters
    ----------
    state : record with FIELDS
    off : float
        In units.
    share : float
        Of the points that are outliers of either sign, in [0, 1]: so many in a row as these bring about by chance at
        less than one point in 10,000 are the season's.
    """
    if state.season:
        k = state.phase
        if state.phase_times[k] or share < MANY:
            _learn_spread(state, abs(off), spread_reach)
        before = float(state.phase_off[k])
        if state.phase_times[k] and before * off > 0.0:
            state.phase_times[k] = min(state.phase_times[k] + 1, 255)
            state.phase_off[k] = np.float32(before if abs(before) < abs(off) else off)
        else:
            state.phase_times[k] = 1
            state.phase_off[k] = np.float32(off)
        chance = min(max(0.5 * share, 1e-4), 0.5)
        if state.phase_times[k] >= 2 and state.phase_times[k] * np.log(chance) < np.log(CHANCE):
            state.cycle[k] += state.phase_off[k]
            state.phase_times[k] = 0
    return _end_point(state)


@compiled
def _end_point(state: Record) -> bool:
    if state.season:
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
def is_same_season(lag: int, season: int) -> bool:
    """Whether a lag is the season, to within the error of both."""
    return bool(abs(lag - season) <= max(SAME_SEASON, int(SAME_SHARE * season)))


@compiled
def _is_multiple(lag: int, season: int) -> bool:
    """Whether a lag is some seasons long, to within the error of each."""
    times = (lag + season // 2) // max(season, 1)
    return bool(times >= 2 and abs(lag - times * season) <= SAME_SEASON * times)


@compiled
def _enough(lag: int, season: int) -> float:
    """Share of the season's difference below which a lag replaces it."""
    if abs(lag - season) <= SAME_SEASON:
        return 0.998  # the same, measured better
    if _is_multiple(lag, season):
        return 0.7  # the season comes back there too
    if _is_multiple(season, lag):
        return 1.05  # the shorter one says as much
    return 0.95 if is_same_season(lag, season) else 0.9


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
        here = state.lags[LONGEST_SEASON - lag]
        if state.season == 0:
            is_better = here < USEFUL * state.difference
        else:
            is_better = here < _enough(lag, state.season) * state.lags[LONGEST_SEASON - state.season]
        if state.found_times >= 2 and lag != state.season and is_better:
            _take_season(state, lag)
            changed = True
    else:
        state.found_times = 0
    if state.season and not changed:
        changed = _refresh_cycle(state)
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
def _middle(values: NDArray[np.float32], n: int) -> float:
    """Median of the first n values, which are sorted in place."""
    sort(values[:n])
    return 0.5 * (float(values[(n - 1) // 2]) + float(values[n // 2]))


@compiled
def _stretch_season(state: Record, period: int) -> None:
    """Keep the cycle and what is known of its points where the same season is only measured better."""
    for which in range(2):
        kept = state.cycle if which == 0 else state.phase_spread
        turned = np.empty(period, dtype=np.float32)
        for i in range(period):
            turned[i] = kept[(state.phase + min(i, state.season - 1)) % state.season]
        for i in range(period):  # one by one: numba's copy of a slice compiles all the text of its error too
            kept[i] = turned[i]
    state.season = period
    state.phase = 0
    state.phase_times[:] = 0


@compiled
def _drop_peaks(state: Record, cycle: NDArray[np.float32], period: int) -> None:
    """Take what stands out at few of the cycle's points, from those beside them, out of it: two events are no season.

    What comes again at its phase is learned by :func:`learn_outlier`; what the cycle in use has already stays.
    """
    reach = PEAK * max(float(state.scale), 0.01)
    width = min(BESIDE, period // 4)
    before, after = np.empty(width, dtype=np.float32), np.empty(width, dtype=np.float32)
    beside = np.empty(2 * width, dtype=np.float32)
    smooth = np.empty(period, dtype=np.float32)
    is_peak = np.empty(period, dtype=np.bool_)
    peaks = 0
    for i in range(period):
        for step in range(width):
            before[step] = beside[2 * step] = cycle[(i - step - 1) % period]
            after[step] = beside[2 * step + 1] = cycle[(i + step + 1) % period]
        smooth[i] = _middle(beside, 2 * width)
        # a point at an edge is like those on one of its sides
        nearest = min(abs(cycle[i] - _middle(before, width)), abs(cycle[i] - _middle(after, width)))
        is_peak[i] = min(nearest, abs(cycle[i] - smooth[i])) > reach
        peaks += is_peak[i]
    if peaks > (FEW_PEAKS + BY_CHANCE * state.far_share**2) * period:
        return
    for i in range(period):
        was_there = state.season == period and abs(cycle[i] - state.cycle[i]) <= reach
        if is_peak[i] and not was_there:
            cycle[i] = smooth[i]


@compiled
def _start_of_phase(here: NDArray[np.float32], kept: int, beside: NDArray[np.float32], near: int) -> float:
    """What a point of a new cycle is: the median of its values in earlier seasons.

    Of two that differ by more than those beside them do it is the one nearer to these: a single anomaly is no part of
    the season.

    Parameters
    ----------
    here, kept : float32 array and int
        Values at the point, and how many there are.
    beside, near : float32 array and int
        Values at the points beside it, and how many there are; sorted in place.
    """
    middle = _middle(beside, near) if near else 0.0
    if kept == 0:
        return middle
    if kept != 2 or near == 0:
        return _middle(here, kept)
    first, second = float(here[0]), float(here[1])
    off = min(abs(first - middle), abs(second - middle))
    if abs(first - second) <= 2.0 * off + beside[near - 1] - beside[0]:
        return 0.5 * (first + second)
    return first if abs(first - middle) < abs(second - middle) else second


@compiled
def _refresh_cycle(state: Record) -> bool:
    """Find the cycle anew from the last seasons where it is stale: bounded steps never bring a new edge into it.

    What is known of it stays where those have outliers alone.
    """
    apart = float(state.lags[LONGEST_SEASON - state.season])
    if not state.difference > STALE * apart:
        return False
    state.difference = FRESH * apart
    period = state.season
    here, fresh = np.empty(5, dtype=np.float32), np.empty(period, dtype=np.float32)
    off = points = 0.0
    for back in range(1, period + 1):
        k = (state.phase - back + period) % period
        kept = _earlier(state, back, period, here)
        fresh[k] = _middle(here, kept) if kept else np.nan
        if kept:
            off += fresh[k] - state.cycle[k]
            points += 1.0
    if 2.0 * points < period:
        return False
    for k in range(period):
        fresh[k] = fresh[k] - np.float32(off / points) if fresh[k] == fresh[k] else state.cycle[k]
    _drop_peaks(state, fresh, period)
    for k in range(period):  # one by one: numba's copy of a slice compiles all the text of its error too
        state.cycle[k] = fresh[k]
    _centre_cycle(state)
    return True


@compiled
def _earlier(state: Record, back: int, period: int, here: NDArray[np.float32]) -> int:
    """Fill in the values so many points back and those of the four seasons before; how many there are."""
    kept = 0
    for c in range(min(min(state.count, LONGEST_SEASON) // period, 5)):
        value = usual_point(state, back + c * period)
        if value == value:
            here[kept] = value
            kept += 1
    return kept


@compiled
def _centre_cycle(state: Record) -> None:
    mean = 0.0
    for k in range(state.season):
        mean += state.cycle[k] / state.season
    for k in range(state.season):
        state.cycle[k] -= np.float32(mean)


@compiled
def keep_points(state: Record, points: int, level: float, width: float) -> None:
    """Take the last so many points, the present one included, as usual: the level that they began has settled.

    They seemed to be outliers. One that the ring has farther than ``width`` from the level, less the season, was held
    to a bound, or is one: it is taken as being at the level.
    """
    for back in range(points):
        at = (state.count - back) % LONGEST_SEASON
        r = level + (float(state.cycle[(state.phase - back) % state.season]) if state.season else 0.0)
        state.outliers[at] = 0
        if abs(state.ring[at] - r) > width:
            state.ring[at] = np.float32(r)


@compiled
def _take_season(state: Record, period: int) -> None:
    """Start the cycle from the last seasons in the ring, mean 0."""
    if state.season and is_same_season(period, state.season):
        _stretch_season(state, period)
        return
    cycles = min(min(state.count, LONGEST_SEASON) // period, 5)
    here, beside = np.empty(5, dtype=np.float32), np.empty(20, dtype=np.float32)
    for i in range(period):
        kept = near = 0
        for c in range(cycles):
            for step in range(-2, 3):
                value = usual_point(state, (c + 1) * period - (i + step) % period)
                if value == value and step:
                    beside[near] = value
                    near += 1
                elif value == value:
                    here[kept] = value
                    kept += 1
        state.cycle[i] = _start_of_phase(here, kept, beside, near)
    _drop_peaks(state, state.cycle, period)
    state.season = period
    _centre_cycle(state)
    state.phase = 0
    state.phase_times[:] = 0
    state.phase_spread[:] = 0.0
    state.usual_spread = GAUSSIAN_MEAN * max(float(state.scale), FINEST_SPREAD)
    state.ahead = 0.0
    state.slopes = 0.0
    for i in range(period):
        state.slopes += 0.25 * (state.cycle[(i + 1) % period] - state.cycle[(i - 1) % period]) ** 2 / period
