"""What would be caught: anomalies of growing size planted into copies of a stream's own history."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamforest.protocols import NORMAL, Detector, Points, State
from streamforest.verdicts.counts import GRACE
from streamforest.verdicts.episodes import EpisodeFold

Floats = NDArray[np.float64]
#: A stretch of values, its place in the history and the size of the anomaly -> the stretch with the anomaly in it.
Plant = Callable[[Floats, int, float], Floats]

#: Places where anomalies are planted: of 49 sizes that are just caught the 45th is not exceeded by that of a new place
#: in 45 of 50 cases, if all places are alike (the rank of one among 50 is as likely to be any).
PLACES, RANK = 49, 45
#: Points of the newest history that the places are in, at most.
RECENT = 10_000
#: Points that a shift, a ramp, a burst, a flat line, a gap or a season break lasts at most, and within which it counts.
HORIZON = 60
#: Points of the shortest history: half of it has to teach the detector.
LEAST_POINTS = 500
#: Sizes from the smallest to the greatest are halved so often on a scale of ratios: 0.25 to 250 noise widths in 2 %.
HALVINGS = 9
#: Smallest and greatest size, in widths of the noise.
SIZES = (0.25, 250.0)
#: The same of a burst, as factors of the noise.
FACTORS = (1.1, 100.0)
#: Least correlation of values a season apart, and the longest season as a share of the history.
LEAST_CORRELATION, LONGEST_SEASON = 0.4, 1 / 3
#: Points of the shortest season.
LEAST_SEASON = 4
#: Share of the best correlation that a shorter cycle needs to be the season.
SAME_SEASON = 0.9
#: Share from which on as good as all are caught, not 9 in 10.
MORE = 0.94
#: What a person reads of a kind that is caught in no size, and of all kinds where there are too few places to tell.
NOT_CAUGHT, UNKNOWN = "not caught", "not known"
#: Values that tell how many decimals the stream has.
DECIMALS_FROM = 2_000


@dataclass(frozen=True)
class Kind:
    """One kind of anomaly.

    Attributes
    ----------
    name : str
        For people.
    unit : str
        What its size is in: ``units`` of the stream, ``times the noise`` or ``points``.
    plant : callable
        Plants one of a size.
    points : int
        Within which it has to be caught.
    sizes : Floats
        The sizes that are tried, growing.
    """

    name: str
    unit: str
    plant: Plant
    points: int
    sizes: Floats


@dataclass(frozen=True)
class Limit:
    """What is caught of one kind.

    Attributes
    ----------
    kind : Kind
        Of which it is.
    size : float
        That is caught in 9 of 10; infinite where none is.
    tenths : int
        Of ten of this size so many are caught: 9, or 10 where the smallest that there can be is always caught.
    delay : float
        Points after which half of those of this size are caught; NaN where none is.
    """

    kind: Kind
    size: float
    tenths: int
    delay: float


@dataclass(frozen=True)
class History:
    """What is known of a stream: its points, and how its values are written.

    Attributes
    ----------
    values, times : float64 array, shape (n,)
        As a source gives them; n is at least LEAST_POINTS.
    noise : float
        Width of the noise, in the stream's unit; above 0.
    decimals : int
        Of its values.
    least : float
        The smallest value that there can be: 0 where none is below it.
    season : int
        Points of its cycle; 0 where none is found.
    normal : bool array, shape (n,)
        Points that are not labelled as anomalous.
    """

    values: Floats
    times: Floats
    noise: float
    decimals: int
    least: float
    season: int
    normal: NDArray[np.bool_]

    @property
    def step(self) -> float:
        """Seconds between points, in the median; NaN without times."""
        steps = np.diff(self.times[np.isfinite(self.times)])
        return float(np.median(steps)) if len(steps) else float("nan")


def history_of(points: Points) -> History:
    """Learn how a stream's values are written from its points; raises ValueError where they are too few."""
    values, times = points["value"].copy(), points["time"].copy()
    finite = values[np.isfinite(values)]
    if len(finite) < LEAST_POINTS:
        raise ValueError(f"it has {len(finite):,} readings, {LEAST_POINTS:,} are needed")
    newest = finite[-DECIMALS_FROM:]
    decimals = next((d for d in range(8) if (np.round(newest, d) == newest).all()), 15)
    changes = np.diff(finite, 2) / np.sqrt(6.0)  # a season and a drift hardly show in second differences
    spread = float(np.median(np.abs(changes - np.median(changes)))) / 0.6745
    noise = max(spread, float(np.std(finite)) * 1e-3, 10.0**-decimals)
    least = 0.0 if finite.min() >= 0.0 else -np.inf
    return History(values, times, noise, decimals, least, season_of(values), points["label"] <= NORMAL)


def season_of(values: Floats) -> int:
    """Points of the strongest cycle of a stream by its autocorrelation; 0 where there is none.

    Examples
    --------
    >>> season_of(np.sin(np.arange(1000) * 2 * np.pi / 24))
    24
    """
    at = np.arange(len(values))
    finite = np.isfinite(values)
    if finite.sum() < LEAST_POINTS:
        return 0
    filled = np.interp(at, at[finite], values[finite])
    filled -= np.polyval(np.polyfit(at, filled, 1), at)
    spectrum = np.abs(np.fft.rfft(filled, 2 * len(filled))) ** 2
    together = np.fft.irfft(spectrum)[: len(filled)] / np.arange(len(filled), 0, -1)
    if together[0] <= 0.0:
        return 0
    together /= together[0]
    longest = int(len(values) * LONGEST_SEASON)
    below = np.flatnonzero(together[:longest] < 0.0)  # before that a value is only like its neighbours
    if not len(below):
        return 0
    start = int(below[0])
    if start >= longest or together[start:longest].max() < LEAST_CORRELATION:
        return 0
    near = np.flatnonzero(together[start:longest] >= SAME_SEASON * together[start:longest].max())
    first = start + int(near[0])  # its multiples go together as well
    best = first + int(np.argmax(together[first : first + first // 4 + 1]))
    return best if best >= LEAST_SEASON else 0


def kinds_of(history: History) -> list[Kind]:
    """The kinds of anomalies that can be planted into a history."""
    units = history.noise * np.geomspace(*SIZES, 2**HALVINGS)
    factors = np.geomspace(*FACTORS, 2**HALVINGS)
    lengths = np.arange(1.0, HORIZON + 1.0)
    whole = np.arange(HORIZON)

    def constant(sign: int) -> Plant:
        return lambda stretch, _place, size: stretch + sign * size

    def first(sign: int) -> Plant:
        return lambda stretch, _place, size: stretch + sign * size * (whole == 0)

    def ramp(sign: int) -> Plant:
        return lambda stretch, _place, size: stretch + sign * size * (whole + 1) / HORIZON

    def burst(stretch: Floats, place: int, size: float) -> Floats:
        around = history.values[max(place - 2, 0) : place + HORIZON + 2]
        smooth = np.convolve(np.pad(around, 2, "edge"), np.ones(5) / 5.0, "valid")[-HORIZON - 2 :][:HORIZON]
        return stretch + (size - 1.0) * (stretch - smooth)

    def flat(stretch: Floats, place: int, size: float) -> Floats:
        return np.where(whole < size, history.values[place - 1], stretch)

    def missing(stretch: Floats, _place: int, size: float) -> Floats:
        return np.where(whole < size, np.nan, stretch)

    def broken(stretch: Floats, place: int, size: float) -> Floats:
        before = place - history.season // 2
        return np.where(whole < size, history.values[before : before + HORIZON], stretch)

    kinds = [
        Kind("spike", "units", first(1), 1, units),
        Kind("dip", "units", first(-1), 1, units),
        Kind("level shift up", "units", constant(1), HORIZON, units),
        Kind("level shift down", "units", constant(-1), HORIZON, units),
        Kind("ramp up", "units", ramp(1), HORIZON, units),
        Kind("ramp down", "units", ramp(-1), HORIZON, units),
        Kind("variance burst", "times the noise", burst, HORIZON, factors),
        Kind("flat line", "points", flat, HORIZON, lengths),
        Kind("missing", "points", missing, HORIZON, lengths),
    ]
    return [*kinds, Kind("season break", "points", broken, HORIZON, lengths)] if history.season else kinds


@dataclass(frozen=True)
class Place:
    """A point of the history, and what a detector remembers of all before it."""

    at: int
    state: State


class Trials:
    """Plants anomalies into copies of a history and lets a detector judge them.

    Parameters
    ----------
    history : History
        What they are planted into.
    make : callable
        Gives a fresh detector.
    seed : int
        Of the places.

    Attributes
    ----------
    places : list of Place
        At which no alarm comes by itself within HORIZON points; PLACES of them, or as many as there are.
    episodes : int
        Alarms in the stretch that the places are from, without any planted and without those of labelled anomalies.
    points : int
        Points of that stretch.
    """

    def __init__(self, history: History, make: Callable[[], Detector], seed: int, first: int | None = None) -> None:
        self._history, self._detector = history, make()
        n = len(history.values)
        self._first = max(n - RECENT, n // 2) if first is None else first
        self.points = n - self._first
        self.places: list[Place] = []
        self.episodes = 0
        self._find_places(make(), np.random.default_rng(seed))

    @property
    def unknown(self) -> str:
        """Why nothing is known, for people: there are too few places; empty where there are enough."""
        needed = PLACES // 2
        if len(self.places) >= needed:
            return ""
        return f"{UNKNOWN}: {len(self.places)} calm places of {HORIZON} points, {needed} are needed"

    def _find_places(self, detector: Detector, rng: np.random.Generator) -> None:
        history, n = self._history, len(self._history.values)
        wanted = np.arange(self._first, n - HORIZON)
        wanted = wanted[np.isfinite(history.values[wanted]) & np.isfinite(history.values[wanted - 1])]
        order = rng.permutation(wanted)[: 3 * PLACES]
        found: dict[int, State] = {}
        verdicts = [detector.update_many(history.values[: self._first], history.times[: self._first])]
        begun = self._first
        for at in sorted(order.tolist()):
            if at > begun:
                verdicts.append(detector.update_many(history.values[begun:at], history.times[begun:at]))
            found[at], begun = detector.state(), at
        verdicts.append(detector.update_many(history.values[begun:], history.times[begun:]))
        alarms = np.concatenate([block["is_anomaly"] for block in verdicts])
        fold = EpisodeFold()
        happened = [one for block in verdicts[1:] for one in fold.add(block)]
        starts = [episode.start.index for happening, episode in happened if happening == "start"]
        self.episodes = sum(bool(history.normal[max(at - GRACE, 0) : at + 1].all()) for at in starts)
        calm = [at for at in order.tolist() if not alarms[at : at + HORIZON].any()]
        self.places = [Place(at, found[at]) for at in calm[:PLACES]]

    def delay(self, kind: Kind, place: Place, size: float) -> int:
        """Points until an anomaly is caught, 0 for at once; -1 where it is not."""
        end = place.at + HORIZON
        history = self._history
        values = kind.plant(history.values[place.at : end].copy(), place.at, size)
        values = np.maximum(np.round(values, history.decimals), history.least)[: kind.points]
        self._detector.restore(place.state)
        verdicts = self._detector.update_many(values, history.times[place.at : place.at + kind.points].copy())
        caught = np.flatnonzero(verdicts["is_anomaly"])
        return int(caught[0]) if len(caught) else -1

    def limit(self, kind: Kind) -> Limit:
        """What is caught of a kind in 9 of 10 places."""
        sizes = sorted(self._least_size(kind, place) for place in self.places)
        rank = -(-len(sizes) * RANK // PLACES)  # RANK of PLACES, rounded up
        size = np.inf if self.unknown else sizes[rank - 1]
        if not np.isfinite(size):
            return Limit(kind, np.inf, 0, np.nan)
        delays = [delay for place in self.places if (delay := self.delay(kind, place, size)) >= 0]
        share = sum(least <= size for least in sizes) / (len(sizes) + 1)
        tenths = 10 if share > MORE else 9
        return Limit(kind, size, tenths, float(np.median(delays)) if delays else np.nan)

    def _least_size(self, kind: Kind, place: Place) -> float:
        """The smallest size that is caught at a place; infinite where the greatest is not."""
        low, high = -1, len(kind.sizes) - 1
        if self.delay(kind, place, float(kind.sizes[high])) < 0:
            return np.inf
        while high - low > 1:
            middle = (low + high) // 2
            if self.delay(kind, place, float(kind.sizes[middle])) < 0:
                low = middle
            else:
                high = middle
        return float(kind.sizes[high])


@dataclass(frozen=True)
class Answer:
    """What would be caught at one alarm rate, and its price.

    Attributes
    ----------
    rate : float
        The alarm rate.
    limits : list of Limit
        One a kind.
    episodes, points : int
        Alarms that came by themselves, and the points among which they did.
    unknown : str
        Why nothing is known of any kind, for people; empty where something is.
    """

    rate: float
    limits: Sequence[Limit]
    episodes: int
    points: int
    unknown: str = ""


def answers(history: History, make: Callable[[float], Detector], rates: Sequence[float], seed: int) -> Iterator[Answer]:
    """What would be caught at each alarm rate; ``make`` gives a fresh detector of a rate."""
    kinds = kinds_of(history)
    for rate in rates:
        trials = Trials(history, lambda rate=rate: make(rate), seed)  # type: ignore[misc]
        limits = [trials.limit(kind) for kind in kinds]
        yield Answer(rate, limits, trials.episodes, trials.points, trials.unknown)


def shown_size(limit: Limit, step: float) -> str:
    """A limit for people; ``step`` is the seconds between points, NaN where it is unknown."""
    if not np.isfinite(limit.size):
        return NOT_CAUGHT
    if limit.kind.name.startswith("ramp"):
        hourly = step == step and step > 0.0
        return (
            f"{limit.size * 3600.0 / (HORIZON * step):.4g} an hour" if hourly else f"{limit.size / HORIZON:.4g} a point"
        )
    return f"{limit.size:.4g}"


def sentences(answer: Answer, step: float) -> list[str]:
    """What would be caught, each kind in a line; one that says why where nothing is known."""
    return (
        [answer.unknown] if answer.unknown else [_sentence(limit, shown_size(limit, step)) for limit in answer.limits]
    )


def _sentence(limit: Limit, size: str) -> str:
    kind = limit.kind
    if not np.isfinite(limit.size):
        return f"{kind.name}: {NOT_CAUGHT} in 9 of 10, of whatever size"
    unit = {"units": "", "times the noise": " times the noise", "points": f" point{'' if limit.size == 1.0 else 's'}"}
    when = "at once" if limit.delay == 0 else f"half of them within {limit.delay + 1:.0f} points"
    return f"{kind.name} of {size}{unit[kind.unit]}: caught in {limit.tenths} of 10, {when}"


def table(found: Sequence[Answer], step: float) -> list[str]:
    """What would be caught at each alarm rate, and how many alarms come without any cause, as aligned lines."""
    rows = [["caught in 9 of 10", *(f"{answer.rate:g}" for answer in found)]]
    for at, limit in enumerate(found[0].limits):
        unit = "" if limit.kind.unit == "units" else f" ({limit.kind.unit})"
        cells = (UNKNOWN if answer.unknown else shown_size(answer.limits[at], step) for answer in found)
        rows.append([limit.kind.name + unit, *cells])
    rows.append([f"alarms in these {found[0].points:,} points", *(f"{answer.episodes:,}" for answer in found)])
    if step == step and step > 0.0:
        days = [answer.points * step / 86_400.0 for answer in found]
        rows.append(["alarms a day", *(f"{a.episodes / d:.3g}" for a, d in zip(found, days, strict=True))])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in rows]


def as_objects(answer: Answer) -> Mapping[str, object]:
    """The answer as JSON can hold it; a size that is never caught is None."""
    return {
        "alarm_rate": answer.rate,
        "alarms": answer.episodes,
        "points": answer.points,
        "unknown": answer.unknown or None,
        "caught_in_9_of_10": {
            limit.kind.name: {
                "size": limit.size if np.isfinite(limit.size) else None,
                "unit": limit.kind.unit,
                "tenths": limit.tenths,
                "within_points": limit.kind.points,
                "median_delay_points": limit.delay if limit.delay == limit.delay else None,
            }
            for limit in answer.limits
        },
    }
