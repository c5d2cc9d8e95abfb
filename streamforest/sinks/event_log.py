"""The log of episodes: a line at the start of each and one at its end, in files rotated by size."""

from __future__ import annotations

import logging
import sys
from collections import deque
from logging.handlers import RotatingFileHandler
from pathlib import Path

from streamforest.appending import drop_torn, is_moved, size_of
from streamforest.episodes import EPISODE_GAP, Episode, EpisodeFold, Happening
from streamforest.moments import iso_time
from streamforest.protocols import Verdict, Verdicts

MOST_HELD = 1_000  # lines that cannot be written now; the oldest make room


class EventLogSink:
    """Episodes as lines in a file that is never longer than asked for.

    What cannot be written is held back and tried again with the next block of verdicts. A log that another program has
    renamed or deleted is begun anew under its name.

    Parameters
    ----------
    path : Path
        The log; lines are added to what is there. A full one is renamed to ``path.1`` and so on.
    max_bytes : int
        Size of one file, bytes.
    files : int
        Renamed files that are kept, at least 1.
    cool_down : int
        Calm points in a row that an episode survives.

    Raises
    ------
    OSError
        The file cannot be opened; from ``write`` and ``close``, that it cannot be written.
    """

    def __init__(self, path: Path, max_bytes: int, files: int, cool_down: int = EPISODE_GAP) -> None:
        self.name = f"log {path}"
        self._handler = _RaisingHandler(path, maxBytes=max_bytes, backupCount=files, encoding="utf-8")
        self._fold = EpisodeFold(cool_down)
        self._held: deque[str] = deque(maxlen=MOST_HELD)

    def write(self, verdicts: Verdicts) -> None:
        """Take one block of verdicts, shape (n,), n >= 1."""
        self._add(self._fold.add(verdicts))

    def close(self) -> None:
        """Write the end of the open episode, if there is one, and close the file."""
        try:
            self._add(self._fold.finish())
        finally:
            self._handler.close()

    def _add(self, happenings: list[tuple[Happening, Episode]]) -> None:
        for happening, episode in happenings:
            self._held.append(_start_line(episode) if happening == "start" else _end_line(episode))
        while self._held:
            self._handler.handle(logging.LogRecord("episodes", logging.INFO, "", 0, self._held[0], None, None))
            self._held.popleft()


class _RaisingHandler(RotatingFileHandler):
    """A rotating file whose faults reach the caller, where logging would print a traceback and go on."""

    def emit(self, record: logging.LogRecord) -> None:
        """Add a line, whole or not at all, to the file that has the name now."""
        if self.stream is not None and is_moved(Path(self.baseFilename), self.stream):
            self.stream.close()
            self.stream = None  # as in logging: opened again when it is needed
        size = 0 if self.stream is None else size_of(self.stream)
        try:
            super().emit(record)
        except OSError:
            if self.stream is not None:
                drop_torn(self.stream, size)
                self.stream = None
            raise

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802 - the name and shape are logging's
        error = sys.exception()
        if error is not None:
            raise error


def _start_line(episode: Episode) -> str:
    return f"{_moment(episode.start)} start episode={episode.number} {_facts(episode.start)}"


def _end_line(episode: Episode) -> str:
    peak = f"peak_time={_moment(episode.peak)} {_facts(episode.peak, 'peak_')}"
    return f"{_moment(episode.last)} end episode={episode.number} {_facts(episode.last)} points={episode.points} {peak}"


def _moment(verdict: Verdict) -> str:
    return "-" if verdict.time is None else iso_time(verdict.time)


def _facts(verdict: Verdict, prefix: str = "") -> str:
    numbers = (
        ("index", verdict.index),
        ("value", verdict.value),
        ("expected", verdict.expected),
        ("score", verdict.score),
        ("threshold", verdict.threshold),
        ("p_value", verdict.p_value),
    )
    facts = [f"{prefix}{name}={'-' if number is None else format(number, '.10g')}" for name, number in numbers]
    return " ".join([*facts, f'{prefix}reason="{verdict.reason}"'])
