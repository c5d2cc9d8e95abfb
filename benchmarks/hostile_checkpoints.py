"""Checkpoints that were forged field by field, by the hundred: a run from one judges on or says in a line why not."""

from __future__ import annotations

import argparse
import contextlib
import gzip
import json
import math
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

import main as program  # noqa: E402 - the path comes first
from streamforest.state import packed  # noqa: E402
from streamforest.storage import paging  # noqa: E402
from streamforest.storage.checkpoint import Saved, as_blocks, read  # noqa: E402

POINTS = 900  # before the checkpoint: a season was looked for and the rings are full
MORE = 1500  # after it
MOST_SECONDS = 60.0
COMPILING = 600.0  # seconds that the first run of a kind may take
INTEGERS = (-1, 1, 2**7, 2**15, 2**31 - 1, 2**31, 2**40, 2**53, -(2**31), -(2**62), 2**63 - 1, -(2**63), 511, 512, 1024)
FLOATS = (math.nan, math.inf, -math.inf, 1e308, -1e308, 1e36, -1.0, 0.0, 1e-320)
TEXTS = ("", "x" * 300, "\x1b[31m", "\ud800")
NUMBERS = (0, -1, 1, 2**31, 2**53, 2**62, -(2**63), 2**70, 0.5, 1e308, math.nan)
FACTS: tuple[Any, ...] = (None, *TEXTS, *NUMBERS, [], {}, [[]], {"a": 1}, True, [None])
OUTPUTS = ("--no-visualization", "--log", "log.txt", "--log-bytes", "1000", "--report", "report.csv")
FILE = ("in.csv", "--column", "value", "--time-column", "time")
SERVERS = ("--key-column", "pump", "--drop-after", "6000")
LOGGED = "isolation-forest, keyed, with a log"
#: Runs that are forged, by name: each has something of its own to remember.
RUNS: dict[str, Sequence[str]] = {
    "isolation-forest": (*FILE, "--format", "json"),
    "isolation-forest, keyed": (*FILE, *SERVERS, "--format", "json"),
    LOGGED: (*FILE, *SERVERS, "--format", "json", "--delay", "0.00001", "--checkpoint-every", "0.01"),
    "matrix-profile": (*FILE, "--detector", "matrix-profile", "--format", "json"),
    "z-score": (*FILE, "--detector", "z-score", "--format", "json"),
    "text, keyed, counter": (*FILE, *SERVERS, "--counter", "--on-anomaly", "true"),
    "text, compared, packed": ("in.csv.gz", *FILE[1:], "--compare", "isolation-forest,z-score"),
    "sliding-forest, simulated": ("simulated", "--detector", "sliding-forest", "--outlier-probability", "0.05"),
    "z-score, simulated server": ("simulated:server", "--detector", "z-score", "--outlier-probability", "0.1"),
    "isolation-forest, followed": (*FILE, "--follow", "--format", "quiet"),
    "isolation-forest, keyed, a budget": (*FILE, *SERVERS, "--alarms-a-day", "5"),
    "isolation-forest, ignored hours": (*FILE, "--ignore", "daily 02:00-22:00", "--holidays", "DE-BY"),
}


def forge(folder: Path, rng: random.Random) -> str:
    """Forge the checkpoint ``whole`` of a folder as ``state``; returns what is another one."""
    shutil.rmtree(folder / "state.pages", ignore_errors=True)
    for path in folder.glob("state*"):
        path.unlink()
    if (folder / "whole.pages").exists():
        shutil.copytree(folder / "whole.pages", folder / "state.pages")
        if rng.random() < 0.6:
            return forge_pages(folder / "whole", folder / "state", rng)
    what, content = forged(read(folder / "whole"), rng)
    (folder / "state").write_bytes(b"".join(as_blocks(content)))
    return what


def forge_pages(whole: Path, path: Path, rng: random.Random) -> str:
    """Forge one of the pages of a checkpoint, or the numbers of those that it needs; returns what."""
    saved = read(whole)
    shutil.copy(whole, path)
    if rng.random() < 0.1:
        numbers = [*saved.pages, rng.choice(INTEGERS)] if rng.random() < 0.5 else saved.pages[1:]
        path.write_bytes(b"".join(as_blocks(saved._replace(pages=numbers))))
        return f"pages {numbers}"
    page = path.with_name(f"{path.name}.pages") / str(rng.choice(saved.pages))
    what, content = forged(read(page), rng)
    page.write_bytes(b"".join(as_blocks(content)))
    return f"page {page.name}, {what}"


def forged(saved: Saved, rng: random.Random) -> tuple[str, Saved]:
    """A checkpoint, or a page of one, in which one field, element or fact is another; and its name."""
    state = dict(saved.state)
    name = rng.choice(sorted(state))
    array = state[name]
    if array.dtype.names is None and array.dtype == np.uint8 and array.ndim == 1 and array.size:
        with contextlib.suppress(ValueError):
            facts, where = _other_fact(json.loads(array.tobytes()), rng)
            return f"{name}{where}", saved._replace(state=state | {name: packed(facts)})
    copy = array.copy()
    where = _spoil(copy, rng) if copy.size else " stays empty"
    if rng.random() < 0.05:
        copy, where = copy.reshape(-1)[: copy.size // 2].copy(), " cut in half"
    return f"{name}{where}", saved._replace(state=state | {name: copy})


def _other_fact(facts: Any, rng: random.Random) -> tuple[Any, str]:
    """Facts with one of them another; and the way to it."""
    if isinstance(facts, list) and facts and rng.random() < 0.9:
        at = rng.randrange(len(facts))
        inner, where = _other_fact(facts[at], rng)
        return [*facts[:at], inner, *facts[at + 1 :]], f"[{at}]{where}"
    if isinstance(facts, dict) and facts and rng.random() < 0.9:
        key = rng.choice(sorted(facts))
        inner, where = _other_fact(facts[key], rng)
        return facts | {key: inner}, f".{key}{where}"
    other = rng.choice([one for one in FACTS if repr(one) != repr(facts)])
    return other, f" = {other!r:.20}"


def _spoil(array: NDArray[Any], rng: random.Random) -> str:
    """Change one field of an array in place, at one place or everywhere; returns which."""
    where = ""
    while array.dtype.names:
        name = rng.choice(array.dtype.names)
        array, where = array[name], f"{where}.{name}"
    value = rng.choice(FLOATS if array.dtype.kind == "f" else INTEGERS)
    at: Any = ... if rng.random() < 0.5 else tuple(rng.randrange(n) for n in array.shape)
    with np.errstate(all="ignore"):
        array[at] = np.array([value], object if array.dtype.kind == "O" else None).astype(array.dtype)[0]
    return f"{where} = {value:g}"


def outcome(words: Sequence[str], folder: Path, seconds: float = MOST_SECONDS) -> str:
    """What became of a run in a process of its own: ``refused``, ``went on``, or what is wrong."""
    told = folder / "told"
    child = os.fork()
    if child == 0:
        signal.alarm(round(seconds))
        os.chdir(folder)
        for path, descriptor in ((folder / "out", 1), (told, 2)):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
        sys.stdout, sys.stderr = (os.fdopen(n, "w", encoding="utf-8", closefd=False) for n in (1, 2))
        code = 99
        try:
            code = program.main(words)
        except BaseException:
            os.write(2, traceback.format_exc().encode())
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    status = os.waitpid(child, 0)[1]
    said = told.read_text(encoding="utf-8", errors="replace")
    if os.WIFSIGNALED(status):
        return f"ended by {signal.Signals(os.WTERMSIG(status)).name}"
    code = os.waitstatus_to_exitcode(status)
    if "Traceback" in said:
        return said[-300:]
    if code == 0:
        return "went on"
    *notes, fault = said.splitlines() or [""]  # a sink may say before that its file is another one
    is_clear = fault.startswith("main.py: ") and len(fault) <= 500 and fault.isprintable()
    return "refused" if code in (1, 2) and is_clear and len(notes) < 3 else f"exit code {code}: {said[:300]!r}"


def write_rows(path: Path, n: int, seed: int) -> None:
    """Rows with times and two keys, with a season and outliers, so that all parts have something to remember."""
    rng = np.random.default_rng(seed)
    values = np.sin(np.arange(n) / 24 * 2 * math.pi) + rng.normal(0, 0.1, n) + (rng.random(n) < 0.02) * 9
    with path.open("w", encoding="utf-8") as file:
        file.write("time,value,pump\n")
        for i, value in enumerate(values):
            file.write(f"{1_700_000_000 + 600 * (i // 2)},{value:.4f},{'ab'[i % 2]}\n")


def command(run: str, points: int) -> list[str]:
    """The command line of a run of a name, in the folder that it is started in."""
    often = ["--checkpoint", "state", "--alarm-rate", "0.01", "--delay", "0", "--max-points", str(points)]
    return [*often, *OUTPUTS, *RUNS[run]]


def begun(run: str, folder: Path, seed: int) -> None:
    """Make the folder of a run, and the checkpoint ``whole`` in it."""
    folder.mkdir()
    write_rows(folder / "in.csv", POINTS + MORE, seed)
    (folder / "in.csv.gz").write_bytes(gzip.compress((folder / "in.csv").read_bytes()))
    rate = paging.RATE
    paging.RATE = 1 if run == LOGGED else rate  # one page, and then the log alone
    first = outcome(command(run, POINTS), folder, COMPILING)
    paging.RATE = rate
    if first != "went on":
        raise RuntimeError(f"{run}, without forgery: {first}")
    (folder / "state").rename(folder / "whole")
    if (folder / "state.pages").exists():
        (folder / "state.pages").rename(folder / "whole.pages")


def main(arguments: Sequence[str]) -> int:
    """Forge, run and count; returns 1 where a run did what it must not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="*", help=f"of {'; '.join(RUNS)} (default: all)")
    parser.add_argument("--count", type=int, default=500, help="checkpoints (default %(default)s)")
    parser.add_argument("--seed", type=int, help="the same forgeries again (default a new one)")
    asked = parser.parse_args(arguments)
    seed = random.SystemRandom().randrange(2**32) if asked.seed is None else asked.seed
    print(f"seed {seed}", flush=True)
    runs, started = asked.runs or [*RUNS], time.monotonic()
    counted: Counter[tuple[str, str]] = Counter()
    with tempfile.TemporaryDirectory() as place:
        for number in range(asked.count):
            run = runs[number % len(runs)]
            folder = Path(place) / run
            if not folder.exists():
                begun(run, folder, seed)
            what = forge(folder, random.Random(f"{seed} {number}"))
            found = outcome(command(run, POINTS + MORE), folder)
            if found not in ("refused", "went on"):
                print(f"checkpoint {number}, {run}, {what}: {found}", flush=True)
                found = "harm"
            counted[run, found] += 1
    print(f"{'run':<28} {'refused':>8} {'went on':>8} {'harm':>6}")
    for run in dict.fromkeys(run for run, _ in counted):
        print(f"{run:<28} {counted[run, 'refused']:8,} {counted[run, 'went on']:8,} {counted[run, 'harm']:6,}")
    harm = sum(n for (_, found), n in counted.items() if found == "harm")
    print(f"{asked.count:,} forged checkpoints in {time.monotonic() - started:.0f} s: {harm} did harm")
    return 1 if harm else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
