"""The end of each episode, handed to a function that acts on it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from streamforest.protocols import Verdicts
from streamforest.verdicts.episodes import EPISODE_GAP, CoolDown, Episode, EpisodeFold, Happening


class EpisodeEndSink:
    """Calls a function at the end of each episode; the open one ends with the stream.

    Parameters
    ----------
    tell : callable
        Called with the stream index of the episode's peak, in the thread that judges; must return at once.
    cool_down : int or CoolDown
        Calm points in a row that an episode survives.
    """

    name = "episode ends"

    def __init__(self, tell: Callable[[int], None], cool_down: int | CoolDown = EPISODE_GAP) -> None:
        self._tell = tell
        self._fold = EpisodeFold(cool_down)

    def write(self, verdicts: Verdicts) -> None:
        """Take one block of verdicts, shape (n,), n >= 1."""
        self._tell_of(self._fold.add(verdicts))

    def close(self) -> None:
        """Tell of the open episode, if there is one."""
        self._tell_of(self._fold.finish())

    def _tell_of(self, happenings: Iterable[tuple[Happening, Episode]]) -> None:
        for happening, episode in happenings:
            if happening == "end":
                self._tell(episode.peak.index)
