"""Any HTTP server: each event as JSON, or as the text that a Jinja template makes of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from streamforest.connections.outbox import DeliveryError, Message
from streamforest.connections.targets import Target
from streamforest.connections.web import request
from streamforest.optional import optional
from streamforest.small_files import read_small_file
from streamforest.verdicts.life import headline, moment


class WebhookReceiver:
    """Posts each event to an address.

    Parameters
    ----------
    target : Target
        ``webhook+https://HOST/PATH``; settings: ``token`` for a bearer token, ``template`` for the path of a template,
        ``type`` for the content type of what it makes.

    Raises
    ------
    ValueError
        The template cannot be read or is wrong.
    MissingPackageError
        There is a template and Jinja is not installed.

    Notes
    -----
    The header ``Idempotency-Key`` is the same where an event comes twice.
    """

    repeat = 0.0
    values_every = 0.0

    def __init__(self, target: Target) -> None:
        target.check_settings("token", "template", "type")
        self._target = target
        self._template = _template_of(target.settings["template"]) if "template" in target.settings else None

    def send(self, message: Message) -> None:
        """Deliver an event; raises DeliveryError."""
        headers = {
            "Content-Type": self._target.settings.get("type", "application/json"),
            "Idempotency-Key": f"{message['id']}-{message['event']}-{message.get('points', 0)}",
        }
        request(self._target, self._target.url(), self._body(message), headers)

    def show(self, verdict: Message) -> None:
        """No values are wanted."""

    def close(self) -> None:
        """Nothing is held."""

    def _body(self, message: Message) -> bytes:
        if self._template is None:
            return json.dumps(message).encode()
        try:
            text = self._template.render(message, headline=headline(message), moment=moment)
        except Exception as error:  # whatever the user's template does wrong
            raise DeliveryError(f"the template fails: {error}", is_final=True) from None
        return str(text).encode("utf-8", "backslashreplace")


def _template_of(path: str) -> Any:
    sandbox, jinja = optional("jinja2.sandbox", "webhook"), optional("jinja2", "webhook")
    environment = sandbox.SandboxedEnvironment(undefined=jinja.StrictUndefined)
    try:
        return environment.from_string(read_small_file(Path(path)).decode())
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"the template {path} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    except jinja.TemplateSyntaxError as error:
        raise ValueError(f"the template {path} is wrong in line {error.lineno}: {error.message}") from None
