"""The alarm rules a person sets: which way, how far, how often a day, and how long one alarm lasts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamforest.compiled import Record, compiled
from streamforest.verdicts.episodes import EPISODE_GAP

LEAST_ALARM_RATE, MOST_ALARM_RATE = 1e-6, 0.2
LEAST_ALARMS_A_DAY, MOST_ALARMS_A_DAY = 0.001, 1000.0
MOST_COOL_DOWN = 100_000

#: Name -> sign of a deviation that alarms; 0 is either.
DIRECTIONS = {"both": 0, "up": 1, "down": -1}

DAY = 86_400.0  # seconds
#: Intervals after which the usual one is known; the longest of them may be a gap and is left out.
FIRST_INTERVALS = 8
#: Points that the usual interval remembers; a longer one counts as so many of it at most.
INTERVAL_MEMORY = 200.0
LONGEST_INTERVAL = 10.0
#: Seconds from the epoch beyond which a time is none.
FARTHEST_TIME = 1e15

#: What the alarm rules remember of a stream: the rule state.
RULE_STATE_DTYPE = np.dtype(
    [
        ("time", "f8"),  # the newest one, NaN before the first
        ("index", "i8"),  # of the first point with it
        ("intervals", "i8"),  # seen so far
        ("interval", "f8"),  # the usual one, seconds a point; the sum of the first ones while they come
        ("longest", "f8"),  # of the first ones
        ("day", "f8"),  # UTC, days since the epoch, of the newest episode's start
        ("begun", "i8"),  # episodes that began on it
        ("last_start", "f8"),  # time of the newest episode's start, NaN before the first
    ]
)


class RuleNumbers(NamedTuple):
    """Rules as compiled code takes them."""

    direction: int  # sign of a deviation that alarms, 0 for either
    minimum_deviation: float
    minimum_share: float  # of the size of what was expected
    alarms_a_day: float  # 0: no such rule
    cool_down: int


@dataclass(frozen=True)
class Rules:
    """What an anomalous point needs besides its score to be an alarm; without arguments nothing.

    Rules change no score, threshold or p-value, and nothing of what is learned: a point that one of them
    suppresses is learned as usual but raises no alarm. A missing reading has no direction and no deviation: such
    rules let it pass.

    Parameters
    ----------
    direction : str
        ``up``: only values above what was expected alarm, ``down``: only those below; or ``both``. A value that
        is just as expected (as on a flat line) is neither above nor below.
    minimum_deviation : float
        Least distance from what was expected, in the stream's unit, at least 0.
    minimum_deviation_percent : float
        The same in percent of the size of what was expected, at least 0; both must hold.
    alarms_a_day : float or None
        In [0.001, 1000]. In place of the alarm rate, once the stream's times tell how many points a day has;
        and never more episodes begin in a day (UTC) than this, rounded down. Below 1, as 0.5 for once in two
        days: never two in ``1 / alarms_a_day`` days. Without times the alarm rate decides.
    cool_down : int
        Points, in [0, 100000]: anomalous points with no more calm points than this between them are one episode.

    Raises
    ------
    ValueError
        One of them is outside its range; the message names the field, the value and the range.

    Examples
    --------
    >>> Rules(direction="up", minimum_deviation=0.5, alarms_a_day=3).numbers
    RuleNumbers(direction=1, minimum_deviation=0.5, minimum_share=0.0, alarms_a_day=3.0, cool_down=5)
    >>> Rules(direction="left")
    Traceback (most recent call last):
    ...
    ValueError: direction is 'left', allowed is both, up or down
    """

    direction: str = "both"
    minimum_deviation: float = 0.0
    minimum_deviation_percent: float = 0.0
    alarms_a_day: float | None = None
    cool_down: int = EPISODE_GAP

    def __post_init__(self) -> None:
        if self.direction not in DIRECTIONS:
            raise ValueError(f"direction is {self.direction!r}, allowed is both, up or down")
        for name in ("minimum_deviation", "minimum_deviation_percent"):
            number = getattr(self, name)
            if not 0.0 <= number < math.inf:
                raise ValueError(f"{name} is {number}, allowed is a finite number, at least 0")
        wanted = self.alarms_a_day
        if wanted is not None and not LEAST_ALARMS_A_DAY <= wanted <= MOST_ALARMS_A_DAY:
            raise ValueError(
                f"alarms_a_day is {wanted}, allowed is {LEAST_ALARMS_A_DAY} to {MOST_ALARMS_A_DAY:.0f}, or None"
            )
        if not 0 <= self.cool_down <= MOST_COOL_DOWN or self.cool_down != int(self.cool_down):
            raise ValueError(f"cool_down is {self.cool_down}, allowed is a whole number, 0 to {MOST_COOL_DOWN}")

    @property
    def numbers(self) -> RuleNumbers:
        """The same for compiled code."""
        return RuleNumbers(
            DIRECTIONS[self.direction],
            float(self.minimum_deviation),
            float(self.minimum_deviation_percent) / 100.0,
            float(self.alarms_a_day or 0.0),
            int(self.cool_down),
        )


NO_RULES = Rules()


def new_rule_states(n: int = 1) -> NDArray[np.void]:
    """Fresh rule states of RULE_STATE_DTYPE for n streams, shape (n,)."""
    rule_states = np.zeros(n, dtype=RULE_STATE_DTYPE)
    rule_states["time"] = rule_states["day"] = rule_states["last_start"] = np.nan
    return rule_states


@compiled
def note_time(rule_state: Record, index: int, time: float) -> None:
    """Learn the usual interval from the time of a point; one without a time is passed over."""
    if not abs(time) < FARTHEST_TIME or time == rule_state.time:
        return
    if time > rule_state.time:
        # points in between without a time of their own share it
        interval = (time - rule_state.time) / (index - rule_state.index)
        rule_state.intervals += 1
        if rule_state.intervals > FIRST_INTERVALS:
            if rule_state.interval > 0.0:
                interval = min(interval, LONGEST_INTERVAL * rule_state.interval)
            gain = max(1.0 / rule_state.intervals, 1.0 / INTERVAL_MEMORY)
            rule_state.interval += gain * (interval - rule_state.interval)
        else:
            rule_state.interval += interval
            rule_state.longest = max(rule_state.longest, interval)
            if rule_state.intervals == FIRST_INTERVALS:
                rule_state.interval = (rule_state.interval - rule_state.longest) / (FIRST_INTERVALS - 1)
    rule_state.time = time
    rule_state.index = index


@compiled
def wanted_rate(rule_state: Record, rules: RuleNumbers, rate: float) -> float:
    """The alarm rate of the next point: from the alarms a day where there is such a rule and the interval is known."""
    if rules.alarms_a_day > 0.0 and rule_state.intervals >= FIRST_INTERVALS and rule_state.interval > 0.0:
        rate = min(max(rules.alarms_a_day * rule_state.interval / DAY, LEAST_ALARM_RATE), MOST_ALARM_RATE)
    return rate


@compiled
def is_suppressed(rules: RuleNumbers, value: float, expected: float) -> bool:
    """Whether a value is off in the wrong direction or not far enough; where either number is NaN it is not."""
    if (rules.direction > 0 and value <= expected) or (rules.direction < 0 and value >= expected):
        return True
    deviation = abs(value - expected)
    return deviation < rules.minimum_deviation or deviation < rules.minimum_share * abs(expected)


@compiled
def may_begin(rule_state: Record, rules: RuleNumbers) -> bool:
    """Whether an episode may begin now; if so it is written down."""
    if rule_state.time == rule_state.time:
        day = math.floor(rule_state.time / DAY)
        if day != rule_state.day:
            rule_state.day = day
            rule_state.begun = 0
        if rules.alarms_a_day > 0.0 and rule_state.begun >= max(math.floor(rules.alarms_a_day), 1):
            return False
        if 0.0 < rules.alarms_a_day < 1.0 and abs(rule_state.time - rule_state.last_start) < DAY / rules.alarms_a_day:
            return False
        rule_state.begun += 1
        rule_state.last_start = rule_state.time
    return True
