"""A view for the browser in a thread of its own, and visitors to it without a browser."""

import http.client
import threading
from collections import deque
from contextlib import asynccontextmanager

import numpy as np
from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect

from streamforest.figures.choice import figure_of
from streamforest.figures.snapshot import save_snapshot
from streamforest.protocols import STREAM_VERDICT_DTYPE, VERDICT_DTYPE, Status
from streamforest.stream_names import StreamNames
from streamforest.terminal.actions import Actions
from streamforest.verdicts.history import History
from streamforest.verdicts.ranking import StreamRanking
from streamforest.views.access import PageAccess
from streamforest.views.browser import BrowserView

REPORT = b"index,time\r\n0,\r\n"
SOURCE = "<img src=x onerror=alert(1)> pump.csv"
DETECTORS = ("forest", "robust-z", "half-space")
SECONDS = 60  # after which what was waited for does not come any more


def stream(n):
    rng = np.random.default_rng(5)
    rows = np.zeros(n, VERDICT_DTYPE)
    rows["index"] = np.arange(n)
    rows["time"] = 1.4e9 + 60.0 * np.arange(n)
    rows["expected"] = 20 + 5 * np.sin(np.arange(n) / 15)
    rows["lower"], rows["upper"] = rows["expected"] - 2, rows["expected"] + 2
    rows["value"] = rows["expected"] + rng.normal(0, 0.5, n)
    rows["score"], rows["threshold"], rows["p_value"] = 0.4, 0.6, 0.3
    rows["is_anomaly"][::100] = True
    rows["label"] = -1
    alarms = rows[::100]
    alarms["episode"], alarms["reason"] = np.arange(1, len(alarms) + 1), 1
    alarms["value"], alarms["score"], alarms["p_value"] = alarms["expected"] + 10, 0.9, 1e-5
    return rows


def ranking(keys, points):
    """A ranking of streams: all are calm but the first, which ends in an alarm."""
    names = StreamNames()
    names.numbers_of(keys)
    found = StreamRanking(names)
    for number in range(len(keys)):
        rows = np.zeros(points, STREAM_VERDICT_DTYPE)
        for name in VERDICT_DTYPE.names:
            rows[name] = stream(points)[name]
        rows["is_anomaly"], rows["episode"], rows["reason"], rows["p_value"] = False, 0, 0, 0.3
        rows["stream"] = number
        if number == 0:
            last = rows[-1:]
            last["is_anomaly"], last["episode"], last["reason"], last["p_value"] = True, 1, 1, 1e-6
        found.write(rows)
    return found


class Run:
    """A view in a thread of its own, with points that come as long as ``feed`` is set."""

    def __init__(self, folder, points=300, *, theme="light", report=lambda: REPORT, memory=None, **access):
        self.history, self.actions = History(5000), Actions()
        self.memory, self.incidents = memory or self.history, None
        self.rows, self.folder, self.report = stream(5000), folder, report
        self.history.write(self.rows[:points])
        self.detector, self.warm_up = DETECTORS[0], 1.0
        self.asked, self.notices, self.problem, self.case_fault = [], [], None, None
        self.honesty = None
        self.notice = ""  # the newest line of the run for people
        self.feed, self.done, self.ready = threading.Event(), threading.Event(), threading.Event()
        self.options = {"theme": theme, "access": PageAccess(**access)}
        self.thread = threading.Thread(target=self._live)
        self._acts = deque()

    def status(self):
        n = self.history.written
        return Status(
            *(SOURCE, self.detector, DETECTORS, n, 0, 0, n // 100, 3, 9.5, 0.001, None, None, None, self.warm_up),
            notice=self.notice,
            honesty=self.honesty,
            streams=None if self.memory is self.history else len(self.memory.ranks(0, 10**6)),
        )

    def case(self, index):
        if self.case_fault is not None:
            raise self.case_fault
        return b"case of %d" % index

    def snapshot(self):
        from datetime import datetime  # noqa: PLC0415

        shown = figure_of(self.memory, self.status, theme=self.options["theme"])
        shown.refresh()
        return save_snapshot(shown, self.folder, datetime(2026, 1, 2, 3, 4, 5), {"Source": "test"})

    def _live(self):
        try:
            self.view = BrowserView(self, notify=self.notices.append, **self.options)
            self.ready.set()
            while not self.done.is_set():
                self._step()
            self.view.close()
        except BaseException as error:
            self.problem = error
        finally:
            self.ready.set()

    def _step(self):
        while self._acts:
            self._acts.popleft()()
        if self.feed.is_set():
            self.history.write(self.rows[self.history.end : self.history.end + 3])
        self.view.poll(0.02)
        for name in self.actions.take():
            self.asked.append(name)
            if name.startswith("detector:"):
                self.detector = name.removeprefix("detector:")

    def __enter__(self):
        self.thread.start()
        assert self.ready.wait(SECONDS)
        if self.problem:
            self.actions.close()
            raise self.problem
        return self

    def __exit__(self, *_error):
        self.end()
        self.actions.close()
        if self.problem:
            raise self.problem

    def do(self, act):
        """Do something in the thread of the view."""
        self._acts.append(act)

    def lose_connections(self):
        """Close all that are open, as a network that fails does."""
        for stream in self.view.server.connections:
            stream.close()

    def end(self):
        self.done.set()
        self.thread.join(SECONDS)

    @property
    def token(self):
        return self.view.token

    def get(self, path, host=None, **headers):
        """Status, headers and body of the answer to one request."""
        link = http.client.HTTPConnection("127.0.0.1", self.view.port, timeout=SECONDS)
        link.request("GET", path, headers={"Host": host or f"127.0.0.1:{self.view.port}", **headers})
        answer = link.getresponse()
        upgraded = answer.status == 101
        found = answer.status, answer.headers, b"" if upgraded else answer.read()
        answer.close()
        link.close()
        return found

    def shake_hands(self, path="/live", host=None, **headers):
        """Status of the answer to a websocket's first request."""
        wanted = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
        return self.get(path, host, **{"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", **wanted, **headers})[0]

    @property
    def origin(self):
        return f"http://127.0.0.1:{self.view.port}"

    @asynccontextmanager
    async def visitor(self, *messages):
        """A visitor without a browser, which says something first and leaves as one should."""
        link = await self.connect()
        for message in messages:
            link.write_message(message)
        yield link
        link.close()
        while await link.read_message() is not None:
            pass

    def connect(self):
        address = f"ws://127.0.0.1:{self.view.port}/live?token={self.token}"
        return websocket_connect(HTTPRequest(address, headers={"Origin": self.origin}))
