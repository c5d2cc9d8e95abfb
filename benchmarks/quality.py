"""How well anomalies are found: own detectors, baselines and public peers on labelled boards, strictly streaming."""

from __future__ import annotations

import argparse
import csv
import os
import platform
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from benchmarks import nab_score, peers, quality_chart  # noqa: E402 - the path comes first
from benchmarks.boards import Board, BoardError, read_board  # noqa: E402
from benchmarks.marks import Marks, measure  # noqa: E402
from benchmarks.outcomes import BASE_PACKAGES, Failure, KeptOutcomes, Task, run_all  # noqa: E402
from benchmarks.peers import Outcome  # noqa: E402
from settings import ALARM_RATE, LSTM_MODEL  # noqa: E402
from streamforest.judging.decide import LEAST_ALARM_RATE, MOST_ALARM_RATE  # noqa: E402
from streamforest.models.shipped import SHIPPED_MODEL  # noqa: E402

OUTPUT = PROJECT / "benchmarks" / "results" / "quality"
CACHE = Path.home() / ".cache" / "streamforest" / "quality"


class Column(NamedTuple):
    """One figure in the printed table."""

    field: str
    head: str
    form: str


#: What a board's own people measure, by its kind: printed first.
OWN_COLUMNS = {
    "tsb-ad": (Column("whole_vus_pr", "TSB VUS-PR", "{:.3f}"),),
    "ucr": (Column("found_near", "UCR found", "{:.3f}"),),
}
COLUMNS = (
    Column("nab_standard", "NAB", "{:.2f}"),
    Column("nab_low_fp", "low FP", "{:.2f}"),
    Column("nab_low_fn", "low FN", "{:.2f}"),
    Column("vus_pr", "VUS-PR", "{:.3f}"),
    Column("precision", "precis.", "{:.3f}"),
    Column("recall", "recall", "{:.3f}"),
    Column("f1", "F1", "{:.3f}"),
    Column("false_alarms_per_day", "FA/day", "{:.3f}"),
    Column("false_alarms_per_1000", "FA/1000", "{:.3f}"),
    Column("flagged_over_asked", "x asked", "{:.2f}"),
    Column("median_delay", "delay", "{:.0f}"),
    Column("us_per_point", "us/point", "{:.2f}"),
)


def parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line; exits with code 2 where it is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "boards", nargs="+", type=Path, metavar="BOARD", help="folder: NAB, TSB-AD, UCR's archive, CSV files"
    )
    parser.add_argument("--file-list", type=Path, metavar="CSV", help="run only the files named in its first column")
    parser.add_argument("--detectors", default=",".join(peers.names()), help="names, separated by commas (default all)")
    parser.add_argument("--model", type=Path, default=SHIPPED_MODEL, help="made by model_prod.py (default %(default)s)")
    parser.add_argument(
        "--lstm-model", type=Path, default=PROJECT / LSTM_MODEL, help="the LSTM autoencoder's (default %(default)s)"
    )
    parser.add_argument("--alarm-rate", type=float, default=ALARM_RATE, help="asked of all alike (default %(default)s)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default one a core)")
    parser.add_argument("--output", type=Path, default=OUTPUT, metavar="PREFIX", help="of the files that are written")
    parser.add_argument("--cache", type=Path, default=CACHE, help="what is done already (default %(default)s)")
    parser.add_argument("--nab-results", type=Path, metavar="DIR", help="write the scores for NAB's own scorer there")
    parser.add_argument("--check-nab", action="store_true", help="only score the published scores beside a board")
    asked = parser.parse_args(words)
    asked.detectors = list(dict.fromkeys(name.strip() for name in asked.detectors.split(",")))
    unknown = [name for name in asked.detectors if name not in peers.names()]
    if unknown:
        parser.error(f"--detectors has {unknown[0]!r}, allowed are {', '.join(peers.names())}")
    if not LEAST_ALARM_RATE <= asked.alarm_rate <= MOST_ALARM_RATE:
        parser.error(f"--alarm-rate is {asked.alarm_rate}, allowed is {LEAST_ALARM_RATE:f} to {MOST_ALARM_RATE}")
    if asked.jobs < 1:
        parser.error(f"--jobs is {asked.jobs}, allowed is 1 or more")
    return asked


def main(words: Sequence[str] | None = None) -> int:
    """Run what is asked for; returns the exit code: 1 where something could not be run."""
    asked = parse(words)
    try:
        only = None if asked.file_list is None else listed(asked.file_list)
        boards = [read_board(folder, only) for folder in asked.boards]
    except BoardError as error:
        print(error, file=sys.stderr)
        return 1
    if len({board.name for board in boards}) < len(boards):
        print("two boards have the same folder name: their files would overwrite each other", file=sys.stderr)
        return 2
    if asked.check_nab:
        return print_check(boards)
    detectors = usable(asked.detectors, models(asked))
    if not detectors:
        return 1
    print_head(asked, detectors)
    failures = 0
    for board in boards:
        try:
            failures += run_board(board, detectors, asked)
        except KeyboardInterrupt:
            print("\ninterrupted; what is done is kept, the same command goes on from there", file=sys.stderr)
            return 130
    return int(failures > 0)


def listed(path: Path) -> set[str]:
    """The names in the first column of a CSV file, such as TSB-AD's lists of series; raises BoardError."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return {row[0].strip() for row in csv.reader(file) if row}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BoardError(f"{path}: cannot be read: {error}") from None


def models(asked: argparse.Namespace) -> dict[str, Path]:
    """The file of each detector that needs one."""
    return {"isolation-forest": asked.model, "lstm-autoencoder": asked.lstm_model}


def usable(names: list[str], files: Mapping[str, Path]) -> list[str]:
    """The detectors that can be run here; says of the others what they lack."""
    able = []
    for name in names:
        missing = peers.missing_packages(name)
        if missing:
            print(f"{name} left out: pip install {' '.join(missing)}", file=sys.stderr)
        elif name in files and not files[name].is_file():
            make_it = f"make it with python model_prod.py --detector {name}"
            print(f"{name} left out: no model at {files[name]}, {make_it}", file=sys.stderr)
        else:
            able.append(name)
    return able


def print_check(boards: list[Board]) -> int:
    """Score the published scores that lie beside the boards and print both; 1 where none or one differs."""
    outcomes = [outcome for board in boards for outcome in nab_score.check_published(board)]
    if not outcomes:
        print("no scores_NAME.npz in the board's folder: nothing to check", file=sys.stderr)
    for name, score, published in outcomes:
        print(f"NAB standard, {name:<18}{score:>8.2f}   published {published:>6.2f}")
    return int(not outcomes or any(abs(score - published) > 0.01 for _, score, published in outcomes))


def print_head(asked: argparse.Namespace, detectors: list[str]) -> None:
    """Say what runs, in which versions."""
    needed = {package for name in detectors for package in peers.packages_of(name)}
    packages = [*BASE_PACKAGES, *sorted(needed - set(BASE_PACKAGES))]
    versions = ", ".join(f"{package} {peers.installed(package)}" for package in packages)
    print(f"{datetime.now(UTC):%Y-%m-%d}, Python {platform.python_version()}, {versions}")
    print(f"alarm rate {asked.alarm_rate} asked of all, NAB alarms after {nab_score.COOL_DOWN} lower rows")


def run_board(board: Board, detectors: list[str], asked: argparse.Namespace) -> int:
    """Run, print and write one board; returns how many tasks failed."""
    files = models(asked)
    tasks = [
        Task(name, series, files.get(name, asked.model), asked.alarm_rate)
        for name in detectors
        for series in board.series
    ]
    outcomes = run_all(tasks, KeptOutcomes(asked.cache), asked.jobs, progress)
    by_detector: dict[str, dict[str, Outcome]] = {name: {} for name in detectors}
    failures: dict[tuple[str, str], list[str]] = defaultdict(list)
    for task, outcome in zip(tasks, outcomes, strict=True):
        if isinstance(outcome, Failure):
            failures[task.detector, outcome.reason].append(task.series.name)
        else:
            by_detector[task.detector][task.series.name] = outcome
    marks = {name: measure(board, kept, asked.alarm_rate) for name, kept in by_detector.items()}
    print_board(board, marks, failures)
    write_board(board, marks, asked.output)
    if asked.nab_results is not None:
        write_nab_results(asked.nab_results, board, by_detector)
    return sum(map(len, failures.values()))


def progress(done: int, of: int, task: Task) -> None:
    """One line on a terminal that is written over."""
    if sys.stderr.isatty():
        text = f"{done:>5} of {of}  {done / of:>4.0%}  {task.detector}  {task.series.name}"
        print(f"\r{text[:100]:<100}", end="\r" if done < of else "\n", file=sys.stderr, flush=True)


def print_board(board: Board, marks: Mapping[str, Marks], failures: Mapping[tuple[str, str], list[str]]) -> None:
    """Print the table, what failed, and the published scores that lie beside the board."""
    points = sum(series.values.size for series in board.series)
    windows = sum(len(series.counted_windows) for series in board.series)
    print(f"\n{board.name}: {len(board.series)} series, {points:,} points, {windows} anomalies behind the probation")
    width = max(map(len, [*marks, "detector"])) + 2
    columns = (*OWN_COLUMNS.get(board.kind, ()), *COLUMNS)
    print(f"{'detector':<{width}}" + "".join(f"{column.head:>11}" for column in columns))
    for name, one in by_score(marks):
        cells = (column.form.format(getattr(one, column.field)) for column in columns)
        print(
            f"{name:<{width}}" + "".join(f"{cell:>11}" for cell in cells) + f"  {one.failed} failed" * bool(one.failed)
        )
    for (name, reason), series in failures.items():
        print(f"{name} failed on {', '.join(series)}: {reason}")
    for name, score, published in nab_score.check_published(board):
        print(f"published row scores of {name}: NAB {score:.2f} here, {published:.2f} by its authors")


def by_score(marks: Mapping[str, Marks]) -> list[tuple[str, Marks]]:
    """Detectors from the best NAB score down."""
    return sorted(marks.items(), key=lambda item: (item[1].nab_standard != item[1].nab_standard, -item[1].nab_standard))


def write_board(board: Board, marks: Mapping[str, Marks], prefix: Path) -> None:
    """Write the table as CSV, with all figures, and as a picture."""
    prefix.parent.mkdir(parents=True, exist_ok=True)
    table = prefix.with_name(f"{prefix.name}-{board.name}.csv")
    with table.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(("detector", "kind", *Marks._fields))
        for name, one in by_score(marks):
            writer.writerow((name, peers.kind_of(name), *(f"{figure:.6g}" for figure in one)))
    picture = table.with_suffix(".png")
    title = f"{board.name}: {len(board.series)} labelled series, one pass, no parameter set for any of them"
    quality_chart.draw(picture, title, marks, {name: peers.kind_of(name) for name in marks})
    print(f"written: {table} and {picture.name}")


def write_nab_results(folder: Path, board: Board, outcomes: Mapping[str, Mapping[str, Outcome]]) -> None:
    """Write every detector's alarms on a board in the files that NAB's own scorer reads."""
    for detector, by_series in outcomes.items():
        for series in board.series:
            if series.name in by_series:
                alarms = nab_score.alarm_scores(by_series[series.name].scores)
                nab_score.write_results(folder, detector, series, alarms)


if __name__ == "__main__":
    sys.exit(main())
