"""What the live view costs: the time of a frame, and the real period of points with and without it."""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
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
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each run at a delay (default 20)")
    seconds = parser.parse_args().seconds
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
