"""Alerts for Prometheus' Alertmanager: each episode and incident fires at its start and is resolved at its end."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from streamforest.connections.outbox import Message
from streamforest.connections.targets import Target
from streamforest.connections.web import request_json
from streamforest.moments import iso_time
from streamforest.verdicts.life import ENDS, headline, streams_text, why

#: Seconds between two messages of an open alert: Alertmanager wants one every 30 s to 3 min, or takes it as over.
REPEAT = 60.0
#: Seconds after a message for which an alert stays open: four missed ones, as Prometheus has it.
LEASE = 4 * REPEAT

#: Settings that are not labels of the alerts.
OWN = ("token", "alertname")
#: Labels that every alert has.
TAKEN = ("source", "key", "episode")


class AlertmanagerReceiver:
    """Posts alerts to version 2 of its interface; what Alertmanager tells apart by their labels, the id among them.

    Parameters
    ----------
    target : Target
        ``alertmanager+http://HOST:PORT[/PREFIX]``; its settings are labels of every alert, beside ``token`` and
        ``alertname``.
    clock : callable
        Seconds, UTC epoch.

    Raises
    ------
    ValueError
        A setting cannot be the name of a label.
    """

    repeat = REPEAT
    values_every = 0.0

    def __init__(self, target: Target, clock: Callable[[], float] = time.time) -> None:
        self._target, self._clock = target, clock
        for name in target.settings:
            if not re.fullmatch("[a-zA-Z_][a-zA-Z0-9_]*", name) or name in TAKEN:
                raise ValueError(f"{name!r} cannot be a label: letters, digits and _, and none of {', '.join(TAKEN)}")
        self._labels = {name: value for name, value in target.settings.items() if name not in OWN}

    def send(self, message: Message) -> None:
        """Deliver an event; raises DeliveryError."""
        request_json(self._target, self._target.url("/api/v2/alerts"), [self._alert(message)])

    def show(self, verdict: Message) -> None:
        """No values are wanted."""

    def close(self) -> None:
        """Nothing is held."""

    def _alert(self, message: Message) -> Message:
        now = self._clock()
        begun = now if message["start"] is None else min(message["start"], now)
        labels = {
            "alertname": self._target.settings.get("alertname", "StreamAnomaly"),
            "source": message["source"],
            **({} if message.get("key") is None else {"key": message["key"]}),
            "episode": message["id"],
            **self._labels,
        }
        numbers = ("value", "expected", "lower", "upper", "score", "p_value", "deviation", "points")
        facts = {name: f"{message[name]:.10g}" for name in numbers if message.get(name) is not None}
        alert = {
            "labels": labels,
            "annotations": {"summary": headline(message), "description": why(message), "kind": message["kind"]} | facts,
        }
        if "page" in message:
            alert["generatorURL"] = message["page"]
        if streams := streams_text(message):
            alert["annotations"]["streams"] = streams
        if message["event"] in ENDS:
            over = now if message["end"] is None else min(message["end"], now)
            # an alert that ends when it begins is refused
            return alert | {"startsAt": iso_time(begun), "endsAt": iso_time(max(over, begun + 0.001))}
        return alert | {"startsAt": iso_time(begun), "endsAt": iso_time(now + LEASE)}
