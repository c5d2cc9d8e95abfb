"""Weeks by the clock: false episodes on simulated ones, and how many days that are unlike the others are found."""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from settings import ALARM_RATE  # noqa: E402 - the path comes first
from streamforest.detectors.isolation_forest import StreamDetector  # noqa: E402
from streamforest.features.holidays import public_holidays  # noqa: E402
from streamforest.models.model_file import Model, load_model  # noqa: E402
from streamforest.models.shipped import SHIPPED_MODEL  # noqa: E402
from streamforest.protocols import Verdicts  # noqa: E402

#: Minutes between readings; standard deviations of the noise, the range of a usual day being 1.
STEPS, NOISES = (1, 5, 15, 60), (0.03, 0.1, 0.2)
STREAMS = 40
ZONE = "Europe/Berlin"
#: The first day, a Monday; weeks; a holiday in the fourth week, a day like a Sunday. In the seventh summer time ends.
FIRST_DAY, WEEKS, HOLIDAY = datetime(2024, 9, 9), 8, datetime(2024, 10, 3)
#: Weeks in which a stream is got to know: no false episode counts.
LEARNING = 3
#: Weeks, from 0, one of which has the day that is to be found: there is no holiday before it in its week.
EVENT_WEEKS = (4, 5, 7)
#: Days by which a whole day is larger or smaller, a standard deviation.
DAY_SPREAD = 0.03
#: Kinds of days that are to be found: no production, Sunday's values on a Monday, all of a day an hour late.
KINDS = ("missed day", "Monday like a Sunday", "hour shifted")

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
#: Judges a stream's values at their times, both of shape (n,).
Judge = Callable[[Floats, Floats], Verdicts]


class Week(NamedTuple):
    """A simulated stream that follows the clock of its zone.

    Attributes
    ----------
    times : float64 array, shape (n,)
        Seconds, UTC epoch, evenly apart.
    hours : float64 array, shape (n,)
        Of the day by the zone's clock, in [0, 24).
    days : int64 array, shape (n,)
        By the zone's clock, from 0.
    shapes : float64 arrays, shapes (2, k)
        A working day and one of the weekend, from 0 to 1, the same distance apart over 24 hours.
    sizes : float64 array, shape (days,)
        What each day is multiplied by.
    noise : float64 array, shape (n,)
    """

    times: Floats
    hours: Floats
    days: NDArray[np.int64]
    shapes: Floats
    sizes: Floats
    noise: Floats

    def values(self, kind: str = "", event: int = -1) -> Floats:
        """The stream with an event of one of KINDS on a day, or with none."""
        of_week = self.days % 7
        is_quiet = (of_week >= 5) | (self.days == (HOLIDAY - FIRST_DAY).days)
        is_here = self.days == event
        hours = np.where(is_here, self.hours - 1.0, self.hours) % 24.0 if kind == "hour shifted" else self.hours
        if kind == "Monday like a Sunday":
            is_quiet = is_quiet | is_here
        at = hours / 24.0 * self.shapes.shape[1]
        places = np.arange(self.shapes.shape[1] + 1)
        usual, quiet = (np.interp(at, places, np.append(shape, shape[0])) for shape in self.shapes)
        values = np.where(is_quiet, quiet, usual) * self.sizes[self.days]
        if kind == "missed day":
            values[is_here] = self.shapes[0].min()
        return np.asarray(values + self.noise)


class Outcome(NamedTuple):
    """What one stream gave.

    Attributes
    ----------
    false_episodes : float
        A week, after the first LEARNING ones, without an event.
    on_holiday, on_change : int
        How many of them began on the holiday, and on the day on which summer time ends.
    found, by_chance : tuples of bool
        For each of KINDS whether a point of that day is marked, and whether one is without the event.
    """

    false_episodes: float
    on_holiday: int
    on_change: int
    found: tuple[bool, ...]
    by_chance: tuple[bool, ...]


def simulate(step: int, noise: float, zone: str, seed: int) -> Week:
    """A stream of WEEKS weeks.

    Parameters
    ----------
    step : int
        Minutes between two readings.
    noise : float
        Standard deviation.
    zone : str
        The name of the time zone whose clock it follows.
    seed : int
    """
    rng = np.random.default_rng([seed, step])
    begin = FIRST_DAY.replace(tzinfo=ZoneInfo(zone))
    end = (FIRST_DAY + timedelta(weeks=WEEKS)).replace(tzinfo=ZoneInfo(zone))
    times = np.arange(begin.timestamp(), end.timestamp(), 60.0 * step)
    local = times + offsets(times, zone)
    since = local - FIRST_DAY.replace(tzinfo=UTC).timestamp()
    days = (since // 86_400.0).astype(np.int64)
    hours = since % 86_400.0 / 3600.0
    sizes = 1.0 + DAY_SPREAD * rng.normal(size=int(days[-1]) + 1)
    return Week(times, hours, days, _shapes(rng), sizes, noise * rng.normal(size=len(times)))


def offsets(times: Floats, zone: str) -> Floats:
    """What a zone's clock is ahead of UTC at each time, seconds; its changes are at full hours."""
    hours, which = np.unique(times // 3600.0, return_inverse=True)
    of_hours = [datetime.fromtimestamp(hour * 3600.0, ZoneInfo(zone)).utcoffset() for hour in hours]
    return np.array([(offset or timedelta()).total_seconds() for offset in of_hours])[which]


def _shapes(rng: np.random.Generator) -> Floats:
    """A working day, which rises in the morning and falls in the evening, and one of the weekend, later and lower."""
    hours = np.arange(0.0, 24.0, 0.25)
    up, down, lunch = rng.uniform(5.5, 8.5), rng.uniform(16.0, 20.0), rng.uniform(0.0, 0.3)
    usual = _plateau(hours, up, down, rng.uniform(0.4, 1.0)) - lunch * np.exp(-0.5 * ((hours - 12.5) / 0.8) ** 2)
    quiet = rng.uniform(0.2, 0.5) * _plateau(hours, up + rng.uniform(1.0, 3.0), down + rng.uniform(0.0, 3.0), 1.2)
    return np.array([(usual - usual.min()) / np.ptp(usual), quiet - quiet.min()])


def _plateau(hours: Floats, up: float, down: float, width: float) -> Floats:
    rise, fall = (1.0 / (1.0 + np.exp(-(hours - at) / width)) for at in (up, down))
    return np.asarray(rise - fall)


def measure(judge: Callable[[], Judge], step: int, noise: float, zone: str, seed: int) -> Outcome:
    """Judge a stream, and the same one with each kind of event."""
    week = simulate(step, noise, zone, seed)
    rng = np.random.default_rng([seed, step, 1])
    verdicts = judge()(week.values(), week.times)
    is_later = week.days >= 7 * LEARNING
    begins = np.flatnonzero(np.diff(verdicts["episode"], prepend=0) * is_later * verdicts["is_anomaly"])
    begun_on = week.days[begins]
    found, by_chance = [], []
    for kind in KINDS:
        day = 7 * int(rng.choice(EVENT_WEEKS)) + (0 if kind == "Monday like a Sunday" else int(rng.integers(1, 5)))
        is_here = week.days == day
        marked = judge()(week.values(kind, day), week.times)["is_anomaly"]
        found.append(bool(marked[is_here].any()))
        by_chance.append(bool(verdicts["is_anomaly"][is_here].any()))
    return Outcome(
        len(begins) / (WEEKS - LEARNING),
        int(np.sum(begun_on == (HOLIDAY - FIRST_DAY).days)),
        int(np.isin(begun_on, list(_days_of_change(week, zone))).sum()),
        tuple(found),
        tuple(by_chance),
    )


def _days_of_change(week: Week, zone: str) -> set[int]:
    """Days on which the zone's clock is put forward or back."""
    return set(week.days[np.flatnonzero(np.diff(offsets(week.times, zone))) + 1].tolist())


def default_detector(model: Model, rate: float, country: str | None, zone: str) -> Judge:
    """The default detector, fresh; with a country it is told the public holidays."""
    holidays = None if country is None else public_holidays(country, ZoneInfo(zone))
    return StreamDetector(model, rate, holidays=holidays).update_many


def _measured(task: tuple[int, float, argparse.Namespace, int]) -> Outcome:
    step, noise, asked, seed = task
    judge = partial(default_detector, _model(asked.model), asked.alarm_rate, asked.holidays, asked.zone)
    return measure(judge, step, noise, asked.zone, seed)


_model = cache(load_model)


def outcomes(asked: argparse.Namespace) -> Iterator[tuple[int, float, list[Outcome]]]:
    """For each step and noise what its streams gave."""
    rows = [(step, noise) for step in asked.steps for noise in asked.noises]
    tasks = [(step, noise, asked, seed) for step, noise in rows for seed in range(1, asked.streams + 1)]
    with ExitStack() as stack:
        measured: Iterator[Outcome] = map(_measured, tasks)
        if asked.jobs > 1:
            pool = stack.enter_context(ProcessPoolExecutor(asked.jobs, multiprocessing.get_context("spawn")))
            measured = pool.map(_measured, tasks)
        for step, noise in rows:
            yield step, noise, list(islice(measured, asked.streams))


def row(step: int, noise: float, rate: float, streams: Sequence[Outcome]) -> str:
    """A row of the table."""
    asked = rate * 7 * 24 * 60 / step
    found, by_chance = (np.mean(column, 0) for column in zip(*(one[3:] for one in streams), strict=True))
    cells = [
        f"{step} min",
        f"{noise:g}",
        f"{asked:.2f}",
        f"{np.mean([one.false_episodes for one in streams]):.2f}",
        f"{np.mean([one.on_holiday for one in streams]):.2f}",
        f"{np.mean([one.on_change for one in streams]):.2f}",
        *(f"{one:.2f} ({other:.2f})" for one, other in zip(found, by_chance, strict=True)),
    ]
    return f"| {' | '.join(cells)} |"


def parse(words: Sequence[str] | None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, nargs="+", default=STEPS, help="minutes (default: all)")
    parser.add_argument("--noises", type=float, nargs="+", default=NOISES, help="of the day's range (default: all)")
    parser.add_argument("--streams", type=int, default=STREAMS, help="of each step and noise (default %(default)s)")
    parser.add_argument("--zone", default=ZONE, help="whose clock they follow (default %(default)s)")
    parser.add_argument("--holidays", metavar="COUNTRY", help="the detector is told its public holidays (DE: the one)")
    parser.add_argument("--model", type=Path, default=SHIPPED_MODEL)
    parser.add_argument("--alarm-rate", type=float, default=ALARM_RATE, help="default %(default)s")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default %(default)s)")
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> int:
    """Measure and print the table."""
    asked = parse(words)
    heads = [
        "step",
        "noise",
        "points asked a week",
        "false episodes a week",
        "on the holiday",
        "on the change of time",
        *KINDS,
    ]
    print(f"{asked.streams} streams a row; found, and in brackets marked on that day without the event\n")
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for step, noise, streams in outcomes(asked):
        print(row(step, noise, asked.alarm_rate, streams), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
