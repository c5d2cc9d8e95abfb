"""Half-space trees, river's: how few of the last window's points fell where this one falls."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamforest.features.vector import N_VECTOR
from streamforest.judging.harness import HarnessedDetector
from streamforest.judging.rules import NO_RULES, Rules
from streamforest.optional import optional
from streamforest.protocols import State
from streamforest.state import saved_array

GROUP = "half-space-trees"
TREES = 25
#: What a vector's numbers are divided by: the trees cut between 0 and 1 only. Less than one in a thousand is above.
WIDEST = 3.0


class HalfSpaceScorer:
    """river's trees of half-spaces over the vectors.

    The score is the inverse of river's mass, at least 1: river's own score, which is 1 less the mass, has its
    anomalies so close to 1 that their order is hardly to be seen.

    Parameters
    ----------
    seed : int
        The trees are drawn from it, before the first point.

    Raises
    ------
    MissingPackageError
        river is not installed.
    """

    def __init__(self, seed: int) -> None:
        anomaly = optional("river.anomaly", GROUP)
        self._trees: Any = anomaly.HalfSpaceTrees(n_trees=TREES, seed=seed)
        self._trees.learn_one(_named(np.zeros(N_VECTOR, np.float32)))  # that is when it draws them
        self._nodes = [list(tree.iter_dfs()) for tree in self._trees.trees]
        self._set(np.zeros(self._shape, np.int64), np.zeros(self._shape, np.int64), 0, True)
        self.warm_up_points = int(self._trees.window_size)

    @property
    def _shape(self) -> tuple[int, int]:
        return TREES, len(self._nodes[0])

    def score(self, vector: NDArray[np.float32]) -> float:
        """The inverse of the mass around a vector of shape (N_VECTOR,), at least 1; NaN in the first window."""
        if self._trees._first_window:  # river says 0 then
            return math.nan
        return 1.0 / max(1.0 - float(self._trees.score_one(_named(vector))), 1e-9)

    def learn(self, vector: NDArray[np.float32]) -> None:
        """Count a vector of shape (N_VECTOR,)."""
        self._trees.learn_one(_named(vector))

    def state(self) -> State:
        """The counts of both windows in every node, the place in the window, and the cuts that they belong to."""
        return {
            "counts": np.array([[node.l_mass for node in nodes] for nodes in self._nodes], np.int64),
            "reference": np.array([[node.r_mass for node in nodes] for nodes in self._nodes], np.int64),
            "place": np.array([self._trees.counter, self._trees._first_window], np.int64),
            "cuts": self._cuts(),
        }

    def restore(self, state: State) -> None:
        """Go on from a state; raises ValueError where it is none, or one of trees that were drawn otherwise."""
        cuts = self._cuts()
        if not np.array_equal(saved_array(state, "cuts", cuts), cuts):
            raise ValueError("the saved trees have other cuts: they were drawn from another seed or by another river")
        counts = saved_array(state, "counts", np.empty(self._shape, np.int64))
        reference = saved_array(state, "reference", np.empty(self._shape, np.int64))
        counter, is_first = saved_array(state, "place", np.empty(2, np.int64)).tolist()
        self._set(counts, reference, counter, bool(is_first))

    def _set(self, counts: NDArray[np.int64], reference: NDArray[np.int64], counter: int, is_first: bool) -> None:
        for nodes, row, reference_row in zip(self._nodes, counts.tolist(), reference.tolist(), strict=True):
            for node, count, other in zip(nodes, row, reference_row, strict=True):
                node.l_mass, node.r_mass = count, other
        self._trees.counter = counter
        self._trees._first_window = is_first

    def _cuts(self) -> NDArray[np.float64]:
        """Feature and threshold of every branch, shape (TREES, branches, 2)."""
        return np.array([list(_branches(nodes)) for nodes in self._nodes])


def _named(vector: NDArray[np.float32]) -> dict[int, float]:
    """A vector as river takes it: by name, in [0, 1]."""
    return {at: min(x / WIDEST, 1.0) for at, x in enumerate(vector.tolist())}


def _branches(nodes: list[Any]) -> Iterator[tuple[float, float]]:
    for node in nodes:
        if hasattr(node, "threshold"):
            yield node.feature, node.threshold


class HalfSpaceTreesDetector(HarnessedDetector):
    """river's half-space trees on the features of a stream.

    Parameters
    ----------
    seed : int
        Of the trees.
    alarm_rate : float
        Wanted share of normal points that are flagged, in [1e-6, 0.2].
    rules : Rules
        What else a point needs to be an alarm.

    Raises
    ------
    ValueError
        alarm_rate is outside its range.
    MissingPackageError
        river is not installed.

    References
    ----------
    Tan, Ting and Liu, "Fast anomaly detection for streaming data", IJCAI 2011.
    """

    name = "half-space-trees"

    def __init__(self, seed: int = 1, alarm_rate: float = 0.001, rules: Rules = NO_RULES) -> None:
        scorer = HalfSpaceScorer(seed)
        super().__init__(scorer, scorer.warm_up_points, alarm_rate, rules)
