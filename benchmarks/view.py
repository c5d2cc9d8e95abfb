"""What the live views cost: a visitor of the page, a frame of the window, the period of points with and without it."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import matplotlib as mpl
import numpy as np

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from streamforest.detectors.z_score import ZScoreDetector  # noqa: E402 - the path comes first
from streamforest.simulation.streams import SimulatedStream, default_profile  # noqa: E402
from streamforest.verdicts.counts import RunCounts  # noqa: E402
from streamforest.verdicts.history import History  # noqa: E402
from streamforest.views import can_open, has_display  # noqa: E402

KEPT = (500, 50_000)
DELAYS = (0.1, 0.01, 0.001)
FRAMES = 200
ALARM_RATE = 0.001
LIMIT = 1 / 30
RATES = (10, 1_000, 10_000)  # points a second
VISITORS = (1, 10)
COLUMNS = 900  # of a visitor's chart: a page 1,280 pixels wide
SECONDS_IN_VIEW = 10


class Quiet:
    """Stands in for the user: asks for nothing."""

    is_waiting = False

    def ask(self, name: str) -> None:
        """Take a key that nobody pressed."""


def frame_times(toolkit: str, kept: int) -> Iterator[float]:
    """Seconds of each frame of a live window, ten new points a frame, with so many points in view."""
    from streamforest.views.window import WindowView  # noqa: PLC0415 - needs a display

    stream = SimulatedStream(default_profile(), 1, 0.02)
    detector, history, counts = ZScoreDetector(ALARM_RATE), History(kept), RunCounts(ALARM_RATE)
    names = ("z-score",)

    def feed(n: int) -> None:
        values, labels = stream.take(n)
        verdicts = detector.update_many(values)
        verdicts["label"] = labels
        history.write(verdicts)
        counts.add(verdicts)

    def status() -> object:
        return counts.status("simulated", "z-score", names, detector.warm_up_points)

    feed(kept)
    watched: Any = SimpleNamespace(memory=history, status=status, actions=Quiet())
    view = WindowView(watched, theme="light", toolkit=toolkit)
    view.poll(0.2)
    for _ in range(kept.bit_length()):
        view.command("wider")
    for _ in range(5):
        view.poll(0.1)
    for _ in range(FRAMES):
        feed(10)
        begun = time.perf_counter()
        view.figure.refresh()
        yield time.perf_counter() - begun
        view.poll(0.001)
    view.close()


class Visitors:
    """Visitors of the page in a thread of their own, who read at once and count the bytes."""

    def __init__(self, address: str, n: int, points: int) -> None:
        self.got, self._n = 0, n
        self._begun, self.end = [False] * n, False
        self._view = json.dumps({"view": [1, None, points, COLUMNS]})
        self._address = address
        self.thread = threading.Thread(target=lambda: asyncio.run(self._read()), daemon=True)
        self.thread.start()

    @property
    def have_all(self) -> bool:
        """Whether each has had its first message."""
        return all(self._begun)

    async def _read(self) -> None:
        await asyncio.gather(*map(self._visit, range(self._n)))

    async def _visit(self, number: int) -> None:
        from tornado.httpclient import HTTPRequest  # noqa: PLC0415
        from tornado.websocket import websocket_connect  # noqa: PLC0415

        place = self._address.replace("/?", "/live?").replace("http:", "ws:")
        origin = self._address.partition("/?")[0]
        link = await websocket_connect(HTTPRequest(place, headers={"Origin": origin}))
        await link.write_message(self._view)
        while not self.end and (message := await link.read_message()) is not None:
            self.got += len(message)
            self._begun[number] |= isinstance(message, bytes)
            kind = "chart" if isinstance(message, bytes) else json.loads(message)["kind"]
            await link.write_message(json.dumps({"ack": kind}))
        link.close()


def page_cost(rate: int, n: int, seconds: float) -> tuple[float, float]:
    """Milliseconds of the server's time and bytes, a second and visitor, where so many points come a second."""
    from streamforest.terminal.actions import Actions  # noqa: PLC0415
    from streamforest.views.access import PageAccess  # noqa: PLC0415
    from streamforest.views.browser import BrowserView  # noqa: PLC0415

    stream = SimulatedStream(default_profile(), 1, 0.02)
    detector, history, counts = ZScoreDetector(ALARM_RATE), History(50_000), RunCounts(ALARM_RATE)
    values, _ = stream.take(50_000)
    rows = detector.update_many(np.tile(values, 1 + int((seconds + 5) * rate / values.size) + 1))
    history.write(rows[:50_000])
    counts.add(rows[:50_000])

    def status() -> object:
        return counts.status("simulated", "z-score", ("z-score",), 1)._replace(points_per_second=float(rate))

    watched: Any = SimpleNamespace(memory=history, status=status, actions=Actions(), report=bytes, snapshot=Path)
    view = BrowserView(watched, theme="light", notify=lambda _: None, access=PageAccess())
    visitors = Visitors(view.address, n, min(50_000, max(500, SECONDS_IN_VIEW * rate)))
    while not visitors.have_all:
        view.poll(0.05)
    begun, got, took, written = time.perf_counter(), visitors.got, 0.0, 50_000
    while (now := time.perf_counter() - begun) < seconds:
        due = 50_000 + int(now * rate)
        if due > written:
            history.write(rows[written:due])
            written = due
        before = time.thread_time()
        view.poll(0.02)
        took += time.thread_time() - before
    found = 1000 * took / seconds / n, (visitors.got - got) / seconds / n
    visitors.end = True
    view.close()
    visitors.thread.join(10)
    watched.actions.close()
    return found


def print_page(seconds: float) -> None:
    """Print what a visitor of the page costs."""
    print(f"\n{'points/s':<10}{'visitors':>10}{'server ms a second':>20}{'bytes a second':>16}   (a visitor)")
    for rate in RATES:
        for n in VISITORS:
            took, got = page_cost(rate, n, seconds)
            print(f"{rate:<10,}{n:>10}{took:>20.2f}{got:>16,.0f}")


def period(delay: float, view: str, points: int) -> tuple[float, float]:
    """Mean seconds between points as the program prints them, and the 99th percentile of their lateness."""
    words = [sys.executable, str(PROJECT / "main.py"), "--delay", str(delay), "--max-points", str(points)]
    words += ["--view", view, "--format", "json", "--log", "none"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL) as run:
        assert run.stdout is not None
        times = [time.perf_counter() for _line in iter(run.stdout.readline, b"")]
    if len(times) < points:
        raise SystemExit(f"the run with --view {view} gave {len(times)} of {points} points")
    settled = np.array(times[points // 5 :])  # the window opens during the first ones
    gaps = np.diff(settled)
    late = settled - settled[0] - delay * np.arange(settled.size)
    return float(gaps.mean()), float(np.quantile(late - late.min(), 0.99))


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each run at a delay (default 20)")
    seconds = parser.parse_args().seconds
    print_page(seconds)
    if not has_display(os.environ):
        print("no display: set DISPLAY, for example by 'xvfb-run -a python benchmarks/view.py'", file=sys.stderr)
        return 1
    print(f"Python {platform.python_version()}, matplotlib {mpl.__version__}, {os.cpu_count()} cores, 1280x800")
    print(f"\n{'toolkit':<10}{'points in view':>15}{'median ms':>12}{'95 % ms':>10}{'worst ms':>10}{'over 1/30 s':>13}")
    for toolkit in ("Tk", "Qt"):
        if not can_open(toolkit):
            print(f"{toolkit:<10}does not work here")
            continue
        for kept in KEPT:
            times = list(frame_times(toolkit, kept))
            ms = [1000 * t for t in times]
            over = sum(t > LIMIT for t in times) / len(times)
            row = (statistics.median(ms), float(np.quantile(ms, 0.95)), max(ms))
            print(f"{toolkit:<10}{kept:>15,}" + f"{row[0]:>12.1f}{row[1]:>10.1f}{row[2]:>10.1f}{over:>12.1%}")
    print(f"\n{'delay':<10}{'view':<10}{'period ms':>12}{'of without':>12}{'99 % late ms':>14}")
    for delay in DELAYS:
        without = 0.0
        for view in ("none", "window"):
            mean, late = period(delay, view, max(int(seconds / delay), 50))
            without = without or mean
            print(f"{delay:<10}{view:<10}{1000 * mean:>12.4f}{mean / without:>12.4f}{1000 * late:>14.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
