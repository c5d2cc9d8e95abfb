"""Several detectors on one stream: the first decides, and how far the others agree is counted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from streamforest.protocols import Detector, State, Verdicts
from streamforest.state import joined, part_of, saved_array
from streamforest.verdicts.counts import EventMatch
from streamforest.verdicts.episodes import EPISODE_GAP
from streamforest.verdicts.history import Marks

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

LEAST_DETECTORS, MOST_DETECTORS = 2, 6
#: Index of the newest flagged point where there was none.
NO_POINT = -(2**62)


class Agreement:
    """Whose episodes are whose, point by point, in constant memory.

    Parameters
    ----------
    n : int
        Detectors.

    Attributes
    ----------
    points, episodes : int arrays, shape (n,)
        Flagged points of each, and its episodes, as it numbers them.

    Notes
    -----
    An episode is shared by another detector that flags a point in it, or no more than EPISODE_GAP points before or
    after it, the next one left out.
    """

    def __init__(self, n: int) -> None:
        self.points = np.zeros(n, dtype=np.int64)
        self.episodes = np.zeros(n, dtype=np.int64)
        self._shared = np.zeros((n, n), dtype=np.int64)  # of the episodes before the newest
        self._number = np.zeros(n, dtype=np.int64)  # of the newest episode of each
        self._newest = np.full(n, NO_POINT)  # flagged point of each
        self._with = np.zeros((n, n), dtype=bool)  # who shares the newest episode of each
        self._later = np.zeros((n, n), dtype=bool)  # who flags a point farther behind it: shares it if it goes on

    def add(self, first: int, numbers: NDArray[np.int64]) -> None:
        """Take a block: the episode's number of each flagged point, else 0, shape (n, points).

        ``first`` is the stream index of the first of them.
        """
        flags = numbers > 0
        self.points += flags.sum(axis=1)
        for offset in np.flatnonzero(flags.any(axis=0)).tolist():
            self._take(first + offset, numbers[:, offset])

    def _take(self, index: int, numbers: NDArray[np.int64]) -> None:
        flagged = numbers > 0
        begins = flagged & (numbers != self._number)
        goes_on = flagged & ~begins
        self._shared[begins] += self._with[begins]
        self.episodes += begins
        self._number[begins] = numbers[begins]
        self._with[begins] = index - self._newest <= EPISODE_GAP + 1
        self._with[goes_on] |= self._later[goes_on]
        self._later[flagged] = False
        self._newest[flagged] = index
        is_near = index - self._newest <= EPISODE_GAP + 1
        self._with[is_near] |= flagged
        self._later[~is_near] |= flagged

    @property
    def shared(self) -> NDArray[np.int64]:
        """Episodes of the row's detector that the column's flags too, shape (n, n); the diagonal are all of them."""
        return self._shared + self._with

    def _arrays(self) -> State:
        """All that is remembered, to be changed in place."""
        return {
            "points": self.points,
            "episodes": self.episodes,
            "shared": self._shared,
            "number": self._number,
            "newest": self._newest,
            "with": self._with,
            "later": self._later,
        }

    def state(self) -> State:
        """A copy of all that is remembered."""
        return {name: array.copy() for name, array in self._arrays().items()}

    def restore(self, state: State) -> None:
        """Go on from a state; raises ValueError where it is none of as many detectors."""
        for name, array in self._arrays().items():
            array[:] = saved_array(state, name, array)


class DetectorComparison:
    """Lets several detectors judge the same points: the first one's verdicts count, the others' flags are kept.

    It is a detector, and the sink that has to come before all others: what the others say is held against the labels
    that a block of verdicts has got by then.

    Parameters
    ----------
    deciding : Detector
        Its verdicts are passed on.
    others : sequence of Detector
        Judge along.
    capacity : int
        Points whose flags are kept for the picture.

    Attributes
    ----------
    names : tuple of str
        Of all detectors, the deciding one first.
    marks : Marks
        Flags of the others at the newest points.
    flags : bool array, shape (n_others, n)
        Of the newest block of verdicts.
    """

    def __init__(self, deciding: Detector, others: Sequence[Detector], capacity: int = 1) -> None:
        self._deciding, self._others = deciding, list(others)
        self.name = deciding.name
        self.names = (deciding.name, *(other.name for other in others))
        self.marks = Marks(capacity, self.names[1:])
        self.agreement = Agreement(len(self.names))
        self._matches = [EventMatch() for _ in self.names]
        self._judged: list[Verdicts] = []
        self.flags: Flags = np.zeros((len(others), 0), dtype=bool)

    @property
    def warm_up_points(self) -> int:
        """Points that the deciding detector takes before its first score; 0 where it does not say."""
        return int(getattr(self._deciding, "warm_up_points", 0))

    def update_many(self, values: Floats, times: Floats | None = None) -> Verdicts:
        """Judge and learn values of shape (n,) with all detectors; returns the verdicts of the first."""
        self._judged = [other.update_many(values, times) for other in self._others]
        return self._deciding.update_many(values, times)

    def catch_up(self, values: Floats, times: Floats) -> None:
        """Learn values of shape (n,) that others have judged."""
        for detector in (self._deciding, *self._others):
            detector.catch_up(values, times)

    def write(self, verdicts: Verdicts) -> None:
        """Take the first detector's verdicts on the newest block, shape (n,), with their labels."""
        for judged in self._judged:
            judged["label"] = verdicts["label"]
        everybody = [verdicts, *self._judged]
        for match, judged in zip(self._matches, everybody, strict=True):
            match.add(judged)
        flags = np.array([judged["is_anomaly"] for judged in everybody])
        first = int(verdicts["index"][0])
        self.agreement.add(first, np.array([judged["episode"] for judged in everybody]))
        self.flags = flags[1:]
        self.marks.write(first, self.flags)

    def close(self) -> None:
        """Nothing is held back."""

    def shared(self) -> tuple[tuple[str, int, int], ...]:
        """For each of the others: its name, how many of the first one's episodes it flags too, and of how many."""
        row, episodes = self.agreement.shared[0], int(self.agreement.episodes[0])
        return tuple((name, int(row[k]), episodes) for k, name in enumerate(self.names) if k)

    def table(self) -> list[list[str]]:
        """The comparison as rows of text, the first is the header; shares of a row's episodes that others flag too."""
        is_labelled = self._matches[0].is_labelled
        header = ["detector", "flagged points", "episodes", *(f"shared by {name}" for name in self.names)]
        rows = [header + (["precision", "recall", "F1"] if is_labelled else [])]
        shared, episodes = self.agreement.shared, self.agreement.episodes
        for k, name in enumerate(self.names):
            shares = ["" if not episodes[k] else f"{shared[k, j] / episodes[k]:.3f}" for j in range(len(self.names))]
            shares[k] = ""
            match = self._matches[k]
            scores = [_share(number) for number in (match.precision, match.recall, match.f1)] if is_labelled else []
            rows.append([name, str(self.agreement.points[k]), str(episodes[k]), *shares, *scores])
        return rows

    def summary(self) -> str:
        """The comparison in lines for people, the names in the columns as numbers."""
        header, *rows = self.table()
        n = len(self.names)
        short = ["detector", "points", "episodes", *(f"[{k + 1}]" for k in range(n)), *header[3 + n :]]
        lines = [short, *([f"[{k + 1}] {row[0]}", *row[1:]] for k, row in enumerate(rows))]
        widths = [max(len(line[column]) for line in lines) for column in range(len(short))]
        texts = [
            "  ".join(
                cell.ljust(width) if not k else cell.rjust(width) for k, (cell, width) in enumerate(cells)
            ).rstrip()
            for cells in (list(zip(line, widths, strict=True)) for line in lines)
        ]
        title = f"agreement: [1] decides; share of a row's episodes that [1] to [{n}] flag too"
        return "\n".join([title, *texts])

    def state(self) -> State:
        """A copy of what all detectors remember of the stream, and of the counts."""
        parts = {str(k): detector.state() for k, detector in enumerate((self._deciding, *self._others))}
        matches = {f"match {k}": match.state() for k, match in enumerate(self._matches)}
        return joined({**parts, **matches, "agreement": self.agreement.state()})

    def restore(self, state: State) -> None:
        """Go on from a state of the same detectors; raises ValueError where it is none."""
        for k, detector in enumerate((self._deciding, *self._others)):
            detector.restore(part_of(state, str(k)))
        for k, match in enumerate(self._matches):
            match.restore(part_of(state, f"match {k}"))
        self.agreement.restore(part_of(state, "agreement"))


def _share(number: float | None) -> str:
    return "" if number is None else f"{number:.3f}"
