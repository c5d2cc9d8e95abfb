"""Tells other programs and people what happens to episodes, each by an outbox of its own."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import orjson

from streamforest.connections.outbox import Outbox
from streamforest.protocols import State, Verdicts, verdict_from_row
from streamforest.state import joined, packed, part_of, unpacked
from streamforest.verdicts.incidents import Incidents
from streamforest.verdicts.life import EpisodeLife, Event


class TellSink:
    """Puts events into outboxes; it never holds up the run.

    Parameters
    ----------
    life : EpisodeLife
        Finds what happens to episodes.
    source : str
        Name of the source, without a password, beside each value that is shown.
    outboxes : sequence of Outbox
        One an address.
    is_paused : callable
        Whether the run only pauses, at its end: a later one goes on from its checkpoint, so open episodes stay open.
    ends_by : callable
        By when all must be over at the end of the run, by ``time.monotonic``.
    incidents : Incidents, optional
        Of many streams, those that it has found.
    page : str
        Address of the run's page as others reach it, for messages to lead there; empty without one.
    """

    name = "messages"

    def __init__(
        self,
        life: EpisodeLife,
        source: str,
        outboxes: Sequence[Outbox],
        is_paused: Callable[[], bool] = lambda: False,
        ends_by: Callable[[], float] = lambda: math.inf,
        incidents: Incidents | None = None,
        page: str = "",
    ) -> None:
        self._page = {"page": page} if page else {}
        self._incidents = incidents
        self._life, self._source, self._outboxes = life, source, outboxes
        self._is_paused, self._ends_by = is_paused, ends_by
        self._shown = [outbox for outbox in outboxes if outbox.wants_values]
        self._is_closed = False

    def write(self, verdicts: Verdicts) -> None:
        """Take one block of verdicts, shape (n,), n >= 1."""
        self._put([*self._life.add(verdicts), *([] if self._incidents is None else self._incidents.new_events())])
        if self._shown and "stream" not in (verdicts.dtype.names or ()):
            verdict = verdict_from_row(verdicts[-1:].tolist()[0])
            for outbox in self._shown:
                outbox.show({"source": self._source, **verdict._asdict()})

    def close(self) -> None:
        """End the open episodes, unless the run only pauses, and deliver what waits."""
        if self._is_closed:
            return
        self._is_closed = True
        if not self._is_paused():
            self._put([*self._life.finish(), *([] if self._incidents is None else self._incidents.last_events())])
        for outbox in self._outboxes:
            outbox.close(self._ends_by)

    def counts(self) -> tuple[tuple[str, int, int, int], ...]:
        """Of each address its name, and messages delivered, waiting and left out."""
        return tuple((one.name, one.delivered, one.waiting, one.left_out) for one in self._outboxes)

    def state(self) -> State:
        """The open episodes, and what waits in each outbox."""
        facts = [[outbox.name, outbox.facts()] for outbox in self._outboxes]
        return {"outboxes": packed(facts)} | joined({"life": self._life.state()})

    def restore(self, state: State, *, cut: bool) -> str:  # noqa: ARG002 - a message cannot be taken back
        """Go on behind the last event; messages that waited are delivered."""
        self._life.restore(part_of(state, "life"))
        kept = {outbox.name: outbox for outbox in self._outboxes}
        dropped = 0
        for name, facts in unpacked(state, "outboxes", list[tuple[str, list[Any]]]):
            if name in kept:
                kept[name].go_on(facts)
            elif facts and isinstance(facts[0], list):
                dropped += len(facts[0])
        return f"messages are dropped whose addresses are not given any more: {dropped:,}" if dropped else ""

    def _put(self, events: list[Event]) -> None:
        for event in events:
            message = orjson.loads(orjson.dumps(event | self._page))  # null for what is not finite, as JSON has it
            for outbox in self._outboxes:
                outbox.put(message)
