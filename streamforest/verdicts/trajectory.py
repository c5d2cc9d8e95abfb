"""What an episode turned out to be, by the trajectory of its first points: told at its end, when more is known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from math import asinh, isfinite, log
from operator import mul
from statistics import fmean, median
from typing import Any

from streamforest.protocols import Verdict, Verdicts, explained
from streamforest.state import fits

#: Points that are looked at. Level shifts, ramps and bursts that alarm show themselves in fewer; an episode's end comes
#: with more only if it goes on, and then its kind has been clear for long.
MOST_POINTS = 32
#: Points without which there is no trajectory: two anomalous ones and three behind them.
LEAST_POINTS = 5
#: Reasons that say by themselves what a point is; what most points of an episode say of these is what it was.
OBVIOUS = ("variance down", "flat line", "gap", "too long", "counter went back")
STILL = ("variance down", "flat line")  # those of values that hardly move
SUDDEN = ("spike", "dip")
#: Anomalous points without which nobody calls an episode a season break: a jump that the forecasts accept at once is
#: a level shift to the eye, and most are.
SEASON_POINTS = 3
#: Points that what an episode comes to is the mean of.
LAST_POINTS = 6
#: An unforeseen step of a ramp that is larger, in halves of the band, is its end, and so is a first point farther off.
JUMP, FIRST_JUMP = 1.0, 1.5
#: Between these shares of the first point's way all others lie where a stream stays at its new level.
STAYS = (0.5, 1.5)
#: Added to sizes, in halves of the band, before their logarithm: what is smaller makes no difference.
FINE = 0.3

#: Kinds that a trajectory shows, and what speaks for each of them against a spike or dip: the weights of what it looks
#: like in numbers (``Trajectory.numbers``). They are a multinomial logistic regression's, fitted on simulated streams
#: by ``benchmarks/kinds.py --fit``.
KINDS = ("level shift", "ramp", "season break", "variance up")
WEIGHTS = {
    "constant": (-5.001, 6.459, 4.967, -2.082),
    "points": (4.982, 2.682, 2.505, 5.239),
    "anomalous points": (2.409, 2.459, 1.489, 1.994),
    "first": (-1.942, -4.040, -2.156, -1.168),
    "second": (0.496, -0.197, 1.288, 0.019),
    "lowest": (0.721, 0.199, -0.294, -0.594),
    "highest": (-2.250, -1.470, -3.432, -1.577),
    "last": (-0.870, 0.286, 0.587, 0.401),
    "second alone": (0.392, -0.741, -1.500, -0.792),
    "third alone": (2.955, 1.523, 0.529, 0.594),
    "lowest alone": (2.008, 3.154, -0.153, 0.986),
    "highest alone": (-1.482, -1.308, 1.134, -0.062),
    "last expected": (0.419, -0.557, -0.625, -0.141),
    "highest expected": (1.545, 2.263, 3.068, 1.080),
    "errors": (2.918, 8.396, 9.063, 7.537),
    "steps": (0.090, -2.003, -2.576, 2.059),
    "largest step": (-3.869, -3.842, -6.336, -3.613),
    "largest step expected": (1.834, 2.101, 0.350, -1.172),
    "spikes and dips": (-5.144, -3.941, -5.214, -6.387),
    "level shifts": (4.423, 2.857, -2.266, -2.378),
    "ramps": (-1.100, 1.671, -2.192, -7.745),
}
_WEIGHTS_OF = tuple(zip(*WEIGHTS.values(), strict=True))


class Trajectory:
    """How the first points of an episode lie to what was expected when it began, and to what was expected of each.

    Parameters
    ----------
    start : Verdict
        The episode's first point.
    """

    def __init__(self, start: Verdict) -> None:
        self._next = start.index
        self._base = start.expected
        half = None if start.lower is None or start.upper is None else (start.upper - start.lower) / 2
        self._half = half if half is not None and isfinite(half) and half > 0.0 else None
        self._offs: list[tuple[float, float]] = []  # off the level at the start, and off what was expected of the point
        self._reasons: Counter[str] = Counter()

    def count(self, verdict: Verdict) -> None:
        """Take the reason of an anomalous point of the episode."""
        self._reasons[_kind(verdict)] += 1

    def follow(self, verdicts: Verdicts, end: int) -> None:
        """Take the points of a block up to a stream index, those that were taken before and too many left out."""
        if self._half is None or self._base is None or len(self._offs) >= MOST_POINTS or end < self._next:
            return
        first = int(verdicts["index"].searchsorted(self._next))
        last = int(verdicts["index"].searchsorted(end, "right"))
        rows = verdicts[first : min(last, first + MOST_POINTS - len(self._offs))]
        self._next = end + 1
        for value, expected in zip(rows["value"].tolist(), rows["expected"].tolist(), strict=True):
            pair = (value - self._base) / self._half, (value - expected) / self._half
            if all(map(isfinite, pair)):
                self._offs.append(pair)

    def kind(self, peak: Verdict) -> str:
        """What the episode was, in the words of REASONS; the reason of its peak where nothing else shows."""
        own = _kind(peak)
        if self.is_obvious():
            return self._said_most()
        numbers = self.numbers()
        if not numbers or self._reasons == {"season break": 1}:  # as of a whole day that is odd
            return own
        evidence = {name: sum(map(mul, weights, numbers)) for name, weights in zip(KINDS, _WEIGHTS_OF, strict=True)}
        if self._reasons.total() < SEASON_POINTS:
            del evidence["season break"]
        name = max(evidence, key=evidence.__getitem__)
        if evidence[name] <= 0.0:
            return own
        levels = [level for level, _ in self._offs]
        if name == "level shift" or (name == "ramp" and _stays(levels)):
            return _side("level shift", median(levels) > 0.0)
        if name == "ramp":
            way = own.rpartition(" ")[2] if own.startswith(("level shift", "ramp")) else ""
            return f"{name} {way}" if way else _side(name, _rises(self._offs))
        return name

    def is_obvious(self) -> bool:
        """Whether most of the points say by themselves what the episode was."""
        return self._said_most() in OBVIOUS

    def _said_most(self) -> str:
        return max(self._reasons, key=self._reasons.__getitem__, default="")

    def numbers(self) -> list[float]:
        """What the trajectory looks like, in the order of WEIGHTS; nothing where too few points are known.

        The first of them is 1. Counts are logarithms. The first point, the second, the lowest and the highest behind
        the first, and the mean of the last ones are taken from what was expected of the first, "alone" from what was
        expected of the point itself; upwards is where the first one went, and the unit half the band. Errors are a
        mean, steps a median. Spikes, level shifts and ramps are shares of the anomalous points with such a reason.
        """
        if len(self._offs) < LEAST_POINTS:
            return []
        way = 1.0 if self._offs[0][0] > 0.0 else -1.0
        level = [way * off for off, _ in self._offs]
        alone = [way * off for _, off in self._offs]
        expected = [off - error for off, error in zip(level, alone, strict=True)]
        steps, moves = _steps(level), _steps(expected)
        places = (
            *(level[0], level[1], min(level[1:]), max(level[1:]), fmean(level[-LAST_POINTS:])),
            *(alone[1], alone[2], min(alone[1:]), max(alone[1:])),
            *(fmean(expected[-LAST_POINTS:]), max(expected)),
        )
        sizes = fmean(map(abs, alone[1:])), median(steps), max(steps), max(moves)
        said = Counter[str]()
        for reason, count in self._reasons.items():
            said["sudden" if reason in SUDDEN else reason.removesuffix(" up").removesuffix(" down")] += count
        anomalous = max(said.total(), 1)
        return [
            *(1.0, log(len(self._offs)), log(anomalous)),
            *map(asinh, places),
            *(log(size + FINE) for size in sizes),
            *(said[name] / anomalous for name in ("sudden", "level shift", "ramp")),
        ]

    def facts(self) -> list[Any]:
        """All that is remembered, as JSON can hold it."""
        return [self._next, self._base, self._half, self._offs, dict(self._reasons)]

    @classmethod
    def of(cls, start: Verdict, facts: Any) -> Trajectory:
        """The one that had these facts; raises ValueError where they are none."""
        if not fits(facts, tuple[int, float | None, float | None, list[tuple[float, float]], dict[str, int]]):
            raise ValueError("the saved trajectory of an episode is not of this version")
        trajectory = cls(start)
        trajectory._next, trajectory._base, trajectory._half, offs, reasons = facts
        trajectory._offs, trajectory._reasons = [tuple(pair) for pair in offs], Counter(reasons)
        return trajectory


def seen_alone(verdict: Verdict) -> Verdict:
    """A point far outside its band, which is a spike or a dip even where the points before it all had one value."""
    value, lower, upper = verdict.value, verdict.lower, verdict.upper
    if _kind(verdict) not in STILL or value is None or lower is None or upper is None or lower <= value <= upper:
        return verdict
    return verdict._replace(reason=explained("spike" if value > upper else "dip", verdict))


def _kind(verdict: Verdict) -> str:
    return verdict.reason.partition(":")[0]


def _side(kind: str, rises: bool) -> str:
    return f"{kind} {'up' if rises else 'down'}"


def _stays(levels: Sequence[float]) -> bool:
    """Whether all points stay where the first one went, if that is far off: a ramp does not."""
    first = levels[0]
    shares = [level / first for level in levels[1:]] if abs(first) > FIRST_JUMP else [0.0]
    return min(shares) > STAYS[0] and max(shares) < STAYS[1]


def _rises(offs: Sequence[tuple[float, float]]) -> bool:
    """Whether a ramp goes up: most end with a jump back, which may be the first that is seen of them."""
    levels = [level for level, _ in offs]
    for (before, _), (after, alone) in pairwise(offs):
        if min(abs(alone), abs(after - before)) > JUMP:
            return alone < 0.0
    if abs(levels[0]) > FIRST_JUMP:
        return levels[0] < 0.0
    half = len(levels) // 2
    return fmean(levels[-half:]) > fmean(levels[:half])


def _steps(values: Sequence[float]) -> list[float]:
    """How far each value is from the one before."""
    return [abs(after - before) for before, after in pairwise(values)]
