"""What comes next: the values that a stream's record expects of its next points, with bands that widen as it errs."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamforest.compiled import Records, compiled
from streamforest.features.season import LONGEST_SEASON
from streamforest.features.time_of_day import DAY, SLOTS
from streamforest.features.vector import LARGEST, look, new_buffers, tell_expected
from streamforest.features.week import BELIEVED_DAYS, WEEKDAYS, usual_week
from streamforest.protocols import VERDICT_DTYPE, Forecast

#: Steps that may be asked for at once.
MOST_STEPS = 10_000

#: Gains of the levels that a forecast is blended from, the last value and means of 3 to 1,000 points, and of a line.
GAINS = (1.0, 0.3, 0.1, 0.02, 0.005, 0.001)
LINE_GAIN = 0.02
#: Each is weighed by this power of its mean error so many steps ahead, measured in the kept points. On the development
#: boards and simulated streams 2 errs more and 16 no less.
POWER = 8
#: Points from which forecasts are tried, the newest, and the fewest that tell anything.
ORIGINS, FEWEST_ORIGINS = 256, 8
#: Earlier seasons that are averaged, and points by which their length may differ from the season that was found.
SEASONS, NEAR_SEASON = 3, 2
#: Days that a part of a day must be known from, and the share of the distance from the median that may be left where
#: the time of day is a candidate.
SLOT_DAYS, SLOT_TELLS = 3, 0.8
#: Errors below this, in units of the stream, are none.
FINEST_ERROR = 1e-12

Floats = NDArray[np.float64]


def forecast(features: NDArray[np.void], rate: float, steps: int) -> Forecast:
    """What is expected of the next points of a stream; changes nothing of what is remembered.

    The first step is the detector's own. Farther ahead, levels of different memory and a line are blended, each with
    the season, the last seasons, the time of day or none of them, and weighed by how well it would have forecast the
    kept points so far ahead. The band is that of one step at each point of the season, and grows by how much the blend
    errs more.

    Parameters
    ----------
    features : array of FEATURES_DTYPE, shape (1,)
        What is remembered of the stream.
    rate : float
        Share of normal values outside the band, in (0, 0.5).
    steps : int
        Points ahead, in [1, MOST_STEPS].

    Raises
    ------
    ValueError
        steps is outside its range or no whole number.
    """
    steps = _checked(steps)
    state = features[0]
    times = state["last_time"] + state["interval"] * np.arange(1, steps + 1)
    single = np.zeros(steps, VERDICT_DTYPE)
    single["expected"] = np.nan
    # the record's own steps, taken by a copy: they cannot differ from those of the next verdicts
    look_ahead(features.copy(), times if state["interval"] > 0.0 else np.full(steps, np.nan), rate, single)
    if not np.isfinite(single["expected"][0]):
        return Forecast(*np.full((3, steps), np.nan))
    kept = _kept(state)
    blended, growth = _blend(kept, _patterns(state, kept, times), steps)
    with np.errstate(over="ignore"):  # of values near the largest there are
        expected = state["zero"] + state["unit"] * blended
        expected[0] = single["expected"][0]
        lower = expected - growth * (single["expected"] - single["lower"])
        upper = expected + growth * (single["upper"] - single["expected"])
    lower[0], upper[0] = single["lower"][0], single["upper"][0]
    return Forecast(*(np.clip(numbers, -LARGEST, LARGEST) for numbers in (expected, lower, upper)))


def _checked(steps: int) -> int:
    try:
        wanted = operator.index(steps)
    except TypeError:
        wanted = 0
    if not 1 <= wanted <= MOST_STEPS:
        raise ValueError(f"steps is {steps!r}, allowed are whole numbers from 1 to {MOST_STEPS:,}")
    return wanted


@compiled
def look_ahead(states: Records, times: Floats, rate: float, verdicts: Records) -> None:
    """Take a state, shape (1,), through readings that are missing, and fill in what is expected of each."""
    buffers = new_buffers()[0]
    for i in range(times.size):
        look(states[0], np.nan, times[i], rate, buffers)
        if buffers.has_vector:
            tell_expected(buffers.outlook, verdicts[i])


def _kept(state: np.void) -> Floats:
    """The kept points, the newest last, in units; outliers are NaN."""
    n = int(state["count"])
    newest = (n - np.arange(min(n, LONGEST_SEASON), 0, -1)) % LONGEST_SEASON
    return np.where(state["outliers"][newest], np.nan, state["ring"][newest].astype(np.float64))


class _Pattern(NamedTuple):
    """What comes again, in units.

    Attributes
    ----------
    before : float64 array, shape (n,)
        At each kept point, NaN where it is unknown.
    ahead : float64 array, shape (steps,)
        At each of the next ones.
    period : int
        Points that ``before`` is known ahead, where it is made of the points so far back; 0 where it always is.
    """

    before: Floats
    ahead: Floats
    period: int = 0


def _patterns(state: np.void, kept: Floats, times: Floats) -> list[_Pattern]:
    """All that may come again in a stream, nothing at all among it."""
    n, steps = len(kept), len(times)
    found = [_Pattern(np.zeros(n), np.zeros(steps))]
    season, phase = int(state["season"]), int(state["phase"])
    if season:
        before = state["cycle"][(phase - np.arange(n, 0, -1)) % season].astype(np.float64)
        ahead = state["cycle"][(phase + np.arange(steps)) % season].astype(np.float64)
        found.append(_Pattern(before, ahead))
        found += _last_seasons(kept, season, steps)
    if state["interval"] > 0.0:
        found += _time_of_day(state, kept, times)
        found += _time_of_week(state, len(kept), times)
    return found


def _last_seasons(kept: Floats, season: int, steps: int) -> list[_Pattern]:
    """The mean of the last seasons, which are about so long; none where not two are kept."""
    filled, n = _filled(kept), len(kept)
    lengths = [length for length in range(season - NEAR_SEASON, season + NEAR_SEASON + 1) if 2 <= length <= n // 2]
    if not lengths:
        return []
    period = min(lengths, key=lambda length: float(np.abs(filled[length:] - filled[:-length]).mean()))
    total, seasons = np.zeros(n + period), np.zeros(n + period)
    for back in range(period, SEASONS * period + 1, period):
        stop = max(min(n, n + period - back), 0)
        total[back : back + stop] += filled[:stop]
        seasons[back : back + stop] += 1.0
    mean = np.where(seasons > 0.0, total / np.maximum(seasons, 1.0), np.nan)
    return [_Pattern(mean[:n], mean[n:][np.arange(steps) % period], period)]


def _time_of_day(state: np.void, kept: Floats, times: Floats) -> list[_Pattern]:
    """What is usual at the time of day; none where that is not known, or tells too little."""
    before, ahead = _slots_at(_past_times(state, len(kept))), _slots_at(times)
    means, days = state["slot_means"].astype(np.float64), state["slot_days"]
    if min(days[before].min(), days[ahead].min()) < SLOT_DAYS:
        return []
    filled = _filled(kept)
    if _spread(filled - means[before]) > SLOT_TELLS * _spread(filled):
        return []
    return [_Pattern(means[before], means[ahead])]


def _time_of_week(state: np.void, n: int, times: Floats) -> list[_Pattern]:
    """What is usual at the time of the week; none before it is believed, or where a day was never seen."""
    if state["days"] < BELIEVED_DAYS:
        return []
    usual = np.empty((WEEKDAYS, SLOTS))
    usual_week(np.array([state]), usual)
    at = np.concatenate([_past_times(state, n), times]) + state["week_ahead"]
    means = usual[_weekdays_at(at), _slots_at(at)]
    return [] if np.isnan(means[n:]).any() else [_Pattern(means[:n], means[n:])]


def _past_times(state: np.void, n: int) -> Floats:
    """Of the kept points, by the usual interval."""
    return np.asarray(state["last_time"] - state["interval"] * np.arange(n - 1, -1, -1))


def _weekdays_at(times: Floats) -> NDArray[np.intp]:
    """Monday is 0."""
    return ((times // DAY + 3) % WEEKDAYS).astype(np.intp)


def _slots_at(times: Floats) -> NDArray[np.intp]:
    return np.minimum(times % DAY / DAY * SLOTS, SLOTS - 1).astype(np.intp)


def _spread(values: Floats) -> float:
    """Mean distance from the median."""
    return float(np.abs(values - np.median(values)).mean())


def _filled(values: Floats) -> Floats:
    """The values with the one before in place of each NaN, and the first one before it; 0 where all are NaN."""
    is_there = ~np.isnan(values)
    if not is_there.any():
        return np.zeros(len(values))
    last = np.maximum.accumulate(np.where(is_there, np.arange(len(values)), int(np.argmax(is_there))))
    return np.asarray(values[last])


def _mean(values: Floats, gain: float) -> Floats:
    """Exponentially weighted mean up to each value, shape (n,)."""
    weights = gain * (1.0 - gain) ** np.arange(len(values))
    return np.convolve(values, weights)[: len(values)] / np.cumsum(weights)


def _candidates(values: Floats) -> tuple[Floats, Floats]:
    """Level and slope of each candidate at each value, shapes (len(GAINS) + 1, n).

    References
    ----------
    The line is double exponential smoothing: Brown, "Smoothing, Forecasting and Prediction of Discrete Time Series",
    1963.
    """
    levels = np.array([_mean(values, gain) for gain in (*GAINS, LINE_GAIN)])
    slopes = np.zeros_like(levels)
    off = levels[-1] - _mean(levels[-1], LINE_GAIN)
    levels[-1] += off
    slopes[-1] = LINE_GAIN / (1.0 - LINE_GAIN) * off
    return levels, slopes


def _blend(kept: Floats, patterns: Sequence[_Pattern], steps: int) -> tuple[Floats, Floats]:
    """The value at each of the next steps, and how much more it errs than one step ahead, shapes (steps,)."""
    n, ahead = len(kept), np.arange(1, steps + 1)
    is_there = ~np.isnan(kept)
    parts = [_candidates(_filled(kept - pattern.before)) for pattern in patterns]
    levels = np.concatenate([part[0] for part in parts])
    slopes = np.concatenate([part[1] for part in parts])
    horizons, weights, errors = [], [], []
    step = 1
    while step <= n // 3:
        origins = np.arange(max(n // 3, n - step - ORIGINS), n - step)
        origins = origins[is_there[origins + step]]
        if len(origins) < FEWEST_ORIGINS:
            break
        off = levels[:, origins] + slopes[:, origins] * step - kept[origins + step]
        off += np.repeat([_seen_ahead(pattern, origins, step) for pattern in patterns], len(GAINS) + 1, axis=0)
        unknown = np.isnan(off)
        off[unknown] = 0.0
        error = np.abs(off).sum(axis=1) / np.maximum((~unknown).sum(axis=1), 1) + FINEST_ERROR
        error[2 * unknown.sum(axis=1) > len(origins)] = np.inf
        share = (error.min() / error) ** POWER
        share /= share.sum()
        horizons.append(step)
        weights.append(share)
        errors.append(float(np.abs(share @ off).mean()) + FINEST_ERROR)
        step *= 2
    if not horizons:
        return np.full(steps, levels[0, -1]), np.sqrt(ahead)
    places = np.log(horizons)
    shares = np.array([np.interp(np.log(ahead), places, column) for column in np.array(weights).T])
    goes_on = np.repeat([pattern.ahead for pattern in patterns], len(GAINS) + 1, axis=0)
    blended = np.sum(shares * (levels[:, -1:] + slopes[:, -1:] * ahead + goes_on), axis=0)
    return blended, _growth(np.array(horizons), np.array(errors), ahead)


def _seen_ahead(pattern: _Pattern, origins: NDArray[np.int64], step: int) -> Floats:
    """What a pattern was thought to be so many steps behind each origin, by what was seen until there."""
    past = (step - 1) // pattern.period * pattern.period if pattern.period else 0
    return pattern.before[origins + step - past]


def _growth(horizons: NDArray[np.int64], errors: Floats, ahead: NDArray[np.int64]) -> Floats:
    """Errors at each step over those at the first, never falling; beyond the last horizon by the power law so far."""
    places = np.log(horizons)
    sizes = np.log(np.maximum.accumulate(errors) / errors[0])
    power = 0.5 if len(places) < 2 else float(np.clip(np.diff(sizes)[-1] / np.diff(places)[-1], 0.0, 1.0))
    beyond = np.maximum(np.log(ahead) - places[-1], 0.0)
    return np.asarray(np.exp(np.interp(np.log(ahead), places, sizes) + power * beyond))
