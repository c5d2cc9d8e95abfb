"""Case files of a run: an episode with its points, its picture and what the detector remembered before it."""

from __future__ import annotations

import csv
import io
import json
import platform
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import streamforest
from streamforest.moments import iso_time
from streamforest.program.continuation import digest_of
from streamforest.program.state_copies import StateCopies, StateCopy
from streamforest.protocols import LABELS, Verdict, Verdicts, verdict_from_row
from streamforest.sinks.terminal import json_lines
from streamforest.storage.case_file import ABOUT, FACTS, PICTURE, POINTS, STATE, VERDICTS, case_bytes
from streamforest.storage.checkpoint import Saved, as_blocks
from streamforest.storage.safe_files import write_new
from streamforest.verdicts.life import episode_id
from streamforest.verdicts.seen_before import likeness_event

if TYPE_CHECKING:
    from types import SimpleNamespace

    from streamforest.program.description import Run
    from streamforest.verdicts.history import History

AROUND = 500  # points before and behind an episode
LONGEST = 20_000  # points from the beginning of an episode on
#: Episodes that wait for their case; a replay may end them faster than cases can be made.
MOST_WAITING = 100
#: Cases that a run makes by itself, and bytes: what is on a stream must not fill the disk.
MOST_CASES, MOST_CASE_BYTES = 1000, 10**9
COLUMNS = ("index", "time", "value", "label")  # of the points
#: Settings that decide how points are judged, beside the models.
JUDGING = (
    *("DETECTOR", "COMPARE", "ALARM_RATE", "ALARMS_A_DAY", "DIRECTION", "MINIMUM_DEVIATION"),
    *("MINIMUM_DEVIATION_PERCENT", "COOL_DOWN", "SEED", "WINDOW", "REFIT_EVERY", "HOLIDAYS", "TIME_ZONE"),
)
MODELS = ("MODEL", "LSTM_MODEL")
README = """A case file of streamforest: one episode of a stream, with all that judges it again.

    streamforest replay {name}

judges the points again from what the detector remembered before them, and says whether every verdict has the same bits.

{facts}   what it is of, how it was judged, and the versions
{points}  the points: time in unix seconds (UTC), value, label
{verdicts}  a verdict a line, as --format json prints them
{state}   what the detector remembered before the first point
{picture}  the episode
"""


class CaseRefusedError(Exception):
    """No case can be made; the message is for the user."""


class Stretch(NamedTuple):
    """Where an episode is: stream indices of its first and its last anomalous point that are kept, and its number."""

    first: int
    last: int
    number: int


class Cases:
    """Makes the case files of a run; all methods but ``end_episode`` belong to the main thread.

    Parameters
    ----------
    run : Run
        Of one stream.
    history : History
        Its verdicts.
    copies : StateCopies
        What its detector remembered.
    options : callable
        Gives the run's options with the settings that hold now.
    draw : callable
        Stream index -> a picture of the points around it, as PNG.
    say : callable
        Takes a line for people.
    """

    def __init__(
        self,
        run: Run,
        history: History,
        copies: StateCopies,
        options: Callable[[], SimpleNamespace],
        draw: Callable[[int], bytes],
        say: Callable[[str], None],
    ) -> None:
        self._run, self._history, self._copies, self._draw, self._say = run, history, copies, draw, say
        self._options = options
        self._wanted: Path | None = run.options.case_on_anomaly
        self._digests: dict[str, str] = {}
        self._waiting: deque[tuple[int, int]] = deque()  # peak, and where the stream was at the end
        self._made, self._made_bytes, self._left_out = 0, 0, 0
        self._failure = ""

    @property
    def folder(self) -> Path:
        """Where cases go."""
        return self._wanted or Path()

    def make(self, index: int) -> bytes:
        """The case of the episode that a point belongs to, by its stream index, else of the newest one before it.

        Raises
        ------
        CaseRefusedError
            There is none, or what the detector remembered before it is not kept any more.
        """
        stretch = self._stretch(index)
        if getattr(self._options(), "quiet", ()):
            raise CaseRefusedError("no case: a rule of quiet times holds, which a case cannot hold")
        first, end = self._history.first, self._history.end
        copy = self._copies.before(stretch.first - AROUND, first)
        if copy is None or copy.index > stretch.first:
            raise CaseRefusedError("no case: what the detector remembered before that episode is not kept any more")
        end = min(end, stretch.last + 1 + AROUND, stretch.first + LONGEST)
        rows = self._history.view(copy.index, end - 1)
        if len(rows) != end - copy.index:
            raise CaseRefusedError("no case: the points before that episode are not kept any more")
        peak = peak_of(rows, stretch)
        facts = self._facts(rows, stretch, peak)
        parts = {
            ABOUT: README.format(
                name="CASE", facts=FACTS, points=POINTS, verdicts=VERDICTS, state=STATE, picture=PICTURE
            ).encode(),
            FACTS: json.dumps(facts, indent=1, allow_nan=False).encode() + b"\n",
            POINTS: points_csv(rows),
            VERDICTS: json_lines(rows).encode(),
            STATE: state_bytes(copy),
            PICTURE: self._draw(peak),
        }
        try:
            return case_bytes(parts)
        except ValueError as error:
            raise CaseRefusedError(f"no case: {error}") from None

    def save(self, index: int) -> Path:
        """Write the case of an episode under a new name, see :meth:`make`; returns its path.

        Raises
        ------
        CaseRefusedError
            It cannot be made, or not be written.
        """
        content = self.make(index)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            return write_new(self.folder / f"case-{datetime.now():%Y-%m-%d-%H-%M-%S}.zip", content)
        except OSError as error:
            raise CaseRefusedError(f"no case: {self.folder}: {error.strerror or error}") from None

    def end_episode(self, peak: int) -> None:
        """Have a case made of an episode that is over, by the stream index of its peak; may be called in any thread."""
        self._waiting.append((peak, self._history.end))

    @property
    def waiting(self) -> int:
        """Episodes that wait for their case."""
        return len(self._waiting)

    def is_due(self, *, is_over: bool) -> bool:
        """Whether one of them has all the points behind it, or gets no more."""
        return bool(self._waiting) and (
            is_over or len(self._waiting) > MOST_WAITING or self._history.end >= self._waiting[0][1] + AROUND
        )

    def save_next(self) -> None:
        """Make the case of the episode that waits longest, if it can still be made and the run may have more."""
        while len(self._waiting) > MOST_WAITING:
            self._waiting.popleft()
            self._left_out += 1
        peak, _ = self._waiting.popleft()
        if self._made >= MOST_CASES or self._made_bytes >= MOST_CASE_BYTES:
            self._tell(f"no more cases: a run makes up to {MOST_CASES:,} and {MOST_CASE_BYTES // 10**6:,} MB of them")
            self._left_out += 1
            return
        try:
            path = self.save(peak)
        except CaseRefusedError as error:
            self._tell(str(error))
            self._left_out += 1
            return
        self._failure = ""
        self._made += 1
        self._made_bytes += path.stat().st_size
        self._say(f"case written: {path}")

    def tell_left_out(self) -> None:
        """Say how many episodes have no case, if there are such."""
        left_out = self._left_out + len(self._waiting)
        if left_out:
            self._say(f"{left_out:,} episodes have no case")

    def _tell(self, why: str) -> None:
        if why != self._failure:
            self._say(why)
        self._failure = why

    def _stretch(self, index: int) -> Stretch:
        history = self._history
        found = history.previous_anomaly(index + 1)
        if found is None:
            raise CaseRefusedError("no case: there is no episode yet")
        first = history.first
        rows = history.view(first, history.end - 1)
        number = int(rows["episode"][found - first])
        places = np.flatnonzero(rows["is_anomaly"] & (rows["episode"] == number))
        return Stretch(first + int(places[0]), first + int(places[-1]), number)

    def _facts(self, rows: Verdicts, stretch: Stretch, peak: int) -> dict[str, Any]:
        run, start = self._run, verdict_at(rows, stretch.first)
        return {
            "case": 1,  # version of the format
            "made": iso_time(datetime.now(UTC).timestamp(), has_fractions=False),
            "versions": versions(),
            "source": run.source_id,
            "episode": {
                "id": episode_id(run.source_id, None, start),
                "number": stretch.number,
                "first": stretch.first,
                "last": stretch.last,
                "peak": peak,
                "reason": verdict_at(rows, peak).reason,
                "seen_before": None if run.seen is None else likeness_event(run.seen.of_start(stretch.first)),
            },
            "settings": settings_of(self._options()),
            "models": self._models(),
        }

    def _models(self) -> dict[str, str]:
        """Checksums of the models that judge, each read once."""
        needed = models_of(self._options())
        for name in needed:
            if name not in self._digests:
                self._digests[name] = digest_of(getattr(self._run.options, name.lower()))
        return {name: self._digests[name] for name in needed}


def peak_of(rows: Verdicts, stretch: Stretch) -> int:
    """Stream index of the highest score of an episode."""
    own = rows[rows["is_anomaly"] & (rows["episode"] == stretch.number)]
    return int(own["index"][np.argmax(np.nan_to_num(own["score"], nan=-1.0))])


def verdict_at(rows: Verdicts, index: int) -> Verdict:
    """The verdict of a point, by its stream index."""
    return verdict_from_row(rows[rows["index"] == index].tolist()[0])


def models_of(options: SimpleNamespace) -> Sequence[str]:
    """Settings that name the models which the chosen detectors need."""
    needed = {"isolation-forest": "MODEL", "lstm-autoencoder": "LSTM_MODEL"}
    return [needed[name] for name in options.compare or (options.detector,) if name in needed]


def settings_of(options: SimpleNamespace) -> dict[str, object]:
    """The settings that decide how points are judged, as settings.py has them."""
    values = {name: getattr(options, name.lower()) for name in JUDGING}
    return values | {"COMPARE": ",".join(options.compare or ()) or None}


def versions() -> dict[str, str]:
    """Of what verdicts are made with."""
    return {
        "streamforest": streamforest.__version__,
        "Python": platform.python_version(),
        "numpy": np.__version__,
        "machine": platform.machine(),
    }


def state_bytes(copy: StateCopy) -> bytes:
    """What was remembered, in the form of a checkpoint."""
    return b"".join(as_blocks(Saved({"index": str(copy.index)}, copy.state)))


def points_csv(rows: Verdicts) -> bytes:
    """The points of verdicts as CSV with the columns of COLUMNS; what is unknown is empty, a number keeps its bits."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    fields = zip(*(rows[name].tolist() for name in COLUMNS), strict=True)
    for index, time, value, label in fields:
        given = (number if number == number else "" for number in (time, value))
        writer.writerow((index, *given, LABELS[label] if label >= 0 else ""))
    return text.getvalue().encode()
