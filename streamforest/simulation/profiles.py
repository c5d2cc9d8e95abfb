"""Named simulated streams with times, each like the real thing: a sensor, a server, payments, energy, web traffic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from streamforest.simulation.streams import BLOCK, KINDS, MOST_DEVIATIONS, Season, SimulatedStream, StreamProfile
from streamforest.state import MOST_COUNTED

Floats = NDArray[np.float64]

HOUR = 3600
DAY = 24 * HOUR
WEEK = 7 * DAY
YEAR = 365.2425 * DAY

#: Time of the first point: Monday, 2024-01-01, 00:00 UTC.
START = 1704067200.0


class TimedStream(SimulatedStream):
    """A simulated stream whose points have times, and whose cycles keep to the clock.

    A kind of stream is a subclass: its profile, how far apart its points are, and how pattern and noise become
    values. All that is injected and labelled is :class:`~streamforest.simulation.streams.SimulatedStream`'s.

    Parameters
    ----------
    seed : int
        The same seed and probability give the same points, however they are taken.
    outlier_probability : float
        Probability that a point begins an anomaly, in [0, 0.5].

    Attributes
    ----------
    title : str
        What the stream is, for people.
    unit : str
        What a value is, for people.
    step : float
        Seconds between points.
    """

    title: ClassVar[str]
    unit: ClassVar[str]
    step: ClassVar[float]
    shape: ClassVar[StreamProfile]
    kinds: ClassVar[tuple[str, ...]] = KINDS
    _FACTS = (*SimulatedStream._FACTS, "_taken")

    def __init__(self, seed: int, outlier_probability: float = 0.0) -> None:
        self._own_seed = [seed, *self.title.encode()]  # or all kinds would have their anomalies at the same points
        mixed = int(np.random.SeedSequence(self._own_seed).generate_state(1)[0])
        super().__init__(self.shape, mixed, outlier_probability, self.kinds)
        self._phases = [0] * len(self._phases)
        self._taken = 0

    def take_times(self, n: int) -> Floats:
        """The times of the next n points, seconds UTC epoch, none before the one before it, shape (n,)."""
        index = np.arange(self._taken, self._taken + n, dtype=np.float64)
        self._taken += n
        return START + self.step * index

    def _is_possible(self) -> bool:
        return super()._is_possible() and 0 <= self._taken <= MOST_COUNTED

    def _block_times(self) -> Floats:
        """Seconds since the start of the points of the block that is being made."""
        return self.step * np.arange(self._position, self._position + BLOCK, dtype=np.float64)


def week_of(*days: Sequence[float], step: float) -> Season:
    """A weekly cycle from hourly values of each day, Monday first, smoothed over about two hours; mean 0."""
    hours = np.concatenate(days)
    seconds = np.arange(0, WEEK, step)
    curve = np.interp(seconds / HOUR, np.arange(hours.size + 1), np.append(hours, hours[0]))
    width = int(HOUR / step) * 2 + 1
    around = np.concatenate([curve[-width:], curve, curve[:width]])
    bell = np.hanning(width + 2)
    smooth = np.convolve(around, bell / bell.sum(), "same")[width:-width]
    return Season(curve.size, smooth - smooth.mean())


def decaying(sizes: Floats, points: float, last: float) -> Floats:
    """What is left, at each point, of impulses that fade by 1/e in so many points; ``last`` is from before."""
    kept = np.exp(-1.0 / points)
    left = np.empty(sizes.size)
    for at, size in enumerate(sizes.tolist()):
        last = left[at] = last * kept + size
    return left


_OFFICE_DAY = [18.4, 18.2, 18.0, 17.8, 17.7, 17.9, 19.6, 20.8, 21.2, 21.4, 21.5, 21.7]
_OFFICE_DAY += [21.9, 22.2, 22.4, 22.3, 22.0, 21.7, 21.4, 21.0, 20.3, 19.7, 19.2, 18.7]
_OFFICE_WEEKEND = [18.2, 18.0, 17.8, 17.6, 17.4, 17.3, 17.3, 17.4, 17.6, 17.9, 18.3, 18.7]
_OFFICE_WEEKEND += [19.1, 19.4, 19.5, 19.3, 19.0, 18.6, 18.3, 18.1, 17.9, 17.8, 17.7, 17.6]


class SensorStream(TimedStream):
    """Temperature of an office: heated by day, cooler at the weekend, slow drift, in steps of a tenth of a degree."""

    title = "temperature sensor"
    unit = "degrees Celsius every five minutes"
    step = 300.0
    shape = StreamProfile(
        level=19.6,
        noise_scale=0.12,
        noise="autocorrelated",
        seasons=(week_of(*[_OFFICE_DAY] * 5, *[_OFFICE_WEEKEND] * 2, step=300.0),),
        drift=0.6,
        drift_points=1200.0,
    )

    def _combine(self, noise: Floats, pattern: Floats) -> Floats:
        radiator = 0.15 * np.sin(2 * np.pi * self._block_times() / (50 * 60))  # its thermostat's own cycle
        return np.round(super()._combine(noise, pattern + radiator), 1)


_OFFICE_LOAD = [-8, -9, -9, -9, -8, -6, -2, 4, 10, 14, 15, 13, 10, 12, 15, 15, 12, 7, 2, -1, -3, -5, -6, -7]
_IDLE_LOAD = [-9, -10, -10, -10, -10, -9, -8, -7, -6, -5, -4, -4, -4, -4, -4, -4, -4, -4, -4, -5, -6, -7, -8, -8]


class ServerStream(TimedStream):
    """CPU of a server: between 0 and 100, busy in office hours, a short job every hour and a long one every night."""

    title = "server CPU"
    unit = "percent busy every five minutes"
    step = 300.0
    shape = StreamProfile(
        level=28.0,
        noise_scale=1.6,
        noise="autocorrelated",
        seasons=(week_of(*[_OFFICE_LOAD] * 5, *[_IDLE_LOAD] * 2, step=300.0),),
        drift=1.5,
        drift_points=1500.0,
    )

    def _combine(self, noise: Floats, pattern: Floats) -> Floats:
        skewed = noise + 0.2 * (np.minimum(noise * noise, 9.0) - 1.0)
        load = self.profile.level + pattern + skewed * self._unit() * np.clip(1.0 + pattern / 40.0, 0.5, 1.5)
        load += self._jobs() + self._rng.normal(0.0, 0.5, BLOCK)
        idle = 0.4 + 0.3 * self._rng.random(BLOCK)
        return np.asarray(np.round(np.clip(load, idle, 100.0), 1), dtype=np.float64)

    def _jobs(self) -> Floats:
        """What the jobs that run by the clock take, a little different each time."""
        clock = self._block_times()
        load = np.where(clock % HOUR < self.step, 5.0, 0.0)
        days = clock // DAY
        for day in np.unique(days).tolist():
            nightly = np.random.default_rng([*self._own_seed, int(day)])
            seconds, size = nightly.uniform(1800, 3300), nightly.uniform(32, 42)
            into = clock - day * DAY - 2 * HOUR
            load[(into >= 0) & (into < seconds)] += size
        return np.asarray(load * self._rng.normal(1.0, 0.08, BLOCK))


_SHOP_DAY = [1, 0.5, 0.3, 0.2, 0.2, 0.5, 2, 6, 14, 22, 28, 32, 38, 32, 28, 30, 34, 42, 44, 34, 24, 15, 8, 3]
_SHOP_SATURDAY = [3, 1.5, 0.8, 0.4, 0.3, 0.5, 1.5, 4, 12, 26, 40, 48, 48, 46, 44, 42, 38, 34, 30, 24, 18, 13, 9, 5]
_SHOP_SUNDAY = [3, 1.5, 0.8, 0.4, 0.3, 0.3, 0.6, 1.5, 4, 8, 12, 15, 17, 16, 15, 15, 16, 17, 17, 15, 12, 9, 5, 2]


class PaymentStream(TimedStream):
    """Card payments of a shop, one by one: mostly small, some very large, most of them in business hours."""

    title = "payments"
    unit = "amount of each payment"
    step = 0.0  # they come when they come
    shape = StreamProfile(level=0.0, noise_scale=1.0)
    kinds = ("spike", "level shift", "variance burst", "flat line")  # no amount is far below the small ones: no dips

    #: Payments that are expected since Monday 00:00, at each full hour of the week.
    expected: ClassVar[Floats] = np.cumsum([0.0, *_SHOP_DAY * 5, *_SHOP_SATURDAY, *_SHOP_SUNDAY])
    _FACTS = (*TimedStream._FACTS, "_reached")
    _GENERATORS = (*TimedStream._GENERATORS, "_waits")

    def __init__(self, seed: int, outlier_probability: float = 0.0) -> None:
        super().__init__(seed, outlier_probability)
        self._waits = np.random.default_rng([*self._own_seed, 1])
        self._reached = float(self.expected[8])

    def _is_possible(self) -> bool:
        return super()._is_possible() and 0.0 <= self._reached <= MOST_COUNTED

    def take_times(self, n: int) -> Floats:
        """The times of the next n payments: a Poisson process whose rate follows the hour of the week."""
        reached = np.cumsum(np.concatenate([[self._reached], self._waits.exponential(size=n)]))[1:]
        self._reached = float(reached[-1]) if n else self._reached
        weeks, rest = np.divmod(reached, self.expected[-1])
        hours = np.interp(rest, self.expected, np.arange(self.expected.size))
        return np.asarray(START + weeks * WEEK + np.round(hours * HOUR, 3))

    def _combine(self, noise: Floats, pattern: Floats) -> Floats:
        is_large = self._rng.random(BLOCK) < 0.04  # an appliance among the groceries
        size = noise + pattern
        bounded = np.sign(size) * (np.minimum(np.abs(size), 3.0) + np.log1p(np.maximum(np.abs(size) - 3.0, 0.0)))
        amounts = 24.0 * np.exp(0.85 * bounded + np.where(is_large, 1.8, 0.0))
        endings = self._rng.choice([0.0, 0.49, 0.5, 0.95, 0.99], BLOCK)
        is_priced = (self._rng.random(BLOCK) < 0.5) & (amounts >= 1.0)
        paid = np.where(is_priced, np.floor(amounts) + endings, np.maximum(amounts, 0.01))
        return np.asarray(np.round(paid, 2), dtype=np.float64)


_WORKDAY = [44, 42.5, 42, 42, 43, 46, 52, 58, 61, 62, 62.5, 63, 63, 62, 61, 60, 59.5, 60.5, 62, 61, 58, 55, 51, 47]
_SATURDAY = [
    45,
    43,
    42,
    41.5,
    41.5,
    42,
    43.5,
    46,
    49.5,
    52,
    53,
    53.5,
    53,
    52,
    51,
    50,
    50,
    51.5,
    53,
    52.5,
    50,
    48.5,
    46,
    44,
]
_SUNDAY = [
    42,
    40.5,
    39.5,
    39,
    39,
    39,
    39.5,
    41,
    44,
    46.5,
    48.5,
    50,
    50,
    48.5,
    47,
    46,
    46,
    48,
    50.5,
    51,
    49.5,
    48.5,
    46.5,
    44,
]


class EnergyStream(TimedStream):
    """Electric load of a country: day, week and year, with an evening peak in winter and the weather's slow drift."""

    title = "energy load"
    unit = "megawatts every quarter of an hour"
    step = 900.0
    shape = StreamProfile(
        level=51_000.0,
        noise_scale=260.0,
        noise="autocorrelated",
        seasons=(
            week_of(*[[1e3 * load for load in day] for day in [_WORKDAY] * 5 + [_SATURDAY, _SUNDAY]], step=900.0),
        ),
        drift=1400.0,
        drift_points=400.0,
    )

    def _combine(self, noise: Floats, pattern: Floats) -> Floats:
        clock = self._block_times()
        winter = np.cos(2 * np.pi * (clock / YEAR - 20 / 365))  # 1 about 20 January, -1 about 20 July
        evening = np.exp(-(((clock % DAY) / HOUR - 18.25) ** 2) / 3.0)
        year = 4500.0 * winter + 3500.0 * evening * winter
        return np.round(super()._combine(noise, pattern * (1.0 + 0.05 * winter) + year))


_SITE_DAY = [420, 300, 220, 180, 170, 210, 360, 620, 900, 1080, 1160, 1180, 1220, 1180, 1150, 1160, 1180, 1200]
_SITE_DAY += [1260, 1380, 1480, 1420, 1120, 720]
_SITE_WEEKEND = [560, 420, 310, 240, 200, 200, 250, 360, 560, 800, 980, 1080, 1120, 1120, 1120, 1140, 1160, 1200]
_SITE_WEEKEND += [1280, 1400, 1480, 1380, 1080, 760]


class WebStream(TimedStream):
    """Requests to a web site: counts with a daily and a weekly pattern, and bursts that die away."""

    title = "web traffic"
    unit = "requests in five minutes"
    step = 300.0
    shape = StreamProfile(
        level=860.0,
        noise_scale=60.0,
        seasons=(week_of(*[_SITE_DAY] * 5, *[_SITE_WEEKEND] * 2, step=300.0),),
        drift=50.0,
        drift_points=800.0,
    )

    _FACTS = (*TimedStream._FACTS, "_burst")

    def __init__(self, seed: int, outlier_probability: float = 0.0) -> None:
        self._burst = 0.0
        super().__init__(seed, outlier_probability)

    def _is_possible(self) -> bool:
        return super()._is_possible() and 0.0 <= self._burst <= MOST_DEVIATIONS

    def _combine(self, noise: Floats, pattern: Floats) -> Floats:
        starts = self._rng.random(BLOCK) < 1 / 60
        bursts = decaying(np.where(starts, self._rng.exponential(0.2, BLOCK), 0.0), 4.0, self._burst)
        self._burst = float(bursts[-1])
        rate = np.maximum(self.profile.level + pattern, 0.03 * self.profile.level)
        return self._rng.poisson(np.maximum(rate * (1.0 + bursts + 0.03 * noise), 0.0)).astype(np.float64)


#: The streams there are, by the name that a user gives.
PROFILES: dict[str, type[TimedStream]] = {
    "sensor": SensorStream,
    "server": ServerStream,
    "payments": PaymentStream,
    "energy": EnergyStream,
    "web": WebStream,
}
