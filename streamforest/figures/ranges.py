"""What the axis of a stream must show, so that a wild value does not flatten the rest."""

from __future__ import annotations

from math import isfinite

import numpy as np
from numpy.typing import NDArray

from streamforest.verdicts.history import Floats

#: Heights of the bulk that a value may lie outside of it and still be shown at its place. Chosen by eye: usual values
#: keep a fifth of the height in the worst case, and most anomalies of the simulated streams stand at their place.
REACH = 2.0


def extremes(*series: Floats) -> tuple[float, float]:
    """Least and greatest finite number of all; NaN where there is none."""
    filled = [s for s in series if len(s)]
    if not filled:
        return float("nan"), float("nan")
    return float(np.fmin.reduce([np.fmin.reduce(s) for s in filled])), float(
        np.fmax.reduce([np.fmax.reduce(s) for s in filled])
    )


def usual_range(values: Floats, lower: Floats, upper: Floats, is_anomaly: NDArray[np.bool_]) -> tuple[float, float]:
    """What the axis of the values must show: all of them but wild ones, and as much of the band as leaves them legible.

    Wild are values that lie more than REACH times the height of the bulk outside of it: one of them would flatten all
    the rest. The bulk are the values that are no anomaly, without the highest and the lowest 1 % of them, but at least
    2 at either end. If the bulk is all one number, nothing is wild: what departs from it is all there is to see.

    Parameters
    ----------
    values, lower, upper : float64 arrays of shape (n,)
        NaN where unknown.
    is_anomaly : bool array of shape (n,)
        Which of the points are flagged.

    Returns
    -------
    tuple of float
        The lowest and the highest number to show; NaN where there is none.
    """
    band_low, band_high = extremes(lower, upper)
    low, high = extremes(values)
    if not isfinite(low):
        return band_low, band_high
    bottom, top = _bulk(values, is_anomaly)
    height = top - bottom
    if height > 0:
        low, high = extremes(values[(values >= bottom - REACH * height) & (values <= top + REACH * height)])
    if not isfinite(band_low):
        return low, high
    widths = (upper - lower)[np.isfinite(upper - lower)]
    margin = max(high - low, 0.5 * float(np.median(widths)) if len(widths) else 0.0)
    return max(min(low, band_low), low - margin), min(max(high, band_high), high + margin)


def _bulk(values: Floats, is_anomaly: NDArray[np.bool_]) -> tuple[float, float]:
    """Lowest and highest of the values that are no anomaly, without the outermost ones; of all if all are anomalies."""
    calm = values[~is_anomaly]
    calm = calm[np.isfinite(calm)]
    if not len(calm):
        calm = values[np.isfinite(values)]
    left_out = min(max(2, len(calm) // 100), (len(calm) - 1) // 4)
    ordered = np.partition(calm, (left_out, len(calm) - 1 - left_out))
    return float(ordered[left_out]), float(ordered[-1 - left_out])
