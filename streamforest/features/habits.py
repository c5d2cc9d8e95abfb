"""What a stream has always done: how long it stays on or off, which way it goes, what a season of it adds up to."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamforest.compiled import Record, compiled
from streamforest.features import recurrence
from streamforest.features.season import LONGEST_SEASON, usual_point
from streamforest.features.sorting import ordered
from streamforest.protocols import REASONS

GAP = REASONS.index("gap")
TOO_LONG = REASONS.index("too long")
WENT_BACK = REASONS.index("counter went back")
SEASON_BREAK = REASONS.index("season break")

#: Points of one event that are marked.
MARKED = 3

#: A stay is too long beyond this multiple of the longest, once so many have ended. Of stays without memory, the
#: (n + 1)th exceeds three times the longest of n with probability 6 / ((n + 1) (n + 2) (n + 3)): of 16, 1 in 1,000.
STAY_LIMIT, FEWEST_STAYS = 3.0, 16
#: Stays that the longest is remembered for.
STAY_MEMORY = 200.0
#: Readings that each of the two levels has at least among the last 512, and those that may lie between the two.
FEWEST_READINGS, BETWEEN = 10, 16
#: Readings between two looks for the levels.
LOOK_EVERY = 1024
#: The levels are apart by so many times the range of the middle half of either.
APART = 4.0
#: A gap so many times as wide as the one between the levels is that of other ones.
WIDER = 2.0
#: Values farther out than the usual ones by this share of the gap between the levels belong to neither.
MARGIN = 0.5

#: Steps one way without one back that make a counter; steps that are remembered; and what may be left of earlier steps
#: back: after one nothing is new for 2,000 steps.
ONE_WAY, STEP_MEMORY, LEFT = 300.0, 3000.0, 0.5
#: A step back counts from this share of the usual step on: a slow wave that turns has smaller ones.
STEP_SHARE = 0.5
#: Steps below this share of the value are rounding.
ROUNDING = 1e-12
#: Gain of the usual step, and the multiple of it that a step is held to.
STEP_GAIN, STEP_REACH = 0.02, 4.0

#: The mean of the last season is a break beyond this multiple of the farthest that it ever was from its own level,
#: where that can be seen beside the values, once so many seasons have passed: 12 Gaussian numbers reach 1.9 standard
#: deviations, which makes it 4.7.
SEASON_LIMIT, FEWEST_SEASONS = 2.0, 12
#: Seasons that the level and the farthest are remembered for.
LEVEL_MEMORY, SEASON_MEMORY = 8.0, 64.0
#: Points of a season that is summed up: the mean of fewer is moved by what stands out by itself.
SHORTEST_SUMMED = 24
#: The first seasons, whose level is not known well.
SETTLING = 3.0
#: A season whose length differs by no more than this share is the same one, measured better.
SAME_SEASON = 1.0 / 32.0

#: Missing readings in a row, or their worth of silence, that are a gap. It is one of the stream's habits where gaps
#: come more often than outliers may, see ``recurrence.RARE``.
LONG_GAP = 3.0

FIELDS = [
    ("gaps", "f8"),  # in the last ``recurrence.RARE_MEMORY`` readings, decayed
    ("in_gap", "i8"),
    ("previous", "f8"),  # value, which state.last need not be
    ("steps", "f8", (2,)),  # up and down, decayed
    ("usual_step", "f8", (2,)),
    ("until_look", "i8"),  # readings before the levels are looked for again
    ("low", "f8"),  # where the lower level ends, and the upper one begins
    ("high", "f8"),
    ("least", "f8"),  # the usual range
    ("most", "f8"),
    ("level", "i8"),  # -1 low, 1 high, 0 where there are no two levels
    ("stay", "f8"),  # readings on this level
    ("stays", "f8", (2,)),  # that have ended, low and high
    ("longest", "f8", (2,)),
    ("found_season", "i8"),  # length of the season that was found last, and of the one that is summed up
    ("mean_season", "i8"),
    ("mean_at", "i8"),  # the point that the sum has got to
    ("season_sum", "f8"),  # and the readings that it is made of
    ("season_summed", "f8"),
    ("season_age", "i8"),  # readings of the season that is not over
    ("seasons", "f8"),
    ("season_level", "f8"),
    ("season_off", "f8"),  # the farthest in this season, and ever
    ("farthest", "f8"),
    ("broken", "i8"),  # readings since it broke
]


@compiled
def begin_habits(state: Record, y: float) -> None:
    """Start from the last value of the warm-up."""
    state.previous = y
    state.until_look = LONGEST_SEASON


@compiled
def _back(state: Record, y: float, is_alone: bool) -> float:
    """How many times as many steps as a counter needs went the other way; 0 for a step that is usual."""
    step = y - state.previous
    size = abs(step)
    if size * state.unit <= ROUNDING * (abs(y * state.unit) + abs(state.zero)):
        return 0.0
    side = 0 if step > 0.0 else 1
    excess = 0.0
    others = state.steps[1 - side]
    if others >= ONE_WAY and state.steps[side] < LEFT and size >= STEP_SHARE * state.usual_step[1 - side]:
        excess = 1.0 + others / ONE_WAY
    if is_alone:
        return excess
    for k in range(2):
        state.steps[k] *= 1.0 - 1.0 / STEP_MEMORY
    state.steps[side] += 1.0
    usual = state.usual_step[side]
    if usual > 0.0:
        state.usual_step[side] = usual + STEP_GAIN * (min(size, STEP_REACH * usual) - usual)
    else:
        state.usual_step[side] = size
    state.previous = y
    return excess


@compiled
def _middle_half(values: NDArray[np.float32], first: int, end: int) -> float:
    """Range of the middle half of sorted values[first:end]."""
    n = end - first
    return float(values[first + (3 * n) // 4] - values[first + n // 4])


@compiled
def find_levels(values: NDArray[np.float32]) -> tuple[float, float]:
    """Where the lower level ends and the upper one begins in sorted values, shape (n,); NaN where they are not apart.

    Of all gaps the one with the greatest product of its width and the readings on its smaller side.
    """
    n = values.size
    best, at = 0.0, 0
    for i in range(FEWEST_READINGS - 1, n - FEWEST_READINGS - BETWEEN):
        weight = float(values[i + BETWEEN] - values[i]) * min(i + 1, n - BETWEEN - i)
        if weight > best:
            best, at = weight, i
    gap = float(values[at + BETWEEN] - values[at])
    spread = max(_middle_half(values, 0, at + 1), _middle_half(values, at + BETWEEN, n))
    if not best > 0.0 or gap < APART * spread:
        return np.nan, np.nan
    return float(values[at]), float(values[at + BETWEEN])


@compiled
def _look_for_levels(state: Record, y: float) -> None:
    """Find the two levels anew in the last values; keep what is known of their stays while the levels are the same."""
    values = ordered(state.ring)
    low, high = find_levels(values)
    middle, gap = 0.5 * (state.low + state.high), state.high - state.low
    if state.level:
        below = np.searchsorted(values, np.float32(middle - gap / 6.0))
        above = LONGEST_SEASON - np.searchsorted(values, np.float32(middle + gap / 6.0))
        is_valid = below + above >= LONGEST_SEASON - BETWEEN
        is_same = low < middle < high and state.low < 0.5 * (low + high) < state.high
        if not is_same:
            if not is_valid:
                state.level = 0
            elif low == low and (min(below, above) < FEWEST_READINGS or high - low > WIDER * gap):
                state.level = 0  # one level has become two, or the first values were held to less than they were
            else:
                return
    if low != low:
        return
    is_new = state.level == 0
    state.low, state.high = low, high
    state.least = values[FEWEST_READINGS - 1]
    state.most = values[LONGEST_SEASON - FEWEST_READINGS]
    if is_new:
        state.stays[:] = 0.0
        state.longest[:] = 0.0
        state.stay = 0.0
        # their stays are counted from here on: in the ring are values that were held to less than they were
        state.level = 1 if y > 0.5 * (low + high) else -1


@compiled
def _stay_on(state: Record, y: float) -> float:
    """How many times as long as it may the stay on this level lasts, which the value goes on with or ends."""
    gap = state.high - state.low
    side = state.level
    is_usual = state.least - MARGIN * gap <= y <= state.most + MARGIN * gap
    if is_usual:
        if y >= state.high - gap / 3.0:
            side = 1
        elif y <= state.low + gap / 3.0:
            side = -1
    k = 1 if state.level > 0 else 0
    # a stay of so many readings is not one reading longer
    limit = STAY_LIMIT * (state.longest[k] + 1.0)
    is_settled = state.stays[k] >= FEWEST_STAYS
    if side == state.level:
        state.stay += 1.0
        is_over = is_settled and is_usual and limit < state.stay <= limit + MARKED
        return float(state.stay / limit) if is_over else 0.0
    if state.level:
        stay = min(state.stay, limit) if is_settled else state.stay
        state.longest[k] = max(stay, state.longest[k] * (1.0 - 1.0 / STAY_MEMORY))
        state.stays[k] += 1.0
    state.level = side
    state.stay = 1.0
    return 0.0


@compiled
def _sum_season(state: Record) -> None:
    """The sum of the last season, from scratch; outliers are left out."""
    state.season_sum = state.season_summed = 0.0
    for back in range(1, state.mean_season + 1):
        _add(state, float(usual_point(state, back)), 1.0)


@compiled
def _add(state: Record, y: float, weight: float) -> None:
    if y == y:
        state.season_sum += weight * y
        state.season_summed += weight


@compiled
def _mean(state: Record) -> float:
    """Mean of the last season; NaN where less than half of it is known."""
    if state.mean_season == 0 or 2.0 * state.season_summed < state.mean_season:
        return np.nan
    mean: float = state.season_sum / state.season_summed
    return mean


@compiled
def _change_season(state: Record) -> None:
    """Take a season that was found; multiples of the present one, which is what comes again, are the same."""
    state.found_season = state.season
    times = max((state.season + state.mean_season // 2) // max(state.mean_season, 1), 1)
    if abs(state.season - times * state.mean_season) > SAME_SEASON * state.season:
        state.farthest = state.season_off = 0.0
        state.season_age = 0
        state.seasons = -1.0
        times = 1
    if times == 1:
        # the mean goes on from where it was
        before = _mean(state)
        state.mean_season = state.season
        if state.count >= state.season:
            _sum_season(state)
            moved = _mean(state) - before
            if moved == moved:
                state.season_level += moved


@compiled
def _break_season(state: Record) -> float:
    """How many times as far as it may the mean of the last season is from the usual one; 0 where it is usual.

    The season ends with the reading before this one, which has been learned.
    """
    if state.season >= SHORTEST_SUMMED and state.season != state.found_season:
        _change_season(state)
    length = state.mean_season
    if length == 0 or state.count <= length:
        return 0.0
    if state.mean_at != state.count - 1 or state.season_age == 0:
        _sum_season(state)
    else:
        _add(state, float(usual_point(state, 1)), 1.0)
        _add(state, float(usual_point(state, 1 + length)), -1.0)
    state.mean_at = state.count
    mean = _mean(state)
    if mean != mean:
        return 0.0
    if state.seasons < 0.0:
        state.seasons = 0.0
        state.season_level = mean
    off = mean - state.season_level
    is_settled = state.seasons >= FEWEST_SEASONS
    limit = max(SEASON_LIMIT * state.farthest, float(state.visible))
    size = min(abs(off), limit) if is_settled else abs(off)
    state.season_level += (size if off > 0.0 else -size) / (length * min(state.seasons + 1.0, LEVEL_MEMORY))
    state.season_off = max(state.season_off, size)
    state.season_age += 1
    excess = 0.0
    if is_settled and abs(off) > limit > 0.0 and state.season:
        state.broken += 1
        excess = abs(off) / limit if state.broken <= MARKED else 0.0
    elif abs(off) < state.farthest:
        state.broken = 0
    if state.season_age >= length:
        state.season_age = 0
        if state.seasons >= SETTLING:
            state.farthest = max(state.season_off, state.farthest * (1.0 - 1.0 / SEASON_MEMORY))
        state.season_off = 0.0
        state.seasons += 1.0
    return excess


@compiled
def miss_readings(state: Record, gap: float, buffers: Record) -> None:
    """Fill in whether so many missing readings in a row break a habit, as :func:`hold_against_habits`; learn them."""
    buffers.habit_reason = 0
    buffers.habit_excess = 0.0
    state.gaps -= state.gaps / recurrence.RARE_MEMORY
    if gap < LONG_GAP:
        state.in_gap = 0
        return
    if not state.in_gap:
        state.in_gap = 1
        state.gaps += 1.0
    if state.gaps <= 1.0 + recurrence.RARE * recurrence.RARE_MEMORY:
        buffers.habit_reason, buffers.habit_excess = GAP, gap / (LONG_GAP - 1.0)


@compiled
def hold_against_habits(state: Record, y: float, buffers: Record) -> None:
    """Fill in whether a reading breaks a habit, then learn it.

    Parameters
    ----------
    state : record with FIELDS
        The reading is not in its ring yet.
    y : float
        The reading, in units.
    buffers : record
        As ``band.hold_against_band`` and :func:`miss_readings` left it. Output: ``habit_reason``, an index into
        REASONS, and ``habit_excess``, how many times as far as the limit it is, above 1; as they were where no habit
        is broken.
    """
    state.until_look -= 1
    if state.until_look < 0 and state.count >= LONGEST_SEASON:
        state.until_look = LOOK_EVERY - 1
        _look_for_levels(state, y)
    broken = _break_season(state)
    if broken > 0.0:
        buffers.habit_reason, buffers.habit_excess = SEASON_BREAK, broken
    if state.level:
        stayed = _stay_on(state, y)
        if stayed > 0.0:
            buffers.habit_reason, buffers.habit_excess = TOO_LONG, stayed
    back = _back(state, y, buffers.is_alone)
    if back > 0.0:
        buffers.habit_reason, buffers.habit_excess = WENT_BACK, back
