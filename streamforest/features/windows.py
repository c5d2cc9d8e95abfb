"""Sliding windows of a stream at several scales, each in its own moving level and spread, in constant memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamforest.compiled import Record, Records, compiled
from streamforest.features.observe import FARTHEST, WARM_UP, new_state, observe
from streamforest.features.vector import new_buffers

#: Points of a window, the newest among them.
WINDOW = 32
#: How many readings one point of a window is the mean of.
SCALES = (1, 4, 16)
N_SCALES = len(SCALES)
#: Gain of level and spread: a memory of two hundred points of the scale.
GAIN = 0.005
#: Multiple of the spread beyond which a point pulls no harder, and points before that holds.
REACH, REACH_AFTER = 3.0, 24
#: Mean absolute deviation of a normal distribution with standard deviation 1, turned over.
TO_SIGMA = 1.2533141373155003
#: Below this share of the stream's unit a spread does not fall.
FINEST_SPREAD = 0.01
#: Points of a window are held to so many spreads from the level.
MOST = 8.0

#: Windows of one stream. Values in the stream's unit, from its zero: see ``features.FEATURES_DTYPE``.
WINDOWS_DTYPE = np.dtype(
    [
        ("taken", "i8"),  # readings, missing ones among them
        ("past", "f8", (N_SCALES, WINDOW - 1)),  # from the oldest to the newest; NaN where unknown
        ("points", "f8", (N_SCALES,)),  # points that level and spread are made of
        ("level", "f8", (N_SCALES,)),
        ("deviation", "f8", (N_SCALES,)),
        ("sums", "f8", (N_SCALES,)),  # of the readings since the newest point, and how many
        ("summed", "f8", (N_SCALES,)),
    ]
)


def new_windows(n: int = 1) -> NDArray[np.void]:
    """Fresh windows of WINDOWS_DTYPE for n streams, shape (n,)."""
    windows = np.zeros(n, dtype=WINDOWS_DTYPE)
    windows["past"] = np.nan
    return windows


@compiled
def scaled(value: float, zero: float, unit: float) -> float:
    """A reading in its stream's unit, from its zero; NaN for a missing one."""
    if value != value:
        return np.nan
    y: float = (value - zero) / unit
    return min(max(y, -FARTHEST), FARTHEST)


@compiled
def spread(windows: Record, k: int) -> float:
    """Standard deviation of a scale's points, as far as it is known."""
    sigma: float = max(TO_SIGMA * windows.deviation[k], FINEST_SPREAD)
    return sigma


@compiled
def add_up(windows: Record, k: int, y: float) -> bool:
    """Add a reading to what will be the next point of a scale; returns whether it is complete now."""
    if y == y:
        windows.sums[k] += y
        windows.summed[k] += 1.0
    return bool((windows.taken + 1) % SCALES[k] == 0)


@compiled
def next_point(windows: Record, k: int) -> float:
    """The mean of what was added up, which starts anew; NaN where all was missing."""
    mean: float = windows.sums[k] / windows.summed[k] if windows.summed[k] > 0.0 else np.nan
    windows.sums[k] = windows.summed[k] = 0.0
    return mean


@compiled
def look_back(windows: Record, k: int, window: NDArray[np.float32]) -> None:
    """Fill in the past points of a window of shape (WINDOW,), in spreads from the level; the newest is left NaN."""
    level, sigma = windows.level[k], spread(windows, k)
    for i in range(WINDOW - 1):
        y = windows.past[k, i]
        window[i] = np.float32(min(max((y - level) / sigma, -MOST), MOST)) if y == y else np.float32(np.nan)
    window[WINDOW - 1] = np.float32(np.nan)


@compiled
def push(windows: Record, k: int, y: float) -> None:
    """Take a new point, NaN where it is missing, into a scale's window, level and spread."""
    for i in range(WINDOW - 2):
        windows.past[k, i] = windows.past[k, i + 1]
    windows.past[k, WINDOW - 2] = y
    if y != y:
        return
    gain = max(GAIN, 1.0 / (windows.points[k] + 1.0))
    off = y - windows.level[k]
    if windows.points[k] >= REACH_AFTER:
        reach = REACH * spread(windows, k)
        off = min(max(off, -reach), reach)
    windows.level[k] += gain * off
    windows.deviation[k] += gain * (abs(off) - windows.deviation[k])
    windows.points[k] += 1.0


@compiled
def _windows_of(
    windows: Records, values: NDArray[np.float64], k: int, zero: float, unit: float, out: NDArray[np.float32]
) -> int:
    record, row = windows[0], 0
    for i in range(values.size):
        y = scaled(values[i], zero, unit)
        if add_up(record, k, y):
            newest = next_point(record, k)
            if record.points[k] >= WARM_UP:
                look_back(record, k, out[row])
                off = (newest - record.level[k]) / spread(record, k)
                out[row, WINDOW - 1] = np.float32(min(max(off, -MOST), MOST)) if off == off else np.float32(np.nan)
                row += 1
            push(record, k, newest)
        record.taken += 1
    return row


def windows_of(values: NDArray[np.float64], k: int) -> NDArray[np.float32]:
    """All windows of a stream at one of SCALES, as an autoencoder is trained on them.

    Parameters
    ----------
    values : float64 array, shape (n,)
        NaN where a reading is missing or not to be learned.
    k : int
        Which of SCALES.

    Returns
    -------
    float32 array, shape (m, WINDOW)
        In spreads from the level, both as they were before the newest point; NaN where unknown.
    """
    state = new_state()
    buffers = new_buffers()[0]
    for value in values[np.isfinite(values)][:WARM_UP]:
        observe(state[0], value, np.nan, 0.001, buffers)
    out = np.empty((values.size // SCALES[k], WINDOW), dtype=np.float32)
    unit = float(state["unit"][0])
    rows = _windows_of(new_windows(), values, k, float(state["zero"][0]), unit, out) if unit > 0.0 else 0
    return out[:rows]
