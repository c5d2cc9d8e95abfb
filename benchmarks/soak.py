"""A long run of the whole program, watched from outside: memory, open files, threads and cost a point over its time."""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

PROJECT = Path(__file__).resolve().parents[1]
POINTS, WINDOW_POINTS = 200_000_000, 10_000_000
PARTS = 10  # the run is compared with itself, tenth by tenth; the first one is its warm-up
MOST_GROWTH = 1.0  # MB
TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
MB = 2**20


class Sample(NamedTuple):
    """How the program stood: points judged, seconds of processor time, memory in MB, open files and threads."""

    points: int
    seconds: float
    memory: float
    files: int
    threads: int


@dataclass(frozen=True)
class Part:
    """One tenth of a run: median memory, least files and threads, and microseconds of processor a point.

    Of files and threads the least, as what says the end comes and goes. Of memory the median: the least hangs on
    whether one of a few looks fell into the rare moment in which the window holds 1 MB less.
    """

    memory: float
    files: int
    threads: int
    cost: float


class Watched:
    """A run of main.py that is looked at while it goes on.

    Parameters
    ----------
    words : sequence of str
        Its command line without the number of points.
    points : int
        After which it ends.
    folder : Path
        Where it runs and leaves its files.
    environment : mapping
        Further environment variables.
    """

    def __init__(self, words: Sequence[str], points: int, folder: Path, **environment: str) -> None:
        # one line an anomalous point, which tells by its index how far the run is
        command = [sys.executable, str(PROJECT / "main.py"), *words, "--format", "quiet", "--max-points", str(points)]
        with (folder / "said").open("w") as said:
            self._run = subprocess.Popen(
                command,
                cwd=folder,
                env=os.environ | environment,
                text=True,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=said,
            )
        self._said = folder / "said"
        self._proc = Path(f"/proc/{self._run.pid}")
        self._points = 0
        self._all = points
        self._reader = threading.Thread(target=self._count, daemon=True)
        self._reader.start()

    def _count(self) -> None:
        assert self._run.stdout is not None
        with self._run.stdout as lines:
            for line in lines:
                self._points = int(line.split()[1]) + 1

    def samples(self, seconds: float) -> Iterator[Sample]:
        """Look every so many seconds, until the program ends; fails where it does not end well."""
        while self._run.poll() is None:
            time.sleep(seconds)
            if self._points:
                try:
                    sample = self._look()
                except OSError:
                    break  # it has ended between two looks
                if sample.memory:  # none is left of a program that is just ending
                    yield sample
        code = self._run.wait()
        self._reader.join()
        said = self._said.read_text(encoding="utf-8")
        if code or "Traceback" in said or f"points  {self._all:,} in" not in said:
            raise SystemExit(f"the run ended with {code} and said:\n{said}")

    def _look(self) -> Sample:
        points = self._points
        # behind the name, which may hold blanks: the fields from the third on
        fields = (self._proc / "stat").read_text().rpartition(")")[2].split()
        pages = int((self._proc / "statm").read_text().split()[1])
        return Sample(
            points,
            (int(fields[11]) + int(fields[12])) / TICKS,
            pages * os.sysconf("SC_PAGE_SIZE") / MB,
            len(list((self._proc / "fd").iterdir())),
            int(fields[17]),
        )


def parts(samples: Sequence[Sample], points: int) -> list[Part]:
    """The samples of a run of so many points, tenth by tenth.

    Raises
    ------
    ValueError
        There are not two samples in each.
    """
    found = []
    for number in range(PARTS):
        inside = [one for one in samples if number * points <= PARTS * one.points < (number + 1) * points]
        if len({one.points for one in inside}) < 2:
            raise ValueError(f"part {number + 1} of {PARTS} of the run has fewer than two samples: look more often")
        cost = (inside[-1].seconds - inside[0].seconds) / (inside[-1].points - inside[0].points)
        files, threads = min(one.files for one in inside), min(one.threads for one in inside)
        found.append(Part(statistics.median(one.memory for one in inside), files, threads, 1e6 * cost))
    return found


def table(found: Sequence[Part]) -> str:
    """The parts, a line each, and what became of the first by the last."""
    rows = [f"{'part':>6}{'memory, MB':>12}{'files':>8}{'threads':>9}{'us a point':>12}"]
    rows += [
        f"{number:>6}{part.memory:>12.2f}{part.files:>8}{part.threads:>9}{part.cost:>12.3f}"
        for number, part in enumerate(found, 1)
    ]
    warm, last = found[1], found[-1]
    rows.append(
        f"after warm-up: memory {last.memory - warm.memory:+.2f} MB, files {last.files - warm.files:+d}, threads "
        f"{last.threads - warm.threads:+d}, cost a point {last.cost / warm.cost:.3f} times"
    )
    return "\n".join(rows)


def holds(found: Sequence[Part]) -> bool:
    """Whether nothing grew after the warm-up: memory by less than MOST_GROWTH, files and threads not at all."""
    warm, last = found[1], found[-1]
    return last.memory - warm.memory < MOST_GROWTH and last.files <= warm.files and last.threads <= warm.threads


@contextmanager
def screen() -> Iterator[str]:
    """A display for the window: the one there is, else one that nobody sees."""
    if os.environ.get("DISPLAY"):
        yield os.environ["DISPLAY"]
        return
    if shutil.which("Xvfb") is None:
        raise SystemExit("no display: set DISPLAY, or install Xvfb")
    reader, writer = os.pipe()
    words = ["Xvfb", "-displayfd", str(writer), "-screen", "0", "1280x900x24", "-nolisten", "tcp"]
    with subprocess.Popen(words, pass_fds=[writer], stderr=subprocess.DEVNULL) as server:
        os.close(writer)
        try:
            with os.fdopen(reader) as answer:
                yield f":{answer.readline().strip()}"
        finally:
            server.terminate()


def soak(view: str, points: int, seconds: float, words: Sequence[str]) -> list[Part]:
    """Run main.py over so many simulated points and look every so many seconds; the run's parts."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        display = {"DISPLAY": stack.enter_context(screen())} if view == "window" else {}
        shown = ["--view", view] if view != "none" else ["--no-visualization"]
        # many anomalies, so that all that is kept of them, within its bounds, is full when the warm-up is over
        options = ["--delay", "0", *shown, "--outlier-probability", "0.02", "--log", "anomaly.log", *words]
        run = Watched(["simulated", *options], points, folder, **display)
        return parts(list(run.samples(seconds)), points)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a table for the run without and the one with the window; 1 where something grew."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=POINTS, help=f"without a window (default {POINTS:,}; 0: none)")
    parser.add_argument("--window-points", type=int, default=WINDOW_POINTS, help=f"default {WINDOW_POINTS:,}; 0: none")
    parser.add_argument("--seconds", type=float, default=0.5, help="between two looks (default 0.5)")
    parser.add_argument("options", nargs="*", help="further ones of main.py, behind --")
    asked = parser.parse_args(arguments)
    is_well = True
    for view, points in (("none", asked.points), ("window", asked.window_points)):
        if points:
            found = soak(view, points, asked.seconds, asked.options)
            print(f"{points:,} points, view: {view}\n{table(found)}\n", flush=True)
            is_well = is_well and holds(found)
    return 0 if is_well else 1


if __name__ == "__main__":
    sys.exit(main())
