"""Anomalies that keep coming: how many are found, by probability, size, kind and stream, and how much is wrong."""

from __future__ import annotations

import argparse
import csv
import multiprocessing
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from benchmarks import peers, recurring_chart  # noqa: E402 - the path comes first
from settings import ALARM_RATE, LSTM_MODEL, OUTLIER_PROBABILITY  # noqa: E402
from streamforest.detectors import DETECTORS, DetectorOptions, make_detector  # noqa: E402
from streamforest.detectors.isolation_forest import StreamDetector  # noqa: E402
from streamforest.models.model_file import load_model  # noqa: E402
from streamforest.models.shipped import SHIPPED_MODEL  # noqa: E402
from streamforest.protocols import NORMAL, VERDICT_DTYPE, Verdicts  # noqa: E402
from streamforest.simulation.profiles import PROFILES, TimedStream  # noqa: E402
from streamforest.simulation.streams import (  # noqa: E402
    KINDS,
    SHORT_KINDS,
    Event,
    SimulatedStream,
    StreamProfile,
    default_profile,
    random_profile,
)

PROBABILITIES = (0.0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.3)
#: Sizes of spikes and dips in standard deviations of the noise; smaller ones (dips of small counts) are not counted.
SIZES = ((6.0, 8.0), (8.0, 12.0), (12.0, 20.0), (20.0, 40.0))
SEEDS, QUICK_SEEDS = (1, 2, 3, 4, 5), (1, 2)
POINTS, QUICK_POINTS = 10_000, 4000
RANDOM_PROFILES, QUICK_PROFILES = 60, 6
#: Points at the beginning that count for nothing: a detector gets to know the stream.
FIRST = 300
#: Points behind a long event that count for nothing: its end is a change, too.
BEHIND = 3
#: Points that the frozen forest is fitted on; points of the moving median, and standard deviations to its limit.
FROZEN_POINTS, MEDIAN_POINTS, MEDIAN_LIMIT = 1000, 50, 6.0

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


class Marker(Protocol):
    """What is measured: a detector of the program, or a peer that looks like one."""

    def update_many(self, values: Floats, times: Floats | None = None) -> Verdicts:
        """Judge the next values; only ``is_anomaly`` is looked at."""


class Stream(NamedTuple):
    """A piece of a simulated stream: values, times (None where it has none), labels, all of shape (n,), and events."""

    values: Floats
    times: Floats | None
    labels: NDArray[np.int8]
    events: list[Event]


class Outcome(NamedTuple):
    """What was found in one stream, or in several.

    Attributes
    ----------
    found, events : Counter of (kind, size)
        How many events were found, and were there, from point FIRST on. The size is the lower end of one of SIZES for
        spikes and dips, 0 for the other kinds.
    false_alarms, normal : int
        Normal points that were marked, and all of them, from point FIRST on and not right behind a long event.
    """

    found: Counter[tuple[str, float]]
    events: Counter[tuple[str, float]]
    false_alarms: int
    normal: int

    def share(self, kinds: Iterable[str] = SHORT_KINDS, size: float | None = None) -> float:
        """Events found over events of some kinds, all sizes or one; NaN where there is none."""
        keys = [key for key in self.events if key[0] in kinds and size in (None, key[1])]
        events = sum(self.events[key] for key in keys)
        return sum(self.found[key] for key in keys) / events if events else np.nan

    @property
    def false_alarm_rate(self) -> float:
        """Share of the normal points that were marked."""
        return self.false_alarms / self.normal if self.normal else np.nan


def recurring(
    make_detector: Callable[[], Marker], profile: StreamProfile | str, probability: float, seed: int, points: int
) -> Outcome:
    """Run a fresh detector over one simulated stream and count what it finds.

    Parameters
    ----------
    make_detector : callable
        Makes a detector.
    profile : StreamProfile or str
        A profile, "default", or one of PROFILES, which have times.
    probability : float
        That a point begins an anomaly, in [0, 0.5].
    seed : int
        Of the stream.
    points : int
        Of the stream, more than FIRST.
    """
    stream = simulate(profile, probability, seed, points)
    return count(stream, make_detector().update_many(stream.values, stream.times)["is_anomaly"])


def simulate(profile: StreamProfile | str, probability: float, seed: int, points: int) -> Stream:
    """The first points of a stream, all kinds of anomalies mixed; parameters as of :func:`recurring`."""
    if isinstance(profile, str) and profile in PROFILES:
        stream: SimulatedStream = PROFILES[profile](seed, probability)
    else:
        known = default_profile() if profile == "default" else profile
        if isinstance(known, str):
            raise ValueError(f"profile is {known!r}, allowed are default, {', '.join(PROFILES)}")
        stream = SimulatedStream(known, seed, probability)
    events: list[Event] = []
    stream.on_event = events.append
    times = stream.take_times(points) if isinstance(stream, TimedStream) else None
    values, labels = stream.take(points)
    return Stream(values, times, labels, [event for event in events if event.end <= points])


def count(stream: Stream, marked: Bools) -> Outcome:
    """Hold marks against what was injected: an event is found if one of its own points is marked."""
    is_normal = stream.labels == NORMAL
    is_normal[:FIRST] = False
    found, events = Counter[tuple[str, float]](), Counter[tuple[str, float]]()
    for event in stream.events:
        if event.kind not in SHORT_KINDS:
            is_normal[event.end : event.end + BEHIND] = False
        size = size_of(event)
        if event.start >= FIRST and size is not None:
            events[event.kind, size] += 1
            found[event.kind, size] += bool(marked[event.start : event.end].any())
    return Outcome(found, events, int(np.count_nonzero(marked & is_normal)), int(np.count_nonzero(is_normal)))


def size_of(event: Event) -> float | None:
    """The lower end of one of SIZES; 0 for kinds without; None for a spike or dip that is smaller than all."""
    if event.kind not in SHORT_KINDS:
        return 0.0
    return max((low for low, _ in SIZES if event.size >= low), default=None)


def together(outcomes: Iterable[Outcome]) -> Outcome:
    """The sums of several outcomes."""
    found, events, false_alarms, normal = Counter[tuple[str, float]](), Counter[tuple[str, float]](), 0, 0
    for one in outcomes:
        found.update(one.found)
        events.update(one.events)
        false_alarms, normal = false_alarms + one.false_alarms, normal + one.normal
    return Outcome(found, events, false_alarms, normal)


# Who takes part


class FrozenForest:
    """The simplest script there is: an IsolationForest of the first raw values, which learns nothing more.

    It is told the share of anomalies, and judges the points that it is fitted on as well.
    """

    def __init__(self, share: float) -> None:
        self._share = share

    def update_many(self, values: Floats, times: Floats | None = None) -> Verdicts:  # noqa: ARG002 - of the protocol
        """Mark as its ``predict`` does."""
        from sklearn.ensemble import IsolationForest  # noqa: PLC0415 - heavy, needed only here

        known = np.isfinite(values)
        forest = IsolationForest(contamination=self._share, random_state=peers.SEED)
        forest.fit(values[:FROZEN_POINTS][known[:FROZEN_POINTS], None])
        marked = np.zeros(values.size, dtype=bool)
        marked[known] = forest.predict(values[known, None]) < 0
        return as_verdicts(marked)


class MovingMedian:
    """Distance from the median of the values before, in standard deviations as their median deviation gives them."""

    def update_many(self, values: Floats, times: Floats | None = None) -> Verdicts:  # noqa: ARG002 - of the protocol
        """Mark what is MEDIAN_LIMIT away; missing values are left out."""
        known = np.isfinite(values)
        given = values[known]
        past = np.lib.stride_tricks.sliding_window_view(given, MEDIAN_POINTS)[:-1]
        middle = np.median(past, axis=1)
        spread = 1.4826 * np.median(np.abs(past - middle[:, None]), axis=1)
        far = np.abs(given[MEDIAN_POINTS:] - middle) > MEDIAN_LIMIT * spread
        marked = np.zeros(values.size, dtype=bool)
        marked[np.flatnonzero(known)[MEDIAN_POINTS:]] = far
        return as_verdicts(marked)


class Library:
    """A peer that only scores; it is told the share of anomalies, and marks as many of the highest scores so far."""

    def __init__(self, name: str, share: float) -> None:
        self._peer, self._share = peers.PEERS[name], share

    def update_many(self, values: Floats, times: Floats | None = None) -> Verdicts:  # noqa: ARG002 - of the protocol
        """Mark by the common rule of the quality benchmark."""
        known = np.isfinite(values)
        marked = np.zeros(values.size, dtype=bool)
        scores = np.fromiter(self._peer.score(values[known], FIRST), np.float64, int(known.sum()))
        marked[known] = peers.flag(scores, self._share)
        return as_verdicts(marked)


def as_verdicts(marked: Bools) -> Verdicts:
    """Verdicts that say nothing but what is marked."""
    verdicts = np.zeros(marked.size, VERDICT_DTYPE)
    verdicts["is_anomaly"] = marked
    return verdicts


#: Peers by name: made from the share of points that are to be marked. All others are the program's own detectors.
OTHERS: dict[str, Callable[[float], Marker]] = {
    "frozen-forest": FrozenForest,
    "median-mad": lambda _share: MovingMedian(),
    "river-half-space-trees": partial(Library, "river-half-space-trees"),
    "krcf": partial(Library, "krcf"),
}
NAMES = (*DETECTORS, *OTHERS)


def packages_of(name: str) -> tuple[str, ...]:
    """What a detector or peer needs beside the project's own requirements."""
    if name in DETECTORS:
        return DETECTORS[name].packages
    return peers.packages_of(name) if name in peers.PEERS else ()


def usable(asked: argparse.Namespace) -> list[str]:
    """The detectors asked for that can be run here; says of the others what they lack."""
    able, files = [], {"isolation-forest": asked.model, "lstm-autoencoder": asked.lstm_model}
    for name in asked.detectors:
        missing = [package for package in packages_of(name) if peers.installed(package) is None]
        if missing:
            print(f"{name} left out: pip install {' '.join(missing)}")
        elif name in files and not files[name].is_file():
            print(f"{name} left out: no model at {files[name]}, make it with python model_prod.py --detector {name}")
        else:
            able.append(name)
    return able


# The runs


class Task(NamedTuple):
    """One run: who, on which stream, and how many points of it; ``profile`` is that of a random stream."""

    detector: str
    stream: str
    probability: float
    seed: int
    points: int
    options: DetectorOptions
    profile: StreamProfile | None = None


loaded = cache(load_model)


def maker(task: Task) -> Callable[[], Marker]:
    """What makes the detector of a task."""
    if task.detector in OTHERS:
        return partial(OTHERS[task.detector], max(task.probability, task.options.alarm_rate))
    if task.detector == "isolation-forest":  # whose model takes longer to load than a stream to judge
        return partial(StreamDetector, loaded(task.options.model), task.options.alarm_rate)
    return partial(make_detector, task.detector, task.options)


def run(task: Task) -> Outcome:
    """Run one task."""
    return recurring(maker(task), task.profile or task.stream, task.probability, task.seed, task.points)


def tasks_of(asked: argparse.Namespace, detectors: Sequence[str]) -> list[Task]:
    """All runs asked for, a detector after another, so that its tables can be printed as soon as they are there."""
    options = DetectorOptions(asked.model, asked.alarm_rate, lstm_model=asked.lstm_model)
    streams: list[tuple[str, StreamProfile | None]] = [(name, None) for name in asked.streams if name != "random"]
    if "random" in asked.streams:
        streams += [("random", random_profile(np.random.default_rng([7, at]))) for at in range(asked.profiles)]
    return [
        Task(detector, stream, probability, seed, asked.points, options, profile)
        for detector in detectors
        for stream, profile in streams
        for probability in PROBABILITIES
        for seed in asked.seeds
    ]


def run_all(tasks: Sequence[Task], jobs: int) -> Iterator[tuple[Task, Outcome]]:
    """Run the tasks in so many processes; their outcomes in the same order, as they come."""
    if jobs == 1:
        yield from ((task, run(task)) for task in tasks)
        return
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        yield from zip(tasks, pool.map(run, tasks, chunksize=4), strict=True)


# What is shown

#: Detector, stream, probability -> the outcome of each seed.
Table = dict[tuple[str, str, float], dict[int, Outcome]]


def gather(outcomes: Iterable[tuple[Task, Outcome]]) -> Table:
    """By detector, stream, probability and seed; the random streams of a seed are added up."""
    table: Table = {}
    for task, outcome in outcomes:
        seeds = table.setdefault((task.detector, task.stream, task.probability), {})
        seeds[task.seed] = together([seeds[task.seed], outcome]) if task.seed in seeds else outcome
    return table


def mean_and_worst(shares: Iterable[float], worst: Callable[[list[float]], float] = min) -> tuple[float, float]:
    """Over the seeds that have the event at all; NaN where none has."""
    known = [share for share in shares if share == share]
    return (float(np.mean(known)), worst(known)) if known else (np.nan, np.nan)


def short_rows(table: Table, detector: str) -> Iterator[str]:
    """A row a stream and probability: spikes and dips found, by size and kind, and false alarms."""
    heads = [*(f"{low:g}-{high:g}" for low, high in SIZES), *SHORT_KINDS, "all", "worst seed", "false alarms", "worst"]
    yield f"| stream | probability | {' | '.join(heads)} |"
    yield "|---" * (len(heads) + 2) + "|"
    for (name, stream, probability), seeds in table.items():
        if name != detector:
            continue
        shares = [mean_and_worst(one.share(size=low) for one in seeds.values())[0] for low, _ in SIZES]
        shares += [mean_and_worst(one.share((kind,)) for one in seeds.values())[0] for kind in SHORT_KINDS]
        shares += mean_and_worst(one.share() for one in seeds.values())
        false = mean_and_worst((one.false_alarm_rate for one in seeds.values()), max)
        cells = [*map(as_share, shares), *(f"{rate:.5f}" for rate in false)]
        yield f"| {stream} | {probability:g} | {' | '.join(cells)} |"


def long_rows(table: Table, detector: str) -> Iterator[str]:
    """A row a stream: the other kinds found at the default probability, and by the worst seed."""
    kinds = [kind for kind in KINDS if kind not in SHORT_KINDS]
    yield f"| stream, at {OUTLIER_PROBABILITY:g} | {' | '.join(kinds)} |"
    yield "|---" * (len(kinds) + 1) + "|"
    for (name, stream, probability), seeds in table.items():
        if name == detector and probability == OUTLIER_PROBABILITY:
            pairs = [mean_and_worst(one.share((kind,)) for one in seeds.values()) for kind in kinds]
            cells = [f"{as_share(mean)} ({as_share(worst)})" for mean, worst in pairs]
            yield f"| {stream} | {' | '.join(cells)} |"


def as_share(share: float) -> str:
    """A share with two digits; a dash where there is none."""
    return f"{share:.2f}" if share == share else "-"


def write_csv(path: Path, table: Table) -> None:
    """A row a detector, stream, probability, seed, kind and size; kind "normal" has false alarms as what was found."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["detector", "stream", "probability", "seed", "kind", "size from", "found", "of"])
        for (detector, stream, probability), seeds in table.items():
            for seed, one in seeds.items():
                place = (detector, stream, probability, seed)
                writer.writerow([*place, "normal", "", one.false_alarms, one.normal])
                for kind, size in sorted(one.events):
                    writer.writerow([*place, kind, f"{size:g}", one.found[kind, size], one.events[kind, size]])


def draw(path: Path, table: Table, asked: argparse.Namespace) -> None:
    """Save the picture: found against probability on the first stream, and a piece of it with a detector's marks."""
    stream = asked.streams[0]
    lines: dict[str, dict[float, float]] = {}
    for (name, other, probability), seeds in table.items():
        if other == stream and probability > 0.0:
            lines.setdefault(name, {})[probability] = mean_and_worst(one.share() for one in seeds.values())[0]
    piece = simulate("default", recurring_chart.PROBABILITY, asked.seeds[0], recurring_chart.POINTS)
    shown = next(iter(lines))
    options = DetectorOptions(asked.model, asked.alarm_rate, lstm_model=asked.lstm_model)
    task = Task(shown, "default", recurring_chart.PROBABILITY, asked.seeds[0], recurring_chart.POINTS, options)
    marked = maker(task)().update_many(piece.values)["is_anomaly"]
    own = {name for name in lines if name in DETECTORS}
    recurring_chart.draw(path, lines, own, recurring_chart.Piece(shown, piece.values, piece.labels, marked))


def parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line; exits with code 2 where it is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    streams = ("default", *PROFILES, "random")
    parser.add_argument("--detectors", default=",".join(NAMES), help="names, separated by commas (default all)")
    parser.add_argument("--streams", default=",".join(streams), help="names, separated by commas (default all)")
    parser.add_argument(
        "--model", type=Path, default=SHIPPED_MODEL, help="made by model_prod.py (default the shipped one)"
    )
    parser.add_argument("--lstm-model", type=Path, default=PROJECT / LSTM_MODEL, help="the LSTM autoencoder's")
    parser.add_argument("--alarm-rate", type=float, default=ALARM_RATE, help="default %(default)s")
    parser.add_argument("--points", type=int, help=f"of each stream (default {POINTS}, quick {QUICK_POINTS})")
    parser.add_argument("--quick", action="store_true", help="fewer seeds, random profiles and points")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default %(default)s)")
    parser.add_argument("--csv", type=Path, metavar="PATH", help="write all counts there")
    parser.add_argument("--picture", type=Path, metavar="PATH", help="draw the first stream's table there, as a PNG")
    asked = parser.parse_args(words)
    for field, allowed in (("detectors", NAMES), ("streams", streams)):
        names = list(dict.fromkeys(name.strip() for name in getattr(asked, field).split(",")))
        unknown = [name for name in names if name not in allowed]
        if unknown:
            parser.error(f"--{field} has {unknown[0]!r}, allowed are {', '.join(allowed)}")
        setattr(asked, field, names)
    asked.points = asked.points or (QUICK_POINTS if asked.quick else POINTS)
    asked.seeds = QUICK_SEEDS if asked.quick else SEEDS
    asked.profiles = QUICK_PROFILES if asked.quick else RANDOM_PROFILES
    if asked.points <= FIRST:
        parser.error(f"--points is {asked.points}, allowed is more than {FIRST}")
    if asked.jobs < 1:
        parser.error(f"--jobs is {asked.jobs}, allowed is 1 or more")
    return asked


def main(words: Sequence[str] | None = None) -> int:
    """Run what is asked for and print the tables of each detector; 1 where there is none to run."""
    asked = parse(words)
    detectors = usable(asked)
    if not detectors:
        return 1
    print(f"alarm rate {asked.alarm_rate:g}, {asked.points:,} points, seeds {', '.join(map(str, asked.seeds))}")
    table: Table = {}
    for detector in detectors:
        table |= gather(run_all(tasks_of(asked, [detector]), asked.jobs))
        print(f"\n{detector}: spikes and dips found, by event\n")
        print("\n".join([*short_rows(table, detector), "", *long_rows(table, detector)]), flush=True)
    if asked.csv is not None:
        write_csv(asked.csv, table)
    if asked.picture is not None:
        draw(asked.picture, table, asked)
    return 0


if __name__ == "__main__":
    sys.exit(main())
