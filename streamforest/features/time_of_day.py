"""What is usual at a time of day: the mean of each quarter of an hour over the days before, by the readings' clock."""

from __future__ import annotations

import numpy as np

from streamforest.compiled import Record, compiled

DAY = 86_400.0  # seconds
#: Parts of a day; readings of one part share a mean.
SLOTS = 96
#: A season of so many days, or a day of so many seasons, has its own means; and the error of its length.
MOST_TIMES, OF_DAYS = 7.5, 0.03
#: Gain of a slot's mean: a memory of about ten days.
DAY_GAIN = 0.1

FIELDS = [
    ("slot_means", "f4", (SLOTS,)),
    ("slot_days", "i4", (SLOTS,)),  # days that each mean is made of
    ("slot", "i8"),  # of the last reading, -1 before the first
    ("slot_total", "f8"),  # of the readings in it
    ("slot_points", "f8"),
]


@compiled
def slot_at(time: float) -> int:
    """Part of the day, UTC; -1 where the time is unknown, or infinite, as a damaged record may make it."""
    if not abs(time) < np.inf:
        return -1
    return int(min((time % DAY) / DAY * SLOTS, SLOTS - 1.0))


@compiled
def is_of_days(seconds: float) -> bool:
    """Whether a time is a whole number of days, or goes a whole number of times into one, to within its error."""
    if not seconds > 0.0:
        return False
    times = max(seconds / DAY, DAY / seconds)
    return bool(times < MOST_TIMES and abs(times - np.floor(times + 0.5)) <= OF_DAYS * times)


@compiled
def usual_at(state: Record, time: float) -> float:
    """What the value was at this time of earlier days, in the stream's unit from its zero; NaN where unknown."""
    slot = slot_at(time)
    if slot < 0 or state.slot_days[slot] == 0:
        return np.nan
    usual: float = state.slot_means[slot]
    return usual


@compiled
def learn_clock(state: Record, time: float, y: float) -> None:
    """Take a reading into its slot; a slot's mean learns it once the slot is over."""
    slot = slot_at(time)
    if slot < 0:
        return
    if slot != state.slot:
        last = state.slot
        if last >= 0 and state.slot_points > 0.0:
            state.slot_days[last] = min(state.slot_days[last] + 1, 1_000_000)
            gain = max(DAY_GAIN, 1.0 / state.slot_days[last])
            state.slot_means[last] += np.float32(gain * (state.slot_total / state.slot_points - state.slot_means[last]))
        state.slot = slot
        state.slot_total = 0.0
        state.slot_points = 0.0
    state.slot_total += y
    state.slot_points += 1.0
