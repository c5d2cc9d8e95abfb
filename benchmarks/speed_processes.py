"""What whole programs cost: the first verdict, lines through a pipe, rows of a file, and their memory."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from benchmarks.speed_contenders import after, fit
from benchmarks.speed_memory import MIB, ProcessError, resident
from benchmarks.speed_rounds import Contender, Cost, Step, Values, alternate, cost, single_calls

PROJECT = Path(__file__).resolve().parents[1]

#: Peers as people write them: a number a line on standard input, its score on standard output.
SCIKIT_LEARN = """
import sys, joblib
forest = joblib.load(sys.argv[1])
for line in sys.stdin:
    print(-forest.score_samples([[float(line)]])[0], flush=True)
"""
RIVER = """
import sys
from river import anomaly, compose, preprocessing
model = compose.Pipeline(preprocessing.MinMaxScaler(), anomaly.HalfSpaceTrees(seed=1))
for line in sys.stdin:
    point = {"value": float(line)}
    print(model.score_one(point), flush=True)
    model.learn_one(point)
"""
KRCF = """
import sys, krcf
forest = krcf.RandomCutForest({"dimensions": 1, "shingle_size": 8, "num_trees": 30, "random_seed": 1})
for line in sys.stdin:
    point = [float(line)]
    print(forest.score(point), flush=True)
    forest.update(point)
"""
NOTHING = """
import sys
for line in sys.stdin:
    print(float(line), flush=True)
"""


class Program(NamedTuple):
    """What takes a number a line and answers each with a line.

    Attributes
    ----------
    name : str
        For tables.
    words : list of str
        Its command line.
    points : int
        Lines a round, where single lines are timed.
    packages : tuple of str
        What must be installed, by the names that pip knows.
    """

    name: str
    words: list[str]
    points: int
    packages: tuple[str, ...] = ()


def program(model: Path, source: str, form: str = "json") -> list[str]:
    """The command line of this program without a picture."""
    words = [sys.executable, str(PROJECT / "main.py"), source, "--no-visualization", "--format", form]
    return [*words, "--delay", "0", "--log", "none", "--model", str(model)]


def programs(model: Path, known: Values, folder: Path) -> list[Program]:
    """main.py and the peers' scripts; scikit-learn's model is fitted on the known values and saved first."""
    import joblib  # noqa: PLC0415 - heavy

    saved = folder / "forest.joblib"
    joblib.dump(fit(known), saved)
    script = [sys.executable, "-c"]
    return [
        Program("main.py -", program(model, "-"), 2000),
        Program("a script with scikit-learn", [*script, SCIKIT_LEARN, str(saved)], 30),
        Program("a script with river", [*script, RIVER], 1000, ("river",)),
        Program("a script with krcf", [*script, KRCF], 1000, ("krcf",)),
        Program("Python that prints the line", [*script, NOTHING], 2000),
    ]


@contextmanager
def started(words: Sequence[str]) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes], IO[bytes]]]:
    """A process with its standard input and output; ended afterwards. What it says else is dropped."""
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process, process.stdin, process.stdout
        finally:
            process.kill()


def answer(entry: IO[bytes], out: IO[bytes], value: float) -> bytes:
    """Write a value's line and wait for the answer's."""
    entry.write(b"%r\n" % value)
    line = bytearray()
    while not line.endswith(b"\n"):
        more = out.read(1 << 16)
        if not more:
            raise ProcessError("a program that is measured ended early; run it by hand to see why")
        line += more
    return bytes(line)


def first_verdicts(everybody: Sequence[Program], rounds: int) -> list[Cost]:
    """From the start of the process to the first answer: milliseconds."""

    def task(words: list[str], _turn: int) -> float:
        begun = time.perf_counter()
        with started(words) as (_process, entry, out):
            answer(entry, out, 21.5)
            return 1e3 * (time.perf_counter() - begun)

    taken = alternate("first verdict", {one.name: partial(task, one.words) for one in everybody}, rounds)
    return [cost("first verdict", name, "ms", numbers) for name, numbers in taken.items()]


def lines(everybody: Sequence[Program], stream: Values, rounds: int) -> list[Cost]:
    """From the newline written into a pipe to the line read back: microseconds, each line waited for."""

    def contender(one: Program) -> Contender:
        def step(known: Values) -> Step:
            _process, entry, out = stack.enter_context(started(one.words))
            return after(partial(answer, entry, out), known[: one.points])

        return Contender(one.name, one.points, step=step)

    with ExitStack() as stack:
        return single_calls("a line in a pipe", [contender(one) for one in everybody], stream, rounds)


def files(model: Path, stream: Values, rows: int, rounds: int, folder: Path) -> list[Cost]:
    """Microseconds a row of a whole run over a file, its start included."""
    values = np.round(np.resize(stream, rows), 4)
    plain, timed = folder / "values.csv", folder / "timed.csv"
    plain.write_text("value\n" + "\n".join(map(repr, values.tolist())) + "\n", encoding="utf-8")
    moments = np.datetime_as_string(np.datetime64("2024-01-01T00:00:00") + np.arange(rows))
    pairs = map(",".join, zip(moments.tolist(), map(repr, values.tolist()), strict=True))
    timed.write_text("time,value\n" + "\n".join(pairs) + "\n", encoding="utf-8")

    def task(path: Path, form: str, _turn: int) -> float:
        begun = time.perf_counter()
        ran = subprocess.run(program(model, str(path), form), capture_output=True, check=False)
        seconds = time.perf_counter() - begun
        if ran.returncode:
            raise ProcessError(f"main.py failed on a file: {ran.stderr.decode(errors='replace').strip()}")
        return 1e6 * seconds / rows

    tasks = {
        "main.py FILE --format quiet": partial(task, plain, "quiet"),
        "the same with ISO 8601 times": partial(task, timed, "quiet"),
        "main.py FILE --format json": partial(task, plain, "json"),
    }
    taken = alternate("rows of a file", tasks, rounds, 0)
    return [cost("rows of a file", name, "us", numbers) for name, numbers in taken.items()]


def memories(everybody: Sequence[Program], rounds: int) -> list[Cost]:
    """MiB of each program after a round's lines."""

    def task(one: Program, _turn: int) -> float:
        with started(one.words) as (process, entry, out):
            for value in range(one.points):
                answer(entry, out, float(value % 7))
            return (resident(process.pid) or 0) / MIB

    taken = alternate("memory", {one.name: partial(task, one) for one in everybody}, rounds, 0)
    return [cost("memory", name, "MiB", numbers) for name, numbers in taken.items()]
