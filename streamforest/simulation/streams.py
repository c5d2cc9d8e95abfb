"""Labelled synthetic streams: a regular pattern, season, drift and noise, with injected anomalies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamforest.compiled import compiled
from streamforest.protocols import LABELS, NORMAL, State
from streamforest.state import MOST_COUNTED, attributes_of, fits, packed, saved_array, set_attributes, unpacked

Noise = Literal["gaussian", "heavy-tailed", "autocorrelated", "counts"]
NOISES: tuple[Noise, ...] = ("gaussian", "heavy-tailed", "autocorrelated", "counts")
KINDS = LABELS[2:]

#: Kinds of one point, now and then two; all others are long.
SHORT_KINDS = ("spike", "dip")
#: Share of the short events that take two points: the spike of a value that is read twice.
PAIR_SHARE = 0.1
#: Share of events that are long, and most points that these may cover, so that most points stay normal however many
#: events are asked for. The second one bounds the first from a probability of 0.014 on.
LONG_SHARE, LONG_COVER = 0.13, 0.08
#: Points before the first event: a detector warms up (24 for the default one) and then needs some to know the noise.
FIRST_EVENT = 40
#: The opening, so that a viewer sees several kinds within the first minute at the default delay: one event
#: begins in each of these slots, in points. The later ones are as long as the longest event, so that no event pushes
#: the next out of its own slot.
OPENING = ((FIRST_EVENT, 200), (200, 320), (320, 440), (440, 560))
OPENING_POINTS = 600
#: Shortest and longest duration of the long kinds, in points.
_KIND_POINTS = {
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
#: Breaks that are drawn for one that is seen: a week shifted by two days may look the same for an hour.
_BREAK_TRIES = 4
BLOCK = 1024
#: What no drift, noise or event comes to, in standard deviations; and points of the longest event.
MOST_DEVIATIONS = 1000.0
MOST_EVENT_POINTS = max(most for _, most in _KIND_POINTS.values())


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


class Event(NamedTuple):
    """One injected anomaly.

    Attributes
    ----------
    kind : str
        One of KINDS.
    start, end : int
        First point and the point after the last, counted from the stream's first point.
    size : float
        In standard deviations of the noise, below 0 for a shift or ramp downwards, and no deeper than from the
        cycle to 0 for counts; a factor of the noise for a variance burst; 1 for kinds without a size.
    shift : int
        Points that the cycle is shifted by in a season break; 0: it is absent.
    """

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
        Probability that a point begins an anomaly, in [0, 0.5]: events over points, in the long run.
    kinds : tuple of str
        Kinds of anomalies to inject, of KINDS; season breaks only if the profile has a season.

    Attributes
    ----------
    on_event : callable or None
        Called once with each :class:`Event`, in order, when the block in which it begins is made, which is up to BLOCK
        points before these are taken.

    Raises
    ------
    ValueError
        The probability is out of its range or a kind is unknown.

    Notes
    -----
    Most events are spikes and dips of one point. The long kinds come in turn, in an order that is shuffled anew each
    round, and cover at most LONG_COVER of the points whatever the probability; without a short kind among ``kinds``
    there are only as many events as that allows. Events never overlap, but one may follow another at once. At 0.2 one
    point in five begins an event and 29 % of the points are anomalous; at 0.5, the most, 63 % are.

    Nothing is injected into the first FIRST_EVENT points. If the probability promises the first OPENING_POINTS points
    at least an event for each slot of the OPENING, and there is a short kind, one event begins in each slot, all of
    different kinds and the first a short one. These come on top of the events of chance, which are all short until the
    last of them has begun.
    """

    on_event: Callable[[Event], None] | None = None

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
        usable = [k for k in KINDS if k in kinds and (k != "season break" or profile.seasons)]
        if outlier_probability > 0 and not usable:
            raise ValueError(f"kinds is {kinds}, which leaves nothing to inject; allowed are {', '.join(KINDS)}")
        self._short = [kind for kind in usable if kind in SHORT_KINDS]
        self._long = [kind for kind in usable if kind not in SHORT_KINDS]
        self._event_rng = np.random.default_rng([seed, 1])  # its own: what is not injected does not depend on what is
        self._set_rates(outlier_probability)
        self._bag: list[str] = []
        self._due = self._draw_opening()
        self._event: Event | None = None
        self._position = 0
        self._phases = [int(self._rng.integers(season.period)) for season in profile.seasons]
        self._drift = float(self._rng.normal())
        self._noise = float(self._rng.normal())
        self._last = profile.level
        self._values = np.empty(0)
        self._labels = np.empty(0, dtype=np.int8)

    def _set_rates(self, probability: float) -> None:
        """The mean share of points that begin an event, of events that are long, and the mean gap between events."""
        long_points = float(np.mean([_KIND_POINTS[kind] for kind in self._long])) if self._long else np.inf
        long_rate = min(probability * LONG_SHARE if self._short else probability, LONG_COVER / long_points)
        self._rate = probability if self._short else long_rate
        if self._rate == 0.0:
            return
        self._long_share = long_rate / self._rate
        covered = long_rate * long_points if self._long else 0.0
        covered += (self._rate - long_rate) * (1.0 + PAIR_SHARE)
        self._mean_gap = (1.0 - covered) / self._rate

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
    _FACTS: ClassVar[tuple[str, ...]] = ("_position", "_phases", "_drift", "_noise", "_last", "_bag", "_due")
    #: The generators of random numbers.
    _GENERATORS: ClassVar[tuple[str, ...]] = ("_rng", "_event_rng")

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
        event, generators = unpacked(state, "random", tuple[Event | None, list[Any]])
        set_attributes(self, self._FACTS, state, "facts")
        self._event = None if event is None else Event(*event)
        for name, saved in zip(self._GENERATORS, generators, strict=True):
            getattr(self, name).bit_generator.state = saved
        some = len(state["values"])
        self._values = saved_array(state, "values", np.empty(some)).copy()
        self._labels = saved_array(state, "labels", np.empty(some, np.int8)).copy()
        if not self._is_possible():
            raise ValueError("the saved state of the simulated stream is none that it can have")

    def _is_possible(self) -> bool:
        """Whether what was restored is such as this stream comes to: all of it is used as it stands."""
        if not fits([self._phases, self._bag, self._due], tuple[list[int], list[str], list[tuple[int, str]]]):
            return False
        seasons, kinds, event = self.profile.seasons, {*self._short, *self._long}, self._event
        return (
            0 <= self._position <= MOST_COUNTED
            and len(self._phases) == len(seasons)
            and all(0 <= phase < season.period for phase, season in zip(self._phases, seasons, strict=True))
            and all(abs(number) <= MOST_DEVIATIONS for number in (self._drift, self._noise))
            and {*self._bag} <= {*self._long}
            and all(kind in kinds and 0 <= start <= MOST_COUNTED for start, kind in self._due)
            and bool(((self._labels >= 0) & (self._labels < len(LABELS))).all())
            and (event is None or (event.kind in kinds and self._can_follow(event)))
        )

    def _can_follow(self, event: Event) -> bool:
        """Whether an event may be the newest one that was drawn: it is not over before the next point."""
        points = event.end - event.start
        return (
            0 <= event.start <= MOST_COUNTED
            and 0 < points <= MOST_EVENT_POINTS
            and event.end >= self._position
            and abs(event.size) <= MOST_DEVIATIONS
            and 0 <= event.shift < MOST_COUNTED
        )

    def _draw_opening(self) -> list[tuple[int, str]]:
        """Where the events of the opening are due, and their kinds."""
        if not self._short or self._rate * OPENING_POINTS < len(OPENING):
            return []
        kinds = [*self._shuffled(self._short), *self._shuffled(self._long)][: len(OPENING)]
        kinds[1:] = self._shuffled(kinds[1:])
        starts = [int(self._event_rng.integers(low, high)) for low, high in OPENING]
        return list(zip(starts, kinds, strict=False))

    def _shuffled(self, kinds: list[str]) -> list[str]:
        return [kinds[at] for at in self._event_rng.permutation(len(kinds))]

    def _next_event(self, after: int) -> Event | None:
        if self._rate == 0.0:
            return None
        start = max(after, FIRST_EVENT) + int(self._event_rng.geometric(1.0 / (1.0 + self._mean_gap))) - 1
        if not self._due:
            return self._draw_event(self._draw_kind(self._long_share), start)
        due, kind = self._due[0]
        if start < due:
            return self._draw_event(self._draw_kind(0.0), start)
        self._due = self._due[1:]
        return self._draw_event(kind, max(after, due))

    def _draw_kind(self, long_share: float) -> str:
        if self._event_rng.random() >= long_share:
            return self._short[self._event_rng.integers(len(self._short))]
        if not self._bag:
            self._bag = self._shuffled(self._long)
        return self._bag.pop()

    def _draw_event(self, kind: str, start: int) -> Event:
        rng = self._event_rng
        if kind in SHORT_KINDS:
            points = 1 + int(rng.random() < PAIR_SHARE)
        else:
            low, high = _KIND_POINTS[kind]
            points = int(rng.integers(low, high + 1))
        least, most = _KIND_SIZES.get(kind, (1.0, 1.0))
        size = float(np.exp(rng.uniform(np.log(least), np.log(most))))
        if kind in ("level shift", "ramp") and rng.random() < 0.5:
            size = -size
        if self.profile.noise == "counts":  # which do not fall below 0
            mean = self.profile.level + float(self._make_season(np.array([start]))[0])
            deepest = max(mean, 0.0) / self._unit()
            size = min(size, deepest) if kind == "dip" else max(size, -deepest)
        shift = self._draw_shift(start, points) if kind == "season break" else 0
        return Event(kind, start, start + points, size, shift)

    def _draw_shift(self, start: int, points: int) -> int:
        """The first of some shifts that changes the stretch by the cycle's own width, else the one that does most."""
        rng, season = self._event_rng, self.profile.seasons[0]
        where = np.arange(start, start + points)
        shifts = rng.integers(season.period // 4, season.period // 2 + 1, _BREAK_TRIES)
        shifts[rng.random(_BREAK_TRIES) < 0.5] = 0
        usual = self._make_season(where)
        changes = np.array([np.sqrt(np.mean((self._broken_season(where, shift) - usual) ** 2)) for shift in shifts])
        seen = changes >= np.std(season.shape)
        return int(shifts[np.argmax(seen) if seen.any() else np.argmax(changes)])

    def _broken_season(self, where: NDArray[np.int64], shift: int) -> NDArray[np.float64]:
        return self._make_season(where + shift) if shift else np.zeros(where.size)

    def _block(self) -> tuple[NDArray[np.float64], NDArray[np.int8]]:
        """BLOCK points: the parts are made apart, so that an event can change one of them."""
        first = self._position
        labels = np.full(BLOCK, NORMAL, dtype=np.int8)
        events = []
        if self._event is None:
            self._event = self._next_event(first)
        while self._event is not None and self._event.start < first + BLOCK:
            events.append(self._event)
            if self.on_event is not None and self._event.start >= first:
                self.on_event(self._event)
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
    def _span(event: Event, first: int) -> tuple[int, int]:
        return max(event.start - first, 0), min(event.end - first, BLOCK)

    def _inject(
        self,
        event: Event,
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
            burst = self._event_rng.normal(size=high - low) if self.profile.noise == "counts" else noise[low:high]
            noise[low:high] = burst * event.size
        elif event.kind == "season break":
            season[low:high] = self._broken_season(where, event.shift)

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
