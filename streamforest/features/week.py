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
#: Half of the time, in slots, in which a stream is most at rest: days begin in the middle of it.
NIGHT = 2 * SLOTS_AN_HOUR

#: Days of the week are alike where they differ by less than so many times the difference of the two most alike, which
#: is noise; beyond the second multiple they are unlike.
ALIKE, UNLIKE = 1.5, 3.0
#: Weeks that a day of the week counts for at most where those alike are averaged.
MOST_WEEKS = 6.0
#: Gains of a slot's mean, a week, of its spread and of the level, a day; and of the mean where a day of the week is odd
#: for the second time in a row, and so another one from now on.
WEEK_GAIN, SPREAD_GAIN, LEVEL_GAIN, AGAIN_GAIN = 0.15, 0.08, 0.2, 0.5
#: What is farther off than so many spreads is learned as if it were so far; the same for a day, in mean errors.
REACH, LEVEL_REACH = 4.0, 2.0
#: A spread is known from a few days: one below the usual spread is brought up to it by this share. Without it two to
#: five times as many usual days of simulated streams bring as much evidence.
POOLED = 0.5
#: Standard deviations of a Gaussian in one spread.
DEVIATIONS = 1.2533
#: Slots that mean errors are averaged over. The clock tells something where they are below this share of the distance
#: from the mean of all the week.
ERROR_MEMORY, TELLS = 500.0, 0.7
#: Slots that the correlation of what neighbours are off is learned from, and the most that it is taken to be: with 0.9
#: hardly a holiday of a real stream is found, with 0.7 three times as many usual days of simulated meters are marked.
OFF_MEMORY, MOST_ALIKE = 2000.0, 0.8

#: What a day may be like instead: all is an hour early, or late; a day of the other kind; nothing happens.
EARLY, LATE, OTHER, STILL = range(4)
N_KINDS = 4
#: Bits of ``odd``: the kinds that there is enough for today; whether that was said; and the first one of the kinds of
#: yesterday, and of the days of the week the last of which was odd.
TODAY, SAID_TODAY, YESTERDAY, WEEKDAY = (1 << N_KINDS) - 1, 1 << N_KINDS, N_KINDS + 1, 2 * N_KINDS + 1
#: Standard deviations from which on the evidence of a slot grows no longer as their square (Huber 1964), and the most
#: that one slot tells, in nats: three must agree.
BEND, MOST_EVIDENCE = 2.5, 2.5
#: Variances by which two means differ by chance: what is nearer tells nothing. Of 1, 2 and 4 the last marks the fewest
#: usual days where as many days an hour late are found. Differences shrunk by as much (James and Stein 1961) do no
#: better.
BY_CHANCE = 4.0
#: Evidence that a day is unlike what it should be, in nats, and the multiple of the most that there was on usual days,
#: at an alarm rate of COMMON and above; days that this is remembered for. Of 1,000 usual days of 40 simulated streams
#: of hourly readings 1, 4 and 5 reach ENOUGH at noise 0.03, 0.1 and 0.2, of quarter-hourly ones 36, 21 and 28.
ENOUGH, FARTHER, COMMON, DAY_MEMORY = 5.0, 1.5, 0.001, 128.0
#: Evidence that clocks were put forward or back, on a Sunday on which this is done and the two days behind it. With 5,
#: one in ten streams of a zone without summer time was turned, with 7 one in forty.
CHANGED = 7.0
#: Days seen before evidence is gathered, and before it is believed.
FIRST_DAYS, BELIEVED_DAYS = 10, 21

FIELDS = [
    ("week", "f4", (WEEKDAYS, SLOTS)),  # mean of each slot, from the level; NaN where unknown
    ("week_spread", "f4", (SLOTS,)),  # mean distance from what is expected at a time of day; NaN where unknown
    ("weeks", "i8", (WEEKDAYS,)),  # that each day of the week was seen in
    ("days", "i8"),  # seen to their end
    ("week_level", "f8"),
    ("week_ahead", "f8"),  # what the clock by which days begin is ahead of the readings', seconds
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
    ("most_today", "f4", (N_KINDS,)),  # the most of it, today and on usual days
    ("most_unlikeness", "f4", (N_KINDS,)),
    ("last_off", "f8"),  # what the last slot was off, spreads
    ("off_square", "f8"),  # mean of that, squared, and of its product with the one before
    ("off_product", "f8"),
    ("odd", "i8"),  # what is known of odd days, see TODAY
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

    It is a Sunday on which this is done in Europe, North America, Australia or New Zealand, or one of the two days
    behind it.
    """
    sunday = day - (day + 4) % WEEKDAYS
    if day - sunday > 2:
        return -1
    month, at = month_and_day(sunday)
    if (month == 3 and (at >= 25 or 8 <= at <= 14)) or (month == 9 and at >= 24) or (month == 10 and at <= 7):
        return EARLY
    if (month == 10 and at >= 25) or (month in (4, 11) and at <= 7):
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
    if kind in (EARLY, LATE):
        slot += SLOTS_AN_HOUR if kind == EARLY else -SLOTS_AN_HOUR
        # of the day before and the next one it is not known which they are like
        return _mean_of(state, state.week_alike, slot) if 0 <= slot < SLOTS else np.nan
    return _mean_of(state, state.week_unlike, slot) if kind == OTHER else float(state.stillest)


@compiled
def _improbability(off: float) -> float:
    """Of being so many standard deviations off, in nats: beyond BEND as of an exponential tail."""
    off = abs(off)
    return 0.5 * off * off if off < BEND else BEND * (off - 0.5 * BEND)


@compiled
def _beyond_chance(difference: float, variance: float) -> float:
    """A difference of two means; 0 where it may be there by chance, its variance being known."""
    return difference if difference * difference > BY_CHANCE * variance else 0.0


@compiled
def _change(state: Record) -> int:
    """As :func:`change_of_clocks` of today, or -1 where the clock has been put forward or back already."""
    return change_of_clocks(int(state.today)) if state.today > state.turned + WEEKDAYS else -1


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

    A kind that goes on from the day before is not said again, and does not hide another one.
    """
    if share <= 1.0 or state.odd >> kind & 1 or not _tells(state):
        return 0.0
    state.odd |= 1 << kind
    if state.odd & SAID_TODAY or state.odd >> (YESTERDAY + kind) & 1:
        return 0.0
    state.odd |= SAID_TODAY
    return share


@compiled
def _new_share(state: Record, off: float) -> float:
    """Share of a slot's evidence that those before it did not tell: less where what slots are off goes on; learns that.

    A sum of n values whose neighbours correlate by r tells as much as n (1 - r) / (1 + r) that do not.
    """
    share = 1.0
    if state.off_square > 0.0:
        r = min(max(state.off_product / state.off_square, 0.0), MOST_ALIKE)
        share = (1.0 - r) / (1.0 + r)
    if not state.odd & TODAY:
        off = min(max(off, -BEND), BEND)
        gain = 1.0 / min(state.clock_slots, OFF_MEMORY)
        state.off_square += gain * (off * off - state.off_square)
        state.off_product += gain * (off * state.last_off - state.off_product)
        state.last_off = off
    return share


@compiled
def _gather(state: Record, slot: int, y: float, off: float, farther: float) -> float:
    """Gather evidence for each kind of odd day; the most of it over what is enough, where that has just been reached.

    For each kind the logarithm of the ratio of likelihoods, summed up from midnight: on usual days the sum comes to
    exceed x with a probability of about exp(-x) or less. It falls no lower than one slot can bring it, as a day may be
    odd from noon on.

    References
    ----------
    Wald, "Sequential tests of statistical hypotheses", The Annals of Mathematical Statistics 16 (1945), pages 117-186.
    """
    spread = float(state.week_spread[slot])
    spread = DEVIATIONS * max(spread, spread + POOLED * (state.usual_week_spread - spread))
    if not spread > 0.0:
        return 0.0
    share = _new_share(state, off / spread)
    usual = explained = _improbability(off / spread)
    change = _change(state)
    if change >= 0:  # until the clock is put forward or back, what that explains tells of no other kind
        instead = _instead(state, change, slot)
        if instead == instead:
            explained = min(usual, _improbability((instead - y) / spread))
    alike, unlike = _weeks_of(state, state.week_alike), _weeks_of(state, state.week_unlike)
    most = 0.0
    for kind in range(N_KINDS):
        instead = _instead(state, kind, slot)
        if instead != instead:
            continue
        chance = spread * spread * (1.0 / alike + 1.0 / (unlike if kind == OTHER else alike))
        gain = usual if kind == change else explained
        gain = share * (gain - _improbability((off - _beyond_chance(instead - y + off, chance)) / spread))
        evidence = max(state.unlikeness[kind] + min(max(gain, -MOST_EVIDENCE), MOST_EVIDENCE), -MOST_EVIDENCE)
        state.unlikeness[kind] = evidence
        enough = farther * max(ENOUGH, FARTHER * float(state.most_unlikeness[kind]))
        if kind == change:
            if evidence > max(CHANGED, enough) and _tells(state):
                _turn_clock(state, kind)
                return 0.0
            continue
        most = max(most, _news(state, kind, evidence / enough))
        held = min(evidence, enough if state.days >= BELIEVED_DAYS else FARTHER * enough)
        state.most_today[kind] = np.float32(max(float(state.most_today[kind]), held))
    return most


@compiled
def _learn_spread(state: Record, slot: int, off: float) -> None:
    spread = float(state.week_spread[slot])
    if spread != spread:
        state.week_spread[slot] = np.float32(abs(off))
        return
    size = abs(off) if state.days < FIRST_DAYS else min(abs(off), REACH * spread)
    gain = max(SPREAD_GAIN, 1.0 / max(state.days - WEEKDAYS + 1.0, 1.0))  # of the first week nothing was expected
    state.week_spread[slot] += np.float32(gain * (size - spread))


@compiled
def _learn_mean(state: Record, slot: int, y: float) -> None:
    """Learn what a slot is like; of an odd day only where the last one of the same day of the week was odd too."""
    weekday = state.weekday
    mean, spread = float(state.week[weekday, slot]), float(state.week_spread[slot])
    off = y - mean
    if state.odd & TODAY:
        if state.odd >> (WEEKDAY + weekday) & 1:
            state.week[weekday, slot] += np.float32(AGAIN_GAIN * off)
        return
    if mean != mean:
        state.week[weekday, slot] = np.float32(y)
        return
    if state.days >= FIRST_DAYS and spread == spread:
        off = min(max(off, -REACH * spread), REACH * spread)
    state.week[weekday, slot] += np.float32(max(WEEK_GAIN, 1.0 / (state.weeks[weekday] + 1.0)) * off)


@compiled
def _end_slot(state: Record, rate: float, is_alone: bool) -> float:
    """Hold the mean of a slot's readings against the clock, then learn it where it is not alone; see :func:`_gather`.

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
            farther = max(math.log(rate) / math.log(COMMON), 1.0)
            excess = _gather(state, slot, y, off, farther)
        if is_alone:
            return excess
        if not state.odd & TODAY:
            _learn_spread(state, slot, off)
        state.today_off += min(max(off, -most), most)
        state.today_slots += 1.0
    _learn_mean(state, slot, y)
    return excess


@compiled
def _end_day(state: Record) -> None:
    if _is_holiday(state):
        return
    same = 1 << (WEEKDAY + state.weekday)
    state.odd = state.odd | same if state.odd & TODAY else state.odd & ~same
    state.weeks[state.weekday] += 1
    state.days += 1
    memory = min(float(state.days), DAY_MEMORY)  # what is due to means of few days falls as these become more
    for kind in range(N_KINDS):
        kept = float(state.most_unlikeness[kind]) * (1.0 - 1.0 / memory)
        # an odd day of another kind tells nothing of usual ones
        seen = float(state.most_today[kind]) if state.odd >> kind & 1 or not state.odd & TODAY else 0.0
        state.most_unlikeness[kind] = np.float32(max(seen, kept))
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
    elif not state.odd & TODAY:
        state.week_level += LEVEL_GAIN * min(max(off, -reach), reach)
    state.yesterday_off = off
    state.today_off = state.today_slots = 0.0


@compiled
def _slots_seen(state: Record, weekday: int) -> int:
    slots = 0
    for slot in range(SLOTS):
        slots += state.week[weekday, slot] == state.week[weekday, slot]
    return slots


@compiled
def _difference(state: Record, one: int, other: int, fewest: float) -> float:
    """Mean distance of two days of the week; infinite where they have no more than the fewest slots in common."""
    total, slots = 0.0, 0
    for slot in range(SLOTS):
        off = abs(float(state.week[one, slot]) - float(state.week[other, slot]))
        if off == off:
            total += off
            slots += 1
    return total / slots if slots > fewest else np.inf


@compiled
def _compare_days(state: Record, weekday: int) -> None:
    """Find the days of the week that are like today and those that are unlike it."""
    differences, seen = np.empty(WEEKDAYS), np.empty(WEEKDAYS)
    for k in range(WEEKDAYS):
        seen[k] = _slots_seen(state, k)
    least = np.inf
    for one in range(WEEKDAYS):
        for other in range(one):
            # of what was seen for less than half a day it is not known what it is like
            difference = _difference(state, one, other, 0.5 * max(seen[one], seen[other]))
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
def _unrest(state: Record, middle: int) -> float:
    """Variance of the means around a time of day, of all days of the week together."""
    total = squares = points = 0.0
    for k in range(WEEKDAYS):
        for slot in range(middle - NIGHT, middle + NIGHT):
            mean = float(state.week[k, slot % SLOTS])
            if mean == mean:
                total += mean
                squares += mean * mean
                points += 1.0
    return squares / points - (total / points) ** 2 if points > 0.0 else np.inf


@compiled
def _move_midnight(state: Record) -> None:
    """Let days begin in the stream's own night: midnight by the readings' clock may be noon where it is.

    Today is forgotten; it begins anew with the next reading.
    """
    night, least = 0, _unrest(state, 0)
    for slot in range(1, SLOTS):
        unrest = _unrest(state, slot)
        if unrest < least:
            night, least = slot, unrest
    ahead = -night if night <= SLOTS // 2 else SLOTS - night
    means, spreads = np.empty(WEEKDAYS * SLOTS, np.float32), np.empty(SLOTS, np.float32)
    for at in range(means.size):
        means[(at + ahead) % means.size] = state.week[at // SLOTS, at % SLOTS]
    for slot in range(SLOTS):
        spreads[(slot + ahead) % SLOTS] = state.week_spread[slot]
    for at in range(means.size):  # one by one: numba's copy of an array compiles all the text of its error too
        state.week[at // SLOTS, at % SLOTS] = means[at]
    for slot in range(SLOTS):
        state.week_spread[slot] = spreads[slot]
    state.week_ahead += ahead * SLOT
    state.week_slot = -1
    state.today = np.nan


@compiled
def _begin_day(state: Record, day: float, weekday: int) -> None:
    if state.today == state.today:
        _end_day(state)
        if state.days == FIRST_DAYS:
            _move_midnight(state)
            return
    state.odd = state.odd >> WEEKDAY << WEEKDAY | (state.odd & TODAY) << YESTERDAY
    state.today = day
    change = _change(state)
    for kind in range(N_KINDS):
        if kind != change or _weekday(day) == WEEKDAYS - 1:  # a change of clocks has three days
            state.unlikeness[kind] = 0.0
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
    """Whether a value is within ``reach`` of what its time of the week foretells, and that is known as well.

    So it is on a day that is odd, and on one on which clocks may have been changed, where it is what that foretells.
    """
    if time != time or not _tells(state) or state.interval > LONGEST_STEP:
        return False
    slot = slot_at(time + state.week_ahead)
    if not DEVIATIONS * state.week_spread[slot] <= reach:
        return False
    # of a day's first reading the days like the one before are asked: midnight is no time of great change
    y -= state.week_level
    if abs(y - _mean_of(state, state.week_alike, slot)) <= reach:
        return True
    change = _change(state)
    for kind in range(N_KINDS):
        if (state.odd >> kind & 1 or kind == change) and abs(y - _instead(state, kind, slot)) <= reach:
            return True
    return False


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
            excess = _end_slot(state, buffers.rate, False)
        if is_other_day:
            _begin_day(state, day, weekday)
            if state.today != state.today:
                return
        state.week_slot = slot
    is_all = state.interval >= 0.9 * SLOT  # there is of its slot: an odd hour may stand out alone
    if is_all or not buffers.is_alone:
        state.week_total += y
        state.week_points += 1.0
        if is_all:
            excess = max(excess, _end_slot(state, buffers.rate, bool(buffers.is_alone)))
    if excess > 0.0:
        buffers.habit_reason, buffers.habit_excess = SEASON_BREAK, excess
