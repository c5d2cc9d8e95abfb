"""Messages in a chat: webhooks as Slack, Mattermost and Rocket.Chat take them, and as Microsoft Teams does."""

from __future__ import annotations

from streamforest.connections.outbox import Message
from streamforest.connections.targets import Target
from streamforest.connections.web import request_json
from streamforest.verdicts.life import headline, moment, streams_text


class SlackReceiver:
    """Posts each event as a text to an incoming webhook.

    Parameters
    ----------
    target : Target
        ``slack+https://HOST/PATH``, the address of the webhook.
    """

    repeat = 0.0
    values_every = 0.0

    def __init__(self, target: Target) -> None:
        target.check_settings("token")
        self._target = target

    def send(self, message: Message) -> None:
        """Deliver an event; raises DeliveryError."""
        request_json(self._target, self._target.url(), self._content(message))

    def show(self, verdict: Message) -> None:
        """No values are wanted."""

    def close(self) -> None:
        """Nothing is held."""

    def _content(self, message: Message) -> Message:
        return {"text": f"{_escaped(headline(message))}\n{_escaped(' · '.join(_facts(message)))}"}


class TeamsReceiver(SlackReceiver):
    """Posts each event as a card to a webhook of Teams' workflows.

    Parameters
    ----------
    target : Target
        ``teams+https://HOST/PATH?QUERY``, the address of the webhook.
    """

    def _content(self, message: Message) -> Message:
        lines = [
            {"type": "TextBlock", "text": headline(message), "wrap": True, "weight": "Bolder"},
            {"type": "TextBlock", "text": " · ".join(_facts(message)), "wrap": True, "isSubtle": True},
        ]
        card = {
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "type": "AdaptiveCard",
            "version": "1.4",
            "body": lines,
        }
        kind = "application/vnd.microsoft.card.adaptive"
        return {"type": "message", "attachments": [{"contentType": kind, "content": card}]}


def _facts(message: Message) -> list[str]:
    ended = [] if message["end"] is None else [f"until {moment(message['end'])}"]
    streams = [f"streams {streams_text(message)}"] if streams_text(message) else []
    page = [message["page"]] if "page" in message else []
    return [f"from {moment(message['start'])}", *ended, *streams, f"id {message['id']}", *page]


def _escaped(text: str) -> str:
    """A text in which nothing is a link or a mention, as Slack escapes it."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
