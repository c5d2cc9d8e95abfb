"""The panel that tells what would be caught in the readings that a run keeps, worked out while the person watches."""

from __future__ import annotations

import threading
from collections.abc import Callable

from streamforest.program.detect_limits import NOT_CAUGHT, Answer, Limit, Trials, history_of, kinds_of, shown_size
from streamforest.protocols import Detector, Points
from streamforest.verdicts.panel import Panel, Row

HINT = "up, down: look through   Esc: close"
#: Kinds that share a row: name of the first -> name of the row; their sizes stand one behind the other.
PAIRS = {"spike": "spike, dip", "level shift up": "level shift up, down", "ramp up": "ramp up, down"}
SECOND_OF = ("dip", "level shift down", "ramp down")


class LimitsPanel:
    """What :mod:`~streamforest.program.detect_limits` says of kept readings; all methods belong to the main thread.

    Parameters
    ----------
    points : Points
        The kept readings, shape (n,); the answer is that of the command for the same ones.
    make : callable
        Gives a fresh detector of an alarm rate.
    rate : float
        The alarm rate.
    seed : int
        Of the places where anomalies are planted.
    ready : callable
        Called, in another thread, when there is something new.
    faults : tuple of exception types
        That ``make`` may raise; their texts are for people.

    Attributes
    ----------
    answer : Answer or None
        The whole of it, once it is there.

    Raises
    ------
    ValueError
        There are too few readings; the message is for the user.
    """

    title = "what would be caught"

    def __init__(
        self,
        points: Points,
        make: Callable[[float], Detector],
        rate: float,
        seed: int,
        ready: Callable[[], None],
        faults: tuple[type[Exception], ...] = (ValueError,),
    ) -> None:
        self._history = history_of(points)
        self._make, self._rate, self._seed, self._ready, self._faults = make, rate, seed, ready, faults
        self._kinds = kinds_of(self._history)
        self._found: list[Limit] = []  # replaced, never changed
        self.answer: Answer | None = None
        self._fault = ""
        self._chosen = self._moves = 0
        self._is_open = True
        threading.Thread(target=self._work, name="what would be caught", daemon=True).start()

    def panel(self) -> Panel:
        """The panel as it stands."""
        found, answer, fault = self._found, self.answer, self._fault
        rows = rows_of(found, self._history.step)
        result = fault or f"planting anomalies into the kept points: {len(found)} of {len(self._kinds)} kinds"
        if answer is not None:
            result = f"caught in 9 of 10 at an alarm rate of {100 * answer.rate:.3g} %, and how soon by half of these"
        version = len(found) + (answer is not None) + bool(fault) + len(self._kinds) * 2 * self._moves
        return Panel(self.title, rows, min(self._chosen, max(len(rows) - 1, 0)), result, HINT, None, version, False)

    def choose(self, row: int) -> None:
        """Choose a row, by its number: where there is little space the rows around it are shown."""
        self._chosen = max(0, min(row, len(rows_of(self._found, self._history.step)) - 1))
        self._moves += 1

    def set_share(self, row: int, share: float) -> None:  # noqa: ARG002 - as all panels have it
        """Choose a row: there is no slider."""
        self.choose(row)

    def command(self, name: str) -> bool:
        """Carry out "up", "down" or "leave"; whether the panel stays open."""
        if name in ("up", "down"):
            self.choose(self._chosen + (1 if name == "down" else -1))
        elif name == "leave":
            self._is_open = False
        return self._is_open

    def _work(self) -> None:
        """Plant one kind after the other, until nobody looks any more."""
        try:
            trials = Trials(self._history, lambda: self._make(self._rate), self._seed)
            if trials.unknown:
                raise ValueError(trials.unknown)
            for kind in self._kinds:
                if not self._is_open:
                    return
                self._found = [*self._found, trials.limit(kind)]
                self._ready()
            self.answer = Answer(self._rate, self._found, trials.episodes, trials.points)
        except self._faults as error:
            self._fault = str(error)
        self._ready()


def rows_of(found: list[Limit], step: float) -> tuple[Row, ...]:
    """The limits as rows, both directions of a kind in one; ``step`` is the seconds between points."""
    texts: dict[str, str] = {}
    for limit in found:
        name, text = limit.kind.name, _text_of(limit, step)
        if name in SECOND_OF:
            texts[next(reversed(texts))] += f"; {text}"
        else:
            texts[PAIRS.get(name, name)] = text
    return tuple(Row(name, text) for name, text in texts.items())


def _text_of(limit: Limit, step: float) -> str:
    """A limit in few words.

    Parameters
    ----------
    step : float
        Seconds between points, NaN where they are unknown.
    """
    size = shown_size(limit, step)
    if size == NOT_CAUGHT:
        return size
    unit = {"units": "", "times the noise": " times the noise", "points": " points"}[limit.kind.unit]
    return f"{size}{unit} {'at once' if limit.delay == 0 else f'within {limit.delay + 1:.0f} points'}"
