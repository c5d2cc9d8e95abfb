"""A forest fitted again and again on a sliding window of the stream's own points; needs no model file."""

from __future__ import annotations

import json
import multiprocessing
import signal
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamforest.compiled import Records, compiled
from streamforest.features import observe as features
from streamforest.features.vector import HIGHEST, N_VECTOR, Buffers, new_buffers
from streamforest.judging.decide import CompiledDetector
from streamforest.judging.evidence import FAR_OUT
from streamforest.judging.harness import LEAST_SCORES, begin, calibration, conclude, new_harness
from streamforest.judging.rules import NO_RULES, RuleNumbers, Rules
from streamforest.models.forest import NODE_DTYPE, Forest, flatten, isolation
from streamforest.protocols import DetectorError, State, Verdicts
from streamforest.state import saved_array

LEAST_WINDOW, MOST_WINDOW = 10, 100_000
MOST_BETWEEN = 1_000_000
#: Vectors that the first forest is fitted on, where the window is not shorter.
FIRST_FIT = 100
TREES = 50
#: What the highest surprise beyond FAR_OUT adds to the forest's score, which sees no farther than its window.
FAR_GAIN = 0.15
NO_INDEX = 2**62  # index of a point that does not come
NONE = -1  # vectors behind a forest that is not there

#: Stands for the forest while there is none: compiled code wants one of the same type.
NO_FOREST = Forest(np.zeros(1, NODE_DTYPE), np.zeros(1, np.bool_), np.zeros(1), np.zeros(1, np.uint64), 0, 1.0)


def fit_forest(rows: NDArray[np.float32], seed: int, after: int) -> Forest:
    """The forest of vectors of shape (n, N_VECTOR): the same for the same rows, seed and number of vectors so far."""
    from sklearn.ensemble import IsolationForest  # noqa: PLC0415 - heavy

    state = int(np.random.SeedSequence([seed, after]).generate_state(1)[0])
    return flatten(IsolationForest(n_estimators=TREES, random_state=state).fit(rows))


class Fit(NamedTuple):
    """What a forest is fitted on: the window, shape (n, N_VECTOR), as it was after so many vectors."""

    rows: NDArray[np.float32]
    seed: int
    after: int


def _serve(pipe: Connection) -> None:
    """Fit what is asked for until nobody can ask any more, in a process of its own."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is the parent's to heed
    while True:
        try:
            pipe.send(fit_forest(*pipe.recv()))
        except (EOFError, OSError):
            return


class Fitter:
    """A process that fits forests, so that points need not wait; it ends with the owner of this."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, other = context.Pipe()
        context.Process(target=_serve, args=(other,), name="fit forests", daemon=True).start()
        other.close()

    def ask(self, what: Fit) -> None:
        """Have a forest fitted; one at a time."""
        with suppress(OSError):  # a process that is gone is found out when its answer is taken
            self._pipe.send(what)

    def is_ready(self) -> bool:
        """Whether the forest is there, or never will be."""
        return self._pipe.poll()

    def take(self) -> Forest | None:
        """The forest; None where the process is gone."""
        try:
            forest: Forest = self._pipe.recv()
        except (EOFError, OSError):
            return None
        return forest


class Refits:
    """Which forest judged which point: written down as it happens, or followed where it was written before.

    Parameters
    ----------
    path : Path
        JSON Lines: the settings, then ``{"after": a, "from": f}`` for each forest, which was fitted after ``a``
        vectors and judged from the point with index ``f`` on. If the file is there it is followed, and not changed
        unless a run goes on from its state: then the forests behind its end are written down too.
    settings : dict
        What the record is of.
    notify : callable
        Takes a line for people.

    Raises
    ------
    DetectorError
        The file is there and is no such record, or one of other settings; or it cannot be written.
    """

    def __init__(self, path: Path, settings: dict[str, int], notify: Callable[[str], None]) -> None:
        self._where = f"REFITS is {str(path)!r}"
        self._notify = notify
        self.ahead: deque[tuple[int, int]] = deque()  # what is still to be followed
        self._path: Path | None = None  # where it is written
        self._followed = path
        try:
            if path.exists() and path.stat().st_size:
                self.ahead.extend(self._read(path.read_text(encoding="utf-8"), settings))
            else:
                self._path = path
                self._write(settings)
        except OSError as error:
            raise DetectorError(f"{self._where}: {error.strerror or error}") from None

    def go_on(self, index: int) -> None:
        """Follow it from the point with an index on, and write it on from its end."""
        while self.ahead and self.ahead[0][1] < index:
            self.ahead.popleft()
        self._path = self._followed

    def note(self, after: int, start: int) -> None:
        """Write down that the forest that was fitted after so many vectors judges from an index on."""
        try:
            self._write({"after": after, "from": start})
        except OSError as error:
            self._path = None
            self._notify(f"the record of refits failed, the run goes on without it: {error.strerror or error}")

    def _write(self, entry: dict[str, int]) -> None:
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")

    def _read(self, text: str, settings: dict[str, int]) -> list[tuple[int, int]]:
        try:
            first, *rest = [json.loads(line) for line in text.splitlines()]
            entries = [(int(entry["after"]), int(entry["from"])) for entry in rest]
        except (ValueError, KeyError, TypeError):
            raise DetectorError(f"{self._where}: that is no record of refits; name another file") from None
        if first != settings:
            raise DetectorError(f"{self._where}: it was written with {first}, and now it is {settings}")
        return entries


@compiled
def judge_until(
    records: Records,
    forest: Forest,
    has_forest: bool,
    window: NDArray[np.float32],
    seen: NDArray[np.int64],
    values: NDArray[np.float64],
    times: NDArray[np.float64],
    first: int,
    enough: int,
    scores: NDArray[np.float64],
    surprises: NDArray[np.float64],
    rate: float,
    rules: RuleNumbers,
    buffers: Buffers,
    verdicts: Records,
) -> int:
    """Judge from the reading ``first`` on, until the readings end or ``enough`` vectors were seen in all.

    Returns the index of the next reading. The window of shape (n, N_VECTOR) is written round and round.
    """
    for i in range(first, values.size):
        if begin(records[0], values[i], times[i], rate, buffers, verdicts[i]):
            raw = np.nan
            if has_forest:
                raw = isolation(forest, buffers.vector) + FAR_GAIN * max(buffers.vector[HIGHEST] - FAR_OUT, 0.0)
            conclude(records[0], raw, scores, surprises, rate, rules, buffers, verdicts[i])
            window[seen[0] % window.shape[0]] = buffers.vector
            seen[0] += 1
            if seen[0] == enough:
                return i + 1
    return values.size


class SlidingForestDetector(CompiledDetector):
    """Judges a point by a forest of the newest points' vectors, which is fitted again every so many points.

    Parameters
    ----------
    alarm_rate : float
        Wanted share of normal points that are flagged, in [1e-6, 0.2].
    rules : Rules
        What else a point needs to be an alarm.
    window : int
        Points that a forest is fitted on, in [10, 100000].
    refit_every : int
        Points between two fits, in [1, 1000000].
    seed : int
        Of the forests, at least 0.
    waits : bool
        Whether the point after a fit waits for its forest, which makes any two runs give the same bits. Otherwise no
        point waits: forests are fitted in another process and swapped in when they are ready; ``refits`` says when.
    refits : Path, optional
        File of which forest judged which point: written, or followed if it is there. See :class:`Refits`.
    notify : callable
        Takes a line for people.

    Raises
    ------
    ValueError
        A number is outside its range.
    DetectorError
        The file of refits cannot be used.

    Notes
    -----
    A fit takes about 70 ms. While one goes on, others that fall due are left out.
    """

    name = "sliding-forest"

    def __init__(
        self,
        alarm_rate: float = 0.001,
        rules: Rules = NO_RULES,
        window: int = 1000,
        refit_every: int = 250,
        seed: int = 1,
        *,
        waits: bool = True,
        refits: Path | None = None,
        notify: Callable[[str], None] = print,
    ) -> None:
        super().__init__(alarm_rate, rules)
        for name, number, low, high in (
            ("window", window, LEAST_WINDOW, MOST_WINDOW),
            ("refit_every", refit_every, 1, MOST_BETWEEN),
        ):
            if not low <= number <= high:
                raise ValueError(f"{name} is {number}, allowed is {low} to {high}")
        self.warm_up_points = features.WARM_UP + min(FIRST_FIT, window) + LEAST_SCORES
        self._refit_every, self._seed, self._waits = refit_every, seed, waits
        settings = {"window": window, "refit_every": refit_every, "seed": seed}
        self._refits = None if refits is None else Refits(refits, settings, notify)
        self._parts = (*calibration(), alarm_rate, self._rules, new_buffers()[0])
        self._records = new_harness()
        self._window = np.zeros((window, N_VECTOR), dtype=np.float32)
        self._seen = np.zeros(1, dtype=np.int64)
        self._due = min(FIRST_FIT, window)  # vectors after which a forest is fitted next
        self._judging: Fit | None = None  # what the forest that judges was fitted on
        self._forest = NO_FOREST
        self._coming: Fit | None = None  # what the next one is fitted on
        self._fitter: Fitter | None = None

    def _judge(self, values: NDArray[np.float64], times: NDArray[np.float64], verdicts: Verdicts) -> None:
        at = 0
        while at < values.size:
            if self._coming is not None and self._is_time():
                self._take_over(self._coming)
            until = min(values.size, at + self._points_left())
            forest, has_forest = self._forest, self._judging is not None
            stream = (self._window, self._seen, values[:until], times[:until], at)
            at = judge_until(self._records, forest, has_forest, *stream, self._enough, *self._parts, verdicts)
            if self._seen[0] == self._enough:
                self._fall_due()

    @property
    def _index(self) -> int:
        """Of the next point."""
        return int(self._records["position"]["index"][0])

    @property
    def _ahead(self) -> tuple[int, int] | None:
        """The next entry of the record that is followed."""
        return self._refits.ahead[0] if self._refits is not None and self._refits.ahead else None

    def _is_time(self) -> bool:
        """Whether the forest that is coming judges from the next point on."""
        if self._ahead is not None:
            return self._index >= self._ahead[1]
        return self._fitter is None or self._fitter.is_ready()

    def _points_left(self) -> int:
        """Points that the forest that judges still has, as far as that is known."""
        if self._ahead is None or self._coming is None:
            return NO_INDEX
        return max(self._ahead[1] - self._index, 1)

    @property
    def _enough(self) -> int:
        """Vectors after which something has to be done."""
        if self._ahead is None:
            return self._due
        return NO_INDEX if self._coming is not None else self._ahead[0]

    def _fall_due(self) -> None:
        seen = int(self._seen[0])
        while self._due <= seen:
            self._due += self._refit_every
        if self._coming is not None:
            return
        n = min(seen, len(self._window))
        rows = np.roll(self._window, -seen, axis=0)[-n:]
        self._coming = Fit(rows.copy(), self._seed, seen)
        if self._ahead is None and not self._waits:
            self._fitter = self._fitter or Fitter()
            self._fitter.ask(self._coming)

    def _take_over(self, coming: Fit) -> None:
        followed = self._ahead is not None
        asked = self._fitter if not followed else None
        forest = asked.take() if asked is not None else None
        if forest is None:
            forest = fit_forest(*coming)
            self._fitter = None
        self._forest, self._judging, self._coming = forest, coming, None
        if self._refits is not None:
            if followed:
                self._refits.ahead.popleft()
            else:
                self._refits.note(coming.after, self._index)

    def catch_up(self, values: NDArray[np.float64], times: NDArray[np.float64]) -> None:
        """Learn values of shape (n,) that others have judged; every forest is waited for."""
        waits, self._waits = self._waits, True
        self.update_many(values, times)
        self._waits = waits

    def state(self) -> State:
        """A copy of all that is remembered of the stream; forests as what they were fitted on."""
        fits = {"judging": self._judging, "coming": self._coming}
        counts = [int(self._seen[0]), self._due, *(NONE if fit is None else fit.after for fit in fits.values())]
        rows = {name: fit.rows.copy() for name, fit in fits.items() if fit is not None}
        return super().state() | rows | {"window": self._window.copy(), "counts": np.array(counts)}

    def restore(self, state: State) -> None:
        """Go on from a state; raises ValueError where it is not one of a detector with the same options."""
        window = saved_array(state, "window", self._window)
        seen, due, *afters = saved_array(state, "counts", np.zeros(4, np.int64)).tolist()
        judging, coming = (self._saved_fit(state, *fit) for fit in zip(("judging", "coming"), afters, strict=True))
        super().restore(state)
        self._window[:] = window
        self._seen[0], self._due = seen, due
        self._judging, self._coming, self._fitter = judging, coming, None
        self._forest = NO_FOREST if judging is None else fit_forest(*judging)
        if self._refits is not None:
            self._refits.go_on(self._index)

    def _saved_fit(self, state: State, name: str, after: int) -> Fit | None:
        if after == NONE:
            return None
        rows = saved_array(state, name, self._window[:after])
        return Fit(rows.copy(), self._seed, after)
