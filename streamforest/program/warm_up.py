"""Compiles all that the default detector needs, in two processes and with a bar, where nothing of it is on disk yet."""

from __future__ import annotations

import math
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, cast

import numpy as np

from streamforest.compiled import address_of, cache_folder, compile_part
from streamforest.compiled_parts import compiling_many
from streamforest.detectors import isolation_forest as forest_detector
from streamforest.features import band, habits, season, week
from streamforest.features.holidays import NO_HOLIDAYS
from streamforest.features.observe import new_state
from streamforest.features.vector import N_VECTOR, look, new_buffers
from streamforest.judging.decide import new_positions, renumber
from streamforest.judging.rules import NO_RULES
from streamforest.models.forest import NODE_DTYPE, Forest, isolate, isolation
from streamforest.protocols import VERDICT_DTYPE
from streamforest.simulation.streams import SimulatedStream, default_profile
from streamforest.terminal.console import is_terminal
from streamforest.terminal.progress import show_bar
from streamforest.terminal.signals import before_abrupt_end
from streamforest.verdicts.counts import tally

#: Functions on disk after all is compiled, for the bar; a test holds it near the truth.
FUNCTIONS = 198
FRAME = 0.2  # seconds between two looks at how far it is
#: Starts the second process, which has to find the package as this one did.
WORKER = "import sys; sys.path.insert(0, {!r}); from streamforest.program.warm_up import work; work()"


def _judge() -> forest_detector.Judge:
    """A forest of one leaf, of the types that a loaded one has."""
    leaf = np.zeros(1, NODE_DTYPE)
    forest = Forest(leaf, np.zeros(1, np.bool_), np.zeros(1), np.zeros(1, np.uint64), 0, 1.0)
    knots = np.array([0.0, 1.0])
    return forest_detector.Judge(forest, knots, knots, knots, knots, 0.001, NO_RULES.numbers, NO_HOLIDAYS)


def compile_features() -> None:
    """The features, those first that the other process comes to last."""
    state, buffers = new_state()[0], new_buffers()[0]
    compile_part(season.learn_season, state, 0.0, 0.0, 0.0, 0.0)
    compile_part(season.learn_outlier, state, 0.0, 0.0, 0.0)
    compile_part(season.hold_against_past, state, 0.0, 0.0, 0.0, 0.0, buffers["distances"])
    compile_part(look, state, 0.0, 0.0, 0.0, buffers)


def compile_parts() -> None:
    """Parts of the features that need no others of them: band, habits and week."""
    state, buffers = new_state()[0], new_buffers()[0]
    compile_part(band.hold_against_band, state, 0.0, 0.0, buffers)
    compile_part(band.learn_band, state, 0.0, 0.0, 0.0, buffers)
    compile_part(band.look_at_band, state, 0.0, 0.0)
    compile_part(habits.hold_against_habits, state, 0.0, buffers)
    compile_part(week.hold_against_week, state, 0.0, 0.0, buffers)


def compile_verdict() -> None:
    """What the forest and the alarm rules make of the features."""
    record, verdict, judge = forest_detector.new_records()[0], np.zeros(1, VERDICT_DTYPE)[0], _judge()
    compile_part(isolation, judge.forest, np.zeros(N_VECTOR, np.float32))
    compile_part(forest_detector.conclude, record, 0.0, 0.0, judge, new_buffers()[0], 0.0, verdict)


def compile_rest() -> None:
    """What is no part of a step: what a loaded model is tried with, what is counted, and the simulated stream."""
    none = np.empty(0, VERDICT_DTYPE)
    isolate(_judge().forest, np.zeros((1, N_VECTOR), np.float32), np.zeros(1))
    tally(none)
    renumber(new_positions(), NO_RULES.numbers, none)
    SimulatedStream(default_profile(), 1).take(1)


def compile_stream() -> None:
    """The step over the readings of a block; the other groups are part of it."""
    records, none, judge = forest_detector.new_records(), np.empty(0), _judge()
    forest_detector.judge_stream(records, 0, none, none, judge, np.empty(0, VERDICT_DTYPE))


def compile_point() -> None:
    """The step over one reading, in the same way."""
    records, verdicts, buffers, judge = (
        forest_detector.new_records(),
        np.zeros(1, VERDICT_DTYPE),
        new_buffers(),
        _judge(),
    )
    bound = forest_detector.packed_arguments(records, verdicts, buffers, judge)
    forest_detector.judge_point(address_of(bound), math.nan, math.nan)


#: The second process of this one, which may go on for a while.
working: list[subprocess.Popen[str]] = []
#: The steps over readings, which all else is part of.
STEPS = {"stream": compile_stream, "point": compile_point}
GROUPS = {"parts": compile_parts, "verdict": compile_verdict, "rest": compile_rest, **STEPS}


def is_compiled() -> bool:
    """Whether the last that is compiled is on disk, for this Python."""
    folder = cache_folder()
    version = f"py{sys.version_info.major}{sys.version_info.minor}"
    ends = [f"isolation_forest.{name}-*.{version}*.nbi" for name in ("judge_stream", "judge_point")]
    return folder is not None and all(any(folder.rglob(end)) for end in ends)


def compile_all(*needed: str) -> None:
    """Compile all that a run with the default detector needs, unless it is on disk or cannot be kept there.

    Parameters
    ----------
    *needed : str
        The steps that are needed at once: "stream", over the readings of a block; "point", over one reading. The
        other one is compiled in a second process, which may go on with it while the run begins.
    """
    folder = cache_folder()
    if folder is None or is_compiled():
        return
    first, *waited_for = needed
    (later,) = set(STEPS) - {first}
    with _bar(folder), compiling_many(), _second_process() as ask:
        # the features are more than half of the work: some of them come first there
        for group in ("parts", "verdict", "rest", later):
            wait = ask(group)
        compile_features()
        wait("verdict")
        compile_verdict()  # finds what the other process has done, or does it; and so below
        STEPS[first]()
        for group in ("rest", *waited_for):
            wait(group)
            GROUPS[group]()


def work() -> None:
    """Be the second process: compile the groups that are named on standard input, and say of each that it is done."""
    with compiling_many():
        for line in sys.stdin:
            GROUPS[line.strip()]()
            print(line.strip(), flush=True)


@contextmanager
def _second_process() -> Iterator[Callable[[str], Callable[[str], None]]]:
    """A function that asks the second process for a group and gives one that waits for a group; both never fail."""
    words = [sys.executable, "-c", WORKER.format(str(Path(__file__).parents[2]))]
    pipe = subprocess.PIPE
    try:
        worker = subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True)
    except OSError:
        yield lambda _group: lambda _waited_for: None
        return

    def wait(group: str) -> None:
        for line in worker.stdout or ():
            if line.strip() == group:
                return

    def ask(group: str) -> Callable[[str], None]:
        with suppress(OSError):
            print(group, file=worker.stdin, flush=True)
        return wait

    working.append(worker)
    before_abrupt_end(worker.kill)
    try:
        yield ask
    finally:
        with suppress(OSError):
            cast("IO[str]", worker.stdin).close()  # it ends when it has done what it was asked for


@contextmanager
def _bar(folder: Path) -> Iterator[None]:
    """A bar of how many functions are on disk."""
    if not is_terminal(sys.stderr):
        yield
        return
    is_over = threading.Event()

    def draw() -> None:
        while not is_over.wait(FRAME):
            show_bar("compiling", min(sum(1 for _ in folder.rglob("*.nbi")), FUNCTIONS - 1), FUNCTIONS)

    drawing = threading.Thread(target=draw, daemon=True)
    drawing.start()
    try:
        yield
    finally:
        is_over.set()
        drawing.join()
        show_bar("compiling", FUNCTIONS, FUNCTIONS)
