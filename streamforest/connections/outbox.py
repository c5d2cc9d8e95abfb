"""Messages on their way to one receiver: a bounded queue, a thread that delivers, growing pauses between attempts."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from streamforest.connections.reconnecting import LONGEST_PAUSE, span
from streamforest.state import fits

Message = dict[str, Any]

MOST_WAITING = 1_000  # messages; the oldest are left out beyond
MOST_OPEN = 1_000  # episodes whose messages are sent again and again; the oldest are left out beyond
FIRST_PAUSE = 1.0  # seconds after the first failure; each pause is twice the last, up to LONGEST_PAUSE
MOST_ASKED = 3600.0  # seconds that a receiver may ask for
FAILURES_REPORTED = 10  # messages that a receiver refuses for good; further ones are only counted
AT_END = 10.0  # seconds that what waits at the end of the run has to be delivered
BEAT = 0.1  # seconds between two looks at whether the end of the run has become urgent
#: What begins or goes on -> what ends it: until then its newest message is sent again to who wants that.
ENDS = {"start": "end", "worse": "end", "incident": "incident_end"}


class DeliveryError(Exception):
    """A message was not delivered.

    Parameters
    ----------
    why : str
        For the user, without secrets.
    is_final : bool
        Whether the receiver refuses this message for good: another attempt will not help.
    pause : float, optional
        Seconds that the receiver asks for before the next attempt.
    """

    def __init__(self, why: str, is_final: bool = False, pause: float | None = None) -> None:
        super().__init__(why)
        self.is_final, self.pause = is_final, pause


class Receiver(Protocol):
    """Where messages go; all methods are called by one thread.

    Attributes
    ----------
    repeat : float
        Seconds after which the newest message of an open episode is sent again; 0: once is enough.
    values_every : float
        Seconds between two values that are shown to it, at least; 0: it wants none.
    """

    repeat: float
    values_every: float

    def send(self, message: Message) -> None:
        """Deliver an event of ``verdicts.life``; raises DeliveryError. It may come twice."""
        ...

    def show(self, verdict: Message) -> None:
        """Deliver the newest verdict, if values are wanted; raises DeliveryError."""
        ...

    def close(self) -> None:
        """Release what is held."""
        ...


class Delivered(Protocol):
    """What was delivered, kept from run to run."""

    def __contains__(self, line: str) -> bool: ...

    def add(self, line: str) -> None:
        """Keep a line."""
        ...


class Outbox:
    """Delivers messages in their order, in a thread of its own; to put one takes no time.

    Parameters
    ----------
    name : str
        Of the receiver, without secrets.
    receiver : Receiver
        Where they go.
    notify : callable
        Takes a line for people.
    done : Delivered, optional
        Keeps what was delivered: a message that comes again in a run that goes on after a kill is left out.
    clock : callable
        Seconds that only go forward.

    Attributes
    ----------
    delivered, left_out : int
        Messages, repeated ones not among them.

    Notes
    -----
    A message is kept until the receiver has taken it: after a kill between that and the note of it, it comes twice,
    with the same id and event.
    """

    def __init__(
        self,
        name: str,
        receiver: Receiver,
        notify: Callable[[str], None],
        done: Delivered | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name, self.delivered, self.left_out = name, 0, 0
        self._done = done
        self._receiver, self._notify, self._clock = receiver, notify, clock
        self._waiting: deque[Message] = deque()
        self._open: dict[str, tuple[Message, float]] = {}  # by id: the newest message, and when it is due again
        self._value: Message | None = None
        self._value_due = -math.inf
        self._changed = threading.Condition()
        self._pause, self._retry_at = FIRST_PAUSE, -math.inf
        self._fault = ""  # why nothing can be delivered now
        self._refused = 0
        self._ends: float | None = None  # when all must be done, once the run is over
        self._thread = threading.Thread(target=self._work, name=f"tell {name}", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Messages that are not delivered yet."""
        return len(self._waiting)

    @property
    def wants_values(self) -> bool:
        """Whether the receiver shows values."""
        return self._receiver.values_every > 0

    def put(self, message: Message) -> None:
        """Take a message; returns at once."""
        if self._done is not None and self._line_of(message) in self._done:
            with self._changed:
                self._note_open(message)
                self._changed.notify()
            return
        with self._changed:
            is_full = len(self._waiting) == MOST_WAITING
            if is_full:
                self._waiting.popleft()
                self.left_out += 1
            self._waiting.append(message)
            self._changed.notify()
        if is_full and self.left_out == 1:
            self._notify(f"{self.name}: messages come faster than they are delivered: the oldest are left out")

    def show(self, verdict: Message) -> None:
        """Take the newest verdict in place of the one before; returns at once."""
        with self._changed:
            self._value = verdict
            self._changed.notify()

    def facts(self) -> list[Any]:
        """All that is remembered, as JSON can hold it."""
        with self._changed:
            return [[*self._waiting], [message for message, _ in self._open.values()], self.delivered, self.left_out]

    def go_on(self, facts: Any) -> None:
        """Go on from facts; raises ValueError where they are none."""
        if not fits(facts, tuple[list[Any], list[Any], int, int]) or not all(
            isinstance(message, dict) and {"id", "event"} <= {*message} for message in (*facts[0], *facts[1])
        ):
            raise ValueError("the saved messages are not of this version")
        waiting, open_ones, self.delivered, self.left_out = facts
        done = () if self._done is None else self._done
        waiting = [message for message in waiting if self._line_of(message) not in done]
        ends = [ENDS.get(message["event"], "") for message in open_ones]
        open_ones = [
            message
            for message, end in zip(open_ones, ends, strict=True)
            if self._line_of(message | {"event": end}) not in done
        ]
        with self._changed:
            self._waiting.extendleft(reversed(waiting))
            self._open |= {message["id"]: (message, -math.inf) for message in open_ones}
            self._changed.notify()

    def close(self, ends_by: Callable[[], float] = lambda: math.inf) -> None:
        """Deliver what waits, for AT_END seconds at most or to a time of the clock; tell what was not delivered."""
        if self._ends is not None:
            return
        with self._changed:
            self._ends = self._clock() + AT_END
            self._retry_at = -math.inf  # a last attempt at once
            self._changed.notify()
        while self._thread.is_alive() and self._clock() < min(self._ends, ends_by()):
            self._thread.join(BEAT)
        self._ends = -math.inf
        if self._refused > FAILURES_REPORTED:
            self._notify(f"{self.name}: {self._refused:,} messages were refused")
        if self._waiting or self.left_out > self._refused:
            count = len(self._waiting) + self.left_out - self._refused
            why = f": {self._fault}" if self._fault else ""
            self._notify(f"{self.name}: {count:,} message{'' if count == 1 else 's'} could not be delivered{why}")

    def _work(self) -> None:
        while (job := self._next()) is not None:
            self._do(*job)
        self._receiver.close()

    def _next(self) -> tuple[str, Message] | None:
        """What is to be done next; waits for it. None when all is done."""
        with self._changed:
            while True:
                now = self._clock()
                if self._ends is not None and (not self._waiting or now >= self._ends):
                    return None
                job, due = self._due(now)
                if job is not None:
                    return job
                ends = math.inf if self._ends is None else self._ends
                seconds = min(due, ends) - now
                self._changed.wait(None if seconds == math.inf else max(seconds, 0.0))

    def _due(self, now: float) -> tuple[tuple[str, Message] | None, float]:
        """What can be done now, or when there will be something."""
        if now < self._retry_at:
            return None, self._retry_at
        if self._waiting:
            return ("send", self._waiting[0]), now
        due = math.inf
        if self._value is not None and self.wants_values:
            due = self._value_due
            if now >= due:
                value, self._value = self._value, None
                self._value_due = now + self._receiver.values_every
                return ("show", value), now
        for message, again in self._open.values():
            if now >= again:
                return ("repeat", message), now
            due = min(due, again)
        return None, due

    def _do(self, what: str, message: Message) -> None:
        try:
            (self._receiver.show if what == "show" else self._receiver.send)(message)
        except DeliveryError as error:
            self._failed(what, message, error)
            return
        if what == "send" and self._done is not None:
            self._done.add(self._line_of(message))
        with self._changed:
            if what == "send":
                self._take_away(message)
                self.delivered += 1
            if what != "show":
                self._note_open(message)
            fault, self._fault, self._pause = self._fault, "", FIRST_PAUSE
        if fault:
            self._notify(f"{self.name}: messages are delivered again")

    def _line_of(self, message: Message) -> str:
        """What a message is known by in the journal: an episode may become worse any number of times."""
        number = f" {message.get('points')}" if message["event"] == "worse" else ""
        return f"{self.name} {message['id']} {message['event']}{number}"

    def _take_away(self, message: Message) -> None:
        if self._waiting and self._waiting[0] is message:  # it may have been left out meanwhile
            self._waiting.popleft()

    def _note_open(self, message: Message) -> None:
        if not self._receiver.repeat:
            return
        name = message["id"]
        if message["event"] not in ENDS:
            self._open.pop(name, None)  # it is over
            return
        self._open[name] = message, self._clock() + self._receiver.repeat
        if len(self._open) > MOST_OPEN:
            self._open.pop(next(iter(self._open)))

    def _failed(self, what: str, message: Message, error: DeliveryError) -> None:
        if error.is_final:
            with self._changed:
                self._take_away(message)
                self._open.pop(message.get("id", ""), None)
                if what == "send":
                    self.left_out += 1
                    self._refused += 1
            if what == "send" and self._refused <= FAILURES_REPORTED:
                more = "; further ones are only counted" if self._refused == FAILURES_REPORTED else ""
                self._notify(f"{self.name}: a message was refused: {error}{more}")
            return
        with self._changed:
            pause = max(self._pause, min(error.pause or 0.0, MOST_ASKED))
            self._retry_at = self._clock() + pause
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
            is_new, self._fault = not self._fault, str(error)
        if is_new:
            self._notify(
                f"{self.name}: not delivered: {error}; trying again in {span(pause)}, then after growing pauses of "
                f"up to {span(LONGEST_PAUSE)}"
            )
