"""A time limit for a whole question to a server: connecting, the request and all of the answer."""

from __future__ import annotations

import http.client
import socket
import threading
import urllib.request
from contextlib import suppress
from typing import Any


class Deadline:
    """Within it a question takes no more than so many seconds in all: then its connection is closed.

    The time limit of a socket is one for each piece that comes; a server that sends a byte now and then could go on.

    Attributes
    ----------
    is_over : bool
        Whether the time has passed: what was read may end before its end.
    """

    def __init__(self, seconds: float) -> None:
        self.is_over = False
        self._sockets: list[socket.socket] = []
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_error: object) -> None:
        self._timer.cancel()

    def _end(self) -> None:
        self.is_over = True
        for opened in self._sockets:
            with suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)

    def note(self, opened: socket.socket) -> None:
        """Let a connection end with the time, too."""
        self._sockets.append(opened)
        if self.is_over:
            self._end()

    def handlers(self) -> list[urllib.request.BaseHandler]:
        """What opens connections that it knows of."""
        note = self.note

        def noted(kind: Any) -> Any:
            class Noted(kind):  # type: ignore[misc] # one of two
                def connect(self) -> None:
                    super().connect()
                    note(self.sock)

            return Noted

        class Http(urllib.request.HTTPHandler):
            def http_open(self, req: Any) -> Any:
                return self.do_open(noted(http.client.HTTPConnection), req)

        class Https(urllib.request.HTTPSHandler):
            def https_open(self, req: Any) -> Any:
                return self.do_open(noted(http.client.HTTPSConnection), req)

        return [Http(), Https()]
