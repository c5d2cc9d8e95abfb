"""The end of each episode, told to whoever wants to act on it."""

from __future__ import annotations

from collections.abc import Callable

from streamforest.episodes import EpisodeFold
from streamforest.protocols import Verdicts


class EpisodeEndSink:
    """Calls a function for every block of points in which an episode ends, and at the stream's end.

    Parameters
    ----------
    tell : callable
        Called in the thread that judges; must return at once.
    """

    name = "episode ends"

    def __init__(self, tell: Callable[[], None]) -> None:
        self._tell = tell
        self._fold = EpisodeFold()

    def write(self, verdicts: Verdicts) -> None:
        """Take one block of verdicts, shape (n,), n >= 1."""
        if any(happening == "end" for happening, _ in self._fold.add(verdicts)):
            self._tell()

    def close(self) -> None:
        """Tell of the open episode, if there is one: it ends with the stream."""
        if self._fold.finish():
            self._tell()
