"""Judges a run with maintenance windows: in these, points are judged, but neither learned nor alarmed about."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from streamforest.moments import iso_time
from streamforest.program.judges import OuterJudge, PointJudge
from streamforest.program.maintenance_windows import MaintenanceWindows
from streamforest.protocols import REASONS, Points, State, Verdicts, streams_of
from streamforest.state import joined, packed, part_of, unpacked
from streamforest.storage.resumption import Part

if TYPE_CHECKING:
    from streamforest.judging.switch import Change

#: Windows that are reported; later ones go by in silence.
REPORTED = 10
#: What both judges have in common, and is not copied.
SHARED = "names"


#: Points behind a window of which the reason "gap" is no alarm. On simulated servers, sensors, energy and web traffic
#: with a window a day the first five windows had such alarms, at the first three points.
GAP_POINTS = 3
GAP = REASONS.index("gap")
#: Half widths of the band beyond which a value is an alarm behind a window all the same.
FAR = 3.0


def _suppress(verdicts: Verdicts) -> None:
    """Let no verdict be an alarm."""
    verdicts["is_anomaly"], verdicts["episode"], verdicts["reason"] = False, 0, 0


class MaintenanceJudge(OuterJudge):
    """Two judges: one learns what is outside the windows, the other judges what is inside and is then forgotten.

    Inside a window the first one is given missing readings, so that its seasons and its clock go on; the second one
    begins as a copy of it. That readings were missing is no alarm behind the window.

    Parameters
    ----------
    judge : PointJudge
        Learns.
    shadow : PointJudge
        Another one of the same kind, with the same names of streams.
    windows : MaintenanceWindows
        When points are ignored, by their times; those without are ignored by the clock.
    notify : callable
        Takes a line for people.
    clock : callable
        Seconds, UTC epoch.
    """

    def __init__(
        self,
        judge: PointJudge,
        shadow: PointJudge,
        windows: MaintenanceWindows,
        notify: Callable[[str], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(judge)
        self._shadow, self._windows = shadow, windows
        self._notify, self._clock = notify, clock
        self._is_inside = False
        self._windows_seen = 0
        self._ignored_last: dict[int, int] = {}  # by stream, index of its newest point inside the newest window

    def judge(self, points: Points) -> list[Verdicts]:
        """The verdicts of the points, in blocks; those inside a window are no alarms."""
        times = np.where(np.isnan(points["time"]), self._clock(), points["time"])
        inside = self._windows.inside(times)
        if not (inside.any() or self._is_inside):
            return self._learned(points)
        verdicts: list[Verdicts] = []
        cuts = [0, *(np.flatnonzero(inside[1:] != inside[:-1]) + 1).tolist(), len(points)]
        for first, end in pairwise(cuts):
            part = points[first:end]
            verdicts += self._ignored(part, times[first]) if inside[first] else self._learned(part)
            self._is_inside = bool(inside[first])
        return verdicts

    def _learned(self, points: Points) -> list[Verdicts]:
        """The verdicts of points outside the windows."""
        blocks = self._judge.judge(points)
        for verdicts in blocks if self._ignored_last else ():
            half_band = verdicts["upper"] / 2 - verdicts["lower"] / 2
            is_far = np.abs(verdicts["value"] - verdicts["expected"]) > FAR * half_band
            gaps = np.flatnonzero(verdicts["is_anomaly"] & (verdicts["reason"] == GAP) & ~is_far)
            streams = streams_of(verdicts)[gaps].tolist()
            for at, stream, index in zip(gaps.tolist(), streams, verdicts["index"][gaps].tolist(), strict=True):
                if 0 < index - self._ignored_last.get(stream, index) <= GAP_POINTS:
                    _suppress(verdicts[at : at + 1])
        return blocks

    def _ignored(self, points: Points, when: float) -> list[Verdicts]:
        """The verdicts of points inside a window."""
        if not self._is_inside:
            self._begin(when)
        missing = points.copy()
        missing["value"] = np.nan
        self._judge.judge(missing)
        blocks = self._shadow.judge(points)
        for verdicts in blocks:
            _suppress(verdicts)
            self._ignored_last |= dict(zip(streams_of(verdicts).tolist(), verdicts["index"].tolist(), strict=True))
        return blocks

    def _begin(self, when: float) -> None:
        self._ignored_last = {}
        mine = self._shadow.parts()
        for name, part in self._judge.parts().items():
            if name != SHARED:
                mine[name].restore(part.state())
        self._windows_seen += 1
        if self._windows_seen <= REPORTED:
            more = "; later ones are not reported" if self._windows_seen == REPORTED else ""
            self._notify(f"maintenance from {iso_time(when, has_fractions=False)}: nothing is learned, no alarms{more}")

    def drop_silent(self) -> Sequence[int]:
        """Drop the streams that have said nothing for long; returns their numbers, which may go to others."""
        dropped = super().drop_silent()
        if dropped:
            self._is_inside = False  # the copy is made anew, without them
        return dropped

    def parts(self) -> Mapping[str, Part]:
        """What a checkpoint keeps."""
        return {**super().parts(), "maintenance": self}

    def state(self) -> State:
        """Whether a window goes on, and then what the second judge remembers."""
        own = {"facts": packed([self._is_inside, self._windows_seen, [*self._ignored_last.items()]])}
        if not self._is_inside:
            return own
        shadow = {name: part.state() for name, part in self._shadow.parts().items() if name != SHARED}
        return own | joined(shadow)

    def restore(self, state: State) -> None:
        """Go on from a state; raises ValueError where it is none."""
        kind = tuple[bool, int, list[tuple[int, int]]]
        self._is_inside, self._windows_seen, last = unpacked(state, "facts", kind)
        self._ignored_last = dict(last)
        if self._is_inside:
            for name, part in self._shadow.parts().items():
                if name != SHARED:
                    part.restore(part_of(state, name))

    def change(self, change: Change) -> None:
        """Let other settings hold from a next block on; raises ValueError where they cannot."""
        super().change(change)
        self._shadow.change(change)
