"""What must hold of a saved record before compiled code follows it: the range of each index, and of each length."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamforest.features.band import LOOK_EVERY as BAND_LOOK
from streamforest.features.habits import LOOK_EVERY as LEVELS_LOOK
from streamforest.features.novelty import CENTRES, MOST_CENTRES
from streamforest.features.observe import WARM_UP
from streamforest.features.running_median import POINTS as MEDIAN_POINTS
from streamforest.features.season import LONGEST_SEASON
from streamforest.features.time_of_day import SLOTS
from streamforest.features.week import WEEKDAYS
from streamforest.protocols import REASONS
from streamforest.state import MOST_COUNTED, check_ranges

#: Field -> least and greatest value, of each element where a tuple gives them. Integers of other names only count.
RANGES: dict[str, tuple[object, object]] = {
    "warm": (0, WARM_UP),
    "recent_at": (0, MEDIAN_POINTS - 1),
    "season": (0, LONGEST_SEASON),
    "phase": (0, LONGEST_SEASON - 1),
    "search": (0, LONGEST_SEASON),  # 0 before the warm-up is over
    "search_lag": (0, LONGEST_SEASON),
    "found_lag": (0, LONGEST_SEASON),
    "look": (0, BAND_LOOK - 1),
    "side": (0, 1),
    "foreseen": (0, 1),
    "level": (-1, 1),
    "until_look": (-(2**53), LEVELS_LOOK),
    "found_season": (0, LONGEST_SEASON),
    "mean_season": (0, LONGEST_SEASON),
    "slot": (-1, SLOTS - 1),
    "week_slot": (-1, SLOTS - 1),
    "weekday": (0, WEEKDAYS - 1),
    "to_sunday": (0, WEEKDAYS - 1),
    "week_alike": (0, 2**WEEKDAYS - 1),
    "week_unlike": (0, 2**WEEKDAYS - 1),
    "centres_used": (0, CENTRES),
    # of what stands around the features
    "alive": (-(2**62), MOST_COUNTED),  # judging.decide.NO_POINT
    "reason": (0, len(REASONS) - 1),
}


def check_records(records: NDArray[np.void]) -> None:
    """Raise ValueError where compiled code would leave a record, or never end, if it went on from these.

    Parameters
    ----------
    records : array of a detector's record type, shape (n,)
    """
    check_ranges(records, RANGES)
    held = records["harness"] if "harness" in (records.dtype.names or ()) else records
    if "features" in (held.dtype.names or ()):
        _check_centres(held["features"])


def _check_centres(features: NDArray[np.void]) -> None:
    """Raise ValueError where those in use are not the finite ones: two that are close would be sought for ever."""
    is_used = np.arange(MOST_CENTRES) < features["centres_used"][..., None]
    if not np.where(is_used, np.isfinite(features["centres"]), features["centres"] == np.inf).all():
        raise ValueError("the saved state's centres are not those that are in use")
