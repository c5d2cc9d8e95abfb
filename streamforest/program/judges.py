"""Who judges a run: one detector on one stream, or one a stream on many side by side."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np

from streamforest.protocols import STREAM_VERDICT_DTYPE, UNLABELLED, VERDICT_DTYPE, Points, Verdicts
from streamforest.storage.resumption import Part
from streamforest.stream_names import StreamNames

if TYPE_CHECKING:
    from streamforest.judging.switch import Change, DetectorSwitch
    from streamforest.program.paged_streams import PagedStreams
    from streamforest.program.state_copies import StateCopies

Recent = Callable[[int], Verdicts]

#: Points that are looked ahead at most, and seconds that a picture waits for the block that is being judged.
MOST_AHEAD, PATIENCE = 10_000, 0.02


class PointJudge(Protocol):
    """Judges the points of a run, whether they are of one stream or of many.

    Attributes
    ----------
    name : str
        Of the detector that judges now.
    detectors : tuple of str
        All that can be switched to.
    warm_up_points : int
        Points that the detector takes before its first score; 0 where it does not say.
    keys : StreamNames or None
        Of the streams; None where the source holds one, and its readings have no keys.
    drops_silent : bool
        Whether streams are dropped once they have said nothing for long.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 - described above

    @property
    def detectors(self) -> tuple[str, ...]: ...  # noqa: D102

    @property
    def warm_up_points(self) -> int: ...  # noqa: D102

    @property
    def keys(self) -> StreamNames | None: ...  # noqa: D102

    @property
    def drops_silent(self) -> bool: ...  # noqa: D102

    def judge(self, points: Points) -> list[Verdicts]:
        """Score each point, then learn it: the verdicts, in blocks in which no stream begins anew."""
        ...

    def drop_silent(self) -> Sequence[int]:
        """Drop the streams that have said nothing for long; returns their numbers, which may go to others."""
        ...

    def parts(self) -> Mapping[str, Part]:
        """What a checkpoint keeps, by name, in the order in which it is restored."""
        ...

    def recall(self, recent: Recent) -> None:
        """Let detectors that are switched to learn the newest verdicts first; ``recent``: number -> at most so many."""
        ...

    def switch(self, name: str) -> None:
        """Let another detector judge from a next block on; raises ValueError where it cannot."""
        ...

    def switch_to_next(self) -> None:
        """Let the next detector judge from a next block on; raises ValueError where it cannot."""
        ...

    def change(self, change: Change) -> None:
        """Let other settings hold from a next block on; raises ValueError where they cannot."""
        ...


class OuterJudge:
    """A judge around another one, to which it leaves all that it does not do itself.

    Parameters
    ----------
    judge : PointJudge
        The inner one.
    """

    def __init__(self, judge: PointJudge) -> None:
        self._judge = judge

    @property
    def name(self) -> str:
        """Of the detector that judges now."""
        return self._judge.name

    @property
    def detectors(self) -> tuple[str, ...]:
        """All that can be switched to."""
        return self._judge.detectors

    @property
    def warm_up_points(self) -> int:
        """Points that the detector takes before its first score; 0 where it does not say."""
        return self._judge.warm_up_points

    @property
    def keys(self) -> StreamNames | None:
        """Of the streams; None where the source holds one."""
        return self._judge.keys

    @property
    def drops_silent(self) -> bool:
        """Whether streams are dropped once they have said nothing for long."""
        return self._judge.drops_silent

    def judge(self, points: Points) -> list[Verdicts]:
        """The verdicts of the points, in blocks."""
        return self._judge.judge(points)

    def drop_silent(self) -> Sequence[int]:
        """Drop the streams that have said nothing for long; returns their numbers, which may go to others."""
        return self._judge.drop_silent()

    def parts(self) -> Mapping[str, Part]:
        """What a checkpoint keeps."""
        return self._judge.parts()

    def recall(self, recent: Recent) -> None:
        """Let detectors that are switched to learn the newest verdicts first."""
        self._judge.recall(recent)

    def switch(self, name: str) -> None:
        """Let another detector judge from a next block on; raises ValueError where it cannot."""
        self._judge.switch(name)

    def switch_to_next(self) -> None:
        """Let the next detector judge from a next block on; raises ValueError where it cannot."""
        self._judge.switch_to_next()

    def change(self, change: Change) -> None:
        """Let other settings hold from a next block on; raises ValueError where they cannot."""
        self._judge.change(change)


def _nothing(_n: int) -> Verdicts:
    return np.empty(0, VERDICT_DTYPE)


class OneStreamJudge:
    """One stream, and the detector that judges it, which can be switched.

    Parameters
    ----------
    make_switch : callable
        Makes the detector, given what tells it of the newest verdicts.
    """

    keys = None
    drops_silent = False

    def __init__(self, make_switch: Callable[[Recent], DetectorSwitch]) -> None:
        self._memory: Recent = _nothing
        self._copies: StateCopies | None = None
        self._lock = threading.Lock()  # on what the detector remembers
        self._switch = make_switch(self._newest)

    @property
    def name(self) -> str:
        """Of the detector that judges now."""
        return self._switch.name

    @property
    def detectors(self) -> tuple[str, ...]:
        """All that can be switched to."""
        return self._switch.names

    @property
    def warm_up_points(self) -> int:
        """Points that the detector takes before its first score; 0 where it does not say."""
        return self._switch.warm_up_points

    def judge(self, points: Points) -> list[Verdicts]:
        """The verdicts of the points, with their labels."""
        if self._copies is not None:
            self._copies.take_if_due(self._switch)
        with self._lock:
            verdicts = self._switch.update_many(points["value"], points["time"])
        if self._copies is not None:
            self._copies.note(verdicts, self._switch.name)
        labels = points["label"]
        # for one point, to fill it in takes as long as half the judging
        if len(labels) > 1 or labels.item() != UNLABELLED:
            verdicts["label"] = labels
        return [verdicts]

    def drop_silent(self) -> Sequence[int]:
        """Nothing: the one stream stays."""
        return ()

    def parts(self) -> Mapping[str, Part]:
        """What a checkpoint keeps."""
        return {"detector": self._switch}

    def recall(self, recent: Recent) -> None:
        """Let detectors that are switched to learn the newest verdicts first."""
        self._memory = recent

    def ahead(self, steps: int) -> Verdicts:
        """What is expected of the next points, as ``History.ahead`` gives it; may be called from any thread."""
        if steps < 1 or not self._lock.acquire(timeout=PATIENCE):
            return np.empty(0, VERDICT_DTYPE)
        try:
            return self._switch.ahead(min(steps, MOST_AHEAD))
        finally:
            self._lock.release()

    def keep_copies(self, copies: StateCopies) -> None:
        """Have what the detector remembers copied now and then."""
        self._copies = copies

    def _newest(self, n: int) -> Verdicts:
        return self._memory(n)

    def switch(self, name: str) -> None:
        """Let another detector judge; raises ValueError where there is none of that name."""
        self._switch.switch(name)

    def switch_to_next(self) -> None:
        """Let the next detector judge."""
        self._switch.switch_to_next()

    def change(self, change: Change) -> None:
        """Let other settings hold."""
        copies = self._copies
        if copies is not None:

            def begin() -> None:
                copies.clear()
                change.begin()

            self._switch.change(change._replace(begin=begin))
        else:
            self._switch.change(change)


class ManyStreamsJudge:
    """Many streams side by side, each judged by a detector of its own.

    Parameters
    ----------
    streams : PagedStreams
        Judges them; it names them by the numbers of ``keys``.
    keys : StreamNames
        Gives the streams their numbers.
    """

    def __init__(self, streams: PagedStreams, keys: StreamNames) -> None:
        self._streams, self.keys = streams, keys
        self.name, self.warm_up_points = streams.name, streams.warm_up_points
        self.detectors = (streams.name,)
        self.drops_silent = streams.silence < math.inf

    def judge(self, points: Points) -> list[Verdicts]:
        """The verdicts of the points, with their labels and streams."""
        judged = self._streams.update(points["stream"], points["value"], points["time"], drops=False)
        verdicts = np.empty(len(points), STREAM_VERDICT_DTYPE)
        for name in VERDICT_DTYPE.names or ():
            verdicts[name] = judged[name]
        verdicts["label"], verdicts["stream"] = points["label"], points["stream"]
        begins = np.flatnonzero(verdicts["index"] == 0)
        if not len(begins):
            return [verdicts]
        streams, firsts = np.unique(points["stream"], return_index=True)
        is_anew = begins > firsts[np.searchsorted(streams, points["stream"][begins])]
        return np.split(verdicts, begins[is_anew])

    def drop_silent(self) -> Sequence[int]:
        """Drop the streams that have said nothing for long; returns their numbers, which may go to others."""
        dropped = cast("list[int]", self._streams.drop_silent())
        self.keys.drop(dropped)
        return dropped

    def parts(self) -> Mapping[str, Part]:
        """What a checkpoint keeps."""
        from streamforest.program.paged_streams import AllStreams  # noqa: PLC0415 - many streams only

        return {"names": self.keys, "streams": AllStreams(self._streams, self.keys.has)}

    def recall(self, recent: Recent) -> None:
        """Nothing: the detector stays."""

    def switch(self, name: str) -> None:  # noqa: ARG002 - as PointJudge has it
        """Raise ValueError: the detector stays."""
        raise ValueError("many streams are judged by one detector, which stays")

    def switch_to_next(self) -> None:
        """Raise ValueError: the detector stays."""
        self.switch(self.name)

    def change(self, change: Change) -> None:  # noqa: ARG002 - as PointJudge has it
        """Raise ValueError: the settings stay."""
        raise ValueError("many streams are judged by the settings of the start")
