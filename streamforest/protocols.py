"""What the parts promise one another: points, verdicts and three protocols; read first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

#: Kinds of ground truth. A label is an index into this table; ``UNLABELLED`` where there is none.
#: A source without kinds uses "normal" and "anomaly".
LABELS = (
    "normal",
    "anomaly",
    "spike",
    "dip",
    "level shift",
    "ramp",
    "variance burst",
    "flat line",
    "season break",
    "missing",
)
UNLABELLED = -1
NORMAL = 0
ANOMALY = 1

#: What is unusual in an anomalous point. A reason is an index into this table; 0 where nothing is.
REASONS = (
    "",
    "spike",
    "dip",
    "level shift up",
    "level shift down",
    "ramp up",
    "ramp down",
    "variance up",
    "variance down",
    "flat line",
    "season break",
    "gap",
    "too long",
    "counter went back",
)

#: Those that say nothing of the band: the value may lie in its middle.
WITHOUT_BAND = ("too long", "counter went back")

#: One valid reading. ``time``: seconds, UTC epoch, NaN where the source has none. ``value``: NaN is a
#: missing reading. ``label``: index into LABELS or UNLABELLED.
POINT_DTYPE = np.dtype([("time", "f8"), ("value", "f8"), ("label", "i1")])

#: A detector's judgement of one point, the fields of :class:`Verdict` in array form. Unknown numbers
#: are NaN, no episode is 0, ``reason`` is an index into REASONS.
VERDICT_DTYPE = np.dtype(
    [
        ("index", "i8"),
        ("time", "f8"),
        ("value", "f8"),
        ("label", "i1"),
        ("score", "f8"),
        ("threshold", "f8"),
        ("p_value", "f8"),
        ("is_anomaly", "?"),
        ("expected", "f8"),
        ("lower", "f8"),
        ("upper", "f8"),
        ("episode", "i8"),
        ("reason", "i1"),
    ]
)

#: The same of many streams side by side: each with the number of its stream, whose key StreamNames knows. ``index`` and
#: ``episode`` count within the stream; an index of 0 begins a new one, also where its number was another's before.
STREAM_POINT_DTYPE = np.dtype([*POINT_DTYPE.descr, ("stream", "i8")])
STREAM_VERDICT_DTYPE = np.dtype([*VERDICT_DTYPE.descr, ("stream", "i8")])

Points = NDArray[np.void]
Verdicts = NDArray[np.void]

#: What a detector remembers of its stream: arrays by name, of numeric or structured types, never of objects, so that it
#: can be written to disk without code in it.
State = dict[str, NDArray[Any]]


def streams_of(verdicts: Verdicts) -> NDArray[np.int64]:
    """Number of the stream of each verdict, shape (n,); 0 where there is only one stream."""
    if "stream" in (verdicts.dtype.names or ()):
        return verdicts["stream"]
    return np.zeros(len(verdicts), dtype=np.int64)


def without_streams(verdicts: Verdicts) -> Verdicts:
    """The verdicts with the fields of VERDICT_DTYPE alone, whatever stream they are of."""
    return verdicts[list(VERDICT_DTYPE.names or ())] if "stream" in (verdicts.dtype.names or ()) else verdicts


class Verdict(NamedTuple):
    """A point with what the detector says of it; None where a number is unknown.

    Attributes
    ----------
    index : int
        Position in the stream, from 0.
    time : float or None
        Seconds, UTC epoch.
    value : float or None
        The reading; None for a missing one.
    label : str or None
        Ground truth, one of LABELS; None where the source has none.
    score : float or None
        Anomaly score in [0, 1], higher = more anomalous; None during the warm-up.
    threshold : float or None
        The limit the score was held against; same unit. It is fixed before the score, save where the band decides: just
        below the score of an outlier, at least the score where nothing is plainly unusual.
    p_value : float or None
        Share of normal points that would score at least this much, in [0, 1].
    is_anomaly : bool
        ``p_value < alarm_rate``, which is ``score > threshold``; and no alarm rule holds the point back.
    expected, lower, upper : float or None
        What the detector thought the value would be, and the band outside which a value is unusual.
    episode : int or None
        Number of the event that an anomalous point belongs to, from 1.
    reason : str
        What is unusual, in a few words; empty for a normal point.
    """

    index: int  # type: ignore[assignment] # a tuple's own method of that name is not needed
    time: float | None
    value: float | None
    label: str | None
    score: float | None
    threshold: float | None
    p_value: float | None
    is_anomaly: bool
    expected: float | None
    lower: float | None
    upper: float | None
    episode: int | None
    reason: str


class Forecast(NamedTuple):
    """What is expected of the next points of a stream.

    Attributes
    ----------
    expected, lower, upper : float64 array, shape (steps,)
        The values, and the band outside which one would be unusual, in the stream's unit; NaN during the warm-up. The
        first is what the next verdict has if the reading comes when it is due.
    """

    expected: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]


def verdict_from_row(row: tuple[Any, ...]) -> Verdict:
    """A Verdict from one row of a VERDICT_DTYPE array, given as a tuple (``row.item()``)."""
    index, time, value, label, score, threshold, p_value, is_anomaly, expected, lower, upper, episode, reason = row
    value_or_none = None if value != value else value
    expected_or_none = None if expected != expected else expected
    return Verdict(
        index,
        None if time != time else time,
        value_or_none,
        None if label < 0 else LABELS[label],
        None if score != score else score,
        None if threshold != threshold else threshold,
        None if p_value != p_value else p_value,
        is_anomaly,
        expected_or_none,
        None if lower != lower else lower,
        None if upper != upper else upper,
        episode or None,
        explain(reason, value_or_none, expected_or_none, lower, upper),
    )


def explain(reason: int, value: float | None, expected: float | None, lower: float, upper: float) -> str:
    """The reason in words with the numbers that show it; empty for reason 0."""
    if not reason:
        return ""
    name = REASONS[reason]
    reading = "no reading" if value is None else f"{value:.6g}"
    if expected is None or name in WITHOUT_BAND:
        return f"{name}: {reading}"
    placed = " at this point of the season" if name == "season break" else ""
    return f"{name}: {reading}, expected {expected:.6g} +- {(upper - lower) / 2:.3g}{placed}"


def explained(kind: str, verdict: Verdict) -> str:
    """The reason of a verdict in words, as if it were of another kind."""
    if kind == verdict.reason.partition(":")[0] or kind not in REASONS:
        return verdict.reason
    lower, upper = (float("nan") if edge is None else edge for edge in (verdict.lower, verdict.upper))
    return explain(REASONS.index(kind), verdict.value, verdict.expected, lower, upper)


class Reading(NamedTuple):
    """A raw reading as a source found it, not yet validated.

    Attributes
    ----------
    value : str, float or None
        Text or number; None or blank text is a missing reading.
    time : str, float or None
        ISO 8601 text, unix time in seconds, milli-, micro- or nanoseconds, or None.
    label : str, int or None
        Ground truth as the source writes it, or an index into LABELS, or None.
    decimal_comma : bool
        Whether a comma in ``value`` is a decimal point (the separator is a semicolon).
    key : str or None
        Which stream it is of, where the source holds many; None where it holds one, or where the key is missing.
    """

    value: str | float | None
    time: str | float | None = None
    label: str | int | None = None
    decimal_comma: bool = False
    key: str | None = None


class Refusal(NamedTuple):
    """A reading that cannot be judged: where it stood and why, in words for the user."""

    where: str
    reason: str


#: What a source hands out at once: a list, or the rows of a text in the form of
#: :class:`~streamforest.reading.row_block.Rows`.
Block = Sequence[Reading | Refusal]


class SourceError(Exception):
    """The source broke or cannot be opened; the message is for the user."""


class DetectorError(Exception):
    """A detector cannot be made, because a file that it needs cannot be used; the message is for the user."""


class ReaderGoneError(Exception):
    """Nobody reads the main output any more (a closed pipe): the run ends quietly."""


class Stop(Protocol):
    """A request to end the run; set by a signal, a key or a closed pipe, watched by every wait."""

    @property
    def requested(self) -> bool:
        """Whether the run shall end."""
        ...

    def wait(self, seconds: float) -> bool:
        """Sleep at most so long, less if the run shall end; returns ``requested``."""
        ...

    def fileno(self) -> int:
        """A descriptor that becomes readable when the run shall end, for ``select``."""
        ...


class Source(Protocol):
    """Where points come from.

    ``name`` is for people. ``live`` says that points come when they come, so that no delay is put between
    them. ``read`` yields blocks of raw readings (and refusals of lines that hold
    none), never empty, in order: what is there now, up to ``most`` a block, without waiting for a block to
    fill. It ends when the source ends or soon after ``stop`` is requested, and raises SourceError when
    the source breaks.
    """

    name: str
    live: bool

    def read(self, stop: Stop, most: int) -> Iterator[Block]:
        """Yield blocks of at most ``most`` readings."""
        ...

    def describe(self) -> str:
        """What is read and what there is beside it, for a message: the column and its neighbours."""
        ...

    def close(self) -> None:
        """Release what is held; may be called twice."""
        ...


@runtime_checkable
class ResumableSource(Protocol):
    """What a source has besides, if a later run can go on where it stood."""

    def state(self) -> State:
        """Where it stands, just behind the newest block that was yielded; empty where it cannot go back."""
        ...

    def restore(self, state: State) -> str:
        """Go back to where it stood, before the first ``read``.

        Returns what is missing in between, in words for people; empty where the next reading is the one that would
        have come. Raises SourceError where what was read has changed, and ValueError where the state is none.
        """
        ...


@runtime_checkable
class AnsweringSource(Protocol):
    """What a source has besides, if those who send its readings wait for an answer.

    The run hands it what became of the readings that it yielded last, and goes on whatever is refused.
    """

    def answer(self, refusals: Sequence[Refusal]) -> None:
        """Take the refusals of some of the readings."""
        ...

    def take(self, verdicts: Verdicts) -> None:
        """Take the verdicts of some of the readings."""
        ...


class Detector(Protocol):
    """Judges points: scores first, then learns.

    ``update_many`` gives, for any split of a stream into blocks, the same bits as one point at a time.
    """

    name: str

    def update_many(self, values: NDArray[np.float64], times: NDArray[np.float64] | None = None) -> Verdicts:
        """Judge and learn values of shape (n,); returns verdicts of shape (n,), labels UNLABELLED."""
        ...

    def catch_up(self, values: NDArray[np.float64], times: NDArray[np.float64]) -> None:
        """Learn values of shape (n,) that others have judged; may take its time, where ``update_many`` must not."""
        ...

    def state(self) -> State:
        """A copy of all that is remembered of the stream."""
        ...

    def restore(self, state: State) -> None:
        """Go on from the state of a detector of the same kind and options; raises ValueError where it is none."""
        ...


class Sink(Protocol):
    """Where verdicts go.

    ``write`` gets every verdict once, in order, in blocks of shape (n,), n >= 1, and returns at once;
    the array is not changed afterwards and may be kept. A sink that fails raises OSError (the run
    reports it once and goes on; what comes next is tried all the same) or ReaderGoneError (the run ends).
    """

    name: str

    def write(self, verdicts: Verdicts) -> None:
        """Take one block of verdicts."""
        ...

    def close(self) -> None:
        """Write what is held back and release; may be called twice."""
        ...


@runtime_checkable
class ResumableSink(Protocol):
    """What a sink has besides, if a later run can go on with what it wrote."""

    def state(self) -> State:
        """A copy of all that is remembered; all that was written is on the disk when it returns.

        Raises OSError where it is not. Works after ``close`` too.
        """
        ...

    def restore(self, state: State, *, cut: bool) -> str:
        """Go on from a state; with ``cut`` what was written after it is taken back, for it will come again.

        Returns what could not be done, in words for people; empty where all was. Raises OSError where going on would
        spoil a file that is not the run's own, and ValueError where the state is none.
        """
        ...


class VerdictMemory(Sink, Protocol):
    """What is kept of verdicts for the picture: a sink of the thread that judges, read by the one that draws.

    ``name`` says which figure draws it, see ``figures.choice``. ``first`` and ``end`` are the indices of the oldest
    point that can be shown by itself, and of the next one that comes.
    """

    @property
    def first(self) -> int: ...  # noqa: D102 - described above

    @property
    def end(self) -> int: ...  # noqa: D102

    def newest(self, n: int) -> Verdicts:
        """The newest verdicts, at most n, oldest first."""
        ...


class View(Protocol):
    """Where the picture is shown; every method belongs to the main thread.

    ``is_open`` turns False once the user has closed it: watching stops, the run goes on.
    """

    name: str
    is_open: bool

    def poll(self, seconds: float) -> None:
        """Handle events and draw for about so long; returns early when an action was asked for."""
        ...

    def command(self, name: str) -> None:
        """Change what is shown: one of the commands of a LiveFigure."""
        ...

    def close(self) -> None:
        """Take the picture away and release what is held; may be called twice."""
        ...


class RateGot(NamedTuple):
    """How often points were flagged in some time; those that are labelled as anomalous are not counted.

    Attributes
    ----------
    scored, flagged : int
        Points with a score, and those of them that were anomalous by their score: what the alarm rate is asked for.
    by_band : int
        Further ones that only their band or a broken habit made anomalous, which the alarm rate does not limit.
    begun : int
        Episodes that began, whatever their label.
    low, high : float
        95 % interval of the rate ``flagged / scored``; 0 and 1 before the first point.
    """

    scored: int
    flagged: int
    by_band: int
    begun: int
    low: float
    high: float


class Honesty(NamedTuple):
    """What was asked for and what was got.

    Attributes
    ----------
    alarm_rate : float
        Wanted share of normal points that are flagged.
    alarms_a_day : float or None
        Wanted in its place.
    day, total : RateGot
        In the last 24 hours of the points' times, and in all.
    strip : tuple of int
        p-values by equal parts of [0, 1]: all parts are alike where they say what is true.
    today : int
        Episodes that began since midnight, UTC.
    left : int or None
        Alarms that may still come today; None where no number of alarms a day is asked for.
    """

    alarm_rate: float
    alarms_a_day: float | None
    day: RateGot
    total: RateGot
    strip: tuple[int, ...]
    today: int
    left: int | None


class Status(NamedTuple):
    """How a run stands, for the line above the picture and for the summary; None where unknown.

    Attributes
    ----------
    source, detector : str
        Names for people.
    detectors : tuple of str
        Names of all detectors that the run can switch to.
    points, refused, missing, anomalies, episodes : int
        Points judged (missing ones among them), readings refused, missing readings, anomalous points, episodes.
    points_per_second : float
        Recent rate.
    alarm_rate : float
        Wanted share of normal points that are flagged.
    realised_rate : float or None
        Share of scored points that were flagged; if there are labels, of scored normal points.
    precision, recall : float or None
        By episode; None without labels.
    warm_up : float
        Share of the warm-up that is done, in [0, 1].
    alarms_a_day : float or None
        What is asked for in place of the alarm rate, where times make it possible.
    agreement : tuple of (name, shared, episodes)
        Of each detector that judges along: how many of the detector's episodes it flags too, and of how many.
    seconds_since_last_point : float or None
        How long ago the newest points were judged; None before the first.
    streams : int or None
        Streams that there are now, where the source holds many.
    understood : str
        How the source was understood, in words; empty where it has no columns, and before its first point.
    notice : str
        The newest line for people, for some seconds after it was said: what was saved, chosen, or could not be.
    happened : mapping of str to int, or None
        Episodes that started, became worse, ended; None where that is not counted.
    messages : tuple of (address, delivered, waiting, left out)
        How many messages of each address were delivered, wait, and could not be delivered.
    honesty : Honesty or None
        Alarms asked for and got; None where that is not counted.
    incident : str
        The newest incident across streams, in words; empty where there was none.
    has_ended : bool
        Whether no point comes any more, as its source or the run has ended.
    """

    source: str
    detector: str
    detectors: tuple[str, ...]
    points: int
    refused: int
    missing: int
    anomalies: int
    episodes: int
    points_per_second: float
    alarm_rate: float
    realised_rate: float | None
    precision: float | None
    recall: float | None
    warm_up: float
    alarms_a_day: float | None = None
    agreement: tuple[tuple[str, int, int], ...] = ()
    seconds_since_last_point: float | None = None
    streams: int | None = None
    understood: str = ""
    notice: str = ""
    happened: Mapping[Any, int] | None = None
    messages: tuple[tuple[str, int, int, int], ...] = ()
    honesty: Honesty | None = None
    incident: str = ""
    has_ended: bool = False
