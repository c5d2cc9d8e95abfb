"""Why a point is anomalous: what kind of event its surprises, and those before it in its episode, make it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamforest.compiled import Record, compiled
from streamforest.features.observe import (
    CALM,
    EXCESS,
    EXTREME,
    GAP,
    GROWTH,
    OFF_FORECAST,
    OFF_LEVEL,
    PHASE,
    REPEAT,
    REPEATS,
    RUN,
    SEASON,
    SHAPE,
    SHIFT,
    SPREAD,
    TREND,
    UNREST,
    VISIBLE,
)
from streamforest.protocols import REASONS

_SPIKE = REASONS.index("spike")
_DIP = REASONS.index("dip")
_SHIFT_UP = REASONS.index("level shift up")
_SHIFT_DOWN = REASONS.index("level shift down")
_RAMP_UP = REASONS.index("ramp up")
_RAMP_DOWN = REASONS.index("ramp down")
_VARIANCE_UP = REASONS.index("variance up")
_VARIANCE_DOWN = REASONS.index("variance down")
_FLAT = REASONS.index("flat line")
_SEASON_BREAK = REASONS.index("season break")
_GAP = REASONS.index("gap")

#: Surprise below which a value is usual: one in ten lies farther out.
_USUAL = 2.3
#: Surprise from which on one thing explains an alarm by itself.
_EVIDENT = 3.9
#: Points in a row off the level that are no spike any more.
_LONG_RUN = 4.0
#: Where the last of a run is so much farther off than its first, it is a ramp.
_RISING = 1.4
#: Surprise from which on a stream that hardly moves explains one: one point in 3,000. A calm of some tens of points, as
#: chance brings now and then, is plain to nobody.
_STILL = 8.0
#: Values in a row that are equal to the one before and make a flat line: two alike are rare in many a stream, and plain
#: in none.
_FLAT_RUN = 3.0
#: Share of the band's half width within which a value is where it was expected: whatever it ends, it is not unusual.
_AS_EXPECTED = 0.25
#: Recent share of residuals above the first quantile (one in five usually is) from which on the spread has changed.
_UNREST = 0.47


@compiled
def reason_for(own: int, surprises: NDArray[np.float64], outlook: NDArray[np.float64], before: int) -> int:
    """Index into REASONS of what is unusual.

    Parameters
    ----------
    own : int
        See :func:`own_reason`.
    surprises, outlook : float64 arrays, shapes (N_FEATURES,) and (N_OUTLOOK,)
        As ``features.observe`` gives them.
    before : int
        Reason of the anomalous point before in the same episode; 0 where there is none. What has shown itself to be
        more than a spike stays that, and what only echoes it has its reason.
    """
    # the way back from a shift looks like a dip
    if before not in (0, _SPIKE, _DIP) and own in (0, _SPIKE, _DIP):
        return before
    return own or _faint_reason(surprises, outlook)


@compiled
def own_reason(surprises: NDArray[np.float64], outlook: NDArray[np.float64], outside: float) -> int:
    """What the point is by itself; 0 where nothing about it is plain, or so near to what is usual that no eye sees it.

    A spike or dip lies outside the band: ``outside`` is 1 above it, -1 below it and 0 within.
    """
    most = int(np.argmax(surprises))
    if most == GAP:
        return _GAP
    if surprises[REPEAT] > _EVIDENT and outlook[REPEATS] >= _FLAT_RUN:
        return _FLAT
    if surprises[CALM] > _STILL:
        return _VARIANCE_DOWN
    off = outlook[OFF_LEVEL]
    if outlook[EXCESS] < _AS_EXPECTED or max(abs(outlook[OFF_FORECAST]), abs(off)) < outlook[VISIBLE]:
        return 0
    is_run = abs(outlook[RUN]) >= _LONG_RUN
    if outlook[UNREST] > _UNREST and surprises[SPREAD] > _EVIDENT and not is_run:
        return _VARIANCE_UP
    if is_run and outlook[SEASON] and surprises[EXTREME] < _USUAL:
        return _SEASON_BREAK
    if is_run:
        if outlook[GROWTH] > _RISING:
            return _RAMP_UP if off > 0.0 else _RAMP_DOWN
        return _SHIFT_UP if off > 0.0 else _SHIFT_DOWN
    if outside:
        return _SPIKE if outside > 0.0 else _DIP
    return 0


@compiled
def _faint_reason(surprises: NDArray[np.float64], outlook: NDArray[np.float64]) -> int:
    """What a point is that begins an episode though nothing about it is plain."""
    most = int(np.argmax(surprises))
    is_up = outlook[OFF_LEVEL] > 0.0
    if most == CALM:
        return _VARIANCE_DOWN
    if most == SPREAD:
        return _VARIANCE_UP
    if most == TREND:
        return _RAMP_UP if is_up else _RAMP_DOWN
    if most == SHIFT:
        return _SHIFT_UP if is_up else _SHIFT_DOWN
    if most in (SHAPE, PHASE) and outlook[SEASON]:
        return _SEASON_BREAK
    return _SPIKE if outlook[OFF_FORECAST] > 0.0 else _DIP


@compiled
def side_of_band(verdict: Record) -> float:
    """1 where a verdict's value is above its band, -1 where it is below, 0 within and where either is unknown."""
    if verdict.value > verdict.upper:
        return 1.0
    return -1.0 if verdict.value < verdict.lower else 0.0


@compiled
def tell_why(
    record: Record, own: int, surprises: NDArray[np.float64], outlook: NDArray[np.float64], verdict: Record
) -> None:
    """Fill in an anomalous verdict's reason and keep it for the rest of its episode.

    ``record`` has the fields ``reason`` and ``reason_episode``: of the newest anomalous point.
    """
    before = record.reason if verdict.episode == record.reason_episode else 0
    record.reason = reason_for(own, surprises, outlook, before)
    record.reason_episode = verdict.episode
    verdict.reason = record.reason
