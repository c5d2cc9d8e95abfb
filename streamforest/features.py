"""Scale-free features of a stream: how surprising a value is against the stream's own past, in constant memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamforest.compiled import Record, compiled

#: Valid readings looked at before anything is judged: they give the stream's zero and unit.
WARM_UP = 24
#: Longest season that is found, in points.
LONGEST_SEASON = 512
SHORTEST_SEASON = 4
#: Points that the difference at each lag is averaged over.
LAG_MEMORY = 2048
#: Lags looked at a point when the season is searched; a search is spread over the points of a round.
SEARCH_STEP = 32

#: The deviations that are watched; each becomes one feature, in this order.
FEATURE_NAMES = (
    "residual",  # the value against the best forecast
    "change",  # against the value before, season removed
    "extreme",  # against the level of the long run
    "shift",  # the level of the last points against that of the last hundred
    "trend",  # the level of tens of points against that of hundreds
    "spread",  # mean residual of the last points
    "calm",  # the inverse of the mean change of the last points
    "repeat",  # equal values in a row
    "gap",  # missing readings in a row, or a late one
)
N_FEATURES = len(FEATURE_NAMES)
RESIDUAL, CHANGE, EXTREME, SHIFT, TREND, SPREAD, CALM, REPEAT, GAP = range(N_FEATURES)

#: Shares of normal deviations above each of the three tracked quantiles.
TAIL_SHARES = (0.2, 0.02, 0.002)
#: Points that each quantile remembers.
TAIL_MEMORY = (250.0, 1000.0, 5000.0)
#: Points' worth of trust in the values that the quantiles start with.
TAIL_PRIOR = (10.0, 40.0, 400.0)

#: Gains of the levels that forecasts are made from: the last value, the last points, the last tens.
FORECAST_GAINS = (1.0, 0.3, 0.05)
N_FORECASTS = len(FORECAST_GAINS)
#: Gains of the levels that shifts and trends are seen in: of about ten points, fifty, two hundred.
LEVEL_GAINS = (0.1, 0.02, 0.005)
N_LEVELS = len(LEVEL_GAINS)
#: Gain of the level of the long run, season and all.
LONG_GAIN = 0.002
#: Gain of the mean residual and the mean change of the last points.
SPREAD_GAIN = 0.15

#: Numbers farther from the stream's zero than this many units are held to it: squares stay finite in float32.
FARTHEST = 1e15
#: A surprise above this is an anomaly's rather than the tail's, and weighs so much in the tail.
FAR = 9.0
FAR_WEIGHT = 0.1
#: The way from the second quantile to the third, in ways from the first to the second: 0.7 for a Gaussian, 1
#: for an exponential tail, 2 for Student's t with 3 degrees. What seems longer is anomalies among the values.
SHORTEST_TAIL, LONGEST_TAIL = 0.3, 2.0
#: A deviation below this share of the unit is none.
FINEST = 0.01

#: What is remembered of a stream. Lengths in points; values in the stream's own unit from its own zero.
FEATURES_DTYPE = np.dtype(
    [
        ("count", "i8"),  # readings seen since the warm-up, missing ones included
        ("warm", "i8"),  # valid readings seen in the warm-up
        ("buffer", "f8", (WARM_UP,)),
        ("zero", "f8"),
        ("unit", "f8"),
        ("last", "f8"),
        ("repeat", "f8"),
        ("missing", "f8"),
        ("last_time", "f8"),
        ("interval", "f8"),
        ("jitter", "f8"),
        ("forecasts", "f8", (N_FORECASTS,)),
        ("errors", "f8", (N_FORECASTS,)),
        ("long_level", "f8"),
        ("levels", "f8", (N_LEVELS,)),
        ("spread", "f8"),
        ("motion", "f8"),
        ("tails", "f8", (N_FEATURES, 3)),
        ("season", "i8"),  # its length, 0 while none is known
        ("phase", "i8"),
        ("search", "i8"),  # next lag to look at
        ("search_most", "f8"),
        ("search_best", "f8"),
        ("search_lag", "i8"),
        ("found_lag", "i8"),
        ("found_times", "i8"),
        ("ring", "f4", (2 * LONGEST_SEASON,)),  # written twice, so that any stretch is in one piece
        ("lags", "f4", (LONGEST_SEASON,)),  # mean difference at each lag, most recent first
        ("cycle", "f4", (LONGEST_SEASON,)),  # the season's shape, mean 0
    ]
)


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
        return 1.6094379124341003 * deviation / a
    if deviation <= b:
        return 1.6094379124341003 + 2.302585092994046 * (deviation - a) / (b - a)
    return 3.912023005428146 + 2.302585092994046 * (deviation - b) / (c - b)


@compiled
def deviation_at(surprise_wanted: float, tail: NDArray[np.float64]) -> float:
    """The deviation that has this surprise: the inverse of :func:`surprise`."""
    a: float = tail[0]
    b: float = tail[1]
    c: float = tail[2]
    if surprise_wanted <= 1.6094379124341003:
        return a * surprise_wanted / 1.6094379124341003
    if surprise_wanted <= 3.912023005428146:
        return a + (b - a) * (surprise_wanted - 1.6094379124341003) / 2.302585092994046
    return b + (c - b) * (surprise_wanted - 3.912023005428146) / 2.302585092994046


@compiled
def _learn_tail(tail: NDArray[np.float64], deviation: float, count: float, finest: float) -> None:
    """Move each quantile by stochastic approximation in the logarithm.

    The best gain at a share p is 1 / (n p kappa), kappa the density of the logarithm over p; for an
    exponential distribution kappa = -ln p, which serves as the guess.

    References
    ----------
    Robbins and Monro, "A stochastic approximation method", Ann. Math. Statist. 22 (1951),
    doi 10.1214/aoms/1177729586.
    """
    is_far = surprise(deviation, tail) > FAR
    for k in range(3):
        share = TAIL_SHARES[k]
        gain = 1.0 / (share * -np.log(share) * min(count + TAIL_PRIOR[k], TAIL_MEMORY[k]))
        # an anomaly tells little of how far normal values go; if it comes to stay, the first quantile follows
        weight = FAR_WEIGHT if is_far and k > 0 else 1.0
        tail[k] *= 1.0 + gain * weight * ((1.0 if deviation > tail[k] else 0.0) - share)
    tail[0] = max(tail[0], finest)
    tail[1] = max(tail[1], 1.2 * tail[0])
    reach = tail[1] - tail[0]
    tail[2] = min(max(tail[2], tail[1] + SHORTEST_TAIL * reach), tail[1] + LONGEST_TAIL * reach)


@compiled
def _set_unit(state: Record) -> None:
    """Zero and unit of the stream from its first readings: their median, and their median distance from it."""
    values = np.sort(state.buffer)
    zero = 0.5 * values[WARM_UP // 2 - 1] + 0.5 * values[WARM_UP // 2]
    distances = np.sort(np.abs(state.buffer - zero))
    unit = 1.4826 * distances[WARM_UP // 2]
    if not unit > 0.0:
        unit = distances[WARM_UP - 1] / 3.0
    if not unit > 1e-12 * abs(zero):
        # never moved: until it has, a hundredth of its level counts as much
        unit = 0.01 * abs(zero)
    state.zero = zero
    state.unit = min(unit, 1e300) if unit > 1e-300 else 1.0


@compiled
def _scaled(state: Record, value: float) -> float:
    scaled: float = (value - state.zero) / state.unit
    return min(max(scaled, -FARTHEST), FARTHEST)


@compiled
def _begin(state: Record) -> None:
    """Set everything that starts from the first readings, then learn them in their order."""
    _set_unit(state)
    first = _scaled(state, state.buffer[0])
    state.last = first
    state.forecasts[:] = first
    state.errors[:] = 1.0
    state.levels[:] = 0.0
    state.long_level = 0.0
    state.spread = state.motion = 0.8
    guesses = (1.3, 1.8, 1.3, 1.0, 0.8, 1.2, 3.0, 1.0, 1.0)
    for f in range(N_FEATURES):
        for k in range(3):
            state.tails[f, k] = guesses[f] * (1.0, 2.0, 3.2)[k]
    state.lags[:] = 0.0
    state.search = SHORTEST_SEASON
    state.search_best = np.inf
    deviations = np.empty(N_FEATURES)
    for i in range(WARM_UP):
        y = _scaled(state, state.buffer[i])
        _deviate(state, y, 0.0, deviations)
        _learn(state, y, deviations)


@compiled
def _forecast(state: Record) -> float:
    """The best of the levels as a forecast of the next value, plus the season."""
    best = 0
    for k in range(1, N_FORECASTS):
        if state.errors[k] < state.errors[best]:
            best = k
    forecast: float = state.forecasts[best] + (state.cycle[state.phase] if state.season else 0.0)
    return forecast


@compiled
def _deviate(state: Record, y: float, gap: float, deviations: NDArray[np.float64]) -> None:
    """Fill in how far a value is off, feature by feature, before it is learned."""
    season = state.cycle[state.phase] if state.season else 0.0
    r = y - season
    residual = abs(y - _forecast(state))
    deviations[RESIDUAL] = residual
    deviations[CHANGE] = abs(r - state.forecasts[0])
    deviations[EXTREME] = abs(y - state.long_level)
    deviations[SHIFT] = abs(state.forecasts[1] + FORECAST_GAINS[1] * (r - state.forecasts[1]) - state.levels[1])
    deviations[TREND] = abs(state.levels[0] - state.levels[2])
    deviations[SPREAD] = state.spread + SPREAD_GAIN * (residual - state.spread)
    motion = state.motion + SPREAD_GAIN * (abs(y - state.last) - state.motion)
    deviations[CALM] = 1.0 / (motion + FINEST)
    deviations[REPEAT] = state.repeat + 1.0 if y == state.last else 0.0
    deviations[GAP] = gap


@compiled
def _learn(state: Record, y: float, deviations: NDArray[np.float64]) -> None:
    n = float(state.count)
    for f in range(N_FEATURES):
        finest = 0.5 if f in (REPEAT, GAP) else FINEST
        _learn_tail(state.tails[f], deviations[f], n, finest)
    season = state.cycle[state.phase] if state.season else 0.0
    # a value far out pulls no harder than one at the edge of the usual
    reach = state.tails[RESIDUAL, 2]
    for k in range(N_FORECASTS):
        off = min(max(y - season - state.forecasts[k], -reach), reach)
        state.errors[k] += max(0.02, 1.0 / (n + 2.0)) * (abs(off) - state.errors[k])
        state.forecasts[k] += max(FORECAST_GAINS[k], 1.0 / (n + 2.0)) * off
    r = y - season
    for k in range(N_LEVELS):
        state.levels[k] += max(LEVEL_GAINS[k], 1.0 / (n + 2.0)) * min(max(r - state.levels[k], -reach), reach)
    far = state.tails[EXTREME, 2]
    state.long_level += max(LONG_GAIN, 1.0 / (n + 2.0)) * min(max(y - state.long_level, -far), far)
    state.spread += SPREAD_GAIN * (min(deviations[RESIDUAL], reach) - state.spread)
    state.motion += SPREAD_GAIN * (min(abs(y - state.last), state.tails[CHANGE, 2]) - state.motion)
    state.repeat = deviations[REPEAT]
    state.last = y
    _learn_season(state, y, reach)


@compiled
def _learn_season(state: Record, y: float, reach: float) -> None:
    """Take the value into the ring and the cycle, and go on with the search for the season."""
    n = state.count
    ring, lags = state.ring, state.lags
    at = n % LONGEST_SEASON
    here = np.float32(y)
    clip = np.float32(3.0 * state.tails[EXTREME, 1])
    # ring[at + i] holds the value i points after the oldest, which lags LONGEST_SEASON - i behind
    if n >= LONGEST_SEASON + LAG_MEMORY:
        gain = np.float32(1.0 / LAG_MEMORY)
        for i in range(LONGEST_SEASON):
            lags[i] += gain * (min(abs(ring[at + i] - here), clip) - lags[i])
    else:
        for i in range(max(LONGEST_SEASON - n, 0), LONGEST_SEASON):
            gain = np.float32(1.0) / np.float32(min(n - LONGEST_SEASON + i + 1, LAG_MEMORY))
            lags[i] += gain * (min(abs(ring[at + i] - here), clip) - lags[i])
    ring[at] = here
    ring[at + LONGEST_SEASON] = here
    if state.season:
        level = state.forecasts[1]
        off = min(max(y - level - state.cycle[state.phase], -reach), reach)
        state.cycle[state.phase] += np.float32(0.15 * off)
        state.phase = (state.phase + 1) % state.season
    state.count = n + 1
    _search_season(state)


@compiled
def _search_season(state: Record) -> None:
    """Look at the next few lags; after a round, take the lag whose difference is clearly the least.

    A slow wandering stream differs the more the longer the lag, a seasonal one comes back: the difference at
    the season is clearly below the greatest at any shorter lag.
    """
    n = state.count
    lag = state.search
    for _ in range(SEARCH_STEP):
        if lag >= LONGEST_SEASON or n < 2 * lag + lag // 4 + WARM_UP:
            _end_round(state)
            return
        difference = float(state.lags[LONGEST_SEASON - lag])
        state.search_most = max(state.search_most, difference)
        if difference < 0.7 * state.search_most and difference < 0.95 * state.search_best:
            state.search_best = difference
            state.search_lag = lag
        lag += 1
    state.search = lag


@compiled
def _end_round(state: Record) -> None:
    """Take a season that was found twice and is clearly better than the one in use; drop one that is gone."""
    lag = _sharpest(state, state.search_lag)
    if lag == 0:
        state.found_times = 0
        if state.season and state.lags[LONGEST_SEASON - state.season] > 0.85 * state.search_most:
            state.season = 0
            _relevel(state)
    elif abs(state.found_lag - lag) <= 1:
        state.found_times += 1
        # a lag beside the season in use is the same season measured better
        enough = 0.998 if abs(lag - state.season) <= 2 else 0.9
        here, now = state.lags[LONGEST_SEASON - lag], state.lags[LONGEST_SEASON - state.season]
        if state.found_times >= 2 and lag != state.season and (state.season == 0 or here < enough * now):
            _take_season(state, lag)
    else:
        state.found_times = 0
    state.found_lag = lag
    state.search = SHORTEST_SEASON
    state.search_most = 0.0
    state.search_best = np.inf
    state.search_lag = 0


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
    _relevel(state)


@compiled
def _relevel(state: Record) -> None:
    """Bring the levels over to a changed season by going once more through the kept values."""
    kept = min(state.count, LONGEST_SEASON)
    newest = (state.count - 1) % LONGEST_SEASON + LONGEST_SEASON
    for back in range(kept - 1, -1, -1):
        y = float(state.ring[newest - back])
        r = y
        if state.season:
            r -= state.cycle[(state.phase - 1 - back) % state.season]
        if back == kept - 1:
            state.forecasts[:] = r
            state.levels[:] = r
        for k in range(N_FORECASTS):
            state.forecasts[k] += FORECAST_GAINS[k] * (r - state.forecasts[k])
        for k in range(N_LEVELS):
            state.levels[k] += LEVEL_GAINS[k] * (r - state.levels[k])


@compiled
def _lateness(state: Record, time: float) -> float:
    """How many readings seem to be missing before this one, by the clock; and keep the usual interval."""
    if time != time:
        return 0.0
    step = time - state.last_time if state.last_time == state.last_time else 0.0
    state.last_time = time
    if not step > 0.0:
        return 0.0
    if not state.interval > 0.0:
        state.interval = step
        return 0.0
    late: float = min(max(step / state.interval - 1.0, 0.0), FARTHEST)
    held = min(step, 3.0 * state.interval)
    state.jitter += 0.05 * (abs(held - state.interval) / state.interval - state.jitter)
    state.interval += 0.05 * (held - state.interval)
    return late


@compiled
def _pass_over(state: Record, readings: int) -> None:
    """Let time go on without a reading: the season goes on as forecast."""
    reach = state.tails[RESIDUAL, 2]
    for _ in range(min(readings, LONGEST_SEASON)):
        _learn_season(state, _forecast(state), reach)


@compiled
def observe(
    state: Record,
    value: float,
    time: float,
    rate: float,
    surprises: NDArray[np.float64],
    outlook: NDArray[np.float64],
) -> bool:
    """Take the next reading: fill in its surprises and what was expected, then learn it.

    Parameters
    ----------
    state : record of FEATURES_DTYPE
        What is remembered of the stream; starts as :func:`new_state`.
    value, time : float
        The reading, NaN where it is missing; seconds, NaN where unknown.
    rate : float
        Share of normal values that lie outside the band, in (0, 0.5).
    surprises : float64 array, shape (N_FEATURES,)
        Output: how surprising each deviation is, ``-ln`` of a share, at least 0.
    outlook : float64 array, shape (4,)
        Output: expected value, half width of the band, both in the stream's unit; the residual and the
        shift of the level with their signs, for the reason.

    Returns
    -------
    bool
        Whether the outputs are known: False during the warm-up.
    """
    is_missing = value != value
    late = _lateness(state, time)
    if state.warm < WARM_UP:
        if not is_missing:
            state.buffer[state.warm] = value
            state.warm += 1
            if state.warm == WARM_UP:
                _begin(state)
        return False
    if late >= 0.5 and state.jitter < 0.2:
        _pass_over(state, int(min(late + 0.5, 1e6)))
    forecast = _forecast(state)
    y = forecast if is_missing else _scaled(state, value)
    gap = state.missing + late + (1.0 if is_missing else 0.0)
    deviations = np.empty(N_FEATURES)
    _deviate(state, y, gap, deviations)
    for f in range(N_FEATURES):
        surprises[f] = surprise(deviations[f], state.tails[f])
        if is_missing and f != GAP:
            surprises[f] = 0.0
    outlook[0] = state.zero + state.unit * forecast
    outlook[1] = state.unit * deviation_at(-np.log(rate), state.tails[RESIDUAL])
    outlook[2] = y - forecast
    outlook[3] = y - state.levels[1] - (state.cycle[state.phase] if state.season else 0.0)
    if is_missing:
        state.missing += 1.0
        _learn_tail(state.tails[GAP], gap, float(state.count), 0.5)
        _pass_over(state, 1)
    else:
        state.missing = 0.0
        _learn(state, y, deviations)
    return True


def new_state(n: int = 1) -> NDArray[np.void]:
    """Fresh states of FEATURES_DTYPE for n streams, shape (n,)."""
    states = np.zeros(n, dtype=FEATURES_DTYPE)
    states["last_time"] = np.nan
    return states
