"""One HTTP request to a receiver of messages, and what its failure means."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

import streamforest
from streamforest.connections.deadline import Deadline
from streamforest.connections.outbox import DeliveryError
from streamforest.connections.targets import Target
from streamforest.text import escaped

#: Seconds that an answer may take.
TIMEOUT = 10.0
#: Characters of a receiver's answer that are shown.
SHOWN = 200
#: Bytes of an answer that are read.
MOST_BYTES = 2**20
#: Refusals that end when somebody puts right a token, a page or a load: the message is tried again.
TEMPORARY = {401, 403, 404, 407, 408, 425, 429}


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Refuses to be sent elsewhere: the message and its token are for this receiver."""

    def redirect_request(self, *_: Any) -> None:
        """Let the answer be an error."""


def request(
    target: Target,
    url: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    method: str | None = None,
) -> bytes:
    """Send a request, with the user and password or the setting ``token`` of its target; returns the answer.

    Parameters
    ----------
    target : Target
        Whose secrets are used, and never shown.
    url : str
        Of the page.
    body : bytes, optional
        JSON, unless the headers say otherwise.
    headers : mapping, optional
        Further ones.
    method : str, optional
        POST where there is a body, else GET.

    Raises
    ------
    DeliveryError
        There is no answer, or one that is no success.
    """
    sent = {"User-Agent": f"streamforest/{streamforest.__version__}"}
    if body is not None:
        sent["Content-Type"] = "application/json"
    if token := target.settings.get("token"):
        sent["Authorization"] = f"Bearer {token}"
    elif target.user is not None:
        pair = f"{target.user}:{target.password or ''}"
        sent["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    deadline = Deadline(TIMEOUT)
    try:
        asked = urllib.request.Request(url, body, sent | dict(headers or {}), method=method)
        opener = urllib.request.build_opener(_NoRedirects, *deadline.handlers())
        with deadline:
            try:
                with opener.open(asked, timeout=TIMEOUT) as answer:
                    found = bytes(answer.read(MOST_BYTES))
            except urllib.error.HTTPError as error:
                with error:
                    raise _refusal(target, error) from None
        if deadline.is_over:  # the end of the connection may pass for that of the answer
            raise TimeoutError
        return found
    except urllib.error.URLError as error:
        raise DeliveryError(target.hide(_why(error.reason))) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = TimeoutError() if deadline.is_over else error
        raise DeliveryError(target.hide(_why(reason))) from None


def request_json(target: Target, url: str, content: object, method: str | None = None) -> Any:
    """The same with content that is sent as JSON, nothing for None; returns the answer's, None if it is no JSON."""
    answer = request(target, url, None if content is None else json.dumps(content).encode(), method=method)
    try:
        return json.loads(answer)
    except ValueError:
        return None


def _refusal(target: Target, error: urllib.error.HTTPError) -> DeliveryError:
    try:
        answer = error.read(SHOWN * 4).decode("utf-8", "replace").strip()
    except (OSError, http.client.HTTPException):
        answer = ""
    shown = escaped(target.hide(answer))[:SHOWN]
    why = f"the server says {error.code} {error.reason}" + (f": {shown}" if shown else "")
    is_final = error.code < 500 and error.code not in TEMPORARY
    wait = error.headers.get("Retry-After", "")
    return DeliveryError(why, is_final, float(wait) if wait.isdigit() else None)


def _why(reason: object) -> str:
    if isinstance(reason, ssl.SSLCertVerificationError):
        return f"the server's certificate is not trusted: {reason.verify_message}"
    if isinstance(reason, TimeoutError):
        return f"no answer within {TIMEOUT:g} s"
    return str(getattr(reason, "strerror", None) or reason or type(reason).__name__)
