"""Judges a run of many streams that may raise so many alarms a day all together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from streamforest.judging.budget import SHARE_DTYPE, new_pool, new_shares, spend
from streamforest.program.judges import OuterJudge, PointJudge
from streamforest.protocols import STREAM_VERDICT_DTYPE, Points, State, Verdicts
from streamforest.state import check_ranges, saved_array
from streamforest.storage.resumption import Part
from streamforest.stream_names import StreamNames


class BudgetJudge(OuterJudge):
    """A judge of many streams, of whose episodes those are alarms for which the budget of all suffices.

    Parameters
    ----------
    judge : PointJudge
        Of many streams, without a limit of alarms a day of its own.
    keys : StreamNames
        Of the streams.
    alarms_a_day : float
        False ones wanted, of all streams together, above 0.
    alarm_rate : float
        That each stream is judged with.
    cool_down : int
        Calm points in a row that an episode survives.
    """

    def __init__(
        self, judge: PointJudge, keys: StreamNames, alarms_a_day: float, alarm_rate: float, cool_down: int
    ) -> None:
        super().__init__(judge)
        self._most_streams = keys.most
        self._asked = alarms_a_day, alarm_rate, cool_down
        self._pool, self._shares = new_pool(), new_shares(0)
        spend(self._pool, self._shares, *self._asked, np.empty(0, STREAM_VERDICT_DTYPE))  # compiled before they come

    def judge(self, points: Points) -> list[Verdicts]:
        """The verdicts of the points; those that are alarms have numbers of episodes by their stream's alarms."""
        blocks = super().judge(points)
        missing = int(points["stream"].max()) + 1 - len(self._shares)
        if missing > 0:
            self._shares = np.concatenate((self._shares, new_shares(max(missing, 256, len(self._shares) // 2))))
        for verdicts in blocks:
            spend(self._pool, self._shares, *self._asked, verdicts)
        return blocks

    def drop_silent(self) -> Sequence[int]:
        """Drop the streams that have said nothing for long; returns their numbers, which may go to others."""
        dropped = super().drop_silent()
        self._pool["streams"] -= len(dropped)
        self._shares["is_there"][list(dropped)] = 0
        return dropped

    def parts(self) -> Mapping[str, Part]:
        """What a checkpoint keeps."""
        return {**super().parts(), "budget": self}

    def state(self) -> State:
        """A copy of what is remembered of the budget."""
        return {"pool": self._pool.copy(), "shares": self._shares.copy()}

    def restore(self, state: State) -> None:
        """Go on from a state; raises ValueError where it is none."""
        pool = saved_array(state, "pool", self._pool)
        shares = state.get("shares", new_shares(0))
        if shares.dtype != SHARE_DTYPE or shares.ndim != 1 or len(shares) > 2 * self._most_streams + 256:
            raise ValueError("the saved shares of the budget are not of this version")
        check_ranges(pool, {})
        check_ranges(shares, {"is_there": (0, 1)})
        if not all(0.0 <= float(pool[name][0]) < np.inf for name in ("days", "episodes", "earned")):
            raise ValueError("the saved budget has numbers that none can have")
        self._pool, self._shares = pool.copy(), shares.copy()
