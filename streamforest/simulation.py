"""Labelled synthetic streams: a regular pattern, season, drift and noise, with injected anomalies."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamforest.compiled import compiled
from streamforest.protocols import LABELS, NORMAL, State
from streamforest.state import attributes_of, packed, set_attributes, unpacked

Noise = Literal["gaussian", "heavy-tailed", "autocorrelated", "counts"]
NOISES: tuple[Noise, ...] = ("gaussian", "heavy-tailed", "autocorrelated", "counts")
KINDS = LABELS[2:]

#: Mean share of events by kind. Short kinds are more frequent, or most anomalous points would be long ones.
_KIND_WEIGHTS = {
    "spike": 24.0,
    "dip": 16.0,
    "level shift": 1.0,
    "ramp": 1.0,
    "variance burst": 1.0,
    "flat line": 1.0,
    "season break": 1.0,
    "missing": 1.0,
}
#: Shortest and longest duration by kind, in points.
_KIND_POINTS = {
    "spike": (1, 2),
    "dip": (1, 2),
    "level shift": (20, 80),
    "ramp": (20, 80),
    "variance burst": (20, 60),
    "flat line": (20, 60),
    "season break": (20, 120),
    "missing": (3, 20),
}
#: Smallest and largest size in standard deviations of the noise (a factor of the noise for the burst).
_KIND_SIZES = {
    "spike": (6.0, 40.0),
    "dip": (6.0, 40.0),
    "level shift": (5.0, 20.0),
    "ramp": (6.0, 20.0),
    "variance burst": (3.0, 8.0),
}
BLOCK = 1024


class Season(NamedTuple):
    """One repeating cycle: ``period`` in points, its value at each of its points, mean 0."""

    period: int
    shape: NDArray[np.float64]


@dataclass(frozen=True)
class StreamProfile:
    """What an endless stream looks like.

    Parameters
    ----------
    level : float
        Mean value; of counts the mean count, above 0.
    noise_scale : float
        Standard deviation of the noise, above 0 (of counts it follows from the level and is not used).
    noise : str
        One of NOISES. Heavy-tailed is Student's t with 3 degrees of freedom, autocorrelated an AR(1) with 0.8,
        counts are Poisson around the pattern.
    seasons : tuple of Season
        Cycles that are added up.
    drift : float
        Standard deviation of the slow wandering of the level; it is mean-reverting, so that an endless
        stream stays bounded.
    drift_points : float
        Points in which the wandering forgets where it was, above 1.
    """

    level: float = 50.0
    noise_scale: float = 1.0
    noise: Noise = "gaussian"
    seasons: tuple[Season, ...] = field(default_factory=tuple)
    drift: float = 0.0
    drift_points: float = 5000.0

    def __post_init__(self) -> None:
        if self.noise not in NOISES:
            raise ValueError(f"noise is {self.noise!r}, allowed are {', '.join(NOISES)}")
        if self.noise == "counts" and not 0.0 < self.level < np.inf:
            raise ValueError(f"level is {self.level}, allowed is above 0 for counts")
        ranges = {"noise_scale": (0.0, "above 0"), "drift": (-np.inf, "0 or more"), "drift_points": (1.0, "above 1")}
        for name, (low, allowed) in ranges.items():
            value = getattr(self, name)
            if not (value > low and value >= 0.0):
                raise ValueError(f"{name} is {value}, allowed is {allowed}")


class _Event(NamedTuple):
    kind: str
    start: int
    end: int
    size: float
    shift: int


def random_shape(rng: np.random.Generator, period: int, amplitude: float) -> NDArray[np.float64]:
    """One cycle of any shape: a smooth mix of harmonics, a square, a saw-tooth or a train of peaks; mean 0."""
    phase = np.arange(period) / period
    style = rng.integers(4)
    if style == 0:
        weights = rng.normal(size=4) / np.arange(1, 5)
        shape = sum(w * np.sin(2 * np.pi * (k * phase + rng.random())) for k, w in enumerate(weights, 1))
    elif style == 1:
        shape = (phase < rng.uniform(0.2, 0.8)).astype(float)
    elif style == 2:
        shape = (phase + rng.random()) % 1.0
    else:
        shape = np.exp(-(((phase - 0.5) / rng.uniform(0.03, 0.15)) ** 2))
    shape = np.asarray(shape) - np.mean(shape)
    spread = float(np.std(shape))
    return np.asarray(shape * (amplitude / spread) if spread > 0 else shape)


def random_profile(rng: np.random.Generator) -> StreamProfile:
    """Draw a profile, any unit and size, as the production model is trained on."""
    noise = NOISES[rng.choice(4, p=[0.4, 0.2, 0.2, 0.2])]
    scale = float(10.0 ** rng.uniform(-3, 3))
    level = float(rng.normal() * 10.0 ** rng.uniform(0, 3)) * scale
    if noise == "counts":
        level = float(10.0 ** rng.uniform(0, 3.5))
        scale = float(np.sqrt(level))
    seasons = []
    if rng.random() < 0.7:
        period = int(np.exp(rng.uniform(np.log(12), np.log(400))))
        limit = level / scale / 2.5 if noise == "counts" else 12.0
        amplitude = float(np.exp(rng.uniform(np.log(0.5), np.log(12.0))))
        seasons.append(Season(period, random_shape(rng, period, min(amplitude, limit) * scale)))
        if rng.random() < 0.3:
            seasons.append(Season(period * 7, random_shape(rng, period * 7, min(amplitude, limit) * scale / 3)))
    drift = float(rng.choice([0.0, 0.0, rng.uniform(0.5, 4.0)])) * scale
    return StreamProfile(level, scale, noise, tuple(seasons), drift, float(np.exp(rng.uniform(6, 9))))


def default_profile() -> StreamProfile:
    """The stream that ``python main.py`` watches: a reading around 50 with a cycle of 200 points and slow drift."""
    phase = np.arange(200) / 200
    shape = 8.0 * np.sin(2 * np.pi * phase) + 2.5 * np.sin(4 * np.pi * phase + 1.0)
    return StreamProfile(50.0, 1.0, "gaussian", (Season(200, shape),), drift=2.0, drift_points=3000.0)


@compiled
def _autoregress(shocks: NDArray[np.float64], memory: float, last: float) -> float:
    """Turn shocks into an AR(1) in place; returns the last value."""
    for i in range(shocks.size):
        last = memory * last + shocks[i]
        shocks[i] = last
    return last


class SimulatedStream:
    """An endless labelled stream, repeatable by seed, in constant memory.

    Parameters
    ----------
    profile : StreamProfile
        What the stream looks like.
    seed : int
        The same profile, seed and probability give the same points, however they are taken.
    outlier_probability : float
        Probability that a point is anomalous, in [0, 0.5].
    kinds : tuple of str
        Kinds of anomalies to inject, of KINDS.

    Raises
    ------
    ValueError
        The probability is out of its range or a kind is unknown.
    """

    def __init__(
        self, profile: StreamProfile, seed: int, outlier_probability: float = 0.0, kinds: tuple[str, ...] = KINDS
    ) -> None:
        if not 0.0 <= outlier_probability <= 0.5:
            raise ValueError(f"outlier_probability is {outlier_probability}, allowed is 0 to 0.5")
        unknown = [kind for kind in kinds if kind not in KINDS]
        if unknown:
            raise ValueError(f"kinds has {unknown[0]!r}, allowed are {', '.join(KINDS)}")
        self.profile = profile
        self._rng = np.random.default_rng(seed)
        self._kinds = tuple(k for k in kinds if k != "season break" or profile.seasons)
        if outlier_probability > 0 and not self._kinds:
            raise ValueError(f"kinds is {kinds}, which leaves nothing to inject; allowed are {', '.join(KINDS)}")
        weights = np.array([_KIND_WEIGHTS[kind] for kind in self._kinds])
        self._weights = weights / weights.sum()
        mean_points = float(self._weights @ [(lo + hi) / 2 for lo, hi in (_KIND_POINTS[k] for k in self._kinds)])
        self._mean_gap = mean_points * (1.0 / outlier_probability - 1.0) if outlier_probability > 0 else np.inf
        self._position = 0
        self._phases = [int(self._rng.integers(season.period)) for season in profile.seasons]
        self._drift = float(self._rng.normal())
        self._noise = float(self._rng.normal())
        self._last = profile.level
        self._event = self._next_event(0)
        self._values = np.empty(0)
        self._labels = np.empty(0, dtype=np.int8)

    def take(self, n: int) -> tuple[NDArray[np.float64], NDArray[np.int8]]:
        """The next n points: values (NaN = a missing reading) and labels (index into LABELS), shape (n,)."""
        while self._values.size < n:
            values, labels = self._block()
            self._values = np.concatenate([self._values, values])
            self._labels = np.concatenate([self._labels, labels])
        values, self._values = self._values[:n], self._values[n:]
        labels, self._labels = self._labels[:n], self._labels[n:]
        return values, labels

    #: What changes from point to point, beside what is made and not taken yet and the random numbers.
    _FACTS: ClassVar[tuple[str, ...]] = ("_position", "_phases", "_drift", "_noise", "_last")
    #: The generators of random numbers.
    _GENERATORS: ClassVar[tuple[str, ...]] = ("_rng",)

    def state(self) -> State:
        """A copy of all that the next points depend on, beside what the stream was made with."""
        generators = [getattr(self, name).bit_generator.state for name in self._GENERATORS]
        return {
            "facts": attributes_of(self, self._FACTS),
            "random": packed([self._event, generators]),
            "values": self._values.copy(),
            "labels": self._labels.copy(),
        }

    def restore(self, state: State) -> None:
        """Go on from the state of a stream that was made in the same way; raises ValueError where it is none."""
        event, generators = unpacked(state, "random")
        set_attributes(self, self._FACTS, state, "facts")
        self._event = None if event is None else _Event(*event)
        for name, saved in zip(self._GENERATORS, generators, strict=True):
            getattr(self, name).bit_generator.state = saved
        self._values, self._labels = state["values"].copy(), state["labels"].copy()

    def _next_event(self, after: int) -> _Event | None:
        if not np.isfinite(self._mean_gap):
            return None
        rng = self._rng
        start = after + int(rng.geometric(1.0 / (1.0 + self._mean_gap))) - 1
        kind = self._kinds[rng.choice(len(self._kinds), p=self._weights)]
        low, high = _KIND_POINTS[kind]
        points = int(rng.integers(low, high + 1))
        least, most = _KIND_SIZES.get(kind, (1.0, 1.0))
        size = float(np.exp(rng.uniform(np.log(least), np.log(most))))
        if kind in ("level shift", "ramp") and rng.random() < 0.5:
            size = -size
        period = self.profile.seasons[0].period if self.profile.seasons else 1
        shift = int(rng.integers(period // 4, period // 2 + 1)) if rng.random() < 0.5 else 0
        return _Event(kind, start, start + points, size, shift)

    def _block(self) -> tuple[NDArray[np.float64], NDArray[np.int8]]:
        """BLOCK points: the parts are made apart, so that an event can change one of them."""
        first = self._position
        labels = np.full(BLOCK, NORMAL, dtype=np.int8)
        events = []
        while self._event is not None and self._event.start < first + BLOCK:
            events.append(self._event)
            if self._event.end >= first + BLOCK:
                break
            self._event = self._next_event(self._event.end)
        noise = self._make_noise()
        season = self._make_season(np.arange(first, first + BLOCK))
        offset = self._make_drift()
        spans = [(event, *self._span(event, first)) for event in events]
        for event, low, high in spans:
            labels[low:high] = LABELS.index(event.kind)
            self._inject(event, first, low, high, noise, season, offset)
        values = self._combine(noise, season + offset)
        for event, low, high in spans:
            if event.kind == "flat line":
                values[low:high] = self._before(values, low)
            elif event.kind == "missing":
                values[low:high] = np.nan
        self._last = self._before(values, BLOCK)
        self._position += BLOCK
        return values, labels

    def _before(self, values: NDArray[np.float64], at: int) -> float:
        """The last reading before an index that is not missing."""
        there = np.flatnonzero(values[:at] == values[:at])
        return float(values[there[-1]]) if there.size else self._last

    @staticmethod
    def _span(event: _Event, first: int) -> tuple[int, int]:
        return max(event.start - first, 0), min(event.end - first, BLOCK)

    def _inject(
        self,
        event: _Event,
        first: int,
        low: int,
        high: int,
        noise: NDArray[np.float64],
        season: NDArray[np.float64],
        offset: NDArray[np.float64],
    ) -> None:
        where = np.arange(first + low, first + high)
        unit = self._unit()
        if event.kind in ("spike", "level shift"):
            offset[low:high] += event.size * unit
        elif event.kind == "dip":
            offset[low:high] -= event.size * unit
        elif event.kind == "ramp":
            offset[low:high] += event.size * unit * (where - event.start + 1) / (event.end - event.start)
        elif event.kind == "variance burst":
            # counts have no noise of their own to enlarge: they get some
            burst = self._rng.normal(size=high - low) if self.profile.noise == "counts" else noise[low:high]
            noise[low:high] = burst * event.size
        elif event.kind == "season break":
            season[low:high] = self._make_season(where + event.shift) if event.shift else 0.0

    def _unit(self) -> float:
        return float(np.sqrt(self.profile.level)) if self.profile.noise == "counts" else self.profile.noise_scale

    def _make_noise(self) -> NDArray[np.float64]:
        """Noise of standard deviation 1; none for counts, whose noise is the counting itself."""
        if self.profile.noise == "counts":
            return np.zeros(BLOCK)
        if self.profile.noise == "heavy-tailed":
            return np.asarray(self._rng.standard_t(3, BLOCK) / np.sqrt(3.0))
        noise = self._rng.normal(size=BLOCK)
        if self.profile.noise == "autocorrelated":
            noise *= 0.6  # makes an AR(1) with 0.8 of variance 1
            self._noise = _autoregress(noise, 0.8, self._noise)
        return noise

    def _make_season(self, index: NDArray[np.int64]) -> NDArray[np.float64]:
        total = np.zeros(index.size)
        for season, phase in zip(self.profile.seasons, self._phases, strict=True):
            total += season.shape[(index + phase) % season.period]
        return total

    def _make_drift(self) -> NDArray[np.float64]:
        memory = float(np.exp(-1.0 / self.profile.drift_points))
        shocks = self._rng.normal(size=BLOCK) * np.sqrt(1.0 - memory * memory)
        self._drift = _autoregress(shocks, memory, self._drift)
        return np.asarray(shocks * self.profile.drift)

    def _combine(self, noise: NDArray[np.float64], pattern: NDArray[np.float64]) -> NDArray[np.float64]:
        mean = self.profile.level + pattern
        if self.profile.noise != "counts":
            return np.asarray(mean + noise * self.profile.noise_scale)
        rate = np.maximum(mean, 0.05 * self.profile.level)
        return self._rng.poisson(np.maximum(rate + np.sqrt(rate) * noise, 0.0)).astype(np.float64)
