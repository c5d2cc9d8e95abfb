"""Scale-free features: how surprising and how new a value is in its stream's own past, in constant memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamforest.compiled import Record, compiled
from streamforest.features import band, correction, habits, novelty, running_median, season, week
from streamforest.features import time_of_day as clock
from streamforest.features.analogues import has_analogues
from streamforest.features.band import (
    OLD_LEVEL,
    begin_band,
    forget_sizes,
    half_width,
    hold_against_band,
    learn_band,
    look_at_band,
    scale_now,
)
from streamforest.features.correction import corrected, learn_error
from streamforest.features.habits import begin_habits, hold_against_habits, miss_readings
from streamforest.features.novelty import N_SIGNALS, hold_against_centres, learn_novelty
from streamforest.features.novelty import novelty as novelty_of
from streamforest.features.running_median import (
    begin_median,
    compare_median,
    is_median_better,
    learn_median,
    move_median,
)
from streamforest.features.season import (
    LONGEST_SEASON,
    begin_season,
    hold_against_past,
    is_same_season,
    learn_outlier,
    learn_season,
    seasonal,
    usual_point,
)
from streamforest.features.sorting import ordered
from streamforest.features.tails import FAR_WEIGHT, TAIL_START, gains_of, learn_tail, surprise
from streamforest.features.time_of_day import is_of_days, learn_clock, usual_at
from streamforest.features.week import hold_against_week, is_usual_by_clock

#: Valid readings looked at before anything is judged: they give the stream's zero and unit.
WARM_UP = 24

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
    "phase",  # the value against the same time of earlier days, or of the season
    "shape",  # the last tens of points against their nearest likeness
    "gap",  # missing readings in a row, or a late one
)
N_FEATURES = len(FEATURE_NAMES)
RESIDUAL, CHANGE, EXTREME, SHIFT, TREND, SPREAD, CALM, REPEAT, PHASE, SHAPE, GAP = range(N_FEATURES)
#: Where the first quantile of each deviation starts, and the least that it falls to.
FIRST_DEVIATIONS = (1.3, 1.8, 1.3, 1.0, 0.8, 1.2, 3.0, 1.0, 1.3, 0.8, 1.0)
FINEST = (0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.5, 0.01, 0.01, 0.5)

#: The first reading starts the forecasts where it is no farther from the median of the warm-up than so many units.
FIRST_REACH = 3.0

#: Gains of the levels that forecasts are made from: the last value, the last points, the last tens.
FORECAST_GAINS = (1.0, 0.3, 0.05)
N_LEVEL_FORECASTS = len(FORECAST_GAINS)
#: A line is the last forecast: gains of its level and of its slope.
LINE = N_LEVEL_FORECASTS
LINE_GAIN, SLOPE_GAIN = 0.3, 0.03
N_FORECASTS = N_LEVEL_FORECASTS + 1
#: Gains of the levels that shifts and trends are seen in: of about ten points, fifty, two hundred.
LEVEL_GAINS = (0.1, 0.02, 0.005)
N_LEVELS = len(LEVEL_GAINS)
#: Gains of the levels that novelty is seen in, where nothing is held back.
NOVELTY_GAINS = (0.3, 0.1, 0.05, 0.02, 0.005)
N_NOVELTY_LEVELS = len(NOVELTY_GAINS)
#: Gain of the level of the long run, season and all.
LONG_GAIN = 0.002
#: Gain of the mean residual and the mean change of the last points.
SPREAD_GAIN = 0.15

#: A value pulls at a forecast or level no harder than one so many median residuals off (2.7 standard deviations of a
#: Gaussian); at twice that it does not pull at all where influence redescends.
CLIP = 4.0
#: What is far from the forecast is usual where it is so much nearer to what the time of the week foretells.
CLOCK_NEARER = 0.25
#: Values nearer to each other than this share of the band's half width are alike.
ALIKE = 0.5
#: Gain of a forecast's mean error.
ERROR_GAIN = 0.02
#: Points that the usual distance of a shape from its nearest likeness is averaged over, how many make it known, and
#: the multiple of it that a distance is held to.
USUAL_MEMORY = 20_000.0
USUAL_START = 10.0
USUAL_REACH = 5.0
#: What the longer shape counts beside the shorter one. On the development boards VUS-PR rises with it on one (NAB:
#: 0.313 without, 0.335 so, 0.355 at 2) and falls on the other (cloud metrics: 0.766, 0.763, 0.747).
LONGER = 0.6

#: Numbers farther from the stream's zero than this many units are held to it: squares stay finite in float32.
FARTHEST = 1e15
#: A change below this share of the unit is none.
FINEST_CHANGE = 0.01

#: What is known of a reading before it is learned, by its place in ``outlook``: what it was expected to be and the
#: half width of the band, in the stream's unit; then, in units, the value against the forecast and against the
#: slow level; how strange the shape of the last few points is; how many points in a row were off the slow level, with
#: their sign; how far off it is now against the first of them; the recent share of residuals above the first quantile;
#: the season's length in points, the reading learned, 0 while none is known; how far off a value must be to be seen;
#: how far off it is in half widths of the band; and how many before it were equal to it.
N_OUTLOOK = 13
(
    EXPECTED,
    ABOVE,
    BELOW,
    OFF_FORECAST,
    OFF_LEVEL,
    STRANGENESS,
    RUN,
    GROWTH,
    UNREST,
    SEASON,
    VISIBLE,
    EXCESS,
    REPEATS,
) = range(N_OUTLOOK)
#: Gain of that share.
UNREST_GAIN = 0.05

#: Scratch arrays of one reading, so that no step has to ask for memory; the first three are what ``observe`` gives.
BUFFER_FIELDS = [
    ("surprises", "f8", (N_FEATURES,)),  # how surprising each deviation is, -ln of a share, at least 0
    ("novelties", "f8", (N_SIGNALS,)),  # how far each signal is from all it was before, in radii, at least 0
    ("outlook", "f8", (N_OUTLOOK,)),
    ("deviations", "f8", (N_FEATURES,)),  # how far the reading is off, NaN where unknown
    ("signals", "f8", (N_SIGNALS,)),  # what novelty is looked for in, NaN where unknown
    ("nearest", "f8", (N_SIGNALS,)),  # how far from each signal its nearest centre is
    ("distances", "f8", (2,)),  # of the newest shapes from their nearest likeness
    *band.BAND_FIELDS,
    ("rate", "f8"),  # of alarms, asked for
    ("habit_reason", "i8"),  # see habits.hold_against_habits
    ("habit_excess", "f8"),
]

#: What is remembered of a stream. Lengths in points; values in the stream's own unit from its own zero.
FEATURES_DTYPE = np.dtype(
    [
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
        ("slope", "f8"),
        ("errors", "f8", (N_FORECASTS,)),
        ("long_level", "f8"),
        ("levels", "f8", (N_LEVELS,)),
        ("novelty_levels", "f8", (N_NOVELTY_LEVELS,)),
        ("spread", "f8"),
        ("motion", "f8"),
        ("usual_distances", "f8", (2,)),
        ("distances", "f8", (2,)),  # how many it is made of
        ("run", "f8"),  # points in a row that are off the slow level, with their sign
        ("run_start", "f8"),  # how far the first of them was
        ("run_tail", "f8", (3,)),
        ("run_count", "f8"),
        ("unrest", "f8"),  # recent share of residuals above the first quantile
        ("tails", "f8", (N_FEATURES, 3)),
        ("tail_counts", "f8", (N_FEATURES,)),
        *running_median.FIELDS,
        *correction.FIELDS,
        *season.FIELDS,
        *band.FIELDS,
        *habits.FIELDS,
        *clock.FIELDS,
        *week.FIELDS,
        *novelty.FIELDS,
    ]
)


@compiled
def _set_unit(state: Record) -> None:
    """Zero and unit of the stream from its first readings: their median, and their median distance from it."""
    values = ordered(state.buffer)
    zero = 0.5 * values[WARM_UP // 2 - 1] + 0.5 * values[WARM_UP // 2]
    distances = ordered(np.abs(state.buffer - zero))
    unit = 1.4826 * distances[WARM_UP // 2]
    if not unit > 0.0:
        unit = distances[WARM_UP - 1] / 3.0
    if not unit > 1e-12 * abs(zero):
        # never moved: until it has, a hundredth of its level counts as much
        unit = 0.01 * abs(zero)
    state.zero = zero
    state.unit = min(unit, 1e300) if unit > 1e-300 else 1.0


@compiled
def scaled(state: Record, value: float) -> float:
    """A value in the stream's own unit from its own zero, known once the warm-up is over; NaN for NaN."""
    y: float = (value - state.zero) / state.unit
    return y if y != y else min(max(y, -FARTHEST), FARTHEST)


@compiled
def _begin(state: Record, buffers: Record) -> None:
    """Set everything that starts from the first readings, then learn them in their order."""
    _set_unit(state)
    first = min(max(scaled(state, state.buffer[0]), -FIRST_REACH), FIRST_REACH)
    state.last = first
    state.forecasts[:] = first
    state.errors[:] = 1.0
    begin_median(state, first)
    state.last_usual = first
    state.levels[:] = 0.0
    state.long_level = 0.0
    state.spread = state.motion = 0.8
    for f in range(N_FEATURES):
        for k in range(3):
            state.tails[f, k] = FIRST_DEVIATIONS[f] * TAIL_START[k]
    for k in range(3):
        state.run_tail[k] = FIRST_DEVIATIONS[EXTREME] * TAIL_START[k]
    begin_season(state)
    begin_band(state)
    buffers.rate = 0.001
    for i in range(WARM_UP):
        y = scaled(state, state.buffer[i])
        forecast = _corrected(state)
        hold_against_band(state, y, forecast, buffers)
        y = buffers.bounded
        _deviate(state, y, forecast, 0.0, np.nan, buffers)
        _signal(state, y, np.nan, buffers)
        # the readings' times were not kept
        _learn(state, y, np.nan, buffers)
    begin_habits(state, scaled(state, state.buffer[WARM_UP - 1]))


@compiled
def _level(state: Record) -> float:
    """The best of the levels as a forecast of the next value without the season."""
    best = 0
    for k in range(1, N_FORECASTS):
        if state.errors[k] < state.errors[best]:
            best = k
    level: float = state.forecasts[best]
    return level


@compiled
def _forecast(state: Record) -> float:
    """The best level plus the season or, where that is led astray, the median of the last values."""
    if is_median_better(state):
        return float(state.running_median)
    return _level(state) + seasonal(state)


@compiled
def _corrected(state: Record) -> float:
    """The same, with what it is expected to err by where a season is known."""
    forecast = _forecast(state)
    return (
        corrected(state, forecast, float(usual_point(state, state.season)), scale_now(state))
        if state.season
        else forecast
    )


@compiled
def _usual(state: Record, time: float) -> float:
    """What the value was at this time of earlier days, else at this point of the season; NaN where unknown.

    The clock says nothing where the season is neither a part of a day nor some days.
    """
    usual: float = usual_at(state, time)
    if state.season and (usual != usual or not is_of_days(state.season * state.interval)):
        usual = state.long_level + seasonal(state)
    return usual


@compiled
def _deviate(state: Record, y: float, forecast: float, gap: float, usual: float, buffers: Record) -> None:
    """Fill in how far a value is off, feature by feature, NaN where unknown, and how surprising that is.

    Takes the value into the ring and learns no more.
    """
    deviations = buffers.deviations
    r = y - seasonal(state)
    residual = abs(y - forecast)
    deviations[RESIDUAL] = residual
    deviations[CHANGE] = abs(r - state.forecasts[0])
    deviations[EXTREME] = abs(y - state.long_level)
    deviations[SHIFT] = abs(state.forecasts[1] + FORECAST_GAINS[1] * (r - state.forecasts[1]) - state.levels[1])
    deviations[TREND] = abs(state.levels[0] - state.levels[2])
    deviations[SPREAD] = state.spread + SPREAD_GAIN * (residual - state.spread)
    motion = state.motion + SPREAD_GAIN * (abs(y - state.last) - state.motion)
    deviations[CALM] = 1.0 / (motion + FINEST_CHANGE)
    deviations[REPEAT] = state.repeat + 1.0 if y == state.last else 0.0
    deviations[PHASE] = abs(y - usual)
    clip = 3.0 * state.tails[EXTREME, 1]
    hold_against_past(state, y, bool(buffers.is_alone), abs(y - _forecast(state)), clip, buffers.distances)
    deviations[SHAPE] = buffers.distances[1]
    deviations[GAP] = gap
    for f in range(N_FEATURES):
        buffers.surprises[f] = surprise(deviations[f], state.tails[f]) if deviations[f] == deviations[f] else 0.0


@compiled
def _novelty_level(state: Record, k: int, y: float, share: float) -> float:
    """A level with the next value, which is at least such a share of it."""
    level: float = state.novelty_levels[k] + max(NOVELTY_GAINS[k], share) * (y - state.novelty_levels[k])
    return level


@compiled
def _signal(state: Record, y: float, usual: float, buffers: Record) -> None:
    """Fill in what novelty is looked for in, NaN where unknown, and how near that comes to what it was before."""
    signals = buffers.signals
    share = 1.0 / (state.count + 1.0)
    signals[novelty.VALUE] = y
    signals[novelty.LEVEL] = _novelty_level(state, 0, y, share)
    signals[novelty.SHIFT] = signals[novelty.LEVEL] - _novelty_level(state, 3, y, share)
    signals[novelty.TREND] = _novelty_level(state, 1, y, share) - _novelty_level(state, 4, y, share)
    signals[novelty.RESIDUAL] = y - state.novelty_levels[2] if state.count else 0.0
    signals[novelty.PHASE] = y - usual
    hold_against_centres(state, signals, buffers.nearest)


@compiled
def _strangeness(state: Record, k: int, distance: float) -> float:
    """How far the newest shape is from its nearest likeness, against how far it usually is; logarithmic."""
    if distance != distance or state.distances[k] < USUAL_START or not state.usual_distances[k] > 0.0:
        return 0.0
    # where nothing but a hair ever moved, another hair is not strange
    return float(np.log1p(distance / max(state.usual_distances[k], FINEST_CHANGE)))


@compiled
def _follow_run(state: Record, off: float, residual: float) -> None:
    """Count the points in a row on one side of the slow level, and the unrest: they tell kinds of events apart."""
    if abs(off) <= state.run_tail[1]:
        state.run = 0.0
    elif off * state.run > 0.0:
        state.run += 1.0 if off > 0.0 else -1.0
    else:
        state.run = 1.0 if off > 0.0 else -1.0
        state.run_start = abs(off)
    surprise_now = surprise(abs(off), state.run_tail)
    learn_tail(state.run_tail, abs(off), surprise_now, gains_of(state.run_count, 1.0, 1.0), 0.01, FAR_WEIGHT)
    state.run_count += 1.0
    is_outside = residual > state.tails[RESIDUAL, 0]
    state.unrest += UNREST_GAIN * ((1.0 if is_outside else 0.0) - state.unrest)


@compiled
def redescending(off: float, reach: float) -> float:
    """Influence of a value that is so far off: Tukey's biweight, nothing from ``reach`` on.

    References
    ----------
    Beaton and Tukey, "The fitting of power series, meaning polynomials, illustrated on band-spectroscopic data",
    Technometrics 16 (1974), doi 10.1080/00401706.1974.10489171.
    """
    share = off / reach
    return off * (1.0 - share * share) ** 2 if abs(share) < 1.0 else 0.0


@compiled
def _held_to(off: float, reach: float) -> float:
    return min(max(off, -reach), reach)


@compiled
def _learn_distance(state: Record, k: int, distance: float) -> None:
    if distance != distance:
        return
    state.distances[k] += 1.0
    usual = state.usual_distances[k]
    if state.distances[k] > 2.0 * USUAL_START and usual > 0.0:
        distance = min(distance, USUAL_REACH * usual)
    state.usual_distances[k] += (distance - usual) / min(state.distances[k], USUAL_MEMORY)


@compiled
def _learn_forecasts(state: Record, r: float, reach: float, is_outlier: bool) -> None:
    """Bring the forecasts up to a value less its season; one far off moves the last value alone, an outlier none."""
    share = 1.0 / (float(state.count) + 2.0)
    for k in range(N_FORECASTS):
        off = r - state.forecasts[k]
        state.errors[k] += max(ERROR_GAIN, share) * (min(abs(off), reach) - state.errors[k])
        if k == 0:
            if not is_outlier:
                state.forecasts[0] += _held_to(off, reach)
            continue
        off = redescending(off, 2.0 * reach)
        if k == LINE:
            state.slope += SLOPE_GAIN * off
            state.forecasts[LINE] += max(LINE_GAIN, share) * off + state.slope
        else:
            state.forecasts[k] += max(FORECAST_GAINS[k], share) * off


@compiled
def _learn_levels(state: Record, y: float, residual: float, reach: float, buffers: Record) -> None:
    """Bring levels, spread and motion up to a value; one that stands out alone tells nothing of most of them."""
    share = 1.0 / (float(state.count) + 2.0)
    if not buffers.is_alone:
        r = y - seasonal(state)
        for k in range(N_LEVELS):
            state.levels[k] += max(LEVEL_GAINS[k], share) * _held_to(r - state.levels[k], reach)
        state.spread += SPREAD_GAIN * (min(residual, reach) - state.spread)
    for k in range(N_NOVELTY_LEVELS):
        state.novelty_levels[k] = _novelty_level(state, k, y, 1.0 / (float(state.count) + 1.0))
    state.long_level += max(LONG_GAIN, share) * _held_to(y - state.long_level, state.tails[EXTREME, 2])
    state.motion += SPREAD_GAIN * (min(abs(y - state.last), state.tails[CHANGE, 2]) - state.motion)


@compiled
def _learn_tails(state: Record, buffers: Record) -> None:
    """Let each deviation's quantiles learn it."""
    deviations = buffers.deviations
    count = -1.0
    gains = (0.0, 0.0, 0.0)
    for f in range(N_FEATURES):
        if deviations[f] == deviations[f]:
            if state.tail_counts[f] != count:  # most have learned as much as the one before
                count = state.tail_counts[f]
                gains = gains_of(count, 1.0, 1.0)
            learn_tail(state.tails[f], deviations[f], buffers.surprises[f], gains, FINEST[f], FAR_WEIGHT)
            state.tail_counts[f] += 1.0


@compiled
def _learn(state: Record, y: float, time: float, buffers: Record) -> None:
    level = _level(state)
    off = y - level - seasonal(state)
    error = y - _forecast(state)
    has_jumped = learn_band(state, y, level, buffers.rate, buffers)
    _learn_tails(state, buffers)
    for k in range(N_SIGNALS):
        if buffers.signals[k] == buffers.signals[k]:
            learn_novelty(state, k, buffers.signals[k], buffers.nearest[k])
    for k in range(2):
        _learn_distance(state, k, buffers.distances[k])
    scale = scale_now(state)
    reach = CLIP * scale
    _learn_forecasts(state, y - seasonal(state), reach, bool(buffers.is_alone))
    compare_median(state, y, y - off)
    state.last_error = 0.0
    if not buffers.is_alone:
        learn_median(state, y)
        learn_error(state, y, error, scale)
    _learn_levels(state, y, buffers.deviations[RESIDUAL], reach, buffers)
    state.repeat = buffers.deviations[REPEAT]
    state.last = y
    learn_clock(state, time, y)
    if has_jumped:
        state.forecasts[:] = state.new_level
        move_median(state, y)
        state.slope = 0.0
        state.last_usual, state.last_error = y, 0.0
    if state.old_age == OLD_LEVEL:  # after so many points a new level is the usual one
        state.levels[:] = level
    season_before = state.season
    if buffers.is_alone:
        if learn_outlier(state, off, state.far_share, buffers.reach):
            _relevel(state)
    else:
        _go_on(state, y, level, reach, buffers.reach)
    if not is_same_season(state.season, season_before):
        forget_sizes(state)


@compiled
def _go_on(state: Record, y: float, level: float, reach: float, spread_reach: float) -> None:
    if learn_season(state, y, level, reach, spread_reach):
        _relevel(state)


@compiled
def _relevel(state: Record) -> None:
    """Bring the levels over to a changed season by going once more through the kept values."""
    is_first = True
    for back in range(min(state.count, LONGEST_SEASON), 0, -1):
        r = usual_point(state, back)
        if r != r:  # an outlier
            continue
        if state.season:
            r -= state.cycle[(state.phase - back) % state.season]
        if is_first:
            is_first = False
            state.forecasts[:] = r
            state.levels[:] = r
            state.slope = 0.0
        for k in range(N_LEVEL_FORECASTS):
            state.forecasts[k] += FORECAST_GAINS[k] * (r - state.forecasts[k])
        off = r - state.forecasts[LINE]
        state.slope += SLOPE_GAIN * off
        state.forecasts[LINE] += LINE_GAIN * off + state.slope
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
def _pass_over(state: Record, readings: int, distances: NDArray[np.float64]) -> None:
    """Let time go on without a reading: the season goes on as forecast."""
    reach = state.tails[RESIDUAL, 2]
    state.last_usual, state.last_error = np.nan, 0.0
    for _ in range(min(readings, LONGEST_SEASON)):
        y = _forecast(state)
        hold_against_past(state, y, False, state.difference, 3.0 * state.tails[EXTREME, 1], distances)
        _go_on(state, y, y - seasonal(state), reach, reach)


@compiled
def observe(state: Record, value: float, time: float, rate: float, buffers: Record) -> bool:
    """Take the next reading: fill in how surprising and how new it is and what was expected, then learn it.

    Parameters
    ----------
    state : record of FEATURES_DTYPE
        What is remembered of the stream; starts as :func:`new_state`.
    value, time : float
        The reading, NaN where it is missing; seconds, NaN where unknown.
    rate : float
        Share of normal values that lie outside the band, in (0, 0.5).
    buffers : record with BUFFER_FIELDS
        Output: its surprises, novelties and outlook; for the latter see EXPECTED and what follows it.

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
                _begin(state, buffers)
        return False
    surprises, outlook = buffers.surprises, buffers.outlook
    if late >= 0.5 and state.jitter < 0.2:
        _pass_over(state, int(min(late + 0.5, 1e6)), buffers.distances)
    forecast = _corrected(state)
    gap = state.missing + late + (1.0 if is_missing else 0.0)
    surprises[:] = 0.0
    buffers.novelties[:] = 0.0
    outlook[EXPECTED] = state.zero + state.unit * forecast
    look_at_band(state, rate, forecast)
    buffers.rate = rate
    outlook[ABOVE] = state.unit * half_width(state, 0)
    outlook[BELOW] = state.unit * half_width(state, 1)
    outlook[OFF_FORECAST:] = 0.0
    miss_readings(state, gap, buffers)
    # a missing reading is not held against the band: what the buffers say of another one is not its own
    buffers.is_far = buffers.is_alone = buffers.is_outlier = buffers.is_foreseen = buffers.is_back = buffers.is_echo = 0
    surprises[GAP] = surprise(gap, state.tails[GAP])
    if is_missing:
        state.missing += 1.0
        gains = gains_of(state.tail_counts[GAP], 1.0, 1.0)
        learn_tail(state.tails[GAP], gap, surprises[GAP], gains, FINEST[GAP], FAR_WEIGHT)
        state.tail_counts[GAP] += 1.0
        _pass_over(state, 1, buffers.distances)
    else:
        state.missing = 0.0
        _take(state, scaled(state, value), forecast, time, gap, buffers)
    outlook[SEASON] = state.season
    return True


@compiled
def _take(state: Record, y: float, forecast: float, time: float, gap: float, buffers: Record) -> None:
    """The way of a reading that is there: looked at, then learned."""
    deviations, outlook, distances = buffers.deviations, buffers.outlook, buffers.distances
    usual = _usual(state, time)
    outlook[OFF_FORECAST] = y - forecast
    off = y - seasonal(state) - state.levels[2]
    outlook[OFF_LEVEL] = off
    hold_against_band(state, y, forecast, buffers)
    if buffers.is_far and is_usual_by_clock(state, y, time, CLOCK_NEARER * abs(buffers.residual)):
        buffers.is_alone = buffers.is_outlier = 0
        buffers.is_foreseen = 1
    if buffers.is_alone and has_analogues(state, y, ALIKE * min(half_width(state, 0), half_width(state, 1))):
        buffers.is_outlier = 0
        buffers.is_foreseen = 1
    hold_against_habits(state, y, buffers)
    hold_against_week(state, buffers.bounded, time, buffers)
    if abs(y - state.long_level) > state.tails[EXTREME, 2]:  # where the stream never is, or hardly ever
        y = buffers.bounded
    _deviate(state, y, forecast, gap, usual, buffers)
    _signal(state, y, usual, buffers)
    for k in range(N_SIGNALS):
        if buffers.signals[k] == buffers.signals[k]:
            new = novelty_of(buffers.nearest[k], state.radii[k])
            # what is on its way back has been reported already
            buffers.novelties[k] = new if new >= state.novelties[k] else 0.0
            state.novelties[k] = new
    outlook[STRANGENESS] = _strangeness(state, 0, distances[0]) + LONGER * _strangeness(state, 1, distances[1])
    _follow_run(state, off, deviations[RESIDUAL])
    outlook[RUN] = state.run
    outlook[GROWTH] = abs(off) / state.run_start if state.run else 0.0
    outlook[UNREST] = state.unrest
    outlook[VISIBLE] = state.visible
    outlook[EXCESS] = buffers.excess
    outlook[REPEATS] = deviations[REPEAT]
    _learn(state, y, time, buffers)


def new_state(n: int = 1) -> NDArray[np.void]:
    """Fresh states of FEATURES_DTYPE for n streams, shape (n,)."""
    states = np.zeros(n, dtype=FEATURES_DTYPE)
    states["last_time"] = np.nan
    states["slot"] = states["week_slot"] = -1
    states["week"] = states["week_spread"] = states["today"] = np.nan
    states["centres"] = np.inf
    return states
