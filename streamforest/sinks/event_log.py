"""The log of episodes: a line at the start of each, when it becomes worse and at its end, in files rotated by size."""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from logging.handlers import RotatingFileHandler
from pathlib import Path

from streamforest.moments import iso_time
from streamforest.protocols import State, Verdict, Verdicts
from streamforest.state import packed, unpacked
from streamforest.storage import rotation
from streamforest.storage.file_mark import FileMark, sync_folder
from streamforest.storage.safe_files import drop_torn, is_moved, size_of
from streamforest.stream_names import StreamNames
from streamforest.verdicts.episodes import EPISODE_GAP, CoolDown, Episode, EpisodeFolds, Happening
from streamforest.verdicts.incidents import MOST_LISTED, Incident, Incidents
from streamforest.verdicts.life import INCIDENT, INCIDENT_END, episode_id
from streamforest.verdicts.seen_before import Likeness, SeenBefore

#: A line of such a log.
_LINE = re.compile(rb"\S+ ((start|worse|end) (key=.* )?episode=\d+ index=\d+ |incident(_end)? streams=\d+ )")

MOST_HELD = 1_000  # lines that cannot be written now; the oldest are dropped


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
    cool_down : int or CoolDown
        Calm points in a row that an episode survives.
    names : StreamNames, optional
        Of the streams, where there are many: each line has the key of its own.
    source : str
        Name of the source, without a password, for the ids of the episodes.
    incidents : Incidents, optional
        Of many streams, those that it has found.
    seen : SeenBefore, optional
        Knows which earlier episodes new ones are like.

    Raises
    ------
    OSError
        The file cannot be opened; from ``write`` and ``close``, that it cannot be written.
    """

    def __init__(
        self,
        path: Path,
        max_bytes: int,
        files: int,
        cool_down: int | CoolDown = EPISODE_GAP,
        names: StreamNames | None = None,
        source: str = "",
        incidents: Incidents | None = None,
        seen: SeenBefore | None = None,
    ) -> None:
        self._seen = seen
        self._incidents = incidents
        self.name = f"log {path}"
        self._source = source
        self._handler = _RaisingHandler(path, max_bytes, files)
        self._fold = EpisodeFolds(cool_down, names)
        self._held: deque[str] = deque(maxlen=MOST_HELD)

    def write(self, verdicts: Verdicts) -> None:
        """Take one block of verdicts, shape (n,), n >= 1."""
        self._add(self._fold.add(verdicts), [] if self._incidents is None else self._incidents.new)

    def close(self) -> None:
        """Write the end of the open episode, if there is one, and close the file."""
        try:
            self._add(self._fold.finish(), [] if self._incidents is None else self._incidents.finish())
        finally:
            self._handler.close()

    def state(self) -> State:
        """The open episode, where the log and its rotated files end, and the lines that could not be written."""
        return self._fold.state() | {"files": packed(self._handler.marks()), "held": packed([*self._held])}

    def restore(self, state: State, *, cut: bool) -> str:
        """Go on with the log as it was; see ResumableSink."""
        marks = [FileMark(*mark) for mark in unpacked(state, "files", list[FileMark])]
        self._fold.restore(state)
        self._held.extend(unpacked(state, "held", list[str]))
        if cut and marks and not self._handler.go_back(marks):
            return "it is not the file of the checkpoint, or others wrote there: lines may stand there twice"
        return ""

    def _add(self, happenings: list[tuple[Happening, Episode]], incidents: list[Incident]) -> None:
        for happening, episode in happenings:
            like = None if self._seen is None else self._seen.of(episode, happening)
            line = _line_of(happening, episode, episode_id(self._source, episode.key, episode.start))
            self._held.append(line + ("" if like is None else _like(like)))
        self._held.extend(map(_line_of_incident, incidents))
        while self._held:
            self._handler.handle(logging.LogRecord("episodes", logging.INFO, "", 0, self._held[0], None, None))
            self._held.popleft()


class _RaisingHandler(RotatingFileHandler):
    """A rotating file whose faults reach the caller, where logging would print a traceback and go on.

    Rotated files that one of the last checkpoints knows are kept, however many there are, until :meth:`close`.
    """

    def __init__(self, path: Path, max_bytes: int, files: int) -> None:
        super().__init__(path, maxBytes=max_bytes, backupCount=files, encoding="utf-8")
        self._path = Path(self.baseFilename)
        self._rotations = 0
        self._opened: deque[int] = deque(maxlen=3)  # rotations at the newest checkpoints

    def doRollover(self) -> None:  # noqa: N802 - the name is logging's
        """Begin a new file."""
        if self._opened and self.stream is not None:
            os.fsync(self.stream.fileno())  # or a checkpoint would know a file that is not on the disk
        with self._moving():
            self._rotations += 1
            rotation.rotate(self._path, self._most())

    @contextmanager
    def _moving(self) -> Iterator[None]:
        """Let the file be renamed meanwhile: closed before, and what has its name then is opened."""
        if self.stream is not None:
            self.stream.close()
        self.stream = None
        yield
        self.stream = self._open()

    def _most(self) -> int:
        """Rotated files that are kept."""
        return self.backupCount + (self._rotations - self._opened[0] if self._opened else 0)

    def marks(self) -> list[FileMark]:
        """Where all files end, once they are on the disk; for a checkpoint."""
        if self.stream is None:
            return rotation.marks(self._path, None)
        self.flush()
        marks = rotation.marks(self._path, self.stream.fileno())
        if marks:
            os.fsync(self.stream.fileno())
            sync_folder(self._path.parent)
        self._opened.append(self._rotations)
        rotation.trim(self._path, self._most())
        return marks

    def go_back(self, marks: list[FileMark]) -> bool:
        """Take back what was written after the marks, if these files are still there."""
        with self._moving():
            return rotation.go_back(self._path, marks, _is_own)

    def close(self) -> None:
        """Close the file; rotated ones that only a checkpoint needed go."""
        super().close()
        if self._opened:
            rotation.trim(self._path, self.backupCount)

    def emit(self, record: logging.LogRecord) -> None:
        """Add a line, whole or not at all, to the file that has the name now."""
        if self.stream is not None and is_moved(Path(self.baseFilename), self.stream.fileno()):
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


def _is_own(path: Path, start: int) -> bool:
    """Whether a file holds nothing but lines of such a log behind a place, in bytes; the last one need not be whole."""
    with path.open("rb") as file:
        file.seek(start)
        lines = file.read().split(b"\n")
    return all(map(_LINE.match, lines[:-1]))


def _line_of(happening: Happening, episode: Episode, name: str) -> str:
    """A line of the log; ``name`` is the id of the episode."""
    newest = episode.last
    line = f"{_moment(newest)} {happening} {_key(episode)}episode={episode.number} {_facts(newest)}"
    if happening != "start":
        line += f" points={episode.points} peak_time={_moment(episode.peak)} {_facts(episode.peak, 'peak_')}"
    return f"{line} id={name}"


def _like(likeness: Likeness) -> str:
    """The earlier episode as further facts of a line."""
    past = likeness.past
    begun = f"index:{past.first}" if past.start is None else iso_time(past.start)
    said = f" seen_verdict={likeness.verdict}" if likeness.verdict else ""
    note = f" seen_note={json.dumps(likeness.note)}" if likeness.note else ""
    return f" seen_before={begun} seen_id={past.id}{said}{note}"


def _line_of_incident(incident: Incident) -> str:
    """A line of the log: when it was complete or over, how many streams, which one first, and all of them."""
    first, last = incident.members[0], incident.members[-1]
    at = incident.end if incident.is_over else last.start
    keys = ",".join(repr(member.key) for member in incident.members[:MOST_LISTED])
    begun = "-" if first.start is None else iso_time(first.start)
    moment = "-" if at is None else iso_time(at)
    what = INCIDENT_END if incident.is_over else INCIDENT
    return (
        f"{moment} {what} streams={len(incident.members)} begun={begun} first={first.key!r} sure={incident.sure:.3g} "
        f"by_chance={incident.by_chance:.3g} chance_a_day={incident.chance:.3g} keys={keys} id={incident.id}"
    )


def _key(episode: Episode) -> str:
    """The key of an episode's stream, quoted, with what does not print escaped; nothing where there is one stream."""
    return "" if episode.key is None else f"key={episode.key!r} "


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
