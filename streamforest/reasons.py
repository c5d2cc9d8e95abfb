"""Why a point is anomalous: the kind of surprise that weighs most, by name."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamforest.compiled import compiled
from streamforest.features import CALM, EXTREME, GAP, REPEAT, RESIDUAL, SHIFT, SPREAD, TREND
from streamforest.protocols import REASONS

_SPIKE = REASONS.index("spike")
_DIP = REASONS.index("dip")
_SHIFT_UP = REASONS.index("level shift up")
_SHIFT_DOWN = REASONS.index("level shift down")
_RAMP_UP = REASONS.index("ramp up")
_RAMP_DOWN = REASONS.index("ramp down")
_VARIANCE_UP = REASONS.index("variance up")
_FLAT = REASONS.index("flat line")
_SEASON_BREAK = REASONS.index("season break")
_GAP = REASONS.index("gap")

#: Surprise below which a value is usual for the long run: one in ten lies farther out.
_USUAL = 2.3


@compiled
def reason_for(surprises: NDArray[np.float64], residual: float, shift: float, has_season: bool) -> int:
    """Index into REASONS of what is most unusual.

    Parameters
    ----------
    surprises : float64 array, shape (N_FEATURES,)
        As ``features.observe`` gives them.
    residual, shift : float
        The value against the forecast and against the level of the last tens of points, with their signs.
    has_season : bool
        Whether a season is known.
    """
    most = int(np.argmax(surprises))
    if most == GAP:
        return _GAP
    if most in (REPEAT, CALM):
        return _FLAT
    # one far value widens the spread of the last points too: it is a spike all the same
    if most == SPREAD and surprises[RESIDUAL] < 0.5 * surprises[SPREAD]:
        return _VARIANCE_UP
    if most == SHIFT:
        return _SHIFT_UP if shift > 0.0 else _SHIFT_DOWN
    if most == TREND:
        return _RAMP_UP if shift > 0.0 else _RAMP_DOWN
    if has_season and surprises[EXTREME] < _USUAL:
        return _SEASON_BREAK
    return _SPIKE if residual > 0.0 else _DIP
