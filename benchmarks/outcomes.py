"""Runs detectors over series in several processes and keeps every outcome, so that a run can be resumed."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import platform
import signal
import zipfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import redirect_stdout
from dataclasses import replace
from functools import cache
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks import peers
from benchmarks.boards import Series
from benchmarks.peers import Outcome

_PACKAGE = Path(peers.__file__).parents[1] / "streamforest"

#: What every detector here is built on.
BASE_PACKAGES = ("numpy", "numba", "scikit-learn")

# One core for a process: several libraries would otherwise share the cores out among their own threads.
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Task(NamedTuple):
    """One detector on one series."""

    detector: str
    series: Series
    model: Path
    alarm_rate: float


class Failure(NamedTuple):
    """Why a detector could not be run on a series."""

    reason: str


class KeptOutcomes:
    """A folder of outcomes, one file a task, named by all that the outcome depends on.

    Parameters
    ----------
    folder : path
        Is made where it is missing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, task: Task) -> Path:
        """Where a task's outcome is kept."""
        return self._folder / task.detector / f"{_key(task)}.npz"

    def load(self, task: Task) -> Outcome | None:
        """The kept outcome; None where there is none that can be read."""
        try:
            # opened here, because numpy leaves a damaged archive open
            with self.path(task).open("rb") as file, np.load(file) as kept:
                return Outcome(kept["scores"], kept["flagged"], float(kept["seconds"]))
        except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile):
            return None

    def save(self, task: Task, outcome: Outcome) -> None:
        """Keep an outcome; a file is there as a whole or not at all."""
        path = self.path(task)
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(f".{os.getpid()}.tmp")
        with draft.open("wb") as file:
            np.savez_compressed(file, scores=outcome.scores, flagged=outcome.flagged, seconds=outcome.seconds)
        draft.replace(path)


def _key(task: Task) -> str:
    packages = peers.packages_of(task.detector)
    known = {
        "values": hashlib.sha256(task.series.values.tobytes()).hexdigest(),
        "times": hashlib.sha256(task.series.times.tobytes()).hexdigest(),
        "detector": task.detector,
        "alarm rate": task.alarm_rate,
        "python": platform.python_version(),
        "versions": {package: peers.installed(package) for package in (*BASE_PACKAGES, *packages)},
        "here": _source_hash(Path(peers.__file__)),
    }
    if task.detector not in peers.PEERS:
        known |= {"model": _source_hash(task.model), "source": _source_hash(_PACKAGE)}
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()[:40]


@cache
def _source_hash(path: Path) -> str:
    """Of a file, or of all Python files below a folder; read once a program."""
    digest = hashlib.sha256()
    for file in sorted(path.rglob("*.py")) if path.is_dir() else [path] * path.is_file():
        digest.update(file.relative_to(path.parent).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def run_task(task: Task) -> Outcome | Failure:
    """Run one detector over one series; whatever goes wrong in it is a failure to be told."""
    try:
        # a library's remarks would stand between the lines of the table
        with redirect_stdout(StringIO()):
            return peers.run(task.detector, task.series, task.model, task.alarm_rate)
    except Exception as error:  # another library may raise anything
        return Failure(f"{type(error).__name__}: {error}")


def _run_and_keep(task: Task, kept: KeptOutcomes) -> Outcome | Failure:
    """In its own process, so that what is being run when the parent is stopped is kept as well."""
    outcome = run_task(task)
    if isinstance(outcome, Outcome):
        kept.save(task, outcome)
    return outcome


def run_all(
    tasks: Sequence[Task], kept: KeptOutcomes, jobs: int, tell: Callable[[int, int, Task], None]
) -> list[Outcome | Failure]:
    """Run all tasks that no outcome is kept of; returns the outcomes of all, in the order of the tasks.

    Parameters
    ----------
    tasks : sequence of Task
        In any order; longer series are begun first.
    kept : KeptOutcomes
        Where outcomes are looked up, and kept as soon as they are there.
    jobs : int
        Processes.
    tell : callable
        Is told how many tasks are done, of how many, and the newest one.
    """
    outcomes: dict[int, Outcome | Failure] = {}
    for at, task in enumerate(tasks):
        known = kept.load(task)
        if known is not None:
            outcomes[at] = known
    left = [at for at in range(len(tasks)) if at not in outcomes]
    left.sort(key=lambda at: -tasks[at].series.values.size)
    for name in _ONE_THREAD:
        os.environ.setdefault(name, "1")
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), _leave_the_stop_to_the_parent)
    try:
        # the text of the times stays here, no detector sees it
        futures = {
            pool.submit(_run_and_keep, task._replace(series=replace(task.series, stamps=())), kept): at
            for at, task in ((at, tasks[at]) for at in left)
        }
        for future in as_completed(futures):
            at = futures[future]
            outcomes[at] = future.result()
            tell(len(outcomes), len(tasks), tasks[at])
    finally:
        pool.shutdown(cancel_futures=True)
    return [outcomes[at] for at in range(len(tasks))]


def _leave_the_stop_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
