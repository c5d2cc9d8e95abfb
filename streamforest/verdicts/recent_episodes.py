"""The newest episodes, kept for the end of a run."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from streamforest.protocols import Verdicts
from streamforest.stream_names import StreamNames
from streamforest.verdicts.episodes import EPISODE_GAP, CoolDown, Episode, EpisodeFolds

MOST_EPISODES = 1_000  # in the table, the newest


class RecentEpisodes:
    """A sink that keeps the newest episodes.

    Parameters
    ----------
    cool_down : int or CoolDown
        Calm points in a row that an episode survives.
    most : int
        Episodes kept, at least 1.
    names : StreamNames, optional
        Of the streams, where there are many.
    """

    name = "recent episodes"

    def __init__(
        self, cool_down: int | CoolDown = EPISODE_GAP, most: int = MOST_EPISODES, names: StreamNames | None = None
    ) -> None:
        self._fold = EpisodeFolds(cool_down, names)
        self._kept: deque[Episode] = deque(maxlen=most)
        self.ended = 0

    def write(self, verdicts: Verdicts) -> None:
        """Take one block of verdicts, shape (n,), n >= 1."""
        self._keep(episode for happening, episode in self._fold.add(verdicts) if happening == "end")

    def close(self) -> None:
        """Take the open episode as over."""
        self._keep(episode for _, episode in self._fold.finish())

    @property
    def kept(self) -> list[Episode]:
        """The episodes that are kept, in order, the open one among them."""
        return [*self._kept, *self._fold.open]

    @property
    def open(self) -> list[Episode]:
        """The episodes that are not over yet."""
        return self._fold.open

    def _keep(self, episodes: Iterable[Episode]) -> None:
        for episode in episodes:
            self._kept.append(episode)
            self.ended += 1
