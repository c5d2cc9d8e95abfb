"""What is usual at a time of the week by the readings' clock, and days that are unlike what they should be."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from streamforest.compiled import Record, Records, compiled
from streamforest.features.habits import SEASON_BREAK
from streamforest.features.time_of_day import DAY, SLOTS, slot_at

WEEKDAYS = 7
#: Of streams whose readings are farther apart, in seconds, nothing is learned: a day has too few.
LONGEST_STEP = 7200.0
#: Where readings are at least so far apart, a slot is over with its first one.
SLOT = DAY / SLOTS
HOUR, SLOTS_AN_HOUR = 3600.0, SLOTS // 24

#: Days of the week are alike where they differ by less than so many times the difference of the two most alike, which
#: is noise; beyond the second multiple they are unlike.
ALIKE, UNLIKE = 1.5, 3.0
#: Weeks that a day of the week counts for at most where those alike are averaged.
MOST_WEEKS = 6.0
#: Gains of a slot's mean, a week, of its spread and of the level, a day.
WEEK_GAIN, SPREAD_GAIN, LEVEL_GAIN = 0.15, 0.08, 0.2
#: What is farther off than so many spreads is learned as if it were so far; the same for a day, in mean errors.
REACH, LEVEL_REACH = 4.0, 2.0
#: A spread is at least this share of that of a usual slot; standard deviations of a Gaussian in one.
LEAST_SPREAD, DEVIATIONS = 0.3, 1.2533
#: Slots that mean errors are averaged over. The clock tells something where they are below this share of the distance
#: from the mean of all the week.
ERROR_MEMORY, TELLS = 500.0, 0.7

#: What a day may be like instead: all is an hour early, or late; a day of the other kind; nothing happens.
EARLY, LATE, OTHER, STILL = range(4)
N_KINDS = 4
#: Bit of ``odd`` beside those of the kinds; and the share of what is enough from which on down a kind is over.
SAID_TODAY, OVER = 1 << N_KINDS, 0.5
#: Standard deviations from which on the evidence of a slot grows no longer as their square (Huber 1964), and the most
#: that one slot tells, in nats: three must agree.
BEND, MOST_EVIDENCE = 2.5, 4.0
#: Variances by which two means differ by chance that tell nothing. Of 160 simulated streams of eight weeks 73 usual
#: days are marked with 3, 58 with 4 and 55 with 6, which finds fewer odd days of noisy hourly readings.
SHRINKAGE = 4.0
#: Evidence that a day is unlike what it should be, in nats, and the multiple of the most that there was on usual days,
#: at an alarm rate of COMMON and above; days that this is remembered for.
ENOUGH, FARTHER, COMMON, DAY_MEMORY = 8.0, 1.5, 0.001, 128.0
#: Evidence that clocks were put forward or back, on a Sunday on which this is done and the two days behind it.
CHANGED = 10.0
#: Days seen before evidence is gathered, and before it is believed.
FIRST_DAYS, BELIEVED_DAYS = 10, 21

FIELDS = [
    ("week", "f4", (WEEKDAYS, SLOTS)),  # mean of each slot, from the level; NaN where unknown
    ("week_spread", "f4", (SLOTS,)),  # mean distance from what is expected at a time of day; NaN where unknown
    ("weeks", "i8", (WEEKDAYS,)),  # that each day of the week was seen in
    ("days", "i8"),  # seen to their end
    ("week_level", "f8"),
    ("week_ahead", "f8"),  # what the stream's clock is ahead of that at the beginning, seconds
    ("turned", "f8"),  # day on which it was put forward or back
    ("today", "f8"),  # days since 1970 by that clock; NaN before the first reading
    ("weekday", "i8"),  # that today counts as, Monday is 0: a holiday is a Sunday
    ("to_sunday", "i8"),  # days from the holiday that the reading lies in to the next Sunday, 0 outside one
    ("week_slot", "i8"),  # of the last reading, -1 before the first
    ("week_total", "f8"),  # of the readings in it
    ("week_points", "f8"),
    ("week_alike", "i8"),  # days of the week that are like today, a bit each, and those that are unlike it
    ("week_unlike", "i8"),
    ("week_mean", "f8"),  # of all slots
    ("stillest", "f8"),  # the least that is expected today
    ("usual_week_spread", "f8"),
    ("clock_error", "f8"),  # mean distance from what is expected by the clock, and from the mean of all slots
    ("steady_error", "f8"),
    ("clock_slots", "f8"),  # that these are made of
    ("today_off", "f8"),  # sum of what today's slots were off, and how many these were
    ("today_slots", "f8"),
    ("yesterday_off", "f8"),  # mean
    ("unlikeness", "f8", (N_KINDS,)),  # evidence for each kind of odd day
    ("most_today", "f8", (N_KINDS,)),  # the most of it, today and on usual days
    ("most_unlikeness", "f8", (N_KINDS,)),
    ("odd", "i8"),  # kinds that there is enough for, a bit each, and whether that was said today
]


@compiled
def month_and_day(day: int) -> tuple[int, int]:
    """Month, 1 to 12, and day of the month of a day since 1970-01-01.

    References
    ----------
    Hinnant, "chrono-Compatible Low-Level Date Algorithms", 2014, ``civil_from_days``.
    """
    day += 719_468  # from 0000-03-01
    of_era = day % 146_097
    year = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    month = (5 * of_year + 2) // 153
    return (month + 2) % 12 + 1, of_year - (153 * month + 2) // 5 + 1


@compiled
def change_of_clocks(day: int) -> int:
    """What may seem so on a day, by a clock that is not put forward or back: EARLY, LATE, or -1 for nothing.

    It is a Sunday on which this is done in Europe or in North America, or one of the two days behind it.
    """
    sunday = day - (day + 4) % WEEKDAYS
    if day - sunday > 2:
        return -1
    month, at = month_and_day(sunday)
    if month == 3 and (at >= 25 or 8 <= at <= 14):
        return EARLY
    if (month == 10 and at >= 25) or (month == 11 and at <= 7):
        return LATE
    return -1


@compiled
def _weekday(day: float) -> int:
    """Monday is 0."""
    return (int(day) + 3) % WEEKDAYS


@compiled
def _is_holiday(state: Record) -> bool:
    return bool(state.weekday != _weekday(state.today))


@compiled
def _mean_of(state: Record, which: int, slot: int) -> float:
    """What a slot is like on some days of the week, a bit each; NaN where unknown."""
    total = weight = 0.0
    for k in range(WEEKDAYS):
        mean = float(state.week[k, slot])
        if which >> k & 1 and mean == mean:
            weeks = min(state.weeks[k], MOST_WEEKS)
            total += weeks * mean
            weight += weeks
    return total / weight if weight > 0.0 else np.nan


@compiled
def _weeks_of(state: Record, which: int) -> float:
    """Weeks that the mean of some days of the week, a bit each, is made of."""
    weeks = 0.0
    for k in range(WEEKDAYS):
        if which >> k & 1:
            weeks += min(state.weeks[k], MOST_WEEKS)
    return weeks


@compiled
def _instead(state: Record, kind: int, slot: int) -> float:
    """What would be expected in a slot if today were an odd day of a kind; NaN where that is unknown."""
    if kind == EARLY:
        return _mean_of(state, state.week_alike, (slot + SLOTS_AN_HOUR) % SLOTS)
    if kind == LATE:
        return _mean_of(state, state.week_alike, (slot - SLOTS_AN_HOUR) % SLOTS)
    return _mean_of(state, state.week_unlike, slot) if kind == OTHER else float(state.stillest)


@compiled
def _improbability(off: float) -> float:
    """Of being so many standard deviations off, in nats: beyond BEND as of an exponential tail."""
    off = abs(off)
    return 0.5 * off * off if off < BEND else BEND * (off - 0.5 * BEND)


@compiled
def _shrunk(difference: float, variance: float) -> float:
    """A difference of two means less what it may be by chance, its variance.

    References
    ----------
    The positive part of James and Stein, "Estimation with quadratic loss", Proceedings of the Fourth Berkeley Symposium
    on Mathematical Statistics and Probability 1 (1961), pages 361-379.
    """
    size = difference * difference
    return difference * (1.0 - SHRINKAGE * variance / size) if size > SHRINKAGE * variance else 0.0


@compiled
def _tells(state: Record) -> bool:
    return bool(state.days >= BELIEVED_DAYS and state.clock_error < TELLS * state.steady_error)


@compiled
def _turn_clock(state: Record, kind: int) -> None:
    state.week_ahead += HOUR if kind == EARLY else -HOUR
    state.turned = state.today
    state.unlikeness[:] = 0.0


@compiled
def _news(state: Record, kind: int, share: float) -> float:
    """Evidence over what is enough where that has just been reached, by the first kind on its day; else 0.

    A kind that goes on is not said again, and does not hide another one.
    """
    if share <= OVER:
        state.odd &= ~(1 << kind)
    elif share > 1.0 and not state.odd >> kind & 1 and _tells(state):
        was_said = state.odd & SAID_TODAY
        state.odd |= 1 << kind | SAID_TODAY
        return 0.0 if was_said else share
    return 0.0


@compiled
def _gather(state: Record, slot: int, y: float, off: float, farther: float) -> float:
    """Gather evidence for each kind of odd day; the most of it over what is enough, where that has just been reached.

    For each kind a cumulative sum that starts anew at 0: Page 1954, with the logarithm of the ratio of likelihoods.
    """
    spread = DEVIATIONS * max(float(state.week_spread[slot]), LEAST_SPREAD * state.usual_week_spread)
    if not spread > 0.0:
        return 0.0
    change = change_of_clocks(int(state.today)) if state.today > state.turned + WEEKDAYS else -1
    is_sunday = _weekday(state.today) == WEEKDAYS - 1
    usual = _improbability(off / spread)
    alike, unlike = _weeks_of(state, state.week_alike), _weeks_of(state, state.week_unlike)
    most = 0.0
    for kind in range(N_KINDS):
        instead = _instead(state, kind, slot)
        if instead != instead:
            continue
        chance = spread * spread * (1.0 / alike + 1.0 / (unlike if kind == OTHER else alike))
        gain = usual - _improbability((off - _shrunk(instead - y + off, chance)) / spread)
        evidence = max(state.unlikeness[kind] + min(max(gain, -MOST_EVIDENCE), MOST_EVIDENCE), 0.0)
        enough = max(ENOUGH, farther * state.most_unlikeness[kind])
        if kind == change and evidence > max(enough, CHANGED) and _tells(state):
            _turn_clock(state, kind)
            return 0.0
        # held, or an odd day would go on for as long again
        state.unlikeness[kind] = min(evidence, FARTHER * enough)
        if kind == change or (change >= 0 and is_sunday):
            continue
        most = max(most, _news(state, kind, evidence / enough))
        held = min(evidence, enough if state.days >= BELIEVED_DAYS else FARTHER * enough)
        state.most_today[kind] = max(state.most_today[kind], held)
    return most


@compiled
def _learn_spread(state: Record, slot: int, off: float) -> None:
    spread = float(state.week_spread[slot])
    if spread != spread:
        state.week_spread[slot] = np.float32(abs(off))
        return
    size = abs(off) if state.days < FIRST_DAYS else min(abs(off), REACH * spread)
    state.week_spread[slot] += np.float32(max(SPREAD_GAIN, 1.0 / (state.days + 1.0)) * (size - spread))


@compiled
def _learn_mean(state: Record, weekday: int, slot: int, y: float) -> None:
    mean = float(state.week[weekday, slot])
    if mean != mean:
        state.week[weekday, slot] = np.float32(y)
        return
    off, spread = y - mean, float(state.week_spread[slot])
    if state.days >= FIRST_DAYS and spread == spread:
        off = min(max(off, -REACH * spread), REACH * spread)
    state.week[weekday, slot] += np.float32(max(WEEK_GAIN, 1.0 / (state.weeks[weekday] + 1.0)) * off)


@compiled
def _end_slot(state: Record, rate: float) -> float:
    """Hold the mean of a slot's readings against the clock, then learn it; see :func:`_gather`.

    A holiday is expected to be an odd day, and tells nothing of others.
    """
    slot = state.week_slot
    y = state.week_total / state.week_points - state.week_level
    state.week_total = state.week_points = 0.0
    if _is_holiday(state):
        return 0.0
    expected = _mean_of(state, state.week_alike, slot)
    excess = 0.0
    if expected == expected:
        off = y - expected
        state.clock_slots += 1.0
        gain = 1.0 / min(state.clock_slots, ERROR_MEMORY)
        size = abs(y - state.week_mean)
        most = REACH * state.steady_error if state.days >= FIRST_DAYS else np.inf
        state.steady_error += gain * (min(size, most) - state.steady_error)
        state.clock_error += gain * (min(abs(off), most) - state.clock_error)
        if state.days >= FIRST_DAYS:
            # rarer alarms need more
            farther = FARTHER * max(math.log(rate) / math.log(COMMON), 1.0)
            excess = _gather(state, slot, y, off, farther)
        _learn_spread(state, slot, off)
        state.today_off += min(max(off, -most), most)
        state.today_slots += 1.0
    _learn_mean(state, state.weekday, slot, y)
    return excess


@compiled
def _end_day(state: Record) -> None:
    if _is_holiday(state):
        return
    state.weeks[state.weekday] += 1
    state.days += 1
    memory = min(float(state.days), DAY_MEMORY)  # what is due to means of few days falls as these become more
    for kind in range(N_KINDS):
        kept = state.most_unlikeness[kind] * (1.0 - 1.0 / memory)
        state.most_unlikeness[kind] = max(state.most_today[kind], kept)
        state.most_today[kind] = 0.0
    if state.today_slots == 0.0:
        return
    off, before = state.today_off / state.today_slots, state.yesterday_off
    reach = LEVEL_REACH * state.clock_error
    if abs(off) > reach and off * before > 0.0 and abs(before) > 0.5 * abs(off):
        # two days in a row are off alike: that is the level now
        state.week_level += off
        state.unlikeness[:] = 0.0
        off = 0.0
    else:
        state.week_level += LEVEL_GAIN * min(max(off, -reach), reach)
    state.yesterday_off = off
    state.today_off = state.today_slots = 0.0


@compiled
def _difference(state: Record, one: int, other: int) -> float:
    """Mean distance of two days of the week; infinite where they have no slot in common."""
    total, slots = 0.0, 0
    for slot in range(SLOTS):
        off = abs(float(state.week[one, slot]) - float(state.week[other, slot]))
        if off == off:
            total += off
            slots += 1
    return total / slots if slots else np.inf


@compiled
def _compare_days(state: Record, weekday: int) -> None:
    """Find the days of the week that are like today and those that are unlike it."""
    differences = np.empty(WEEKDAYS)
    least = np.inf
    for one in range(WEEKDAYS):
        for other in range(one):
            difference = _difference(state, one, other)
            least = min(least, difference)
            if one == weekday:
                differences[other] = difference
            elif other == weekday:
                differences[one] = difference
    differences[weekday] = 0.0
    state.week_alike = state.week_unlike = 0
    for k in range(WEEKDAYS):
        if differences[k] <= ALIKE * least:
            state.week_alike |= 1 << k
        elif UNLIKE * least < differences[k] < np.inf:
            state.week_unlike |= 1 << k
    if state.weeks[weekday] == 0:
        state.week_alike = 0  # it was never seen: nobody knows what it is like


@compiled
def _begin_day(state: Record, day: float, weekday: int) -> None:
    if state.today == state.today:
        _end_day(state)
    state.odd &= ~SAID_TODAY
    state.today = day
    state.weekday = weekday
    _compare_days(state, weekday)
    total = spreads = 0.0
    slots = spread_slots = 0
    state.stillest = np.inf
    for slot in range(SLOTS):
        for k in range(WEEKDAYS):
            mean = float(state.week[k, slot])
            if mean == mean:
                total += mean
                slots += 1
        expected = _mean_of(state, state.week_alike, slot)
        if expected == expected:
            state.stillest = min(state.stillest, expected)
        spread = float(state.week_spread[slot])
        if spread == spread:
            spreads += spread
            spread_slots += 1
    state.week_mean = total / max(slots, 1)
    state.usual_week_spread = spreads / max(spread_slots, 1)


@compiled
def usual_week(states: Records, usual: NDArray[np.float64]) -> None:
    """Fill in what each slot of the week is like, shape (WEEKDAYS, SLOTS), in units from the level; NaN where unknown.

    Parameters
    ----------
    states : records with FIELDS, shape (1,)
        A copy: what is like the last day is not kept.
    """
    for weekday in range(WEEKDAYS):
        _compare_days(states[0], weekday)
        for slot in range(SLOTS):
            usual[weekday, slot] = _mean_of(states[0], states[0].week_alike, slot)


@compiled
def is_usual_by_clock(state: Record, y: float, time: float, reach: float) -> bool:
    """Whether a value is within ``reach`` of what its time of the week foretells, and that is known as well."""
    if time != time or not _tells(state) or state.interval > LONGEST_STEP:
        return False
    slot = slot_at(time + state.week_ahead)
    # of a day's first reading the days like the one before are asked: midnight is no time of great change
    off = abs(y - state.week_level - _mean_of(state, state.week_alike, slot))
    return bool(off <= reach and DEVIATIONS * state.week_spread[slot] <= reach)


@compiled
def hold_against_week(state: Record, y: float, time: float, buffers: Record) -> None:
    """Fill in whether a day is odd, as soon as that is plain, then learn the reading.

    Parameters
    ----------
    state : record with FIELDS
        With ``to_sunday`` of the reading.
    y, time : float
        The reading, in units; seconds, NaN where unknown.
    buffers : record
        With the alarm ``rate``, and as ``habits.hold_against_habits`` left it. Output: ``habit_reason`` and
        ``habit_excess``, as they were where the day is not odd or that has been said.
    """
    if time != time or state.interval > LONGEST_STEP:
        return
    time += state.week_ahead
    day, slot = np.floor(time / DAY), slot_at(time)
    weekday = (_weekday(day) + state.to_sunday) % WEEKDAYS
    is_other_day = day != state.today or weekday != state.weekday
    excess = 0.0
    if slot != state.week_slot or is_other_day:
        if state.week_points > 0.0:
            excess = _end_slot(state, buffers.rate)
        if is_other_day:
            _begin_day(state, day, weekday)
        state.week_slot = slot
    if not buffers.is_alone:
        state.week_total += y
        state.week_points += 1.0
        if state.interval >= 0.9 * SLOT:
            excess = max(excess, _end_slot(state, buffers.rate))
    if excess > 0.0:
        buffers.habit_reason, buffers.habit_excess = SEASON_BREAK, excess
