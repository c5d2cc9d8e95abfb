"""What the live views cost: a visitor of the page, a frame of the window, a point's period, memory over a long run."""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import json
import os
import platform
import pty
import re
import statistics
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
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
VISITORS = (1, 10, 50)
VIEWS = ("none", "window", "terminal", "browser")
MOST_VISITORS = 100  # connections at once; three in four may be open pages
VISITORS_OF_A_RUN = 10  # of the page of a whole run
SAMPLE_SECONDS = 0.25  # between two looks at a run's memory
COLUMNS = 900  # of a visitor's chart: a page 1,280 pixels wide
SECONDS_IN_VIEW = 10


class Quiet:
    """Stands in for the user: asks for nothing."""

    is_waiting = False

    def ask(self, name: str) -> None:
        """Take a key that nobody pressed."""


def frame_times(toolkit: str, kept: int) -> Iterator[tuple[float, float]]:
    """Seconds and seconds of the processor of each frame of a window, ten new points a frame, so many in view."""
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
        begun, spent = time.perf_counter(), time.thread_time()
        view.figure.refresh()
        yield time.perf_counter() - begun, time.thread_time() - spent
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

    watched: Any = SimpleNamespace(
        memory=history, status=status, actions=Actions(), report=bytes, snapshot=Path, case=bytes
    )
    view = BrowserView(watched, theme="light", notify=lambda _: None, access=PageAccess(most_visitors=MOST_VISITORS))
    visitors = Visitors(view.address, n, min(50_000, max(500, SECONDS_IN_VIEW * rate)))
    while not visitors.have_all:
        if not visitors.thread.is_alive():
            raise SystemExit("the visitors were not let in")
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


@contextmanager
def started(view: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """The program with a view that somebody looks at: a terminal that is read, or visitors of the page."""
    words = [sys.executable, str(PROJECT / "main.py"), "--view", view, "--log", "none", *arguments]
    reads, writes = pty.openpty() if view == "terminal" else os.pipe()
    if view == "terminal":
        fcntl.ioctl(writes, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    written: list[bytes] = []

    def listen() -> None:
        while content := read_all(reads):
            written.append(content)

    environment = {**os.environ, "TERM": "xterm-256color"}
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=writes, stdin=subprocess.DEVNULL, env=environment
    ) as run:
        os.close(writes)
        listener = threading.Thread(target=listen, daemon=True)
        listener.start()
        visitors = None
        if view == "browser":
            while not (found := re.search(rb"page: (\S+token=\S+)", b"".join(written))) and run.poll() is None:
                time.sleep(0.05)
            visitors = Visitors(found[1].decode() if found else "", VISITORS_OF_A_RUN, 500)
        yield run
        if visitors is not None:
            visitors.end = True
        run.terminate()
        run.wait()
        listener.join()
        os.close(reads)


def read_all(descriptor: int) -> bytes:
    """What is there to read; nothing where nobody writes any more."""
    try:
        return os.read(descriptor, 65_536)
    except OSError:
        return b""  # a terminal whose program has ended


def period(delay: float, view: str, points: int) -> tuple[float, float]:
    """Mean seconds between points as the program prints them, and the 99th percentile of their lateness."""
    with started(view, "--delay", str(delay), "--max-points", str(points), "--format", "json") as run:
        assert run.stdout is not None
        times = [time.perf_counter() for _line in iter(run.stdout.readline, b"")]
    if len(times) < points:
        raise SystemExit(f"the run with --view {view} gave {len(times)} of {points} points")
    settled = np.array(times[points // 5 :])  # the view opens during the first ones
    gaps = np.diff(settled)
    late = settled - settled[0] - delay * np.arange(settled.size)
    return float(gaps.mean()), float(np.quantile(late - late.min(), 0.99))


def memory(view: str, points: int) -> tuple[float, float]:
    """Most MB that a run of so many points as fast as possible takes in its second fifth, and in its last one."""
    taken = []
    with started(view, "--delay", "0", "--max-points", str(points), "--format", "quiet") as run:
        assert run.stdout is not None
        drain = threading.Thread(target=run.stdout.read, daemon=True)
        drain.start()
        while run.poll() is None:
            pages = Path(f"/proc/{run.pid}/statm").read_text(encoding="utf-8").split()
            taken.append(int(pages[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6 if len(pages) > 1 else 0.0)
            time.sleep(SAMPLE_SECONDS)
    fifth = max(1, len(taken) // 5)
    return max(taken[fifth : 2 * fifth]), max(taken[-fifth:])


def print_frames() -> None:
    """Print what a frame of the window takes."""
    print(f"Python {platform.python_version()}, matplotlib {mpl.__version__}, {os.cpu_count()} cores, 1280x800")
    heads = ("median ms", "99 % ms", "worst ms", "over 1/30 s", "processor: median", "99 %", "over 1/30 s")
    print(f"\n{'toolkit':<10}{'points in view':>15}" + "".join(f"{head:>19}" for head in heads))
    for toolkit in ("Tk", "Qt"):
        if not can_open(toolkit):
            print(f"{toolkit:<10}does not work here")
            continue
        for kept in KEPT:
            cells = []
            for seconds in zip(*frame_times(toolkit, kept), strict=True):
                ms = [1000 * one for one in seconds]
                cells += [f"{statistics.median(ms):.1f}", f"{np.quantile(ms, 0.99):.1f}", f"{max(ms):.1f}"]
                cells.append(f"{sum(one > LIMIT for one in seconds) / len(ms):.1%}")
            del cells[6]  # the worst one by the processor's time says nothing more
            print(f"{toolkit:<10}{kept:>15,}" + "".join(f"{cell:>19}" for cell in cells))


def print_periods(seconds: float, views: list[str]) -> None:
    """Print how evenly points come without a view and with each."""
    print(f"\n{'delay':<10}{'view':<10}{'period ms':>12}{'of without':>12}{'99 % late ms':>14}")
    for delay in DELAYS:
        without = 0.0
        for view in views:
            mean, late = period(delay, view, max(int(seconds / delay), 50))
            without = without or mean
            print(f"{delay:<10}{view:<10}{1000 * mean:>12.4f}{mean / without:>12.4f}{1000 * late:>14.2f}")


def print_memory(points: int, views: list[str]) -> None:
    """Print what long runs take."""
    print(f"\n{'view':<10}{'MB in the second fifth of':>28}{points:>12,} points{'MB in the last':>18}")
    for view in views:
        early, late = memory(view, points)
        print(f"{view:<10}{early:>28.1f}{'':>19}{late:>18.1f}")


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each run at a delay (default 20)")
    parser.add_argument("--points", type=int, default=10_000_000, help="of each long run (default 10,000,000)")
    parser.add_argument("--only", choices=("page", "frames", "periods", "memory"), help="one of the tables")
    asked = parser.parse_args()
    wanted = {asked.only} if asked.only else {"page", "frames", "periods", "memory"}
    has_screen = has_display(os.environ)
    views = [view for view in VIEWS if has_screen or view != "window"]
    if "page" in wanted:
        print_page(asked.seconds)
    if "frames" in wanted and has_screen:
        print_frames()
    if "periods" in wanted:
        print_periods(asked.seconds, views)
    if "memory" in wanted:
        print_memory(asked.points, views)
    if not has_screen:
        print("no display: set DISPLAY, for example by 'xvfb-run -a python benchmarks/view.py'", file=sys.stderr)
    return 0 if has_screen else 1


if __name__ == "__main__":
    sys.exit(main())
