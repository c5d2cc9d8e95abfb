"""Incidents of PagerDuty, by version 2 of its events: triggered by an episode or by several, resolved at the end."""

from __future__ import annotations

import time
from collections.abc import Callable

from streamforest.connections.outbox import Message
from streamforest.connections.targets import Target
from streamforest.connections.web import request_json
from streamforest.moments import iso_time
from streamforest.verdicts.life import ENDS, headline

PAGE = "/v2/enqueue"
#: Characters of the longest summary that is taken.
LONGEST = 1024


class PagerDutyReceiver:
    """Sends events whose key is the id of their episode or incident: those that come twice change nothing.

    Parameters
    ----------
    target : Target
        ``pagerduty://events.pagerduty.com``; settings: ``key``, the integration's, and ``severity``, which is
        ``warning`` without it.
    clock : callable
        Seconds, UTC epoch.

    Raises
    ------
    ValueError
        There is no key, or the severity is none.
    """

    repeat = 0.0
    values_every = 0.0

    def __init__(self, target: Target, clock: Callable[[], float] = time.time) -> None:
        target.check_settings("key", "severity")
        if not target.settings.get("key"):
            raise ValueError("the integration's key is missing: write #key={env:NAME} behind it")
        self._severity = target.settings.get("severity", "warning")
        if self._severity not in ("critical", "error", "warning", "info"):
            raise ValueError(f"severity is {self._severity!r}; it must be critical, error, warning or info")
        self._target, self._clock = target, clock

    def send(self, message: Message) -> None:
        """Deliver an event; raises DeliveryError."""
        content = {
            "routing_key": self._target.settings["key"],
            "event_action": "resolve" if message["event"] in ENDS else "trigger",
            "dedup_key": message["id"],
            "client": "streamforest",
            **({"client_url": message["page"]} if "page" in message else {}),
            "payload": {
                "summary": headline(message)[:LONGEST],
                "source": message["source"],
                "severity": self._severity,
                "timestamp": iso_time(self._clock() if message["start"] is None else message["start"]),
                "component": message.get("key") or message["source"],
                "class": message["kind"],
                "custom_details": message,
            },
        }
        request_json(self._target, self._target.url("" if self._target.path.strip("/") else PAGE), content)

    def show(self, verdict: Message) -> None:
        """No values are wanted."""

    def close(self) -> None:
        """Nothing is held."""
