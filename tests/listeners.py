"""An HTTP server on the loopback that keeps what it is sent and answers as it is asked to, and events to send there."""

import http.server
import json
import threading
from typing import NamedTuple

from streamforest.connections.targets import read_target
from streamforest.sinks import open_receiver

EVENT = {
    "event": "start",
    "id": "0123456789abcdef",
    "source": "pump.csv",
    "episode": 3,
    "kind": "spike",
    "reason": "spike: 83.1, expected 41 +- 6.8",
    "start": 1_714_521_600.0,
    "end": None,
    "peak": 1_714_521_600.0,
    "start_index": 7,
    "end_index": None,
    "peak_index": 7,
    "points": 1,
    "deviation": 42.1,
    "value": 83.1,
    "expected": 41.0,
    "lower": 34.2,
    "upper": 47.8,
    "score": 0.9,
    "threshold": 0.6,
    "p_value": 1e-5,
}
WORSE = EVENT | {"event": "worse", "points": 2, "deviation": 90.0}
END = EVENT | {"event": "end", "end": 1_714_521_900.0, "end_index": 12, "points": 4}
#: An incident across streams.
TOGETHER = {
    "event": "incident",
    "id": "fedcba9876543210",
    "source": "fleet.csv",
    "kind": "incident",
    "reason": "22 streams, first s7 (98 % sure), then s1, s2, s3 and 18 more",
    "start": 1_714_521_600.0,
    "joined": 1_714_521_900.0,
    "end": None,
    "first": "s7",
    "first_sure": 0.98,
    "streams": 22,
    "streams_by_chance": 0.2,
    "chance_a_day": 1e-9,
    "members": [{"key": f"s{k}", "start": 1_714_521_600.0, "reason": "spike", "id": "a"} for k in (7, *range(21))],
}
TOGETHER_END = TOGETHER | {"event": "incident_end", "end": 1_714_523_400.0}


class Request(NamedTuple):
    """What came: method, path with its query, headers and body."""

    method: str
    path: str
    headers: dict
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


class Listener:
    """Answers every request by ``answer(request)``: a status, a body, and headers."""

    def __init__(self):
        self.requests = []
        self.answer = lambda _request: (200, b"{}", {})
        listener = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def take(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                request = Request(self.command, self.path, dict(self.headers), body)
                status, content, headers = listener.answer(request)
                listener.requests.append(request)
                self.send_response(status)
                for name, value in {"Content-Length": str(len(content)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            do_POST = do_GET = do_PATCH = take  # noqa: N815 - the names are http.server's

            def log_message(self, *_):
                """Say nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


def receiver(word, environment=None):
    """What delivers messages to an address."""
    return open_receiver(read_target(word, environment or {}))
