"""What a contender needs in a process of its own: memory, and microseconds a point; a model's size and load time."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from benchmarks.speed_contenders import (  # noqa: E402 - the path comes first
    after,
    fit,
    half_space_trees,
    one_by_one,
    score_and_learn,
    side_by_side,
)
from benchmarks.speed_rounds import Cost, Values, alternate, cost, timed  # noqa: E402

MIB = 2**20

#: Stands for a process that holds the stream and judges nothing: what the others' figures begin at.
NOBODY = "numpy and the stream"


class ProcessError(Exception):
    """A process that is measured failed; the message is for the user."""


def resident(process: int | str = "self") -> int | None:
    """Bytes of memory that a process has now; None where the system has no /proc."""
    return _number_in(Path(f"/proc/{process}/status"), "VmRSS")


def available() -> int | None:
    """Bytes of memory that another process could have now; None where the system has no /proc."""
    return _number_in(Path("/proc/meminfo"), "MemAvailable")


def _number_in(path: Path, name: str) -> int | None:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError:
        return None
    return next((1024 * int(line.split()[1]) for line in text.splitlines() if line.startswith(name)), None)


def alone(name: str, model: Path, stream: Path, rounds: int, streams: int, peers: int) -> tuple[Cost, float]:
    """What a contender costs that has a process of its own, and the MiB of that process.

    Parameters
    ----------
    name : str
        Of one of ``one_by_one`` or ``side_by_side``, or NOBODY.
    stream : Path
        A file of numpy's with the values.
    rounds : int
        At least 1.
    streams, peers : int
        As for ``side_by_side``.

    Raises
    ------
    ProcessError
        The process failed.
    """
    words = [sys.executable, str(Path(__file__)), name, str(model), str(stream), str(rounds), str(streams), str(peers)]
    ran = subprocess.run(words, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise ProcessError(f"{name}: {(ran.stderr.strip().splitlines() or [f'ended with {ran.returncode}'])[-1]}")
    found, bytes_there = json.loads(ran.stdout)
    return Cost(*found), bytes_there / MIB


def be_alone(name: str, model: Path, stream: Path, rounds: int, streams: int, peers: int) -> str:
    """What the process of :func:`alone` prints."""
    values: Values = np.load(stream)
    everybody = [*one_by_one(model), *side_by_side(model, streams, (1, os.cpu_count() or 1), peers)]
    by_name = {one.name: one for one in everybody}
    tasks = {} if name == NOBODY else {name: timed(by_name[name], values, time.perf_counter)}
    taken = alternate(name, tasks, rounds).get(name, [0.0])
    return json.dumps([cost("alone", name, "us", taken), resident() or 0])  # while the tasks hold what is measured


def memories(everybody: Sequence[str], model: Path, stream: Path, rounds: int, streams: int, peers: int) -> list[Cost]:
    """MiB of each contender's own process, once it has judged a round's points."""

    def task(name: str, _turn: int) -> float:
        return alone(name, model, stream, 1, streams, peers)[1]

    taken = alternate("memory", {name: partial(task, name) for name in (NOBODY, *everybody)}, rounds, 0)
    return [cost("memory", name, "MiB", numbers) for name, numbers in taken.items()]


def models(model: Path, known: Values, rounds: int, folder: Path, *, has_river: bool) -> list[Cost]:
    """Size on disk, KiB, and load time, milliseconds, where all packages are imported already."""
    import joblib  # noqa: PLC0415 - not in the process of every contender

    from streamforest import StreamDetector  # noqa: PLC0415

    saved = folder / "forest.joblib"
    joblib.dump(fit(known), saved)
    loads: dict[str, tuple[Path, Callable[[Path], Any]]] = {
        "StreamDetector": (model, StreamDetector.load),
        "scikit-learn, joblib": (saved, joblib.load),
    }
    if has_river:
        pipeline = half_space_trees()
        after(score_and_learn(pipeline), known)
        pickled = folder / "trees.pickle"
        pickled.write_bytes(pickle.dumps(pipeline))
        loads["river HalfSpaceTrees, pickle"] = (pickled, lambda path: pickle.loads(path.read_bytes()))

    def task(path: Path, load: Callable[[Path], Any], _turn: int) -> float:
        begun = time.perf_counter()
        load(path)
        return 1e3 * (time.perf_counter() - begun)

    taken = alternate("model load", {name: partial(task, *how) for name, how in loads.items()}, rounds)
    sizes = [cost("model size", name, "KiB", [path.stat().st_size / 1024]) for name, (path, _) in loads.items()]
    return [*sizes, *(cost("model load", name, "ms", numbers) for name, numbers in taken.items())]


if __name__ == "__main__":
    words = sys.argv[1:]
    print(be_alone(words[0], Path(words[1]), Path(words[2]), *map(int, words[3:])))
