"""What live connections share: growing pauses, a loss reported once, waits that end, silence as missing readings."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from streamforest.protocols import Reading, Refusal, SourceError, Stop

T = TypeVar("T")

Items = list[Reading | Refusal]

#: Seconds within which the first connection must be made.
FIRST_LIMIT = 10.0
#: Seconds that the pauses between attempts grow to.
LONGEST_PAUSE = 60.0
#: Seconds between two looks at the stop flag.
PATIENCE = 0.1

#: A silence is longer than so many usual intervals, and than so many seconds.
SILENT_INTERVALS, SILENT_SECONDS = 5.0, 5.0
#: A stream that has no reading for so many seconds at its start is reported.
FIRST_READING = 60.0
# Silence between two missing readings grows to so many times the first.
_MOST_DOUBLINGS = 64.0
# Intervals that are kept, least ones that are needed, and the share of them that the usual one is not shorter than.
_KEPT, _LEAST, _SHARE = 32, 3, 0.9


class UnreachableError(Exception):
    """A server cannot be reached or gives no answer just now; the message says why.

    Parameters
    ----------
    why : str
        For the user.
    is_patient : bool
        Whether to try again however often, though there was no connection yet.
    """

    def __init__(self, why: str, is_patient: bool = False) -> None:
        super().__init__(why)
        self.is_patient = is_patient


class Connection:
    """How a connection stands: tells of its loss and return once each, and how long to pause.

    Parameters
    ----------
    name : str
        Of the source, without a password.
    notify : callable
        Takes a line for people.
    first_pause, longest_pause : float
        Seconds; each pause is twice the last.
    clock : callable
        Seconds that only go forward.
    """

    def __init__(
        self,
        name: str,
        notify: Callable[[str], None],
        *,
        first_pause: float = 1.0,
        longest_pause: float = LONGEST_PAUSE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.was_made = False
        self._name = name
        self._notify = notify
        self._first_pause = first_pause
        self._longest_pause = longest_pause
        self._clock = clock
        self._pause = first_pause
        self._since = clock()  # the last change
        self._is_reported = False

    @property
    def is_lost(self) -> bool:
        """Whether its loss was reported and its return was not."""
        return self._is_reported

    def worked(self) -> None:
        """The connection was made, or an answer came."""
        if self._is_reported:
            self._notify(f"{self._name}: the connection is back after {span(self._clock() - self._since)}")
        if not self.was_made:
            self._pause = self._first_pause
        if self._is_reported or not self.was_made:
            self._since = self._clock()
        self.was_made, self._is_reported = True, False

    def failed(self, error: str | UnreachableError) -> float:
        """The connection was lost or could not be made; returns the seconds until the next attempt.

        Raises
        ------
        SourceError
            There was none within FIRST_LIMIT.
        """
        now = self._clock()
        if not self.was_made and not (isinstance(error, UnreachableError) and error.is_patient):
            self.check(error)
            return min(self._grown(), self._since + FIRST_LIMIT - now)
        if not self._is_reported:
            if now - self._since > self._longest_pause:
                self._pause = self._first_pause  # a connection that held is no sign of a server that sends us away
            self._notify(
                f"{self._name}: {'the connection is lost' if self.was_made else 'no connection yet'}: {error}; "
                f"trying again in {span(self._pause)}, then after growing pauses of up to {span(self._longest_pause)}"
            )
            self._is_reported, self._since = True, now
        return self._grown()

    def check(self, error: str | UnreachableError) -> None:
        """Fail where the first connection should have been made by now; ``error`` is why it was not.

        Raises
        ------
        SourceError
            There was none within FIRST_LIMIT.
        """
        if not self.was_made and self._clock() - self._since >= FIRST_LIMIT:
            raise SourceError(f"{self._name}: no connection within {span(FIRST_LIMIT)}: {error}")

    def _grown(self) -> float:
        pause = self._pause
        self._pause = min(2 * pause, self._longest_pause)
        return pause


class Silence:
    """When nothing comes for much longer than usual: missing readings in place of what should have come.

    The usual interval is what nine in ten of the newest 32 intervals are not longer than, where readings less than a
    second apart count as one. A silence is longer than five of these and than five seconds. It gives one missing
    reading, and further ones as it becomes twice, four times, ... as long, at most 64 times its length apart.

    Parameters
    ----------
    name : str
        Of the source.
    notify : callable
        Takes a line for people: of each silence once.
    usual : float, optional
        Seconds between readings, if they are fixed.
    clock : callable
        Seconds that only go forward.
    is_judged : bool
        Whether a silence gives missing readings; otherwise it is only reported.
    """

    def __init__(
        self,
        name: str,
        notify: Callable[[str], None],
        usual: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        is_judged: bool = True,
    ) -> None:
        self._name = name
        self._notify = notify
        self._is_judged = is_judged
        self._clock = clock
        self._intervals: deque[float] = deque([] if usual is None else [usual] * _LEAST, maxlen=_KEPT)
        self._last = self._counted = clock()
        self._span = 0.0  # that the next missing reading comes after; 0 before the first of a silence
        self._is_first = True

    def arrived(self) -> None:
        """Something came."""
        now = self._clock()
        if self._is_first:
            self._counted = now
        elif now - self._counted >= 1.0:
            self._intervals.append(now - self._counted)
            self._counted = now
        self._is_first, self._last, self._span = False, now, 0.0

    def rest(self) -> None:
        """Nothing is expected just now: what does not come is not missed."""
        self._last = self._counted = self._clock()
        self._span = 0.0

    def is_gap(self) -> bool:
        """Whether a missing reading is due; says so of the first one of a silence."""
        passed = self._clock() - self._last
        if self._is_first:
            if not self._span and passed > FIRST_READING:
                self._notify(f"{self._name}: connected, but nothing has come for {span(passed)}; is the name right?")
                self._span = passed
            return False
        if len(self._intervals) < _LEAST:
            return False
        usual = sorted(self._intervals)[int(_SHARE * (len(self._intervals) - 1))]
        limit = max(SILENT_SECONDS, SILENT_INTERVALS * usual)
        if passed <= (self._span or limit):
            return False
        if not self._span:
            judged = ", which is judged as a missing reading" if self._is_judged else ""
            self._notify(f"{self._name}: nothing has come for {span(passed)}{judged}")
            self._span = limit
        self._span = min(2 * self._span, self._span + _MOST_DOUBLINGS * limit)
        return self._is_judged


class Inbox:
    """Messages on their way from a client's thread to the reader, the newest ones where they come too fast.

    Parameters
    ----------
    name : str
        Of the source.
    notify : callable
        Takes a line for people: of messages that were left out, at the first and at each ten times as many.
    most, most_bytes : int
        Messages and bytes kept; the oldest are left out beyond.
    """

    def __init__(
        self, name: str, notify: Callable[[str], None], most: int = 10_000, most_bytes: int = 16 * 2**20
    ) -> None:
        self.left_out = 0
        self._name = name
        self._notify = notify
        self._most = most
        self._most_bytes = most_bytes
        self._bytes = 0
        self._kept: deque[tuple[str, bytes, float]] = deque()
        self._fault: SourceError | None = None
        self._changed = threading.Condition()
        self._reported = 0

    def put(self, where: str, payload: bytes, time: float) -> None:
        """Keep a message; returns at once."""
        with self._changed:
            self._kept.append((where, payload, time))
            self._bytes += len(payload)
            while len(self._kept) > self._most or (self._bytes > self._most_bytes and len(self._kept) > 1):
                self._bytes -= len(self._kept.popleft()[1])
                self.left_out += 1
            self._changed.notify()

    def fail(self, fault: SourceError) -> None:
        """Let the reader fail with this once it has taken all that came before."""
        with self._changed:
            self._fault = fault
            self._changed.notify()

    def take(self, most: int, seconds: float) -> list[tuple[str, bytes, float]]:
        """The oldest messages, up to so many; waits at most so many seconds for one.

        Raises
        ------
        SourceError
            The client has failed, and all that came before has been taken.
        """
        with self._changed:
            if not self._kept and self._fault is None:
                self._changed.wait(seconds)
            taken = [self._kept.popleft() for _ in range(min(most, len(self._kept)))]
            self._bytes -= sum(len(payload) for _, payload, _ in taken)
            fault, left_out = self._fault, self.left_out
        if fault is not None and not taken:
            raise fault
        if left_out >= max(1, 10 * self._reported):
            self._reported = left_out
            self._notify(f"{self._name}: messages come faster than they are judged; {left_out} of the oldest left out")
        return taken


class Answer(Generic[T]):
    """What a function gives that may take long: it is asked in a thread of its own, and looked for now and then."""

    def __init__(self, ask: Callable[[], T]) -> None:
        self._ask = ask
        self._answers: queue.SimpleQueue[tuple[T | None, BaseException | None]] = queue.SimpleQueue()
        threading.Thread(target=self._give, daemon=True).start()

    def _give(self) -> None:
        try:
            self._answers.put((self._ask(), None))
        except BaseException as error:  # it is raised where the answer is waited for
            self._answers.put((None, error))

    def take(self, seconds: float) -> T | None:
        """The answer, waited for at most so long; None where it is not there yet. Raises what the function raised."""
        try:
            found, error = self._answers.get(timeout=seconds)
        except queue.Empty:
            return None
        if error is not None:
            raise error
        return found


def polled(
    ask: Callable[[], Items],
    seconds: float,
    connection: Connection,
    missed: Callable[[bool], Reading | None],
    stop: Stop,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Items]:
    """Ask again and again; yield what each answer holds, and missing readings where there is none for long.

    Parameters
    ----------
    ask : callable
        Gives the new readings, none where there are none; raises UnreachableError.
    seconds : float
        From one question to the next.
    connection : Connection
        Told of every answer and failure.
    missed : callable
        Told after each question, and while its answer is waited for, whether anything came; gives a missing reading
        where one is due.
    stop : Stop
        Ends it within PATIENCE.
    clock : callable
        Seconds that only go forward, as ``stop.wait`` counts them.

    Raises
    ------
    SourceError
        There was no answer within FIRST_LIMIT, or ``ask`` raises it.
    """
    while not stop.requested:
        asked, answer = clock(), Answer(ask)
        items: Items | None = None
        try:
            while (items := answer.take(PATIENCE)) is None:
                if stop.requested:
                    return
                if (gap := missed(False)) is not None:
                    yield [gap]
        except UnreachableError as error:
            pause = connection.failed(error)
        else:
            connection.worked()
            pause = asked + seconds - clock()
        gap = missed(bool(items))
        if items or gap is not None:
            yield items or [gap]  # type: ignore[list-item] # a gap where there are no items
        if stop.wait(max(pause, 0.0)):
            return


def span(seconds: float) -> str:
    """A time for people, in whole seconds or minutes.

    Examples
    --------
    >>> span(61.2), span(600)
    ('61 s', '10 min')
    """
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
