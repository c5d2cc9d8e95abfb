"""Messages on phones by an ntfy server."""

from __future__ import annotations

from dataclasses import replace

from streamforest.connections.outbox import Message
from streamforest.connections.targets import Target
from streamforest.connections.web import request_json
from streamforest.verdicts.life import ENDS, INCIDENT, headline, moment, streams_text

#: Priority of a message, 1 to 5, and the sign in front of it, by what happened.
LOOKS = {
    "start": (4, "warning"),
    "worse": (5, "rotating_light"),
    INCIDENT: (5, "link"),
    **dict.fromkeys(ENDS, (2, "white_check_mark")),
}


class NtfyReceiver:
    """Publishes each event to a topic.

    Parameters
    ----------
    target : Target
        ``ntfy://HOST/TOPIC``, or ``ntfy+http://``; settings: ``token``, and ``priority`` of starts, 1 to 5.

    Raises
    ------
    ValueError
        There is no topic, or the priority is none.
    """

    repeat = 0.0
    values_every = 0.0

    def __init__(self, target: Target) -> None:
        target.check_settings("token", "priority")
        base, _, self._topic = target.path.rpartition("/")
        if not self._topic:
            raise ValueError("there is no topic in it: write ntfy://HOST/TOPIC")
        priority = target.settings.get("priority", str(LOOKS["start"][0]))
        if priority not in "12345" or len(priority) != 1:
            raise ValueError(f"priority is {priority!r}; it must be 1 to 5")
        self._target, self._priority = target, int(priority)
        self._url = replace(target, path=f"{base}/").url()

    def send(self, message: Message) -> None:
        """Deliver an event; raises DeliveryError."""
        priority, sign = LOOKS[message["event"]]
        streams = [streams_text(message)] if streams_text(message) else []
        where = f"from {moment(message['start'])}, id {message['id']}"
        content = {
            "topic": self._topic,
            "title": headline(message).partition(": ")[0],
            "message": "\n".join([headline(message).partition(": ")[2], *streams, where]),
            "priority": self._priority if message["event"] == "start" else priority,
            "tags": [sign, message["id"]],
            **({"click": message["page"]} if "page" in message else {}),
        }
        request_json(self._target, self._url, content)

    def show(self, verdict: Message) -> None:
        """No values are wanted."""

    def close(self) -> None:
        """Nothing is held."""
