"""An endless simulated stream with labelled anomalies."""

from __future__ import annotations

from collections.abc import Iterator

from streamforest.protocols import Reading, Refusal, SourceError, State, Stop
from streamforest.simulation.profiles import PROFILES, TimedStream
from streamforest.simulation.streams import SimulatedStream, default_profile
from streamforest.text import did_you_mean, shown


class SimulatedSource:
    """The stream that is watched when no other is named.

    Parameters
    ----------
    seed : int
        The same seed and probability give the same points.
    outlier_probability : float
        Probability that a point begins an anomaly, in [0, 0.5].
    profile : str, optional
        One of PROFILES, a stream with times that is like the real thing; without it the default profile, which has
        no times.

    Raises
    ------
    SourceError
        There is no profile of that name.
    """

    live = False

    def __init__(self, seed: int, outlier_probability: float, profile: str | None = None) -> None:
        if profile is None:
            self.name = "simulated"
            self._stream = SimulatedStream(default_profile(), seed, outlier_probability)
        elif profile in PROFILES:
            self.name = f"simulated {PROFILES[profile].title}"
            self._stream = PROFILES[profile](seed, outlier_probability)
        else:
            there_are = f"there are {', '.join(PROFILES)}{did_you_mean(profile, PROFILES)}"
            raise SourceError(f"there is no simulated profile {shown(profile)}; {there_are}")

    def read(self, stop: Stop, most: int) -> Iterator[list[Reading | Refusal]]:
        """Yield blocks of ``most`` readings without end."""
        while not stop.requested:
            values, labels = self._stream.take(most)
            times = self._stream.take_times(most).tolist() if isinstance(self._stream, TimedStream) else [None] * most
            yield list(map(Reading, values.tolist(), times, labels.tolist()))

    def state(self) -> State:
        """All that the next points depend on."""
        return self._stream.state()

    def restore(self, state: State) -> str:
        """Go on behind the last point; nothing is missing."""
        self._stream.restore(state)
        return ""

    def describe(self) -> str:
        """What is watched, in words."""
        return f"{self.name}: {self._stream.unit}" if isinstance(self._stream, TimedStream) else "simulated readings"

    def close(self) -> None:
        """Nothing is held."""
