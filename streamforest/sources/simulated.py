"""An endless simulated stream with labelled anomalies."""

from __future__ import annotations

from collections.abc import Iterator

from streamforest.protocols import Reading, Refusal, Stop
from streamforest.simulation import SimulatedStream, default_profile


class SimulatedSource:
    """The stream that is watched when no other is named.

    Parameters
    ----------
    seed : int
        The same seed and probability give the same points.
    outlier_probability : float
        Probability that a point is anomalous, in [0, 0.5].
    """

    name = "simulated"
    live = False

    def __init__(self, seed: int, outlier_probability: float) -> None:
        self._stream = SimulatedStream(default_profile(), seed, outlier_probability)

    def read(self, stop: Stop, most: int) -> Iterator[list[Reading | Refusal]]:
        """Yield blocks of ``most`` readings without end."""
        while not stop.requested:
            values, labels = self._stream.take(most)
            yield [Reading(value, None, label) for value, label in zip(values.tolist(), labels.tolist(), strict=True)]

    def describe(self) -> str:
        """What is looked at, in words."""
        return "simulated readings"

    def close(self) -> None:
        """Nothing is held."""
