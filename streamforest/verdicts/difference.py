"""How the alarms of two judgements of the same readings differ: which are in both, dropped or new."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamforest.protocols import Verdicts
from streamforest.verdicts.episodes import EPISODE_GAP

Indices = NDArray[np.int64]


class Spans(NamedTuple):
    """The alarms of a judgement: stream indices of the first and last anomalous point of each, shape (n,)."""

    first: Indices
    last: Indices


class Difference(NamedTuple):
    """How the alarms of a judgement differ from those of another one.

    Attributes
    ----------
    before, after : int
        Alarms of the other judgement, and of this one.
    dropped, new : int
        Of the former without a counterpart, and of the latter.
    kept_points, new_points, dropped_points : int64 arrays
        Stream indices of the anomalous points of this judgement's alarms with a counterpart and without, and of the
        dropped alarms.
    """

    before: int
    after: int
    dropped: int
    new: int
    kept_points: Indices
    new_points: Indices
    dropped_points: Indices

    @property
    def words(self) -> str:
        """The difference in numbers.

        Examples
        --------
        >>> nothing = np.empty(0, np.int64)
        >>> Difference(31, 12, 20, 1, nothing, nothing, nothing).words
        '12 alarms instead of 31: 20 dropped, 1 new'
        """
        if not self.dropped and not self.new and self.before == self.after:
            return f"the same {alarms_text(self.after)}" if self.after else "no alarm, as before"
        parts = [f"{self.dropped:,} dropped"] if self.dropped else []
        parts += [f"{self.new:,} new"] if self.new else []
        joined = self.before - self.dropped + self.new - self.after
        parts += [f"{abs(joined):,} {'joined to others' if joined > 0 else 'cut off others'}"] if joined else []
        return f"{alarms_text(self.after)} instead of {self.before:,}: {', '.join(parts)}"


def alarms_text(n: int) -> str:
    """So many alarms, in words."""
    return f"{n:,} alarm{'' if n == 1 else 's'}"


def spans_of(verdicts: Verdicts) -> Spans:
    """The alarms among verdicts, shape (n,), in order of time: those with an anomalous point."""
    flagged = verdicts[verdicts["is_anomaly"]]
    begins = np.flatnonzero(np.diff(flagged["episode"], prepend=-1) != 0)
    ends = np.append(begins[1:], len(flagged))[: len(begins)] - 1
    return Spans(flagged["index"][begins], flagged["index"][ends])


def has_counterpart(of: Spans, among: Spans, reach: int = EPISODE_GAP) -> NDArray[np.bool_]:
    """Whether each alarm has another one at the same points, or at most ``reach`` points away."""
    place = np.searchsorted(among.last, of.first - reach)
    firsts = np.append(among.first, np.iinfo(np.int64).max)
    return np.asarray(firsts[place] <= of.last + reach, dtype=bool)


def difference(before: Verdicts, after: Verdicts) -> Difference:
    """How the alarms of a judgement ``after`` differ from those ``before``, both of the same readings."""
    old, new = spans_of(before), spans_of(after)
    is_kept, has_old = has_counterpart(old, new), has_counterpart(new, old)
    kept_points, new_points = _points(after, new, has_old)
    _, dropped_points = _points(before, old, is_kept)
    dropped, fresh = int(np.count_nonzero(~is_kept)), int(np.count_nonzero(~has_old))
    return Difference(len(old.first), len(new.first), dropped, fresh, kept_points, new_points, dropped_points)


def _points(verdicts: Verdicts, spans: Spans, is_so: NDArray[np.bool_]) -> tuple[Indices, Indices]:
    """Stream indices of the anomalous points of alarms of which something is so, and of the others."""
    points = verdicts["index"][verdicts["is_anomaly"]]
    of = is_so[np.searchsorted(spans.last, points)]
    return points[of], points[~of]
