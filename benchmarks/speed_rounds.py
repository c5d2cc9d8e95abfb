"""Costs in alternating rounds: everybody once a round, one round to warm up, medians and spread of the others."""

from __future__ import annotations

import math
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

#: Points that every contender has seen before the clock starts.
KNOWN = 2000
LEAST_ROUNDS = 5

Values = NDArray[np.float64]
#: Judges one value and, if its kind does, learns it.
Step = Callable[[float], object]
#: Judges an array of values.
Sweep = Callable[[Values], object]
#: Gives seconds, from any start.
Clock = Callable[[], float]

K = TypeVar("K")


class Contender(NamedTuple):
    """Something whose cost a point is measured, by its library's own idiom.

    Attributes
    ----------
    name : str
        For tables.
    points : int
        That a round judges: as many as take long enough to be timed.
    step, sweep : callable or None
        One of them: gives a fresh one that has seen the values it is given, and judges point by point or in arrays.
    packages : tuple of str
        What must be installed, by the names that pip knows.
    at : float
        Where it stands on what the cost grows with; NaN where that is not measured.
    """

    name: str
    points: int
    step: Callable[[Values], Step] | None = None
    sweep: Callable[[Values], Sweep] | None = None
    packages: tuple[str, ...] = ()
    at: float = math.nan


class Cost(NamedTuple):
    """A figure of one contender over the rounds: a row of the CSV file.

    Attributes
    ----------
    topic, who : str
        What was measured, of whom.
    at : float
        Number of trees, of streams and so on, where the topic is how the cost grows; else NaN.
    unit : str
        Of the three numbers.
    median, lowest, highest : float
        Over the rounds.
    """

    topic: str
    who: str
    at: float
    unit: str
    median: float
    lowest: float
    highest: float


def cost(topic: str, who: str, unit: str, taken: Sequence[float], at: float = math.nan) -> Cost:
    """The figure of what each round took."""
    return Cost(topic, who, at, unit, statistics.median(taken), min(taken), max(taken))


def show(text: str) -> None:
    """Say on a terminal how far it is, over what was said before."""
    if sys.stderr.isatty():
        print(f"\r{text[:100]:<100}\r", end="", file=sys.stderr, flush=True)


def alternate(
    topic: str, tasks: Mapping[K, Callable[[int], float]], rounds: int, warm_up: int = 1
) -> dict[K, list[float]]:
    """What each task returns in each round, given the number of the round; all of them once a round.

    So many rounds before the first warm up and are not counted.
    """
    taken: dict[K, list[float]] = {key: [] for key in tasks}
    for turn in range(rounds + warm_up):
        for key, task in tasks.items():
            show(f"{topic}: round {turn + 1} of {rounds + warm_up}, {key}")
            taken[key].append(task(turn))
    show("")
    return {key: numbers[warm_up:] for key, numbers in taken.items()}


def measure(
    topic: str, everybody: Sequence[Contender], stream: Values, rounds: int, clock: Clock = time.process_time
) -> list[Cost]:
    """Each contender's microseconds a point, in alternating rounds.

    Parameters
    ----------
    stream : float64 array
        More than KNOWN values.
    clock : callable
        Seconds. The processor's own where a contender has one thread, since that leaves out what other programs take
        of a busy machine; real time where there are several.
    """

    def name(contender: Contender) -> str:
        return contender.name if math.isnan(contender.at) else f"{contender.name}, {contender.at:,.0f}"

    tasks = {}
    for contender in everybody:
        show(f"{topic}: {name(contender)} gets ready")
        tasks[name(contender)] = timed(contender, stream, clock)
    taken = alternate(topic, tasks, rounds)
    return [cost(topic, one.name, "us", taken[name(one)], one.at) for one in everybody]


def part(stream: Values, turn: int, points: int) -> Values:
    """The values of a round: others each time, as far as the stream has them."""
    return np.resize(np.roll(stream[KNOWN:], -turn * points), points)


def timed(contender: Contender, stream: Values, clock: Clock) -> Callable[[int], float]:
    """A task that takes a fresh contender through a round's values; the loop's own cost is taken off."""
    if contender.sweep is not None:
        sweep = contender.sweep(stream[:KNOWN])

        def in_arrays(turn: int) -> float:
            values = part(stream, turn, contender.points)
            begun = clock()
            sweep(values)
            return 1e6 * (clock() - begun) / contender.points

        return in_arrays
    assert contender.step is not None
    step = contender.step(stream[:KNOWN])

    def one_by_one(turn: int) -> float:
        values = part(stream, turn, contender.points).tolist()
        idle = _loop(_nothing, values, clock)
        return 1e6 * max(_loop(step, values, clock) - idle, 0.0) / contender.points

    return one_by_one


def _nothing(_value: float) -> None:
    """Stand in for a step, to see what the loop and the call cost."""


def _loop(step: Step, values: list[float], clock: Clock) -> float:
    begun = clock()
    for value in values:
        step(value)
    return clock() - begun


def single_calls(topic: str, everybody: Sequence[Contender], stream: Values, rounds: int) -> list[Cost]:
    """Median and 99th percentile of single steps, microseconds, the clock's own cost taken off."""
    late: dict[str, list[float]] = {}

    def task(contender: Contender) -> Callable[[int], float]:
        assert contender.step is not None
        step = contender.step(stream[:KNOWN])

        def median(turn: int) -> float:
            taken = _each(step, part(stream, turn, contender.points).tolist())
            late.setdefault(contender.name, []).append(float(np.quantile(taken, 0.99)))
            return float(np.median(taken))

        return median

    middle = alternate(topic, {one.name: task(one) for one in everybody}, rounds)
    return [
        figure
        for name in middle
        for figure in (
            cost(topic, f"{name}, median", "us", middle[name]),
            cost(topic, f"{name}, 99 % within", "us", late[name][1:]),
        )
    ]


def _each(step: Step, values: list[float]) -> Values:
    """Microseconds of each step."""
    clock = time.perf_counter_ns
    idle, taken = [], []
    for value in values:
        begun = clock()
        middle = clock()
        step(value)
        taken.append(clock() - middle)
        idle.append(middle - begun)
    return (np.array(taken) - statistics.median(idle)) / 1000.0
