"""A random cut forest, krcf's: how much a point would change the trees of a sample of those before it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamforest.features.vector import N_VECTOR
from streamforest.judging.harness import HarnessedDetector
from streamforest.judging.rules import NO_RULES, Rules
from streamforest.optional import optional
from streamforest.protocols import State

GROUP = "random-cut-forest"
TREES = 30
#: Newest values that are looked at beside the vector.
NEWEST = 3
#: Vectors before the first score.
FIRST_SCORE = 64


class RandomCutScorer:
    """krcf's forest over the vectors and the newest values behind them.

    Parameters
    ----------
    seed : int
        The same one gives the same forest.

    Raises
    ------
    MissingPackageError
        krcf is not installed.
    """

    def __init__(self, seed: int) -> None:
        self._krcf = optional("krcf", GROUP)
        options = {
            "dimensions": N_VECTOR + NEWEST,
            "shingle_size": 1,
            "num_trees": TREES,
            "output_after": FIRST_SCORE - 1,
            "random_seed": seed,
        }
        self._forest: Any = self._krcf.RandomCutForest(options)

    def score(self, vector: NDArray[np.float32]) -> float:
        """The score that krcf gives a vector of shape (N_VECTOR + NEWEST,); NaN for the first FIRST_SCORE vectors."""
        return float(self._forest.score(vector.tolist())) if self._forest.is_output_ready() else math.nan

    def learn(self, vector: NDArray[np.float32]) -> None:
        """Take a vector of shape (N_VECTOR + NEWEST,) into the sample, if it is drawn."""
        self._forest.update(vector.tolist())

    def state(self) -> State:
        """The whole forest, the state of its random numbers included, as the bytes that krcf writes (MessagePack)."""
        return {"forest": np.frombuffer(self._forest.to_msgpack(), np.uint8)}

    def restore(self, state: State) -> None:
        """Go on from a state; raises ValueError where it is none, or that of a forest with other options."""
        saved = state.get("forest")
        if saved is None or saved.dtype != np.uint8 or saved.ndim != 1:
            raise ValueError("the saved state has no forest as a row of bytes")
        try:
            forest = self._krcf.RandomCutForest.from_msgpack(saved.tobytes())
        except RuntimeError:
            raise ValueError("the saved forest cannot be read: it is damaged, or another version wrote it") from None
        if forest.options() != self._forest.options():
            raise ValueError("the saved forest has other options, or grew from another seed")
        self._forest = forest


class RandomCutForestDetector(HarnessedDetector):
    """krcf's random cut forest on the features of a stream and its newest values.

    Parameters
    ----------
    seed : int
        Of the forest.
    alarm_rate : float
        Wanted share of normal points that are flagged, in [1e-6, 0.2].
    rules : Rules
        What else a point needs to be an alarm.

    Raises
    ------
    ValueError
        alarm_rate is outside its range.
    MissingPackageError
        krcf is not installed.

    References
    ----------
    Guha, Mishra, Roy and Schrijvers, "Robust random cut forest based anomaly detection on streams", ICML 2016.
    """

    name = "random-cut-forest"

    def __init__(self, seed: int = 1, alarm_rate: float = 0.001, rules: Rules = NO_RULES) -> None:
        super().__init__(RandomCutScorer(seed), FIRST_SCORE, alarm_rate, rules, NEWEST)
