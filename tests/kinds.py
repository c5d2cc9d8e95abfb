"""Streams like those of public bug reports, by kind, with what is right on each."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamforest.models.shipped import SHIPPED_MODEL
from streamforest.simulation.profiles import PROFILES
from streamforest.simulation.streams import SimulatedStream, default_profile, random_profile

Floats = NDArray[np.float64]
Window = tuple[int, int]

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
#: The model that the package brings: what is claimed of these streams is claimed of it.
SHIPPED = SHIPPED_MODEL
#: Monday, 2024-01-01, 00:00 UTC.
START = 1704067200.0


class Case(NamedTuple):
    """A stream and what is right on it.

    Attributes
    ----------
    values : float64 array, shape (n,)
    times : float64 array, shape (n,), or None
    faults : tuple of (int, int)
        First and last index, both included; each needs an alarm.
    excused : tuple of (int, int)
        Where an alarm is neither asked for nor wrong.
    calm_from : int
        From here on an alarm elsewhere is a false one.
    echoes : tuple of (int, int)
        Where an alarm is wrong for a reason of its own: what comes every day, or the hour of an old glitch.
    """

    values: Floats
    times: Floats | None
    faults: tuple[Window, ...]
    excused: tuple[Window, ...] = ()
    calm_from: int = 300
    echoes: tuple[Window, ...] = ()

    def found(self, alarms: NDArray[np.bool_]) -> list[bool]:
        """Whether each fault has an alarm."""
        return [bool(alarms[first : last + 1].any()) for first, last in self.faults]

    def false_alarms(self, alarms: NDArray[np.bool_]) -> NDArray[np.intp]:
        """Indices of the alarms that are wrong, echoes among them."""
        wrong = alarms.copy()
        wrong[: self.calm_from] = False
        for first, last in (*self.faults, *self.excused):
            wrong[first : last + 1] = False
        return np.flatnonzero(wrong)

    def echoing(self, alarms: NDArray[np.bool_]) -> int:
        """How many echoes have an alarm."""
        wrong = np.zeros(alarms.size, dtype=bool)
        wrong[self.false_alarms(alarms)] = True
        return sum(bool(wrong[first : last + 1].any()) for first, last in self.echoes)


def rng_of(make: Callable[..., Case], seed: int) -> np.random.Generator:
    """A generator of random numbers for each kind and seed."""
    return np.random.default_rng([seed, *make.__name__.encode()])


def events(indices: NDArray[np.intp], gap: int = 10) -> int:
    """How many events alarms at these indices are, if more than ``gap`` normal points part two events."""
    return int(indices.size > 0) + int(np.count_nonzero(np.diff(indices) > gap + 1))


def clock(n: int, step: float) -> Floats:
    """Even times, from Monday midnight on."""
    return START + step * np.arange(n)


def ar1(rng: np.random.Generator, n: int, memory: float) -> Floats:
    """Autocorrelated noise of standard deviation 1."""
    shocks = rng.normal(size=n) * np.sqrt(1.0 - memory * memory)
    out, last = np.empty(n), float(rng.normal())
    for i, shock in enumerate(shocks.tolist()):
        out[i] = last = memory * last + shock
    return out


def daily_windows(at: int, n: int, per_day: int, around: int) -> tuple[Window, ...]:
    """The time of day of an index, on all later days."""
    return tuple((i - around, i + around) for i in range(at + per_day, n - around, per_day))


# A wild reading poisons what is usual


def burst_echo(rng: np.random.Generator) -> Case:
    """Requests in five minutes with a daily cycle; one burst; a real dip a week or more later."""
    n = 8640
    level, swing = rng.uniform(100, 2000), rng.uniform(0.3, 0.7)
    day = np.arange(n) * 5 * MINUTE / DAY
    rate = level * (1.0 + swing * np.sin(2 * np.pi * (day + rng.random())))
    values = rng.poisson(rate).astype(float)
    burst = int(rng.integers(4 * 288, 8 * 288))
    later = burst + int(rng.integers(7 * 288, 14 * 288))
    values[burst] = np.round(level * 10.0 ** rng.uniform(1.3, 4))
    values[later] = np.round(max(rate[later] - 15 * np.sqrt(rate[later]), 0.0))
    return Case(
        values,
        clock(n, 5 * MINUTE),
        ((burst, burst), (later, later)),
        ((burst, burst + 6),),
        2 * 288,
        daily_windows(burst, n, 288, 3),
    )


def outlier_then_spikes(rng: np.random.Generator) -> Case:
    """Noise; one reading 1e2 to 1e9 deviations away; later spikes of 12 deviations."""
    n, scale = 7000, 10.0 ** rng.uniform(-2, 2)
    values = rng.normal(100.0 * scale, scale, n)
    at = int(rng.integers(200, 2000))
    faults = at + np.array([1500, 2500, 3500, 4500]) + rng.integers(-300, 300, 4)
    values[at] += rng.choice([-1, 1]) * scale * 10.0 ** rng.uniform(2, 9)
    values[faults] += 12.0 * scale * rng.choice([-1, 1], 4)
    values = np.round(values, max(0, 2 - int(np.floor(np.log10(scale)))))
    return Case(values, None, tuple((i, i) for i in faults.tolist()), ((at, at),))


def freezer_glitch(rng: np.random.Generator) -> Case:
    """A freezer with its compressor's cycle, whose sensor sends an error code once; a real fault comes a week later."""
    step = rng.choice([1, 2, 5]) * MINUTE
    n = int(16 * DAY / step)
    period = rng.uniform(40, 90) * MINUTE
    phase = np.cumsum(step / period * (1 + 0.05 * rng.normal(size=n)))
    values = -18.0 + rng.uniform(0.5, 1.5) * (2 * np.abs(2 * (phase % 1.0) - 1) - 1) + rng.normal(0, 0.1, n)
    glitch = int(rng.uniform(2.5, 6.0) * DAY / step)
    fault = glitch + int(rng.uniform(6.5, 8.0) * DAY / step)
    hours = (np.arange(n) - fault) * step / HOUR
    fault_is = rng.integers(3)
    if fault_is == 0:  # the compressor fails for some hours
        slope, long = rng.uniform(1.0, 3.0), 4.0
        warming = np.where(hours < long, slope * hours, np.maximum(slope * (long - 2.0 * (hours - long)), 0.0))
    elif fault_is == 1:  # the door stands open for a while
        long = 1.0
        warming = rng.uniform(4.0, 8.0) * np.where(hours < 0.5, 2.0 * hours, np.exp(-(hours - 0.5)))
    else:  # one reading is wrong by a little
        long = step / HOUR
        warming = np.where(np.arange(n) == fault + 1, rng.choice([-1, 1]) * rng.uniform(3.0, 5.0), 0.0)
    values = np.round(values + np.where(hours > 0, warming, 0.0), 1)
    values[glitch] = rng.choice([32767.0, 3276.7, -127.0, 85.0, 999.9, -3276.8])
    end, hour = fault + int(long * HOUR / step), int(HOUR / step)
    excused = ((end, end + 6 * hour), (glitch, glitch + 5))
    echoes = daily_windows(glitch, n, int(DAY / step), hour // 4)
    return Case(values, clock(n, step), ((glitch, glitch), (fault, end)), excused, int(DAY / step), echoes)


def power_on_value(rng: np.random.Generator) -> Case:
    """A thermometer that first says 85, as its chip does at power-on; real spikes later."""
    n, step = 4000, rng.choice([1, 5]) * MINUTE
    scale = rng.uniform(0.1, 0.3)
    day = np.arange(n) * step / DAY
    pure = 21.0 + rng.uniform(0.2, 1.5) * np.sin(2 * np.pi * (day + rng.random()))
    values = pure + rng.normal(0, scale, n)
    first = int(rng.integers(1, 3))
    faults = rng.choice(np.arange(6, 38), 3, replace=False) * 100 + 11
    values[faults] = pure[faults] + 12.0 * scale * rng.choice([-1, 1], 3)
    values = np.round(values, 2)
    values[:first] = 85.0
    return Case(values, clock(n, step), tuple((i, i) for i in sorted(faults.tolist())), (), 60)


# The right value at the wrong time, or for too long


def duty_cycle(rng: np.random.Generator, n: int, at: int, stuck: int, on: bool) -> tuple[Floats, int, int, int]:
    """A device that goes on and off, stuck in the first run behind ``at``; that run's ends, and the longest before."""
    power, idle = rng.uniform(50, 2000), rng.uniform(0.5, 3.0)
    mean_on, mean_off = rng.uniform(8, 15), rng.uniform(18, 40)
    surge = rng.uniform(1.0, 3.0)
    values, longest, state, i, first, last = np.empty(n), 0, False, 0, -1, -1
    while i < n:
        mean = mean_on if state else mean_off
        length = max(3, int(np.round(mean * (1 + 0.12 * rng.normal()))))
        if first < 0 and i >= at and state == on:
            length, first, last = stuck, i, i + stuck - 1
        elif first < 0 and state == on:
            longest = max(longest, length)
        end = min(n, i + length)
        if state:
            values[i:end] = rng.normal(power, 0.02 * power, end - i)
            values[i] *= surge
        else:
            values[i:end] = rng.normal(idle, 0.05 * idle, end - i)
        state, i = not state, end
    return np.round(values, 1), first, last, longest


def stuck_on(rng: np.random.Generator) -> Case:
    """A fridge or pump that stays on ten times as long as ever (a door that stands open)."""
    n = 7200
    values, first, last, longest = duty_cycle(rng, n, int(rng.integers(3500, 6500)), int(rng.integers(150, 220)), True)
    times = clock(n, MINUTE) if rng.random() < 0.5 else None
    return Case(values, times, ((first + longest, last),), ((first, last + 60),), 1000)


def stuck_off(rng: np.random.Generator) -> Case:
    """The same device, which does not come on any more for ten times its longest pause."""
    n = 7200
    values, first, last, longest = duty_cycle(rng, n, int(rng.integers(3500, 6000)), int(rng.integers(400, 600)), False)
    times = clock(n, MINUTE) if rng.random() < 0.5 else None
    return Case(values, times, ((first + longest, last),), ((first, last + 60),), 1000)


def hourly_job(rng: np.random.Generator, timed: bool = True) -> Case:
    """A short job every hour, which once does not run."""
    step = rng.choice([5, 5, 10, 15]) * MINUTE
    period = int(HOUR / step)
    n = int(8 * DAY / step)
    noise = rng.uniform(0.5, 2.5)
    values = rng.normal(10.0, noise, n)
    jobs = np.arange(int(rng.integers(period)), n, period)
    high = rng.uniform(40, 80)
    values[jobs] = rng.normal(high, rng.uniform(0.05, 0.15) * high, jobs.size)
    at = int(jobs[int(rng.uniform(0.75, 0.95) * jobs.size)])
    values[at] = rng.normal(10.0, noise)
    return Case(np.round(values, 1), clock(n, step) if timed else None, ((at, at),), (), n // 4)


def meter_goes_down(rng: np.random.Generator) -> Case:
    """A total that only ever grew goes back a little, once."""
    n = 3840
    step = 15 * MINUTE
    hours = (np.arange(n) * step / HOUR) % 24
    use = rng.uniform(0.02, 0.06) + rng.uniform(0.1, 0.3) * np.exp(-(((hours - rng.uniform(16, 20)) / 2.5) ** 2))
    use = use * rng.gamma(4.0, 0.25, n)
    total = rng.uniform(100, 50_000) + np.cumsum(use)
    at = int(rng.uniform(0.7, 0.95) * n)
    fall = rng.uniform(0.3, 3.0)
    total[at:] -= fall + use[at]
    if rng.random() < 0.5:  # it is right again with the next reading
        total[at + 1 :] += fall + use[at]
    return Case(np.round(total, 1), clock(n, step), ((at, at),), ((at + 1, at + 3),), 1000)


def solar_power(rng: np.random.Generator, days: int, step: float) -> tuple[Floats, Floats]:
    """Production in watts, and hour of the day."""
    n = int(days * DAY / step)
    hours = (np.arange(n) * step / HOUR) % 24
    sunrise = rng.uniform(5.5, 7.5)
    sun = np.sin(np.pi * np.clip((hours - sunrise) / (24 - 2 * sunrise), 0, 1)) ** 1.3
    per_day = int(DAY / step)
    cloud = np.repeat(rng.uniform(0.75, 1.0, days), per_day)
    clouds = np.clip(1.0 + 0.08 * ar1(rng, n, 0.9), 0.5, 1.1)
    return np.round(rng.uniform(1000, 8000) * sun * cloud * clouds, 0), hours


def day_without_sun(rng: np.random.Generator) -> Case:
    """Solar production, of which one day has none at all."""
    step, days = 15 * MINUTE, 30
    values, _ = solar_power(rng, days, step)
    day = int(rng.integers(18, 26))
    per_day = int(DAY / step)
    values[day * per_day : (day + 1) * per_day] = 0.0
    low, high = int((day + 8 / 24) * per_day), int((day + 20 / 24) * per_day)
    excused = ((day * per_day, (day + 1) * per_day + int(14 * HOUR / step)),)
    return Case(values, clock(values.size, step), ((low, high),), excused, 6 * per_day)


def half_power(rng: np.random.Generator) -> Case:
    """Solar production that is halved for good, as by a string of panels that is lost."""
    step, days = 15 * MINUTE, 30
    values, _ = solar_power(rng, days, step)
    day = int(rng.integers(18, 24))
    per_day = int(DAY / step)
    values[day * per_day :] = np.round(0.45 * values[day * per_day :])
    low, high = int((day + 8 / 24) * per_day), int((day + 3) * per_day)
    return Case(values, clock(values.size, step), ((low, high),), ((day * per_day, (day + 6) * per_day),), 6 * per_day)


# A season believed from two coincidences


def uptime_probe(rng: np.random.Generator) -> Case:
    """An uptime probe, 1 a minute, with outages of equal length at no regular distance."""
    n = 22_000
    length, outages = int(rng.integers(2, 9)), int(rng.integers(4, 9))
    at = np.sort(rng.choice(np.arange(2, n // 700 - 1), outages, replace=False)) * 700 + rng.integers(0, 150, outages)
    values = np.ones(n)
    if rng.random() < 0.5:  # two of them at the lag of a season
        at[1] = at[0] + int(rng.integers(300, 512))
        at = np.sort(at)
    for first in at.tolist():
        values[first : first + length] = 0.0
    if rng.random() < 0.3:
        values = np.where(values > 0, 100.0, 0.0)  # percent
    windows = tuple((first, first + length - 1) for first in at.tolist())
    return Case(values, clock(n, MINUTE), windows, tuple((last + 1, last + 1) for _, last in windows), 100)


def two_blips(rng: np.random.Generator) -> Case:
    """A nearly constant line with two equal blips at a lag that could be a season's, and nothing else, for ever."""
    n = 12_000
    noise = rng.choice([0.0, 0.02])
    values = 20.0 + noise * rng.normal(size=n)
    first, lag, length = int(rng.integers(2000, 5000)), int(rng.integers(300, 512)), int(rng.integers(1, 6))
    size = rng.choice([-1, 1]) * rng.uniform(5, 15)
    for at in (first, first + lag):
        values[at : at + length] += size
    windows = tuple((at, at + length - 1) for at in (first, first + lag))
    return Case(np.round(values, 2), clock(n, MINUTE), windows, tuple((b + 1, b + 1) for _, b in windows), 100)


# Cycles that never become usual


def daily_job(rng: np.random.Generator) -> Case:
    """A job of some 15 minutes once a day, in readings a minute apart: usual from the fourth day on."""
    days = 14
    n = days * 1440
    values = rng.normal(10.0, rng.uniform(0.8, 2.0), n)
    minute, length, high = int(rng.integers(0, 1400)), int(rng.integers(10, 30)), rng.uniform(40, 90)
    jobs = []
    for day in range(days):
        first = day * 1440 + minute + int(rng.integers(0, 2))
        end = min(first + length, n)
        values[first:end] = rng.normal(high, 0.04 * high, end - first)
        jobs.append((first, end + 1))
    return Case(np.round(np.maximum(values, 0)), clock(n, MINUTE), (), (), 3 * 1440, tuple(jobs[3:]))


def weekly_cycle(rng: np.random.Generator) -> Case:
    """Five working days and a weekend in readings five minutes apart: usual from the fourth week on."""
    weeks = 6
    n = weeks * 7 * 288
    seconds = np.arange(n) * 5 * MINUTE
    hours, day = (seconds / HOUR) % 24, (seconds // DAY).astype(int) % 7
    begin, end = rng.uniform(7.5, 9), rng.uniform(17, 19)
    busy = 1.0 / (1.0 + np.exp(3 * (begin - hours))) / (1.0 + np.exp(3 * (hours - end)))
    load = 20.0 + np.where(day < 5, rng.uniform(30, 50), rng.uniform(0, 5)) * busy
    values = load + rng.uniform(0.8, 2.0) * ar1(rng, n, rng.uniform(0.0, 0.8))
    mornings = [288 * (7 * week + day) + 72 for week in range(3, weeks) for day in (0, 5)]
    turns = tuple((morning, morning + 60) for morning in mornings)
    return Case(np.round(values, 1), clock(n, 5 * MINUTE), (), (), 3 * 7 * 288, turns)


# The sentence contradicts itself


def price_walk(rng: np.random.Generator) -> Case:
    """A price that goes at random, in steps of a cent."""
    n = 6000
    steps = rng.normal(size=n) if rng.random() < 0.5 else rng.standard_t(5, n) * np.sqrt(3 / 5)
    walk = np.exp(np.cumsum(steps) * rng.uniform(0.0005, 0.003))
    return Case(np.round(100.0 * walk, 2), None, ())


def single_spike(rng: np.random.Generator) -> Case:
    """One spike, and normal readings behind it."""
    n = 3000
    noise = rng.normal(size=n) if rng.random() < 0.5 else ar1(rng, n, 0.6)
    period, amplitude = int(rng.integers(40, 300)), rng.choice([0.0, rng.uniform(1, 10)])
    values = 50.0 + noise + amplitude * np.sin(2 * np.pi * np.arange(n) / period)
    at = int(rng.integers(1500, 2500))
    values[at] += rng.choice([-1, 1]) * np.exp(rng.uniform(np.log(10), np.log(200)))
    return Case(values, None, ((at, at),), (), 300)


# What comes again is usual too soon


def level_shifts(rng: np.random.Generator) -> Case:
    """Six level shifts, some 600 points apart: up each time, or up and down in turn."""
    n = 5200
    values = rng.normal(size=n)
    size, at, up = rng.uniform(8, 15), 1200, 1
    turns, apart = rng.random() < 0.5, rng.random() < 0.5
    faults, excused = [], []
    for _ in range(6):
        values[at:] += up * size
        faults.append((at, at + 9))
        excused.append((at, at + 199))
        up = -up if turns else up
        at += 600 if apart else int(rng.integers(500, 700))
    return Case(50.0 + values, None, tuple(faults), tuple(excused))


def frequent_spikes(rng: np.random.Generator) -> Case:
    """Two in a hundred points are spikes of ten deviations."""
    n, scale = 6000, 10.0 ** rng.uniform(-2, 2)
    values = rng.normal(0.0, scale, n)
    where = np.flatnonzero(rng.random(n) < 0.02)
    where = where[where >= 300]
    values[where] += 10.0 * scale
    return Case(values, None, tuple((i, i) for i in where.tolist()))


def error_code(rng: np.random.Generator) -> Case:
    """A river's level that says -9999 twelve times in a month."""
    step = rng.choice([5, 15]) * MINUTE
    n = int(30 * DAY / step)
    day = np.arange(n) * step / DAY
    values = 2.0 + rng.uniform(0.1, 0.6) * np.sin(2 * np.pi * day / rng.choice([0.5, 1.0])) + 0.2 * ar1(rng, n, 0.999)
    values = np.round(values + rng.normal(0, 0.02, n), 2)
    at = np.sort(rng.choice(np.arange(300, n), 12, replace=False))
    values[at] = rng.choice([-9999.0, -999.0, 9999.0])
    return Case(values, clock(n, step), tuple((i, i) for i in at.tolist()))


# Streams without anomalies, and faults that are planted in them


def spread_of(values: Floats) -> float:
    """Robust standard deviation of a stream's noise, from the differences of its readings."""
    steps = np.abs(np.diff(values))
    typical = float(np.median(steps)) or float(np.mean(steps))
    return 1.4826 * typical / float(np.sqrt(2.0))


def calm_stream(name: str, seed: int, n: int) -> tuple[Floats, Floats | None]:
    """Values and times of the default stream, a random one or a named one, without anomalies."""
    if name == "default":
        return SimulatedStream(default_profile(), seed).take(n)[0], None
    if name == "random":
        profile = random_profile(np.random.default_rng([seed, 555]))
        return SimulatedStream(profile, seed).take(n)[0], None
    stream = PROFILES[name](seed)
    return stream.take(n)[0], stream.take_times(n)


FAULTS = ("spike", "dip", "level shift", "missed", "stuck", "burst")


def planted(kind: str, seed: int) -> tuple[Floats, Window]:
    """A stream of 3,000 points with one fault of a kind of FAULTS behind the 2,300th, and where an alarm finds it."""
    rng = np.random.default_rng([seed, *kind.encode()])
    n, at = 3000, int(rng.integers(2300, 2800))
    if kind == "missed":
        period = int(rng.choice([12, 24, 60]))
        values = rng.normal(10.0, 1.5, n)
        values[::period] = rng.normal(60.0, 6.0, values[::period].size)
        at -= at % period
        values[at] = 10.0
        return values, (at, at)
    if kind == "stuck":
        values = np.where(np.arange(n) % 40 < 12, 80.0, 1.2) + rng.normal(0.0, 0.1, n)
        at -= at % 40
        values[at : at + 150] = 80.0 + rng.normal(0.0, 0.1, 150)
        return values, (at + 12, at + 150)
    values = calm_stream("random", seed, n)[0]
    size = rng.uniform(8, 20) * spread_of(values)
    if kind == "burst":
        values[at : at + 40] += 0.5 * size * rng.normal(size=40)
        return values, (at, at + 45)
    if kind == "level shift":
        values[at:] += size
        return values, (at, at + 10)
    values[at] += size if kind == "spike" else -size
    return values, (at, at)
