"""A detector that can be changed for another one while the run goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamforest.judging.decide import new_positions, renumber
from streamforest.judging.rules import NO_RULES, Rules
from streamforest.protocols import UNLABELLED, VERDICT_DTYPE, Detector, Forecast, State, Verdicts
from streamforest.state import joined, packed, part_of, saved_array, unpacked

RECENT = 5000  # points that a new detector is shown before it judges
ALL = 2**62  # of those that are kept

Floats = NDArray[np.float64]


def in_a_thread(work: Callable[[], None]) -> None:
    """Run a function beside the program, which does not wait for it at its end."""
    threading.Thread(target=work, name="make detector", daemon=True).start()


#: Times, shape (n,), seconds, UTC epoch -> whether nothing alarms then.
IsQuiet = Callable[[Floats], NDArray[np.bool_]]


class Change(NamedTuple):
    """Other settings for what judges.

    Attributes
    ----------
    name : str
        Of the detector.
    make : callable
        Name -> a fresh detector with these settings.
    rules : Rules
        That all the detectors go by.
    is_quiet : IsQuiet or None
        Times without alarms; None where there are none.
    keeps_state : bool
        Whether the detector goes on from what it remembers; otherwise it is made anew and shown all that is kept.
    begin : callable
        Called when they begin to hold, in the thread that judges.
    """

    name: str
    make: Callable[[str], Detector]
    rules: Rules
    is_quiet: IsQuiet | None
    keeps_state: bool
    begin: Callable[[], None]


class _Ready(NamedTuple):
    """A detector that is made and does not judge yet; it knows the ``shown`` points before the index ``end``."""

    detector: Detector
    end: int
    shown: int
    change: Change | None = None


class DetectorSwitch:
    """Passes every block on to one detector, which can be changed between two blocks.

    A new detector is shown the recent points first, so that it does not start from nothing. Indices go on,
    episodes are numbered on from the last one, and no more of them begin in a day than the rules allow.

    Parameters
    ----------
    detector : Detector
        The first one.
    names : sequence of str
        Names of the detectors that there are, in the order in which they are gone through.
    make : callable
        Name -> a fresh detector; raises ValueError or one of ``faults`` where it cannot be made.
    recent : callable
        Number -> the newest verdicts, at most so many.
    notify : callable
        Takes a line for people.
    rules : Rules
        That all the detectors go by.
    faults : tuple of exception types
        What ``make`` may raise; the old detector goes on then.
    start : callable
        Runs a function, by default in a thread of its own: making a detector may take seconds, and points
        must not wait.
    """

    def __init__(
        self,
        detector: Detector,
        names: Sequence[str],
        make: Callable[[str], Detector],
        recent: Callable[[int], Verdicts],
        notify: Callable[[str], None],
        rules: Rules = NO_RULES,
        faults: tuple[type[Exception], ...] = (ValueError,),
        start: Callable[[Callable[[], None]], None] = in_a_thread,
    ) -> None:
        self._detector = detector
        self.name = detector.name  # of the one that judges now
        self.names = tuple(names)
        self._make = make
        self._recent = recent
        self._notify = notify
        self._faults = faults
        self._start = start
        self._wanted = detector.name  # asked for last, or judges, where that could not be made
        self._asked = detector.name  # the same, but kept where it could not be made: the next one is behind it
        self._ready: _Ready | None = None
        self._index = 0  # of the next point
        self._shift = 0  # from the detector's own indices to the stream's
        self._rules = rules.numbers
        self.is_quiet: IsQuiet | None = None  # times without alarms
        self._positions = new_positions()  # the stream's, whichever detector judges
        renumber(self._positions, self._rules, np.empty(0, VERDICT_DTYPE))  # compiled before the first point

    @property
    def warm_up_points(self) -> int:
        """Points that the detector takes before its first score; 0 where it does not say."""
        return int(getattr(self._detector, "warm_up_points", 0))

    def switch(self, name: str) -> None:
        """Let another detector judge as soon as it is made, from a next block on; call it from one thread.

        Raises
        ------
        ValueError
            There is no detector of that name.
        """
        if name not in self.names:
            raise ValueError(f"detector is {name!r}; it must be one of {', '.join(self.names)}")
        self._wanted = self._asked = name
        self._start(partial(self._prepare, name))

    def switch_to_next(self) -> None:
        """Let the next one of the detectors judge from the next block on."""
        now = self._asked
        if len(self.names) < 2:
            self._notify(f"there is no detector but {now}")
            return
        place = self.names.index(now) if now in self.names else -1
        self.switch(self.names[(place + 1) % len(self.names)])

    def change(self, change: Change) -> None:
        """Let other settings hold, as soon as a detector with them is made, from a next block on."""
        self._wanted = self._asked = change.name
        self._start(partial(self._prepare, change.name, change))

    def update_many(self, values: Floats, times: Floats | None = None) -> Verdicts:
        """Judge and learn values of shape (n,) with the detector that is wanted now."""
        ready, self._ready = self._ready, None
        if ready is not None and (ready.change is not None or ready.detector.name != self.name):
            self._change(ready)
        verdicts = self._detector.update_many(values, times)
        if self._shift:
            verdicts["index"] += self._shift
        if self.is_quiet is not None:
            hold_back(verdicts, self.is_quiet(verdicts["time"]))
        renumber(self._positions, self._rules, verdicts)  # a new detector knows nothing of the episodes before it
        self._index += len(verdicts)
        return verdicts

    def catch_up(self, values: Floats, times: Floats) -> None:
        """Learn values of shape (n,) that others have judged."""
        self.update_many(values, times)

    def ahead(self, steps: int) -> Verdicts:
        """What is expected of the next points as verdicts, shape (steps,); none where the detector does not say."""
        forecast = getattr(self._detector, "forecast", None)
        if forecast is None:
            return np.empty(0, VERDICT_DTYPE)
        found: Forecast = forecast(steps)
        rows = np.zeros(steps, VERDICT_DTYPE)
        for name in ("time", "value", "score", "threshold", "p_value"):
            rows[name] = np.nan
        rows["index"] = self._index + np.arange(steps)
        rows["label"] = UNLABELLED
        rows["expected"], rows["lower"], rows["upper"] = found
        return rows

    def state(self) -> State:
        """A copy of where the stream stands, and of what the detector that judges now remembers."""
        place = np.array([self._index, self._shift])
        own = {"positions": self._positions.copy(), "place": place, "name": packed(self.name)}
        return joined({"switch": own, "detector": self._detector.state()})

    def restore(self, state: State) -> None:
        """Go on from a state, with the detector that judged then; raises ValueError where that cannot be."""
        own = part_of(state, "switch")
        positions = saved_array(own, "positions", self._positions)
        place = saved_array(own, "place", np.zeros(2, np.int64))
        name = unpacked(own, "name", str)
        detector = self._detector if name == self.name else self._made(name)
        detector.restore(part_of(state, "detector"))
        self._detector, self.name = detector, detector.name
        self._wanted = self._asked = detector.name
        self._positions[:] = positions
        self._index, self._shift = place.tolist()

    def _made(self, name: object) -> Detector:
        """The detector of a name, ready to judge; raises ValueError where there can be none."""
        if name not in self.names:
            raise ValueError(f"the detector that judged then is {name!r}, and there are {', '.join(self.names)}")
        try:
            detector = self._make(str(name))
        except self._faults as error:
            raise ValueError(f"the detector that judged then cannot be made: {error}") from None
        detector.catch_up(np.empty(0), np.empty(0))  # compiled before the first point
        return detector

    def _prepare(self, name: str, change: Change | None = None) -> None:
        """Make a detector and show it what is kept, unless another one is wanted by then."""
        try:
            detector = (self._make if change is None else change.make)(name)
            detector.catch_up(np.empty(0), np.empty(0))  # compiled first: points go on meanwhile
            if change is not None and change.keeps_state:
                self._ready = _Ready(detector, 0, 0, change)
                return
            seen = self._recent(RECENT if change is None else ALL)
            detector.catch_up(seen["value"].copy(), seen["time"].copy())
        except self._faults as error:
            self._notify(f"{self.name} goes on judging: {error}")
            self._wanted = self.name
            return
        if name == self._wanted:
            self._ready = _Ready(detector, int(seen["index"][-1]) + 1 if len(seen) else 0, len(seen), change)

    def _change(self, ready: _Ready) -> None:
        detector, end, shown, change = ready
        if change is not None:
            self._make, self._rules, self.is_quiet = change.make, change.rules.numbers, change.is_quiet
        if change is not None and change.keeps_state and detector.name == self.name:
            detector.restore(self._detector.state())
            self._detector = detector
        else:
            missed = self._recent(max(self._index - end, 0))
            if len(missed):
                detector.catch_up(missed["value"].copy(), missed["time"].copy())
            self._detector, self._shift = detector, self._index - shown - len(missed)
            self.name = detector.name
            learnt = "" if change is None else f", having learnt the {shown + len(missed):,} points that are kept"
            self._notify(f"{self.name} judges from point {self._index:,} on{learnt}")
        if change is not None:
            change.begin()


def hold_back(verdicts: Verdicts, is_held: NDArray[np.bool_]) -> None:
    """Let those of the verdicts, shape (n,), that are held back be no alarms."""
    if is_held.any():
        verdicts["is_anomaly"][is_held] = False
        verdicts["episode"][is_held] = verdicts["reason"][is_held] = 0
