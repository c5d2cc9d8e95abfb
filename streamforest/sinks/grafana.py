"""Annotations in Grafana: each episode is a region of its graphs, from its start to its end."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from streamforest.connections.outbox import DeliveryError, Message
from streamforest.connections.targets import Target
from streamforest.connections.web import request_json
from streamforest.verdicts.life import ENDS, headline

TAG = "streamforest"


class GrafanaReceiver:
    """Writes an annotation at the start of an episode and changes it later; it is found again by its tag, the id.

    Parameters
    ----------
    target : Target
        ``grafana+https://HOST[/PREFIX]``; settings: ``token`` of a service account, ``dashboard`` (its uid) and
        ``panel`` (its number), without which the annotation is one of the whole organization.
    clock : callable
        Seconds, UTC epoch.

    Raises
    ------
    ValueError
        The panel is no number.
    """

    repeat = 0.0
    values_every = 0.0

    def __init__(self, target: Target, clock: Callable[[], float] = time.time) -> None:
        target.check_settings("token", "dashboard", "panel")
        panel = target.settings.get("panel", "0")
        if not panel.isdigit():
            raise ValueError(f"panel is {panel!r}; it must be a number")
        self._place: dict[str, str | int] = {}
        if "dashboard" in target.settings:
            self._place["dashboardUID"] = target.settings["dashboard"]
        if "panel" in target.settings:
            self._place["panelId"] = int(panel)
        self._target, self._clock = target, clock
        self._url = target.url("/api/annotations")

    def send(self, message: Message) -> None:
        """Deliver an event; raises DeliveryError."""
        key = [] if message.get("key") is None else [message["key"]]
        content: dict[str, Any] = {
            "tags": [TAG, message["kind"], *key, message["id"]],
            "text": headline(message),
        }
        if message["event"] in ENDS:
            content["timeEnd"] = self._milliseconds(message["end"])
        found = self._found(message["id"])
        if found is None:
            request_json(
                self._target, self._url, content | {"time": self._milliseconds(message["start"])} | self._place
            )
        else:
            request_json(self._target, f"{self._url}/{found}", content, "PATCH")

    def show(self, verdict: Message) -> None:
        """No values are wanted."""

    def close(self) -> None:
        """Nothing is held."""

    def _found(self, name: str) -> int | None:
        """Number of the annotation of an episode, where there is one."""
        query = urlencode([("tags", TAG), ("tags", name), ("limit", 1)])
        answer = request_json(self._target, f"{self._url}?{query}", None)
        if not isinstance(answer, list):
            raise DeliveryError("the server's answer is no list of annotations")
        return int(answer[0]["id"]) if answer else None

    def _milliseconds(self, seconds: float | None) -> int:
        return round(1000 * (self._clock() if seconds is None else seconds))
