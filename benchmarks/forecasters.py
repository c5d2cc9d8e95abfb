"""Who takes part in the benchmarks of forecasts and bands, and the series that they are measured on."""

from __future__ import annotations

import argparse
import math
import multiprocessing
import sys
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarks import peers
from benchmarks.boards import read_board
from settings import ALARM_RATE
from streamforest.detectors.isolation_forest import StreamDetector
from streamforest.models.model_file import Model, load_model
from streamforest.models.shipped import SHIPPED_MODEL
from streamforest.simulation.profiles import DAY, PROFILES
from streamforest.simulation.streams import SimulatedStream, random_profile

Floats = NDArray[np.float64]


#: Simulated streams without anomalies, a third of them with times, and points of each.
STREAMS, POINTS = 60, 4000
#: The longest season that a peer is told, in points.
LONGEST_SEASON = 2000


class Stream(NamedTuple):
    """A series to be forecast.

    Attributes
    ----------
    group, name : str
        The board, or "simulated"; and which of its series.
    values, times : float64 array, shape (n,)
        NaN where missing or unknown.
    is_normal : bool array, shape (n,)
        Whether a point is in no labelled anomaly.
    season : int
        A day by the clock, else the season that was simulated, in points; 0 where there is none or a quarter of the
        series does not hold it.
    """

    group: str
    name: str
    values: Floats
    times: Floats
    is_normal: NDArray[np.bool_]
    season: int


class Forecaster(Protocol):
    """Forecasts a stream."""

    def learn(self, values: Floats, times: Floats) -> None:
        """Take the next readings, shape (n,)."""
        ...

    def ahead(self, steps: int) -> Floats:
        """What is expected of the next points, shape (steps,), NaN where that is unknown."""
        ...


def streams(boards: Sequence[Path], most: int) -> Iterator[Stream]:
    """The series of boards that are not constant, and simulated ones; the first ``most`` points of each."""
    for folder in boards:
        board = read_board(folder)
        for series in board.series:
            if np.nanmin(series.values) < np.nanmax(series.values):
                values, times = series.values[:most], series.times[:most]
                yield Stream(board.name, series.name, values, times, ~series.labels[:most], _day(times))
    named = list(PROFILES.items())
    n = min(POINTS, most)
    is_normal = np.ones(n, dtype=bool)
    for seed in range(STREAMS):
        if seed % 3:
            profile = random_profile(np.random.default_rng(seed))
            values = SimulatedStream(profile, seed, 0.0).take(n)[0]
            season = profile.seasons[0].period if profile.seasons else 0
            yield Stream("simulated", f"random {seed}", values, np.full(n, np.nan), is_normal, season)
        else:
            name, kind = named[seed // 3 % len(named)]
            stream = kind(seed)
            times = stream.take_times(n)
            yield Stream("simulated", f"{name} {seed}", stream.take(n)[0], times, is_normal, _day(times))


def _day(times: Floats) -> int:
    steps = np.diff(times)
    steps = steps[steps > 0.0]
    day = round(DAY / float(np.median(steps))) if len(steps) else 0
    return day if 2 <= day <= len(times) // 4 else 0


class Own:
    """The default detector of this project."""

    def __init__(self, model: Model) -> None:
        self._detector = StreamDetector(model, ALARM_RATE)

    def learn(self, values: Floats, times: Floats) -> None:
        """Take the next readings."""
        self._detector.update_many(values, times)

    def ahead(self, steps: int) -> Floats:
        """Its forecast."""
        return self._detector.forecast(steps)[0]


class OneByOne(ABC):
    """A forecaster that takes one reading after the other, the last one in place of one that is missing."""

    def __init__(self) -> None:
        self._last = math.nan

    def learn(self, values: Floats, _times: Floats) -> None:
        """Take the next readings."""
        for value in values.tolist():
            self._last = self._last if math.isnan(value) else value
            if not math.isnan(self._last):
                self._learn(self._last)

    @abstractmethod
    def _learn(self, value: float) -> None:
        """Take the next reading."""


class LastValue(OneByOne):
    """The last value goes on."""

    def _learn(self, value: float) -> None:
        """Nothing: it is kept already."""

    def ahead(self, steps: int) -> Floats:
        """The last value."""
        return np.full(steps, self._last)


class SeasonalNaive(OneByOne):
    """The last season comes again."""

    def __init__(self, season: int) -> None:
        super().__init__()
        self._season = season
        self._values: deque[float] = deque(maxlen=season)

    def _learn(self, value: float) -> None:
        self._values.append(value)

    def ahead(self, steps: int) -> Floats:
        """The last season."""
        if not 0 < self._season <= len(self._values):
            return np.full(steps, np.nan)
        return np.array([self._values[step % self._season] for step in range(steps)])


class River(OneByOne):
    """A model of river's ``time_series``."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self._model = model

    def _learn(self, value: float) -> None:
        with suppress(ZeroDivisionError, OverflowError):  # it then goes on as it was
            self._model.learn_one(value)

    def ahead(self, steps: int) -> Floats:
        """Its forecast, NaN where it cannot make one."""
        try:
            return np.array(self._model.forecast(horizon=steps), dtype=np.float64)
        except (IndexError, ValueError, OverflowError, ZeroDivisionError, TypeError):
            return np.full(steps, np.nan)


class Skater(OneByOne):
    """``laplace`` of skaters one step ahead: that takes it 4 ms a point, ten steps 14 ms."""

    def __init__(self) -> None:
        from skaters import laplace  # noqa: PLC0415 - only where it is installed

        super().__init__()
        self._forecast = laplace(k=1)
        self._state: Any = None
        self._known: list[Any] = []

    def _learn(self, value: float) -> None:
        self._known, self._state = self._forecast(value, self._state)

    def ahead(self, steps: int) -> Floats:
        """Means of its distributions."""
        means = [known.mean for known in self._known[:steps]]
        return np.array(means + [math.nan] * (steps - len(means)))

    def band(self, rate: float) -> tuple[float, float]:
        """Quantiles of the next point, with a share ``rate`` outside; NaN where they are unknown."""
        if not self._known:
            return math.nan, math.nan
        return self._known[0].quantile(rate / 2), self._known[0].quantile(1 - rate / 2)


def holt_winters(season: int) -> River:
    """Additive Holt-Winters with usual gains."""
    from river.time_series import HoltWinters  # noqa: PLC0415

    is_seasonal = 2 <= season <= LONGEST_SEASON
    return River(HoltWinters(0.3, 0.03, 0.15 if is_seasonal else None, season if is_seasonal else 0))


def snarimax(season: int) -> River:
    """SNARIMAX of eight lags, and one season's where there is one, by linear regression on scaled lags."""
    from river import linear_model, optim, preprocessing  # noqa: PLC0415
    from river.time_series import SNARIMAX  # noqa: PLC0415

    regression = linear_model.LinearRegression(optimizer=optim.SGD(0.01), intercept_lr=0.01)
    has_season = 2 <= season <= LONGEST_SEASON
    regressor = preprocessing.StandardScaler() | regression
    return River(SNARIMAX(8, 0, 0, m=season if has_season else 1, sp=int(has_season), regressor=regressor))


def forecasters(model: Model) -> dict[str, tuple[str, Callable[[Stream], Forecaster]]]:
    """Name -> the package that it needs, or "", and what makes it for a stream."""
    return {
        "streamforest": ("", lambda _stream: Own(model)),
        "last value": ("", lambda _stream: LastValue()),
        "seasonal naive": ("", lambda stream: SeasonalNaive(stream.season)),
        "Holt-Winters": ("river", lambda stream: holt_winters(stream.season)),
        "SNARIMAX": ("river", lambda stream: snarimax(stream.season)),
        "skaters": ("skaters", lambda _stream: Skater()),
    }


def usable(known: dict[str, tuple[str, Callable[[Stream], Forecaster]]]) -> list[str]:
    """The names of those whose package is installed; says of the others what they lack."""
    able = []
    for name, (package, _) in known.items():
        if package and peers.installed(package) is None:
            print(f"{name} left out: pip install {package}", file=sys.stderr)
        else:
            able.append(name)
    return able


def measured(
    description: str,
    words: Sequence[str] | None,
    measure: Callable[[Model, Sequence[str], Stream], tuple[str, Floats]],
    never: Collection[str] = (),
) -> tuple[list[str], list[str], Floats]:
    """Read a command line and measure what it asks for.

    Parameters
    ----------
    description : str
        What the benchmark is, for its help.
    words : sequence of str, optional
        The command line; that of the program if None.
    measure : callable
        A model, names of forecasters and a stream -> the stream's group and an array of figures, a row a name.
    never : collection of str
        Names that are left out.

    Returns
    -------
    names : list of str
        Of the forecasters.
    groups : list of str
        Of each stream.
    figures : float64 array
        One of ``measure``'s for each stream.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("boards", nargs="*", type=Path, metavar="BOARD", help="as quality.py reads them")
    parser.add_argument(
        "--model", type=Path, default=SHIPPED_MODEL, help="made by model_prod.py (default the shipped one)"
    )
    parser.add_argument("--most", type=int, default=1_000_000, help="points of a series (default all)")
    parser.add_argument("--every", type=int, default=1, help="only each so many-th series (default %(default)s)")
    parser.add_argument("--without", default="", help="names, separated by commas")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default %(default)s)")
    asked = parser.parse_args(words)
    model = load_model(asked.model)
    left_out = {name.strip() for name in asked.without.split(",")} | set(never)
    names = [name for name in usable(forecasters(model)) if name not in left_out]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(asked.jobs, mp_context=context) as pool:
        every = islice(streams(asked.boards, asked.most), 0, None, asked.every)
        found = list(pool.map(partial(measure, model, names), every, chunksize=4))
    return names, [group for group, _ in found], np.array([figures for _, figures in found])
